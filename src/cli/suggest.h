/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CLI_SUGGEST_H
#define KUDEV_CLI_SUGGEST_H

/*
 * Finds conditions that select one device of this machine and no other. Thread: the main
 * one.
 */

#include <json-c/json.h>
#include <libudev.h>
#include <stddef.h>

/* An entry of "match" for the device, one of all; the caller puts it. */
struct json_object *suggest_match(struct udev_device *device, struct udev_device **all,
				  size_t count);

/* How many of the devices an entry selects. */
size_t suggest_count(struct json_object *entry, struct udev_device **all, size_t count);

#endif
