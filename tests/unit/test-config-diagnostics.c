/* SPDX-License-Identifier: Apache-2.0 */
#include "test-config.h"

static void they_stand_in_the_order_of_the_text(void **state)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	KUDEV_AUTO_FREE char *text = NULL;

	(void)state;
	diagnostics_add(&diagnostics, DIAGNOSTIC_ERROR, "b", 3, 1, "third");
	diagnostics_add(&diagnostics, DIAGNOSTIC_ERROR, "b", 1, 9, "first");
	diagnostics_add(&diagnostics, DIAGNOSTIC_WARNING, "a", 0, 0, "no place");
	diagnostics_add(&diagnostics, DIAGNOSTIC_NOTE, "a", 0, 0, "and no harm");
	diagnostics_add(&diagnostics, DIAGNOSTIC_ERROR, "b", 3, 1, "same place, later");
	diagnostics_add(&diagnostics, DIAGNOSTIC_ERROR, "b", 2, 10, "%s", "second");
	text = diagnostics_text(&diagnostics);
	assert_string_equal(text, "b:1:9: first\n"
				  "b:2:10: second\n"
				  "b:3:1: third\n"
				  "b:3:1: same place, later\n"
				  "a: warning: no place\n"
				  "a: note: and no harm\n");
	assert_int_equal(diagnostics.errors, 4);
}

static void ten_thousand_are_bounded_and_counted(void **state)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	KUDEV_AUTO_FREE char *text = NULL;

	(void)state;
	for (unsigned i = 10000; i > 0; i--)
		diagnostics_add(&diagnostics, DIAGNOSTIC_ERROR, "f", i, 1, "error %u", i);
	assert_int_equal(diagnostics.count, DIAGNOSTICS_MAX);
	assert_int_equal(diagnostics.errors, 10000);
	assert_int_equal(diagnostics.dropped, 10000 - DIAGNOSTICS_MAX);
	assert_int_equal(diagnostics.items[0].line, 1);
	assert_int_equal(diagnostics.items[DIAGNOSTICS_MAX - 1].line, DIAGNOSTICS_MAX);
	text = diagnostics_text(&diagnostics);
	assert_non_null(strstr(text, "f:100:1: error 100\nand 9900 more\n"));
}

static void warnings_and_notes_never_hide_an_error(void **state)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};

	(void)state;
	for (unsigned i = 1; i <= 2 * DIAGNOSTICS_MAX; i++)
		diagnostics_add(&diagnostics,
				i % 2 ? DIAGNOSTIC_WARNING : DIAGNOSTIC_NOTE, "f", i, 1,
				"no error");
	diagnostics_add(&diagnostics, DIAGNOSTIC_ERROR, "f", 999, 1, "error");
	assert_int_equal(diagnostics.count, DIAGNOSTICS_MAX);
	assert_int_equal(diagnostics.items[DIAGNOSTICS_MAX - 1].severity,
			 DIAGNOSTIC_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_stand_in_the_order_of_the_text),
		cmocka_unit_test(ten_thousand_are_bounded_and_counted),
		cmocka_unit_test(warnings_and_notes_never_hide_an_error),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
