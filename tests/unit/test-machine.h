/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_MACHINE_H
#define KUDEV_TEST_MACHINE_H

/* A machine with one of each kind of device, for tests that only look at it. */

#include <libudev.h>

#include "test-bed.h"

static const char *const machine[] = {
	BED_CONTROLLER,
	BED_ADAPTER_A("ttyUSB0", "0"),
	BED_ADAPTER_B("ttyUSB1", "1"),
	BED_BOARD,
	BED_CAMERA,
	BED_SOUND,
	BED_VIRTUAL,
	BED_DISK,
	NULL,
};

struct fixture {
	struct bed *bed;
	struct udev *udev;
};

static inline int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	fixture->bed = bed_new();
	fixture->udev = udev_new();
	bed_add(fixture->bed, machine);
	*state = fixture;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *fixture = *state;

	udev_unref(fixture->udev);
	bed_free(fixture->bed);
	free(fixture);
	return 0;
}

#endif
