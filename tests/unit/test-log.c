/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "test-capture.h"

/* The line without its time, which must look like one; line is the caller's to free. */
static const char *without_time(const char *line)
{
	unsigned y, mo, d, h, mi, s, ms;
	int length = 0;
	const char *time = line[0] == '{' ? line + strlen("{\"time\":\"") : line;

	assert_int_equal(sscanf(time, "%4u-%2u-%2uT%2u:%2u:%2u.%3uZ%n", &y, &mo, &d, &h,
				&mi, &s, &ms, &length),
			 7);
	assert_int_equal(length, strlen("2026-11-20T12:00:00.000Z"));
	return time + length;
}

static char *line_of(enum log_format format, struct log_field field)
{
	struct capture capture = capture_begin();

	log_setup(LOG_LEVEL_INFO, format);
	log_info("hello", field);
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	return capture_end(&capture);
}

/* As LOG_STR() and its like, which are no constants. */
#define STR(text)                                                            \
	{                                                                    \
		.type = LOG_FIELD_STRING, .key = "k", .value.string = (text) \
	}
#define INT(number)                                                              \
	{                                                                        \
		.type = LOG_FIELD_INTEGER, .key = "k", .value.integer = (number) \
	}

#define COUNT(number)                                                          \
	{                                                                      \
		.type = LOG_FIELD_COUNT, .key = "k", .value.integer = (number) \
	}

static const struct {
	struct log_field field;
	const char *json;
	const char *text;
} fields[] = {
	{STR("plain"), ",\"k\":\"plain\"", " k=plain"},
	{STR("/dev/a:b"), ",\"k\":\"/dev/a:b\"", " k=/dev/a:b"},
	{STR(""), ",\"k\":\"\"", " k=\"\""},
	{STR(NULL), "", ""},
	{STR("a b"), ",\"k\":\"a b\"", " k=\"a b\""},
	{STR("a=b"), ",\"k\":\"a=b\"", " k=\"a=b\""},
	{STR("say \"hi\""), ",\"k\":\"say \\\"hi\\\"\"", " k=\"say \\\"hi\\\"\""},
	{STR("back\\"), ",\"k\":\"back\\\\\"", " k=\"back\\\\\""},
	{STR("a\nb\t\x01"), ",\"k\":\"a\\nb\\t\\u0001\"", " k=\"a\\nb\\t\\u0001\""},
	{STR("\xc3\xbc"), ",\"k\":\"\xc3\xbc\"", " k=\"\xc3\xbc\""},
	{INT(-7), ",\"k\":-7", " k=-7"},
	{INT(0), ",\"k\":0", " k=0"},
	{COUNT(3), ",\"k\":3", " k=3"},
	{COUNT(0), "", ""},
	{INT(INT64_MAX), ",\"k\":9223372036854775807", " k=9223372036854775807"},
};

static void json_lines_are_one_object_each(void **state)
{
	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(fields); i++) {
		KUDEV_AUTO_FREE char *line = line_of(LOG_FORMAT_JSON, fields[i].field);
		KUDEV_AUTO_FREE char *expected = mem_printf(
			"\",\"level\":\"INFO\",\"msg\":\"hello\"%s}\n", fields[i].json);
		struct json_object *object = json_tokener_parse(line);

		assert_string_equal(without_time(line), expected);
		assert_non_null(object);
		json_object_put(object);
	}
}

static void text_lines_quote_what_is_not_a_plain_word(void **state)
{
	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(fields); i++) {
		KUDEV_AUTO_FREE char *line = line_of(LOG_FORMAT_TEXT, fields[i].field);
		KUDEV_AUTO_FREE char *expected = mem_printf(" INFO  hello%s\n",
							    fields[i].text);

		assert_string_equal(without_time(line), expected);
	}
}

static bool is_utf8(const char *text)
{
	uint32_t rune;
	size_t length;

	for (; *text; text += length) {
		length = text_decode(text, strlen(text), &rune);
		if (length == 0)
			return false;
	}
	return true;
}

/* File names can hold any bytes. JSON is UTF-8 (RFC 8259, 8.1). */
static void bytes_that_are_not_utf8_do_not_break_the_line(void **state)
{
	static const enum log_format formats[] = {LOG_FORMAT_JSON, LOG_FORMAT_TEXT};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(formats); i++) {
		KUDEV_AUTO_FREE char *line = line_of(formats[i],
						     LOG_STR("path", "/dev/a\xff\xc3z"));

		assert_true(is_utf8(line));
		assert_non_null(strstr(line, "/dev/a"));
		assert_non_null(strstr(line, "z"));
	}
}

static void only_what_is_grave_enough_is_written(void **state)
{
	static const enum log_level levels[] = {LOG_LEVEL_DEBUG, LOG_LEVEL_INFO,
						LOG_LEVEL_WARN, LOG_LEVEL_ERROR};

	(void)state;
	for (unsigned least = LOG_LEVEL_DEBUG; least <= LOG_LEVEL_NONE; least++) {
		struct capture capture = capture_begin();
		KUDEV_AUTO_FREE char *lines = NULL;

		log_setup((enum log_level)least, LOG_FORMAT_JSON);
		for (size_t i = 0; i < KUDEV_ARRAY_SIZE(levels); i++) {
			assert_int_equal(log_enabled(levels[i]), levels[i] >= least);
			LOG_AT(levels[i], "m", LOG_INT("level", levels[i]));
		}
		assert_false(log_enabled(LOG_LEVEL_NONE));
		log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
		lines = capture_end(&capture);
		assert_int_equal(capture_count(lines, "\n"), LOG_LEVEL_NONE - least);
	}
}

static void a_fault_that_repeats_is_written_once_an_interval(void **state)
{
	struct log_limit limit = {0};
	uint64_t suppressed = 99;

	(void)state;
	assert_true(log_limit_due(&limit, 3600000, &suppressed));
	assert_int_equal(suppressed, 0);
	suppressed = 99;
	for (unsigned i = 0; i < 3; i++)
		assert_false(log_limit_due(&limit, 3600000, &suppressed));
	assert_int_equal(suppressed, 99);
	/* An interval of nothing is over. */
	assert_true(log_limit_due(&limit, 0, &suppressed));
	assert_int_equal(suppressed, 3);
	assert_true(log_limit_due(&limit, 0, &suppressed));
	assert_int_equal(suppressed, 0);
}

static void a_burst_is_written_before_the_limit_holds(void **state)
{
	struct log_limit limit = {0};
	uint64_t suppressed = 99;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		assert_true(log_limit_burst(&limit, 5, 3600000, &suppressed));
		assert_int_equal(suppressed, 0);
	}
	for (unsigned i = 0; i < 7; i++)
		assert_false(log_limit_burst(&limit, 5, 3600000, &suppressed));
	assert_true(log_limit_burst(&limit, 5, 0, &suppressed));
	assert_int_equal(suppressed, 7);
}

static void a_closed_standard_error_stops_nothing(void **state)
{
	int old = dup(STDERR_FILENO);

	(void)state;
	close(STDERR_FILENO);
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("lost", LOG_STR("k", "v"));
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	assert_true(dup2(old, STDERR_FILENO) >= 0);
	close(old);
}

static void the_words_of_the_configuration_are_known(void **state)
{
	static const struct {
		const char *text;
		int level; /* -1: none */
	} tests[] = {
		{"debug", LOG_LEVEL_DEBUG},
		{"info", LOG_LEVEL_INFO},
		{"warn", LOG_LEVEL_WARN},
		{"error", LOG_LEVEL_ERROR},
		{"all", LOG_LEVEL_DEBUG},
		{"none", LOG_LEVEL_NONE},
		{"warning", -1},
		{"", -1},
		{"INFO", -1},
	};
	enum log_format format = LOG_FORMAT_JSON;

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		enum log_level level = LOG_LEVEL_NONE;
		int r = log_level_parse(tests[i].text, &level);

		assert_int_equal(r, tests[i].level < 0 ? -EINVAL : 0);
		if (r == 0)
			assert_int_equal(level, tests[i].level);
	}
	assert_int_equal(log_format_parse("text", &format), 0);
	assert_int_equal(format, LOG_FORMAT_TEXT);
	assert_int_equal(log_format_parse("json", &format), 0);
	assert_int_equal(format, LOG_FORMAT_JSON);
	assert_int_equal(log_format_parse("xml", &format), -EINVAL);
}

static char *kept_message(size_t index)
{
	const char *line = log_kept(index);
	struct json_object *object = line ? json_tokener_parse(line) : NULL;
	char *message = NULL;

	if (object)
		message = mem_string(
			json_object_get_string(json_object_object_get(object, "msg")));
	json_object_put(object);
	return message;
}

static void assert_kept(size_t index, const char *expected)
{
	KUDEV_AUTO_FREE char *message = kept_message(index);

	assert_string_equal(message, expected);
}

/* The last of the tests: it is never undone. */
static void the_last_lines_are_kept_whatever_is_written(void **state)
{
	KUDEV_AUTO_FREE char *huge = mem_zero(100000);
	KUDEV_AUTO_FREE char *written = NULL;
	struct capture capture = capture_begin();

	(void)state;
	memset(huge, 'x', 99999);
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_JSON);
	log_info("not kept yet", LOG_INT("k", 1));
	log_keep();
	log_info("kept", LOG_STR("k", "v"));
	log_debug("too trivial", LOG_INT("k", 1));
	log_error("written too", LOG_STR("k", huge));
	written = capture_end(&capture);
	assert_null(strstr(written, "\"kept\""));
	assert_int_equal(capture_count(written, "\n"), 1);

	assert_kept(0, "written too");
	assert_true(strlen(log_kept(0)) < 200);
	assert_kept(1, "kept");
	assert_non_null(strstr(log_kept(1), "\"k\":\"v\""));
	assert_null(log_kept(2));
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	for (size_t i = 0; i < LOG_KEPT_MAX; i++)
		log_warn("another", LOG_INT("k", i));
	assert_kept(LOG_KEPT_MAX - 1, "another");
	assert_non_null(strstr(log_kept(LOG_KEPT_MAX - 1), "\"k\":0}"));
	assert_non_null(strstr(log_kept(0), "\"k\":63}"));
	assert_null(log_kept(LOG_KEPT_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_lines_are_one_object_each),
		cmocka_unit_test(text_lines_quote_what_is_not_a_plain_word),
		cmocka_unit_test(bytes_that_are_not_utf8_do_not_break_the_line),
		cmocka_unit_test(only_what_is_grave_enough_is_written),
		cmocka_unit_test(a_fault_that_repeats_is_written_once_an_interval),
		cmocka_unit_test(a_burst_is_written_before_the_limit_holds),
		cmocka_unit_test(a_closed_standard_error_stops_nothing),
		cmocka_unit_test(the_words_of_the_configuration_are_known),
		cmocka_unit_test(the_last_lines_are_kept_whatever_is_written),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
