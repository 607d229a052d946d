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

static inline bool run_write(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return false;
	fputs(text, file);
	return fclose(file) == 0;
}

/* Who is not root gets a user namespace too, in which he is. */
static inline bool run_unshare(void)
{
	KUDEV_AUTO_FREE char *users = mem_printf("0 %u 1", geteuid());
	KUDEV_AUTO_FREE char *groups = mem_printf("0 %u 1", getegid());

	if (unshare(CLONE_NEWNS) == 0)
		return true;
	return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 &&
	       run_write("/proc/self/setgroups", "deny") &&
	       run_write("/proc/self/uid_map", users) &&
	       run_write("/proc/self/gid_map", groups);
}

/* False: this machine does not let us. Before there are threads. */
static inline bool run_enter(void)
{
	if (!run_unshare())
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
	(void)directory_create("/run/udev/data", 0755, NULL);
	(void)run_write("/run/udev/control", "");
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

	(void)run_write(path, text);
}

#endif
