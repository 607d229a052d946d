/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_RUN_H
#define KUDEV_TEST_RUN_H

/*
 * A /run of the test's own, so that it decides whether there is a udev and what that has
 * in its database. It is in a mount namespace of the process.
 */

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"

/* False: this machine does not let us. Before there are threads. */
static inline bool run_enter(void)
{
	if (unshare(CLONE_NEWNS) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	       mount("kudev-test", "/run", "tmpfs", 0, NULL) == 0;
}

/* Where it is not to be had, for main(): skips all tests. */
static inline int run_skip_all(void)
{
	puts("1..0 # SKIP this machine allows no mount namespace of one's own");
	return 0;
}

/* udev as it looks when it runs and knows no device. */
static inline void run_udev(void)
{
	FILE *control;

	(void)directory_create("/run/udev/data", 0755, NULL);
	control = fopen("/run/udev/control", "w");
	if (control)
		fclose(control);
}

static inline void run_no_udev(void)
{
	(void)unlink("/run/udev/control");
	(void)!system("rm -rf /run/udev");
}

/* udev has finished with a device: entry is "c1:3", text what it knows of it. */
static inline void run_udev_entry(const char *entry, const char *text)
{
	KUDEV_AUTO_FREE char *path = mem_printf("/run/udev/data/%s", entry);
	FILE *file = fopen(path, "w");

	if (file) {
		fputs(text, file);
		fclose(file);
	}
}

#endif
