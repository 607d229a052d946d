/* SPDX-License-Identifier: Apache-2.0 */
#include "base/histogram.h"

const uint64_t histogram_bounds_us[HISTOGRAM_BOUNDS] = {
	100,   500,    1000,   2500,   5000,	10000,	  25000,
	50000, 100000, 250000, 500000, 2500000, 30000000,
};

void histogram_add(struct histogram *histogram, int64_t duration_us)
{
	uint64_t duration = duration_us > 0 ? (uint64_t)duration_us : 0;
	unsigned at = 0;

	while (at < HISTOGRAM_BOUNDS && duration > histogram_bounds_us[at])
		at++;
	histogram->counts[at]++;
	histogram->sum_us += duration;
}

uint64_t histogram_count(const struct histogram *histogram)
{
	uint64_t count = 0;

	for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
		count += histogram->counts[i];
	return count;
}
