/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_DEVICE_CONFLICTS_H
#define KUDEV_DEVICE_CONFLICTS_H

/*
 * What a class could not have, by its last report, because another one has it. Thread: the
 * loop thread.
 */

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

struct inventory_class;

/* A node that a class could not have. */
struct conflict {
	char *host_path;
	char *holder; /* the name of the class that has it */
	bool is_own;  /* another device of the same class has its ID */
};

/* As many are kept and logged; the rest is only counted. */
#define CONFLICTS_MAX 32

struct conflict_list {
	struct conflict items[CONFLICTS_MAX];
	size_t count; /* of items */
	size_t total; /* past those kept, the copies of a device count singly */
};

struct conflict_list *conflicts_new(void);
struct conflict_list *conflicts_free(struct conflict_list *conflicts);

/* Of the copies of one device, the first tells. */
void conflicts_add(struct inventory_class *class, const char *host_path,
		   const struct config_class *holder);

/* Logs those that were not there before. */
void conflicts_log_new(struct inventory_class *class, const struct conflict_list *before);

#endif
