/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_SCHEMA_H
#define KUDEV_CONFIG_SCHEMA_H

/*
 * The JSON Schema of kudev's own grammar, made from the tables that the reader goes by, so
 * that an editor knows what the reader knows. It accepts all that the reader accepts; what
 * takes more than one class, arithmetic or a look at the machine only "kudev check" finds.
 * Thread-safe: nothing here keeps state.
 */

struct json_object;

/* The caller puts it. */
struct json_object *schema_new(void);

#endif
