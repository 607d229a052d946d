/* SPDX-License-Identifier: Apache-2.0 */
/* The source of virtual cameras: what there is, and what stands for it. */
#include "test-v4l2loopback.h"

static void the_first_scan_is_empty_and_the_next_one_has_the_cameras(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	KUDEV_AUTO_FREE char *got = NULL;
	struct stat status;

	kernel_load(KERNEL_0_15_4);
	start(fixture);
	expect(fixture, "");
	await_change(fixture);
	got = scan_source(fixture, &scan);
	assert_string_equal(got, BOTH);
	assert_null(scan.degraded);
	assert_int_equal(scan.missing.count, 0);
	assert_int_equal(scan.notes.count, 1);
	assert_string_equal(scan.notes.items[0].reason, "version 0.15.4");
	assert_int_equal(scan.again_ms, -1);
	assert_true(strings_contain(&scan.directories, "/dev"));
	assert_true(scan.units.items[0].is_hardware);
	assert_string_equal(kernel_device(10).record.label, "Camera 0");
	assert_string_equal(kernel_device(11).record.label, "Camera 1");
	assert_int_equal(stat("/dev/video11", &status), 0);
	assert_int_equal(status.st_mode & 07777, 0660);
	assert_int_equal(scan.units.items[1].nodes[0].identity.device, status.st_rdev);
	/* What is there is adopted by the next kudev. */
	start(fixture);
	expect(fixture, "");
	await_change(fixture);
	expect(fixture, BOTH);
	assert_int_equal(kernel.add_count, 2);
	assert_int_equal(kernel.removal_count, 0);
}

static void cameras_stay_when_kudev_ends(void **state)
{
	struct fixture *fixture = *state;

	start_with_cameras(fixture);
	fixture->source = source_free(fixture->source);
	assert_int_equal(kernel_count_devices(), 2);
}

static void a_shared_camera_has_an_id_for_each_share(void **state)
{
	struct fixture *fixture = *state;

	fixture->class.share = 2;
	kernel_load(KERNEL_0_15_4);
	start(fixture);
	look(fixture);
	expect(fixture, "video10-0 /dev/video10\nvideo10-1 /dev/video10\n"
			"video11-0 /dev/video11\nvideo11-1 /dev/video11\n");
}

static void the_module_is_loaded_without_devices(void **state)
{
	struct fixture *fixture = *state;

	disk.is_installed = true;
	disk.version = "0.13.2";
	disk.number = KERNEL_0_13_2;
	start(fixture);
	look(fixture);
	expect(fixture, BOTH);
	assert_int_equal(disk.loaded, 1);
	assert_string_equal(disk.parameters, "devices=0");
}

/* It makes no devices later. */
static void a_module_of_before_0_13_is_told_of_all_devices(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	KUDEV_AUTO_FREE char *got = NULL;

	disk.is_installed = true;
	disk.number = KERNEL_0_12;
	kernel_plug(&KERNEL_RECORD(10, "Camera 0"));
	start(fixture);
	look(fixture);
	assert_string_equal(disk.parameters,
			    "devices=2 video_nr=10,11 exclusive_caps=1,1 "
			    "\"card_label=Camera 0,Camera 1\" max_buffers=2 "
			    "max_openers=10 max_width=8192 max_height=8192");
	got = scan_source(fixture, &scan);
	assert_string_equal(got, "video10 /dev/video10\n"
				 "video11! there is no /dev/video11\n");
	assert_null(scan.degraded);
	assert_int_equal(scan.notes.count, 1);
	assert_string_equal(
		scan.notes.items[0].reason,
		"a version before 0.13, which makes and removes no devices once it is "
		"loaded: those that exist are used, and their resets are soft");
}

static void a_camera_that_cannot_be_made_says_why_and_is_tried_again(void **state)
{
	struct fixture *fixture = *state;

	kernel_load(KERNEL_0_15_4);
	kernel_plug_foreign(11, "vivid-000-vid-cap");
	start(fixture);
	look(fixture);
	expect(fixture, "video10 /dev/video10\n"
			"video11! /dev/video11 belongs to vivid-000-vid-cap\n");
	expect_degraded(fixture, NULL);
	assert_true(again_ms_of(fixture) > 0);
	kernel_unplug(11);
	look_later(fixture);
	expect(fixture, BOTH);
	assert_int_equal(again_ms_of(fixture), -1);
}

static void a_device_of_another_kind_is_made_again_only_if_that_is_asked_for(void **state)
{
	static const char *const refused =
		"video10! /dev/video10 exists, but with the label \"mine\" instead of "
		"\"Camera 0\"\n"
		"video11 /dev/video11\n";
	struct fixture *fixture = *state;

	kernel_load(KERNEL_0_15_4);
	kernel_plug(&KERNEL_RECORD(10, "mine"));
	start(fixture);
	look(fixture);
	expect(fixture, refused);
	fixture->class.v4l2loopback.reset = CONFIG_RESET_RECREATE;
	fixture->is_held = true;
	start(fixture);
	look(fixture);
	expect(fixture, refused);
	assert_int_equal(kernel.removal_count, 0);
	fixture->is_held = false;
	look_later(fixture);
	expect(fixture, BOTH);
	assert_string_equal(kernel_device(10).record.label, "Camera 0");
}

/* Whether a pod holds it is only known of what was told. */
static void a_held_device_of_another_kind_is_kept_as_soon_as_it_is_listed(void **state)
{
	struct fixture *fixture = *state;

	kernel_load(KERNEL_0_15_4);
	kernel_plug(&KERNEL_RECORD(10, "mine"));
	fixture->is_held = true;
	start(fixture);
	look(fixture);
	assert_true(again_ms_of(fixture) <= 1);
	kernel_pass_time(1);
	look(fixture);
	expect(fixture, BOTH);
	assert_true(again_ms_of(fixture) > RETRY_MS / 2);
	assert_int_equal(kernel.removal_count, 0);
}

static void owner_and_group_are_names_or_numbers(void **state)
{
	static const struct {
		const char *owner, *group;
		const char *expected;
	} tests[] = {
		{"1000", "44", NULL},
		{"root", "", NULL},
		{"no such", "", "owner: \"no such\" is not known here; give the number"},
		{"", "no such", "group: \"no such\" is not known here; give the number"},
	};
	struct fixture *fixture = *state;
	struct config_v4l2loopback *config = &fixture->class.v4l2loopback;

	kernel_load(KERNEL_0_15_4);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_ERROR struct error err = {0};
		int r;

		free(config->owner);
		free(config->group);
		config->owner = mem_string(tests[i].owner);
		config->group = mem_string(tests[i].group);
		fixture->source = source_free(fixture->source);
		r = source_open(&fixture->class, "", &fixture->host, &fixture->source,
				&err);
		assert_int_equal(r, tests[i].expected ? -ENOENT : 0);
		if (tests[i].expected)
			assert_string_equal(error_message(&err), tests[i].expected);
		else
			look(fixture);
	}
	assert_int_equal(kernel_device(10).owner, 0);
	assert_int_equal(kernel_device(10).group, 44);
}

static void only_events_of_its_devices_matter(void **state)
{
	struct fixture *fixture = *state;
	unsigned changes;

	start_with_cameras(fixture);
	changes = fixture->changes;
	assert_false(tell(fixture, "/dev/video1"));
	assert_false(tell(fixture, "/dev/video100"));
	assert_false(tell(fixture, "/dev/dummy-video10"));
	scan_once(fixture);
	assert_int_equal(fixture->changes, changes);
	assert_true(tell(fixture, "/dev/video11"));
	look(fixture);
	assert_true(tell(fixture, "/dev/v4l2loopback"));
	look(fixture);
	source_distrust(fixture->source);
	look(fixture);
	expect(fixture, BOTH);
}

static void a_device_that_somebody_removes_is_made_again(void **state)
{
	struct fixture *fixture = *state;

	start_with_cameras(fixture);
	kernel_unplug(10);
	assert_true(tell(fixture, "/dev/video10"));
	close_gate(KERNEL_QUERY_NEW);
	expect(fixture, "video10! /dev/video10 is gone\nvideo11 /dev/video11\n");
	assert_posted(&gate.begun);
	open_gate();
	await_change(fixture);
	expect(fixture, BOTH);
}

/* Its pod has the old number in its node and its cgroup. */
static void a_held_camera_with_another_number_is_absent_until_it_is_free(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before;

	start_with_cameras(fixture);
	before = device_of_first(fixture);
	fixture->is_held = true;
	kernel_unplug(10);
	kernel_plug_foreign(50, "takes the number");
	assert_true(tell(fixture, "/dev/video10"));
	look(fixture);
	expect(fixture, "video10! /dev/video10 was made again with another device number "
			"than its pod knows\nvideo11 /dev/video11\n");
	/* What has changed is looked at once more. */
	await_change(fixture);
	assert_true(again_ms_of(fixture) > 0);
	fixture->is_held = false;
	expect(fixture, BOTH);
	assert_int_not_equal(device_of_first(fixture), before);
	/* From now on that is its number. */
	fixture->is_held = true;
	expect(fixture, BOTH);
}

static void a_shared_camera_is_held_by_any_of_its_shares(void **state)
{
	struct fixture *fixture = *state;

	fixture->class.share = 2;
	kernel_load(KERNEL_0_15_4);
	start(fixture);
	look(fixture);
	scan_once(fixture);
	fixture->held_id = "video10-1";
	kernel_unplug(10);
	kernel_plug_foreign(50, "takes the number");
	assert_true(tell(fixture, "/dev/video10"));
	look(fixture);
	expect(fixture,
	       "video10-0! /dev/video10 was made again with another device number "
	       "than its pod knows\n"
	       "video10-1! /dev/video10 was made again with another device number "
	       "than its pod knows\n"
	       "video11-0 /dev/video11\nvideo11-1 /dev/video11\n");
}

static void udev_is_waited_for_once_for_all_cameras(void **state)
{
	struct fixture *fixture = *state;
	int64_t start_ms;
	int64_t passed_ms;
	struct stat status;

	run_udev();
	kernel_load(KERNEL_0_15_4);
	start(fixture);
	start_ms = clock_ms();
	passed_ms = kernel_passed_ms();
	look(fixture);
	assert_true(clock_ms() - start_ms >= SETTLING_MAX_MS);
	assert_true(kernel_passed_ms() - passed_ms < 2 * SETTLING_MAX_MS);
	expect(fixture, BOTH);
	assert_int_equal(stat("/dev/video11", &status), 0);
	assert_int_equal(status.st_mode & 07777, 0660);
}

static void preview(struct fixture *fixture)
{
	fixture->source = source_free(fixture->source);
	assert_int_equal(source_open(&fixture->class, "", NULL, &fixture->source, NULL),
			 0);
}

static void a_preview_shows_the_cameras_that_would_be_made(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	KUDEV_AUTO_FREE char *got = NULL;

	disk.is_installed = true;
	preview(fixture);
	got = scan_source(fixture, &scan);
	assert_string_equal(got, BOTH);
	assert_null(scan.degraded);
	assert_int_equal(scan.notes.count, 1);
	assert_string_equal(
		scan.notes.items[0].reason,
		"the module v4l2loopback is not loaded yet; kudev run loads it");
	assert_int_equal(disk.loaded, 0);
	kernel_load(KERNEL_0_15_4);
	expect(fixture, BOTH);
	assert_int_equal(kernel.add_count, 0);
}

static void a_preview_shows_what_would_stand_for_the_cameras(void **state)
{
	static const char *const none = "video10! there is no /dev/video10\n"
					"video11! there is no /dev/video11\n";
	struct fixture *fixture = *state;

	preview(fixture);
	expect(fixture, BOTH_DUMMIES);
	expect_degraded(fixture, NO_MODULE);
	assert_false(is_dummy("/dev/dummy-video10"));
	fixture->class.v4l2loopback.fallback = CONFIG_FALLBACK_NONE;
	expect(fixture, none);
	/* It makes none once it is loaded. */
	kernel_load(KERNEL_0_12);
	expect(fixture, none);
}

static void a_preview_changes_nothing(void **state)
{
	struct fixture *fixture = *state;

	fixture->class.v4l2loopback.reset = CONFIG_RESET_RECREATE;
	kernel_load(KERNEL_0_15_4);
	kernel_plug(&KERNEL_RECORD(10, "mine"));
	kernel_set_openers(10, 3);
	preview(fixture);
	scan_once(fixture);
	assert_int_equal(kernel.add_count, 0);
	assert_int_equal(kernel.removal_count, 0);
	assert_int_equal(kernel_count_devices(), 1);
	assert_int_equal(kernel_device(10).record.openers, 3);
}

/* Dummies. */

static void without_a_module_links_to_null_stand_for_the_cameras(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared prepared = PREPARED("video10");

	start_with_dummies(fixture);
	expect_degraded(fixture, NO_MODULE);
	assert_true(is_dummy("/dev/dummy-video10"));
	assert_true(is_dummy("/dev/dummy-video11"));
	assert_true(again_ms_of(fixture) > 0);
	prepare(fixture, &prepared);
	expect_skipped(&prepared, "it is a dummy");
}

static void dummies_that_pods_hold_stay_when_kudev_ends(void **state)
{
	struct fixture *fixture = *state;

	start_with_dummies(fixture);
	fixture->held_id = "video10";
	fixture->source = source_free(fixture->source);
	assert_true(is_dummy("/dev/dummy-video10"));
	assert_false(is_dummy("/dev/dummy-video11"));
	/* It is there at once when kudev comes again. */
	start(fixture);
	expect(fixture, "video10 /dev/dummy-video10\n");
	await_change(fixture);
	expect(fixture, BOTH_DUMMIES);
}

static void a_module_that_cannot_be_loaded_is_as_good_as_none(void **state)
{
	struct fixture *fixture = *state;

	disk.is_installed = true;
	disk.error = EPERM;
	start_with_dummies(fixture);
	expect_degraded(fixture, "cannot load the module: Operation not permitted");
}

static void a_control_node_that_cannot_be_opened_is_as_good_as_no_module(void **state)
{
	struct fixture *fixture = *state;

	kernel_load(KERNEL_0_15_4);
	kernel.bad_path = "/dev/v4l2loopback";
	kernel.bad_path_errno = EACCES;
	start_with_dummies(fixture);
	expect_degraded(fixture, "cannot open /dev/v4l2loopback: Permission denied");
	/* Unless the devices are there. */
	kernel_plug(&KERNEL_RECORD(10, "Camera 0"));
	kernel_plug(&KERNEL_RECORD(11, "Camera 1"));
	look_later(fixture);
	expect(fixture, BOTH);
	expect_degraded(fixture, NULL);
}

static void without_a_fallback_the_cameras_are_absent_with_the_reason(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared prepared = PREPARED("video10");

	fixture->class.v4l2loopback.fallback = CONFIG_FALLBACK_NONE;
	start(fixture);
	look(fixture);
	expect(fixture, "video10! there is no /dev/video10\n"
			"video11! there is no /dev/video11\n");
	expect_degraded(fixture, NO_MODULE);
	prepare(fixture, &prepared);
	expect_prepared(&prepared, ENODEV, "there is no /dev/video10");
}

static void dummies_go_when_the_module_comes(void **state)
{
	struct fixture *fixture = *state;

	start_with_dummies(fixture);
	kernel_load(KERNEL_0_15_4);
	assert_true(tell(fixture, "/dev/v4l2loopback"));
	look(fixture);
	expect(fixture, BOTH);
	expect_degraded(fixture, NULL);
	assert_false(is_dummy("/dev/dummy-video10"));
	assert_int_equal(again_ms_of(fixture), -1);
}

static void a_dummy_that_a_pod_holds_stays_until_it_is_free(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared prepared = PREPARED("video10");

	start_with_dummies(fixture);
	fixture->is_held = true;
	kernel_load(KERNEL_0_15_4);
	look_later(fixture);
	expect(fixture, BOTH_DUMMIES);
	prepare(fixture, &prepared);
	expect_skipped(&prepared, "it is a dummy");
	assert_true(again_ms_of(fixture) > 0);
	fixture->is_held = false;
	look_later(fixture);
	expect(fixture, BOTH);
}

/* The node that it knows is gone, and a dummy under its ID would be another device. */
static void a_camera_that_a_pod_holds_gets_no_dummy(void **state)
{
	struct fixture *fixture = *state;

	start_with_cameras(fixture);
	fixture->is_held = true;
	kernel_unplug(10);
	kernel_unplug(11);
	kernel_write("/sys/module/v4l2loopback/initstate", "going\n");
	assert_true(tell(fixture, "/dev/video10"));
	look(fixture);
	expect(fixture, "video10! there is no /dev/video10\n"
			"video11! there is no /dev/video11\n");
	fixture->is_held = false;
	look_later(fixture);
	expect(fixture, BOTH_DUMMIES);
}

static void what_is_in_the_place_of_a_dummy_stays(void **state)
{
	struct fixture *fixture = *state;

	kernel_write("/dev/dummy-video10", "precious");
	kernel_link("/dev/dummy-video11", "/dev/nullify");
	start(fixture);
	look(fixture);
	expect(fixture, "video10! neither the camera nor /dev/dummy-video10 can be made: "
			"File exists\n"
			"video11! neither the camera nor /dev/dummy-video11 can be made: "
			"File exists\n");
	assert_int_equal(access("/dev/dummy-video10", F_OK), 0);
}

static void a_preview_tells_what_is_in_the_place_of_a_dummy(void **state)
{
	struct fixture *fixture = *state;

	kernel_write("/dev/dummy-video10", "precious");
	preview(fixture);
	expect(fixture, "video10! neither the camera nor /dev/dummy-video10 can be made: "
			"File exists\n"
			"video11 /dev/dummy-video11\n");
}

static void a_dummy_that_somebody_removes_is_made_again(void **state)
{
	struct fixture *fixture = *state;

	start_with_dummies(fixture);
	assert_int_equal(unlink("/dev/dummy-video10"), 0);
	look_later(fixture);
	expect(fixture, BOTH_DUMMIES);
	assert_true(is_dummy("/dev/dummy-video10"));
}

/* The class had them before its fallback was taken away. */
static void dummies_that_nobody_wants_any_more_go(void **state)
{
	struct fixture *fixture = *state;

	kernel_link("/dev/dummy-video10", "/dev/null");
	kernel_link("/dev/dummy-video11", "/dev/null");
	fixture->class.v4l2loopback.fallback = CONFIG_FALLBACK_NONE;
	fixture->is_held = true;
	start(fixture);
	look(fixture);
	expect(fixture, BOTH_DUMMIES);
	fixture->is_held = false;
	look_later(fixture);
	expect(fixture, "video10! there is no /dev/video10\n"
			"video11! there is no /dev/video11\n");
	assert_false(is_dummy("/dev/dummy-video10"));
}

/* Looks that take long. */

static void dummies_stand_for_cameras_while_the_kernel_hangs(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared prepared = PREPARED("video10");

	start_late_look(fixture);
	expect(fixture, BOTH_DUMMIES);
	expect_degraded(fixture, LATE);
	/* Nothing is to be done for them that the kernel would have to answer. */
	prepare(fixture, &prepared);
	expect_skipped(&prepared, "it is a dummy");
	open_gate();
	await_change(fixture);
	expect(fixture, BOTH);
	expect_degraded(fixture, NULL);
}

static void without_a_fallback_nothing_is_ready_while_the_kernel_hangs(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared prepared = PREPARED("video10");

	fixture->class.v4l2loopback.fallback = CONFIG_FALLBACK_NONE;
	start_late_look(fixture);
	expect(fixture, "");
	expect_degraded(fixture, LATE);
	prepare(fixture, &prepared);
	expect_prepared(&prepared, ETIMEDOUT, NO_ANSWER);
	open_gate();
	await_change(fixture);
	expect(fixture, BOTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_scan_is_empty_and_the_next_one_has_the_cameras),
		TEST(cameras_stay_when_kudev_ends),
		TEST(a_shared_camera_has_an_id_for_each_share),
		TEST(the_module_is_loaded_without_devices),
		TEST(a_module_of_before_0_13_is_told_of_all_devices),
		TEST(a_camera_that_cannot_be_made_says_why_and_is_tried_again),
		TEST(a_device_of_another_kind_is_made_again_only_if_that_is_asked_for),
		TEST(a_held_device_of_another_kind_is_kept_as_soon_as_it_is_listed),
		TEST(owner_and_group_are_names_or_numbers),
		TEST(only_events_of_its_devices_matter),
		TEST(a_device_that_somebody_removes_is_made_again),
		TEST(a_held_camera_with_another_number_is_absent_until_it_is_free),
		TEST(a_shared_camera_is_held_by_any_of_its_shares),
		TEST(udev_is_waited_for_once_for_all_cameras),
		TEST(a_preview_shows_the_cameras_that_would_be_made),
		TEST(a_preview_shows_what_would_stand_for_the_cameras),
		TEST(a_preview_changes_nothing),
		TEST(without_a_module_links_to_null_stand_for_the_cameras),
		TEST(dummies_that_pods_hold_stay_when_kudev_ends),
		TEST(a_module_that_cannot_be_loaded_is_as_good_as_none),
		TEST(a_control_node_that_cannot_be_opened_is_as_good_as_no_module),
		TEST(without_a_fallback_the_cameras_are_absent_with_the_reason),
		TEST(dummies_go_when_the_module_comes),
		TEST(a_dummy_that_a_pod_holds_stays_until_it_is_free),
		TEST(a_camera_that_a_pod_holds_gets_no_dummy),
		TEST(what_is_in_the_place_of_a_dummy_stays),
		TEST(a_preview_tells_what_is_in_the_place_of_a_dummy),
		TEST(a_dummy_that_somebody_removes_is_made_again),
		TEST(dummies_that_nobody_wants_any_more_go),
		TEST(dummies_stand_for_cameras_while_the_kernel_hangs),
		TEST(without_a_fallback_nothing_is_ready_while_the_kernel_hangs),
	};

	return RUN_TESTS(tests);
}
