/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_CDI_H
#define KUDEV_KUBELET_CDI_H

/*
 * A class in the words of the Container Device Interface (tags.cncf.io, its SPEC.md): the
 * names of its devices, vendor.com/class=device, and the spec that tells a container
 * runtime what each name stands for. The kind is the resource, the device its ID.
 *
 * A spec has the nodes, with their permissions, and the mounts. It has no variables: a
 * runtime applies the edits of one device after those of the other, and all of them after
 * what the kubelet asks for (containerSpecOpts() of containerd), so that they would replace
 * what the kubelet was told for all devices of the container together.
 *
 * Pure, but for links that are followed. Thread: the loop thread.
 */

#include "device/inventory.h"

/* The name of a device; the caller frees it. */
char *cdi_name(const struct inventory_class *class, const struct device *device);

/* Why a device can't have a name, as a clause that follows "it"; NULL: it can. */
const char *cdi_obstacle(const struct inventory_class *class,
			 const struct device *device);

/*
 * The spec as JSON, of the lowest version that has what it says, with all devices that
 * can have a name; NULL if there is none, since a spec must have one. The caller frees it.
 */
char *cdi_spec(const struct inventory_class *class, size_t *ret_device_count);

/* A number that is the same as long as the spec is; costs far less than that. */
uint64_t cdi_fingerprint(const struct inventory_class *class);

#endif
