/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_LOOPBACK_MODULE_H
#define KUDEV_TEST_LOOPBACK_MODULE_H

/*
 * The devices of the emulated module of test-loopback.h, and what they and its control
 * node answer.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/util.h"
#include "test-run.h"

#define KERNEL_DEVICES_MAX 24
#define KERNEL_FDS_MAX 256
#define KERNEL_CALLS_MAX 64
#define KERNEL_VIDEO_MAJOR 81
#define KERNEL_FOREIGN_DRIVER "vivid"
#define KERNEL_CONTROLS 3
#define KERNEL_FIRST_CONTROL (V4L2_CID_USER_BASE | 0xf000)

/* The interface once more, so that a slip in the program's own shows. */
struct kernel_record {
	int32_t number;
	int32_t unused;
	char label[32];
	uint32_t min_width, max_width, min_height, max_height;
	int32_t buffers;
	int32_t openers;
	int32_t debug;
	int32_t announce_all_caps;
};
#define KERNEL_VERSION_NEW 0x80047e00
#define KERNEL_ADD_NEW 0x40487e01
#define KERNEL_REMOVE_NEW 0x40047e02
#define KERNEL_QUERY_NEW 0xc0487e03
#define KERNEL_ADD_OLD 0x4c80
#define KERNEL_REMOVE_OLD 0x4c81
#define KERNEL_QUERY_OLD 0x4c82

struct kernel_device {
	bool is_used;
	bool is_foreign; /* another driver's: the module knows nothing of it */
	unsigned index;	 /* what it was asked for */
	unsigned number; /* what it got */
	unsigned minor;
	struct kernel_record record;
	unsigned open_count;
	uid_t owner;
	gid_t group;
	int32_t controls[KERNEL_CONTROLS]; /* keep_format, sustain_framerate, timeout */
	struct v4l2_pix_format format;
	int frames;	 /* its buffers, one after the other */
	bool has_leaked; /* a buffer was given back with something in it */
};

enum kernel_use { KERNEL_NOTHING, KERNEL_CONTROL, KERNEL_VIDEO, KERNEL_ATTRIBUTE };

struct kernel_fd {
	enum kernel_use use;
	unsigned number;
	bool is_format; /* of the attributes; else max_openers */
};

static struct {
	pthread_mutex_t lock; /* guards what is between here and the hooks */
	unsigned version;     /* 0xMMmmff; 0: before 0.13; what is loaded */
	struct kernel_device devices[KERNEL_DEVICES_MAX];
	struct kernel_fd fds[KERNEL_FDS_MAX];
	int64_t removals[KERNEL_CALLS_MAX]; /* when REMOVE was called */
	unsigned removal_count;
	unsigned add_count;
	int64_t offset_ms; /* of the clock */

	/* What goes wrong. */
	unsigned wrong_numbers; /* so many ADDs get another number: it isn't free yet */
	unsigned busy_removals; /* so many REMOVEs come while somebody opens it */
	unsigned long bad_request; /* this ioctl() fails */
	int bad_request_errno;
	const char *bad_path; /* this can't be opened */
	int bad_path_errno;
	int chown_errno;
	bool ignores_controls;

	/* Called without the lock, on whatever thread. */
	/* Set while the worker may be at it. */
	void (*_Atomic on_ioctl)(unsigned long request, unsigned number);
	void (*on_pause)(void);
} kernel = {.lock = PTHREAD_MUTEX_INITIALIZER};

int __real_close(int fd);
int __real_stat(const char *path, struct stat *status);
int64_t __wrap_clock_ms(void);

static inline void kernel_lock(void)
{
	pthread_mutex_lock(&kernel.lock);
}

static inline void kernel_unlock(void)
{
	pthread_mutex_unlock(&kernel.lock);
}

/* Files. */

static inline void kernel_file(const char *text, const char *format, ...)
	KUDEV_PRINTF(2, 3);

static inline void kernel_parent(const char *path)
{
	KUDEV_AUTO_FREE char *parent = mem_string_n(path, strrchr(path, '/') - path);

	if (directory_create(parent, 0755, NULL) < 0)
		abort();
}

static inline void kernel_write(const char *path, const char *text)
{
	kernel_parent(path);
	if (!run_write(path, text))
		abort();
}

static inline void kernel_file(const char *text, const char *format, ...)
{
	char path[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(path, sizeof(path), format, arguments);
	va_end(arguments);
	kernel_write(path, text);
}

static inline void kernel_link(const char *path, const char *target)
{
	kernel_parent(path);
	if (symlink(target, path) < 0)
		abort();
}

/* Devices: with the lock. */

static inline const char *kernel_directory(const struct kernel_device *device)
{
	return device->is_foreign ? "/sys/devices/platform/" KERNEL_FOREIGN_DRIVER
				    ".0/video4linux"
				  : "/sys/devices/virtual/video4linux";
}

static inline bool kernel_has_format(const struct kernel_device *device)
{
	return device->controls[0] != 0;
}

static inline void kernel_show_attributes(const struct kernel_device *device)
{
	const char *directory = kernel_directory(device);
	char text[64] = "";

	snprintf(text, sizeof(text), "%d\n", device->record.openers);
	kernel_file(text, "%s/video%u/max_openers", directory, device->number);
	text[0] = '\0';
	if (kernel_has_format(device))
		snprintf(text, sizeof(text), "YUYV:%ux%u@30\n", device->format.width,
			 device->format.height);
	kernel_file(text, "%s/video%u/format", directory, device->number);
	kernel_file("2\n", "%s/video%u/buffers", directory, device->number);
	if (kernel.version)
		kernel_file(kernel_has_format(device) ? "capture\n" : "output\n",
			    "%s/video%u/state", directory, device->number);
}

/* The node is root's alone until udev has seen it. */
static inline void kernel_show(const struct kernel_device *device)
{
	const char *directory = kernel_directory(device);
	unsigned number = device->number;
	KUDEV_AUTO_FREE char *node = mem_printf("/dev/video%u", number);
	KUDEV_AUTO_FREE char *link = mem_printf("/sys/class/video4linux/video%u", number);
	KUDEV_AUTO_FREE char *character = mem_printf("/sys/dev/char/%u:%u",
						     KERNEL_VIDEO_MAJOR, device->minor);
	KUDEV_AUTO_FREE char *target = mem_printf("%s/video%u", directory, number);
	KUDEV_AUTO_FREE char *name = mem_printf("%s\n", device->record.label);

	kernel_file(name, "%s/video%u/name", directory, number);
	if (!device->is_foreign)
		kernel_show_attributes(device);
	kernel_link(link, target);
	kernel_link(character, target);
	kernel_write(node, "");
	if (chmod(node, 0600) < 0)
		abort();
}

static inline void kernel_hide(const struct kernel_device *device)
{
	static const char *const names[] = {"name",  "max_openers", "format", "buffers",
					    "state", "device",	    NULL};
	const char *directory = kernel_directory(device);
	unsigned number = device->number;
	char path[256];

	snprintf(path, sizeof(path), "/dev/video%u", number);
	(void)unlink(path);
	snprintf(path, sizeof(path), "/sys/class/video4linux/video%u", number);
	(void)unlink(path);
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u", KERNEL_VIDEO_MAJOR,
		 device->minor);
	(void)unlink(path);
	for (const char *const *name = names; *name; name++) {
		snprintf(path, sizeof(path), "%s/video%u/%s", directory, number, *name);
		(void)unlink(path);
	}
	snprintf(path, sizeof(path), "%s/video%u", directory, number);
	(void)rmdir(path);
}

static inline struct kernel_device *kernel_find(unsigned number)
{
	for (size_t i = 0; i < KERNEL_DEVICES_MAX; i++) {
		if (kernel.devices[i].is_used && kernel.devices[i].number == number)
			return &kernel.devices[i];
	}
	return NULL;
}

/* Of the module's. */
static inline struct kernel_device *kernel_find_own(unsigned number)
{
	struct kernel_device *device = kernel_find(number);

	return device && !device->is_foreign ? device : NULL;
}

static inline bool kernel_has_minor(unsigned minor)
{
	for (size_t i = 0; i < KERNEL_DEVICES_MAX; i++) {
		if (kernel.devices[i].is_used && kernel.devices[i].minor == minor)
			return true;
	}
	return false;
}

static inline bool kernel_has_index(unsigned index)
{
	for (size_t i = 0; i < KERNEL_DEVICES_MAX; i++) {
		if (kernel.devices[i].is_used && !kernel.devices[i].is_foreign &&
		    kernel.devices[i].index == index)
			return true;
	}
	return false;
}

/* Memory of this size for the frames; what it had is given back as it is. */
static inline void kernel_allocate(struct kernel_device *device)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = (device->format.sizeimage + page - 1) / page * page *
		      (size_t)device->record.buffers;
	struct stat status;
	char *old;

	if (fstat(device->frames, &status) < 0)
		abort();
	if ((size_t)status.st_size == size)
		return;
	old = mem_zero((size_t)status.st_size);
	if (pread(device->frames, old, (size_t)status.st_size, 0) != status.st_size)
		abort();
	for (off_t i = 0; i < status.st_size; i++)
		device->has_leaked = device->has_leaked || old[i] != 0;
	free(old);
	if (ftruncate(device->frames, 0) < 0 ||
	    ftruncate(device->frames, (off_t)size) < 0)
		abort();
}

static inline void kernel_set_format(struct kernel_device *device, uint32_t pixel_format,
				     uint32_t width, uint32_t height)
{
	device->format = (struct v4l2_pix_format){
		.pixelformat = pixel_format,
		.width = width,
		.height = height,
		.sizeimage = width * height * (pixel_format == V4L2_PIX_FMT_GREY ? 1 : 2),
		.field = V4L2_FIELD_NONE,
	};
	kernel_allocate(device);
}

static inline struct kernel_device *kernel_make(unsigned index, unsigned number,
						bool is_foreign,
						const struct kernel_record *record)
{
	struct kernel_device *device = kernel.devices;

	while (device->is_used)
		device++;
	*device = (struct kernel_device){
		.is_foreign = is_foreign,
		.index = index,
		.number = number,
		.record = *record,
		.frames = -1,
	};
	while (kernel_has_minor(device->minor))
		device->minor++;
	device->is_used = true;
	kernel_show(device);
	if (is_foreign)
		return device;
	device->frames = memfd_create("frames", MFD_CLOEXEC);
	kernel_set_format(device, V4L2_PIX_FMT_YUYV, 640, 480);
	return device;
}

static inline void kernel_destroy(struct kernel_device *device)
{
	kernel_hide(device);
	if (device->frames >= 0)
		__real_close(device->frames);
	device->is_used = false;
}

/* The control node: with the lock. */

static inline void kernel_fill_defaults(struct kernel_record *record)
{
	record->min_width = record->min_width < 2 ? 2 : record->min_width;
	record->min_height = record->min_height < 1 ? 1 : record->min_height;
	if (record->max_width < record->min_width)
		record->max_width = 8192;
	if (record->max_height < record->min_height)
		record->max_height = 8192;
	if (record->buffers <= 0)
		record->buffers = 2;
	if (record->openers <= 0)
		record->openers = 10;
	if (kernel.version >= 0x000f04 && record->buffers > 32)
		record->buffers = 32;
	record->label[31] = '\0';
	if (!record->label[0])
		snprintf(record->label, sizeof(record->label),
			 "Dummy video device (0x%04X)", (unsigned)record->number);
}

/* The next free one from the index on, or any. */
static inline unsigned kernel_choose_number(unsigned index)
{
	unsigned number = index < 256 ? index : 0;

	if (kernel.wrong_numbers > 0) {
		kernel.wrong_numbers--;
		number++;
	}
	while (kernel_find(number))
		number++;
	return number;
}

static inline int kernel_add(const struct kernel_record *argument)
{
	struct kernel_record record = *argument;

	kernel.add_count++;
	if (kernel_has_index((unsigned)record.number))
		return -EEXIST;
	kernel_fill_defaults(&record);
	return (int)kernel_make((unsigned)record.number,
				kernel_choose_number((unsigned)record.number), false,
				&record)
		->number;
}

static inline int kernel_remove(unsigned number)
{
	struct kernel_device *device = kernel_find_own(number);

	if (kernel.removal_count < KERNEL_CALLS_MAX)
		kernel.removals[kernel.removal_count++] = __wrap_clock_ms();
	if (!device)
		return -ENODEV;
	if (kernel.busy_removals > 0) {
		kernel.busy_removals--;
		return -EBUSY;
	}
	if (device->open_count > 0)
		return -EBUSY;
	kernel_destroy(device);
	return 0;
}

static inline int kernel_query(struct kernel_record *record)
{
	const struct kernel_device *device = kernel_find_own((unsigned)record->number);

	if (!device)
		return -ENODEV;
	*record = device->record;
	record->number = (int32_t)device->number;
	return 0;
}

static inline int kernel_control(unsigned long request, void *argument)
{
	bool knows_new = kernel.version >= 0x000f00;

	if (request == KERNEL_VERSION_NEW && knows_new) {
		*(uint32_t *)argument = kernel.version;
		return 0;
	}
	if (request == KERNEL_ADD_OLD || (request == KERNEL_ADD_NEW && knows_new))
		return kernel_add(argument);
	if (request == KERNEL_REMOVE_OLD || (request == KERNEL_REMOVE_NEW && knows_new))
		return kernel_remove((unsigned)(uintptr_t)argument);
	if (request == KERNEL_QUERY_OLD || (request == KERNEL_QUERY_NEW && knows_new))
		return kernel_query(argument);
	return -ENOSYS;
}

/* A video node: with the lock. */

static inline int kernel_set_control(struct kernel_device *device,
				     const struct v4l2_control *control)
{
	uint32_t index = control->id - KERNEL_FIRST_CONTROL;

	if (index >= KERNEL_CONTROLS)
		return -EINVAL;
	if (!kernel.ignores_controls)
		device->controls[index] = control->value;
	kernel_show_attributes(device);
	return 0;
}

static inline int kernel_get_control(const struct kernel_device *device,
				     struct v4l2_control *control)
{
	uint32_t index = control->id - KERNEL_FIRST_CONTROL;

	if (index >= KERNEL_CONTROLS)
		return -EINVAL;
	control->value = device->controls[index];
	return 0;
}

static inline int kernel_video(unsigned number, unsigned long request, void *argument)
{
	struct kernel_device *device = kernel_find_own(number);
	struct v4l2_format *format = argument;

	if (!device)
		return -ENODEV;
	switch (request) {
	case VIDIOC_S_CTRL:
		return kernel_set_control(device, argument);
	case VIDIOC_G_CTRL:
		return kernel_get_control(device, argument);
	case VIDIOC_S_FMT:
		if (!kernel_has_format(device))
			kernel_set_format(device, format->fmt.pix.pixelformat,
					  format->fmt.pix.width, format->fmt.pix.height);
		format->fmt.pix = device->format;
		return 0;
	case VIDIOC_G_FMT:
		format->fmt.pix = device->format;
		return 0;
	case VIDIOC_REQBUFS:
	case VIDIOC_STREAMOFF:
		return 0;
	default:
		return -ENOTTY;
	}
}

/* An attribute: with the lock. */

static inline int kernel_store(const struct kernel_fd *use, const char *text)
{
	struct kernel_device *device = kernel_find_own(use->number);
	int numerator, denominator;
	unsigned long count;

	if (!device)
		return -ENODEV;
	if (use->is_format)
		return sscanf(text, "@%d/%d", &numerator, &denominator) > 0 ? 0 : -EINVAL;
	if (sscanf(text, "%lu", &count) != 1)
		return -EINVAL;
	/* In this order: what it has already is never refused. */
	if ((unsigned long)device->record.openers == count)
		return 0;
	if (device->open_count > count || (kernel.version && count > INT_MAX))
		return -EINVAL;
	device->record.openers = (int32_t)count;
	kernel_show_attributes(device);
	return 0;
}

#endif
