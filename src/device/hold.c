/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <utlist.h>

#include "base/log.h"
#include "base/util.h"
#include "device/internal.h"

/* The kubelet writes down what a pod got within this time. */
#define GRANT_MS 30000
/* It names one, or the containers of one pod that use it in turn. */
#define HOLDERS_MAX 16

static const struct holder nameless = {0};

/* Names. */

static struct holder *holders_free(struct holder *holders, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(holders[i].pod_namespace);
		free(holders[i].pod);
		free(holders[i].container);
	}
	free(holders);
	return NULL;
}

void device_drop_holders(struct device *device)
{
	device->holders = holders_free(device->holders, device->holder_count);
	device->holder_count = 0;
	device->next_holders = holders_free(device->next_holders,
					    device->next_holder_count);
	device->next_holder_count = 0;
}

static bool has_holder(const struct holder *holders, size_t count,
		       const struct holder *wanted)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(holders[i].pod_namespace, wanted->pod_namespace) == 0 &&
		    strcmp(holders[i].pod, wanted->pod) == 0 &&
		    strcmp(holders[i].container, wanted->container) == 0)
			return true;
	}
	return false;
}

static void add_next_holder(struct device *device, const struct holder *holder)
{
	size_t capacity = device->next_holder_count;

	if (device->next_holder_count == HOLDERS_MAX ||
	    has_holder(device->next_holders, device->next_holder_count, holder))
		return;
	/* Grown by one each time: there are hardly ever two. */
	device->next_holders = mem_grow(device->next_holders, device->next_holder_count,
					&capacity, sizeof(*device->next_holders));
	device->next_holders[device->next_holder_count++] = (struct holder){
		.pod_namespace = mem_string(holder->pod_namespace),
		.pod = mem_string(holder->pod),
		.container = mem_string(holder->container),
	};
}

static void log_hold(struct inventory_class *class, const struct device *device,
		     const struct holder *holder, bool is_held)
{
	const char *path = device->unit.node_count > 0
				   ? unit_main_node(&device->unit)->host_path
				   : NULL;
	uint64_t suppressed;

	if (!log_limit_burst(&class->holder_limit, LOG_BURST, LOG_INTERVAL_MS,
			     &suppressed))
		return;
	LOG_AT(LOG_LEVEL_INFO, is_held ? "device held" : "device released",
	       LOG_STR("class", class->config->name),
	       LOG_STR("resource", class->config->resource),
	       LOG_STR("device_id", device->unit.id), LOG_STR("device_path", path),
	       LOG_STR("namespace", holder->pod_namespace), LOG_STR("pod", holder->pod),
	       LOG_STR("container", holder->container),
	       LOG_COUNT("suppressed", suppressed));
}

static void log_holders(struct inventory_class *class, const struct device *device,
			bool is_held)
{
	for (size_t i = 0; i < device->holder_count; i++)
		log_hold(class, device, &device->holders[i], is_held);
	if (device->holder_count == 0)
		log_hold(class, device, &nameless, is_held);
}

/* Reckonings. */

static bool is_granted(const struct device *device)
{
	return device->granted_ms > 0 && clock_ms() - device->granted_ms < GRANT_MS;
}

static bool is_known(const struct inventory *inventory, enum hold_source source)
{
	return inventory->reckonings[source].known_at > 0;
}

/* Whether the source says that it is held. */
static bool is_held_by(const struct inventory *inventory, const struct device *device,
		       enum hold_source source)
{
	return is_known(inventory, source) &&
	       device->held_rounds[source] >= inventory->reckonings[source].known_at;
}

static bool is_held_by_any(const struct inventory *inventory, const struct device *device)
{
	return is_held_by(inventory, device, HOLD_CHECKPOINT) ||
	       is_held_by(inventory, device, HOLD_LIST);
}

bool inventory_is_held(const struct inventory *inventory, const struct device *device)
{
	return is_granted(device) || !is_known(inventory, HOLD_CHECKPOINT) ||
	       is_held_by_any(inventory, device);
}

static void log_held(struct inventory_class *class, const char *id, bool is_listed)
{
	uint64_t suppressed;

	if (!log_limit_burst(&class->held_limit, LOG_BURST, LOG_INTERVAL_MS, &suppressed))
		return;
	LOG_AT(is_listed ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR,
	       is_listed ? "a pod holds a device that is not there"
			 : "no room in the list for a device that a pod holds",
	       LOG_STR("class", class->config->name),
	       LOG_STR("resource", class->config->resource), LOG_STR("device_id", id),
	       LOG_COUNT("suppressed", suppressed));
}

/* One that nobody has seen; NULL: the list has no room for it. */
static struct device *list_held(struct inventory_class *class, const char *id,
				int numa_node)
{
	KUDEV_AUTO_UNIT struct unit unit = {.id = mem_string(id), .numa_node = numa_node};
	struct device *device;

	if (!inventory_class_has_room(class, &unit)) {
		log_held(class, id, false);
		return NULL;
	}
	device = inventory_class_list(class, &unit);
	device->absence = inventory_describe_loss(&device->unit, &device->absence_cause);
	device->reason = device->absence;
	log_held(class, id, true);
	inventory_class_tell(class);
	return device;
}

void inventory_begin_holders(struct inventory *inventory, enum hold_source source)
{
	inventory->hold_source = source;
	inventory->reckonings[source].round++;
}

void inventory_hold(struct inventory *inventory, struct inventory_class *class,
		    const char *id, int numa_node, const struct holder *holder)
{
	enum hold_source source = inventory->hold_source;
	struct device *device = inventory_class_find(class, id);

	if (!device && !inventory_is_removed(inventory, class))
		device = list_held(class, id, numa_node);
	if (!device)
		return;
	device->held_rounds[source] = inventory->reckonings[source].round;
	if (holder)
		add_next_holder(device, holder);
}

/* Who was named before and is not now has released it, and the other way round. */
static void take_next_holders(struct inventory_class *class, struct device *device)
{
	for (size_t i = 0; i < device->holder_count; i++) {
		if (!has_holder(device->next_holders, device->next_holder_count,
				&device->holders[i]))
			log_hold(class, device, &device->holders[i], false);
	}
	for (size_t i = 0; i < device->next_holder_count; i++) {
		if (!has_holder(device->holders, device->holder_count,
				&device->next_holders[i]))
			log_hold(class, device, &device->next_holders[i], true);
	}
	holders_free(device->holders, device->holder_count);
	device->holder_count = device->next_holder_count;
	device->next_holder_count = 0;
	device->holders = take_ptr(device->next_holders);
	device->is_held = true;
}

static void release(struct inventory_class *class, struct device *device)
{
	log_holders(class, device, false);
	device_drop_holders(device);
	device->is_held = false;
	/* The kubelet had written it down, as it is known to have been held. */
	device->granted_ms = 0;
}

/*
 * Who is named stays named until both sources have let go of the device: a kubelet that
 * starts leaves out of its answers the pods of which it has not heard yet. Returns whether
 * the device was released.
 */
static bool settle_device(const struct inventory *inventory,
			  struct inventory_class *class, struct device *device)
{
	bool was_held = device->is_held;
	bool is_held = is_held_by_any(inventory, device);

	if (!is_held_by(inventory, device, HOLD_CHECKPOINT) ||
	    is_held_by(inventory, device, HOLD_LIST))
		device->is_doubted = false;
	if (device->next_holder_count > 0) {
		take_next_holders(class, device);
	} else if (was_held && !is_held) {
		release(class, device);
	} else if (!was_held && is_held &&
		   (inventory->hold_source == HOLD_LIST ||
		    !inventory->reckonings[HOLD_LIST].is_expected)) {
		/* Nobody can name who. */
		device->is_held = true;
		log_holders(class, device, true);
	}
	return was_held && !is_held;
}

static bool settle_class(const struct inventory *inventory, struct inventory_class *class)
{
	bool is_any_released = false;

	for (size_t i = 0; i < class->count; i++) {
		if (settle_device(inventory, class, class->devices[i]))
			is_any_released = true;
	}
	return is_any_released;
}

static bool settle(struct inventory *inventory)
{
	struct inventory_class *class;
	bool is_any_released = false;

	for (size_t i = 0; i < inventory->class_count; i++) {
		if (settle_class(inventory, inventory->classes[i]))
			is_any_released = true;
	}
	LL_FOREACH(inventory->removed, class) {
		if (settle_class(inventory, class))
			is_any_released = true;
	}
	inventory_release_unused(inventory);
	return is_any_released;
}

bool inventory_end_holders(struct inventory *inventory)
{
	struct reckoning *reckoning = &inventory->reckonings[inventory->hold_source];

	reckoning->known_at = reckoning->round;
	reckoning->is_expected = true;
	return settle(inventory);
}

void inventory_expect_holders(struct inventory *inventory, enum hold_source source)
{
	inventory->reckonings[source].is_expected = true;
}

bool inventory_drop_holders(struct inventory *inventory, enum hold_source source)
{
	inventory->reckonings[source].known_at = 0;
	inventory->reckonings[source].is_expected = false;
	return settle(inventory);
}

void inventory_class_grant(struct inventory *inventory, struct inventory_class *class,
			   const char *id)
{
	struct device *device = inventory_class_find(class, id);

	if (!device)
		return;
	/* The kubelet does not hand out what it has not taken back. */
	if (device->is_held)
		release(class, device);
	device->granted_ms = clock_ms();
	inventory_stir(inventory);
}

/* What is to be done about it. */

void inventory_observe_holds(struct inventory *inventory, loop_callback on_stir,
			     void *data)
{
	inventory->on_stir = on_stir;
	inventory->on_stir_data = data;
}

void inventory_stir(struct inventory *inventory)
{
	if (inventory->on_stir)
		inventory->on_stir(inventory->on_stir_data);
}

/* Whether it is not reported, as if it were of the past, or only by the way. */
static bool is_away(const struct device *device)
{
	return device->absence &&
	       (!device->seen || device->absence_cause == DEVICE_CLAIMED);
}

/* When it can be forgotten, if it is still away and free then. */
static int64_t forget_at(const struct device *device, int64_t grace_ms)
{
	int64_t at_ms = device->absent_since_ms + grace_ms;
	int64_t free_ms = device->granted_ms > 0 ? device->granted_ms + GRANT_MS : 0;

	return at_ms > free_ms ? at_ms : free_ms;
}

static void review_device(const struct inventory *inventory, const struct device *device,
			  int64_t grace_ms, struct hold_review *review)
{
	bool is_held = inventory_is_held(inventory, device);
	int64_t forget_in_ms = forget_at(device, grace_ms) - clock_ms();

	review->is_any_held = review->is_any_held || is_held;
	if (device->granted_ms > review->granted_ms)
		review->granted_ms = device->granted_ms;
	if (is_held || !is_away(device))
		return;
	if (forget_in_ms < 0)
		forget_in_ms = 0;
	if (review->forget_in_ms < 0 || forget_in_ms < review->forget_in_ms)
		review->forget_in_ms = forget_in_ms;
}

static void review_class(const struct inventory *inventory,
			 const struct inventory_class *class, int64_t grace_ms,
			 struct hold_review *review)
{
	for (size_t i = 0; i < class->count; i++)
		review_device(inventory, class->devices[i], grace_ms, review);
}

void inventory_review_holds(const struct inventory *inventory, int64_t grace_ms,
			    struct hold_review *ret)
{
	struct hold_review review = {.forget_in_ms = -1};
	struct hold_review removed = {.forget_in_ms = -1};
	const struct inventory_class *class;

	for (size_t i = 0; i < inventory->class_count; i++)
		review_class(inventory, inventory->classes[i], grace_ms, &review);
	/* These are forgotten as a whole. */
	LL_FOREACH(inventory->removed, class) {
		review_class(inventory, class, grace_ms, &removed);
	}
	review.is_any_held = review.is_any_held || removed.is_any_held;
	*ret = review;
}

static void log_forgotten(struct inventory_class *class, const struct device *device)
{
	uint64_t suppressed;

	if (!log_limit_burst(&class->holder_limit, LOG_BURST, LOG_INTERVAL_MS,
			     &suppressed))
		return;
	log_info("device forgotten", LOG_STR("class", class->config->name),
		 LOG_STR("resource", class->config->resource),
		 LOG_STR("device_id", device->unit.id), LOG_STR("reason", device->reason),
		 LOG_INT("absent_ms", clock_ms() - device->absent_since_ms),
		 LOG_COUNT("suppressed", suppressed));
}

static size_t forget_in_class(struct inventory *inventory, struct inventory_class *class,
			      int64_t asked_ms, int64_t grace_ms)
{
	size_t count = 0;

	for (size_t i = class->count; i > 0; i--) {
		struct device *device = class->devices[i - 1];

		/* In the millisecond of the question, it may have been later. */
		if (!is_away(device) || clock_ms() < forget_at(device, grace_ms) ||
		    asked_ms <= forget_at(device, 0) ||
		    inventory_is_held(inventory, device))
			continue;
		log_forgotten(class, device);
		inventory_drop_device(inventory, class, device);
		count++;
	}
	if (count > 0)
		inventory_class_tell(class);
	return count;
}

size_t inventory_forget(struct inventory *inventory, int64_t asked_ms, int64_t grace_ms)
{
	size_t count = 0;

	for (size_t i = 0; i < inventory->class_count; i++)
		count += forget_in_class(inventory, inventory->classes[i], asked_ms,
					 grace_ms);
	return count;
}

static bool is_doubtful(const struct inventory *inventory, const struct device *device,
			bool again)
{
	return is_held_by(inventory, device, HOLD_CHECKPOINT) &&
	       is_known(inventory, HOLD_LIST) &&
	       !is_held_by(inventory, device, HOLD_LIST) &&
	       (again || !device->is_doubted);
}

static bool doubt_class(const struct inventory *inventory, struct inventory_class *class,
			bool again)
{
	bool is_any_doubtful = false;

	for (size_t i = 0; i < class->count; i++) {
		if (!is_doubtful(inventory, class->devices[i], again))
			continue;
		class->devices[i]->is_doubted = true;
		is_any_doubtful = true;
	}
	return is_any_doubtful;
}

bool inventory_find_doubt(struct inventory *inventory, bool again)
{
	struct inventory_class *class;
	bool is_any_doubtful = false;

	for (size_t i = 0; i < inventory->class_count; i++) {
		if (doubt_class(inventory, inventory->classes[i], again))
			is_any_doubtful = true;
	}
	LL_FOREACH(inventory->removed, class) {
		if (doubt_class(inventory, class, again))
			is_any_doubtful = true;
	}
	return is_any_doubtful;
}
