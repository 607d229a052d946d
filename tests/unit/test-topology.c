/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/sysmacros.h>

#include "device/topology.h"
#include "test-scan.h"

#define PCI "/sys/devices/pci0000:80"

struct fixture {
	struct tree *tree;
};

/* A device of this number at this place. */
static void add_device(const struct tree *tree, unsigned minor, const char *type,
		       const char *path)
{
	KUDEV_AUTO_FREE char *link = mem_printf("/sys/dev/%s/7:%u", type, minor);
	KUDEV_AUTO_FREE char *target = mem_printf("../../..%s", path);

	tree_directory(tree, path);
	tree_link(tree, link, target);
}

/*
 * A USB adapter (7:1) on a bridge of NUMA node 1 whose own device says -1, one (7:2) on a
 * bridge of node 0, a virtual device (7:3), and a disk (7:1) of node 2.
 */
static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));
	struct tree *tree = tree_new();

	add_device(tree, 1, "char",
		   PCI "/0000:80:01.0/0000:81:00.0/usb3/3-1/tty/ttyUSB0");
	tree_file(tree, PCI "/0000:80:01.0/numa_node", "1\n");
	tree_file(tree, PCI "/0000:80:01.0/0000:81:00.0/numa_node", "-1\n");
	tree_file(tree, PCI "/0000:80:01.0/0000:81:00.0/usb3/speed", "5000\n");
	tree_file(tree, PCI "/0000:80:01.0/0000:81:00.0/usb3/3-1/speed", "12 \t\n");
	add_device(tree, 2, "char", PCI "/0000:80:02.0/usb4/4-1/tty/ttyUSB1");
	tree_file(tree, PCI "/0000:80:02.0/numa_node", "0");
	add_device(tree, 3, "char", "/sys/devices/virtual/tty/tty3");
	add_device(tree, 1, "block", PCI "/0000:80:03.0/block/sda");
	tree_file(tree, PCI "/0000:80:03.0/numa_node", "2\n");
	fixture->tree = tree;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	tree_free(fixture->tree);
	free(fixture);
	return 0;
}

static struct node_identity number(unsigned type, unsigned minor)
{
	return (struct node_identity){.type = type, .device = makedev(7, minor)};
}

static char *syspath_of(const struct fixture *fixture, struct node_identity node)
{
	char *syspath = topology_syspath(fixture->tree->root, &node);

	return syspath ? tree_relative(fixture->tree, syspath) : NULL;
}

static void a_node_is_found_by_its_number_below_the_root(void **state)
{
	const struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *character = syspath_of(fixture, number(S_IFCHR, 2));
	KUDEV_AUTO_FREE char *block = syspath_of(fixture, number(S_IFBLK, 1));

	assert_string_equal(character, PCI "/0000:80:02.0/usb4/4-1/tty/ttyUSB1");
	assert_string_equal(block, PCI "/0000:80:03.0/block/sda");
}

static void what_is_no_device_has_no_place(void **state)
{
	const struct fixture *fixture = *state;

	assert_null(syspath_of(fixture, number(S_IFREG, 1)));
	assert_null(syspath_of(fixture, number(S_IFDIR, 1)));
	assert_null(syspath_of(fixture, number(0, 0)));
	/* Made by hand: the kernel has no such device. */
	assert_null(syspath_of(fixture, number(S_IFCHR, 99)));
	assert_null(syspath_of(fixture, number(S_IFBLK, 2)));
}

static int numa_of(const struct fixture *fixture, const char *path)
{
	KUDEV_AUTO_FREE char *syspath = tree_path(fixture->tree, path);

	return topology_numa_node(syspath);
}

static void the_nearest_device_that_knows_its_numa_node_says_it(void **state)
{
	const struct fixture *fixture = *state;
	static const struct {
		const char *text; /* of the device itself; NULL: no such attribute */
		int expected;	  /* above it: -1, then 1 */
	} tests[] = {
		{NULL, 1}, {"-1\n", 1}, {"0\n", 0},	      {"3", 3},
		{"", 1},   {"x\n", 1},	{"99999999999\n", 1}, {"4 5\n", 1},
	};

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		const char *file = PCI "/0000:80:01.0/0000:81:00.0/usb3/numa_node";

		if (tests[i].text)
			tree_file(fixture->tree, file, tests[i].text);
		assert_int_equal(
			numa_of(fixture,
				PCI "/0000:80:01.0/0000:81:00.0/usb3/3-1/tty/ttyUSB0"),
			tests[i].expected);
	}
}

static void where_nobody_knows_the_numa_node_is_unknown(void **state)
{
	const struct fixture *fixture = *state;

	assert_int_equal(numa_of(fixture, "/sys/devices/virtual/tty/tty3"),
			 LIST_NUMA_UNKNOWN);
	assert_int_equal(numa_of(fixture, "/sys/devices/gone"), LIST_NUMA_UNKNOWN);
	/* The top is no device, nor is what is above it. */
	tree_file(fixture->tree, "/sys/devices/numa_node", "5\n");
	tree_file(fixture->tree, "/sys/numa_node", "6\n");
	tree_file(fixture->tree, "/numa_node", "7\n");
	assert_int_equal(numa_of(fixture, "/sys/devices/virtual/tty/tty3"),
			 LIST_NUMA_UNKNOWN);
	tree_file(fixture->tree, "/sys/devices/virtual/tty/tty3/numa_node", "-1\n");
	assert_int_equal(numa_of(fixture, "/sys/devices/virtual/tty/tty3"),
			 LIST_NUMA_UNKNOWN);
}

static void a_unit_is_where_those_of_its_nodes_are_that_know(void **state)
{
	const struct fixture *fixture = *state;
	static const struct {
		unsigned types[3]; /* 0: ends */
		unsigned minors[3];
		int expected;
	} tests[] = {
		{{0}, {0}, LIST_NUMA_UNKNOWN},
		{{S_IFCHR}, {1}, 1},
		{{S_IFCHR, S_IFCHR}, {1, 1}, 1},
		{{S_IFCHR, S_IFCHR}, {3, 2}, 0},
		{{S_IFCHR, S_IFREG, S_IFCHR}, {2, 0, 99}, 0},
		{{S_IFCHR, S_IFREG}, {3, 0}, LIST_NUMA_UNKNOWN},
		/* They disagree. */
		{{S_IFCHR, S_IFCHR}, {1, 2}, LIST_NUMA_UNKNOWN},
		{{S_IFCHR, S_IFCHR, S_IFCHR}, {2, 1, 2}, LIST_NUMA_UNKNOWN},
		{{S_IFCHR, S_IFBLK}, {1, 1}, LIST_NUMA_UNKNOWN},
	};

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		struct unit_node nodes[3] = {0};
		struct unit unit = {.nodes = nodes};

		for (; unit.node_count < 3 && tests[i].types[unit.node_count];
		     unit.node_count++)
			nodes[unit.node_count] = (struct unit_node){
				.root = fixture->tree->root,
				.identity = number(tests[i].types[unit.node_count],
						   tests[i].minors[unit.node_count]),
			};
		assert_int_equal(topology_of_unit(&unit), tests[i].expected);
	}
}

static char *attribute_of(const struct fixture *fixture, const char *name, int *error)
{
	KUDEV_AUTO_FREE char *syspath = tree_path(
		fixture->tree, PCI "/0000:80:01.0/0000:81:00.0/usb3/3-1/tty/ttyUSB0");

	*error = 1;
	return topology_attribute(syspath, name, error);
}

static void check_attribute(const struct fixture *fixture, const char *name,
			    const char *expected)
{
	int error;
	KUDEV_AUTO_FREE char *text = attribute_of(fixture, name, &error);

	if (!expected) {
		assert_null(text);
		assert_int_equal(error, -ENOENT);
		return;
	}
	assert_non_null(text);
	assert_string_equal(text, expected);
	assert_int_equal(error, 1);
}

static void an_attribute_is_that_of_the_nearest_device_that_has_it(void **state)
{
	const struct fixture *fixture = *state;
	const char *tty = PCI "/0000:80:01.0/0000:81:00.0/usb3/3-1/tty/ttyUSB0/speed";

	check_attribute(fixture, "speed", "12");
	check_attribute(fixture, "numa_node", "-1");
	check_attribute(fixture, "serial", NULL);
	tree_file(fixture->tree, "/sys/devices/serial", "the top is no device");
	check_attribute(fixture, "serial", NULL);
	/* The device itself comes first, with an empty value too. */
	tree_file(fixture->tree, tty, "one\ntwo\n");
	check_attribute(fixture, "speed", "one\ntwo");
	tree_file(fixture->tree, tty, "\n");
	check_attribute(fixture, "speed", "");
	/* A name may lead further down. */
	tree_file(fixture->tree, PCI "/0000:80:01.0/power/control", "auto\n");
	check_attribute(fixture, "power/control", "auto");
}

static void directories_and_pipes_of_that_name_are_no_attributes(void **state)
{
	const struct fixture *fixture = *state;
	const char *tty = PCI "/0000:80:01.0/0000:81:00.0/usb3/3-1/tty/ttyUSB0/speed";
	KUDEV_AUTO_FREE char *full = tree_path(fixture->tree, tty);

	/* The class directory above is called tty. */
	check_attribute(fixture, "tty", NULL);
	check_attribute(fixture, "usb3", NULL);
	tree_directory(fixture->tree, tty);
	check_attribute(fixture, "speed", "12");
	tree_remove(fixture->tree, tty);
	assert_int_equal(mkfifo(full, 0600), 0);
	check_attribute(fixture, "speed", "12");
	tree_remove(fixture->tree, tty);
	tree_link(fixture->tree, tty, "nowhere");
	check_attribute(fixture, "speed", "12");
}

/* An attribute that is there but can't be read says so: what is above is another one. */
static void an_attribute_that_cannot_be_read_is_an_error(void **state)
{
	const struct fixture *fixture = *state;
	int error;

	tree_link(fixture->tree,
		  PCI "/0000:80:01.0/0000:81:00.0/usb3/3-1/tty/ttyUSB0/speed", "speed");
	assert_null(attribute_of(fixture, "speed", &error));
	assert_int_equal(error, -ELOOP);
	assert_null(topology_attribute("/nowhere", "speed", NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_node_is_found_by_its_number_below_the_root),
		TEST(what_is_no_device_has_no_place),
		TEST(the_nearest_device_that_knows_its_numa_node_says_it),
		TEST(where_nobody_knows_the_numa_node_is_unknown),
		TEST(a_unit_is_where_those_of_its_nodes_are_that_know),
		TEST(an_attribute_is_that_of_the_nearest_device_that_has_it),
		TEST(directories_and_pipes_of_that_name_are_no_attributes),
		TEST(an_attribute_that_cannot_be_read_is_an_error),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
