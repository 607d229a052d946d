/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/text.h"
#include "config/class.h"
#include "config/config.h"
#include "config/list.h"
#include "config/rules.h"
#include "config/value.h"

const char path_rules[] =
	"{\"if\": {\"required\": [\"type\"], \"properties\": {\"type\": {\"const\": \"Mount\"}}},"
	" \"then\": {\"properties\": {\"permissions\": false}},"
	" \"else\": {\"properties\": {\"readOnly\": false}}}";

void path_finish(struct document *document, const yaml_node_t *mapping,
		 const struct field *field, void *target)
{
	const struct config_path *path = target;
	const yaml_node_t *permissions = document_key(document, mapping, "permissions");
	const yaml_node_t *read_only = document_key(document, mapping, "readOnly");

	(void)field;
	if (permissions && path->type == CONFIG_PATH_MOUNT)
		document_error(document, permissions,
			       "permissions: is for type Device; a Mount has readOnly");
	if (read_only && path->type == CONFIG_PATH_DEVICE)
		document_error(document, read_only,
			       "readOnly: is for type Mount; a Device has permissions");
}

const char group_rules[] =
	"{\"oneOf\": [{\"required\": [\"paths\"]}, {\"required\": [\"usb\"]}]}";

void group_finish(struct document *document, const yaml_node_t *mapping,
		  const struct field *field, void *target)
{
	const yaml_node_t *paths = document_key(document, mapping, "paths");
	const yaml_node_t *usb = document_key(document, mapping, "usb");

	(void)field;
	(void)target;
	if (!paths && !usb)
		document_error(document, mapping,
			       "the group has no devices: give paths or usb");
	if (paths && usb)
		document_error(document, node_line(paths) > node_line(usb) ? paths : usb,
			       "a group has paths or usb, not both: make two groups");
}

static void check_sources(struct document *document, const yaml_node_t *mapping,
			  const struct field *fields)
{
	const yaml_node_t *first = NULL;
	const char *first_key = NULL;
	const char *words[FIELDS_MAX + 1] = {NULL};
	size_t count = 0;

	for (; fields->key; fields++) {
		const yaml_node_t *key;

		if (!(fields->flags & FIELD_SOURCE))
			continue;
		words[count++] = fields->key;
		key = document_key(document, mapping, fields->key);
		if (key && first)
			document_error(
				document, key,
				"a class has one source, but both \"%s\" (at %u:%u) and "
				"\"%s\" (at %u:%u) are given",
				first_key, node_line(first), node_column(first),
				fields->key, node_line(key), node_column(key));
		if (key && !first) {
			first = key;
			first_key = fields->key;
		}
	}
	if (!first) {
		KUDEV_AUTO_FREE char *list = text_join(words, "or");

		document_error(document, mapping, "the class has no devices: give %s",
			       list);
	}
}

static bool is_index(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

/*
 * A variable that differs between the devices of a container is handed out for each of
 * them as well, as X_0, X_1 and so on, which must not be the user's own.
 */
static void check_indexed(struct document *document, const yaml_node_t *mapping,
			  const struct config_pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t length;

		if (!pairs[i].value ||
		    !(template_uses(pairs[i].value) & CONFIG_VARIABLES_PER_DEVICE))
			continue;
		length = strlen(pairs[i].key);
		for (size_t j = 0; j < count; j++) {
			const char *key = pairs[j].key;

			if (!key || strncmp(key, pairs[i].key, length) != 0 ||
			    key[length] != '_' || !is_index(key + length + 1))
				continue;
			document_error(
				document, document_key(document, mapping, key),
				"%s: kudev sets this one itself, because %s differs "
				"between devices",
				key, pairs[i].key);
		}
	}
}

static void check_mounts(struct document *document, const yaml_node_t *list,
			 const struct config_class *class)
{
	const yaml_node_item_t *items;

	if (!list || list->type != YAML_SEQUENCE_NODE)
		return;
	items = list->data.sequence.items.start;
	for (size_t i = 0; i < class->mount_count; i++) {
		for (size_t j = 0; j < i; j++) {
			const char *path = class->mounts[i].container_path;
			const yaml_node_t *first = document_node(document, items[j]);

			if (!path || !class->mounts[j].container_path ||
			    strcmp(path, class->mounts[j].container_path) != 0)
				continue;
			document_error(
				document, document_node(document, items[i]),
				"two mounts have the containerPath %s, the first is at "
				"%u:%u",
				path, node_line(first), node_column(first));
			break;
		}
	}
}

static bool is_directory(const struct template *mount_path)
{
	const char *text = template_text(mount_path);

	return text[strlen(text) - 1] == '/';
}

/* A class's mountPath and permissions hold for each of its paths. */
static void spread_to_paths(struct config_class *class)
{
	for (size_t i = 0; i < class->group_count; i++) {
		struct config_group *group = &class->groups[i];

		for (size_t j = 0; j < group->path_count; j++) {
			struct config_path *path = &group->paths[j];

			if (path->type == CONFIG_PATH_DEVICE && !path->permissions)
				path->permissions = mem_string(class->permissions);
			/* It has passed the check once and does so again. */
			if (class->mount_path && !path->mount_path)
				(void)mount_path_new(template_text(class->mount_path),
						     &path->mount_path, NULL);
		}
	}
}

/* Each holder of a shared unit is a copy of it. */
static void share_groups(struct document *document, const yaml_node_t *mapping,
			 struct config_class *class)
{
	const yaml_node_t *share = document_key(document, mapping, "share");
	bool counted = false;

	for (size_t i = 0; i < class->group_count; i++) {
		counted = counted || class->groups[i].count > 1;
		if (class->groups[i].count == 1)
			class->groups[i].count = class->share;
	}
	if (counted)
		document_error(
			document, share,
			"share: a group of this class has a count; say either share or "
			"count");
}

static void check_list_size(struct document *document, const yaml_node_t *mapping,
			    const struct config_class *class, const char *source,
			    unsigned count)
{
	if (!class->name || class_list_size(class) <= LIST_MAX_SIZE)
		return;
	document_error(document, document_key(document, mapping, source),
		       "%s: a list of %u devices for %u containers each would not fit "
		       "the 4 MiB of a gRPC message; lower count or share",
		       source, count, class->share);
}

static void check_cameras(struct document *document, const yaml_node_t *mapping,
			  const struct config_class *class)
{
	check_list_size(document, mapping, class, "v4l2loopback",
			class->v4l2loopback.count);
	if (class->share > 1 && class->v4l2loopback.reset != CONFIG_RESET_NONE)
		document_error(document, document_key(document, mapping, "share"),
			       "share: a camera that is reset for one container would be "
			       "reset under the others that hold it; say reset: none in "
			       "v4l2loopback as well");
}

static enum config_source find_source(struct document *document,
				      const yaml_node_t *mapping)
{
	if (document_key(document, mapping, "simulate"))
		return CONFIG_SOURCE_SIMULATE;
	if (document_key(document, mapping, "match"))
		return CONFIG_SOURCE_MATCH;
	if (document_key(document, mapping, "v4l2loopback"))
		return CONFIG_SOURCE_V4L2LOOPBACK;
	return CONFIG_SOURCE_GROUPS;
}

/* What only a class with a certain source can have. */
static void check_match_keys(struct document *document, const yaml_node_t *mapping,
			     const struct config_class *class)
{
	static const char *const keys[] = {"identity", "together"};
	bool is_match = document_key(document, mapping, "match") != NULL;
	const yaml_node_t *mount_path = document_key(document, mapping, "mountPath");

	for (size_t i = 0; !is_match && i < KUDEV_ARRAY_SIZE(keys); i++) {
		const yaml_node_t *key = document_key(document, mapping, keys[i]);

		if (key)
			document_error(document, key,
				       "%s: is for classes with match; the devices of "
				       "this one are known by their paths",
				       keys[i]);
	}
	if (mount_path && class->mount_path &&
	    class->together == CONFIG_TOGETHER_PARENT && !is_directory(class->mount_path))
		document_error(document, mount_path,
			       "mountPath: several nodes are handed out together; name a "
			       "directory, with a / at the end");
}

/* That it has one source, the flags of its keys say. */
const char class_rules[] =
	"{\"dependencies\": {"
	"  \"identity\": [\"match\"], \"together\": [\"match\"],"
	"  \"mountPath\": {\"properties\": {\"groups\": false}}},"
	" \"allOf\": ["
	"  {\"if\": {\"required\": [\"share\"], \"properties\": {\"share\": {\"minimum\": 2}}},"
	"   \"then\": {\"properties\": {"
	"    \"groups\": {\"items\": {\"properties\": {\"count\": {\"maximum\": 1}}}},"
	"    \"v4l2loopback\": {\"required\": [\"reset\"],"
	"     \"properties\": {\"reset\": {\"const\": \"none\"}}}}}},"
	"  {\"if\": {\"required\": [\"together\"],"
	"    \"properties\": {\"together\": {\"const\": \"parent\"}}},"
	"   \"then\": {\"properties\": {\"mountPath\": {\"pattern\": \"/$\"}}}}]}";

void class_finish(struct document *document, const yaml_node_t *mapping,
		  const struct field *field, void *target)
{
	struct config_class *class = target;
	const yaml_node_t *mount_path = document_key(document, mapping, "mountPath");

	class_place(class, document, mapping);
	class->shares_nodes = class->share > 1;
	check_sources(document, mapping, field->fields);
	class->source = find_source(document, mapping);
	if (class->source == CONFIG_SOURCE_SIMULATE)
		check_list_size(document, mapping, class, "simulate",
				class->simulate.count);
	if (class->source == CONFIG_SOURCE_V4L2LOOPBACK)
		check_cameras(document, mapping, class);
	check_match_keys(document, mapping, class);
	if (mount_path && document_key(document, mapping, "groups"))
		document_error(document, mount_path,
			       "mountPath: belongs to each path of the groups");
	else
		spread_to_paths(class);
	if (class->share > 1)
		share_groups(document, mapping, class);

	check_indexed(document, document_value(document, mapping, "env"), class->env,
		      class->env_count);
	check_mounts(document, document_value(document, mapping, "mounts"), class);
}
