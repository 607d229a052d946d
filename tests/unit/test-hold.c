/* SPDX-License-Identifier: Apache-2.0 */
/* The inventory, of who holds what and of what is forgotten. */
#include <regex.h>

#include "test-capture.h"
#include "test-inventory.h"

#define GRACE_MS 60000
#define GRANT_MS 30000

/* The clock is the test's. */
static int64_t now_ms = 1000000;

int64_t __wrap_clock_ms(void);
int64_t __wrap_clock_ms(void)
{
	return now_ms;
}

static bool text_matches(const char *text, const char *expression)
{
	regex_t regex;
	bool matches;

	assert_int_equal(regcomp(&regex, expression, REG_EXTENDED | REG_NOSUB), 0);
	matches = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return matches;
}

static struct inventory_class *class_one(const struct fixture *fixture)
{
	return inventory_class_at(fixture->inventory, ONE);
}

static struct device *find(const struct fixture *fixture, const char *id)
{
	return inventory_class_find(class_one(fixture), id);
}

/* "id" or "id namespace/pod/container" of the first class. */
static void hold(const struct fixture *fixture, const char *text)
{
	KUDEV_AUTO_FREE char *copy = mem_string(text);
	char *rest;
	char *id = strtok_r(copy, " ", &rest);
	struct holder holder = {
		.pod_namespace = strtok_r(NULL, "/", &rest),
		.pod = strtok_r(NULL, "/", &rest),
		.container = strtok_r(NULL, "/", &rest),
	};

	inventory_hold(fixture->inventory, class_one(fixture), id, LIST_NUMA_UNKNOWN,
		       holder.pod ? &holder : NULL);
}

static bool reckon(const struct fixture *fixture, enum hold_source source,
		   const char *const *held)
{
	inventory_begin_holders(fixture->inventory, source);
	for (; *held; held++)
		hold(fixture, *held);
	return inventory_end_holders(fixture->inventory);
}

#define CHECKPOINT(fixture, ...) \
	reckon(fixture, HOLD_CHECKPOINT, (const char *const[]){__VA_ARGS__, NULL})
#define LIST(fixture, ...) \
	reckon(fixture, HOLD_LIST, (const char *const[]){__VA_ARGS__, NULL})

static struct fixture *begin(void **state)
{
	struct fixture *fixture = *state;

	now_ms += GRACE_MS;
	make_nodes(fixture);
	REPORT(fixture, ONE, "a=/a", "b=/b", "c=/c");
	return fixture;
}

/* By a List that is asked for now, after all that came before. */
static size_t forget(const struct fixture *fixture)
{
	now_ms++;
	return inventory_forget(fixture->inventory, now_ms, GRACE_MS);
}

/* "a:0 c:2!" */
static void expect_indexes(const struct fixture *fixture, const char *expected)
{
	const struct inventory_class *class = class_one(fixture);
	KUDEV_AUTO_STRINGS struct strings words = {0};
	KUDEV_AUTO_FREE char *got = NULL;
	size_t size = 0;

	for (size_t i = 0; i < class->count; i++) {
		const struct device *device = class->devices[i];

		strings_take(&words, mem_printf("%s:%u%s", device->unit.id, device->index,
						device->healthy ? "" : "!"));
		assert_ptr_equal(inventory_class_find(class, device->unit.id), device);
		assert_ptr_equal(inventory_class_indexed(class, device->index), device);
		size += list_device_size(strlen(device->unit.id), device->unit.numa_node);
	}
	got = strings_join(&words, " ");
	assert_string_equal(got, expected);
	assert_int_equal(class->list_size, size);
}

static void a_device_is_held_if_either_source_says_so(void **state)
{
	struct fixture *fixture = begin(state);
	const struct device *a = find(fixture, "a");

	LIST(fixture, NULL);
	/* The checkpoint has not been read yet. */
	assert_true(inventory_is_held(fixture->inventory, a));
	CHECKPOINT(fixture, NULL);
	assert_false(inventory_is_held(fixture->inventory, a));
	CHECKPOINT(fixture, "a");
	assert_true(inventory_is_held(fixture->inventory, a));
	LIST(fixture, "a ns/pod/c");
	CHECKPOINT(fixture, NULL);
	assert_true(inventory_is_held(fixture->inventory, a));
	assert_false(inventory_is_held(fixture->inventory, find(fixture, "b")));
	LIST(fixture, NULL);
	assert_false(inventory_is_held(fixture->inventory, a));
}

static void a_source_that_says_nothing_new_counts_no_more(void **state)
{
	struct fixture *fixture = begin(state);

	CHECKPOINT(fixture, NULL);
	LIST(fixture, "a ns/pod/c");
	inventory_drop_holders(fixture->inventory, HOLD_LIST);
	assert_false(inventory_is_held(fixture->inventory, find(fixture, "a")));
	LIST(fixture, "a ns/pod/c");
	assert_true(inventory_is_held(fixture->inventory, find(fixture, "a")));
}

static void expect_holders(const struct device *device, const char *expected)
{
	KUDEV_AUTO_STRINGS struct strings words = {0};
	KUDEV_AUTO_FREE char *got = NULL;

	for (size_t i = 0; i < device->holder_count; i++)
		strings_take(&words,
			     mem_printf("%s/%s/%s", device->holders[i].pod_namespace,
					device->holders[i].pod,
					device->holders[i].container));
	got = strings_join(&words, " ");
	assert_string_equal(got, expected);
}

static void holders_have_names_until_both_sources_let_go(void **state)
{
	struct fixture *fixture = begin(state);
	const struct device *a = find(fixture, "a");

	CHECKPOINT(fixture, "a");
	expect_holders(a, "");
	/* A device of several NUMA nodes comes several times. */
	LIST(fixture, "a ns/pod/c", "a ns/pod/c", "a ns/pod/d");
	expect_holders(a, "ns/pod/c ns/pod/d");
	/* A kubelet that starts does not know its pods yet. */
	assert_false(LIST(fixture, NULL));
	expect_holders(a, "ns/pod/c ns/pod/d");
	LIST(fixture, "a ns/other/c");
	expect_holders(a, "ns/other/c");
	assert_false(LIST(fixture, NULL));
	assert_true(CHECKPOINT(fixture, NULL));
	expect_holders(a, "");
	assert_false(CHECKPOINT(fixture, NULL));
}

static void names_are_bounded(void **state)
{
	struct fixture *fixture = begin(state);

	CHECKPOINT(fixture, NULL);
	inventory_begin_holders(fixture->inventory, HOLD_LIST);
	for (unsigned i = 0; i < 1000; i++) {
		KUDEV_AUTO_FREE char *text = mem_printf("a ns/pod-%u/c", i);

		hold(fixture, text);
	}
	inventory_end_holders(fixture->inventory);
	assert_int_equal(find(fixture, "a")->holder_count, 16);
}

static void holding_and_release_are_logged_once(void **state)
{
	static const struct {
		enum hold_source source;
		const char *held[3];
		const char *logged;
	} steps[] = {
		/* Without List, nobody has a name. */
		{HOLD_CHECKPOINT, {"a"}, "\"device held\".*\"a\""},
		{HOLD_CHECKPOINT, {"a"}, NULL},
		{HOLD_LIST, {"a ns/p1/c"}, "\"device held\".*\"ns\".*\"p1\".*\"c\""},
		{HOLD_LIST, {"a ns/p1/c"}, NULL},
		/* With it, names are waited for. */
		{HOLD_CHECKPOINT, {"a", "b"}, NULL},
		{HOLD_LIST, {"a ns/p1/c", "b ns/p2/c"}, "\"device held\".*\"b\".*\"p2\""},
		{HOLD_LIST, {"b ns/p2/c"}, NULL},
		{HOLD_CHECKPOINT, {"b"}, "\"device released\".*\"a\".*\"ns\".*\"p1\""},
		{HOLD_LIST, {"b ns/p3/c"}, "\"device released\".*\"b\".*\"p2\""},
		/* An init container, which has none. */
		{HOLD_CHECKPOINT, {"b", "c"}, NULL},
		{HOLD_LIST, {"b ns/p3/c"}, "\"device held\".*\"c\""},
	};
	struct fixture *fixture = begin(state);

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(steps); i++) {
		struct capture capture = capture_begin();
		KUDEV_AUTO_FREE char *text = NULL;

		(void)reckon(fixture, steps[i].source, steps[i].held);
		text = capture_end(&capture);
		if (steps[i].logged)
			assert_true(text_matches(text, steps[i].logged));
		else
			assert_string_equal(text, "");
	}
}

static void what_is_handed_out_anew_was_released(void **state)
{
	struct fixture *fixture = begin(state);
	struct capture capture;
	KUDEV_AUTO_FREE char *text = NULL;

	CHECKPOINT(fixture, "a");
	LIST(fixture, "a ns/p1/c");
	capture = capture_begin();
	inventory_class_grant(fixture->inventory, class_one(fixture), "a");
	text = capture_end(&capture);
	assert_true(text_matches(text, "\"device released\".*\"p1\""));
	expect_holders(find(fixture, "a"), "");
	assert_true(inventory_is_held(fixture->inventory, find(fixture, "a")));
}

static void only_what_is_away_free_and_past_its_grace_is_forgotten(void **state)
{
	struct fixture *fixture = begin(state);
	uint64_t version;

	CHECKPOINT(fixture, NULL);
	LIST(fixture, "b ns/pod/c");
	assert_int_equal(forget(fixture), 0);
	REPORT(fixture, ONE, "c=/c");
	assert_int_equal(forget(fixture), 0);
	now_ms += GRACE_MS - 3;
	assert_int_equal(forget(fixture), 0);
	now_ms++;
	fixture->changes = 0;
	version = class_one(fixture)->version;
	assert_int_equal(forget(fixture), 1);
	expect_indexes(fixture, "b:1! c:2");
	assert_int_equal(fixture->changes, 1);
	assert_true(class_one(fixture)->version > version);
	/* Once it is free. */
	LIST(fixture, NULL);
	assert_int_equal(forget(fixture), 1);
	expect_indexes(fixture, "c:2");
	assert_int_equal(forget(fixture), 0);
}

static void what_the_checkpoint_has_is_not_forgotten(void **state)
{
	struct fixture *fixture = begin(state);

	CHECKPOINT(fixture, "a");
	LIST(fixture, NULL);
	REPORT(fixture, ONE, "b=/b", "c=/c");
	now_ms += GRACE_MS;
	assert_int_equal(forget(fixture), 0);
	CHECKPOINT(fixture, NULL);
	assert_int_equal(forget(fixture), 1);
	expect_indexes(fixture, "b:1 c:2");
}

static void what_was_asked_before_the_device_went_says_nothing(void **state)
{
	struct fixture *fixture = begin(state);
	int64_t asked_ms = now_ms;

	CHECKPOINT(fixture, NULL);
	LIST(fixture, NULL);
	REPORT(fixture, ONE, "b=/b", "c=/c");
	now_ms += 2 * (int64_t)GRACE_MS;
	assert_int_equal(inventory_forget(fixture->inventory, asked_ms, GRACE_MS), 0);
	assert_int_equal(inventory_forget(fixture->inventory, asked_ms + 1, GRACE_MS), 1);
}

static void what_was_just_handed_out_is_not_forgotten(void **state)
{
	struct fixture *fixture = begin(state);
	int64_t asked_ms;

	CHECKPOINT(fixture, NULL);
	LIST(fixture, NULL);
	inventory_class_grant(fixture->inventory, class_one(fixture), "a");
	asked_ms = now_ms + 1;
	REPORT(fixture, ONE, "b=/b", "c=/c");
	now_ms += GRACE_MS + GRANT_MS;
	/* It is free by now, but who was asked could not know of the grant. */
	assert_false(inventory_is_held(fixture->inventory, find(fixture, "a")));
	assert_int_equal(inventory_forget(fixture->inventory, asked_ms, GRACE_MS), 0);
	assert_int_equal(
		inventory_forget(fixture->inventory, asked_ms + GRANT_MS, GRACE_MS), 1);
}

static void what_was_held_and_released_is_free_at_once(void **state)
{
	struct fixture *fixture = begin(state);

	CHECKPOINT(fixture, NULL);
	inventory_class_grant(fixture->inventory, class_one(fixture), "a");
	LIST(fixture, NULL);
	assert_true(inventory_is_held(fixture->inventory, find(fixture, "a")));
	CHECKPOINT(fixture, "a");
	LIST(fixture, "a ns/pod/c");
	LIST(fixture, NULL);
	assert_true(inventory_is_held(fixture->inventory, find(fixture, "a")));
	CHECKPOINT(fixture, NULL);
	assert_false(inventory_is_held(fixture->inventory, find(fixture, "a")));
}

static void what_its_source_reports_as_missing_is_not_forgotten(void **state)
{
	struct fixture *fixture = begin(state);
	KUDEV_AUTO_UNIT_LIST struct unit_list list = {0};

	CHECKPOINT(fixture, NULL);
	LIST(fixture, NULL);
	add_unit(fixture, &list, "a=/a");
	list.items[0].absence = mem_string("the kernel can't have it");
	inventory_report(fixture->inventory, ONE, &list);
	now_ms += GRACE_MS;
	assert_int_equal(forget(fixture), 2);
	expect_indexes(fixture, "a:0!");
}

static void what_another_class_has_is_forgotten_unless_it_comes_back(void **state)
{
	struct fixture *fixture = begin(state);

	CHECKPOINT(fixture, NULL);
	LIST(fixture, NULL);
	REPORT(fixture, ONE, "b=/b", "c=/c");
	REPORT(fixture, TWO, "a=/a");
	inventory_class_grant(fixture->inventory,
			      inventory_class_at(fixture->inventory, TWO), "a");
	REPORT(fixture, ONE, "a=/a", "b=/b", "c=/c");
	expect_indexes(fixture, "a:0! b:1 c:2");
	now_ms += GRACE_MS / 2;
	assert_int_equal(forget(fixture), 0);
	now_ms += GRACE_MS / 2;
	assert_int_equal(forget(fixture), 1);
	expect_indexes(fixture, "b:1 c:2");
	/* And what is forgotten claims nothing. */
	REPORT(fixture, ONE, "a=/a", "b=/b", "c=/c");
	expect_indexes(fixture, "a:0 b:1 c:2");
}

static void what_was_held_but_never_seen_is_forgotten_once_free(void **state)
{
	struct fixture *fixture = begin(state);

	CHECKPOINT(fixture, "old");
	expect_indexes(fixture, "a:0 b:1 c:2 old:3!");
	LIST(fixture, NULL);
	CHECKPOINT(fixture, NULL);
	assert_int_equal(forget(fixture), 0);
	now_ms += GRACE_MS;
	assert_int_equal(forget(fixture), 1);
	expect_indexes(fixture, "a:0 b:1 c:2");
}

static void the_next_device_gets_the_lowest_free_index(void **state)
{
	struct fixture *fixture = begin(state);
	unsigned listing = find(fixture, "b")->listing;

	CHECKPOINT(fixture, NULL);
	LIST(fixture, NULL);
	REPORT(fixture, ONE, "c=/c");
	now_ms += GRACE_MS;
	assert_int_equal(forget(fixture), 2);
	expect_indexes(fixture, "c:2");
	assert_null(inventory_class_indexed(class_one(fixture), 0));
	assert_null(inventory_class_indexed(class_one(fixture), 3));
	/* Those that come back are others, and the order is that of the indexes. */
	REPORT(fixture, ONE, "b=/b", "c=/c");
	expect_indexes(fixture, "b:0 c:2");
	assert_true(find(fixture, "b")->listing > listing);
	tree_file(fixture->tree, "/d", "");
	REPORT(fixture, ONE, "b=/b", "c=/c", "d=/d", "a=/a");
	expect_indexes(fixture, "b:0 d:1 c:2 a:3");
}

static void a_review_says_what_to_wait_for(void **state)
{
	struct fixture *fixture = begin(state);
	struct hold_review review;

	CHECKPOINT(fixture, NULL);
	LIST(fixture, NULL);
	inventory_review_holds(fixture->inventory, GRACE_MS, &review);
	assert_false(review.is_any_held);
	assert_int_equal(review.granted_ms, 0);
	assert_int_equal(review.forget_in_ms, -1);

	REPORT(fixture, ONE, "b=/b", "c=/c");
	now_ms += 10;
	REPORT(fixture, ONE, "c=/c");
	inventory_review_holds(fixture->inventory, GRACE_MS, &review);
	assert_int_equal(review.forget_in_ms, GRACE_MS - 10);

	LIST(fixture, "a ns/pod/c");
	inventory_review_holds(fixture->inventory, GRACE_MS, &review);
	assert_true(review.is_any_held);
	assert_int_equal(review.forget_in_ms, GRACE_MS);

	inventory_class_grant(fixture->inventory, class_one(fixture), "b");
	inventory_review_holds(fixture->inventory, GRACE_MS, &review);
	assert_int_equal(review.granted_ms, now_ms);
	assert_int_equal(review.forget_in_ms, -1);
}

static void what_the_checkpoint_alone_has_is_doubted_once(void **state)
{
	struct fixture *fixture = begin(state);

	CHECKPOINT(fixture, "a");
	assert_false(inventory_find_doubt(fixture->inventory, true));
	LIST(fixture, NULL);
	assert_true(inventory_find_doubt(fixture->inventory, false));
	assert_false(inventory_find_doubt(fixture->inventory, false));
	assert_true(inventory_find_doubt(fixture->inventory, true));
	/* Until it was held for sure. */
	LIST(fixture, "a ns/pod/c");
	assert_false(inventory_find_doubt(fixture->inventory, true));
	LIST(fixture, NULL);
	assert_true(inventory_find_doubt(fixture->inventory, false));
}

static void stirs_are_told(void **state)
{
	struct fixture *fixture = begin(state);
	unsigned before;

	inventory_observe_holds(fixture->inventory, on_change, fixture);
	before = fixture->changes;
	inventory_class_grant(fixture->inventory, class_one(fixture), "a");
	assert_int_equal(fixture->changes, before + 1);
	inventory_class_grant(fixture->inventory, class_one(fixture), "none");
	assert_int_equal(fixture->changes, before + 1);
	inventory_observe_holds(fixture->inventory, NULL, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(a_device_is_held_if_either_source_says_so),
		TEST(a_source_that_says_nothing_new_counts_no_more),
		TEST(holders_have_names_until_both_sources_let_go),
		TEST(names_are_bounded),
		TEST(holding_and_release_are_logged_once),
		TEST(what_is_handed_out_anew_was_released),
		TEST(only_what_is_away_free_and_past_its_grace_is_forgotten),
		TEST(what_the_checkpoint_has_is_not_forgotten),
		TEST(what_was_asked_before_the_device_went_says_nothing),
		TEST(what_was_just_handed_out_is_not_forgotten),
		TEST(what_was_held_and_released_is_free_at_once),
		TEST(what_its_source_reports_as_missing_is_not_forgotten),
		TEST(what_another_class_has_is_forgotten_unless_it_comes_back),
		TEST(what_was_held_but_never_seen_is_forgotten_once_free),
		TEST(the_next_device_gets_the_lowest_free_index),
		TEST(a_review_says_what_to_wait_for),
		TEST(what_the_checkpoint_alone_has_is_doubted_once),
		TEST(stirs_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
