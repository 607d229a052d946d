/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the users of a video device do, with exact bytes, and what can be asked of the
 * control device of v4l2loopback, /dev/v4l2loopback:
 *
 *	frames write NODE WIDTH HEIGHT BYTE COUNT [hold]
 *	frames read|stream NODE COUNT [MS]
 *	frames mapped NODE WIDTH HEIGHT
 *	frames info|format|controls|hold NODE
 *	frames set NODE CONTROL VALUE
 *	frames hammer COUNT US NODE...
 *	frames query|delete NUMBER
 *	frames add NUMBER [label=TEXT] [buffers=N] [openers=N] [exclusive=0|1]
 *	frames version
 *
 * write sends COUNT frames of nothing but BYTE, or one each 33 ms until it is killed if COUNT
 * is 0. read takes frames with read(), stream takes them from mapped buffers; either waits
 * MS for each, 5 s unless told. mapped is a writer that shows what is in its buffers before
 * it has written to them. What was found in so many bytes is shown as "SIZE VALUE:COUNT…",
 * with values in hex. hold, and write with that word, say "open" and stay until they are
 * killed. hammer opens and closes each node COUNT times, or until it is killed if COUNT is
 * 0, with US between.
 *
 * The last word of a complaint is the name of the error, and the program ends with 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"

#define MAX_BUFFERS 32
#define MAX_FRAME (4U << 20)
#define MAX_VALUES_SHOWN 8
#define FRAME_INTERVAL_US 33333
#define POLL_SLICE_MS 20

/* The record of the control device; the same in all releases that have one (0.13 on). */
struct camera {
	int32_t number;
	int32_t unused;
	char label[32];
	uint32_t min_width;
	uint32_t max_width;
	uint32_t min_height;
	uint32_t max_height;
	int32_t buffers;
	int32_t openers;
	int32_t debug;
	int32_t all_capabilities;
};
_Static_assert(sizeof(struct camera) == 72, "as the kernel has it");

/* The old numbers, which all know, and those that 0.15.0 brought. */
enum control_request { CONTROL_VERSION, CONTROL_ADD, CONTROL_DELETE, CONTROL_QUERY };
static const unsigned long old_requests[] = {
	[CONTROL_ADD] = 0x4c80,
	[CONTROL_DELETE] = 0x4c81,
	[CONTROL_QUERY] = 0x4c82,
};
static const unsigned long new_requests[] = {
	[CONTROL_VERSION] = _IOR('~', 0, uint32_t),
	[CONTROL_ADD] = _IOW('~', 1, struct camera),
	[CONTROL_DELETE] = _IOW('~', 2, uint32_t),
	[CONTROL_QUERY] = _IOWR('~', 3, struct camera),
};

static const struct {
	const char *name;
	uint32_t id;
} controls[] = {
	{"keep_format", 0x0098f900},
	{"sustain_framerate", 0x0098f901},
	{"timeout", 0x0098f902},
	{"timeout_image_io", 0x0098f903},
};

struct mapping {
	void *memory;
	size_t size;
};

static int complain(const char *what)
{
	int code = errno;

	fprintf(stderr, "frames: %s: %s\n", what, strerrorname_np(code));
	return -code;
}

/* Ends the program if the text is no number. */
static long number(const char *text)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 0);
	if (errno || end == text || *end) {
		fprintf(stderr, "frames: %s is no number\n", text);
		exit(2);
	}
	return value;
}

static int open_node(const char *path, int flags)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | flags);

	return fd < 0 ? complain(path) : fd;
}

/* Until the process is killed, as no signal is handled. */
static int stay(void)
{
	puts("open");
	fflush(stdout);
	return pause();
}

static void print_bytes(const uint8_t *bytes, size_t size)
{
	size_t counts[256] = {0};
	unsigned shown = 0, more = 0;

	for (size_t i = 0; i < size; i++)
		counts[bytes[i]]++;
	printf("%zu", size);
	for (unsigned value = 0; value < KUDEV_ARRAY_SIZE(counts); value++) {
		if (counts[value] == 0)
			continue;
		if (shown++ < MAX_VALUES_SHOWN)
			printf(" %02x:%zu", value, counts[value]);
		else
			more++;
	}
	if (more > 0)
		printf(" and %u more values", more);
	putchar('\n');
	fflush(stdout);
}

/* frames */

static int set_format(int fd, const char *width, const char *height, size_t *ret_size)
{
	struct v4l2_format format = {
		.type = V4L2_BUF_TYPE_VIDEO_OUTPUT,
		.fmt.pix.width = (uint32_t)number(width),
		.fmt.pix.height = (uint32_t)number(height),
		.fmt.pix.pixelformat = V4L2_PIX_FMT_YUYV,
		.fmt.pix.field = V4L2_FIELD_NONE,
	};

	if (ioctl(fd, VIDIOC_S_FMT, &format) < 0)
		return complain("VIDIOC_S_FMT");
	if (format.fmt.pix.width != (uint32_t)number(width) ||
	    format.fmt.pix.height != (uint32_t)number(height))
		printf("got %ux%u\n", format.fmt.pix.width, format.fmt.pix.height);
	*ret_size = (size_t)format.fmt.pix.width * format.fmt.pix.height * 2;
	return 0;
}

/* COUNT of them, without an end if that is 0. */
static int write_frames(int fd, const void *frame, size_t size, long count)
{
	for (long i = 0; count == 0 || i < count; i++) {
		ssize_t written = write(fd, frame, size);

		if (written < 0)
			return complain("write");
		if ((size_t)written != size)
			printf("short %zd\n", written);
		if (count == 0)
			usleep(FRAME_INTERVAL_US);
	}
	return 0;
}

static int run_write(char *argv[])
{
	KUDEV_AUTO_CLOSE int fd = open_node(argv[0], 0);
	KUDEV_AUTO_FREE void *frame = NULL;
	size_t size;
	int r;

	if (fd < 0)
		return fd;
	r = set_format(fd, argv[1], argv[2], &size);
	if (r < 0)
		return r;
	frame = mem_alloc(size);
	memset(frame, (int)number(argv[3]), size);
	r = write_frames(fd, frame, size, number(argv[4]));
	return r < 0 || !argv[5] ? r : stay();
}

/*
 * Whether to try again, as is said by errno, which is ETIME when it is too late; waits for a
 * frame. In slices, because 0.12 wakes none who reads with read().
 */
static bool wait_again(int fd, int64_t deadline_ms)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};

	if (errno != EAGAIN)
		return false;
	if (clock_ms() >= deadline_ms) {
		errno = ETIME;
		return false;
	}
	/* An error shows when the caller tries again. */
	if (poll(&poller, 1, POLL_SLICE_MS) > 0 && !(poller.revents & POLLIN))
		usleep(POLL_SLICE_MS * 1000);
	return true;
}

static int read_frame(int fd, void *frame, int timeout_ms)
{
	int64_t deadline_ms = clock_ms() + timeout_ms;
	ssize_t size;

	do {
		size = read(fd, frame, MAX_FRAME);
	} while (size < 0 && wait_again(fd, deadline_ms));
	if (size < 0)
		return complain("read");
	print_bytes(frame, (size_t)size);
	return 0;
}

static int timeout_of(const char *argument)
{
	return argument ? (int)number(argument) : 5000;
}

static int run_read(char *argv[])
{
	KUDEV_AUTO_CLOSE int fd = open_node(argv[0], O_NONBLOCK);
	KUDEV_AUTO_FREE void *frame = mem_alloc(MAX_FRAME);
	int r = fd < 0 ? fd : 0;

	for (long i = number(argv[1]); i > 0 && r == 0; i--)
		r = read_frame(fd, frame, timeout_of(argv[2]));
	return r;
}

static struct v4l2_buffer buffer_of(uint32_t type, unsigned index)
{
	return (struct v4l2_buffer){
		.type = type, .memory = V4L2_MEMORY_MMAP, .index = index};
}

/* Returns how many there are; they last until the program ends. */
static int map_buffers(int fd, uint32_t type, struct mapping mappings[MAX_BUFFERS])
{
	struct v4l2_requestbuffers request = {
		.count = MAX_BUFFERS, .type = type, .memory = V4L2_MEMORY_MMAP};

	if (ioctl(fd, VIDIOC_REQBUFS, &request) < 0)
		return complain("VIDIOC_REQBUFS");
	if (request.count > MAX_BUFFERS)
		request.count = MAX_BUFFERS;
	for (unsigned i = 0; i < request.count; i++) {
		struct v4l2_buffer buffer = buffer_of(type, i);

		if (ioctl(fd, VIDIOC_QUERYBUF, &buffer) < 0)
			return complain("VIDIOC_QUERYBUF");
		mappings[i].size = buffer.length;
		mappings[i].memory = mmap(NULL, buffer.length, PROT_READ | PROT_WRITE,
					  MAP_SHARED, fd, buffer.m.offset);
		if (mappings[i].memory == MAP_FAILED)
			return complain("mmap");
	}
	return (int)request.count;
}

static int start_streaming(int fd, int count)
{
	uint32_t type = V4L2_BUF_TYPE_VIDEO_CAPTURE;

	for (int i = 0; i < count; i++) {
		struct v4l2_buffer buffer = buffer_of(type, (unsigned)i);

		if (ioctl(fd, VIDIOC_QBUF, &buffer) < 0)
			return complain("VIDIOC_QBUF");
	}
	return ioctl(fd, VIDIOC_STREAMON, &type) < 0 ? complain("VIDIOC_STREAMON") : 0;
}

static int take_frame(int fd, const struct mapping *mappings, int timeout_ms)
{
	struct v4l2_buffer buffer = buffer_of(V4L2_BUF_TYPE_VIDEO_CAPTURE, 0);
	int64_t deadline_ms = clock_ms() + timeout_ms;
	int r;

	do {
		r = ioctl(fd, VIDIOC_DQBUF, &buffer);
	} while (r < 0 && wait_again(fd, deadline_ms));
	if (r < 0)
		return complain("VIDIOC_DQBUF");
	print_bytes(mappings[buffer.index].memory, buffer.bytesused);
	return ioctl(fd, VIDIOC_QBUF, &buffer) < 0 ? complain("VIDIOC_QBUF") : 0;
}

static int run_stream(char *argv[])
{
	KUDEV_AUTO_CLOSE int fd = open_node(argv[0], O_NONBLOCK);
	struct mapping mappings[MAX_BUFFERS];
	int r;

	if (fd < 0)
		return fd;
	r = map_buffers(fd, V4L2_BUF_TYPE_VIDEO_CAPTURE, mappings);
	if (r < 0)
		return r;
	r = start_streaming(fd, r);
	for (long i = number(argv[1]); i > 0 && r == 0; i--)
		r = take_frame(fd, mappings, timeout_of(argv[2]));
	return r;
}

static int run_mapped(char *argv[])
{
	KUDEV_AUTO_CLOSE int fd = open_node(argv[0], 0);
	struct mapping mappings[MAX_BUFFERS];
	size_t size;
	int r;

	if (fd < 0)
		return fd;
	r = set_format(fd, argv[1], argv[2], &size);
	if (r < 0)
		return r;
	r = map_buffers(fd, V4L2_BUF_TYPE_VIDEO_OUTPUT, mappings);
	for (int i = 0; i < r; i++)
		print_bytes(mappings[i].memory, mappings[i].size);
	return r < 0 ? r : 0;
}

/* nodes */

static int run_info(char *argv[])
{
	KUDEV_AUTO_CLOSE int fd = open_node(argv[0], 0);
	struct v4l2_capability capability;

	if (fd < 0)
		return fd;
	if (ioctl(fd, VIDIOC_QUERYCAP, &capability) < 0)
		return complain("VIDIOC_QUERYCAP");
	printf("driver %s\ncard %s\nbus %s\ncapabilities%s%s\n",
	       (const char *)capability.driver, (const char *)capability.card,
	       (const char *)capability.bus_info,
	       capability.device_caps & V4L2_CAP_VIDEO_CAPTURE ? " capture" : "",
	       capability.device_caps & V4L2_CAP_VIDEO_OUTPUT ? " output" : "");
	return 0;
}

static void print_format(int fd, const char *name, uint32_t type)
{
	struct v4l2_format format = {.type = type};
	const struct v4l2_pix_format *pix = &format.fmt.pix;

	if (ioctl(fd, VIDIOC_G_FMT, &format) < 0)
		printf("%s %s\n", name, strerrorname_np(errno));
	else
		printf("%s %.4s %ux%u\n", name, (const char *)&pix->pixelformat,
		       pix->width, pix->height);
}

static int run_format(char *argv[])
{
	KUDEV_AUTO_CLOSE int fd = open_node(argv[0], 0);

	if (fd < 0)
		return fd;
	print_format(fd, "capture", V4L2_BUF_TYPE_VIDEO_CAPTURE);
	print_format(fd, "output", V4L2_BUF_TYPE_VIDEO_OUTPUT);
	return 0;
}

static int run_controls(char *argv[])
{
	KUDEV_AUTO_CLOSE int fd = open_node(argv[0], 0);

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(controls); i++) {
		struct v4l2_control control = {.id = controls[i].id};

		if (ioctl(fd, VIDIOC_G_CTRL, &control) < 0)
			printf("%s %s\n", controls[i].name, strerrorname_np(errno));
		else
			printf("%s %d\n", controls[i].name, control.value);
	}
	return 0;
}

static uint32_t control_id(const char *name)
{
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(controls); i++) {
		if (strcmp(name, controls[i].name) == 0)
			return controls[i].id;
	}
	return (uint32_t)number(name);
}

static int run_set(char *argv[])
{
	KUDEV_AUTO_CLOSE int fd = open_node(argv[0], 0);
	struct v4l2_control control = {.id = control_id(argv[1]),
				       .value = (int32_t)number(argv[2])};

	if (fd < 0)
		return fd;
	return ioctl(fd, VIDIOC_S_CTRL, &control) < 0 ? complain("VIDIOC_S_CTRL") : 0;
}

static int run_hold(char *argv[])
{
	KUDEV_AUTO_CLOSE int fd = open_node(argv[0], 0);

	return fd < 0 ? fd : stay();
}

/* Whether it is there or lets us in does not matter. */
static int run_hammer(char *argv[])
{
	long count = number(argv[0]);
	useconds_t pause_us = (useconds_t)number(argv[1]);
	unsigned long opened = 0, refused = 0;

	for (long i = 0; count == 0 || i < count; i++) {
		for (char **node = argv + 2; *node; node++) {
			int fd = open(*node, O_RDWR | O_CLOEXEC | O_NONBLOCK);

			if (fd < 0)
				refused++;
			else
				opened++;
			fd_close(fd);
		}
		if (pause_us)
			usleep(pause_us);
	}
	printf("opened %lu refused %lu\n", opened, refused);
	return 0;
}

/* the control device */

static int ask_control(enum control_request request, unsigned long argument)
{
	KUDEV_AUTO_CLOSE int fd = open_node("/dev/v4l2loopback", 0);
	int r;

	if (fd < 0)
		return fd;
	r = ioctl(fd, new_requests[request], argument);
	if (r < 0 && errno == ENOSYS && request != CONTROL_VERSION)
		r = ioctl(fd, old_requests[request], argument);
	return r < 0 ? complain("/dev/v4l2loopback") : r;
}

static int run_query(char *argv[])
{
	struct camera camera = {.number = (int32_t)number(argv[0])};
	int r = ask_control(CONTROL_QUERY, (unsigned long)&camera);

	if (r < 0)
		return r;
	printf("number %d\nlabel %.*s\nwidth %u %u\nheight %u %u\n"
	       "buffers %d\nopeners %d\ndebug %d\nexclusive %d\n",
	       camera.number, (int)sizeof(camera.label), camera.label, camera.min_width,
	       camera.max_width, camera.min_height, camera.max_height, camera.buffers,
	       camera.openers, camera.debug, !camera.all_capabilities);
	return 0;
}

static int set_option(struct camera *camera, const char *option)
{
	const char *value = strchr(option, '=');

	if (!value++)
		return -EINVAL;
	if (strncmp(option, "label=", 6) == 0)
		snprintf(camera->label, sizeof(camera->label), "%s", value);
	else if (strncmp(option, "buffers=", 8) == 0)
		camera->buffers = (int32_t)number(value);
	else if (strncmp(option, "openers=", 8) == 0)
		camera->openers = (int32_t)number(value);
	else if (strncmp(option, "exclusive=", 10) == 0)
		camera->all_capabilities = !number(value);
	else
		return -EINVAL;
	return 0;
}

/* Prints the number that it got, which need not be the one asked for. */
static int run_add(char *argv[])
{
	struct camera camera = {.number = (int32_t)number(argv[0]),
				.all_capabilities = 1};
	int r = 0;

	for (char **option = argv + 1; *option && r == 0; option++)
		r = set_option(&camera, *option);
	if (r == 0)
		r = ask_control(CONTROL_ADD, (unsigned long)&camera);
	if (r >= 0)
		printf("%d\n", r);
	return r < 0 ? r : 0;
}

/* By value, whatever the number of the request says. */
static int run_delete(char *argv[])
{
	return ask_control(CONTROL_DELETE, (unsigned long)number(argv[0]));
}

static int run_version(char *argv[])
{
	uint32_t version;
	int r = ask_control(CONTROL_VERSION, (unsigned long)&version);

	(void)argv;
	if (r == 0)
		printf("%u.%u.%u\n", version >> 16, version >> 8 & 0xff, version & 0xff);
	return r;
}

static const struct {
	const char *name;
	int min_arguments;
	int max_arguments;
	int (*run)(char *argv[]);
} commands[] = {
	{"add", 1, 5, run_add},		{"controls", 1, 1, run_controls},
	{"delete", 1, 1, run_delete},	{"format", 1, 1, run_format},
	{"hammer", 3, 99, run_hammer},	{"hold", 1, 1, run_hold},
	{"info", 1, 1, run_info},	{"mapped", 3, 3, run_mapped},
	{"query", 1, 1, run_query},	{"read", 2, 3, run_read},
	{"set", 3, 3, run_set},		{"stream", 2, 3, run_stream},
	{"version", 0, 0, run_version}, {"write", 5, 6, run_write},
};

int main(int argc, char *argv[])
{
	for (size_t i = 0; argc > 1 && i < KUDEV_ARRAY_SIZE(commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0 &&
		    argc - 2 >= commands[i].min_arguments &&
		    argc - 2 <= commands[i].max_arguments)
			return commands[i].run(argv + 2) < 0;
	}
	fprintf(stderr, "usage: %s COMMAND ARGUMENT...; see %s\n", argv[0], __FILE__);
	return 2;
}
