/* SPDX-License-Identifier: Apache-2.0 */
#include "test-inventory.h"
#include "deviceplugin/v1beta1/api.pb-c.h"
#include "test-capture.h"

static void a_vanished_device_stays_and_comes_back_at_its_place(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	REPORT(fixture, ONE, "b=/b", "a=/a");
	expect(fixture, ONE, "b a");
	tree_remove(fixture->tree, "/b");
	REPORT(fixture, ONE, "c=/c", "a=/a");
	expect(fixture, ONE, "b! a c");
	assert_string_equal(reason_of(fixture, ONE, "b"), "/b is gone");
	REPORT(fixture, ONE, NULL);
	expect(fixture, ONE, "b! a! c!");
	assert_string_equal(reason_of(fixture, ONE, "a"),
			    "the class does not match it any more");
	REPORT(fixture, ONE, "c=/c", "b=/b", "a=/a");
	expect(fixture, ONE, "b a c");
	assert_null(
		inventory_class_find(inventory_class_at(fixture->inventory, ONE), "d"));
}

static void the_version_grows_with_changes_alone(void **state)
{
	static const struct {
		const char *units[3];
		unsigned changes; /* calls of the observer */
	} steps[] = {
		{{NULL}, 0},	       {{"a=/a", "b=/b"}, 1}, {{"a=/a", "b=/b"}, 0},
		{{"b=/b", "a=/a"}, 0}, {{"a=/a"}, 1},	      {{"a=/a"}, 0},
		{{NULL}, 1},	       {{NULL}, 0},	      {{"b=/b", "c=/c"}, 1},
	};
	struct fixture *fixture = *state;
	const struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);

	make_nodes(fixture);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(steps); i++) {
		uint64_t version = class->version;

		fixture->changes = 0;
		report(fixture, ONE, steps[i].units);
		assert_int_equal(fixture->changes, steps[i].changes);
		assert_int_equal(class->version > version, steps[i].changes > 0);
	}
}

static void a_device_reported_twice_is_one(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	REPORT(fixture, ONE, "a=/a", "a=/a", "b=/b", "a=/a");
	expect(fixture, ONE, "a b");
	REPORT(fixture, ONE, "a=/a", "a=/a");
	expect(fixture, ONE, "a b!");
}

static void the_first_class_to_match_a_node_keeps_it(void **state)
{
	struct fixture *fixture = *state;
	const struct conflict_list *conflicts;

	make_nodes(fixture);
	REPORT(fixture, ONE, "a=/a", "ab=/a,/b");
	REPORT(fixture, TWO, "x=/c", "y=/c,/b", "z=/b");
	expect(fixture, ONE, "a ab");
	expect(fixture, TWO, "x");
	conflicts = inventory_class_at(fixture->inventory, TWO)->conflicts;
	assert_int_equal(conflicts->total, 1);
	assert_int_equal(conflicts->of_cause[CONFLICT_FIRST], 1);
	assert_string_equal(conflicts->items[0].host_path, "/b");
	assert_string_equal(conflicts->items[0].holder,
			    fixture->config->classes[ONE].name);
	/* As long as one unit of the holder has it. */
	REPORT(fixture, ONE, "ab=/a,/b");
	REPORT(fixture, TWO, "x=/c", "z=/b", "w=/a");
	expect(fixture, TWO, "x");
	REPORT(fixture, ONE, "a=/a");
	REPORT(fixture, TWO, "x=/c", "z=/b", "w=/a");
	expect(fixture, TWO, "x z");
	/* And now the other way round. */
	REPORT(fixture, ONE, "a=/a", "ab=/a,/b");
	expect(fixture, ONE, "a ab!");
}

static void a_node_is_the_same_under_another_name(void **state)
{
	struct fixture *fixture = *state;

	tree_link(fixture->tree, "/null", "/dev/null");
	tree_link(fixture->tree, "/alias", "/dev/null");
	REPORT(fixture, ONE, "null=/null");
	REPORT(fixture, TWO, "alias=/alias");
	expect(fixture, TWO, "");
	tree_remove(fixture->tree, "/null");
	REPORT(fixture, ONE, NULL);
	expect(fixture, ONE, "null!");
	REPORT(fixture, TWO, "alias=/alias");
	expect(fixture, TWO, "alias");
}

static void mounted_files_belong_to_nobody(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	REPORT(fixture, ONE, "m=/mnt", "a=/a,/mnt");
	REPORT(fixture, TWO, "m=/mnt", "b=/b,/mnt");
	expect(fixture, TWO, "m b");
}

static void classes_that_both_share_have_the_same_nodes(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	for (unsigned i = 0; i < 2; i++) {
		REPORT(fixture, THREE, "a-0=/a", "a-1=/a");
		REPORT(fixture, FOUR, "a-0=/a", "a-1=/a");
		expect(fixture, THREE, "a-0 a-1");
		expect(fixture, FOUR, "a-0 a-1");
	}
}

static void an_exclusive_class_that_is_first_keeps_out_one_that_shares(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	REPORT(fixture, ONE, "a=/a");
	REPORT(fixture, THREE, "a-0=/a", "a-1=/a");
	expect(fixture, ONE, "a");
	expect(fixture, THREE, "");
	assert_int_equal(inventory_class_at(fixture->inventory, THREE)->conflicts->total,
			 1);
}

/* "unless both share": it is not enough that the first one does. */
static void a_sharing_class_that_is_first_keeps_what_it_has(void **state)
{
	struct fixture *fixture = *state;

	make_nodes(fixture);
	for (unsigned i = 0; i < 2; i++) {
		REPORT(fixture, THREE, "a-0=/a", "a-1=/a");
		REPORT(fixture, ONE, "a=/a");
		expect(fixture, THREE, "a-0 a-1");
		expect(fixture, ONE, "");
	}
	assert_int_equal(inventory_class_at(fixture->inventory, ONE)->conflicts->total,
			 1);
	/* Released by all that share it. */
	REPORT(fixture, FOUR, "a-0=/a");
	REPORT(fixture, THREE, NULL);
	REPORT(fixture, ONE, "a=/a");
	expect(fixture, ONE, "");
	REPORT(fixture, FOUR, NULL);
	REPORT(fixture, ONE, "a=/a");
	expect(fixture, ONE, "a");
}

/* Paths that differ in case alone have the same ID. */
static void of_two_units_with_one_id_the_first_stays_and_the_second_is_reported(
	void **state)
{
	struct fixture *fixture = *state;
	const struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);

	tree_file(fixture->tree, "/a", "");
	tree_file(fixture->tree, "/b", "");
	REPORT(fixture, ONE, "x=/a", "x=/b");
	assert_int_equal(class->count, 1);
	assert_string_equal(class->devices[0]->unit.nodes[0].host_path, "/a");
	assert_int_equal(class->conflicts->count, 1);
	assert_int_equal(class->conflicts->of_cause[CONFLICT_ALIKE], 1);
	assert_string_equal(class->conflicts->items[0].host_path, "/b");
}

static void a_conflict_is_logged_once(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *lines = NULL;
	struct capture capture;

	make_nodes(fixture);
	REPORT(fixture, ONE, "a=/a");
	capture = capture_begin();
	log_setup(LOG_LEVEL_WARN, LOG_FORMAT_JSON);
	for (unsigned i = 0; i < 3; i++)
		REPORT(fixture, TWO, "a-0=/a", "a-1=/a");
	REPORT(fixture, TWO, "b=/b");
	REPORT(fixture, TWO, "a-0=/a", "b=/b");
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	lines = capture_end(&capture);
	/* Once as it came, and once as it came again; b is missing nowhere. */
	assert_int_equal(capture_count(lines, "\"device conflict\""), 2);
	assert_int_equal(capture_count(lines, "\"other_class\":\"one\""), 2);
	assert_int_equal(capture_count(lines, "\n"), 2);
}

static void conflicts_without_end_are_counted(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_UNIT_LIST struct unit_list first = {0};
	KUDEV_AUTO_UNIT_LIST struct unit_list second = {0};
	const struct conflict_list *conflicts;

	for (unsigned i = 0; i < 100; i++) {
		KUDEV_AUTO_FREE char *path = mem_printf("/%u", i);
		KUDEV_AUTO_FREE char *unit = mem_printf("%u=/%u", i, i);

		tree_file(fixture->tree, path, "");
		add_unit(fixture, &first, unit);
		add_unit(fixture, &second, unit);
	}
	inventory_report(fixture->inventory, ONE, &first);
	inventory_report(fixture->inventory, TWO, &second);
	conflicts = inventory_class_at(fixture->inventory, TWO)->conflicts;
	assert_int_equal(conflicts->count, CONFLICTS_MAX);
	assert_int_equal(conflicts->total, 100);
}

static void only_the_first_of_many_changes_are_logged(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_UNIT_LIST struct unit_list list = {0};
	KUDEV_AUTO_FREE char *lines = NULL;
	struct capture capture;

	for (unsigned i = 0; i < 100; i++) {
		KUDEV_AUTO_FREE char *unit = mem_printf("%u=/gone", i);

		add_unit(fixture, &list, unit);
	}
	inventory_report(fixture->inventory, ONE, &list);
	capture = capture_begin();
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	REPORT(fixture, ONE, NULL);
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	lines = capture_end(&capture);
	assert_int_equal(capture_count(lines, "\"device health changed\""), 20);
}

static size_t packed_list_size(const struct inventory_class *class)
{
	V1beta1__ListAndWatchResponse list = V1BETA1__LIST_AND_WATCH_RESPONSE__INIT;
	V1beta1__Device *devices = mem_zero(class->count * sizeof(*devices));
	size_t size;

	list.devices = mem_zero(class->count * sizeof(*list.devices));
	list.n_devices = class->count;
	for (size_t i = 0; i < class->count; i++) {
		v1beta1__device__init(&devices[i]);
		devices[i].id = class->devices[i]->unit.id;
		devices[i].health = (char *)"Unhealthy";
		list.devices[i] = &devices[i];
	}
	size = v1beta1__list_and_watch_response__get_packed_size(&list);
	free(list.devices);
	free(devices);
	return size;
}

static void a_list_never_outgrows_what_the_kubelet_takes(void **state)
{
	/* 63 bytes of ID make 78 of a list; 53773 of them have room. */
	const unsigned count = 54000;
	struct fixture *fixture = *state;
	struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);
	KUDEV_AUTO_FREE char *lines = NULL;
	struct capture capture = capture_begin();

	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_JSON);
	for (unsigned round = 0; round < 2; round++) {
		KUDEV_AUTO_UNIT_LIST struct unit_list list = {0};

		for (unsigned i = 0; i < count; i++) {
			struct unit *unit = unit_list_add(&list, mem_printf("%063u", i),
							  1);

			unit->nodes[0].host_path = mem_string("/x");
			unit->nodes[0].permissions = "rw";
		}
		inventory_report(fixture->inventory, ONE, &list);
		assert_int_equal(class->count, LIST_MAX_SIZE / 78);
		assert_int_equal(class->refused, count - class->count);
		assert_int_equal(class->list_size, packed_list_size(class));
		assert_true(class->list_size <= LIST_MAX_SIZE);
	}
	REPORT(fixture, ONE, NULL);
	assert_int_equal(class->refused, 0);
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	lines = capture_end(&capture);
	assert_int_equal(capture_count(lines, "too many devices for one list"), 1);
}

static void a_look_at_the_nodes_finds_what_no_scan_has_told(void **state)
{
	struct fixture *fixture = *state;
	struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);
	struct device *device;
	uint64_t version;

	make_nodes(fixture);
	REPORT(fixture, ONE, "ab=/a,/b");
	device = inventory_class_find(class, "ab");
	version = class->version;
	fixture->changes = 0;
	assert_true(inventory_verify(fixture->inventory, class, device));
	assert_int_equal(class->version, version);
	assert_int_equal(fixture->changes, 0);
	tree_remove(fixture->tree, "/b");
	assert_false(inventory_verify(fixture->inventory, class, device));
	assert_false(inventory_verify(fixture->inventory, class, device));
	assert_string_equal(device->reason, "/b is gone");
	assert_int_equal(fixture->changes, 1);
	assert_true(class->version > version);
	expect(fixture, ONE, "ab!");
	/* Its claims are gone too. */
	REPORT(fixture, TWO, "a=/a");
	expect(fixture, TWO, "a");
}

static void an_id_never_changes_hands(void **state)
{
	struct fixture *fixture = *state;
	const struct inventory_class *class = inventory_class_at(fixture->inventory, ONE);

	make_nodes(fixture);
	REPORT(fixture, ONE, "x=/a");
	REPORT(fixture, ONE, "x=/b");
	expect(fixture, ONE, "x!");
	assert_string_equal(class->devices[0]->unit.nodes[0].host_path, "/a");
	assert_int_equal(class->conflicts->count, 1);
	REPORT(fixture, TWO, "b=/b");
	expect(fixture, TWO, "b");
}

/* A node that has gone between scan and report is unknown: equal to nothing. */
static void unknown_nodes_are_not_the_same(void **state)
{
	struct fixture *fixture = *state;

	REPORT(fixture, ONE, "x=/gone");
	REPORT(fixture, TWO, "y=/gone");
	expect(fixture, ONE, "x");
	expect(fixture, TWO, "y");
}

static void of_many_held_devices_that_are_missing_the_first_are_logged(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *lines = NULL;
	struct capture capture = capture_begin();

	log_setup(LOG_LEVEL_WARN, LOG_FORMAT_JSON);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 1000; i++) {
			KUDEV_AUTO_FREE char *id = mem_printf("held-%u", i);

			inventory_hold(fixture->inventory,
				       inventory_class_at(fixture->inventory, ONE), id,
				       LIST_NUMA_UNKNOWN, NULL);
		}
	}
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	lines = capture_end(&capture);
	assert_int_equal(inventory_class_at(fixture->inventory, ONE)->count, 1000);
	assert_int_equal(capture_count(lines, "\"a pod holds a device"), 20);
	assert_int_equal(capture_count(lines, "\n"), 20);
}

static void nothing_is_fine_to_free(void **state)
{
	(void)state;
	assert_null(inventory_free(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_vanished_device_stays_and_comes_back_at_its_place),
		TEST(the_version_grows_with_changes_alone),
		TEST(a_device_reported_twice_is_one),
		TEST(the_first_class_to_match_a_node_keeps_it),
		TEST(a_node_is_the_same_under_another_name),
		TEST(mounted_files_belong_to_nobody),
		TEST(classes_that_both_share_have_the_same_nodes),
		TEST(an_exclusive_class_that_is_first_keeps_out_one_that_shares),
		TEST(a_sharing_class_that_is_first_keeps_what_it_has),
		TEST(of_two_units_with_one_id_the_first_stays_and_the_second_is_reported),
		TEST(a_conflict_is_logged_once),
		TEST(conflicts_without_end_are_counted),
		TEST(only_the_first_of_many_changes_are_logged),
		TEST(a_list_never_outgrows_what_the_kubelet_takes),
		TEST(a_look_at_the_nodes_finds_what_no_scan_has_told),
		TEST(an_id_never_changes_hands),
		TEST(unknown_nodes_are_not_the_same),
		TEST(of_many_held_devices_that_are_missing_the_first_are_logged),
		cmocka_unit_test(nothing_is_fine_to_free),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
