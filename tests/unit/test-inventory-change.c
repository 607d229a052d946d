/* SPDX-License-Identifier: Apache-2.0 */
/* The inventory, of another configuration. */
#include "test-inventory.h"

#define HEAD "classes:\n"
#define CLASS_ONE "- name: one\n  paths: [/x]\n"
#define CLASS_TWO "- name: two\n  paths: [/x]\n"
#define CLASS_NEW "- name: new\n  paths: [/x]\n"

/* Goes on with these classes, and forgets the configuration before. */
static void change(struct fixture *fixture, const char *text)
{
	KUDEV_AUTO_CONFIG_CHANGE struct config_change change = {0};
	struct config *next = scan_config(fixture->tree, text);

	config_compare(fixture->config, next, &change);
	inventory_change(fixture->inventory, &change);
	config_free(fixture->config);
	fixture->config = next;
}

/* "resource id": what pods hold, all of it. */
static void hold(struct fixture *fixture, const char *const *held)
{
	inventory_begin_holders(fixture->inventory, HOLD_CHECKPOINT);
	for (; *held; held++) {
		KUDEV_AUTO_FREE char *copy = mem_string(*held);
		char *id = strchr(copy, ' ');
		struct inventory_class *class;

		*id++ = '\0';
		class = inventory_find_class(fixture->inventory, copy);
		assert_non_null(class);
		inventory_hold(fixture->inventory, class, id, LIST_NUMA_UNKNOWN, NULL);
	}
	inventory_end_holders(fixture->inventory);
}

#define HOLD(fixture, ...) hold(fixture, (const char *const[]){__VA_ARGS__, NULL})

static struct inventory_class *find(struct fixture *fixture, const char *resource)
{
	return inventory_find_class(fixture->inventory, resource);
}

static void the_first_class_has_what_a_later_one_saw_first(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	HOLD(fixture, NULL);
	REPORT(fixture, TWO, "a=/a", "b=/b");
	REPORT(fixture, THREE, "0=/c", "1=/c");
	fixture->changes = 0;
	REPORT(fixture, ONE, "x=/a", "y=/c");
	expect(fixture, ONE, "x y");
	expect(fixture, TWO, "a! b");
	expect(fixture, THREE, "0! 1!");
	assert_string_equal(reason_of(fixture, TWO, "a"), "class one has its node");
	assert_int_equal(fixture->changes, 3);
	/* It comes to that again when the first one does not want it any more. */
	assert_int_equal(find(fixture, "kudev.io/two")->conflicts->total, 1);
	REPORT(fixture, ONE, "y=/c");
	REPORT(fixture, TWO, "a=/a", "b=/b");
	expect(fixture, TWO, "a b");
}

static void what_a_pod_holds_stays_with_a_later_class(void **state)
{
	struct fixture *fixture = *state;
	const struct conflict_list *conflicts;

	make_nodes(fixture);
	REPORT(fixture, TWO, "a=/a");
	REPORT(fixture, THREE, "0=/c", "1=/c");
	/* What pods hold is not known yet. */
	REPORT(fixture, ONE, "x=/a");
	expect(fixture, ONE, "");
	HOLD(fixture, "kudev.io/two a", "kudev.io/three 1");
	REPORT(fixture, ONE, "x=/a", "y=/c");
	expect(fixture, ONE, "");
	expect(fixture, TWO, "a");
	expect(fixture, THREE, "0 1");
	conflicts = inventory_class_at(fixture->inventory, ONE)->conflicts;
	assert_int_equal(conflicts->total, 2);
	assert_int_equal(conflicts->of_cause[CONFLICT_HELD], 2);
	HOLD(fixture, NULL);
	REPORT(fixture, ONE, "x=/a", "y=/c");
	expect(fixture, ONE, "x y");
	conflicts = find(fixture, "kudev.io/two")->conflicts;
	assert_int_equal(conflicts->of_cause[CONFLICT_FIRST], 1);
}

/* As after a start: the first one to look has seen it before the checkpoint was read. */
static void what_a_pod_holds_comes_back_to_a_later_class(void **state)
{
	struct fixture *fixture = *state;
	const struct conflict_list *conflicts;
	struct strings paths = {0};

	make_nodes(fixture);
	REPORT(fixture, ONE, "x=/a", "y=/b");
	REPORT(fixture, TWO, "a=/a", "b=/b");
	expect(fixture, TWO, "");
	HOLD(fixture, "kudev.io/one y", "kudev.io/two a", "kudev.io/two b");
	REPORT(fixture, TWO, "a=/a", "b=/b");
	expect(fixture, ONE, "x! y");
	expect(fixture, TWO, "a b!");
	conflicts = find(fixture, "kudev.io/one")->conflicts;
	assert_int_equal(conflicts->of_cause[CONFLICT_HELD], 1);
	REPORT(fixture, ONE, "x=/a", "y=/b");
	expect(fixture, ONE, "x! y");
	/* Whatever the first class expects. */
	strings_add(&paths, "/c");
	inventory_expect(fixture->inventory, ONE, &paths);
	HOLD(fixture, "kudev.io/two c");
	REPORT(fixture, TWO, "c=/c", "a=/a", "b=/b");
	expect(fixture, TWO, "a b! c");
	REPORT(fixture, ONE, "x=/a", "y=/b", "z=/c");
	expect(fixture, ONE, "x y");
}

static void what_the_first_class_expects_is_left_to_it(void **state)
{
	struct fixture *fixture = *state;
	struct strings paths = {0};
	uint64_t releases;

	make_nodes(fixture);
	HOLD(fixture, NULL);
	REPORT(fixture, THREE, "b=/b");
	strings_add(&paths, "/a");
	strings_add(&paths, "/b");
	inventory_expect(fixture->inventory, TWO, &paths);
	assert_int_equal(paths.count, 0);
	REPORT(fixture, ONE, "c=/c");
	REPORT(fixture, THREE, "a=/a", "b=/b");
	expect(fixture, THREE, "b");
	assert_int_equal(find(fixture, "kudev.io/three")->conflicts->total, 1);
	/* Not those before it, nor itself. */
	REPORT(fixture, ONE, "c=/c", "a=/a");
	expect(fixture, ONE, "c a");
	REPORT(fixture, ONE, "c=/c");
	REPORT(fixture, TWO, "b=/b");
	expect(fixture, TWO, "b");
	expect(fixture, THREE, "b!");
	/* Who has waited is asked once more. */
	releases = inventory_releases(fixture->inventory);
	inventory_expect(fixture->inventory, TWO, &paths);
	assert_true(inventory_releases(fixture->inventory) > releases);
	REPORT(fixture, THREE, "a=/a");
	expect(fixture, THREE, "b! a");
}

/* Or it would get it back at once, and so on without end. */
static void a_later_class_gives_up_only_what_the_first_one_can_have(void **state)
{
	struct fixture *fixture = *state;
	struct strings paths = {0};

	make_nodes(fixture);
	HOLD(fixture, NULL);
	/* A pod holds the rest. */
	REPORT(fixture, TWO, "a=/a");
	REPORT(fixture, THREE, "c=/c");
	HOLD(fixture, "kudev.io/three c");
	REPORT(fixture, ONE, "x=/a,/c");
	expect(fixture, ONE, "");
	expect(fixture, TWO, "a");
	/* A pod has it under another ID. */
	REPORT(fixture, ONE, "y=/b");
	HOLD(fixture, "kudev.io/one y");
	REPORT(fixture, ONE, "z=/a,/b");
	expect(fixture, ONE, "y! z!");
	expect(fixture, TWO, "a");
	/* Another one is to get it. */
	HOLD(fixture, NULL);
	strings_add(&paths, "/c");
	inventory_expect(fixture->inventory, ONE, &paths);
	REPORT(fixture, TWO, "a=/a", "c=/c");
	expect(fixture, TWO, "a");
	expect(fixture, THREE, "c");
	assert_int_equal(inventory_class_at(fixture->inventory, THREE)->conflicts->total,
			 0);
}

static void a_pod_keeps_what_is_left_of_several_nodes(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	REPORT(fixture, TWO, "x=/a,/b", "y=/c,/mnt");
	HOLD(fixture, "kudev.io/two x", "kudev.io/two y");
	tree_remove(fixture->tree, "/a");
	tree_remove(fixture->tree, "/mnt");
	REPORT(fixture, TWO, NULL);
	REPORT(fixture, ONE, "b=/b", "c=/c");
	expect(fixture, ONE, "");
	HOLD(fixture, NULL);
	REPORT(fixture, ONE, "b=/b", "c=/c");
	expect(fixture, ONE, "b c");
	expect(fixture, TWO, "x! y!");
}

static void free_devices_go_to_the_first_class_that_wants_them(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	HOLD(fixture, NULL);
	REPORT(fixture, ONE, "a=/a", "b=/b");
	change(fixture, HEAD CLASS_TWO CLASS_ONE);
	REPORT(fixture, 0, "a=/a");
	REPORT(fixture, 1, "a=/a", "b=/b");
	expect(fixture, 0, "a");
	expect(fixture, 1, "a! b");
	assert_string_equal(reason_of(fixture, 1, "a"), "class two has its node");
}

static void a_held_device_keeps_its_nodes_until_it_is_released(void **state)
{
	struct fixture *fixture = *state;
	uint64_t releases;

	make_nodes(fixture);
	REPORT(fixture, ONE, "a=/a", "b=/b");
	HOLD(fixture, "kudev.io/one a");
	/* Its own class comes later, or does not want it any more. */
	change(fixture, HEAD CLASS_TWO CLASS_ONE);
	REPORT(fixture, 0, "a=/a", "b=/b");
	REPORT(fixture, 1, NULL);
	expect(fixture, 0, "b");
	expect(fixture, 1, "a! b!");
	assert_true(inventory_awaits_release(fixture->inventory));
	releases = inventory_releases(fixture->inventory);
	HOLD(fixture, NULL);
	assert_false(inventory_awaits_release(fixture->inventory));
	assert_true(inventory_releases(fixture->inventory) > releases);
	REPORT(fixture, 0, "a=/a", "b=/b");
	expect(fixture, 0, "b a");
}

static void what_was_handed_out_just_now_is_held(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	HOLD(fixture, NULL);
	REPORT(fixture, ONE, "a=/a");
	inventory_class_grant(fixture->inventory,
			      inventory_class_at(fixture->inventory, ONE), "a");
	change(fixture, HEAD CLASS_TWO CLASS_ONE);
	REPORT(fixture, 0, "a=/a");
	REPORT(fixture, 1, "a=/a");
	expect(fixture, 0, "");
	expect(fixture, 1, "a");
}

static void a_removed_class_is_gone_when_nobody_uses_or_holds_it(void **state)
{
	static const struct {
		bool is_used;
		bool is_held;
	} tests[] = {{false, false}, {true, false}, {false, true}, {true, true}};
	struct fixture *fixture = *state;

	make_nodes(fixture);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		struct inventory_class *class = find(fixture, "kudev.io/one");

		REPORT(fixture, 0, "a=/a");
		if (tests[i].is_held)
			HOLD(fixture, "kudev.io/one a");
		else
			HOLD(fixture, NULL);
		if (tests[i].is_used)
			inventory_class_use(class);
		change(fixture, HEAD CLASS_TWO);
		REPORT(fixture, 0, "a=/a");
		expect(fixture, 0, tests[i].is_held ? "" : "a");
		if (tests[i].is_used) {
			assert_ptr_equal(find(fixture, "kudev.io/one"), class);
			assert_int_equal(class->healthy, 0);
			inventory_class_leave(fixture->inventory, class);
		}
		assert_int_equal(find(fixture, "kudev.io/one") != NULL, tests[i].is_held);
		HOLD(fixture, NULL);
		assert_null(find(fixture, "kudev.io/one"));
		change(fixture, HEAD CLASS_NEW);
		change(fixture, HEAD CLASS_ONE);
	}
}

static void nothing_new_is_listed_in_a_removed_class(void **state)
{
	struct fixture *fixture = *state;
	struct inventory_class *class = find(fixture, "kudev.io/one");

	HOLD(fixture, NULL);
	inventory_class_use(class);
	change(fixture, HEAD CLASS_TWO);
	HOLD(fixture, "kudev.io/one z");
	assert_int_equal(class->count, 0);
	inventory_class_leave(fixture->inventory, class);
	assert_null(find(fixture, "kudev.io/one"));
}

static void a_class_that_comes_back_has_its_devices(void **state)
{
	struct fixture *fixture = *state;
	struct inventory_class *class = find(fixture, "kudev.io/one");
	uint64_t version;

	make_nodes(fixture);
	REPORT(fixture, ONE, "a=/a", "b=/b");
	HOLD(fixture, "kudev.io/one b");
	/* Its old plugin has a call to end. */
	inventory_class_use(class);
	change(fixture, HEAD CLASS_TWO);
	version = class->version;
	change(fixture, HEAD CLASS_TWO CLASS_ONE);
	assert_ptr_equal(inventory_class_at(fixture->inventory, 1), class);
	inventory_class_leave(fixture->inventory, class);
	assert_ptr_equal(inventory_class_at(fixture->inventory, 1), class);
	REPORT(fixture, 0, "b=/b");
	REPORT(fixture, 1, "b=/b", "a=/a");
	expect(fixture, 0, "");
	expect(fixture, 1, "a b");
	assert_true(class->version > version);
}

static void a_conflict_outlives_the_class_that_it_names(void **state)
{
	struct fixture *fixture = *state;
	const struct conflict_list *conflicts;

	make_nodes(fixture);
	HOLD(fixture, NULL);
	REPORT(fixture, ONE, "a=/a");
	REPORT(fixture, TWO, "a=/a");
	change(fixture, HEAD CLASS_TWO);
	conflicts = inventory_class_at(fixture->inventory, 0)->conflicts;
	assert_int_equal(conflicts->total, 1);
	assert_string_equal(conflicts->items[0].holder, "one");
	REPORT(fixture, 0, "a=/a");
	expect(fixture, 0, "a");
}

/* What a unit borrows is of the configuration that it was made for. */
static void units_made_for_an_older_configuration_stay_valid(void **state)
{
	static const char *const texts[] = {
		HEAD "- {name: one, paths: [/x], permissions: r}\n",
		HEAD "- {name: one, paths: [/x], permissions: rwm}\n",
	};
	struct fixture *fixture = *state;
	KUDEV_AUTO_UNIT_LIST struct unit_list list = {0};
	const struct device *device;

	make_nodes(fixture);
	change(fixture, texts[0]);
	add_unit(fixture, &list, "a=/a");
	list.items[0].nodes[0].permissions = fixture->config->classes[0].permissions;
	inventory_report(fixture->inventory, 0, &list);
	device = inventory_class_at(fixture->inventory, 0)->devices[0];
	for (unsigned i = 1; i < 4; i++) {
		/* It is away: no report renews it. */
		REPORT(fixture, 0, NULL);
		change(fixture, texts[i % 2]);
	}
	assert_string_equal(device->unit.nodes[0].permissions, "r");
	assert_string_equal(device->class->permissions, "r");
	REPORT(fixture, 0, "a=/a");
	assert_ptr_equal(device->class, &fixture->config->classes[0]);
}

static void a_class_of_which_nothing_is_known_keeps_what_it_has(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	HOLD(fixture, NULL);
	REPORT(fixture, ONE, "a=/a", "b=/b");
	REPORT(fixture, ONE, "a=/a");
	fixture->changes = 0;
	change(fixture, HEAD CLASS_ONE CLASS_TWO);
	inventory_keep(fixture->inventory, 0);
	REPORT(fixture, 1, "a=/a", "b=/b");
	expect(fixture, 0, "a b!");
	expect(fixture, 1, "b");
	/* As if nothing had been. */
	assert_int_equal(fixture->changes, 1);
}

static void a_class_of_which_nothing_is_known_loses_what_an_earlier_one_gets(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	HOLD(fixture, NULL);
	REPORT(fixture, ONE, "a=/a", "b=/b");
	change(fixture, HEAD CLASS_TWO CLASS_ONE);
	REPORT(fixture, 0, "a=/a");
	fixture->changes = 0;
	inventory_keep(fixture->inventory, 1);
	expect(fixture, 1, "a! b");
	assert_int_equal(fixture->changes, 1);
	assert_string_equal(reason_of(fixture, 1, "a"), "class two has its node");
	assert_int_equal(inventory_class_at(fixture->inventory, 1)->conflicts->total, 1);
}

static void a_held_device_is_not_to_be_had_under_another_id(void **state)
{
	struct fixture *fixture = *state;
	struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);

	make_nodes(fixture);
	REPORT(fixture, ONE, "a=/a", "b=/b");
	HOLD(fixture, "kudev.io/one a");
	for (unsigned i = 0; i < 2; i++) {
		REPORT(fixture, ONE, "x=/a", "y=/b");
		expect(fixture, ONE, "a! b! x! y");
		assert_string_equal(reason_of(fixture, ONE, "x"), "a pod holds it as a");
		assert_int_equal(class->formers, 1);
	}
	HOLD(fixture, NULL);
	REPORT(fixture, ONE, "x=/a", "y=/b");
	expect(fixture, ONE, "a! b! x y");
	assert_int_equal(class->formers, 0);
}

static void what_pods_share_is_to_be_had_under_another_id(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	REPORT(fixture, THREE, "a-0=/a", "a-1=/a", "a-2=/a");
	HOLD(fixture, "kudev.io/three a-2", "kudev.io/three a-0");
	REPORT(fixture, THREE, "a-0=/a", "a-1=/a");
	expect(fixture, THREE, "a-0 a-1 a-2!");
	REPORT(fixture, THREE, "a-0=/a", "a-9=/a");
	expect(fixture, THREE, "a-0 a-1! a-2! a-9");
}

static void of_two_that_pods_hold_neither_is_taken_away(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	REPORT(fixture, ONE, "x=/a,/b", "y=/a,/c");
	HOLD(fixture, "kudev.io/one x", "kudev.io/one y");
	REPORT(fixture, ONE, "x=/a,/b");
	expect(fixture, ONE, "x y!");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_class_has_what_a_later_one_saw_first),
		TEST(what_a_pod_holds_stays_with_a_later_class),
		TEST(what_a_pod_holds_comes_back_to_a_later_class),
		TEST(what_the_first_class_expects_is_left_to_it),
		TEST(a_later_class_gives_up_only_what_the_first_one_can_have),
		TEST(a_pod_keeps_what_is_left_of_several_nodes),
		TEST(free_devices_go_to_the_first_class_that_wants_them),
		TEST(a_held_device_keeps_its_nodes_until_it_is_released),
		TEST(what_was_handed_out_just_now_is_held),
		TEST(a_removed_class_is_gone_when_nobody_uses_or_holds_it),
		TEST(nothing_new_is_listed_in_a_removed_class),
		TEST(a_class_that_comes_back_has_its_devices),
		TEST(a_conflict_outlives_the_class_that_it_names),
		TEST(units_made_for_an_older_configuration_stay_valid),
		TEST(a_class_of_which_nothing_is_known_keeps_what_it_has),
		TEST(a_class_of_which_nothing_is_known_loses_what_an_earlier_one_gets),
		TEST(a_held_device_is_not_to_be_had_under_another_id),
		TEST(what_pods_share_is_to_be_had_under_another_id),
		TEST(of_two_that_pods_hold_neither_is_taken_away),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
