/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_SOURCE_GLOB_H
#define KUDEV_SOURCE_GLOB_H

/*
 * Finds what a path pattern names, below a root, and which directories decide it. glob(3)
 * hides the difference between "nothing there" and "could not look", and can't tell which
 * directories it read. Thread: any.
 */

#include "base/error.h"
#include "base/strings.h"

/* So many matches of one pattern are an error, not a device class. */
#define GLOB_MAX_MATCHES 100000

/*
 * Appends the existing paths that match, in bytewise order and without the root; a
 * dangling link is no match, nor is a name that is not UTF-8, which the kubelet can't be
 * told. pattern has passed the configuration's check: absolute, clean, and the same to
 * fnmatch(3) as to Go's path.Match, but that ? is one byte here. directories gets those,
 * with the root, in which a change could change the result; they need not exist.
 *
 * Returns 0 also if there is nothing; an error means that the answer is not known now
 * (too many open files, an I/O error) or has too many matches.
 */
int glob_expand(const char *root, const char *pattern, struct strings *matches,
		struct strings *directories, struct error *err);

/* Why a path or pattern that gave no match did not; a constant string. */
const char *glob_explain(const char *root, const char *pattern);

#endif
