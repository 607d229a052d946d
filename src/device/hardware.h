/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_DEVICE_HARDWARE_H
#define KUDEV_DEVICE_HARDWARE_H

/*
 * What stands behind a device node: the physical device, its serial number, where it is
 * plugged in, and which of its nodes this one is. All of it is read from sysfs, not from
 * udev's database, so that it is the same where there is no udev. Thread: any, one at a
 * time for each struct udev_device.
 */

#include <libudev.h>
#include <stdbool.h>

#include "config/config.h"

struct hardware {
	char *syspath; /* below /sys/devices; the node's own */
	char *node;    /* below /dev */
	char *subsystem;
	char *name;   /* the kernel's, such as ttyUSB0 */
	char *device; /* the syspath of the physical device; the own one if virtual */

	/* These are texts for IDs, not labels yet. */
	char *serial; /* "0403-6001-A50285BI"; NULL: it has none */
	char *port;   /* "pci-0000:00:14.0-usb2-1.2"; NULL: a virtual device */
	char *part;   /* "if00-ttyUSB": which of the device's nodes */
};

/* device has a node. The caller ends with hardware_clear(). */
void hardware_read(struct udev_device *device, struct hardware *ret);
void hardware_clear(struct hardware *hardware);

/* What AUTO stands for, and what is left of a wish that the hardware can't fulfil. */
enum config_identity hardware_identity(const struct hardware *hardware,
				       enum config_identity wish);

/* The USB device that it is or belongs to; NULL: none. Borrowed from device. */
struct udev_device *hardware_usb_device(struct udev_device *device);

/*
 * The attribute of the nearest device that has it, itself first; NULL: none has. Borrowed
 * from device.
 */
const char *hardware_attribute(struct udev_device *device, const char *name);

#define KUDEV_AUTO_HARDWARE __attribute__((cleanup(hardware_clear)))

#endif
