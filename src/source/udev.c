/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <libudev.h>
#include <stdlib.h>
#include <unistd.h>
#include <uthash.h>

#include "base/util.h"
#include "device/hardware.h"
#include "device/identity.h"
#include "device/match.h"
#include "device/naming.h"
#include "device/topology.h"
#include "source/settling.h"
#include "source/source.h"

/*
 * Devices that meet the conditions of "match". They are enumerated once; from then on
 * each event makes that one device be looked at anew.
 */

/* A device that is in the class, or may be once udev has finished with it. */
struct member {
	char *syspath;
	bool is_waiting; /* for udev; the rest is not known yet */
	struct hardware hardware;
	int numa_node;
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

static void fill_member(struct member *member, struct udev_device *device)
{
	member->is_waiting = false;
	hardware_clear(&member->hardware);
	hardware_read(device, &member->hardware);
	member->numa_node = topology_numa_node(member->syspath);
}

static bool fits(const struct config_class *class, struct udev_device *device,
		 bool is_ready)
{
	return is_ready ? match_any(class->matches, class->match_count, device)
			: match_possible(class->matches, class->match_count, device);
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
	bool is_ready = hurry || source->source.preview ||
			(device && udev_device_get_is_initialized(device)) ||
			!settling_has_udev();

	if (!device || !udev_device_get_devnode(device) ||
	    !fits(source->source.class, device, is_ready)) {
		if (member)
			drop_member(source, member);
	} else if (is_ready) {
		fill_member(ensure_member(source, syspath), device);
	} else {
		ensure_member(source, syspath);
	}
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
	drop_members(source);
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(enumerate))
	{
		examine(source, udev_list_entry_get_name(entry), false);
	}
	source->is_enumerated = true;
	return 0;
}

static void look_at_waiting(struct udev_source *source, struct scan *scan)
{
	struct member *member;
	struct member *next;
	bool is_waiting = false;

	settling_begin(source->settling);
	HASH_ITER(hh, source->members, member, next) {
		KUDEV_AUTO_FREE char *syspath = mem_string(member->syspath);
		bool hurry;

		if (!member->is_waiting)
			continue;
		hurry = !settling_wait(source->settling, syspath);
		examine(source, syspath, hurry);
		member = find_member(source, syspath);
		if (member && member->is_waiting)
			is_waiting = true;
		else if (member && hurry)
			scan_add_note(scan, member->hardware.node, SETTLING_GIVEN_UP);
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

/* Members that are handed out together. */
struct bundle {
	const struct member **members;
	size_t count;
	enum config_identity identity;
	char *label;	 /* the ID, if no other device would have the same */
	char *qualifier; /* what tells it from others of that text */
	const char *name;
	bool is_doubled;
};

struct bundles {
	const struct member **sorted; /* those that are not waiting */
	struct bundle *items;
	size_t count;
};

static void bundles_clear(struct bundles *bundles)
{
	for (size_t i = 0; i < bundles->count; i++) {
		free(bundles->items[i].members);
		free(bundles->items[i].label);
		free(bundles->items[i].qualifier);
	}
	free(bundles->items);
	free(bundles->sorted);
}

#define AUTO_BUNDLES __attribute__((cleanup(bundles_clear)))

static struct bundle *find_bundle(struct bundles *bundles, const char *device)
{
	for (size_t i = 0; i < bundles->count; i++) {
		if (strcmp(bundles->items[i].members[0]->hardware.device, device) == 0)
			return &bundles->items[i];
	}
	return NULL;
}

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

static void collect_bundles(struct udev_source *source, struct bundles *bundles)
{
	const struct config_class *class = source->source.class;
	bool together = class->together == CONFIG_TOGETHER_PARENT;
	size_t total = HASH_COUNT(source->members);
	size_t count = 0;

	bundles->sorted = mem_zero(total * sizeof(*bundles->sorted));
	bundles->items = mem_zero(total * sizeof(*bundles->items));
	for (const struct member *member = source->members; member;
	     member = member->hh.next) {
		if (!member->is_waiting)
			bundles->sorted[count++] = member;
	}
	qsort(bundles->sorted, count, sizeof(*bundles->sorted), compare_members);
	for (size_t i = 0; i < count; i++) {
		const struct member *member = bundles->sorted[i];
		struct bundle *bundle =
			together ? find_bundle(bundles, member->hardware.device) : NULL;

		if (!bundle) {
			bundle = &bundles->items[bundles->count++];
			bundle->members = mem_zero((together ? count : 1) *
						   sizeof(*bundle->members));
		}
		bundle->members[bundle->count++] = member;
	}
	for (size_t i = 0; i < bundles->count; i++) {
		struct bundle *bundle = &bundles->items[i];

		bundle->identity = hardware_identity(&bundle->members[0]->hardware,
						     class->identity);
		bundle->label = label_of(bundle, together);
	}
}

/* One interface may have several nodes of a kind: at its port, the others have names. */
static char *qualifier_of(const struct bundles *bundles, size_t index)
{
	const struct bundle *bundle = &bundles->items[index];
	const struct hardware *hardware = &bundle->members[0]->hardware;

	if (bundle->identity != CONFIG_IDENTITY_SERIAL || !hardware->port)
		return mem_string(hardware->name);
	for (size_t i = 0; i < index; i++) {
		const char *port = bundles->items[i].members[0]->hardware.port;

		if (port && strcmp(port, hardware->port) == 0 &&
		    strcmp(bundles->items[i].label, bundle->label) == 0)
			return mem_printf("%s-%s", port, hardware->name);
	}
	return mem_string(hardware->port);
}

static void name_bundles(struct udev_source *source, struct bundles *bundles,
			 struct scan *scan)
{
	struct naming_item *items = mem_zero(bundles->count * sizeof(*items));

	for (size_t i = 0; i < bundles->count; i++) {
		bundles->items[i].qualifier = qualifier_of(bundles, i);
		items[i].plain = bundles->items[i].label;
		items[i].qualifier = bundles->items[i].qualifier;
	}
	naming_assign(source->naming, items, bundles->count);
	for (size_t i = 0; i < bundles->count; i++) {
		struct bundle *bundle = &bundles->items[i];

		bundle->name = items[i].name;
		if (!items[i].is_doubled)
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

		unit->is_hardware = bundle->identity != CONFIG_IDENTITY_PATH;
		unit->numa_node = bundle->members[0]->numa_node;
		for (size_t i = 0; i < bundle->count; i++) {
			const struct hardware *hardware = &bundle->members[i]->hardware;

			unit_node_fill(&unit->nodes[i], source->source.root,
				       mem_string(hardware->node), NODE_DEVICE,
				       class->mount_path);
			unit->nodes[i].permissions = class->permissions;
		}
	}
}

/* udev can know of nodes that a container does not see. */
static bool has_nodes(const struct bundle *bundle, struct scan *scan)
{
	for (size_t i = 0; i < bundle->count; i++) {
		const char *node = bundle->members[i]->hardware.node;

		if (access(node, F_OK) == 0)
			continue;
		scan_add_missing(scan, node,
				 "the kernel has this device, but there is no such node "
				 "here; is the host's /dev mounted?");
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
	look_at_waiting(source, ret);
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

static int udev_open(const struct config_class *class, const char *root, bool preview,
		     struct source **ret, struct error *err)
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
		.preview = preview,
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
