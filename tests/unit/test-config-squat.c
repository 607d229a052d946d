/* SPDX-License-Identifier: Apache-2.0 */
#include "config/squat.h"
#include "test-config.h"

/* A file with one device, the rest of which is the text of a case. */
#define DEVICE "device:\n- name: fuse\n"
#define PATH(rest) DEVICE "  groups: [{paths: [{path: /dev/fuse" rest "}]}]\n"
#define GROUP(rest) DEVICE "  groups: [{" rest "}]\n"

static void sloppiness_is_an_error(void **state)
{
	static const struct parse_case tests[] = {
		{PATH(""), NULL},
		{PATH(", typo: 1"),
		 "t:3:39: unknown key \"typo\"; did you mean \"type\"?\n"},
		{PATH(", type: Socket"),
		 "t:3:45: type: must be Device or Mount, not \"Socket\"\n"},
		{PATH(", permissions: rwx"),
		 "t:3:52: permissions: \"rwx\" is no set of permissions: write some of r, w and m, "
		 "each once\n"},
		{PATH(", type: Mount, permissions: r"),
		 "t:3:52: permissions: has no effect on a Mount; use readOnly\n"},
		{PATH(", readOnly: true"),
		 "t:3:39: readOnly: has no effect on a Device; use permissions\n"},
		{PATH("") "  count: 10\n",
		 "t:4:10: count: has no effect here; it belongs to each of the groups\n"},
		{"foo: bar\n" PATH(""), "t:1:1: unknown key \"foo\"\n"},
	};
	static const struct parse_case lenient[] = {
		{PATH(", typo: 1"),
		 "t:3:39: warning: unknown key \"typo\"; did you mean \"type\"?\n"},
		{PATH(", type: Socket"),
		 "t:3:45: warning: type: must be Device or Mount, not \"Socket\"\n"},
		{PATH(", permissions: rwx"),
		 "t:3:52: warning: permissions: \"rwx\" is no set of permissions: write some of r, "
		 "w and m, each once\n"},
		{PATH("") "  count: 10\n",
		 "t:4:10: warning: count: has no effect here; it belongs to each of the groups\n"},
		{"foo: bar\n" PATH(""), "t:1:1: warning: unknown key \"foo\"\n"},
		/* What squat refuses stays refused. */
		{PATH(", limit: -1"), "t:3:46: limit: must be 0 to 1000000, not -1\n"},
		{DEVICE "  groups: 1\n", "t:3:11: groups: expected a list, got \"1\"\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
	check_parses(lenient, KUDEV_ARRAY_SIZE(lenient), true);
}

static void what_squat_refuses_is_refused(void **state)
{
	static const struct parse_case tests[] = {
		{"device: []\n", "t:1:1: at least one device must be specified\n"},
		{"devices: null\n", "t:1:1: at least one device must be specified\n"},
		{"log-level: info\n", "t:1:1: at least one device must be specified\n"},
		{"device: {name: a}\n",
		 "t:1:9: device: expected a list, got a mapping\n"},
		{"device: [null]\n", "t:1:10: device: has no value\n"},
		{"device:\n- \n", "t:2:2: device: has no value\n"},
		{"device:\n- name: a\n  groups: [null]\n",
		 "t:3:12: groups: has no value\n"},
		{PATH("") "devices: []\n",
		 "t:4:1: both \"device\" (at 1:1) and \"devices\" are given; keep one\n"},
		{PATH("") "classes: []\n",
		 "t:4:1: both kudev's classes and generic-device-plugin's devices are given; keep "
		 "one\n"},
		{"device:\n- groups: []\n",
		 "t:2:3: the key \"name\" is missing\n"
		 "t:2:3: warning: the device has no groups, so there is nothing to hand out\n"},
		{"device:\n- name: null\n  groups: []\n",
		 "t:2:3: the key \"name\" is missing\n"
		 "t:2:3: warning: the device has no groups, so there is nothing to hand out\n"},
		{"device:\n- name: a b\n  groups: []\n",
		 "t:2:3: warning: the device has no groups, so there is nothing to hand out\n"
		 "t:2:9: name: \"a b\" is no name: it may hold letters, digits, -, _ and . only\n"},
		{GROUP("paths: [{path: dev/a}]"),
		 "t:3:28: path: \"dev/a\" is not an absolute path: it must begin with /\n"},
		{GROUP("paths: [{}]"), "t:3:21: the key \"path\" is missing\n"},
		{GROUP("count: 2.5, paths: [{path: /a}]"),
		 "t:3:20: count: expected a whole number, got \"2.5\"\n"},
		{GROUP("paths: [{path: /a}], usb: [{vendor: 1, product: 2}]"),
		 "t:3:12: a group has paths or usb, not both: make two groups\n"},
		{GROUP("usb: [{vendor: xyz, product: 12345}]"),
		 "t:3:19: warning: usb: matches nothing; give both vendor and product\n"
		 "t:3:28: vendor: expected one to four hexadecimal digits, as lsusb prints them, "
		 "got \"xyz\"\n"
		 "t:3:42: product: expected one to four hexadecimal digits, as lsusb prints them, "
		 "got \"12345\"\n"},
		{"domain: Bad\n" PATH(""),
		 "t:1:9: domain: \"Bad\" is no domain: it may hold lower-case letters, digits, - "
		 "and . only\n"},
		{PATH("") "- name: fuse\n  groups: []\n",
		 "t:4:3: warning: the device has no groups, so there is nothing to hand out\n"
		 "t:4:3: two classes have the name \"fuse\", the first is at 2:3\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

static void what_yields_nothing_is_a_warning(void **state)
{
	static const struct parse_case tests[] = {
		{"device:\n- name: a\n",
		 "t:2:3: warning: the device has no groups, so there is nothing to hand out\n"},
		{DEVICE "  groups: [{}]\n",
		 "t:3:12: warning: the group has neither paths nor usb and yields no device\n"},
		{DEVICE "  groups: [{paths: [], usb: null}]\n",
		 "t:3:12: warning: the group has neither paths nor usb and yields no device\n"},
		{GROUP("usb: [{vendor: 1a86}]"),
		 "t:3:19: warning: usb: matches nothing; give both vendor and product\n"},
		{"version: true\nconfig: x\n" PATH(""),
		 "t:1:10: warning: version: has no effect in a file\n"
		 "t:2:9: warning: config: has no effect in a file\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

static void defaults_are_those_of_squat(void **state)
{
	KUDEV_AUTO(config_free) struct config *config = parse_good(PATH(""));
	const struct config_class *class = &config->classes[0];
	const struct config_path *path = &class->groups[0].paths[0];

	(void)state;
	assert_string_equal(config->domain, "squat.ai");
	assert_string_equal(config->listen, ":8080");
	assert_true(config->holder_metrics);
	assert_string_equal(config->plugin_directory, CONFIG_PLUGIN_DIRECTORY);
	assert_string_equal(class->resource, "squat.ai/fuse");
	assert_int_equal(class->ids, CONFIG_IDS_SQUAT);
	assert_int_equal(class->share, 1);
	assert_true(class->shares_nodes);
	assert_int_equal(class->groups[0].count, 1);
	assert_int_equal(path->type, CONFIG_PATH_DEVICE);
	assert_string_equal(path->permissions, "mrw");
	assert_int_equal(path->limit, 1);
	assert_false(path->optional);
	assert_false(path->read_only);
	assert_null(path->mount_path);
}

static void keys_and_texts_are_read_as_squat_does(void **state)
{
	KUDEV_AUTO(config_free)
	struct config *config = parse_good(
		"Domain: ex.com\nLOG-LEVEL: all\nplugin-directory: /run/p/\nlisten: \":1\"\n"
		"Devices:\n"
		"- Name: \" cam \"\n"
		"  GROUPS:\n"
		"  - Count: 0\n"
		"    paths:\n"
		"    - {PATH: \" //dev/./**/ \", mountpath: \" /x/{id}/ \", limit: 0}\n"
		"    - {path: /b, type: Mount, readonly: true, optional: true, mountPath: ''}\n"
		"    - {path: /c, type: '', permissions: '', limit: 7, mountPath: null}\n");
	const struct config_class *class = &config->classes[0];
	const struct config_path *paths = class->groups[0].paths;

	(void)state;
	assert_string_equal(config->plugin_directory, "/run/p");
	assert_string_equal(config->listen, ":1");
	assert_int_equal(config->log_level, LOG_LEVEL_DEBUG);
	assert_string_equal(class->resource, "ex.com/cam");
	assert_int_equal(class->groups[0].count, 1);

	assert_string_equal(paths[0].pattern, "/dev/**");
	assert_string_equal(template_text(paths[0].mount_path), "/x/{{id}}/");
	assert_int_equal(template_uses(paths[0].mount_path), 0);
	assert_int_equal(paths[0].limit, 1);

	assert_int_equal(paths[1].type, CONFIG_PATH_MOUNT);
	assert_true(paths[1].read_only);
	assert_true(paths[1].optional);
	assert_null(paths[1].mount_path);

	assert_int_equal(paths[2].type, CONFIG_PATH_DEVICE);
	assert_string_equal(paths[2].permissions, "mrw");
	assert_int_equal(paths[2].limit, 7);
	assert_null(paths[2].mount_path);
}

static void lenience_passes_on_what_squat_does(void **state)
{
	static const char text[] = PATH(", type: Socket, permissions: xyz");
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	KUDEV_AUTO(config_free) struct config *config = NULL;

	(void)state;
	assert_int_equal(config_parse(text, strlen(text), TEST_FILE, true, &config,
				      &diagnostics),
			 0);
	assert_int_equal(diagnostics.count, 2);
	assert_int_equal(config->classes[0].groups[0].paths[0].type, CONFIG_PATH_IGNORED);
	assert_string_equal(config->classes[0].groups[0].paths[0].permissions, "xyz");
}

/* What its two parsers meant, were they to agree: the digits as lsusb prints them. */
static void usb_ids_are_hexadecimal_in_any_form(void **state)
{
	static const struct {
		const char *text;
		unsigned value;
	} tests[] = {
		{"\"0407\"", 0x0407}, {"1a86", 0x1a86},
		{"1050", 0x1050},     {"0407", 0x0407},
		{"0x1050", 0x1050},   {"\"0x1050\"", 0x1050},
		{"1e10", 0x1e10},     {"'1A86'", 0x1a86},
		{"0XFF", 0xff},	      {"7", 7},
		{"ffff", 0xffff},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *text =
			mem_printf(GROUP("usb: [{vendor: %s, product: 1, serial: 52}]"),
				   tests[i].text);
		KUDEV_AUTO(config_free) struct config *config = parse_good(text);
		const struct config_usb *usb = &config->classes[0].groups[0].usb[0];

		assert_int_equal(usb->vendor, tests[i].value);
		assert_string_equal(usb->serial, "52");
	}
}

static void usb_ids_that_are_absent_are_zero(void **state)
{
	static const char *const texts[] = {
		GROUP("usb: [{product: 1}]"),
		GROUP("usb: [{vendor: null, product: 1}]"),
		GROUP("usb: [{vendor: \"\", product: 1, serial: \"\"}]"),
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(texts); i++) {
		KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
		KUDEV_AUTO(config_free) struct config *config = NULL;

		assert_int_equal(config_parse(texts[i], strlen(texts[i]), TEST_FILE,
					      false, &config, &diagnostics),
				 0);
		assert_int_equal(diagnostics.count, 1);
		assert_int_equal(config->classes[0].groups[0].usb[0].vendor, 0);
		assert_null(config->classes[0].groups[0].usb[0].serial);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sloppiness_is_an_error),
		cmocka_unit_test(what_squat_refuses_is_refused),
		cmocka_unit_test(what_yields_nothing_is_a_warning),
		cmocka_unit_test(defaults_are_those_of_squat),
		cmocka_unit_test(keys_and_texts_are_read_as_squat_does),
		cmocka_unit_test(lenience_passes_on_what_squat_does),
		cmocka_unit_test(usb_ids_are_hexadecimal_in_any_form),
		cmocka_unit_test(usb_ids_that_are_absent_are_zero),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
