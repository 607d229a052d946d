/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_CONFIG_H
#define KUDEV_TEST_CONFIG_H

/*
 * What the tests of the configuration share: texts with the exact diagnostics that they
 * must bring forth, and configurations that must come out of a text.
 */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "config/load.h"

/* The name under which the texts are parsed. */
#define TEST_FILE "t"

struct parse_case {
	const char *text;
	const char *expected; /* all diagnostics, a line each; NULL: none */
};

static inline void check_parse(const struct parse_case *test, bool lenient)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	KUDEV_AUTO(config_free) struct config *config = NULL;
	KUDEV_AUTO_FREE char *got = NULL;
	int r;

	r = config_parse(test->text, strlen(test->text), TEST_FILE, lenient, &config,
			 &diagnostics);
	got = diagnostics_text(&diagnostics);
	if (strcmp(got, test->expected ? test->expected : "") != 0)
		print_message("for: %s\n", test->text);
	assert_string_equal(got, test->expected ? test->expected : "");
	assert_int_equal(r == 0, diagnostics.errors == 0);
	assert_int_equal(r == 0, config != NULL);
}

static inline void check_parses(const struct parse_case *tests, size_t count,
				bool lenient)
{
	for (size_t i = 0; i < count; i++)
		check_parse(&tests[i], lenient);
}

/* A text that must be accepted without a word. The caller frees the result. */
static inline struct config *parse_good(const char *text)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	struct config *config = NULL;
	KUDEV_AUTO_FREE char *got = NULL;

	(void)config_parse(text, strlen(text), TEST_FILE, false, &config, &diagnostics);
	got = diagnostics_text(&diagnostics);
	assert_string_equal(got, "");
	assert_non_null(config);
	return config;
}

#endif
