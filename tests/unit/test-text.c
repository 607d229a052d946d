/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"

static void quote_shows_what_is_there_and_forges_nothing(void **state)
{
	static const struct {
		const char *text, *expected;
	} tests[] = {
		{"", "\"\""},
		{"abc", "\"abc\""},
		{"a\"b\\c", "\"a\\\"b\\\\c\""},
		{"a\nb\tc", "\"a\\nb\\tc\""},
		{"\x1b[2J\x7f", "\"\\x1b[2J\\x7f\""},
		{"\xc2\x9b", "\"\\x9b\""},
		{"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
		{"a\xff\xc3", "\"a\\xff\\xc3\""},
		{"\xed\xa0\x80", "\"\\xed\\xa0\\x80\""},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *got = text_quote(tests[i].text);

		assert_string_equal(got, tests[i].expected);
	}
}

static void quote_cuts_off_a_long_text_between_characters(void **state)
{
	char text[302];
	KUDEV_AUTO_FREE char *got = NULL;

	(void)state;
	memset(text, 'a', 79);
	for (size_t i = 79; i < 301; i += 2)
		memcpy(text + i, "\xc3\xbc", 2);
	text[301] = '\0';
	got = text_quote(text);
	assert_int_equal(strlen(got), 1 + 81 + 3 + 1);
	assert_memory_equal(got + 80, "\xc3\xbc\xe2\x80\xa6\"", 6);
}

static void decode_takes_utf8_alone(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
		uint32_t rune;
	} tests[] = {
		{"a", 1, 'a'},
		{"\xc3\xbc", 2, 0xfc},
		{"\xe2\x80\xa6", 3, 0x2026},
		{"\xf0\x9f\x98\x80", 4, 0x1f600},
		{"\xc0\x80", 0, 0},
		{"\xe0\x80\x80", 0, 0},
		{"\xed\xa0\x80", 0, 0},
		{"\xf4\x90\x80\x80", 0, 0},
		{"\x80", 0, 0},
		{"\xc3", 0, 0},
		{"\xc3(", 0, 0},
		{"\xf8\x88\x80\x80\x80", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		uint32_t rune = 0;

		assert_int_equal(text_decode(tests[i].bytes, strlen(tests[i].bytes),
					     &rune),
				 tests[i].length);
		assert_int_equal(rune, tests[i].rune);
	}
}

static void join_reads_as_a_sentence(void **state)
{
	static const struct {
		const char *words[4], *expected;
	} tests[] = {
		{{NULL}, ""},
		{{"a", NULL}, "a"},
		{{"a", "b", NULL}, "a or b"},
		{{"a", "b", "c", NULL}, "a, b or c"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *got = text_join(tests[i].words, "or");

		assert_string_equal(got, tests[i].expected);
	}
}

static void nearest_finds_slips_and_nothing_else(void **state)
{
	static const char *const words[] = {
		"name", "mountPath", "permissions", "limit", "pluginDirectory",
		"env",	"usb",	     NULL};
	static const struct {
		const char *text, *expected;
	} tests[] = {
		{"nmae", "name"},
		{"Name", "name"},
		{"mount_path", "mountPath"},
		{"mountpath", "mountPath"},
		{"limitt", "limit"},
		{"permission", "permissions"},
		{"premissions", "permissions"},
		{"plugin-directory", "pluginDirectory"},
		{"evn", "env"},
		{"usbs", "usb"},
		{"colour", NULL},
		{"x", NULL},
		{"", NULL},
		{"abc", NULL},
		{"thisisalongwordthatisnoslipofoursatall", NULL},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		const char *got = text_nearest(tests[i].text, words);

		assert_string_equal(got ? got : "-",
				    tests[i].expected ? tests[i].expected : "-");
	}
}

static void clean_leaves_utf8_alone(void **state)
{
	static const struct {
		const char *text, *clean;
	} tests[] = {
		{"", ""},
		{"abc", "abc"},
		{"\xc3\xa4\xe2\x82\xac", "\xc3\xa4\xe2\x82\xac"},
		{"a\xff"
		 "b",
		 "a\xef\xbf\xbd"
		 "b"},
		{"\xc3", "\xef\xbf\xbd"},
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *clean = text_clean(tests[i].text);

		assert_string_equal(clean, tests[i].clean);
	}
}

static void legible_steers_no_terminal(void **state)
{
	static const struct {
		const char *text, *legible;
	} tests[] = {
		{"", ""},
		{"a \\x20 \xc3\xa4", "a \\x20 \xc3\xa4"},
		{"\x1b[2J\n\x7f", "\\x1b[2J\\x0a\\x7f"},
		{"\xff\xc3", "\\xff\\xc3"},
		/* The same as an escape and a bracket, in one character. */
		{"\xc2\x9b", "\\xc2\\x9b"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *legible = text_legible(tests[i].text);

		assert_string_equal(legible, tests[i].legible);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quote_shows_what_is_there_and_forges_nothing),
		cmocka_unit_test(quote_cuts_off_a_long_text_between_characters),
		cmocka_unit_test(decode_takes_utf8_alone),
		cmocka_unit_test(clean_leaves_utf8_alone),
		cmocka_unit_test(legible_steers_no_terminal),
		cmocka_unit_test(join_reads_as_a_sentence),
		cmocka_unit_test(nearest_finds_slips_and_nothing_else),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
