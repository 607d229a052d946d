/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_SOURCE_LOOK_H
#define KUDEV_SOURCE_LOOK_H

/*
 * A look at the cameras of a class: loads the module, makes what is missing, and says of
 * each camera whether it is as it should be, or why not. Works on copies. Thread: the
 * worker's, or any for a preview; it may block.
 */

#include <stdatomic.h>

#include "source/camera.h"

/* A camera, and what the look finds of it. */
struct found {
	struct camera camera;
	bool is_busy;	 /* it is being reset: left alone, and nothing is found of it */
	bool may_keep;	 /* a pod holds it: it is good enough as it is */
	bool may_remake; /* no pod holds it */
	bool is_new;	 /* made by the look */
	bool is_ready;
	bool is_other; /* made with other settings, and may be ready all the same */
	char *reason;  /* why it is not ready, or what is other */
};

struct look {
	bool is_preview; /* nothing may change */
	bool is_trial;	 /* what is there already may not */
	bool may_recreate;
	atomic_bool
		is_abandoned; /* nobody wants it any more: nothing is changed from then on */
	struct found *items;
	size_t count;

	/* What is found. */
	bool can_create; /* it makes devices, or will once it is loaded */
	char *failure;	 /* why there are no cameras at all; NULL: there are */
	char *note;
};

void look_around(struct look *look);
void look_clear(struct look *look);

#endif
