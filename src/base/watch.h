/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_BASE_WATCH_H
#define KUDEV_BASE_WATCH_H

/*
 * Watches directories that may not exist yet, or come and go: while one is missing, its
 * nearest ancestor is watched for it. One inotify descriptor serves the whole process,
 * since a node has few of them (fs.inotify.max_user_instances is 128 by default).
 *
 * A callback says only that something changed; the owner looks what. inotify can be
 * absent, lose events (overflow) and never sees a mount over a directory, so owners also
 * look now and then on their own: often when watcher_is_live() is false, seldom
 * otherwise. Thread: the loop thread.
 */

#include <stdbool.h>

#include "base/loop.h"

struct watcher;
struct watch;

/* Never fails: without inotify, which is logged, the watches are silent. */
struct watcher *watcher_new(struct loop *loop);
struct watcher *watcher_free(struct watcher *watcher);

/* Whether every watch is backed by inotify. */
bool watcher_is_live(const struct watcher *watcher);

/*
 * Looks anew where each watch has to be, for what inotify can't tell (a directory mounted
 * over or moved with its parent). Calls back those whose directory is another one now.
 */
void watcher_recheck(struct watcher *watcher);

/*
 * on_change runs once for any number of changes that were read together: an entry of the
 * directory appeared, vanished or was renamed, or the directory itself did. path is
 * absolute.
 */
struct watch *watch_new(struct watcher *watcher, const char *path,
			loop_callback on_change, void *data);
/* From then on also when a file in the directory was written and closed. */
void watch_writes(struct watch *watch);
struct watch *watch_free(struct watch *watch);

#endif
