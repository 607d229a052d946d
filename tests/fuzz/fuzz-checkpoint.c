/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A kubelet's checkpoint of any bytes: whatever is taken from it must be fit for a list that
 * a kubelet accepts.
 */

#include "base/text.h"
#include "kubelet/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_held(const char *resource, const char *id, int numa_node, void *data)
{
	(void)data;
	if (!resource || id[0] == '\0' || !text_is_utf8(id) || numa_node < -1)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	KUDEV_AUTO_FREE char *text = mem_string_n(size ? (const char *)data : "", size);
	KUDEV_AUTO_ERROR struct error err = {0};
	int r = checkpoint_parse(text, on_held, NULL, &err);

	if ((r < 0) != (err.code != 0))
		__builtin_trap();
	return 0;
}
