/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_DEVICE_INVENTORY_H
#define KUDEV_DEVICE_INVENTORY_H

/*
 * The one truth about devices: which there are in each class, in what order, in what
 * state and why. Sources report what they see, plugins read and are told of changes;
 * nobody else keeps device state.
 *
 * The kubelet (from 1.34 on) panics when an ID vanishes that a pod holds or that is just
 * being allocated, so a vanished device turns unhealthy and comes back under the same ID.
 * It is forgotten only if it stays away and the kubelet says that nobody holds it.
 * Thread: the loop thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "base/loop.h"
#include "config/change.h"
#include "config/config.h"
#include "config/list.h"
#include "device/conflicts.h"
#include "device/device.h"

/* A container that has a device, as the kubelet names it. */
struct holder {
	char *pod_namespace;
	char *pod;
	char *container;
};

/* Who says which devices pods hold; see kubelet/holders.h. */
enum hold_source {
	HOLD_CHECKPOINT, /* the kubelet's file: all of them, but later, and without names */
	HOLD_LIST,	 /* its answers to PodResources */
	HOLD_SOURCE_MAX,
};

/* Why a device is not healthy, in few enough words to be counted by. */
enum device_cause {
	DEVICE_GONE,	    /* a node of it is not there */
	DEVICE_UNMATCHED,   /* it is there, but the class does not match it any more */
	DEVICE_UNSEEN,	    /* a pod holds it, and no source has seen it yet */
	DEVICE_CLAIMED,	    /* another class has its node */
	DEVICE_DOUBTFUL,    /* a pod may hold it under another ID */
	DEVICE_UNAVAILABLE, /* its source can't give it now */
	DEVICE_UNCHECKED,   /* its first health check has not ended */
	DEVICE_FAILED,	    /* its health check */
	DEVICE_CAUSE_MAX,
};

/* One word each. */
extern const char *const device_causes[DEVICE_CAUSE_MAX];

struct device {
	struct unit unit;
	const struct config_class *class; /* that its unit was made for; held */
	/*
	 * Its number in its class, from 0; never changes. That of a forgotten device goes to
	 * the next one that comes.
	 */
	unsigned index;
	unsigned
		listing; /* of its class's: tells it from one that had its index before */
	bool healthy;	 /* it is there and passes its checks */
	const char *reason; /* why it is not healthy: one of the two below, or NULL */
	char *absence;	    /* why it can't be had; NULL: it is there */
	enum device_cause absence_cause;
	char *failure;	   /* what of its health check failed; NULL: it passed */
	bool is_unchecked; /* its first health check has not ended */
	unsigned arrivals; /* how often it has come: tells a device from one before it */
	int64_t absent_since_ms;
	uint64_t held_rounds[HOLD_SOURCE_MAX]; /* the last reckonings that had it */
	bool is_held;			       /* as it was logged */
	bool is_doubted;    /* the kubelet was asked to write down whether it is held */
	unsigned resets;    /* how often it was made ready for a container */
	int64_t granted_ms; /* when it was handed out last; 0: never */
	struct holder *holders; /* as far as their names are known */
	size_t holder_count;
	struct holder *next_holders; /* of the reckoning that has begun */
	size_t next_holder_count;
	bool has_claims; /* on its nodes */
	bool is_named;	 /* in the report that is being taken in */
	bool seen;	 /* likewise, and dealt with */
	UT_hash_handle hh;
};

/* Since the start. */
struct inventory_stats {
	uint64_t recovered;		   /* devices that turned healthy again */
	uint64_t failed[DEVICE_CAUSE_MAX]; /* and that turned unhealthy */
};

struct inventory;

/* Who is told of changes of a class. */
struct inventory_observer {
	loop_callback on_change;
	void *data;
	struct inventory_observer *next;
};

/* One class of devices; read-only outside of the inventory. */
struct inventory_class {
	const struct config_class *config; /* held; another one after a reload */
	const char *node_name;		   /* owned by its configuration */
	struct device **devices;	   /* in the order of their indexes */
	size_t count;
	size_t capacity;
	size_t healthy;
	size_t refused;	  /* devices for which the list has no room, by the last report */
	size_t formers;	  /* held devices that have other IDs now, by the last report */
	size_t list_size; /* bytes, see list_device_size() */
	uint64_t version; /* grows with each change that the kubelet should hear of */
	struct conflict_list *conflicts; /* of the last report */
	struct strings expected; /* paths of nodes that are about to come for it */
	struct inventory_stats stats;
	int64_t event_us; /* when that came which led to event_version; clock_us() */
	uint64_t event_version; /* 0: none yet */
	struct log_limit change_limit;
	struct log_limit summary_limit;
	struct log_limit conflict_limit;
	struct log_limit held_limit;
	struct log_limit holder_limit;
	unsigned listings; /* how many devices were ever listed */

	struct device *by_id; /* hash */
	bool is_checked;      /* its devices are unhealthy until their first check */
	bool awaits_check;    /* a device of it came with the report that is taken in */
	bool is_rearranged; /* by that report: a known one has other nodes or settings */
	struct inventory_observer *observers;
	unsigned users;		      /* that would miss it */
	struct inventory_class *next; /* of those that are no longer configured */
};

struct inventory *inventory_new(const struct config *config);
struct inventory *inventory_free(struct inventory *inventory);

/* The class at this position in the configuration. */
struct inventory_class *inventory_class_at(struct inventory *inventory, size_t index);

/* The class of a resource, also one that is no longer configured; NULL: there is none. */
struct inventory_class *inventory_find_class(struct inventory *inventory,
					     const char *resource);

/*
 * Has the classes of another configuration from now on. All of them are to be reported
 * then, or kept, in their order: devices that no pod holds go to the first class that wants
 * them. What pods hold of a class that is gone is not given to another one until they end.
 */
void inventory_change(struct inventory *inventory, const struct config_change *change);

/* As long as it is used, a class stays although it is no longer configured. */
void inventory_class_use(struct inventory_class *class);
void inventory_class_leave(struct inventory *inventory, struct inventory_class *class);

/*
 * on_change runs after each change of the class, once for all that came together, also if
 * it is only of how a device is handed out, and when one came whose health is to be checked.
 * Observers are called in their order, until inventory_class_ignore() with the same data.
 */
void inventory_class_observe(struct inventory_class *class, loop_callback on_change,
			     void *data);
void inventory_class_ignore(struct inventory_class *class, const void *data);

/*
 * Takes in what a source sees now of a class: all of it. Empties the list. New devices
 * are added unless another class has claimed one of their nodes or the list would outgrow
 * what the kubelet takes; known ones that are missing turn unhealthy. Of what no pod holds
 * of them, a class behind this one in the configuration has to give up its devices, and any
 * class those that a pod holds of this one.
 */
void inventory_report(struct inventory *inventory, size_t index, struct unit_list *units);

/*
 * The paths of nodes that are about to come for the class, which are taken over: classes
 * behind it in the configuration do not begin to have them.
 */
void inventory_expect(struct inventory *inventory, size_t index, struct strings *paths);

/* Before a report that an event led to: when that came, by clock_us(). */
void inventory_note_event(struct inventory *inventory, size_t index, int64_t event_us);

/* Of a device that is not healthy. */
enum device_cause device_cause_of(const struct device *device);

/*
 * In place of a report: what there is of a class is not known now, so that it goes on with what
 * it has, unless another class has got that after inventory_change().
 */
void inventory_keep(struct inventory *inventory, size_t index);

/*
 * What the health checks of a device found: NULL or what failed. Its nodes stay claimed.
 */
void inventory_set_failure(struct inventory_class *class, struct device *device,
			   const char *failure);

/* Whether devices of the class that come are unhealthy until their health was checked. */
void inventory_class_await_checks(struct inventory_class *class, bool is_checked);

/* The device was handed out just now, which the kubelet has not written down yet. */
void inventory_class_grant(struct inventory *inventory, struct inventory_class *class,
			   const char *id);

/*
 * A reckoning of which devices pods hold, by one source: inventory_hold() for each of them
 * comes between the two. Without the end, as when it can't be read, what was known goes on.
 * The end returns whether a device was released.
 */
void inventory_begin_holders(struct inventory *inventory, enum hold_source source);
bool inventory_end_holders(struct inventory *inventory);

/*
 * A pod holds the device. One that no source has seen yet is listed as unhealthy, until
 * it is reported. holder, whose strings are borrowed, may be NULL.
 */
void inventory_hold(struct inventory *inventory, struct inventory_class *class,
		    const char *id, int numa_node, const struct holder *holder);

/* The source will say something, so that names are waited for. */
void inventory_expect_holders(struct inventory *inventory, enum hold_source source);

/*
 * What the source said last counts no more, since it says nothing new. Returns whether a
 * device was released.
 */
bool inventory_drop_holders(struct inventory *inventory, enum hold_source source);

/* Whether nodes that a class has no more are free for another one once a pod ends. */
bool inventory_awaits_release(const struct inventory *inventory);

/* Whether a pod holds the device, or may: before the first reckoning any may be held. */
bool inventory_is_held(const struct inventory *inventory, const struct device *device);

/* on_stir runs when inventory_review_holds() would say something else. */
void inventory_observe_holds(struct inventory *inventory, loop_callback on_stir,
			     void *data);

struct hold_review {
	bool is_any_held;     /* or may be */
	int64_t granted_ms;   /* when a device was handed out last; 0: never */
	int64_t forget_in_ms; /* when a device can be forgotten; -1: none */
};

/* What there is to wait for; grace_ms as below. */
void inventory_review_holds(const struct inventory *inventory, int64_t grace_ms,
			    struct hold_review *ret);

/*
 * Forgets devices that no source reports, which have been away for grace_ms and which
 * nobody holds, also by the last HOLD_LIST, which was asked for at asked_ms: after they
 * went, and after the kubelet must have heard of any time they were handed out. Returns how
 * many.
 */
size_t inventory_forget(struct inventory *inventory, int64_t asked_ms, int64_t grace_ms);

/*
 * Whether HOLD_CHECKPOINT says of a device that it is held, and HOLD_LIST does not, so that
 * the file may be out of date. Each device counts once, unless again is set.
 */
bool inventory_find_doubt(struct inventory *inventory, bool again);

/* How often nodes were given up that another class may want; grows. */
uint64_t inventory_releases(const struct inventory *inventory);

/* By ID or index; NULL if the class has no such device. */
struct device *inventory_class_find(const struct inventory_class *class, const char *id);
struct device *inventory_class_indexed(const struct inventory_class *class,
				       unsigned index);

/*
 * Looks whether the nodes of a healthy device are still there, for the moment between
 * their end and its report. Returns whether the device is healthy.
 */
bool inventory_verify(struct inventory *inventory, struct inventory_class *class,
		      struct device *device);

KUDEV_DEFINE_CLEANUP(struct inventory *, inventory_free)

#endif
