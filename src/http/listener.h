/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_HTTP_LISTENER_H
#define KUDEV_HTTP_LISTENER_H

/*
 * Listens on an address of the configuration, and hands over who connects. An address that
 * can't be had, as while another kudev still has it, is logged once and tried again for
 * ever. Thread: the loop thread.
 */

#include <stdbool.h>

#include "base/worker.h"

struct listener;

struct listener_callbacks {
	/* Asked before each connection; false: not now, and then the listener is paused. */
	bool (*has_room)(void *data);
	/* The descriptor, non-blocking and close-on-exec, is the callee's. */
	void (*on_connection)(int fd, void *data);
};

/* address is as config/value.c takes it, but not "none". */
struct listener *listener_new(struct loop *loop, struct worker *worker,
			      const char *address,
			      const struct listener_callbacks *callbacks, void *data);
struct listener *listener_free(struct listener *listener);

/* Whether who connects has to wait; may be said any number of times. */
void listener_pause(struct listener *listener, bool paused);

#endif
