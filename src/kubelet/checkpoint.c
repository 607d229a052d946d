/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"
#include "config/list.h"
#include "kubelet/checkpoint.h"

#define CHECKPOINT_FILE "kubelet_internal_checkpoint"
/*
 * It holds the answer to each Allocate besides: some hundred bytes a container. Parsed, a
 * byte can take fifty.
 */
#define CHECKPOINT_MAX_SIZE (8U * 1024 * 1024)

/* The value of a key if it is of that type; NULL otherwise. */
static struct json_object *member(struct json_object *object, const char *key,
				  enum json_type type)
{
	struct json_object *value;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, type))
		return NULL;
	return value;
}

/* The keys of DeviceIDs are the numbers of NUMA nodes, -1 for none. */
static int parse_numa_node(const char *text)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || number < 0 || number > INT_MAX)
		return LIST_NUMA_UNKNOWN;
	return (int)number;
}

/*
 * A kubelet from 1.34 on ends the stream of a list that holds anything but UTF-8, so one bad
 * byte in a file would take the whole resource away.
 */
static bool is_listable(struct json_object *id)
{
	const char *text;
	size_t length;

	if (!json_object_is_type(id, json_type_string))
		return false;
	text = json_object_get_string(id);
	length = (size_t)json_object_get_string_len(id);
	return length > 0 && strlen(text) == length && text_is_utf8(text);
}

static void read_ids(const char *resource, struct json_object *ids, int numa_node,
		     checkpoint_callback on_held, void *data)
{
	if (!json_object_is_type(ids, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(ids); i++) {
		struct json_object *id = json_object_array_get_idx(ids, i);

		if (is_listable(id))
			on_held(resource, json_object_get_string(id), numa_node, data);
	}
}

static void read_entry(struct json_object *entry, checkpoint_callback on_held, void *data)
{
	struct json_object *resource = member(entry, "ResourceName", json_type_string);
	struct json_object *nodes = member(entry, "DeviceIDs", json_type_object);
	struct json_object_iterator at;
	struct json_object_iterator end;

	if (!resource || !nodes)
		return;
	at = json_object_iter_begin(nodes);
	end = json_object_iter_end(nodes);
	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at))
		read_ids(json_object_get_string(resource),
			 json_object_iter_peek_value(&at),
			 parse_numa_node(json_object_iter_peek_name(&at)), on_held, data);
}

static int read_root(struct json_object *root, checkpoint_callback on_held, void *data,
		     struct error *err)
{
	struct json_object *content = member(root, "Data", json_type_object);
	struct json_object *entries;

	if (!content)
		return error_set(err, EINVAL, "unknown form");
	/* null while nobody holds anything. */
	entries = member(content, "PodDeviceEntries", json_type_array);
	for (size_t i = 0; entries && i < json_object_array_length(entries); i++)
		read_entry(json_object_array_get_idx(entries, i), on_held, data);
	return 0;
}

int checkpoint_parse(const char *text, checkpoint_callback on_held, void *data,
		     struct error *err)
{
	struct json_object *root = json_tokener_parse(text);
	int r = read_root(root, on_held, data, err);

	json_object_put(root);
	return r;
}

char *checkpoint_path(const char *directory)
{
	return mem_printf("%s/" CHECKPOINT_FILE, directory);
}

int checkpoint_read(const char *directory, checkpoint_callback on_held, void *data,
		    struct error *err)
{
	KUDEV_AUTO_FREE char *path = checkpoint_path(directory);
	KUDEV_AUTO_FREE char *text = NULL;
	size_t size;
	int r = file_read(path, CHECKPOINT_MAX_SIZE, &text, &size, err);

	if (r == -ENOENT || r == -ENOTDIR) {
		error_clear(err);
		return 0;
	}
	if (r < 0)
		return r;
	return checkpoint_parse(text, on_held, data, err);
}
