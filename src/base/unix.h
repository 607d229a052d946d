/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_BASE_UNIX_H
#define KUDEV_BASE_UNIX_H

/* Stream sockets of the unix family, non-blocking and close-on-exec. Thread: any. */

#include "base/error.h"

/* The path in "unix:PATH", a part of it; NULL: it is another kind of address. */
const char *unix_path_of(const char *address);

/*
 * Connects; returns the descriptor. The error is that of connect(2): -ECONNREFUSED if
 * nobody listens, -EAGAIN if the backlog is full, -ENAMETOOLONG from 108 bytes on.
 */
int unix_connect(const char *path, struct error *err);

/*
 * Makes a socket of mode 0600 at the path and listens on it; returns the descriptor. The
 * umask is changed for a moment.
 */
int unix_listen(const char *path, struct error *err);

#endif
