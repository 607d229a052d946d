/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/text.h"
#include "base/util.h"
#include "cli/suggest.h"
#include "config/load.h"
#include "device/hardware.h"
#include "device/match.h"

/* The value of a condition that means just this text: without the glob's signs. */
static char *escape_glob(const char *text)
{
	char *escaped = mem_alloc(2 * strlen(text) + 1);
	char *end = escaped;

	for (; *text; text++) {
		if (strchr("*?[\\", *text))
			*end++ = '\\';
		*end++ = *text;
	}
	*end = '\0';
	return escaped;
}

/* entry.key = value, or entry.group.key = value. */
static void add_condition(struct json_object *entry, const char *group, const char *key,
			  const char *glob)
{
	struct json_object *inner;

	if (group && !json_object_object_get_ex(entry, group, &inner)) {
		inner = json_object_new_object();
		json_object_object_add(entry, group, inner);
	}
	json_object_object_add(group ? inner : entry, key, json_object_new_string(glob));
}

static void add_exactly(struct json_object *entry, const char *group, const char *key,
			const char *text)
{
	KUDEV_AUTO_FREE char *glob = escape_glob(text);

	add_condition(entry, group, key, glob);
}

/* Read back as the user's file would be, so that what is counted is what will be. */
size_t suggest_count(struct json_object *entry, struct udev_device **all, size_t count)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	KUDEV_AUTO(config_free) struct config *config = NULL;
	KUDEV_AUTO_FREE char *text =
		mem_printf("{\"classes\": [{\"name\": \"x\", \"match\": [%s]}]}",
			   json_object_to_json_string(entry));
	size_t found = 0;
	int r = config_parse(text, strlen(text), "suggestion", false, &config,
			     &diagnostics);

	/* What comes from hardware need not be what a configuration can hold. */
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (match_any(config->classes[0].matches, config->classes[0].match_count,
			      all[i]))
			found++;
	}
	return found;
}

/* What may tell the device from the others, in the order in which people would say it. */
struct candidate {
	const char *group;
	const char *key;
	const char *text; /* NULL: the device has no such thing */
	bool is_wanted; /* although nothing else here has another value: it may be plugged */
};

static const char *attribute_of(struct udev_device *device, const char *name)
{
	return device ? udev_device_get_sysattr_value(device, name) : NULL;
}

static const char *property_of(struct udev_device *device, const char *name)
{
	return udev_device_get_property_value(device, name);
}

/*
 * Without the numbers that are given in the order of appearance: pcmC*D0c, and event* of a
 * USB device.
 */
static char *kernel_glob(const char *name, bool is_usb)
{
	const char *card = strchr(name, 'C');
	size_t length = strlen(name);

	if (card && card[1] >= '0' && card[1] <= '9')
		return mem_printf("%.*s*%s", (int)(card + 1 - name), name,
				  card + 1 + strspn(card + 1, "0123456789"));
	if (!is_usb)
		return mem_string(name);
	while (length > 0 && name[length - 1] >= '0' && name[length - 1] <= '9')
		length--;
	return mem_printf("%.*s*", (int)length, name);
}

/* A disk has the properties of its partitions. */
static void exclude_partitions(struct json_object *entry)
{
	struct json_object *not = json_object_new_object();

	add_condition(not, "attributes", "partition", "*");
	json_object_object_add(entry, "not", not );
}

/* Whether it can be in a configuration: UTF-8 without control characters. */
static bool is_clean(const char *text)
{
	size_t left = strlen(text);
	uint32_t rune;

	while (left > 0) {
		size_t length = text_decode(text, left, &rune);

		if (length == 0 || rune < 0x20 || (rune >= 0x7f && rune < 0xa0))
			return false;
		text += length;
		left -= length;
	}
	return true;
}

static bool narrows(struct json_object **entry, const struct candidate *candidate,
		    struct udev_device **all, size_t count, size_t *found)
{
	struct json_object *longer = NULL;
	size_t left;

	if (!candidate->text || !*candidate->text || !is_clean(candidate->text))
		return false;
	json_object_deep_copy(*entry, &longer, NULL);
	add_exactly(longer, candidate->group, candidate->key, candidate->text);
	left = suggest_count(longer, all, count);
	if (left == 0 || (left == *found && !candidate->is_wanted)) {
		json_object_put(longer);
		return false;
	}
	json_object_put(*entry);
	*entry = longer;
	*found = left;
	return true;
}

struct json_object *suggest_match(struct udev_device *device, struct udev_device **all,
				  size_t count)
{
	struct udev_device *usb = hardware_usb_device(device);
	struct udev_device *pci =
		usb ? NULL
		    : udev_device_get_parent_with_subsystem_devtype(device, "pci", NULL);
	const struct candidate candidates[] = {
		{"usb", "vendor", attribute_of(usb, "idVendor"), true},
		{"usb", "product", attribute_of(usb, "idProduct"), true},
		{"usb", "serial", attribute_of(usb, "serial"), true},
		{"properties", "ID_SERIAL", usb ? NULL : property_of(device, "ID_SERIAL"),
		 true},
		{"attributes", "partition", attribute_of(device, "partition"), false},
		{"attributes", "vendor", attribute_of(pci, "vendor"), true},
		{"attributes", "device", attribute_of(pci, "device"), true},
		{"attributes", "bInterfaceNumber",
		 hardware_attribute(device, "bInterfaceNumber"), false},
		{"attributes", "port_number",
		 usb ? hardware_attribute(device, "port_number") : NULL, false},
		{"attributes", "index", attribute_of(device, "index"), false},
		{"properties", "ID_PATH", property_of(device, "ID_PATH"), false},
		{"attributes", "devpath", attribute_of(usb, "devpath"), false},
		{"attributes", "busnum", attribute_of(usb, "busnum"), false},
	};
	struct json_object *entry = json_object_new_object();
	const char *name = udev_device_get_sysname(device);
	KUDEV_AUTO_FREE char *glob = kernel_glob(name, usb != NULL);
	size_t found;

	add_exactly(entry, NULL, "subsystem", udev_device_get_subsystem(device));
	found = suggest_count(entry, all, count);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(candidates); i++) {
		if (found > 1 || candidates[i].is_wanted)
			(void)narrows(&entry, &candidates[i], all, count, &found);
	}
	if (found > 1 && strcmp(udev_device_get_subsystem(device), "block") == 0 &&
	    !attribute_of(device, "partition")) {
		exclude_partitions(entry);
		found = suggest_count(entry, all, count);
	}
	if (found > 1) {
		add_condition(entry, NULL, "kernel", glob);
		found = suggest_count(entry, all, count);
	}
	if (found != 1)
		add_exactly(entry, NULL, "kernel", name);
	return entry;
}
