/* SPDX-License-Identifier: Apache-2.0 */
#include <libudev.h>
#include <sys/wait.h>

#include "source/monitor.h"
#include "test-bed.h"
#include "test-capture.h"
#include "test-wait.h"

/* A loss can't be brought about: the mocked sockets never overflow (--wrap). */
struct udev_device *__real_udev_monitor_receive_device(struct udev_monitor *netlink);
struct udev_device *__wrap_udev_monitor_receive_device(struct udev_monitor *netlink);
static unsigned losses;

struct udev_device *__wrap_udev_monitor_receive_device(struct udev_monitor *netlink)
{
	if (losses == 0)
		return __real_udev_monitor_receive_device(netlink);
	losses--;
	errno = ENOBUFS;
	return NULL;
}

/* As the kernel lists sockets of this network namespace. */
#define LIST_PATH "/proc/self/net/unix"
#define LIST_HEAD "Num       RefCount Protocol Flags    Type St Inode Path\n"
#define LIST_UDEVD                                                    \
	"0000000000000001: 00000002 00000000 00010000 0005 01  8091 " \
	"/run/udev/control\n"
/* Without a path, with one of another's, and with one that only resembles udevd's. */
#define LIST_OTHERS                                                    \
	"0000000000000002: 00000003 00000000 00000000 0001 03 20117\n" \
	"0000000000000003: 00000003 00000000 00000000 0001 03  9170 "  \
	"/run/systemd/journal/stdout\n"                                \
	"0000000000000004: 00000002 00000000 00010000 0005 01  8092 "  \
	"/run/udev/control2\n"                                         \
	"0000000000000005: 00000002 00000000 00010000 0005 01  8093 "  \
	"/var/run/udev/control\n"                                      \
	"0000000000000006: 00000002 00000000 00010000 0005 01  8094 "  \
	"@/run/udev/control\n"

struct fixture {
	struct bed *bed;
	struct loop *loop;
	struct monitor *monitor;
	struct strings heard; /* "add tty /dev/ttyUSB0" */
	const char *last;     /* what await() waits for */
	unsigned wanted;      /* how often */
	struct wait_count lost;
};

static void on_event(const struct source_event *event, void *data)
{
	struct fixture *fixture = data;

	assert_true(strncmp(event->syspath, "/sys/devices/", 13) == 0);
	strings_take(&fixture->heard, mem_printf("%s %s %s", event->action,
						 event->subsystem, event->node));
}

static void on_lost(void *data)
{
	struct fixture *fixture = data;

	wait_add(&fixture->lost);
}

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	fixture->bed = bed_new();
	tree_file(&fixture->bed->tree, LIST_PATH, LIST_HEAD LIST_OTHERS);
	assert_int_equal(loop_new(&fixture->loop, NULL), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	losses = 0;
	monitor_free(fixture->monitor);
	loop_free(fixture->loop);
	bed_free(fixture->bed);
	strings_clear(&fixture->heard);
	free(fixture);
	return 0;
}

static void start(struct fixture *fixture, enum config_events wish)
{
	fixture->monitor = monitor_new(fixture->loop, wish, on_event, on_lost, fixture);
}

static bool has_heard(void *data)
{
	const struct fixture *fixture = data;
	unsigned count = 0;

	for (size_t i = 0; i < fixture->heard.count; i++)
		count += strcmp(fixture->heard.items[i], fixture->last) == 0;
	return count >= fixture->wanted;
}

static void await(struct fixture *fixture, const char *event, unsigned count)
{
	fixture->last = event;
	fixture->wanted = count;
	assert_comes(fixture->loop, has_heard, fixture);
}

static void where_events_come_from_is_found_out_by_looking(void **state)
{
	static const struct {
		enum config_events wish;
		bool has_udev;	/* its database is here */
		bool has_udevd; /* in this network namespace */
		enum monitor_mode expected;
	} tests[] = {
		{CONFIG_EVENTS_AUTO, true, true, MONITOR_UDEV},
		{CONFIG_EVENTS_AUTO, true, false, MONITOR_KERNEL},
		{CONFIG_EVENTS_AUTO, false, true, MONITOR_BARE},
		{CONFIG_EVENTS_AUTO, false, false, MONITOR_BARE},
		{CONFIG_EVENTS_KERNEL, true, true, MONITOR_KERNEL},
		{CONFIG_EVENTS_KERNEL, false, true, MONITOR_BARE},
		{CONFIG_EVENTS_UDEV, false, false, MONITOR_UDEV},
		{CONFIG_EVENTS_INOTIFY, true, true, MONITOR_INOTIFY},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		struct monitor_state got;

		run_no_udev();
		if (tests[i].has_udev)
			run_udev();
		tree_file(&fixture->bed->tree, LIST_PATH,
			  tests[i].has_udevd
				  ? LIST_HEAD LIST_OTHERS LIST_UDEVD LIST_OTHERS
				  : LIST_HEAD LIST_OTHERS);
		got = monitor_probe(tests[i].wish);
		if (got.mode != tests[i].expected)
			print_message("case %zu: %s\n", i, got.reason);
		assert_int_equal(got.mode, tests[i].expected);
		assert_non_null(got.reason);
	}
}

/* In a user namespace with a network namespace of its own: 0 if all is as it must be. */
static int probe_in_user_namespace(void)
{
	struct monitor_state by_itself;
	struct monitor_state forced;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return 77;
	by_itself = monitor_probe(CONFIG_EVENTS_AUTO);
	forced = monitor_probe(CONFIG_EVENTS_KERNEL);
	if (by_itself.mode != MONITOR_INOTIFY || !strstr(by_itself.reason, "user"))
		return 1;
	return forced.mode == MONITOR_KERNEL ? 0 : 2;
}

/* Who says that the kernel is heard knows better than we do. */
static void in_a_user_namespace_the_kernel_is_listened_to_on_demand_alone(void **state)
{
	struct fixture *fixture = *state;
	int status;
	pid_t child;

	/* Not that of the bed. */
	tree_link(&fixture->bed->tree, "/proc/self/ns/net", "/proc/self/ns/net");
	run_udev();
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(probe_in_user_namespace());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void each_mode_has_a_description_of_its_own(void **state)
{
	KUDEV_AUTO_STRINGS struct strings texts = {0};

	(void)state;
	for (int mode = MONITOR_UDEV; mode <= MONITOR_INOTIFY; mode++)
		strings_add_unique(&texts,
				   monitor_mode_describe((enum monitor_mode)mode));
	assert_int_equal(texts.count, 4);
}

#define ADAPTER(tty, minor) ((const char *const[]){BED_ADAPTER_A(tty, minor), NULL})

static void what_has_a_node_is_told_when_it_comes_changes_and_goes(void **state)
{
	struct fixture *fixture = *state;

	bed_add(fixture->bed, (const char *const[]){BED_CONTROLLER, NULL});
	start(fixture, CONFIG_EVENTS_UDEV);
	assert_true(monitor_is_live(fixture->monitor));
	bed_add(fixture->bed, ADAPTER("ttyUSB0", "0"));
	bed_event(fixture->bed, ADAPTER("ttyUSB0", "0")[3], "change");
	bed_remove(fixture->bed, ADAPTER("ttyUSB0", "0"));
	await(fixture, "remove tty /dev/ttyUSB0", 1);
	/* Neither what was there before, nor what has no node. */
	assert_int_equal(fixture->heard.count, 3);
	assert_string_equal(fixture->heard.items[0], "add tty /dev/ttyUSB0");
	assert_string_equal(fixture->heard.items[1], "change tty /dev/ttyUSB0");
	assert_int_equal(fixture->lost.count, 0);
}

static void both_groups_are_listened_to_where_nobody_says_which(void **state)
{
	static const struct {
		enum config_events wish;
		unsigned count; /* of one event */
	} tests[] = {
		{CONFIG_EVENTS_AUTO, 2},
		{CONFIG_EVENTS_UDEV, 1},
		{CONFIG_EVENTS_KERNEL, 1},
	};
	struct fixture *fixture = *state;

	bed_add(fixture->bed, (const char *const[]){BED_CONTROLLER, NULL});
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		start(fixture, tests[i].wish);
		bed_add(fixture->bed, ADAPTER("ttyUSB0", "0"));
		bed_remove(fixture->bed, ADAPTER("ttyUSB0", "0"));
		await(fixture, "remove tty /dev/ttyUSB0", tests[i].count);
		assert_int_equal(fixture->heard.count, 2 * tests[i].count);
		strings_clear(&fixture->heard);
		fixture->monitor = monitor_free(fixture->monitor);
	}
	assert_null(monitor_free(NULL));
}

static void without_netlink_nothing_is_live(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, CONFIG_EVENTS_INOTIFY);
	assert_false(monitor_is_live(fixture->monitor));
	monitor_recheck(fixture->monitor);
	assert_false(monitor_is_live(fixture->monitor));
}

static void lost_messages_are_told_and_the_rest_is_heard(void **state)
{
	struct fixture *fixture = *state;

	bed_add(fixture->bed, (const char *const[]){BED_CONTROLLER, NULL});
	start(fixture, CONFIG_EVENTS_UDEV);
	losses = 2;
	bed_add(fixture->bed, ADAPTER("ttyUSB0", "0"));
	await(fixture, "add tty /dev/ttyUSB0", 1);
	/* Once more when all is read: what was lost meanwhile nobody tells. */
	fixture->lost.wanted = 3;
	assert_comes(fixture->loop, wait_is_enough, &fixture->lost);
	assert_int_equal(monitor_stats(fixture->monitor)->losses, 2);
}

/* Few at a time: the mocked sockets have no room for more. */
static void many_events_are_all_heard(void **state)
{
	struct fixture *fixture = *state;

	bed_add(fixture->bed, (const char *const[]){BED_CONTROLLER, NULL});
	bed_add(fixture->bed, ADAPTER("ttyUSB0", "0"));
	start(fixture, CONFIG_EVENTS_UDEV);
	for (unsigned i = 1; i <= 100; i++) {
		bed_event(fixture->bed, ADAPTER("ttyUSB0", "0")[3], "change");
		if (i % 4 == 0)
			await(fixture, "change tty /dev/ttyUSB0", i);
	}
	assert_int_equal(fixture->heard.count, 100);
}

/* The lines of the log about the mode, from now on. */
struct modes {
	struct capture capture;
};

static struct modes modes_begin(void)
{
	struct modes modes = {.capture = capture_begin()};

	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	return modes;
}

static char *modes_end(struct modes *modes)
{
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	return capture_end(&modes->capture);
}

static void a_wrong_guess_is_corrected_by_what_is_heard(void **state)
{
	struct fixture *fixture = *state;
	struct modes modes = modes_begin();
	KUDEV_AUTO_FREE char *first = NULL;
	KUDEV_AUTO_FREE char *second = NULL;

	run_udev();
	bed_add(fixture->bed, (const char *const[]){BED_CONTROLLER, NULL});
	start(fixture, CONFIG_EVENTS_AUTO);
	bed_add(fixture->bed, ADAPTER("ttyUSB0", "0"));
	await(fixture, "add tty /dev/ttyUSB0", 2);
	first = modes_end(&modes);
	assert_int_equal(capture_count(first, "\"events of devices\""), 2);
	assert_non_null(strstr(first, "udevd is not in this network namespace"));
	assert_non_null(strstr(first, "udev sent a message"));
	/* As long as something is heard, the evidence counts for less. */
	modes = modes_begin();
	monitor_recheck(fixture->monitor);
	second = modes_end(&modes);
	assert_string_equal(second, "");
	modes = modes_begin();
	monitor_recheck(fixture->monitor);
	free(second);
	second = modes_end(&modes);
	assert_int_equal(capture_count(second, "udevd is not in this network namespace"),
			 1);
}

static void udev_that_comes_later_is_noticed_by_a_recheck(void **state)
{
	struct fixture *fixture = *state;
	struct modes modes;
	KUDEV_AUTO_FREE char *lines = NULL;

	start(fixture, CONFIG_EVENTS_AUTO);
	run_udev();
	tree_file(&fixture->bed->tree, LIST_PATH, LIST_HEAD LIST_UDEVD);
	modes = modes_begin();
	monitor_recheck(fixture->monitor);
	monitor_recheck(fixture->monitor);
	lines = modes_end(&modes);
	assert_int_equal(capture_count(lines, "\"events of devices\""), 1);
	assert_non_null(strstr(lines, "udevd is in this network namespace"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(where_events_come_from_is_found_out_by_looking),
		TEST(in_a_user_namespace_the_kernel_is_listened_to_on_demand_alone),
		TEST(each_mode_has_a_description_of_its_own),
		TEST(what_has_a_node_is_told_when_it_comes_changes_and_goes),
		TEST(both_groups_are_listened_to_where_nobody_says_which),
		TEST(without_netlink_nothing_is_live),
		TEST(lost_messages_are_told_and_the_rest_is_heard),
		TEST(many_events_are_all_heard),
		TEST(a_wrong_guess_is_corrected_by_what_is_heard),
		TEST(udev_that_comes_later_is_noticed_by_a_recheck),
	};

	(void)argc;
	bed_enter(argv);
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
