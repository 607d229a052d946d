/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/util.h"
#include "device/hardware.h"

/*
 * Buses whose device names depend on the order in which things were found; what they hang
 * off is named by where it is.
 */
static const char *const unstable_buses[] = {"hid",  "i2c",    "input",	      "mdio_bus",
					     "scsi", "serial", "serial-base", "serio",
					     "spi",  "usb",    "usb-serial",  "virtio"};

static bool is_one_of(const char *word, const char *const *words, size_t count)
{
	for (size_t i = 0; word && i < count; i++) {
		if (strcmp(word, words[i]) == 0)
			return true;
	}
	return false;
}

static const char *attribute(struct udev_device *device, const char *name)
{
	return device ? udev_device_get_sysattr_value(device, name) : NULL;
}

static bool is_usb(struct udev_device *device, const char *type)
{
	const char *subsystem = udev_device_get_subsystem(device);
	const char *actual = udev_device_get_devtype(device);

	return subsystem && actual && strcmp(subsystem, "usb") == 0 &&
	       strcmp(actual, type) == 0;
}

static struct udev_device *usb_ancestor(struct udev_device *device, const char *type)
{
	if (is_usb(device, type))
		return device;
	return udev_device_get_parent_with_subsystem_devtype(device, "usb", type);
}

struct udev_device *hardware_usb_device(struct udev_device *device)
{
	return usb_ancestor(device, "usb_device");
}

const char *hardware_attribute(struct udev_device *device, const char *name)
{
	const char *value = NULL;

	for (; device && !value; device = udev_device_get_parent(device))
		value = udev_device_get_sysattr_value(device, name);
	return value;
}

/* A device of a bus is a piece of hardware; one of a class is a function of it. */
static bool is_on_bus(struct udev_device *device)
{
	KUDEV_AUTO_FREE char *link = mem_printf("%s/subsystem",
						udev_device_get_syspath(device));
	char target[PATH_MAX];
	ssize_t length = readlink(link, target, sizeof(target) - 1);

	if (length <= 0)
		return false;
	target[length] = '\0';
	return strstr(target, "/bus/") != NULL;
}

/* NULL: none, as for loop devices. */
static struct udev_device *physical_device(struct udev_device *device)
{
	struct udev_device *usb = hardware_usb_device(device);

	if (usb)
		return usb;
	while (device && !is_on_bus(device))
		device = udev_device_get_parent(device);
	return device;
}

/* The virtual device that several nodes have in common, such as a sound card. */
static struct udev_device *topmost_device(struct udev_device *device)
{
	struct udev_device *parent;

	while ((parent = udev_device_get_parent(device)))
		device = parent;
	return device;
}

/* The nearest device that is named by its place: "pci-0000:00:14.0". NULL: none. */
static char *stable_place(struct udev_device *device)
{
	for (; device; device = udev_device_get_parent(device)) {
		const char *subsystem = udev_device_get_subsystem(device);

		if (subsystem && is_on_bus(device) &&
		    !is_one_of(subsystem, unstable_buses,
			       KUDEV_ARRAY_SIZE(unstable_buses)))
			return mem_printf("%s-%s", subsystem,
					  udev_device_get_sysname(device));
	}
	return NULL;
}

/* What the kernel's transport class says of a device: of ata1, ata_port/ata1/port_no. */
static const char *transport_attribute(struct udev_device *device, const char *class,
				       const char *name)
{
	KUDEV_AUTO_FREE char *path = device ? mem_printf("%s/%s/%s", class,
							 udev_device_get_sysname(device),
							 name)
					    : NULL;

	return attribute(device, path);
}

/* Where a SCSI device is at its host; the host's number is none but the machine's. */
struct scsi_address {
	unsigned channel;
	unsigned target;
	unsigned long long lun;
};

/* The port is counted at the controller, ata1 in the whole machine. NULL: no ATA. */
static char *ata_place(struct udev_device *scsi, const struct scsi_address *address)
{
	struct udev_device *host =
		udev_device_get_parent_with_subsystem_devtype(scsi, "scsi", "scsi_host");
	const char *port = transport_attribute(host ? udev_device_get_parent(host) : NULL,
					       "ata_port", "port_no");

	if (!port)
		return NULL;
	/* The channel is the port of a multiplier, the target a slave. */
	if (address->channel > 0)
		return mem_printf("-ata-%s.%u.0", port, address->channel);
	if (address->target > 0)
		return mem_printf("-ata-%s.%u", port, address->target);
	return mem_printf("-ata-%s", port);
}

/* Targets are counted in the order of appearance, phys are not. NULL: no SAS. */
static char *sas_place(struct udev_device *scsi, const struct scsi_address *address)
{
	struct udev_device *target = udev_device_get_parent_with_subsystem_devtype(
		scsi, "scsi", "scsi_target");
	struct udev_device *end = target ? udev_device_get_parent(target) : NULL;
	struct udev_device *port = end ? udev_device_get_parent(end) : NULL;
	const char *phy = transport_attribute(end, "sas_device", "phy_identifier");
	const char *expander = transport_attribute(
		port ? udev_device_get_parent(port) : NULL, "sas_device", "sas_address");
	KUDEV_AUTO_FREE char *lun = address->lun > 0
					    ? mem_printf("-lun-%llu", address->lun)
					    : mem_string("");

	if (!phy)
		return NULL;
	return mem_printf("-sas-%s%s%sphy%s%s", expander ? "exp" : "",
			  expander ? expander : "", expander ? "-" : "", phy, lun);
}

/* What tells the disks of one controller apart, much as udev's path_id has it. */
static char *scsi_place(struct udev_device *device)
{
	struct udev_device *scsi = udev_device_get_parent_with_subsystem_devtype(
		device, "scsi", "scsi_device");
	struct scsi_address address;
	char *place;

	if (!scsi || sscanf(udev_device_get_sysname(scsi), "%*u:%u:%u:%llu",
			    &address.channel, &address.target, &address.lun) != 3)
		return mem_string("");
	place = ata_place(scsi, &address);
	if (!place)
		place = sas_place(scsi, &address);
	if (!place)
		place = mem_printf("-scsi-%u:%u:%llu", address.channel, address.target,
				   address.lun);
	return place;
}

static char *other_port(struct udev_device *device)
{
	KUDEV_AUTO_FREE char *controller = stable_place(device);
	KUDEV_AUTO_FREE char *place = controller ? scsi_place(device) : NULL;

	return controller ? mem_printf("%s%s", controller, place) : NULL;
}

/*
 * The controller, the root hub by its generation (one controller has one of each) and the
 * ports on the way: the number of the bus, which the name begins with, depends on which
 * controller came first.
 */
static char *usb_port(struct udev_device *usb)
{
	struct udev_device *hub = usb;
	struct udev_device *parent;
	const char *ports = attribute(usb, "devpath");
	KUDEV_AUTO_FREE char *place = NULL;
	const char *version;

	while ((parent = udev_device_get_parent(hub)) && is_usb(parent, "usb_device"))
		hub = parent;
	place = parent ? stable_place(parent) : NULL;
	version = attribute(hub, "version");
	while (version && *version == ' ')
		version++;
	if (!ports)
		return NULL;
	return mem_printf("%s%susb%c-%s", place ? place : "", place ? "-" : "",
			  version && isdigit((unsigned char)*version) ? *version : '2',
			  ports);
}

static char *usb_serial(struct udev_device *usb)
{
	const char *vendor = attribute(usb, "idVendor");
	const char *product = attribute(usb, "idProduct");
	const char *serial = attribute(usb, "serial");

	if (!vendor || !product || !serial || serial[strspn(serial, " ")] == '\0')
		return NULL;
	return mem_printf("%s-%s-%s", vendor, product, serial);
}

/* Disks and the like: what is looked for ends with the physical device. */
static char *other_serial(struct udev_device *device)
{
	static const char *const names[] = {"serial", "wwid", "unique_id"};

	for (; device; device = udev_device_get_parent(device)) {
		for (size_t i = 0; i < KUDEV_ARRAY_SIZE(names); i++) {
			const char *serial = attribute(device, names[i]);

			if (serial && serial[strspn(serial, " 0")] != '\0')
				return mem_string(serial);
		}
		if (is_on_bus(device))
			break;
	}
	return NULL;
}

/* Numbers that are given in the order of appearance say nothing: "ttyUSB" of ttyUSB0. */
static char *kind_of(const char *subsystem, const char *name)
{
	size_t length = strlen(name);

	/* 0:0:0:0 of bsg, 12 of vfio. */
	if (isdigit((unsigned char)*name))
		return mem_string(subsystem);
	/* ng0n1: the namespace is told by its own number, which is not that of its node. */
	if (strcmp(subsystem, "nvme-generic") == 0)
		return mem_string("ng");
	while (length > 1 && isdigit((unsigned char)name[length - 1]))
		length--;
	return mem_string_n(name, length);
}

/* "frontend0" of dvb1.frontend0: which of the adapter's, and that is counted there. */
static const char *without_adapter(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot ? dot + 1 : name;
}

/* Sound nodes are named <kind>C<card>[D<device>…]; the card's number says nothing. */
static char *sound_kind(const char *name)
{
	const char *card = strchr(name, 'C');

	if (!card || !isdigit((unsigned char)card[1]))
		return mem_string(name);
	return mem_printf("%.*s%s", (int)(card - name), name,
			  card + 1 + strspn(card + 1, "0123456789"));
}

/* A namespace has an ID; n1 in its node's name counts those that were found. */
static const char *namespace_of(struct udev_device *device, const char *subsystem)
{
	KUDEV_AUTO_FREE char *disk = NULL;

	if (strcmp(subsystem, "block") == 0)
		return hardware_attribute(device, "nsid");
	if (strcmp(subsystem, "nvme-generic") != 0)
		return NULL;
	/* That of the disk beside it: nvme0n1 of ng0n1. */
	disk = mem_printf("nvme%s/nsid", udev_device_get_sysname(device) + strlen("ng"));
	return attribute(udev_device_get_parent(device), disk);
}

/* The unit of a card reader; elsewhere it is in the port. */
static const char *lun_of(struct udev_device *device)
{
	struct udev_device *scsi =
		hardware_usb_device(device)
			? udev_device_get_parent_with_subsystem_devtype(device, "scsi",
									"scsi_device")
			: NULL;
	const char *lun = scsi ? strrchr(udev_device_get_sysname(scsi), ':') : NULL;

	return lun && strcmp(lun, ":0") != 0 ? lun + 1 : NULL;
}

/* Of a disk. The first goes without saying. */
static char *disk_number(struct udev_device *device, const char *subsystem)
{
	const char *lun = lun_of(device);
	const char *nsid = namespace_of(device, subsystem);
	const char *partition = attribute(device, "partition");

	if (nsid && strcmp(nsid, "1") == 0)
		nsid = NULL;
	return mem_printf("%s%s%s%s%s%s", lun ? "-lun" : "", lun ? lun : "",
			  nsid ? "-ns" : "", nsid ? nsid : "", partition ? "-part" : "",
			  partition ? partition : "");
}

/* Tells nodes of one kind apart; 0 goes without saying. */
static char *number_of(struct udev_device *device, const char *subsystem,
		       const char *name)
{
	const char *number = NULL;

	if (strcmp(subsystem, "block") == 0 || strcmp(subsystem, "nvme-generic") == 0)
		return disk_number(device, subsystem);
	if (strcmp(subsystem, "tty") == 0 && hardware_usb_device(device))
		number = attribute(udev_device_get_parent_with_subsystem_devtype(
					   device, "usb-serial", NULL),
				   "port_number");
	else if (strcmp(subsystem, "tty") == 0)
		number = attribute(device, "line");
	else if (strcmp(subsystem, "video4linux") == 0)
		number = attribute(device, "index");
	else if (strcmp(subsystem, "input") == 0)
		number = hardware_attribute(device, "name");
	else if (strcmp(subsystem, "dvb") == 0)
		number = name + strcspn(name, "0123456789");
	if (!number || !*number || strcmp(number, "0") == 0)
		return mem_string("");
	return mem_printf("-%s", number);
}

static char *part_of(struct udev_device *device, const char *subsystem, const char *name)
{
	struct udev_device *interface = usb_ancestor(device, "usb_interface");
	const char *number = attribute(interface, "bInterfaceNumber");
	KUDEV_AUTO_FREE char *kind = NULL;
	KUDEV_AUTO_FREE char *rest = NULL;

	/* The node of the whole device, /dev/bus/usb/001/002. */
	if (is_usb(device, "usb_device"))
		return mem_string("");
	if (strcmp(subsystem, "dvb") == 0)
		name = without_adapter(name);
	if (strcmp(subsystem, "sound") == 0)
		kind = sound_kind(name);
	else if (strcmp(subsystem, "block") == 0)
		kind = mem_string("disk");
	else
		kind = kind_of(subsystem, name);
	rest = number_of(device, subsystem, name);
	return mem_printf("%s%s%s%s%s", number ? "if" : "", number ? number : "",
			  number ? "-" : "", kind, rest);
}

void hardware_read(struct udev_device *device, struct hardware *ret)
{
	struct udev_device *usb = hardware_usb_device(device);
	struct udev_device *physical = physical_device(device);
	const char *subsystem = udev_device_get_subsystem(device);
	const char *name = udev_device_get_sysname(device);

	if (!subsystem)
		subsystem = "";
	*ret = (struct hardware){
		.syspath = mem_string(udev_device_get_syspath(device)),
		.node = mem_string(udev_device_get_devnode(device)),
		.subsystem = mem_string(subsystem),
		.name = mem_string(name),
		.device = mem_string(udev_device_get_syspath(
			physical ? physical : topmost_device(device))),
		.serial = usb ? usb_serial(usb) : other_serial(device),
		.port = usb ? usb_port(usb) : other_port(device),
		.part = part_of(device, subsystem, name),
	};
}

void hardware_clear(struct hardware *hardware)
{
	free(hardware->syspath);
	free(hardware->node);
	free(hardware->subsystem);
	free(hardware->name);
	free(hardware->device);
	free(hardware->serial);
	free(hardware->port);
	free(hardware->part);
	memset(hardware, 0, sizeof(*hardware));
}

enum config_identity hardware_identity(const struct hardware *hardware,
				       enum config_identity wish)
{
	/* What is bought one by one, with a number of its own; not so cameras and cards. */
	static const char *const numbered[] = {"block", "hidraw", "nvme",
					       "tty",	"usb",	  "usbmisc"};

	if (wish == CONFIG_IDENTITY_AUTO)
		wish = is_one_of(hardware->subsystem, numbered,
				 KUDEV_ARRAY_SIZE(numbered))
			       ? CONFIG_IDENTITY_SERIAL
			       : CONFIG_IDENTITY_PORT;
	if (wish == CONFIG_IDENTITY_SERIAL && !hardware->serial)
		wish = CONFIG_IDENTITY_PORT;
	if (wish == CONFIG_IDENTITY_PORT && !hardware->port)
		wish = CONFIG_IDENTITY_PATH;
	return wish;
}
