/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_BASE_LOOP_H
#define KUDEV_BASE_LOOP_H

/*
 * The event loop: file descriptors, timers and signals (libevent behind it), and a queue
 * through which other threads hand work to the loop thread. All calls but loop_post() are
 * for the loop thread. Callbacks may free the object that called them.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/util.h"

struct loop;
struct loop_timer;
struct loop_watch;
struct loop_signal;

typedef void (*loop_callback)(void *data);

/* The error says what to do if there are not enough descriptors to start with. */
int loop_new(struct loop **ret, struct error *err);

/* Everything made from the loop must be gone by then; posted work is dropped. */
struct loop *loop_free(struct loop *loop);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* A one-shot timer, unset at first. */
struct loop_timer *loop_timer_new(struct loop *loop, loop_callback on_expired,
				  void *data);
struct loop_timer *loop_timer_free(struct loop_timer *timer);

/* Starts or restarts the timer; 0 means: in the next round of the loop. */
void loop_timer_set(struct loop_timer *timer, int64_t delay_ms);
void loop_timer_cancel(struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);

/* Calls back whenever fd, which stays the caller's, can be read. */
struct loop_watch *loop_watch_new(struct loop *loop, int fd, loop_callback on_readable,
				  void *data);
/* The same whenever fd can be written to; paused at first. */
struct loop_watch *loop_watch_new_output(struct loop *loop, int fd,
					 loop_callback on_writable, void *data);
struct loop_watch *loop_watch_free(struct loop_watch *watch);
void loop_watch_pause(struct loop_watch *watch, bool paused);

typedef void (*loop_signal_callback)(int signum, void *data);

/*
 * Takes over the signal until it is freed: it is blocked in this thread and in those that it
 * starts. Several that come before the callback runs are one; none is lost.
 */
struct loop_signal *loop_signal_new(struct loop *loop, int signum,
				    loop_signal_callback on_signal, void *data);
struct loop_signal *loop_signal_free(struct loop_signal *signal);

/*
 * A piece of work for the loop thread, embedded in what it is about. Thread: any may call
 * loop_post(); the item belongs to the loop until its callback runs.
 */
struct loop_work {
	struct loop_work *next;
	void (*run)(struct loop_work *work);
};

void loop_post(struct loop *loop, struct loop_work *work);

KUDEV_DEFINE_CLEANUP(struct loop *, loop_free)

#endif
