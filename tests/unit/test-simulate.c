/* SPDX-License-Identifier: Apache-2.0 */
#include "test-scan.h"

static void check_units(const struct tree *tree, const struct config *config,
			const char *expected, const char *missing_expected)
{
	KUDEV_AUTO(source_free) struct source *source = NULL;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	KUDEV_AUTO_FREE char *got = NULL;
	KUDEV_AUTO_FREE char *missing = NULL;

	source = scan_class(config, 0, &scan);
	got = tree_relative(tree, scan_text(&config->classes[0], &scan, true));
	missing = tree_relative(tree, scan_missing(&scan));
	assert_string_equal(got, expected);
	assert_string_equal(missing, missing_expected);
}

static void devices_are_files_that_are_mounted(void **state)
{
	static const struct {
		const char *class;
		const char *expected;
	} tests[] = {
		{"simulate: {count: 2}",
		 "cam-0 /run/kudev/simulate/cam/0>/dev/cam0:mount\n"
		 "cam-1 /run/kudev/simulate/cam/1>/dev/cam0:mount\n"},
		{"simulate: {count: 1, directory: /tmp/sim}\n  share: 2",
		 "cam-0-0 /tmp/sim/cam/0>/dev/cam0:mount\n"
		 "cam-0-1 /tmp/sim/cam/0>/dev/cam0:mount\n"},
		{"simulate: {count: 1}\n  permissions: r",
		 "cam-0 /run/kudev/simulate/cam/0>/dev/cam0:mount-ro\n"},
		{"simulate: {count: 1}\n  mountPath: '/dev/video-{id}'",
		 "cam-0 /run/kudev/simulate/cam/0>/dev/video-cam-0:mount\n"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
		KUDEV_AUTO_FREE char *text = mem_printf("classes:\n- name: cam\n  %s\n",
							tests[i].class);
		KUDEV_AUTO(config_free) struct config *config = scan_config(tree, text);

		check_units(tree, config, tests[i].expected, "");
	}
}

static void devices_are_spread_over_numa_nodes(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO(config_free)
	struct config *config = scan_config(
		tree, "classes:\n- {name: cam, simulate: {count: 5, numaNodes: 2}}\n"
		      "- {name: mic, simulate: {count: 1}}\n");
	KUDEV_AUTO(source_free) struct source *cam_source = NULL;
	KUDEV_AUTO(source_free) struct source *mic_source = NULL;
	KUDEV_AUTO_SCAN struct scan cams = {0};
	KUDEV_AUTO_SCAN struct scan mics = {0};

	(void)state;
	cam_source = scan_class(config, 0, &cams);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(cams.units.items[i].numa_node, i % 2);
	mic_source = scan_class(config, 1, &mics);
	assert_int_equal(mics.units.items[0].numa_node, LIST_NUMA_UNKNOWN);
}

static void removing_a_file_unplugs_the_device(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO(config_free)
	struct config *config =
		scan_config(tree, "classes:\n- {name: cam, simulate: {count: 2}}\n");
	KUDEV_AUTO(source_free) struct source *source = NULL;
	KUDEV_AUTO_SCAN struct scan before = {0};
	KUDEV_AUTO_SCAN struct scan without = {0};
	KUDEV_AUTO_SCAN struct scan after = {0};

	(void)state;
	assert_int_equal(source_open(&config->classes[0], tree->root, &scan_host, &source,
				     NULL),
			 0);
	assert_int_equal(source_scan(source, &before, NULL), 0);
	assert_int_equal(before.units.count, 2);
	tree_remove(tree, "/run/kudev/simulate/cam/0");
	assert_int_equal(source_scan(source, &without, NULL), 0);
	/* It is still one of the class. */
	assert_int_equal(without.units.count, 2);
	assert_string_equal(without.units.items[0].id, "cam-0");
	assert_non_null(strstr(without.units.items[0].absence, "cam/0 is gone"));
	assert_null(without.units.items[1].absence);
	assert_non_null(
		strstr(without.missing.items[0].path, "/run/kudev/simulate/cam/0"));
	assert_int_equal(without.directories.count, 1);
	tree_file(tree, "/run/kudev/simulate/cam/0", "");
	assert_int_equal(source_scan(source, &after, NULL), 0);
	assert_int_equal(after.units.count, 2);
}

static void files_are_for_everyone_and_stay(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO(config_free)
	struct config *config =
		scan_config(tree, "classes:\n- {name: cam, simulate: {count: 1}}\n");
	KUDEV_AUTO_FREE char *path = tree_path(tree, "/run/kudev/simulate/cam/0");
	KUDEV_AUTO_FREE char *text = NULL;
	mode_t mask = umask(0077);
	struct stat status;
	size_t size;

	(void)state;
	check_units(tree, config, "cam-0 /run/kudev/simulate/cam/0>/dev/cam0:mount\n",
		    "");
	umask(mask);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0666);
	/* What a pod wrote into it is not touched by the next start. */
	tree_file(tree, "/run/kudev/simulate/cam/0", "a pod's");
	check_units(tree, config, "cam-0 /run/kudev/simulate/cam/0>/dev/cam0:mount\n",
		    "");
	assert_int_equal(file_read(path, 100, &text, &size, NULL), 0);
	assert_string_equal(text, "a pod's");
}

static void a_preview_makes_nothing(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO(config_free)
	struct config *config =
		scan_config(tree, "classes:\n- {name: cam, simulate: {count: 3}}\n");
	KUDEV_AUTO(source_free) struct source *source = NULL;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

	(void)state;
	assert_int_equal(
		source_open(&config->classes[0], tree->root, NULL, &source, NULL), 0);
	assert_int_equal(source_scan(source, &scan, NULL), 0);
	assert_int_equal(scan.units.count, 3);
	assert_false(tree_exists(tree, "/run"));
}

static void what_cannot_be_made_is_an_error(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO(config_free)
	struct config *config =
		scan_config(tree, "classes:\n- {name: cam, simulate: {count: 1}}\n");
	KUDEV_AUTO_ERROR struct error err = {0};
	struct source *source = NULL;

	(void)state;
	tree_file(tree, "/run/kudev", "in the way");
	assert_int_equal(source_open(&config->classes[0], tree->root, &scan_host, &source,
				     &err),
			 -ENOTDIR);
	assert_null(source);
	assert_non_null(strstr(error_message(&err), "/run/kudev/simulate"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_are_files_that_are_mounted),
		cmocka_unit_test(devices_are_spread_over_numa_nodes),
		cmocka_unit_test(removing_a_file_unplugs_the_device),
		cmocka_unit_test(files_are_for_everyone_and_stay),
		cmocka_unit_test(a_preview_makes_nothing),
		cmocka_unit_test(what_cannot_be_made_is_an_error),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
