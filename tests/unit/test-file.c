/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "test-tree.h"

static int set_up(void **state)
{
	*state = tree_new();
	return 0;
}

static int tear_down(void **state)
{
	tree_free(*state);
	return 0;
}

static struct file_stamp stamp_of(const struct tree *tree, const char *path)
{
	KUDEV_AUTO_FREE char *full = tree_path(tree, path);

	return file_stamp(full);
}

/* As if the first had been taken long after the last change. */
static bool is_same(struct file_stamp before, struct file_stamp now)
{
	before.age_ms = 1000;
	return file_is_same(&before, &now);
}

static void nothing_and_what_cannot_be_seen_have_no_stamp(void **state)
{
	struct tree *tree = *state;
	const struct file_stamp none = {0};

	tree_file(tree, "/file", "");
	tree_link(tree, "/dangling", "nowhere");
	tree_link(tree, "/circle", "circle");
	assert_true(is_same(none, stamp_of(tree, "/nothing")));
	assert_true(is_same(none, stamp_of(tree, "/file/below")));
	assert_true(is_same(none, stamp_of(tree, "/dangling")));
	assert_true(is_same(none, stamp_of(tree, "/circle")));
	assert_false(is_same(none, stamp_of(tree, "/file")));
}

static void make_longer(struct tree *tree, const char *path)
{
	KUDEV_AUTO_FREE char *full = tree_path(tree, path);

	assert_int_equal(truncate(full, 100), 0);
}

static void make_newer(struct tree *tree, const char *path)
{
	KUDEV_AUTO_FREE char *full = tree_path(tree, path);
	const struct timespec times[] = {{.tv_sec = 7}, {.tv_sec = 7, .tv_nsec = 1}};

	assert_int_equal(utimensat(AT_FDCWD, full, times, 0), 0);
}

static void replace(struct tree *tree, const char *path)
{
	tree_file(tree, "/next", "b");
	tree_rename(tree, "/next", path);
}

static void point_elsewhere(struct tree *tree, const char *path)
{
	tree_file(tree, "/other", "c");
	tree_link(tree, "/link", "other");
	tree_rename(tree, "/link", path);
}

static void take_away(struct tree *tree, const char *path)
{
	tree_remove(tree, path);
}

static void each_change_makes_another_stamp(void **state)
{
	static void (*const changes[])(struct tree * tree, const char *path) = {
		make_longer, make_newer, replace, point_elsewhere, take_away,
	};
	struct tree *tree = *state;

	tree_file(tree, "/file", "a");
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(changes); i++) {
		struct file_stamp before = stamp_of(tree, "/file");

		assert_true(is_same(before, stamp_of(tree, "/file")));
		changes[i](tree, "/file");
		assert_false(is_same(before, stamp_of(tree, "/file")));
	}
}

/* The kernel's clock for files stands still for some milliseconds. */
static void a_stamp_taken_just_after_a_change_is_not_sure(void **state)
{
	static const struct {
		int64_t age_ms;
		bool is_sure;
	} tests[] = {{0, false}, {10, false}, {100, true}, {-1, true}};
	struct tree *tree = *state;
	struct file_stamp stamp;

	tree_file(tree, "/file", "a");
	stamp = stamp_of(tree, "/file");
	assert_in_range(stamp.age_ms, 0, 60000);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		struct file_stamp before = stamp;

		before.age_ms = tests[i].age_ms;
		assert_int_equal(file_is_same(&before, &stamp), tests[i].is_sure);
	}
}

static void expect_directories(const struct tree *tree, const char *path,
			       const char *expected)
{
	KUDEV_AUTO_FREE char *full = tree_path(tree, path);
	KUDEV_AUTO_STRINGS struct strings directories = {0};
	KUDEV_AUTO_STRINGS struct strings below = {0};
	KUDEV_AUTO_FREE char *got = NULL;

	file_directories(full, &directories);
	for (size_t i = 0; i < directories.count; i++) {
		assert_memory_equal(directories.items[i], tree->root, strlen(tree->root));
		strings_add(&below, directories.items[i] + strlen(tree->root));
	}
	got = strings_join(&below, " ");
	assert_string_equal(got, expected);
}

static void all_that_decides_where_a_path_leads_is_found(void **state)
{
	static const struct {
		const char *path;
		const char *expected; /* below the root, which is "" */
	} tests[] = {
		{"/file", ""},
		{"/d/file", "/d"},
		{"/nowhere/at/all", "/nowhere/at"},
		{"/link", " /d"},
		{"/d/up", "/d "},
		{"/far", " /e"},
		{"/chain", " /d /e"},
		/* As a ConfigMap has it. */
		{"/map/file", "/map /map/..1"},
		{"/map/..data/file", "/map /map/..1"},
		{"/d/../d/../link", " /d"},
		{"/link/../file", " /d"},
		{"/d/./file", "/d/."},
	};
	struct tree *tree = *state;

	tree_files(tree,
		   (const char *const[]){"/file", "/d/file", "/map/..1/file", NULL});
	tree_link(tree, "/link", "d/file");
	tree_link(tree, "/d/up", "../file");
	tree_link(tree, "/far", "e/missing");
	tree_link(tree, "/chain", "d/next");
	tree_link(tree, "/d/next", "../e/missing");
	tree_link(tree, "/map/..data", "..1");
	tree_link(tree, "/map/file", "..data/file");
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++)
		expect_directories(tree, tests[i].path, tests[i].expected);
}

static void an_absolute_link_is_followed_from_the_root(void **state)
{
	struct tree *tree = *state;
	KUDEV_AUTO_FREE char *target = tree_path(tree, "/d/file");

	tree_file(tree, "/d/file", "");
	tree_link(tree, "/e/link", target);
	expect_directories(tree, "/e/link", "/e /d");
}

static void a_circle_of_links_comes_to_an_end(void **state)
{
	struct tree *tree = *state;

	tree_link(tree, "/a/x", "../b/x");
	tree_link(tree, "/b/x", "../a/x");
	tree_link(tree, "/c/x", "x/x/x");
	expect_directories(tree, "/a/x", "/a /b");
	expect_directories(tree, "/c/x", "/c");
}

static void a_relative_path_begins_in_the_working_directory(void **state)
{
	struct tree *tree = *state;
	KUDEV_AUTO_STRINGS struct strings directories = {0};
	KUDEV_AUTO_FREE char *here = realpath(".", NULL);
	KUDEV_AUTO_FREE char *below = mem_printf("%s/no/such", here);

	(void)tree;
	file_directories("file", &directories);
	file_directories("no/such/file", &directories);
	file_directories("/kudev.yaml", &directories);
	assert_int_equal(directories.count, 3);
	assert_string_equal(directories.items[0], here);
	assert_string_equal(directories.items[1], below);
	assert_string_equal(directories.items[2], "/");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_and_what_cannot_be_seen_have_no_stamp),
		TEST(each_change_makes_another_stamp),
		TEST(a_stamp_taken_just_after_a_change_is_not_sure),
		TEST(all_that_decides_where_a_path_leads_is_found),
		TEST(an_absolute_link_is_followed_from_the_root),
		TEST(a_circle_of_links_comes_to_an_end),
		TEST(a_relative_path_begins_in_the_working_directory),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
