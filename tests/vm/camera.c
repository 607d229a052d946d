/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of a USB camera: answers the requests that the host's driver makes of a UVC
 * gadget until it is killed. There is one format and one size; it never sends a picture.
 *
 *	camera /dev/videoN
 *
 * The gadget is not on the bus before this has subscribed to its events.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/usb/ch9.h>
#include <linux/usb/g_uvc.h>
#include <linux/usb/video.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "base/util.h"

#define FRAME_INTERVAL 333333 /* of 100 ns */
#define FRAME_SIZE (640 * 360 * 2)
#define PACKET_SIZE 1024

static const unsigned events[] = {UVC_EVENT_SETUP, UVC_EVENT_DATA};

static void fill_streaming(struct uvc_request_data *answer)
{
	struct uvc_streaming_control control = {
		.bmHint = 1,
		.bFormatIndex = 1,
		.bFrameIndex = 1,
		.dwFrameInterval = FRAME_INTERVAL,
		.dwMaxVideoFrameSize = FRAME_SIZE,
		.dwMaxPayloadTransferSize = PACKET_SIZE,
		.bmFramingInfo = 3,
		.bPreferedVersion = 1,
		.bMaxVersion = 1,
	};

	memcpy(answer->data, &control, sizeof(control));
}

/* Every control is a byte that is always 0; the format is agreed on, whatever it is. */
static void answer_setup(int fd, const struct usb_ctrlrequest *request)
{
	struct uvc_request_data answer = {.length = request->wLength};

	if (answer.length > (int)sizeof(answer.data))
		answer.length = sizeof(answer.data);
	if (request->bRequestType & USB_DIR_IN) {
		if (request->bRequest == UVC_GET_INFO)
			answer.data[0] = UVC_CONTROL_CAP_GET | UVC_CONTROL_CAP_SET;
		else if (request->bRequest == UVC_GET_LEN)
			answer.data[0] = sizeof(struct uvc_streaming_control);
		else if (request->wLength > 2)
			fill_streaming(&answer);
	}
	if (ioctl(fd, UVCIOC_SEND_RESPONSE, &answer) < 0)
		perror("camera: UVCIOC_SEND_RESPONSE");
}

static int serve(int fd)
{
	struct pollfd poller = {.fd = fd, .events = POLLPRI};
	struct v4l2_event event;

	for (;;) {
		if (poll(&poller, 1, -1) < 0 && errno != EINTR)
			return -errno;
		if (ioctl(fd, VIDIOC_DQEVENT, &event) < 0)
			return -errno;
		if (event.type == UVC_EVENT_SETUP)
			answer_setup(fd, &((struct uvc_event *)(void *)&event.u)->req);
	}
}

static int subscribe(int fd)
{
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(events); i++) {
		struct v4l2_event_subscription subscription = {.type = events[i]};

		if (ioctl(fd, VIDIOC_SUBSCRIBE_EVENT, &subscription) < 0)
			return -errno;
	}
	return 0;
}

int main(int argc, char *argv[])
{
	KUDEV_AUTO_CLOSE int fd = -1;
	int r;

	if (argc != 2) {
		fprintf(stderr, "usage: %s NODE\n", argv[0]);
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	r = fd < 0 ? -errno : subscribe(fd);
	if (r == 0)
		r = serve(fd);
	fprintf(stderr, "camera: %s: %s\n", argv[1], strerror(-r));
	return 1;
}
