/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/util.h"
#include "source/glob.h"
#include "source/usb.h"

#define USB_DEVICES "/sys/bus/usb/devices/*"
#define USB_NODES "/dev/bus/usb"
/* Larger than any of the attributes that are read. */
#define ATTRIBUTE_MAX_SIZE 4096

struct usb_device {
	unsigned long vendor;
	unsigned long product;
	unsigned long bus;
	unsigned long number;
	char *serial; /* owned; NULL: none */
};

/* NULL if there is no such attribute: interfaces and hubs lack some. */
static char *read_attribute(const char *directory, const char *name)
{
	KUDEV_AUTO_FREE char *path = mem_printf("%s/%s", directory, name);
	char *text;
	size_t size;

	if (file_read(path, ATTRIBUTE_MAX_SIZE, &text, &size, NULL) < 0)
		return NULL;
	text[strcspn(text, "\n")] = '\0';
	return text;
}

static bool read_number(const char *directory, const char *name, int base,
			unsigned long *ret)
{
	KUDEV_AUTO_FREE char *text = read_attribute(directory, name);
	char *end;

	if (!text || !*text)
		return false;
	errno = 0;
	*ret = strtoul(text, &end, base);
	return errno == 0 && *end == '\0';
}

static bool read_device(const char *directory, struct usb_device *ret)
{
	*ret = (struct usb_device){0};
	if (!read_number(directory, "idVendor", 16, &ret->vendor) ||
	    !read_number(directory, "idProduct", 16, &ret->product) ||
	    !read_number(directory, "busnum", 10, &ret->bus) ||
	    !read_number(directory, "devnum", 10, &ret->number))
		return false;
	ret->serial = read_attribute(directory, "serial");
	return true;
}

static bool matches(const struct usb_device *device, const struct config_usb *usb)
{
	if (device->vendor != usb->vendor || device->product != usb->product)
		return false;
	return !usb->serial ||
	       (device->serial && strcmp(device->serial, usb->serial) == 0);
}

static char *node_of(const struct usb_device *device)
{
	return mem_printf(USB_NODES "/%03lu/%03lu", device->bus, device->number);
}

/* The nodes of one specification, sorted, behind those of the ones before it. */
static void take_matches(const struct config_usb *usb, const struct usb_device *devices,
			 size_t count, const struct strings *existing,
			 struct strings *nodes)
{
	KUDEV_AUTO_STRINGS struct strings found = {0};

	for (size_t i = 0; i < count; i++) {
		KUDEV_AUTO_FREE char *node = node_of(&devices[i]);

		if (matches(&devices[i], usb) && strings_contain(existing, node))
			strings_add(&found, node);
	}
	strings_sort(&found);
	for (size_t i = 0; i < found.count; i++)
		strings_add_unique(nodes, found.items[i]);
}

int usb_find(const char *root, const struct config_usb *usb, size_t usb_count,
	     struct strings *nodes, struct strings *directories, struct error *err)
{
	KUDEV_AUTO_STRINGS struct strings entries = {0};
	/* inotify sees nothing of sysfs: the directories of the nodes stand for it. */
	KUDEV_AUTO_STRINGS struct strings unwatched = {0};
	KUDEV_AUTO_STRINGS struct strings existing = {0};
	struct usb_device *devices;
	size_t count = 0;
	int r = glob_expand(root, USB_NODES "/*/*", &existing, directories, err);

	if (r == 0)
		r = glob_expand(root, USB_DEVICES, &entries, &unwatched, err);
	if (r < 0)
		return r;
	devices = mem_zero(entries.count * sizeof(*devices));
	for (size_t i = 0; i < entries.count; i++) {
		KUDEV_AUTO_FREE char *directory = mem_printf("%s%s", root,
							     entries.items[i]);

		if (read_device(directory, &devices[count]))
			count++;
	}
	/* In the order of the specifications, as generic-device-plugin's IDs have it. */
	for (size_t i = 0; i < usb_count; i++)
		take_matches(&usb[i], devices, count, &existing, nodes);
	for (size_t i = 0; i < count; i++)
		free(devices[i].serial);
	free(devices);
	return 0;
}
