/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "base/watch.h"
#include "cli/cli.h"
#include "cli/reload.h"
#include "config/change.h"
#include "http/view.h"

/* Whoever writes files may write several. */
#define SETTLE_MS 100

struct reload {
	struct daemon *daemon; /* owned by the caller */
	struct config *config; /* with which it runs */
	const struct settings *settings;
	struct loop_signal *hang_up;
	struct watch *link; /* the directory of the file's name; NULL: there is no file */
	struct watch *target; /* that of the file itself */
	struct loop_timer *settle;
	struct file_stamp seen; /* the file, when it was read last */
	struct reload_state state;
};

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
		 LOG_INT("generation", ++reload->state.generation),
		 LOG_INT("class_count", next->class_count));
	log_ignored(&ignored);
	daemon_change(reload->daemon, next);
	config_free(reload->config);
	reload->config = next;
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
			       ? mem_printf("%s (and %zu more errors)", text,
					    (size_t)diagnostics->errors - 1)
			       : take_ptr(text);
	}
	return mem_string("it has an error");
}

static void note_result(struct reload *reload, bool is_sound,
			const struct diagnostics *diagnostics)
{
	struct reload_state *state = &reload->state;

	state->is_ok = is_sound;
	state->tried = time(NULL);
	if (is_sound)
		state->succeeded = state->tried;
	free(state->error);
	state->error = is_sound ? NULL : describe_errors(diagnostics);
}

static void read_again(struct reload *reload)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	struct config *next = NULL;
	bool is_sound;

	if (reload->config->file)
		reload->seen = file_stamp(reload->config->file);
	is_sound = cli_read_config(reload->settings, &next, &diagnostics);
	note_result(reload, is_sound, &diagnostics);
	for (size_t i = 0; i < diagnostics.count; i++)
		log_diagnostic(&diagnostics.items[i]);
	if (is_sound)
		go_on_with(reload, next);
	else
		log_error("configuration not reloaded",
			  LOG_STR("file", reload->config->file),
			  LOG_INT("error_count", diagnostics.errors),
			  LOG_STR("hint", "kudev goes on with the one before"));
}

static void on_change(void *data)
{
	struct reload *reload = data;

	loop_timer_set(reload->settle, SETTLE_MS);
}

static struct watch *watch_directory(struct reload *reload, const char *file)
{
	KUDEV_AUTO_FREE char *directory = NULL;
	const char *slash = strrchr(file, '/');
	struct watch *watch;

	if (!slash)
		directory = realpath(".", NULL);
	else if (slash == file)
		directory = mem_string("/");
	else
		directory = mem_string_n(file, (size_t)(slash - file));
	if (!directory)
		return NULL;
	watch = watch_new(daemon_watcher(reload->daemon), directory, on_change, reload);
	watch_writes(watch);
	return watch;
}

/* Where a link leads may be elsewhere now. */
static void follow_target(struct reload *reload)
{
	KUDEV_AUTO_FREE char *target = realpath(reload->config->file, NULL);

	watch_free(reload->target);
	reload->target = target ? watch_directory(reload, target) : NULL;
}

static void on_settled(void *data)
{
	struct reload *reload = data;
	struct file_stamp now = file_stamp(reload->config->file);

	if (file_is_same(&now, &reload->seen))
		return;
	follow_target(reload);
	read_again(reload);
}

static void on_hang_up(int signum, void *data)
{
	struct reload *reload = data;

	(void)signum;
	read_again(reload);
}

struct reload *reload_new(struct loop *loop, struct daemon *daemon, struct config *config,
			  const struct settings *settings)
{
	struct reload *reload = mem_zero(sizeof(*reload));

	reload->daemon = daemon;
	reload->config = config;
	reload->settings = settings;
	reload->state = (struct reload_state){
		.generation = 1,
		.is_ok = true,
		.tried = time(NULL),
		.succeeded = time(NULL),
	};
	daemon_show_reload(daemon, &reload->state);
	reload->settle = loop_timer_new(loop, on_settled, reload);
	reload->hang_up = loop_signal_new(loop, SIGHUP, on_hang_up, reload);
	if (!config->file)
		return reload;
	reload->seen = config->stamp;
	reload->link = watch_directory(reload, config->file);
	follow_target(reload);
	/* It may have changed since it was read. */
	on_change(reload);
	return reload;
}

void reload_stop(struct reload *reload)
{
	reload->link = watch_free(reload->link);
	reload->target = watch_free(reload->target);
	loop_timer_cancel(reload->settle);
	reload->hang_up = loop_signal_free(reload->hang_up);
}

struct reload *reload_free(struct reload *reload)
{
	if (!reload)
		return NULL;
	loop_timer_free(reload->settle);
	free(reload->state.error);
	config_free(reload->config);
	free(reload);
	return NULL;
}
