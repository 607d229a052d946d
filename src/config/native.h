/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_NATIVE_H
#define KUDEV_CONFIG_NATIVE_H

/*
 * kudev's own grammar, that of kudev.yaml: the tables of its keys, and what one key
 * demands of another. Thread-safe: the tables are constant.
 */

#include "config/field.h"

#define NATIVE_CLASSES_MAX 1000

/* The top level; fills struct config. The manual and the schema are made from it. */
extern const struct field native_fields[];

#endif
