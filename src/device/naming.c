/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <uthash.h>

#include "base/util.h"
#include "device/naming.h"

/* A name that was given once. */
struct given {
	char *key;	/* plain name, line feed, qualifier */
	char *name;	/* what the device is called */
	uint64_t round; /* the last one in which it was there */
	UT_hash_handle hh;
};

/* What happens to a name in one round. */
struct use {
	char *name;
	unsigned wanted; /* how many should be called so */
	bool is_taken;
	UT_hash_handle hh;
};

struct naming {
	struct given *given;
	struct use *uses;
	uint64_t round;
};

struct naming *naming_new(void)
{
	return mem_zero(sizeof(struct naming));
}

static void clear_uses(struct naming *naming)
{
	struct use *use;
	struct use *next;

	HASH_ITER(hh, naming->uses, use, next) {
		HASH_DEL(naming->uses, use);
		free(use->name);
		free(use);
	}
}

struct naming *naming_free(struct naming *naming)
{
	struct given *given;
	struct given *next;

	if (!naming)
		return NULL;
	clear_uses(naming);
	HASH_ITER(hh, naming->given, given, next) {
		HASH_DEL(naming->given, given);
		free(given->key);
		free(given->name);
		free(given);
	}
	free(naming);
	return NULL;
}

static struct use *use_of(struct naming *naming, const char *name)
{
	struct use *use;

	HASH_FIND_STR(naming->uses, name, use);
	if (use)
		return use;
	use = mem_zero(sizeof(*use));
	use->name = mem_string(name);
	HASH_ADD_KEYPTR(hh, naming->uses, use->name, strlen(use->name), use);
	return use;
}

static struct given *find_given(struct naming *naming, const struct naming_item *item)
{
	KUDEV_AUTO_FREE char *key = mem_printf("%s\n%s", item->plain, item->qualifier);
	struct given *given;

	HASH_FIND_STR(naming->given, key, given);
	return given;
}

static struct given *give(struct naming *naming, const struct naming_item *item)
{
	struct given *given = find_given(naming, item);

	if (given)
		return given;
	given = mem_zero(sizeof(*given));
	given->key = mem_printf("%s\n%s", item->plain, item->qualifier);
	HASH_ADD_KEYPTR(hh, naming->given, given->key, strlen(given->key), given);
	return given;
}

static void take(struct naming *naming, struct naming_item *item, struct given *given)
{
	use_of(naming, given->name)->is_taken = true;
	given->round = naming->round;
	item->name = given->name;
	item->is_doubled = strcmp(given->name, item->plain) != 0;
}

/* Gives those their old names that were there at least in the given round. */
static void keep_names(struct naming *naming, struct naming_item *items, size_t count,
		       uint64_t since)
{
	for (size_t i = 0; i < count; i++) {
		struct given *given = items[i].name ? NULL
						    : find_given(naming, &items[i]);

		if (given && given->round >= since &&
		    !use_of(naming, given->name)->is_taken)
			take(naming, &items[i], given);
	}
}

static void name_anew(struct naming *naming, struct naming_item *item, bool is_alone)
{
	struct given *given = give(naming, item);

	free(given->name);
	if (is_alone && !use_of(naming, item->plain)->is_taken)
		given->name = mem_string(item->plain);
	else
		given->name = mem_printf("%s-%s", item->plain, item->qualifier);
	take(naming, item, given);
}

void naming_assign(struct naming *naming, struct naming_item *items, size_t count)
{
	naming->round++;
	for (size_t i = 0; i < count; i++)
		items[i].name = NULL;
	keep_names(naming, items, count, naming->round - 1);
	keep_names(naming, items, count, 0);
	for (size_t i = 0; i < count; i++) {
		if (!items[i].name)
			use_of(naming, items[i].plain)->wanted++;
	}
	for (size_t i = 0; i < count; i++) {
		if (!items[i].name)
			name_anew(naming, &items[i],
				  use_of(naming, items[i].plain)->wanted == 1);
	}
	clear_uses(naming);
}
