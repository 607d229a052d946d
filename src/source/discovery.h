/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_SOURCE_DISCOVERY_H
#define KUDEV_SOURCE_DISCOVERY_H

/*
 * Decides when sources look: at start, soon after a directory that matters to a class has
 * changed, and now and then in case a change was missed. What they see goes to the
 * inventory, class by class in the order of the configuration, so that the first class to
 * match a node gets it. Thread: the loop thread.
 */

#include "base/watch.h"
#include "device/inventory.h"
#include "source/monitor.h"
#include "source/source.h"

struct discovery;

/*
 * Opens the sources of all classes and scans them once. A source that can't be opened
 * leaves its class empty, is logged, and is tried again with the slow rescans.
 * find_holders (may be NULL) has inventory_hold() called for what pods hold; before it
 * matters.
 */
struct discovery *discovery_new(struct loop *loop, struct watcher *watcher,
				struct worker *worker, const struct config *config,
				struct inventory *inventory, loop_callback find_holders,
				void *data);

typedef void (*discovery_class_callback)(size_t index, void *data);

/*
 * Calls back once for each class, as soon as it is known which devices it has, which may be
 * now: before, it would be served without those that pods have used for long.
 */
void discovery_when_known(struct discovery *discovery, discovery_class_callback on_known,
			  void *data);

/* Whether it is known which devices the class has. */
bool discovery_knows(const struct discovery *discovery, size_t index);

/* Whether devices of the class are made ready for each container. */
bool discovery_prepares(const struct config_class *class);

/* Makes a device of a class of that kind ready, once it is known what it needs. */
void discovery_prepare(struct discovery *discovery, const struct config_class *class,
		       struct preparation *preparation);

/* How it stands with a class; strings are borrowed. */
struct discovery_status {
	bool is_known;	      /* which devices it has */
	const char *degraded; /* why it can't have them; NULL: it can */
	size_t stand_ins;     /* devices that something else stands for */
	uint64_t scans;	      /* since the start */
	uint64_t failed;      /* of these */
};

void discovery_describe(const struct discovery *discovery, size_t index,
			struct discovery_status *ret);

/* How often everything was looked at anew, in case a change was missed. */
uint64_t discovery_rescans(const struct discovery *discovery);

/* Owned by the discovery. */
const struct monitor *discovery_monitor(const struct discovery *discovery);

/* Looks once more, after the inventory has learnt what pods hold. */
void discovery_rescan(struct discovery *discovery);

/* Looks soon for what classes could not have because of another one, which gave up some. */
void discovery_retry(struct discovery *discovery);

/*
 * Finds the devices of another configuration from now on. The inventory has its classes
 * already. on_known is called for each new class, as at the beginning.
 */
void discovery_change(struct discovery *discovery, const struct config_change *change);
struct discovery *discovery_free(struct discovery *discovery);

#endif
