/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "http/request.h"

#define H "Host: x\r\n"

/* The head as it is read from a connection, with what came behind it. */
static int parse(const char *text, char **ret_head, struct http_request *ret)
{
	size_t size = http_head_size(text, strlen(text));

	*ret_head = mem_string(text);
	assert_true(size > 0);
	return http_request_parse(*ret_head, size, ret);
}

static void a_head_ends_with_an_empty_line(void **state)
{
	static const struct {
		const char *text;
		size_t size; /* 0: it is not complete */
	} tests[] = {
		{"", 0},
		{"GET / HTTP/1.1", 0},
		{"GET / HTTP/1.1\r\n", 0},
		{"GET / HTTP/1.1\r\n\r", 0},
		{"GET / HTTP/1.1\r\n\r\n", 18},
		{"GET / HTTP/1.1\n\n", 16},
		{"GET / HTTP/1.1\r\n\n", 17},
		{"a\r\n\r\nbody", 5},
		{"\r\n\r\n", 0},
		{"\r\n\r\na\r\n\r\n", 9},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++)
		assert_int_equal(http_head_size(tests[i].text, strlen(tests[i].text)),
				 tests[i].size);
}

static void what_matters_of_a_request_is_found(void **state)
{
	static const struct {
		const char *text;
		enum http_method method;
		const char *path;
		const char *query;
		bool keeps_alive;
	} tests[] = {
		{"GET / HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/", "", true},
		{"\r\nHEAD /a HTTP/1.1\n" H "\n", HTTP_HEAD, "/a", "", true},
		{"GET /a?b=c?d HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/a", "b=c?d", true},
		{"GET / HTTP/1.0\r\n\r\n", HTTP_GET, "/", "", false},
		{"GET / HTTP/1.2\r\n" H "\r\n", HTTP_GET, "/", "", true},
		{"GET / HTTP/1.1\r\n" H "connection:x,Close \r\n\r\n", HTTP_GET, "/", "",
		 false},
		{"GET / HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", HTTP_GET, "/", "",
		 true},
		{"get / HTTP/1.1\r\n" H "\r\n", HTTP_OTHER, "/", "", true},
		{"POST / HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello", HTTP_OTHER,
		 "/", "", false},
		{"GET http://a:80/b?c HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/b", "c", true},
		{"GET HTTP://a HTTP/1.1\r\n" H "\r\n", HTTP_GET, "/", "", true},
		{"OPTIONS * HTTP/1.1\r\n" H "\r\n", HTTP_OTHER, "*", "", true},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *head = NULL;
		struct http_request request;

		assert_int_equal(parse(tests[i].text, &head, &request), 0);
		assert_int_equal(request.method, tests[i].method);
		assert_string_equal(request.path, tests[i].path);
		assert_string_equal(request.query, tests[i].query);
		assert_int_equal(request.keeps_alive, tests[i].keeps_alive);
	}
}

static void what_is_no_request_is_refused(void **state)
{
	static const struct {
		const char *text;
		int status;
	} tests[] = {
		{"GET\r\n\r\n", 400},
		{"GET /\r\n\r\n", 400},
		{"GET  HTTP/1.1\r\n" H "\r\n", 400},
		{" / HTTP/1.1\r\n" H "\r\n", 400},
		{"G(T / HTTP/1.1\r\n" H "\r\n", 400},
		{"GET / HTTP/1.1 \r\n" H "\r\n", 400},
		{"GET / a HTTP/1.1\r\n" H "\r\n", 400},
		{"GET / http/1.1\r\n" H "\r\n", 400},
		{"GET / HTTP/11\r\n" H "\r\n", 400},
		{"GET / HTTP/2.0\r\n" H "\r\n", 505},
		{"GET / HTTP/0.9\r\n" H "\r\n", 505},
		{"GET / HTTP/1.1\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n" H H "\r\n", 400},
		{"GET / HTTP/1.1\r\n" H "a\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n" H ": a\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n" H "a : b\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n" H " a: b\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n" H "a: b\x01\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n" H "a: b\rc\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n" H "a: b\x7f\r\n\r\n", 400},
		{"GET / HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\n", 413},
		{"GET / HTTP/1.1\r\n" H "Content-Length: x\r\n\r\n", 413},
		{"GET / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n", 413},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *head = NULL;
		struct http_request request;

		assert_int_equal(parse(tests[i].text, &head, &request), tests[i].status);
		assert_false(request.keeps_alive);
	}
}

static void the_content_that_is_wanted_most_is_found(void **state)
{
	static const struct {
		const char *accept;
		enum http_content content, other;
		bool preferred;
	} tests[] = {
		{"", HTTP_JSON, HTTP_TEXT, false},
		{"*/*", HTTP_JSON, HTTP_TEXT, false},
		{"application/json", HTTP_JSON, HTTP_TEXT, true},
		{"Application/JSON ; charset=utf-8", HTTP_JSON, HTTP_TEXT, true},
		{"application/json;q=0", HTTP_JSON, HTTP_TEXT, false},
		{"application/json;q=0.3, text/plain", HTTP_JSON, HTTP_TEXT, false},
		{"text/plain;q=0.3,application/json ; q=0.4", HTTP_JSON, HTTP_TEXT, true},
		{"application/json;q=nan", HTTP_JSON, HTTP_TEXT, false},
		{"application/json;q=7", HTTP_JSON, HTTP_TEXT, false},
		/* What Prometheus 2 and 3 say. */
		{"application/openmetrics-text;version=1.0.0;q=0.5,"
		 "application/openmetrics-text;version=0.0.1;q=0.4,"
		 "text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
		 HTTP_OPENMETRICS, HTTP_TEXT, true},
		{"text/plain;version=0.0.4;q=0.5,*/*;q=0.1", HTTP_OPENMETRICS, HTTP_TEXT,
		 false},
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
		 HTTP_HTML, HTTP_JSON, true},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *text = mem_printf(
			"GET / HTTP/1.1\r\n" H "Accept: %s\r\n\r\n", tests[i].accept);
		KUDEV_AUTO_FREE char *head = NULL;
		struct http_request request;

		assert_int_equal(parse(text, &head, &request), 0);
		assert_int_equal(http_request_prefers(&request, tests[i].content,
						      tests[i].other),
				 tests[i].preferred);
	}
}

static void a_parameter_is_found_and_decoded(void **state)
{
	static const struct {
		const char *query;
		const char *value; /* of "a"; NULL: it has none */
	} tests[] = {
		{"", NULL},	    {"b=1", NULL},    {"a", NULL},
		{"a=", ""},	    {"a=1", "1"},     {"b&a=1", "1"},
		{"aa=2&a=1", "1"},  {"a=1&a=2", "1"}, {"a=x+y%20z", "x y z"},
		{"a=%41%2f", "A/"}, {"a=%4", NULL},   {"a=%", NULL},
		{"a=%zz", NULL},    {"a=%00", NULL},  {"a=%01", "\x01"},
		{"a=b=c", "b=c"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		struct http_request request = {.query = tests[i].query};
		KUDEV_AUTO_FREE char *value = http_request_parameter(&request, "a");

		if (tests[i].value)
			assert_string_equal(value, tests[i].value);
		else
			assert_null(value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_ends_with_an_empty_line),
		cmocka_unit_test(what_matters_of_a_request_is_found),
		cmocka_unit_test(what_is_no_request_is_refused),
		cmocka_unit_test(the_content_that_is_wanted_most_is_found),
		cmocka_unit_test(a_parameter_is_found_and_decoded),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
