/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_PREFERRED_H
#define KUDEV_KUBELET_PREFERRED_H

/*
 * Which of the available devices a container had best get. Pure and deterministic. The
 * kubelet takes the answer as advice, but fails the pod on an error, so there is none: a
 * request that can't be met as it is gets the nearest answer that can.
 *
 * Every policy begins with the devices that must be included, and prefers devices that
 * nobody else holds a copy of, except packed:
 *   numa    as few NUMA nodes as possible; of those that suffice, the one with the fewest
 *           devices available
 *   packed  copies of devices that others hold already, so that the rest stays free
 *   spread  copies of the devices with the most copies free
 * Thread: the loop thread.
 */

#include "device/inventory.h"
#include "deviceplugin/v1beta1/api.pb-c.h"

/* The caller frees it with v1beta1__preferred_allocation_response__free_unpacked(). */
V1beta1__PreferredAllocationResponse *preferred_answer(
	const struct inventory_class *class,
	const V1beta1__PreferredAllocationRequest *request);

#endif
