/* SPDX-License-Identifier: Apache-2.0 */
/* The source of virtual cameras: making them ready, and the end. */
#include "config/change.h"
#include "source/camera.h"
#include "source/discovery.h"
#include "test-config.h"
#include "test-v4l2loopback.h"

static void a_camera_is_reset_softly(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared prepared = PREPARED("video11");

	start_with_cameras(fixture);
	kernel_set_openers(11, 1);
	prepare(fixture, &prepared);
	assert_false(prepared.is_done);
	await_prepared(fixture, &prepared);
	expect_prepared(&prepared, 0, "no error");
	assert_int_equal(kernel_device(11).record.openers, 10);
	assert_int_equal(kernel.removal_count, 0);
}

static void a_camera_is_made_again_if_the_class_says_so(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared prepared = PREPARED("video10");
	uint64_t before;

	fixture->class.v4l2loopback.reset = CONFIG_RESET_RECREATE;
	start_with_cameras(fixture);
	before = device_of_first(fixture);
	/* Held: by who is about to start. */
	fixture->is_held = true;
	close_gate(KERNEL_ADD_NEW);
	prepare(fixture, &prepared);
	assert_posted(&gate.begun);
	/* It is not there at the moment, but nobody is told. */
	assert_int_equal(kernel_count_devices(), 1);
	kernel_plug_foreign(50, "takes the number");
	expect(fixture, BOTH);
	assert_int_equal(device_of_first(fixture), before);
	open_gate();
	await_prepared(fixture, &prepared);
	expect_prepared(&prepared, 0, "no error");
	look(fixture);
	expect(fixture, BOTH);
	assert_int_not_equal(device_of_first(fixture), before);
}

static void what_cannot_be_prepared_says_why(void **state)
{
	static const struct {
		const char *id;
		int code;
		const char *text;
	} tests[] = {
		{"video9", ENOENT, "the class has no such device"},
		{"", ENOENT, "the class has no such device"},
		{"video10", ENODEV, "it is not there"},
	};
	struct fixture *fixture = *state;

	kernel_load(KERNEL_0_15_4);
	start(fixture);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		AUTO_PREPARED struct prepared prepared = PREPARED(tests[i].id);

		prepare(fixture, &prepared);
		expect_prepared(&prepared, tests[i].code, tests[i].text);
	}
}

static void a_class_without_reset_needs_no_preparation(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared prepared = PREPARED("video10");

	fixture->class.v4l2loopback.reset = CONFIG_RESET_NONE;
	start_with_cameras(fixture);
	prepare(fixture, &prepared);
	expect_skipped(&prepared, "the class asks for no reset");
}

static void a_camera_that_is_not_ready_is_not_reset(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared prepared = PREPARED("video10");

	kernel_load(KERNEL_0_15_4);
	kernel_plug_foreign(10, "vivid-000");
	start(fixture);
	look(fixture);
	prepare(fixture, &prepared);
	expect_prepared(&prepared, ENODEV, "/dev/video10 belongs to vivid-000");
}

static void preparations_wait_for_a_look_that_is_under_way(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared first = PREPARED("video10");
	AUTO_PREPARED struct prepared second = PREPARED("video11");

	kernel_load(KERNEL_0_15_4);
	close_gate(KERNEL_QUERY_NEW);
	start(fixture);
	expect(fixture, "");
	assert_posted(&gate.begun);
	prepare(fixture, &first);
	prepare(fixture, &second);
	assert_false(first.is_done);
	assert_false(second.is_done);
	open_gate();
	await_prepared(fixture, &first);
	await_prepared(fixture, &second);
	expect_prepared(&first, 0, "no error");
	expect_prepared(&second, 0, "no error");
}

static void preparations_fail_with_a_look_that_is_late(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared prepared = PREPARED("video10");

	fixture->class.v4l2loopback.timeout_ms = 10;
	kernel_load(KERNEL_0_15_4);
	close_gate(KERNEL_QUERY_NEW);
	start(fixture);
	expect(fixture, "");
	assert_posted(&gate.begun);
	prepare(fixture, &prepared);
	await_prepared(fixture, &prepared);
	expect_prepared(&prepared, ETIMEDOUT, NO_ANSWER);
	open_gate();
	await_change(fixture);
	expect(fixture, BOTH);
}

static void of_two_preparations_of_one_camera_the_second_fails(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared first = PREPARED("video10");
	AUTO_PREPARED struct prepared second = PREPARED("video10");
	AUTO_PREPARED struct prepared other = PREPARED("video11");
	AUTO_PREPARED struct prepared later = PREPARED("video10");

	start_with_cameras(fixture);
	prepare(fixture, &first);
	prepare(fixture, &second);
	prepare(fixture, &other);
	expect_prepared(&second, EBUSY, "it is being reset already");
	await_prepared(fixture, &first);
	await_prepared(fixture, &other);
	expect_prepared(&first, 0, "no error");
	expect_prepared(&other, 0, "no error");
	prepare(fixture, &later);
	await_prepared(fixture, &later);
	expect_prepared(&later, 0, "no error");
}

static unsigned pauses;

static void close_after_some_pauses(void)
{
	if (__atomic_add_fetch(&pauses, 1, __ATOMIC_SEQ_CST) == 5)
		kernel_change_open_count(10, -1);
}

/* The last user's process is still about to end. */
static void a_camera_that_is_open_for_a_moment_is_reset(void **state)
{
	static const enum config_reset resets[] = {CONFIG_RESET_SOFT,
						   CONFIG_RESET_RECREATE};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(resets); i++) {
		AUTO_PREPARED struct prepared prepared = PREPARED("video10");

		fixture->class.v4l2loopback.reset = resets[i];
		start_with_cameras(fixture);
		kernel_change_open_count(10, 1);
		pauses = 0;
		kernel.on_pause = close_after_some_pauses;
		prepare(fixture, &prepared);
		await_prepared(fixture, &prepared);
		expect_prepared(&prepared, 0, "no error");
	}
}

static void a_camera_that_stays_open_is_not_reset(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared prepared = PREPARED("video10");

	start_with_cameras(fixture);
	kernel_change_open_count(10, 1);
	prepare(fixture, &prepared);
	await_prepared(fixture, &prepared);
	expect_prepared(&prepared, EBUSY,
			"/dev/video10 is open: a device in use is not reset");
	expect(fixture, BOTH);
	kernel_change_open_count(10, -1);
}

/* The look that its event brings about leaves alone what is being reset. */
static void a_camera_that_goes_while_it_is_reset_is_made_again(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared prepared = PREPARED("video10");

	start_with_cameras(fixture);
	close_gate(VIDIOC_S_CTRL);
	prepare(fixture, &prepared);
	assert_posted(&gate.begun);
	kernel_unplug(10);
	assert_true(tell(fixture, "/dev/video10"));
	look(fixture);
	/* It looks once more, since the node has changed. */
	expect(fixture, BOTH);
	await_change(fixture);
	open_gate();
	await_prepared(fixture, &prepared);
	expect_prepared(&prepared, ENODEV,
			"cannot set control 0x98f900 to 0: No such device");
	look(fixture);
	expect(fixture, BOTH);
	assert_true(kernel_device(10).is_used);
}

/* The same, right after the last that the reset did. */
static void a_camera_that_goes_at_the_end_of_its_reset_is_made_again(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared prepared = PREPARED("video10");

	start_with_cameras(fixture);
	close_gate(VIDIOC_REQBUFS);
	prepare(fixture, &prepared);
	assert_posted(&gate.begun);
	assert_true(tell(fixture, "/dev/video10"));
	look(fixture);
	open_gate();
	await_prepared(fixture, &prepared);
	expect_prepared(&prepared, 0, "no error");
	/* Its event was that of before. */
	kernel_unplug(10);
	look(fixture);
	expect(fixture, BOTH);
}

static void a_reset_that_takes_too_long_fails_and_may_still_end(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared first = PREPARED("video10");
	AUTO_PREPARED struct prepared second = PREPARED("video10");
	AUTO_PREPARED struct prepared other = PREPARED("video11");
	AUTO_PREPARED struct prepared third = PREPARED("video10");

	start_with_cameras(fixture);
	close_gate(VIDIOC_REQBUFS);
	prepare(fixture, &first);
	assert_posted(&gate.begun);
	atomic_store(&gate.request, 0);
	kernel_pass_time(RESET_TIMEOUT_MS);
	await_prepared(fixture, &first);
	expect_prepared(&first, ETIMEDOUT, "the kernel has not ended the reset in time");
	/* Who asks again gets the answer of the one that is under way. */
	prepare(fixture, &second);
	prepare(fixture, &third);
	expect_prepared(&third, EBUSY, "it is being reset already");
	prepare(fixture, &other);
	await_prepared(fixture, &other);
	expect_prepared(&other, 0, "no error");
	open_gate();
	await_prepared(fixture, &second);
	expect_prepared(&second, 0, "no error");
}

#define MANY 20
#define RESETS_MAX 16 /* as v4l2loopback.c has it */

static void fail_all_resets(struct fixture *fixture)
{
	kernel.bad_request = VIDIOC_S_CTRL;
	kernel.bad_request_errno = EIO;
	for (unsigned i = 0; i < MANY; i++) {
		KUDEV_AUTO_FREE char *id = mem_printf("video%u", 10 + i);
		AUTO_PREPARED struct prepared prepared = PREPARED(id);

		prepare(fixture, &prepared);
		await_prepared(fixture, &prepared);
		assert_int_equal(prepared.code, EIO);
	}
	kernel.bad_request = 0;
}

/* The worker has other things to do, too. */
static void failed_resets_are_not_repeated_all_at_once(void **state)
{
	struct fixture *fixture = *state;
	int begun = 0;

	for (unsigned i = 2; i < MANY; i++)
		strings_add(&fixture->class.v4l2loopback.labels, "Camera");
	fixture->class.v4l2loopback.count = MANY;
	kernel_load(KERNEL_0_15_4);
	start(fixture);
	look(fixture);
	fail_all_resets(fixture);
	look(fixture);
	scan_once(fixture);
	kernel_pass_time(RETRY_MS);
	close_gate(VIDIOC_REQBUFS);
	scan_once(fixture);
	await_worker(fixture);
	assert_int_equal(sem_getvalue(&gate.begun, &begun), 0);
	assert_int_equal(begun, RESETS_MAX);
	for (unsigned i = 0; i < MANY; i++)
		open_gate();
}

/* The end. */

static void a_source_that_ends_during_a_look_fails_what_waits(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared first = PREPARED("video10");
	AUTO_PREPARED struct prepared second = PREPARED("video11");
	unsigned changes;

	kernel_load(KERNEL_0_15_4);
	close_gate(KERNEL_QUERY_NEW);
	start(fixture);
	expect(fixture, "");
	assert_posted(&gate.begun);
	prepare(fixture, &first);
	prepare(fixture, &second);
	changes = fixture->changes;
	fixture->source = source_free(fixture->source);
	expect_prepared(&first, ECANCELED, "kudev ends, or has another configuration");
	expect_prepared(&second, ECANCELED, "kudev ends, or has another configuration");
	open_gate();
	await_worker(fixture);
	assert_int_equal(fixture->changes, changes);
}

static void a_source_that_ends_during_a_reset_fails_it(void **state)
{
	static const enum config_reset resets[] = {CONFIG_RESET_SOFT,
						   CONFIG_RESET_RECREATE};
	static const unsigned long requests[] = {VIDIOC_REQBUFS, KERNEL_REMOVE_NEW};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(resets); i++) {
		AUTO_PREPARED struct prepared prepared = PREPARED("video10");
		unsigned changes;

		fixture->class.v4l2loopback.reset = resets[i];
		start_with_cameras(fixture);
		close_gate(requests[i]);
		prepare(fixture, &prepared);
		assert_posted(&gate.begun);
		changes = fixture->changes;
		fixture->source = source_free(fixture->source);
		expect_prepared(&prepared, ECANCELED,
				"kudev ends, or has another configuration");
		open_gate();
		await_worker(fixture);
		assert_int_equal(fixture->changes, changes);
	}
}

static void a_look_that_has_not_begun_is_dropped_with_the_worker(void **state)
{
	struct fixture *fixture = *state;

	kernel_load(KERNEL_0_15_4);
	close_gate(KERNEL_QUERY_NEW);
	start(fixture);
	expect(fixture, "");
	assert_posted(&gate.begun);
	start(fixture);
	expect(fixture, "");
	fixture->source = source_free(fixture->source);
	fixture->worker = worker_free(fixture->worker);
	assert_int_equal(fixture->changes, 0);
}

/* Another source for the same cameras, while what the one before began goes on. */

/* What has begun is done, also what was left alone. */
static void end_worker(struct fixture *fixture)
{
	await_worker(fixture);
	fixture->worker = worker_free(fixture->worker);
	assert_comes(fixture->loop, has_no_threads, NULL);
}

static void a_reset_of_the_source_before_has_its_camera_alone(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared prepared = PREPARED("video10");

	start_with_cameras(fixture);
	close_gate(VIDIOC_S_CTRL);
	prepare(fixture, &prepared);
	assert_posted(&gate.begun);
	atomic_store(&gate.request, 0);
	start(fixture);
	scan_once(fixture);
	await_turn(fixture);
	/* The look, which waits for its end, has opened it to nobody. */
	assert_int_equal(kernel_device(10).record.openers, 1);
	open_gate();
	await_change(fixture);
	expect(fixture, BOTH);
	assert_int_equal(kernel_device(10).record.openers, 10);
}

static void a_reset_that_has_not_begun_ends_with_its_source(void **state)
{
	struct fixture *fixture = *state;
	AUTO_PREPARED struct prepared prepared = PREPARED("video10");

	fixture->class.v4l2loopback.reset = CONFIG_RESET_RECREATE;
	start_with_cameras(fixture);
	camera_begin(10);
	prepare(fixture, &prepared);
	fixture->source = source_free(fixture->source);
	camera_end(10);
	end_worker(fixture);
	assert_int_equal(kernel.removal_count, 0);
}

static void a_look_makes_nothing_once_its_source_has_ended(void **state)
{
	struct fixture *fixture = *state;

	kernel_load(KERNEL_0_15_4);
	camera_begin(10);
	start(fixture);
	scan_once(fixture);
	fixture->source = source_free(fixture->source);
	camera_end(10);
	end_worker(fixture);
	assert_int_equal(kernel_count_devices(), 0);
}

/* Cameras that no class wants any more. */

static void cameras_that_no_class_wants_are_removed_unless_a_pod_holds_them(void **state)
{
	struct fixture *fixture = *state;
	const struct config none = {0};

	start_with_cameras(fixture);
	fixture->held_id = "video11";
	fixture->source = source_retire(fixture->source, &none);
	await_worker(fixture);
	assert_false(kernel_device(10).is_used);
	assert_true(kernel_device(11).is_used);
	assert_int_equal(kernel_device(11).record.openers, 10);
}

static void cameras_that_another_class_wants_stay(void **state)
{
	struct fixture *fixture = *state;
	const struct config next = {.classes = &fixture->class, .class_count = 1};

	start_with_cameras(fixture);
	fixture->class.v4l2loopback.first_number = 11;
	fixture->class.v4l2loopback.count = 1;
	fixture->source = source_retire(fixture->source, &next);
	await_worker(fixture);
	assert_false(kernel_device(10).is_used);
	assert_true(kernel_device(11).is_used);
}

static void a_camera_that_is_wanted_again_is_not_removed(void **state)
{
	struct fixture *fixture = *state;
	const struct config none = {0};

	start_with_cameras(fixture);
	fixture->held_id = "video11";
	camera_begin(10);
	fixture->source = source_retire(fixture->source, &none);
	start(fixture);
	camera_end(10);
	look(fixture);
	expect(fixture, BOTH);
	fixture->source = source_free(fixture->source);
	end_worker(fixture);
	assert_int_equal(kernel.removal_count, 0);
}

static bool has_healthy(void *data)
{
	const struct inventory_class *class = data;

	return class->healthy > 0;
}

static void count_call(void *data)
{
	++*(unsigned *)data;
}

/* Its answer may lead to what needs the classes of before and after to be the same. */
static void holders_are_not_looked_for_between_two_configurations(void **state)
{
	struct fixture *fixture = *state;
	struct watcher *watcher = watcher_new(fixture->loop);
	struct config *config = parse_good("classes: [{name: cam, v4l2loopback: {}}]\n");
	const struct config none = {0};
	KUDEV_AUTO_CONFIG_CHANGE struct config_change change = {0};
	struct inventory *inventory = inventory_new(config);
	struct discovery *discovery;
	unsigned calls = 0;

	kernel_load(KERNEL_0_15_4);
	discovery = discovery_new(fixture->loop, watcher, fixture->worker, config,
				  inventory, count_call, &calls);
	assert_comes(fixture->loop, has_healthy, inventory_class_at(inventory, 0));
	config_compare(config, &none, &change);
	inventory_change(inventory, &change);
	calls = 0;
	discovery_change(discovery, &change);
	assert_int_equal(calls, 0);
	discovery_free(discovery);
	inventory_free(inventory);
	watcher_free(watcher);
	config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_camera_is_reset_softly),
		TEST(a_camera_is_made_again_if_the_class_says_so),
		TEST(what_cannot_be_prepared_says_why),
		TEST(a_class_without_reset_needs_no_preparation),
		TEST(a_camera_that_is_not_ready_is_not_reset),
		TEST(preparations_wait_for_a_look_that_is_under_way),
		TEST(preparations_fail_with_a_look_that_is_late),
		TEST(of_two_preparations_of_one_camera_the_second_fails),
		TEST(a_camera_that_is_open_for_a_moment_is_reset),
		TEST(a_camera_that_stays_open_is_not_reset),
		TEST(a_camera_that_goes_while_it_is_reset_is_made_again),
		TEST(a_camera_that_goes_at_the_end_of_its_reset_is_made_again),
		TEST(a_reset_that_takes_too_long_fails_and_may_still_end),
		TEST(failed_resets_are_not_repeated_all_at_once),
		TEST(a_source_that_ends_during_a_look_fails_what_waits),
		TEST(a_source_that_ends_during_a_reset_fails_it),
		TEST(a_look_that_has_not_begun_is_dropped_with_the_worker),
		TEST(a_reset_of_the_source_before_has_its_camera_alone),
		TEST(a_reset_that_has_not_begun_ends_with_its_source),
		TEST(a_look_makes_nothing_once_its_source_has_ended),
		TEST(cameras_that_no_class_wants_are_removed_unless_a_pod_holds_them),
		TEST(cameras_that_another_class_wants_stay),
		TEST(a_camera_that_is_wanted_again_is_not_removed),
		TEST(holders_are_not_looked_for_between_two_configurations),
	};

	return RUN_TESTS(tests);
}
