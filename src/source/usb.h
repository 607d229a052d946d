/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_SOURCE_USB_H
#define KUDEV_SOURCE_USB_H

/*
 * Finds the nodes of USB devices (/dev/bus/usb/BBB/DDD) by what sysfs says of them
 * (Documentation/ABI/stable/sysfs-bus-usb of the kernel). Thread: any.
 */

#include "base/error.h"
#include "base/strings.h"
#include "config/config.h"

/*
 * Appends the nodes of all devices that match any of the specifications, sorted, each
 * once. As glob_expand(): directories gets those to watch, and an error means that the
 * answer is not known now.
 */
int usb_find(const char *root, const struct config_usb *usb, size_t usb_count,
	     struct strings *nodes, struct strings *directories, struct error *err);

#endif
