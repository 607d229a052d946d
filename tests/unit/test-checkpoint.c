/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "base/strings.h"
#include "kubelet/checkpoint.h"
#include "test-tree.h"

static void on_held(const char *resource, const char *id, int numa_node, void *data)
{
	struct strings *held = data;

	strings_take(held, mem_printf("%s %s %d", resource, id, numa_node));
}

static int read_text(const char *text, struct strings *held)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO_ERROR struct error err = {0};

	if (text)
		tree_file(tree, "/kubelet_internal_checkpoint", text);
	return checkpoint_read(tree->root, on_held, held, &err);
}

static void held_devices_are_told_with_their_numa_nodes(void **state)
{
	static const char text[] =
		"{\"Data\":{\"PodDeviceEntries\":["
		"{\"PodUID\":\"u\",\"ContainerName\":\"c\",\"ResourceName\":\"ex.com/a\","
		"\"DeviceIDs\":{\"-1\":[\"x\",\"y\"],\"1\":[\"z\"]},\"AllocResp\":\"CgA=\"},"
		"{\"PodUID\":\"u\",\"ContainerName\":\"d\",\"ResourceName\":\"ex.com/b\","
		"\"DeviceIDs\":{\"0\":[\"x\"]},\"AllocResp\":\"\"}],"
		"\"RegisteredDevices\":{\"ex.com/a\":[\"x\",\"y\",\"z\",\"free\"]}},"
		"\"Checksum\":1}";
	KUDEV_AUTO_STRINGS struct strings held = {0};
	KUDEV_AUTO_FREE char *all = NULL;

	(void)state;
	assert_int_equal(read_text(text, &held), 0);
	all = strings_join(&held, ", ");
	assert_string_equal(all,
			    "ex.com/a x -1, ex.com/a y -1, ex.com/a z 1, ex.com/b x 0");
}

static void what_is_no_checkpoint_holds_nothing(void **state)
{
	static const struct {
		const char *text; /* NULL: no file */
		int result;
	} tests[] = {
		{NULL, 0},
		{"", -EINVAL},
		{"[", -EINVAL},
		{"[]", -EINVAL},
		{"{\"Data\":1}", -EINVAL},
		{"{\"Data\":{}}", 0},
		{"{\"Data\":{\"PodDeviceEntries\":null}}", 0},
		{"{\"Data\":{\"PodDeviceEntries\":[1,{},{\"ResourceName\":1}]}}", 0},
		{"{\"Data\":{\"PodDeviceEntries\":[{\"ResourceName\":\"a/b\","
		 "\"DeviceIDs\":{\"x\":1,\"y\":[2,null]}}]}}",
		 0},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_STRINGS struct strings held = {0};

		assert_int_equal(read_text(tests[i].text, &held), tests[i].result);
		assert_int_equal(held.count, 0);
	}
}

/* JSON's escapes, and bytes that json-c takes as they come. */
static void ids_that_no_list_can_hold_are_passed_over(void **state)
{
	static const char text[] =
		"{\"Data\":{\"PodDeviceEntries\":["
		"{\"ResourceName\":\"ex.com/a\",\"DeviceIDs\":{\"-1\":["
		"\"one\",\"\",\"caf\xe9\",\"a\\u0000b\",\"\\u0000\","
		"\"\xed\xa0\x80\",\"caf\xc3\xa9\",\"two\"]}}]}}";
	KUDEV_AUTO_STRINGS struct strings held = {0};
	KUDEV_AUTO_FREE char *all = NULL;

	(void)state;
	assert_int_equal(read_text(text, &held), 0);
	all = strings_join(&held, ", ");
	assert_string_equal(all,
			    "ex.com/a one -1, ex.com/a caf\xc3\xa9 -1, ex.com/a two -1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(held_devices_are_told_with_their_numa_nodes),
		cmocka_unit_test(ids_that_no_list_can_hold_are_passed_over),
		cmocka_unit_test(what_is_no_checkpoint_holds_nothing),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
