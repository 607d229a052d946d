/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_HTTP_CLIENT_H
#define KUDEV_HTTP_CLIENT_H

/* Asks a running kudev, for the commands: blocks, for a bounded time. Thread: any. */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct http_reply {
	int status;
	char *body; /* owned; with a NUL behind it */
	size_t size;
};

/*
 * Gets a path from where a kudev listens: "unix:/path", "host:port", "[host]:port", or
 * ":port" for this machine. The error names the address.
 */
int http_get(const char *address, const char *path, int64_t timeout_ms,
	     struct http_reply *ret, struct error *err);

#endif
