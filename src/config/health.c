/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/text.h"
#include "config/config.h"
#include "config/health.h"
#include "config/pattern.h"
#include "config/value.h"

#define CHECKS_MAX 50
#define THRESHOLD_MAX 100
#define REGEX_MAX_LENGTH 256
#define REGEX_MAX_GROUPS 16
#define INTERVAL_MIN_MS 100
#define INTERVAL_MAX_MS (24 * 3600 * 1000)
#define TIMEOUT_MIN_MS 10
#define TIMEOUT_MAX_MS 60000

static int add_word(const struct field *field, const char *text, void *target,
		    struct error *err)
{
	struct strings *words = field_slot(field, target);

	(void)err;
	strings_add(words, text);
	return 0;
}

static const struct field_type type_words = {
	.wants = "a text or a list of them",
	.schema = "string number boolean",
	.or_list = true,
	.parse = add_word,
	.read = field_read_texts,
};

/*
 * Without back-references glibc matches in time that grows with the text alone; nested
 * repetitions with numbers would take it gigabytes to compile.
 */
static int check_regex(const char *text, struct error *err)
{
	unsigned repetitions = 0;
	unsigned groups = 0;

	for (const char *c = text; *c; c++) {
		if (*c == '\\' && c[1] >= '1' && c[1] <= '9')
			return error_set(err, EINVAL, "back-references are not allowed");
		if (*c == '\\' && c[1])
			c++;
		else if (*c == '{')
			repetitions++;
		else if (*c == '(')
			groups++;
	}
	if (strlen(text) > REGEX_MAX_LENGTH || groups > REGEX_MAX_GROUPS)
		return error_set(err, EINVAL, "has more than %d characters or %d groups",
				 REGEX_MAX_LENGTH, REGEX_MAX_GROUPS);
	if (repetitions > 1)
		return error_set(err, EINVAL, "has more than one {}");
	return 0;
}

static int parse_regex(const struct field *field, const char *text, void *target,
		       struct error *err)
{
	struct config_regex **slot = field_slot(field, target);
	struct config_regex *regex;
	char reason[128];
	int result = check_regex(text, err);

	if (result < 0)
		return result;
	regex = mem_zero(sizeof(*regex));
	result = regcomp(&regex->compiled, text, REG_EXTENDED | REG_NOSUB);
	if (result == 0) {
		regex->text = mem_string(text);
		*slot = regex;
		return 0;
	}
	regerror(result, &regex->compiled, reason, sizeof(reason));
	free(regex);
	return error_set(err, EINVAL, "is no extended regular expression: %s", reason);
}

static const struct field_type type_regex = {
	.wants = "an extended regular expression",
	.schema = "string number boolean",
	.parse = parse_regex,
};

static const struct field check_fields[] = {
	{
		.key = "equals",
		.help = "What the attribute must be, or a list of which one must hold.",
		.type = &type_words,
		.offset = offsetof(struct config_check, equals),
	},
	{
		.key = "notEquals",
		.help = "What the attribute must not be, or a list of that.",
		.type = &type_words,
		.offset = offsetof(struct config_check, not_equals),
	},
	{
		.key = "min",
		.help = "The least number that it may be.",
		.type = &value_bound,
		.offset = offsetof(struct config_check, min),
	},
	{
		.key = "max",
		.help = "The greatest number that it may be.",
		.type = &value_bound,
		.offset = offsetof(struct config_check, max),
	},
	{
		.key = "regex",
		.help = "An extended regular expression that must match a part of it.",
		.type = &type_regex,
		.offset = offsetof(struct config_check, regex),
	},
	{0},
};

static void check_finish(struct document *document, const yaml_node_t *mapping,
			 const struct field *field, void *target)
{
	const struct config_check *check = target;
	const yaml_node_t *min = document_key(document, mapping, "min");

	if (mapping->data.mapping.pairs.start == mapping->data.mapping.pairs.top)
		document_error(
			document, mapping,
			"%s: says nothing; give equals, notEquals, min, max or regex",
			field->key);
	if (check->min.is_set && check->max.is_set && check->min.value > check->max.value)
		document_error(document, min, "min: is greater than max");
}

static const struct field check_item = {
	.key = "attribute",
	.type = &field_mapping,
	.fields = check_fields,
	.finish = check_finish,
	.rules = "{\"minProperties\": 1}",
};

const struct field health_fields[] = {
	{
		.key = "open",
		.help = "Whether it must be possible to open the device's nodes.",
		.type = &field_boolean,
		.fallback = "false",
		.offset = offsetof(struct config_health, open),
	},
	{
		.key = "attributes",
		.help = "What attributes in sysfs must be, its own or of the nearest above.",
		.type = &field_map,
		.max = CHECKS_MAX,
		.check = attribute_check,
		.pattern = attribute_pattern,
		.item = &check_item,
		.item_size = sizeof(struct config_check),
		.offset = offsetof(struct config_health, checks),
		.count_offset = offsetof(struct config_health, check_count),
	},
	{
		.key = "interval",
		.help = "The time from one check to the next.",
		.type = &value_duration,
		.min = INTERVAL_MIN_MS,
		.max = INTERVAL_MAX_MS,
		.fallback = "30s",
		.offset = offsetof(struct config_health, interval_ms),
	},
	{
		.key = "timeout",
		.help = "After this time a check has failed.",
		.type = &value_duration,
		.min = TIMEOUT_MIN_MS,
		.max = TIMEOUT_MAX_MS,
		.fallback = "1s",
		.offset = offsetof(struct config_health, timeout_ms),
	},
	{
		.key = "failureThreshold",
		.help = "How many failures in a row make it unhealthy.",
		.type = &field_unsigned,
		.min = 1,
		.max = THRESHOLD_MAX,
		.fallback = "3",
		.offset = offsetof(struct config_health, failure_threshold),
	},
	{
		.key = "successThreshold",
		.help = "How many successes in a row make it healthy again.",
		.type = &field_unsigned,
		.min = 1,
		.max = THRESHOLD_MAX,
		.fallback = "1",
		.offset = offsetof(struct config_health, success_threshold),
	},
	{0},
};

const char health_rules[] =
	"{\"anyOf\": ["
	"{\"required\": [\"open\"], \"properties\": {\"open\": {\"const\": true}}},"
	"{\"required\": [\"attributes\"],"
	" \"properties\": {\"attributes\": {\"minProperties\": 1}}}]}";

void health_finish(struct document *document, const yaml_node_t *mapping,
		   const struct field *field, void *target)
{
	const struct config_health *health = target;
	const yaml_node_t *attributes = document_value(document, mapping, "attributes");
	bool is_empty = !attributes || (attributes->type == YAML_MAPPING_NODE &&
					attributes->data.mapping.pairs.start ==
						attributes->data.mapping.pairs.top);

	(void)field;
	if (!config_health_is_wanted(health) && is_empty)
		document_error(document, mapping,
			       "health: checks nothing; give open: true or attributes");
}
