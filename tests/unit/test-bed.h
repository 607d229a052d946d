/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_BED_H
#define KUDEV_TEST_BED_H

/*
 * Devices that are not there, by umockdev: its preloaded library has /sys and /dev looked
 * up in a directory, and sends what udev and the kernel would say. The directory is
 * furnished here, since umockdev's own way aborts when a device comes a second time, and
 * puts nothing but usb and pci on a bus. Nodes are regular files: those of its own kind are
 * terminals, which realpath(3) and fstat(2) give away.
 */

#include <stdio.h>
#include <stdlib.h>

#include <umockdev.h>

#include "test-run.h"
#include "test-scan.h"

struct bed {
	UMockdevTestbed *umockdev;
	struct tree tree; /* what stands for the machine's root; umockdev's */
};

/* For main(): leaves it, or the program, unless umockdev and a /run are there. */
static inline void bed_enter(char **argv)
{
	const char *preload = getenv("LD_PRELOAD");
	const char *sanitizers = getenv("KUDEV_SANITIZERS");
	char wrapper[] = "umockdev-wrapper";
	char *arguments[] = {wrapper, argv[0], NULL};

	if (sanitizers && strstr(sanitizers, "thread")) {
		puts("1..0 # SKIP umockdev has races of its own");
		exit(0);
	}
	if (!preload || !strstr(preload, "umockdev")) {
		/* Its library comes before that of the sanitizer. */
		const char *options = getenv("ASAN_OPTIONS");
		KUDEV_AUTO_FREE char *more = mem_printf("%s:verify_asan_link_order=0",
							options ? options : "");

		setenv("ASAN_OPTIONS", more, 1);
		execvp(wrapper, arguments);
		puts("1..0 # SKIP no umockdev-wrapper (Debian: umockdev)");
		exit(0);
	}
	if (!run_enter())
		exit(run_skip_all());
}

static inline bool bed_is_bus(const char *subsystem)
{
	static const char *const buses[] = {"hid",	   "pci", "platform",  "scsi",
					    "serial-base", "usb", "usb-serial"};

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(buses); i++) {
		if (strcmp(buses[i], subsystem) == 0)
			return true;
	}
	return false;
}

static inline void bed_link(const struct bed *bed, const char *path, const char *target)
{
	/* umockdev takes absolute links for those of the real machine. */
	KUDEV_AUTO_FREE char *up = mem_string("");
	KUDEV_AUTO_FREE char *relative = NULL;

	for (const char *c = strchr(path + 1, '/'); c; c = strchr(c + 1, '/')) {
		char *more = mem_printf("../%s", up);

		free(up);
		up = more;
	}
	relative = mem_printf("%s%s", up, target + 1);
	tree_link(&bed->tree, path, relative);
}

/* What a line says of this key; the caller frees it. NULL: nothing. */
static inline char *bed_value(const char *line, const char *key)
{
	KUDEV_AUTO_FREE char *start = mem_printf(" %s=", key);
	const char *value = strstr(line, start);

	if (!value)
		return NULL;
	value += strlen(start);
	return mem_string_n(value, strcspn(value, " "));
}

/* The node of a line, and where umockdev has its number; they are freed by the caller. */
static inline bool bed_node(const char *line, char **ret_path, char **ret_number_path)
{
	KUDEV_AUTO_FREE char *node = bed_value(line, "node");

	if (!node)
		return false;
	*ret_path = mem_printf("/dev/%s", node);
	for (char *c = node; *c; c++) {
		if (*c == '/')
			*c = '_';
	}
	*ret_number_path = mem_printf("/dev/.node/%s", node);
	return true;
}

static inline void bed_make_node(const struct bed *bed, const char *line)
{
	KUDEV_AUTO_FREE char *path = NULL;
	KUDEV_AUTO_FREE char *number_path = NULL;
	KUDEV_AUTO_FREE char *number = bed_value(line, "dev");

	if (!bed_node(line, &path, &number_path))
		return;
	tree_link(&bed->tree, number_path, number);
	tree_file(&bed->tree, path, "");
}

static inline void bed_remove_node(const struct bed *bed, const char *line)
{
	KUDEV_AUTO_FREE char *path = NULL;
	KUDEV_AUTO_FREE char *number_path = NULL;

	if (!bed_node(line, &path, &number_path))
		return;
	tree_remove(&bed->tree, path);
	tree_remove(&bed->tree, number_path);
}

/* The path in /sys of a line as of bed_add(); the caller frees it. */
static inline char *bed_syspath(const char *line)
{
	return mem_printf("/sys%.*s", (int)strcspn(line, " "), line);
}

static inline char *bed_class_link(const char *syspath, const char *subsystem)
{
	return mem_printf("/sys/%s/%s%s%s", bed_is_bus(subsystem) ? "bus" : "class",
			  subsystem, bed_is_bus(subsystem) ? "/devices" : "",
			  strrchr(syspath, '/'));
}

/* Where the kernel has the device by its number. NULL: it has none. */
static inline char *bed_number_link(const char *line, const char *subsystem)
{
	KUDEV_AUTO_FREE char *number = bed_value(line, "dev");

	if (!number)
		return NULL;
	return mem_printf("/sys/dev/%s/%s",
			  strcmp(subsystem, "block") == 0 ? "block" : "char", number);
}

static inline void bed_set(const struct bed *bed, FILE *uevent, const char *syspath,
			   const char *key, const char *value)
{
	KUDEV_AUTO_FREE char *path = NULL;

	if (strcmp(key, "node") == 0) {
		fprintf(uevent, "DEVNAME=%s\n", value);
	} else if (strcmp(key, "dev") == 0) {
		fprintf(uevent, "MAJOR=%.*s\nMINOR=%s\n", (int)strcspn(value, ":"), value,
			strchr(value, ':') + 1);
	} else if (strcmp(key, "driver") == 0) {
		KUDEV_AUTO_FREE char *target = mem_printf("/sys/bus/any/drivers/%s",
							  value);

		path = mem_printf("%s/driver", syspath);
		tree_directory(&bed->tree, target);
		bed_link(bed, path, target);
	} else if (strncmp(key, "E:", 2) == 0) {
		fprintf(uevent, "%s=%s\n", key + 2, value);
	} else {
		KUDEV_AUTO_FREE char *text = mem_printf("%s\n", value);

		path = mem_printf("%s/%s", syspath, key);
		tree_file(&bed->tree, path, text);
	}
}

/*
 * A device as "/devices/path subsystem[/devtype] key=value …", of which node, dev and
 * driver are what they are called, E:KEY is a property and the rest are attributes.
 */
static inline void bed_make(const struct bed *bed, const char *line)
{
	KUDEV_AUTO_FREE char *copy = mem_string(line);
	KUDEV_AUTO_FREE char *syspath = bed_syspath(line);
	KUDEV_AUTO_FREE char *subsystem_link = mem_printf("%s/subsystem", syspath);
	KUDEV_AUTO_FREE char *uevent_path = mem_printf("%s/uevent", syspath);
	KUDEV_AUTO_FREE char *text = NULL;
	KUDEV_AUTO_FREE char *link = NULL;
	KUDEV_AUTO_FREE char *number_link = NULL;
	KUDEV_AUTO_FREE char *target = NULL;
	size_t size;
	FILE *uevent = open_memstream(&text, &size);
	char *rest;
	char *subsystem;
	char *devtype;

	assert_non_null(uevent);
	(void)strtok_r(copy, " ", &rest);
	subsystem = strtok_r(NULL, " ", &rest);
	devtype = strchr(subsystem, '/');
	if (devtype) {
		*devtype++ = '\0';
		fprintf(uevent, "DEVTYPE=%s\n", devtype);
	}
	tree_directory(&bed->tree, syspath);
	target = mem_printf("/sys/%s/%s", bed_is_bus(subsystem) ? "bus" : "class",
			    subsystem);
	tree_directory(&bed->tree, target);
	bed_link(bed, subsystem_link, target);
	link = bed_class_link(syspath, subsystem);
	bed_link(bed, link, syspath);
	number_link = bed_number_link(line, subsystem);
	if (number_link)
		bed_link(bed, number_link, syspath);
	for (char *word = strtok_r(NULL, " ", &rest); word;
	     word = strtok_r(NULL, " ", &rest)) {
		char *equals = strchr(word, '=');

		*equals = '\0';
		bed_set(bed, uevent, syspath, word, equals + 1);
	}
	fclose(uevent);
	tree_file(&bed->tree, uevent_path, text);
	bed_make_node(bed, line);
}

/* Both the kernel and udev say that this happened to the device. */
static inline void bed_event(const struct bed *bed, const char *line, const char *action)
{
	KUDEV_AUTO_FREE char *syspath = bed_syspath(line);

	umockdev_testbed_uevent(bed->umockdev, syspath, action);
}

static inline void bed_add(const struct bed *bed, const char *const *lines)
{
	for (; *lines; lines++) {
		bed_make(bed, *lines);
		bed_event(bed, *lines, "add");
	}
}

static inline void bed_unlink(const struct bed *bed, const char *line)
{
	KUDEV_AUTO_FREE char *copy = mem_string(line);
	KUDEV_AUTO_FREE char *syspath = bed_syspath(line);
	KUDEV_AUTO_FREE char *full = tree_path(&bed->tree, syspath);
	KUDEV_AUTO_FREE char *link = NULL;
	KUDEV_AUTO_FREE char *number_link = NULL;
	char *subsystem = strchr(copy, ' ') + 1;

	bed_remove_node(bed, line);
	subsystem[strcspn(subsystem, " /")] = '\0';
	link = bed_class_link(syspath, subsystem);
	tree_remove(&bed->tree, link);
	number_link = bed_number_link(line, subsystem);
	if (number_link)
		tree_remove(&bed->tree, number_link);
	nftw(full, tree_unlink_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* The other way round; each is gone when its event is seen. */
static inline void bed_remove(const struct bed *bed, const char *const *lines)
{
	size_t count = 0;

	while (lines[count])
		count++;
	while (count-- > 0) {
		bed_event(bed, lines[count], "remove");
		bed_unlink(bed, lines[count]);
	}
}

static inline struct bed *bed_new(void)
{
	struct bed *bed = mem_zero(sizeof(*bed));

	bed->umockdev = umockdev_testbed_new();
	bed->tree.root = umockdev_testbed_get_root_dir(bed->umockdev);
	return bed;
}

static inline struct bed *bed_free(struct bed *bed)
{
	if (!bed)
		return NULL;
	g_object_unref(bed->umockdev);
	free(bed->tree.root);
	free(bed);
	run_no_udev();
	return NULL;
}

KUDEV_DEFINE_CLEANUP(struct bed *, bed_free)

/* A machine. A device is given by its number, since re-plugging changes it. */

#define BED_PCI "/devices/pci0000:00/"
#define BED_USB BED_PCI "0000:00:14.0/usb1"
#define BED_HUB BED_USB "/1-1"

#define BED_CONTROLLER                                                             \
	BED_PCI "0000:00:14.0 pci driver=xhci_hcd numa_node=-1 vendor=0x8086",     \
		BED_USB                                                            \
		" usb/usb_device driver=usb idVendor=1d6b idProduct=0002 "         \
		"serial=0000:00:14.0 version=2.00 devpath=0 node=bus/usb/001/001 " \
		"dev=189:0",                                                       \
		BED_HUB                                                            \
		" usb/usb_device driver=usb idVendor=05e3 idProduct=0610 "         \
		"serial=HUB version=2.00 devpath=1 node=bus/usb/001/002 dev=189:1"

/* An adapter with one serial port. parent: a hub; name: 1-1.1; more: attributes. */
#define BED_ADAPTER(parent, name, ports, product, more, tty, minor)                   \
	parent "/" name " usb/usb_device driver=usb idVendor=0403 idProduct=" product \
	       " version=2.00 devpath=" ports " " more,                               \
		parent "/" name "/" name                                              \
		       ":1.0 usb/usb_interface driver=ftdi_sio bInterfaceNumber=00",  \
		parent "/" name "/" name ":1.0/" tty                                  \
		       " usb-serial driver=ftdi_sio port_number=0",                   \
		parent "/" name "/" name ":1.0/" tty "/tty/" tty " tty node=" tty     \
		       " dev=188:" minor " E:ID_MODEL=UART"

#define BED_ADAPTER_A(tty, minor) \
	BED_ADAPTER(BED_HUB, "1-1.1", "1.1", "6001", "serial=A50285BI", tty, minor)
/* Two whose maker gave them the same number. */
#define BED_ADAPTER_B(tty, minor) \
	BED_ADAPTER(BED_HUB, "1-1.2", "1.2", "6015", "serial=0001", tty, minor)
#define BED_ADAPTER_C(tty, minor) \
	BED_ADAPTER(BED_HUB, "1-1.3", "1.3", "6015", "serial=0001", tty, minor)

#define BED_BOARD                                                                           \
	BED_USB "/1-2 usb/usb_device driver=usb idVendor=2341 idProduct=8037 serial=85436 " \
		"version=2.00 devpath=2",                                                   \
		BED_USB "/1-2/1-2:1.0 usb/usb_interface driver=cdc_acm "                    \
			"bInterfaceNumber=00",                                              \
		BED_USB "/1-2/1-2:1.0/tty/ttyACM0 tty node=ttyACM0 dev=166:0",              \
		BED_USB "/1-2/1-2:1.2 usb/usb_interface driver=cdc_acm "                    \
			"bInterfaceNumber=02",                                              \
		BED_USB "/1-2/1-2:1.2/tty/ttyACM1 tty node=ttyACM1 dev=166:1"

#define BED_CAMERA                                                                     \
	BED_USB "/1-3 usb/usb_device driver=usb idVendor=046d idProduct=0825 "         \
		"version=2.00 devpath=3",                                              \
		BED_USB "/1-3/1-3:1.0 usb/usb_interface driver=uvcvideo "              \
			"bInterfaceNumber=00",                                         \
		BED_USB "/1-3/1-3:1.0/video4linux/video0 video4linux node=video0 "     \
			"dev=81:0 index=0 E:ID_V4L_CAPABILITIES=:capture:",            \
		BED_USB "/1-3/1-3:1.0/video4linux/video1 video4linux node=video1 "     \
			"dev=81:1 index=1 E:ID_V4L_CAPABILITIES=:",                    \
		BED_USB "/1-3/1-3:1.2 usb/usb_interface driver=snd-usb-audio "         \
			"bInterfaceNumber=02",                                         \
		BED_USB "/1-3/1-3:1.2/sound/card1 sound id=C270",                      \
		BED_USB "/1-3/1-3:1.2/sound/card1/controlC1 sound node=snd/controlC1 " \
			"dev=116:5",                                                   \
		BED_USB "/1-3/1-3:1.2/sound/card1/pcmC1D0c sound node=snd/pcmC1D0c "   \
			"dev=116:6"

#define BED_SOUND                                                                      \
	BED_PCI "0000:00:1b.0 pci driver=snd_hda_intel numa_node=1 vendor=0x8086",     \
		BED_PCI "0000:00:1b.0/sound/card0 sound id=PCH",                       \
		BED_PCI "0000:00:1b.0/sound/card0/controlC0 sound node=snd/controlC0 " \
			"dev=116:0",                                                   \
		BED_PCI "0000:00:1b.0/sound/card0/pcmC0D0p sound node=snd/pcmC0D0p "   \
			"dev=116:1"

#define BED_VIRTUAL                                                   \
	"/devices/virtual/tty/tty0 tty node=tty0 dev=4:0",            \
		"/devices/virtual/misc/kvm misc node=kvm dev=10:232", \
		"/devices/virtual/block/loop0 block/disk node=loop0 dev=7:0 size=0"

#define BED_SCSI BED_PCI "0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0"
#define BED_DISK                                                                  \
	BED_PCI "0000:00:17.0 pci driver=ahci numa_node=0 vendor=0x8086",         \
		BED_SCSI " scsi/scsi_device driver=sd wwid=naa.5000c500a1b2c3d4", \
		BED_SCSI "/block/sda block/disk node=sda dev=8:0 size=1000",      \
		BED_SCSI "/block/sda/sda1 block/partition node=sda1 dev=8:1 partition=1"

#endif
