/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_INVENTORY_H
#define KUDEV_TEST_INVENTORY_H

/* An inventory of four classes, and reports of units as text. */

#include "device/inventory.h"
#include "test-scan.h"

/* Two classes that nobody shares, and two that say share. */
#define CLASSES                                      \
	"classes:\n"                                 \
	"- name: one\n  paths: [/x]\n"               \
	"- name: two\n  paths: [/x]\n"               \
	"- name: three\n  paths: [/x]\n  share: 2\n" \
	"- name: four\n  paths: [/x]\n  share: 2\n"
enum { ONE, TWO, THREE, FOUR };

struct fixture {
	struct tree *tree;
	struct config *config;
	struct inventory *inventory;
	unsigned changes;
};

static inline void on_change(void *data)
{
	struct fixture *fixture = data;

	fixture->changes++;
}

static inline int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	fixture->tree = tree_new();
	fixture->config = scan_config(fixture->tree, CLASSES);
	fixture->inventory = inventory_new(fixture->config);
	for (size_t i = 0; i < fixture->config->class_count; i++)
		inventory_class_observe(inventory_class_at(fixture->inventory, i),
					on_change, fixture);
	*state = fixture;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *fixture = *state;

	inventory_free(fixture->inventory);
	config_free(fixture->config);
	tree_free(fixture->tree);
	free(fixture);
	return 0;
}

/* "id=/path,/path": a unit of nodes; those below /mnt are mounts. */
static inline void add_unit(const struct fixture *fixture, struct unit_list *list,
			    const char *text)
{
	KUDEV_AUTO_FREE char *copy = mem_string(text);
	char *paths = strchr(copy, '=');
	struct unit *unit;
	char *rest;
	size_t count = 1;
	size_t at = 0;

	*paths++ = '\0';
	for (const char *c = paths; *c; c++)
		count += *c == ',';
	unit = unit_list_add(list, mem_string(copy), count);
	for (char *path = strtok_r(paths, ",", &rest); path;
	     path = strtok_r(NULL, ",", &rest)) {
		bool is_mount = strncmp(path, "/mnt", 4) == 0;

		unit_node_fill(&unit->nodes[at], fixture->config->root, mem_string(path),
			       is_mount ? NODE_MOUNT : NODE_DEVICE, NULL);
		unit->nodes[at++].permissions = "rw";
	}
}

static inline void report(const struct fixture *fixture, size_t class,
			  const char *const *units)
{
	KUDEV_AUTO_UNIT_LIST struct unit_list list = {0};

	for (; *units; units++)
		add_unit(fixture, &list, *units);
	inventory_report(fixture->inventory, class, &list);
	assert_int_equal(list.count, 0);
}

#define REPORT(fixture, class, ...) \
	report(fixture, class, (const char *const[]){__VA_ARGS__, NULL})

static inline void expect(const struct fixture *fixture, size_t index,
			  const char *expected)
{
	const struct inventory_class *class = inventory_class_at(fixture->inventory,
								 index);
	KUDEV_AUTO_STRINGS struct strings words = {0};
	KUDEV_AUTO_FREE char *got = NULL;
	size_t healthy = 0;

	for (size_t i = 0; i < class->count; i++) {
		const struct device *device = class->devices[i];

		strings_take(&words, mem_printf("%s%s", device->unit.id,
						device->healthy ? "" : "!"));
		assert_int_equal(device->index, i);
		assert_int_equal(device->healthy, device->reason == NULL);
		assert_ptr_equal(inventory_class_find(class, device->unit.id), device);
		healthy += device->healthy;
	}
	got = strings_join(&words, " ");
	assert_string_equal(got, expected);
	assert_int_equal(class->healthy, healthy);
}

static inline const char *reason_of(const struct fixture *fixture, size_t index,
				    const char *id)
{
	return inventory_class_find(inventory_class_at(fixture->inventory, index), id)
		->reason;
}

static inline void make_nodes(const struct fixture *fixture)
{
	tree_files(fixture->tree, (const char *const[]){"/a", "/b", "/c", "/mnt", NULL});
}

#endif
