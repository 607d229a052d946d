/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_SOURCE_SOURCE_H
#define KUDEV_SOURCE_SOURCE_H

/*
 * A source knows where the devices of a class come from. It is asked to scan, and says
 * what is there now and which directories would have to change for that to change; when
 * to ask is discovery's business. Thread: the loop thread.
 */

#include <stdint.h>

#include "base/strings.h"
#include "base/worker.h"
#include "config/config.h"
#include "device/device.h"

struct source;

/* A path or pattern, and what there is to say of it. */
struct remark {
	char *path;
	char *reason;
};

struct remark_list {
	struct remark *items;
	size_t count;
	size_t capacity;
};

/* Begin with SCAN_INIT. */
struct scan {
	struct unit_list units;
	struct strings directories; /* with the root; they need not exist */
	struct strings expected;    /* nodes that may be about to come for the class */
	struct remark_list missing; /* what should give a device and doesn't */
	struct remark_list notes;   /* what is not quite as one may think */
	char *degraded;	  /* why the class can't have its devices; NULL: it can */
	size_t stand_ins; /* devices that something else stands for */
	bool is_pending;  /* it is not known yet which devices there are */
	int64_t again_ms; /* scan once more after this time; -1: not of its own */
};

#define SCAN_INIT              \
	{                      \
		.again_ms = -1 \
	}

/* Something happened to a device that has, or had, a node. Strings are borrowed. */
struct source_event {
	const char *action; /* udev's word: add, remove, change, bind … */
	const char *syspath;
	const char *subsystem;
	const char *node;
};

/* What a source has of the program that it runs in. */
struct source_host {
	struct loop *loop;
	struct worker *worker;
	bool is_trial; /* it ends soon, and what was there before must be as it was then */
	/* A scan would see something else now. */
	loop_callback on_change;
	/* Whether a pod holds the device, or may. */
	bool (*is_held)(const char *id, void *data);
	void *data;
};

/* A device that is made ready for its next container; embedded by who asks for it. */
struct preparation {
	const char *id; /* owned by who asks */
	/*
	 * Once, maybe at once. err NULL: it is ready. The preparation is gone for the
	 * source.
	 */
	void (*done)(struct preparation *preparation, const struct error *err);
	const char *skipped; /* why nothing was done; constant */
	struct preparation *prev, *next;
};

struct source_ops {
	const char *name;
	/*
	 * Prepares, and creates what the class creates. host NULL: a preview; then nothing
	 * on this machine may change and scans show what would be.
	 */
	int (*open)(const struct config_class *class, const char *root,
		    const struct source_host *host, struct source **ret,
		    struct error *err);
	/* An error means: not known now, so what was known stays. */
	int (*scan)(struct source *source, struct scan *ret, struct error *err);
	/* Whether a scan would see something else now. NULL: it is no matter of events. */
	bool (*take_event)(struct source *source, const struct source_event *event);
	/* Events may have been lost: the next scan relies on nothing. NULL: none does. */
	void (*distrust)(struct source *source);
	/* NULL: its devices need nothing before a container gets them. */
	void (*prepare)(struct source *source, struct preparation *preparation);
	/*
	 * Goes on for another class, which asks for the very same devices. Returns false
	 * if they are others; NULL: it can't.
	 */
	bool (*take_class)(struct source *source, const struct config_class *class);
	/*
	 * Before free(), because kudev goes on without the class, or with another source for
	 * it: gives up what it made and no class of next wants. NULL: nothing.
	 */
	void (*retire)(struct source *source, const struct config *next);
	struct source *(*free)(struct source *source);
};

/* The part that every source begins with. */
struct source {
	const struct source_ops *ops;
	const struct config_class *class; /* held by who opened it */
	const char *root;		  /* likewise */
	bool preview;
};

extern const struct source_ops source_groups;
extern const struct source_ops source_simulate;
extern const struct source_ops source_udev;
extern const struct source_ops source_v4l2loopback;

/* host must outlive the source. */
int source_open(const struct config_class *class, const char *root,
		const struct source_host *host, struct source **ret, struct error *err);
int source_scan(struct source *source, struct scan *ret, struct error *err);
bool source_take_event(struct source *source, const struct source_event *event);
void source_distrust(struct source *source);
void source_prepare(struct source *source, struct preparation *preparation);
bool source_take_class(struct source *source, const struct config_class *class);
/* Takes NULL, and frees it. */
struct source *source_retire(struct source *source, const struct config *next);
struct source *source_free(struct source *source);

void scan_add_missing(struct scan *scan, const char *path, const char *reason);
void scan_add_note(struct scan *scan, const char *path, const char *reason);
/* After this time the scan would see something else; the least of all counts. */
void scan_again_in(struct scan *scan, int64_t delay_ms);
void scan_clear(struct scan *scan);

/* A node of the unit: takes host_path over, and identifies it under root. */
void unit_node_fill(struct unit_node *node, const char *root, char *host_path,
		    enum node_type type, const struct template *mount_path);

#define KUDEV_AUTO_SCAN __attribute__((cleanup(scan_clear)))

KUDEV_DEFINE_CLEANUP(struct source *, source_free)

#endif
