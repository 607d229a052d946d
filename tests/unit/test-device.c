/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/sysmacros.h>

#include "device/device.h"
#include "deviceplugin/v1beta1/api.pb-c.h"
#include "test-tree.h"

/* The size of a list with one unhealthy device, by the library that will pack it. */
static size_t packed_size(size_t id_length, int numa_node)
{
	V1beta1__ListAndWatchResponse list = V1BETA1__LIST_AND_WATCH_RESPONSE__INIT;
	V1beta1__Device device = V1BETA1__DEVICE__INIT;
	V1beta1__Device *devices[] = {&device};
	V1beta1__TopologyInfo topology = V1BETA1__TOPOLOGY_INFO__INIT;
	V1beta1__NUMANode node = V1BETA1__NUMANODE__INIT;
	V1beta1__NUMANode *nodes[] = {&node};
	KUDEV_AUTO_FREE char *id = mem_zero(id_length + 1);

	memset(id, 'x', id_length);
	device.id = id;
	device.health = (char *)"Unhealthy";
	if (numa_node != LIST_NUMA_UNKNOWN) {
		node.id = numa_node;
		topology.n_nodes = 1;
		topology.nodes = nodes;
		device.topology = &topology;
	}
	list.n_devices = 1;
	list.devices = devices;
	return v1beta1__list_and_watch_response__get_packed_size(&list);
}

static void the_size_of_a_device_is_what_protobuf_makes_of_it(void **state)
{
	static const int numa_nodes[] = {
		LIST_NUMA_UNKNOWN, 0,	    1,	      2, 63, 127, 128, 16383, 16384,
		2097151,	   2097152, INT32_MAX};

	(void)state;
	for (size_t length = 1; length <= 300; length++) {
		for (size_t i = 0; i < KUDEV_ARRAY_SIZE(numa_nodes); i++)
			assert_int_equal(list_device_size(length, numa_nodes[i]),
					 packed_size(length, numa_nodes[i]));
	}
	for (size_t length = 16300; length <= 16400; length++)
		assert_int_equal(list_device_size(length, 1), packed_size(length, 1));
}

static void a_node_is_known_by_its_number_whatever_its_name(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	struct node_identity null;
	struct node_identity link;
	struct node_identity zero;

	(void)state;
	tree_link(tree, "/dev/a", "/dev/null");
	tree_link(tree, "/dev/b", "a");
	assert_int_equal(node_identify("", "/dev/null", &null), 0);
	assert_int_equal(node_identify(tree->root, "/dev/b", &link), 0);
	assert_int_equal(node_identify("", "/dev/zero", &zero), 0);
	assert_memory_equal(&null, &link, sizeof(null));
	assert_memory_not_equal(&null, &zero, sizeof(null));
	assert_int_equal(null.type, S_IFCHR);
	assert_int_equal(null.device, makedev(1, 3));
	assert_int_equal(null.inode, 0);
}

static void a_file_is_known_by_its_place(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	struct node_identity a;
	struct node_identity b;
	struct node_identity link;

	(void)state;
	tree_file(tree, "/a", "");
	tree_file(tree, "/b", "");
	tree_link(tree, "/link", "a");
	assert_int_equal(node_identify(tree->root, "/a", &a), 0);
	assert_int_equal(node_identify(tree->root, "/b", &b), 0);
	assert_int_equal(node_identify(tree->root, "/link", &link), 0);
	assert_memory_equal(&a, &link, sizeof(a));
	assert_memory_not_equal(&a, &b, sizeof(a));
	assert_int_equal(a.type, S_IFREG);
	assert_true(a.inode != 0);
}

static void what_is_not_there_has_no_identity(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	struct node_identity identity = {.type = 99};

	(void)state;
	tree_link(tree, "/dangling", "nowhere");
	tree_file(tree, "/file", "");
	assert_int_equal(node_identify(tree->root, "/gone", &identity), -ENOENT);
	assert_int_equal(node_identify(tree->root, "/dangling", &identity), -ENOENT);
	assert_int_equal(node_identify(tree->root, "/file/x", &identity), -ENOTDIR);
	assert_int_equal(identity.type, 99);
}

static struct unit *add_unit(struct unit_list *list, const char *first,
			     const char *second)
{
	struct unit *unit = unit_list_add(list, mem_string("id"), second ? 2 : 1);

	unit->nodes[0].host_path = mem_string(first);
	if (second)
		unit->nodes[1].host_path = mem_string(second);
	return unit;
}

static void units_are_the_same_if_their_nodes_are_in_order(void **state)
{
	KUDEV_AUTO_UNIT_LIST struct unit_list list = {0};

	(void)state;
	assert_int_equal(add_unit(&list, "/a", "/b")->numa_node, LIST_NUMA_UNKNOWN);
	add_unit(&list, "/a", "/b");
	add_unit(&list, "/b", "/a");
	add_unit(&list, "/a", NULL);
	assert_true(unit_same_nodes(&list.items[0], &list.items[1]));
	assert_false(unit_same_nodes(&list.items[0], &list.items[2]));
	assert_false(unit_same_nodes(&list.items[0], &list.items[3]));
}

static void the_first_device_node_stands_for_the_unit(void **state)
{
	static const struct {
		enum node_type types[2];
		size_t main;
	} tests[] = {
		{{NODE_DEVICE, NODE_DEVICE}, 0},
		{{NODE_DEVICE, NODE_MOUNT}, 0},
		{{NODE_MOUNT, NODE_DEVICE}, 1},
		{{NODE_MOUNT, NODE_MOUNT}, 0},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_UNIT_LIST struct unit_list list = {0};
		struct unit *unit = add_unit(&list, "/a", "/b");

		unit->nodes[0].type = tests[i].types[0];
		unit->nodes[1].type = tests[i].types[1];
		assert_ptr_equal(unit_main_node(unit), &unit->nodes[tests[i].main]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_size_of_a_device_is_what_protobuf_makes_of_it),
		cmocka_unit_test(a_node_is_known_by_its_number_whatever_its_name),
		cmocka_unit_test(a_file_is_known_by_its_place),
		cmocka_unit_test(what_is_not_there_has_no_identity),
		cmocka_unit_test(units_are_the_same_if_their_nodes_are_in_order),
		cmocka_unit_test(the_first_device_node_stands_for_the_unit),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
