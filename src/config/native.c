/* SPDX-License-Identifier: Apache-2.0 */
#include "config/native.h"
#include "config/cameras.h"
#include "config/config.h"
#include "config/health.h"
#include "config/match.h"
#include "config/names.h"
#include "config/pattern.h"
#include "config/rules.h"
#include "config/value.h"

#define COUNT_MAX 1000
#define MATCHES_MAX 250
#define LIMIT_MAX 1000000
#define SIMULATE_COUNT_MAX 100000
#define NUMA_NODES_MAX 64
#define PAIRS_MAX 250
#define MOUNTS_MAX 250
#define FORGET_MIN_MS 1000
#define FORGET_MAX_MS (7 * 24 * 3600 * 1000U)

/* Types of this grammar alone. */

static int parse_pattern(const struct field *field, const char *text, void *target,
			 struct error *err)
{
	char *pattern = NULL;
	int r = pattern_parse(text, 0, &pattern, err);

	if (r < 0)
		return r;
	field_store(field, target, pattern);
	return 0;
}

static int parse_mount_path(const struct field *field, const char *text, void *target,
			    struct error *err)
{
	struct template **slot = field_slot(field, target);

	return mount_path_new(text, slot, err);
}

static int parse_template(const struct field *field, const char *text, void *target,
			  struct error *err)
{
	struct template **slot = field_slot(field, target);

	return template_new(text, config_variables, CONFIG_VARIABLES_ALL, slot, err);
}

static const struct field_type type_pattern = {
	.wants = "the path of a device, or a glob",
	.schema = "string",
	.pattern = pattern_pattern,
	.parse = parse_pattern,
};

static const struct field_type type_mount_path = {
	.wants = "an absolute path",
	.schema = "string",
	.pattern = path_pattern,
	.variables = CONFIG_VARIABLES_MOUNT_PATH,
	.parse = parse_mount_path,
};

static const struct field_type type_template = {
	.wants = "a text",
	.schema = "string number boolean",
	.variables = CONFIG_VARIABLES_ALL,
	.parse = parse_template,
};

/* One pattern of "paths" is a group of its own. */
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
	group->count = 1;
	field_read(document, node, &pattern, group->paths);
}

static const struct field_type type_shorthand = {
	.wants = "the path of a device, or a glob",
	.schema = "string",
	.pattern = pattern_pattern,
	.read = read_shorthand,
};

/* The tables. */

static const char *const path_types[] = {
	[CONFIG_PATH_DEVICE] = "Device",
	[CONFIG_PATH_MOUNT] = "Mount",
	NULL,
};

static const struct field path_fields[] = {
	{
		.key = "path",
		.help = "The node or file on the host; a glob names several.",
		.type = &type_pattern,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct config_path, pattern),
	},
	{
		.key = "type",
		.help = "Device hands out a node, Mount binds a file or directory.",
		.type = &field_choice,
		.choices = path_types,
		.fallback = "Device",
		.offset = offsetof(struct config_path, type),
	},
	{
		.key = "mountPath",
		.help = "Where it appears in the container; a trailing / keeps the name.",
		.type = &type_mount_path,
		.offset = offsetof(struct config_path, mount_path),
	},
	{
		.key = "permissions",
		.help = "What a container may do with it: some of r, w and m (mknod).",
		.type = &field_string,
		.check = permissions_check,
		.pattern = permissions_pattern,
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
		.key = "optional",
		.help = "Whether the group is handed out even where this is missing.",
		.type = &field_boolean,
		.fallback = "false",
		.offset = offsetof(struct config_path, optional),
	},
	{
		.key = "limit",
		.help = "How many units of the group may use the same match.",
		.type = &field_unsigned,
		.min = 1,
		.max = LIMIT_MAX,
		.fallback = "1",
		.offset = offsetof(struct config_path, limit),
	},
	{0},
};

static const struct field usb_fields[] = {
	{
		.key = "vendor",
		.help = "The vendor ID, hexadecimal.",
		.type = &value_usb_id,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct config_usb, vendor),
	},
	{
		.key = "product",
		.help = "The product ID, hexadecimal.",
		.type = &value_usb_id,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct config_usb, product),
	},
	{
		.key = "serial",
		.help = "The serial number; without it any device of that product.",
		.type = &field_string,
		.offset = offsetof(struct config_usb, serial),
	},
	{0},
};

static const struct field path_item = {
	.key = "paths",
	.type = &field_mapping,
	.fields = path_fields,
	.finish = path_finish,
	.rules = path_rules,
};
static const struct field usb_item = {
	.key = "usb",
	.type = &field_mapping,
	.fields = usb_fields,
};

static const struct field group_fields[] = {
	{
		.key = "paths",
		.help = "The nodes and files that make one unit.",
		.type = &field_list,
		.min = 1,
		.item = &path_item,
		.item_size = sizeof(struct config_path),
		.offset = offsetof(struct config_group, paths),
		.count_offset = offsetof(struct config_group, path_count),
	},
	{
		.key = "usb",
		.help = "The USB devices that make one unit; instead of paths.",
		.type = &field_list,
		.min = 1,
		.item = &usb_item,
		.item_size = sizeof(struct config_usb),
		.offset = offsetof(struct config_group, usb),
		.count_offset = offsetof(struct config_group, usb_count),
	},
	{
		.key = "count",
		.help = "How many containers may hold one unit at once.",
		.type = &field_unsigned,
		.min = 1,
		.max = COUNT_MAX,
		.fallback = "1",
		.offset = offsetof(struct config_group, count),
	},
	{0},
};

static const struct field simulate_fields[] = {
	{
		.key = "count",
		.help = "How many devices to make up.",
		.type = &field_unsigned,
		.flags = FIELD_REQUIRED,
		.min = 1,
		.max = SIMULATE_COUNT_MAX,
		.offset = offsetof(struct config_simulate, count),
	},
	{
		.key = "numaNodes",
		.help = "Over how many NUMA nodes they are spread; 0 tells no topology.",
		.type = &field_unsigned,
		.min = 0,
		.max = NUMA_NODES_MAX,
		.fallback = "0",
		.offset = offsetof(struct config_simulate, numa_nodes),
	},
	{
		.key = "directory",
		.help = "Where their nodes are made.",
		.type = &value_path,
		.fallback = CONFIG_SIMULATE_DIRECTORY,
		.offset = offsetof(struct config_simulate, directory),
	},
	{0},
};

static const struct field mount_fields[] = {
	{
		.key = "hostPath",
		.help = "The file or directory on the host.",
		.type = &value_path,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct config_mount, host_path),
	},
	{
		.key = "containerPath",
		.help = "Where it appears in the container.",
		.type = &value_path,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct config_mount, container_path),
	},
	{
		.key = "readOnly",
		.help = "Whether the container may only read it.",
		.type = &field_boolean,
		.fallback = "false",
		.offset = offsetof(struct config_mount, read_only),
	},
	{0},
};

static const struct field cdi_fields[] = {
	{
		.key = "write",
		.help = "Whether to hand a device out as a CDI name as well.",
		.type = &field_boolean,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct config_cdi, write),
	},
	{0},
};

static const struct field shorthand_item = {.key = "paths", .type = &type_shorthand};
static const struct field group_item = {
	.key = "groups",
	.type = &field_mapping,
	.fields = group_fields,
	.finish = group_finish,
	.rules = group_rules,
};
static const struct field pair_item = {
	.key = "value",
	.type = &type_template,
	.offset = offsetof(struct config_pair, value),
};
static const struct field mount_item = {
	.key = "mounts",
	.type = &field_mapping,
	.fields = mount_fields,
};

static const struct field class_fields[] = {
	{
		.key = "name",
		.help = "The name of the class; the resource is domain/name.",
		.type = &field_string,
		.check = class_name_check,
		.pattern = class_name_pattern,
		.flags = FIELD_REQUIRED,
		.offset = offsetof(struct config_class, name),
	},
	{
		.key = "resource",
		.help = "The full name of the resource, instead of domain/name.",
		.type = &field_string,
		.check = resource_name_check,
		.pattern = resource_name_pattern,
		.offset = offsetof(struct config_class, resource),
	},
	{
		.key = "paths",
		.help = "Globs; every match is one device.",
		.type = &field_list,
		.flags = FIELD_SOURCE,
		.min = 1,
		.item = &shorthand_item,
		.item_size = sizeof(struct config_group),
		.offset = offsetof(struct config_class, groups),
		.count_offset = offsetof(struct config_class, group_count),
	},
	{
		.key = "groups",
		.help = "Nodes and files that are handed out together as one device.",
		.type = &field_list,
		.flags = FIELD_SOURCE,
		.min = 1,
		.item = &group_item,
		.item_size = sizeof(struct config_group),
		.offset = offsetof(struct config_class, groups),
		.count_offset = offsetof(struct config_class, group_count),
	},
	{
		.key = "match",
		.help = "Conditions; every device node that meets them is one device.",
		.type = &field_list,
		.flags = FIELD_SOURCE,
		.min = 1,
		.max = MATCHES_MAX,
		.item = &match_item,
		.item_size = sizeof(struct config_match),
		.offset = offsetof(struct config_class, matches),
		.count_offset = offsetof(struct config_class, match_count),
	},
	{
		.key = "together",
		.help = "parent: all matching nodes of one physical device are one device.",
		.type = &field_choice,
		.choices = config_together_names,
		.fallback = "none",
		.offset = offsetof(struct config_class, together),
	},
	{
		.key = "identity",
		.help = "What makes a device the same one after it was re-plugged.",
		.type = &field_choice,
		.choices = config_identity_names,
		.fallback = "auto",
		.offset = offsetof(struct config_class, identity),
	},
	{
		.key = "simulate",
		.help = "Made-up devices, for trying things out.",
		.type = &field_mapping,
		.flags = FIELD_SOURCE,
		.fields = simulate_fields,
		.offset = offsetof(struct config_class, simulate),
	},
	{
		.key = "v4l2loopback",
		.help = "Virtual cameras that kudev makes and owns.",
		.type = &field_mapping,
		.flags = FIELD_SOURCE,
		.fields = cameras_fields,
		.finish = cameras_finish,
		.offset = offsetof(struct config_class, v4l2loopback),
	},
	{
		.key = "share",
		.help = "How many containers may hold one device at once.",
		.type = &field_unsigned,
		.min = 1,
		.max = COUNT_MAX,
		.fallback = "1",
		.offset = offsetof(struct config_class, share),
	},
	{
		.key = "mountPath",
		.help = "Where it appears in the container; a trailing / keeps the name.",
		.type = &type_mount_path,
		.offset = offsetof(struct config_class, mount_path),
	},
	{
		.key = "permissions",
		.help = "What a container may do with it: some of r, w and m (mknod).",
		.type = &field_string,
		.check = permissions_check,
		.pattern = permissions_pattern,
		.fallback = "rw",
		.offset = offsetof(struct config_class, permissions),
	},
	{
		.key = "env",
		.help = "Environment variables for the container; values are templates.",
		.type = &field_map,
		.max = PAIRS_MAX,
		.check = env_name_check,
		.pattern = env_name_pattern,
		.item = &pair_item,
		.item_size = sizeof(struct config_pair),
		.offset = offsetof(struct config_class, env),
		.count_offset = offsetof(struct config_class, env_count),
	},
	{
		.key = "annotations",
		.help = "Annotations for the container runtime; values are templates.",
		.type = &field_map,
		.max = PAIRS_MAX,
		.check = annotation_key_check,
		.pattern = annotation_key_pattern,
		.item = &pair_item,
		.item_size = sizeof(struct config_pair),
		.offset = offsetof(struct config_class, annotations),
		.count_offset = offsetof(struct config_class, annotation_count),
	},
	{
		.key = "mounts",
		.help = "Files and directories that every container of the class gets.",
		.type = &field_list,
		.max = MOUNTS_MAX,
		.item = &mount_item,
		.item_size = sizeof(struct config_mount),
		.offset = offsetof(struct config_class, mounts),
		.count_offset = offsetof(struct config_class, mount_count),
	},
	{
		.key = "preferred",
		.help = "Which devices to choose for a container that gets several.",
		.type = &field_choice,
		.choices = config_preferred_names,
		.fallback = "none",
		.offset = offsetof(struct config_class, preferred),
	},
	{
		.key = "health",
		.help = "Checks that a device must pass to be healthy.",
		.type = &field_mapping,
		.fields = health_fields,
		.finish = health_finish,
		.rules = health_rules,
		.offset = offsetof(struct config_class, health),
	},
	{
		.key = "cdi",
		.help = "Names of the Container Device Interface for its devices.",
		.type = &field_mapping,
		.fields = cdi_fields,
		.offset = offsetof(struct config_class, cdi),
	},
	{0},
};

static const struct field class_item = {
	.key = "classes",
	.type = &field_mapping,
	.fields = class_fields,
	.finish = class_finish,
	.rules = class_rules,
};

const struct field native_fields[] = {
	{
		.key = "domain",
		.help = "The prefix of resource names.",
		.type = &field_string,
		.check = domain_name_check,
		.pattern = domain_name_pattern,
		.fallback = CONFIG_DOMAIN,
		.offset = offsetof(struct config, domain),
	},
	{
		.key = "pluginDirectory",
		.help = "Where the kubelet looks for the sockets of device plugins.",
		.type = &value_plugin_directory,
		.fallback = CONFIG_PLUGIN_DIRECTORY,
		.offset = offsetof(struct config, plugin_directory),
	},
	{
		.key = "podResources",
		.help = "The socket on which the kubelet tells who holds what; none: off.",
		.type = &value_pod_resources,
		.fallback = CONFIG_POD_RESOURCES,
		.offset = offsetof(struct config, pod_resources),
	},
	{
		.key = "forgetAfter",
		.help = "How long a device that nobody holds may be away.",
		.type = &value_duration,
		.min = FORGET_MIN_MS,
		.max = FORGET_MAX_MS,
		.fallback = "10m",
		.offset = offsetof(struct config, forget_after_ms),
	},
	{
		.key = "cdiDirectory",
		.help = "Where container runtimes look for CDI specs.",
		.type = &value_path,
		.fallback = CONFIG_CDI_DIRECTORY,
		.offset = offsetof(struct config, cdi_directory),
	},
	{
		.key = "listen",
		.help = "The address for health, metrics and status; none turns it off.",
		.type = &value_listen,
		.fallback = CONFIG_LISTEN,
		.offset = offsetof(struct config, listen),
	},
	{
		.key = "holderMetrics",
		.help = "Whether metrics name the containers that hold devices.",
		.type = &field_boolean,
		.fallback = "true",
		.offset = offsetof(struct config, holder_metrics),
	},
	{
		.key = "events",
		.help = "What tells of plugged and unplugged devices.",
		.type = &field_choice,
		.choices = config_events_names,
		.fallback = "auto",
		.offset = offsetof(struct config, events),
	},
	{
		.key = "logLevel",
		.help = "The least important lines that are logged.",
		.type = &value_log_level,
		.choices = value_log_levels,
		.fallback = "info",
		.offset = offsetof(struct config, log_level),
	},
	{
		.key = "logFormat",
		.help = "The shape of the log lines.",
		.type = &value_log_format,
		.choices = value_log_formats,
		.fallback = "json",
		.offset = offsetof(struct config, log_format),
	},
	{
		.key = "classes",
		.help = "The device classes; each becomes a resource.",
		.type = &field_list,
		.min = 1,
		.max = NATIVE_CLASSES_MAX,
		.item = &class_item,
		.item_size = sizeof(struct config_class),
		.offset = offsetof(struct config, classes),
		.count_offset = offsetof(struct config, class_count),
	},
	{0},
};
