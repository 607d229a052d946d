/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_DIAGNOSTICS_H
#define KUDEV_CONFIG_DIAGNOSTICS_H

/*
 * Everything that is wrong with a configuration, collected so that it can be reported at
 * once, in the order of the text. Thread: any, one at a time.
 */

#include <stddef.h>

#include "base/util.h"

/* How many are kept; the first hundred tell as much as ten thousand. */
#define DIAGNOSTICS_MAX 100

enum diagnostic_severity {
	DIAGNOSTIC_ERROR,
	DIAGNOSTIC_WARNING,
	DIAGNOSTIC_NOTE, /* nothing is wrong, but not everybody would expect it */
};

struct diagnostic {
	enum diagnostic_severity severity;
	char *file;	 /* a path, "--device", or the name of a variable */
	unsigned line;	 /* from 1; 0: no position */
	unsigned column; /* from 1 */
	char *message;
};

/* Zero-initialised; the caller owns it and ends with diagnostics_clear(). */
struct diagnostics {
	struct diagnostic *items;
	size_t count;
	size_t capacity;
	size_t errors;	/* how many of all that were added are errors */
	size_t dropped; /* those past the bound on count, counted but not kept */
};

void diagnostics_add(struct diagnostics *diagnostics, enum diagnostic_severity severity,
		     const char *file, unsigned line, unsigned column, const char *format,
		     ...) KUDEV_PRINTF(6, 7);

/*
 * "file:line:column: message" or "file: message"; the message of a warning is preceded by
 * "warning: ", that of a note by "note: ". The caller frees it.
 */
char *diagnostic_text(const struct diagnostic *diagnostic);

/* All of them, a line each, and "and N more" if some were dropped; to be freed. */
char *diagnostics_text(const struct diagnostics *diagnostics);

void diagnostics_clear(struct diagnostics *diagnostics);

#define KUDEV_AUTO_DIAGNOSTICS __attribute__((cleanup(diagnostics_clear)))

#endif
