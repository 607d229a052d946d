/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_SOURCE_LOOPBACK_H
#define KUDEV_SOURCE_LOOPBACK_H

/*
 * The interface of the kernel module v4l2loopback: its control node, and what sysfs tells
 * of one of its devices. The numbers and the layout are those of its releases from 0.13.0
 * on; 0.15.0 gave the calls new numbers and kept the old ones. Releases before 0.13 have
 * no control node. Every call but those that read sysfs alone waits for the module's one
 * lock, which is never given back after a bug in it. Thread: any; nothing keeps state.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "config/config.h"

#define LOOPBACK_MODULE "v4l2loopback"
/* The first release that can make and remove devices while it is loaded. */
#define LOOPBACK_CONTROL_VERSION 0x000d00
/* Before it, two that close a device at once free its buffers both, and the kernel fails. */
#define LOOPBACK_SAFE_CLOSE_VERSION 0x000f00

/* What a device is made with. Sizes are pixels. */
struct loopback_settings {
	char label[CONFIG_LABEL_MAX + 1];
	unsigned buffers;
	unsigned openers;
	unsigned min_width, min_height;
	unsigned max_width, max_height;
	bool exclusive_caps;
};

struct loopback_control {
	int fd;
	bool is_old; /* knows the numbers of before 0.15.0 alone */
};

#define LOOPBACK_CONTROL_INIT \
	{                     \
		.fd = -1      \
	}

bool loopback_is_loaded(void);

/* 0xMMmmff of the module that is loaded; 0: it does not say, as those before 0.13. */
unsigned loopback_version(void);
/* The same for a text; NULL is 0. */
unsigned loopback_parse_version(const char *text);

/*
 * -ENOENT: there is no control node; -ENODEV: no module behind it; -EACCES and -EPERM.
 */
int loopback_control_open(struct loopback_control *ret, struct error *err);
void loopback_control_close(struct loopback_control *control);

/* -ENODEV: no loopback device has the number. openers is what max_openers is now. */
int loopback_query(const struct loopback_control *control, unsigned number,
		   struct loopback_settings *ret);

/*
 * The number that it got may be another one than was asked for: if another driver has
 * that, or it is not quite free yet. -EEXIST: the module has the number in use or
 * reserved.
 */
int loopback_add(const struct loopback_control *control, unsigned number,
		 const struct loopback_settings *settings, unsigned *ret_number);

/*
 * -EBUSY: it is open. Who opens or closes the device at that moment makes the kernel
 * fail, in all releases up to 0.15.4 at least; see camera_recreate().
 */
int loopback_remove(const struct loopback_control *control, unsigned number);

/* Whether a video device with this number exists, whoever made it. */
bool loopback_number_is_taken(unsigned number);

/* Whether that is one of v4l2loopback's, as far as sysfs tells. */
bool loopback_is_loopback(unsigned number);

/* The number of its node; 0: not known. */
dev_t loopback_device(unsigned number);

/* The driver of a video device, or what it calls itself. The caller frees it. */
char *loopback_describe_other(unsigned number);

/*
 * How many may have the device open at once. -EBUSY: so many have it open already.
 * With 0 nobody can open it: whether it is open, and a fence.
 */
int loopback_set_max_openers(unsigned number, unsigned count, struct error *err);
/*
 * Lets nobody open the device any more although it is open, which only modules before
 * 0.13 can: -EINVAL.
 */
int loopback_shut(unsigned number);
/* -1: not known. */
int loopback_max_openers(unsigned number);

/* Sets the frames in a second that readers are told, from no format on. */
int loopback_set_frame_rate(unsigned number, unsigned frames, struct error *err);

/* The format that is set, "" for none. The caller frees it; NULL: not known. */
char *loopback_format(unsigned number);

#define KUDEV_AUTO_LOOPBACK_CONTROL __attribute__((cleanup(loopback_control_close)))

#endif
