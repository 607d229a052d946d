/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "config/field.h"

/* An alias may stand for what it is in. */
#define DEPTH_MAX 64

void *field_slot(const struct field *field, void *target)
{
	return (char *)target + field->offset;
}

void field_store(const struct field *field, void *target, char *text)
{
	char **slot = field_slot(field, target);

	free(*slot);
	*slot = text;
}

const struct field *field_find(const struct field *fields, const char *key)
{
	for (; fields->key; fields++)
		if (strcmp(fields->key, key) == 0)
			return fields;
	return NULL;
}

static int refuse_value(const struct field *field, const char *text, const char *hint,
			struct error *err)
{
	KUDEV_AUTO_FREE char *quoted = text_quote(text);

	return error_set(err, EINVAL, "expected %s, got %s%s%s", field->type->wants,
			 quoted, hint ? "; " : "", hint ? hint : "");
}

static const char *number_hint(const char *text)
{
	if (text[0] == '0' && strchr("xXoObB", text[1]))
		return "write it in decimal";
	if (text[0] == '0' && strspn(text, "0123456789") == strlen(text))
		return "write it without a leading zero";
	return NULL;
}

static int parse_unsigned(const struct field *field, const char *text, void *target,
			  struct error *err)
{
	unsigned max = field->max ? field->max : UINT_MAX;
	const char *digits = text + (text[0] == '-');
	size_t length = strspn(digits, "0123456789");
	unsigned long long value;

	if (length == 0 || digits[length] != '\0' || (digits[0] == '0' && length > 1))
		return refuse_value(field, text, number_hint(text), err);

	/* Beyond 18 digits the value would not fit, and no range reaches there. */
	value = length > 18 ? ULLONG_MAX : strtoull(digits, NULL, 10);
	if (digits != text || value < field->min || value > max) {
		KUDEV_AUTO_FREE char *quoted = text_quote(text);

		/* As a number it goes without quotes. */
		quoted[strlen(quoted) - 1] = '\0';
		return error_set(err, ERANGE, "must be %u to %u, not %s", field->min, max,
				 quoted + 1);
	}
	*(unsigned *)field_slot(field, target) = (unsigned)value;
	return 0;
}

static const char *boolean_hint(const char *text)
{
	static const struct {
		const char *word, *hint;
	} words[] = {
		{"true", "write true"}, {"yes", "write true"},	{"on", "write true"},
		{"y", "write true"},	{"1", "write true"},	{"false", "write false"},
		{"no", "write false"},	{"off", "write false"}, {"n", "write false"},
		{"0", "write false"},
	};

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(words); i++)
		if (strcasecmp(text, words[i].word) == 0)
			return words[i].hint;
	return NULL;
}

static int parse_boolean(const struct field *field, const char *text, void *target,
			 struct error *err)
{
	bool value = strcmp(text, "true") == 0;

	if (!value && strcmp(text, "false") != 0)
		return refuse_value(field, text, boolean_hint(text), err);
	*(bool *)field_slot(field, target) = value;
	return 0;
}

static int parse_string(const struct field *field, const char *text, void *target,
			struct error *err)
{
	if (field->check) {
		int r = field->check(text, err);

		if (r < 0)
			return r;
	}
	field_store(field, target, mem_string(text));
	return 0;
}

static int parse_choice(const struct field *field, const char *text, void *target,
			struct error *err)
{
	KUDEV_AUTO_FREE char *quoted = NULL;
	KUDEV_AUTO_FREE char *list = NULL;

	for (unsigned i = 0; field->choices[i]; i++) {
		if (strcmp(text, field->choices[i]) != 0)
			continue;
		*(unsigned *)field_slot(field, target) = i;
		return 0;
	}
	quoted = text_quote(text);
	list = text_join(field->choices, "or");
	return error_set(err, EINVAL, "must be %s, not %s", list, quoted);
}

bool field_expect(struct document *document, const yaml_node_t *node,
		  const struct field *field, yaml_node_type_t type)
{
	KUDEV_AUTO_FREE char *got = NULL;

	if (node->type == type)
		return true;
	got = node_describe(node);
	document_error(document, node, "%s: expected %s, got %s", field->key,
		       field->type->wants, got);
	return false;
}

static void read_mapping(struct document *document, const yaml_node_t *node,
			 const struct field *field, void *target)
{
	void *part = field_slot(field, target);

	fields_default(field->fields, part);
	if (!field_expect(document, node, field, YAML_MAPPING_NODE))
		return;
	fields_read(document, node, field->fields, part);
	if (field->finish)
		field->finish(document, node, field, part);
}

void *field_extend(const struct field *field, void *target, size_t added)
{
	size_t *count = (size_t *)(void *)((char *)target + field->count_offset);
	void **slot = field_slot(field, target);
	size_t used = *count * field->item_size;
	char *items = mem_zero(used + added * field->item_size);

	if (used > 0)
		memcpy(items, *slot, used);
	free(*slot);
	*slot = items;
	*count += added;
	return items + used;
}

static void read_list(struct document *document, const yaml_node_t *node,
		      const struct field *field, void *target)
{
	const yaml_node_item_t *first, *top;
	size_t count;
	char *item;

	if (!field_expect(document, node, field, YAML_SEQUENCE_NODE))
		return;
	first = node->data.sequence.items.start;
	top = node->data.sequence.items.top;
	count = (size_t)(top - first);
	if (count < field->min) {
		document_error(document, node, "%s: the list is empty", field->key);
		return;
	}
	if (field->max && count > field->max) {
		document_error(document, node,
			       "%s: has %zu items, %u at most are allowed", field->key,
			       count, field->max);
		return;
	}
	if (count > document->budget)
		count = document->budget;
	if (count == 0)
		return;

	item = field_extend(field, target, count);
	for (size_t i = 0; i < count; i++, item += field->item_size)
		field_read(document, document_node(document, first[i]), field->item,
			   item);
}

/* A key of the user's own, and what it leads to; key_slot is the item's beginning. */
static void read_entry(struct document *document, const yaml_node_t *key,
		       const yaml_node_t *value, const struct field *field,
		       char **key_slot)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	struct field item = *field->item;

	if (!document_visit(document, key))
		return;
	if (key->type != YAML_SCALAR_NODE) {
		document_error(document, key, "%s: a key must be a text", field->key);
		return;
	}
	if (field->check(node_text(key), &err) < 0) {
		document_error(document, key, "%s: %s", field->key, error_message(&err));
		return;
	}
	*key_slot = mem_string(node_text(key));
	item.key = *key_slot;
	field_read(document, value, &item, key_slot);
}

static void check_key_is_first(struct document *document, const yaml_node_t *mapping,
			       const yaml_node_t *key)
{
	const yaml_node_t *first = document_key(document, mapping, node_text(key));

	if (first && first != key)
		document_error(document, key, "duplicate key \"%s\", first at %u:%u",
			       node_text(key), node_line(first), node_column(first));
}

static void read_map(struct document *document, const yaml_node_t *node,
		     const struct field *field, void *target)
{
	const yaml_node_pair_t *pairs;
	size_t count;
	char *item;

	if (!field_expect(document, node, field, YAML_MAPPING_NODE))
		return;
	pairs = node->data.mapping.pairs.start;
	count = (size_t)(node->data.mapping.pairs.top - pairs);
	if (count < field->min) {
		document_error(document, node, "%s: has no keys", field->key);
		return;
	}
	if (count > field->max) {
		document_error(document, node, "%s: has %zu keys, %u at most are allowed",
			       field->key, count, field->max);
		return;
	}
	if (count == 0)
		return;
	item = field_extend(field, target, count);
	for (size_t i = 0; i < count; i++, item += field->item_size) {
		const yaml_node_t *key = document_node(document, pairs[i].key);
		char **slot = (char **)(void *)item;

		read_entry(document, key, document_node(document, pairs[i].value), field,
			   slot);
		if (*slot)
			check_key_is_first(document, node, key);
	}
}

const struct field_type field_unsigned = {
	.wants = "a whole number",
	.schema = "integer",
	.unquoted = true,
	.parse = parse_unsigned,
};

const struct field_type field_boolean = {
	.wants = "true or false",
	.schema = "boolean",
	.unquoted = true,
	.parse = parse_boolean,
};

const struct field_type field_string = {
	.wants = "a text",
	.schema = "string number boolean",
	.parse = parse_string,
};

const struct field_type field_choice = {
	.wants = "one of the known words",
	.schema = "string",
	.parse = parse_choice,
};

const struct field_type field_mapping = {
	.wants = "a mapping",
	.schema = "object",
	.read = read_mapping,
};

const struct field_type field_list = {
	.wants = "a list",
	.schema = "array",
	.read = read_list,
};

const struct field_type field_map = {
	.wants = "a mapping",
	.schema = "object",
	.read = read_map,
};

static void read_scalar(struct document *document, const yaml_node_t *node,
			const struct field *field, void *target)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	if (!field_expect(document, node, field, YAML_SCALAR_NODE))
		return;
	if (field->type->unquoted && !node_is_plain(node)) {
		KUDEV_AUTO_FREE char *got = text_quote(node_text(node));

		document_error(document, node,
			       "%s: expected %s, got the text %s; remove the quotes",
			       field->key, field->type->wants, got);
	} else if (field->type->parse(field, node_text(node), target, &err) < 0) {
		document_error(document, node, "%s: %s", field->key, error_message(&err));
	}
}

void field_read(struct document *document, const yaml_node_t *node,
		const struct field *field, void *target)
{
	if (!document_visit(document, node))
		return;
	if (node_is_null(node)) {
		document_error(document, node, "%s: has no value", field->key);
		return;
	}
	if (document->depth == DEPTH_MAX) {
		document_error(document, node, "%s: is nested too deeply", field->key);
		return;
	}
	document->depth++;
	if (field->type->read)
		field->type->read(document, node, field, target);
	else
		read_scalar(document, node, field, target);
	document->depth--;
}

static void read_text(struct document *document, const yaml_node_t *node,
		      const struct field *field, void *target)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	if (!document_visit(document, node))
		return;
	if (node_is_null(node))
		document_error(document, node, "%s: has no value", field->key);
	else if (field_expect(document, node, field, YAML_SCALAR_NODE) &&
		 field->type->parse(field, node_text(node), target, &err) < 0)
		document_error(document, node, "%s: %s", field->key, error_message(&err));
}

void field_read_texts(struct document *document, const yaml_node_t *node,
		      const struct field *field, void *target)
{
	const yaml_node_item_t *items;
	size_t count;

	if (node->type != YAML_SEQUENCE_NODE) {
		read_text(document, node, field, target);
		return;
	}
	items = node->data.sequence.items.start;
	count = (size_t)(node->data.sequence.items.top - items);
	if (count == 0 || count > FIELD_TEXTS_MAX)
		document_error(document, node, "%s: a list has 1 to %d items, not %zu",
			       field->key, FIELD_TEXTS_MAX, count);
	for (size_t i = 0; i < count && i < FIELD_TEXTS_MAX; i++)
		read_text(document, document_node(document, items[i]), field, target);
}

void fields_default(const struct field *fields, void *target)
{
	for (; fields->key; fields++) {
		int r = 0;

		if (fields->fallback)
			r = fields->type->parse(fields, fields->fallback, target, NULL);
		assert(r == 0);
		(void)r;
	}
}

static void report_unknown(struct document *document, const yaml_node_t *key,
			   const struct field *fields)
{
	KUDEV_AUTO_FREE char *quoted = text_quote(node_text(key));
	const char *words[FIELDS_MAX + 1];
	const char *nearest;
	size_t count = 0;

	if (strcmp(node_text(key), "<<") == 0) {
		document_error(document, key,
			       "merge keys (<<) are not supported; write the "
			       "keys out");
		return;
	}
	for (; fields->key; fields++)
		words[count++] = fields->key;
	words[count] = NULL;
	nearest = text_nearest(node_text(key), words);
	document_report(document, document->sloppy, key, "unknown key %s%s%s%s", quoted,
			nearest ? "; did you mean \"" : "", nearest ? nearest : "",
			nearest ? "\"?" : "");
}

/* The index of a key in the table, or -1 with the error reported. */
static int identify(struct document *document, const yaml_node_t *key,
		    const struct field *fields)
{
	if (!document_visit(document, key))
		return -1;
	if (key->type != YAML_SCALAR_NODE) {
		KUDEV_AUTO_FREE char *got = node_describe(key);

		document_error(document, key, "a key must be a text, not %s", got);
		return -1;
	}
	for (int i = 0; fields[i].key; i++)
		if (document_key_equal(document, fields[i].key, node_text(key)))
			return i;
	report_unknown(document, key, fields);
	return -1;
}

static void report_missing(struct document *document, const yaml_node_t *mapping,
			   const struct field *fields, const yaml_node_t *const *seen)
{
	for (int i = 0; fields[i].key; i++)
		if (!seen[i] && fields[i].flags & FIELD_REQUIRED)
			document_error(document, mapping, "the key \"%s\" is missing",
				       fields[i].key);
}

void fields_read(struct document *document, const yaml_node_t *mapping,
		 const struct field *fields, void *target)
{
	const yaml_node_t *seen[FIELDS_MAX] = {NULL};
	const yaml_node_pair_t *pair;

	for (pair = mapping->data.mapping.pairs.start;
	     pair < mapping->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = document_node(document, pair->key);
		const yaml_node_t *value = document_node(document, pair->value);
		int index = identify(document, key, fields);

		if (index < 0 || (document->null_is_absent && node_is_null(value)))
			continue;
		if (seen[index]) {
			document_error(document, key,
				       "duplicate key \"%s\", first at %u:%u",
				       fields[index].key, node_line(seen[index]),
				       node_column(seen[index]));
			continue;
		}
		seen[index] = key;
		field_read(document, value, &fields[index], target);
	}
	report_missing(document, mapping, fields, seen);
}
