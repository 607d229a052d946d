/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery and its sources, of another configuration: on an emulated kernel. */
#include "source/discovery.h"
#include "source/removal.h"
#include "test-config.h"
#include "test-v4l2loopback.h"

/* Beside the fixture's loop and worker. */
static struct {
	struct config *config;
	struct watcher *watcher;
	struct inventory *inventory;
	struct discovery *discovery;
	const char *held;   /* "resource id"; NULL: nothing is */
	char known[64];	    /* the classes that became known, by their places */
	const char *wanted; /* what awaits() waits for */
	size_t class;
} node;

/* As the daemon's, but for the file: what is free now may be another class's. */
static void find_holders(void *data)
{
	(void)data;
	inventory_begin_holders(node.inventory, HOLD_CHECKPOINT);
	if (node.held) {
		KUDEV_AUTO_FREE char *copy = mem_string(node.held);
		char *id = strchr(copy, ' ');
		struct inventory_class *class;

		*id++ = '\0';
		class = inventory_find_class(node.inventory, copy);
		if (class)
			inventory_hold(node.inventory, class, id, LIST_NUMA_UNKNOWN,
				       NULL);
	}
	inventory_end_holders(node.inventory);
	if (node.discovery)
		discovery_retry(node.discovery);
}

static void on_known(size_t index, void *data)
{
	size_t length = strlen(node.known);

	(void)data;
	snprintf(node.known + length, sizeof(node.known) - length, "%zu", index);
}

static int set_up_node(void **state)
{
	int r = set_up(state);
	struct fixture *fixture = *state;

	memset(&node, 0, sizeof(node));
	node.watcher = watcher_new(fixture->loop);
	return r;
}

static int tear_down_node(void **state)
{
	open_gate();
	node.discovery = discovery_free(node.discovery);
	inventory_free(node.inventory);
	watcher_free(node.watcher);
	config_free(node.config);
	return tear_down(state);
}

static void begin(struct fixture *fixture, const char *text)
{
	node.config = parse_good(text);
	node.config->events = CONFIG_EVENTS_INOTIFY;
	node.inventory = inventory_new(node.config);
	node.discovery = discovery_new(fixture->loop, node.watcher, fixture->worker,
				       node.config, node.inventory, find_holders, NULL);
	find_holders(NULL);
	discovery_when_known(node.discovery, on_known, NULL);
}

static void change(const char *text)
{
	KUDEV_AUTO_CONFIG_CHANGE struct config_change change = {0};
	struct config *next = parse_good(text);

	find_holders(NULL);
	config_compare(node.config, next, &change);
	inventory_change(node.inventory, &change);
	discovery_change(node.discovery, &change);
	config_free(node.config);
	node.config = next;
}

static char *text_of(size_t index)
{
	const struct inventory_class *class = inventory_class_at(node.inventory, index);
	KUDEV_AUTO_STRINGS struct strings words = {0};

	for (size_t i = 0; i < class->count; i++)
		strings_take(&words, mem_printf("%s%s", class->devices[i]->unit.id,
						class->devices[i]->healthy ? "" : "!"));
	return strings_join(&words, " ");
}

static bool is_as_wanted(void *data)
{
	KUDEV_AUTO_FREE char *got = text_of(node.class);

	(void)data;
	return strcmp(got, node.wanted) == 0;
}

static void expect_now(size_t class, const char *wanted)
{
	KUDEV_AUTO_FREE char *got = text_of(class);

	assert_string_equal(got, wanted);
}

static void await(struct fixture *fixture, size_t class, const char *wanted)
{
	node.class = class;
	node.wanted = wanted;
	if (!wait_for(fixture->loop, is_as_wanted, NULL))
		expect_now(class, wanted);
}

static bool has_cameras(void *data)
{
	return kernel_count_devices() == *(const size_t *)data;
}

static void await_cameras(struct fixture *fixture, size_t count)
{
	assert_comes(fixture->loop, has_cameras, &count);
}

#define CLASSES(classes) "classes:\n" classes
#define CAMERAS(keys) "- {name: cam, v4l2loopback: {" keys "}}\n"
#define TWO_CAMERAS CAMERAS("count: 2, firstNumber: 10, reset: none")
#define RENAMED CAMERAS("count: 2, firstNumber: 10, reset: none, label: other")
#define ANY "- {name: any, paths: ['/dev/video*']}\n"
#define NONE "- {name: none, paths: [/dev/nothing]}\n"

static void begin_with_cameras(struct fixture *fixture, const char *text)
{
	kernel_load(KERNEL_0_15_4);
	begin(fixture, text);
	await(fixture, 0, "video10 video11");
}

/* They could be lost for good to a class that takes what is there. */
static void cameras_that_are_looked_at_anew_stay_in_their_class(void **state)
{
	struct fixture *fixture = *state;

	begin_with_cameras(fixture, CLASSES(TWO_CAMERAS));
	change(CLASSES(TWO_CAMERAS ANY));
	await(fixture, 1, "");
	close_gate(KERNEL_QUERY_NEW);
	change(CLASSES(RENAMED ANY));
	assert_posted(&gate.begun);
	expect_now(0, "video10 video11");
	expect_now(1, "");
	discovery_rescan(node.discovery);
	expect_now(0, "video10 video11");
	expect_now(1, "");
	open_gate();
	/* Nobody may make them again: the class does not say so. */
	await(fixture, 0, "video10! video11!");
	assert_string_equal(node.known, "01");
}

/* What the worker makes is seen by all before it is known to be as it should be. */
static void cameras_in_the_making_are_left_to_their_class(void **state)
{
	struct fixture *fixture = *state;

	kernel_load(KERNEL_0_15_4);
	close_gate(KERNEL_ADD_NEW);
	begin(fixture, CLASSES(TWO_CAMERAS ANY));
	assert_posted(&gate.begun);
	close_gate(KERNEL_QUERY_NEW);
	sem_post(&gate.open);
	assert_posted(&gate.begun);
	assert_true(kernel_count_devices() > 0);
	discovery_rescan(node.discovery);
	expect_now(0, "");
	expect_now(1, "");
	open_gate();
	await(fixture, 0, "video10 video11");
	expect_now(1, "");
}

static void a_class_before_them_gets_them(void **state)
{
	struct fixture *fixture = *state;

	begin_with_cameras(fixture, CLASSES(TWO_CAMERAS));
	close_gate(KERNEL_QUERY_NEW);
	change(CLASSES(ANY RENAMED));
	assert_posted(&gate.begun);
	expect_now(0, "video10 video11");
	expect_now(1, "video10! video11!");
}

static void a_source_that_cannot_be_opened_leaves_its_class_empty(void **state)
{
	struct fixture *fixture = *state;

	begin_with_cameras(fixture, CLASSES(TWO_CAMERAS));
	change(CLASSES(TWO_CAMERAS ANY));
	change(CLASSES(CAMERAS("count: 2, firstNumber: 10, owner: nobody-of-that-name")
			       ANY));
	expect_now(0, "video10! video11!");
	await(fixture, 1, "video10 video11");
}

static void other_templates_leave_the_source_as_it_is(void **state)
{
	struct fixture *fixture = *state;
	const struct inventory_class *class;

	begin_with_cameras(fixture, CLASSES(TWO_CAMERAS));
	/* No look may be needed to go on. */
	close_gate(KERNEL_VERSION_NEW);
	change(CLASSES("- {name: cam, permissions: r, mountPath: '/dev/x{index}', "
		       "v4l2loopback: {count: 2, firstNumber: 10, reset: none}}\n"));
	class = inventory_class_at(node.inventory, 0);
	expect_now(0, "video10 video11");
	assert_string_equal(class->devices[0]->unit.nodes[0].permissions, "r");
	assert_ptr_equal(class->devices[0]->unit.nodes[0].mount_path,
			 node.config->classes[0].mount_path);
}

static void a_class_may_go_before_it_is_known(void **state)
{
	struct fixture *fixture = *state;

	kernel_load(KERNEL_0_15_4);
	close_gate(KERNEL_QUERY_NEW);
	begin(fixture, CLASSES(TWO_CAMERAS NONE));
	assert_posted(&gate.begun);
	assert_string_equal(node.known, "1");
	change(CLASSES(NONE ANY));
	assert_string_equal(node.known, "11");
	/* The look makes no more than the one that it was about to. */
	open_gate();
	await_worker(fixture);
	assert_true(kernel.add_count <= 1);
	assert_string_equal(node.known, "11");
}

static void a_class_that_becomes_known_is_told_by_its_present_place(void **state)
{
	struct fixture *fixture = *state;

	kernel_load(KERNEL_0_15_4);
	close_gate(KERNEL_QUERY_NEW);
	begin(fixture, CLASSES(TWO_CAMERAS NONE));
	assert_posted(&gate.begun);
	change(CLASSES(NONE TWO_CAMERAS));
	assert_string_equal(node.known, "1");
	open_gate();
	await(fixture, 1, "video10 video11");
	assert_string_equal(node.known, "11");
}

static void cameras_that_no_class_wants_are_removed_if_they_are_free(void **state)
{
	static const struct {
		const char *next;
		const char *held; /* by a pod */
		unsigned open;	  /* by somebody; 0: none is */
		size_t left;
	} tests[] = {
		{CLASSES(NONE), NULL, 0, 0},
		{CLASSES(NONE), "kudev.io/cam video10", 0, 1},
		{CLASSES(NONE), NULL, 11, 1},
		{CLASSES(CAMERAS("count: 1, firstNumber: 10")), NULL, 0, 1},
		{CLASSES(CAMERAS("count: 2, firstNumber: 11")), NULL, 0, 2},
		{CLASSES("- {name: new, v4l2loopback: {count: 2, firstNumber: 10}}\n"),
		 NULL, 0, 2},
		{CLASSES(RENAMED), NULL, 0, 2},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		begin_with_cameras(fixture, CLASSES(TWO_CAMERAS NONE));
		if (tests[i].open > 0)
			kernel_change_open_count(tests[i].open, 1);
		node.held = tests[i].held;
		change(tests[i].next);
		await_worker(fixture);
		await_cameras(fixture, tests[i].left);
		if (tests[i].open > 0)
			kernel_change_open_count(tests[i].open, -1);
		node.discovery = discovery_free(node.discovery);
		node.inventory = inventory_free(node.inventory);
		node.config = config_free(node.config);
		node.held = NULL;
		fixture->worker = worker_free(fixture->worker);
		assert_comes(fixture->loop, has_no_threads, NULL);
		fixture->worker = worker_new(fixture->loop);
		kernel_restart();
	}
}

static void a_camera_that_is_not_as_kudev_made_it_stays(void **state)
{
	struct fixture *fixture = *state;
	struct camera camera = {
		.number = 10,
		.settings = {.label = "of somebody else", .buffers = 2},
	};

	begin_with_cameras(fixture, CLASSES(TWO_CAMERAS));
	removal_start(fixture->worker, &camera, "cam");
	await_worker(fixture);
	assert_int_equal(kernel_count_devices(), 2);
}

#define NODE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up_node, tear_down_node)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(cameras_that_are_looked_at_anew_stay_in_their_class),
		NODE_TEST(cameras_in_the_making_are_left_to_their_class),
		NODE_TEST(a_class_before_them_gets_them),
		NODE_TEST(a_source_that_cannot_be_opened_leaves_its_class_empty),
		NODE_TEST(other_templates_leave_the_source_as_it_is),
		NODE_TEST(a_class_may_go_before_it_is_known),
		NODE_TEST(a_class_that_becomes_known_is_told_by_its_present_place),
		NODE_TEST(cameras_that_no_class_wants_are_removed_if_they_are_free),
		NODE_TEST(a_camera_that_is_not_as_kudev_made_it_stays),
	};

	return RUN_TESTS(tests);
}
