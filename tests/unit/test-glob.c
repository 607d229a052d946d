/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strings.h"
#include "source/glob.h"
#include "test-tree.h"

struct expansion {
	char *matches;
	char *directories; /* sorted, without the root */
	int r;
};

static void expansion_clear(struct expansion *expansion)
{
	free(expansion->matches);
	free(expansion->directories);
}

#define AUTO_EXPANSION __attribute__((cleanup(expansion_clear)))

static struct expansion expand(const struct tree *tree, const char *pattern)
{
	KUDEV_AUTO_STRINGS struct strings matches = {0};
	KUDEV_AUTO_STRINGS struct strings directories = {0};
	KUDEV_AUTO_STRINGS struct strings relative = {0};
	struct expansion result;

	result.r = glob_expand(tree->root, pattern, &matches, &directories, NULL);
	for (size_t i = 0; i < directories.count; i++) {
		assert_memory_equal(directories.items[i], tree->root, strlen(tree->root));
		strings_add(&relative, directories.items[i] + strlen(tree->root));
	}
	strings_sort(&relative);
	result.matches = strings_join(&matches, " ");
	result.directories = strings_join(&relative, " ");
	return result;
}

static void expect(const struct tree *tree, const char *pattern, const char *expected)
{
	AUTO_EXPANSION struct expansion got = expand(tree, pattern);

	if (strcmp(got.matches, expected) != 0)
		print_message("for: %s\n", pattern);
	assert_string_equal(got.matches, expected);
	assert_int_equal(got.r, 0);
}

static void patterns_mean_what_path_match_means(void **state)
{
	static const struct {
		const char *pattern;
		const char *expected;
	} tests[] = {
		{"/d/a", "/d/a"},
		{"/d/none", ""},
		{"/d/*", "/d/.hidden /d/a /d/a*b /d/b1 /d/b10 /d/b2 /d/sub"},
		{"/d/?", "/d/a"},
		{"/d/??", "/d/b1 /d/b2"},
		{"/d/b*", "/d/b1 /d/b10 /d/b2"},
		{"/d/b?", "/d/b1 /d/b2"},
		{"/d/*1*", "/d/b1 /d/b10"},
		{"/d/[ab]", "/d/a"},
		{"/d/b[0-1]", "/d/b1"},
		{"/d/b[^1]", "/d/b2"},
		{"/d/[^a-b]*", "/d/.hidden /d/sub"},
		{"/d/a\\*b", "/d/a*b"},
		{"/d/\\a", "/d/a"},
		{"/d/a[*]b", "/d/a*b"},
		{"/d/[\\*a]", "/d/a"},
		/* * does not cross a slash, and there is no **. */
		{"/*/b1", "/d/b1"},
		{"/*", "/d"},
		{"/d/*/x", "/d/sub/x"},
		{"/*/*/x", "/d/sub/x"},
		{"/d/**/x", "/d/sub/x"},
		{"/d/**x", ""},
		/* Under a file there is nothing. */
		{"/d/a/x", ""},
		{"/d/a/*", ""},
	};
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();

	(void)state;
	tree_files(tree,
		   (const char *const[]){"/d/a", "/d/b1", "/d/b2", "/d/b10", "/d/.hidden",
					 "/d/a*b", "/d/sub/x", "/d/.#temporary", NULL});
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++)
		expect(tree, tests[i].pattern, tests[i].expected);
}

static void links_are_followed_and_dangling_ones_are_nothing(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();

	(void)state;
	tree_link(tree, "/d/dangling", "nowhere");
	tree_link(tree, "/d/device", "/dev/null");
	tree_link(tree, "/d/loop", "loop");
	tree_link(tree, "/d/twice", "device");
	tree_file(tree, "/real/x", "");
	tree_link(tree, "/d/dir", "../real");
	expect(tree, "/d/*", "/d/device /d/dir /d/twice");
	expect(tree, "/d/dangling", "");
	expect(tree, "/d/loop", "");
	expect(tree, "/d/device", "/d/device");
	expect(tree, "/d/dir/x", "/d/dir/x");
	expect(tree, "/d/*/x", "/d/dir/x");
	expect(tree, "/d/dir/*", "/d/dir/x");
}

/*
 * Paths and IDs go to the kubelet as proto3 strings, and it drops a list with such a one.
 */
static void names_that_are_not_utf8_are_no_matches(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();

	(void)state;
	tree_file(tree, "/d/a\xff", "");
	tree_file(tree, "/d/ab", "");
	tree_file(tree, "/d/\xff/x", "");
	expect(tree, "/d/*", "/d/ab");
	expect(tree, "/d/*/x", "");
}

static void a_directory_can_be_a_match(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();

	(void)state;
	tree_directory(tree, "/dev/input");
	tree_directory(tree, "/dev/snd");
	expect(tree, "/dev/input", "/dev/input");
	expect(tree, "/dev/*", "/dev/input /dev/snd");
}

static void the_directories_that_decide_are_named(void **state)
{
	static const struct {
		const char *pattern;
		const char *expected;
	} tests[] = {
		{"/dev/a", "/dev"},
		{"/a", "/"},
		{"/*", "/"},
		{"/dev/*", "/dev"},
		{"/dev/snd/pcm*", "/dev/snd"},
		{"/dev/missing/*", "/dev/missing"},
		{"/dev/missing/far/x", "/dev/missing/far"},
		{"/dev/*/x", "/dev /dev/snd /dev/sub"},
		{"/dev/s*/*", "/dev /dev/snd /dev/sub"},
		{"/links/link", "/links /real"},
		{"/links/relative", "/links /links/sub"},
		{"/links/*", "/links /links/sub /real"},
	};
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();

	(void)state;
	tree_directory(tree, "/dev/snd");
	tree_directory(tree, "/dev/sub");
	tree_link(tree, "/links/link", "/real/target");
	tree_link(tree, "/links/relative", "sub/target");
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		AUTO_EXPANSION struct expansion got = expand(tree, tests[i].pattern);

		if (strcmp(got.directories, tests[i].expected) != 0)
			print_message("for: %s\n", tests[i].pattern);
		assert_string_equal(got.directories, tests[i].expected);
	}
}

/* /dev has hundreds of nodes; none of them can come to be a directory. */
static void nodes_are_not_watched_as_if_they_were_directories(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();

	(void)state;
	tree_files(tree, (const char *const[]){"/dev/a", "/dev/b", "/dev/by-id/x", NULL});
	for (unsigned i = 0; i < 2; i++) {
		AUTO_EXPANSION struct expansion got = expand(tree, i == 0 ? "/dev/*/x"
									  : "/dev/*/x/y");

		assert_string_equal(got.directories,
				    i == 0 ? "/dev /dev/by-id" : "/dev /dev/by-id/x");
	}
}

static void ten_thousand_entries_are_no_trouble(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO_STRINGS struct strings matches = {0};
	KUDEV_AUTO_STRINGS struct strings directories = {0};

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		KUDEV_AUTO_FREE char *path = mem_printf("/dev/n%u", i);

		tree_file(tree, path, "");
	}
	assert_int_equal(glob_expand(tree->root, "/dev/n*", &matches, &directories, NULL),
			 0);
	assert_int_equal(matches.count, 10000);
	assert_int_equal(directories.count, 1);
	for (size_t i = 1; i < matches.count; i++)
		assert_true(strcmp(matches.items[i - 1], matches.items[i]) < 0);
}

static void matches_without_end_are_an_error(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO_STRINGS struct strings matches = {0};
	KUDEV_AUTO_STRINGS struct strings directories = {0};
	KUDEV_AUTO_ERROR struct error err = {0};

	(void)state;
	tree_file(tree, "/dev/x", "");
	while (matches.count < GLOB_MAX_MATCHES)
		strings_add(&matches, "/dev/x");
	assert_int_equal(glob_expand(tree->root, "/dev/*", &matches, &directories, &err),
			 -E2BIG);
	assert_string_equal(error_message(&err), "/dev/* matches more than 100000 paths");
}

/* What may not be looked at is as good as absent; root may look at everything. */
static void a_directory_that_may_not_be_read_is_empty(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO_FREE char *path = tree_path(tree, "/dev/closed");
	KUDEV_AUTO_FREE char *explained = NULL;
	bool is_root = geteuid() == 0;

	(void)state;
	assert_int_equal(chmod(tree->root, 0755), 0);
	tree_file(tree, "/dev/closed/x", "");
	assert_int_equal(chmod(path, 0000), 0);
	if (is_root)
		assert_int_equal(seteuid(65534), 0);
	expect(tree, "/dev/closed/*", "");
	expect(tree, "/dev/closed/x", "");
	explained = mem_string(glob_explain(tree->root, "/dev/closed/x"));
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	assert_string_equal(explained, "no permission to look");
	assert_int_equal(chmod(path, 0755), 0);
	expect(tree, "/dev/closed/*", "/dev/closed/x");
}

static void the_absence_of_a_match_is_explained(void **state)
{
	static const struct {
		const char *pattern;
		const char *expected;
	} tests[] = {
		{"/dev/gone", "no such file"},
		{"/dev/none*", "nothing matches"},
		{"/dev/dangling", "a link to nothing"},
		{"/dev/file/x", "no such file"},
	};
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();

	(void)state;
	tree_file(tree, "/dev/file", "");
	tree_link(tree, "/dev/dangling", "nowhere");
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++)
		assert_string_equal(glob_explain(tree->root, tests[i].pattern),
				    tests[i].expected);
}

static void the_real_root_is_no_text_at_all(void **state)
{
	KUDEV_AUTO_STRINGS struct strings matches = {0};
	KUDEV_AUTO_STRINGS struct strings directories = {0};

	(void)state;
	assert_int_equal(glob_expand("", "/dev/nul[l]", &matches, &directories, NULL), 0);
	assert_int_equal(glob_expand("", "/*", &matches, &directories, NULL), 0);
	assert_string_equal(matches.items[0], "/dev/null");
	assert_true(strings_contain(&matches, "/dev"));
	assert_string_equal(directories.items[0], "/dev");
	assert_string_equal(directories.items[1], "/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_mean_what_path_match_means),
		cmocka_unit_test(links_are_followed_and_dangling_ones_are_nothing),
		cmocka_unit_test(names_that_are_not_utf8_are_no_matches),
		cmocka_unit_test(a_directory_can_be_a_match),
		cmocka_unit_test(the_directories_that_decide_are_named),
		cmocka_unit_test(nodes_are_not_watched_as_if_they_were_directories),
		cmocka_unit_test(ten_thousand_entries_are_no_trouble),
		cmocka_unit_test(matches_without_end_are_an_error),
		cmocka_unit_test(a_directory_that_may_not_be_read_is_empty),
		cmocka_unit_test(the_absence_of_a_match_is_explained),
		cmocka_unit_test(the_real_root_is_no_text_at_all),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
