/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_DAEMON_H
#define KUDEV_DAEMON_H

/*
 * The composition root: makes every part of a running kudev from a configuration, joins
 * them, and takes them apart again in the reverse order.
 *
 *	discovery → inventory → plugins → registrar → kubelet
 *
 * Thread: the loop thread.
 */

#include "base/loop.h"
#include "config/config.h"

struct daemon;

/*
 * Starts everything that the configuration asks for; config must outlive the daemon. What
 * can't work yet (no kubelet, no devices) is waited for, not an error.
 */
int daemon_new(struct loop *loop, const struct config *config, struct daemon **ret,
	       struct error *err);

/*
 * Takes kudev's sockets away and ends its calls; on_stopped runs when the last one is
 * over, which takes a few milliseconds unless a peer hangs.
 */
void daemon_stop(struct daemon *daemon, loop_callback on_stopped, void *data);

/* After on_stopped. */
struct daemon *daemon_free(struct daemon *daemon);

#endif
