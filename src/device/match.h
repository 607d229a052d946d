/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_DEVICE_MATCH_H
#define KUDEV_DEVICE_MATCH_H

/*
 * Whether a device meets the conditions of a class, by what sysfs and udev's database say
 * of it. Thread: any, one at a time for each struct udev_device, which caches what it
 * reads.
 *
 * A driver may be that of the device or of any above it. An attribute is that of the
 * nearest device that has it, itself first: a serial adapter's idVendor is its own, not
 * that of the hub above it. A property or attribute that does not exist matches nothing.
 */

#include <libudev.h>
#include <stdbool.h>

#include "config/config.h"

bool match_device(const struct config_match *match, struct udev_device *device);

/* Whether any of the alternatives holds. */
bool match_any(const struct config_match *matches, size_t count,
	       struct udev_device *device);

/*
 * Whether a device that is not complete yet may meet the conditions later: udev still has
 * to say something, and drivers make attributes after the device.
 */
bool match_possible(const struct config_match *matches, size_t count,
		    struct udev_device *device);

/* Whether a device of this subsystem could meet the conditions at all. */
bool match_subsystem(const struct config_match *matches, size_t count,
		     const char *subsystem);

#endif
