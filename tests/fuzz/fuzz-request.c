/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An HTTP request of any bytes, as it lies in a connection's buffer: whatever is found in it
 * must lie in its head, and a head that was refused ends the connection.
 */

#include "base/util.h"
#include "http/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct http_request *request, const char *head, size_t size)
{
	KUDEV_AUTO_FREE char *parameter = http_request_parameter(request, "class");
	const char *end = strchr(request->path, '\0');

	if (request->path[0] != '/' || end[-1] != '/') {
		if (request->path < head || end > head + size)
			__builtin_trap();
	}
	if (parameter && strlen(parameter) > size)
		__builtin_trap();
	for (int i = 0; i < HTTP_CONTENT_MAX; i++) {
		if (!(request->weights[i] >= 0 && request->weights[i] <= 1))
			__builtin_trap();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	KUDEV_AUTO_FREE char *head = NULL;
	struct http_request request;
	size_t head_size;
	int status;

	if (size == 0 || size > HTTP_MAX_HEAD)
		return 0;
	head = mem_zero(size + 1);
	memcpy(head, data, size);
	head_size = http_head_size(head, size);
	if (head_size > size)
		__builtin_trap();
	if (head_size == 0)
		return 0;
	status = http_request_parse(head, head_size, &request);
	if (status != 0 && request.keeps_alive)
		__builtin_trap();
	if (status == 0)
		check(&request, head, size);
	return 0;
}
