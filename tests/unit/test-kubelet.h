/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_KUBELET_H
#define KUDEV_TEST_KUBELET_H

/* An inventory that was scanned once, and the kubelet's requests from IDs. */

#include "deviceplugin/v1beta1/api.pb-c.h"
#include "test-scan.h"

struct node {
	struct tree *tree;
	struct config *config;
	struct inventory *inventory;
	struct source **sources; /* the units borrow from them */
};

/* Looks once for the devices of all classes. */
static inline void node_scan(struct node *node)
{
	for (size_t i = 0; i < node->config->class_count; i++) {
		KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

		assert_int_equal(source_scan(node->sources[i], &scan, NULL), 0);
		inventory_report(node->inventory, i, &scan.units);
	}
}

/* A node with these files and this configuration. */
static inline struct node *node_new(const char *text, const char *const *files)
{
	struct node *node = mem_zero(sizeof(*node));

	node->tree = tree_new();
	tree_files(node->tree, files);
	node->config = scan_config(node->tree, text);
	free(node->config->node_name);
	node->config->node_name = mem_string("worker-1");
	node->inventory = inventory_new(node->config);
	node->sources = mem_zero(node->config->class_count * sizeof(struct source *));
	for (size_t i = 0; i < node->config->class_count; i++)
		assert_int_equal(source_open(&node->config->classes[i], node->tree->root,
					     &scan_host, &node->sources[i], NULL),
				 0);
	node_scan(node);
	return node;
}

static inline struct node *node_free(struct node *node)
{
	if (!node)
		return NULL;
	inventory_free(node->inventory);
	for (size_t i = 0; i < node->config->class_count; i++)
		source_free(node->sources[i]);
	free(node->sources);
	config_free(node->config);
	tree_free(node->tree);
	free(node);
	return NULL;
}

KUDEV_DEFINE_CLEANUP(struct node *, node_free)

/* "a b|c": what the kubelet asks for two containers. The caller frees the words. */
static inline struct strings split(const char *text, const char *separators)
{
	KUDEV_AUTO_FREE char *copy = mem_string(text);
	struct strings words = {0};
	char *rest;

	for (char *word = strtok_r(copy, separators, &rest); word;
	     word = strtok_r(NULL, separators, &rest))
		strings_add(&words, word);
	return words;
}

#endif
