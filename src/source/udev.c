/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <libudev.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uthash.h>

#include "base/util.h"
#include "device/hardware.h"
#include "device/identity.h"
#include "device/match.h"
#include "device/naming.h"
#include "source/settling.h"
#include "source/source.h"

/*
 * Devices that meet the conditions of "match". They are enumerated once; from then on
 * each event makes that one device be looked at anew.
 */

/* When to look once more for attributes. */
#define RETRY_MS 300

/* A device that is in the class, or may be once udev has finished with it. */
struct member {
	char *syspath;
	bool is_waiting;     /* for udev */
	bool is_enumerated;  /* in the enumeration that is under way */
	int64_t retry_at_ms; /* waits for attributes until then; 0: for udev */
	dev_t number;	     /* of its node */
	struct hardware hardware;
	UT_hash_handle hh;
};

struct udev_source {
	struct source source;
	struct udev *udev;
	struct member *members;
	struct settling *settling;
	struct naming *naming;
	bool is_enumerated;
};

static void device_unref(struct udev_device **device)
{
	udev_device_unref(*device);
}

static void enumerate_unref(struct udev_enumerate **enumerate)
{
	udev_enumerate_unref(*enumerate);
}

#define AUTO_DEVICE __attribute__((cleanup(device_unref)))
#define AUTO_ENUMERATE __attribute__((cleanup(enumerate_unref)))

static struct udev_source *udev_source_of(struct source *source)
{
	return KUDEV_CONTAINER_OF(source, struct udev_source, source);
}

static struct member *find_member(struct udev_source *source, const char *syspath)
{
	struct member *member;

	HASH_FIND_STR(source->members, syspath, member);
	return member;
}

static void drop_member(struct udev_source *source, struct member *member)
{
	HASH_DEL(source->members, member);
	hardware_clear(&member->hardware);
	free(member->syspath);
	free(member);
}

static void drop_members(struct udev_source *source)
{
	struct member *member;
	struct member *next;

	HASH_ITER(hh, source->members, member, next) {
		drop_member(source, member);
	}
}

static struct member *ensure_member(struct udev_source *source, const char *syspath)
{
	struct member *member = find_member(source, syspath);

	if (member)
		return member;
	member = mem_zero(sizeof(*member));
	member->syspath = mem_string(syspath);
	member->is_waiting = true;
	HASH_ADD_KEYPTR(hh, source->members, member->syspath, strlen(member->syspath),
			member);
	return member;
}

static void fill_member(struct member *member, struct udev_device *device, bool is_ready)
{
	member->is_waiting = !is_ready;
	member->retry_at_ms = 0;
	hardware_clear(&member->hardware);
	hardware_read(device, &member->hardware);
	member->number = udev_device_get_devnum(device);
}

static bool fits(const struct config_class *class, struct udev_device *device,
		 bool is_ready)
{
	return is_ready ? match_any(class->matches, class->match_count, device)
			: match_possible(class->matches, class->match_count, device);
}

/* udev has an entry for it, which is not that of a device before it. */
static bool is_settled(struct udev_device *device)
{
	struct node_identity node;
	const char *path = udev_device_get_devnode(device);

	return udev_device_get_is_initialized(device) &&
	       (node_identify("", path, &node) < 0 || settling_is_ready(path, &node));
}

/*
 * Looks at a device as it is now. A device that udev has not finished with waits, unless
 * that took too long already (hurry).
 */
static void examine(struct udev_source *source, const char *syspath, bool hurry)
{
	AUTO_DEVICE struct udev_device *device =
		udev_device_new_from_syspath(source->udev, syspath);
	struct member *member = find_member(source, syspath);
	bool is_ready;

	if (!device || !udev_device_get_devnode(device)) {
		if (member)
			drop_member(source, member);
		return;
	}
	is_ready = hurry || source->source.preview || !settling_has_udev() ||
		   is_settled(device);
	if (fits(source->source.class, device, is_ready))
		fill_member(ensure_member(source, syspath), device, is_ready);
	else if (member)
		drop_member(source, member);
}

/*
 * Drivers make attributes a moment after the device, of which the kernel then says
 * nothing, and without udev nobody else does.
 */
static void retry_later(struct udev_source *source, const char *syspath)
{
	AUTO_DEVICE struct udev_device *device = NULL;
	struct member *member;

	if (settling_has_udev() || find_member(source, syspath))
		return;
	device = udev_device_new_from_syspath(source->udev, syspath);
	if (!device || !fits(source->source.class, device, false))
		return;
	member = ensure_member(source, syspath);
	fill_member(member, device, false);
	member->retry_at_ms = clock_ms() + RETRY_MS;
}

/* Fewer devices to look at, if every alternative names its subsystem. */
static void restrict_to_subsystems(const struct config_class *class,
				   struct udev_enumerate *enumerate)
{
	for (size_t i = 0; i < class->match_count; i++) {
		if (class->matches[i].subsystem.count == 0)
			return;
	}
	for (size_t i = 0; i < class->match_count; i++) {
		const struct strings *globs = &class->matches[i].subsystem;

		for (size_t j = 0; j < globs->count; j++)
			udev_enumerate_add_match_subsystem(enumerate, globs->items[j]);
	}
}

static void begin_enumeration(struct udev_source *source)
{
	for (struct member *member = source->members; member; member = member->hh.next)
		member->is_enumerated = false;
}

static void end_enumeration(struct udev_source *source)
{
	struct member *member;
	struct member *next;

	HASH_ITER(hh, source->members, member, next) {
		if (!member->is_enumerated)
			drop_member(source, member);
	}
}

static int enumerate_devices(struct udev_source *source, struct error *err)
{
	AUTO_ENUMERATE struct udev_enumerate *enumerate =
		udev_enumerate_new(source->udev);
	struct udev_list_entry *entry;
	int r;

	restrict_to_subsystems(source->source.class, enumerate);
	r = udev_enumerate_scan_devices(enumerate);
	if (r < 0)
		return error_set_errno(err, -r, "cannot enumerate devices in /sys");
	begin_enumeration(source);
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(enumerate))
	{
		const char *syspath = udev_list_entry_get_name(entry);
		struct member *member = find_member(source, syspath);

		/* One that is handed out does not wait again. */
		examine(source, syspath, member && !member->is_waiting);
		member = find_member(source, syspath);
		if (member)
			member->is_enumerated = true;
	}
	end_enumeration(source);
	source->is_enumerated = true;
	return 0;
}

/* Returns whether it still waits for udev. */
static bool look_at_waiting(struct udev_source *source, struct member *member,
			    struct scan *scan)
{
	KUDEV_AUTO_FREE char *syspath = mem_string(member->syspath);
	int64_t left_ms = member->retry_at_ms - clock_ms();
	bool hurry;

	if (member->retry_at_ms && left_ms > 0) {
		scan_again_in(scan, left_ms);
		return false;
	}
	hurry = member->retry_at_ms || !settling_wait(source->settling, syspath);
	examine(source, syspath, hurry);
	member = find_member(source, syspath);
	if (member && !member->is_waiting && hurry && settling_has_udev())
		scan_add_note(scan, member->hardware.node, SETTLING_GIVEN_UP);
	return member && member->is_waiting;
}

static void look_at_all_waiting(struct udev_source *source, struct scan *scan)
{
	struct member *member;
	struct member *next;
	bool is_waiting = false;

	settling_begin(source->settling);
	HASH_ITER(hh, source->members, member, next) {
		if (member->is_waiting && look_at_waiting(source, member, scan))
			is_waiting = true;
	}
	if (!is_waiting)
		return;
	strings_add_unique(&scan->directories, SETTLING_DATABASE);
	scan_again_in(scan, settling_left_ms(source->settling));
}

/* By subsystem, then as people count: ttyUSB2 before ttyUSB10. */
static int compare_members(const void *a, const void *b)
{
	const struct hardware *first = &(*(struct member *const *)a)->hardware;
	const struct hardware *second = &(*(struct member *const *)b)->hardware;
	int order = strcmp(first->subsystem, second->subsystem);

	return order ? order : strverscmp(first->name, second->name);
}

/* The same, one physical device after the other. */
static int compare_devices(const void *a, const void *b)
{
	const struct hardware *first = &(*(struct member *const *)a)->hardware;
	const struct hardware *second = &(*(struct member *const *)b)->hardware;
	int order = strverscmp(first->device, second->device);

	return order ? order : compare_members(a, b);
}

/* Members that are handed out together. */
struct bundle {
	const struct member *const *members; /* a part of bundles.sorted */
	size_t count;
	enum config_identity identity;
	char *label;	 /* the ID, if no other device would have the same */
	char *qualifier; /* what tells it from others of that label */
	const char *name;
	bool is_doubled;
};

struct bundles {
	const struct member **sorted;
	struct bundle *items;
	size_t count;
};

static void bundles_clear(struct bundles *bundles)
{
	for (size_t i = 0; i < bundles->count; i++) {
		free(bundles->items[i].label);
		free(bundles->items[i].qualifier);
	}
	free(bundles->items);
	free(bundles->sorted);
}

#define AUTO_BUNDLES __attribute__((cleanup(bundles_clear)))

static char *label_of(const struct bundle *bundle, bool together)
{
	KUDEV_AUTO_FREE char *text = NULL;
	const struct hardware *hardware = &bundle->members[0]->hardware;
	const char *part = together ? "" : hardware->part;
	const char *whole = NULL;

	switch (bundle->identity) {
	case CONFIG_IDENTITY_SERIAL:
		whole = hardware->serial;
		break;
	case CONFIG_IDENTITY_PORT:
		whole = hardware->port;
		break;
	case CONFIG_IDENTITY_PATH:
	case CONFIG_IDENTITY_AUTO:
		return identity_of_text(together ? strrchr(hardware->device, '/') + 1
						 : hardware->node + strlen("/dev/"),
					0, 1);
	}
	text = mem_printf("%s%s%s", whole, *part ? "-" : "", part);
	return identity_of_text(text, 0, 1);
}

/* It may not depend on which of the nodes of a device are there. */
static enum config_identity identity_of(const struct config_class *class,
					const struct bundle *bundle)
{
	enum config_identity wish = class->identity;

	if (class->together == CONFIG_TOGETHER_PARENT && wish == CONFIG_IDENTITY_AUTO)
		wish = CONFIG_IDENTITY_PORT;
	return hardware_identity(&bundle->members[0]->hardware, wish);
}

/* Whether a node of it waits for udev; then the others wait with it. */
static bool is_waiting(const struct bundle *bundle)
{
	for (size_t i = 0; i < bundle->count; i++) {
		if (bundle->members[i]->is_waiting)
			return true;
	}
	return false;
}

/* How many of the sorted members, from this one on, belong together. */
static size_t count_together(const struct member **sorted, size_t count, bool together)
{
	size_t end = 1;

	while (together && end < count &&
	       strcmp(sorted[end]->hardware.device, sorted[0]->hardware.device) == 0)
		end++;
	return end;
}

static void collect_bundles(struct udev_source *source, struct bundles *bundles)
{
	const struct config_class *class = source->source.class;
	bool together = class->together == CONFIG_TOGETHER_PARENT;
	size_t total = HASH_COUNT(source->members);
	size_t count = 0;

	bundles->sorted = mem_zero(total * sizeof(*bundles->sorted));
	bundles->items = mem_zero(total * sizeof(*bundles->items));
	/* One that is only tried once more may be none of the class. */
	for (const struct member *member = source->members; member;
	     member = member->hh.next) {
		if (!member->retry_at_ms)
			bundles->sorted[count++] = member;
	}
	total = count;
	if (total > 0)
		qsort(bundles->sorted, total, sizeof(*bundles->sorted),
		      together ? compare_devices : compare_members);
	for (size_t i = 0; i < total; i += count) {
		struct bundle *bundle = &bundles->items[bundles->count];

		count = count_together(&bundles->sorted[i], total - i, together);
		bundle->members = &bundles->sorted[i];
		bundle->count = count;
		if (is_waiting(bundle))
			continue;
		bundle->identity = identity_of(class, bundle);
		bundle->label = label_of(bundle, together);
		bundles->count++;
	}
}

/* What a bundle at a port is called, to find out whether another one there is too. */
struct tenant {
	char *key;
	UT_hash_handle hh;
};

/* Returns whether it is the first. */
static bool move_in(struct tenant **tenants, const char *port, const char *label)
{
	KUDEV_AUTO_FREE char *key = mem_printf("%s\n%s", port, label);
	struct tenant *tenant;

	HASH_FIND_STR(*tenants, key, tenant);
	if (tenant)
		return false;
	tenant = mem_zero(sizeof(*tenant));
	tenant->key = take_ptr(key);
	HASH_ADD_KEYPTR(hh, *tenants, tenant->key, strlen(tenant->key), tenant);
	return true;
}

/* One interface may have several nodes of a kind: at its port, the others have names. */
static char *qualifier_of(const struct bundle *bundle, struct tenant **tenants)
{
	const struct hardware *hardware = &bundle->members[0]->hardware;

	if (bundle->identity != CONFIG_IDENTITY_SERIAL || !hardware->port)
		return mem_string(hardware->name);
	if (!move_in(tenants, hardware->port, bundle->label))
		return mem_printf("%s-%s", hardware->port, hardware->name);
	return mem_string(hardware->port);
}

static void qualify_bundles(struct bundles *bundles)
{
	struct tenant *tenants = NULL;
	struct tenant *tenant;
	struct tenant *next;

	for (size_t i = 0; i < bundles->count; i++)
		bundles->items[i].qualifier = qualifier_of(&bundles->items[i], &tenants);
	HASH_ITER(hh, tenants, tenant, next) {
		HASH_DEL(tenants, tenant);
		free(tenant->key);
		free(tenant);
	}
}

static void name_bundles(struct udev_source *source, struct bundles *bundles,
			 struct scan *scan)
{
	struct naming_item *items = mem_zero(bundles->count * sizeof(*items));

	qualify_bundles(bundles);
	for (size_t i = 0; i < bundles->count; i++) {
		items[i].plain = bundles->items[i].label;
		items[i].qualifier = bundles->items[i].qualifier;
	}
	naming_assign(source->naming, items, bundles->count);
	for (size_t i = 0; i < bundles->count; i++) {
		struct bundle *bundle = &bundles->items[i];

		bundle->name = items[i].name;
		bundle->is_doubled = items[i].is_doubled;
		if (!bundle->is_doubled)
			continue;
		scan_add_note(
			scan, bundle->members[0]->hardware.node,
			bundle->identity == CONFIG_IDENTITY_SERIAL
				? "another device has the same serial number; its "
				  "port tells it apart"
				: "another device has the same port; its name tells "
				  "it apart");
	}
	free(items);
}

static void add_copies(const struct udev_source *source, const struct bundle *bundle,
		       struct unit_list *units)
{
	const struct config_class *class = source->source.class;

	for (unsigned copy = 0; copy < class->share; copy++) {
		char *id = identity_of_text(bundle->name, copy, class->share);
		struct unit *unit = unit_list_add(units, id, bundle->count);

		unit->is_hardware = class->together == CONFIG_TOGETHER_PARENT ||
				    bundle->identity != CONFIG_IDENTITY_PATH;
		if (bundle->is_doubled)
			unit->plain_id = identity_of_text(bundle->label, copy,
							  class->share);
		for (size_t i = 0; i < bundle->count; i++) {
			const struct hardware *hardware = &bundle->members[i]->hardware;

			unit_node_fill(&unit->nodes[i], source->source.root,
				       mem_string(hardware->node), NODE_DEVICE,
				       class->mount_path);
			unit->nodes[i].permissions = class->permissions;
		}
	}
}

/* What is at the node's place; NULL: that node. */
static const char *explain_node(const struct member *member)
{
	struct node_identity found;
	int r = node_identify("", member->hardware.node, &found);

	if (r < 0)
		return "the kernel has this device, but there is no such node here; is the "
		       "host's /dev mounted?";
	if ((found.type != S_IFCHR && found.type != S_IFBLK) ||
	    found.device != member->number)
		return "something else than the device is in the place of its node";
	return NULL;
}

/* udev can know of nodes that a container does not see. */
static bool has_nodes(const struct bundle *bundle, struct scan *scan)
{
	for (size_t i = 0; i < bundle->count; i++) {
		const char *node = bundle->members[i]->hardware.node;
		const char *reason = explain_node(bundle->members[i]);
		KUDEV_AUTO_FREE char *directory = NULL;

		if (!reason)
			continue;
		scan_add_missing(scan, node, reason);
		directory = mem_string_n(node, (size_t)(strrchr(node, '/') - node));
		strings_add_unique(&scan->directories, directory);
		return false;
	}
	return true;
}

static bool asks_database(const struct config_class *class)
{
	for (size_t i = 0; i < class->match_count; i++) {
		if (class->matches[i].property_count + class->matches[i].tags.count > 0)
			return true;
	}
	return false;
}

static void explain_nothing(const struct config_class *class, struct scan *scan)
{
	if (asks_database(class) && access(SETTLING_DATABASE, F_OK) < 0)
		scan_add_missing(scan, "match",
				 "properties and tags are udev's, but its database "
				 "/run/udev is not here");
	else
		scan_add_missing(scan, "match", "no device meets the conditions");
}

static int udev_scan(struct source *base, struct scan *ret, struct error *err)
{
	struct udev_source *source = udev_source_of(base);
	AUTO_BUNDLES struct bundles bundles = {0};

	if (!source->is_enumerated) {
		int r = enumerate_devices(source, err);

		if (r < 0)
			return r;
	}
	look_at_all_waiting(source, ret);
	collect_bundles(source, &bundles);
	name_bundles(source, &bundles, ret);
	for (size_t i = 0; i < bundles.count; i++) {
		if (has_nodes(&bundles.items[i], ret))
			add_copies(source, &bundles.items[i], &ret->units);
	}
	if (ret->units.count == 0)
		explain_nothing(base->class, ret);
	return 0;
}

static bool udev_take_event(struct source *base, const struct source_event *event)
{
	struct udev_source *source = udev_source_of(base);
	struct member *member = find_member(source, event->syspath);
	bool was_there = member != NULL;

	if (strcmp(event->action, "remove") == 0) {
		if (member)
			drop_member(source, member);
		return was_there;
	}
	if (!was_there && !match_subsystem(base->class->matches, base->class->match_count,
					   event->subsystem))
		return false;
	examine(source, event->syspath, false);
	if (strcmp(event->action, "add") == 0)
		retry_later(source, event->syspath);
	return was_there || find_member(source, event->syspath);
}

static void udev_distrust(struct source *source)
{
	udev_source_of(source)->is_enumerated = false;
}

static struct source *udev_source_free(struct source *base)
{
	struct udev_source *source = udev_source_of(base);

	drop_members(source);
	naming_free(source->naming);
	settling_free(source->settling);
	udev_unref(source->udev);
	free(source);
	return NULL;
}

static int udev_open(const struct config_class *class, const char *root,
		     const struct source_host *host, struct source **ret,
		     struct error *err)
{
	struct udev *udev = udev_new();
	struct udev_source *source;

	if (!udev)
		return error_set_errno(err, errno, "cannot use libudev");
	source = mem_zero(sizeof(*source));
	source->source = (struct source){
		.ops = &source_udev,
		.class = class,
		.root = root,
		.preview = !host,
	};
	source->udev = udev;
	source->settling = settling_new();
	source->naming = naming_new();
	*ret = &source->source;
	return 0;
}

const struct source_ops source_udev = {
	.name = "udev",
	.open = udev_open,
	.scan = udev_scan,
	.take_event = udev_take_event,
	.distrust = udev_distrust,
	.free = udev_source_free,
};
