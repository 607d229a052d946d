/* SPDX-License-Identifier: Apache-2.0 */
#include <json-c/json.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/strings.h"
#include "base/text.h"
#include "kubelet/allocate.h"
#include "kubelet/cdi.h"

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* The versions 0.x in which what we use came: see "Released versions" in SPEC.md. */
enum {
	MINOR_FIRST = 3,
	MINOR_MOUNT_TYPE = 4,
	MINOR_HOST_PATH = 5,
	MINOR_DIGIT_FIRST = 5, /* in a device's name */
	MINOR_DOT_IN_CLASS = 6,
};

/* FNV-1a, 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/). */
#define FNV_START 14695981039346656037U
#define FNV_PRIME 1099511628211U

/* A spec that is being made. */
struct spec {
	const struct inventory_class *class;
	unsigned minor;
};

char *cdi_name(const struct inventory_class *class, const struct device *device)
{
	return mem_printf("%s=%s", class->config->resource, device->unit.id);
}

/* As ValidateDeviceName() of pkg/parser has it. */
static bool is_device_name(const char *id)
{
	size_t length = strlen(id);

	return length > 0 && strspn(id, LETTERS DIGITS "-_.:") == length &&
	       strchr(LETTERS DIGITS, id[0]) && strchr(LETTERS DIGITS, id[length - 1]);
}

/*
 * Runtimes read a spec as YAML, which has no control characters and takes some separators
 * for the end of a line; one bad character would cost all names of the class.
 */
static bool is_plain(const char *text)
{
	while (*text) {
		uint32_t rune = 0;
		size_t length = text_decode(text, strlen(text), &rune);

		if (length == 0 || rune < 0x20 || (rune >= 0x7f && rune < 0xa0) ||
		    rune == 0x2028 || rune == 0x2029 || rune == 0xfeff ||
		    rune == 0xfffe || rune == 0xffff)
			return false;
		text += length;
	}
	return true;
}

static bool is_mount_of_class(const struct config_class *class,
			      const char *container_path)
{
	for (size_t i = 0; i < class->mount_count; i++) {
		if (strcmp(class->mounts[i].container_path, container_path) == 0)
			return true;
	}
	return false;
}

static const char *node_obstacle(const struct inventory_class *class,
				 const struct device *device,
				 const struct unit_node *node)
{
	KUDEV_AUTO_FREE char *path = allocate_container_path(class, device, node);
	uint64_t type = node->identity.type;

	if (node->type == NODE_DEVICE && type == S_IFDIR)
		return "is a directory of nodes, for which CDI has no words";
	/* Below another root, files stand for nodes. */
	if (node->type == NODE_DEVICE && type == S_IFREG && !*node->root)
		return "is a file, no device";
	if (!is_plain(node->host_path) || !is_plain(path))
		return "has a character in its path that a spec can't have";
	if (is_mount_of_class(class->config, path))
		return "has the same place in the container as a mount of its class";
	return NULL;
}

static const char *class_obstacle(const struct config_class *class)
{
	for (size_t i = 0; i < class->mount_count; i++) {
		if (!is_plain(class->mounts[i].host_path) ||
		    !is_plain(class->mounts[i].container_path))
			return "belongs to a class with a mount that has a character in "
			       "its path that a spec can't have";
	}
	return NULL;
}

const char *cdi_obstacle(const struct inventory_class *class, const struct device *device)
{
	const char *obstacle = class_obstacle(class->config);

	if (device->unit.node_count == 0)
		return "was not seen since kudev started";
	if (!is_device_name(device->unit.id))
		return "has an ID that is no CDI name";
	for (size_t i = 0; i < device->unit.node_count && !obstacle; i++)
		obstacle = node_obstacle(class, device, &device->unit.nodes[i]);
	return obstacle;
}

/*
 * The node that a link leads to: CDI takes no links (pkg/cdi's deviceInfoFromPath()). The
 * caller frees it.
 */
static char *resolve(const struct unit_node *node)
{
	KUDEV_AUTO_FREE char *path = mem_printf("%s%s", node->root, node->host_path);
	KUDEV_AUTO_FREE char *full = realpath(path, NULL);
	KUDEV_AUTO_FREE char *root = *node->root ? realpath(node->root, NULL) : NULL;
	size_t length = root ? strlen(root) : 0;

	if (full && !*node->root)
		return take_ptr(full);
	if (full && root && strncmp(full, root, length) == 0 && full[length] == '/')
		return mem_string(full + length);
	return mem_string(node->host_path);
}

static void need(struct spec *spec, unsigned minor)
{
	if (minor > spec->minor)
		spec->minor = minor;
}

static void add_string(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

/* Makes the list with its first item. */
static void add_item(struct json_object *object, const char *key,
		     struct json_object *item)
{
	struct json_object *list = NULL;

	if (!json_object_object_get_ex(object, key, &list)) {
		list = json_object_new_array();
		json_object_object_add(object, key, list);
	}
	json_object_array_add(list, item);
}

static struct json_object *node_json(struct spec *spec, const struct unit_node *node,
				     const char *container_path)
{
	struct json_object *object = json_object_new_object();
	KUDEV_AUTO_FREE char *host_path = resolve(node);

	add_string(object, "path", container_path);
	if (strcmp(host_path, container_path) != 0) {
		add_string(object, "hostPath", host_path);
		need(spec, MINOR_HOST_PATH);
	}
	add_string(object, "permissions", node->permissions);
	return object;
}

/* As runtimes mount what the kubelet asks for. */
static struct json_object *mount_json(struct spec *spec, const char *host_path,
				      const char *container_path, bool read_only)
{
	struct json_object *object = json_object_new_object();
	const char *const options[] = {"rbind", "rprivate", read_only ? "ro" : "rw"};

	add_string(object, "hostPath", host_path);
	add_string(object, "containerPath", container_path);
	add_string(object, "type", "bind");
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(options); i++)
		add_item(object, "options", json_object_new_string(options[i]));
	need(spec, MINOR_MOUNT_TYPE);
	return object;
}

static struct json_object *device_json(struct spec *spec, const struct device *device)
{
	struct json_object *object = json_object_new_object();
	struct json_object *edits = json_object_new_object();
	KUDEV_AUTO_STRINGS struct strings taken = {0};

	for (size_t i = 0; i < device->unit.node_count; i++) {
		const struct unit_node *node = &device->unit.nodes[i];
		char *path = allocate_container_path(spec->class, device, node);
		/* The first one wins, as with the kubelet. */
		bool is_taken = strings_contain(&taken, path);

		strings_take(&taken, path);
		if (is_taken)
			continue;
		if (node->type == NODE_DEVICE)
			add_item(edits, "deviceNodes", node_json(spec, node, path));
		else
			add_item(edits, "mounts",
				 mount_json(spec, node->host_path, path,
					    node->read_only));
	}
	if (strchr(DIGITS, device->unit.id[0]))
		need(spec, MINOR_DIGIT_FIRST);
	add_string(object, "name", device->unit.id);
	json_object_object_add(object, "containerEdits", edits);
	return object;
}

/* What every container of the class gets. */
static struct json_object *class_edits(struct spec *spec)
{
	const struct config_class *class = spec->class->config;
	struct json_object *edits = json_object_new_object();

	for (size_t i = 0; i < class->mount_count; i++)
		add_item(edits, "mounts",
			 mount_json(spec, class->mounts[i].host_path,
				    class->mounts[i].container_path,
				    class->mounts[i].read_only));
	return edits;
}

/* The text of an object, which is freed; the caller frees the text. */
static char *print_json(struct json_object *object)
{
	char *text = mem_string(json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE));

	json_object_put(object);
	return text;
}

/* One by one: json-c takes some kilobytes for what is a line. */
static void print_devices(struct spec *spec, struct strings *ret_lines)
{
	for (size_t i = 0; i < spec->class->count; i++) {
		const struct device *device = spec->class->devices[i];

		if (!cdi_obstacle(spec->class, device))
			strings_take(ret_lines, print_json(device_json(spec, device)));
	}
}

char *cdi_spec(const struct inventory_class *class, size_t *ret_device_count)
{
	struct spec spec = {.class = class, .minor = MINOR_FIRST};
	const char *resource = class->config->resource;
	KUDEV_AUTO_STRINGS struct strings lines = {0};
	KUDEV_AUTO_FREE char *devices = NULL;
	KUDEV_AUTO_FREE char *edits = NULL;

	print_devices(&spec, &lines);
	*ret_device_count = lines.count;
	if (lines.count == 0)
		return NULL;
	devices = strings_join(&lines, ",\n    ");
	edits = print_json(class_edits(&spec));
	if (strchr(strchr(resource, '/'), '.'))
		need(&spec, MINOR_DOT_IN_CLASS);
	/* A resource has no character that JSON would have to escape. */
	return mem_printf("{\n  \"cdiVersion\": \"0.%u.0\",\n  \"kind\": \"%s\",\n"
			  "  \"devices\": [\n    %s\n  ],\n  \"containerEdits\": %s\n}\n",
			  spec.minor, resource, devices, edits);
}

static void stir(uint64_t *hash, const void *bytes, size_t size)
{
	const unsigned char *byte = bytes;

	for (size_t i = 0; i < size; i++)
		*hash = (*hash ^ byte[i]) * FNV_PRIME;
}

/* With its end, which tells it from what follows. */
static void stir_text(uint64_t *hash, const char *text)
{
	stir(hash, text, strlen(text) + 1);
}

static void stir_node(uint64_t *hash, const struct unit_node *node)
{
	stir_text(hash, node->host_path);
	stir_text(hash, node->mount_path ? template_text(node->mount_path) : "");
	stir_text(hash, node->permissions ? node->permissions : "");
	stir(hash, &node->read_only, sizeof(node->read_only));
	stir(hash, &node->identity, sizeof(node->identity));
}

uint64_t cdi_fingerprint(const struct inventory_class *class)
{
	uint64_t hash = FNV_START;

	for (size_t i = 0; i < class->count; i++) {
		const struct unit *unit = &class->devices[i]->unit;

		stir_text(&hash, unit->id);
		for (size_t at = 0; at < unit->node_count; at++)
			stir_node(&hash, &unit->nodes[at]);
	}
	for (size_t i = 0; i < class->config->mount_count; i++) {
		const struct config_mount *mount = &class->config->mounts[i];

		stir_text(&hash, mount->host_path);
		stir_text(&hash, mount->container_path);
		stir(&hash, &mount->read_only, sizeof(mount->read_only));
	}
	return hash;
}
