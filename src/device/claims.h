/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_DEVICE_CLAIMS_H
#define KUDEV_DEVICE_CLAIMS_H

/*
 * Which class has which node: one class, or several that all share it. A node has as many
 * claims as there are units with it. Thread: the loop thread.
 */

#include <stdint.h>

#include "device/device.h"

struct claims;
struct inventory_class;

struct claims *claims_new(void);
struct claims *claims_free(struct claims *claims);

/* The unit of a class has its nodes now, or no longer. */
void claims_add(struct claims *claims, const struct inventory_class *class,
		const struct unit *unit);
void claims_drop(struct claims *claims, const struct inventory_class *class,
		 const struct unit *unit);

/*
 * The nth other class, from 0, that has a node of the unit and does not share it with this one;
 * NULL: there are not so many. ret_node is that node.
 */
const struct inventory_class *claims_rival(const struct claims *claims,
					   const struct inventory_class *class,
					   const struct unit *unit, size_t nth,
					   const struct unit_node **ret_node);

/* Whether the two may have one node together. */
bool claims_may_share(const struct inventory_class *a, const struct inventory_class *b);

/* A class that had no claim yet does not want a node any more. */
void claims_note_release(struct claims *claims);
/* How often nodes were given up that another class may want; grows. */
uint64_t claims_releases(const struct claims *claims);

#endif
