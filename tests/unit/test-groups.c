/* SPDX-License-Identifier: Apache-2.0 */
#include "test-scan.h"

/* The groups of one squat device or one class, what is there, and the units of them. */
struct groups_case {
	const char *groups;
	const char *there[12];
	const char *expected; /* as scan_text() */
	const char *missing;  /* as scan_missing(); NULL: nothing */
};

static void make_all(const struct tree *tree, const char *const *paths)
{
	for (; *paths; paths++) {
		size_t length = strlen(*paths);

		if ((*paths)[length - 1] == '/') {
			KUDEV_AUTO_FREE char *path = mem_string_n(*paths, length - 1);

			tree_directory(tree, path);
		} else {
			tree_file(tree, *paths, "");
		}
	}
}

static void check_case(const char *format, const struct groups_case *test, bool with_ids)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO_FREE char *text = mem_printf("%s%s\n", format, test->groups);
	KUDEV_AUTO(config_free) struct config *config = scan_config(tree, text);
	KUDEV_AUTO(source_free) struct source *source = NULL;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	KUDEV_AUTO_FREE char *got = NULL;
	KUDEV_AUTO_FREE char *missing = NULL;

	make_all(tree, test->there);
	source = scan_class(config, 0, &scan);
	got = scan_text(&config->classes[0], &scan, with_ids);
	missing = scan_missing(&scan);
	if (strcmp(got, test->expected) != 0)
		print_message("for: %s\n", test->groups);
	assert_string_equal(got, test->expected);
	assert_string_equal(missing, test->missing ? test->missing : "");
}

#define SQUAT "device:\n- name: dev\n  groups: "
#define NATIVE "classes:\n- name: dev\n  groups: "

/* All of generic-device-plugin's path_test.go, of which the first has no paths at all. */
static void paths_expand_as_in_the_tests_of_generic_device_plugin(void **state)
{
	static const struct groups_case tests[] = {
		{"[{paths: [{path: /dev/fuse}]}]",
		 {"/dev/fuse"},
		 "unit /dev/fuse:mrw\n",
		 NULL},
		{"[{paths: [{path: '/dev/ttyUSB*', mountPath: /dev/serial}]}]",
		 {"/dev/ttyUSB0", "/dev/ttyUSB1", "/dev/ttyUSB2", "/dev/ttyUSB3"},
		 "unit /dev/ttyUSB0>/dev/serial:mrw\n"
		 "unit /dev/ttyUSB1>/dev/serial:mrw\n"
		 "unit /dev/ttyUSB2>/dev/serial:mrw\n"
		 "unit /dev/ttyUSB3>/dev/serial:mrw\n",
		 NULL},
		{"[{paths: [{path: '/dev/ttyUSB*', mountPath: /dev/serial/}]}]",
		 {"/dev/ttyUSB0", "/dev/ttyUSB1"},
		 "unit /dev/ttyUSB0>/dev/serial/ttyUSB0:mrw\n"
		 "unit /dev/ttyUSB1>/dev/serial/ttyUSB1:mrw\n",
		 NULL},
		{"[{paths: [{path: /dev/a}, {path: /dev/b}]}]",
		 {"/dev/a"},
		 "",
		 "/dev/b: no such file\n"},
		{"[{paths: [{path: /dev/a, optional: true}, {path: /dev/b, optional: true},"
		 " {path: /dev/c, optional: true}]}]",
		 {"/dev/b"},
		 "unit /dev/b:mrw\n",
		 NULL},
		{"[{paths: [{path: /dev/a, optional: true}, {path: /dev/b, optional: true},"
		 " {path: /dev/c, optional: true}]}]",
		 {"/dev/a", "/dev/b", "/dev/c"},
		 "unit /dev/a:mrw /dev/b:mrw /dev/c:mrw\n",
		 NULL},
		{"[{paths: [{path: /dev/a, optional: true}]}]", {NULL}, "", NULL},
		{"[{paths: [{path: /dev/input, type: Mount}]}]",
		 {"/dev/input/"},
		 "unit /dev/input:mount\n",
		 NULL},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++)
		check_case(SQUAT, &tests[i], false);
}

static void units_are_zipped_not_multiplied(void **state)
{
	static const struct groups_case tests[] = {
		/* The shortest list caps. */
		{"[{paths: [{path: '/dev/a*'}, {path: '/dev/b*'}]}]",
		 {"/dev/a0", "/dev/a1", "/dev/a2", "/dev/b0", "/dev/b1"},
		 "unit /dev/a0:mrw /dev/b0:mrw\n"
		 "unit /dev/a1:mrw /dev/b1:mrw\n",
		 "/dev/a*: only 2 of 3 matches find a partner in the group; see limit\n"},
		/*
		 * limit repeats a list end to end, but the longest natural one decides.
		 */
		{"[{paths: [{path: '/dev/a*'}, {path: '/dev/b*', limit: 2}]}]",
		 {"/dev/a0", "/dev/a1", "/dev/a2", "/dev/b0", "/dev/b1"},
		 "unit /dev/a0:mrw /dev/b0:mrw\n"
		 "unit /dev/a1:mrw /dev/b1:mrw\n"
		 "unit /dev/a2:mrw /dev/b0:mrw\n",
		 NULL},
		{"[{paths: [{path: '/dev/a*'}, {path: /dev/b, limit: 10}]}]",
		 {"/dev/a0", "/dev/a1", "/dev/b"},
		 "unit /dev/a0:mrw /dev/b:mrw\n"
		 "unit /dev/a1:mrw /dev/b:mrw\n",
		 NULL},
		{"[{paths: [{path: /dev/a, limit: 10}]}]",
		 {"/dev/a"},
		 "unit /dev/a:mrw\n",
		 NULL},
		/* A present optional path caps the group, unless its limit covers it. */
		{"[{paths: [{path: '/dev/a*'}, {path: /dev/b, optional: true}]}]",
		 {"/dev/a0", "/dev/a1", "/dev/b"},
		 "unit /dev/a0:mrw /dev/b:mrw\n",
		 "/dev/a*: only 1 of 2 matches find a partner in the group; see limit\n"},
		{"[{paths: [{path: '/dev/a*'}, {path: /dev/b, optional: true, limit: 2}]}]",
		 {"/dev/a0", "/dev/a1", "/dev/b"},
		 "unit /dev/a0:mrw /dev/b:mrw\n"
		 "unit /dev/a1:mrw /dev/b:mrw\n",
		 NULL},
		{"[{paths: [{path: '/dev/a*'}, {path: /dev/b, optional: true}]}]",
		 {"/dev/a0", "/dev/a1"},
		 "unit /dev/a0:mrw\n"
		 "unit /dev/a1:mrw\n",
		 NULL},
		/* A missing one that is not optional leaves nothing. */
		{"[{paths: [{path: '/dev/a*', optional: true}, {path: '/dev/b*', limit: 5}]}]",
		 {"/dev/a0"},
		 "",
		 "/dev/b*: nothing matches\n"},
		/* Groups stand side by side, in their order. */
		{"[{paths: [{path: /dev/b}]}, {paths: [{path: /dev/a}], count: 2}]",
		 {"/dev/a", "/dev/b"},
		 "unit /dev/b:mrw\n"
		 "unit /dev/a:mrw\n"
		 "unit /dev/a:mrw\n",
		 NULL},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++)
		check_case(SQUAT, &tests[i], false);
}

static void ids_are_those_of_generic_device_plugin(void **state)
{
	static const struct groups_case tests[] = {
		{"[{count: 2, paths: [{path: /dev/fuse, mountPath: /x}]}]",
		 {"/dev/fuse"},
		 "a68db766f638034740111848aafee2d2dcd6b642 /dev/fuse>/x:mrw\n"
		 /* sha1("1/dev/fuse") */
		 "e599ef874758d327fa12ad6d44bcd43b1af19dfb /dev/fuse>/x:mrw\n",
		 NULL},
		{"[{paths: [{path: '/dev/snd/controlC*'}, {path: '/dev/snd/pcmC*c'}]}]",
		 {"/dev/snd/controlC0", "/dev/snd/pcmC0D0c"},
		 "8e312365c4c43caed695c0e3bad2b52cb3dd6fa4 /dev/snd/controlC0:mrw"
		 " /dev/snd/pcmC0D0c:mrw\n",
		 NULL},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++)
		check_case(SQUAT, &tests[i], true);
}

static void permissions_and_read_only_are_those_of_each_path(void **state)
{
	static const struct groups_case squat[] = {
		{"[{paths: [{path: /dev/a, permissions: r}, {path: /dev/b, permissions: ''}]}]",
		 {"/dev/a", "/dev/b"},
		 "unit /dev/a:r /dev/b:mrw\n",
		 NULL},
		{"[{paths: [{path: /etc/a, type: Mount, readOnly: true, mountPath: /x/},"
		 " {path: /etc/b, type: Mount, readOnly: false}, {path: /dev/c}]}]",
		 {"/etc/a", "/etc/b", "/dev/c"},
		 "unit /etc/a>/x/a:mount-ro /etc/b:mount /dev/c:mrw\n",
		 NULL},
	};
	static const struct groups_case native[] = {
		{"[{paths: [{path: /dev/a}, {path: /dev/b, permissions: rwm}]}]",
		 {"/dev/a", "/dev/b"},
		 "a-a7832a4bd1 /dev/a /dev/b:rwm\n",
		 NULL},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(squat); i++)
		check_case(SQUAT, &squat[i], false);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(native); i++)
		check_case(NATIVE, &native[i], true);
}

static void shared_devices_are_copies(void **state)
{
	static const struct groups_case tests[] = {
		{"classes:\n- {name: dev, share: 2, permissions: r, paths: ['/dev/f*']}",
		 {"/dev/f0", "/dev/f1"},
		 "f0-0 /dev/f0:r\nf0-1 /dev/f0:r\nf1-0 /dev/f1:r\nf1-1 /dev/f1:r\n",
		 NULL},
		{"classes:\n- {name: dev, mountPath: '/dev/{class}-{index}', paths: [/dev/f0]}",
		 {"/dev/f0"},
		 "f0 /dev/f0>/dev/dev-0\n",
		 NULL},
		{"classes:\n- {name: dev, paths: [/dev/f0, '/dev/f*', /dev/gone]}",
		 {"/dev/f0", "/dev/f1"},
		 "f0 /dev/f0\nf0 /dev/f0\nf1 /dev/f1\n",
		 "/dev/gone: no such file\n"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++)
		check_case("", &tests[i], true);
}

/* The first grammar of generic-device-plugin. */
static void legacy_ids_are_kept(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	static const char *const devices[] = {
		"{\"type\":\"video\",\"count\":2,\"paths\":[\"/dev/video0\"]}"};
	const struct settings flags = {
		.devices = devices, .device_count = 1, .root = tree->root};
	const struct settings environment = {0};
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	KUDEV_AUTO(config_free) struct config *config = NULL;
	KUDEV_AUTO(source_free) struct source *source = NULL;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	KUDEV_AUTO_FREE char *got = NULL;

	(void)state;
	tree_file(tree, "/dev/video0", "");
	assert_int_equal(config_load(&flags, &environment, NULL, &config, &diagnostics),
			 0);
	assert_string_equal(config->root, tree->root);
	source = scan_class(config, 0, &scan);
	got = scan_text(&config->classes[0], &scan, true);
	assert_string_equal(
		got, "/dev/video0-0 /dev/video0:mrw\n/dev/video0-1 /dev/video0:mrw\n");
}

/* squat hands nothing out for an unknown type, but hashes it. */
static void an_unknown_type_counts_for_the_id_alone(void **state)
{
	static const char text[] =
		"device:\n- name: dev\n  groups:\n  - paths: [{path: /dev/snd/controlC0},"
		" {path: /dev/snd/pcmC0D0c, type: Socket}]\n";
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	KUDEV_AUTO(config_free) struct config *config = NULL;
	KUDEV_AUTO(source_free) struct source *source = NULL;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	KUDEV_AUTO_FREE char *got = NULL;

	(void)state;
	tree_files(tree, (const char *const[]){"/dev/snd/controlC0", "/dev/snd/pcmC0D0c",
					       NULL});
	assert_int_equal(config_parse(text, strlen(text), TEST_FILE, true, &config,
				      &diagnostics),
			 0);
	scan_in_tree(config, tree);
	source = scan_class(config, 0, &scan);
	got = scan_text(&config->classes[0], &scan, true);
	assert_string_equal(
		got, "8e312365c4c43caed695c0e3bad2b52cb3dd6fa4 /dev/snd/controlC0:mrw\n");
}

static void a_scan_says_what_to_watch(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO(config_free)
	struct config *config = scan_config(
		tree, NATIVE "[{paths: [{path: '/dev/snd/*'}, {path: /dev/a}]},"
			     " {paths: [{path: /dev/b}]}]\n");
	KUDEV_AUTO(source_free) struct source *source = NULL;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	KUDEV_AUTO_FREE char *snd = tree_path(tree, "/dev/snd");
	KUDEV_AUTO_FREE char *dev = tree_path(tree, "/dev");

	(void)state;
	source = scan_class(config, 0, &scan);
	assert_int_equal(scan.directories.count, 2);
	assert_true(strings_contain(&scan.directories, snd));
	assert_true(strings_contain(&scan.directories, dev));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_expand_as_in_the_tests_of_generic_device_plugin),
		cmocka_unit_test(units_are_zipped_not_multiplied),
		cmocka_unit_test(ids_are_those_of_generic_device_plugin),
		cmocka_unit_test(permissions_and_read_only_are_those_of_each_path),
		cmocka_unit_test(shared_devices_are_copies),
		cmocka_unit_test(legacy_ids_are_kept),
		cmocka_unit_test(an_unknown_type_counts_for_the_id_alone),
		cmocka_unit_test(a_scan_says_what_to_watch),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
