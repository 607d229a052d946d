/* SPDX-License-Identifier: Apache-2.0 */
#include "source/usb.h"
#include "test-scan.h"

struct attached {
	const char *name;
	const char *vendor, *product, *serial; /* serial NULL: no such file */
	const char *bus, *number;
	bool without_node;
};

static void write_attribute(const struct tree *tree, const char *device, const char *name,
			    const char *value)
{
	KUDEV_AUTO_FREE char *path = mem_printf("/sys/devices/usb1/%s/%s", device, name);
	KUDEV_AUTO_FREE char *line = NULL;

	if (!value)
		return;
	line = mem_printf("%s\n", value);
	tree_file(tree, path, line);
}

/* As the kernel shows a device: a link to its directory, and the node. */
static void attach(const struct tree *tree, const struct attached *device)
{
	KUDEV_AUTO_FREE char *link = mem_printf("/sys/bus/usb/devices/%s", device->name);
	KUDEV_AUTO_FREE char *target = mem_printf("../../../devices/usb1/%s",
						  device->name);
	KUDEV_AUTO_FREE char *node = NULL;

	write_attribute(tree, device->name, "idVendor", device->vendor);
	write_attribute(tree, device->name, "idProduct", device->product);
	write_attribute(tree, device->name, "serial", device->serial);
	write_attribute(tree, device->name, "busnum", device->bus);
	write_attribute(tree, device->name, "devnum", device->number);
	tree_link(tree, link, target);
	if (!device->bus || !device->number || device->without_node)
		return;
	node = mem_printf("/dev/bus/usb/%03d/%03d", atoi(device->bus),
			  atoi(device->number));
	tree_file(tree, node, "");
}

static const struct attached all[] = {
	{"usb1", "1d6b", "0002", "0000:00:14.0", "1", "1", false},
	{"3-1", "1050", "0407", NULL, "3", "22", false},
	{"4-4", "1a86", "7523", "52", "4", "25", false},
	{"4-3", "1a86", "7523", "51", "4", "24", false},
	{"4-5", "1a86", "7523", NULL, "4", "103", false},
	{"1-9", "beef", "0001", NULL, "1", "9", true},
	/* An interface, and what is broken. */
	{"3-1:1.0", NULL, NULL, NULL, NULL, NULL, false},
	{"5-1", "1050", NULL, NULL, "5", "1", false},
	{"5-2", "1050", "0407", NULL, NULL, "2", false},
	{"5-3", "zzzz", "0407", NULL, "5", "3", false},
	{"5-4", "1050", "0407", NULL, "5", "x", true},
	{"5-5", "", "0407", NULL, "5", "5", false},
};

struct usb_case {
	const char *usb;
	const char *expected;
	const char *missing; /* NULL: nothing */
};

static void check_case(const struct tree *tree, const struct usb_case *test)
{
	KUDEV_AUTO_FREE char *text =
		mem_printf("device:\n- name: dev\n  groups: [{%s}]\n", test->usb);
	KUDEV_AUTO(config_free) struct config *config = scan_config(tree, text);
	KUDEV_AUTO(source_free) struct source *source = NULL;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	KUDEV_AUTO_FREE char *got = NULL;
	KUDEV_AUTO_FREE char *missing = NULL;

	source = scan_class(config, 0, &scan);
	got = scan_text(&config->classes[0], &scan, true);
	missing = scan_missing(&scan);
	if (strcmp(got, test->expected) != 0)
		print_message("for: %s\n", test->usb);
	assert_string_equal(got, test->expected);
	assert_string_equal(missing, test->missing ? test->missing : "");
}

/*
 * The IDs are sha1("<copy><paths>"). Each as in generic-device-plugin's usb_test.go, here
 * with all of its devices attached at once.
 */
static void devices_are_found_by_vendor_product_and_serial(void **state)
{
	static const struct usb_case tests[] = {
		{"usb: [{vendor: '1050', product: '0407'}]",
		 "eface26afd7952c41e1b3baa744fb543353eedb0 /dev/bus/usb/003/022\n", NULL},
		{"usb: [{vendor: '1a86', product: '7523', serial: '52'}]",
		 "88f11f415ed304d3c35d16f2badeff48afbb2741 /dev/bus/usb/004/025\n", NULL},
		{"usb: [{vendor: '1a86', product: '7523', serial: '53'}]", "",
		 "usb 1a86:7523: no such device is attached\n"},
		{"usb: [{vendor: 'dead', product: 'beef'}]", "",
		 "usb dead:beef: no such device is attached\n"},
		/* In sysfs, but its node isn't there (yet). */
		{"usb: [{vendor: 'beef', product: '0001'}]", "",
		 "usb beef:0001: no such device is attached\n"},
		{"count: 2, usb: [{vendor: '1050', product: '0407'}]",
		 "eface26afd7952c41e1b3baa744fb543353eedb0 /dev/bus/usb/003/022\n"
		 "275dd4a0311c1a47e184883cae4eb4cbd8d340a4 /dev/bus/usb/003/022\n",
		 NULL},
		/*
		 * All matches of all specifications are one unit; what lacks is left out.
		 */
		{"usb: [{vendor: '1a86', product: '7523'}]",
		 "91c4fa92184989cdceb1e7618622375671279620"
		 " /dev/bus/usb/004/024 /dev/bus/usb/004/025 /dev/bus/usb/004/103\n",
		 NULL},
		{"usb: [{vendor: '1050', product: '0407'}, {vendor: dead, product: beef},"
		 " {vendor: 1a86, product: '7523', serial: '51'}]",
		 "b32c42afb69f93b6ea89233c70140f676cddb936"
		 " /dev/bus/usb/003/022 /dev/bus/usb/004/024\n",
		 NULL},
	};
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(all); i++)
		attach(tree, &all[i]);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++)
		check_case(tree, &tests[i]);
}

/*
 * generic-device-plugin goes from specification to specification (usb.go, discoverUSB),
 * and the ID is a hash of the paths in that order.
 */
static void nodes_stand_in_the_order_of_the_specifications(void **state)
{
	static const struct usb_case test = {
		"usb: [{vendor: 1a86, product: '7523', serial: '51'},"
		" {vendor: '1050', product: '0407'}]",
		"7867b5361ce4791ae40b5417d866f2669b8bbb97"
		" /dev/bus/usb/004/024 /dev/bus/usb/003/022\n",
		NULL,
	};
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(all); i++)
		attach(tree, &all[i]);
	check_case(tree, &test);
}

static void a_machine_without_usb_has_no_devices(void **state)
{
	static const struct usb_case test = {
		"usb: [{vendor: '1050', product: '0407'}]",
		"",
		"usb 1050:0407: no such device is attached\n",
	};
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();

	(void)state;
	check_case(tree, &test);
}

static void the_directories_of_the_nodes_are_watched(void **state)
{
	static const struct config_usb usb = {.vendor = 0x1050, .product = 0x0407};
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO_STRINGS struct strings nodes = {0};
	KUDEV_AUTO_STRINGS struct strings directories = {0};
	KUDEV_AUTO_FREE char *top = tree_path(tree, "/dev/bus/usb");
	KUDEV_AUTO_FREE char *bus = tree_path(tree, "/dev/bus/usb/003");

	(void)state;
	attach(tree, &all[1]);
	assert_int_equal(usb_find(tree->root, &usb, 1, &nodes, &directories, NULL), 0);
	assert_int_equal(nodes.count, 1);
	assert_int_equal(directories.count, 2);
	assert_true(strings_contain(&directories, top));
	assert_true(strings_contain(&directories, bus));
}

static void native_ids_of_usb_devices_are_readable(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO(config_free)
	struct config *config =
		scan_config(tree, "classes:\n- name: key\n  share: 2\n"
				  "  groups: [{usb: [{vendor: 1050, product: 0407}]}]\n");
	KUDEV_AUTO(source_free) struct source *source = NULL;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	KUDEV_AUTO_FREE char *got = NULL;

	(void)state;
	attach(tree, &all[1]);
	source = scan_class(config, 0, &scan);
	got = scan_text(&config->classes[0], &scan, true);
	assert_string_equal(got, "bus-usb-003-022-0 /dev/bus/usb/003/022\n"
				 "bus-usb-003-022-1 /dev/bus/usb/003/022\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(devices_are_found_by_vendor_product_and_serial),
		cmocka_unit_test(nodes_stand_in_the_order_of_the_specifications),
		cmocka_unit_test(a_machine_without_usb_has_no_devices),
		cmocka_unit_test(the_directories_of_the_nodes_are_watched),
		cmocka_unit_test(native_ids_of_usb_devices_are_readable),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
