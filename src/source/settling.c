/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <uthash.h>

#include "base/util.h"
#include "source/settling.h"

struct waiting {
	char *key;
	int64_t since_ms;
	bool is_asked_for; /* in this scan */
	UT_hash_handle hh;
};

struct settling {
	struct waiting *waiting;
};

struct settling *settling_new(void)
{
	return mem_zero(sizeof(struct settling));
}

static void forget(struct settling *settling, struct waiting *waiting)
{
	HASH_DEL(settling->waiting, waiting);
	free(waiting->key);
	free(waiting);
}

struct settling *settling_free(struct settling *settling)
{
	struct waiting *waiting;
	struct waiting *next;

	if (!settling)
		return NULL;
	HASH_ITER(hh, settling->waiting, waiting, next) {
		forget(settling, waiting);
	}
	free(settling);
	return NULL;
}

void settling_begin(struct settling *settling)
{
	struct waiting *waiting;
	struct waiting *next;

	HASH_ITER(hh, settling->waiting, waiting, next) {
		if (!waiting->is_asked_for)
			forget(settling, waiting);
		else
			waiting->is_asked_for = false;
	}
}

bool settling_wait(struct settling *settling, const char *key)
{
	struct waiting *waiting;

	HASH_FIND_STR(settling->waiting, key, waiting);
	if (!waiting) {
		waiting = mem_zero(sizeof(*waiting));
		waiting->key = mem_string(key);
		waiting->since_ms = clock_ms();
		HASH_ADD_KEYPTR(hh, settling->waiting, waiting->key, strlen(waiting->key),
				waiting);
	}
	waiting->is_asked_for = true;
	return clock_ms() - waiting->since_ms < SETTLING_MAX_MS;
}

int64_t settling_left_ms(const struct settling *settling)
{
	int64_t now_ms = clock_ms();
	int64_t left_ms = -1;
	const struct waiting *waiting;

	for (waiting = settling->waiting; waiting; waiting = waiting->hh.next) {
		int64_t left = waiting->since_ms + SETTLING_MAX_MS - now_ms;

		/* Given up already: it is asked for, but there is nothing to wait for. */
		if (waiting->is_asked_for && left > 0 && (left_ms < 0 || left < left_ms))
			left_ms = left;
	}
	return left_ms;
}

bool settling_has_udev(void)
{
	return access("/run/udev/control", F_OK) == 0 &&
	       access(SETTLING_DATABASE, F_OK) == 0;
}

/*
 * Whether the entry is older than the node: udevd removes that of a device that went some
 * milliseconds after the kernel removed the node, and meanwhile a new device may have both
 * numbers. Where the file system does not tell when a node was made, it is taken as it is.
 */
static bool is_stale(const char *entry, const char *path)
{
	struct statx written;
	struct statx made;

	if (statx(AT_FDCWD, entry, 0, STATX_MTIME, &written) < 0 ||
	    statx(AT_FDCWD, path, 0, STATX_BTIME, &made) < 0 ||
	    !(made.stx_mask & STATX_BTIME))
		return false;
	return written.stx_mtime.tv_sec < made.stx_btime.tv_sec ||
	       (written.stx_mtime.tv_sec == made.stx_btime.tv_sec &&
		written.stx_mtime.tv_nsec < made.stx_btime.tv_nsec);
}

bool settling_is_ready(const char *path, const struct node_identity *node)
{
	bool is_character = node->type == S_IFCHR;
	KUDEV_AUTO_FREE char *device = NULL;
	KUDEV_AUTO_FREE char *entry = NULL;

	if (!is_character && node->type != S_IFBLK)
		return true;
	/* udev writes an entry for every device with a number (sd-device, device-private.c). */
	entry = mem_printf(SETTLING_DATABASE "/%c%u:%u", is_character ? 'c' : 'b',
			   major(node->device), minor(node->device));
	if (access(entry, F_OK) == 0)
		return !is_stale(entry, path);
	/* A node that somebody made by hand is no device of udev's. */
	device = mem_printf("/sys/dev/%s/%u:%u", is_character ? "char" : "block",
			    major(node->device), minor(node->device));
	return access(device, F_OK) < 0;
}
