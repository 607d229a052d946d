/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/log.h"
#include "base/util.h"
#include "device/inventory.h"
#include "device/topology.h"

/* Of what a class has to say so many lines are written in so much time. */
#define LOG_BURST 20
#define LOG_INTERVAL_MS 10000
/* The kubelet writes down what a pod got within this time. */
#define GRANT_MS 30000

/* Who has a node: one class, or several that all share. */
struct claim {
	struct node_identity node;
	struct inventory_class *holder; /* the first */
	size_t units;			/* of all holders that contain the node */
	UT_hash_handle hh;
};

struct inventory {
	const struct config *config; /* owned by the caller */
	struct inventory_class *classes;
	struct claim *claims;
	uint64_t releases;
	uint64_t holder_round;	   /* of the reckoning of holders; grows */
	uint64_t holders_known_at; /* the last one that was completed; 0: none */
};

struct inventory *inventory_new(const struct config *config)
{
	struct inventory *inventory = mem_zero(sizeof(*inventory));

	inventory->config = config;
	inventory->classes = mem_zero(config->class_count * sizeof(*inventory->classes));
	for (size_t i = 0; i < config->class_count; i++) {
		inventory->classes[i].config = &config->classes[i];
		inventory->classes[i].node_name = config->node_name;
		inventory->classes[i].conflicts = mem_zero(sizeof(struct conflict_list));
	}
	return inventory;
}

static struct conflict_list *conflicts_free(struct conflict_list *conflicts)
{
	for (size_t i = 0; i < conflicts->count; i++)
		free(conflicts->items[i].host_path);
	free(conflicts);
	return NULL;
}

static void class_clear(struct inventory_class *class)
{
	struct inventory_observer *observer;
	struct inventory_observer *next;

	conflicts_free(class->conflicts);
	HASH_CLEAR(hh, class->by_id);
	for (size_t i = 0; i < class->count; i++) {
		unit_clear(&class->devices[i]->unit);
		free(class->devices[i]->absence);
		free(class->devices[i]->failure);
		free(class->devices[i]);
	}
	free(class->devices);
	LL_FOREACH_SAFE(class->observers, observer, next) {
		free(observer);
	}
}

struct inventory *inventory_free(struct inventory *inventory)
{
	struct claim *claim;
	struct claim *next;

	if (!inventory)
		return NULL;
	HASH_ITER(hh, inventory->claims, claim, next) {
		HASH_DEL(inventory->claims, claim);
		free(claim);
	}
	for (size_t i = 0; i < inventory->config->class_count; i++)
		class_clear(&inventory->classes[i]);
	free(inventory->classes);
	free(inventory);
	return NULL;
}

struct inventory_class *inventory_class_at(struct inventory *inventory, size_t index)
{
	return &inventory->classes[index];
}

void inventory_class_observe(struct inventory_class *class, loop_callback on_change,
			     void *data)
{
	struct inventory_observer *observer = mem_zero(sizeof(*observer));

	observer->on_change = on_change;
	observer->data = data;
	LL_APPEND(class->observers, observer);
}

static void tell_observers(struct inventory_class *class)
{
	const struct inventory_observer *observer;

	LL_FOREACH(class->observers, observer) {
		observer->on_change(observer->data);
	}
}

uint64_t inventory_releases(const struct inventory *inventory)
{
	return inventory->releases;
}

struct device *inventory_class_find(const struct inventory_class *class, const char *id)
{
	struct device *device;

	HASH_FIND_STR(class->by_id, id, device);
	return device;
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

static struct claim *find_claim(const struct inventory *inventory,
				const struct node_identity *node)
{
	struct claim *claim;

	HASH_FIND(hh, inventory->claims, node, sizeof(*node), claim);
	return claim;
}

/* Mounted files belong to nobody: a configuration file may be in many classes. */
static bool can_be_claimed(const struct unit_node *node)
{
	return node->type == NODE_DEVICE && node->identity.type != 0;
}

static bool may_share(const struct claim *claim, const struct inventory_class *class)
{
	return claim->holder == class ||
	       (claim->holder->config->shares_nodes && class->config->shares_nodes);
}

static void claim_nodes(struct inventory *inventory, struct inventory_class *class,
			const struct unit *unit)
{
	for (size_t i = 0; i < unit->node_count; i++) {
		struct claim *claim;

		if (!can_be_claimed(&unit->nodes[i]))
			continue;
		claim = find_claim(inventory, &unit->nodes[i].identity);
		if (!claim) {
			claim = mem_zero(sizeof(*claim));
			claim->node = unit->nodes[i].identity;
			claim->holder = class;
			HASH_ADD(hh, inventory->claims, node, sizeof(claim->node), claim);
		}
		claim->units++;
	}
}

static void unclaim_nodes(struct inventory *inventory, const struct unit *unit)
{
	for (size_t i = 0; i < unit->node_count; i++) {
		struct claim *claim = find_claim(inventory, &unit->nodes[i].identity);

		if (!claim || !can_be_claimed(&unit->nodes[i]) || --claim->units > 0)
			continue;
		HASH_DEL(inventory->claims, claim);
		free(claim);
		inventory->releases++;
	}
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
		.holder = holder,
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
			 LOG_STR("other_class", conflict->holder->name),
			 LOG_STR("device_path", conflict->host_path),
			 LOG_STR("hint",
				 conflict->holder == class->config
					 ? "a device of this class has the same ID"
					 : "the other class keeps it, unless both say "
					   "share"));
	}
}

/* The claim of another class on one of the nodes, which is then reported; NULL: none. */
static const struct claim *find_rival(struct inventory *inventory,
				      struct inventory_class *class,
				      const struct unit *unit)
{
	for (size_t i = 0; i < unit->node_count; i++) {
		const struct claim *claim;

		if (!can_be_claimed(&unit->nodes[i]))
			continue;
		claim = find_claim(inventory, &unit->nodes[i].identity);
		if (claim && !may_share(claim, class)) {
			add_conflict(class, unit->nodes[i].host_path,
				     claim->holder->config);
			return claim;
		}
	}
	return NULL;
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

/* absence NULL: it is there; else it is taken over. */
static void set_absence(struct inventory *inventory, struct inventory_class *class,
			struct device *device, char *absence)
{
	bool was_there = !device->absence;

	free(device->absence);
	device->absence = absence;
	if (was_there && absence)
		unclaim_nodes(inventory, &device->unit);
	else if (!was_there && !absence)
		claim_nodes(inventory, class, &device->unit);
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
		tell_observers(class);
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

/* A known ID: its nodes may have other names now. */
static void update_device(struct inventory *inventory, struct inventory_class *class,
			  struct device *device, struct unit *unit)
{
	struct unit old = device->unit;

	device->seen = true;
	/* In this order, so that what it keeps is not given up in between. */
	if (!device->absence) {
		claim_nodes(inventory, class, unit);
		unclaim_nodes(inventory, &old);
	}
	/* The hash keeps a pointer to the ID, so the old string stays. */
	device->unit = *unit;
	device->unit.id = old.id;
	old.id = unit->id;
	memset(unit, 0, sizeof(*unit));
	if (old.node_count > 0 && !unit_same_nodes(&old, &device->unit))
		log_move(class, device, &old);
	/* It went and came between two scans. */
	if (!device->absence && !has_same_identities(&old, &device->unit))
		note_arrival(class, device);
	set_absence(inventory, class, device, NULL);
	unit_clear(&old);
}

static struct device *list_unit(struct inventory_class *class, struct unit *unit)
{
	struct device *device = mem_zero(sizeof(*device));

	class->list_size += list_device_size(strlen(unit->id), unit->numa_node);
	device->unit = *unit;
	memset(unit, 0, sizeof(*unit));
	device->index = (unsigned)class->count;
	class->devices = mem_grow(class->devices, class->count, &class->capacity,
				  sizeof(struct device *));
	class->devices[class->count++] = device;
	class->version++;
	HASH_ADD_KEYPTR(hh, class->by_id, device->unit.id, strlen(device->unit.id),
			device);
	return device;
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

static bool has_room(const struct inventory_class *class, const struct unit *unit)
{
	return class->list_size + list_device_size(strlen(unit->id), unit->numa_node) <=
	       LIST_MAX_SIZE;
}

/* Unless the list has no room for it. */
static void add_device(struct inventory *inventory, struct inventory_class *class,
		       struct unit *unit)
{
	struct device *device;

	locate(class, unit);
	if (!has_room(class, unit)) {
		class->refused++;
		return;
	}
	device = list_unit(class, unit);
	device->seen = true;
	note_arrival(class, device);
	device->reason = device->failure;
	device->healthy = !device->reason;
	class->healthy += device->healthy ? 1 : 0;
	claim_nodes(inventory, class, &device->unit);
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

/* It is listed, but can't be had. device NULL: it is new. Takes absence over. */
static void take_absent(struct inventory *inventory, struct inventory_class *class,
			struct device *device, struct unit *unit, char *absence)
{
	if (!device)
		locate(class, unit);
	if (device) {
		device->seen = true;
		set_absence(inventory, class, device, absence);
	} else if (has_room(class, unit)) {
		device = list_unit(class, unit);
		device->seen = true;
		device->absence = absence;
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
	const struct claim *rival;

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
	if (unit->absence) {
		take_absent(inventory, class, device, unit, take_ptr(unit->absence));
	} else if (doubtful) {
		take_absent(inventory, class, device, unit,
			    mem_printf("a pod may hold it as %s", doubtful->unit.id));
	} else if (rival && device) {
		device->seen = true;
		set_absence(inventory, class, device,
			    mem_printf("class %s has its node",
				       rival->holder->config->name));
	} else if (rival) {
		return;
	} else if (device) {
		relocate(class, device, unit);
		update_device(inventory, class, device, unit);
	} else {
		add_device(inventory, class, unit);
	}
}

static char *describe_loss(const struct unit *unit)
{
	if (unit->node_count == 0)
		return mem_string(
			"a pod holds it, but it was not seen since kudev started");
	for (size_t i = 0; i < unit->node_count; i++) {
		const struct unit_node *node = &unit->nodes[i];
		struct node_identity identity;
		int r = node_identify(node->root, node->host_path, &identity);

		if (r == -ENOENT || r == -ENOTDIR)
			return mem_printf("%s is gone", node->host_path);
		if (r < 0)
			return mem_printf("%s: %s", node->host_path, strerror(-r));
	}
	return mem_string("the class does not match it any more");
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
	struct inventory_class *class = &inventory->classes[index];
	uint64_t version = class->version;
	size_t refused = class->refused;
	struct conflict_list *conflicts = class->conflicts;

	class->conflicts = mem_zero(sizeof(*class->conflicts));
	class->refused = 0;
	class->awaits_check = false;
	for (size_t i = 0; i < class->count; i++)
		class->devices[i]->seen = false;
	for (size_t i = 0; i < units->count; i++)
		take_unit(inventory, class, &units->items[i]);
	for (size_t i = 0; i < class->count; i++) {
		struct device *device = class->devices[i];

		if (!device->seen)
			set_absence(inventory, class, device,
				    describe_loss(&device->unit));
	}
	unit_list_clear(units);
	log_new_conflicts(class, conflicts);
	conflicts_free(conflicts);
	log_refused(class, refused);
	if (class->version != version)
		log_summary(class);
	/* One that was away and is not checked yet is as unhealthy as before. */
	if (class->version != version || class->awaits_check)
		tell_observers(class);
}

bool inventory_verify(struct inventory *inventory, struct inventory_class *class,
		      struct device *device)
{
	for (size_t i = 0; device->healthy && i < device->unit.node_count; i++) {
		const struct unit_node *node = &device->unit.nodes[i];
		struct node_identity identity;

		if (node_identify(node->root, node->host_path, &identity) == 0)
			continue;
		set_absence(inventory, class, device, describe_loss(&device->unit));
		tell_observers(class);
	}
	return device->healthy;
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

void inventory_hold(struct inventory *inventory, size_t index, const char *id,
		    int numa_node)
{
	struct inventory_class *class = &inventory->classes[index];
	struct unit unit = {.id = mem_string(id), .numa_node = numa_node};
	struct device *device;

	device = inventory_class_find(class, id);
	if (device)
		device->held_round = inventory->holder_round;
	else if (!has_room(class, &unit))
		log_held(class, id, false);
	if (device || !has_room(class, &unit)) {
		unit_clear(&unit);
		return;
	}
	device = list_unit(class, &unit);
	device->held_round = inventory->holder_round;
	device->absence = describe_loss(&device->unit);
	device->reason = device->absence;
	log_held(class, id, true);
	tell_observers(class);
}

void inventory_class_grant(struct inventory_class *class, const char *id)
{
	struct device *device = inventory_class_find(class, id);

	if (device)
		device->granted_ms = clock_ms();
}

void inventory_begin_holders(struct inventory *inventory)
{
	inventory->holder_round++;
}

void inventory_end_holders(struct inventory *inventory)
{
	inventory->holders_known_at = inventory->holder_round;
}

bool inventory_is_held(const struct inventory *inventory, const struct device *device)
{
	bool is_granted = device->granted_ms > 0 &&
			  clock_ms() - device->granted_ms < GRANT_MS;

	return is_granted || inventory->holders_known_at == 0 ||
	       device->held_round >= inventory->holders_known_at;
}

void inventory_class_await_checks(struct inventory_class *class)
{
	class->is_checked = true;
}
