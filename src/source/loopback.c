/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "source/loopback.h"

#define CONTROL_NODE "/dev/v4l2loopback"
#define MODULE_DIRECTORY "/sys/module/" LOOPBACK_MODULE
#define VIDEO_DIRECTORY "/sys/class/video4linux"
#define LOOPBACK_DIRECTORY "/sys/devices/virtual/video4linux"
#define ATTRIBUTE_MAX 4096

/* What goes through the control node, in both directions. */
struct record {
	int32_t number;
	int32_t unused;
	char label[CONFIG_LABEL_MAX + 1];
	uint32_t min_width, max_width;
	uint32_t min_height, max_height;
	int32_t buffers;
	int32_t openers;
	int32_t debug;
	int32_t announce_all_caps; /* the reverse of exclusive */
};

_Static_assert(sizeof(struct record) == 72, "the kernel's record has 72 bytes");

/* Until 0.14 plain numbers, from 0.15.0 on those that tell of their argument, too. */
#define OLD_ADD 0x4c80
#define OLD_REMOVE 0x4c81
#define OLD_QUERY 0x4c82
#define NEW_ADD _IOW('~', 1, struct record)
#define NEW_REMOVE _IOW('~', 2, uint32_t)
#define NEW_QUERY _IOWR('~', 3, struct record)
#define NEW_VERSION _IOR('~', 0, uint32_t)

static char *read_attribute(const char *path)
{
	char *text = NULL;
	size_t size = 0;

	if (file_read(path, ATTRIBUTE_MAX, &text, &size, NULL) < 0)
		return NULL;
	if (size > 0 && text[size - 1] == '\n')
		text[size - 1] = '\0';
	return text;
}

static char *device_attribute(unsigned number, const char *name)
{
	return mem_printf(LOOPBACK_DIRECTORY "/video%u/%s", number, name);
}

static char *read_device_attribute(unsigned number, const char *name)
{
	KUDEV_AUTO_FREE char *path = device_attribute(number, name);

	return read_attribute(path);
}

static int write_device_attribute(unsigned number, const char *name, const char *value,
				  struct error *err)
{
	KUDEV_AUTO_FREE char *path = device_attribute(number, name);
	KUDEV_AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return error_set_errno(err, errno, "cannot open %s", path);
	if (write(fd, value, strlen(value)) < 0)
		return error_set_errno(err, errno, "cannot write \"%s\" to %s", value,
				       path);
	return 0;
}

/* A module that is being loaded or unloaded is not there. */
bool loopback_is_loaded(void)
{
	KUDEV_AUTO_FREE char *state = read_attribute(MODULE_DIRECTORY "/initstate");

	if (!state) /* built into the kernel, or not there at all */
		return access(MODULE_DIRECTORY "/parameters", F_OK) == 0;
	return strcmp(state, "live") == 0;
}

unsigned loopback_version(void)
{
	KUDEV_AUTO_FREE char *text = read_attribute(MODULE_DIRECTORY "/version");

	return loopback_parse_version(text);
}

unsigned loopback_parse_version(const char *text)
{
	unsigned parts[3] = {0};

	if (!text || sscanf(text, "%3u.%3u.%3u", &parts[0], &parts[1], &parts[2]) < 2)
		return 0;
	return parts[0] << 16 | parts[1] << 8 | parts[2];
}

int loopback_control_open(struct loopback_control *ret, struct error *err)
{
	KUDEV_AUTO_CLOSE int fd = open(CONTROL_NODE, O_RDWR | O_CLOEXEC);
	uint32_t version;

	if (fd < 0)
		return error_set_errno(err, errno, "cannot open " CONTROL_NODE);
	*ret = (struct loopback_control){
		.is_old = ioctl(fd, NEW_VERSION, &version) < 0,
		.fd = fd,
	};
	fd = -1;
	return 0;
}

void loopback_control_close(struct loopback_control *control)
{
	fd_close(control->fd);
	control->fd = -1;
}

int loopback_query(const struct loopback_control *control, unsigned number,
		   struct loopback_settings *ret)
{
	struct record record = {.number = (int32_t)number};

	if (ioctl(control->fd, control->is_old ? OLD_QUERY : NEW_QUERY, &record) < 0)
		return -errno;
	*ret = (struct loopback_settings){
		.buffers = (unsigned)record.buffers,
		.openers = (unsigned)record.openers,
		.min_width = record.min_width,
		.max_width = record.max_width,
		.min_height = record.min_height,
		.max_height = record.max_height,
		.exclusive_caps = !record.announce_all_caps,
	};
	memcpy(ret->label, record.label, CONFIG_LABEL_MAX);
	return 0;
}

int loopback_add(const struct loopback_control *control, unsigned number,
		 const struct loopback_settings *settings, unsigned *ret_number)
{
	struct record record = {
		.number = (int32_t)number,
		.min_width = settings->min_width,
		.max_width = settings->max_width,
		.min_height = settings->min_height,
		.max_height = settings->max_height,
		.buffers = (int32_t)settings->buffers,
		.openers = (int32_t)settings->openers,
		.announce_all_caps = !settings->exclusive_caps,
	};
	int r;

	memcpy(record.label, settings->label, CONFIG_LABEL_MAX);
	r = ioctl(control->fd, control->is_old ? OLD_ADD : NEW_ADD, &record);
	if (r < 0)
		return -errno;
	*ret_number = (unsigned)r;
	return 0;
}

int loopback_remove(const struct loopback_control *control, unsigned number)
{
	/* By value, whatever the new call's number says of a pointer. */
	unsigned long argument = number;

	if (ioctl(control->fd, control->is_old ? OLD_REMOVE : NEW_REMOVE, argument) < 0)
		return -errno;
	return 0;
}

bool loopback_number_is_taken(unsigned number)
{
	KUDEV_AUTO_FREE char *path = mem_printf(VIDEO_DIRECTORY "/video%u", number);

	return access(path, F_OK) == 0;
}

bool loopback_is_loopback(unsigned number)
{
	KUDEV_AUTO_FREE char *path = device_attribute(number, "max_openers");

	return access(path, F_OK) == 0;
}

dev_t loopback_device(unsigned number)
{
	KUDEV_AUTO_FREE char *text = read_device_attribute(number, "dev");
	unsigned major_number, minor_number;

	if (!text || sscanf(text, "%u:%u", &major_number, &minor_number) != 2)
		return 0;
	return makedev(major_number, minor_number);
}

char *loopback_describe_other(unsigned number)
{
	KUDEV_AUTO_FREE char *link = mem_printf(VIDEO_DIRECTORY "/video%u/device/driver",
						number);
	KUDEV_AUTO_FREE char *path = mem_printf(VIDEO_DIRECTORY "/video%u/name", number);
	KUDEV_AUTO_FREE char *name = read_attribute(path);
	char target[256];
	ssize_t length = readlink(link, target, sizeof(target) - 1);

	if (length < 0)
		return mem_string(name ? name : "another driver's device");
	target[length] = '\0';
	return mem_printf("%s (%s)", name ? name : "a device", strrchr(target, '/') + 1);
}

int loopback_set_max_openers(unsigned number, unsigned count, struct error *err)
{
	KUDEV_AUTO_FREE char *text = mem_printf("%u", count);
	int r = write_device_attribute(number, "max_openers", text, err);

	/* What it says if more have it open. */
	if (r == -EINVAL)
		return error_set(err, EBUSY, "is open");
	return r;
}

/* 2^32, which is more than have it open, and 0 for the int that it is kept in. */
int loopback_shut(unsigned number)
{
	return write_device_attribute(number, "max_openers", "4294967296", NULL);
}

int loopback_max_openers(unsigned number)
{
	KUDEV_AUTO_FREE char *text = read_device_attribute(number, "max_openers");
	int count = 0;

	if (!text || sscanf(text, "%d", &count) != 1)
		return -1;
	return count;
}

int loopback_set_frame_rate(unsigned number, unsigned frames, struct error *err)
{
	KUDEV_AUTO_FREE char *text = mem_printf("@%u/1", frames);

	return write_device_attribute(number, "format", text, err);
}

char *loopback_format(unsigned number)
{
	return read_device_attribute(number, "format");
}
