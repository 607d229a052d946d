/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "config/load.h"

/* The variables of video-device-plugin, one NAME=value a line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The lines, each with a NUL for its end, and an empty one behind the last. */
static char *lines;

static char *lookup(const char *name)
{
	size_t length = strlen(name);

	for (char *line = lines; *line; line += strlen(line) + 1)
		if (strncmp(line, name, length) == 0 && line[length] == '=')
			return line + length + 1;
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	KUDEV_AUTO(config_free) struct config *config = NULL;
	KUDEV_AUTO_FREE char *text = mem_zero(size + 2);
	const struct settings flags = {0}, environment = {.lookup = lookup};

	if (size > 0)
		memcpy(text, data, size);
	for (size_t i = 0; i < size; i++)
		if (text[i] == '\n')
			text[i] = '\0';
	lines = text;
	(void)config_load(&flags, &environment, lookup("NODE_NAME"), &config,
			  &diagnostics);
	if ((config != NULL) == (diagnostics.errors > 0))
		__builtin_trap();
	return 0;
}
