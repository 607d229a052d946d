/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "config/pattern.h"

static void paths_are_cleaned_as_go_does(void **state)
{
	static const struct {
		const char *path, *expected;
	} tests[] = {
		{"/", "/"},
		{"//", "/"},
		{"/dev/", "/dev"},
		{"/dev//a", "/dev/a"},
		{"/dev/./a", "/dev/a"},
		{"/dev/../a", "/a"},
		{"/../../a", "/a"},
		{"/dev/a/..", "/dev"},
		{"/..", "/"},
		{"/...", "/..."},
		{"/.a/..b", "/.a/..b"},
		{"///a///b///", "/a/b"},
		{"/a/b/../../..", "/"},
		{"/a/./../b/.", "/b"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *got = path_clean(tests[i].path);

		assert_string_equal(got, tests[i].expected);
	}
}

static void good_patterns_come_out_clean(void **state)
{
	static const struct {
		const char *text, *expected;
		unsigned flags;
	} tests[] = {
		{"/dev/fuse", "/dev/fuse", 0},
		{"/dev/ttyUSB*", "/dev/ttyUSB*", 0},
		{"//dev/./x/../tty?/", "/dev/tty?", 0},
		{"/dev/*/x", "/dev/*/x", 0},
		{"/dev/[a-c]", "/dev/[a-c]", 0},
		{"/dev/[^a-c0-9x]", "/dev/[^a-c0-9x]", 0},
		{"/dev/[\\]\\-\\!]", "/dev/[\\]\\-\\!]", 0},
		{"/dev/[a!]", "/dev/[a!]", 0},
		{"/dev/[a^]", "/dev/[a^]", 0},
		{"/dev/[[]", "/dev/[[]", 0},
		{"/dev/a]", "/dev/a]", 0},
		{"/dev/\\*", "/dev/\\*", 0},
		{"/dev/{a,b}", "/dev/{a,b}", 0},
		{"/dev/**", "/dev/**", PATTERN_DOUBLE_STAR},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *got = NULL;

		assert_int_equal(pattern_parse(tests[i].text, tests[i].flags, &got, NULL),
				 0);
		assert_string_equal(got, tests[i].expected);
	}
}

static void bad_patterns_are_named_with_the_place(void **state)
{
	static const struct {
		const char *text, *expected;
	} tests[] = {
		{"", "the path is empty"},
		{"dev/a", "\"dev/a\" is not an absolute path: it must begin with /"},
		{"/", "\"/\" is the root directory, which is no device"},
		{"/dev/..", "\"/dev/..\" is the root directory, which is no device"},
		{"/dev/a\nb", "\"/dev/a\\nb\" holds a control character"},
		{"/dev/[",
		 "bad pattern \"/dev/[\" at character 7: the set that [ opens is "
		 "not closed"},
		{"/dev/[a",
		 "bad pattern \"/dev/[a\" at character 8: the set that [ opens is "
		 "not closed"},
		{"/dev/[^",
		 "bad pattern \"/dev/[^\" at character 8: the set that [ opens is "
		 "not closed"},
		{"/dev/[a\\",
		 "bad pattern \"/dev/[a\\\\\" at character 9: the set that [ "
		 "opens is not closed"},
		{"/dev/[]",
		 "bad pattern \"/dev/[]\" at character 7: a set needs a character "
		 "here; \\ takes - and ] literally"},
		{"/dev/[]a]", "bad pattern \"/dev/[]a]\" at character 7: a set needs a "
			      "character here; \\ takes - and ] literally"},
		{"/dev/[-a]", "bad pattern \"/dev/[-a]\" at character 7: a set needs a "
			      "character here; \\ takes - and ] literally"},
		{"/dev/[a-]", "bad pattern \"/dev/[a-]\" at character 9: a set needs a "
			      "character here; \\ takes - and ] literally"},
		{"/dev/[^]",
		 "bad pattern \"/dev/[^]\" at character 8: a set needs a character "
		 "here; \\ takes - and ] literally"},
		{"/dev/[z-a]",
		 "bad pattern \"/dev/[z-a]\" at character 7: the range runs "
		 "backwards and matches nothing"},
		{"/dev/[a/b]",
		 "bad pattern \"/dev/[a/b]\" at character 8: no set matches a /"},
		{"/dev/[!a]",
		 "bad pattern \"/dev/[!a]\" at character 7: for the opposite of a "
		 "set write [^\xe2\x80\xa6], for a ! write \\!"},
		{"/dev/[[:alpha:]]",
		 "bad pattern \"/dev/[[:alpha:]]\" at character 7: named "
		 "classes are not supported; list the characters, as in "
		 "[a-z]"},
		{"/dev/[a[.b.]]",
		 "bad pattern \"/dev/[a[.b.]]\" at character 8: named classes "
		 "are not supported; list the characters, as in [a-z]"},
		{"/dev/[[=b=]]",
		 "bad pattern \"/dev/[[=b=]]\" at character 7: named classes "
		 "are not supported; list the characters, as in [a-z]"},
		{"/dev/[\xc3\xbc]",
		 "bad pattern \"/dev/[\xc3\xbc]\" at character 7: only "
		 "ASCII may stand in a set"},
		{"/dev/a\\",
		 "bad pattern \"/dev/a\\\\\" at character 7: nothing follows the "
		 "backslash"},
		{"/dev\\/a",
		 "bad pattern \"/dev\\\\/a\" at character 5: nothing follows the "
		 "backslash"},
		{"/dev/**/a",
		 "bad pattern \"/dev/**/a\" at character 6: ** is not supported; "
		 "* matches within one directory, write /*/ for each level"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_ERROR struct error err = {0};
		char *got = NULL;

		assert_int_equal(pattern_parse(tests[i].text, 0, &got, &err), -EINVAL);
		assert_null(got);
		assert_string_equal(error_message(&err), tests[i].expected);
	}
}

/* The last column is what Go's path.Match says. */
static void accepted_sets_mean_the_same_to_fnmatch_and_go(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool matches;
	} tests[] = {
		{"/d/*", "/d/.hidden", true},  {"/d/*", "/d/a/b", false},
		{"/d/?", "/d/a", true},	       {"/d/?", "/d/", false},
		{"/d/[^a]", "/d/b", true},     {"/d/[^a]", "/d/a", false},
		{"/d/[a!]", "/d/!", true},     {"/d/[a^]", "/d/^", true},
		{"/d/[\\!a]", "/d/!", true},   {"/d/[\\!a]", "/d/b", false},
		{"/d/[\\]a]", "/d/]", true},   {"/d/[a\\-z]", "/d/-", true},
		{"/d/[a\\-z]", "/d/b", false}, {"/d/[[]", "/d/[", true},
		{"/d/\\*", "/d/*", true},      {"/d/\\*", "/d/a", false},
		{"/d/{a,b}", "/d/a", false},   {"/d/{a,b}", "/d/{a,b}", true},
		{"/d/[^!a]", "/d/!", false},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *clean = NULL;

		assert_int_equal(pattern_parse(tests[i].pattern, 0, &clean, NULL), 0);
		assert_int_equal(fnmatch(clean, tests[i].name, FNM_PATHNAME) == 0,
				 tests[i].matches);
	}
}

static void a_path_longer_than_the_kernel_takes_is_refused(void **state)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	char path[PATH_MAX + 1];

	(void)state;
	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[PATH_MAX] = '\0';
	assert_int_equal(path_check(path, &err), -EINVAL);
	assert_string_equal(error_message(&err),
			    "the path has 4096 bytes, 4095 at most are allowed");
	path[PATH_MAX - 1] = '\0';
	assert_int_equal(path_check(path, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_are_cleaned_as_go_does),
		cmocka_unit_test(good_patterns_come_out_clean),
		cmocka_unit_test(bad_patterns_are_named_with_the_place),
		cmocka_unit_test(accepted_sets_mean_the_same_to_fnmatch_and_go),
		cmocka_unit_test(a_path_longer_than_the_kernel_takes_is_refused),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
