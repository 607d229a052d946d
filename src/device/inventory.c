/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/log.h"
#include "base/util.h"
#include "device/claims.h"
#include "device/conflicts.h"
#include "device/internal.h"
#include "device/topology.h"

struct inventory *inventory_new(const struct config *config)
{
	struct inventory *inventory = mem_zero(sizeof(*inventory));

	inventory->claims = claims_new();
	inventory->class_count = config->class_count;
	inventory->classes = mem_zero(config->class_count * sizeof(*inventory->classes));
	for (size_t i = 0; i < config->class_count; i++)
		inventory->classes[i] = inventory_class_new(&config->classes[i],
							    config->node_name);
	return inventory;
}

void inventory_device_free(struct device *device)
{
	unit_clear(&device->unit);
	free(device->absence);
	free(device->failure);
	device_drop_holders(device);
	if (device->class)
		config_class_drop(device->class);
	free(device);
}

struct inventory *inventory_free(struct inventory *inventory)
{
	struct inventory_class *class;
	struct inventory_class *next;

	if (!inventory)
		return NULL;
	claims_free(inventory->claims);
	for (size_t i = 0; i < inventory->class_count; i++)
		inventory_class_free(inventory->classes[i]);
	LL_FOREACH_SAFE(inventory->removed, class, next) {
		inventory_class_free(class);
	}
	free(inventory->classes);
	free(inventory);
	return NULL;
}

struct inventory_class *inventory_class_at(struct inventory *inventory, size_t index)
{
	return inventory->classes[index];
}

struct inventory_class *inventory_find_class(struct inventory *inventory,
					     const char *resource)
{
	struct inventory_class *class;

	for (size_t i = 0; i < inventory->class_count; i++) {
		if (strcmp(inventory->classes[i]->config->resource, resource) == 0)
			return inventory->classes[i];
	}
	LL_FOREACH(inventory->removed, class) {
		if (strcmp(class->config->resource, resource) == 0)
			return class;
	}
	return NULL;
}

void inventory_class_observe(struct inventory_class *class, loop_callback on_change,
			     void *data)
{
	struct inventory_observer *observer = mem_zero(sizeof(*observer));

	observer->on_change = on_change;
	observer->data = data;
	LL_APPEND(class->observers, observer);
}

void inventory_class_ignore(struct inventory_class *class, const void *data)
{
	struct inventory_observer *observer;
	struct inventory_observer *next;

	LL_FOREACH_SAFE(class->observers, observer, next) {
		if (observer->data != data)
			continue;
		LL_DELETE(class->observers, observer);
		free(observer);
	}
}

void inventory_class_tell(struct inventory_class *class)
{
	const struct inventory_observer *observer;

	LL_FOREACH(class->observers, observer) {
		observer->on_change(observer->data);
	}
}

uint64_t inventory_releases(const struct inventory *inventory)
{
	return claims_releases(inventory->claims);
}

static void log_health(struct inventory_class *class, const struct device *device,
		       const char *from)
{
	const char *reason = device->reason;
	uint64_t suppressed;

	if (!log_limit_burst(&class->change_limit, LOG_BURST, LOG_INTERVAL_MS,
			     &suppressed))
		return;
	if (device->healthy)
		reason = class->is_checked ? "it passes its checks"
					   : "the device is back";
	LOG_AT(device->healthy ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "device health changed",
	       LOG_STR("class", class->config->name),
	       LOG_STR("resource", class->config->resource),
	       LOG_STR("device_id", device->unit.id),
	       LOG_STR("device_path", unit_main_node(&device->unit)->host_path),
	       LOG_STR("from", from),
	       LOG_STR("to", device->healthy ? "Healthy" : "Unhealthy"),
	       LOG_STR("reason", reason), LOG_COUNT("suppressed", suppressed));
}

static void log_summary(struct inventory_class *class)
{
	uint64_t suppressed;

	if (!log_limit_burst(&class->summary_limit, LOG_BURST, LOG_INTERVAL_MS,
			     &suppressed))
		return;
	log_info("devices found", LOG_STR("class", class->config->name),
		 LOG_STR("resource", class->config->resource),
		 LOG_INT("device_count", class->count),
		 LOG_INT("healthy_count", class->healthy),
		 LOG_INT("unhealthy_count", class->count - class->healthy),
		 LOG_COUNT("suppressed", suppressed));
}

/* After what makes a device healthy or not has changed. */
static void judge(struct inventory_class *class, struct device *device)
{
	bool was_healthy = device->healthy;

	device->reason = device->absence ? device->absence : device->failure;
	device->healthy = !device->reason;
	if (device->healthy == was_healthy)
		return;
	class->healthy += device->healthy ? 1 : (size_t)-1;
	class->version++;
	if (device->healthy)
		class->stats.recovered++;
	else
		class->stats.failed[device_cause_of(device)]++;
	log_health(class, device, was_healthy ? "Healthy" : "Unhealthy");
}

/* What was known of its health says nothing of what is there now. */
static void note_arrival(struct inventory_class *class, struct device *device)
{
	device->arrivals++;
	class->awaits_check = class->is_checked;
	mem_replace(&device->failure,
		    class->is_checked ? "it was not checked yet" : NULL);
	device->is_unchecked = class->is_checked;
}

static void claim_device(struct inventory *inventory, struct inventory_class *class,
			 struct device *device)
{
	if (!device->has_claims)
		claims_add(inventory->claims, class, &device->unit);
	device->has_claims = true;
}

void inventory_unclaim(struct inventory *inventory, struct inventory_class *class,
		       struct device *device)
{
	if (device->has_claims)
		claims_drop(inventory->claims, class, &device->unit);
	device->has_claims = false;
}

static bool is_same_device(const struct unit_node *node)
{
	struct node_identity identity;

	return node->type == NODE_DEVICE &&
	       node_identify(node->root, node->host_path, &identity) == 0 &&
	       memcmp(&identity, &node->identity, sizeof(identity)) == 0;
}

bool inventory_is_in_use(const struct inventory *inventory, const struct device *device)
{
	if (inventory->reckonings[HOLD_CHECKPOINT].known_at == 0 ||
	    !inventory_is_held(inventory, device))
		return false;
	for (size_t i = 0; i < device->unit.node_count; i++) {
		if (is_same_device(&device->unit.nodes[i]))
			return true;
	}
	return device->unit.node_count == 0;
}

void inventory_drop_device(struct inventory *inventory, struct inventory_class *class,
			   struct device *device)
{
	inventory_unclaim(inventory, class, device);
	inventory_class_unlist(class, device);
	inventory_device_free(device);
}

/* absence NULL: it is there, whatever the cause; else it is taken over. */
static void set_absence(struct inventory *inventory, struct inventory_class *class,
			struct device *device, enum device_cause cause, char *absence)
{
	bool was_there = !device->absence;

	free(device->absence);
	device->absence = absence;
	device->absence_cause = cause;
	if (was_there && absence)
		device->absent_since_ms = clock_ms();
	if (absence && device->has_claims && !inventory_is_in_use(inventory, device))
		inventory_unclaim(inventory, class, device);
	else if (!absence)
		claim_device(inventory, class, device);
	if (!was_there && !absence)
		note_arrival(class, device);
	judge(class, device);
}

void inventory_set_claimed(struct inventory *inventory, struct inventory_class *class,
			   struct device *device, const struct config_class *by)
{
	set_absence(inventory, class, device, DEVICE_CLAIMED,
		    mem_printf("class %s has its node", by->name));
}

void inventory_set_failure(struct inventory_class *class, struct device *device,
			   const char *failure)
{
	uint64_t version = class->version;
	bool was_unchecked = device->is_unchecked;

	mem_replace(&device->failure, failure);
	device->is_unchecked = false;
	judge(class, device);
	if (was_unchecked && failure)
		log_health(class, device, "Unchecked");
	if (class->version != version)
		inventory_class_tell(class);
}

static void log_move(const struct inventory_class *class, const struct device *device,
		     const struct unit *before)
{
	log_info("device moved", LOG_STR("class", class->config->name),
		 LOG_STR("resource", class->config->resource),
		 LOG_STR("device_id", device->unit.id),
		 LOG_STR("from", unit_main_node(before)->host_path),
		 LOG_STR("to", unit_main_node(&device->unit)->host_path));
}

static bool has_same_identities(const struct unit *a, const struct unit *b)
{
	if (a->node_count != b->node_count)
		return false;
	for (size_t i = 0; i < a->node_count; i++) {
		if (memcmp(&a->nodes[i].identity, &b->nodes[i].identity,
			   sizeof(a->nodes[i].identity)) != 0)
			return false;
	}
	return true;
}

/* Its unit borrows from the configuration of the class. */
static void made_for(struct device *device, const struct inventory_class *class)
{
	const struct config_class *before = device->class;

	device->class = config_class_hold(class->config);
	if (before)
		config_class_drop(before);
}

/* A known ID: its nodes may have other names now. */
static void update_device(struct inventory *inventory, struct inventory_class *class,
			  struct device *device, struct unit *unit)
{
	struct unit old = device->unit;

	device->seen = true;
	inventory_overrule(inventory, class, unit);
	/* In this order, so that what it keeps is not given up in between. */
	if (device->has_claims) {
		claims_add(inventory->claims, class, unit);
		claims_drop(inventory->claims, class, &old);
	}
	if (device->class != class->config)
		class->is_rearranged = true;
	/* The hash keeps a pointer to the ID, so the old string stays. */
	device->unit = *unit;
	made_for(device, class);
	device->unit.id = old.id;
	old.id = unit->id;
	memset(unit, 0, sizeof(*unit));
	if (old.node_count > 0 && !unit_same_nodes(&old, &device->unit))
		log_move(class, device, &old);
	if (!unit_same_nodes(&old, &device->unit) ||
	    !has_same_identities(&old, &device->unit))
		class->is_rearranged = true;
	/* It went and came between two scans. */
	if (!device->absence && !has_same_identities(&old, &device->unit))
		note_arrival(class, device);
	set_absence(inventory, class, device, DEVICE_GONE, NULL);
	unit_clear(&old);
}

/* generic-device-plugin says nothing of topology, so pods that moved don't either. */
static void locate(const struct inventory_class *class, struct unit *unit)
{
	if (unit->numa_node == LIST_NUMA_UNKNOWN &&
	    class->config->ids == CONFIG_IDS_READABLE)
		unit->numa_node = topology_of_unit(unit);
}

/* The hardware may be plugged in elsewhere now. */
static void relocate(struct inventory_class *class, const struct device *device,
		     struct unit *unit)
{
	size_t length = strlen(unit->id);

	if (has_same_identities(&device->unit, unit))
		unit->numa_node = device->unit.numa_node;
	else
		locate(class, unit);
	if (unit->numa_node == device->unit.numa_node)
		return;
	class->list_size -= list_device_size(length, device->unit.numa_node);
	class->list_size += list_device_size(length, unit->numa_node);
	class->version++;
}

/* Unless the list has no room for it. */
static void add_device(struct inventory *inventory, struct inventory_class *class,
		       struct unit *unit)
{
	struct device *device;

	locate(class, unit);
	if (!inventory_class_has_room(class, unit)) {
		class->refused++;
		return;
	}
	inventory_overrule(inventory, class, unit);
	device = inventory_class_list(class, unit);
	device->seen = true;
	note_arrival(class, device);
	device->reason = device->failure;
	device->healthy = !device->reason;
	class->healthy += device->healthy ? 1 : 0;
	claim_device(inventory, class, device);
}

/*
 * Of devices with equal serial numbers, a pod may hold any one under the plain ID, given to
 * it before kudev was started anew and both were there.
 */
static const struct device *find_doubtful_hold(const struct inventory *inventory,
					       const struct inventory_class *class,
					       const struct unit *unit)
{
	const struct device *plain = unit->plain_id
					     ? inventory_class_find(class, unit->plain_id)
					     : NULL;

	return plain && plain->unit.node_count == 0 && inventory_is_held(inventory, plain)
		       ? plain
		       : NULL;
}

/* A pod holds it under an ID that it has no more, as after a change of its class. */
static bool is_former(const struct inventory *inventory, const struct device *device)
{
	return device->has_claims && !device->is_named &&
	       inventory_is_in_use(inventory, device);
}

static void count_formers(const struct inventory *inventory,
			  struct inventory_class *class, const struct unit_list *units)
{
	class->formers = 0;
	for (size_t i = 0; i < class->count; i++)
		class->devices[i]->is_named = false;
	for (size_t i = 0; i < units->count; i++) {
		struct device *device = inventory_class_find(class, units->items[i].id);

		if (device)
			device->is_named = true;
	}
	for (size_t i = 0; i < class->count; i++)
		class->formers += is_former(inventory, class->devices[i]);
}

/*
 * What a pod has for itself can't be had under another ID either, unless that is held, too;
 * NULL: it can. known NULL: the ID is new.
 */
static const struct device *find_former(const struct inventory *inventory,
					const struct inventory_class *class,
					const struct device *known,
					const struct unit *unit)
{
	if (known && !known->absence && inventory_is_held(inventory, known))
		return NULL;
	for (size_t i = 0; class->formers > 0 && i < class->count; i++) {
		const struct device *device = class->devices[i];
		bool is_shared = class->config->shares_nodes &&
				 device->class->shares_nodes;

		if (!is_shared && strcmp(device->unit.id, unit->id) != 0 &&
		    unit_has_common_node(&device->unit, unit) &&
		    is_former(inventory, device))
			return device;
	}
	return NULL;
}

/* It is listed, but can't be had. device NULL: it is new. Takes absence over. */
static void take_absent(struct inventory *inventory, struct inventory_class *class,
			struct device *device, struct unit *unit, enum device_cause cause,
			char *absence)
{
	if (!device)
		locate(class, unit);
	if (device) {
		device->seen = true;
		set_absence(inventory, class, device, cause, absence);
	} else if (inventory_class_has_room(class, unit)) {
		device = inventory_class_list(class, unit);
		device->seen = true;
		device->absence = absence;
		device->absence_cause = cause;
		device->reason = absence;
		log_health(class, device, "Unknown");
	} else {
		class->refused++;
		free(absence);
	}
}

static void take_unit(struct inventory *inventory, struct inventory_class *class,
		      struct unit *unit)
{
	struct device *device = inventory_class_find(class, unit->id);
	const struct device *doubtful;
	const struct device *former;
	const struct inventory_class *rival;

	/* An ID never changes hands: a pod may hold what it stood for. */
	if (device && device->unit.node_count > 0 && !unit->is_hardware &&
	    !unit_same_nodes(&device->unit, unit)) {
		conflicts_add(class, unit_main_node(unit)->host_path, class->config,
			      CONFLICT_ALIKE);
		return;
	}
	/* Overlapping groups give the same unit twice, which is one device. */
	if (device && device->seen)
		return;
	rival = inventory_find_rival(inventory, class, device, unit);
	doubtful = find_doubtful_hold(inventory, class, unit);
	former = find_former(inventory, class, device, unit);
	if (unit->absence) {
		take_absent(inventory, class, device, unit, DEVICE_UNAVAILABLE,
			    take_ptr(unit->absence));
	} else if (former) {
		take_absent(inventory, class, device, unit, DEVICE_DOUBTFUL,
			    mem_printf("a pod holds it as %s", former->unit.id));
	} else if (doubtful) {
		take_absent(inventory, class, device, unit, DEVICE_DOUBTFUL,
			    mem_printf("a pod may hold it as %s", doubtful->unit.id));
	} else if (rival && device) {
		device->seen = true;
		inventory_set_claimed(inventory, class, device, rival->config);
	} else if (rival) {
		return;
	} else if (device) {
		relocate(class, device, unit);
		update_device(inventory, class, device, unit);
	} else {
		add_device(inventory, class, unit);
	}
}

char *inventory_describe_loss(const struct unit *unit, enum device_cause *ret_cause)
{
	*ret_cause = DEVICE_UNSEEN;
	if (unit->node_count == 0)
		return mem_string(
			"a pod holds it, but it was not seen since kudev started");
	*ret_cause = DEVICE_GONE;
	for (size_t i = 0; i < unit->node_count; i++) {
		const struct unit_node *node = &unit->nodes[i];
		struct node_identity identity;
		int r = node_identify(node->root, node->host_path, &identity);

		if (r == -ENOENT || r == -ENOTDIR)
			return mem_printf("%s is gone", node->host_path);
		if (r < 0)
			return mem_printf("%s: %s", node->host_path, strerror(-r));
	}
	*ret_cause = DEVICE_UNMATCHED;
	return mem_string("the class does not match it any more");
}

static void lose(struct inventory *inventory, struct inventory_class *class,
		 struct device *device)
{
	enum device_cause cause;
	char *absence = inventory_describe_loss(&device->unit, &cause);

	set_absence(inventory, class, device, cause, absence);
}

static void log_refused(const struct inventory_class *class, size_t refused_before)
{
	if (class->refused == 0 || class->refused == refused_before)
		return;
	log_error("too many devices for one list", LOG_STR("class", class->config->name),
		  LOG_STR("resource", class->config->resource),
		  LOG_INT("device_count", class->count),
		  LOG_INT("refused_count", class->refused),
		  LOG_INT("limit_bytes", LIST_MAX_SIZE),
		  LOG_STR("hint",
			  "the kubelet takes lists of at most 4 MiB; split the class"));
}

void inventory_report(struct inventory *inventory, size_t index, struct unit_list *units)
{
	struct inventory_class *class = inventory->classes[index];
	uint64_t version = class->version;
	size_t refused = class->refused;
	struct conflict_list *conflicts = class->conflicts;

	class->conflicts = conflicts_new();
	class->refused = 0;
	class->awaits_check = false;
	class->is_rearranged = false;
	count_formers(inventory, class, units);
	for (size_t i = 0; i < class->count; i++)
		class->devices[i]->seen = false;
	for (size_t i = 0; i < units->count; i++)
		take_unit(inventory, class, &units->items[i]);
	for (size_t i = 0; i < class->count; i++) {
		struct device *device = class->devices[i];

		if (!device->seen)
			lose(inventory, class, device);
	}
	unit_list_clear(units);
	inventory_stir(inventory);
	conflicts_log_new(class, conflicts);
	conflicts_free(conflicts);
	log_refused(class, refused);
	if (class->version != version)
		log_summary(class);
	else
		class->event_version = 0;
	/* One that was away and is not checked yet is as unhealthy as before. */
	if (class->version != version || class->awaits_check || class->is_rearranged)
		inventory_class_tell(class);
}

void inventory_note_event(struct inventory *inventory, size_t index, int64_t event_us)
{
	struct inventory_class *class = inventory->classes[index];

	class->event_us = event_us;
	class->event_version = class->version + 1;
}

static void keep_device(struct inventory *inventory, struct inventory_class *class,
			struct device *device)
{
	const struct inventory_class *rival;

	if (device->absence || device->has_claims)
		return;
	rival = inventory_find_rival(inventory, class, device, &device->unit);
	if (rival) {
		inventory_set_claimed(inventory, class, device, rival->config);
		return;
	}
	inventory_overrule(inventory, class, &device->unit);
	claim_device(inventory, class, device);
}

void inventory_keep(struct inventory *inventory, size_t index)
{
	struct inventory_class *class = inventory->classes[index];
	uint64_t version = class->version;

	for (size_t i = 0; i < class->count; i++)
		keep_device(inventory, class, class->devices[i]);
	if (class->version != version)
		inventory_class_tell(class);
}

bool inventory_verify(struct inventory *inventory, struct inventory_class *class,
		      struct device *device)
{
	for (size_t i = 0; device->healthy && i < device->unit.node_count; i++) {
		const struct unit_node *node = &device->unit.nodes[i];
		struct node_identity identity;

		if (node_identify(node->root, node->host_path, &identity) == 0)
			continue;
		lose(inventory, class, device);
		inventory_class_tell(class);
	}
	return device->healthy;
}

void inventory_class_await_checks(struct inventory_class *class, bool is_checked)
{
	class->is_checked = is_checked;
}
