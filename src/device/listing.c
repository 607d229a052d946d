/* SPDX-License-Identifier: Apache-2.0 */
#include "device/internal.h"

/* What the list of a class is made of: its devices, their indexes, and its size. */

const char *const device_causes[DEVICE_CAUSE_MAX] = {
	[DEVICE_GONE] = "gone",		  [DEVICE_UNMATCHED] = "unmatched",
	[DEVICE_UNSEEN] = "unseen",	  [DEVICE_CLAIMED] = "claimed",
	[DEVICE_DOUBTFUL] = "doubtful",	  [DEVICE_UNAVAILABLE] = "unavailable",
	[DEVICE_UNCHECKED] = "unchecked", [DEVICE_FAILED] = "check",
};

enum device_cause device_cause_of(const struct device *device)
{
	if (device->absence)
		return device->absence_cause;
	return device->is_unchecked ? DEVICE_UNCHECKED : DEVICE_FAILED;
}

struct device *inventory_class_find(const struct inventory_class *class, const char *id)
{
	struct device *device;

	HASH_FIND_STR(class->by_id, id, device);
	return device;
}

/* The lowest index that no device has, which is the place of such a device as well. */
static size_t find_free_index(const struct inventory_class *class)
{
	size_t index = 0;

	if (class->count == 0 || class->devices[class->count - 1]->index < class->count)
		return class->count;
	while (class->devices[index]->index == index)
		index++;
	return index;
}

static void insert_device(struct inventory_class *class, struct device *device)
{
	size_t index = find_free_index(class);

	class->devices = mem_grow(class->devices, class->count, &class->capacity,
				  sizeof(struct device *));
	memmove(&class->devices[index + 1], &class->devices[index],
		(class->count - index) * sizeof(struct device *));
	class->devices[index] = device;
	class->count++;
	device->index = (unsigned)index;
	device->listing = ++class->listings;
}

struct device *inventory_class_list(struct inventory_class *class, struct unit *unit)
{
	struct device *device = mem_zero(sizeof(*device));

	class->list_size += list_device_size(strlen(unit->id), unit->numa_node);
	device->unit = *unit;
	memset(unit, 0, sizeof(*unit));
	device->class = config_class_hold(class->config);
	/* That of a device which has not come yet, as of one that is gone. */
	device->absent_since_ms = clock_ms();
	insert_device(class, device);
	class->version++;
	HASH_ADD_KEYPTR(hh, class->by_id, device->unit.id, strlen(device->unit.id),
			device);
	return device;
}

void inventory_class_unlist(struct inventory_class *class, struct device *device)
{
	size_t at = 0;

	while (class->devices[at] != device)
		at++;
	class->count--;
	memmove(&class->devices[at], &class->devices[at + 1],
		(class->count - at) * sizeof(struct device *));
	class->list_size -= list_device_size(strlen(device->unit.id),
					     device->unit.numa_node);
	class->version++;
	HASH_DEL(class->by_id, device);
}

struct device *inventory_class_indexed(const struct inventory_class *class,
				       unsigned index)
{
	size_t low = 0;
	size_t high = class->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (class->devices[middle]->index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low < class->count && class->devices[low]->index == index
		       ? class->devices[low]
		       : NULL;
}

bool inventory_class_has_room(const struct inventory_class *class,
			      const struct unit *unit)
{
	return class->list_size + list_device_size(strlen(unit->id), unit->numa_node) <=
	       LIST_MAX_SIZE;
}
