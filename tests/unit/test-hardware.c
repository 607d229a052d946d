/* SPDX-License-Identifier: Apache-2.0 */
#include "device/hardware.h"
#include "test-machine.h"

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
		 "pci-0000:00:17.0-scsi-0:0:0", "disk"},
		{BED_SCSI "/block/sda/sda1", BED_SCSI, "naa.5000c500a1b2c3d4",
		 "pci-0000:00:17.0-scsi-0:0:0", "disk-part1"},
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

/* Devices of no class and no bus, such as ata1, which the kernel has in between. */
static void add_plain(const struct fixture *fixture, const char *const *paths)
{
	for (; *paths; paths++) {
		KUDEV_AUTO_FREE char *uevent = mem_printf("/sys%s/uevent", *paths);

		tree_file(&fixture->bed->tree, uevent, "");
	}
}

#define HOST(path) path " scsi/scsi_host"
#define TARGET(host, target) host target " scsi/scsi_target"
#define DISK(target, address, name, minor)                                              \
	target address " scsi/scsi_device driver=sd",                                   \
		target address "/block/" name " block/disk node=" name " dev=8:" minor, \
		target address "/bsg" address " bsg node=bsg" address " dev=250:" minor

/* Ports are counted at the controller, whatever came first in the machine. */
#define SATA BED_PCI "0000:00:18.0"
static const char *const sata[] = {
	SATA " pci driver=ahci",
	SATA "/ata7/ata_port/ata7 ata_port port_no=1",
	HOST(SATA "/ata7/host6"),
	TARGET(SATA "/ata7/host6", "/target6:0:0"),
	DISK(SATA "/ata7/host6/target6:0:0", "/6:0:0:0", "sdg", "96"),
	SATA "/ata8/ata_port/ata8 ata_port port_no=2",
	HOST(SATA "/ata8/host7"),
	TARGET(SATA "/ata8/host7", "/target7:0:0"),
	DISK(SATA "/ata8/host7/target7:0:0", "/7:0:0:0", "sdh", "112"),
	TARGET(SATA "/ata8/host7", "/target7:0:1"),
	DISK(SATA "/ata8/host7/target7:0:1", "/7:0:1:0", "sdi", "128"),
	TARGET(SATA "/ata8/host7", "/target7:3:0"),
	DISK(SATA "/ata8/host7/target7:3:0", "/7:3:0:0", "sdj", "144"),
	NULL,
};

static void disks_at_one_sata_controller_are_told_by_their_ports(void **state)
{
	static const char *const plain[] = {SATA "/ata7", SATA "/ata8", NULL};
	static const struct hardware_case cases[] = {
		{SATA "/ata7/host6/target6:0:0/6:0:0:0/block/sdg",
		 SATA "/ata7/host6/target6:0:0/6:0:0:0", NULL, "pci-0000:00:18.0-ata-1",
		 "disk"},
		{SATA "/ata8/host7/target7:0:0/7:0:0:0/block/sdh",
		 SATA "/ata8/host7/target7:0:0/7:0:0:0", NULL, "pci-0000:00:18.0-ata-2",
		 "disk"},
		/* A slave, and one behind a port multiplier. */
		{SATA "/ata8/host7/target7:0:1/7:0:1:0/block/sdi",
		 SATA "/ata8/host7/target7:0:1/7:0:1:0", NULL, "pci-0000:00:18.0-ata-2.1",
		 "disk"},
		{SATA "/ata8/host7/target7:3:0/7:3:0:0/block/sdj",
		 SATA "/ata8/host7/target7:3:0/7:3:0:0", NULL,
		 "pci-0000:00:18.0-ata-2.3.0", "disk"},
		{SATA "/ata7/host6/target6:0:0/6:0:0:0/bsg/6:0:0:0",
		 SATA "/ata7/host6/target6:0:0/6:0:0:0", NULL, "pci-0000:00:18.0-ata-1",
		 "bsg"},
	};
	struct fixture *fixture = *state;

	add_plain(fixture, plain);
	bed_add(fixture->bed, sata);
	check_cases(fixture, cases, KUDEV_ARRAY_SIZE(cases));
}

/* The host is 2 only because others came before, the target because of what was plugged. */
#define SAS BED_PCI "0000:00:19.0"
#define SAS_DIRECT SAS "/host2/port-2:0/end_device-2:0"
#define SAS_EXPANDER SAS "/host2/port-2:1/expander-2:0"
#define SAS_BEHIND SAS_EXPANDER "/port-2:0:4/end_device-2:0:4"
#define VIRTIO BED_PCI "0000:00:1a.0"
static const char *const sas[] = {
	SAS " pci driver=mpt3sas",
	HOST(SAS "/host2"),
	SAS_DIRECT "/sas_device/end_device-2:0 sas_device phy_identifier=3",
	TARGET(SAS_DIRECT, "/target2:0:5"),
	DISK(SAS_DIRECT "/target2:0:5", "/2:0:5:0", "sdg", "96"),
	DISK(SAS_DIRECT "/target2:0:5", "/2:0:5:2", "sdh", "112"),
	SAS_EXPANDER "/sas_device/expander-2:0 sas_device sas_address=0x5000c5",
	SAS_BEHIND "/sas_device/end_device-2:0:4 sas_device phy_identifier=4",
	TARGET(SAS_BEHIND, "/target2:0:9"),
	DISK(SAS_BEHIND "/target2:0:9", "/2:0:9:0", "sdi", "128"),
	VIRTIO " pci driver=virtio-pci",
	HOST(VIRTIO "/virtio3/host4"),
	TARGET(VIRTIO "/virtio3/host4", "/target4:0:1"),
	DISK(VIRTIO "/virtio3/host4/target4:0:1", "/4:0:1:7", "sdj", "144"),
	NULL,
};

static void disks_at_one_scsi_controller_are_told_by_their_places(void **state)
{
	static const char *const plain[] = {SAS "/host2/port-2:0",
					    SAS_DIRECT,
					    SAS "/host2/port-2:1",
					    SAS_EXPANDER,
					    SAS_EXPANDER "/port-2:0:4",
					    SAS_BEHIND,
					    NULL};
	static const struct hardware_case cases[] = {
		{SAS_DIRECT "/target2:0:5/2:0:5:0/block/sdg",
		 SAS_DIRECT "/target2:0:5/2:0:5:0", NULL, "pci-0000:00:19.0-sas-phy3",
		 "disk"},
		{SAS_DIRECT "/target2:0:5/2:0:5:2/block/sdh",
		 SAS_DIRECT "/target2:0:5/2:0:5:2", NULL,
		 "pci-0000:00:19.0-sas-phy3-lun-2", "disk"},
		{SAS_BEHIND "/target2:0:9/2:0:9:0/block/sdi",
		 SAS_BEHIND "/target2:0:9/2:0:9:0", NULL,
		 "pci-0000:00:19.0-sas-exp0x5000c5-phy4", "disk"},
		{VIRTIO "/virtio3/host4/target4:0:1/4:0:1:7/block/sdj",
		 VIRTIO "/virtio3/host4/target4:0:1/4:0:1:7", NULL,
		 "pci-0000:00:1a.0-scsi-0:1:7", "disk"},
	};
	struct fixture *fixture = *state;

	add_plain(fixture, plain);
	bed_add(fixture->bed, sas);
	check_cases(fixture, cases, KUDEV_ARRAY_SIZE(cases));
}

/* Of one device, so the serial number and the port are those of all. */
static void the_units_of_a_card_reader_are_parts_of_it(void **state)
{
	static const char *const more[] = {
		BED_USB "/1-8 usb/usb_device idVendor=1 idProduct=2 devpath=8 serial=S",
		HOST(BED_USB "/1-8/host9"),
		TARGET(BED_USB "/1-8/host9", "/target9:0:0"),
		DISK(BED_USB "/1-8/host9/target9:0:0", "/9:0:0:0", "sdg", "96"),
		DISK(BED_USB "/1-8/host9/target9:0:0", "/9:0:0:1", "sdh", "112"),
		NULL,
	};
	static const struct hardware_case cases[] = {
		{BED_USB "/1-8/host9/target9:0:0/9:0:0:0/block/sdg", BED_USB "/1-8",
		 "1-2-S", "pci-0000:00:14.0-usb2-8", "disk"},
		{BED_USB "/1-8/host9/target9:0:0/9:0:0:1/block/sdh", BED_USB "/1-8",
		 "1-2-S", "pci-0000:00:14.0-usb2-8", "disk-lun1"},
	};
	struct fixture *fixture = *state;

	bed_add(fixture->bed, more);
	check_cases(fixture, cases, KUDEV_ARRAY_SIZE(cases));
}

#define NVME BED_PCI "0000:00:1d.0"
static const char *const nvme[] = {
	NVME " pci driver=nvme",
	NVME "/nvme/nvme3 nvme node=nvme3 dev=240:3 serial=N3",
	NVME "/nvme/nvme3/nvme3n1 block/disk node=nvme3n1 dev=259:0 nsid=1 wwid=eui.1",
	NVME "/nvme/nvme3/nvme3n1/nvme3n1p2 block/partition node=nvme3n1p2 dev=259:1 "
	     "partition=2",
	NVME "/nvme/nvme3/nvme3n2 block/disk node=nvme3n2 dev=259:2 nsid=5 wwid=eui.5",
	NVME "/nvme/nvme3/nvme3n2/nvme3n2p1 block/partition node=nvme3n2p1 dev=259:3 "
	     "partition=1",
	NVME "/nvme/nvme3/ng3n1 nvme-generic node=ng3n1 dev=241:0",
	NVME "/nvme/nvme3/ng3n2 nvme-generic node=ng3n2 dev=241:1",
	NULL,
};

static void namespaces_of_nvme_are_told_by_their_ids(void **state)
{
	static const struct hardware_case cases[] = {
		{NVME "/nvme/nvme3", NVME, "N3", "pci-0000:00:1d.0", "nvme"},
		{NVME "/nvme/nvme3/nvme3n1", NVME, "eui.1", "pci-0000:00:1d.0", "disk"},
		{NVME "/nvme/nvme3/nvme3n1/nvme3n1p2", NVME, "eui.1", "pci-0000:00:1d.0",
		 "disk-part2"},
		{NVME "/nvme/nvme3/nvme3n2", NVME, "eui.5", "pci-0000:00:1d.0",
		 "disk-ns5"},
		{NVME "/nvme/nvme3/nvme3n2/nvme3n2p1", NVME, "eui.5", "pci-0000:00:1d.0",
		 "disk-ns5-part1"},
		{NVME "/nvme/nvme3/ng3n1", NVME, "N3", "pci-0000:00:1d.0", "ng"},
		{NVME "/nvme/nvme3/ng3n2", NVME, "N3", "pci-0000:00:1d.0", "ng-ns5"},
	};
	struct fixture *fixture = *state;

	bed_add(fixture->bed, nvme);
	check_cases(fixture, cases, KUDEV_ARRAY_SIZE(cases));
}

static void the_number_of_a_tv_adapter_says_nothing_but_that_of_its_parts_does(
	void **state)
{
#define TV BED_PCI "0000:00:1e.0"
	static const char *const more[] = {
		TV " pci driver=saa7134",
		TV "/dvb/dvb4.frontend0 dvb node=dvb/adapter4/frontend0 dev=212:0",
		TV "/dvb/dvb4.frontend1 dvb node=dvb/adapter4/frontend1 dev=212:1",
		TV "/dvb/dvb4.demux0 dvb node=dvb/adapter4/demux0 dev=212:2",
		NULL,
	};
	static const struct hardware_case cases[] = {
		{TV "/dvb/dvb4.frontend0", TV, NULL, "pci-0000:00:1e.0", "frontend"},
		{TV "/dvb/dvb4.frontend1", TV, NULL, "pci-0000:00:1e.0", "frontend-1"},
		{TV "/dvb/dvb4.demux0", TV, NULL, "pci-0000:00:1e.0", "demux"},
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
		TEST(disks_at_one_sata_controller_are_told_by_their_ports),
		TEST(disks_at_one_scsi_controller_are_told_by_their_places),
		TEST(the_units_of_a_card_reader_are_parts_of_it),
		TEST(namespaces_of_nvme_are_told_by_their_ids),
		TEST(the_number_of_a_tv_adapter_says_nothing_but_that_of_its_parts_does),
		TEST(what_makes_it_the_same_depends_on_what_it_is),
	};

	(void)argc;
	bed_enter(argv);
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
