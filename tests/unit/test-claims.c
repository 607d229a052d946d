/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>

#include "config/config.h"
#include "device/claims.h"
#include "device/inventory.h"
#include "test-scan.h"

enum { ONE, TWO, SHARED, ALSO_SHARED, CLASS_COUNT };

struct fixture {
	struct config_class configs[CLASS_COUNT];
	struct inventory_class classes[CLASS_COUNT];
	struct claims *claims;
};

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	for (size_t i = 0; i < CLASS_COUNT; i++) {
		fixture->configs[i].shares_nodes = i >= SHARED;
		fixture->classes[i].config = &fixture->configs[i];
	}
	fixture->claims = claims_new();
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	claims_free(fixture->claims);
	free(fixture);
	return 0;
}

/* "ab": a unit of two device nodes; "A" is a mount, "?" a node that is not known. */
static struct unit make_unit(const char *names)
{
	struct unit unit = {0};

	unit.node_count = strlen(names);
	unit.nodes = mem_zero(unit.node_count * sizeof(*unit.nodes));
	for (size_t i = 0; i < unit.node_count; i++) {
		struct unit_node *node = &unit.nodes[i];

		node->host_path = mem_printf("/dev/%c", names[i]);
		node->type = names[i] >= 'A' && names[i] <= 'Z' ? NODE_MOUNT
								: NODE_DEVICE;
		if (names[i] != '?')
			node->identity = (struct node_identity){
				.type = S_IFCHR,
				.device = (uint64_t)names[i],
			};
	}
	return unit;
}

static void add(struct fixture *fixture, size_t class, const char *names)
{
	KUDEV_AUTO_UNIT struct unit unit = make_unit(names);

	claims_add(fixture->claims, &fixture->classes[class], &unit);
}

static void drop(struct fixture *fixture, size_t class, const char *names)
{
	KUDEV_AUTO_UNIT struct unit unit = make_unit(names);

	claims_drop(fixture->claims, &fixture->classes[class], &unit);
}

/* rival: the class that has the node of this name; NULL: there is none. */
static void expect_rival(struct fixture *fixture, size_t class, const char *names,
			 const struct inventory_class *rival, const char *path)
{
	KUDEV_AUTO_UNIT struct unit unit = make_unit(names);
	const struct unit_node *node = NULL;
	const struct inventory_class *got =
		claims_rival(fixture->claims, &fixture->classes[class], &unit, 0, &node);

	assert_ptr_equal(got, rival);
	if (rival)
		assert_string_equal(node->host_path, path);
	else
		assert_null(node);
}

static void a_node_is_one_classs_or_of_all_that_share_it(void **state)
{
	static const struct {
		size_t has;
		const char *had;
		size_t wants;
		const char *wanted;
		const char *lost; /* the node in dispute; NULL: there is none */
	} tests[] = {
		{ONE, "a", TWO, "a", "/dev/a"},	   {ONE, "a", TWO, "b", NULL},
		{ONE, "a", ONE, "a", NULL},	   {ONE, "ab", TWO, "cb", "/dev/b"},
		{ONE, "a", SHARED, "a", "/dev/a"}, {SHARED, "a", ONE, "a", "/dev/a"},
		{SHARED, "a", SHARED, "a", NULL},  {SHARED, "a", ALSO_SHARED, "a", NULL},
		{ONE, "A", TWO, "A", NULL},	   {ONE, "?", TWO, "?", NULL},
		{ONE, "", TWO, "", NULL},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		add(fixture, tests[i].has, tests[i].had);
		expect_rival(fixture, tests[i].wants, tests[i].wanted,
			     tests[i].lost ? &fixture->classes[tests[i].has] : NULL,
			     tests[i].lost);
		drop(fixture, tests[i].has, tests[i].had);
		expect_rival(fixture, tests[i].wants, tests[i].wanted, NULL, NULL);
	}
}

static void a_node_is_free_when_the_last_unit_with_it_is(void **state)
{
	struct fixture *fixture = *state;
	const struct inventory_class *one = &fixture->classes[ONE];

	add(fixture, ONE, "ab");
	add(fixture, ONE, "bc");
	drop(fixture, ONE, "ab");
	expect_rival(fixture, TWO, "a", NULL, NULL);
	expect_rival(fixture, TWO, "b", one, "/dev/b");
	drop(fixture, ONE, "bc");
	expect_rival(fixture, TWO, "bc", NULL, NULL);
}

static void one_that_shares_does_not_hide_another(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, SHARED, "a");
	add(fixture, ALSO_SHARED, "a");
	drop(fixture, SHARED, "a");
	expect_rival(fixture, ONE, "a", &fixture->classes[ALSO_SHARED], "/dev/a");
	drop(fixture, ALSO_SHARED, "a");
	expect_rival(fixture, ONE, "a", NULL, NULL);
}

/* A class that is reconfigured may stop sharing what it has. */
static void whether_a_class_shares_is_asked_each_time(void **state)
{
	struct fixture *fixture = *state;

	add(fixture, SHARED, "a");
	expect_rival(fixture, ALSO_SHARED, "a", NULL, NULL);
	fixture->configs[SHARED].shares_nodes = false;
	expect_rival(fixture, ALSO_SHARED, "a", &fixture->classes[SHARED], "/dev/a");
}

static void a_release_is_counted_for_what_a_class_has_no_more(void **state)
{
	static const struct {
		size_t class;
		const char *dropped;
		uint64_t releases; /* since the beginning */
	} tests[] = {
		{TWO, "a", 0},	/* it is not its */
		{ONE, "x", 0},	/* it is nobody's */
		{ONE, "ab", 1}, /* of which it still has another b */
		{ONE, "b", 2},	{ONE, "b", 2}, {SHARED, "s", 3}, {ALSO_SHARED, "s", 4},
	};
	struct fixture *fixture = *state;

	add(fixture, ONE, "ab");
	add(fixture, ONE, "b");
	add(fixture, SHARED, "s");
	add(fixture, ALSO_SHARED, "s");
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		drop(fixture, tests[i].class, tests[i].dropped);
		assert_int_equal(claims_releases(fixture->claims), tests[i].releases);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_node_is_one_classs_or_of_all_that_share_it),
		TEST(a_node_is_free_when_the_last_unit_with_it_is),
		TEST(one_that_shares_does_not_hide_another),
		TEST(whether_a_class_shares_is_asked_each_time),
		TEST(a_release_is_counted_for_what_a_class_has_no_more),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
