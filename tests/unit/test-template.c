/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/template.h"

static const char *const names[] = {"id", "path", "index", "time", NULL};
static const char *const values[] = {"d-1", "/dev/a", "0", NULL};

#define ID (1U << 0)
#define PATH (1U << 1)
#define INDEX (1U << 2)
#define TIME (1U << 3)
#define ALL (ID | PATH | INDEX | TIME)

static void expansion_puts_values_in_the_place_of_variables(void **state)
{
	static const struct {
		const char *text, *expected;
		unsigned uses;
	} tests[] = {
		{"", "", 0},
		{"plain", "plain", 0},
		{"{id}", "d-1", ID},
		{"a{id}b{path}c", "ad-1b/dev/ac", ID | PATH},
		{"{id}{id}", "d-1d-1", ID},
		{"{{id}}", "{id}", 0},
		{"{{{id}}}", "{d-1}", ID},
		{"}}{{", "}{", 0},
		{"{{}}", "{}", 0},
		{"[{time}]", "[]", TIME},
		{"\xc3\xbc{index}",
		 "\xc3\xbc"
		 "0",
		 INDEX},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO(template_free) struct template *template = NULL;
		KUDEV_AUTO_FREE char *got = NULL;

		assert_int_equal(template_new(tests[i].text, names, ALL, &template, NULL),
				 0);
		got = template_expand(template, values);
		assert_string_equal(got, tests[i].expected);
		assert_string_equal(template_text(template), tests[i].text);
		assert_int_equal(template_uses(template), tests[i].uses);
	}
}

static void mistakes_are_named_with_their_place(void **state)
{
	static const struct {
		const char *text;
		unsigned allowed;
		const char *expected;
	} tests[] = {
		{"a}b", ALL, "the } at character 2 closes nothing; a brace itself is }}"},
		{"}", ALL, "the } at character 1 closes nothing; a brace itself is }}"},
		{"{id}}", ALL,
		 "the } at character 5 closes nothing; a brace itself is }}"},
		{"ab{id", ALL,
		 "the { at character 3 is not closed; a brace itself is {{"},
		{"{", ALL, "the { at character 1 is not closed; a brace itself is {{"},
		{"{i{id}", ALL,
		 "the { at character 1 is not closed; a brace itself is {{"},
		{"{idd}", ALL,
		 "unknown variable \"idd\" at character 1 (did you mean {id}?); available here: "
		 "id, path, index and time"},
		{"x{}", ALL,
		 "unknown variable \"\" at character 2; available here: id, path, index and "
		 "time"},
		{"{zebra\n}", ID,
		 "unknown variable \"zebra\\n\" at character 1; available here: id"},
		{"{time}", ID | INDEX,
		 "variable {time} at character 1 cannot be used here; available: id and index"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_ERROR struct error err = {0};
		struct template *template = NULL;

		assert_int_equal(template_new(tests[i].text, names, tests[i].allowed,
					      &template, &err),
				 -EINVAL);
		assert_null(template);
		assert_string_equal(error_message(&err), tests[i].expected);
	}
}

static void freeing_nothing_is_fine(void **state)
{
	(void)state;
	assert_null(template_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expansion_puts_values_in_the_place_of_variables),
		cmocka_unit_test(mistakes_are_named_with_their_place),
		cmocka_unit_test(freeing_nothing_is_fine),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
