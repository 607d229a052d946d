/* SPDX-License-Identifier: Apache-2.0 */
#include "test-capture.h"
#include "test-plugin.h"

#define MAX_PREPARATIONS 8

/* Who prepares: what was asked of him, and how he answers. */
static struct {
	struct preparation *pending[MAX_PREPARATIONS]; /* NULL: answered */
	struct strings ids;			       /* of all that were asked for */
	bool answers_later;
	const char *bad_id; /* that can't be prepared */
	int code;	    /* why */
} workshop;

static void answer(struct preparation *preparation)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	bool is_bad = workshop.bad_id && strcmp(preparation->id, workshop.bad_id) == 0;

	if (is_bad)
		error_set(&err, workshop.code, "it sticks");
	preparation->done(preparation, is_bad ? &err : NULL);
}

static void prepare(const struct config_class *class, struct preparation *preparation,
		    void *data)
{
	size_t at = workshop.ids.count;

	assert_ptr_equal(data, &workshop);
	assert_string_equal(class->name, "fuse");
	assert_true(at < MAX_PREPARATIONS);
	strings_add(&workshop.ids, preparation->id);
	if (workshop.answers_later)
		workshop.pending[at] = preparation;
	else
		answer(preparation);
}

static const struct preparer preparer = {.prepare = prepare, .data = &workshop};

static int open_workshop(void **state)
{
	memset(&workshop, 0, sizeof(workshop));
	return set_up(state);
}

static int close_workshop(void **state)
{
	strings_clear(&workshop.ids);
	return tear_down(state);
}

static void start_prepared(struct fixture *fixture)
{
	start(fixture, FUSE,
	      (const char *const[]){"/dev/f0", "/dev/f1", "/dev/f2", NULL});
	plugin_prepare_with(fixture->plugin, &preparer);
}

/* ids: with spaces between them. */
static void begin(struct fixture *fixture, const char *ids, struct watcher_side *side)
{
	V1beta1__PreStartContainerRequest request =
		V1BETA1__PRE_START_CONTAINER_REQUEST__INIT;
	KUDEV_AUTO_STRINGS struct strings words = split(ids, " ");

	request.devices_ids = words.items;
	request.n_devices_ids = words.count;
	begin_call(fixture, METHOD("PreStartContainer"), &request.base, side);
}

/* A container with these devices starts. text: of the failure; asked: what was prepared. */
static void expect(struct fixture *fixture, const char *ids, enum rpc_status expected,
		   const char *text, const char *asked)
{
	AUTO_SIDE struct watcher_side side = {0};
	KUDEV_AUTO_FREE char *got = NULL;

	begin(fixture, ids, &side);
	end_call(fixture, &side, expected);
	if (text)
		assert_string_equal(side.text, text);
	else
		assert_int_equal(side.size, 0);
	got = strings_join(&workshop.ids, " ");
	assert_string_equal(got, asked);
	strings_clear(&workshop.ids);
}

static bool is_asked_for_two(void *data)
{
	(void)data;
	return workshop.ids.count == 2;
}

static void options_say_that_it_is_to_be_called(void **state)
{
	static const V1beta1__Empty empty = V1BETA1__EMPTY__INIT;
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side side = {0};
	V1beta1__DevicePluginOptions *options;

	start_prepared(fixture);
	assert_true(plugin_prepares(fixture->plugin));
	call(fixture, METHOD("GetDevicePluginOptions"), &empty.base, RPC_OK, &side);
	options = v1beta1__device_plugin_options__unpack(NULL, side.size, side.bytes);
	assert_true(options->pre_start_required);
	v1beta1__device_plugin_options__free_unpacked(options, NULL);
}

static void who_prepares_nothing_does_not_implement_it(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, FUSE, (const char *const[]){"/dev/f0", NULL});
	assert_false(plugin_prepares(fixture->plugin));
	expect(fixture, "f0", RPC_UNIMPLEMENTED,
	       "this resource needs no preparation before a container starts", "");
}

static void every_device_is_prepared_once(void **state)
{
	static const struct {
		const char *ids, *asked;
	} tests[] = {
		{"", ""},
		{"f0", "f0"},
		{"f1 f0 f2", "f1 f0 f2"},
		{"f1 f1", "f1"},
		{"f2 f0 f2 f0 f2", "f2 f0"},
	};
	struct fixture *fixture = *state;

	start_prepared(fixture);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++)
		expect(fixture, tests[i].ids, RPC_OK, NULL, tests[i].asked);
}

static void an_unknown_device_is_refused_and_none_is_prepared(void **state)
{
	struct fixture *fixture = *state;

	start_prepared(fixture);
	expect(fixture, "f9", RPC_NOT_FOUND, "kudev.io/fuse has no device \"f9\"", "");
	expect(fixture, "f0 f9 f1", RPC_NOT_FOUND, "kudev.io/fuse has no device \"f9\"",
	       "");
	expect(fixture, "f0", RPC_OK, NULL, "f0");
}

static void a_failure_says_which_device_and_why(void **state)
{
	static const struct {
		int code;
		enum rpc_status status;
	} tests[] = {
		{EBUSY, RPC_FAILED_PRECONDITION},
		{ENODEV, RPC_FAILED_PRECONDITION},
		{ECANCELED, RPC_FAILED_PRECONDITION},
		{ETIMEDOUT, RPC_DEADLINE_EXCEEDED},
	};
	struct fixture *fixture = *state;

	start_prepared(fixture);
	workshop.bad_id = "f1";
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		workshop.code = tests[i].code;
		expect(fixture, "f1", tests[i].status,
		       "device f1 of kudev.io/fuse can't be reset: it sticks", "f1");
		/* The others are prepared nevertheless. */
		expect(fixture, "f0 f1 f2", tests[i].status,
		       "device f1 of kudev.io/fuse can't be reset: it sticks",
		       "f0 f1 f2");
		expect(fixture, "f0 f2", RPC_OK, NULL, "f0 f2");
	}
}

static void the_answer_waits_for_the_last_device(void **state)
{
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side side = {0};
	AUTO_SIDE struct watcher_side other = {0};

	start_prepared(fixture);
	workshop.answers_later = true;
	begin(fixture, "f0 f1", &side);
	assert_comes(fixture->loop, is_asked_for_two, NULL);
	answer(workshop.pending[1]);
	/* One that comes later is answered in between. */
	workshop.answers_later = false;
	begin(fixture, "f2", &other);
	end_call(fixture, &other, RPC_OK);
	assert_false(side.done);
	answer(workshop.pending[0]);
	end_call(fixture, &side, RPC_OK);
}

static void of_several_failures_the_first_is_told(void **state)
{
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side side = {0};

	start_prepared(fixture);
	workshop.answers_later = true;
	begin(fixture, "f0 f1", &side);
	assert_comes(fixture->loop, is_asked_for_two, NULL);
	workshop.bad_id = "f1";
	workshop.code = ETIMEDOUT;
	answer(workshop.pending[1]);
	workshop.bad_id = "f0";
	workshop.code = EBUSY;
	answer(workshop.pending[0]);
	end_call(fixture, &side, RPC_DEADLINE_EXCEEDED);
	assert_string_equal(side.text,
			    "device f1 of kudev.io/fuse can't be reset: it sticks");
}

static void broken_requests_are_refused_and_the_next_one_works(void **state)
{
	/* Its first field is a number, where the request has a text. */
	V1beta1__DevicePluginOptions other = V1BETA1__DEVICE_PLUGIN_OPTIONS__INIT;
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side side = {0};

	start_prepared(fixture);
	other.pre_start_required = true;
	call(fixture, METHOD("PreStartContainer"), &other.base, RPC_INVALID_ARGUMENT,
	     &side);
	expect(fixture, "f\xff", RPC_INVALID_ARGUMENT,
	       "the request is not a well-formed message of this method", "");
	expect(fixture, "f0", RPC_OK, NULL, "f0");
}

static void who_does_not_wait_for_the_answer_harms_nobody(void **state)
{
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side side = {0};

	start_prepared(fixture);
	workshop.answers_later = true;
	begin(fixture, "f0 f1", &side);
	assert_comes(fixture->loop, is_asked_for_two, NULL);
	side.request = rpc_request_cancel(side.request);
	workshop.answers_later = false;
	strings_clear(&workshop.ids);
	expect(fixture, "f2", RPC_OK, NULL, "f2");
	answer(workshop.pending[0]);
	answer(workshop.pending[1]);
	expect(fixture, "f0", RPC_OK, NULL, "f0");
}

static void a_server_that_stops_waits_for_what_is_being_prepared(void **state)
{
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side side = {0};
	bool stopped = false;

	start_prepared(fixture);
	workshop.answers_later = true;
	begin(fixture, "f0 f1", &side);
	assert_comes(fixture->loop, is_asked_for_two, NULL);
	rpc_server_stop(take_ptr(fixture->server), wait_set, &stopped);
	/* As when the sources are freed. */
	workshop.bad_id = "f0";
	workshop.code = ECANCELED;
	answer(workshop.pending[0]);
	answer(workshop.pending[1]);
	assert_comes(fixture->loop, wait_is_set, &side.done);
	assert_comes(fixture->loop, wait_is_set, &stopped);
	assert_true(side.status != RPC_OK);
}

static void the_log_says_what_became_of_each_device(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *text = NULL;
	struct capture capture;

	start_prepared(fixture);
	workshop.bad_id = "f1";
	workshop.code = EBUSY;
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	capture = capture_begin();
	expect(fixture, "f0 f1", RPC_FAILED_PRECONDITION,
	       "device f1 of kudev.io/fuse "
	       "can't be reset: it sticks",
	       "f0 f1");
	text = capture_end(&capture);
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	assert_int_equal(capture_count(text, "\"container starts\""), 1);
	assert_int_equal(capture_count(text, "\"device_ids\":\"f0,f1\""), 1);
	assert_int_equal(capture_count(text, "\"device reset\""), 1);
	assert_int_equal(capture_count(text, "\"device_path\":\"/dev/f0\""), 1);
	assert_int_equal(capture_count(text, "\"device reset failed\""), 1);
	assert_int_equal(capture_count(text, "\"error\":\"it sticks\""), 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_workshop, close_workshop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(options_say_that_it_is_to_be_called),
		TEST(who_prepares_nothing_does_not_implement_it),
		TEST(every_device_is_prepared_once),
		TEST(an_unknown_device_is_refused_and_none_is_prepared),
		TEST(a_failure_says_which_device_and_why),
		TEST(the_answer_waits_for_the_last_device),
		TEST(of_several_failures_the_first_is_told),
		TEST(broken_requests_are_refused_and_the_next_one_works),
		TEST(who_does_not_wait_for_the_answer_harms_nobody),
		TEST(a_server_that_stops_waits_for_what_is_being_prepared),
		TEST(the_log_says_what_became_of_each_device),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
