/* SPDX-License-Identifier: Apache-2.0 */
#include <json-c/json.h>

#include "config/config.h"
#include "config/native.h"
#include "config/schema.h"
#include "config/value.h"
#include "test-config.h"

static struct json_object *member(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	return json_object_object_get_ex(object, key, &value) ? value : NULL;
}

static const char *text_of(struct json_object *object, const char *key)
{
	struct json_object *value = member(object, key);

	return value ? json_object_get_string(value) : "";
}

/* What a reference refers to, or the object itself. */
static struct json_object *resolve(struct json_object *schema, struct json_object *object)
{
	const char *reference = text_of(object, "$ref");
	const char *name = strrchr(reference, '/');

	if (!name)
		return object;
	return member(member(schema, "definitions"), name + 1);
}

/* The alternative of a one-or-list that is no list, or the object itself. */
static struct json_object *one(struct json_object *object)
{
	struct json_object *either = member(object, "anyOf");

	return either && json_object_is_type(either, json_type_array) &&
			       member(json_object_array_get_idx(either, 1), "items")
		       ? json_object_array_get_idx(either, 0)
		       : object;
}

static void check_table(struct json_object *schema, struct json_object *object,
			const struct field *fields, unsigned depth);

static void check_range(struct json_object *object, const struct field *field)
{
	if (field->type != &field_unsigned)
		return;
	assert_int_equal(json_object_get_int64(member(object, "minimum")), field->min);
	assert_int_equal(json_object_get_int64(member(object, "maximum")),
			 field->max ? field->max : UINT32_MAX);
}

static void check_choices(struct json_object *object, const struct field *field)
{
	struct json_object *words = member(object, "enum");
	size_t count = 0;

	for (; field->choices && field->choices[count]; count++)
		assert_string_equal(
			json_object_get_string(json_object_array_get_idx(words, count)),
			field->choices[count]);
	assert_int_equal(words ? json_object_array_length(words) : 0, count);
}

static void check_field(struct json_object *schema, struct json_object *object,
			const struct field *field, unsigned depth)
{
	struct json_object *value = resolve(schema, one(object));

	check_range(value, field);
	check_choices(value, field);
	if (field->fields)
		check_table(schema, value, field->fields, depth);
	else if (field->type == &field_list)
		check_field(schema, member(value, "items"), field->item, depth);
	else if (field->type == &field_map)
		check_field(schema, member(value, "additionalProperties"), field->item,
			    depth);
	else if (field->item)
		check_field(schema, value, field->item, depth);
}

static void check_table(struct json_object *schema, struct json_object *object,
			const struct field *fields, unsigned depth)
{
	struct json_object *properties = member(object, "properties");
	int count = 0;

	/* One of the tables holds itself. */
	if (depth > 8)
		return;
	for (; fields->key; fields++) {
		struct json_object *property = member(properties, fields->key);

		assert_non_null(property);
		assert_non_null(fields->help);
		assert_memory_equal(text_of(property, "description"), fields->help,
				    strlen(fields->help));
		assert_string_equal(text_of(property, "default"),
				    fields->fallback ? fields->fallback : "");
		check_field(schema, property, fields, depth + 1);
		count++;
	}
	assert_int_equal(json_object_object_length(properties), count);
	assert_non_null(member(object, "additionalProperties"));
	assert_false(json_object_get_boolean(member(object, "additionalProperties")));
}

static void every_key_of_every_table_is_in_the_schema_and_nothing_else(void **state)
{
	struct json_object *schema = schema_new();

	(void)state;
	check_table(schema, schema, native_fields, 0);
	json_object_put(schema);
}

static void a_class_needs_exactly_one_of_the_sources(void **state)
{
	const struct field *class = field_find(native_fields, "classes")->item->fields;
	struct json_object *schema = schema_new();
	struct json_object *items =
		member(member(member(schema, "properties"), "classes"), "items");
	struct json_object *sources = member(items, "oneOf");
	size_t count = 0;

	(void)state;
	for (; class->key; class ++) {
		struct json_object *keys;

		if (!(class->flags & FIELD_SOURCE))
			continue;
		keys = member(json_object_array_get_idx(sources, count++), "required");
		assert_int_equal(json_object_array_length(keys), 1);
		assert_string_equal(
			json_object_get_string(json_object_array_get_idx(keys, 0)),
			class->key);
	}
	assert_int_equal(json_object_array_length(sources), count);
	assert_true(count > 1);
	json_object_put(schema);
}

static void a_time_is_told_in_the_unit_that_suits_it(void **state)
{
	static const struct {
		unsigned ms;
		const char *text;
	} tests[] = {{1, "1ms"},    {1500, "1500ms"}, {1000, "1s"},	{90000, "90s"},
		     {60000, "1m"}, {3600000, "1h"},  {86400000, "24h"}};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *text = duration_text(tests[i].ms);

		assert_string_equal(text, tests[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			every_key_of_every_table_is_in_the_schema_and_nothing_else),
		cmocka_unit_test(a_class_needs_exactly_one_of_the_sources),
		cmocka_unit_test(a_time_is_told_in_the_unit_that_suits_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
