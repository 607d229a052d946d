/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/strings.h"
#include "base/util.h"
#include "device/naming.h"

#define MAX_ITEMS 8

/* Rounds of "plain@qualifier …" and the names that come of them; ends with NULL. */
struct naming_round {
	const char *there;
	const char *names; /* "*": another one has, or had, the plain name */
};

struct naming_case {
	struct naming_round rounds[8];
};

/* Splits in place; returns how many there are. */
static size_t parse_items(char *text, struct naming_item items[static MAX_ITEMS])
{
	size_t count = 0;
	char *rest;

	for (char *word = strtok_r(text, " ", &rest); word;
	     word = strtok_r(NULL, " ", &rest)) {
		char *at = strchr(word, '@');

		*at = '\0';
		items[count++] = (struct naming_item){
			.plain = word,
			.qualifier = at + 1,
			.name = "left over",
		};
	}
	return count;
}

static void check_round(struct naming *naming, const struct naming_round *round)
{
	KUDEV_AUTO_FREE char *text = mem_string(round->there);
	KUDEV_AUTO_STRINGS struct strings names = {0};
	KUDEV_AUTO_FREE char *got = NULL;
	struct naming_item items[MAX_ITEMS];
	size_t count = parse_items(text, items);

	naming_assign(naming, items, count);
	for (size_t i = 0; i < count; i++)
		strings_take(&names, mem_printf("%s%s", items[i].name,
						items[i].is_doubled ? "*" : ""));
	got = strings_join(&names, " ");
	assert_string_equal(got, round->names);
}

static void check_cases(const struct naming_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct naming *naming = naming_new();

		for (const struct naming_round *round = cases[i].rounds; round->there;
		     round++)
			check_round(naming, round);
		naming_free(naming);
	}
}

static void a_device_alone_has_the_plain_name(void **state)
{
	static const struct naming_case cases[] = {
		{{{"A@1", "A"}, {"A@1", "A"}, {"", ""}, {"A@1", "A"}}},
		{{{"A@1 B@1 C@2", "A B C"}, {"C@2 A@1", "C A"}}},
		{{{"", ""}}},
	};

	(void)state;
	check_cases(cases, KUDEV_ARRAY_SIZE(cases));
}

static void two_at_once_are_told_apart(void **state)
{
	static const struct naming_case cases[] = {
		{{{"A@1 A@2", "A-1* A-2*"}, {"A@2 A@1", "A-2* A-1*"}}},
		{{{"A@1 B@3 A@2 A@4", "A-1* B A-2* A-4*"}}},
	};

	(void)state;
	check_cases(cases, KUDEV_ARRAY_SIZE(cases));
}

static void who_has_a_name_keeps_it_whatever_comes_and_goes(void **state)
{
	static const struct naming_case cases[] = {
		/* The second one comes, goes and comes back. */
		{{{"A@1", "A"},
		  {"A@1 A@2", "A A-2*"},
		  {"A@1", "A"},
		  {"A@2 A@1", "A-2* A"}}},
		/* The first one goes and comes back. */
		{{{"A@1", "A"},
		  {"A@1 A@2", "A A-2*"},
		  {"A@2", "A-2*"},
		  {"A@2 A@1", "A-2* A"}}},
		/* Both were told apart: alone they are not renamed. */
		{{{"A@1 A@2", "A-1* A-2*"}, {"A@2", "A-2*"}, {"A@1", "A-1*"}}},
	};

	(void)state;
	check_cases(cases, KUDEV_ARRAY_SIZE(cases));
}

static void a_device_that_is_moved_keeps_the_plain_name(void **state)
{
	static const struct naming_case cases[] = {
		{{{"A@1", "A"}, {"A@2", "A"}, {"A@1", "A"}}},
		{{{"A@1", "A"}, {"", ""}, {"A@2", "A"}}},
		/* Where it was, another one comes: the name stays with who has it. */
		{{{"A@1", "A"}, {"A@2", "A"}, {"A@1 A@2", "A-1* A"}}},
	};

	(void)state;
	check_cases(cases, KUDEV_ARRAY_SIZE(cases));
}

static void both_come_back_in_another_order_under_their_names(void **state)
{
	static const struct naming_case cases[] = {
		{{{"A@1", "A"},
		  {"A@1 A@2", "A A-2*"},
		  {"", ""},
		  {"A@2", "A-2*"},
		  {"A@1 A@2", "A A-2*"}}},
		{{{"A@1 A@2", "A-1* A-2*"}, {"", ""}, {"A@2 A@1", "A-2* A-1*"}}},
		{{{"A@1", "A"}, {"A@1 A@2", "A A-2*"}, {"", ""}, {"A@2 A@1", "A-2* A"}}},
	};

	(void)state;
	check_cases(cases, KUDEV_ARRAY_SIZE(cases));
}

/* What a restart gives depends on what is there, not on the order in which it is found. */
static void afresh_the_names_depend_on_what_is_there_alone(void **state)
{
	static const struct naming_case cases[] = {
		{{{"A@1 A@2 B@3", "A-1* A-2* B"}}},
		{{{"B@3 A@2 A@1", "B A-2* A-1*"}}},
		{{{"A@2 B@3 A@1", "A-2* B A-1*"}}},
	};

	(void)state;
	check_cases(cases, KUDEV_ARRAY_SIZE(cases));
}

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245U + 12345U;
	return *seed >> 16;
}

struct seat {
	const char *plain;
	const char *qualifier;
	const char *name; /* of the last round; NULL: it was not there */
};

/* Returns how many of the seats are taken this time. */
static size_t choose(const struct seat *seats, size_t count, unsigned *seed,
		     struct naming_item *items, size_t *seat_of)
{
	size_t there = 0;

	for (size_t i = 0; i < count; i++) {
		if (next_random(seed) % 3 == 0)
			continue;
		seat_of[there] = i;
		items[there++] = (struct naming_item){
			.plain = seats[i].plain,
			.qualifier = seats[i].qualifier,
		};
	}
	return there;
}

static void no_name_is_given_twice_and_none_changes_while_its_owner_stays(void **state)
{
	struct seat seats[] = {
		{"A", "1", NULL}, {"A", "2", NULL}, {"A", "3", NULL},
		{"B", "1", NULL}, {"B", "2", NULL}, {"C", "4", NULL},
	};
	unsigned seed = 1;

	(void)state;
	for (unsigned life = 0; life < 50; life++) {
		struct naming *naming = naming_new();

		for (size_t i = 0; i < KUDEV_ARRAY_SIZE(seats); i++)
			seats[i].name = NULL;
		for (unsigned round = 0; round < 50; round++) {
			KUDEV_AUTO_STRINGS struct strings names = {0};
			struct naming_item items[KUDEV_ARRAY_SIZE(seats)];
			size_t seat_of[KUDEV_ARRAY_SIZE(seats)];
			const char *before[KUDEV_ARRAY_SIZE(seats)];
			size_t count = choose(seats, KUDEV_ARRAY_SIZE(seats), &seed,
					      items, seat_of);

			naming_assign(naming, items, count);
			for (size_t i = 0; i < KUDEV_ARRAY_SIZE(seats); i++) {
				before[i] = seats[i].name;
				seats[i].name = NULL;
			}
			for (size_t i = 0; i < count; i++) {
				const char *old = before[seat_of[i]];

				assert_false(strings_contain(&names, items[i].name));
				strings_add(&names, items[i].name);
				if (old)
					assert_string_equal(items[i].name, old);
				seats[seat_of[i]].name = items[i].name;
			}
		}
		naming_free(naming);
	}
}

static void nothing_is_fine_to_free(void **state)
{
	(void)state;
	assert_null(naming_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_alone_has_the_plain_name),
		cmocka_unit_test(two_at_once_are_told_apart),
		cmocka_unit_test(who_has_a_name_keeps_it_whatever_comes_and_goes),
		cmocka_unit_test(a_device_that_is_moved_keeps_the_plain_name),
		cmocka_unit_test(both_come_back_in_another_order_under_their_names),
		cmocka_unit_test(afresh_the_names_depend_on_what_is_there_alone),
		cmocka_unit_test(
			no_name_is_given_twice_and_none_changes_while_its_owner_stays),
		cmocka_unit_test(nothing_is_fine_to_free),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
