/* SPDX-License-Identifier: Apache-2.0 */
#include "source/discovery.h"
#include "test-capture.h"
#include "test-scan.h"
#include "test-wait.h"

struct fixture {
	struct tree *tree;
	struct config *config;
	struct loop *loop;
	struct watcher *watcher;
	struct inventory *inventory;
	struct discovery *discovery;
	unsigned changes;
	/* What expect() waits for. */
	size_t class;
	const char *expected;
};

static void on_change(void *data)
{
	struct fixture *fixture = data;

	fixture->changes++;
}

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	fixture->tree = tree_new();
	assert_int_equal(loop_new(&fixture->loop, NULL), 0);
	fixture->watcher = watcher_new(fixture->loop);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	discovery_free(fixture->discovery);
	inventory_free(fixture->inventory);
	watcher_free(fixture->watcher);
	loop_free(fixture->loop);
	config_free(fixture->config);
	tree_free(fixture->tree);
	free(fixture);
	return 0;
}

static void start(struct fixture *fixture, const char *text)
{
	fixture->config = scan_config(fixture->tree, text);
	fixture->inventory = inventory_new(fixture->config);
	for (size_t i = 0; i < fixture->config->class_count; i++)
		inventory_class_observe(inventory_class_at(fixture->inventory, i),
					on_change, fixture);
	fixture->discovery = discovery_new(fixture->loop, fixture->watcher, NULL,
					   fixture->config, fixture->inventory, NULL,
					   NULL);
}

static char *devices_text(const struct inventory_class *class)
{
	KUDEV_AUTO_STRINGS struct strings words = {0};

	for (size_t i = 0; i < class->count; i++)
		strings_take(&words, mem_printf("%s%s", class->devices[i]->unit.id,
						class->devices[i]->healthy ? "" : "!"));
	return strings_join(&words, " ");
}

static bool is_as_expected(void *data)
{
	const struct fixture *fixture = data;
	KUDEV_AUTO_FREE char *got =
		devices_text(inventory_class_at(fixture->inventory, fixture->class));

	return strcmp(got, fixture->expected) == 0;
}

static void expect(struct fixture *fixture, size_t class, const char *expected)
{
	KUDEV_AUTO_FREE char *got = NULL;

	fixture->class = class;
	fixture->expected = expected;
	if (wait_for(fixture->loop, is_as_expected, fixture))
		return;
	got = devices_text(inventory_class_at(fixture->inventory, class));
	assert_string_equal(got, expected);
}

static void what_is_there_at_start_is_known_at_once(void **state)
{
	struct fixture *fixture = *state;

	tree_file(fixture->tree, "/dev/a0", "");
	start(fixture, "classes:\n- {name: a, paths: ['/dev/a*']}\n"
		       "- {name: b, paths: ['/dev/*0']}\n"
		       "- {name: sim, simulate: {count: 2}}\n");
	assert_int_equal(inventory_class_at(fixture->inventory, 0)->count, 1);
	assert_int_equal(inventory_class_at(fixture->inventory, 2)->count, 2);
	expect(fixture, 0, "a0");
	expect(fixture, 1, "");
	expect(fixture, 2, "sim-0 sim-1");
}

static void devices_come_and_go_with_their_nodes(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->tree, "/dev");
	start(fixture, "classes:\n- {name: a, paths: ['/dev/a*']}\n");
	expect(fixture, 0, "");
	tree_file(fixture->tree, "/dev/a1", "");
	expect(fixture, 0, "a1");
	tree_file(fixture->tree, "/dev/a0", "");
	expect(fixture, 0, "a1 a0");
	tree_remove(fixture->tree, "/dev/a1");
	expect(fixture, 0, "a1! a0");
	tree_file(fixture->tree, "/dev/a1", "");
	expect(fixture, 0, "a1 a0");
}

static void directories_that_do_not_exist_yet_are_followed(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, "classes:\n- {name: a, paths: ['/dev/*/by-id/x*']}\n");
	expect(fixture, 0, "");
	tree_file(fixture->tree, "/dev/one/by-id/x1", "");
	expect(fixture, 0, "one-by-id-x1-32f1755fe9");
}

static void a_link_follows_its_target(void **state)
{
	struct fixture *fixture = *state;

	tree_link(fixture->tree, "/dev/cam", "sub/target");
	start(fixture, "classes:\n- {name: a, paths: [/dev/cam]}\n");
	expect(fixture, 0, "");
	tree_file(fixture->tree, "/dev/sub/target", "");
	expect(fixture, 0, "cam");
	tree_remove(fixture->tree, "/dev/sub/target");
	expect(fixture, 0, "cam!");
}

static bool has_fifty(void *data)
{
	return ((const struct inventory_class *)data)->count == 50;
}

static void many_nodes_are_few_reports(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->tree, "/dev");
	start(fixture, "classes:\n- {name: a, paths: ['/dev/a*']}\n");
	for (unsigned i = 0; i < 50; i++) {
		KUDEV_AUTO_FREE char *path = mem_printf("/dev/a%u", i);

		tree_file(fixture->tree, path, "");
	}
	assert_comes(fixture->loop, has_fifty, inventory_class_at(fixture->inventory, 0));
	assert_int_equal(fixture->changes, 1);
}

static void a_node_released_by_one_class_is_taken_by_the_next(void **state)
{
	struct fixture *fixture = *state;

	tree_link(fixture->tree, "/dev/a", "/dev/null");
	tree_link(fixture->tree, "/dev/b", "/dev/null");
	start(fixture,
	      "classes:\n- {name: a, paths: [/dev/a]}\n- {name: b, paths: [/dev/b]}\n");
	expect(fixture, 0, "a");
	expect(fixture, 1, "");
	tree_remove(fixture->tree, "/dev/a");
	expect(fixture, 0, "a!");
	expect(fixture, 1, "b");
}

static bool has_turned(void *data)
{
	return --*(unsigned *)data == 0;
}

/* A class that has some of what it wants is not looked at for ever for the rest. */
static void a_conflict_alone_gives_nothing_to_do(void **state)
{
	struct fixture *fixture = *state;
	unsigned turns = 50;
	uint64_t releases;

	tree_link(fixture->tree, "/dev/a", "/dev/null");
	tree_link(fixture->tree, "/dev/b0", "/dev/null");
	tree_link(fixture->tree, "/dev/b1", "/dev/zero");
	start(fixture, "classes:\n- {name: a, paths: [/dev/a]}\n"
		       "- {name: b, paths: ['/dev/b*']}\n");
	expect(fixture, 0, "a");
	expect(fixture, 1, "b1");
	releases = inventory_releases(fixture->inventory);
	assert_comes(fixture->loop, has_turned, &turns);
	assert_int_equal(inventory_releases(fixture->inventory), releases);
}

static void simulated_devices_are_unplugged_by_removing_them(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, "classes:\n- {name: cam, simulate: {count: 2}}\n");
	expect(fixture, 0, "cam-0 cam-1");
	tree_remove(fixture->tree, "/run/kudev/simulate/cam/0");
	expect(fixture, 0, "cam-0! cam-1");
	tree_file(fixture->tree, "/run/kudev/simulate/cam/0", "");
	expect(fixture, 0, "cam-0 cam-1");
}

static void a_class_that_cannot_be_prepared_does_not_stop_the_others(void **state)
{
	struct fixture *fixture = *state;

	tree_file(fixture->tree, "/run", "in the way");
	tree_file(fixture->tree, "/dev/a", "");
	start(fixture, "classes:\n- {name: cam, simulate: {count: 2}}\n"
		       "- {name: a, paths: [/dev/a]}\n");
	expect(fixture, 0, "");
	expect(fixture, 1, "a");
}

/* What was logged while the devices became as expected, from now on. */
static char *lines_until(struct fixture *fixture, const char *expected)
{
	struct capture capture = capture_begin();

	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	expect(fixture, 0, expected);
	discovery_rescan(fixture->discovery);
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	return capture_end(&capture);
}

static unsigned count_notes(const char *lines, const char *node, const char *other)
{
	KUDEV_AUTO_FREE char *note = mem_printf(
		"\"device_path\":\"/dev/%s\",\"note\":\"the same device as /dev/%s\"",
		node, other);

	return capture_count(lines, note);
}

static void a_note_is_logged_once_and_again_with_another_reason(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *first = NULL;
	KUDEV_AUTO_FREE char *same = NULL;
	KUDEV_AUTO_FREE char *other = NULL;
	KUDEV_AUTO_FREE char *none = NULL;
	KUDEV_AUTO_FREE char *back = NULL;

	tree_directory(fixture->tree, "/dev");
	start(fixture, "classes:\n- {name: c, paths: [/dev/a, /dev/b, /dev/c]}\n");
	tree_link(fixture->tree, "/dev/b", "/dev/null");
	tree_link(fixture->tree, "/dev/c", "/dev/null");
	first = lines_until(fixture, "b");
	assert_int_equal(count_notes(first, "c", "b"), 1);
	assert_int_equal(capture_count(first, "device note"), 1);
	same = lines_until(fixture, "b");
	assert_int_equal(capture_count(same, "device note"), 0);
	tree_link(fixture->tree, "/dev/a", "/dev/null");
	other = lines_until(fixture, "b! a");
	assert_int_equal(count_notes(other, "b", "a"), 1);
	assert_int_equal(count_notes(other, "c", "a"), 1);
	assert_int_equal(capture_count(other, "device note"), 2);
	/* What had gone is new when it comes again. */
	tree_remove(fixture->tree, "/dev/b");
	tree_remove(fixture->tree, "/dev/a");
	none = lines_until(fixture, "b! a! c");
	assert_int_equal(capture_count(none, "device note"), 0);
	tree_link(fixture->tree, "/dev/b", "/dev/null");
	back = lines_until(fixture, "b a! c!");
	assert_int_equal(count_notes(back, "c", "b"), 1);
	assert_int_equal(capture_count(back, "device note"), 1);
}

/* At the start, the devices are known before it is known what pods hold. */
static void all_is_looked_at_once_more_on_demand(void **state)
{
	struct fixture *fixture = *state;
	struct inventory_class *class;

	tree_file(fixture->tree, "/dev/a0", "");
	start(fixture, "classes:\n- {name: a, paths: ['/dev/a*']}\n"
		       "- {name: sim, simulate: {count: 1}}\n");
	class = inventory_class_at(fixture->inventory, 0);
	inventory_hold(fixture->inventory, inventory_class_at(fixture->inventory, 0),
		       "a1", LIST_NUMA_UNKNOWN, NULL);
	tree_file(fixture->tree, "/dev/a1", "");
	fixture->changes = 0;
	discovery_rescan(fixture->discovery);
	assert_int_equal(class->count, 2);
	assert_int_equal(class->healthy, 2);
	assert_int_equal(fixture->changes, 1);
	assert_int_equal(inventory_class_at(fixture->inventory, 1)->healthy, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_there_at_start_is_known_at_once),
		TEST(devices_come_and_go_with_their_nodes),
		TEST(directories_that_do_not_exist_yet_are_followed),
		TEST(a_link_follows_its_target),
		TEST(many_nodes_are_few_reports),
		TEST(a_node_released_by_one_class_is_taken_by_the_next),
		TEST(a_conflict_alone_gives_nothing_to_do),
		TEST(simulated_devices_are_unplugged_by_removing_them),
		TEST(a_note_is_logged_once_and_again_with_another_reason),
		TEST(all_is_looked_at_once_more_on_demand),
		TEST(a_class_that_cannot_be_prepared_does_not_stop_the_others),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
