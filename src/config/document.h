/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_DOCUMENT_H
#define KUDEV_CONFIG_DOCUMENT_H

/*
 * A YAML (or JSON) text as a tree of libyaml's nodes, each with its place. Whatever the
 * bytes are, reading them takes bounded time and memory: size, depth, number of events
 * and of anchors are checked before the tree is built, and a walk over the tree is
 * charged for each node it visits, so that aliases cannot multiply the work. What is
 * wrong is reported into the caller's diagnostics. Thread: any, one at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "config/diagnostics.h"

#define DOCUMENT_SIZE_MAX (1024 * 1024) /* bytes */

struct document {
	const char *file;		 /* borrowed; for messages */
	struct diagnostics *diagnostics; /* borrowed */
	yaml_document_t tree;
	bool loaded;
	size_t budget;	/* what is left for visits */
	unsigned depth; /* of the values that are being read, through aliases as well */

	/* The habits of a grammar; a new document has those of kudev's own. */
	bool fold_keys;			 /* keys are the same in upper and lower case */
	bool null_is_absent;		 /* as if the key had not been written */
	enum diagnostic_severity sloppy; /* of what the grammar's first reader let pass */
};

/*
 * Parses one document. Returns 0, or -EINVAL with an error reported. In both cases the
 * caller ends with document_clear().
 */
int document_load(struct document *document, const char *text, size_t size,
		  const char *file, struct diagnostics *diagnostics);
void document_clear(struct document *document);

#define KUDEV_AUTO_DOCUMENT __attribute__((cleanup(document_clear)))

/* NULL if there is nothing in the document but space and comments. */
yaml_node_t *document_root(struct document *document);

/* The node of an item or a pair. */
yaml_node_t *document_node(struct document *document, int index);

/* The key or value node of a mapping; NULL if it has no such key. */
yaml_node_t *document_key(struct document *document, const yaml_node_t *mapping,
			  const char *key);
yaml_node_t *document_value(struct document *document, const yaml_node_t *mapping,
			    const char *key);

/* Whether two keys are the same in this document. */
bool document_key_equal(const struct document *document, const char *a, const char *b);

/*
 * To be called before a node is read: charges the budget and refuses tags that are not
 * YAML's own. False: do not read it, an error has been reported.
 */
bool document_visit(struct document *document, const yaml_node_t *node);

/* Reports at the node's place. */
void document_report(struct document *document, enum diagnostic_severity severity,
		     const yaml_node_t *node, const char *format, ...) KUDEV_PRINTF(4, 5);

#define document_error(document, node, ...) \
	document_report(document, DIAGNOSTIC_ERROR, node, __VA_ARGS__)

/* From 1. */
unsigned node_line(const yaml_node_t *node);
unsigned node_column(const yaml_node_t *node);

/* The text of a scalar, "" for another node. */
const char *node_text(const yaml_node_t *node);

/* An empty plain scalar, ~ or null. */
bool node_is_null(const yaml_node_t *node);

/* NULL, null or a list without items. */
bool node_is_nothing(const yaml_node_t *node);

/* Whether it was written without quotes. */
bool node_is_plain(const yaml_node_t *node);

/* What it is, for "expected …, got …"; the caller frees it. */
char *node_describe(const yaml_node_t *node);

#endif
