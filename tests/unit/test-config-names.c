/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "config/names.h"

#define CHARS_21 "aaaaaaaaaaaaaaaaaaaaa"
#define CHARS_63 CHARS_21 CHARS_21 CHARS_21
#define CHARS_64 CHARS_63 "a"
/* 4 × 61 = 244 characters, the most that leaves room for "requests.". */
#define LABEL_60 CHARS_21 CHARS_21 "aaaaaaaaaaaaaaaaaa"
#define DOMAIN_244 LABEL_60 "." LABEL_60 "." LABEL_60 "." LABEL_60 "a"

struct name_case {
	const char *name;
	const char *expected; /* the error; NULL: the name is good */
};

static void check_names(const struct name_case *tests, size_t count,
			int (*check)(const char *name, struct error *err))
{
	for (size_t i = 0; i < count; i++) {
		KUDEV_AUTO_ERROR struct error err = {0};
		int r = check(tests[i].name, &err);

		assert_string_equal(r < 0 ? error_message(&err) : "good",
				    tests[i].expected ? tests[i].expected : "good");
		assert_int_equal(r, tests[i].expected ? -EINVAL : 0);
	}
}

#define NO_NAME "is no name: it may hold letters, digits, -, _ and . only"
#define NO_DOMAIN "is no domain: it may hold lower-case letters, digits, - and . only"
#define NO_LABEL \
	"is no domain: each part between dots must begin and end with a letter or digit"
#define NO_KIND \
	"is no kind of CDI devices: it must begin with a letter, before the / and behind it"
#define NO_ENV "is no environment variable: it may hold letters, digits, _, - and . only"
#define NO_END "is no name: it must begin and end with a letter or digit"

static void resources_are_those_that_the_kubelet_takes(void **state)
{
	static const struct name_case tests[] = {
		{"ex.com/foo", NULL},
		{"ex.com/Foo_1.x-y", NULL},
		{"e/f", NULL},
		{"ex.com/" CHARS_63, NULL},
		{DOMAIN_244 "/a", NULL},
		{"kubernetes.io.ex.com/foo", NULL},
		/* The eight that a real kubelet was seen to refuse. */
		{"foo", "\"foo\" is no resource name: write domain/name"},
		{"kubernetes.io/foo",
		 "\"kubernetes.io\" ends with \"kubernetes.io\", which Kubernetes reserves"},
		{"x.kubernetes.io/foo",
		 "\"x.kubernetes.io\" ends with \"kubernetes.io\", which Kubernetes reserves"},
		{"requests.ex.com/foo",
		 "\"requests.ex.com\" begins with \"requests.\", which Kubernetes reserves"},
		{"Ex.com/foo", "\"Ex.com\" " NO_DOMAIN},
		{"ex.com/" CHARS_64,
		 "\"" CHARS_64 "\" has 64 characters, 63 at most are allowed"},
		{"ex.com/foo bar", "\"foo bar\" " NO_NAME},
		{"", "\"\" is no resource name: write domain/name"},
		/* And others. */
		{"akubernetes.io/foo",
		 "\"akubernetes.io\" ends with \"kubernetes.io\", which Kubernetes reserves"},
		{"ex.com/a/b",
		 "\"ex.com/a/b\" is no resource name: it has more than one /"},
		{"/foo", "\"\" is no domain: it is empty"},
		{"ex.com/", "\"\" is no name: it is empty"},
		{"ex.com/-a", "\"-a\" " NO_END},
		{"ex.com/a.", "\"a.\" " NO_END},
		{"-ex.com/a", "\"-ex.com\" " NO_LABEL},
		{"ex..com/a", "\"ex..com\" " NO_LABEL},
		{"ex.com./a", "\"ex.com.\" " NO_LABEL},
		{"ex_y.com/a", "\"ex_y.com\" " NO_DOMAIN},
	};

	(void)state;
	check_names(tests, KUDEV_ARRAY_SIZE(tests), resource_name_check);
}

static void kinds_are_resources_that_begin_with_letters(void **state)
{
	static const struct name_case tests[] = {
		{"ex.com/a", NULL},
		{"e/A_b.c-1", NULL},
		{"3com.com/a", "\"3com.com/a\" " NO_KIND},
		{"ex.com/3d", "\"ex.com/3d\" " NO_KIND},
	};
	KUDEV_AUTO_ERROR struct error err = {0};

	(void)state;
	check_names(tests, KUDEV_ARRAY_SIZE(tests), cdi_kind_check);
	/* The name of its file would not fit. */
	assert_int_equal(cdi_kind_check(DOMAIN_244 "/a", &err), -EINVAL);
	assert_non_null(strstr(error_message(&err), "has 246 characters, 237 at most"));
}

static void domain_leaves_room_for_the_quota_prefix(void **state)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	(void)state;
	assert_int_equal(strlen(DOMAIN_244), 244);
	assert_int_equal(domain_name_check(DOMAIN_244, NULL), 0);
	assert_int_equal(domain_name_check(DOMAIN_244 "a", &err), -EINVAL);
	assert_non_null(strstr(error_message(&err), "has 245 characters, 244 at most"));
}

static void variables_are_those_that_kubernetes_takes(void **state)
{
	static const struct name_case tests[] = {
		{"A", NULL},
		{"_a1", NULL},
		{"my.var-x", NULL},
		{"-x", NULL},
		{".x", NULL},
		{"", "\"\" is no environment variable: it is empty"},
		{"1A", "\"1A\" is no environment variable: it begins with a digit"},
		{"A B", "\"A B\" " NO_ENV},
		{"A=B", "\"A=B\" " NO_ENV},
		{"\xc3\xbc", "\"\xc3\xbc\" " NO_ENV},
		{".",
		 "\".\" is no environment variable: Kubernetes refuses \".\" and names "
		 "that begin with \"..\""},
		{"..",
		 "\"..\" is no environment variable: Kubernetes refuses \".\" and names "
		 "that begin with \"..\""},
		{"..a",
		 "\"..a\" is no environment variable: Kubernetes refuses \".\" and "
		 "names that begin with \"..\""},
	};

	(void)state;
	check_names(tests, KUDEV_ARRAY_SIZE(tests), env_name_check);
}

static void annotations_are_qualified_names_in_any_case(void **state)
{
	static const struct name_case tests[] = {
		{"a", NULL},
		{"hashfoundry.com/device-allocated", NULL},
		{"Ex.COM/Name", NULL},
		{"kubernetes.io/a", NULL},
		{CHARS_63, NULL},
		{CHARS_64, "\"" CHARS_64 "\" has 64 characters, 63 at most are allowed"},
		{"", "\"\" is no name: it is empty"},
		{"a/b/c", "\"a/b/c\" is no annotation: it has more than one /"},
		{"/a", "\"\" is no domain: it is empty"},
		{"a/", "\"\" is no name: it is empty"},
		{"a_b/c", "\"a_b\" " NO_DOMAIN},
		{"a b", "\"a b\" " NO_NAME},
	};

	(void)state;
	check_names(tests, KUDEV_ARRAY_SIZE(tests), annotation_key_check);
}

static void classes_are_the_name_part_of_a_resource(void **state)
{
	static const struct name_case tests[] = {
		{"fuse", NULL},
		{"f", NULL},
		{"a.b_c-D", NULL},
		{CHARS_63, NULL},
		{"a/b", "\"a/b\" " NO_NAME},
		{"_a", "\"_a\" " NO_END},
		{"", "\"\" is no name: it is empty"},
	};

	(void)state;
	check_names(tests, KUDEV_ARRAY_SIZE(tests), class_name_check);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resources_are_those_that_the_kubelet_takes),
		cmocka_unit_test(kinds_are_resources_that_begin_with_letters),
		cmocka_unit_test(domain_leaves_room_for_the_quota_prefix),
		cmocka_unit_test(variables_are_those_that_kubernetes_takes),
		cmocka_unit_test(annotations_are_qualified_names_in_any_case),
		cmocka_unit_test(classes_are_the_name_part_of_a_resource),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
