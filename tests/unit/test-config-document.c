/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "config/document.h"
#include "test-config.h"

/* Bytes, since some hold a NUL. */
struct bytes_case {
	const char *bytes;
	size_t size;
	const char *expected;
};

#define BYTES(text) text, sizeof(text) - 1
#define GOOD "classes: [{name: a, paths: [/dev/a]}]\n"

static void check_bytes(const char *bytes, size_t size, const char *expected)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	KUDEV_AUTO(config_free) struct config *config = NULL;
	KUDEV_AUTO_FREE char *got = NULL;

	(void)config_parse(bytes, size, TEST_FILE, false, &config, &diagnostics);
	got = diagnostics_text(&diagnostics);
	assert_string_equal(got, expected);
}

static void whatever_the_bytes_are_the_outcome_is_defined(void **state)
{
	static const struct bytes_case tests[] = {
		{BYTES(GOOD), ""},
		{BYTES("\xef\xbb\xbf" GOOD), ""},
		{BYTES("%YAML 1.1\n---\n" GOOD "...\n"), ""},
		{BYTES(""), "t: is empty: it declares no classes\n"},
		{BYTES("# nothing\n"), "t: is empty: it declares no classes\n"},
		{BYTES("---\n...\n"), "t: is empty: it declares no classes\n"},
		{BYTES("~"), "t: is empty: it declares no classes\n"},
		{BYTES("\xef\xbb\xbf"), "t: is empty: it declares no classes\n"},
		{BYTES("text"), "t:1:1: expected a mapping with classes, got \"text\"\n"},
		{BYTES("[a]"), "t:1:1: expected a mapping with classes, got a list\n"},
		{BYTES("{}"), "t:1:1: no classes: the key \"classes\" is missing\n"},
		{BYTES("classes: []"), "t:1:10: classes: the list is empty\n"},
		{BYTES("classes:"), "t:1:9: classes: has no value\n"},
		{BYTES("a: b\0"), "t:1:5: a NUL byte; this is not a UTF-8 text\n"},
		{BYTES("a: \"\\0\"\n"),
		 "t:1:1: unknown key \"a\"\n"
		 "t:1:1: no classes: the key \"classes\" is missing\n"},
		{BYTES("domain: \"a\\0\"\n" GOOD),
		 "t:1:9: a text must not hold a NUL byte\n"},
		{BYTES("x\n \xc3("),
		 "t:2:2: the byte 0xc3 is not valid UTF-8; save the text as "
		 "UTF-8\n"},
		{BYTES("\xc3\xbc\x07"),
		 "t:1:2: the character U+0007 is not allowed; write it "
		 "as \"\\u0007\"\n"},
		{BYTES("\xff\xfe"
		       "a\0"),
		 "t: is UTF-16; save it as UTF-8\n"},
		{BYTES("\xfe\xff"
		       "\0a"),
		 "t: is UTF-16; save it as UTF-8\n"},
		{BYTES(GOOD "---\n" GOOD),
		 "t:2:1: a second document begins here; only one is allowed\n"},
		{BYTES("classes: [\n"),
		 "t:2:1: not valid YAML: did not find expected node "
		 "content, while parsing a flow node\n"},
		{BYTES("a: b\n  c: d\n"),
		 "t:2:4: not valid YAML: mapping values are not allowed in this context "
		 "(is a colon missing before, or are quotes around a text with a colon?)\n"},
		{BYTES("classes: *x\n"),
		 "t:1:10: not valid YAML: found undefined alias (a text that begins with * needs "
		 "quotes)\n"},
		{BYTES("domain: !foo a\n" GOOD),
		 "t:1:9: the tag \"!foo\" is not supported; remove it\n"},
		{BYTES("domain: !!binary aaaa\n" GOOD),
		 "t:1:9: the tag \"tag:yaml.org,2002:binary\" is not supported; remove it\n"},
		{BYTES("domain: !!str a.b\n" GOOD), ""},
		{BYTES("&a [*a]"),
		 "t:1:1: expected a mapping with classes, got a list\n"},
		{BYTES("classes: &a [*a]"),
		 "t:1:10: classes: expected a mapping, got a list\n"},
		{BYTES("[a]: b\n" GOOD), "t:1:1: a key must be a text, not a list\n"},
		{BYTES("<<: {a: b}\n" GOOD),
		 "t:1:1: merge keys (<<) are not supported; write the keys out\n"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++)
		check_bytes(tests[i].bytes, tests[i].size, tests[i].expected);
}

/* count times part, between a head and a tail. */
static char *repeat(const char *head, const char *part, size_t count, const char *tail)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	fputs(head, out);
	for (size_t i = 0; i < count; i++)
		fputs(part, out);
	fputs(tail, out);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void bombs_are_defused(void **state)
{
	static const struct {
		const char *head, *part, *tail, *expected;
		size_t count;
	} tests[] = {
		{"", "[", "", "t:1:65: nested more than 64 levels deep\n", 100000},
		{"", "- ", "", "t:1:129: nested more than 64 levels deep\n", 100000},
		{"", "{a: ", "", "t:1:257: nested more than 64 levels deep\n", 100000},
		{"[", "a,", "]",
		 "t:1:399996: more than 200000 values; split the configuration\n",
		 300000},
		{"- &a x\n", "- *a\n", "",
		 "t:1001:3: more than 1000 anchors and aliases\n", 100000},
		{"", "- &a x\n", "", "t:1001:3: more than 1000 anchors and aliases\n",
		 100000},
		{"#", "a", "\n", "t: is larger than 1 MiB\n", DOCUMENT_SIZE_MAX},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *text = repeat(tests[i].head, tests[i].part,
						    tests[i].count, tests[i].tail);

		check_bytes(text, strlen(text), tests[i].expected);
	}
}

static void one_mebibyte_is_read(void **state)
{
	KUDEV_AUTO_FREE char *text = repeat(GOOD "#", "a",
					    DOCUMENT_SIZE_MAX - strlen(GOOD) - 2, "\n");

	(void)state;
	assert_int_equal(strlen(text), DOCUMENT_SIZE_MAX);
	check_bytes(text, strlen(text), "");
}

/* Few nodes in the text, many by the aliases: 900 groups of 900 paths each. */
static void aliases_do_not_multiply_the_work(void **state)
{
	KUDEV_AUTO_FREE char *paths = repeat("", "{path: /dev/a},", 900, "");
	KUDEV_AUTO_FREE char *head =
		mem_printf("classes: [{name: a, groups: [{paths: &p [%s]},", paths);
	KUDEV_AUTO_FREE char *text = repeat(head, "{paths: *p},", 900, "]}]");
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	struct config *config = NULL;

	(void)state;
	assert_int_equal(config_parse(text, strlen(text), TEST_FILE, false, &config,
				      &diagnostics),
			 -EINVAL);
	assert_string_equal(diagnostics.items[0].message,
			    "too large with all aliases followed; write less");
}

static void ten_thousand_errors_are_bounded(void **state)
{
	KUDEV_AUTO_FREE char *text = repeat(GOOD, "nmae: x\n", 10000, "");
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	struct config *config = NULL;

	(void)state;
	assert_int_equal(config_parse(text, strlen(text), TEST_FILE, false, &config,
				      &diagnostics),
			 -EINVAL);
	assert_int_equal(diagnostics.count, DIAGNOSTICS_MAX);
	assert_int_equal(diagnostics.errors, 10000);
	assert_int_equal(diagnostics.items[0].line, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_the_bytes_are_the_outcome_is_defined),
		cmocka_unit_test(bombs_are_defused),
		cmocka_unit_test(one_mebibyte_is_read),
		cmocka_unit_test(aliases_do_not_multiply_the_work),
		cmocka_unit_test(ten_thousand_errors_are_bounded),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
