/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_SOURCE_REMOVAL_H
#define KUDEV_SOURCE_REMOVAL_H

/*
 * Removes a virtual camera that no class wants any more, on the worker's thread, with the
 * guards that any removal needs. One that is open, or is not as kudev made it, stays. What
 * came of it is logged. Thread: the loop thread.
 */

#include "base/worker.h"
#include "source/camera.h"

/* Copies both. */
void removal_start(struct worker *worker, const struct camera *camera, const char *class);

/* A class wants the camera after all: a removal that has not begun leaves it alone. */
void removal_forestall(unsigned number);

#endif
