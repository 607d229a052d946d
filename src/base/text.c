/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define QUOTE_MAX 80   /* bytes of a quoted text that are shown */
#define NEAREST_MAX 32 /* a longer word is no slip of one of ours */

static const struct {
	uint8_t mask, mark;
	uint32_t least; /* a smaller value would fit a shorter form */
} utf8_forms[] = {
	{0x80, 0x00, 0},
	{0xe0, 0xc0, 0x80},
	{0xf0, 0xe0, 0x800},
	{0xf8, 0xf0, 0x10000},
};

size_t text_decode(const char *bytes, size_t size, uint32_t *ret_rune)
{
	const uint8_t *byte = (const uint8_t *)bytes;
	uint32_t rune;
	size_t form = 0;

	if (size == 0)
		return 0;
	while (form < KUDEV_ARRAY_SIZE(utf8_forms) &&
	       (byte[0] & utf8_forms[form].mask) != utf8_forms[form].mark)
		form++;
	if (form == KUDEV_ARRAY_SIZE(utf8_forms) || form >= size)
		return 0;

	rune = byte[0] & (uint8_t)~utf8_forms[form].mask;
	for (size_t i = 1; i <= form; i++) {
		if ((byte[i] & 0xc0) != 0x80)
			return 0;
		rune = rune << 6 | (byte[i] & 0x3f);
	}
	if (rune < utf8_forms[form].least || rune > 0x10ffff ||
	    (rune >= 0xd800 && rune <= 0xdfff))
		return 0;
	*ret_rune = rune;
	return form + 1;
}

static void quote_rune(FILE *out, const char *bytes, size_t length, uint32_t rune)
{
	if (length == 0)
		fprintf(out, "\\x%02x", (uint8_t)*bytes);
	else if (rune == '\n')
		fputs("\\n", out);
	else if (rune == '\t')
		fputs("\\t", out);
	else if (rune < 0x20 || (rune >= 0x7f && rune < 0xa0))
		fprintf(out, "\\x%02x", rune);
	else if (rune == '"' || rune == '\\')
		fprintf(out, "\\%c", (char)rune);
	else
		fwrite(bytes, 1, length, out);
}

bool text_is_utf8(const char *text)
{
	size_t left = strlen(text);
	uint32_t rune;

	while (left > 0) {
		size_t length = text_decode(text, left, &rune);

		if (length == 0)
			return false;
		text += length;
		left -= length;
	}
	return true;
}

char *text_clean(const char *text)
{
	size_t left = strlen(text);
	char *clean = mem_alloc(left * 3 + 1);
	char *end = clean;

	while (left > 0) {
		uint32_t rune;
		size_t length = text_decode(text, left, &rune);

		if (length > 0)
			end = mempcpy(end, text, length);
		else
			end = stpcpy(end, "\xef\xbf\xbd");
		length = length > 0 ? length : 1;
		text += length;
		left -= length;
	}
	*end = '\0';
	return clean;
}

char *text_legible(const char *text)
{
	char *clean = mem_alloc(strlen("\\xNN") * strlen(text) + 1);
	size_t left = strlen(text);
	char *end = clean;

	while (left > 0) {
		uint32_t rune = 0;
		size_t length = text_decode(text, left, &rune);
		bool is_bad = length == 0 || rune < 0x20 || (rune >= 0x7f && rune < 0xa0);
		size_t step = length ? length : 1;

		for (size_t i = 0; i < step; i++)
			end += sprintf(end, is_bad ? "\\x%02x" : "%c", (uint8_t)text[i]);
		text += step;
		left -= step;
	}
	*end = '\0';
	return clean;
}

char *text_quote(const char *text)
{
	char *quoted = NULL;
	size_t size = 0, left = strlen(text), shown = 0;
	FILE *out = open_memstream(&quoted, &size);

	if (!out)
		abort();
	fputc('"', out);
	while (left > 0 && shown < QUOTE_MAX) {
		uint32_t rune = 0;
		size_t length = text_decode(text, left, &rune);
		size_t step = length ? length : 1;

		quote_rune(out, text, length, rune);
		text += step;
		left -= step;
		shown += step;
	}
	fputs(left ? "\u2026\"" : "\"", out);
	if (fclose(out) != 0)
		abort();
	return quoted;
}

int text_refuse(const char *text, const char *reason, struct error *err)
{
	KUDEV_AUTO_FREE char *quoted = text_quote(text);

	return error_set(err, EINVAL, "%s %s", quoted, reason);
}

char *text_join(const char *const *words, const char *last)
{
	char *joined = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&joined, &size);

	if (!out)
		abort();
	for (size_t i = 0; words[i]; i++) {
		if (i > 0 && words[i + 1])
			fputs(", ", out);
		else if (i > 0)
			fprintf(out, " %s ", last);
		fputs(words[i], out);
	}
	if (fclose(out) != 0)
		abort();
	return joined;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static bool equal_fold(char a, char b)
{
	return tolower((uint8_t)a) == tolower((uint8_t)b);
}

/* Edits and swaps of neighbours (optimal string alignment); both at most NEAREST_MAX. */
static size_t distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	size_t cost[NEAREST_MAX + 1][NEAREST_MAX + 1];

	for (size_t j = 0; j <= b_length; j++)
		cost[0][j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		cost[i][0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			bool same = equal_fold(a[i - 1], b[j - 1]);

			cost[i][j] = least(cost[i - 1][j - 1] + !same,
					   least(cost[i - 1][j], cost[i][j - 1]) + 1);
			if (i > 1 && j > 1 && equal_fold(a[i - 1], b[j - 2]) &&
			    equal_fold(a[i - 2], b[j - 1]))
				cost[i][j] = least(cost[i][j], cost[i - 2][j - 2] + 1);
		}
	}
	return cost[a_length][b_length];
}

const char *text_nearest(const char *text, const char *const *words)
{
	size_t length = strlen(text);
	size_t best = 1 + (length > 3) + (length > 8) + 1;
	const char *nearest = NULL;

	if (length == 0 || length > NEAREST_MAX)
		return NULL;
	for (; *words; words++) {
		size_t word_length = strlen(*words), edits;

		if (word_length > NEAREST_MAX)
			continue;
		edits = distance(text, length, *words, word_length);
		/* As many edits as letters would turn any word into any other. */
		if (edits < best && edits < least(length, word_length)) {
			best = edits;
			nearest = *words;
		}
	}
	return nearest;
}
