/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_CHANGE_H
#define KUDEV_CONFIG_CHANGE_H

/*
 * What a new configuration changes of the one that is running. A class is the same one as
 * long as its resource is, which is all that the kubelet knows of it. Thread: any.
 */

#include "config/config.h"

enum class_change {
	CLASS_SAME, /* nothing that matters at run time */
	CLASS_CHANGED,
	CLASS_NEW,
};

/* Of one class of the new configuration. */
struct class_step {
	enum class_change change;
	size_t from; /* position in the old one, unless it is new */
};

struct config_change {
	const struct config *old;
	const struct config *next;
	struct class_step *steps; /* by position in the new one */
};

void config_compare(const struct config *old, const struct config *next,
		    struct config_change *ret);
void config_change_clear(struct config_change *change);

/*
 * Orders items, an array of one pointer a class, as the new configuration has its classes:
 * frees it, calls back for each whose class is gone, and returns the new array, with NULL for
 * new classes.
 */
void *config_change_apply(const struct config_change *change, void *items,
			  void (*on_removed)(void *item, void *data), void *data);

/*
 * Gives next the settings that take effect at the start alone, from the configuration that is
 * running. Adds the keys of those that differ in next.
 */
void config_keep_start(const struct config *old, struct config *next,
		       struct strings *ret_keys);

/* Whether two classes differ in nothing but their place in the file. */
bool config_class_equal(const struct config_class *a, const struct config_class *b);
bool config_health_equal(const struct config_health *a, const struct config_health *b);
bool config_v4l2loopback_equal(const struct config_v4l2loopback *a,
			       const struct config_v4l2loopback *b);

#define KUDEV_AUTO_CONFIG_CHANGE __attribute__((cleanup(config_change_clear)))

#endif
