/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_PATTERN_H
#define KUDEV_CONFIG_PATTERN_H

/*
 * Paths and the globs that name them. A glob means what Go's path.Match makes of it, as
 * squat's plugin does; what fnmatch(3) with FNM_PATHNAME, which does the matching, reads
 * otherwise is refused here, so that the two never differ. Nothing is looked up: these
 * are texts. Thread-safe: nothing here keeps state.
 */

#include <stdbool.h>

#include "base/error.h"

enum pattern_flag {
	PATTERN_DOUBLE_STAR = 1 << 0, /* ** is allowed, and the same as * */
};

/*
 * Checks a glob and makes it lexically clean. -EINVAL for one that is malformed, relative
 * or the root directory; the error says at which character. The caller frees *ret.
 */
int pattern_parse(const char *text, unsigned flags, char **ret, struct error *err);

/* Checks a glob that is no path: the same grammar, but ** is the same as *. */
int glob_check(const char *text, struct error *err);

/*
 * Checks a path that is no glob: absolute, without ".." and control characters, not
 * longer than the kernel takes.
 */
int path_check(const char *path, struct error *err);

/*
 * Checks the name of a sysfs attribute: relative to the device's directory, and staying
 * below it. "power/runtime_status" is one.
 */
int attribute_check(const char *name, struct error *err);

/*
 * What the three checks and pattern_parse() accept, as regular expressions for the schema;
 * that a range does not run backwards, for one, only they know.
 */
#define PATH_REGEX "(?!.*/\\.\\.(/|$))/[^\\x01-\\x1f\\x7f]*"
extern const char path_pattern[];
extern const char glob_pattern[];
extern const char attribute_pattern[];
extern const char pattern_pattern[];

/*
 * An absolute path without "//", ".", ".." and a trailing slash, as Go's path.Clean makes
 * it, without a look at the file system. The caller frees it.
 */
char *path_clean(const char *path);

#endif
