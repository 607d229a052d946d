/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "kubelet/preferred.h"
#include "test-kubelet.h"

struct preferred_case {
	const char *available;
	const char *must;
	int32_t size;
	const char *expected;
};

static char *ask(const struct node *node, const struct preferred_case *test)
{
	V1beta1__PreferredAllocationRequest request =
		V1BETA1__PREFERRED_ALLOCATION_REQUEST__INIT;
	V1beta1__ContainerPreferredAllocationRequest container =
		V1BETA1__CONTAINER_PREFERRED_ALLOCATION_REQUEST__INIT;
	V1beta1__ContainerPreferredAllocationRequest *containers[] = {&container};
	KUDEV_AUTO_STRINGS struct strings available = split(test->available, " ");
	KUDEV_AUTO_STRINGS struct strings must = split(test->must, " ");
	V1beta1__PreferredAllocationResponse *response;
	struct strings answer = {0};
	char *text;

	container.n_available_deviceids = available.count;
	container.available_deviceids = available.items;
	container.n_must_include_deviceids = must.count;
	container.must_include_deviceids = must.items;
	container.allocation_size = test->size;
	request.n_container_requests = 1;
	request.container_requests = containers;
	response = preferred_answer(inventory_class_at(node->inventory, 0), &request);
	assert_int_equal(response->n_container_responses, 1);
	answer.items = response->container_responses[0]->deviceids;
	answer.count = response->container_responses[0]->n_deviceids;
	text = strings_join(&answer, " ");
	v1beta1__preferred_allocation_response__free_unpacked(response, NULL);
	return text;
}

static void check(const char *class, const struct preferred_case *tests, size_t count)
{
	KUDEV_AUTO_FREE char *text = mem_printf("classes:\n- {name: c, %s}\n", class);
	KUDEV_AUTO(node_free)
	struct node *node = node_new(text, (const char *const[]){NULL});

	for (size_t i = 0; i < count; i++) {
		KUDEV_AUTO_FREE char *got = ask(node, &tests[i]);

		if (strcmp(got, tests[i].expected) != 0)
			print_message("for: %s; %s; %" PRId32 "\n", tests[i].available,
				      tests[i].must, tests[i].size);
		assert_string_equal(got, tests[i].expected);
	}
}

static void odd_requests_have_answers_too(void **state)
{
	static const struct preferred_case tests[] = {
		{"c-0 c-1", "", 0, ""},
		{"c-0 c-1", "", -1, ""},
		{"c-0 c-1", "", INT32_MIN, ""},
		{"c-0 c-1", "c-1", 0, ""},
		{"", "", 3, ""},
		{"c-1 c-0", "", 2, "c-0 c-1"},
		{"c-1 c-0", "", 3, "c-0 c-1"},
		{"c-1 c-0", "", INT32_MAX, "c-0 c-1"},
		{"c-1 c-1 c-1", "c-1 c-1", 2, "c-1"},
		{"c-9 x c-0", "", 2, "c-0"},
		{"c-0 c-1 c-2", "c-2", 2, "c-2 c-0"},
		{"c-0 c-1 c-2", "c-2 c-1", 1, "c-1"},
		{"c-0 c-1", "c-3", 1, "c-0"},
		{"c-0 c-1", "unknown", 2, "c-0 c-1"},
	};
	static const char *const policies[] = {"numa", "packed", "spread", "none"};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(policies); i++) {
		KUDEV_AUTO_FREE char *class =
			mem_printf("simulate: {count: 4}, preferred: %s", policies[i]);

		check(class, tests, KUDEV_ARRAY_SIZE(tests));
	}
}

/* Devices 0, 3, 6 … are on node 0, 1, 4, 7 … on node 1, 2, 5, 8 … on node 2. */
static void numa_touches_few_nodes_and_fills_the_fullest(void **state)
{
	static const struct preferred_case tests[] = {
		{"c-0 c-1 c-2 c-3 c-4 c-5", "", 2, "c-0 c-3"},
		{"c-0 c-1 c-4", "", 2, "c-1 c-4"},
		/* The tightest fit, so that the larger node stays whole. */
		{"c-0 c-3 c-6 c-1 c-4", "", 2, "c-1 c-4"},
		{"c-0 c-3 c-6 c-1 c-4", "", 3, "c-0 c-3 c-6"},
		{"c-0 c-3 c-2", "", 1, "c-2"},
		/* None is enough: the largest first. */
		{"c-0 c-1 c-4 c-2 c-5 c-8", "", 4, "c-2 c-5 c-8 c-1"},
		/* What must be included says which nodes are touched anyway. */
		{"c-0 c-3 c-1 c-4 c-7", "c-4", 2, "c-4 c-1"},
		{"c-0 c-3 c-1 c-4 c-7", "c-0", 3, "c-0 c-3 c-1"},
		{"c-0 c-3 c-6 c-1 c-4", "c-0 c-1", 3, "c-0 c-1 c-3"},
		{"c-0 c-3 c-6 c-1", "c-1", 3, "c-1 c-0 c-3"},
	};

	(void)state;
	check("simulate: {count: 12, numaNodes: 3}, preferred: numa", tests,
	      KUDEV_ARRAY_SIZE(tests));
}

static void devices_without_a_node_come_last(void **state)
{
	static const struct preferred_case tests[] = {
		{"c-3 c-1 c-0 c-2", "", 3, "c-0 c-1 c-2"},
		{"c-3 c-1", "c-3", 1, "c-3"},
	};

	(void)state;
	check("simulate: {count: 4}, preferred: numa", tests, KUDEV_ARRAY_SIZE(tests));
}

static void packed_takes_what_others_hold_already(void **state)
{
	static const struct preferred_case tests[] = {
		/* All of 0, two of 1, one of 2. */
		{"c-0-0 c-0-1 c-0-2 c-1-0 c-1-2 c-2-1", "", 1, "c-2-1"},
		{"c-0-0 c-0-1 c-0-2 c-1-0 c-1-2 c-2-1", "", 2, "c-2-1 c-1-0"},
		{"c-0-0 c-0-1 c-0-2 c-1-0 c-1-2 c-2-1", "", 3, "c-2-1 c-1-0 c-1-2"},
		{"c-0-0 c-0-1 c-0-2 c-1-0 c-1-1 c-1-2", "", 1, "c-0-0"},
		{"c-0-0 c-0-1 c-1-0 c-1-1", "c-1-1", 2, "c-1-1 c-0-0"},
	};

	(void)state;
	check("simulate: {count: 3}, share: 3, preferred: packed", tests,
	      KUDEV_ARRAY_SIZE(tests));
}

static void spread_takes_what_is_freest(void **state)
{
	static const struct preferred_case tests[] = {
		{"c-0-0 c-1-0 c-1-2 c-2-0 c-2-1 c-2-2", "", 1, "c-2-0"},
		{"c-0-0 c-1-0 c-1-2 c-2-0 c-2-1 c-2-2", "", 3, "c-2-0 c-1-0 c-0-0"},
		/* Other devices before further copies. */
		{"c-0-0 c-0-1 c-0-2 c-1-0", "", 2, "c-0-0 c-1-0"},
		{"c-0-0 c-0-1 c-0-2 c-1-0", "", 3, "c-0-0 c-1-0 c-0-1"},
		/* What must be included counts as one of its device. */
		{"c-0-0 c-0-1 c-1-0 c-1-1", "c-0-1", 2, "c-0-1 c-1-0"},
	};

	(void)state;
	check("simulate: {count: 3}, share: 3, preferred: spread", tests,
	      KUDEV_ARRAY_SIZE(tests));
}

/* As the header says: but for packed, devices that nobody else holds a copy of. */
static void numa_prefers_devices_that_nobody_else_holds(void **state)
{
	static const struct preferred_case tests[] = {
		/* Somebody has c-0-0 and c-1-1; all of 2 is free. */
		{"c-0-1 c-1-0 c-2-0 c-2-1", "", 1, "c-2-0"},
		{"c-0-1 c-2-0 c-2-1 c-3-0 c-3-1", "", 2, "c-2-0 c-3-0"},
	};

	(void)state;
	check("simulate: {count: 4}, share: 2, preferred: numa", tests,
	      KUDEV_ARRAY_SIZE(tests));
}

static void a_container_gets_different_devices_before_copies_of_one(void **state)
{
	static const struct preferred_case tests[] = {
		{"c-0-0 c-0-1 c-2-0 c-2-1", "", 2, "c-0-0 c-2-0"},
	};

	(void)state;
	check("simulate: {count: 4, numaNodes: 2}, share: 2, preferred: numa", tests,
	      KUDEV_ARRAY_SIZE(tests));
}

static void each_container_is_answered(void **state)
{
	KUDEV_AUTO(node_free)
	struct node *node =
		node_new("classes:\n- {name: c, simulate: {count: 1}, preferred: numa}\n",
			 (const char *const[]){NULL});
	V1beta1__PreferredAllocationRequest request =
		V1BETA1__PREFERRED_ALLOCATION_REQUEST__INIT;
	V1beta1__ContainerPreferredAllocationRequest container =
		V1BETA1__CONTAINER_PREFERRED_ALLOCATION_REQUEST__INIT;
	V1beta1__ContainerPreferredAllocationRequest *containers[] = {
		&container, &container, &container};
	V1beta1__PreferredAllocationResponse *response;

	(void)state;
	request.container_requests = containers;
	for (size_t count = 0; count <= 3; count++) {
		request.n_container_requests = count;
		response = preferred_answer(inventory_class_at(node->inventory, 0),
					    &request);
		assert_int_equal(response->n_container_responses, count);
		v1beta1__preferred_allocation_response__free_unpacked(response, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(odd_requests_have_answers_too),
		cmocka_unit_test(numa_touches_few_nodes_and_fills_the_fullest),
		cmocka_unit_test(devices_without_a_node_come_last),
		cmocka_unit_test(packed_takes_what_others_hold_already),
		cmocka_unit_test(spread_takes_what_is_freest),
		cmocka_unit_test(numa_prefers_devices_that_nobody_else_holds),
		cmocka_unit_test(a_container_gets_different_devices_before_copies_of_one),
		cmocka_unit_test(each_container_is_answered),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
