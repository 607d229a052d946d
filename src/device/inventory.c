/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/log.h"
#include "base/util.h"
#include "device/claims.h"
#include "device/internal.h"
#include "device/topology.h"

static struct inventory_class *class_new(const struct config_class *config,
					 const char *node_name)
{
	struct inventory_class *class = mem_zero(sizeof(*class));

	class->config = config_class_hold(config);
	class->node_name = node_name;
	class->conflicts = mem_zero(sizeof(struct conflict_list));
	return class;
}

struct inventory *inventory_new(const struct config *config)
{
	struct inventory *inventory = mem_zero(sizeof(*inventory));

	inventory->claims = claims_new();
	inventory->class_count = config->class_count;
	inventory->classes = mem_zero(config->class_count * sizeof(*inventory->classes));
	for (size_t i = 0; i < config->class_count; i++)
		inventory->classes[i] = class_new(&config->classes[i], config->node_name);
	return inventory;
}

static struct conflict_list *conflicts_free(struct conflict_list *conflicts)
{
	for (size_t i = 0; i < conflicts->count; i++) {
		free(conflicts->items[i].host_path);
		free(conflicts->items[i].holder);
	}
	free(conflicts);
	return NULL;
}

static void device_free(struct device *device)
{
	unit_clear(&device->unit);
	free(device->absence);
	free(device->failure);
	device_drop_holders(device);
	if (device->class)
		config_class_drop(device->class);
	free(device);
}

static void class_free(struct inventory_class *class)
{
	struct inventory_observer *observer;
	struct inventory_observer *next;

	conflicts_free(class->conflicts);
	HASH_CLEAR(hh, class->by_id);
	for (size_t i = 0; i < class->count; i++)
		device_free(class->devices[i]);
	free(class->devices);
	LL_FOREACH_SAFE(class->observers, observer, next) {
		free(observer);
	}
	config_class_drop(class->config);
	free(class);
}

struct inventory *inventory_free(struct inventory *inventory)
{
	struct inventory_class *class;
	struct inventory_class *next;

	if (!inventory)
		return NULL;
	claims_free(inventory->claims);
	for (size_t i = 0; i < inventory->class_count; i++)
		class_free(inventory->classes[i]);
	LL_FOREACH_SAFE(inventory->removed, class, next) {
		class_free(class);
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

static bool has_conflict(const struct conflict_list *conflicts, const char *host_path)
{
	for (size_t i = 0; i < conflicts->count; i++) {
		if (strcmp(conflicts->items[i].host_path, host_path) == 0)
			return true;
	}
	return false;
}

/* Of the copies of one device, the first tells. */
static void add_conflict(struct inventory_class *class, const char *host_path,
			 const struct config_class *holder)
{
	struct conflict_list *conflicts = class->conflicts;

	if (has_conflict(conflicts, host_path))
		return;
	conflicts->total++;
	if (conflicts->count == INVENTORY_MAX_CONFLICTS)
		return;
	conflicts->items[conflicts->count++] = (struct conflict){
		.host_path = mem_string(host_path),
		.holder = mem_string(holder->name),
		.is_own = holder == class->config,
	};
}

static void log_new_conflicts(struct inventory_class *class,
			      const struct conflict_list *before)
{
	uint64_t suppressed;

	for (size_t i = 0; i < class->conflicts->count; i++) {
		const struct conflict *conflict = &class->conflicts->items[i];

		if (has_conflict(before, conflict->host_path) ||
		    !log_limit_burst(&class->conflict_limit, LOG_BURST, LOG_INTERVAL_MS,
				     &suppressed))
			continue;
		log_warn("device conflict", LOG_STR("class", class->config->name),
			 LOG_STR("other_class", conflict->holder),
			 LOG_STR("device_path", conflict->host_path),
			 LOG_STR("hint",
				 conflict->is_own
					 ? "a device of this class has the same ID"
					 : "the other class keeps it, unless both say "
					   "share"));
	}
}

/* The class that has one of the nodes, which is then reported; NULL: none. */
static const struct inventory_class *find_rival(struct inventory *inventory,
						struct inventory_class *class,
						const struct unit *unit)
{
	const struct unit_node *node;
	const struct inventory_class *rival = claims_rival(inventory->claims, class, unit,
							   &node);

	if (rival)
		add_conflict(class, node->host_path, rival->config);
	return rival;
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

static void unclaim_device(struct inventory *inventory, struct inventory_class *class,
			   struct device *device)
{
	if (device->has_claims)
		claims_drop(inventory->claims, class, &device->unit);
	device->has_claims = false;
}

/* A pod is known to go on with the very nodes, whoever else may want them now. */
static bool is_in_use(const struct inventory *inventory, const struct device *device)
{
	if (inventory->reckonings[HOLD_CHECKPOINT].known_at == 0 ||
	    !inventory_is_held(inventory, device))
		return false;
	for (size_t i = 0; i < device->unit.node_count; i++) {
		const struct unit_node *node = &device->unit.nodes[i];
		struct node_identity identity;

		if (node_identify(node->root, node->host_path, &identity) < 0 ||
		    memcmp(&identity, &node->identity, sizeof(identity)) != 0)
			return false;
	}
	return true;
}

void inventory_drop_device(struct inventory *inventory, struct inventory_class *class,
			   struct device *device)
{
	unclaim_device(inventory, class, device);
	inventory_class_unlist(class, device);
	device_free(device);
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
	if (absence && device->has_claims && !is_in_use(inventory, device))
		unclaim_device(inventory, class, device);
	else if (!absence)
		claim_device(inventory, class, device);
	if (!was_there && !absence)
		note_arrival(class, device);
	judge(class, device);
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

static bool have_common_node(const struct unit *a, const struct unit *b)
{
	for (size_t i = 0; i < a->node_count; i++) {
		for (size_t j = 0; j < b->node_count; j++) {
			const struct unit_node *node = &b->nodes[j];

			if (node->type == NODE_DEVICE && node->identity.type != 0 &&
			    memcmp(&a->nodes[i].identity, &node->identity,
				   sizeof(node->identity)) == 0)
				return true;
		}
	}
	return false;
}

/* A pod holds it under an ID that it has no more, as after a change of its class. */
static bool is_former(const struct inventory *inventory, const struct device *device)
{
	return device->has_claims && !device->is_named && is_in_use(inventory, device);
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
		    have_common_node(&device->unit, unit) && is_former(inventory, device))
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
		add_conflict(class, unit_main_node(unit)->host_path, class->config);
		return;
	}
	/* Overlapping groups give the same unit twice, which is one device. */
	if (device && device->seen)
		return;
	rival = find_rival(inventory, class, unit);
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
		set_absence(inventory, class, device, DEVICE_CLAIMED,
			    mem_printf("class %s has its node", rival->config->name));
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

	class->conflicts = mem_zero(sizeof(*class->conflicts));
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
	log_new_conflicts(class, conflicts);
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
	rival = find_rival(inventory, class, &device->unit);
	if (rival)
		set_absence(inventory, class, device, DEVICE_CLAIMED,
			    mem_printf("class %s has its node", rival->config->name));
	else
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
		    !is_in_use(inventory, device))
			unclaim_device(inventory, class, device);
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
	class_free(class);
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

void inventory_class_await_checks(struct inventory_class *class, bool is_checked)
{
	class->is_checked = is_checked;
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
		return class_new(config, config->config->node_name);
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
			unclaim_device(inventory, class, class->devices[i]);
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
