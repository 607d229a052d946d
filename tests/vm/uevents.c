/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shows what the kernel and udevd say about devices, with the time of CLOCK_MONOTONIC in
 * microseconds at which it was received:
 *
 *	kernel|udev TIME ACTION SUBSYSTEM DEVPATH SEQNUM [DEVNAME]
 *
 * "uevents send COUNT" sends events of a device that does not exist to all who listen to
 * udevd, which overruns those who are slow. No libudev: this is the second opinion.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/util.h"

#define GROUP_KERNEL 1U
#define GROUP_UDEV 2U
#define RECEIVE_BUFFER (32 * 1024 * 1024)
#define UDEV_MAGIC 0xfeedcafe

/* As in systemd's src/libsystemd/sd-device/device-monitor.c. */
struct udev_header {
	char prefix[8];
	uint32_t magic; /* big endian, as the two hashes */
	uint32_t header_size;
	uint32_t properties_offset;
	uint32_t properties_size;
	uint32_t subsystem_hash;
	uint32_t devtype_hash;
	uint32_t tag_bloom_high;
	uint32_t tag_bloom_low;
};

static int64_t clock_of_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The value of "KEY=…" among the strings; NULL if there is none. */
static const char *find(const char *strings, const char *end, const char *key)
{
	size_t length = strlen(key);

	while (strings < end) {
		if (strncmp(strings, key, length) == 0 && strings[length] == '=')
			return strings + length + 1;
		strings += strlen(strings) + 1;
	}
	return NULL;
}

static const char *find_or(const char *strings, const char *end, const char *key)
{
	const char *value = find(strings, end, key);

	return value ? value : "-";
}

static void print_event(const char *from, int64_t time_us, const char *strings,
			const char *end)
{
	printf("%s %" PRId64 " %s %s %s %s %s\n", from, time_us,
	       find_or(strings, end, "ACTION"), find_or(strings, end, "SUBSYSTEM"),
	       find_or(strings, end, "DEVPATH"), find_or(strings, end, "SEQNUM"),
	       find_or(strings, end, "DEVNAME"));
}

static void print_message(const char *message, size_t size, int64_t time_us)
{
	const struct udev_header *header = (const void *)message;
	const char *end = message + size;

	if (size > sizeof(*header) && strcmp(header->prefix, "libudev") == 0)
		print_event("udev", time_us, message + header->properties_offset, end);
	else
		print_event("kernel", time_us, message + strlen(message) + 1, end);
	fflush(stdout);
}

static int open_socket(unsigned groups)
{
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
	int buffer = RECEIVE_BUFFER;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	if (bind(fd, (void *)&address, sizeof(address)) < 0)
		return fd_close(fd);
	return fd;
}

static int show(void)
{
	/* Aligned for the header; a message has at most 8 KiB. */
	static uint32_t message[16 * 1024 / sizeof(uint32_t)];
	int fd = open_socket(GROUP_KERNEL | GROUP_UDEV);
	ssize_t size;

	if (fd < 0)
		return -errno;
	printf("listening\n");
	fflush(stdout);
	for (;;) {
		size = recv(fd, message, sizeof(message) - 1, 0);
		if (size < 0 && errno != EINTR && errno != ENOBUFS)
			return -errno;
		if (size <= 0)
			continue;
		((char *)message)[size] = '\0';
		print_message((const char *)message, (size_t)size, clock_of_us());
	}
}

static int send_events(int count)
{
	static const char properties[] = "ACTION=change\0DEVPATH=/devices/virtual/none\0"
					 "SUBSYSTEM=none\0SEQNUM=1";
	struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = GROUP_UDEV};
	char message[sizeof(struct udev_header) + sizeof(properties)];
	struct udev_header header = {
		.prefix = "libudev",
		.magic = htonl(UDEV_MAGIC),
		.header_size = sizeof(header),
		.properties_offset = sizeof(header),
		.properties_size = sizeof(properties),
	};
	int fd = open_socket(0);

	if (fd < 0)
		return -errno;
	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), properties, sizeof(properties));
	for (int i = 0; i < count; i++) {
		/* ECONNREFUSED: nobody listens. A listener's overrun is not ours. */
		if (sendto(fd, message, sizeof(message), 0, (void *)&address,
			   sizeof(address)) < 0 &&
		    errno != ECONNREFUSED && errno != ENOBUFS)
			return -errno;
	}
	fd_close(fd);
	return 0;
}

int main(int argc, char *argv[])
{
	int r;

	if (argc == 3 && strcmp(argv[1], "send") == 0) {
		r = send_events(atoi(argv[2]));
	} else if (argc == 1) {
		r = show();
	} else {
		fprintf(stderr, "usage: %s [send COUNT]\n", argv[0]);
		return 2;
	}
	if (r < 0)
		fprintf(stderr, "%s: %s\n", argv[0], strerror(-r));
	return r < 0;
}
