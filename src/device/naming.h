/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_DEVICE_NAMING_H
#define KUDEV_DEVICE_NAMING_H

/*
 * Tells devices apart that should have one name: adapters whose maker gave all of them
 * the same serial number. A device alone has the plain name; of several that are there at
 * once, each has its port in its name. Who has got a name keeps it as long as kudev runs,
 * whatever comes and goes; over a restart it depends on what is there then. Thread: any,
 * one at a time.
 */

#include <stdbool.h>
#include <stddef.h>

struct naming;

struct naming *naming_new(void);
struct naming *naming_free(struct naming *naming);

/* A device that is there. */
struct naming_item {
	const char *plain;     /* what it should be called */
	const char *qualifier; /* what no other that is there has; borrowed */
	const char *name;      /* the result; owned by naming, until naming_free() */
	bool is_doubled;       /* the result: another one has, or had, its plain name */
};

/* Names all devices that are there now. */
void naming_assign(struct naming *naming, struct naming_item *items, size_t count);

#endif
