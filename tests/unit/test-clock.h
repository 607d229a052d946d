/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_CLOCK_H
#define KUDEV_TEST_CLOCK_H

/*
 * A clock that a test may stop: then nothing takes long, however busy the machine is, but
 * what the test says (--wrap). Timers of the loop go on.
 */

#include <stdatomic.h>

#include "base/util.h"

int64_t __real_clock_ms(void);
int64_t __wrap_clock_ms(void);

static atomic_llong stopped_at_ms; /* 0: it goes */

int64_t __wrap_clock_ms(void)
{
	int64_t now_ms = atomic_load(&stopped_at_ms);

	return now_ms > 0 ? now_ms : __real_clock_ms();
}

static inline void stop_clock(void)
{
	atomic_store(&stopped_at_ms, __real_clock_ms());
}

/* Of a clock that stands. */
static inline void move_clock(int64_t duration_ms)
{
	atomic_fetch_add(&stopped_at_ms, duration_ms);
}

static inline void start_clock(void)
{
	atomic_store(&stopped_at_ms, 0);
}

#endif
