/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "base/watch.h"
#include "cli/cli.h"
#include "cli/reload.h"
#include "config/change.h"
#include "http/view.h"

/* Whoever writes files may write several. */
#define SETTLE_MS 100
/* A file that was written so short ago may not be complete; but not for ever. */
#define QUIET_MS 50
#define DELAYS_MAX 20
/* How often to look without a hint from inotify, and if there is none. */
#define POLL_MS 300000
#define POLL_BLIND_MS 2000

struct reload {
	struct daemon *daemon; /* owned by the caller */
	struct config *config; /* with which it runs */
	const struct settings *settings;
	struct loop_signal *hang_up;
	char *file;		    /* that is read; NULL: none was */
	struct strings directories; /* that decide what it is */
	struct watch **watches;	    /* one for each */
	struct loop_timer *settle;
	struct loop_timer *poll;
	unsigned delays; /* of reading what has changed */
	bool is_asked;	 /* to read it whether it has changed or not */
	bool is_stopped;
	struct file_stamp seen; /* the file, when it was read last */
};

/* Not later for each change: where others write without end, that would be never. */
static void on_change(void *data)
{
	struct reload *reload = data;

	if (!loop_timer_is_set(reload->settle))
		loop_timer_set(reload->settle, SETTLE_MS);
}

static void drop_watches(struct reload *reload)
{
	for (size_t i = 0; i < reload->directories.count; i++)
		watch_free(reload->watches[i]);
	free(take_ptr(reload->watches));
	strings_clear(&reload->directories);
}

static struct watch *watch_directory(struct reload *reload, const char *directory)
{
	struct watch *watch = watch_new(daemon_watcher(reload->daemon), directory,
					on_change, reload);

	watch_writes(watch);
	return watch;
}

/* Where a link leads may be elsewhere now. */
static void follow(struct reload *reload)
{
	struct strings directories = {0};
	struct watch **watches;

	file_directories(reload->file, &directories);
	if (strings_equal(&directories, &reload->directories)) {
		strings_clear(&directories);
		return;
	}
	watches = mem_zero(directories.count * sizeof(struct watch *));
	for (size_t i = 0; i < directories.count; i++)
		watches[i] = watch_directory(reload, directories.items[i]);
	drop_watches(reload);
	reload->directories = directories;
	reload->watches = watches;
	/* It may have changed before it was watched. */
	on_change(reload);
}

static void on_poll(void *data)
{
	struct reload *reload = data;
	bool is_live = watcher_is_live(daemon_watcher(reload->daemon));

	on_change(reload);
	loop_timer_set(reload->poll, is_live ? POLL_MS : POLL_BLIND_MS);
}

/* The one that was read, from the first on. */
static void watch_file(struct reload *reload)
{
	if (reload->file || !reload->config->file)
		return;
	reload->file = mem_string(reload->config->file);
	/* It may have changed since it was read. */
	follow(reload);
	on_poll(reload);
}

static void log_diagnostic(const struct diagnostic *diagnostic)
{
	bool is_error = diagnostic->severity == DIAGNOSTIC_ERROR;

	LOG_AT(is_error ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
	       is_error ? "error in the configuration"
			: "warning about the configuration",
	       LOG_STR("file", diagnostic->file), LOG_COUNT("line", diagnostic->line),
	       LOG_COUNT("column", diagnostic->column),
	       LOG_STR("error", diagnostic->message));
}

static void log_ignored(const struct strings *keys)
{
	KUDEV_AUTO_FREE char *joined = strings_join(keys, ",");

	if (keys->count > 0)
		log_warn("settings that take effect at the next start alone",
			 LOG_STR("keys", joined));
}

static void go_on_with(struct reload *reload, struct config *next)
{
	KUDEV_AUTO_STRINGS struct strings ignored = {0};

	config_keep_start(reload->config, next, &ignored);
	log_setup(next->log_level, next->log_format);
	log_info("configuration reloaded", LOG_STR("file", next->file),
		 LOG_INT("generation", ++daemon_reload_state(reload->daemon)->generation),
		 LOG_INT("class_count", next->class_count));
	log_ignored(&ignored);
	daemon_change(reload->daemon, next);
	config_free(reload->config);
	reload->config = next;
	watch_file(reload);
}

/* The first error, and how many more there are: the log has them all. */
static char *describe_errors(const struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < diagnostics->count; i++) {
		KUDEV_AUTO_FREE char *text = NULL;

		if (diagnostics->items[i].severity != DIAGNOSTIC_ERROR)
			continue;
		text = diagnostic_text(&diagnostics->items[i]);
		return diagnostics->errors > 1
			       ? mem_printf("%s (and %zu more)", text,
					    (size_t)diagnostics->errors - 1)
			       : take_ptr(text);
	}
	return mem_string("it has an error");
}

static void note_result(struct reload *reload, bool is_sound,
			const struct diagnostics *diagnostics)
{
	struct reload_state *state = daemon_reload_state(reload->daemon);

	state->is_ok = is_sound;
	state->tried = time(NULL);
	if (is_sound)
		state->succeeded = state->tried;
	free(state->error);
	state->error = is_sound ? NULL : describe_errors(diagnostics);
}

/* What was only touched, or written again as it was, or read too soon after it was written. */
static bool is_as_before(const struct reload *reload, const struct config *next)
{
	const char *text = reload->config->text;

	return daemon_reload_state(reload->daemon)->is_ok && next && text && next->text &&
	       strcmp(text, next->text) == 0;
}

static void read_again(struct reload *reload, bool is_asked)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	struct config *next = NULL;
	bool is_sound;

	if (reload->file)
		reload->seen = file_stamp(reload->file);
	is_sound = cli_read_config(reload->settings, &next, &diagnostics);
	if (!is_asked && is_as_before(reload, next)) {
		config_free(next);
		return;
	}
	note_result(reload, is_sound, &diagnostics);
	for (size_t i = 0; i < diagnostics.count; i++)
		log_diagnostic(&diagnostics.items[i]);
	if (is_sound)
		go_on_with(reload, next);
	else
		log_error("configuration not reloaded", LOG_STR("file", reload->file),
			  LOG_INT("error_count", diagnostics.errors),
			  LOG_STR("hint", "kudev goes on with the one before"));
}

/* Whether there is another file, or another state of it, and it is complete. */
static bool has_changed(struct reload *reload)
{
	struct file_stamp now = file_stamp(reload->file);

	if (file_is_same(&reload->seen, &now))
		return false;
	if (now.inode == 0 || now.age_ms < 0 || now.age_ms >= QUIET_MS ||
	    ++reload->delays > DELAYS_MAX)
		return true;
	on_change(reload);
	return false;
}

static void on_settled(void *data)
{
	struct reload *reload = data;
	bool is_asked = reload->is_asked;

	if (reload->file)
		follow(reload);
	if (!is_asked && !(reload->file && has_changed(reload)))
		return;
	reload->is_asked = false;
	reload->delays = 0;
	read_again(reload, is_asked);
}

/* Many that come together are one. */
static void on_hang_up(int signum, void *data)
{
	struct reload *reload = data;

	(void)signum;
	if (reload->is_stopped)
		return;
	reload->is_asked = true;
	loop_timer_set(reload->settle, 0);
}

struct reload *reload_new(struct loop *loop, struct daemon *daemon, struct config *config,
			  const struct settings *settings)
{
	struct reload *reload = mem_zero(sizeof(*reload));

	reload->daemon = daemon;
	reload->config = config;
	reload->settings = settings;
	reload->settle = loop_timer_new(loop, on_settled, reload);
	reload->poll = loop_timer_new(loop, on_poll, reload);
	reload->hang_up = loop_signal_new(loop, SIGHUP, on_hang_up, reload);
	reload->seen = config->stamp;
	watch_file(reload);
	return reload;
}

void reload_stop(struct reload *reload)
{
	/* A hang-up that still comes is no reason to die of it. */
	reload->is_stopped = true;
	drop_watches(reload);
	loop_timer_cancel(reload->settle);
	loop_timer_cancel(reload->poll);
}

struct reload *reload_free(struct reload *reload)
{
	if (!reload)
		return NULL;
	loop_signal_free(reload->hang_up);
	loop_timer_free(reload->settle);
	loop_timer_free(reload->poll);
	config_free(reload->config);
	free(reload->file);
	free(reload);
	return NULL;
}
