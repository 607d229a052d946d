/* SPDX-License-Identifier: Apache-2.0 */
#include "config/cameras.h"
#include "config/class.h"
#include "test-config.h"

/* A class of cameras with these keys, and a second one. */
#define CAMERAS(keys) "classes:\n- name: a\n  v4l2loopback: {" keys "}\n"
#define SECOND(keys) "- name: b\n  v4l2loopback: {" keys "}\n"

#define DIGITS_28 "1234567890123456789012345678"

static void defaults_are_those_of_the_manual(void **state)
{
	KUDEV_AUTO(config_free) struct config *config = parse_good(CAMERAS(""));
	const struct config_class *class = &config->classes[0];
	const struct config_v4l2loopback *cameras = &class->v4l2loopback;

	(void)state;
	assert_int_equal(class->source, CONFIG_SOURCE_V4L2LOOPBACK);
	assert_string_equal(class->permissions, "rw");
	assert_null(class->mount_path);
	assert_int_equal(cameras->count, 1);
	assert_int_equal(cameras->first_number, 10);
	assert_string_equal(template_text(cameras->label), "{class} {index}");
	assert_true(cameras->exclusive_caps);
	assert_int_equal(cameras->buffers, 2);
	assert_int_equal(cameras->openers, 10);
	assert_int_equal(cameras->min_width, 2);
	assert_int_equal(cameras->min_height, 1);
	assert_int_equal(cameras->max_width, 8192);
	assert_int_equal(cameras->max_height, 8192);
	assert_int_equal(cameras->mode, 0666);
	assert_string_equal(cameras->owner, "");
	assert_string_equal(cameras->group, "");
	assert_int_equal(cameras->reset, CONFIG_RESET_SOFT);
	assert_int_equal(cameras->fallback, CONFIG_FALLBACK_DUMMY);
	assert_string_equal(cameras->fallback_prefix, "/dev/dummy-video");
	assert_int_equal(cameras->timeout_ms, 60000);
}

static void every_key_is_kept(void **state)
{
	KUDEV_AUTO(config_free)
	struct config *config = parse_good(CAMERAS(
		"count: 8, firstNumber: 20, label: \"Cam {index}\", exclusiveCaps: false, "
		"buffers: 32, openers: 3, minWidth: 16, minHeight: 8, maxWidth: 1920, "
		"maxHeight: 1080, mode: 0640, owner: root, group: 44, reset: none, "
		"fallback: none, fallbackPrefix: /dev/none/x, timeout: 5s") "  share: 2\n"
									    "  mountPath: /dev/video0\n  permissions: r\n");
	const struct config_class *class = &config->classes[0];
	const struct config_v4l2loopback *cameras = &class->v4l2loopback;
	const char *label = cameras->labels.items[7];

	(void)state;
	assert_int_equal(class->share, 2);
	assert_string_equal(class->permissions, "r");
	assert_string_equal(template_text(class->mount_path), "/dev/video0");
	assert_int_equal(cameras->count, 8);
	assert_int_equal(cameras->first_number, 20);
	assert_string_equal(label, "Cam 7");
	assert_false(cameras->exclusive_caps);
	assert_int_equal(cameras->buffers, 32);
	assert_int_equal(cameras->openers, 3);
	assert_int_equal(cameras->min_width, 16);
	assert_int_equal(cameras->min_height, 8);
	assert_int_equal(cameras->max_width, 1920);
	assert_int_equal(cameras->max_height, 1080);
	assert_int_equal(cameras->mode, 0640);
	assert_string_equal(cameras->owner, "root");
	assert_string_equal(cameras->group, "44");
	assert_int_equal(cameras->reset, CONFIG_RESET_NONE);
	assert_int_equal(cameras->fallback, CONFIG_FALLBACK_NONE);
	assert_string_equal(cameras->fallback_prefix, "/dev/none/x");
	assert_int_equal(cameras->timeout_ms, 5000);
}

static void numbers_are_those_that_v4l2loopback_takes(void **state)
{
	static const struct parse_case tests[] = {
		{CAMERAS("firstNumber: 0, count: 256"), NULL},
		{CAMERAS("firstNumber: 255"), NULL},
		{CAMERAS("count: 0"), "t:3:25: count: must be 1 to 256, not 0\n"},
		{CAMERAS("count: 257, firstNumber: 0"),
		 "t:3:25: count: must be 1 to 256, not 257\n"},
		{CAMERAS("firstNumber: 256"),
		 "t:3:31: firstNumber: must be 0 to 255, not 256\n"},
		{CAMERAS("count: 3, firstNumber: 254"),
		 "t:3:28: the last of 3 cameras from /dev/video254 on would be "
		 "/dev/video256, but v4l2loopback takes numbers up to 255\n"},
		{CAMERAS("count: 247"),
		 "t:3:18: the last of 247 cameras from /dev/video10 on would be "
		 "/dev/video256, but v4l2loopback takes numbers up to 255\n"},
		{CAMERAS("buffers: 0"), "t:3:27: buffers: must be 1 to 32, not 0\n"},
		{CAMERAS("buffers: 33"), "t:3:27: buffers: must be 1 to 32, not 33\n"},
		{CAMERAS("openers: 0"),
		 "t:3:27: openers: must be 1 to 2147483647, not 0\n"},
		{CAMERAS("minWidth: 1"), "t:3:28: minWidth: must be 2 to 16384, not 1\n"},
		{CAMERAS("maxHeight: 16385"),
		 "t:3:29: maxHeight: must be 1 to 16384, not 16385\n"},
		{CAMERAS("minWidth: 640, maxWidth: 640"), NULL},
		{CAMERAS("minWidth: 8193"),
		 "t:3:18: minWidth 8193 is greater than maxWidth 8192\n"},
		{CAMERAS("maxHeight: 10, minHeight: 11"),
		 "t:3:33: minHeight 11 is greater than maxHeight 10\n"},
		{CAMERAS("timeout: 60"),
		 "t:3:27: timeout: \"60\" is no time: write a whole number and ms, s, m or "
		 "h, as in 30s\n"},
		{CAMERAS("timeout: 10m"), NULL},
		{CAMERAS("timeout: 999ms"),
		 "t:3:27: timeout: must be 1000ms to 600s, not 999ms\n"},
		{CAMERAS("timeout: 601s"),
		 "t:3:27: timeout: must be 1000ms to 600s, not 601s\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

static void words_are_known(void **state)
{
	static const struct parse_case tests[] = {
		{CAMERAS("exclusiveCaps: 1"),
		 "t:3:33: exclusiveCaps: expected true or false, got \"1\"; write true\n"},
		{CAMERAS("reset: hard"),
		 "t:3:25: reset: must be soft, recreate or none, not \"hard\"\n"},
		{CAMERAS("reset: recreate"), NULL},
		{CAMERAS("fallback: \"yes\""),
		 "t:3:28: fallback: must be dummy or none, not \"yes\"\n"},
		{CAMERAS("lable: a"),
		 "t:3:18: unknown key \"lable\"; did you mean \"label\"?\n"},
		{"classes:\n- name: a\n  v4l2loopback: 8\n",
		 "t:3:17: v4l2loopback: expected a mapping, got \"8\"\n"},
		{"classes:\n- name: a\n  v4l2loopback:\n",
		 "t:3:16: v4l2loopback: has no value\n"},
		{CAMERAS("") "  identity: serial\n",
		 "t:4:3: identity: is for classes with match; the devices of this one are "
		 "known by their paths\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

static void a_mode_is_octal_and_says_so(void **state)
{
	static const struct {
		const char *text, *expected; /* NULL: it is 0640 */
	} tests[] = {
		{"0640", NULL},
		{"\"0640\"", NULL},
		{"640", "write \"0640\", not \"640\""},
		{"0o640", "write \"0640\", not \"0o640\""},
		{"01777", "\"01777\" is more than permission bits, 0777 at most"},
		{"4755", "\"4755\" is more than permission bits, 0777 at most"},
		{"0680",
		 "\"0680\" is no mode: write a zero and three octal digits, such as \"0666\""},
		{"rw-rw----",
		 "\"rw-rw----\" is no mode: write a zero and three octal digits, such as "
		 "\"0666\""},
		{"\"\"",
		 "\"\" is no mode: write a zero and three octal digits, such as \"0666\""},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *text = mem_printf(CAMERAS("mode: %s"),
							tests[i].text);
		KUDEV_AUTO_FREE char *expected = mem_printf("t:3:24: mode: %s\n",
							    tests[i].expected);
		KUDEV_AUTO(config_free) struct config *config = NULL;

		if (tests[i].expected) {
			check_parse(&(struct parse_case){text, expected}, false);
			continue;
		}
		config = parse_good(text);
		assert_int_equal(config->classes[0].v4l2loopback.mode, 0640);
	}
}

static void owners_are_names_or_numbers(void **state)
{
	static const struct parse_case tests[] = {
		{CAMERAS("owner: 0, group: 4294967294"), NULL},
		{CAMERAS("owner: \"\", group: systemd-network"), NULL},
		{CAMERAS("owner: 4294967295"),
		 "t:3:25: owner: \"4294967295\" is no user or group ID\n"},
		{CAMERAS("owner: 99999999999"),
		 "t:3:25: owner: \"99999999999\" is no user or group ID\n"},
		{CAMERAS("group: 044"),
		 "t:3:25: group: \"044\" is no user or group ID\n"},
		{CAMERAS("group: -1"),
		 "t:3:25: group: \"-1\" is no name of a user or group\n"},
		{CAMERAS("group: 4video"),
		 "t:3:25: group: \"4video\" is no name of a user or group\n"},
		{CAMERAS("group: \"root:video\""),
		 "t:3:25: group: \"root:video\" is no name of a user or group\n"},
		{CAMERAS("owner: a" DIGITS_28 "1234"),
		 "t:3:25: owner: the name has 33 characters, 32 at most are allowed\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

static void a_label_fits_the_kernels_record_for_every_camera(void **state)
{
	static const struct parse_case tests[] = {
		{CAMERAS("label: \"" DIGITS_28 "{index}{{}}\""), NULL},
		{CAMERAS("label: \"{id} {index} {class} {resource}\""), NULL},
		{CAMERAS("label: \"" DIGITS_28 "123\", count: 20"), NULL},
		{CAMERAS("label: \"" DIGITS_28 "1234\""),
		 "t:2:3: label of video10: \"" DIGITS_28
		 "1234\" has 32 bytes, 31 at most are allowed\n"},
		{CAMERAS("label: \"" DIGITS_28 "12{index}\", count: 10"), NULL},
		{CAMERAS("label: \"" DIGITS_28 "12{index}\", count: 11"),
		 "t:2:3: label of video20: \"" DIGITS_28
		 "1210\" has 32 bytes, 31 at most are allowed\n"},
		{"classes:\n- name: a" DIGITS_28 "9\n  v4l2loopback: {count: 2}\n",
		 "t:2:3: label of video10: \"a" DIGITS_28
		 "9 0\" has 32 bytes, 31 at most are allowed\n"},
		/* Sixteen letters of two bytes. */
		{CAMERAS("label: \303\251\303\251\303\251\303\251\303\251\303\251\303\251\303"
			 "\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251"),
		 "t:2:3: label of video10: \"\303\251\303\251\303\251\303\251\303\251\303\251"
		 "\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303\251\303"
		 "\251\" has 32 bytes, 31 at most are allowed\n"},
		{CAMERAS("label: \"\""), "t:2:3: label of video10: the label is empty\n"},
		/* There is no name of a node here. */
		{CAMERAS("label: \"{node}\""),
		 "t:2:3: label of video10: the label is empty\n"},
		{CAMERAS("label: \"a\\tb\""),
		 "t:2:3: label of video10: \"a\\tb\" holds a control character\n"},
		{CAMERAS("label: " DIGITS_28 DIGITS_28 DIGITS_28 DIGITS_28 DIGITS_28
				 DIGITS_28 DIGITS_28 DIGITS_28 DIGITS_28 DIGITS_28),
		 "t:3:25: label: has 280 bytes, far more than a label can\n"},
		{CAMERAS("label: \"{path}\""),
		 "t:3:25: label: variable {path} at character 1 cannot be used here; "
		 "available: id, index, class, resource and node\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

static void a_label_is_utf8(void **state)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	(void)state;
	assert_int_equal(camera_label_check("Kamera f\303\274r alle", NULL), 0);
	assert_int_equal(camera_label_check("a\303", &err), -EINVAL);
	assert_string_equal(error_message(&err), "\"a\\xc3\" is not valid UTF-8");
}

static void dummies_have_a_place_below_dev(void **state)
{
	static const struct parse_case tests[] = {
		{CAMERAS("fallbackPrefix: /dev/dummy/video"), NULL},
		{CAMERAS("fallbackPrefix: dummy"),
		 "t:3:34: fallbackPrefix: \"dummy\" is not an absolute path: it must begin "
		 "with /\n"},
		{CAMERAS("fallbackPrefix: /tmp/dummy"),
		 "t:3:34: fallbackPrefix: \"/tmp/dummy\" is not below /dev/\n"},
		{CAMERAS("fallbackPrefix: /dev"),
		 "t:3:34: fallbackPrefix: \"/dev\" is not below /dev/\n"},
		{CAMERAS("fallbackPrefix: /dev/../etc/x"),
		 "t:3:34: fallbackPrefix: \"/dev/../etc/x\" holds \"..\": write the path "
		 "without it\n"},
		{CAMERAS("fallbackPrefix: /dev//x"),
		 "t:3:34: fallbackPrefix: write it as /dev/x\n"},
		{CAMERAS("fallbackPrefix: /dev/dummies/"),
		 "t:3:34: fallbackPrefix: \"/dev/dummies/\" ends with a /: the number of the "
		 "camera follows, which alone is no good name\n"},
		{CAMERAS("fallbackPrefix: /dev/video"),
		 "t:3:34: fallbackPrefix: \"/dev/video\" is the prefix of real cameras\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

static void no_camera_is_of_two_classes(void **state)
{
	static const struct parse_case tests[] = {
		{CAMERAS("count: 10") SECOND("firstNumber: 20"), NULL},
		{CAMERAS("firstNumber: 20") SECOND("count: 10"), NULL},
		{CAMERAS("count: 10") SECOND("firstNumber: 19"),
		 "t:4:3: two classes would make /dev/video19, the first is at 2:3; give one of them another firstNumber\n"},
		{CAMERAS("firstNumber: 19") SECOND("count: 10"),
		 "t:4:3: two classes would make /dev/video19, the first is at 2:3; give one of them another firstNumber\n"},
		{CAMERAS("count: 10") SECOND("count: 10, fallback: none"),
		 "t:4:3: two classes would make /dev/video10, the first is at 2:3; give one of them another firstNumber\n"},
		{CAMERAS("") SECOND("firstNumber: 11") "- name: c\n  v4l2loopback: "
						       "{count: 2}\n",
		 "t:6:3: two classes would make /dev/video10, the first is at 2:3; give one of them another firstNumber\n"},
		/* A class that could not be read takes no number. */
		{"classes:\n- name: a\n  v4l2loopback:\n" SECOND(""),
		 "t:3:16: v4l2loopback: has no value\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

static void no_dummy_is_of_two_classes(void **state)
{
	static const struct parse_case tests[] = {
		{CAMERAS("firstNumber: 110, fallbackPrefix: /dev/d")
			 SECOND("fallbackPrefix: /dev/d1"),
		 "t:4:3: two classes would make /dev/d110, the first is at 2:3; give one of them another fallbackPrefix\n"},
		{CAMERAS("fallbackPrefix: /dev/d1")
			 SECOND("firstNumber: 105, count: 20, fallbackPrefix: /dev/d"),
		 "t:4:3: two classes would make /dev/d110, the first is at 2:3; give one of them another fallbackPrefix\n"},
		{CAMERAS("firstNumber: 110, fallbackPrefix: /dev/d, fallback: none")
			 SECOND("fallbackPrefix: /dev/d1"),
		 NULL},
		{CAMERAS("firstNumber: 111, fallbackPrefix: /dev/d")
			 SECOND("fallbackPrefix: /dev/d1"),
		 NULL},
		{CAMERAS("firstNumber: 110, fallbackPrefix: /dev/d")
			 SECOND("fallbackPrefix: /dev/d0"),
		 NULL},
		{CAMERAS("firstNumber: 110, fallbackPrefix: /dev/d")
			 SECOND("fallbackPrefix: /dev/d1x"),
		 NULL},
		{CAMERAS("firstNumber: 110, fallbackPrefix: /dev/d")
			 SECOND("fallbackPrefix: /dev/e1"),
		 NULL},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

static void a_shared_camera_is_not_reset(void **state)
{
	static const struct parse_case tests[] = {
		{CAMERAS("reset: none") "  share: 2\n", NULL},
		{CAMERAS("reset: recreate") "  share: 1\n", NULL},
		{CAMERAS("") "  share: 2\n",
		 "t:4:3: share: a camera that is reset for one container would be reset under "
		 "the others that hold it; say reset: none in v4l2loopback as well\n"},
		{CAMERAS("reset: recreate") "  share: 2\n",
		 "t:4:3: share: a camera that is reset for one container would be reset under "
		 "the others that hold it; say reset: none in v4l2loopback as well\n"},
		{CAMERAS("reset: none, firstNumber: 0, count: 256") "  share: 1000\n",
		 "t:3:3: v4l2loopback: a list of 256 devices for 1000 containers each would "
		 "not fit the 4 MiB of a gRPC message; lower count or share\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

/* Against sizes counted by hand: {1: "video9", 2: "Unhealthy"} and with -0 and -1. */
static void the_size_of_a_list_is_that_of_its_message(void **state)
{
	static const struct {
		unsigned first, count, share;
		uint64_t size;
	} tests[] = {
		{9, 1, 1, 2 + (2 + 6) + 11},
		{9, 3, 1, 3 * (2 + 2 + 11) + 6 + 7 + 7},
		{99, 2, 2, 4 * (2 + 2 + 11) + 2 * (9 + 10)},
	};
	char name[] = "not-in-the-id";

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		const struct config_class class = {
			.name = name,
			.source = CONFIG_SOURCE_V4L2LOOPBACK,
			.share = tests[i].share,
			.v4l2loopback = {.first_number = tests[i].first,
					 .count = tests[i].count},
		};

		assert_int_equal(class_list_size(&class), tests[i].size);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(every_key_is_kept),
		cmocka_unit_test(numbers_are_those_that_v4l2loopback_takes),
		cmocka_unit_test(words_are_known),
		cmocka_unit_test(a_mode_is_octal_and_says_so),
		cmocka_unit_test(owners_are_names_or_numbers),
		cmocka_unit_test(a_label_fits_the_kernels_record_for_every_camera),
		cmocka_unit_test(a_label_is_utf8),
		cmocka_unit_test(dummies_have_a_place_below_dev),
		cmocka_unit_test(no_camera_is_of_two_classes),
		cmocka_unit_test(no_dummy_is_of_two_classes),
		cmocka_unit_test(a_shared_camera_is_not_reset),
		cmocka_unit_test(the_size_of_a_list_is_that_of_its_message),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
