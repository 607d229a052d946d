/* SPDX-License-Identifier: Apache-2.0 */
/* The udev source, of devices that are not ready yet. */
#include "source/settling.h"
#include "test-udev.h"

static void a_new_device_waits_until_udev_has_finished_with_it(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

	run_udev();
	BED_ADD(fixture, BED_CONTROLLER);
	start(fixture, "match: [{subsystem: tty, properties: {ID_USB_SERIAL: X}}]");
	expect(fixture, "");
	assert_true(PLUG(fixture, BED_ADAPTER_A("ttyUSB0", "0")));
	assert_int_equal(source_scan(fixture->source, &scan, NULL), 0);
	assert_int_equal(scan.units.count, 0);
	assert_int_equal(scan.notes.count, 0);
	assert_true(scan.again_ms > 0 && scan.again_ms <= SETTLING_MAX_MS);
	assert_true(strings_contain(&scan.directories, SETTLING_DATABASE));
	/* The rename in the database makes discovery scan; there need be no event. */
	run_udev_entry("c188:0", "E:ID_USB_SERIAL=X\nV:1\n");
	expect(fixture, ID_A " /dev/ttyUSB0\n");
	/* One that it has finished with and that does not match is forgotten. */
	assert_true(PLUG(fixture, BED_ADAPTER_B("ttyUSB1", "1")));
	run_udev_entry("c188:1", "E:ID_USB_SERIAL=Y\nV:1\n");
	expect(fixture, ID_A " /dev/ttyUSB0\n");
	assert_false(UNPLUG(fixture, BED_ADAPTER_B("ttyUSB1", "1")));
}

/* Scans, and returns after how many milliseconds it is to be done once more. */
static int64_t again_ms_of(struct fixture *fixture)
{
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

	assert_int_equal(source_scan(fixture->source, &scan, NULL), 0);
	return scan.again_ms;
}

/* How many notes a scan has, all of which have to be that udev was waited for in vain. */
static size_t count_given_up(struct fixture *fixture)
{
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

	assert_int_equal(source_scan(fixture->source, &scan, NULL), 0);
	for (size_t i = 0; i < scan.notes.count; i++)
		assert_string_equal(scan.notes.items[i].reason, SETTLING_GIVEN_UP);
	return scan.notes.count;
}

static void a_device_that_was_given_up_stays_through_a_new_enumeration(void **state)
{
	struct fixture *fixture = *state;

	run_udev();
	BED_ADD(fixture, BED_CONTROLLER);
	start(fixture, SERIAL_PORTS);
	expect(fixture, "");
	assert_true(PLUG(fixture, BED_ADAPTER_A("ttyUSB0", "0")));
	assert_int_equal(again_ms_of(fixture), SETTLING_MAX_MS);
	/* That it is enumerated anew gives udev no more time. */
	now_ms += SETTLING_MAX_MS - 1;
	source_distrust(fixture->source);
	assert_int_equal(again_ms_of(fixture), 1);
	expect(fixture, "");
	now_ms++;
	assert_int_equal(count_given_up(fixture), 1);
	expect(fixture, ID_A " /dev/ttyUSB0\n");
	for (unsigned i = 0; i < 3; i++) {
		source_distrust(fixture->source);
		assert_int_equal(again_ms_of(fixture), -1);
		expect(fixture, ID_A " /dev/ttyUSB0\n");
		now_ms += SETTLING_MAX_MS;
	}
	/* What is met by an enumeration waits, unless udev has finished with it. */
	BED_ADD(fixture, BED_ADAPTER_B("ttyUSB1", "1"));
	source_distrust(fixture->source);
	assert_int_equal(again_ms_of(fixture), SETTLING_MAX_MS);
	expect(fixture, ID_A " /dev/ttyUSB0\n");
	run_udev_entry("c188:1", "V:1\n");
	expect(fixture, ID_A " /dev/ttyUSB0\n" ID_B " /dev/ttyUSB1\n");
	/* One that has gone and comes again waits as the first time. */
	assert_true(UNPLUG(fixture, BED_ADAPTER_A("ttyUSB0", "0")));
	expect(fixture, ID_B " /dev/ttyUSB1\n");
	assert_true(PLUG(fixture, BED_ADAPTER_A("ttyUSB0", "0")));
	expect(fixture, ID_B " /dev/ttyUSB1\n");
	assert_int_equal(again_ms_of(fixture), SETTLING_MAX_MS);
}

#define CAMERA_ID "pci-0000-00-14-0-usb2-3"
#define ADAPTER_UNIT "pci-0000-00-14-0-usb2-1-1 /dev/ttyUSB0\n"

static void a_unit_waits_while_any_of_its_nodes_waits(void **state)
{
	static const char *const more[] = {
		BED_USB
		"/1-3/1-3:1.0/video4linux/video2 video4linux node=video2 dev=81:2 "
		"index=2",
		NULL};
	static const char *const entries[] = {"c81:0", "c116:6", "c81:1"};
	struct fixture *fixture = *state;

	run_udev();
	BED_ADD(fixture, BED_CONTROLLER);
	start(fixture, "together: parent, match: [{usb: {vendor: 046d}}, {kernel: "
		       "'ttyUSB*'}]");
	expect(fixture, "");
	assert_true(PLUG(fixture, BED_CAMERA, BED_ADAPTER_A("ttyUSB0", "0")));
	expect(fixture, "");
	/* Nobody waits for the nodes of another device. */
	run_udev_entry("c188:0", "V:1\n");
	expect(fixture, ADAPTER_UNIT);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(entries); i++) {
		run_udev_entry(entries[i], "V:1\n");
		expect(fixture, ADAPTER_UNIT);
		assert_int_equal(again_ms_of(fixture), SETTLING_MAX_MS);
	}
	run_udev_entry("c116:5", "V:1\n");
	expect(fixture, ADAPTER_UNIT CAMERA_ID
	       " /dev/snd/controlC1 /dev/snd/pcmC1D0c /dev/video0 /dev/video1\n");
	assert_int_equal(again_ms_of(fixture), -1);
	/* One that comes later, with which udev never finishes. */
	assert_true(plug(fixture, more));
	expect(fixture, ADAPTER_UNIT);
	now_ms += SETTLING_MAX_MS;
	assert_int_equal(count_given_up(fixture), 1);
	expect(fixture, ADAPTER_UNIT CAMERA_ID
	       " /dev/snd/controlC1 /dev/snd/pcmC1D0c /dev/video0 /dev/video1 "
	       "/dev/video2\n");
}

/* So long is a driver's moment; udev.c. */
#define RETRY_MS 300

#define VIDEO BED_USB "/1-6/1-6:1.0/video4linux/video4"
#define BARE_CAMERA                                                              \
	BED_USB "/1-6 usb/usb_device idVendor=046d idProduct=0825 version=2.00 " \
		"devpath=6",                                                     \
		BED_USB "/1-6/1-6:1.0 usb/usb_interface bInterfaceNumber=00",    \
		VIDEO " video4linux node=video4 dev=81:4"
#define FIRST_VIDEO \
	"identity: path, match: [{subsystem: video4linux, attributes: {index: '0'}}]"

static void attributes_that_appear_a_moment_after_the_device_are_seen(void **state)
{
	static const char *const camera[] = {BARE_CAMERA, NULL};
	struct fixture *fixture = *state;

	BED_ADD(fixture, BED_CONTROLLER);
	start(fixture, FIRST_VIDEO);
	expect(fixture, "");
	assert_true(PLUG(fixture, BARE_CAMERA));
	expect(fixture, "");
	assert_int_equal(again_ms_of(fixture), RETRY_MS);
	/* Nobody says so. */
	tree_file(&fixture->bed->tree, "/sys" VIDEO "/index", "0\n");
	now_ms += RETRY_MS - 1;
	expect(fixture, "");
	assert_int_equal(again_ms_of(fixture), 1);
	now_ms++;
	expect(fixture, "video4 /dev/video4\n");
	assert_int_equal(again_ms_of(fixture), -1);
	assert_int_equal(count_given_up(fixture), 0);
	/* Unless there is an event. */
	assert_true(UNPLUG(fixture, BARE_CAMERA));
	assert_true(PLUG(fixture, BARE_CAMERA));
	expect(fixture, "");
	tree_file(&fixture->bed->tree, "/sys" VIDEO "/index", "0\n");
	assert_true(tell(fixture, camera[2], "change"));
	expect(fixture, "video4 /dev/video4\n");
	assert_int_equal(again_ms_of(fixture), -1);
}

static void what_still_has_no_such_attributes_after_a_moment_is_forgotten(void **state)
{
	static const char *const camera[] = {BARE_CAMERA, NULL};
	struct fixture *fixture = *state;

	BED_ADD(fixture, BED_CONTROLLER);
	start(fixture, FIRST_VIDEO);
	expect(fixture, "");
	assert_true(PLUG(fixture, BARE_CAMERA));
	now_ms += RETRY_MS;
	expect(fixture, "");
	assert_int_equal(again_ms_of(fixture), -1);
	assert_false(UNPLUG(fixture, BARE_CAMERA));
	/* It has gone before the moment is over. */
	assert_true(PLUG(fixture, BARE_CAMERA));
	assert_true(UNPLUG(fixture, BARE_CAMERA));
	assert_int_equal(again_ms_of(fixture), -1);
	/* What can't be in the class is not waited for, nor what does not come. */
	assert_false(PLUG(fixture, BED_ADAPTER_A("ttyUSB0", "0")));
	BED_ADD(fixture, BARE_CAMERA);
	assert_false(tell(fixture, camera[2], "change"));
	assert_int_equal(again_ms_of(fixture), -1);
}

static void udev_tells_when_attributes_are_there(void **state)
{
	static const char *const camera[] = {BARE_CAMERA, NULL};
	struct fixture *fixture = *state;

	run_udev();
	BED_ADD(fixture, BED_CONTROLLER);
	start(fixture, FIRST_VIDEO);
	expect(fixture, "");
	BED_ADD(fixture, BARE_CAMERA);
	run_udev_entry("c81:4", "V:1\n");
	assert_false(tell(fixture, camera[2], "add"));
	assert_int_equal(again_ms_of(fixture), -1);
	tree_file(&fixture->bed->tree, "/sys" VIDEO "/index", "0\n");
	assert_true(tell(fixture, camera[2], "change"));
	expect(fixture, "video4 /dev/video4\n");
}

/* It is of the device that had the number before, and will be removed in a moment. */
static void an_entry_that_is_older_than_the_node_does_not_count(void **state)
{
	struct fixture *fixture = *state;
	struct statx status;

	run_udev();
	BED_ADD(fixture, BED_CONTROLLER);
	start(fixture, SERIAL_PORTS);
	expect(fixture, "");
	run_udev_entry("c188:0", "V:1\n");
	/* More than the clock of the file system takes for one moment. */
	usleep(20000);
	assert_true(PLUG(fixture, BED_ADAPTER_A("ttyUSB0", "0")));
	if (statx(AT_FDCWD, "/dev/ttyUSB0", 0, STATX_BTIME, &status) < 0 ||
	    !(status.stx_mask & STATX_BTIME))
		skip();
	expect(fixture, "");
	assert_int_equal(again_ms_of(fixture), SETTLING_MAX_MS);
	run_udev_entry("c188:0", "V:1\n");
	expect(fixture, ID_A " /dev/ttyUSB0\n");
	assert_int_equal(count_given_up(fixture), 0);
}

static void a_device_that_goes_while_it_is_waited_for_is_forgotten(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

	run_udev();
	BED_ADD(fixture, BED_CONTROLLER);
	start(fixture, SERIAL_PORTS);
	expect(fixture, "");
	assert_true(PLUG(fixture, BED_ADAPTER_A("ttyUSB0", "0")));
	assert_true(UNPLUG(fixture, BED_ADAPTER_A("ttyUSB0", "0")));
	assert_int_equal(source_scan(fixture->source, &scan, NULL), 0);
	assert_int_equal(scan.notes.count, 0);
	assert_int_equal(scan.again_ms, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_device_waits_until_udev_has_finished_with_it),
		TEST(a_device_that_goes_while_it_is_waited_for_is_forgotten),
		TEST(a_device_that_was_given_up_stays_through_a_new_enumeration),
		TEST(an_entry_that_is_older_than_the_node_does_not_count),
		TEST(a_unit_waits_while_any_of_its_nodes_waits),
		TEST(attributes_that_appear_a_moment_after_the_device_are_seen),
		TEST(what_still_has_no_such_attributes_after_a_moment_is_forgotten),
		TEST(udev_tells_when_attributes_are_there),
	};

	(void)argc;
	bed_enter(argv);
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
