/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_CHECKPOINT_H
#define KUDEV_KUBELET_CHECKPOINT_H

/*
 * Which devices pods hold, as the kubelet has written it down in its plugin directory
 * (kubelet_internal_checkpoint; pkg/kubelet/cm/devicemanager/checkpoint of Kubernetes). At
 * its start kudev knows of no device yet, but a kubelet from 1.34 on can panic when an ID
 * that a pod holds is not in the list. The format is the kubelet's own business, so what is
 * not understood is passed over. Thread: any.
 */

#include "base/error.h"

/*
 * numa_node is LIST_NUMA_UNKNOWN if the device had none. The strings are borrowed; id is
 * UTF-8 and not empty.
 */
typedef void (*checkpoint_callback)(const char *resource, const char *id, int numa_node,
				    void *data);

/*
 * Calls back for each device that a container holds. No checkpoint is no error; the errors
 * are those of reading it, and -EINVAL if it is not what it was from Kubernetes 1.20 to 1.37.
 */
int checkpoint_read(const char *directory, checkpoint_callback on_held, void *data,
		    struct error *err);

/* The file; the caller frees it. */
char *checkpoint_path(const char *directory);

/* The same for what the file says. */
int checkpoint_parse(const char *text, checkpoint_callback on_held, void *data,
		     struct error *err);

#endif
