/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_HEALTH_H
#define KUDEV_CONFIG_HEALTH_H

/* The grammar of "health": struct config_health. Pure. */

#include "config/field.h"

extern const struct field health_fields[];

void health_finish(struct document *document, const yaml_node_t *mapping,
		   const struct field *field, void *target);
extern const char health_rules[];

#endif
