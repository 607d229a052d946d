/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_DEVICE_CONFLICTS_H
#define KUDEV_DEVICE_CONFLICTS_H

/*
 * What a class could not have, by its last report, because another one has it. Thread: the
 * loop thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"

struct inventory_class;

enum conflict_cause {
	CONFLICT_FIRST, /* a class that comes first in the configuration has it */
	CONFLICT_HELD,	/* a pod holds it of another class */
	CONFLICT_ALIKE, /* another device of the same class has its ID */
	CONFLICT_CAUSE_MAX,
};

/* One word each. */
extern const char *const conflict_causes[CONFLICT_CAUSE_MAX];

/* A node that a class could not have. */
struct conflict {
	char *host_path;
	char *holder; /* the name of the class that has it */
	enum conflict_cause cause;
};

/* As many are kept and logged; the rest is only counted. */
#define CONFLICTS_MAX 32

struct conflict_list {
	struct conflict items[CONFLICTS_MAX];
	size_t count; /* of items */
	size_t total; /* past those kept, the copies of a device count singly */
	uint64_t of_cause[CONFLICT_CAUSE_MAX]; /* of the total */
};

struct conflict_list *conflicts_new(void);
struct conflict_list *conflicts_free(struct conflict_list *conflicts);

/* Of the copies of one device, the first tells. */
void conflicts_add(struct inventory_class *class, const char *host_path,
		   const struct config_class *holder, enum conflict_cause cause);

/* Logs those that were not there before. */
void conflicts_log_new(struct inventory_class *class, const struct conflict_list *before);

#endif
