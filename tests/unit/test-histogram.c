/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/histogram.h"
#include "base/util.h"

static void a_duration_counts_under_the_first_bound_that_holds_it(void **state)
{
	static const struct {
		int64_t duration_us;
		unsigned at;
	} tests[] = {
		{0, 0},
		{100, 0},
		{101, 1},
		{500, 1},
		{1000, 2},
		{1001, 3},
		{30000000, HISTOGRAM_BOUNDS - 1},
		{30000001, HISTOGRAM_BOUNDS},
		{INT64_MAX, HISTOGRAM_BOUNDS},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		struct histogram histogram = {0};

		histogram_add(&histogram, tests[i].duration_us);
		assert_int_equal(histogram.counts[tests[i].at], 1);
		assert_int_equal(histogram_count(&histogram), 1);
		assert_int_equal(histogram.sum_us, tests[i].duration_us);
	}
}

static void a_clock_that_went_back_counts_as_no_time(void **state)
{
	struct histogram histogram = {0};

	(void)state;
	histogram_add(&histogram, -5);
	assert_int_equal(histogram.counts[0], 1);
	assert_int_equal(histogram.sum_us, 0);
}

static void the_bounds_rise(void **state)
{
	(void)state;
	for (unsigned i = 1; i < HISTOGRAM_BOUNDS; i++)
		assert_true(histogram_bounds_us[i - 1] < histogram_bounds_us[i]);
}

static void durations_add_up(void **state)
{
	struct histogram histogram = {0};

	(void)state;
	for (int64_t i = 1; i <= 1000; i++)
		histogram_add(&histogram, i);
	assert_int_equal(histogram_count(&histogram), 1000);
	assert_int_equal(histogram.counts[0], 100);
	assert_int_equal(histogram.counts[1], 400);
	assert_int_equal(histogram.counts[2], 500);
	assert_int_equal(histogram.sum_us, 500500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_duration_counts_under_the_first_bound_that_holds_it),
		cmocka_unit_test(a_clock_that_went_back_counts_as_no_time),
		cmocka_unit_test(the_bounds_rise),
		cmocka_unit_test(durations_add_up),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
