/* SPDX-License-Identifier: Apache-2.0 */
#include "device/hardware.h"
#include "device/match.h"
#include "test-machine.h"

/* The names of all devices with a node that match, sorted. The caller frees it. */
static char *matching(const struct fixture *fixture, const char *match)
{
	KUDEV_AUTO_FREE char *text =
		mem_printf(match[0] == '[' ? "classes:\n- name: c\n  match: %s\n"
					   : "classes:\n- name: c\n  match: [%s]\n",
			   match);
	KUDEV_AUTO(config_free) struct config *config = parse_good(text);
	const struct config_class *class = &config->classes[0];
	struct udev_enumerate *enumerate = udev_enumerate_new(fixture->udev);
	KUDEV_AUTO_STRINGS struct strings names = {0};
	struct udev_list_entry *entry;

	assert_int_equal(udev_enumerate_scan_devices(enumerate), 0);
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(enumerate))
	{
		struct udev_device *device = udev_device_new_from_syspath(
			fixture->udev, udev_list_entry_get_name(entry));

		assert_non_null(device);
		if (udev_device_get_devnode(device) &&
		    match_any(class->matches, class->match_count, device))
			strings_add(&names, udev_device_get_sysname(device));
		udev_device_unref(device);
	}
	udev_enumerate_unref(enumerate);
	strings_sort(&names);
	return strings_join(&names, " ");
}

struct match_case {
	const char *match;
	const char *expected;
};

static void check_cases(const struct fixture *fixture, const struct match_case *cases,
			size_t count)
{
	for (size_t i = 0; i < count; i++) {
		KUDEV_AUTO_FREE char *got = matching(fixture, cases[i].match);

		if (strcmp(got, cases[i].expected) != 0)
			print_message("for: %s\n", cases[i].match);
		assert_string_equal(got, cases[i].expected);
	}
}

static void names_are_globs_of_which_one_must_match(void **state)
{
	static const struct match_case cases[] = {
		{"{subsystem: video4linux}", "video0 video1"},
		{"{subsystem: video}", ""},
		{"{subsystem: [video4linux, misc]}", "kvm video0 video1"},
		{"{subsystem: 'b*'}", "loop0 sda sda1"},
		{"{kernel: 'ttyACM*'}", "ttyACM0 ttyACM1"},
		{"{kernel: [kvm, 'ttyUSB[1-9]']}", "kvm ttyUSB1"},
		{"{kernel: 'tty???0'}", "ttyACM0 ttyUSB0"},
		{"{subsystem: sound, kernel: 'pcm*'}", "pcmC0D0p pcmC1D0c"},
		{"{subsystem: sound, kernel: 'tty*'}", ""},
	};

	check_cases(*state, cases, KUDEV_ARRAY_SIZE(cases));
}

static void the_driver_is_that_of_any_device_above(void **state)
{
	static const struct match_case cases[] = {
		{"{subsystem: tty, driver: ftdi_sio}", "ttyUSB0 ttyUSB1"},
		{"{subsystem: tty, driver: 'cdc_*'}", "ttyACM0 ttyACM1"},
		{"{driver: snd_hda_intel}", "controlC0 pcmC0D0p"},
		{"{subsystem: tty, driver: xhci_hcd}", "ttyACM0 ttyACM1 ttyUSB0 ttyUSB1"},
		{"{driver: [uvcvideo, ahci]}", "sda sda1 video0 video1"},
		{"{kernel: kvm, driver: '*'}", ""},
	};

	check_cases(*state, cases, KUDEV_ARRAY_SIZE(cases));
}

static void usb_is_about_the_device_and_not_about_the_hub(void **state)
{
	static const struct match_case cases[] = {
		{"{usb: {vendor: '0403'}}", "ttyUSB0 ttyUSB1"},
		{"{usb: {vendor: '0403', product: '6001'}}", "ttyUSB0"},
		{"{usb: {vendor: '0403', product: [6001, 6015]}}", "ttyUSB0 ttyUSB1"},
		{"{usb: {vendor: 046D}, subsystem: video4linux}", "video0 video1"},
		{"{usb: {serial: 'A5*'}}", "ttyUSB0"},
		{"{usb: {vendor: '2341', serial: '8543?'}}", "ttyACM0 ttyACM1"},
		/* The node of the hub is its own; what hangs off it is something else. */
		{"{usb: {vendor: '05e3'}}", "1-1"},
		{"{usb: {vendor: '1d6b'}}", "usb1"},
		{"{usb: {serial: HUB}, subsystem: tty}", ""},
		/* The camera has none. */
		{"{usb: {serial: '*'}, subsystem: video4linux}", ""},
		{"{usb: {vendor: '*'}, subsystem: [block, misc]}", ""},
	};

	check_cases(*state, cases, KUDEV_ARRAY_SIZE(cases));
}

static void an_attribute_is_that_of_the_nearest_device_that_has_it(void **state)
{
	static const struct match_case cases[] = {
		{"{attributes: {index: '0'}}", "video0"},
		{"{attributes: {idVendor: '0403'}}", "ttyUSB0 ttyUSB1"},
		{"{attributes: {idVendor: '05e3'}}", "1-1"},
		{"{attributes: {idVendor: '1d6b'}, subsystem: tty}", ""},
		{"{attributes: {numa_node: '1'}}", "controlC0 pcmC0D0p"},
		{"{attributes: {vendor: '0x8086'}, subsystem: tty}",
		 "ttyACM0 ttyACM1 ttyUSB0 ttyUSB1"},
		{"{attributes: {id: [PCH, C270]}, kernel: 'control*'}",
		 "controlC0 controlC1"},
		{"{attributes: {idVendor: '0403', port_number: '0', idProduct: '*15'}}",
		 "ttyUSB1"},
		{"{attributes: {no_such: '*'}}", ""},
		/* The camera has no serial number: the root hub's is not its. */
		{"{attributes: {serial: 'A*'}}", "ttyUSB0"},
	};

	check_cases(*state, cases, KUDEV_ARRAY_SIZE(cases));
}

static void properties_and_tags_are_udevs(void **state)
{
	static const struct match_case cases[] = {
		{"{properties: {ID_V4L_CAPABILITIES: '*:capture:*'}}", "video0"},
		{"{properties: {ID_MODEL: UART}, kernel: '*1'}", "ttyUSB1"},
		{"{properties: {ID_MODEL: UART, ID_SERIAL: X1}}", "ttyUSB0"},
		{"{properties: {ID_SERIAL: '*'}}", "ttyUSB0"},
		/* Of the device alone, not of one above. */
		{"{properties: {DEVTYPE: usb_device}}", "1-1 usb1"},
		{"{properties: {DEVTYPE: partition}}", "sda1"},
		{"{tags: seat}", "ttyUSB0"},
		{"{tags: [none, 'upower*']}", "ttyUSB0 video0"},
		{"{tags: none}", ""},
	};

	run_udev();
	run_udev_entry("c188:0",
		       "E:ID_SERIAL=X1\nG:seat\nQ:seat\nG:upower2\nQ:upower2\nV:1\n");
	run_udev_entry("c81:0", "G:upower\nQ:upower\nV:1\n");
	check_cases(*state, cases, KUDEV_ARRAY_SIZE(cases));
}

static void what_meets_all_of_not_is_out(void **state)
{
	static const struct match_case cases[] = {
		{"{subsystem: tty, not: [{kernel: tty0}]}",
		 "ttyACM0 ttyACM1 ttyUSB0 ttyUSB1"},
		{"{subsystem: tty, not: [{kernel: tty0}, {driver: cdc_acm}]}",
		 "ttyUSB0 ttyUSB1"},
		{"{subsystem: tty, not: [{driver: ftdi_sio, kernel: '*1'}]}",
		 "tty0 ttyACM0 ttyACM1 ttyUSB0"},
		{"{subsystem: block, not: [{attributes: {partition: '*'}}]}",
		 "loop0 sda"},
		{"{subsystem: video4linux, not: [{usb: {vendor: 046d}}]}", ""},
		{"{subsystem: video4linux, not: [{properties: {ID_V4L_CAPABILITIES: ':'}}]}",
		 "video0"},
	};

	check_cases(*state, cases, KUDEV_ARRAY_SIZE(cases));
}

static void one_of_the_alternatives_is_enough(void **state)
{
	static const struct match_case cases[] = {
		{"[{kernel: kvm}, {usb: {vendor: '2341'}}]", "kvm ttyACM0 ttyACM1"},
		{"[{kernel: kvm}, {kernel: 'k*'}]", "kvm"},
		{"[{subsystem: tty, not: {kernel: '*USB*'}}, {kernel: ttyUSB1}]",
		 "tty0 ttyACM0 ttyACM1 ttyUSB1"},
	};

	check_cases(*state, cases, KUDEV_ARRAY_SIZE(cases));
}

static void a_subsystem_is_known_before_the_device_is(void **state)
{
	KUDEV_AUTO(config_free)
	struct config *config = parse_good(
		"classes:\n"
		"- {name: a, match: [{subsystem: tty, kernel: x}, "
		"{subsystem: 'v*'}]}\n"
		"- {name: b, match: [{subsystem: tty}, {kernel: x}]}\n");
	const struct config_class *some = &config->classes[0];
	const struct config_class *all = &config->classes[1];

	(void)state;
	assert_true(match_subsystem(some->matches, some->match_count, "tty"));
	assert_true(match_subsystem(some->matches, some->match_count, "video4linux"));
	assert_false(match_subsystem(some->matches, some->match_count, "block"));
	assert_false(match_subsystem(some->matches, some->match_count, NULL));
	assert_true(match_subsystem(all->matches, all->match_count, "block"));
	assert_true(match_subsystem(all->matches, all->match_count, NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(names_are_globs_of_which_one_must_match),
		TEST(the_driver_is_that_of_any_device_above),
		TEST(usb_is_about_the_device_and_not_about_the_hub),
		TEST(an_attribute_is_that_of_the_nearest_device_that_has_it),
		TEST(properties_and_tags_are_udevs),
		TEST(what_meets_all_of_not_is_out),
		TEST(one_of_the_alternatives_is_enough),
		TEST(a_subsystem_is_known_before_the_device_is),
	};

	(void)argc;
	bed_enter(argv);
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
