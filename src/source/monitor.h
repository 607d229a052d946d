/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_SOURCE_MONITOR_H
#define KUDEV_SOURCE_MONITOR_H

/*
 * Tells of devices that come, go and change, through netlink: udev's own messages, which
 * come when udev has finished with a device, and the kernel's, which come before.
 *
 * No API says whether messages will arrive at all: udev's stay in the network namespace of
 * udevd, the kernel's in those that the first user namespace owns, and both sockets are
 * silent elsewhere. What can be told beforehand is found out by looking (monitor_probe());
 * both groups are listened to where possible, so that a wrong guess costs nothing, and a
 * message of udev's proves that it was wrong. Thread: the loop thread.
 */

#include "base/loop.h"
#include "config/config.h"
#include "source/source.h"

enum monitor_mode {
	MONITOR_UDEV,	 /* udev's messages, and the kernel's for what goes */
	MONITOR_KERNEL,	 /* the kernel's; udev's database says when udev has finished */
	MONITOR_BARE,	 /* the kernel's, and there is no udev */
	MONITOR_INOTIFY, /* none: directories are watched */
};

struct monitor_state {
	enum monitor_mode mode;
	const char *reason; /* the evidence; a constant */
};

/* A sentence of a few words. */
const char *monitor_mode_describe(enum monitor_mode mode);

/* What will tell of changes here, by what there is to see. */
struct monitor_state monitor_probe(enum config_events wish);

/* Since the start. */
struct monitor_stats {
	uint64_t by_udev;   /* its messages */
	uint64_t by_kernel; /* the kernel's */
	uint64_t losses;    /* how often some were lost */
};

struct monitor;

typedef void (*monitor_callback)(const struct source_event *event, void *data);

/*
 * Never fails: without netlink, which is logged, it is silent. on_event runs for devices
 * with a node alone. on_lost: messages were, or may have been, lost; nothing known is reliable
 * any more.
 */
struct monitor *monitor_new(struct loop *loop, enum config_events wish,
			    monitor_callback on_event, loop_callback on_lost, void *data);
struct monitor *monitor_free(struct monitor *monitor);

/* Looks anew for the evidence, and logs the mode if it is another one. */
void monitor_recheck(struct monitor *monitor);

struct monitor_state monitor_state(const struct monitor *monitor);
const struct monitor_stats *monitor_stats(const struct monitor *monitor);

/* Whether udev's messages arrive, as far as can be told. */
bool monitor_hears_udev(const struct monitor *monitor);

/* Whether events of the kernel or udev arrive, as far as can be told. */
bool monitor_is_live(const struct monitor *monitor);

#endif
