/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "base/template.h"
#include "config/config.h"

/* A template, and what the doubling of its braces must preserve. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *values[CONFIG_VARIABLE_MAX] = {
		[CONFIG_VARIABLE_ID] = "id",
		[CONFIG_VARIABLE_PATH] = "/dev/path",
	};
	KUDEV_AUTO(template_free) struct template *template = NULL;
	KUDEV_AUTO_FREE char *text = mem_string_n(size ? (const char *)data : "", size);
	KUDEV_AUTO_ERROR struct error err = {0};
	KUDEV_AUTO_FREE char *expanded = NULL;

	if (template_new(text, config_variables, CONFIG_VARIABLES_ALL, &template, &err) <
	    0)
		return 0;
	expanded = template_expand(template, values);
	if (template_uses(template) == 0 && strlen(expanded) > strlen(text))
		__builtin_trap();
	return 0;
}
