/* SPDX-License-Identifier: Apache-2.0 */
#include "device/claims.h"
#include "device/internal.h"

/*
 * Which class has a node that several match: the first of them in the configuration, in
 * whatever order they come to see it, unless a pod holds it of another one.
 */

/* Its place in the configuration; behind all others: it is no longer configured. */
static size_t rank(const struct inventory *inventory, const struct inventory_class *class)
{
	size_t place = 0;

	while (place < inventory->class_count && inventory->classes[place] != class)
		place++;
	return place;
}

/* Why the keeper has what the class does not get. */
static enum conflict_cause cause_of(const struct inventory *inventory,
				    const struct inventory_class *keeper,
				    const struct inventory_class *class)
{
	return rank(inventory, keeper) < rank(inventory, class) ? CONFLICT_FIRST
								: CONFLICT_HELD;
}

/* Whether a device of the class keeps a node of the unit from others. */
static bool keeps(const struct device *device, const struct unit *unit)
{
	return device->has_claims && unit_has_common_node(&device->unit, unit);
}

static bool is_any_held(const struct inventory *inventory,
			const struct inventory_class *class, const struct unit *unit)
{
	for (size_t i = 0; i < class->count; i++) {
		if (keeps(class->devices[i], unit) &&
		    inventory_is_held(inventory, class->devices[i]))
			return true;
	}
	return false;
}

static void give_up(struct inventory *inventory, struct inventory_class *class,
		    const struct unit *unit, const struct config_class *to)
{
	for (size_t i = 0; i < class->count; i++) {
		if (keeps(class->devices[i], unit))
			inventory_set_claimed(inventory, class, class->devices[i], to);
	}
	inventory_class_tell(class);
}

static bool is_in_use(const struct inventory *inventory, const struct device *device)
{
	return device && inventory_is_in_use(inventory, device);
}

/* Whether the class may have what the rival has of the unit; device may be NULL. */
static bool does_yield(const struct inventory *inventory,
		       const struct inventory_class *rival,
		       const struct inventory_class *class, const struct device *device,
		       const struct unit *unit)
{
	size_t place = rank(inventory, rival);

	return place < inventory->class_count && !is_any_held(inventory, rival, unit) &&
	       (place > rank(inventory, class) || is_in_use(inventory, device));
}

/* A class that has a node of the unit, and keeps it. */
static const struct inventory_class *find_keeper(const struct inventory *inventory,
						 const struct inventory_class *class,
						 const struct device *device,
						 const struct unit *unit,
						 const struct unit_node **ret_node)
{
	const struct inventory_class *rival;

	for (size_t i = 0;; i++) {
		rival = claims_rival(inventory->claims, class, unit, i, ret_node);
		if (!rival || !does_yield(inventory, rival, class, device, unit))
			return rival;
	}
}

static const struct unit_node *find_expected(const struct inventory_class *class,
					     const struct unit *unit)
{
	for (size_t i = 0; i < unit->node_count; i++) {
		if (strings_contain(&class->expected, unit->nodes[i].host_path))
			return &unit->nodes[i];
	}
	return NULL;
}

/* A class before this one to which a node of the unit is about to come. */
static const struct inventory_class *find_expectant(const struct inventory *inventory,
						    const struct inventory_class *class,
						    const struct unit *unit,
						    const struct unit_node **ret_node)
{
	size_t end = rank(inventory, class);

	for (size_t i = 0; i < end; i++) {
		const struct inventory_class *other = inventory->classes[i];

		*ret_node = find_expected(other, unit);
		if (*ret_node && !claims_may_share(other, class))
			return other;
	}
	return NULL;
}

const struct inventory_class *inventory_find_rival(struct inventory *inventory,
						   struct inventory_class *class,
						   const struct device *device,
						   const struct unit *unit)
{
	const struct unit_node *node;
	const struct inventory_class *rival = NULL;

	if (!(device && device->has_claims) && !is_in_use(inventory, device))
		rival = find_expectant(inventory, class, unit, &node);
	if (!rival)
		rival = find_keeper(inventory, class, device, unit, &node);
	if (rival)
		conflicts_add(class, node->host_path, rival->config,
			      cause_of(inventory, rival, class));
	return rival;
}

void inventory_overrule(struct inventory *inventory, const struct inventory_class *class,
			const struct unit *unit)
{
	const struct unit_node *node;
	const struct inventory_class *rival;

	while ((rival = claims_rival(inventory->claims, class, unit, 0, &node))) {
		struct inventory_class *loser =
			inventory->classes[rank(inventory, rival)];

		give_up(inventory, loser, unit, class->config);
		conflicts_add(loser, node->host_path, class->config,
			      cause_of(inventory, class, loser));
	}
}

void inventory_expect(struct inventory *inventory, size_t index, struct strings *paths)
{
	struct inventory_class *class = inventory->classes[index];

	for (size_t i = 0; i < class->expected.count; i++) {
		if (strings_contain(paths, class->expected.items[i]))
			continue;
		claims_note_release(inventory->claims);
		break;
	}
	strings_clear(&class->expected);
	class->expected = *paths;
	*paths = (struct strings){0};
}
