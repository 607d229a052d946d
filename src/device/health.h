/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_DEVICE_HEALTH_H
#define KUDEV_DEVICE_HEALTH_H

/*
 * Looks now and then whether the devices that are there work, for the classes that ask
 * for it, and tells the inventory. Reading and opening is the worker's; what it found is
 * judged here. The first look at a device decides at once, later ones by the thresholds;
 * a device that keeps changing has to pass ever more checks before it is healthy again.
 * Whether a device is there at all is not asked here: that is an event. Thread: the loop
 * thread.
 *
 * Opening a device is not free: a serial port raises DTR and RTS, which some boards take
 * for a reset; a camera may light its lamp. It is therefore done only where the class
 * says so, without blocking, without becoming a controlling terminal, without dropping
 * DTR at the close, and not while a pod holds the device, unless pods share it.
 */

#include "base/worker.h"
#include "device/inventory.h"

struct health;

/*
 * From then on, devices of classes that ask for checks are unhealthy until the first one.
 * find_holders has inventory_hold() called for what pods hold; before each round.
 */
struct health *health_new(struct loop *loop, struct worker *worker,
			  const struct config *config, struct inventory *inventory,
			  loop_callback find_holders, void *data);

/* Begins to look, once it is known which devices there are and which pods hold. */
void health_start(struct health *health);

/*
 * Checks what another configuration asks for from now on. The inventory has its classes
 * already, whose devices are reported after that. Devices that are there keep their health
 * until the first check of the new kind decides.
 */
void health_change(struct health *health, const struct config_change *change);

/* The worker has to be gone by then. */
struct health *health_free(struct health *health);

/*
 * What is wrong with the value of an attribute; NULL: nothing. text is NULL if it could
 * not be read, and error then a negative errno. The caller frees the result.
 */
char *health_judge_attribute(const struct config_check *check, const char *text,
			     int error);

#endif
