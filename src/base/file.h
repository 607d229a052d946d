/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_BASE_FILE_H
#define KUDEV_BASE_FILE_H

/* Whole files and directories. Thread-safe: nothing here keeps state. */

#include <stddef.h>

#include "base/error.h"

/*
 * Reads a whole regular file of at most max_size bytes. The result is NUL-terminated for
 * convenience; ret_size does not count that byte. The error names the file.
 */
int file_read(const char *path, size_t max_size, char **ret_text, size_t *ret_size,
	      struct error *err);

/* Makes a directory and its missing parents with this mode; an existing one is fine. */
int directory_create(const char *path, unsigned mode, struct error *err);

#endif
