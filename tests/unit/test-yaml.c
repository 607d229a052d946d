/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "cli/yaml.h"

/* {"key": text} as YAML; the caller frees it. */
static char *yaml_of(const char *key, const char *text)
{
	struct json_object *object = json_object_new_object();
	char *yaml = NULL;
	size_t size;
	FILE *out = open_memstream(&yaml, &size);

	assert_non_null(out);
	json_object_object_add(object, key, json_object_new_string(text));
	yaml_print(object, out);
	json_object_put(object);
	assert_int_equal(fclose(out), 0);
	return yaml;
}

static void strings_are_quoted(void **state)
{
	static const struct {
		const char *text, *yaml;
	} tests[] = {
		{"0403", "key: \"0403\"\n"},
		{"on", "key: \"on\"\n"},
		{"", "key: \"\"\n"},
		{"a \"b\" \\c", "key: \"a \\\"b\\\" \\\\c\"\n"},
		{"\u00e4", "key: \"\u00e4\"\n"},
		{"a\nb", "key: \"a\\nb\"\n"},
		{"\x7f\x1b", "key: \"\\x7F\\e\"\n"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *yaml = yaml_of("key", tests[i].text);

		assert_string_equal(yaml, tests[i].yaml);
	}
}

/* YAML can't say them; that is no reason to end. */
static void bytes_that_are_no_text_are_escaped(void **state)
{
	KUDEV_AUTO_FREE char *value = yaml_of("key", "a\xff");
	KUDEV_AUTO_FREE char *cut = yaml_of("key", "\xe2\x82");
	KUDEV_AUTO_FREE char *key = yaml_of("a\xff", "b");

	(void)state;
	assert_string_equal(value, "key: \"\\\"a\\\\xff\\\"\"\n");
	assert_string_equal(cut, "key: \"\\\"\\\\xe2\\\\x82\\\"\"\n");
	assert_string_equal(key, "'\"a\\xff\"': \"b\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_are_quoted),
		cmocka_unit_test(bytes_that_are_no_text_are_escaped),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
