/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "config/load.h"

/* A whole file, in whichever grammar it takes itself to be, strict and lenient. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = size ? (const char *)data : "";

	for (int lenient = 0; lenient <= 1; lenient++) {
		KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
		KUDEV_AUTO(config_free) struct config *config = NULL;
		KUDEV_AUTO_FREE char *text = NULL;

		(void)config_parse(bytes, size, "fuzz", lenient, &config, &diagnostics);
		text = diagnostics_text(&diagnostics);
		if ((config != NULL) == (diagnostics.errors > 0))
			__builtin_trap();
	}
	return 0;
}
