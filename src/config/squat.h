/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_SQUAT_H
#define KUDEV_CONFIG_SQUAT_H

/*
 * The grammar of squat/generic-device-plugin, so that its users can switch: its file
 * with a list of devices, the texts of its --device flag, and the flag's first form. It
 * means what it means there; but what that program lets pass without a word (unknown
 * keys, types and permissions) is an error here, or a warning for the lenient.
 * Thread-safe: the tables are constant.
 */

#include <stdbool.h>

#include "config/config.h"
#include "config/field.h"

/* The top level of its file; fills struct config. */
extern const struct field squat_fields[];

/* Sets the document's habits: keys in any case, null as if it were absent. */
void squat_adopt(struct document *document, bool lenient);

/*
 * Reads a text that holds one device, or, if several are allowed, a list of them, and
 * adds them to the classes.
 */
void squat_read_devices(struct document *document, bool several, struct config *config);

#endif
