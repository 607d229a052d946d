/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/util.h"
#include "source/source.h"

static const struct source_ops *const all_sources[] = {
	[CONFIG_SOURCE_GROUPS] = &source_groups,
	[CONFIG_SOURCE_SIMULATE] = &source_simulate,
};

int source_open(const struct config_class *class, const char *root, bool preview,
		struct source **ret, struct error *err)
{
	return all_sources[class->source]->open(class, root, preview, ret, err);
}

int source_scan(struct source *source, struct scan *ret, struct error *err)
{
	return source->ops->scan(source, ret, err);
}

struct source *source_free(struct source *source)
{
	return source ? source->ops->free(source) : NULL;
}

void scan_add_missing(struct scan *scan, const char *path, const char *reason)
{
	scan->missing = mem_grow(scan->missing, scan->missing_count,
				 &scan->missing_capacity, sizeof(*scan->missing));
	scan->missing[scan->missing_count++] = (struct missing){
		.path = mem_string(path),
		.reason = mem_string(reason),
	};
}

void scan_clear(struct scan *scan)
{
	for (size_t i = 0; i < scan->missing_count; i++) {
		free(scan->missing[i].path);
		free(scan->missing[i].reason);
	}
	free(scan->missing);
	unit_list_clear(&scan->units);
	strings_clear(&scan->directories);
	memset(scan, 0, sizeof(*scan));
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
