/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/util.h"
#include "device/device.h"

struct unit *unit_list_add(struct unit_list *list, char *id, size_t node_count)
{
	struct unit *unit;

	list->items = mem_grow(list->items, list->count, &list->capacity,
			       sizeof(*list->items));
	unit = &list->items[list->count++];
	*unit = (struct unit){
		.id = id,
		.nodes = mem_zero(node_count * sizeof(*unit->nodes)),
		.node_count = node_count,
		.numa_node = LIST_NUMA_UNKNOWN,
	};
	return unit;
}

void unit_clear(struct unit *unit)
{
	for (size_t i = 0; i < unit->node_count; i++)
		free(unit->nodes[i].host_path);
	free(unit->nodes);
	free(unit->id);
	free(unit->plain_id);
	free(unit->absence);
	memset(unit, 0, sizeof(*unit));
}

void unit_list_remove(struct unit_list *list, size_t index)
{
	unit_clear(&list->items[index]);
	list->count--;
	memmove(&list->items[index], &list->items[index + 1],
		(list->count - index) * sizeof(*list->items));
}

void unit_list_clear(struct unit_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		unit_clear(&list->items[i]);
	free(list->items);
	memset(list, 0, sizeof(*list));
}

const struct unit_node *unit_main_node(const struct unit *unit)
{
	for (size_t i = 0; i < unit->node_count; i++) {
		if (unit->nodes[i].type == NODE_DEVICE)
			return &unit->nodes[i];
	}
	return &unit->nodes[0];
}

bool unit_same_nodes(const struct unit *a, const struct unit *b)
{
	if (a->node_count != b->node_count)
		return false;
	for (size_t i = 0; i < a->node_count; i++) {
		if (strcmp(a->nodes[i].host_path, b->nodes[i].host_path) != 0)
			return false;
	}
	return true;
}

bool unit_has_common_node(const struct unit *a, const struct unit *b)
{
	for (size_t i = 0; i < a->node_count; i++) {
		for (size_t j = 0; j < b->node_count; j++) {
			const struct unit_node *node = &b->nodes[j];

			if (a->nodes[i].type == NODE_DEVICE &&
			    node->type == NODE_DEVICE && node->identity.type != 0 &&
			    memcmp(&a->nodes[i].identity, &node->identity,
				   sizeof(node->identity)) == 0)
				return true;
		}
	}
	return false;
}

int node_identify(const char *root, const char *path, struct node_identity *ret)
{
	KUDEV_AUTO_FREE char *full = mem_printf("%s%s", root, path);
	struct stat status;
	bool is_node;

	if (stat(full, &status) < 0)
		return -errno;
	is_node = S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode);
	*ret = (struct node_identity){
		.type = status.st_mode & S_IFMT,
		.device = is_node ? status.st_rdev : status.st_dev,
		.inode = is_node ? 0 : status.st_ino,
	};
	return 0;
}
