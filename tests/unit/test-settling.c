/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "source/settling.h"
#include "test-run.h"

/* The clock of the module under test (the linker's --wrap). */
int64_t __wrap_clock_ms(void);
static int64_t now_ms;

int64_t __wrap_clock_ms(void)
{
	return now_ms;
}

static int set_up(void **state)
{
	now_ms = 1000000;
	*state = settling_new();
	return 0;
}

static int tear_down(void **state)
{
	settling_free(*state);
	run_no_udev();
	return 0;
}

static void a_device_is_waited_for_but_not_for_ever(void **state)
{
	struct settling *settling = *state;

	assert_int_equal(settling_left_ms(settling), -1);
	settling_begin(settling);
	assert_true(settling_wait(settling, "a"));
	assert_int_equal(settling_left_ms(settling), SETTLING_MAX_MS);
	now_ms += SETTLING_MAX_MS - 1;
	settling_begin(settling);
	assert_true(settling_wait(settling, "a"));
	assert_int_equal(settling_left_ms(settling), 1);
	now_ms++;
	settling_begin(settling);
	assert_false(settling_wait(settling, "a"));
	assert_int_equal(settling_left_ms(settling), -1);
	/* Given up stays given up. */
	settling_begin(settling);
	assert_false(settling_wait(settling, "a"));
}

static void each_device_has_its_own_time(void **state)
{
	struct settling *settling = *state;

	settling_begin(settling);
	assert_true(settling_wait(settling, "a"));
	now_ms += 2000;
	settling_begin(settling);
	assert_true(settling_wait(settling, "a"));
	assert_true(settling_wait(settling, "b"));
	assert_int_equal(settling_left_ms(settling), SETTLING_MAX_MS - 2000);
	now_ms += SETTLING_MAX_MS - 2000;
	settling_begin(settling);
	assert_false(settling_wait(settling, "a"));
	assert_true(settling_wait(settling, "b"));
	assert_int_equal(settling_left_ms(settling), 2000);
}

static void what_is_not_asked_for_any_more_is_forgotten(void **state)
{
	struct settling *settling = *state;

	settling_begin(settling);
	assert_true(settling_wait(settling, "a"));
	now_ms += SETTLING_MAX_MS;
	settling_begin(settling);
	assert_false(settling_wait(settling, "a"));
	/* It is ready, or has gone. */
	settling_begin(settling);
	assert_int_equal(settling_left_ms(settling), -1);
	settling_begin(settling);
	/* Another one at its place has all of the time. */
	assert_true(settling_wait(settling, "a"));
	assert_int_equal(settling_left_ms(settling), SETTLING_MAX_MS);
}

static void udev_is_there_when_it_runs_and_its_database_can_be_seen(void **state)
{
	(void)state;
	assert_false(settling_has_udev());
	run_udev();
	assert_true(settling_has_udev());
	/* It was stopped; what it knew is there still. */
	assert_int_equal(unlink("/run/udev/control"), 0);
	assert_false(settling_has_udev());
	run_udev();
	assert_int_equal(rmdir("/run/udev/data"), 0);
	assert_false(settling_has_udev());
}

static struct node_identity null_device(void)
{
	return (struct node_identity){.type = S_IFCHR, .device = makedev(1, 3)};
}

static void a_device_is_ready_when_udev_has_written_it_down(void **state)
{
	const struct node_identity node = null_device();

	(void)state;
	if (access("/sys/dev/char/1:3", F_OK) < 0)
		skip();
	run_udev();
	assert_false(settling_is_ready("/dev/null", &node));
	run_udev_entry("b1:3", "");
	assert_false(settling_is_ready("/dev/null", &node));
	run_udev_entry("c1:3", "I:1\n");
	assert_true(settling_is_ready("/dev/null", &node));
	assert_int_equal(unlink("/run/udev/data/b1:3"), 0);
	assert_int_equal(unlink("/run/udev/data/c1:3"), 0);
	assert_false(settling_is_ready("/dev/null", &node));
}

#define NODE "/run/node"

static struct timespec born_at(const char *path)
{
	struct statx status;

	if (statx(AT_FDCWD, path, 0, STATX_BTIME, &status) < 0 ||
	    !(status.stx_mask & STATX_BTIME))
		skip();
	return (struct timespec){.tv_sec = status.stx_btime.tv_sec,
				 .tv_nsec = status.stx_btime.tv_nsec};
}

/* Sets when the entry was written: so long after the node was made. */
static void write_entry_after(const char *entry, int64_t after_ns)
{
	KUDEV_AUTO_FREE char *path = mem_printf("/run/udev/data/%s", entry);
	const struct timespec born = born_at(NODE);
	int64_t at_ns = (int64_t)born.tv_sec * 1000000000 + born.tv_nsec + after_ns;
	const struct timespec times[] = {
		{.tv_nsec = UTIME_OMIT},
		{.tv_sec = at_ns / 1000000000, .tv_nsec = at_ns % 1000000000},
	};

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* What is written there is of a device that had the number before. */
static void an_entry_that_is_older_than_the_node_does_not_count(void **state)
{
	static const struct {
		int64_t after_ns;
		bool is_ready;
	} tests[] = {
		{-5000000000, false},
		{-1000000000, false},
		{-1, false},
		{0, true},
		{1, true},
		{1000000000, true},
		{5000000000, true},
	};
	const struct node_identity node = null_device();

	(void)state;
	run_udev();
	assert_true(run_write(NODE, ""));
	run_udev_entry("c1:3", "I:1\n");
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		write_entry_after("c1:3", tests[i].after_ns);
		if (settling_is_ready(NODE, &node) != tests[i].is_ready)
			print_message("%lld ns after\n", (long long)tests[i].after_ns);
		assert_int_equal(settling_is_ready(NODE, &node), tests[i].is_ready);
	}
	/* udev writes it anew for the device that is there. */
	write_entry_after("c1:3", -1);
	assert_int_equal(unlink("/run/udev/data/c1:3"), 0);
	run_udev_entry("c1:3", "I:2\n");
	assert_true(settling_is_ready(NODE, &node));
	/* The node is made anew. */
	usleep(20000);
	assert_int_equal(unlink(NODE), 0);
	assert_true(run_write(NODE, ""));
	assert_false(settling_is_ready(NODE, &node));
	/* One that has gone meanwhile is nobody's matter here. */
	assert_int_equal(unlink(NODE), 0);
	assert_true(settling_is_ready(NODE, &node));
}

static void what_is_no_device_of_udevs_is_ready(void **state)
{
	static const struct node_identity nodes[] = {
		{.type = 0},
		{.type = S_IFREG, .device = 1, .inode = 2},
		{.type = S_IFDIR, .device = 1, .inode = 2},
	};
	/* Nodes made by hand, of devices that the kernel has not. */
	const struct node_identity made[] = {
		{.type = S_IFCHR, .device = makedev(4000, 1)},
		{.type = S_IFBLK, .device = makedev(4000, 1)},
	};

	(void)state;
	run_udev();
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(nodes); i++)
		assert_true(settling_is_ready("/dev/null", &nodes[i]));
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(made); i++)
		assert_true(settling_is_ready("/dev/null", &made[i]));
}

static void nothing_is_fine_to_free(void **state)
{
	(void)state;
	assert_null(settling_free(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_is_waited_for_but_not_for_ever),
		TEST(each_device_has_its_own_time),
		TEST(what_is_not_asked_for_any_more_is_forgotten),
		TEST(udev_is_there_when_it_runs_and_its_database_can_be_seen),
		TEST(a_device_is_ready_when_udev_has_written_it_down),
		TEST(an_entry_that_is_older_than_the_node_does_not_count),
		TEST(what_is_no_device_of_udevs_is_ready),
		cmocka_unit_test(nothing_is_fine_to_free),
	};

	if (!run_enter())
		return run_skip_all();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
