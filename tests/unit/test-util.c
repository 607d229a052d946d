/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"
#include "base/util.h"
#include "test-tree.h"

static void ownership_leaves_an_empty_variable(void **state)
{
	char *text = mem_string("x");
	KUDEV_AUTO_FREE char *taken = take_ptr(text);
	int fd = 7;

	(void)state;
	assert_null(text);
	assert_string_equal(taken, "x");
	assert_int_equal(take_fd(&fd), 7);
	assert_int_equal(fd, -1);
	assert_int_equal(fd_close(-1), -1);
	assert_null(mem_string(NULL));
}

static void growth_keeps_what_is_there(void **state)
{
	unsigned *items = NULL;
	size_t capacity = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		items = mem_grow(items, i, &capacity, sizeof(*items));
		assert_true(capacity > i);
		items[i] = i;
	}
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(items[i], i);
	free(items);
}

static void whole_files_are_read(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO_FREE char *path = tree_path(tree, "/f");
	KUDEV_AUTO_FREE char *empty = tree_path(tree, "/empty");
	KUDEV_AUTO_FREE char *text = NULL;
	KUDEV_AUTO_FREE char *nothing = NULL;
	size_t size = 99;

	(void)state;
	tree_file(tree, "/f", "12345");
	tree_file(tree, "/empty", "");
	assert_int_equal(file_read(path, 5, &text, &size, NULL), 0);
	assert_int_equal(size, 5);
	assert_string_equal(text, "12345");
	assert_int_equal(file_read(empty, 5, &nothing, &size, NULL), 0);
	assert_int_equal(size, 0);
	assert_string_equal(nothing, "");
}

static void what_is_no_small_regular_file_is_refused(void **state)
{
	static const struct {
		const char *path;
		int code;
		const char *expected;
	} tests[] = {
		{"/big", EFBIG, "%s is larger than 4 bytes"},
		{"/dir", EISDIR, "cannot read %s: it is a directory"},
		{"/fifo", EINVAL, "cannot read %s: it is not a regular file"},
		{"/null", EINVAL, "cannot read %s: it is not a regular file"},
		{"/gone", ENOENT, "cannot open %s: No such file or directory"},
		{"/big/x", ENOTDIR, "cannot open %s: Not a directory"},
		{"/loop", ELOOP, "cannot open %s: Too many levels of symbolic links"},
	};
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO_FREE char *fifo = tree_path(tree, "/fifo");

	(void)state;
	tree_file(tree, "/big", "12345");
	tree_directory(tree, "/dir");
	tree_link(tree, "/null", "/dev/null");
	tree_link(tree, "/loop", "loop");
	assert_int_equal(mkfifo(fifo, 0600), 0);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *path = tree_path(tree, tests[i].path);
		const char *place = strstr(tests[i].expected, "%s");
		KUDEV_AUTO_FREE char *expected =
			mem_printf("%.*s%s%s", (int)(place - tests[i].expected),
				   tests[i].expected, path, place + 2);
		KUDEV_AUTO_ERROR struct error err = {0};
		char *text = NULL;
		size_t size = 99;

		assert_int_equal(file_read(path, 4, &text, &size, &err), -tests[i].code);
		assert_string_equal(error_message(&err), expected);
		assert_null(text);
		assert_int_equal(size, 99);
	}
}

static void directories_are_made_with_their_parents(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO_FREE char *path = tree_path(tree, "/a/b/c");
	KUDEV_AUTO_FREE char *below = tree_path(tree, "/file/x");
	KUDEV_AUTO_ERROR struct error err = {0};

	(void)state;
	assert_int_equal(directory_create(path, 0755, &err), 0);
	assert_true(tree_exists(tree, "/a/b/c"));
	assert_int_equal(directory_create(path, 0755, &err), 0);
	tree_file(tree, "/file", "");
	assert_int_equal(directory_create(below, 0755, &err), -ENOTDIR);
	assert_non_null(strstr(error_message(&err), "cannot create directory"));
}

static void a_file_in_the_way_of_a_directory_is_an_error(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO_FREE char *file = tree_path(tree, "/file");
	KUDEV_AUTO_ERROR struct error err = {0};

	(void)state;
	tree_file(tree, "/file", "");
	assert_true(directory_create(file, 0755, &err) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ownership_leaves_an_empty_variable),
		cmocka_unit_test(growth_keeps_what_is_there),
		cmocka_unit_test(whole_files_are_read),
		cmocka_unit_test(what_is_no_small_regular_file_is_refused),
		cmocka_unit_test(directories_are_made_with_their_parents),
		cmocka_unit_test(a_file_in_the_way_of_a_directory_is_an_error),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
