/* SPDX-License-Identifier: Apache-2.0 */
#include "test-loopback.h"
#include "source/loopback.h"

static int set_up(void **state)
{
	(void)state;
	kernel_restart();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	kernel_restart();
	return 0;
}

static void a_version_is_a_number_that_grows(void **state)
{
	static const struct {
		const char *text;
		unsigned expected;
	} tests[] = {
		{"0.13.2", 0x000d02},
		{"0.15.4", 0x000f04},
		{"0.14.0", 0x000e00},
		{"1.2", 0x010200},
		{"0.12.7", 0x000c07},
		{"0.15.3-7-g1a2b", 0x000f03},
		{"garbage", 0},
		{"", 0},
		{"7", 0},
		{NULL, 0},
		{"0.13.2\n", 0x000d02},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++)
		assert_int_equal(loopback_parse_version(tests[i].text),
				 tests[i].expected);
	assert_true(loopback_parse_version("0.12.99") < LOOPBACK_CONTROL_VERSION);
	assert_true(loopback_parse_version("0.13.0") >= LOOPBACK_CONTROL_VERSION);
}

static void the_version_is_that_of_the_module_that_is_loaded(void **state)
{
	(void)state;
	assert_int_equal(loopback_version(), 0);
	kernel_load(KERNEL_0_15_4);
	assert_int_equal(loopback_version(), KERNEL_0_15_4);
}

static void a_module_of_before_0_13_has_no_version_and_no_control_node(void **state)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	struct loopback_control control = LOOPBACK_CONTROL_INIT;

	(void)state;
	kernel_load(KERNEL_0_12);
	assert_true(loopback_is_loaded());
	assert_int_equal(loopback_version(), 0);
	assert_int_equal(loopback_control_open(&control, &err), -ENOENT);
	assert_string_equal(error_message(&err), "cannot open /dev/v4l2loopback: No such "
						 "file or directory");
}

static void a_module_is_loaded_once_it_is_live(void **state)
{
	static const struct {
		const char *state;
		bool expected;
	} tests[] = {{"live\n", true}, {"coming\n", false}, {"going\n", false}};

	(void)state;
	assert_false(loopback_is_loaded());
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		kernel_write("/sys/module/v4l2loopback/initstate", tests[i].state);
		assert_int_equal(loopback_is_loaded(), tests[i].expected);
	}
}

static void a_module_that_is_part_of_the_kernel_is_loaded(void **state)
{
	(void)state;
	kernel_write("/sys/module/v4l2loopback/version", "0.15.4\n");
	assert_false(loopback_is_loaded());
	kernel_write("/sys/module/v4l2loopback/parameters/debug", "0\n");
	assert_true(loopback_is_loaded());
}

static void a_control_node_that_cannot_be_used_says_why(void **state)
{
	static const int codes[] = {EACCES, EPERM};
	struct loopback_control control = LOOPBACK_CONTROL_INIT;

	(void)state;
	/* Left of a module that was unloaded. */
	kernel_write("/dev/v4l2loopback", "");
	assert_int_equal(loopback_control_open(&control, NULL), -ENODEV);
	kernel_load(KERNEL_0_15_4);
	kernel.bad_path = "/dev/v4l2loopback";
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(codes); i++) {
		kernel.bad_path_errno = codes[i];
		assert_int_equal(loopback_control_open(&control, NULL), -codes[i]);
	}
	assert_int_equal(control.fd, -1);
}

static const struct loopback_settings unusual = {
	.label = "exactly thirty-one bytes long!!",
	.buffers = 5,
	.openers = 3,
	.min_width = 16,
	.max_width = 1920,
	.min_height = 8,
	.max_height = 1080,
	.exclusive_caps = true,
};

static void expect_same(const struct loopback_settings *is,
			const struct loopback_settings *wanted)
{
	assert_string_equal(is->label, wanted->label);
	assert_int_equal(is->buffers, wanted->buffers);
	assert_int_equal(is->openers, wanted->openers);
	assert_int_equal(is->min_width, wanted->min_width);
	assert_int_equal(is->max_width, wanted->max_width);
	assert_int_equal(is->min_height, wanted->min_height);
	assert_int_equal(is->max_height, wanted->max_height);
	assert_int_equal(is->exclusive_caps, wanted->exclusive_caps);
}

static const unsigned versions[] = {KERNEL_0_13_2, KERNEL_0_15_0, KERNEL_0_15_4};

/* Before 0.15.0 the new numbers are unknown. */
static void every_release_is_asked_by_numbers_that_it_knows(void **state)
{
	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(versions); i++) {
		KUDEV_AUTO_LOOPBACK_CONTROL struct loopback_control control =
			LOOPBACK_CONTROL_INIT;
		struct loopback_settings is;
		unsigned number = 0;

		kernel_load(versions[i]);
		assert_int_equal(loopback_control_open(&control, NULL), 0);
		assert_int_equal(control.is_old, versions[i] < KERNEL_0_15_0);
		assert_int_equal(loopback_add(&control, 10, &unusual, &number), 0);
		assert_int_equal(number, 10);
		assert_int_equal(kernel_device(10).record.announce_all_caps, 0);
		assert_int_equal(loopback_query(&control, 10, &is), 0);
		expect_same(&is, &unusual);
		assert_int_equal(loopback_remove(&control, 10), 0);
		assert_int_equal(kernel_count_devices(), 0);
	}
}

static void what_the_module_refuses_is_told_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(versions); i++) {
		KUDEV_AUTO_LOOPBACK_CONTROL struct loopback_control control =
			LOOPBACK_CONTROL_INIT;
		struct loopback_settings is;
		unsigned number = 77;

		kernel_load(versions[i]);
		assert_int_equal(loopback_control_open(&control, NULL), 0);
		assert_int_equal(loopback_query(&control, 10, &is), -ENODEV);
		assert_int_equal(loopback_remove(&control, 10), -ENODEV);
		assert_int_equal(loopback_add(&control, 10, &unusual, &number), 0);
		number = 77;
		assert_int_equal(loopback_add(&control, 10, &unusual, &number), -EEXIST);
		assert_int_equal(number, 77);
		kernel_change_open_count(10, 1);
		assert_int_equal(loopback_remove(&control, 10), -EBUSY);
		kernel_change_open_count(10, -1);
		assert_int_equal(loopback_remove(&control, 10), 0);
	}
}

static void the_number_that_a_device_got_is_told(void **state)
{
	KUDEV_AUTO_LOOPBACK_CONTROL struct loopback_control control =
		LOOPBACK_CONTROL_INIT;
	unsigned number = 0;

	(void)state;
	kernel_load(KERNEL_0_15_4);
	kernel_plug_foreign(10, "vivid-000");
	assert_int_equal(loopback_control_open(&control, NULL), 0);
	assert_int_equal(loopback_add(&control, 10, &unusual, &number), 0);
	assert_int_equal(number, 11);
	/* The module keeps the one that it could not have. */
	assert_int_equal(loopback_add(&control, 10, &unusual, &number), -EEXIST);
	assert_int_equal(loopback_remove(&control, 10), -ENODEV);
	assert_int_equal(loopback_remove(&control, 11), 0);
}

static void devices_are_known_by_their_attributes(void **state)
{
	(void)state;
	kernel_load(KERNEL_0_12);
	kernel_plug(&KERNEL_RECORD(10, "Camera 0"));
	kernel_plug_foreign(11, "vivid-000");
	assert_true(loopback_number_is_taken(10));
	assert_true(loopback_number_is_taken(11));
	assert_false(loopback_number_is_taken(12));
	assert_true(loopback_is_loopback(10));
	assert_false(loopback_is_loopback(11));
	assert_false(loopback_is_loopback(12));
}

static void expect_description(const char *expected)
{
	KUDEV_AUTO_FREE char *got = loopback_describe_other(10);

	assert_string_equal(got, expected);
}

static void another_drivers_device_is_described_as_far_as_it_is_known(void **state)
{
	(void)state;
	expect_description("another driver's device");
	kernel_plug_foreign(10, "vivid-000-vid-cap");
	expect_description("vivid-000-vid-cap");
	kernel_tell_driver(10);
	expect_description("vivid-000-vid-cap (vivid)");
	assert_int_equal(unlink("/sys/class/video4linux/video10/name"), 0);
	expect_description("a device (vivid)");
}

static void fewer_openers_than_there_are_is_busy(void **state)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	(void)state;
	kernel_load(KERNEL_0_15_4);
	kernel_plug(&KERNEL_RECORD(10, "Camera 0"));
	assert_int_equal(loopback_max_openers(10), 10);
	assert_int_equal(loopback_set_max_openers(10, 3, &err), 0);
	assert_int_equal(loopback_max_openers(10), 3);
	kernel_change_open_count(10, 2);
	assert_int_equal(loopback_set_max_openers(10, 1, &err), -EBUSY);
	assert_string_equal(error_message(&err), "is open");
	assert_int_equal(loopback_set_max_openers(10, 2, &err), 0);
	kernel_change_open_count(10, -2);
	assert_int_equal(loopback_set_max_openers(10, 0, &err), 0);
	assert_int_equal(loopback_max_openers(10), 0);
	assert_true(open("/dev/video10", O_RDWR | O_CLOEXEC) < 0);
	assert_int_equal(errno, EBUSY);
}

/* They compare the number as it is written, and keep its lower half. */
static void before_0_13_a_device_that_is_open_can_be_shut(void **state)
{
	(void)state;
	kernel_load(KERNEL_0_12);
	kernel_plug(&KERNEL_RECORD(10, "Camera 0"));
	kernel_change_open_count(10, 1);
	assert_int_equal(loopback_shut(10), 0);
	assert_int_equal(loopback_max_openers(10), 0);
	kernel_unplug(10);
	kernel_load(KERNEL_0_13_2);
	kernel_plug(&KERNEL_RECORD(10, "Camera 0"));
	kernel_change_open_count(10, 1);
	assert_int_equal(loopback_shut(10), -EINVAL);
	assert_int_equal(loopback_max_openers(10), 10);
	kernel_change_open_count(10, -1);
}

static void attributes_that_cannot_be_written_say_why(void **state)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	(void)state;
	kernel_load(KERNEL_0_15_4);
	assert_int_equal(loopback_set_max_openers(10, 0, &err), -ENOENT);
	assert_int_equal(loopback_max_openers(10), -1);
	assert_int_equal(loopback_set_frame_rate(10, 30, &err), -ENOENT);
	assert_null(loopback_format(10));
	kernel_plug(&KERNEL_RECORD(10, "Camera 0"));
	kernel.bad_path = "/sys/devices/virtual/video4linux/video10/max_openers";
	kernel.bad_path_errno = EROFS;
	assert_int_equal(loopback_set_max_openers(10, 0, &err), -EROFS);
	assert_string_equal(error_message(&err),
			    "cannot open /sys/devices/virtual/video4linux/video10/"
			    "max_openers: Read-only file system");
}

static void a_device_without_a_format_has_an_empty_one(void **state)
{
	KUDEV_AUTO_FREE char *none = NULL;
	KUDEV_AUTO_FREE char *kept = NULL;
	struct v4l2_control control = {.id = KERNEL_FIRST_CONTROL, .value = 1};
	KUDEV_AUTO_CLOSE int fd = -1;

	(void)state;
	kernel_load(KERNEL_0_15_4);
	kernel_plug(&KERNEL_RECORD(10, "Camera 0"));
	none = loopback_format(10);
	assert_string_equal(none, "");
	fd = open("/dev/video10", O_RDWR | O_CLOEXEC);
	assert_int_equal(ioctl(fd, VIDIOC_S_CTRL, &control), 0);
	kept = loopback_format(10);
	assert_string_equal(kept, "YUYV:640x480@30");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_version_is_a_number_that_grows),
		TEST(the_version_is_that_of_the_module_that_is_loaded),
		TEST(a_module_of_before_0_13_has_no_version_and_no_control_node),
		TEST(a_module_is_loaded_once_it_is_live),
		TEST(a_module_that_is_part_of_the_kernel_is_loaded),
		TEST(a_control_node_that_cannot_be_used_says_why),
		TEST(every_release_is_asked_by_numbers_that_it_knows),
		TEST(what_the_module_refuses_is_told_apart),
		TEST(the_number_that_a_device_got_is_told),
		TEST(devices_are_known_by_their_attributes),
		TEST(another_drivers_device_is_described_as_far_as_it_is_known),
		TEST(fewer_openers_than_there_are_is_busy),
		TEST(before_0_13_a_device_that_is_open_can_be_shut),
		TEST(attributes_that_cannot_be_written_say_why),
		TEST(a_device_without_a_format_has_an_empty_one),
	};

	if (!kernel_enter())
		return run_skip_all();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
