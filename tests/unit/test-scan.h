/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_SCAN_H
#define KUDEV_TEST_SCAN_H

/* Classes of a configuration text in a tree, and what their sources find, as text. */

#include "kubelet/allocate.h"
#include "source/source.h"
#include "test-config.h"
#include "test-tree.h"

/* Has the devices looked up in the tree, and the simulated ones made there. */
static inline void scan_in_tree(struct config *config, const struct tree *tree)
{
	free(config->root);
	config->root = mem_string(tree->root);
	for (size_t i = 0; i < config->class_count; i++) {
		struct config_simulate *simulate = &config->classes[i].simulate;
		char *directory;

		if (config->classes[i].source != CONFIG_SOURCE_SIMULATE)
			continue;
		directory = tree_path(tree, simulate->directory);
		free(simulate->directory);
		simulate->directory = directory;
	}
}

/* A good configuration whose devices are looked up in the tree. */
static inline struct config *scan_config(const struct tree *tree, const char *text)
{
	struct config *config = parse_good(text);

	scan_in_tree(config, tree);
	return config;
}

/* For sources that need nothing of the program. */
static const struct source_host scan_host = {0};

/* What the source of a class finds. Its units borrow from the source that is returned. */
static inline struct source *scan_class(const struct config *config, size_t index,
					struct scan *scan)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	struct source *source = NULL;
	int r = source_open(&config->classes[index], config->root, &scan_host, &source,
			    &err);

	assert_string_equal(error_message(&err), "no error");
	assert_int_equal(r, 0);
	r = source_scan(source, scan, &err);
	assert_string_equal(error_message(&err), "no error");
	assert_int_equal(r, 0);
	return source;
}

/* A device of the class at this place, for what needs no more of one. */
static inline void scan_print_node(FILE *stream, const struct config_class *class,
				   const struct unit *unit, const struct unit_node *node)
{
	const struct inventory_class owner = {.config = class, .node_name = ""};
	const struct device device = {.unit = *unit};
	KUDEV_AUTO_FREE char *path = allocate_container_path(&owner, &device, node);

	fprintf(stream, " %s", node->host_path);
	if (strcmp(path, node->host_path) != 0)
		fprintf(stream, ">%s", path);
	if (node->type == NODE_MOUNT)
		fputs(node->read_only ? ":mount-ro" : ":mount", stream);
	else if (strcmp(node->permissions, "rw") != 0)
		fprintf(stream, ":%s", node->permissions);
}

/*
 * A line for each unit: its ID, unless hidden, and its nodes as host path, ">" and the
 * path in the container if that is another, and ":" with what is not rw. The caller frees
 * it.
 */
static inline char *scan_text(const struct config_class *class, const struct scan *scan,
			      bool with_ids)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	for (size_t i = 0; i < scan->units.count; i++) {
		const struct unit *unit = &scan->units.items[i];

		fputs(with_ids ? unit->id : "unit", stream);
		for (size_t j = 0; j < unit->node_count; j++)
			scan_print_node(stream, class, unit, &unit->nodes[j]);
		fputc('\n', stream);
	}
	fclose(stream);
	return text;
}

static inline char *scan_missing(const struct scan *scan)
{
	struct strings lines = {0};
	char *text;

	for (size_t i = 0; i < scan->missing.count; i++)
		strings_take(&lines, mem_printf("%s: %s\n", scan->missing.items[i].path,
						scan->missing.items[i].reason));
	text = strings_join(&lines, "");
	strings_clear(&lines);
	return text;
}

#endif
