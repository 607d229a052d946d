/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>

#include "device/identity.h"
#include "device/topology.h"
#include "test-udev.h"

static void what_a_serial_port_is_called_depends_on_the_identity(void **state)
{
	static const struct {
		const char *class;
		const char *expected;
	} tests[] = {
		{SERIAL_PORTS,
		 "2341-8037-85436-if00-ttyacm /dev/ttyACM0\n"
		 "2341-8037-85436-if02-ttyacm /dev/ttyACM1\n" ID_A " /dev/ttyUSB0\n"},
		{SERIAL_PORTS ", identity: serial",
		 "2341-8037-85436-if00-ttyacm /dev/ttyACM0\n"
		 "2341-8037-85436-if02-ttyacm /dev/ttyACM1\n" ID_A " /dev/ttyUSB0\n"},
		{SERIAL_PORTS ", identity: port",
		 "pci-0000-00-14-0-usb2-2-if00-ttyacm /dev/ttyACM0\n"
		 "pci-0000-00-14-0-usb2-2-if02-ttyacm /dev/ttyACM1\n"
		 "pci-0000-00-14-0-usb2-1-1-if00-ttyusb /dev/ttyUSB0\n"},
		{SERIAL_PORTS ", identity: path", "ttyacm0 /dev/ttyACM0\n"
						  "ttyacm1 /dev/ttyACM1\n"
						  "ttyusb0 /dev/ttyUSB0\n"},
		{"match: [{usb: {vendor: 046d}}]",
		 "pci-0000-00-14-0-usb2-3-if02-control /dev/snd/controlC1\n"
		 "pci-0000-00-14-0-usb2-3-if02-pcmd0c /dev/snd/pcmC1D0c\n"
		 "pci-0000-00-14-0-usb2-3-if00-video /dev/video0\n"
		 "pci-0000-00-14-0-usb2-3-if00-video-1 /dev/video1\n"},
		{"match: [{subsystem: block}]", "loop0 /dev/loop0\n"
						"naa-5000c500a1b2c3d4-disk /dev/sda\n"
						"naa-5000c500a1b2c3d4-disk-part1 "
						"/dev/sda1\n"},
		{"match: [{kernel: kvm}]", "kvm /dev/kvm\n"},
		{"share: 2, permissions: r, match: [{kernel: kvm}]",
		 "kvm-0 /dev/kvm:r\nkvm-1 /dev/kvm:r\n"},
		{"mountPath: '/dev/tty{index}', match: [{usb: {product: '6001'}}]",
		 ID_A " /dev/ttyUSB0>/dev/tty0\n"},
	};
	struct fixture *fixture = *state;

	BED_ADD(fixture, BED_CONTROLLER, BED_ADAPTER_A("ttyUSB0", "0"), BED_BOARD,
		BED_CAMERA, BED_VIRTUAL, BED_DISK);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		start(fixture, tests[i].class);
		expect(fixture, tests[i].expected);
	}
}

static void the_nodes_of_one_device_are_one_unit_where_the_class_says_so(void **state)
{
	static const struct {
		const char *class;
		const char *expected;
	} tests[] = {
		{"match: [{usb: {vendor: 046d}}]",
		 "pci-0000-00-14-0-usb2-3 /dev/snd/controlC1 /dev/snd/pcmC1D0c "
		 "/dev/video0 /dev/video1\n"},
		{SERIAL_PORTS, "pci-0000-00-14-0-usb2-1-1 /dev/ttyUSB0\n"
			       "pci-0000-00-14-0-usb2-2 /dev/ttyACM0 /dev/ttyACM1\n"},
		{SERIAL_PORTS ", identity: serial",
		 "0403-6001-a50285bi /dev/ttyUSB0\n"
		 "2341-8037-85436 /dev/ttyACM0 /dev/ttyACM1\n"},
		{SOUND ", identity: path",
		 "0000-00-1b-0 /dev/snd/controlC0 /dev/snd/pcmC0D0p\n"
		 "1-3 /dev/snd/controlC1 /dev/snd/pcmC1D0c\n"},
		{"match: [{subsystem: [misc, sound], not: [{usb: {vendor: '*'}}]}]",
		 "pci-0000-00-1b-0 /dev/snd/controlC0 /dev/snd/pcmC0D0p\nkvm /dev/kvm\n"},
		{"share: 2, identity: serial, match: [{usb: {vendor: '2341'}}]",
		 "2341-8037-85436-0 /dev/ttyACM0 /dev/ttyACM1\n"
		 "2341-8037-85436-1 /dev/ttyACM0 /dev/ttyACM1\n"},
	};
	struct fixture *fixture = *state;

	BED_ADD(fixture, BED_CONTROLLER, BED_ADAPTER_A("ttyUSB0", "0"), BED_BOARD,
		BED_CAMERA, BED_SOUND, BED_VIRTUAL);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *class = mem_printf("together: parent, %s",
							 tests[i].class);

		start(fixture, class);
		expect(fixture, tests[i].expected);
	}
}

/* The nodes of a device come one by one, in the order of the lines. */
static void check_arrival(struct fixture *fixture, const char *settings,
			  const char *const *lines, const char *id)
{
	KUDEV_AUTO_FREE char *class =
		mem_printf("together: parent, %s, match: [{usb: {vendor: '*'}, kernel: "
			   "['controlC*', 'pcmC*', 'video*', 'ttyACM*']}]",
			   settings);
	size_t nodes = 0;

	start(fixture, class);
	for (size_t i = 0; lines[i]; i++) {
		const char *const line[] = {lines[i], NULL};
		KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

		nodes += plug(fixture, line);
		assert_int_equal(source_scan(fixture->source, &scan, NULL), 0);
		assert_int_equal(scan.units.count, nodes > 0);
		if (nodes == 0)
			continue;
		assert_string_equal(scan.units.items[0].id, id);
		assert_int_equal(scan.units.items[0].node_count, nodes);
		/* The inventory takes more nodes for the same device on this alone. */
		assert_true(scan.units.items[0].is_hardware);
	}
	assert_true(nodes > 1);
	bed_remove(fixture->bed, lines);
}

/* One whose nodes are of several kinds, of which some would have the serial number. */
#define BOARD_WITH_SOUND                                                           \
	BED_BOARD, BED_USB "/1-2/1-2:1.4 usb/usb_interface bInterfaceNumber=04",   \
		BED_USB "/1-2/1-2:1.4/sound/card2 sound id=B",                     \
		BED_USB "/1-2/1-2:1.4/sound/card2/controlC2 sound "                \
			"node=snd/controlC2 dev=116:7",                            \
		BED_USB "/1-2/1-2:1.6 usb/usb_interface bInterfaceNumber=06",      \
		BED_USB "/1-2/1-2:1.6/video4linux/video7 video4linux node=video7 " \
			"dev=81:7 index=0"

static void the_id_of_a_unit_stays_while_its_nodes_arrive(void **state)
{
	static const char *const camera[] = {BED_CAMERA, NULL};
	static const char *const board[] = {BOARD_WITH_SOUND, NULL};
	static const struct {
		const char *const *lines;
		const char *settings;
		const char *id;
	} tests[] = {
		{camera, "identity: auto", "pci-0000-00-14-0-usb2-3"},
		{camera, "identity: port", "pci-0000-00-14-0-usb2-3"},
		{camera, "identity: serial", "pci-0000-00-14-0-usb2-3"},
		{camera, "identity: path", "1-3"},
		{board, "identity: auto", "pci-0000-00-14-0-usb2-2"},
		{board, "identity: port", "pci-0000-00-14-0-usb2-2"},
		{board, "identity: serial", "2341-8037-85436"},
		{board, "identity: path", "1-2"},
	};
	struct fixture *fixture = *state;

	BED_ADD(fixture, BED_CONTROLLER);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++)
		check_arrival(fixture, tests[i].settings, tests[i].lines, tests[i].id);
}

static struct strings ids_of(struct fixture *fixture)
{
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	struct strings ids = {0};

	assert_int_equal(source_scan(fixture->source, &scan, NULL), 0);
	for (size_t i = 0; i < scan.units.count; i++)
		strings_add(&ids, scan.units.items[i].id);
	return ids;
}

static bool is_dns_label(const char *id)
{
	size_t length = strlen(id);

	for (size_t i = 0; i < length; i++) {
		if (!islower((unsigned char)id[i]) && !isdigit((unsigned char)id[i]) &&
		    (id[i] != '-' || i == 0 || i == length - 1))
			return false;
	}
	return length > 0 && length <= IDENTITY_MAX_LENGTH;
}

static void all_ids_are_dns_labels_and_no_two_are_the_same(void **state)
{
	static const char *const settings[] = {
		"identity: auto",
		"identity: serial",
		"identity: port",
		"identity: path",
		"together: parent",
		"share: 1000",
		"identity: port, together: parent, share: 10",
	};
	struct fixture *fixture = *state;

	BED_ADD(fixture, BED_CONTROLLER, BED_ADAPTER_A("ttyUSB0", "0"),
		BED_ADAPTER_B("ttyUSB1", "1"), BED_ADAPTER_C("ttyUSB2", "2"), BED_BOARD,
		BED_CAMERA, BED_SOUND, BED_VIRTUAL, BED_DISK,
		BED_ADAPTER(BED_USB, "1-9", "9", "6001",
			    "serial=An_Uncommonly.Long/Number,_such+as(cheap)ones:have",
			    "ttyUSB3", "3"));
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(settings); i++) {
		KUDEV_AUTO_FREE char *class = mem_printf("%s, match: [{kernel: '*'}]",
							 settings[i]);
		KUDEV_AUTO_STRINGS struct strings ids = {0};

		start(fixture, class);
		ids = ids_of(fixture);
		assert_true(ids.count >= 8);
		strings_sort(&ids);
		for (size_t j = 0; j < ids.count; j++) {
			if (!is_dns_label(ids.items[j]) ||
			    (j > 0 && strcmp(ids.items[j], ids.items[j - 1]) == 0))
				print_message("%s: %s\n", settings[i], ids.items[j]);
			assert_true(is_dns_label(ids.items[j]));
			assert_true(j == 0 ||
				    strcmp(ids.items[j], ids.items[j - 1]) != 0);
		}
	}
}

static void ids_do_not_depend_on_the_order_in_which_things_are_found(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_STRINGS struct strings before = {0};
	KUDEV_AUTO_STRINGS struct strings after = {0};
	KUDEV_AUTO_FREE char *first = NULL;
	KUDEV_AUTO_FREE char *second = NULL;

	BED_ADD(fixture, BED_CONTROLLER, BED_ADAPTER_A("ttyUSB0", "0"),
		BED_ADAPTER_B("ttyUSB1", "1"), BED_ADAPTER_C("ttyUSB2", "2"));
	start(fixture, SERIAL_PORTS);
	before = ids_of(fixture);
	/* The same, after a boot that found them the other way round. */
	bed_remove(fixture->bed,
		   LINES(BED_ADAPTER_A("ttyUSB0", "0"), BED_ADAPTER_B("ttyUSB1", "1"),
			 BED_ADAPTER_C("ttyUSB2", "2")));
	BED_ADD(fixture, BED_ADAPTER_C("ttyUSB0", "0"), BED_ADAPTER_B("ttyUSB1", "1"),
		BED_ADAPTER_A("ttyUSB2", "2"));
	start(fixture, SERIAL_PORTS);
	after = ids_of(fixture);
	strings_sort(&before);
	strings_sort(&after);
	first = strings_join(&before, "\n");
	second = strings_join(&after, "\n");
	assert_string_equal(first, second);
	assert_int_equal(before.count, 3);
}

static void events_make_the_units_follow(void **state)
{
	struct fixture *fixture = *state;

	BED_ADD(fixture, BED_CONTROLLER);
	start(fixture, SERIAL_PORTS);
	expect(fixture, "");
	assert_true(PLUG(fixture, BED_ADAPTER_A("ttyUSB0", "0")));
	expect(fixture, ID_A " /dev/ttyUSB0\n");
	/* What has nothing to do with the class. */
	assert_false(PLUG(fixture, BED_VIRTUAL));
	assert_false(PLUG(fixture, BED_CAMERA));
	expect(fixture, ID_A " /dev/ttyUSB0\n");
	assert_true(PLUG(fixture, BED_ADAPTER_B("ttyUSB1", "1")));
	expect(fixture, ID_A " /dev/ttyUSB0\n" ID_B " /dev/ttyUSB1\n");
	assert_true(UNPLUG(fixture, BED_ADAPTER_A("ttyUSB0", "0")));
	expect(fixture, ID_B " /dev/ttyUSB1\n");
	assert_false(UNPLUG(fixture, BED_VIRTUAL));
}

static void a_device_is_the_same_after_a_re_plug_with_another_number(void **state)
{
	struct fixture *fixture = *state;

	BED_ADD(fixture, BED_CONTROLLER, BED_ADAPTER_A("ttyUSB0", "0"));
	start(fixture, SERIAL_PORTS);
	expect(fixture, ID_A " /dev/ttyUSB0\n");
	assert_true(UNPLUG(fixture, BED_ADAPTER_A("ttyUSB0", "0")));
	expect(fixture, "");
	assert_true(PLUG(fixture, BED_ADAPTER_A("ttyUSB7", "7")));
	expect(fixture, ID_A " /dev/ttyUSB7\n");
	/* At another port its serial number is the same. */
	assert_true(UNPLUG(fixture, BED_ADAPTER_A("ttyUSB7", "7")));
	assert_true(PLUG(fixture, BED_ADAPTER(BED_USB, "1-5", "5", "6001",
					      "serial=A50285BI", "ttyUSB0", "0")));
	expect(fixture, ID_A " /dev/ttyUSB0\n");
}

static char *id_of_node(struct fixture *fixture, const char *node)
{
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

	assert_int_equal(source_scan(fixture->source, &scan, NULL), 0);
	for (size_t i = 0; i < scan.units.count; i++) {
		if (strcmp(scan.units.items[i].nodes[0].host_path, node) == 0)
			return mem_string(scan.units.items[i].id);
	}
	return mem_string("none");
}

static void of_two_with_one_number_each_keeps_its_id(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *second = NULL;
	KUDEV_AUTO_FREE char *again = NULL;

	BED_ADD(fixture, BED_CONTROLLER, BED_ADAPTER_B("ttyUSB0", "0"));
	start(fixture, SERIAL_PORTS);
	expect(fixture, ID_B " /dev/ttyUSB0\n");
	PLUG(fixture, BED_ADAPTER_C("ttyUSB1", "1"));
	second = id_of_node(fixture, "/dev/ttyUSB1");
	assert_string_not_equal(second, ID_B);
	assert_true(is_dns_label(second));
	/* Both are unplugged and come back the other way round. */
	UNPLUG(fixture, BED_ADAPTER_B("ttyUSB0", "0"));
	UNPLUG(fixture, BED_ADAPTER_C("ttyUSB1", "1"));
	expect(fixture, "");
	PLUG(fixture, BED_ADAPTER_C("ttyUSB0", "0"));
	again = id_of_node(fixture, "/dev/ttyUSB0");
	assert_string_equal(again, second);
	PLUG(fixture, BED_ADAPTER_B("ttyUSB1", "1"));
	free(again);
	again = id_of_node(fixture, "/dev/ttyUSB1");
	assert_string_equal(again, ID_B);
}

static void a_doubled_number_is_noted(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

	BED_ADD(fixture, BED_CONTROLLER, BED_ADAPTER_B("ttyUSB0", "0"),
		BED_ADAPTER_C("ttyUSB1", "1"));
	start(fixture, SERIAL_PORTS);
	assert_int_equal(source_scan(fixture->source, &scan, NULL), 0);
	assert_int_equal(scan.notes.count, 2);
	assert_string_equal(scan.notes.items[0].path, "/dev/ttyUSB0");
	assert_non_null(strstr(scan.notes.items[0].reason, "same serial number"));
}

/* A receiver with several nodes on one interface: neither number nor port differ. */
static void nodes_that_only_their_names_tell_apart_have_ids_of_their_own(void **state)
{
#define RECEIVER BED_USB "/1-4/1-4:1.2/0003:046D:C52B.000"
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *first = NULL;
	KUDEV_AUTO_FREE char *again = NULL;
	KUDEV_AUTO_STRINGS struct strings ids = {0};

	BED_ADD(fixture, BED_CONTROLLER,
		BED_USB "/1-4 usb/usb_device idVendor=046d idProduct=c52b serial=R1 "
			"version=2.00 devpath=4",
		BED_USB "/1-4/1-4:1.2 usb/usb_interface bInterfaceNumber=02",
		RECEIVER "1 hid", RECEIVER "2 hid", RECEIVER "3 hid",
		RECEIVER "1/hidraw/hidraw0 hidraw node=hidraw0 dev=1:9");
	start(fixture, "match: [{subsystem: hidraw}]");
	first = id_of_node(fixture, "/dev/hidraw0");
	assert_string_equal(first, "046d-c52b-r1-if02-hidraw");
	PLUG(fixture, RECEIVER "2/hidraw/hidraw1 hidraw node=hidraw1 dev=1:8",
	     RECEIVER "3/hidraw/hidraw2 hidraw node=hidraw2 dev=1:7");
	/* It has its name already. */
	again = id_of_node(fixture, "/dev/hidraw0");
	assert_string_equal(again, first);
	for (unsigned round = 0; round < 3; round++) {
		strings_clear(&ids);
		ids = ids_of(fixture);
		assert_int_equal(ids.count, 3);
		strings_sort(&ids);
		assert_string_not_equal(ids.items[0], ids.items[1]);
		assert_string_not_equal(ids.items[1], ids.items[2]);
		/* As after a restart. */
		start(fixture, "match: [{subsystem: hidraw}]");
	}
}

static void a_device_that_changes_is_looked_at_anew(void **state)
{
	static const char *const video = BED_USB
		"/1-3/1-3:1.0/video4linux/video0 video4linux node=video0 dev=81:0";
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *index = mem_printf("/sys" BED_USB
						 "/1-3/1-3:1.0/video4linux/video0/index");

	BED_ADD(fixture, BED_CONTROLLER, BED_CAMERA);
	start(fixture, "identity: path, match: [{subsystem: video4linux, attributes: "
		       "{index: '0'}}]");
	expect(fixture, "video0 /dev/video0\n");
	tree_file(&fixture->bed->tree, index, "3\n");
	/* Nothing is asked without an event. */
	expect(fixture, "video0 /dev/video0\n");
	assert_true(tell(fixture, video, "change"));
	expect(fixture, "");
	assert_false(tell(fixture, video, "change"));
	tree_file(&fixture->bed->tree, index, "0\n");
	assert_true(tell(fixture, video, "bind"));
	expect(fixture, "video0 /dev/video0\n");
}

static void without_trust_all_is_enumerated_anew(void **state)
{
	struct fixture *fixture = *state;

	BED_ADD(fixture, BED_CONTROLLER, BED_ADAPTER_A("ttyUSB0", "0"));
	start(fixture, SERIAL_PORTS);
	expect(fixture, ID_A " /dev/ttyUSB0\n");
	/* Events that nobody told of. */
	bed_remove(fixture->bed, LINES(BED_ADAPTER_A("ttyUSB0", "0")));
	BED_ADD(fixture, BED_ADAPTER_B("ttyUSB1", "1"));
	expect(fixture, "");
	source_distrust(fixture->source);
	expect(fixture, ID_B " /dev/ttyUSB1\n");
	/* Names are kept all the same. */
	BED_ADD(fixture, BED_ADAPTER_C("ttyUSB0", "0"));
	source_distrust(fixture->source);
	{
		KUDEV_AUTO_FREE char *id = id_of_node(fixture, "/dev/ttyUSB1");

		assert_string_equal(id, ID_B);
	}
}

static void what_has_gone_before_its_event_is_read_is_no_member(void **state)
{
	static const char *const lines[] = {BED_ADAPTER_A("ttyUSB0", "0"), NULL};
	struct fixture *fixture = *state;

	BED_ADD(fixture, BED_CONTROLLER);
	start(fixture, SERIAL_PORTS);
	expect(fixture, "");
	assert_false(tell(fixture, lines[3], "add"));
	assert_false(tell(fixture, lines[3], "remove"));
	expect(fixture, "");
}

/* By the physical device, as people count. */
static void the_place_of_a_unit_is_that_of_the_bus(void **state)
{
	static const struct {
		const char *node;
		int numa_node;
	} units[] = {
		{"/dev/snd/controlC0", 1},
		{"/dev/ttyUSB0", LIST_NUMA_UNKNOWN},
		{"/dev/sda", 0},
		{"/dev/kvm", LIST_NUMA_UNKNOWN},
	};
	struct fixture *fixture = *state;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

	/* Its node is a file here, and no block device. */
	bed_link(fixture->bed, "/sys/dev/char/8:0", "/sys" BED_SCSI "/block/sda");
	BED_ADD(fixture, BED_CONTROLLER, BED_ADAPTER_A("ttyUSB0", "0"), BED_SOUND,
		BED_DISK, BED_VIRTUAL);
	start(fixture, "together: parent, match: [{kernel: [sda, 'control*', 'ttyUSB*', "
		       "kvm]}]");
	assert_int_equal(source_scan(fixture->source, &scan, NULL), 0);
	assert_int_equal(scan.units.count, KUDEV_ARRAY_SIZE(units));
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(units); i++) {
		const struct unit *unit = &scan.units.items[i];

		assert_string_equal(unit->nodes[0].host_path, units[i].node);
		/* Left to the inventory, which asks but once. */
		assert_int_equal(unit->numa_node, LIST_NUMA_UNKNOWN);
		assert_int_equal(topology_of_unit(unit), units[i].numa_node);
	}
}

static void an_id_that_stands_for_hardware_may_get_other_nodes(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

	BED_ADD(fixture, BED_CONTROLLER, BED_ADAPTER_A("ttyUSB0", "0"), BED_VIRTUAL);
	start(fixture, "match: [{kernel: [kvm, 'ttyUSB*']}]");
	assert_int_equal(source_scan(fixture->source, &scan, NULL), 0);
	assert_int_equal(scan.units.count, 2);
	assert_false(scan.units.items[0].is_hardware);
	assert_true(scan.units.items[1].is_hardware);
}

static void what_has_no_node_here_is_told(void **state)
{
	struct fixture *fixture = *state;

	BED_ADD(fixture, BED_CONTROLLER, BED_BOARD);
	start(fixture, "match: [{kernel: nothing}]");
	expect_missing(fixture, "match: no device meets the conditions\n");
	start(fixture, "match: [{tags: nothing}]");
	expect_missing(fixture, "match: properties and tags are udev's, but its database "
				"/run/udev is not here\n");
	start(fixture, "together: parent, " SERIAL_PORTS);
	tree_remove(&fixture->bed->tree, "/dev/ttyACM1");
	expect_missing(fixture,
		       "/dev/ttyACM1: the kernel has this device, but there is no such "
		       "node here; is the host's /dev mounted?\n"
		       "match: no device meets the conditions\n");
	tree_file(&fixture->bed->tree, "/dev/ttyACM1", "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(what_a_serial_port_is_called_depends_on_the_identity),
		TEST(the_nodes_of_one_device_are_one_unit_where_the_class_says_so),
		TEST(the_id_of_a_unit_stays_while_its_nodes_arrive),
		TEST(all_ids_are_dns_labels_and_no_two_are_the_same),
		TEST(ids_do_not_depend_on_the_order_in_which_things_are_found),
		TEST(events_make_the_units_follow),
		TEST(a_device_is_the_same_after_a_re_plug_with_another_number),
		TEST(of_two_with_one_number_each_keeps_its_id),
		TEST(a_doubled_number_is_noted),
		TEST(nodes_that_only_their_names_tell_apart_have_ids_of_their_own),
		TEST(a_device_that_changes_is_looked_at_anew),
		TEST(without_trust_all_is_enumerated_anew),
		TEST(what_has_gone_before_its_event_is_read_is_no_member),
		TEST(the_place_of_a_unit_is_that_of_the_bus),
		TEST(an_id_that_stands_for_hardware_may_get_other_nodes),
		TEST(what_has_no_node_here_is_told),
	};

	(void)argc;
	bed_enter(argv);
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
