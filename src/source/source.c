/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/util.h"
#include "source/source.h"

static const struct source_ops *const all_sources[] = {
	[CONFIG_SOURCE_GROUPS] = &source_groups,
	[CONFIG_SOURCE_SIMULATE] = &source_simulate,
	[CONFIG_SOURCE_MATCH] = &source_udev,
	[CONFIG_SOURCE_V4L2LOOPBACK] = &source_v4l2loopback,
};

int source_open(const struct config_class *class, const char *root,
		const struct source_host *host, struct source **ret, struct error *err)
{
	return all_sources[class->source]->open(class, root, host, ret, err);
}

int source_scan(struct source *source, struct scan *ret, struct error *err)
{
	return source->ops->scan(source, ret, err);
}

struct source *source_free(struct source *source)
{
	return source ? source->ops->free(source) : NULL;
}

bool source_take_event(struct source *source, const struct source_event *event)
{
	return source->ops->take_event && source->ops->take_event(source, event);
}

void source_distrust(struct source *source)
{
	if (source->ops->distrust)
		source->ops->distrust(source);
}

void source_prepare(struct source *source, struct preparation *preparation)
{
	source->ops->prepare(source, preparation);
}

bool source_take_class(struct source *source, const struct config_class *class)
{
	return source->ops->take_class && source->ops->take_class(source, class);
}

struct source *source_retire(struct source *source, const struct config *next)
{
	if (source && source->ops->retire)
		source->ops->retire(source, next);
	return source_free(source);
}

static void remarks_add(struct remark_list *list, const char *path, const char *reason)
{
	list->items = mem_grow(list->items, list->count, &list->capacity,
			       sizeof(*list->items));
	list->items[list->count++] = (struct remark){
		.path = mem_string(path),
		.reason = mem_string(reason),
	};
}

static void remarks_clear(struct remark_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		free(list->items[i].path);
		free(list->items[i].reason);
	}
	free(list->items);
}

void scan_add_missing(struct scan *scan, const char *path, const char *reason)
{
	remarks_add(&scan->missing, path, reason);
}

void scan_add_note(struct scan *scan, const char *path, const char *reason)
{
	remarks_add(&scan->notes, path, reason);
}

void scan_again_in(struct scan *scan, int64_t delay_ms)
{
	if (delay_ms >= 0 && (scan->again_ms < 0 || delay_ms < scan->again_ms))
		scan->again_ms = delay_ms;
}

void scan_clear(struct scan *scan)
{
	remarks_clear(&scan->missing);
	remarks_clear(&scan->notes);
	unit_list_clear(&scan->units);
	strings_clear(&scan->directories);
	strings_clear(&scan->expected);
	free(scan->degraded);
	*scan = (struct scan)SCAN_INIT;
}

void unit_node_fill(struct unit_node *node, const char *root, char *host_path,
		    enum node_type type, const struct template *mount_path)
{
	*node = (struct unit_node){
		.type = type,
		.host_path = host_path,
		.root = root,
		.mount_path = mount_path,
	};
	/* Gone since it was found: an unknown identity claims nothing. */
	(void)node_identify(root, host_path, &node->identity);
}
