/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdlib.h>
#include <yaml.h>

#include "base/text.h"
#include "cli/yaml.h"

/* Events that the emitter refuses would be our own mistake. */
static void emit(yaml_emitter_t *emitter, yaml_event_t *event)
{
	if (!yaml_emitter_emit(emitter, event))
		abort();
}

/* False: the text is not UTF-8. */
static bool make_scalar(yaml_event_t *event, const char *text, bool quoted)
{
	return yaml_scalar_event_initialize(
		event, NULL, NULL, (const yaml_char_t *)text, -1, !quoted, 1,
		quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE);
}

/* What YAML has no way to say is printed as in messages. */
static void emit_scalar(yaml_emitter_t *emitter, const char *text, bool quoted)
{
	KUDEV_AUTO_FREE char *legible = NULL;
	yaml_event_t event;

	if (!make_scalar(&event, text, quoted)) {
		legible = text_quote(text);
		if (!make_scalar(&event, legible, quoted))
			abort();
	}
	emit(emitter, &event);
}

static void emit_value(yaml_emitter_t *emitter, struct json_object *value);

static void emit_mapping(yaml_emitter_t *emitter, struct json_object *value)
{
	struct json_object_iter at;
	yaml_event_t event;

	yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
					    YAML_BLOCK_MAPPING_STYLE);
	emit(emitter, &event);
	json_object_object_foreachC(value, at)
	{
		emit_scalar(emitter, at.key, false);
		emit_value(emitter, at.val);
	}
	yaml_mapping_end_event_initialize(&event);
	emit(emitter, &event);
}

static void emit_list(yaml_emitter_t *emitter, struct json_object *value)
{
	yaml_event_t event;

	yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
					     YAML_BLOCK_SEQUENCE_STYLE);
	emit(emitter, &event);
	for (size_t i = 0; i < json_object_array_length(value); i++)
		emit_value(emitter, json_object_array_get_idx(value, i));
	yaml_sequence_end_event_initialize(&event);
	emit(emitter, &event);
}

static void emit_value(yaml_emitter_t *emitter, struct json_object *value)
{
	if (json_object_is_type(value, json_type_object))
		emit_mapping(emitter, value);
	else if (json_object_is_type(value, json_type_array))
		emit_list(emitter, value);
	else
		emit_scalar(emitter, json_object_get_string(value),
			    json_object_is_type(value, json_type_string));
}

void yaml_print(struct json_object *value, FILE *out)
{
	yaml_emitter_t emitter;
	yaml_event_t event;

	yaml_emitter_initialize(&emitter);
	yaml_emitter_set_output_file(&emitter, out);
	yaml_emitter_set_unicode(&emitter, 1);
	yaml_emitter_set_width(&emitter, -1);
	yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
	emit(&emitter, &event);
	yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1);
	emit(&emitter, &event);
	emit_value(&emitter, value);
	yaml_document_end_event_initialize(&event, 1);
	emit(&emitter, &event);
	yaml_stream_end_event_initialize(&event);
	emit(&emitter, &event);
	yaml_emitter_delete(&emitter);
}
