/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_DEVICE_IDENTITY_H
#define KUDEV_DEVICE_IDENTITY_H

/*
 * The IDs under which the kubelet knows devices. They are checkpointed with the pods that
 * hold them, so they must not depend on order, time or what else is there. Pure.
 */

#include <stddef.h>

#include "config/config.h"

/* What the kubelet's API allows (api.proto, Device.ID); it doesn't check. */
#define IDENTITY_MAX_LENGTH 63

/*
 * The ID of one copy (from 0, of copies) of the unit made of these host paths:
 *
 * CONFIG_IDS_READABLE: the first path below /dev in lower case, other characters than
 *   letters and digits as dashes; a hash of all paths is appended where that would say too
 *   little (several paths, odd characters, too long); "-<copy>" if there are several.
 * CONFIG_IDS_SQUAT: hex(sha1(decimal copy ‖ paths)), as generic-device-plugin makes them.
 * CONFIG_IDS_SQUAT_LEGACY: "<path>-<copy>", as its first version did.
 */
char *identity_of_paths(enum config_ids ids, const char *const *paths, size_t path_count,
			unsigned copy, unsigned copies);

/*
 * The same for a text that stands for the device, such as its serial number: in lower
 * case, with dashes for punctuation, and a hash where that says too little.
 */
char *identity_of_text(const char *text, unsigned copy, unsigned copies);

/* "<class>-<index>" or "<class>-<index>-<copy>". */
char *identity_of_simulated(const char *class_name, unsigned index, unsigned copy,
			    unsigned copies);

#endif
