/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_DEVICE_TOPOLOGY_H
#define KUDEV_DEVICE_TOPOLOGY_H

/*
 * Where a device node's hardware is in the machine, from sysfs. Thread-safe: nothing here
 * keeps state.
 */

#include "device/device.h"

/*
 * The directory in /sys/devices of the device behind a node, with the root; NULL if it
 * has none, as a file or a node made by hand. The caller frees it.
 */
char *topology_syspath(const char *root, const struct node_identity *node);

/*
 * An attribute of the nearest device that has it, beginning with the one at syspath,
 * without white space at its end; the caller frees it. NULL: it can't be had, and
 * *ret_error, unless that is NULL, tells why: -ENOENT if none has it.
 */
char *topology_attribute(const char *syspath, const char *name, int *ret_error);

/*
 * The NUMA node of the nearest device that says one; LIST_NUMA_UNKNOWN if none does.
 */
int topology_numa_node(const char *syspath);

/* The same for all nodes of a unit; unknown if they disagree. */
int topology_of_unit(const struct unit *unit);

#endif
