/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_SOURCE_SETTLING_H
#define KUDEV_SOURCE_SETTLING_H

/*
 * A new device is not ready when its node appears: udev gives it permissions, links and
 * properties a moment later, in this order, and then an entry in its database. Until that
 * is there the device is waited for, but not for ever: udev may be stopped, or not know
 * it. Where there is no udev, nothing is waited for. Thread: the loop thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "device/device.h"

/* What is waited for at most. */
#define SETTLING_MAX_MS 5000

/* What to say of a device that is handed out nevertheless. */
#define SETTLING_GIVEN_UP "udev has not finished with it within five seconds"

/* udev's database; a rename in it ends the waiting. */
#define SETTLING_DATABASE "/run/udev/data"

struct settling;

struct settling *settling_new(void);
struct settling *settling_free(struct settling *settling);

/* Begins a scan: what is not asked for until the next one is forgotten. */
void settling_begin(struct settling *settling);

/*
 * Whether to wait for a device that udev has not finished with. key stands for the device
 * that is plugged in now.
 */
bool settling_wait(struct settling *settling, const char *key);

/* After how long the first of those that are waited for is given up; -1: there is none. */
int64_t settling_left_ms(const struct settling *settling);

/* Whether there is a udev that will finish with a device. */
bool settling_has_udev(void);

/*
 * Whether udev has finished with the device of the node at path, or has nothing to do with
 * it. What udev's database says of a device that had the number before does not count.
 */
bool settling_is_ready(const char *path, const struct node_identity *node);

#endif
