/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/diagnostics.h"

static bool is_before(const struct diagnostic *a, const struct diagnostic *b)
{
	return a->line < b->line || (a->line == b->line && a->column < b->column);
}

/* Behind what stands earlier in the same file; the files keep their order. */
static size_t find_slot(const struct diagnostics *diagnostics,
			const struct diagnostic *item)
{
	size_t slot = diagnostics->count;

	while (slot > 0 && strcmp(diagnostics->items[slot - 1].file, item->file) != 0)
		slot--;
	if (slot == 0)
		return diagnostics->count;
	while (slot > 0 && strcmp(diagnostics->items[slot - 1].file, item->file) == 0 &&
	       is_before(item, &diagnostics->items[slot - 1]))
		slot--;
	return slot;
}

static void remove_item(struct diagnostics *diagnostics, size_t index)
{
	struct diagnostic *item = &diagnostics->items[index];

	free(item->file);
	free(item->message);
	diagnostics->count--;
	memmove(item, item + 1, (diagnostics->count - index) * sizeof(*item));
}

/* Gives up the last that is no error, so that none is hidden by one, else the last. */
static void drop_one(struct diagnostics *diagnostics)
{
	size_t victim = diagnostics->count - 1;

	for (size_t i = diagnostics->count; i > 0; i--) {
		if (diagnostics->items[i - 1].severity == DIAGNOSTIC_ERROR)
			continue;
		victim = i - 1;
		break;
	}
	remove_item(diagnostics, victim);
	diagnostics->dropped++;
}

void diagnostics_add(struct diagnostics *diagnostics, enum diagnostic_severity severity,
		     const char *file, unsigned line, unsigned column, const char *format,
		     ...)
{
	struct diagnostic item = {
		.severity = severity,
		.file = mem_string(file),
		.line = line,
		.column = column,
	};
	size_t slot;
	va_list args;

	va_start(args, format);
	if (vasprintf(&item.message, format, args) < 0)
		abort();
	va_end(args);

	diagnostics->items = mem_grow(diagnostics->items, diagnostics->count,
				      &diagnostics->capacity, sizeof(item));
	slot = find_slot(diagnostics, &item);
	memmove(&diagnostics->items[slot + 1], &diagnostics->items[slot],
		(diagnostics->count - slot) * sizeof(item));
	diagnostics->items[slot] = item;
	diagnostics->count++;

	if (severity == DIAGNOSTIC_ERROR)
		diagnostics->errors++;
	if (diagnostics->count > DIAGNOSTICS_MAX)
		drop_one(diagnostics);
}

char *diagnostic_text(const struct diagnostic *diagnostic)
{
	static const char *const marks[] = {
		[DIAGNOSTIC_ERROR] = "",
		[DIAGNOSTIC_WARNING] = "warning: ",
		[DIAGNOSTIC_NOTE] = "note: ",
	};
	const char *mark = marks[diagnostic->severity];

	if (diagnostic->line == 0)
		return mem_printf("%s: %s%s", diagnostic->file, mark,
				  diagnostic->message);
	return mem_printf("%s:%u:%u: %s%s", diagnostic->file, diagnostic->line,
			  diagnostic->column, mark, diagnostic->message);
}

char *diagnostics_text(const struct diagnostics *diagnostics)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	for (size_t i = 0; i < diagnostics->count; i++) {
		KUDEV_AUTO_FREE char *line = diagnostic_text(&diagnostics->items[i]);

		fprintf(out, "%s\n", line);
	}
	if (diagnostics->dropped > 0)
		fprintf(out, "and %zu more\n", diagnostics->dropped);
	if (fclose(out) != 0)
		abort();
	return text;
}

void diagnostics_clear(struct diagnostics *diagnostics)
{
	while (diagnostics->count > 0)
		remove_item(diagnostics, diagnostics->count - 1);
	free(diagnostics->items);
	memset(diagnostics, 0, sizeof(*diagnostics));
}
