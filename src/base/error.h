/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_BASE_ERROR_H
#define KUDEV_BASE_ERROR_H

/*
 * An error that a person must be able to act on: an errno for programs, a sentence for
 * people and, where there is one, the place in a file. Functions that take one as their
 * last parameter set it and return its negative errno in one line:
 *
 *	return error_set(err, EINVAL, "count must be at least 1, not %u", count);
 *
 * The caller owns the object; an unset one is all zero. Thread: any, one at a time.
 */

struct error {
	int code;	 /* positive errno; 0: unset */
	char *message;	 /* owned; without a full stop, without the place */
	char *file;	 /* owned; NULL: no place */
	unsigned line;	 /* from 1; 0: unknown */
	unsigned column; /* from 1; 0: unknown */
};

/* Sets the error, unless err is NULL, and returns -code. An older one is overwritten. */
int error_set(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* As error_set(), with ": " and the text of the errno appended. */
int error_set_errno(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts context and ": " before the message; returns -code. */
int error_prefix(struct error *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The message, never NULL. */
const char *error_message(const struct error *err);

/* Frees what the error owns and makes it unset. NULL is fine. */
void error_clear(struct error *err);

/* For __attribute__((cleanup)): KUDEV_AUTO_ERROR struct error err = {0}; */
#define KUDEV_AUTO_ERROR __attribute__((cleanup(error_clear)))

#endif
