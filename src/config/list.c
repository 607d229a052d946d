/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "config/list.h"

/* Protocol Buffers encoding: seven bits a byte. */
static size_t varint_size(size_t value)
{
	size_t size = 1;

	while (value >>= 7)
		size++;
	return size;
}

/* A length-delimited field with a tag of one byte. */
static size_t field_size(size_t length)
{
	return 1 + varint_size(length) + length;
}

size_t list_device_size(size_t id_length, int numa_node)
{
	size_t size = field_size(id_length) + field_size(strlen("Unhealthy"));

	if (numa_node != LIST_NUMA_UNKNOWN) {
		/* proto3 leaves a zero out. */
		size_t node = numa_node ? 1 + varint_size((size_t)numa_node) : 0;

		size += field_size(field_size(node));
	}
	return field_size(size);
}
