/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "config/load.h"

/* The text of --device, and that of KUDEV_DEVICE, which may be a list. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load(const struct settings *flags, const struct settings *environment)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	KUDEV_AUTO(config_free) struct config *config = NULL;

	(void)config_load(flags, environment, NULL, &config, &diagnostics);
	if ((config != NULL) == (diagnostics.errors > 0))
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	KUDEV_AUTO_FREE char *text = mem_string_n(size ? (const char *)data : "", size);
	const char *devices[] = {text};
	const struct settings given = {.devices = devices, .device_count = 1};
	const struct settings lenient = {.lenient = true};
	const struct settings none = {0};

	load(&given, &none);
	load(&lenient, &given);
	return 0;
}
