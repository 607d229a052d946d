/* SPDX-License-Identifier: Apache-2.0 */
#include <json-c/json.h>

#include "cli/cli.h"
#include "config/schema.h"

int cli_schema(const struct options *options)
{
	struct json_object *schema = schema_new();

	(void)options;
	cli_print_json(schema);
	json_object_put(schema);
	return EXIT_OK;
}
