/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_MATCH_H
#define KUDEV_CONFIG_MATCH_H

/*
 * The grammar of "match": conditions on what udev and sysfs know of a device. Pure.
 */

#include "config/field.h"

/* One entry of the list: struct config_match. */
extern const struct field match_item;

#endif
