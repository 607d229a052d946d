/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/template.h"
#include "base/text.h"

#define NO_VARIABLE (-1)
#define NAMES_MAX 32 /* a bit each */

/* A stretch of the text as it stands, or a variable. */
struct piece {
	size_t start; /* offset in text */
	size_t length;
	int variable; /* index of the name, or NO_VARIABLE */
};

struct template
{
	char *text;
	struct piece *pieces;
	size_t count;
	size_t capacity;
	unsigned uses;
};

static void add_piece(struct template *template, size_t start, size_t length,
		      int variable)
{
	if (length == 0)
		return;
	template->pieces = mem_grow(template->pieces, template->count,
				    &template->capacity, sizeof(*template->pieces));
	template->pieces[template->count++] = (struct piece){start, length, variable};
}

/* The names whose bits are set. */
static void select_names(const char *const *names, unsigned allowed,
			 const char *ret_words[static NAMES_MAX + 1])
{
	size_t count = 0;

	for (size_t i = 0; names[i]; i++)
		if (allowed & 1U << i)
			ret_words[count++] = names[i];
	ret_words[count] = NULL;
}

static int refuse_name(const char *name, size_t position, const char *const *names,
		       unsigned allowed, struct error *err)
{
	const char *words[NAMES_MAX + 1];
	KUDEV_AUTO_FREE char *quoted = text_quote(name);
	KUDEV_AUTO_FREE char *list = NULL;
	const char *nearest;

	select_names(names, allowed, words);
	list = text_join(words, "and");
	nearest = text_nearest(name, words);
	return error_set(err, EINVAL,
			 "unknown variable %s at character %zu%s%s%s; available here: %s",
			 quoted, position + 1, nearest ? " (did you mean {" : "",
			 nearest ? nearest : "", nearest ? "}?)" : "", list);
}

static int refuse_here(const char *name, size_t position, const char *const *names,
		       unsigned allowed, struct error *err)
{
	const char *words[NAMES_MAX + 1];
	KUDEV_AUTO_FREE char *list = NULL;

	select_names(names, allowed, words);
	list = text_join(words, "and");
	return error_set(
		err, EINVAL,
		"variable {%s} at character %zu cannot be used here; available: %s", name,
		position + 1, list);
}

static int find_name(const char *name, size_t position, const char *const *names,
		     unsigned allowed, int *ret, struct error *err)
{
	for (int i = 0; names[i]; i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		if (!(allowed & 1U << i))
			return refuse_here(name, position, names, allowed, err);
		*ret = i;
		return 0;
	}
	return refuse_name(name, position, names, allowed, err);
}

/* Reads the variable whose brace stands at *position, and moves past it. */
static int parse_variable(struct template *template, size_t *position,
			  const char *const *names, unsigned allowed, struct error *err)
{
	KUDEV_AUTO_FREE char *name = NULL;
	const char *start = template->text + *position + 1;
	size_t length = strcspn(start, "{}");
	int variable = NO_VARIABLE;
	int r;

	if (start[length] != '}')
		return error_set(
			err, EINVAL,
			"the { at character %zu is not closed; a brace itself is {{",
			*position + 1);

	name = mem_string_n(start, length);
	r = find_name(name, *position, names, allowed, &variable, err);
	if (r < 0)
		return r;
	add_piece(template, *position, length + 2, variable);
	template->uses |= 1U << variable;
	*position += length + 2;
	return 0;
}

static int parse(struct template *template, const char *const *names, unsigned allowed,
		 struct error *err)
{
	const char *text = template->text;
	size_t position = 0;

	while (text[position]) {
		size_t plain = strcspn(text + position, "{}");
		char brace = text[position + plain];
		int r;

		/* A doubled brace ends the stretch with the first of the two. */
		if (brace && text[position + plain + 1] == brace) {
			add_piece(template, position, plain + 1, NO_VARIABLE);
			position += plain + 2;
			continue;
		}
		add_piece(template, position, plain, NO_VARIABLE);
		position += plain;
		if (brace == '}')
			return error_set(err, EINVAL,
					 "the } at character %zu closes nothing; "
					 "a brace itself is }}",
					 position + 1);
		if (brace == '{') {
			r = parse_variable(template, &position, names, allowed, err);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

int template_new(const char *text, const char *const *names, unsigned allowed,
		 struct template **ret, struct error *err)
{
	KUDEV_AUTO(template_free) struct template *template = mem_zero(sizeof(*template));
	int r;

	template->text = mem_string(text);
	r = parse(template, names, allowed, err);
	if (r < 0)
		return r;
	*ret = take_ptr(template);
	return 0;
}

struct template *template_free(struct template *template)
{
	if (!template)
		return NULL;
	free(template->text);
	free(template->pieces);
	free(template);
	return NULL;
}

unsigned template_uses(const struct template *template)
{
	return template->uses;
}

const char *template_text(const struct template *template)
{
	return template->text;
}

static const char *piece_text(const struct template *template, const struct piece *piece,
			      const char *const *values, size_t *ret_length)
{
	const char *value;

	if (piece->variable == NO_VARIABLE) {
		*ret_length = piece->length;
		return template->text + piece->start;
	}
	value = values[piece->variable] ? values[piece->variable] : "";
	*ret_length = strlen(value);
	return value;
}

char *template_expand(const struct template *template, const char *const *values)
{
	size_t total = 0, length;
	char *text, *end;

	for (size_t i = 0; i < template->count; i++) {
		piece_text(template, &template->pieces[i], values, &length);
		total += length;
	}

	end = text = mem_alloc(total + 1);
	for (size_t i = 0; i < template->count; i++) {
		const char *part = piece_text(template, &template->pieces[i], values,
					      &length);

		memcpy(end, part, length);
		end += length;
	}
	*end = '\0';
	return text;
}
