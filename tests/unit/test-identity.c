/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/strings.h"
#include "base/util.h"
#include "device/identity.h"

#define MAX_PATHS 3

static size_t count_paths(const char *const *paths)
{
	size_t count = 0;

	while (paths[count])
		count++;
	return count;
}

static void squat_ids_are_those_of_generic_device_plugin(void **state)
{
	/* Computed with its code. */
	static const struct {
		unsigned copy;
		const char *paths[MAX_PATHS];
		const char *expected;
	} tests[] = {
		{0, {"/dev/fuse"}, "a68db766f638034740111848aafee2d2dcd6b642"},
		{9, {"/dev/fuse"}, "bd6ee27a4355ad16a10fab1ffbeb436b0d07000f"},
		{0,
		 {"/dev/snd/controlC0", "/dev/snd/pcmC0D0c"},
		 "8e312365c4c43caed695c0e3bad2b52cb3dd6fa4"},
		{0, {"/dev/bus/usb/003/022"}, "eface26afd7952c41e1b3baa744fb543353eedb0"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *got =
			identity_of_paths(CONFIG_IDS_SQUAT, tests[i].paths,
					  count_paths(tests[i].paths), tests[i].copy, 10);

		assert_string_equal(got, tests[i].expected);
	}
}

static void legacy_ids_are_the_path_and_the_copy(void **state)
{
	const char *const paths[] = {"/dev/video0"};
	KUDEV_AUTO_FREE char *first = identity_of_paths(CONFIG_IDS_SQUAT_LEGACY, paths, 1,
							0, 1);
	KUDEV_AUTO_FREE char *fifth = identity_of_paths(CONFIG_IDS_SQUAT_LEGACY, paths, 1,
							4, 5);

	(void)state;
	assert_string_equal(first, "/dev/video0-0");
	assert_string_equal(fifth, "/dev/video0-4");
}

/* These are in the checkpoints of kubelets: a change of one loses the devices of pods. */
static void readable_ids_stay_what_they_are(void **state)
{
	static const struct {
		unsigned copy, copies;
		const char *paths[MAX_PATHS];
		const char *expected;
	} tests[] = {
		{0, 1, {"/dev/fuse"}, "fuse"},
		{0, 2, {"/dev/fuse"}, "fuse-0"},
		{99, 100, {"/dev/fuse"}, "fuse-99"},
		{0, 1, {"/dev/dri/renderd128"}, "dri-renderd128"},
		{0, 1, {"/dev/bus/usb/003/022"}, "bus-usb-003-022"},
		/* What could be another path's as well has a hash: sha1("<path>\n"). */
		{0, 1, {"/dev/a-b"}, "a-b-b979b97bea"},
		{0, 1, {"/dev/a_b"}, "a-b-96371860b4"},
		{0, 1, {"/dev/.hidden"}, "hidden-e6f18afe49"},
		{0, 1, {"/dev/\xc3\xa4"}, "9cc41329cc"},
		{0, 1, {"/opt/fuse"}, "opt-fuse-8aadef3f8d"},
		{1, 2, {"/dev/a-b"}, "a-b-b979b97bea-1"},
		{0, 1, {"/dev/a", "/dev/b"}, "a-a7832a4bd1"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *got = identity_of_paths(
			CONFIG_IDS_READABLE, tests[i].paths, count_paths(tests[i].paths),
			tests[i].copy, tests[i].copies);

		assert_string_equal(got, tests[i].expected);
	}
}

static bool is_dns_label(const char *text)
{
	size_t length = strlen(text);

	if (length == 0 || length > IDENTITY_MAX_LENGTH || text[0] == '-' ||
	    text[length - 1] == '-')
		return false;
	for (; *text; text++) {
		if (!islower((unsigned char)*text) && !isdigit((unsigned char)*text) &&
		    *text != '-')
			return false;
	}
	return true;
}

/* Paths that look alike. */
static const char *const similar[] = {
	"/dev/a/b",
	"/dev/a-b",
	"/dev/a_b",
	"/dev/a.b",
	"/dev/a--b",
	"/dev/a-/b",
	"/dev/-a/b",
	"/dev/a/b-",
	"/dev/a b",
	"/dev/a/.b",
	"/opt/a/b",
	"/a/b",
	"/dev/dev/a/b",
	"/device/a/b",
	"/dev/a\nb",
	"/dev/---",
	"/dev/...",
	"/dev/\xff",
	"/dev/\xc3\xa4",
	"/dev/a/b/1",
	"/dev/a/b/0",
	"/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port0",
	"/dev/serial/by-id/usb-FTDI_FT232R_USB_UART_A50285BI-if00-port1",
	"/dev/serial/by-path/pci-0000:00:14.0-usb-0:1.2.3.4:1.0-port0",
	"/dev/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	"/dev/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	"/dev/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	"/dev/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/x",
};

static void readable_ids_are_dns_labels_of_their_own(void **state)
{
	KUDEV_AUTO_STRINGS struct strings ids = {0};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(similar); i++) {
		char *id = identity_of_paths(CONFIG_IDS_READABLE, &similar[i], 1, 0, 1);
		KUDEV_AUTO_FREE char *last = identity_of_paths(
			CONFIG_IDS_READABLE, &similar[i], 1, 999998, 999999);

		if (!is_dns_label(id) || !is_dns_label(last) || strings_contain(&ids, id))
			print_message("%s: %s, %s\n", similar[i], id, last);
		assert_true(is_dns_label(id));
		assert_true(is_dns_label(last));
		assert_false(strings_contain(&ids, id));
		strings_take(&ids, id);
	}
}

static void lists_of_paths_do_not_run_into_each_other(void **state)
{
	static const char *const lists[][MAX_PATHS] = {
		{"/dev/a", "/dev/b"},
		{"/dev/a", "/dev/c"},
		{"/dev/a/dev/b"},
		{"/dev/a", "/dev", "/b"},
	};
	KUDEV_AUTO_STRINGS struct strings ids = {0};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(lists); i++) {
		size_t count = lists[i][MAX_PATHS - 1] ? MAX_PATHS
						       : count_paths(lists[i]);
		char *id = identity_of_paths(CONFIG_IDS_READABLE, lists[i], count, 0, 1);

		assert_false(strings_contain(&ids, id));
		strings_take(&ids, id);
	}
}

static void ids_of_texts_stay_what_they_are(void **state)
{
	static const struct {
		const char *text;
		const char *expected;
	} tests[] = {
		{"ttyACM0", "ttyacm0"},
		{"snd/controlC0", "snd-controlc0"},
		{"0403-6001-A50285BI-if00-ttyUSB", "0403-6001-a50285bi-if00-ttyusb"},
		{"pci-0000:00:14.0-usb2-1.2", "pci-0000-00-14-0-usb2-1-2"},
		{"naa.5000c500a1b2c3d4-disk", "naa-5000c500a1b2c3d4-disk"},
		{"SN 1_2", "sn-1-2"},
		/* Where a label says too little: sha1 of the text. */
		{"A+B", "a-b-b7a28fe506"},
		{"A--B", "a-b-480e16c77e"},
		{"-A", "a-1f4f565141"},
		{"\xc3\xa4", "961fa22f61"},
		{"", "da39a3ee5e"},
		{"+", "a979ef10cc"},
		{"01234567890123456789012345678901234567890123456789012345",
		 "01234567890123456789012345678901234567890123456789012345"},
		{"012345678901234567890123456789012345678901234567890123456",
		 "012345678901234567890123456789012345678901234-46cc79601f"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *got = identity_of_text(tests[i].text, 0, 1);

		assert_string_equal(got, tests[i].expected);
	}
}

static void ids_of_texts_are_dns_labels_of_their_own(void **state)
{
	static const char *const texts[] = {
		"",
		"-",
		"+",
		"++",
		"a",
		"a-",
		"-a",
		"a--",
		"+a",
		"a+",
		"a-b",
		"a+b",
		"a--b",
		"a-+b",
		"a b c+",
		"\xff",
		"\n",
		"\xff\xff",
		"a\tb",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-aaaaaaaaaaaaaaaaaaaaaaaa",
	};
	KUDEV_AUTO_STRINGS struct strings ids = {0};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(texts); i++) {
		char *id = identity_of_text(texts[i], 0, 1);
		KUDEV_AUTO_FREE char *last = identity_of_text(texts[i], 999998, 999999);

		if (!is_dns_label(id) || !is_dns_label(last) || strings_contain(&ids, id))
			print_message("%s: %s, %s\n", texts[i], id, last);
		assert_true(is_dns_label(id));
		assert_true(is_dns_label(last));
		assert_false(strings_contain(&ids, id));
		strings_take(&ids, id);
	}
}

static void copies_of_a_text_are_numbered(void **state)
{
	KUDEV_AUTO_FREE char *alone = identity_of_text("S1", 0, 1);
	KUDEV_AUTO_FREE char *first = identity_of_text("S1", 0, 2);
	KUDEV_AUTO_FREE char *second = identity_of_text("S1", 1, 2);

	(void)state;
	assert_string_equal(alone, "s1");
	assert_string_equal(first, "s1-0");
	assert_string_equal(second, "s1-1");
}

static void simulated_ids_are_class_index_and_copy(void **state)
{
	KUDEV_AUTO_FREE char *one = identity_of_simulated("cam", 7, 0, 1);
	KUDEV_AUTO_FREE char *two = identity_of_simulated("cam", 7, 1, 2);
	KUDEV_AUTO_FREE char *longest = identity_of_simulated(
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 99999,
		999, 1000);

	(void)state;
	assert_string_equal(one, "cam-7");
	assert_string_equal(two, "cam-7-1");
	assert_true(strlen(longest) <= IDENTITY_MAX_LENGTH);
	assert_non_null(strstr(longest, "-99999-999"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(squat_ids_are_those_of_generic_device_plugin),
		cmocka_unit_test(legacy_ids_are_the_path_and_the_copy),
		cmocka_unit_test(readable_ids_stay_what_they_are),
		cmocka_unit_test(readable_ids_are_dns_labels_of_their_own),
		cmocka_unit_test(lists_of_paths_do_not_run_into_each_other),
		cmocka_unit_test(ids_of_texts_stay_what_they_are),
		cmocka_unit_test(ids_of_texts_are_dns_labels_of_their_own),
		cmocka_unit_test(copies_of_a_text_are_numbered),
		cmocka_unit_test(simulated_ids_are_class_index_and_copy),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
