/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "http/exposition.h"

static const struct metric counter = {"a", METRIC_COUNTER, "Counts.", {"x", "y"}};
static const struct metric gauge = {"b", METRIC_GAUGE, "Is.", {NULL}};
static const struct metric info = {"c", METRIC_INFO, "Tells.", {"x"}};
static const struct metric times = {"d_seconds", METRIC_HISTOGRAM, "Took.", {"x"}};

static void add_all(struct exposition *exposition)
{
	exposition_begin(exposition, &counter);
	exposition_add(exposition, 3, (const char *const[]){"1", "2"});
	exposition_add(exposition, 9007199254740991, (const char *const[]){"", "2"});
	exposition_begin(exposition, &gauge);
	exposition_add(exposition, 0.1, NULL);
	exposition_begin(exposition, &info);
	exposition_add(exposition, 1, (const char *const[]){"v"});
}

static void both_formats_name_families_as_they_want(void **state)
{
	static const struct {
		bool is_openmetrics;
		const char *text;
	} tests[] = {
		{false, "# HELP a_total Counts.\n"
			"# TYPE a_total counter\n"
			"a_total{x=\"1\",y=\"2\"} 3\n"
			"a_total{x=\"\",y=\"2\"} 9007199254740991\n"
			"# HELP b Is.\n"
			"# TYPE b gauge\n"
			"b 0.1\n"
			"# HELP c_info Tells.\n"
			"# TYPE c_info gauge\n"
			"c_info{x=\"v\"} 1\n"},
		{true, "# HELP a Counts.\n"
		       "# TYPE a counter\n"
		       "a_total{x=\"1\",y=\"2\"} 3\n"
		       "a_total{x=\"\",y=\"2\"} 9007199254740991\n"
		       "# HELP b Is.\n"
		       "# TYPE b gauge\n"
		       "b 0.1\n"
		       "# HELP c Tells.\n"
		       "# TYPE c info\n"
		       "c_info{x=\"v\"} 1\n"
		       "# EOF\n"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		struct exposition *exposition = exposition_new(tests[i].is_openmetrics);
		KUDEV_AUTO_FREE char *text = NULL;
		size_t size;

		add_all(exposition);
		text = exposition_end(exposition, &size);
		assert_string_equal(text, tests[i].text);
		assert_int_equal(size, strlen(text));
	}
}

static void values_of_labels_are_escaped(void **state)
{
	static const struct {
		const char *value, *text;
	} tests[] = {
		{"plain /dev/x", "plain /dev/x"},
		{"a\"b\\c\nd", "a\\\"b\\\\c\\nd"},
		{"\xc3\xa4\xff", "\xc3\xa4\xef\xbf\xbd"},
		{"{},=", "{},="},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		struct exposition *exposition = exposition_new(false);
		KUDEV_AUTO_FREE char *expected =
			mem_printf("# HELP c_info Tells.\n# TYPE c_info gauge\n"
				   "c_info{x=\"%s\"} 1\n",
				   tests[i].text);
		KUDEV_AUTO_FREE char *text = NULL;
		size_t size;

		exposition_begin(exposition, &info);
		exposition_add(exposition, 1, &tests[i].value);
		text = exposition_end(exposition, &size);
		assert_string_equal(text, expected);
	}
}

static void a_histogram_adds_up_to_its_count(void **state)
{
	struct exposition *exposition = exposition_new(false);
	KUDEV_AUTO_FREE char *text = NULL;
	struct histogram histogram = {0};
	size_t size;

	(void)state;
	histogram_add(&histogram, 50);
	histogram_add(&histogram, 2000);
	histogram_add(&histogram, 60000000);
	exposition_begin(exposition, &times);
	exposition_add_histogram(exposition, &histogram, (const char *const[]){"v"});
	text = exposition_end(exposition, &size);
	assert_string_equal(text, "# HELP d_seconds Took.\n"
				  "# TYPE d_seconds histogram\n"
				  "d_seconds_bucket{x=\"v\",le=\"0.0001\"} 1\n"
				  "d_seconds_bucket{x=\"v\",le=\"0.0005\"} 1\n"
				  "d_seconds_bucket{x=\"v\",le=\"0.001\"} 1\n"
				  "d_seconds_bucket{x=\"v\",le=\"0.0025\"} 2\n"
				  "d_seconds_bucket{x=\"v\",le=\"0.005\"} 2\n"
				  "d_seconds_bucket{x=\"v\",le=\"0.01\"} 2\n"
				  "d_seconds_bucket{x=\"v\",le=\"0.025\"} 2\n"
				  "d_seconds_bucket{x=\"v\",le=\"0.05\"} 2\n"
				  "d_seconds_bucket{x=\"v\",le=\"0.1\"} 2\n"
				  "d_seconds_bucket{x=\"v\",le=\"0.25\"} 2\n"
				  "d_seconds_bucket{x=\"v\",le=\"0.5\"} 2\n"
				  "d_seconds_bucket{x=\"v\",le=\"2.5\"} 2\n"
				  "d_seconds_bucket{x=\"v\",le=\"30.0\"} 2\n"
				  "d_seconds_bucket{x=\"v\",le=\"+Inf\"} 3\n"
				  "d_seconds_sum{x=\"v\"} 60.00205\n"
				  "d_seconds_count{x=\"v\"} 3\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_formats_name_families_as_they_want),
		cmocka_unit_test(values_of_labels_are_escaped),
		cmocka_unit_test(a_histogram_adds_up_to_its_count),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
