/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plugs a gadget that is bound to usbip-vudc.DEVICE into a port of vhci_hcd.0, over a pair
 * of sockets that the kernel keeps when this ends:
 *
 *	vudc DEVICE PORT
 *
 * Unlike dummy_hcd these have isochronous endpoints, which cameras and sound cards need.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"

/* USB_SPEED_HIGH of <linux/usb/ch9.h> and any bus and device number. */
#define SPEED_HIGH 3
#define DEVICE_ID 0x10001

static int write_file(const char *path, const char *text)
{
	KUDEV_AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0) {
		fprintf(stderr, "vudc: %s: %s\n", path, strerror(errno));
		return -1;
	}
	return 0;
}

int main(int argc, char *argv[])
{
	KUDEV_AUTO_FREE char *device = NULL;
	KUDEV_AUTO_FREE char *socket_text = NULL;
	KUDEV_AUTO_FREE char *port_text = NULL;
	int sockets[2];

	if (argc != 3) {
		fprintf(stderr, "usage: %s DEVICE PORT\n", argv[0]);
		return 2;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0) {
		perror("vudc: socketpair");
		return 1;
	}
	device = mem_printf("/sys/devices/platform/usbip-vudc.%s/usbip_sockfd", argv[1]);
	socket_text = mem_printf("%d", sockets[0]);
	port_text = mem_printf("%s %d %u %u", argv[2], sockets[1], DEVICE_ID, SPEED_HIGH);
	return write_file(device, socket_text) < 0 ||
	       write_file("/sys/devices/platform/vhci_hcd.0/attach", port_text) < 0;
}
