/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_BASE_ERROR_H
#define KUDEV_BASE_ERROR_H

/*
 * An error that a person must be able to act on: an errno for programs and a sentence for
 * people. (Mistakes in a text have a place besides: see config/diagnostics.h.) Functions
 * that take one as their last parameter set it and return its negative errno in one line:
 *
 *	return error_set(err, EINVAL, "count must be at least 1, not %u", count);
 *
 * The caller owns the object; an unset one is all zero. Thread: any, one at a time.
 */

struct error {
	int code;      /* positive errno; 0: unset */
	char *message; /* owned; without a full stop */
};

/* Sets the error, unless err is NULL, and returns -code. An older one is overwritten. */
int error_set(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* As error_set(), with ": " and the text of the errno appended. */
int error_set_errno(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The message, never NULL. */
const char *error_message(const struct error *err);

/* Frees what the error owns and makes it unset. NULL is fine. */
void error_clear(struct error *err);

/* For __attribute__((cleanup)): KUDEV_AUTO_ERROR struct error err = {0}; */
#define KUDEV_AUTO_ERROR __attribute__((cleanup(error_clear)))

#endif
