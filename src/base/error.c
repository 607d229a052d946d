/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/util.h"

KUDEV_PRINTF(1, 0)
static char *format_message(const char *format, va_list args)
{
	char *message = NULL;

	if (vasprintf(&message, format, args) < 0)
		abort();
	return message;
}

int error_set(struct error *err, int code, const char *format, ...)
{
	char *message;
	va_list args;

	if (!err)
		return -code;

	/* Before the old one goes, which may be among the arguments. */
	va_start(args, format);
	message = format_message(format, args);
	va_end(args);
	error_clear(err);
	err->code = code;
	err->message = message;
	return -code;
}

int error_set_errno(struct error *err, int code, const char *format, ...)
{
	KUDEV_AUTO_FREE char *context = NULL;
	va_list args;

	if (!err)
		return -code;

	va_start(args, format);
	context = format_message(format, args);
	va_end(args);
	return error_set(err, code, "%s: %s", context, strerror(code));
}

const char *error_message(const struct error *err)
{
	return err->message ? err->message : "no error";
}

void error_clear(struct error *err)
{
	if (!err)
		return;
	free(err->message);
	memset(err, 0, sizeof(*err));
}
