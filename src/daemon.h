/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_DAEMON_H
#define KUDEV_DAEMON_H

/*
 * The composition root: makes every part of a running kudev from a configuration, joins
 * them, and takes them apart again in the reverse order.
 *
 *	discovery → inventory → plugins → registrar → kubelet
 *	                all of them are looked at by → site
 *
 * Thread: the loop thread.
 */

#include "base/watch.h"
#include "config/config.h"

struct daemon;
struct reload_state;

/*
 * Starts everything that the configuration asks for; config must outlive the daemon, or
 * the next daemon_change(). What can't work yet (no kubelet, no devices) is waited for, not
 * an error.
 */
int daemon_new(struct loop *loop, const struct config *config, struct daemon **ret,
	       struct error *err);

/*
 * Goes on with another configuration, which must then outlive the daemon or the next change,
 * as the old one must until this returns. Classes that are the same keep socket, stream and
 * devices; of those that are changed, what differs takes effect without a registration. The
 * settings that are no class's are taken as they were at the start: see config_keep_start().
 */
void daemon_change(struct daemon *daemon, const struct config *next);

/*
 * How it stands with the configuration, which is shown: for who reads it again to write. The
 * daemon frees what is in it.
 */
struct reload_state *daemon_reload_state(struct daemon *daemon);

/*
 * Takes kudev's sockets away and ends its calls; on_stopped runs when the last one is
 * over, which takes a few milliseconds unless a peer hangs.
 */
void daemon_stop(struct daemon *daemon, loop_callback on_stopped, void *data);

/* The process has one. */
struct watcher *daemon_watcher(struct daemon *daemon);

/* After on_stopped. */
struct daemon *daemon_free(struct daemon *daemon);

#endif
