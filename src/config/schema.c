/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/config.h"
#include "config/native.h"
#include "config/schema.h"
#include "config/value.h"

/* What the YAML language server and the other editors know best; not all know later ones. */
#define DIALECT "http://json-schema.org/draft-07/schema#"
#define TITLE "kudev configuration"
#define DESCRIPTION                                                                         \
	"kudev.yaml in kudev's own grammar, made by \"kudev schema\". Not for the file of " \
	"generic-device-plugin, which kudev reads as well, nor for a file without "         \
	"classes, which goes with --device. \"kudev check\" finds more."
#define REFERENCE "#/definitions/"

static struct json_object *value_schema(const struct field *field,
					struct json_object *definitions);

static void add(struct json_object *object, const char *key, struct json_object *value)
{
	assert(!json_object_object_get_ex(object, key, NULL));
	json_object_object_add(object, key, value);
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
	add(object, key, json_object_new_string(text));
}

static void add_number(struct json_object *object, const char *key, unsigned number)
{
	add(object, key, json_object_new_int64(number));
}

static void append_text(struct json_object *list, const char *text)
{
	json_object_array_add(list, json_object_new_string(text));
}

static struct json_object *single(const char *key, struct json_object *value)
{
	struct json_object *object = json_object_new_object();

	add(object, key, value);
	return object;
}

static struct json_object *typed(const char *type)
{
	return single("type", json_object_new_string(type));
}

/* Takes the members over. */
static void add_members(struct json_object *object, struct json_object *members)
{
	struct json_object_iter member;

	assert(json_object_is_type(members, json_type_object));
	json_object_object_foreachC(members, member)
	{
		add(object, member.key, json_object_get(member.val));
	}
	json_object_put(members);
}

/* A bound of 0 is none. */
static void add_bounds(struct json_object *object, const char *min_key, unsigned min,
		       const char *max_key, unsigned max)
{
	if (min > 0)
		add_number(object, min_key, min);
	if (max > 0)
		add_number(object, max_key, max);
}

/* Whether a text of that kind can be right: its check tells by an example. */
static bool type_is_possible(const struct field *field, const char *type)
{
	if (!field->check || strcmp(type, "string") == 0)
		return true;
	return field->check(strcmp(type, "boolean") == 0 ? "true" : "1", NULL) == 0;
}

static void add_types(struct json_object *object, const struct field *field)
{
	KUDEV_AUTO_FREE char *words = mem_string(field->type->schema);
	struct json_object *list = json_object_new_array();
	char *rest = NULL;

	for (char *type = strtok_r(words, " ", &rest); type;
	     type = strtok_r(NULL, " ", &rest))
		if (type_is_possible(field, type))
			append_text(list, type);
	if (json_object_array_length(list) > 1) {
		add(object, "type", list);
		return;
	}
	add(object, "type", json_object_get(json_object_array_get_idx(list, 0)));
	json_object_put(list);
}

/* The names of the variables with a separator before each but the first. */
static char *join_variables(unsigned variables, const char *before, const char *after,
			    const char *separator)
{
	char *text = mem_string("");

	for (unsigned i = 0; i < CONFIG_VARIABLE_MAX; i++) {
		KUDEV_AUTO_FREE char *old = text;

		if (variables & 1U << i)
			text = mem_printf("%s%s%s%s%s", old, *old ? separator : "",
					  before, config_variables[i], after);
		else
			text = take_ptr(old);
	}
	return text;
}

/* Texts with variables and doubled braces. */
static char *template_pattern(unsigned variables)
{
	KUDEV_AUTO_FREE char *names = join_variables(variables, "", "", "|");

	return mem_printf("^([^{}]|\\{\\{|\\}\\}|\\{(%s)\\})*$", names);
}

/* The message is what the YAML language server says instead of showing the pattern. */
static void append_pattern(struct json_object *list, const char *pattern,
			   const char *message)
{
	struct json_object *object;

	if (!pattern)
		return;
	object = single("pattern", json_object_new_string(pattern));
	if (message)
		add_text(object, "patternErrorMessage", message);
	json_object_array_add(list, object);
}

static void append_template(struct json_object *list, unsigned variables)
{
	KUDEV_AUTO_FREE char *names = join_variables(variables, "{", "}", ", ");
	KUDEV_AUTO_FREE char *message =
		mem_printf("the variables are %s; a brace itself is {{ or }}", names);
	KUDEV_AUTO_FREE char *pattern = template_pattern(variables);

	append_pattern(list, pattern, message);
}

/* Each must match; one stands alone, several are members of allOf. */
static void add_patterns(struct json_object *object, const struct field *field)
{
	KUDEV_AUTO_FREE char *message = mem_printf("expected %s", field->type->wants);
	struct json_object *list = json_object_new_array();

	append_pattern(list, field->pattern, NULL);
	append_pattern(list, field->type->pattern, message);
	if (field->type->variables)
		append_template(list, field->type->variables);
	if (json_object_array_length(list) > 1)
		add(object, "allOf", json_object_get(list));
	else if (json_object_array_length(list) == 1)
		add_members(object, json_object_get(json_object_array_get_idx(list, 0)));
	json_object_put(list);
}

static struct json_object *choice_schema(const char *const *words)
{
	struct json_object *list = json_object_new_array();

	for (; *words; words++)
		append_text(list, *words);
	return single("enum", list);
}

static struct json_object *scalar_schema(const struct field *field)
{
	struct json_object *object;

	if (field->choices)
		return choice_schema(field->choices);
	object = json_object_new_object();
	add_types(object, field);
	if (field->type == &field_unsigned) {
		add_number(object, "minimum", field->min);
		add_number(object, "maximum", field->max ? field->max : UINT_MAX);
	}
	add_patterns(object, field);
	return object;
}

static struct json_object *list_schema(struct json_object *item, unsigned min,
				       unsigned max)
{
	struct json_object *object = typed("array");

	add(object, "items", item);
	add_bounds(object, "minItems", min, "maxItems", max);
	return object;
}

static struct json_object *map_schema(const struct field *field,
				      struct json_object *definitions)
{
	struct json_object *object = typed("object");

	if (field->pattern)
		add(object, "propertyNames",
		    single("pattern", json_object_new_string(field->pattern)));
	add(object, "additionalProperties", value_schema(field->item, definitions));
	add_bounds(object, "minProperties", field->min, "maxProperties", field->max);
	return object;
}

/* As the type has it, so that an editor can insert it. */
static struct json_object *default_value(const struct field *field)
{
	if (field->type == &field_unsigned)
		return json_object_new_int64(strtoll(field->fallback, NULL, 10));
	if (field->type == &field_boolean)
		return json_object_new_boolean(strcmp(field->fallback, "true") == 0);
	return json_object_new_string(field->fallback);
}

/* The help, and what JSON Schema has no other word for. */
static char *describe(const struct field *field)
{
	KUDEV_AUTO_FREE char *min = NULL;
	KUDEV_AUTO_FREE char *max = NULL;
	KUDEV_AUTO_FREE char *variables = NULL;
	const struct field *text = field->type == &field_map ? field->item : field;

	if (text->type->variables) {
		variables = join_variables(text->type->variables, "{", "}", ", ");
		return mem_printf("%s Variables: %s.", field->help, variables);
	}
	if (field->type != &value_duration)
		return mem_string(field->help);
	min = duration_text(field->min);
	max = duration_text(field->max);
	return mem_printf("%s From %s to %s.", field->help, min, max);
}

static struct json_object *property_schema(const struct field *field,
					   struct json_object *definitions)
{
	KUDEV_AUTO_FREE char *description = describe(field);
	struct json_object *object = value_schema(field, definitions);

	add_text(object, "description", description);
	if (field->fallback)
		add(object, "default", default_value(field));
	return object;
}

static void add_requirements(struct json_object *object, const struct field *fields)
{
	struct json_object *required = json_object_new_array();
	struct json_object *sources = json_object_new_array();

	for (; fields->key; fields++) {
		if (fields->flags & FIELD_REQUIRED)
			append_text(required, fields->key);
		if (fields->flags & FIELD_SOURCE) {
			struct json_object *keys = json_object_new_array();

			append_text(keys, fields->key);
			json_object_array_add(sources, single("required", keys));
		}
	}
	if (json_object_array_length(required) > 0)
		add(object, "required", json_object_get(required));
	if (json_object_array_length(sources) > 0)
		add(object, "oneOf", json_object_get(sources));
	json_object_put(required);
	json_object_put(sources);
}

static struct json_object *fields_schema(const struct field *fields,
					 struct json_object *definitions)
{
	struct json_object *object = typed("object");
	struct json_object *properties = json_object_new_object();

	for (const struct field *field = fields; field->key; field++)
		add(properties, field->key, property_schema(field, definitions));
	add(object, "properties", properties);
	add(object, "additionalProperties", json_object_new_boolean(false));
	add_requirements(object, fields);
	return object;
}

static struct json_object *mapping_schema(const struct field *field,
					  struct json_object *definitions)
{
	struct json_object *object = fields_schema(field->fields, definitions);

	if (field->rules)
		add_members(object, json_tokener_parse(field->rules));
	return object;
}

/* A mapping that can hold itself is written once and referred to. */
static struct json_object *reference(const struct field *field,
				     struct json_object *definitions)
{
	KUDEV_AUTO_FREE char *name = mem_printf(REFERENCE "%s", field->definition);

	if (!json_object_object_get_ex(definitions, field->definition, NULL)) {
		/* It holds the place while it is made. */
		add(definitions, field->definition, NULL);
		json_object_object_add(definitions, field->definition,
				       mapping_schema(field, definitions));
	}
	return single("$ref", json_object_new_string(name));
}

static struct json_object *one_or_list(const struct field *field,
				       struct json_object *definitions)
{
	struct json_object *list = json_object_new_array();

	if (field->item) {
		json_object_array_add(list, value_schema(field->item, definitions));
		json_object_array_add(list,
				      list_schema(value_schema(field->item, definitions),
						  field->min, field->max));
	} else {
		json_object_array_add(list, scalar_schema(field));
		json_object_array_add(list, list_schema(scalar_schema(field), 1,
							FIELD_TEXTS_MAX));
	}
	return single("anyOf", list);
}

static struct json_object *value_schema(const struct field *field,
					struct json_object *definitions)
{
	if (field->type->or_list)
		return one_or_list(field, definitions);
	if (field->type == &field_list)
		return list_schema(value_schema(field->item, definitions), field->min,
				   field->max);
	if (field->type == &field_map)
		return map_schema(field, definitions);
	if (field->type == &field_mapping && field->definition)
		return reference(field, definitions);
	if (field->type == &field_mapping)
		return mapping_schema(field, definitions);
	return scalar_schema(field);
}

struct json_object *schema_new(void)
{
	struct json_object *schema = json_object_new_object();
	struct json_object *definitions = json_object_new_object();
	struct json_object *required = json_object_new_array();

	add_text(schema, "$schema", DIALECT);
	add_text(schema, "title", TITLE);
	add_text(schema, "description", DESCRIPTION);
	add_members(schema, fields_schema(native_fields, definitions));
	append_text(required, "classes");
	add(schema, "required", required);
	add(schema, "definitions", definitions);
	return schema;
}
