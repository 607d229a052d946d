/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_SOURCE_CAMERA_H
#define KUDEV_SOURCE_CAMERA_H

/*
 * One virtual camera: made as its class says, looked at, and put back to how it was made.
 * Thread: the worker's; everything here may block.
 *
 * Removing a device can make the kernel fail if somebody opens or closes it just then, in
 * all releases of v4l2loopback. What can be done against that is done: udev, which opens
 * every new device, has finished with it; nobody has it open and nobody can open it any
 * more (max_openers 0); who was about to is given time. Against a process that keeps
 * trying nothing helps, hence a soft reset is what classes have unless they say otherwise.
 */

#include <sys/types.h>

#include "source/loopback.h"

/* For how long a reset waits for a device that is still open. */
#define CAMERA_BUSY_MS 10000

#define CAMERA_KEEP_OWNER ((uid_t)-1)
#define CAMERA_KEEP_GROUP ((gid_t)-1)

struct camera {
	unsigned number;
	struct loopback_settings settings;
	unsigned mode;
	uid_t owner; /* or CAMERA_KEEP_OWNER */
	gid_t group; /* or CAMERA_KEEP_GROUP */
};

/* Numbers, or names that this system knows; CAMERA_KEEP_… for "". */
int camera_find_owner(const char *name, uid_t *ret, struct error *err);
int camera_find_group(const char *name, gid_t *ret, struct error *err);

/* The caller frees it. */
char *camera_path(unsigned number);

/*
 * A camera is one job's at a time, or one would open what the other is about to remove: those
 * of a class that has changed can meet those of before. The first waits for as long as the
 * other takes; what follows is for who has begun.
 */
void camera_begin(unsigned number);
void camera_end(unsigned number);

/*
 * Whether the device that there is now is as it should be. -ENODEV: there is none;
 * -EEXIST: another driver has the number; -ESTALE: it was made in another way, and the
 * error says how. Without a control node (control NULL) that is not known.
 */
int camera_check(const struct camera *camera, const struct loopback_control *control,
		 struct error *err);

/* Makes the device, which is not there. */
int camera_create(const struct camera *camera, const struct loopback_control *control,
		  struct error *err);

/*
 * Waits for udev, until then at most (clock_ms()), and sets what does not need a new device:
 * mode, owner, group and the number of openers.
 */
int camera_adjust(const struct camera *camera, int64_t udev_end_ms, struct error *err);

/*
 * Puts back what a user can have left: controls, frame rate, format, and the frames in the
 * module's memory. The node stays. -EBUSY: it is open, for CAMERA_BUSY_MS already.
 */
int camera_reset(const struct camera *camera, struct error *err);

/* Removes the device and creates it again. -EBUSY: it is open, for that time already. */
int camera_recreate(const struct camera *camera, const struct loopback_control *control,
		    int64_t patience_ms, struct error *err);

/*
 * The one or the other, before the next user. Modules before 0.13, which make no devices, know
 * only the first.
 */
int camera_clean(const struct camera *camera, bool is_recreation, struct error *err);

/*
 * Removes the device if it is as kudev made it. -EBUSY: it is open; then, and after any other
 * failure, it is as it was.
 */
int camera_remove(const struct camera *camera, const struct loopback_control *control,
		  struct error *err);

#endif
