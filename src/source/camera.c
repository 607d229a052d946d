/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/videodev2.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/util.h"
#include "device/device.h"
#include "source/camera.h"
#include "source/settling.h"

#define SETTLE_STEP_MS 5
/* For those who were about to open the device, or to close it. */
#define GRACE_MS 50
#define BUSY_STEP_MS 50
#define REMOVE_STEP_MS 500
#define ADD_TRIES 3
#define FRAME_RATE 30 /* that of a fresh device */
/* A format that takes little memory. */
#define WIDTH 160
#define HEIGHT 120

/* The module's own controls: V4L2_CID_USER_BASE | 0xf000, and up. */
#define CONTROL_KEEP_FORMAT (V4L2_CID_USER_BASE | 0xf000)
#define CONTROL_SUSTAIN_FRAMERATE (CONTROL_KEEP_FORMAT + 1)
#define CONTROL_TIMEOUT (CONTROL_KEEP_FORMAT + 2)
/* With a timeout, the module shows a picture of its own to readers. */
#define ANY_TIMEOUT_MS 1000

/* Of all threads. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_taken[CONFIG_VIDEO_NUMBER_MAX + 1];
} cameras = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.changed = PTHREAD_COND_INITIALIZER,
};

char *camera_path(unsigned number)
{
	return mem_printf("/dev/video%u", number);
}

void camera_begin(unsigned number)
{
	pthread_mutex_lock(&cameras.lock);
	while (cameras.is_taken[number])
		pthread_cond_wait(&cameras.changed, &cameras.lock);
	cameras.is_taken[number] = true;
	pthread_mutex_unlock(&cameras.lock);
}

void camera_end(unsigned number)
{
	pthread_mutex_lock(&cameras.lock);
	cameras.is_taken[number] = false;
	pthread_cond_broadcast(&cameras.changed);
	pthread_mutex_unlock(&cameras.lock);
}

/* A number, or a name that is looked up; -1 for none. */
static int find_account(const char *what, const char *name,
			bool (*look_up)(const char *name, uint32_t *ret), uint32_t *ret,
			struct error *err)
{
	*ret = (uint32_t)-1;
	if (*name >= '0' && *name <= '9')
		*ret = (uint32_t)strtoul(name, NULL, 10);
	else if (*name && !look_up(name, ret))
		return error_set(err, ENOENT,
				 "%s: \"%s\" is not known here; give the number", what,
				 name);
	return 0;
}

static bool look_up_user(const char *name, uint32_t *ret)
{
	const struct passwd *entry = getpwnam(name);

	*ret = entry ? entry->pw_uid : *ret;
	return entry;
}

static bool look_up_group(const char *name, uint32_t *ret)
{
	const struct group *entry = getgrnam(name);

	*ret = entry ? entry->gr_gid : *ret;
	return entry;
}

int camera_find_owner(const char *name, uid_t *ret, struct error *err)
{
	return find_account("owner", name, look_up_user, ret, err);
}

int camera_find_group(const char *name, gid_t *ret, struct error *err)
{
	return find_account("group", name, look_up_group, ret, err);
}

static int refuse_other(unsigned number, struct error *err)
{
	KUDEV_AUTO_FREE char *other = loopback_describe_other(number);

	return error_set(err, EEXIST, "/dev/video%u belongs to %s", number, other);
}

/* What a device has that it should not; the caller frees it. NULL: nothing. */
static char *find_difference(const struct loopback_settings *is,
			     const struct loopback_settings *wanted)
{
	if (strcmp(is->label, wanted->label) != 0)
		return mem_printf("the label \"%s\" instead of \"%s\"", is->label,
				  wanted->label);
	if (is->exclusive_caps != wanted->exclusive_caps)
		return mem_string(is->exclusive_caps ? "exclusive capabilities"
						     : "no exclusive capabilities");
	if (is->buffers != wanted->buffers)
		return mem_printf("%u buffers instead of %u", is->buffers,
				  wanted->buffers);
	if (is->min_width != wanted->min_width || is->max_width != wanted->max_width ||
	    is->min_height != wanted->min_height || is->max_height != wanted->max_height)
		return mem_printf("sizes from %ux%u to %ux%u", is->min_width,
				  is->min_height, is->max_width, is->max_height);
	return NULL;
}

static int check_by_name(const struct camera *camera, struct error *err)
{
	if (!loopback_number_is_taken(camera->number))
		return error_set(err, ENODEV, "there is no /dev/video%u", camera->number);
	if (!loopback_is_loopback(camera->number))
		return refuse_other(camera->number, err);
	return 0;
}

int camera_check(const struct camera *camera, const struct loopback_control *control,
		 struct error *err)
{
	struct loopback_settings is;
	KUDEV_AUTO_FREE char *difference = NULL;
	int r;

	if (!control)
		return check_by_name(camera, err);
	r = loopback_query(control, camera->number, &is);
	if (r == -ENODEV && loopback_number_is_taken(camera->number))
		return refuse_other(camera->number, err);
	if (r == -ENODEV)
		return error_set(err, ENODEV, "there is no /dev/video%u", camera->number);
	if (r < 0)
		return error_set_errno(err, -r, "cannot ask for /dev/video%u",
				       camera->number);
	difference = find_difference(&is, &camera->settings);
	if (difference)
		return error_set(err, ESTALE, "/dev/video%u exists, but with %s",
				 camera->number, difference);
	return 0;
}

static void wait_for_udev(unsigned number, int64_t end_ms)
{
	KUDEV_AUTO_FREE char *path = camera_path(number);
	struct node_identity node;

	while (settling_has_udev() && clock_ms() < end_ms &&
	       (node_identify("", path, &node) < 0 || !settling_is_ready(path, &node)))
		pause_ms(SETTLE_STEP_MS);
}

/* Nobody can open it from then on. */
static int close_to_all(unsigned number, int64_t patience_ms, struct error *err)
{
	int64_t end_ms = clock_ms() + patience_ms;
	int r;

	while ((r = loopback_set_max_openers(number, 0, err)) == -EBUSY &&
	       clock_ms() < end_ms)
		pause_ms(BUSY_STEP_MS);
	return r;
}

static int refuse_busy(unsigned number, struct error *err)
{
	return error_set(err, EBUSY, "/dev/video%u is open: a device in use is not reset",
			 number);
}

/*
 * As safely as can be; see the header. The device is as it was if that fails, but for the
 * number of its openers.
 */
static int remove_device(unsigned number, const struct loopback_control *control,
			 int64_t patience_ms, struct error *err)
{
	int64_t end_ms = clock_ms() + patience_ms;
	int r;

	wait_for_udev(number, clock_ms() + SETTLING_MAX_MS);
	do {
		/* Writing what it is already would tell nothing of who has it open. */
		(void)loopback_set_max_openers(number, 1, NULL);
		r = close_to_all(number, end_ms - clock_ms(), err);
		if (r < 0)
			break;
		pause_ms(GRACE_MS);
		r = loopback_remove(control, number);
		if (r == 0)
			return 0;
		error_set_errno(err, -r, "cannot remove /dev/video%u", number);
		/* Not at once: it could hit somebody who is just closing it. */
		pause_ms(REMOVE_STEP_MS);
	} while (r == -EBUSY && clock_ms() < end_ms);
	return r == -EBUSY ? refuse_busy(number, err) : r;
}

/* With the number that it should have, or not at all. */
static int add_device(const struct camera *camera, const struct loopback_control *control,
		      struct error *err)
{
	for (unsigned i = 0; i < ADD_TRIES; i++) {
		unsigned number = 0;
		int r;

		if (loopback_number_is_taken(camera->number))
			return refuse_other(camera->number, err);
		r = loopback_add(control, camera->number, &camera->settings, &number);
		if (r < 0)
			return error_set_errno(err, -r, "cannot make /dev/video%u",
					       camera->number);
		if (number == camera->number)
			return 0;
		r = remove_device(number, control, CAMERA_BUSY_MS, err);
		if (r < 0) {
			(void)loopback_set_max_openers(number, camera->settings.openers,
						       NULL);
			return r;
		}
		pause_ms(GRACE_MS);
	}
	return error_set(err, EAGAIN, "the kernel gives other numbers than %u",
			 camera->number);
}

int camera_create(const struct camera *camera, const struct loopback_control *control,
		  struct error *err)
{
	int r = add_device(camera, control, err);

	return r < 0 ? r : camera_check(camera, control, err);
}

/* Somebody may have put another node in its place. */
static int check_node(const struct camera *camera, struct stat *ret, struct error *err)
{
	KUDEV_AUTO_FREE char *path = camera_path(camera->number);
	dev_t device = loopback_device(camera->number);

	if (lstat(path, ret) < 0)
		return error_set_errno(err, errno, "cannot look at %s", path);
	if (S_ISCHR(ret->st_mode) && (device == 0 || ret->st_rdev == device))
		return 0;
	return error_set(err, EEXIST, "%s is no node of the camera", path);
}

static int set_access(const struct camera *camera, struct error *err)
{
	KUDEV_AUTO_FREE char *path = camera_path(camera->number);
	struct stat status;
	int r = check_node(camera, &status, err);

	if (r < 0)
		return r;
	/* As long as it belongs to us. */
	if ((status.st_mode & 07777) != camera->mode && chmod(path, camera->mode) < 0)
		return error_set_errno(err, errno, "cannot change the mode of %s", path);
	if ((camera->owner == CAMERA_KEEP_OWNER || camera->owner == status.st_uid) &&
	    (camera->group == CAMERA_KEEP_GROUP || camera->group == status.st_gid))
		return 0;
	if (chown(path, camera->owner, camera->group) < 0)
		return error_set_errno(err, errno, "cannot change the owner of %s", path);
	return 0;
}

static int open_to_all(const struct camera *camera, struct error *err)
{
	if (loopback_max_openers(camera->number) == (int)camera->settings.openers)
		return 0;
	return loopback_set_max_openers(camera->number, camera->settings.openers, err);
}

int camera_adjust(const struct camera *camera, int64_t udev_end_ms, struct error *err)
{
	int r;

	wait_for_udev(camera->number, udev_end_ms);
	r = open_to_all(camera, err);
	/* More have it open than may: those go on, and no new one is let in. */
	if (r == -EBUSY)
		r = 0;
	return r < 0 ? r : set_access(camera, err);
}

static int open_node(const struct camera *camera, struct error *err)
{
	KUDEV_AUTO_FREE char *path = camera_path(camera->number);
	struct stat status;
	int r = check_node(camera, &status, err);
	int fd;

	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? error_set_errno(err, errno, "cannot open %s", path) : fd;
}

/* Opens the device as the only one who has it; others may not as long as that is so. */
static int open_alone(const struct camera *camera, struct error *err)
{
	unsigned number = camera->number;
	int64_t end_ms = clock_ms() + CAMERA_BUSY_MS;
	int r;

	while ((r = close_to_all(number, end_ms - clock_ms(), err)) == 0) {
		r = loopback_set_max_openers(number, 1, err);
		if (r == 0)
			r = open_node(camera, err);
		/* 0.13 refuses once who asked for the picture of timeouts there is not. */
		if (r == -EINVAL)
			r = open_node(camera, err);
		if (r != -EBUSY || clock_ms() >= end_ms)
			break;
	}
	return r == -EBUSY ? refuse_busy(number, err) : r;
}

static int set_control(int fd, uint32_t id, int32_t value, struct error *err)
{
	struct v4l2_control control = {.id = id, .value = value};

	if (ioctl(fd, VIDIOC_S_CTRL, &control) < 0)
		return error_set_errno(err, errno, "cannot set control 0x%x to %d", id,
				       value);
	control.value = -1;
	if (ioctl(fd, VIDIOC_G_CTRL, &control) < 0 || control.value != value)
		return error_set(err, EIO, "control 0x%x stays %d instead of %d", id,
				 control.value, value);
	return 0;
}

static int set_format(int fd, uint32_t pixel_format, uint32_t width, uint32_t height,
		      struct error *err)
{
	struct v4l2_format format = {
		.type = V4L2_BUF_TYPE_VIDEO_OUTPUT,
		.fmt.pix =
			{
				.width = width,
				.height = height,
				.pixelformat = pixel_format,
				.field = V4L2_FIELD_NONE,
			},
	};

	if (ioctl(fd, VIDIOC_S_FMT, &format) < 0)
		return error_set_errno(err, errno, "cannot set the format");
	return 0;
}

/*
 * Gives buffers of another size, if the module is ready for that: those of before are freed
 * now, while nobody else is there.
 */
static void exchange_buffers(int fd)
{
	int type = V4L2_BUF_TYPE_VIDEO_OUTPUT;

	(void)ioctl(fd, VIDIOC_STREAMOFF, &type);
	(void)set_format(fd, V4L2_PIX_FMT_GREY, WIDTH / 2, HEIGHT / 2, NULL);
}

/* Before 0.13, one who writes without a stream leaves no place for another, but we do. */
static int give_place(const struct camera *camera, int fd, struct error *err)
{
	int type = V4L2_BUF_TYPE_VIDEO_OUTPUT;

	(void)camera;
	(void)err;
	(void)ioctl(fd, VIDIOC_STREAMON, &type);
	return 0;
}

/*
 * A user may have asked for the next one to open the device to get at the picture that is
 * shown at a timeout. That was us; asking for buffers is the end of it.
 */
static int use_up_request(const struct camera *camera, int fd, struct error *err)
{
	struct v4l2_requestbuffers request = {
		.count = camera->settings.buffers,
		.type = V4L2_BUF_TYPE_VIDEO_OUTPUT,
		.memory = V4L2_MEMORY_MMAP,
	};

	(void)err;
	(void)ioctl(fd, VIDIOC_REQBUFS, &request);
	return 0;
}

/* Overwrites all that there are, whatever the class says of their number. */
static int clear_buffers(const struct v4l2_format *format, int fd, struct error *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t size = (format->fmt.pix.sizeimage + page - 1) / page * page;

	for (unsigned i = 0; i < CONFIG_BUFFERS_MAX; i++) {
		void *frame = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
				   (off_t)(i * size));

		if (frame == MAP_FAILED && i > 0)
			break;
		if (frame == MAP_FAILED)
			return error_set_errno(err, errno, "cannot clear the frames");
		memset(frame, 0, size);
		munmap(frame, size);
	}
	return 0;
}

/* The module keeps the last frames if it was told to keep the format. */
static int clear_kept_frames(const struct camera *camera, int fd, struct error *err)
{
	struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_OUTPUT};

	(void)camera;
	if (ioctl(fd, VIDIOC_G_FMT, &format) < 0)
		return 0; /* no format, no frames */
	return clear_buffers(&format, fd, err);
}

/*
 * It gives their memory back as it is otherwise; in the same format it most likely gets the
 * same memory.
 */
static int clear_frames(const struct camera *camera, int fd, struct error *err)
{
	struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_OUTPUT};
	int r;

	(void)camera;
	/* No format, or no memory for it: no frames. */
	if (ioctl(fd, VIDIOC_G_FMT, &format) < 0 || ioctl(fd, VIDIOC_S_FMT, &format) < 0)
		return 0;
	r = clear_buffers(&format, fd, err);
	exchange_buffers(fd);
	return r;
}

static int reset_controls(const struct camera *camera, int fd, struct error *err)
{
	struct v4l2_capability capability;
	int r = set_control(fd, CONTROL_KEEP_FORMAT, 0, err);

	(void)camera;
	if (r == 0)
		r = set_control(fd, CONTROL_SUSTAIN_FRAMERATE, 0, err);
	if (r == 0)
		r = set_control(fd, CONTROL_TIMEOUT, 0, err);
	/* Before 0.13 the kernel goes by what it was told last. */
	(void)ioctl(fd, VIDIOC_QUERYCAP, &capability);
	return r;
}

static int release_frames(const struct camera *camera, int fd, struct error *err)
{
	int r = reset_controls(camera, fd, err);

	exchange_buffers(fd);
	return r;
}

/* The timeout's picture goes with a change of the format, of which this is at least one. */
static int reset_format(const struct camera *camera, int fd, struct error *err)
{
	int r = set_control(fd, CONTROL_TIMEOUT, ANY_TIMEOUT_MS, err);

	(void)camera;
	if (r < 0)
		return r;
	exchange_buffers(fd);
	r = set_format(fd, V4L2_PIX_FMT_YUYV, WIDTH, HEIGHT, err);
	return set_control(fd, CONTROL_TIMEOUT, 0, r < 0 ? NULL : err) < 0 && r == 0
		       ? -EIO
		       : r;
}

typedef int (*reset_step)(const struct camera *camera, int fd, struct error *err);

/* Each begins with the device just opened, by nobody else, and ends with the close. */
static const reset_step all_steps[] = {
	use_up_request, clear_frames, reset_controls, reset_format, NULL,
};

/*
 * Before 0.15 the close of a device that has buffers can make the kernel fail, if a stranger
 * opens and closes it at that moment. So none are made; the memory of the last user's is the
 * kernel's to clear.
 */
static const reset_step careful_steps[] = {
	give_place,
	use_up_request,
	reset_controls,
	NULL,
};
static const reset_step careful_steps_with_frames[] = {
	give_place,	use_up_request, clear_kept_frames,
	release_frames, reset_controls, NULL,
};

static const reset_step *choose_steps(const struct camera *camera, unsigned version)
{
	KUDEV_AUTO_FREE char *format = NULL;
	const reset_step *steps;

	if (version >= LOOPBACK_SAFE_CLOSE_VERSION)
		return all_steps;
	format = loopback_format(camera->number);
	steps = format && *format ? careful_steps_with_frames : careful_steps;
	/* What the first step is for is mended from 0.13 on. */
	return version < LOOPBACK_CONTROL_VERSION ? steps : steps + 1;
}

/*
 * Before 0.13 the device can be closed to all while it is open: the module compares the
 * number as it is written, but keeps its lower half.
 */
static void close_alone(unsigned number, int fd)
{
	(void)loopback_shut(number);
	fd_close(fd);
}

static int take_reset_steps(const struct camera *camera, struct error *err)
{
	const reset_step *step = choose_steps(camera, loopback_version());
	int r = 0;

	for (; r == 0 && *step; step++) {
		int fd = open_alone(camera, err);

		if (fd < 0)
			return fd;
		r = (*step)(camera, fd, err);
		close_alone(camera->number, fd);
	}
	return r < 0 ? r : loopback_set_frame_rate(camera->number, FRAME_RATE, err);
}

int camera_reset(const struct camera *camera, struct error *err)
{
	KUDEV_AUTO_FREE char *format = NULL;
	int r = take_reset_steps(camera, err);
	int restored = open_to_all(camera, r < 0 ? NULL : err);

	if (r < 0 || restored < 0)
		return r < 0 ? r : restored;
	/* udev may have changed it meanwhile. */
	r = set_access(camera, err);
	if (r < 0)
		return r;
	format = loopback_format(camera->number);
	if (format && *format)
		return error_set(err, EIO, "/dev/video%u still has the format %s",
				 camera->number, format);
	return 0;
}

int camera_remove(const struct camera *camera, const struct loopback_control *control,
		  struct error *err)
{
	int r = camera_check(camera, control, err);

	if (r < 0)
		return r;
	r = remove_device(camera->number, control, 0, err);
	if (r < 0)
		(void)loopback_set_max_openers(camera->number, camera->settings.openers,
					       NULL);
	return r;
}

int camera_recreate(const struct camera *camera, const struct loopback_control *control,
		    int64_t patience_ms, struct error *err)
{
	int r = remove_device(camera->number, control, patience_ms, err);

	if (r < 0) {
		(void)open_to_all(camera, NULL);
		return r;
	}
	r = camera_create(camera, control, err);
	return r < 0 ? r : camera_adjust(camera, clock_ms() + SETTLING_MAX_MS, err);
}

int camera_clean(const struct camera *camera, bool is_recreation, struct error *err)
{
	KUDEV_AUTO_LOOPBACK_CONTROL struct loopback_control control =
		LOOPBACK_CONTROL_INIT;
	int r;

	if (!is_recreation || loopback_version() < LOOPBACK_CONTROL_VERSION)
		return camera_reset(camera, err);
	r = loopback_control_open(&control, err);
	return r < 0 ? r : camera_recreate(camera, &control, CAMERA_BUSY_MS, err);
}
