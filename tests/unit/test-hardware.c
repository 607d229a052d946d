/* SPDX-License-Identifier: Apache-2.0 */
#include <libudev.h>

#include "device/hardware.h"
#include "test-bed.h"

static const char *const machine[] = {
	BED_CONTROLLER,
	BED_ADAPTER_A("ttyUSB0", "0"),
	BED_ADAPTER_B("ttyUSB1", "1"),
	BED_BOARD,
	BED_CAMERA,
	BED_SOUND,
	BED_VIRTUAL,
	BED_DISK,
	NULL,
};

struct fixture {
	struct bed *bed;
	struct udev *udev;
};

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	fixture->bed = bed_new();
	fixture->udev = udev_new();
	bed_add(fixture->bed, machine);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	udev_unref(fixture->udev);
	bed_free(fixture->bed);
	free(fixture);
	return 0;
}

static struct udev_device *device_at(const struct fixture *fixture, const char *path)
{
	KUDEV_AUTO_FREE char *syspath = bed_syspath(path);
	struct udev_device *device = udev_device_new_from_syspath(fixture->udev, syspath);

	assert_non_null(device);
	return device;
}

struct hardware_case {
	const char *path;
	const char *device; /* the physical one */
	const char *serial; /* NULL: none */
	const char *port;
	const char *part;
};

static void check_text(const char *got, const char *expected, const char *path)
{
	if (!got != !expected || (got && strcmp(got, expected) != 0))
		print_message("for: %s\n", path);
	assert_string_equal(got ? got : "none", expected ? expected : "none");
}

static void check_cases(const struct fixture *fixture, const struct hardware_case *cases,
			size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct udev_device *device = device_at(fixture, cases[i].path);
		KUDEV_AUTO_FREE char *physical = bed_syspath(cases[i].device);
		KUDEV_AUTO_FREE char *syspath = bed_syspath(cases[i].path);
		KUDEV_AUTO_HARDWARE struct hardware hardware = {0};

		hardware_read(device, &hardware);
		udev_device_unref(device);
		check_text(hardware.syspath, syspath, cases[i].path);
		check_text(hardware.device, physical, cases[i].path);
		check_text(hardware.serial, cases[i].serial, cases[i].path);
		check_text(hardware.port, cases[i].port, cases[i].path);
		check_text(hardware.part, cases[i].part, cases[i].path);
	}
}

static void usb_devices_are_told_by_their_maker_number_and_port(void **state)
{
	static const struct hardware_case cases[] = {
		{BED_HUB "/1-1.1/1-1.1:1.0/ttyUSB0/tty/ttyUSB0", BED_HUB "/1-1.1",
		 "0403-6001-A50285BI", "pci-0000:00:14.0-usb2-1.1", "if00-ttyUSB"},
		{BED_HUB "/1-1.2/1-1.2:1.0/ttyUSB1/tty/ttyUSB1", BED_HUB "/1-1.2",
		 "0403-6015-0001", "pci-0000:00:14.0-usb2-1.2", "if00-ttyUSB"},
		{BED_HUB, BED_HUB, "05e3-0610-HUB", "pci-0000:00:14.0-usb2-1", ""},
		{BED_USB, BED_USB, "1d6b-0002-0000:00:14.0", "pci-0000:00:14.0-usb2-0",
		 ""},
		/* The interfaces of one device. */
		{BED_USB "/1-2/1-2:1.0/tty/ttyACM0", BED_USB "/1-2", "2341-8037-85436",
		 "pci-0000:00:14.0-usb2-2", "if00-ttyACM"},
		{BED_USB "/1-2/1-2:1.2/tty/ttyACM1", BED_USB "/1-2", "2341-8037-85436",
		 "pci-0000:00:14.0-usb2-2", "if02-ttyACM"},
		/* The nodes of one interface. */
		{BED_USB "/1-3/1-3:1.0/video4linux/video0", BED_USB "/1-3", NULL,
		 "pci-0000:00:14.0-usb2-3", "if00-video"},
		{BED_USB "/1-3/1-3:1.0/video4linux/video1", BED_USB "/1-3", NULL,
		 "pci-0000:00:14.0-usb2-3", "if00-video-1"},
		{BED_USB "/1-3/1-3:1.2/sound/card1/controlC1", BED_USB "/1-3", NULL,
		 "pci-0000:00:14.0-usb2-3", "if02-control"},
		{BED_USB "/1-3/1-3:1.2/sound/card1/pcmC1D0c", BED_USB "/1-3", NULL,
		 "pci-0000:00:14.0-usb2-3", "if02-pcmD0c"},
	};

	check_cases(*state, cases, KUDEV_ARRAY_SIZE(cases));
}

static void other_devices_are_told_by_their_place(void **state)
{
	static const struct hardware_case cases[] = {
		{BED_PCI "0000:00:1b.0/sound/card0/pcmC0D0p", BED_PCI "0000:00:1b.0",
		 NULL, "pci-0000:00:1b.0", "pcmD0p"},
		{BED_PCI "0000:00:1b.0/sound/card0/controlC0", BED_PCI "0000:00:1b.0",
		 NULL, "pci-0000:00:1b.0", "control"},
		{BED_SCSI "/block/sda", BED_SCSI, "naa.5000c500a1b2c3d4",
		 "pci-0000:00:17.0", "disk"},
		{BED_SCSI "/block/sda/sda1", BED_SCSI, "naa.5000c500a1b2c3d4",
		 "pci-0000:00:17.0", "disk-part1"},
	};

	check_cases(*state, cases, KUDEV_ARRAY_SIZE(cases));
}

static void virtual_devices_are_nowhere(void **state)
{
	static const struct hardware_case cases[] = {
		{"/devices/virtual/misc/kvm", "/devices/virtual/misc/kvm", NULL, NULL,
		 "kvm"},
		{"/devices/virtual/tty/tty0", "/devices/virtual/tty/tty0", NULL, NULL,
		 "tty"},
		{"/devices/virtual/block/loop0", "/devices/virtual/block/loop0", NULL,
		 NULL, "disk"},
	};

	check_cases(*state, cases, KUDEV_ARRAY_SIZE(cases));
}

/* Of one controller, each generation of USB has a root hub, and the same ports. */
static void the_number_of_a_bus_says_nothing_but_its_generation_does(void **state)
{
	static const char *const more[] = {
		BED_PCI "0000:00:14.0/usb7 usb/usb_device version=3.00 devpath=0",
		BED_PCI "0000:00:14.0/usb7/7-1 usb/usb_device idVendor=1 idProduct=2 "
			"serial=S devpath=1 version=3.20 node=bus/usb/007/002 dev=189:9",
		NULL,
	};
	static const struct hardware_case cases[] = {
		{BED_PCI "0000:00:14.0/usb7/7-1", BED_PCI "0000:00:14.0/usb7/7-1",
		 "1-2-S", "pci-0000:00:14.0-usb3-1", ""},
	};
	struct fixture *fixture = *state;

	bed_add(fixture->bed, more);
	check_cases(fixture, cases, KUDEV_ARRAY_SIZE(cases));
}

static void a_number_of_blanks_or_zeros_is_none(void **state)
{
	static const char *const more[] = {
		BED_USB "/1-7 usb/usb_device idVendor=1 idProduct=2 devpath=7 serial=",
		BED_USB "/1-7/tty/ttyX tty node=ttyX dev=188:70",
		BED_PCI "0000:00:18.0 pci",
		BED_PCI "0000:00:18.0/block/sdz block/disk node=sdz dev=8:70 serial=0000",
		NULL,
	};
	static const struct hardware_case cases[] = {
		{BED_USB "/1-7/tty/ttyX", BED_USB "/1-7", NULL, "pci-0000:00:14.0-usb2-7",
		 "ttyX"},
		{BED_PCI "0000:00:18.0/block/sdz", BED_PCI "0000:00:18.0", NULL,
		 "pci-0000:00:18.0", "disk"},
	};
	struct fixture *fixture = *state;

	bed_add(fixture->bed, more);
	check_cases(fixture, cases, KUDEV_ARRAY_SIZE(cases));
}

static void what_makes_it_the_same_depends_on_what_it_is(void **state)
{
	static const struct {
		const char *path;
		enum config_identity wishes[4]; /* what becomes of each, by its number */
	} tests[] = {
		{BED_HUB "/1-1.1/1-1.1:1.0/ttyUSB0/tty/ttyUSB0",
		 {CONFIG_IDENTITY_SERIAL, CONFIG_IDENTITY_SERIAL, CONFIG_IDENTITY_PORT,
		  CONFIG_IDENTITY_PATH}},
		/* A camera is where it is plugged in; this one has no number anyway. */
		{BED_USB "/1-3/1-3:1.0/video4linux/video0",
		 {CONFIG_IDENTITY_PORT, CONFIG_IDENTITY_PORT, CONFIG_IDENTITY_PORT,
		  CONFIG_IDENTITY_PATH}},
		{BED_SCSI "/block/sda",
		 {CONFIG_IDENTITY_SERIAL, CONFIG_IDENTITY_SERIAL, CONFIG_IDENTITY_PORT,
		  CONFIG_IDENTITY_PATH}},
		{BED_PCI "0000:00:1b.0/sound/card0/pcmC0D0p",
		 {CONFIG_IDENTITY_PORT, CONFIG_IDENTITY_PORT, CONFIG_IDENTITY_PORT,
		  CONFIG_IDENTITY_PATH}},
		{"/devices/virtual/misc/kvm",
		 {CONFIG_IDENTITY_PATH, CONFIG_IDENTITY_PATH, CONFIG_IDENTITY_PATH,
		  CONFIG_IDENTITY_PATH}},
	};

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		struct udev_device *device = device_at(*state, tests[i].path);
		KUDEV_AUTO_HARDWARE struct hardware hardware = {0};

		hardware_read(device, &hardware);
		udev_device_unref(device);
		for (unsigned wish = 0; wish < 4; wish++)
			assert_int_equal(hardware_identity(&hardware,
							   (enum config_identity)wish),
					 tests[i].wishes[wish]);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(usb_devices_are_told_by_their_maker_number_and_port),
		TEST(other_devices_are_told_by_their_place),
		TEST(virtual_devices_are_nowhere),
		TEST(the_number_of_a_bus_says_nothing_but_its_generation_does),
		TEST(a_number_of_blanks_or_zeros_is_none),
		TEST(what_makes_it_the_same_depends_on_what_it_is),
	};

	(void)argc;
	bed_enter(argv);
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
