/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_ALLOCATE_H
#define KUDEV_KUBELET_ALLOCATE_H

/*
 * What a container gets for the devices that the kubelet chose: nodes, mounts,
 * environment, annotations and CDI names. Pure: the answer depends on the class as the
 * inventory knows it, the request and the time given. Thread: the loop thread.
 */

#include <time.h>

#include "device/inventory.h"
#include "deviceplugin/v1beta1/api.pb-c.h"

/* One device that one container was given, for the log. */
struct grant {
	const struct device *device; /* owned by the inventory */
	char *container_path;	     /* of its main node */
	char *env_var;		     /* NAME=value that names it; NULL: none does */
};

struct allocation {
	V1beta1__AllocateResponse *response;
	struct grant *grants;
	size_t grant_count;
	size_t grant_capacity;
};

/*
 * with_cdi says that container runtimes find the CDI names of the class. A device is
 * handed out as nodes and mounts all the same: kubelets before 1.28 and runtimes without
 * CDI pass over the names, and those that know them put the same nodes in the same places.
 *
 * Answers the request, one response for each container in it. -ENOENT: a device is not of
 * this class; -ENODEV: one is not healthy. ret_refused then is its ID, borrowed from the
 * request.
 */
int allocate(const struct inventory_class *class, bool with_cdi,
	     const V1beta1__AllocateRequest *request, time_t now, struct allocation **ret,
	     const char **ret_refused, struct error *err);
struct allocation *allocation_free(struct allocation *allocation);

/* Where a container finds a node of a device; the caller frees it. */
char *allocate_container_path(const struct inventory_class *class,
			      const struct device *device, const struct unit_node *node);

KUDEV_DEFINE_CLEANUP(struct allocation *, allocation_free)

#endif
