/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/util.h"

static void setting_returns_the_negative_errno(void **state)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	(void)state;
	assert_int_equal(error_set(&err, EINVAL, "count %d", 3), -EINVAL);
	assert_int_equal(err.code, EINVAL);
	assert_string_equal(error_message(&err), "count 3");
	assert_int_equal(error_set_errno(&err, ENOENT, "cannot open %s", "/x"), -ENOENT);
	assert_int_equal(err.code, ENOENT);
	assert_string_equal(error_message(&err),
			    "cannot open /x: No such file or directory");
}

static void nobody_has_to_ask_for_the_error(void **state)
{
	(void)state;
	assert_int_equal(error_set(NULL, EINVAL, "x"), -EINVAL);
	assert_int_equal(error_set_errno(NULL, EIO, "x"), -EIO);
	error_clear(NULL);
}

static void a_message_may_be_made_of_the_one_before(void **state)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	(void)state;
	error_set(&err, EIO, "inner");
	error_set_errno(&err, ENOENT, "<%s>", error_message(&err));
	assert_string_equal(error_message(&err), "<inner>: No such file or directory");
}

static void clearing_leaves_it_unset(void **state)
{
	struct error err = {0};

	(void)state;
	assert_string_equal(error_message(&err), "no error");
	error_set(&err, EIO, "x");
	error_clear(&err);
	assert_int_equal(err.code, 0);
	assert_string_equal(error_message(&err), "no error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(setting_returns_the_negative_errno),
		cmocka_unit_test(nobody_has_to_ask_for_the_error),
		cmocka_unit_test(a_message_may_be_made_of_the_one_before),
		cmocka_unit_test(clearing_leaves_it_unset),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
