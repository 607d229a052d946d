/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_SOURCE_DUMMY_H
#define KUDEV_SOURCE_DUMMY_H

/*
 * Links to /dev/null that stand for cameras which the kernel can't give. What else is in their
 * place stays. Thread: any.
 */

#include <stdbool.h>

bool dummy_is_there(const char *path);

/* 0 also if it is there already; else -errno. */
int dummy_make(const char *path);
/* Whether that would do, as far as it can be told: 0 or -errno. */
int dummy_preview(const char *path);
void dummy_remove(const char *path);

#endif
