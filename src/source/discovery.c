/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <utlist.h>

#include "base/log.h"
#include "source/discovery.h"
#include "source/source.h"

/*
 * A plug makes several changes to /dev within a few milliseconds; they are seen as one.
 * While changes keep coming, scans take at most a third of the time.
 */
#define SETTLE_MS 3
#define BUSY_FACTOR 2
/* The safety net, with inotify and without. */
#define RESCAN_MS 60000
#define RESCAN_BLIND_MS 2000
#define RETRY_MS 5000
#define FAILURE_LOG_INTERVAL_MS 60000

struct tracked {
	struct watch *watch;
	char *path;
	bool wanted; /* by the scan that is being taken in */
	struct tracked *next;
};

/* One class: its source and the directories that decide what it finds. */
struct class_watch {
	struct discovery *discovery;
	size_t index;			  /* of the class */
	const struct config_class *class; /* owned by the configuration */
	struct source *source;		  /* NULL: could not be opened */
	struct tracked *directories;
	bool changed;
	struct log_limit failure_limit;
};

struct discovery {
	struct watcher *watcher;
	struct inventory *inventory;
	const char *root; /* owned by the configuration */
	struct loop_timer *settle;
	struct loop_timer *rescan;
	int64_t settle_ms;
	struct class_watch *classes;
	size_t class_count;
};

static void log_failure(struct class_watch *watched, const char *message,
			const struct error *err)
{
	uint64_t suppressed;

	if (log_limit_due(&watched->failure_limit, FAILURE_LOG_INTERVAL_MS, &suppressed))
		log_error(message, LOG_STR("class", watched->class->name),
			  LOG_STR("resource", watched->class->resource),
			  LOG_STR("error", error_message(err)),
			  LOG_COUNT("suppressed", suppressed));
}

static void schedule(struct discovery *discovery)
{
	if (!loop_timer_is_set(discovery->settle))
		loop_timer_set(discovery->settle, discovery->settle_ms);
}

static void on_directory_change(void *data)
{
	struct class_watch *watched = data;

	watched->changed = true;
	schedule(watched->discovery);
}

static struct tracked *find_directory(const struct class_watch *watched, const char *path)
{
	struct tracked *directory;

	LL_FOREACH(watched->directories, directory) {
		if (strcmp(directory->path, path) == 0)
			return directory;
	}
	return NULL;
}

static struct tracked *track(struct class_watch *watched, const char *path)
{
	struct tracked *directory = mem_zero(sizeof(*directory));

	directory->path = mem_string(path);
	directory->watch = watch_new(watched->discovery->watcher, path,
				     on_directory_change, watched);
	LL_PREPEND(watched->directories, directory);
	return directory;
}

static void untrack(struct class_watch *watched, struct tracked *directory)
{
	LL_DELETE(watched->directories, directory);
	watch_free(directory->watch);
	free(directory->path);
	free(directory);
}

/*
 * Watches what the scan named, and nothing else. A directory that was not watched while
 * it was scanned may have changed since, so the class is scanned once more.
 */
static void follow(struct class_watch *watched, const struct strings *directories)
{
	struct tracked *directory;
	struct tracked *next;

	LL_FOREACH(watched->directories, directory) {
		directory->wanted = false;
	}
	for (size_t i = 0; i < directories->count; i++) {
		directory = find_directory(watched, directories->items[i]);
		if (!directory) {
			directory = track(watched, directories->items[i]);
			on_directory_change(watched);
		}
		directory->wanted = true;
	}
	LL_FOREACH_SAFE(watched->directories, directory, next) {
		if (!directory->wanted)
			untrack(watched, directory);
	}
}

static void open_source(struct class_watch *watched)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	if (source_open(watched->class, watched->discovery->root, false, &watched->source,
			&err) < 0)
		log_failure(watched, "cannot prepare the devices of a class", &err);
}

/* Returns whether the class is known now; if not, it stays as it was. */
static bool scan_class(struct class_watch *watched)
{
	KUDEV_AUTO_SCAN struct scan scan = {0};
	KUDEV_AUTO_ERROR struct error err = {0};

	watched->changed = false;
	if (!watched->source)
		open_source(watched);
	if (!watched->source)
		return false;
	if (source_scan(watched->source, &scan, &err) < 0) {
		log_failure(watched, "cannot look for the devices of a class", &err);
		return false;
	}
	inventory_report(watched->discovery->inventory, watched->index, &scan.units);
	follow(watched, &scan.directories);
	return true;
}

static void scan_changed(struct discovery *discovery)
{
	int64_t start = clock_ms();
	bool complete = true;
	int64_t busy;

	for (size_t i = 0; i < discovery->class_count; i++) {
		if (discovery->classes[i].changed && !scan_class(&discovery->classes[i]))
			complete = false;
	}
	busy = (clock_ms() - start) * BUSY_FACTOR;
	discovery->settle_ms = busy > SETTLE_MS ? busy : SETTLE_MS;
	if (!complete)
		loop_timer_set(discovery->rescan, RETRY_MS);
	else if (!loop_timer_is_set(discovery->rescan))
		loop_timer_set(discovery->rescan, watcher_is_live(discovery->watcher)
							  ? RESCAN_MS
							  : RESCAN_BLIND_MS);
}

static void on_settled(void *data)
{
	scan_changed(data);
}

static void scan_all(struct discovery *discovery)
{
	for (size_t i = 0; i < discovery->class_count; i++)
		discovery->classes[i].changed = true;
	scan_changed(discovery);
}

static void on_rescan(void *data)
{
	struct discovery *discovery = data;

	watcher_recheck(discovery->watcher);
	scan_all(discovery);
}

struct discovery *discovery_new(struct loop *loop, struct watcher *watcher,
				const struct config *config, struct inventory *inventory)
{
	struct discovery *discovery = mem_zero(sizeof(*discovery));

	discovery->watcher = watcher;
	discovery->inventory = inventory;
	discovery->root = config->root;
	discovery->settle_ms = SETTLE_MS;
	discovery->settle = loop_timer_new(loop, on_settled, discovery);
	discovery->rescan = loop_timer_new(loop, on_rescan, discovery);
	discovery->class_count = config->class_count;
	discovery->classes = mem_zero(config->class_count * sizeof(*discovery->classes));
	for (size_t i = 0; i < config->class_count; i++) {
		discovery->classes[i] = (struct class_watch){
			.discovery = discovery,
			.index = i,
			.class = &config->classes[i],
		};
	}
	scan_all(discovery);
	return discovery;
}

struct discovery *discovery_free(struct discovery *discovery)
{
	if (!discovery)
		return NULL;
	for (size_t i = 0; i < discovery->class_count; i++) {
		struct class_watch *watched = &discovery->classes[i];

		while (watched->directories)
			untrack(watched, watched->directories);
		source_free(watched->source);
	}
	free(discovery->classes);
	loop_timer_free(discovery->settle);
	loop_timer_free(discovery->rescan);
	free(discovery);
	return NULL;
}
