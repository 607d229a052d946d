/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <string.h>

#include "base/text.h"
#include "config/class.h"
#include "config/names.h"
#include "config/pattern.h"
#include "config/squat.h"
#include "config/value.h"

#define DEVICES_MAX 1000
/* As many of its IDs as the list of one class can hold: 55 bytes each, of 4 MiB. */
#define COUNT_MAX 70000
#define LIMIT_MAX 1000000
#define PERMISSIONS "mrw"

/* Types of this grammar alone. Where squat trims spaces, so do these. */

static char *trim(const char *text)
{
	static const char spaces[] = " \t\n\v\f\r";
	size_t length;

	text += strspn(text, spaces);
	length = strlen(text);
	while (length > 0 && strchr(spaces, text[length - 1]))
		length--;
	return mem_string_n(text, length);
}

static int parse_name(const struct field *field, const char *text, void *target,
		      struct error *err)
{
	KUDEV_AUTO_FREE char *name = trim(text);
	int r = class_name_check(name, err);

	if (r < 0)
		return r;
	field_store(field, target, take_ptr(name));
	return 0;
}

static int parse_pattern(const struct field *field, const char *text, void *target,
			 struct error *err)
{
	KUDEV_AUTO_FREE char *trimmed = trim(text);
	char *pattern = NULL;
	int r;

	r = pattern_parse(trimmed, PATTERN_DOUBLE_STAR, &pattern, err);
	if (r < 0)
		return r;
	field_store(field, target, pattern);
	return 0;
}

/* A template that expands to the very text, whatever braces it has. */
static char *escape_braces(const char *text)
{
	char *escaped = mem_alloc(2 * strlen(text) + 1);
	char *end = escaped;

	for (; *text; text++) {
		if (*text == '{' || *text == '}')
			*end++ = *text;
		*end++ = *text;
	}
	*end = '\0';
	return escaped;
}

static int parse_mount_path(const struct field *field, const char *text, void *target,
			    struct error *err)
{
	struct template **slot = field_slot(field, target);
	KUDEV_AUTO_FREE char *trimmed = trim(text);
	KUDEV_AUTO_FREE char *escaped = escape_braces(trimmed);

	return trimmed[0] ? mount_path_new(escaped, slot, err) : 0;
}

static int parse_permissions(const struct field *field, const char *text, void *target,
			     struct error *err)
{
	(void)err;
	field_store(field, target, mem_string(text[0] ? text : PERMISSIONS));
	return 0;
}

static void read_permissions(struct document *document, const yaml_node_t *node,
			     const struct field *field, void *target)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	const char *text = node_text(node);

	if (!field_expect(document, node, field, YAML_SCALAR_NODE))
		return;
	if (text[0] && permissions_check(text, &err) < 0)
		document_report(document, document->sloppy, node, "%s: %s", field->key,
				error_message(&err));
	(void)parse_permissions(field, text, target, NULL);
}

static void read_type(struct document *document, const yaml_node_t *node,
		      const struct field *field, void *target)
{
	enum config_path_type *type = field_slot(field, target);
	const char *text = node_text(node);
	KUDEV_AUTO_FREE char *quoted = text_quote(text);

	if (!field_expect(document, node, field, YAML_SCALAR_NODE))
		return;
	if (text[0] == '\0' || strcmp(text, "Device") == 0) {
		*type = CONFIG_PATH_DEVICE;
	} else if (strcmp(text, "Mount") == 0) {
		*type = CONFIG_PATH_MOUNT;
	} else {
		*type = CONFIG_PATH_IGNORED;
		document_report(document, document->sloppy, node,
				"%s: must be Device or Mount, not %s", field->key,
				quoted);
	}
}

static int parse_usb_id(const struct field *field, const char *text, void *target,
			struct error *err)
{
	if (text[0])
		return value_usb_id.parse(field, text, target, err);
	*(uint16_t *)field_slot(field, target) = 0;
	return 0;
}

static int parse_serial(const struct field *field, const char *text, void *target,
			struct error *err)
{
	(void)err;
	field_store(field, target, text[0] ? mem_string(text) : NULL);
	return 0;
}

static void read_unused(struct document *document, const yaml_node_t *node,
			const struct field *field, void *target)
{
	(void)target;
	document_report(document, DIAGNOSTIC_WARNING, node, "%s: has no effect in a file",
			field->key);
}

static void read_misplaced(struct document *document, const yaml_node_t *node,
			   const struct field *field, void *target)
{
	(void)target;
	document_report(document, document->sloppy, node,
			"%s: has no effect here; it belongs to each of the groups",
			field->key);
}

static const struct field_type type_name = {
	.wants = "a name",
	.schema = "string",
	.parse = parse_name,
};

static const struct field_type type_pattern = {
	.wants = "the path of a device, or a glob",
	.schema = "string",
	.parse = parse_pattern,
};

static const struct field_type type_mount_path = {
	.wants = "an absolute path",
	.schema = "string",
	.parse = parse_mount_path,
};

static const struct field_type type_permissions = {
	.wants = "some of r, w and m",
	.schema = "string",
	.parse = parse_permissions,
	.read = read_permissions,
};

static const struct field_type type_path_type = {
	.wants = "Device or Mount",
	.schema = "string",
	.read = read_type,
};

static const struct field_type type_usb_id = {
	.wants = "a hexadecimal number",
	.schema = "string",
	.parse = parse_usb_id,
};

static const struct field_type type_serial = {
	.wants = "a text",
	.schema = "string",
	.parse = parse_serial,
};

static const struct field_type type_unused = {
	.wants = "nothing",
	.schema = "string",
	.read = read_unused,
};

static const struct field_type type_misplaced = {
	.wants = "nothing",
	.schema = "integer",
	.read = read_misplaced,
};

/* What one key demands of another. */

static void finish_path(struct document *document, const yaml_node_t *mapping,
			const struct field *field, void *target)
{
	struct config_path *path = target;
	const yaml_node_t *permissions = document_key(document, mapping, "permissions");
	const yaml_node_t *read_only = document_key(document, mapping, "readOnly");

	(void)field;
	if (path->limit == 0)
		path->limit = 1;
	if (permissions && path->type == CONFIG_PATH_MOUNT)
		document_report(document, document->sloppy, permissions,
				"permissions: has no effect on a Mount; use readOnly");
	if (read_only && path->type == CONFIG_PATH_DEVICE)
		document_report(document, document->sloppy, read_only,
				"readOnly: has no effect on a Device; use permissions");
}

static void finish_usb(struct document *document, const yaml_node_t *mapping,
		       const struct field *field, void *target)
{
	const struct config_usb *usb = target;

	(void)field;
	if (usb->vendor == 0 || usb->product == 0)
		document_report(document, DIAGNOSTIC_WARNING, mapping,
				"usb: matches nothing; give both vendor and product");
}

static void finish_group(struct document *document, const yaml_node_t *mapping,
			 const struct field *field, void *target)
{
	struct config_group *group = target;

	(void)field;
	if (group->count == 0)
		group->count = 1;
	if (group->path_count > 0 && group->usb_count > 0)
		document_error(document, mapping,
			       "a group has paths or usb, not both: make two groups");
	if (node_is_nothing(document_value(document, mapping, "paths")) &&
	    node_is_nothing(document_value(document, mapping, "usb")))
		document_report(
			document, DIAGNOSTIC_WARNING, mapping,
			"the group has neither paths nor usb and yields no device");
}

/* The tables. */

static const struct field path_fields[] = {
	{
		.key = "path",
		.help = "The node or file on the host; a glob names several.",
		.type = &type_pattern,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct config_path, pattern),
	},
	{
		.key = "mountPath",
		.help = "Where it appears in the container; a trailing / keeps the name.",
		.type = &type_mount_path,
		.offset = offsetof(struct config_path, mount_path),
	},
	{
		.key = "type",
		.help = "Device hands out a node, Mount binds a file or directory.",
		.type = &type_path_type,
		.offset = offsetof(struct config_path, type),
	},
	{
		.key = "permissions",
		.help = "What a container may do with it: some of r, w and m (mknod).",
		.type = &type_permissions,
		.fallback = PERMISSIONS,
		.offset = offsetof(struct config_path, permissions),
	},
	{
		.key = "readOnly",
		.help = "Whether a Mount is read-only.",
		.type = &field_boolean,
		.fallback = "false",
		.offset = offsetof(struct config_path, read_only),
	},
	{
		.key = "limit",
		.help = "How many units of the group may use the same match.",
		.type = &field_unsigned,
		.max = LIMIT_MAX,
		.fallback = "1",
		.offset = offsetof(struct config_path, limit),
	},
	{
		.key = "optional",
		.help = "Whether the group is handed out even where this is missing.",
		.type = &field_boolean,
		.fallback = "false",
		.offset = offsetof(struct config_path, optional),
	},
	{0},
};

static const struct field usb_fields[] = {
	{
		.key = "vendor",
		.help = "The vendor ID, hexadecimal.",
		.type = &type_usb_id,
		.offset = offsetof(struct config_usb, vendor),
	},
	{
		.key = "product",
		.help = "The product ID, hexadecimal.",
		.type = &type_usb_id,
		.offset = offsetof(struct config_usb, product),
	},
	{
		.key = "serial",
		.help = "The serial number; without it any device of that product.",
		.type = &type_serial,
		.offset = offsetof(struct config_usb, serial),
	},
	{0},
};

static const struct field path_item = {
	.key = "paths",
	.type = &field_mapping,
	.fields = path_fields,
	.finish = finish_path,
};
static const struct field usb_item = {
	.key = "usb",
	.type = &field_mapping,
	.fields = usb_fields,
	.finish = finish_usb,
};

static const struct field group_fields[] = {
	{
		.key = "paths",
		.help = "The nodes and files that make one unit.",
		.type = &field_list,
		.item = &path_item,
		.item_size = sizeof(struct config_path),
		.offset = offsetof(struct config_group, paths),
		.count_offset = offsetof(struct config_group, path_count),
	},
	{
		.key = "usb",
		.help = "The USB devices that make one unit; instead of paths.",
		.type = &field_list,
		.item = &usb_item,
		.item_size = sizeof(struct config_usb),
		.offset = offsetof(struct config_group, usb),
		.count_offset = offsetof(struct config_group, usb_count),
	},
	{
		.key = "count",
		.help = "How many containers may hold one unit at once.",
		.type = &field_unsigned,
		.max = COUNT_MAX,
		.fallback = "1",
		.offset = offsetof(struct config_group, count),
	},
	{0},
};

static const struct field group_item = {
	.key = "groups",
	.type = &field_mapping,
	.fields = group_fields,
	.finish = finish_group,
};

static const struct field device_fields[] = {
	{
		.key = "name",
		.help = "The name of the device; the resource is domain/name.",
		.type = &type_name,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct config_class, name),
	},
	{
		.key = "groups",
		.help = "The groups of nodes that are each handed out as one.",
		.type = &field_list,
		.item = &group_item,
		.item_size = sizeof(struct config_group),
		.offset = offsetof(struct config_class, groups),
		.count_offset = offsetof(struct config_class, group_count),
	},
	{
		/* In squat's own help, but read by nothing. */
		.key = "count",
		.help = "Has no effect; it belongs to each of the groups.",
		.type = &type_misplaced,
	},
	{0},
};

/* One path of the first grammar is a group of its own. */
static void read_shorthand(struct document *document, const yaml_node_t *node,
			   const struct field *field, void *target)
{
	static const struct field pattern = {
		.key = "paths",
		.type = &type_pattern,
		.offset = offsetof(struct config_path, pattern),
	};
	struct config_group *group = field_slot(field, target);

	group->paths = mem_zero(sizeof(*group->paths));
	group->path_count = 1;
	group->paths->limit = 1;
	group->paths->permissions = mem_string(PERMISSIONS);
	field_read(document, node, &pattern, group->paths);
}

static const struct field_type type_shorthand = {
	.wants = "the path of a device, or a glob",
	.schema = "string",
	.read = read_shorthand,
};

static const struct field shorthand_item = {.key = "paths", .type = &type_shorthand};

/* The first grammar, from before there were groups. */
static const struct field first_fields[] = {
	{
		.key = "type",
		.help = "The name of the device; the resource is domain/type.",
		.type = &type_name,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct config_class, name),
	},
	{
		.key = "count",
		.help = "How many containers may hold one path at once.",
		.type = &field_unsigned,
		.max = COUNT_MAX,
		.fallback = "1",
		.offset = offsetof(struct config_class, share),
	},
	{
		.key = "paths",
		.help = "Globs; every match is one device.",
		.type = &field_list,
		.item = &shorthand_item,
		.item_size = sizeof(struct config_group),
		.offset = offsetof(struct config_class, groups),
		.count_offset = offsetof(struct config_class, group_count),
	},
	{0},
};

/* The count of the first grammar was read as a share; here it makes copies. */
static void spread_count(struct config_class *class)
{
	for (size_t i = 0; i < class->group_count; i++)
		class->groups[i].count = class->share ? class->share : 1;
}

static void read_device(struct document *document, const yaml_node_t *node,
			const struct field *field, void *target)
{
	struct config_class *class = field_slot(field, target);
	const char *list;
	bool first;

	if (!field_expect(document, node, field, YAML_MAPPING_NODE))
		return;
	class_place(class, document, node);
	class->source = CONFIG_SOURCE_GROUPS;
	class->shares_nodes = true;

	first = !document_key(document, node, "name") &&
		!document_key(document, node, "groups") &&
		(document_key(document, node, "type") ||
		 document_key(document, node, "paths"));
	class->ids = first ? CONFIG_IDS_SQUAT_LEGACY : CONFIG_IDS_SQUAT;
	if (first) {
		fields_default(first_fields, class);
		fields_read(document, node, first_fields, class);
		spread_count(class);
	} else {
		fields_read(document, node, device_fields, class);
	}
	class->share = 1;
	class->permissions = mem_string(PERMISSIONS);

	list = first ? "paths" : "groups";
	if (node_is_nothing(document_value(document, node, list)))
		document_report(document, DIAGNOSTIC_WARNING, node,
				"the device has no %s, so there is nothing to hand out",
				list);
}

static const struct field_type type_device = {
	.wants = "a mapping",
	.schema = "object",
	.read = read_device,
};

static const struct field device_item = {
	.key = "device",
	.type = &type_device,
	.fields = device_fields,
};

#define DEVICE_LIST(name)                                                       \
	{                                                                       \
		.key = (name), .help = "The devices; each becomes a resource.", \
		.type = &field_list, .max = DEVICES_MAX, .item = &device_item,  \
		.item_size = sizeof(struct config_class),                       \
		.offset = offsetof(struct config, classes),                     \
		.count_offset = offsetof(struct config, class_count),           \
	}

static const struct field device_list = DEVICE_LIST("device");

const struct field squat_fields[] = {
	{
		.key = "domain",
		.help = "The prefix of resource names.",
		.type = &field_string,
		.check = domain_name_check,
		.fallback = CONFIG_SQUAT_DOMAIN,
		.offset = offsetof(struct config, domain),
	},
	{
		.key = "plugin-directory",
		.help = "Where the kubelet looks for the sockets of device plugins.",
		.type = &value_plugin_directory,
		.fallback = CONFIG_PLUGIN_DIRECTORY,
		.offset = offsetof(struct config, plugin_directory),
	},
	{
		.key = "listen",
		.help = "The address for health and metrics.",
		.type = &value_listen,
		.fallback = CONFIG_LISTEN,
		.offset = offsetof(struct config, listen),
	},
	{
		.key = "log-level",
		.help = "The least important lines that are logged.",
		.type = &value_log_level,
		.choices = value_log_levels,
		.fallback = "info",
		.offset = offsetof(struct config, log_level),
	},
	{
		.key = "version",
		.help = "Has no effect in a file.",
		.type = &type_unused,
	},
	{
		.key = "config",
		.help = "Has no effect in a file.",
		.type = &type_unused,
	},
	DEVICE_LIST("device"),
	DEVICE_LIST("devices"),
	{0},
};

void squat_adopt(struct document *document, bool lenient)
{
	document->fold_keys = true;
	document->null_is_absent = true;
	document->sloppy = lenient ? DIAGNOSTIC_WARNING : DIAGNOSTIC_ERROR;
}

void squat_read_devices(struct document *document, bool several, struct config *config)
{
	yaml_node_t *root = document_root(document);

	if (!root)
		diagnostics_add(document->diagnostics, DIAGNOSTIC_ERROR, document->file,
				0, 0,
				"is empty; give a device, such as {name: fuse, groups: "
				"[{paths: [{path: /dev/fuse}]}]}");
	else if (several && root->type == YAML_SEQUENCE_NODE)
		field_read(document, root, &device_list, config);
	else
		field_read(document, root, &device_item,
			   field_extend(&device_list, config, 1));
}
