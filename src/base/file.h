/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_BASE_FILE_H
#define KUDEV_BASE_FILE_H

/* Whole files and directories. Thread-safe: nothing here keeps state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strings.h"

/*
 * Reads a whole regular file of at most max_size bytes. The result is NUL-terminated for
 * convenience; ret_size does not count that byte. The error names the file.
 */
int file_read(const char *path, size_t max_size, char **ret_text, size_t *ret_size,
	      struct error *err);

/* Which state of which file is at a path, links followed. All zero: none that can be seen. */
struct file_stamp {
	uint64_t device;
	uint64_t inode;
	int64_t size;
	int64_t modified_ns; /* since the epoch; its content */
	int64_t changed_ns;  /* likewise; anything */
	int64_t age_ms;	     /* since then, when the stamp was taken */
};

struct file_stamp file_stamp(const char *path);
/*
 * Whether the file has surely not changed in between. Two changes within one tick of the
 * kernel's clock leave the same times, so that a stamp taken just after the first is not sure.
 */
bool file_is_same(const struct file_stamp *before, const struct file_stamp *now);

/*
 * Adds the directories in which something may change where the path leads: those of the links
 * on the way, and of the file, which need not exist.
 */
void file_directories(const char *path, struct strings *ret);

/*
 * Puts a file of this mode and text in the place of the one at path: whoever reads it gets
 * all of the old one or all of the new. Returns its descriptor. It is not flushed to the
 * disk: it may be lost with the power. What readers of the directory see meanwhile has
 * FILE_SUFFIX_PATTERN behind its name.
 */
int file_replace(const char *path, const char *text, unsigned mode, struct error *err);
#define FILE_SUFFIX_PATTERN ".??????"

/* Makes a directory and its missing parents with this mode; an existing one is fine. */
int directory_create(const char *path, unsigned mode, struct error *err);

#endif
