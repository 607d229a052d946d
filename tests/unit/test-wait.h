/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_WAIT_H
#define KUDEV_TEST_WAIT_H

/* Runs the loop until something holds; what never comes fails the test after a while. */

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "base/loop.h"

/* Far more than anything takes, also under a sanitizer on a busy machine. */
#define WAIT_MAX_MS 20000

/* Not clock_ms(), which some tests have in hand. */
static inline int64_t wait_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct wait {
	struct loop *loop;
	struct loop_timer *timer;
	bool (*holds)(void *data);
	void *data;
	int64_t deadline_ms;
	bool held;
};

static inline void wait_look(void *data)
{
	struct wait *wait = data;
	bool is_last = wait_clock_ms() > wait->deadline_ms;

	wait->held = wait->holds(wait->data);
	if (wait->held || is_last)
		loop_stop(wait->loop);
	else
		loop_timer_set(wait->timer, 1);
}

/* Returns whether it came to hold in time. */
static inline bool wait_for(struct loop *loop, bool (*holds)(void *data), void *data)
{
	struct wait wait = {
		.loop = loop,
		.holds = holds,
		.data = data,
		.deadline_ms = wait_clock_ms() + WAIT_MAX_MS,
	};

	wait.timer = loop_timer_new(loop, wait_look, &wait);
	loop_timer_set(wait.timer, 0);
	loop_run(loop);
	loop_timer_free(wait.timer);
	return wait.held;
}

static inline bool wait_is_set(void *data)
{
	return *(const bool *)data;
}

/* For a callback of the code under test that says that it ran. */
static inline void wait_set(void *data)
{
	*(bool *)data = true;
}

struct wait_count {
	unsigned count;
	unsigned wanted;
};

static inline void wait_add(void *data)
{
	struct wait_count *count = data;

	count->count++;
}

static inline bool wait_is_enough(void *data)
{
	const struct wait_count *count = data;

	return count->count >= count->wanted;
}

/* For what a thread posts without the loop; false: not in time. */
static inline bool wait_for_post(sem_t *semaphore)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += WAIT_MAX_MS / 1000;
	return sem_timedwait(semaphore, &deadline) == 0;
}

#define assert_posted(semaphore) assert_true(wait_for_post(semaphore))

#define assert_comes(loop, holds, data) assert_true(wait_for(loop, holds, data))

#endif
