/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_RULES_H
#define KUDEV_CONFIG_RULES_H

/*
 * What one key of kudev's own grammar demands of another, and what the keys mean
 * together. Each function is the finish of a table entry: it is called once the mapping
 * has been read into its struct, and reports at the key that is at fault. Thread: any,
 * one at a time.
 */

#include "config/field.h"

/* target is a struct config_path, config_group and config_class. */
void path_finish(struct document *document, const yaml_node_t *mapping,
		 const struct field *field, void *target);
void group_finish(struct document *document, const yaml_node_t *mapping,
		  const struct field *field, void *target);
void class_finish(struct document *document, const yaml_node_t *mapping,
		  const struct field *field, void *target);

/* The same for the schema, which cannot say all of it: the rules of table entries. */
extern const char path_rules[];
extern const char group_rules[];
extern const char class_rules[];

#endif
