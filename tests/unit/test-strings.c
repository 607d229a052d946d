/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/strings.h"
#include "base/util.h"

static void items_are_joined_in_their_order(void **state)
{
	static const struct {
		const char *items[4];
		const char *expected;
	} tests[] = {
		{{NULL}, ""},		{{"", NULL}, ""},
		{{"a", NULL}, "a"},	{{"b", "a", "b", NULL}, "b, a, b"},
		{{"", "", NULL}, ", "},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_STRINGS struct strings strings = {0};
		KUDEV_AUTO_FREE char *got = NULL;

		for (size_t j = 0; tests[i].items[j]; j++)
			strings_add(&strings, tests[i].items[j]);
		got = strings_join(&strings, ", ");
		assert_string_equal(got, tests[i].expected);
	}
}

static void equal_items_are_added_once_where_asked(void **state)
{
	KUDEV_AUTO_STRINGS struct strings strings = {0};
	KUDEV_AUTO_FREE char *got = NULL;

	(void)state;
	strings_add_unique(&strings, "a");
	strings_add_unique(&strings, "b");
	strings_add_unique(&strings, "a");
	assert_true(strings_contain(&strings, "b"));
	assert_false(strings_contain(&strings, "c"));
	got = strings_join(&strings, "");
	assert_string_equal(got, "ab");
}

static void the_order_is_that_of_bytes(void **state)
{
	KUDEV_AUTO_STRINGS struct strings strings = {0};
	KUDEV_AUTO_FREE char *got = NULL;

	(void)state;
	strings_sort(&strings);
	strings_add(&strings, "\xc3\xa4");
	strings_add(&strings, "b10");
	strings_add(&strings, "b2");
	strings_add(&strings, "B");
	strings_add(&strings, "");
	strings_sort(&strings);
	got = strings_join(&strings, "|");
	assert_string_equal(got, "|B|b10|b2|\xc3\xa4");
}

static void many_items_and_a_second_life(void **state)
{
	struct strings strings = {0};

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		strings_take(&strings, mem_printf("%u", i));
	assert_int_equal(strings.count, 1000);
	assert_string_equal(strings.items[999], "999");
	strings_clear(&strings);
	assert_int_equal(strings.count, 0);
	strings_add(&strings, "x");
	assert_int_equal(strings.count, 1);
	strings_clear(&strings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_are_joined_in_their_order),
		cmocka_unit_test(equal_items_are_added_once_where_asked),
		cmocka_unit_test(the_order_is_that_of_bytes),
		cmocka_unit_test(many_items_and_a_second_life),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
