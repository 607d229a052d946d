/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_VALUE_H
#define KUDEV_CONFIG_VALUE_H

/*
 * The values that kudev's own grammar and squat's have in common: what each may be, and
 * in which form it is kept. Thread-safe: nothing here keeps state.
 */

#include "base/template.h"
#include "config/field.h"

/* With / and a socket's name it must fit sun_path (unix(7), 108 bytes). */
#define PLUGIN_DIRECTORY_MAX 70

extern const struct field_type value_path;	       /* char *; cleaned */
extern const struct field_type value_plugin_directory; /* char *; cleaned */
extern const struct field_type value_pod_resources;    /* char *; cleaned, or "none" */
extern const struct field_type value_root;	       /* char *; cleaned, "" for / */
extern const struct field_type value_listen;	       /* char *; "none" for "" */
extern const struct field_type value_log_level;	       /* enum log_level */
extern const struct field_type value_log_format;       /* enum log_format */
extern const struct field_type value_duration;	       /* unsigned; milliseconds */
extern const struct field_type value_bound;	       /* struct config_bound */
extern const struct field_type value_usb_id;	       /* uint16_t; hexadecimal */

/* The choices of the two that log.h parses; they end with NULL. */
extern const char *const value_log_levels[];
extern const char *const value_log_formats[];

/* "30s": the milliseconds in the greatest unit that needs no fraction; the caller frees it. */
char *duration_text(unsigned ms);

/* Some of r, w and m, each once. */
int permissions_check(const char *text, struct error *err);

/* The same as a regular expression for the schema. */
extern const char permissions_pattern[];

/* A template that makes an absolute path; a trailing / asks for the node's own name. */
int mount_path_new(const char *text, struct template **ret, struct error *err);

#endif
