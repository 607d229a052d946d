/* SPDX-License-Identifier: Apache-2.0 */
/* The inventory, of what moves, fails and is held. */
#include "test-inventory.h"

/* As report(), of units that stand for hardware. */
static void report_hardware(const struct fixture *fixture, size_t class,
			    const char *const *units)
{
	KUDEV_AUTO_UNIT_LIST struct unit_list list = {0};

	for (; *units; units++)
		add_unit(fixture, &list, *units);
	for (size_t i = 0; i < list.count; i++)
		list.items[i].is_hardware = true;
	inventory_report(fixture->inventory, class, &list);
}

#define REPORT_HARDWARE(fixture, class, ...) \
	report_hardware(fixture, class, (const char *const[]){__VA_ARGS__, NULL})

static const char *node_of(const struct fixture *fixture, size_t index, const char *id)
{
	const struct inventory_class *class = inventory_class_at(fixture->inventory,
								 index);

	return inventory_class_find(class, id)->unit.nodes[0].host_path;
}

static void hardware_may_get_other_nodes(void **state)
{
	struct fixture *fixture = *state;
	uint64_t releases;
	uint64_t version;

	make_nodes(fixture);
	REPORT_HARDWARE(fixture, ONE, "x=/a", "y=/c");
	version = inventory_class_at(fixture->inventory, ONE)->version;
	releases = inventory_releases(fixture->inventory);
	fixture->changes = 0;
	REPORT_HARDWARE(fixture, ONE, "x=/b", "y=/c");
	expect(fixture, ONE, "x y");
	assert_string_equal(node_of(fixture, ONE, "x"), "/b");
	assert_int_equal(inventory_class_at(fixture->inventory, ONE)->conflicts->total,
			 0);
	/* The kubelet knows it by its ID alone; runtimes, with CDI, by its nodes. */
	assert_true(inventory_class_at(fixture->inventory, ONE)->version == version);
	assert_int_equal(fixture->changes, 1);
	/* What it had is free, what it has is taken. */
	assert_true(inventory_releases(fixture->inventory) > releases);
	REPORT(fixture, TWO, "a=/a", "b=/b");
	expect(fixture, TWO, "a");
}

static void hardware_comes_back_under_other_nodes(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	REPORT_HARDWARE(fixture, ONE, "x=/a");
	REPORT_HARDWARE(fixture, ONE, NULL);
	expect(fixture, ONE, "x!");
	REPORT_HARDWARE(fixture, ONE, "x=/b,/c");
	expect(fixture, ONE, "x");
	assert_string_equal(node_of(fixture, ONE, "x"), "/b");
	REPORT(fixture, TWO, "a=/a", "b=/b", "c=/c");
	expect(fixture, TWO, "a");
}

static void two_that_swap_their_nodes_keep_their_ids(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	REPORT_HARDWARE(fixture, ONE, "x=/a", "y=/b");
	REPORT_HARDWARE(fixture, ONE, "x=/b", "y=/a");
	expect(fixture, ONE, "x y");
	assert_string_equal(node_of(fixture, ONE, "x"), "/b");
	assert_string_equal(node_of(fixture, ONE, "y"), "/a");
	/* Both nodes are still theirs, until both have gone. */
	REPORT_HARDWARE(fixture, ONE, "x=/b");
	REPORT(fixture, TWO, "a=/a", "b=/b");
	expect(fixture, TWO, "a");
}

static void hardware_does_not_take_a_node_that_another_class_has(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	REPORT(fixture, ONE, "b=/b");
	REPORT_HARDWARE(fixture, TWO, "x=/a");
	REPORT_HARDWARE(fixture, TWO, "x=/b");
	expect(fixture, TWO, "x!");
	assert_string_equal(reason_of(fixture, TWO, "x"), "class one has its node");
	/* It has given up the one before. */
	REPORT(fixture, ONE, "b=/b", "a=/a");
	expect(fixture, ONE, "b a");
	REPORT_HARDWARE(fixture, TWO, "x=/c");
	expect(fixture, TWO, "x");
}

static void a_failure_makes_a_device_unhealthy_that_is_there(void **state)
{
	struct fixture *fixture = *state;
	struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);
	struct device *device;
	static const struct {
		const char *failure;
		unsigned changes;
		const char *expected;
	} steps[] = {
		{NULL, 0, "a b"},     {"broken", 1, "a! b"}, {"broken", 0, "a! b"},
		{"worse", 0, "a! b"}, {NULL, 1, "a b"},
	};

	make_nodes(fixture);
	REPORT(fixture, ONE, "a=/a", "b=/b");
	device = inventory_class_find(class, "a");
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(steps); i++) {
		uint64_t version = class->version;

		fixture->changes = 0;
		inventory_set_failure(class, device, steps[i].failure);
		expect(fixture, ONE, steps[i].expected);
		assert_int_equal(fixture->changes, steps[i].changes);
		assert_int_equal(class->version, version + steps[i].changes);
		if (steps[i].failure)
			assert_string_equal(device->reason, steps[i].failure);
	}
}

static void a_device_that_fails_keeps_its_nodes_until_it_goes(void **state)
{
	struct fixture *fixture = *state;
	struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);
	struct device *device;

	make_nodes(fixture);
	REPORT(fixture, ONE, "a=/a");
	device = inventory_class_find(class, "a");
	inventory_set_failure(class, device, "broken");
	assert_false(inventory_verify(fixture->inventory, class, device));
	REPORT(fixture, TWO, "x=/a");
	expect(fixture, TWO, "");
	/* A report that it is there does not mend it. */
	REPORT(fixture, ONE, "a=/a");
	expect(fixture, ONE, "a!");
	assert_string_equal(device->reason, "broken");
	/* That it is gone says more, and what comes back is not the same any more. */
	tree_remove(fixture->tree, "/a");
	REPORT(fixture, ONE, NULL);
	assert_string_equal(device->reason, "/a is gone");
	tree_file(fixture->tree, "/a", "");
	REPORT(fixture, ONE, "a=/a");
	expect(fixture, ONE, "a");
	assert_null(device->failure);
}

/* Between two reports: nobody saw it go, but its node is another one. */
static void a_device_that_went_and_came_unseen_has_arrived(void **state)
{
	struct fixture *fixture = *state;
	struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);
	struct device *device;

	make_nodes(fixture);
	REPORT_HARDWARE(fixture, ONE, "x=/a", "y=/c");
	device = inventory_class_find(class, "x");
	inventory_set_failure(class, device, "broken");
	REPORT_HARDWARE(fixture, ONE, "x=/a", "y=/c");
	assert_int_equal(device->arrivals, 1);
	expect(fixture, ONE, "x! y");
	REPORT_HARDWARE(fixture, ONE, "x=/b", "y=/c");
	assert_int_equal(device->arrivals, 2);
	assert_null(device->failure);
	expect(fixture, ONE, "x y");
	/* Who keeps its nodes is told of others, although its health is what it was. */
	fixture->changes = 0;
	REPORT_HARDWARE(fixture, ONE, "x=/a", "y=/c");
	assert_int_equal(fixture->changes, 1);
	REPORT_HARDWARE(fixture, ONE, "x=/a", "y=/c");
	assert_int_equal(fixture->changes, 1);
	REPORT_HARDWARE(fixture, ONE, "x=/b", "y=/c");
	assert_int_equal(fixture->changes, 2);
	assert_int_equal(device->arrivals, 4);
	/* A node of the same name that is another one. */
	inventory_set_failure(class, device, "broken");
	tree_rename(fixture->tree, "/a", "/b");
	REPORT_HARDWARE(fixture, ONE, "x=/b", "y=/c");
	assert_int_equal(device->arrivals, 5);
	expect(fixture, ONE, "x y");
	/* It has more nodes than before. */
	REPORT_HARDWARE(fixture, ONE, "x=/b,/mnt", "y=/c");
	assert_int_equal(device->arrivals, 6);
	assert_int_equal(inventory_class_find(class, "y")->arrivals, 1);
}

static void what_comes_is_unhealthy_until_it_was_checked(void **state)
{
	static const char unchecked[] = "it was not checked yet";
	struct fixture *fixture = *state;
	struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);
	struct device *device;

	make_nodes(fixture);
	inventory_class_await_checks(class, true);
	REPORT_HARDWARE(fixture, ONE, "x=/a");
	REPORT_HARDWARE(fixture, TWO, "y=/c");
	expect(fixture, ONE, "x!");
	expect(fixture, TWO, "y");
	assert_string_equal(reason_of(fixture, ONE, "x"), unchecked);
	device = inventory_class_find(class, "x");
	inventory_set_failure(class, device, NULL);
	expect(fixture, ONE, "x");
	/* A report that it is there says nothing new. */
	fixture->changes = 0;
	REPORT_HARDWARE(fixture, ONE, "x=/a");
	expect(fixture, ONE, "x");
	assert_int_equal(fixture->changes, 0);
	REPORT_HARDWARE(fixture, ONE, "x=/b");
	expect(fixture, ONE, "x!");
	assert_string_equal(reason_of(fixture, ONE, "x"), unchecked);
	assert_int_equal(fixture->changes, 1);
	/* Who checks is told, also if it is as unhealthy as before. */
	REPORT_HARDWARE(fixture, ONE, "x=/a");
	assert_int_equal(fixture->changes, 2);
	REPORT_HARDWARE(fixture, ONE, NULL);
	assert_int_equal(fixture->changes, 2);
	REPORT_HARDWARE(fixture, ONE, "x=/a");
	assert_string_equal(reason_of(fixture, ONE, "x"), unchecked);
	assert_int_equal(fixture->changes, 3);
}

static void each_arrival_of_a_device_is_another_one(void **state)
{
	struct fixture *fixture = *state;
	struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);
	const struct device *device;

	make_nodes(fixture);
	inventory_hold(fixture->inventory, inventory_class_at(fixture->inventory, ONE),
		       "a", LIST_NUMA_UNKNOWN, NULL);
	device = inventory_class_find(class, "a");
	assert_int_equal(device->arrivals, 0);
	REPORT(fixture, ONE, "a=/a", "b=/b");
	assert_int_equal(device->arrivals, 1);
	assert_int_equal(inventory_class_find(class, "b")->arrivals, 1);
	REPORT(fixture, ONE, "a=/a");
	REPORT(fixture, ONE, NULL);
	assert_int_equal(device->arrivals, 1);
	REPORT(fixture, ONE, "a=/a", "b=/b");
	assert_int_equal(device->arrivals, 2);
	assert_int_equal(inventory_class_find(class, "b")->arrivals, 2);
}

static void what_pods_hold_is_reckoned_anew_each_time(void **state)
{
	struct fixture *fixture = *state;
	struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);
	const struct device *a;
	const struct device *b;

	make_nodes(fixture);
	REPORT(fixture, ONE, "a=/a", "b=/b");
	a = inventory_class_find(class, "a");
	b = inventory_class_find(class, "b");
	fixture->changes = 0;
	/* Nobody has looked yet. */
	assert_true(inventory_is_held(fixture->inventory, a));
	inventory_begin_holders(fixture->inventory, HOLD_CHECKPOINT);
	inventory_end_holders(fixture->inventory);
	assert_false(inventory_is_held(fixture->inventory, a));
	inventory_begin_holders(fixture->inventory, HOLD_CHECKPOINT);
	inventory_hold(fixture->inventory, inventory_class_at(fixture->inventory, ONE),
		       "a", LIST_NUMA_UNKNOWN, NULL);
	assert_true(inventory_is_held(fixture->inventory, a));
	/* It could not be read to its end: what was known goes on. */
	inventory_begin_holders(fixture->inventory, HOLD_CHECKPOINT);
	assert_true(inventory_is_held(fixture->inventory, a));
	inventory_begin_holders(fixture->inventory, HOLD_CHECKPOINT);
	inventory_end_holders(fixture->inventory);
	assert_false(inventory_is_held(fixture->inventory, a));
	/* What was just handed out is not written down yet. */
	inventory_class_grant(fixture->inventory, class, "b");
	inventory_class_grant(fixture->inventory, class, "no such device");
	assert_true(inventory_is_held(fixture->inventory, b));
	inventory_begin_holders(fixture->inventory, HOLD_CHECKPOINT);
	inventory_end_holders(fixture->inventory);
	assert_true(inventory_is_held(fixture->inventory, b));
	/* The kubelet knows that better than we do. */
	assert_int_equal(fixture->changes, 0);
	assert_int_equal(class->count, 2);
}

static void a_device_that_a_pod_holds_is_listed_before_it_is_seen(void **state)
{
	struct fixture *fixture = *state;
	struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);

	make_nodes(fixture);
	inventory_hold(fixture->inventory, inventory_class_at(fixture->inventory, ONE),
		       "x", 1, NULL);
	expect(fixture, ONE, "x!");
	assert_int_equal(fixture->changes, 1);
	assert_true(
		inventory_is_held(fixture->inventory, inventory_class_find(class, "x")));
	/* A report without it leaves it as it is. */
	REPORT(fixture, ONE, "a=/a");
	expect(fixture, ONE, "x! a");
	/* Whatever nodes it has, it is the one. */
	REPORT(fixture, ONE, "a=/a", "x=/b");
	expect(fixture, ONE, "x a");
	assert_true(
		inventory_is_held(fixture->inventory, inventory_class_find(class, "x")));
	REPORT(fixture, TWO, "b=/b");
	expect(fixture, TWO, "");
}

/* As report_hardware(), of units that would all have this ID if they were alone. */
static void report_twins(const struct fixture *fixture, const char *plain_id,
			 const char *const *units)
{
	KUDEV_AUTO_UNIT_LIST struct unit_list list = {0};

	for (; *units; units++)
		add_unit(fixture, &list, *units);
	for (size_t i = 0; i < list.count; i++) {
		list.items[i].is_hardware = true;
		list.items[i].plain_id = mem_string(plain_id);
	}
	inventory_report(fixture->inventory, ONE, &list);
}

#define REPORT_TWINS(fixture, plain_id, ...) \
	report_twins(fixture, plain_id, (const char *const[]){__VA_ARGS__, NULL})

/* held: the ID of what pods hold; NULL: nothing. */
static void reckon(const struct fixture *fixture, const char *held)
{
	inventory_begin_holders(fixture->inventory, HOLD_CHECKPOINT);
	if (held)
		inventory_hold(fixture->inventory,
			       inventory_class_at(fixture->inventory, ONE), held,
			       LIST_NUMA_UNKNOWN, NULL);
	inventory_end_holders(fixture->inventory);
}

/* Which of the two it is, nobody knows. */
static void of_twins_any_may_be_the_one_that_a_pod_holds(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	reckon(fixture, "x");
	REPORT_TWINS(fixture, "x", "x-1=/a", "x-2=/b");
	expect(fixture, ONE, "x! x-1! x-2!");
	assert_string_equal(reason_of(fixture, ONE, "x-1"), "a pod may hold it as x");
	assert_string_equal(reason_of(fixture, ONE, "x-2"), "a pod may hold it as x");
	/* It still does. */
	reckon(fixture, "x");
	REPORT_TWINS(fixture, "x", "x-1=/a", "x-2=/b");
	expect(fixture, ONE, "x! x-1! x-2!");
	/* The pod has ended. */
	reckon(fixture, NULL);
	REPORT_TWINS(fixture, "x", "x-1=/a", "x-2=/b");
	expect(fixture, ONE, "x! x-1 x-2");
	REPORT(fixture, TWO, "a=/a", "b=/b");
	expect(fixture, TWO, "");
}

/* As at the start: the devices are known before what pods hold. */
static void twins_are_withdrawn_when_it_turns_out_that_a_pod_holds_one(void **state)
{
	struct fixture *fixture = *state;
	uint64_t releases;

	make_nodes(fixture);
	REPORT_TWINS(fixture, "x", "x-1=/a", "x-2=/b");
	expect(fixture, ONE, "x-1 x-2");
	reckon(fixture, "x");
	releases = inventory_releases(fixture->inventory);
	REPORT_TWINS(fixture, "x", "x-1=/a", "x-2=/b");
	expect(fixture, ONE, "x-1! x-2! x!");
	assert_string_equal(reason_of(fixture, ONE, "x-2"), "a pod may hold it as x");
	assert_int_equal(inventory_releases(fixture->inventory), releases + 2);
	reckon(fixture, NULL);
	REPORT_TWINS(fixture, "x", "x-1=/a", "x-2=/b");
	expect(fixture, ONE, "x-1 x-2 x!");
	assert_int_equal(inventory_class_find(inventory_class_at(fixture->inventory, ONE),
					      "x-1")
				 ->arrivals,
			 2);
}

static void a_twin_of_a_device_that_is_known_is_not_in_doubt(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	REPORT_HARDWARE(fixture, ONE, "x=/a");
	reckon(fixture, "x");
	REPORT_TWINS(fixture, "x", "x-2=/b");
	expect(fixture, ONE, "x! x-2");
	/* Nor is what a pod holds under its own ID, or what another plain ID stands for. */
	reckon(fixture, "y");
	REPORT_TWINS(fixture, "x", "x-2=/b", "x-3=/c");
	expect(fixture, ONE, "x! x-2 y! x-3");
}

static void nodes_that_are_given_up_are_told(void **state)
{
	static const struct {
		const char *units[3];
		uint64_t releases; /* with this report */
	} steps[] = {
		{{"ab=/a,/b"}, 0}, {{"ab=/a,/b"}, 0}, {{NULL}, 2},
		{{NULL}, 0},	   {{"ab=/a,/b"}, 0}, {{NULL}, 2},
	};
	struct fixture *fixture = *state;

	make_nodes(fixture);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(steps); i++) {
		uint64_t before = inventory_releases(fixture->inventory);

		report(fixture, ONE, steps[i].units);
		assert_int_equal(inventory_releases(fixture->inventory),
				 before + steps[i].releases);
	}
	/* Of several units that have a node, the last one gives it up. */
	REPORT(fixture, THREE, "a-0=/a", "a-1=/a");
	REPORT(fixture, THREE, "a-0=/a");
	assert_int_equal(inventory_releases(fixture->inventory), 4);
	REPORT(fixture, THREE, NULL);
	assert_int_equal(inventory_releases(fixture->inventory), 5);
}

/* Two devices that every machine has, at places of NUMA nodes 1 and 0. */
static void make_places(const struct fixture *fixture)
{
	tree_link(fixture->tree, "/null", "/dev/null");
	tree_link(fixture->tree, "/zero", "/dev/zero");
	tree_link(fixture->tree, "/sys/dev/char/1:3", "../../devices/p1/null");
	tree_link(fixture->tree, "/sys/dev/char/1:5", "../../devices/p0/zero");
	tree_file(fixture->tree, "/sys/devices/p1/null/numa_node", "1\n");
	tree_file(fixture->tree, "/sys/devices/p0/numa_node", "0\n");
	tree_directory(fixture->tree, "/sys/devices/p0/zero");
}

static void hardware_that_moves_may_be_at_another_numa_node(void **state)
{
	static const struct {
		const char *unit;
		int numa_node;
		bool changes;
	} steps[] = {
		{"x=/null", 1, true}, {"x=/null", 1, false},
		{"x=/zero", 0, true}, {"x=/a", LIST_NUMA_UNKNOWN, true},
		{"x=/zero", 0, true},
	};
	struct fixture *fixture = *state;
	struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);

	make_nodes(fixture);
	make_places(fixture);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(steps); i++) {
		const char *const units[] = {steps[i].unit, NULL};
		uint64_t version = class->version;

		fixture->changes = 0;
		report_hardware(fixture, ONE, units);
		assert_int_equal(class->devices[0]->unit.numa_node, steps[i].numa_node);
		assert_int_equal(class->version > version, steps[i].changes);
		assert_int_equal(fixture->changes, steps[i].changes);
		assert_int_equal(class->list_size,
				 list_device_size(1, steps[i].numa_node));
	}
}

static void a_device_that_stays_is_not_located_again(void **state)
{
	struct fixture *fixture = *state;
	struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);

	make_places(fixture);
	REPORT_HARDWARE(fixture, ONE, "x=/null");
	tree_file(fixture->tree, "/sys/devices/p1/null/numa_node", "3\n");
	REPORT_HARDWARE(fixture, ONE, "x=/null");
	assert_int_equal(class->devices[0]->unit.numa_node, 1);
	/* Nor one that is away: it is where it was. */
	REPORT_HARDWARE(fixture, ONE, NULL);
	assert_int_equal(class->devices[0]->unit.numa_node, 1);
}

static void a_device_that_was_held_unseen_gets_its_place_when_it_comes(void **state)
{
	struct fixture *fixture = *state;
	struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);

	make_places(fixture);
	inventory_hold(fixture->inventory, inventory_class_at(fixture->inventory, ONE),
		       "x", 1, NULL);
	assert_int_equal(class->list_size, list_device_size(1, 1));
	REPORT(fixture, ONE, "x=/zero");
	assert_int_equal(class->devices[0]->unit.numa_node, 0);
	assert_int_equal(class->list_size, list_device_size(1, 0));
}

static void twins_in_doubt_have_their_places(void **state)
{
	struct fixture *fixture = *state;
	struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);

	make_places(fixture);
	reckon(fixture, "x");
	REPORT_TWINS(fixture, "x", "x-1=/null", "x-2=/zero");
	expect(fixture, ONE, "x! x-1! x-2!");
	reckon(fixture, NULL);
	REPORT_TWINS(fixture, "x", "x-1=/null", "x-2=/zero");
	expect(fixture, ONE, "x! x-1 x-2");
	assert_int_equal(inventory_class_find(class, "x-1")->unit.numa_node, 1);
	assert_int_equal(inventory_class_find(class, "x-2")->unit.numa_node, 0);
	assert_int_equal(class->list_size, list_device_size(1, LIST_NUMA_UNKNOWN) +
						   list_device_size(3, 1) +
						   list_device_size(3, 0));
}

static void classes_of_generic_device_plugin_say_nothing_of_places(void **state)
{
	struct fixture *fixture = *state;

	make_places(fixture);
	fixture->config->classes[ONE].ids = CONFIG_IDS_SQUAT;
	REPORT(fixture, ONE, "x=/null");
	assert_int_equal(
		inventory_class_at(fixture->inventory, ONE)->devices[0]->unit.numa_node,
		LIST_NUMA_UNKNOWN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hardware_may_get_other_nodes),
		TEST(hardware_comes_back_under_other_nodes),
		TEST(two_that_swap_their_nodes_keep_their_ids),
		TEST(hardware_does_not_take_a_node_that_another_class_has),
		TEST(a_failure_makes_a_device_unhealthy_that_is_there),
		TEST(a_device_that_fails_keeps_its_nodes_until_it_goes),
		TEST(a_device_that_went_and_came_unseen_has_arrived),
		TEST(what_comes_is_unhealthy_until_it_was_checked),
		TEST(each_arrival_of_a_device_is_another_one),
		TEST(what_pods_hold_is_reckoned_anew_each_time),
		TEST(a_device_that_a_pod_holds_is_listed_before_it_is_seen),
		TEST(of_twins_any_may_be_the_one_that_a_pod_holds),
		TEST(twins_are_withdrawn_when_it_turns_out_that_a_pod_holds_one),
		TEST(a_twin_of_a_device_that_is_known_is_not_in_doubt),
		TEST(nodes_that_are_given_up_are_told),
		TEST(hardware_that_moves_may_be_at_another_numa_node),
		TEST(a_device_that_stays_is_not_located_again),
		TEST(a_device_that_was_held_unseen_gets_its_place_when_it_comes),
		TEST(twins_in_doubt_have_their_places),
		TEST(classes_of_generic_device_plugin_say_nothing_of_places),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
