/* SPDX-License-Identifier: Apache-2.0 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/cli.h"

bool cli_read_config(const struct settings *settings, struct config **ret,
		     struct diagnostics *diagnostics)
{
	struct settings environment = {0};
	const char *device_slot = NULL;

	settings_check_names(environ, diagnostics);
	settings_from_environment(getenv, &device_slot, &environment, diagnostics);
	return config_load(settings, &environment, getenv("NODE_NAME"), ret,
			   diagnostics) == 0;
}

bool cli_load_config(const struct settings *settings, struct config **ret,
		     struct strings *ret_warnings)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	bool is_sound = cli_read_config(settings, ret, &diagnostics);

	if (is_sound && ret_warnings) {
		for (size_t i = 0; i < diagnostics.count; i++)
			strings_take(ret_warnings,
				     diagnostic_text(&diagnostics.items[i]));
	} else if (diagnostics.count > 0) {
		KUDEV_AUTO_FREE char *text = diagnostics_text(&diagnostics);

		fputs(text, stderr);
	}
	return is_sound;
}

void cli_print_json(struct json_object *object)
{
	puts(json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
}

void cli_raise_limits(void)
{
	struct rlimit files;

	/*
	 * Nothing here uses select(2), for which the soft limit is kept low by default.
	 */
	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}
