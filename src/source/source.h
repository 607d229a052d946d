/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_SOURCE_SOURCE_H
#define KUDEV_SOURCE_SOURCE_H

/*
 * A source knows where the devices of a class come from. It is asked to scan, and says
 * what is there now and which directories would have to change for that to change; when
 * to ask is discovery's business. Thread: the loop thread.
 */

#include "base/strings.h"
#include "config/config.h"
#include "device/device.h"

struct source;

/* A path or pattern that should give a device and doesn't. */
struct missing {
	char *path;
	char *reason;
};

/* Zero-initialise it. */
struct scan {
	struct unit_list units;
	struct strings directories; /* with the root; they need not exist */
	struct missing *missing;
	size_t missing_count;
	size_t missing_capacity;
};

struct source_ops {
	const char *name;
	/*
	 * Prepares, and creates what the class creates, unless preview: then nothing on
	 * this machine may change and scans show what would be.
	 */
	int (*open)(const struct config_class *class, const char *root, bool preview,
		    struct source **ret, struct error *err);
	/* An error means: not known now, so what was known stays. */
	int (*scan)(struct source *source, struct scan *ret, struct error *err);
	struct source *(*free)(struct source *source);
};

/* The part that every source begins with. */
struct source {
	const struct source_ops *ops;
	const struct config_class *class; /* owned by the configuration */
	const char *root;		  /* likewise */
	bool preview;
};

extern const struct source_ops source_groups;
extern const struct source_ops source_simulate;

int source_open(const struct config_class *class, const char *root, bool preview,
		struct source **ret, struct error *err);
int source_scan(struct source *source, struct scan *ret, struct error *err);
struct source *source_free(struct source *source);

void scan_add_missing(struct scan *scan, const char *path, const char *reason);
void scan_clear(struct scan *scan);

/* A node of the unit: takes host_path over, and identifies it under root. */
void unit_node_fill(struct unit_node *node, const char *root, char *host_path,
		    enum node_type type, const struct template *mount_path);

#define KUDEV_AUTO_SCAN __attribute__((cleanup(scan_clear)))

KUDEV_DEFINE_CLEANUP(struct source *, source_free)

#endif
