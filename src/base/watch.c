/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <utlist.h>

#include "base/log.h"
#include "base/watch.h"

/* Entries that come, go or are renamed, and the end of the directory itself. */
#define WATCH_EVENTS                                                            \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | \
	 IN_MOVE_SELF)
#define WATCH_DIRECTORY_GONE (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)

#define WARNING_INTERVAL_MS 600000

struct watcher {
	struct loop_watch *io;
	int fd;		     /* -1: no inotify */
	bool out_of_watches; /* some watch is not backed by inotify */
	struct log_limit limit;
	struct watch *watches;
};

struct watch {
	struct watcher *watcher;
	char *path;
	loop_callback on_change;
	void *data;
	uint32_t more_events;

	int wd;	      /* of the path, or of its nearest ancestor; -1: none */
	bool at_path; /* wd is of the path itself */
	bool stale;   /* has to be armed anew */
	bool changed; /* due for a callback */

	struct watch *prev;
	struct watch *next;
};

static bool wd_is_used(const struct watcher *watcher, int wd)
{
	const struct watch *watch;

	DL_FOREACH(watcher->watches, watch) {
		if (watch->wd == wd)
			return true;
	}
	return false;
}

static void drop_wd(struct watch *watch)
{
	int wd = watch->wd;

	watch->wd = -1;
	if (wd >= 0 && !wd_is_used(watch->watcher, wd))
		inotify_rm_watch(watch->watcher->fd, wd);
}

/* Shortens an absolute path to its parent; false at the root. */
static bool to_parent(char *path)
{
	char *slash = strrchr(path, '/');

	if (path[1] == '\0')
		return false;
	if (slash == path)
		slash[1] = '\0';
	else
		*slash = '\0';
	return true;
}

static void report_no_watches(struct watcher *watcher)
{
	uint64_t suppressed;

	watcher->out_of_watches = true;
	if (log_limit_due(&watcher->limit, WARNING_INTERVAL_MS, &suppressed))
		log_warn("no more inotify watches, looking around periodically instead",
			 LOG_STR("hint", "raise the sysctl fs.inotify.max_user_watches"));
}

/* Watches the deepest existing directory on the way to the path, *depth bytes of it. */
static int add_deepest(struct watch *watch, size_t *depth)
{
	KUDEV_AUTO_FREE char *path = mem_string(watch->path);

	do {
		/* Another watch of the directory may ask for more. */
		int wd = inotify_add_watch(watch->watcher->fd, path,
					   WATCH_EVENTS | watch->more_events |
						   IN_ONLYDIR | IN_MASK_ADD);

		if (wd >= 0) {
			*depth = strlen(path);
			return wd;
		}
		if (errno == ENOSPC || errno == ENOMEM) {
			report_no_watches(watch->watcher);
			break;
		}
	} while (to_parent(path));
	return -1;
}

/*
 * Moves the watch to where it belongs now. A directory can appear between the failed
 * attempt on it and the watch on its parent, so repeat until the depth is stable.
 */
static void arm(struct watch *watch)
{
	bool was_at_path = watch->at_path;
	int old_wd = watch->wd;
	size_t depth = 0;
	size_t last_depth;

	if (watch->watcher->fd < 0)
		return;
	do {
		int wd;

		last_depth = depth;
		wd = add_deepest(watch, &depth);
		if (wd == watch->wd)
			continue;
		drop_wd(watch);
		watch->wd = wd;
	} while (watch->wd >= 0 && depth > last_depth && depth < strlen(watch->path));

	watch->at_path = watch->wd >= 0 && depth == strlen(watch->path);
	if (watch->at_path != was_at_path || (watch->at_path && watch->wd != old_wd))
		watch->changed = true;
}

static void call_changed(struct watcher *watcher)
{
	struct watch *watch;

	/* From the start each time: a callback may free or add any watch. */
	do {
		DL_SEARCH_SCALAR(watcher->watches, watch, changed, true);
		if (watch) {
			watch->changed = false;
			watch->on_change(watch->data);
		}
	} while (watch);
}

static void forget_wd(struct watcher *watcher, int wd)
{
	struct watch *watch;

	DL_FOREACH(watcher->watches, watch) {
		if (watch->wd == wd)
			watch->wd = -1;
	}
}

static void take_event(struct watcher *watcher, const struct inotify_event *event)
{
	bool overflow = event->mask & IN_Q_OVERFLOW;
	bool gone = event->mask & WATCH_DIRECTORY_GONE;
	struct watch *watch;

	DL_FOREACH(watcher->watches, watch) {
		if (!overflow && watch->wd != event->wd)
			continue;
		/* Another watch of the directory asked for that. */
		if (event->mask & IN_CLOSE_WRITE && watch->more_events == 0)
			continue;
		watch->changed = watch->changed || overflow || watch->at_path;
		watch->stale = watch->stale || overflow || gone || !watch->at_path;
	}
	if (event->mask & IN_IGNORED)
		forget_wd(watcher, event->wd);
}

/* Once for all events that were read together. */
static void arm_stale(struct watcher *watcher)
{
	struct watch *watch;

	DL_FOREACH(watcher->watches, watch) {
		if (!watch->stale)
			continue;
		watch->stale = false;
		arm(watch);
	}
}

static void on_events(void *data)
{
	/* Aligned as inotify(7) asks for. */
	char buffer[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct watcher *watcher = data;
	ssize_t size = read(watcher->fd, buffer, sizeof(buffer));

	for (ssize_t at = 0; at < size;) {
		const struct inotify_event *event = (const void *)(buffer + at);

		take_event(watcher, event);
		at += (ssize_t)(sizeof(*event) + event->len);
	}
	arm_stale(watcher);
	call_changed(watcher);
}

struct watcher *watcher_new(struct loop *loop)
{
	struct watcher *watcher = mem_zero(sizeof(*watcher));

	watcher->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (watcher->fd >= 0)
		watcher->io = loop_watch_new(loop, watcher->fd, on_events, watcher);
	else
		log_warn("inotify is not available, looking around periodically instead",
			 LOG_STR("error", strerror(errno)),
			 LOG_STR("hint",
				 "raise the sysctl fs.inotify.max_user_instances"));
	return watcher;
}

struct watcher *watcher_free(struct watcher *watcher)
{
	if (!watcher)
		return NULL;
	loop_watch_free(watcher->io);
	fd_close(watcher->fd);
	free(watcher);
	return NULL;
}

bool watcher_is_live(const struct watcher *watcher)
{
	return watcher->fd >= 0 && !watcher->out_of_watches;
}

void watcher_recheck(struct watcher *watcher)
{
	struct watch *watch;

	watcher->out_of_watches = false;
	DL_FOREACH(watcher->watches, watch) {
		arm(watch);
	}
	call_changed(watcher);
}

struct watch *watch_new(struct watcher *watcher, const char *path,
			loop_callback on_change, void *data)
{
	struct watch *watch = mem_zero(sizeof(*watch));

	watch->watcher = watcher;
	watch->path = mem_string(path);
	watch->on_change = on_change;
	watch->data = data;
	watch->wd = -1;
	DL_APPEND(watcher->watches, watch);
	arm(watch);
	watch->changed = false;
	return watch;
}

void watch_writes(struct watch *watch)
{
	watch->more_events = IN_CLOSE_WRITE;
	arm(watch);
}

struct watch *watch_free(struct watch *watch)
{
	if (!watch)
		return NULL;
	DL_DELETE(watch->watcher->watches, watch);
	drop_wd(watch);
	free(watch->path);
	free(watch);
	return NULL;
}
