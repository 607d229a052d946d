/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_DEVICE_INTERNAL_H
#define KUDEV_DEVICE_INTERNAL_H

/*
 * What the parts of the inventory share: inventory.c, which knows what is there, classes.c,
 * which knows of what, hold.c, which knows what pods hold, rivals.c, which knows who has what
 * several want, and listing.c, which numbers what is listed. Thread: the loop thread.
 */

#include "device/inventory.h"

/* Of what a class has to say so many lines are written in so much time. */
#define LOG_BURST 20
#define LOG_INTERVAL_MS 10000

/* The reckonings of one source. */
struct reckoning {
	uint64_t round;	   /* that has begun; grows */
	uint64_t known_at; /* the last one that was completed; 0: none */
	bool is_expected;  /* there will be one */
};

struct inventory {
	struct inventory_class **classes;
	size_t class_count;
	struct inventory_class *removed; /* no longer configured, but used or held */
	struct claims *claims;
	struct reckoning reckonings[HOLD_SOURCE_MAX];
	enum hold_source hold_source; /* of the reckoning under way */
	loop_callback on_stir;	      /* NULL: nobody asks */
	void *on_stir_data;
};

struct inventory_class *inventory_class_new(const struct config_class *config,
					    const char *node_name);
void inventory_class_free(struct inventory_class *class);
void inventory_device_free(struct device *device);

/*
 * A pod is known to go on with the very nodes, or with some of them, whoever else may want them
 * now. Those of a device that was not seen yet are what its class reports.
 */
bool inventory_is_in_use(const struct inventory *inventory, const struct device *device);

/* Another class may have its nodes. */
void inventory_unclaim(struct inventory *inventory, struct inventory_class *class,
		       struct device *device);

/* The device can't be had, because another class has a node of it. */
void inventory_set_claimed(struct inventory *inventory, struct inventory_class *class,
			   struct device *device, const struct config_class *by);

/*
 * The class that keeps this one from having the unit, which is then a conflict; NULL: none.
 * device is the unit as it is known, or NULL.
 */
const struct inventory_class *inventory_find_rival(struct inventory *inventory,
						   struct inventory_class *class,
						   const struct device *device,
						   const struct unit *unit);

/* Has those give up the unit that don't keep the class from it: inventory_find_rival() is NULL. */
void inventory_overrule(struct inventory *inventory, const struct inventory_class *class,
			const struct unit *unit);

/* Tells the observers of the class. */
void inventory_class_tell(struct inventory_class *class);

/* Tells who observes holds. */
void inventory_stir(struct inventory *inventory);

/* Whether the list has room for one more; if so, adds it, and takes the unit over. */
bool inventory_class_has_room(const struct inventory_class *class,
			      const struct unit *unit);
struct device *inventory_class_list(struct inventory_class *class, struct unit *unit);

/* Takes the device out of the list; it is the caller's then. */
void inventory_class_unlist(struct inventory_class *class, struct device *device);

/* Takes it out of the list, and frees it. */
void inventory_drop_device(struct inventory *inventory, struct inventory_class *class,
			   struct device *device);

/* Whether the class is no longer configured. */
bool inventory_is_removed(const struct inventory *inventory,
			  const struct inventory_class *class);

/* Gives up the nodes that no pod uses any more of what can't be had, and classes likewise. */
void inventory_release_unused(struct inventory *inventory);

/* Why a device that is not reported can't be had; the caller frees it. */
char *inventory_describe_loss(const struct unit *unit, enum device_cause *ret_cause);

void device_drop_holders(struct device *device);

#endif
