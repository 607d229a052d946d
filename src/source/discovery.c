/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/log.h"
#include "source/discovery.h"
#include "source/monitor.h"
#include "source/settling.h"
#include "source/source.h"

/*
 * A plug makes several changes to /dev within a few milliseconds; they are seen as one.
 * While changes keep coming, scans take at most a third of the time.
 */
#define SETTLE_MS 3
#define BUSY_FACTOR 2
/* The safety net, with events and without. */
#define RESCAN_MS 300000
#define RESCAN_BLIND_MS 2000
#define RETRY_MS 5000
/* /dev/bus/usb/001 is the deepest directory of nodes. */
#define DEV_DEPTH 3
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
	const struct config_class *class; /* held */
	const char *root;		  /* owned by its configuration */
	struct inventory_class *devices;  /* used */
	struct source_host host;
	struct source *source; /* NULL: could not be opened */
	struct tracked *directories;
	bool changed;
	int64_t again_at_ms;  /* when to scan once more; -1: not of its own */
	struct strings noted; /* the notes of the last scan, which were logged */
	char *degraded;	      /* likewise */
	size_t stand_ins;     /* likewise */
	bool is_known;	      /* the first scan that tells of its devices is over */
	int64_t event_us;     /* of the first that came since the last scan; 0: none */
	uint64_t scans;
	uint64_t failures; /* of them */
	struct log_limit failure_limit;
};

struct discovery {
	struct watcher *watcher;
	struct inventory *inventory;
	struct loop *loop;
	struct worker *worker;
	loop_callback find_holders;
	void *find_holders_data;
	struct monitor *monitor;
	struct loop_timer *settle;
	struct loop_timer *rescan;
	struct loop_timer *again;
	int64_t settle_ms;
	struct class_watch **classes;
	size_t class_count;
	bool is_trial;
	bool is_started;  /* the first scan is over */
	bool is_changing; /* between two configurations, or ending */
	uint64_t rescans;
	uint64_t releases; /* of nodes, when those who wait for one were asked last */
	discovery_class_callback on_known;
	void *on_known_data;
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

static void mark_changed(struct class_watch *watched)
{
	watched->changed = true;
	if (watched->event_us == 0)
		watched->event_us = clock_us();
	schedule(watched->discovery);
}

static void on_directory_change(void *data)
{
	struct class_watch *watched = data;

	/* Where udev says nothing, a directory tells of its devices, and of its database. */
	if (watched->source && !monitor_hears_udev(watched->discovery->monitor))
		source_distrust(watched->source);
	mark_changed(watched);
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

/* Of the device tree, as deep as any node in it. */
static void add_directories_below(struct strings *directories, const char *path,
				  unsigned depth)
{
	DIR *stream = opendir(path);
	const struct dirent *entry;

	if (!stream)
		return;
	strings_add_unique(directories, path);
	while (depth > 0 && (entry = readdir(stream))) {
		KUDEV_AUTO_FREE char *below = mem_printf("%s/%s", path, entry->d_name);

		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    strcmp(entry->d_name, "pts") != 0 &&
		    strcmp(entry->d_name, "shm") != 0)
			add_directories_below(directories, below, depth - 1);
	}
	closedir(stream);
}

/* What stands for the events that do not come. */
static void add_sources_of_events(const struct monitor *monitor,
				  struct strings *directories)
{
	if (!monitor_hears_udev(monitor) && settling_has_udev())
		strings_add_unique(directories, SETTLING_DATABASE);
	if (!monitor_is_live(monitor))
		add_directories_below(directories, "/dev", DEV_DEPTH);
}

static void log_new_notes(struct class_watch *watched, const struct remark_list *notes)
{
	struct strings noted = {0};

	for (size_t i = 0; i < notes->count; i++) {
		const struct remark *note = &notes->items[i];

		strings_take(&noted, mem_printf("%s: %s", note->path, note->reason));
		if (strings_contain(&watched->noted, noted.items[i]))
			continue;
		log_info("device note", LOG_STR("class", watched->class->name),
			 LOG_STR("device_path", note->path),
			 LOG_STR("note", note->reason));
	}
	strings_clear(&watched->noted);
	watched->noted = noted;
}

/* Once for each reason, and when it is over. */
static void log_degraded(struct class_watch *watched, struct scan *scan)
{
	if (scan->degraded &&
	    (!watched->degraded || strcmp(watched->degraded, scan->degraded) != 0))
		log_warn("class is degraded", LOG_STR("class", watched->class->name),
			 LOG_STR("resource", watched->class->resource),
			 LOG_STR("reason", scan->degraded),
			 LOG_INT("dummy_devices", scan->stand_ins),
			 LOG_STR("fallback_prefix",
				 scan->stand_ins > 0
					 ? watched->class->v4l2loopback.fallback_prefix
					 : NULL),
			 LOG_STR("hint", scan->stand_ins > 0
						 ? "dummies stand for its devices"
						 : "its devices can't be had"));
	else if (!scan->degraded && watched->degraded)
		log_info("class is no longer degraded",
			 LOG_STR("class", watched->class->name),
			 LOG_STR("resource", watched->class->resource));
	free(watched->degraded);
	watched->degraded = take_ptr(scan->degraded);
	watched->stand_ins = scan->stand_ins;
}

static void open_source(struct class_watch *watched)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	if (source_open(watched->class, watched->root, &watched->host, &watched->source,
			&err) < 0)
		log_failure(watched, "cannot prepare the devices of a class", &err);
}

static void note_known(struct class_watch *watched)
{
	struct discovery *discovery = watched->discovery;

	if (watched->is_known)
		return;
	watched->is_known = true;
	if (discovery->on_known)
		discovery->on_known(watched->index, discovery->on_known_data);
}

void discovery_when_known(struct discovery *discovery, discovery_class_callback on_known,
			  void *data)
{
	discovery->on_known = on_known;
	discovery->on_known_data = data;
	for (size_t i = 0; i < discovery->class_count; i++) {
		if (discovery->classes[i]->is_known)
			on_known(i, data);
	}
}

bool discovery_knows(const struct discovery *discovery, size_t index)
{
	return discovery->classes[index]->is_known;
}

/* The report of the scan is what the event has led to. */
static void note_event(struct class_watch *watched)
{
	if (watched->event_us > 0)
		inventory_note_event(watched->discovery->inventory, watched->index,
				     watched->event_us);
	watched->event_us = 0;
}

/* Returns whether the class is known now; if not, it stays as it was. */
static bool scan_class(struct class_watch *watched)
{
	struct inventory *inventory = watched->discovery->inventory;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	KUDEV_AUTO_ERROR struct error err = {0};

	watched->changed = false;
	watched->scans++;
	if (!watched->source)
		open_source(watched);
	if (!watched->source) {
		watched->failures++;
		/* What another source found is not of the class any more. */
		inventory_expect(inventory, watched->index, &scan.expected);
		inventory_report(inventory, watched->index, &scan.units);
		note_known(watched);
		return false;
	}
	if (source_scan(watched->source, &scan, &err) < 0) {
		watched->failures++;
		log_failure(watched, "cannot look for the devices of a class", &err);
		inventory_keep(inventory, watched->index);
		note_known(watched);
		return false;
	}
	log_degraded(watched, &scan);
	inventory_expect(inventory, watched->index, &scan.expected);
	if (!scan.is_pending || !watched->is_known) {
		note_event(watched);
		inventory_report(inventory, watched->index, &scan.units);
	} else {
		inventory_keep(inventory, watched->index);
	}
	if (watched->class->source == CONFIG_SOURCE_MATCH ||
	    watched->class->source == CONFIG_SOURCE_V4L2LOOPBACK)
		add_sources_of_events(watched->discovery->monitor, &scan.directories);
	follow(watched, &scan.directories);
	log_new_notes(watched, &scan.notes);
	if (!scan.is_pending)
		note_known(watched);
	watched->again_at_ms = scan.again_ms < 0 ? -1 : clock_ms() + scan.again_ms;
	return true;
}

void discovery_retry(struct discovery *discovery)
{
	for (size_t i = 0; i < discovery->class_count; i++) {
		const struct inventory_class *class =
			inventory_class_at(discovery->inventory, i);

		if (class->conflicts->total > 0 || class->formers > 0)
			mark_changed(discovery->classes[i]);
	}
}

static void schedule_again(struct discovery *discovery)
{
	int64_t next_ms = -1;
	int64_t delay_ms;

	for (size_t i = 0; i < discovery->class_count; i++) {
		int64_t at_ms = discovery->classes[i]->again_at_ms;

		if (at_ms >= 0 && (next_ms < 0 || at_ms < next_ms))
			next_ms = at_ms;
	}
	delay_ms = next_ms - clock_ms();
	if (next_ms < 0)
		loop_timer_cancel(discovery->again);
	else
		loop_timer_set(discovery->again, delay_ms > 0 ? delay_ms : 0);
}

static bool is_blind(const struct discovery *discovery)
{
	return !watcher_is_live(discovery->watcher);
}

static void scan_changed(struct discovery *discovery)
{
	uint64_t releases;
	int64_t start = clock_ms();
	bool complete = true;
	int64_t busy;

	for (size_t i = 0; i < discovery->class_count; i++) {
		if (discovery->classes[i]->changed && !scan_class(discovery->classes[i]))
			complete = false;
	}
	busy = (clock_ms() - start) * BUSY_FACTOR;
	discovery->settle_ms = busy > SETTLE_MS ? busy : SETTLE_MS;
	releases = inventory_releases(discovery->inventory);
	if (releases != discovery->releases)
		discovery_retry(discovery);
	discovery->releases = releases;
	schedule_again(discovery);
	if (!complete)
		loop_timer_set(discovery->rescan, RETRY_MS);
	else if (!loop_timer_is_set(discovery->rescan))
		loop_timer_set(discovery->rescan,
			       is_blind(discovery) ? RESCAN_BLIND_MS : RESCAN_MS);
}

static void on_again(void *data)
{
	struct discovery *discovery = data;

	for (size_t i = 0; i < discovery->class_count; i++) {
		struct class_watch *watched = discovery->classes[i];

		if (watched->again_at_ms >= 0 && watched->again_at_ms <= clock_ms())
			watched->changed = true;
	}
	scan_changed(discovery);
}

/* Whether a node came or went in a directory into which the class looks. */
static bool is_near(const struct class_watch *watched, const struct source_event *event)
{
	const char *root = watched->root;
	size_t root_length = strlen(root);
	const char *node = event->node;
	size_t length = (size_t)(strrchr(node, '/') - node);
	const struct tracked *directory;

	/* Disks say so of each medium and of much else. */
	if (strcmp(event->action, "change") == 0)
		return false;

	LL_FOREACH(watched->directories, directory) {
		/* Not all are below the root: udev's database is where it is. */
		if (strncmp(directory->path, root, root_length) == 0 &&
		    strncmp(directory->path + root_length, node, length) == 0 &&
		    directory->path[root_length + length] == '\0')
			return true;
	}
	return false;
}

static void on_event(const struct source_event *event, void *data)
{
	struct discovery *discovery = data;

	for (size_t i = 0; i < discovery->class_count; i++) {
		struct class_watch *watched = discovery->classes[i];

		if (watched->source && (source_take_event(watched->source, event) ||
					is_near(watched, event)))
			mark_changed(watched);
	}
}

static void on_settled(void *data)
{
	scan_changed(data);
}

static void distrust_all(struct discovery *discovery)
{
	for (size_t i = 0; i < discovery->class_count; i++) {
		struct class_watch *watched = discovery->classes[i];

		if (watched->source)
			source_distrust(watched->source);
		watched->changed = true;
	}
}

static void scan_all(struct discovery *discovery)
{
	distrust_all(discovery);
	scan_changed(discovery);
}

void discovery_rescan(struct discovery *discovery)
{
	for (size_t i = 0; i < discovery->class_count; i++)
		discovery->classes[i]->changed = true;
	scan_changed(discovery);
}

static void on_lost(void *data)
{
	struct discovery *discovery = data;

	distrust_all(discovery);
	schedule(discovery);
}

static void on_rescan(void *data)
{
	struct discovery *discovery = data;

	discovery->rescans++;
	watcher_recheck(discovery->watcher);
	monitor_recheck(discovery->monitor);
	scan_all(discovery);
}

void discovery_describe(const struct discovery *discovery, size_t index,
			struct discovery_status *ret)
{
	const struct class_watch *watched = discovery->classes[index];

	*ret = (struct discovery_status){
		.is_known = watched->is_known,
		.degraded = watched->degraded,
		.stand_ins = watched->stand_ins,
		.scans = watched->scans,
		.failed = watched->failures,
	};
}

uint64_t discovery_rescans(const struct discovery *discovery)
{
	return discovery->rescans;
}

const struct monitor *discovery_monitor(const struct discovery *discovery)
{
	return discovery->monitor;
}

bool discovery_prepares(const struct config_class *class)
{
	return class->source == CONFIG_SOURCE_V4L2LOOPBACK &&
	       class->v4l2loopback.reset != CONFIG_RESET_NONE;
}

static void refuse_preparation(struct preparation *preparation)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	error_set(&err, ENODEV, "the devices of the class can't be prepared now");
	preparation->done(preparation, &err);
}

void discovery_prepare(struct discovery *discovery, const struct config_class *class,
		       struct preparation *preparation)
{
	for (size_t i = 0; i < discovery->class_count; i++) {
		const struct class_watch *watched = discovery->classes[i];

		if (!watched->source ||
		    strcmp(watched->class->resource, class->resource) != 0)
			continue;
		source_prepare(watched->source, preparation);
		return;
	}
	refuse_preparation(preparation);
}

static void on_source_change(void *data)
{
	mark_changed(data);
}

/* One that nobody has seen yet may be held. */
static bool is_held(const char *id, void *data)
{
	const struct class_watch *watched = data;
	struct discovery *discovery = watched->discovery;
	const struct device *device;

	/* Of others, which a trial must leave alone. */
	if (watched->host.is_trial)
		return true;
	/*
	 * Not before the first scan, so that what is there keeps its place; nor while the
	 * classes here are no longer those of the inventory, which discovery_retry() needs.
	 */
	if (discovery->find_holders && discovery->is_started && !discovery->is_changing)
		discovery->find_holders(discovery->find_holders_data);
	device = inventory_class_find(watched->devices, id);
	return !device || inventory_is_held(discovery->inventory, device);
}

static struct class_watch *watch_class(struct discovery *discovery)
{
	struct class_watch *watched = mem_zero(sizeof(*watched));

	watched->discovery = discovery;
	watched->again_at_ms = -1;
	watched->host = (struct source_host){
		.loop = discovery->loop,
		.worker = discovery->worker,
		.is_trial = discovery->is_trial,
		.on_change = on_source_change,
		.is_held = is_held,
		.data = watched,
	};
	return watched;
}

/* From now on the watch is for this class. */
static void give_class(struct class_watch *watched, const struct config *config,
		       size_t index)
{
	const struct config_class *before = watched->class;

	if (!watched->devices) {
		watched->devices = inventory_class_at(watched->discovery->inventory,
						      index);
		inventory_class_use(watched->devices);
	}
	watched->index = index;
	watched->class = config_class_hold(&config->classes[index]);
	watched->root = config->root;
	if (before)
		config_class_drop(before);
}

static struct class_watch *unwatch_class(struct class_watch *watched)
{
	while (watched->directories)
		untrack(watched, watched->directories);
	source_free(watched->source);
	strings_clear(&watched->noted);
	free(watched->degraded);
	inventory_class_leave(watched->discovery->inventory, watched->devices);
	config_class_drop(watched->class);
	free(watched);
	return NULL;
}

struct discovery *discovery_new(struct loop *loop, struct watcher *watcher,
				struct worker *worker, const struct config *config,
				struct inventory *inventory, loop_callback find_holders,
				void *data)
{
	struct discovery *discovery = mem_zero(sizeof(*discovery));

	discovery->loop = loop;
	discovery->watcher = watcher;
	discovery->worker = worker;
	discovery->inventory = inventory;
	discovery->find_holders = find_holders;
	discovery->find_holders_data = data;
	discovery->settle_ms = SETTLE_MS;
	discovery->settle = loop_timer_new(loop, on_settled, discovery);
	discovery->rescan = loop_timer_new(loop, on_rescan, discovery);
	discovery->again = loop_timer_new(loop, on_again, discovery);
	discovery->is_trial = config->is_trial;
	discovery->class_count = config->class_count;
	discovery->classes = mem_zero(config->class_count * sizeof(*discovery->classes));
	for (size_t i = 0; i < config->class_count; i++) {
		discovery->classes[i] = watch_class(discovery);
		give_class(discovery->classes[i], config, i);
	}
	/* Before the first scan, so that nothing happens unseen between the two. */
	discovery->monitor = monitor_new(loop, config->events, on_event, on_lost,
					 discovery);
	scan_all(discovery);
	discovery->is_started = true;
	return discovery;
}

static void end_watch(void *item, void *data)
{
	struct class_watch *watched = item;

	watched->source = source_retire(watched->source, data);
	unwatch_class(watched);
}

void discovery_change(struct discovery *discovery, const struct config_change *change)
{
	discovery->is_changing = true;
	discovery->classes = config_change_apply(change, discovery->classes, end_watch,
						 (void *)change->next);
	discovery->class_count = change->next->class_count;
	for (size_t i = 0; i < discovery->class_count; i++) {
		struct class_watch *watched = discovery->classes[i];

		if (!watched)
			watched = discovery->classes[i] = watch_class(discovery);
		watched->index = i;
		if (change->steps[i].change == CLASS_SAME)
			continue;
		if (watched->source &&
		    !source_take_class(watched->source, &change->next->classes[i]))
			watched->source = source_retire(watched->source, change->next);
		give_class(watched, change->next, i);
	}
	discovery->is_changing = false;
	scan_all(discovery);
}

struct discovery *discovery_free(struct discovery *discovery)
{
	if (!discovery)
		return NULL;
	discovery->is_changing = true;
	for (size_t i = 0; i < discovery->class_count; i++)
		unwatch_class(discovery->classes[i]);
	monitor_free(discovery->monitor);
	free(discovery->classes);
	loop_timer_free(discovery->settle);
	loop_timer_free(discovery->rescan);
	loop_timer_free(discovery->again);
	free(discovery);
	return NULL;
}
