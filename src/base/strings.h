/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_BASE_STRINGS_H
#define KUDEV_BASE_STRINGS_H

/* A growing list of owned strings. Zero-initialise it. Thread: any, one at a time. */

#include <stdbool.h>
#include <stddef.h>

struct strings {
	char **items;
	size_t count;
	size_t capacity;
};

/* Appends a string and takes it over. */
void strings_take(struct strings *strings, char *text);
void strings_add(struct strings *strings, const char *text);
/* Appends unless an equal one is there. */
void strings_add_unique(struct strings *strings, const char *text);
bool strings_contain(const struct strings *strings, const char *text);
/* The same in the same order. */
bool strings_equal(const struct strings *a, const struct strings *b);
/* Bytewise. */
void strings_sort(struct strings *strings);
void strings_clear(struct strings *strings);

/* The items with separator between them; the caller frees it. */
char *strings_join(const struct strings *strings, const char *separator);

#define KUDEV_AUTO_STRINGS __attribute__((cleanup(strings_clear)))

#endif
