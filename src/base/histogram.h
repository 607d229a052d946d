/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_BASE_HISTOGRAM_H
#define KUDEV_BASE_HISTOGRAM_H

/*
 * How long things took: counts by duration, which whoever did the things keeps beside its
 * other state. All have the same bounds, from a call that is answered from memory to a
 * device that times out. Thread: the owner's.
 */

#include <stdint.h>

#define HISTOGRAM_BOUNDS 13

struct histogram {
	/* By the first bound that is not exceeded; the last: longer than all of them. */
	uint64_t counts[HISTOGRAM_BOUNDS + 1];
	uint64_t sum_us;
};

/* Rising. */
extern const uint64_t histogram_bounds_us[HISTOGRAM_BOUNDS];

/* Zero-initialise the histogram first. A negative duration counts as none. */
void histogram_add(struct histogram *histogram, int64_t duration_us);

uint64_t histogram_count(const struct histogram *histogram);

#endif
