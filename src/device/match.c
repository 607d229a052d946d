/* SPDX-License-Identifier: Apache-2.0 */
#include <fnmatch.h>

#include "device/hardware.h"
#include "device/match.h"

static bool matches_glob(const struct strings *globs, const char *text)
{
	for (size_t i = 0; text && i < globs->count; i++) {
		if (fnmatch(globs->items[i], text, 0) == 0)
			return true;
	}
	return false;
}

/* No condition is one that holds. */
static bool holds(const struct strings *globs, const char *text)
{
	return globs->count == 0 || matches_glob(globs, text);
}

static bool driver_holds(const struct strings *globs, struct udev_device *device)
{
	if (globs->count == 0)
		return true;
	for (; device; device = udev_device_get_parent(device)) {
		if (matches_glob(globs, udev_device_get_driver(device)))
			return true;
	}
	return false;
}

static bool tags_hold(const struct strings *globs, struct udev_device *device)
{
	struct udev_list_entry *entry;

	if (globs->count == 0)
		return true;
	udev_list_entry_foreach(entry, udev_device_get_tags_list_entry(device))
	{
		if (matches_glob(globs, udev_list_entry_get_name(entry)))
			return true;
	}
	return false;
}

static bool properties_hold(const struct config_match *match, struct udev_device *device)
{
	for (size_t i = 0; i < match->property_count; i++) {
		const struct config_condition *condition = &match->properties[i];

		if (!matches_glob(&condition->globs,
				  udev_device_get_property_value(device, condition->key)))
			return false;
	}
	return true;
}

static bool attributes_hold(const struct config_match *match, struct udev_device *device)
{
	for (size_t i = 0; i < match->attribute_count; i++) {
		const struct config_condition *condition = &match->attributes[i];

		if (!matches_glob(&condition->globs,
				  hardware_attribute(device, condition->key)))
			return false;
	}
	return true;
}

static bool usb_holds(const struct config_match *match, struct udev_device *device)
{
	struct udev_device *usb;

	if (match->usb_vendor.count + match->usb_product.count +
		    match->usb_serial.count ==
	    0)
		return true;
	usb = hardware_usb_device(device);
	return usb &&
	       holds(&match->usb_vendor,
		     udev_device_get_sysattr_value(usb, "idVendor")) &&
	       holds(&match->usb_product,
		     udev_device_get_sysattr_value(usb, "idProduct")) &&
	       holds(&match->usb_serial, udev_device_get_sysattr_value(usb, "serial"));
}

/* What holds from the beginning, or never. */
static bool origin_holds(const struct config_match *match, struct udev_device *device)
{
	return holds(&match->subsystem, udev_device_get_subsystem(device)) &&
	       holds(&match->kernel, udev_device_get_sysname(device)) &&
	       usb_holds(match, device) && driver_holds(&match->driver, device);
}

bool match_device(const struct config_match *match, struct udev_device *device)
{
	return origin_holds(match, device) && attributes_hold(match, device) &&
	       tags_hold(&match->tags, device) && properties_hold(match, device) &&
	       !match_any(match->not, match->not_count, device);
}

bool match_any(const struct config_match *matches, size_t count,
	       struct udev_device *device)
{
	for (size_t i = 0; i < count; i++) {
		if (match_device(&matches[i], device))
			return true;
	}
	return false;
}

bool match_possible(const struct config_match *matches, size_t count,
		    struct udev_device *device)
{
	for (size_t i = 0; i < count; i++) {
		if (origin_holds(&matches[i], device))
			return true;
	}
	return false;
}

bool match_subsystem(const struct config_match *matches, size_t count,
		     const char *subsystem)
{
	for (size_t i = 0; i < count; i++) {
		if (holds(&matches[i].subsystem, subsystem))
			return true;
	}
	return false;
}
