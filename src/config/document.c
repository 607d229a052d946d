/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "config/document.h"

#define DEPTH_MAX 64
#define EVENTS_MAX 200000
/* libyaml compares every alias with every anchor before it. */
#define ANCHORS_MAX 1000
/* One unit a node, and one for each VISIT_BYTES of its text. */
#define BUDGET_MAX 400000
#define VISIT_BYTES 64

#define UTF8_BOM "\xef\xbb\xbf"

static int refuse_at(struct document *document, const yaml_mark_t *mark,
		     const char *format, ...) KUDEV_PRINTF(3, 4);

static int refuse_at(struct document *document, const yaml_mark_t *mark,
		     const char *format, ...)
{
	KUDEV_AUTO_FREE char *message = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&message, format, args) < 0)
		abort();
	va_end(args);
	diagnostics_add(document->diagnostics, DIAGNOSTIC_ERROR, document->file,
			(unsigned)mark->line + 1, (unsigned)mark->column + 1, "%s",
			message);
	return -EINVAL;
}

static int refuse_text(struct document *document, const char *message)
{
	diagnostics_add(document->diagnostics, DIAGNOSTIC_ERROR, document->file, 0, 0,
			"%s", message);
	return -EINVAL;
}

/* YAML 1.1, 5.1; the places of everything else come from libyaml. */
static bool rune_is_allowed(uint32_t rune)
{
	if (rune < 0x20)
		return rune == '\t' || rune == '\n' || rune == '\r';
	return rune < 0x7f || rune == 0x85 ||
	       (rune >= 0xa0 && rune < 0xfffe && rune != 0xfeff) || rune > 0xffff;
}

static int check_bytes(struct document *document, const char *text, size_t size)
{
	yaml_mark_t mark = {0};

	for (size_t length; size > 0; text += length, size -= length) {
		uint32_t rune = 0;

		length = text_decode(text, size, &rune);
		if (length == 0)
			return refuse_at(
				document, &mark,
				"the byte 0x%02x is not valid UTF-8; save the text as "
				"UTF-8",
				(unsigned char)*text);
		if (rune == 0)
			return refuse_at(document, &mark,
					 "a NUL byte; this is not a UTF-8 text");
		if (!rune_is_allowed(rune))
			return refuse_at(
				document, &mark,
				"the character U+%04X is not allowed; write it as "
				"\"\\u%04X\"",
				rune, rune);
		mark.column++;
		if (rune == '\n') {
			mark.line++;
			mark.column = 0;
		}
	}
	return 0;
}

/* What people mostly have done when libyaml says such a thing; NULL: no idea. */
static const char *explain_syntax(const yaml_parser_t *parser)
{
	static const struct {
		const char *words; /* of libyaml's problem or context */
		const char *hint;
	} hints[] = {
		{"tab character", "indent with spaces"},
		{"cannot start any token",
		 "indent with spaces, not tabs; a text that begins with @ or ` needs quotes"},
		{"alias", "a text that begins with * needs quotes"},
		{"did not find expected ',' or",
		 "a text with [ ] { } in a list needs quotes"},
		{"did not find expected '-' indicator",
		 "the keys of one class begin in the same column"},
		{"did not find expected key",
		 "a text with { } : or # needs quotes; keys of one mapping begin in the same "
		 "column"},
		{"mapping values are not allowed",
		 "is a colon missing before, or are quotes around a text with a colon?"},
	};

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(hints); i++) {
		if ((parser->problem && strstr(parser->problem, hints[i].words)) ||
		    (parser->context && strstr(parser->context, hints[i].words)))
			return hints[i].hint;
	}
	return NULL;
}

static int refuse_syntax(struct document *document, const yaml_parser_t *parser)
{
	const char *problem = parser->problem ? parser->problem : "cannot be read";
	const char *hint = explain_syntax(parser);
	KUDEV_AUTO_FREE char *tail = hint ? mem_printf(" (%s)", hint) : mem_string("");

	if (parser->error == YAML_MEMORY_ERROR)
		abort();
	if (!parser->context)
		return refuse_at(document, &parser->problem_mark, "not valid YAML: %s%s",
				 problem, tail);
	if (parser->context_mark.index == parser->problem_mark.index)
		return refuse_at(document, &parser->problem_mark,
				 "not valid YAML: %s, %s%s", problem, parser->context,
				 tail);
	return refuse_at(document, &parser->problem_mark,
			 "not valid YAML: %s, %s at %zu:%zu%s", problem, parser->context,
			 parser->context_mark.line + 1, parser->context_mark.column + 1,
			 tail);
}

static void parser_start(yaml_parser_t *parser, const char *text, size_t size)
{
	if (!yaml_parser_initialize(parser))
		abort();
	yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(parser, (const unsigned char *)text, size);
}

struct bounds {
	size_t depth;
	size_t events;
	size_t anchors;
	size_t documents;
};

static const yaml_char_t *event_anchor(const yaml_event_t *event)
{
	switch ((int)event->type) {
	case YAML_ALIAS_EVENT:
		return event->data.alias.anchor;
	case YAML_SCALAR_EVENT:
		return event->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return event->data.sequence_start.anchor;
	case YAML_MAPPING_START_EVENT:
		return event->data.mapping_start.anchor;
	}
	return NULL;
}

static int check_event(struct document *document, const yaml_event_t *event,
		       struct bounds *bounds)
{
	bool opens = event->type == YAML_SEQUENCE_START_EVENT ||
		     event->type == YAML_MAPPING_START_EVENT;
	bool closes = event->type == YAML_SEQUENCE_END_EVENT ||
		      event->type == YAML_MAPPING_END_EVENT;

	bounds->events++;
	bounds->depth += opens;
	bounds->depth -= closes;
	bounds->anchors += event_anchor(event) != NULL;
	bounds->documents += event->type == YAML_DOCUMENT_START_EVENT;

	if (bounds->depth > DEPTH_MAX)
		return refuse_at(document, &event->start_mark,
				 "nested more than %d levels deep", DEPTH_MAX);
	if (bounds->events > EVENTS_MAX)
		return refuse_at(document, &event->start_mark,
				 "more than %d values; split the configuration",
				 EVENTS_MAX);
	if (bounds->anchors > ANCHORS_MAX)
		return refuse_at(document, &event->start_mark,
				 "more than %d anchors and aliases", ANCHORS_MAX);
	if (bounds->documents > 1)
		return refuse_at(document, &event->start_mark,
				 "a second document begins here; only one is allowed");
	return 0;
}

static int check_bounds(struct document *document, const char *text, size_t size)
{
	struct bounds bounds = {0};
	yaml_parser_t parser;
	bool ended = false;
	int r = 0;

	parser_start(&parser, text, size);
	while (r == 0 && !ended) {
		yaml_event_t event;

		if (!yaml_parser_parse(&parser, &event)) {
			r = refuse_syntax(document, &parser);
			break;
		}
		ended = event.type == YAML_STREAM_END_EVENT;
		r = check_event(document, &event, &bounds);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return r;
}

static int build_tree(struct document *document, const char *text, size_t size)
{
	yaml_parser_t parser;
	int r = 0;

	parser_start(&parser, text, size);
	if (yaml_parser_load(&parser, &document->tree))
		document->loaded = true;
	else
		r = refuse_syntax(document, &parser);
	yaml_parser_delete(&parser);
	return r;
}

int document_load(struct document *document, const char *text, size_t size,
		  const char *file, struct diagnostics *diagnostics)
{
	int r;

	*document = (struct document){
		.file = file,
		.diagnostics = diagnostics,
		.budget = BUDGET_MAX,
		.sloppy = DIAGNOSTIC_ERROR,
	};
	if (size > DOCUMENT_SIZE_MAX)
		return refuse_text(document, "is larger than 1 MiB");
	if (size >= 2 &&
	    (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
		return refuse_text(document, "is UTF-16; save it as UTF-8");
	if (size >= 3 && memcmp(text, UTF8_BOM, 3) == 0) {
		text += 3;
		size -= 3;
	}

	r = check_bytes(document, text, size);
	if (r < 0)
		return r;
	r = check_bounds(document, text, size);
	if (r < 0)
		return r;
	return build_tree(document, text, size);
}

void document_clear(struct document *document)
{
	if (document->loaded)
		yaml_document_delete(&document->tree);
	document->loaded = false;
}

yaml_node_t *document_root(struct document *document)
{
	yaml_node_t *root = yaml_document_get_root_node(&document->tree);

	return root && !node_is_null(root) ? root : NULL;
}

yaml_node_t *document_node(struct document *document, int index)
{
	return yaml_document_get_node(&document->tree, index);
}

bool document_key_equal(const struct document *document, const char *a, const char *b)
{
	return document->fold_keys ? strcasecmp(a, b) == 0 : strcmp(a, b) == 0;
}

static const yaml_node_pair_t *find_pair(struct document *document,
					 const yaml_node_t *mapping, const char *key)
{
	const yaml_node_pair_t *pair;

	if (mapping->type != YAML_MAPPING_NODE)
		return NULL;
	for (pair = mapping->data.mapping.pairs.start;
	     pair < mapping->data.mapping.pairs.top; pair++) {
		const yaml_node_t *node = document_node(document, pair->key);

		if (node->type == YAML_SCALAR_NODE &&
		    document_key_equal(document, node_text(node), key))
			return pair;
	}
	return NULL;
}

yaml_node_t *document_key(struct document *document, const yaml_node_t *mapping,
			  const char *key)
{
	const yaml_node_pair_t *pair = find_pair(document, mapping, key);

	return pair ? document_node(document, pair->key) : NULL;
}

yaml_node_t *document_value(struct document *document, const yaml_node_t *mapping,
			    const char *key)
{
	const yaml_node_pair_t *pair = find_pair(document, mapping, key);

	return pair ? document_node(document, pair->value) : NULL;
}

static bool tag_is_allowed(const yaml_node_t *node)
{
	static const char *const scalar_tags[] = {
		YAML_STR_TAG, YAML_INT_TAG, YAML_BOOL_TAG, YAML_FLOAT_TAG, YAML_NULL_TAG};
	const char *tag = (const char *)node->tag;

	if (node->type == YAML_SEQUENCE_NODE)
		return strcmp(tag, YAML_SEQ_TAG) == 0;
	if (node->type == YAML_MAPPING_NODE)
		return strcmp(tag, YAML_MAP_TAG) == 0;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(scalar_tags); i++)
		if (strcmp(tag, scalar_tags[i]) == 0)
			return true;
	return false;
}

bool document_visit(struct document *document, const yaml_node_t *node)
{
	size_t cost = 1 + strlen(node_text(node)) / VISIT_BYTES;

	if (document->budget == 0)
		return false;
	if (cost >= document->budget) {
		document->budget = 0;
		document_error(document, node,
			       "too large with all aliases followed; write less");
		return false;
	}
	document->budget -= cost;

	if (!tag_is_allowed(node)) {
		KUDEV_AUTO_FREE char *tag = text_quote((const char *)node->tag);

		document_error(document, node, "the tag %s is not supported; remove it",
			       tag);
		return false;
	}
	if (node->type == YAML_SCALAR_NODE &&
	    strlen(node_text(node)) != node->data.scalar.length) {
		document_error(document, node, "a text must not hold a NUL byte");
		return false;
	}
	return true;
}

void document_report(struct document *document, enum diagnostic_severity severity,
		     const yaml_node_t *node, const char *format, ...)
{
	KUDEV_AUTO_FREE char *message = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&message, format, args) < 0)
		abort();
	va_end(args);
	diagnostics_add(document->diagnostics, severity, document->file, node_line(node),
			node_column(node), "%s", message);
}

unsigned node_line(const yaml_node_t *node)
{
	return (unsigned)node->start_mark.line + 1;
}

unsigned node_column(const yaml_node_t *node)
{
	return (unsigned)node->start_mark.column + 1;
}

const char *node_text(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value
					      : "";
}

bool node_is_plain(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE &&
	       node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

bool node_is_null(const yaml_node_t *node)
{
	static const char *const words[] = {"", "~", "null", "Null", "NULL"};

	if (!node_is_plain(node))
		return false;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(words); i++)
		if (strcmp(node_text(node), words[i]) == 0)
			return true;
	return false;
}

bool node_is_nothing(const yaml_node_t *node)
{
	if (!node || node_is_null(node))
		return true;
	return node->type == YAML_SEQUENCE_NODE &&
	       node->data.sequence.items.start == node->data.sequence.items.top;
}

char *node_describe(const yaml_node_t *node)
{
	if (node->type == YAML_SEQUENCE_NODE)
		return mem_string("a list");
	if (node->type == YAML_MAPPING_NODE)
		return mem_string("a mapping");
	return text_quote(node_text(node));
}
