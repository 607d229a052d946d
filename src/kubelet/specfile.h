/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_SPECFILE_H
#define KUDEV_KUBELET_SPECFILE_H

/*
 * Keeps the CDI spec of one class where container runtimes look for it, as the file
 * kudev-<domain>_<name>.json: written before the kubelet can hear of a device, again when
 * the devices or their nodes have changed or the file was lost, removed when there is no
 * device. It outlives kudev, because a runtime asks it again for each start of a container
 * that holds a device, also while kudev is being updated.
 *
 * Thread: the loop thread writes, since the directory is in memory on every system that
 * mounts /run so; it spends at most a tenth of its time on that.
 */

#include "base/watch.h"
#include "device/inventory.h"

struct specfile;

/*
 * Writes the spec of a class whose devices are known, and follows the class from then on.
 * What can't be written is logged and tried again. The directory is made if it is missing,
 * but not in a pod, where it would be the container's own.
 */
struct specfile *specfile_new(struct loop *loop, struct watcher *watcher,
			      struct inventory *inventory, struct inventory_class *class,
			      const char *directory);

/* After the class was configured anew. */
void specfile_refresh(struct specfile *specfile);

/* Leaves the file where it is. */
struct specfile *specfile_free(struct specfile *specfile);

/* Whether a runtime finds there now what the inventory says of the class. */
bool specfile_is_current(const struct specfile *specfile);

/*
 * Removes the specs of classes that the configuration does not have, or not any more with
 * CDI: those of no other kudev that runs, and with no device that a pod holds.
 */
void specfile_sweep(const struct config *config);

#endif
