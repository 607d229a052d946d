/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_LOOPBACK_H
#define KUDEV_TEST_LOOPBACK_H

/*
 * The kernel's module v4l2loopback, emulated: what its control node, its devices and their
 * attributes answer, as the releases from 0.12 to 0.15.4 do. /sys and /dev are empty file
 * systems in a mount namespace of the process, so that everything that only looks at files
 * is the real thing, and paths need no translation. What no file can do (ioctl(2), a write
 * that is refused, a number of openers, the type of a node) is answered here by the
 * linker's --wrap; see Makefile.am. umockdev would do without either, but it can't refuse
 * the write of an attribute nor count who has a device open, aborts when a device comes a
 * second time, and doesn't go with the thread sanitizer.
 *
 * Time: a pause takes none, and the clock goes on by as much. What becomes of frames in the
 * module's memory is only as good here as it was understood: tests/vm has the real one.
 */

#include <sys/mount.h>
#include <time.h>

#include "test-loopback-module.h"

void *__real_mmap(void *address, size_t length, int protection, int flags, int fd,
		  off_t offset);

/* The module maps no more than it has; of a file more can be mapped than used. */
void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd,
		  off_t offset);
void *__wrap_mmap(void *address, size_t length, int protection, int flags, int fd,
		  off_t offset)
{
	struct stat status;

	if (fd >= 0 && fstat(fd, &status) == 0 &&
	    offset + (off_t)length > status.st_size) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	return __real_mmap(address, length, protection, flags, fd, offset);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_close(int fd);
ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_stat(const char *path, struct stat *status);
int __real_lstat(const char *path, struct stat *status);
int __wrap_lstat(const char *path, struct stat *status);
int __wrap_chown(const char *path, uid_t owner, gid_t group);
int __wrap_nanosleep(const struct timespec *duration, struct timespec *left);
int64_t __real_clock_ms(void);

/* System calls. */

static inline int kernel_fail(int r)
{
	if (r >= 0)
		return r;
	errno = -r;
	return -1;
}

/* Of /dev/video10, or of something below /sys/…/video4linux/video10. */
static inline unsigned kernel_number_of(const char *path)
{
	const char *last = path;

	for (const char *at = path; (at = strstr(at, "/video")); at++)
		last = at + strlen("/video");
	return (unsigned)strtoul(last, NULL, 10);
}

static inline bool kernel_is_node(const char *path)
{
	return strncmp(path, "/dev/video", strlen("/dev/video")) == 0;
}

static inline int kernel_open_control(void)
{
	struct stat status;

	if (__real_stat("/dev/v4l2loopback", &status) < 0)
		return -errno;
	/* A node may be left of a module that was unloaded. */
	return kernel.version ? memfd_create("control", MFD_CLOEXEC) : -ENODEV;
}

static inline int kernel_open_video(const char *path)
{
	struct kernel_device *device = kernel_find_own(kernel_number_of(path));

	if (!device)
		return -ENODEV;
	if (device->open_count >= (unsigned)device->record.openers)
		return -EBUSY;
	device->open_count++;
	return fcntl(device->frames, F_DUPFD_CLOEXEC, 0);
}

static inline enum kernel_use kernel_use_of(const char *path, int flags)
{
	if (strcmp(path, "/dev/v4l2loopback") == 0)
		return KERNEL_CONTROL;
	if (kernel_is_node(path) && access(path, F_OK) == 0)
		return KERNEL_VIDEO;
	if (strncmp(path, "/sys/devices/virtual/video4linux/", 33) == 0 &&
	    (flags & O_ACCMODE) == O_WRONLY)
		return KERNEL_ATTRIBUTE;
	return KERNEL_NOTHING;
}

/* With the lock. */
static inline int kernel_open(enum kernel_use use, const char *path)
{
	if (use == KERNEL_CONTROL)
		return kernel_open_control();
	if (use == KERNEL_VIDEO)
		return kernel_open_video(path);
	return memfd_create("attribute", MFD_CLOEXEC);
}

int __wrap_open(const char *path, int flags, ...)
{
	enum kernel_use use = kernel_use_of(path, flags);
	mode_t mode = 0;
	int fd;

	if (kernel.bad_path && strcmp(kernel.bad_path, path) == 0)
		return kernel_fail(-kernel.bad_path_errno);
	if (use == KERNEL_NOTHING) {
		if (flags & O_CREAT) {
			va_list arguments;

			va_start(arguments, flags);
			mode = va_arg(arguments, mode_t);
			va_end(arguments);
		}
		return __real_open(path, flags, mode);
	}
	if (use == KERNEL_ATTRIBUTE && access(path, F_OK) < 0)
		return -1;
	kernel_lock();
	fd = kernel_open(use, path);
	if (fd >= KERNEL_FDS_MAX)
		abort();
	if (fd >= 0)
		kernel.fds[fd] = (struct kernel_fd){
			.use = use,
			.number = kernel_number_of(path),
			.is_format = strstr(path, "/format") != NULL,
		};
	kernel_unlock();
	return kernel_fail(fd);
}

/* What a descriptor stands for; once, if it is to be closed. */
static inline struct kernel_fd kernel_take(int fd, bool is_last)
{
	struct kernel_fd use = {0};

	if (fd < 0 || fd >= KERNEL_FDS_MAX)
		return use;
	kernel_lock();
	use = kernel.fds[fd];
	if (is_last)
		kernel.fds[fd] = (struct kernel_fd){0};
	kernel_unlock();
	return use;
}

int __wrap_close(int fd)
{
	struct kernel_fd use = kernel_take(fd, true);

	if (use.use == KERNEL_VIDEO) {
		struct kernel_device *device;

		kernel_lock();
		device = kernel_find_own(use.number);
		if (device && device->open_count > 0)
			device->open_count--;
		kernel_unlock();
	}
	return __real_close(fd);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t size)
{
	struct kernel_fd use = kernel_take(fd, false);
	KUDEV_AUTO_FREE char *text = NULL;
	int r;

	if (use.use != KERNEL_ATTRIBUTE)
		return __real_write(fd, bytes, size);
	text = mem_string_n(bytes, size);
	kernel_lock();
	r = kernel_store(&use, text);
	kernel_unlock();
	return r < 0 ? kernel_fail(r) : (ssize_t)size;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	void (*on_ioctl)(unsigned long request, unsigned number);
	struct kernel_fd use = kernel_take(fd, false);
	va_list arguments;
	void *argument;
	int r;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (use.use != KERNEL_CONTROL && use.use != KERNEL_VIDEO)
		return __real_ioctl(fd, request, argument);
	on_ioctl = kernel.on_ioctl;
	if (on_ioctl)
		on_ioctl(request, use.number);
	if (request == kernel.bad_request)
		return kernel_fail(-kernel.bad_request_errno);
	kernel_lock();
	r = use.use == KERNEL_CONTROL ? kernel_control(request, argument)
				      : kernel_video(use.number, request, argument);
	kernel_unlock();
	return kernel_fail(r);
}

/* A node is a file here; another type, number and owner are made of it. */
static inline int kernel_adorn(const char *path, struct stat *status, int r)
{
	const struct kernel_device *device;

	if (r < 0 || !kernel_is_node(path) || !S_ISREG(status->st_mode))
		return r;
	kernel_lock();
	device = kernel_find(kernel_number_of(path));
	if (device) {
		status->st_mode = (status->st_mode & 07777) | S_IFCHR;
		status->st_rdev = makedev(KERNEL_VIDEO_MAJOR, device->minor);
		status->st_uid = device->owner;
		status->st_gid = device->group;
	}
	kernel_unlock();
	return r;
}

int __wrap_stat(const char *path, struct stat *status)
{
	return kernel_adorn(path, status, __real_stat(path, status));
}

int __wrap_lstat(const char *path, struct stat *status)
{
	return kernel_adorn(path, status, __real_lstat(path, status));
}

int __wrap_chown(const char *path, uid_t owner, gid_t group)
{
	struct kernel_device *device;

	if (kernel.chown_errno)
		return kernel_fail(-kernel.chown_errno);
	kernel_lock();
	device = kernel_find(kernel_number_of(path));
	if (device && owner != (uid_t)-1)
		device->owner = owner;
	if (device && group != (gid_t)-1)
		device->group = group;
	kernel_unlock();
	return kernel_fail(device ? 0 : -ENOENT);
}

int64_t __wrap_clock_ms(void)
{
	return __real_clock_ms() + __atomic_load_n(&kernel.offset_ms, __ATOMIC_SEQ_CST);
}

static inline void kernel_pass_time(int64_t duration_ms)
{
	__atomic_fetch_add(&kernel.offset_ms, duration_ms, __ATOMIC_SEQ_CST);
}

/* What pauses and kernel_pass_time() came to, whatever the machine took meanwhile. */
static inline int64_t kernel_passed_ms(void)
{
	return __atomic_load_n(&kernel.offset_ms, __ATOMIC_SEQ_CST);
}

int __wrap_nanosleep(const struct timespec *duration, struct timespec *left)
{
	(void)left;
	kernel_pass_time(duration->tv_sec * 1000 + duration->tv_nsec / 1000000);
	if (kernel.on_pause)
		kernel.on_pause();
	return 0;
}

/* What tests do: without the lock. */

/* For main(): a machine without anything, or none of the tests. */
static inline bool kernel_enter(void)
{
	return run_enter() && mount("kudev-test", "/sys", "tmpfs", 0, NULL) == 0 &&
	       mount("kudev-test", "/dev", "tmpfs", 0, NULL) == 0;
}

/* The machine as at the beginning. */
static inline void kernel_restart(void)
{
	for (size_t i = 0; i < KERNEL_DEVICES_MAX; i++) {
		if (kernel.devices[i].is_used)
			kernel_destroy(&kernel.devices[i]);
	}
	for (size_t i = 0; i < KERNEL_FDS_MAX; i++)
		assert_int_equal(kernel.fds[i].use, KERNEL_NOTHING);
	memset((char *)&kernel + offsetof(__typeof__(kernel), version), 0,
	       sizeof(kernel) - offsetof(__typeof__(kernel), version));
	assert_int_equal(umount2("/sys", MNT_DETACH), 0);
	assert_int_equal(umount2("/dev", MNT_DETACH), 0);
	assert_int_equal(mount("kudev-test", "/sys", "tmpfs", 0, NULL), 0);
	assert_int_equal(mount("kudev-test", "/dev", "tmpfs", 0, NULL), 0);
	run_no_udev();
}

#define KERNEL_0_12 0
#define KERNEL_0_13_2 0x000d02
#define KERNEL_0_15_0 0x000f00
#define KERNEL_0_15_4 0x000f04

/* The module of this version is loaded, without devices. */
static inline void kernel_load(unsigned version)
{
	KUDEV_AUTO_FREE char *text = mem_printf("%u.%u.%u\n", version >> 16,
						version >> 8 & 0xff, version & 0xff);

	kernel_lock();
	kernel.version = version;
	kernel_write("/sys/module/v4l2loopback/initstate", "live\n");
	if (version) {
		kernel_write("/sys/module/v4l2loopback/version", text);
		kernel_write("/dev/v4l2loopback", "");
	}
	kernel_unlock();
}

#define KERNEL_RECORD(device_number, device_label) \
	((struct kernel_record){                   \
		.number = (device_number),         \
		.label = device_label,             \
		.min_width = 2,                    \
		.max_width = 8192,                 \
		.min_height = 1,                   \
		.max_height = 8192,                \
		.buffers = 2,                      \
		.openers = 10,                     \
	})

/* Somebody makes one. */
static inline void kernel_plug(const struct kernel_record *record)
{
	kernel_lock();
	kernel_make((unsigned)record->number, (unsigned)record->number, false, record);
	kernel_unlock();
}

/* Another driver's. */
static inline void kernel_plug_foreign(unsigned number, const char *name)
{
	struct kernel_record record = {.number = (int32_t)number};

	snprintf(record.label, sizeof(record.label), "%s", name);
	kernel_lock();
	kernel_make(number, number, true, &record);
	kernel_unlock();
}

/* That driver is a device's, as the link says. */
static inline void kernel_tell_driver(unsigned number)
{
	KUDEV_AUTO_FREE char *device =
		mem_printf("/sys/devices/platform/" KERNEL_FOREIGN_DRIVER
			   ".0/video4linux/video%u/device",
			   number);

	kernel_link(device, "/sys/devices/platform/" KERNEL_FOREIGN_DRIVER ".0");
	kernel_link("/sys/devices/platform/" KERNEL_FOREIGN_DRIVER ".0/driver",
		    "../../../bus/platform/drivers/" KERNEL_FOREIGN_DRIVER);
}

/* It goes, whoever has it open. */
static inline void kernel_unplug(unsigned number)
{
	struct kernel_device *device;

	kernel_lock();
	device = kernel_find(number);
	if (device)
		kernel_destroy(device);
	kernel_unlock();
}

/* A copy of what there is; is_used is false if there is none. */
static inline struct kernel_device kernel_device(unsigned number)
{
	struct kernel_device copy = {0};
	const struct kernel_device *device;

	kernel_lock();
	device = kernel_find(number);
	if (device)
		copy = *device;
	kernel_unlock();
	return copy;
}

static inline size_t kernel_count_devices(void)
{
	size_t count = 0;

	kernel_lock();
	for (size_t i = 0; i < KERNEL_DEVICES_MAX; i++)
		count += kernel.devices[i].is_used;
	kernel_unlock();
	return count;
}

/* Someone else opens or closes it. */
static inline void kernel_change_open_count(unsigned number, int by)
{
	struct kernel_device *device;

	kernel_lock();
	device = kernel_find(number);
	if (device)
		device->open_count += (unsigned)by;
	kernel_unlock();
}

static inline void kernel_set_openers(unsigned number, int openers)
{
	kernel_lock();
	kernel_find(number)->record.openers = openers;
	kernel_show_attributes(kernel_find(number));
	kernel_unlock();
}

/* udev has finished with the device. */
static inline void kernel_settle(unsigned number)
{
	struct kernel_device device = kernel_device(number);
	KUDEV_AUTO_FREE char *entry = mem_printf("c%u:%u", KERNEL_VIDEO_MAJOR,
						 device.minor);

	run_udev_entry(entry, "V:1\n");
}

#endif
