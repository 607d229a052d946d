/* SPDX-License-Identifier: Apache-2.0 */
#include "test-plugin.h"

static char *list_text(const V1beta1__ListAndWatchResponse *list)
{
	KUDEV_AUTO_STRINGS struct strings words = {0};

	for (size_t i = 0; i < list->n_devices; i++) {
		const V1beta1__Device *device = list->devices[i];
		bool healthy = strcmp(device->health, "Healthy") == 0;

		if (!healthy)
			assert_string_equal(device->health, "Unhealthy");
		strings_take(&words, mem_printf("%s%s", device->id, healthy ? "" : "!"));
		if (device->topology)
			strings_take(&words,
				     mem_printf("@%d",
						(int)device->topology->nodes[0]->id));
	}
	return strings_join(&words, " ");
}

static void on_list(const void *bytes, size_t size, void *data)
{
	struct watcher_side *side = data;
	V1beta1__ListAndWatchResponse *list = (void *)rpc_message_decode(
		&v1beta1__list_and_watch_response__descriptor, bytes, size);

	assert_non_null(list);
	free(side->list);
	side->list = list_text(list);
	side->lists.count++;
	v1beta1__list_and_watch_response__free_unpacked(list, NULL);
}

static const struct rpc_request_callbacks list_callbacks = {
	.on_message = on_list,
	.on_done = on_done,
};
static void watch(struct fixture *fixture, struct watcher_side *side)
{
	static const V1beta1__Empty empty = V1BETA1__EMPTY__INIT;
	KUDEV_AUTO(rpc_message_free) struct rpc_message *message = NULL;

	message = rpc_message_new(&empty.base);
	side->request = rpc_request_new(fixture->connection, METHOD("ListAndWatch"),
					message, 0, &list_callbacks, side);
}

static void expect_list(struct fixture *fixture, struct watcher_side *side,
			const char *expected)
{
	side->lists.wanted = side->lists.count + 1;
	assert_comes(fixture->loop, wait_is_enough, &side->lists);
	assert_string_equal(side->list, expected);
	assert_int_equal(side->lists.count, side->lists.wanted);
}

/* Asks for one device; its container path is the answer, or the text of the failure. */
static char *allocate_one(struct fixture *fixture, const char *id,
			  enum rpc_status expected)
{
	V1beta1__AllocateRequest request = V1BETA1__ALLOCATE_REQUEST__INIT;
	V1beta1__ContainerAllocateRequest container =
		V1BETA1__CONTAINER_ALLOCATE_REQUEST__INIT;
	V1beta1__ContainerAllocateRequest *containers[] = {&container};
	char *ids[] = {(char *)id};
	AUTO_SIDE struct watcher_side side = {0};
	V1beta1__AllocateResponse *response;
	char *path;

	container.devices_ids = ids;
	container.n_devices_ids = 1;
	request.container_requests = containers;
	request.n_container_requests = 1;
	call(fixture, METHOD("Allocate"), &request.base, expected, &side);
	if (side.status != RPC_OK)
		return mem_string(side.text);
	response = v1beta1__allocate_response__unpack(NULL, side.size, side.bytes);
	assert_non_null(response);
	path = mem_string(
		response->container_responses[0]->n_devices > 0
			? response->container_responses[0]->devices[0]->container_path
			: response->container_responses[0]->mounts[0]->container_path);
	v1beta1__allocate_response__free_unpacked(response, NULL);
	return path;
}

static void options_say_what_is_implemented(void **state)
{
	static const V1beta1__Empty empty = V1BETA1__EMPTY__INIT;
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side side = {0};
	V1beta1__DevicePluginOptions *options;

	start(fixture, CAM, (const char *const[]){NULL});
	call(fixture, METHOD("GetDevicePluginOptions"), &empty.base, RPC_OK, &side);
	options = v1beta1__device_plugin_options__unpack(NULL, side.size, side.bytes);
	assert_true(options->get_preferred_allocation_available);
	assert_false(options->pre_start_required);
	v1beta1__device_plugin_options__free_unpacked(options, NULL);
	assert_true(plugin_prefers(fixture->plugin));
	side_clear(&side);
	call(fixture, METHOD("PreStartContainer"), &empty.base, RPC_UNIMPLEMENTED, &side);
}

static void what_is_not_offered_is_unimplemented(void **state)
{
	static const V1beta1__Empty empty = V1BETA1__EMPTY__INIT;
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side side = {0};

	start(fixture, FUSE, (const char *const[]){NULL});
	assert_false(plugin_prefers(fixture->plugin));
	call(fixture, METHOD("GetDevicePluginOptions"), &empty.base, RPC_OK, &side);
	assert_int_equal(side.size, 0);
	side_clear(&side);
	call(fixture, METHOD("GetPreferredAllocation"), &empty.base, RPC_UNIMPLEMENTED,
	     &side);
}

static void the_first_list_is_complete_also_if_it_is_empty(void **state)
{
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side side = {0};

	start(fixture, FUSE, (const char *const[]){NULL});
	watch(fixture, &side);
	expect_list(fixture, &side, "");
	tree_file(fixture->node->tree, "/dev/f0", "");
	node_scan(fixture->node);
	expect_list(fixture, &side, "f0");
	assert_false(side.done);
}

static void the_list_tells_the_numa_nodes(void **state)
{
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side side = {0};

	start(fixture, CAM, (const char *const[]){NULL});
	watch(fixture, &side);
	expect_list(fixture, &side, "cam-0 @0 cam-1 @1 cam-2 @0");
}

static void changes_that_come_together_make_one_list(void **state)
{
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side side = {0};

	start(fixture, FUSE, (const char *const[]){"/dev/f0", "/dev/f1", NULL});
	watch(fixture, &side);
	expect_list(fixture, &side, "f0 f1");
	tree_remove(fixture->node->tree, "/dev/f0");
	node_scan(fixture->node);
	tree_remove(fixture->node->tree, "/dev/f1");
	node_scan(fixture->node);
	tree_file(fixture->node->tree, "/dev/f0", "");
	node_scan(fixture->node);
	/* The second is the one after the next change, so there was one alone. */
	expect_list(fixture, &side, "f0 f1!");
	node_scan(fixture->node);
	tree_file(fixture->node->tree, "/dev/f2", "");
	node_scan(fixture->node);
	expect_list(fixture, &side, "f0 f1! f2");
}

static bool has_no_stream(void *data)
{
	const struct fixture *fixture = data;

	return fixture->closed == fixture->opened;
}

static bool has_closed_one(void *data)
{
	return ((const struct fixture *)data)->closed == 1;
}

static void every_stream_gets_everything_whatever_the_others_do(void **state)
{
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side first = {0};
	AUTO_SIDE struct watcher_side second = {0};

	start(fixture, FUSE, (const char *const[]){"/dev/f0", NULL});
	watch(fixture, &first);
	watch(fixture, &second);
	expect_list(fixture, &first, "f0");
	second.lists.wanted = 1;
	assert_comes(fixture->loop, wait_is_enough, &second.lists);
	assert_int_equal(fixture->opened, 2);
	first.request = rpc_request_cancel(first.request);
	assert_comes(fixture->loop, has_closed_one, fixture);
	tree_remove(fixture->node->tree, "/dev/f0");
	node_scan(fixture->node);
	expect_list(fixture, &second, "f0!");
	second.request = rpc_request_cancel(second.request);
	assert_comes(fixture->loop, has_no_stream, fixture);
	assert_int_equal(fixture->closed, 2);
}

static void a_device_that_is_gone_is_refused_and_told(void **state)
{
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side side = {0};
	KUDEV_AUTO_FREE char *good = NULL;
	KUDEV_AUTO_FREE char *bad = NULL;

	start(fixture, FUSE, (const char *const[]){"/dev/f0", "/dev/f1", NULL});
	watch(fixture, &side);
	expect_list(fixture, &side, "f0 f1");
	good = allocate_one(fixture, "f1", RPC_OK);
	assert_string_equal(good, "/dev/f1");
	/* Nobody has scanned since. */
	tree_remove(fixture->node->tree, "/dev/f1");
	bad = allocate_one(fixture, "f1", RPC_FAILED_PRECONDITION);
	assert_string_equal(
		bad, "device \"f1\" of kudev.io/fuse is unhealthy: /dev/f1 is gone");
	/* The answer and the list race, but the list comes. */
	while (strcmp(side.list, "f0 f1!") != 0) {
		side.lists.wanted = side.lists.count + 1;
		assert_comes(fixture->loop, wait_is_enough, &side.lists);
	}
}

static void who_asks_for_the_unknown_is_sent_the_list_again(void **state)
{
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side side = {0};
	KUDEV_AUTO_FREE char *bad = NULL;

	start(fixture, FUSE, (const char *const[]){"/dev/f0", NULL});
	watch(fixture, &side);
	expect_list(fixture, &side, "f0");
	/* The answer and the list race. */
	side.lists.wanted = side.lists.count + 1;
	bad = allocate_one(fixture, "f9", RPC_NOT_FOUND);
	assert_string_equal(bad, "kudev.io/fuse has no device \"f9\"");
	assert_comes(fixture->loop, wait_is_enough, &side.lists);
	assert_string_equal(side.list, "f0");
}

static void broken_requests_are_refused_and_the_next_one_works(void **state)
{
	static const char *const names[] = {METHOD("Allocate"),
					    METHOD("GetPreferredAllocation")};
	/* Its first field is a number, where the requests have a message. */
	V1beta1__DevicePluginOptions other = V1BETA1__DEVICE_PLUGIN_OPTIONS__INIT;
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *broken = NULL;
	KUDEV_AUTO_FREE char *good = NULL;

	other.pre_start_required = true;
	start(fixture, CAM, (const char *const[]){NULL});
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(names); i++) {
		AUTO_SIDE struct watcher_side side = {0};

		call(fixture, names[i], &other.base, RPC_INVALID_ARGUMENT, &side);
	}
	broken = allocate_one(fixture, "cam-\xff", RPC_INVALID_ARGUMENT);
	good = allocate_one(fixture, "cam-1", RPC_OK);
	assert_string_equal(good, "/dev/cam1");
}

static void the_preferred_devices_are_told(void **state)
{
	V1beta1__PreferredAllocationRequest request =
		V1BETA1__PREFERRED_ALLOCATION_REQUEST__INIT;
	V1beta1__ContainerPreferredAllocationRequest container =
		V1BETA1__CONTAINER_PREFERRED_ALLOCATION_REQUEST__INIT;
	V1beta1__ContainerPreferredAllocationRequest *containers[] = {&container};
	char *ids[] = {(char *)"cam-0", (char *)"cam-1", (char *)"cam-2"};
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side side = {0};
	V1beta1__PreferredAllocationResponse *response;

	container.available_deviceids = ids;
	container.n_available_deviceids = 3;
	container.allocation_size = 2;
	request.container_requests = containers;
	request.n_container_requests = 1;
	start(fixture, CAM, (const char *const[]){NULL});
	call(fixture, METHOD("GetPreferredAllocation"), &request.base, RPC_OK, &side);
	response = v1beta1__preferred_allocation_response__unpack(NULL, side.size,
								  side.bytes);
	assert_int_equal(response->container_responses[0]->n_deviceids, 2);
	assert_string_equal(response->container_responses[0]->deviceids[0], "cam-0");
	assert_string_equal(response->container_responses[0]->deviceids[1], "cam-2");
	v1beta1__preferred_allocation_response__free_unpacked(response, NULL);
}

static void a_server_that_stops_closes_its_streams(void **state)
{
	struct fixture *fixture = *state;
	AUTO_SIDE struct watcher_side side = {0};
	bool stopped = false;

	start(fixture, FUSE, (const char *const[]){"/dev/f0", NULL});
	watch(fixture, &side);
	expect_list(fixture, &side, "f0");
	rpc_server_stop(take_ptr(fixture->server), wait_set, &stopped);
	assert_comes(fixture->loop, wait_is_set, &stopped);
	assert_int_equal(fixture->closed, 1);
	assert_comes(fixture->loop, wait_is_set, &side.done);
	assert_true(side.status != RPC_OK);
	/* A change has nobody to be sent to. */
	tree_remove(fixture->node->tree, "/dev/f0");
	node_scan(fixture->node);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(options_say_what_is_implemented),
		TEST(what_is_not_offered_is_unimplemented),
		TEST(the_first_list_is_complete_also_if_it_is_empty),
		TEST(the_list_tells_the_numa_nodes),
		TEST(changes_that_come_together_make_one_list),
		TEST(every_stream_gets_everything_whatever_the_others_do),
		TEST(a_device_that_is_gone_is_refused_and_told),
		TEST(who_asks_for_the_unknown_is_sent_the_list_again),
		TEST(broken_requests_are_refused_and_the_next_one_works),
		TEST(the_preferred_devices_are_told),
		TEST(a_server_that_stops_closes_its_streams),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
