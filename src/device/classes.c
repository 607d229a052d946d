/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <utlist.h>

#include "device/claims.h"
#include "device/internal.h"

struct inventory_class *inventory_class_new(const struct config_class *config,
					    const char *node_name)
{
	struct inventory_class *class = mem_zero(sizeof(*class));

	class->config = config_class_hold(config);
	class->node_name = node_name;
	class->conflicts = conflicts_new();
	return class;
}

void inventory_class_free(struct inventory_class *class)
{
	struct inventory_observer *observer;
	struct inventory_observer *next;

	conflicts_free(class->conflicts);
	strings_clear(&class->expected);
	HASH_CLEAR(hh, class->by_id);
	for (size_t i = 0; i < class->count; i++)
		inventory_device_free(class->devices[i]);
	free(class->devices);
	LL_FOREACH_SAFE(class->observers, observer, next) {
		free(observer);
	}
	config_class_drop(class->config);
	free(class);
}

bool inventory_is_removed(const struct inventory *inventory,
			  const struct inventory_class *class)
{
	const struct inventory_class *removed;

	LL_FOREACH(inventory->removed, removed) {
		if (removed == class)
			return true;
	}
	return false;
}

/* What nobody can have any more, and no pod has, is free for another class. */
static void release_unused(struct inventory *inventory, struct inventory_class *class)
{
	for (size_t i = 0; i < class->count; i++) {
		struct device *device = class->devices[i];

		if (device->absence && device->has_claims &&
		    !inventory_is_in_use(inventory, device))
			inventory_unclaim(inventory, class, device);
	}
}

/* On what can't be had of it. */
static bool has_leftovers(const struct inventory_class *class)
{
	for (size_t i = 0; i < class->count; i++) {
		if (class->devices[i]->absence && class->devices[i]->has_claims)
			return true;
	}
	return false;
}

bool inventory_awaits_release(const struct inventory *inventory)
{
	for (size_t i = 0; i < inventory->class_count; i++) {
		if (has_leftovers(inventory->classes[i]))
			return true;
	}
	return inventory->removed != NULL;
}

static void free_if_unused(struct inventory *inventory, struct inventory_class *class)
{
	if (class->users > 0 || has_leftovers(class))
		return;
	LL_DELETE(inventory->removed, class);
	inventory_class_free(class);
}

void inventory_release_unused(struct inventory *inventory)
{
	struct inventory_class *class;
	struct inventory_class *next;

	for (size_t i = 0; i < inventory->class_count; i++)
		release_unused(inventory, inventory->classes[i]);
	LL_FOREACH_SAFE(inventory->removed, class, next) {
		release_unused(inventory, class);
		free_if_unused(inventory, class);
	}
}

void inventory_class_use(struct inventory_class *class)
{
	class->users++;
}

void inventory_class_leave(struct inventory *inventory, struct inventory_class *class)
{
	class->users--;
	if (inventory_is_removed(inventory, class))
		free_if_unused(inventory, class);
}

/* Its devices can't be had any more, which goes without saying. */
static void remove_class(void *item, void *data)
{
	struct inventory *inventory = data;
	struct inventory_class *class = item;

	LL_PREPEND(inventory->removed, class);
	for (size_t i = 0; i < class->count; i++) {
		struct device *device = class->devices[i];

		if (!device->absence)
			device->absent_since_ms = clock_ms();
		mem_replace(&device->absence, "its class is not configured any more");
		device->absence_cause = DEVICE_UNMATCHED;
		device->reason = device->absence;
		device->healthy = false;
	}
	class->healthy = 0;
	class->version++;
	release_unused(inventory, class);
	free_if_unused(inventory, class);
}

/* One that was gone may still be held. */
static struct inventory_class *take_class(struct inventory *inventory,
					  const struct config_class *config)
{
	struct inventory_class *class = inventory_find_class(inventory, config->resource);

	if (!class)
		return inventory_class_new(config, config->config->node_name);
	LL_DELETE(inventory->removed, class);
	return class;
}

static void reconfigure(struct inventory_class *class, const struct config_class *config)
{
	const struct config_class *before = class->config;

	class->config = config_class_hold(config);
	class->node_name = config->config->node_name;
	config_class_drop(before);
}

/* They are claimed anew, by the first class that reports them. */
static void release_free(struct inventory *inventory, struct inventory_class *class)
{
	for (size_t i = 0; i < class->count; i++) {
		if (!inventory_is_held(inventory, class->devices[i]))
			inventory_unclaim(inventory, class, class->devices[i]);
	}
}

void inventory_change(struct inventory *inventory, const struct config_change *change)
{
	inventory->classes = config_change_apply(change, inventory->classes, remove_class,
						 inventory);
	inventory->class_count = 0;
	for (size_t i = 0; i < change->next->class_count; i++) {
		const struct config_class *config = &change->next->classes[i];

		if (!inventory->classes[i])
			inventory->classes[i] = take_class(inventory, config);
		if (change->steps[i].change != CLASS_SAME)
			reconfigure(inventory->classes[i], config);
		release_free(inventory, inventory->classes[i]);
	}
	inventory->class_count = change->next->class_count;
}
