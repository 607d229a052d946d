/* SPDX-License-Identifier: Apache-2.0 */
#include "base/watch.h"
#include "test-tree.h"
#include "test-wait.h"

/* A watched directory of a tree, and how often its owner was called. */
struct fixture {
	struct tree *tree;
	struct loop *loop;
	struct watcher *watcher;
	struct watch *watch;
	struct wait_count calls;
};

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	fixture->tree = tree_new();
	assert_int_equal(loop_new(&fixture->loop, NULL), 0);
	fixture->watcher = watcher_new(fixture->loop);
	assert_true(watcher_is_live(fixture->watcher));
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	watch_free(fixture->watch);
	watcher_free(fixture->watcher);
	loop_free(fixture->loop);
	tree_free(fixture->tree);
	free(fixture);
	return 0;
}

static void start_watch(struct fixture *fixture, const char *path)
{
	KUDEV_AUTO_FREE char *full = tree_path(fixture->tree, path);

	fixture->watch = watch_new(fixture->watcher, full, wait_add, &fixture->calls);
}

/* At least one more call than there were. */
static void expect_call(struct fixture *fixture)
{
	fixture->calls.wanted = fixture->calls.count + 1;
	assert_comes(fixture->loop, wait_is_enough, &fixture->calls);
}

/* Whatever was caused so far has been read when a change elsewhere is seen. */
static void expect_silence(struct fixture *fixture)
{
	unsigned before = fixture->calls.count;
	struct wait_count marker = {.wanted = 1};
	KUDEV_AUTO_FREE char *full = tree_path(fixture->tree, "/marker");
	struct watch *watch;

	tree_directory(fixture->tree, "/marker");
	watch = watch_new(fixture->watcher, full, wait_add, &marker);
	tree_file(fixture->tree, "/marker/x", "");
	assert_comes(fixture->loop, wait_is_enough, &marker);
	tree_remove(fixture->tree, "/marker/x");
	watch_free(watch);
	tree_remove(fixture->tree, "/marker");
	assert_int_equal(fixture->calls.count, before);
}

static void entries_that_come_go_or_are_renamed_are_changes(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->tree, "/d");
	start_watch(fixture, "/d");
	assert_int_equal(fixture->calls.count, 0);
	tree_file(fixture->tree, "/d/a", "");
	expect_call(fixture);
	tree_rename(fixture->tree, "/d/a", "/d/b");
	expect_call(fixture);
	tree_remove(fixture->tree, "/d/b");
	expect_call(fixture);
	tree_directory(fixture->tree, "/d/sub");
	expect_call(fixture);
	tree_file(fixture->tree, "/elsewhere", "");
	tree_file(fixture->tree, "/d/sub/x", "");
	expect_silence(fixture);
}

static void writing_into_a_file_is_none(void **state)
{
	struct fixture *fixture = *state;

	tree_file(fixture->tree, "/d/a", "");
	start_watch(fixture, "/d");
	tree_file(fixture->tree, "/d/a", "text");
	expect_silence(fixture);
}

static void many_changes_make_one_call(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->tree, "/d");
	start_watch(fixture, "/d");
	for (unsigned i = 0; i < 100; i++) {
		KUDEV_AUTO_FREE char *path = mem_printf("/d/%u", i);

		tree_file(fixture->tree, path, "");
	}
	expect_call(fixture);
	assert_int_equal(fixture->calls.count, 1);
	expect_silence(fixture);
}

static void a_missing_directory_is_awaited_over_several_levels(void **state)
{
	struct fixture *fixture = *state;

	start_watch(fixture, "/a/b/c/d");
	tree_directory(fixture->tree, "/a");
	expect_silence(fixture);
	/* Several at once, faster than watches can follow. */
	tree_directory(fixture->tree, "/a/b/c/d");
	expect_call(fixture);
	tree_file(fixture->tree, "/a/b/c/d/file", "");
	expect_call(fixture);
}

static void a_removed_directory_is_a_change_and_is_awaited_again(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->tree, "/a/b");
	start_watch(fixture, "/a/b");
	tree_remove(fixture->tree, "/a/b");
	tree_remove(fixture->tree, "/a");
	expect_call(fixture);
	tree_directory(fixture->tree, "/a/b");
	expect_call(fixture);
	tree_file(fixture->tree, "/a/b/x", "");
	expect_call(fixture);
	assert_true(watcher_is_live(fixture->watcher));
}

static void a_directory_replaced_by_rename_is_a_change(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->tree, "/a/b");
	tree_file(fixture->tree, "/new/x", "");
	start_watch(fixture, "/a/b");
	tree_rename(fixture->tree, "/a/b", "/old");
	tree_rename(fixture->tree, "/new", "/a/b");
	expect_call(fixture);
	expect_silence(fixture);
	/* The new one is watched now, and the old one no more. */
	tree_file(fixture->tree, "/old/y", "");
	expect_silence(fixture);
	tree_file(fixture->tree, "/a/b/y", "");
	expect_call(fixture);
}

static void removed_and_made_anew_between_two_looks(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->tree, "/a/b");
	start_watch(fixture, "/a/b");
	for (unsigned i = 0; i < 5; i++) {
		tree_remove(fixture->tree, "/a/b");
		tree_remove(fixture->tree, "/a");
		tree_directory(fixture->tree, "/a/b");
	}
	expect_call(fixture);
	expect_silence(fixture);
	tree_file(fixture->tree, "/a/b/x", "");
	expect_call(fixture);
}

static void a_recheck_finds_what_moved_with_its_parent(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->tree, "/a/b");
	tree_directory(fixture->tree, "/other/b");
	start_watch(fixture, "/a/b");
	watcher_recheck(fixture->watcher);
	assert_int_equal(fixture->calls.count, 0);
	tree_rename(fixture->tree, "/a", "/gone");
	tree_rename(fixture->tree, "/other", "/a");
	watcher_recheck(fixture->watcher);
	assert_int_equal(fixture->calls.count, 1);
	tree_file(fixture->tree, "/a/b/x", "");
	expect_call(fixture);
}

static void a_file_where_the_directory_should_be_is_none(void **state)
{
	struct fixture *fixture = *state;

	tree_file(fixture->tree, "/a", "");
	start_watch(fixture, "/a/b");
	tree_remove(fixture->tree, "/a");
	tree_directory(fixture->tree, "/a/b");
	expect_call(fixture);
}

/* Two watches of one directory share inotify's descriptor for it. */
static void watches_of_one_directory_are_independent(void **state)
{
	struct fixture *fixture = *state;
	struct wait_count other = {.wanted = 1};
	KUDEV_AUTO_FREE char *full = tree_path(fixture->tree, "/d");
	struct watch *watch;

	tree_directory(fixture->tree, "/d");
	start_watch(fixture, "/d");
	watch = watch_new(fixture->watcher, full, wait_add, &other);
	tree_file(fixture->tree, "/d/a", "");
	assert_comes(fixture->loop, wait_is_enough, &other);
	assert_int_equal(fixture->calls.count, 1);
	assert_null(watch_free(watch));
	tree_file(fixture->tree, "/d/b", "");
	expect_call(fixture);
	assert_int_equal(other.count, 1);
}

struct pair {
	struct watch *watches[2];
	unsigned calls;
};

static void on_change_free_both(void *data)
{
	struct pair *pair = data;

	pair->calls++;
	pair->watches[0] = watch_free(pair->watches[0]);
	pair->watches[1] = watch_free(pair->watches[1]);
}

static bool was_called(void *data)
{
	return ((const struct pair *)data)->calls > 0;
}

static void a_callback_may_free_any_watch(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *full = tree_path(fixture->tree, "/d");
	struct pair pair = {0};

	tree_directory(fixture->tree, "/d");
	for (size_t i = 0; i < 2; i++)
		pair.watches[i] = watch_new(fixture->watcher, full, on_change_free_both,
					    &pair);
	start_watch(fixture, "/d");
	tree_file(fixture->tree, "/d/a", "");
	expect_call(fixture);
	assert_comes(fixture->loop, was_called, &pair);
	assert_int_equal(pair.calls, 1);
}

/* The limit that the kernel has for events that nobody has read. */
static unsigned queue_limit(void)
{
	FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
	unsigned limit = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%u", &limit) != 1)
		limit = 0;
	fclose(file);
	return limit;
}

static void an_overflow_makes_every_owner_look(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *one = tree_path(fixture->tree, "/noisy/1");
	KUDEV_AUTO_FREE char *two = tree_path(fixture->tree, "/noisy/2");
	struct wait_count noise = {.wanted = 1};
	unsigned limit = queue_limit();
	struct watch *watch;

	if (limit == 0 || limit > 200000)
		skip();
	tree_file(fixture->tree, "/noisy/1", "");
	tree_directory(fixture->tree, "/quiet");
	start_watch(fixture, "/quiet");
	*strrchr(one, '/') = '\0';
	watch = watch_new(fixture->watcher, one, wait_add, &noise);
	one[strlen(one)] = '/';
	for (unsigned i = 0; i <= limit; i++)
		assert_int_equal(i % 2 ? rename(two, one) : rename(one, two), 0);
	/* This one is lost. */
	tree_file(fixture->tree, "/quiet/x", "");
	expect_call(fixture);
	assert_true(noise.count > 0);
	watch_free(watch);
}

static void writes_are_told_to_who_asked_for_them_alone(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *full = tree_path(fixture->tree, "/d");
	struct wait_count writes = {0};
	struct watch *watch;

	tree_file(fixture->tree, "/d/a", "");
	start_watch(fixture, "/d");
	watch = watch_new(fixture->watcher, full, wait_add, &writes);
	watch_writes(watch);
	assert_int_equal(writes.count, 0);
	tree_file(fixture->tree, "/d/a", "x");
	writes.wanted = 1;
	assert_comes(fixture->loop, wait_is_enough, &writes);
	assert_int_equal(fixture->calls.count, 0);
	/* One that comes later takes nothing from it. */
	watch_free(fixture->watch);
	start_watch(fixture, "/d");
	tree_file(fixture->tree, "/d/a", "y");
	writes.wanted = writes.count + 1;
	assert_comes(fixture->loop, wait_is_enough, &writes);
	expect_silence(fixture);
	/* And all see what comes. */
	tree_file(fixture->tree, "/d/b", "");
	expect_call(fixture);
	watch_free(watch);
}

static void writes_are_told_in_a_directory_that_comes_later(void **state)
{
	struct fixture *fixture = *state;

	start_watch(fixture, "/later/d");
	watch_writes(fixture->watch);
	tree_directory(fixture->tree, "/later/d");
	expect_call(fixture);
	tree_file(fixture->tree, "/later/d/a", "");
	expect_call(fixture);
	expect_silence(fixture);
	tree_file(fixture->tree, "/later/d/a", "x");
	expect_call(fixture);
}

static void nothing_is_fine_to_free(void **state)
{
	(void)state;
	assert_null(watch_free(NULL));
	assert_null(watcher_free(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(entries_that_come_go_or_are_renamed_are_changes),
		TEST(writing_into_a_file_is_none),
		TEST(many_changes_make_one_call),
		TEST(a_missing_directory_is_awaited_over_several_levels),
		TEST(a_removed_directory_is_a_change_and_is_awaited_again),
		TEST(a_directory_replaced_by_rename_is_a_change),
		TEST(removed_and_made_anew_between_two_looks),
		TEST(a_recheck_finds_what_moved_with_its_parent),
		TEST(a_file_where_the_directory_should_be_is_none),
		TEST(watches_of_one_directory_are_independent),
		TEST(a_callback_may_free_any_watch),
		TEST(an_overflow_makes_every_owner_look),
		TEST(writes_are_told_to_who_asked_for_them_alone),
		TEST(writes_are_told_in_a_directory_that_comes_later),
		cmocka_unit_test(nothing_is_fine_to_free),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
