/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_DEVICE_DEVICE_H
#define KUDEV_DEVICE_DEVICE_H

/*
 * What a source finds and the inventory keeps: a unit is one thing that the kubelet can
 * hand out under one ID, made of one or more nodes. Paths are the host's, without the
 * root under which they were looked up. Thread: any, one at a time.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/template.h"
#include "config/list.h"

enum node_type {
	NODE_DEVICE, /* a device node, or a directory of them */
	NODE_MOUNT,  /* a file or directory to be mounted */
};

/*
 * What a node is, whatever its name: for a character or block device its number, else its
 * place in the file system. All zero: unknown, equal to nothing.
 */
struct node_identity {
	uint64_t type;	 /* the S_IFMT bits */
	uint64_t device; /* the node's number, or the file system's */
	uint64_t inode;	 /* 0 for a device node */
};

struct unit_node {
	enum node_type type;
	char *host_path;
	const char *root; /* below which the path is looked up; owned by the source */
	const struct template
		*mount_path;	 /* owned by the class or source; NULL: host_path */
	const char *permissions; /* owned by the configuration; of NODE_DEVICE */
	bool read_only;		 /* of NODE_MOUNT */
	struct node_identity identity;
};

struct unit {
	char *id; /* unique in its class; at most 63 bytes for those that kudev makes up */
	struct unit_node *nodes;
	size_t node_count;
	int numa_node; /* or LIST_NUMA_UNKNOWN */
	/* The ID stands for the hardware: its nodes may have other names next time. */
	bool is_hardware;
	/* The ID that it would have if no other device were like it; NULL: it has it. */
	char *plain_id;
	char *absence; /* why it can't be had, although it belongs to the class; or NULL */
};

/* Zero-initialise it. */
struct unit_list {
	struct unit *items;
	size_t count;
	size_t capacity;
};

/* Appends a unit without nodes and takes id over; valid until the next call. */
struct unit *unit_list_add(struct unit_list *list, char *id, size_t node_count);
/* The order of the others stays. */
void unit_list_remove(struct unit_list *list, size_t index);
void unit_list_clear(struct unit_list *list);
void unit_clear(struct unit *unit);

/* The node that stands for a unit that has any: its first device node, else its first. */
const struct unit_node *unit_main_node(const struct unit *unit);

/* Whether two units consist of the same nodes in the same order. */
bool unit_same_nodes(const struct unit *a, const struct unit *b);

/* Whether one device node, under whatever name, is in both. */
bool unit_has_common_node(const struct unit *a, const struct unit *b);

/*
 * Follows links. -errno if there is no such thing: -ENOENT also for a dangling link.
 * root is "" or the directory under which path is looked up.
 */
int node_identify(const char *root, const char *path, struct node_identity *ret);

#define KUDEV_AUTO_UNIT __attribute__((cleanup(unit_clear)))
#define KUDEV_AUTO_UNIT_LIST __attribute__((cleanup(unit_list_clear)))

#endif
