/* SPDX-License-Identifier: Apache-2.0 */
#include "source/camera.h"
#include "source/settling.h"
#include "test-loopback.h"

/* The least between two REMOVEs: the second must not meet who is just closing it. */
#define REMOVE_STEP_MS 500
#define NODE "/dev/video10"
#define OPENERS_ATTRIBUTE "/sys/devices/virtual/video4linux/video10/max_openers"

struct fixture {
	struct camera camera;
	struct loopback_control control;
	struct error err;
};

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	kernel_restart();
	fixture->control.fd = -1;
	fixture->camera = (struct camera){
		.number = 10,
		.mode = 0660,
		.owner = CAMERA_KEEP_OWNER,
		.group = CAMERA_KEEP_GROUP,
		.settings =
			{
				.label = "Camera 0",
				.buffers = 2,
				.openers = 10,
				.min_width = 2,
				.max_width = 8192,
				.min_height = 1,
				.max_height = 8192,
				.exclusive_caps = true,
			},
	};
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	loopback_control_close(&fixture->control);
	error_clear(&fixture->err);
	free(fixture);
	kernel_restart();
	return 0;
}

static void load(struct fixture *fixture)
{
	kernel_load(KERNEL_0_15_4);
	assert_int_equal(loopback_control_open(&fixture->control, NULL), 0);
}

static void create(struct fixture *fixture)
{
	if (fixture->control.fd < 0)
		load(fixture);
	assert_int_equal(
		camera_create(&fixture->camera, &fixture->control, &fixture->err), 0);
}

static void expect_message(const struct fixture *fixture, const char *expected)
{
	assert_string_equal(error_message(&fixture->err), expected);
}

/* The fixture's camera, looked at. */
static int check(struct fixture *fixture)
{
	error_clear(&fixture->err);
	return camera_check(&fixture->camera, &fixture->control, &fixture->err);
}

static void a_device_that_fits_is_adopted(void **state)
{
	static const unsigned versions[] = {KERNEL_0_13_2, KERNEL_0_15_0, KERNEL_0_15_4};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(versions); i++) {
		kernel_load(versions[i]);
		kernel_unplug(10);
		kernel_plug(&KERNEL_RECORD(10, "Camera 0"));
		assert_int_equal(loopback_control_open(&fixture->control, NULL), 0);
		assert_int_equal(check(fixture), 0);
		loopback_control_close(&fixture->control);
	}
	assert_int_equal(kernel.add_count, 0);
}

static int adjust(struct fixture *fixture)
{
	error_clear(&fixture->err);
	return camera_adjust(&fixture->camera, clock_ms() + SETTLING_MAX_MS,
			     &fixture->err);
}

#define FIELD(field, value) \
	(offsetof(struct kernel_record, field) / sizeof(uint32_t)), (value)

static void each_setting_that_differs_is_refused_and_named(void **state)
{
	static const struct {
		size_t word; /* of the record */
		uint32_t value;
		const char *expected;
	} tests[] = {
		{FIELD(announce_all_caps, 1), "no exclusive capabilities"},
		{FIELD(buffers, 8), "8 buffers instead of 2"},
		{FIELD(min_width, 16), "sizes from 16x1 to 8192x8192"},
		{FIELD(max_width, 1920), "sizes from 2x1 to 1920x8192"},
		{FIELD(min_height, 16), "sizes from 2x16 to 8192x8192"},
		{FIELD(max_height, 1080), "sizes from 2x1 to 8192x1080"},
		{FIELD(label, 0x58585858), "the label \"XXXXra 0\" instead of \"Camera "
					   "0\""},
	};
	struct fixture *fixture = *state;

	load(fixture);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		struct kernel_record record = KERNEL_RECORD(10, "Camera 0");
		KUDEV_AUTO_FREE char *expected =
			mem_printf("/dev/video10 exists, but with %s", tests[i].expected);

		memcpy((char *)&record + tests[i].word * sizeof(uint32_t),
		       &tests[i].value, sizeof(uint32_t));
		kernel_plug(&record);
		assert_int_equal(check(fixture), -ESTALE);
		expect_message(fixture, expected);
		kernel_unplug(10);
	}
	fixture->camera.settings.exclusive_caps = false;
	kernel_plug(&KERNEL_RECORD(10, "Camera 0"));
	assert_int_equal(check(fixture), -ESTALE);
	expect_message(fixture, "/dev/video10 exists, but with exclusive capabilities");
}

/* It can be changed at any time. */
static void another_number_of_openers_is_no_difference(void **state)
{
	static const int numbers[] = {0, 1, 10, 11};
	struct fixture *fixture = *state;

	load(fixture);
	kernel_plug(&KERNEL_RECORD(10, "Camera 0"));
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(numbers); i++) {
		kernel_set_openers(10, numbers[i]);
		assert_int_equal(check(fixture), 0);
		assert_int_equal(adjust(fixture), 0);
		assert_int_equal(kernel_device(10).record.openers, 10);
	}
}

static void what_is_not_there_is_not_found(void **state)
{
	struct fixture *fixture = *state;

	load(fixture);
	assert_int_equal(check(fixture), -ENODEV);
	expect_message(fixture, "there is no /dev/video10");
}

static void what_cannot_be_asked_is_not_taken_for_missing(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	kernel.bad_request = KERNEL_QUERY_NEW;
	kernel.bad_request_errno = EINTR;
	assert_int_equal(check(fixture), -EINTR);
	expect_message(fixture, "cannot ask for /dev/video10: Interrupted system call");
}

static void another_drivers_number_is_refused_with_its_name(void **state)
{
	struct fixture *fixture = *state;

	load(fixture);
	kernel_plug_foreign(10, "vivid-000-vid-cap");
	kernel_tell_driver(10);
	assert_int_equal(check(fixture), -EEXIST);
	expect_message(fixture, "/dev/video10 belongs to vivid-000-vid-cap (vivid)");
	error_clear(&fixture->err);
	assert_int_equal(camera_create(&fixture->camera, &fixture->control,
				       &fixture->err),
			 -EEXIST);
	expect_message(fixture, "/dev/video10 belongs to vivid-000-vid-cap (vivid)");
	assert_int_equal(kernel.add_count, 0);
}

static void without_a_control_node_only_the_driver_is_known(void **state)
{
	struct fixture *fixture = *state;
	const struct camera *camera = &fixture->camera;

	kernel_load(KERNEL_0_12);
	assert_int_equal(camera_check(camera, NULL, &fixture->err), -ENODEV);
	expect_message(fixture, "there is no /dev/video10");
	kernel_plug(&KERNEL_RECORD(10, "another label"));
	assert_int_equal(camera_check(camera, NULL, NULL), 0);
	kernel_unplug(10);
	kernel_plug_foreign(10, "vivid-000-vid-cap");
	assert_int_equal(camera_check(camera, NULL, &fixture->err), -EEXIST);
	expect_message(fixture, "/dev/video10 belongs to vivid-000-vid-cap");
}

static void a_device_is_made_as_its_class_says(void **state)
{
	struct fixture *fixture = *state;
	struct loopback_settings *settings = &fixture->camera.settings;
	struct kernel_record record;

	snprintf(settings->label, sizeof(settings->label), "%s",
		 "exactly thirty-one bytes long!!");
	settings->buffers = 32;
	settings->openers = 1;
	settings->min_width = settings->max_width = 640;
	settings->min_height = settings->max_height = 480;
	settings->exclusive_caps = false;
	create(fixture);
	record = kernel_device(10).record;
	assert_string_equal(record.label, "exactly thirty-one bytes long!!");
	assert_int_equal(record.buffers, 32);
	assert_int_equal(record.openers, 1);
	assert_int_equal(record.min_width, 640);
	assert_int_equal(record.max_width, 640);
	assert_int_equal(record.min_height, 480);
	assert_int_equal(record.max_height, 480);
	assert_int_equal(record.announce_all_caps, 1);
}

/* Right after a REMOVE the old number may not be free yet. */
static void a_device_with_another_number_is_undone_and_made_again(void **state)
{
	struct fixture *fixture = *state;

	load(fixture);
	kernel.wrong_numbers = 2;
	assert_int_equal(
		camera_create(&fixture->camera, &fixture->control, &fixture->err), 0);
	assert_int_equal(kernel.add_count, 3);
	assert_int_equal(kernel.removal_count, 2);
	assert_int_equal(kernel_count_devices(), 1);
	assert_true(kernel_device(10).is_used);
}

static void a_kernel_that_gives_other_numbers_is_not_asked_for_ever(void **state)
{
	struct fixture *fixture = *state;

	load(fixture);
	kernel.wrong_numbers = 1000;
	assert_int_equal(camera_create(&fixture->camera, &fixture->control,
				       &fixture->err),
			 -EAGAIN);
	expect_message(fixture, "the kernel gives other numbers than 10");
	assert_int_equal(kernel_count_devices(), 0);
	assert_int_equal(kernel.add_count, 3);
}

/* Somebody else has asked for 10, and got 11 since another driver had that. */
static void a_number_that_the_module_has_reserved_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct loopback_settings *settings = &fixture->camera.settings;
	unsigned number;

	load(fixture);
	kernel_plug_foreign(10, "vivid-000");
	assert_int_equal(loopback_add(&fixture->control, 10, settings, &number), 0);
	assert_int_equal(number, 11);
	kernel_unplug(10);
	assert_int_equal(camera_create(&fixture->camera, &fixture->control,
				       &fixture->err),
			 -EEXIST);
	expect_message(fixture, "cannot make /dev/video10: File exists");
	assert_true(kernel_device(11).is_used);
}

/* Access. */

static unsigned mode_of(const char *path)
{
	struct stat status;

	assert_int_equal(stat(path, &status), 0);
	return status.st_mode & 07777;
}

static void mode_owner_and_group_are_set(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	assert_int_equal(mode_of(NODE), 0600);
	fixture->camera.mode = 0666;
	fixture->camera.owner = 1000;
	fixture->camera.group = 44;
	assert_int_equal(adjust(fixture), 0);
	assert_int_equal(mode_of(NODE), 0666);
	assert_int_equal(kernel_device(10).owner, 1000);
	assert_int_equal(kernel_device(10).group, 44);
}

/* A daemon that may not change the owner needs not, if that is right already. */
static void what_is_right_already_is_left_alone(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	kernel.chown_errno = EPERM;
	assert_int_equal(adjust(fixture), 0);
	assert_int_equal(mode_of(NODE), 0660);
	fixture->camera.owner = 0;
	fixture->camera.group = 0;
	assert_int_equal(adjust(fixture), 0);
	fixture->camera.group = 44;
	assert_int_equal(adjust(fixture), -EPERM);
	expect_message(fixture, "cannot change the owner of /dev/video10: Operation not "
				"permitted");
}

static void a_file_in_the_place_of_the_node_is_refused(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	assert_int_equal(unlink(NODE), 0);
	assert_int_equal(adjust(fixture), -ENOENT);
	expect_message(fixture, "cannot look at /dev/video10: No such file or directory");
	kernel_link(NODE, "/etc/passwd");
	assert_int_equal(adjust(fixture), -EEXIST);
	expect_message(fixture, "/dev/video10 is no node of the camera");
}

static void more_users_than_there_may_be_go_on(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	kernel_change_open_count(10, 3);
	fixture->camera.settings.openers = 2;
	assert_int_equal(adjust(fixture), 0);
	assert_int_equal(mode_of(NODE), 0660);
	assert_int_equal(kernel_device(10).open_count, 3);
}

static void a_number_of_openers_that_cannot_be_set_is_an_error(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	kernel_set_openers(10, 1);
	kernel.bad_path = OPENERS_ATTRIBUTE;
	kernel.bad_path_errno = EROFS;
	assert_int_equal(adjust(fixture), -EROFS);
}

/* udev. */

static unsigned pauses;

static void settle_after_some_pauses(void)
{
	if (++pauses == 8)
		kernel_settle(10);
}

static void a_new_device_waits_for_udev_before_its_mode_is_set(void **state)
{
	struct fixture *fixture = *state;
	int64_t passed_ms;

	run_udev();
	create(fixture);
	pauses = 0;
	kernel.on_pause = settle_after_some_pauses;
	passed_ms = kernel_passed_ms();
	assert_int_equal(adjust(fixture), 0);
	assert_int_equal(pauses, 8);
	assert_true(kernel_passed_ms() - passed_ms < SETTLING_MAX_MS);
	assert_int_equal(mode_of(NODE), 0660);
}

static void a_udev_that_never_ends_is_not_waited_for_without_end(void **state)
{
	struct fixture *fixture = *state;
	int64_t start_ms;
	int64_t passed_ms;

	run_udev();
	create(fixture);
	start_ms = clock_ms();
	passed_ms = kernel_passed_ms();
	assert_int_equal(adjust(fixture), 0);
	assert_true(clock_ms() - start_ms >= SETTLING_MAX_MS);
	assert_true(kernel_passed_ms() - passed_ms < SETTLING_MAX_MS + 1000);
	assert_int_equal(mode_of(NODE), 0660);
}

/* Removing and making again. */

static int recreate(struct fixture *fixture)
{
	error_clear(&fixture->err);
	return camera_recreate(&fixture->camera, &fixture->control, CAMERA_BUSY_MS,
			       &fixture->err);
}

static void expect_calm_removals(void)
{
	for (unsigned i = 1; i < kernel.removal_count; i++)
		assert_true(kernel.removals[i] - kernel.removals[i - 1] >=
			    REMOVE_STEP_MS);
}

static void a_device_is_made_again_as_its_class_says(void **state)
{
	struct fixture *fixture = *state;

	load(fixture);
	kernel_plug(&KERNEL_RECORD(10, "another"));
	assert_int_equal(check(fixture), -ESTALE);
	assert_int_equal(recreate(fixture), 0);
	assert_int_equal(check(fixture), 0);
	assert_int_equal(kernel.removal_count, 1);
	assert_int_equal(kernel_device(10).record.openers, 10);
	assert_int_equal(mode_of(NODE), 0660);
}

/* Nobody can open it, and those who were about to have had time. */
static void expect_fence(unsigned long request, unsigned number)
{
	(void)number;
	if (request == KERNEL_REMOVE_NEW)
		assert_int_equal(kernel_device(10).record.openers, 0);
}

static void nobody_can_open_a_device_that_is_about_to_be_removed(void **state)
{
	struct fixture *fixture = *state;
	int64_t start_ms;

	create(fixture);
	kernel.on_ioctl = expect_fence;
	start_ms = clock_ms();
	assert_int_equal(recreate(fixture), 0);
	assert_int_equal(kernel.removal_count, 1);
	assert_true(kernel.removals[0] - start_ms >= 50);
}

static void a_device_that_is_busy_for_a_moment_is_removed_later(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	kernel.busy_removals = 3;
	assert_int_equal(recreate(fixture), 0);
	assert_int_equal(kernel.removal_count, 4);
	expect_calm_removals();
	assert_int_equal(kernel_device(10).record.openers, 10);
}

static void a_device_that_stays_busy_is_kept_as_it_was(void **state)
{
	struct fixture *fixture = *state;
	int64_t start_ms;
	int64_t passed_ms;

	create(fixture);
	kernel.busy_removals = 1000;
	start_ms = clock_ms();
	passed_ms = kernel_passed_ms();
	assert_int_equal(recreate(fixture), -EBUSY);
	expect_message(fixture, "/dev/video10 is open: a device in use is not reset");
	assert_true(clock_ms() - start_ms >= CAMERA_BUSY_MS);
	assert_true(kernel_passed_ms() - passed_ms < CAMERA_BUSY_MS + 2000);
	expect_calm_removals();
	assert_int_equal(kernel_device(10).record.openers, 10);
}

static void a_device_that_is_open_is_not_even_tried_to_be_removed(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	kernel_change_open_count(10, 1);
	assert_int_equal(recreate(fixture), -EBUSY);
	assert_int_equal(kernel.removal_count, 0);
	assert_int_equal(kernel_device(10).record.openers, 10);
}

static void close_after_some_pauses(void)
{
	if (++pauses == 20)
		kernel_change_open_count(10, -1);
}

static void a_device_that_is_open_is_removed_once_it_is_closed(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	kernel_change_open_count(10, 1);
	pauses = 0;
	kernel.on_pause = close_after_some_pauses;
	assert_int_equal(recreate(fixture), 0);
	assert_int_equal(kernel.removal_count, 1);
	assert_true(pauses >= 20);
}

static void a_module_without_a_device_is_not_asked_to_remove_it(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	kernel_unplug(10);
	assert_true(recreate(fixture) < 0);
	assert_int_equal(kernel.removal_count, 0);
}

/* The kernel gives out the lowest minor: it may be another one. */
static void the_number_of_the_node_may_be_another_one_afterwards(void **state)
{
	struct fixture *fixture = *state;

	load(fixture);
	kernel_plug(&KERNEL_RECORD(9, "other"));
	create(fixture);
	assert_int_equal(kernel_device(10).minor, 1);
	kernel_unplug(9);
	assert_int_equal(recreate(fixture), 0);
	assert_int_equal(kernel_device(10).minor, 0);
}

/* Putting back. */

static int reset(struct fixture *fixture)
{
	error_clear(&fixture->err);
	return camera_reset(&fixture->camera, &fixture->err);
}

/* As a user leaves it who wants the next one to see his last frames. */
static void leave_traces(void)
{
	static const char frame[] = "a picture";
	struct kernel_device *device;

	kernel_lock();
	device = kernel_find(10);
	device->controls[0] = 1;
	device->controls[1] = 1;
	device->controls[2] = 3000;
	for (off_t at = 0; at < 2 * 614400; at += 614400)
		assert_true(pwrite(device->frames, frame, sizeof(frame), at) > 0);
	kernel_show_attributes(device);
	kernel_unlock();
}

static void a_reset_puts_back_all_that_a_user_can_have_left(void **state)
{
	struct fixture *fixture = *state;
	struct kernel_device device;
	KUDEV_AUTO_FREE char *format = NULL;

	create(fixture);
	leave_traces();
	assert_int_equal(reset(fixture), 0);
	device = kernel_device(10);
	for (size_t i = 0; i < KERNEL_CONTROLS; i++)
		assert_int_equal(device.controls[i], 0);
	assert_false(device.has_leaked);
	assert_int_equal(device.format.width, 160);
	assert_int_equal(device.format.height, 120);
	assert_int_equal(device.record.openers, 10);
	assert_int_equal(device.open_count, 0);
	format = loopback_format(10);
	assert_string_equal(format, "");
	assert_int_equal(kernel.removal_count, 0);
}

/* What a reset that was killed has left. */
static void a_reset_begins_with_any_number_of_openers(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	for (int openers = 0; openers < 3; openers++) {
		kernel_set_openers(10, openers);
		assert_int_equal(reset(fixture), 0);
		assert_int_equal(kernel_device(10).record.openers, 10);
	}
}

static void a_device_that_is_open_is_not_reset(void **state)
{
	struct fixture *fixture = *state;
	int64_t start_ms;
	int64_t passed_ms;

	create(fixture);
	leave_traces();
	kernel_change_open_count(10, 1);
	start_ms = clock_ms();
	passed_ms = kernel_passed_ms();
	assert_int_equal(reset(fixture), -EBUSY);
	expect_message(fixture, "/dev/video10 is open: a device in use is not reset");
	assert_true(clock_ms() - start_ms >= CAMERA_BUSY_MS);
	assert_true(kernel_passed_ms() - passed_ms < CAMERA_BUSY_MS + 2000);
	assert_int_equal(kernel_device(10).controls[0], 1);
	assert_int_equal(kernel_device(10).record.openers, 10);
}

static void a_device_that_is_closed_in_time_is_reset(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	leave_traces();
	kernel_change_open_count(10, 1);
	pauses = 0;
	kernel.on_pause = close_after_some_pauses;
	assert_int_equal(reset(fixture), 0);
	assert_int_equal(kernel_device(10).controls[0], 0);
}

static void expect_alone(unsigned long request, unsigned number)
{
	(void)request;
	assert_int_equal(kernel_device(number).open_count, 1);
	assert_int_equal(kernel_device(number).record.openers, 1);
}

static void a_reset_has_the_device_for_itself(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	leave_traces();
	kernel.on_ioctl = expect_alone;
	assert_int_equal(reset(fixture), 0);
}

static void vanish(unsigned long request, unsigned number)
{
	if (request == VIDIOC_S_CTRL)
		kernel_unplug(number);
}

static void a_device_that_goes_while_it_is_reset_is_an_error(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	kernel.on_ioctl = vanish;
	assert_int_equal(reset(fixture), -ENODEV);
	expect_message(fixture, "cannot set control 0x98f900 to 0: No such device");
}

static void a_control_that_stays_is_an_error(void **state)
{
	struct fixture *fixture = *state;

	create(fixture);
	leave_traces();
	kernel.ignores_controls = true;
	assert_int_equal(reset(fixture), -EIO);
	expect_message(fixture, "control 0x98f900 stays 1 instead of 0");
	assert_int_equal(kernel_device(10).record.openers, 10);
}

static void what_the_kernel_refuses_fails_the_reset(void **state)
{
	static const struct {
		unsigned long request;
		int code;
		int expected;
		const char *message;
	} tests[] = {
		{VIDIOC_REQBUFS, EBUSY, 0, "no error"},
		{VIDIOC_S_CTRL, EPERM, -EPERM,
		 "cannot set control 0x98f900 to 0: Operation not permitted"},
		{VIDIOC_S_FMT, EINVAL, -EINVAL,
		 "cannot set the format: Invalid argument"},
		{VIDIOC_G_CTRL, EIO, -EIO, "control 0x98f900 stays -1 instead of 0"},
		{VIDIOC_REQBUFS, ENOMEM, 0, "no error"},
		{VIDIOC_G_FMT, EINVAL, 0, "no error"},
	};
	struct fixture *fixture = *state;

	create(fixture);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		kernel.bad_request = tests[i].request;
		kernel.bad_request_errno = tests[i].code;
		assert_int_equal(reset(fixture), tests[i].expected);
		if (tests[i].message)
			expect_message(fixture, tests[i].message);
		assert_int_equal(kernel_device(10).record.openers, 10);
		assert_int_equal(kernel_device(10).open_count, 0);
	}
}

static void a_reset_of_what_is_not_there_fails(void **state)
{
	struct fixture *fixture = *state;

	load(fixture);
	assert_int_equal(reset(fixture), -ENOENT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_device_that_fits_is_adopted),
		TEST(each_setting_that_differs_is_refused_and_named),
		TEST(another_number_of_openers_is_no_difference),
		TEST(what_is_not_there_is_not_found),
		TEST(what_cannot_be_asked_is_not_taken_for_missing),
		TEST(another_drivers_number_is_refused_with_its_name),
		TEST(without_a_control_node_only_the_driver_is_known),
		TEST(a_device_is_made_as_its_class_says),
		TEST(a_device_with_another_number_is_undone_and_made_again),
		TEST(a_kernel_that_gives_other_numbers_is_not_asked_for_ever),
		TEST(a_number_that_the_module_has_reserved_is_refused),
		TEST(mode_owner_and_group_are_set),
		TEST(what_is_right_already_is_left_alone),
		TEST(a_file_in_the_place_of_the_node_is_refused),
		TEST(more_users_than_there_may_be_go_on),
		TEST(a_number_of_openers_that_cannot_be_set_is_an_error),
		TEST(a_new_device_waits_for_udev_before_its_mode_is_set),
		TEST(a_udev_that_never_ends_is_not_waited_for_without_end),
		TEST(a_device_is_made_again_as_its_class_says),
		TEST(nobody_can_open_a_device_that_is_about_to_be_removed),
		TEST(a_device_that_is_busy_for_a_moment_is_removed_later),
		TEST(a_device_that_stays_busy_is_kept_as_it_was),
		TEST(a_device_that_is_open_is_not_even_tried_to_be_removed),
		TEST(a_device_that_is_open_is_removed_once_it_is_closed),
		TEST(a_module_without_a_device_is_not_asked_to_remove_it),
		TEST(the_number_of_the_node_may_be_another_one_afterwards),
		TEST(a_reset_puts_back_all_that_a_user_can_have_left),
		TEST(a_reset_begins_with_any_number_of_openers),
		TEST(a_device_that_is_open_is_not_reset),
		TEST(a_device_that_is_closed_in_time_is_reset),
		TEST(a_reset_has_the_device_for_itself),
		TEST(a_device_that_goes_while_it_is_reset_is_an_error),
		TEST(a_control_that_stays_is_an_error),
		TEST(what_the_kernel_refuses_fails_the_reset),
		TEST(a_reset_of_what_is_not_there_fails),
	};

	if (!kernel_enter())
		return run_skip_all();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
