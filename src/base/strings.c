/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/strings.h"
#include "base/util.h"

void strings_take(struct strings *strings, char *text)
{
	strings->items = mem_grow(strings->items, strings->count, &strings->capacity,
				  sizeof(*strings->items));
	strings->items[strings->count++] = text;
}

void strings_add(struct strings *strings, const char *text)
{
	strings_take(strings, mem_string(text));
}

void strings_add_unique(struct strings *strings, const char *text)
{
	if (!strings_contain(strings, text))
		strings_add(strings, text);
}

bool strings_contain(const struct strings *strings, const char *text)
{
	for (size_t i = 0; i < strings->count; i++) {
		if (strcmp(strings->items[i], text) == 0)
			return true;
	}
	return false;
}

bool strings_equal(const struct strings *a, const struct strings *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	}
	return true;
}

static int compare(const void *a, const void *b)
{
	const char *const *left = a;
	const char *const *right = b;

	return strcmp(*left, *right);
}

void strings_sort(struct strings *strings)
{
	if (strings->count > 1)
		qsort(strings->items, strings->count, sizeof(*strings->items), compare);
}

void strings_clear(struct strings *strings)
{
	for (size_t i = 0; i < strings->count; i++)
		free(strings->items[i]);
	free(strings->items);
	memset(strings, 0, sizeof(*strings));
}

char *strings_join(const struct strings *strings, const char *separator)
{
	size_t gap = strlen(separator);
	size_t size = 1;
	char *text;
	char *end;

	for (size_t i = 0; i < strings->count; i++)
		size += strlen(strings->items[i]) + gap;
	text = mem_alloc(size);
	end = text;
	*end = '\0';
	for (size_t i = 0; i < strings->count; i++) {
		if (i > 0)
			end = stpcpy(end, separator);
		end = stpcpy(end, strings->items[i]);
	}
	return text;
}
