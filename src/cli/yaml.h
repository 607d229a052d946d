/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CLI_YAML_H
#define KUDEV_CLI_YAML_H

/* Prints JSON as YAML, for people. Thread: the main one. */

#include <json-c/json.h>
#include <stdio.h>

/* Strings are quoted, so that no reader takes "0403" or "on" for something else. */
void yaml_print(struct json_object *value, FILE *out);

#endif
