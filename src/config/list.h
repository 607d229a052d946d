/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_LIST_H
#define KUDEV_CONFIG_LIST_H

/*
 * How large the list of a class gets on its way to the kubelet, a ListAndWatchResponse
 * (api.proto), and how large it may get. Pure.
 */

#include <stddef.h>

/* grpc-go's limit for a received message, which the kubelet leaves at its default. */
#define LIST_MAX_SIZE (4U * 1024 * 1024)

/* No NUMA node known: the list then says nothing of topology. */
#define LIST_NUMA_UNKNOWN (-1)

/*
 * The bytes that a device takes in the list (Device: 1 ID, 2 health, 3 topology),
 * reckoned with the longer of the two healths so that a list can never outgrow its limit
 * by a change of health.
 */
size_t list_device_size(size_t id_length, int numa_node);

#endif
