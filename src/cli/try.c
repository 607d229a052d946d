/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/standin.h"
#include "daemon.h"

/* All classes register within milliseconds; one that has not by then never will. */
#define REGISTER_TIMEOUT_MS 10000
/* First lists change at once more where checks or cameras follow. */
#define QUIET_MS 150
/* A stop takes milliseconds; after this the temporary directory is removed regardless. */
#define STOP_TIMEOUT_MS 800

struct trial {
	const char *directory; /* temporary; owned by cli_try() */
	const struct config *config;
	bool once;
	struct loop *loop;
	struct daemon *daemon;
	struct standin *standin;
	struct loop_timer *timeout;
	struct loop_timer *quiet; /* until no more lists come, as after health checks */
	size_t next;		  /* class to allocate a device of */
	bool showing;		  /* the table and the allocations */
	bool shown;		  /* all of them */
	bool stopping;
	int status;
};

static void on_standin_stopped(void *data)
{
	struct trial *trial = data;

	loop_stop(trial->loop);
}

static void on_daemon_stopped(void *data)
{
	struct trial *trial = data;

	standin_stop(trial->standin, on_standin_stopped, trial);
}

static void stop(struct trial *trial)
{
	if (trial->stopping)
		return;
	trial->stopping = true;
	loop_timer_cancel(trial->quiet);
	loop_timer_set(trial->timeout, STOP_TIMEOUT_MS);
	daemon_stop(trial->daemon, on_daemon_stopped, trial);
}

static void on_signal(int signum, void *data)
{
	(void)signum;
	stop(data);
}

static void print_table(const struct trial *trial)
{
	printf("%-44s %8s %11s  %s\n", "RESOURCE", "CAPACITY", "ALLOCATABLE", "SOCKET");
	for (size_t i = 0; i < trial->config->class_count; i++) {
		const char *name = trial->config->classes[i].resource;
		const struct standin_resource *resource = standin_find(trial->standin,
								       name);

		if (resource && resource->list)
			printf("%-44s %8zu %11zu  %s\n", name, resource->list->n_devices,
			       standin_count_healthy(resource->list), resource->endpoint);
		else
			printf("%-44s %8s %11s  not registered\n", name, "-", "-");
	}
}

static void print_response(const V1beta1__ContainerAllocateResponse *response)
{
	for (size_t i = 0; i < response->n_devices; i++)
		printf("  device      %s  (%s on the host, %s)\n",
		       response->devices[i]->container_path,
		       response->devices[i]->host_path,
		       response->devices[i]->permissions);
	for (size_t i = 0; i < response->n_mounts; i++)
		printf("  mount       %s  (%s on the host, %s)\n",
		       response->mounts[i]->container_path,
		       response->mounts[i]->host_path,
		       response->mounts[i]->read_only ? "read-only" : "read-write");
	for (size_t i = 0; i < response->n_cdi_devices; i++)
		printf("  CDI name    %s\n", response->cdi_devices[i]->name);
	for (size_t i = 0; i < response->n_envs; i++)
		printf("  variable    %s=%s\n", response->envs[i]->key,
		       response->envs[i]->value);
	for (size_t i = 0; i < response->n_annotations; i++)
		printf("  annotation  %s: %s\n", response->annotations[i]->key,
		       response->annotations[i]->value);
}

static bool has_simulated(const struct config *config)
{
	for (size_t i = 0; i < config->class_count; i++) {
		if (config->classes[i].source == CONFIG_SOURCE_SIMULATE)
			return true;
	}
	return false;
}

static void finish_showing(struct trial *trial)
{
	trial->shown = true;
	if (trial->once) {
		stop(trial);
		return;
	}
	printf("\nPlug and unplug devices to see changes here; Ctrl-C ends this.\n");
	if (has_simulated(trial->config))
		printf("Simulated ones are the files below %s/simulate: remove one to "
		       "unplug it.\n",
		       trial->directory);
	/* Nobody reads: a pipe whose other end is closed. */
	if (fflush(stdout) != 0)
		stop(trial);
}

/* Goes on to the next class that has a device, one after the other, in their order. */
static void allocate_next(struct trial *trial)
{
	while (trial->next < trial->config->class_count) {
		const char *name = trial->config->classes[trial->next++].resource;
		struct standin_resource *resource = standin_find(trial->standin, name);

		if (resource && standin_allocate(resource))
			return;
		printf("\nA pod that asks for %s: 1 stays pending: %s.\n", name,
		       resource && resource->list && resource->list->n_devices > 0
			       ? "no device is healthy (--log-level info tells why)"
			       : "no device here");
	}
	finish_showing(trial);
}

static void on_allocated(struct standin_resource *resource, const char *device_id,
			 const V1beta1__AllocateResponse *response, const char *text,
			 void *data)
{
	struct trial *trial = data;

	if (response && response->n_container_responses == 1) {
		printf("\nA container that asks for %s: 1 gets device %s:\n",
		       resource->name, device_id);
		print_response(response->container_responses[0]);
	} else {
		printf("\nA container that asks for %s: 1 fails: %s\n", resource->name,
		       text);
		trial->status = EXIT_FAILED;
	}
	allocate_next(trial);
}

static bool all_listed(const struct trial *trial)
{
	for (size_t i = 0; i < trial->config->class_count; i++) {
		const struct standin_resource *resource =
			standin_find(trial->standin, trial->config->classes[i].resource);

		if (!resource || !resource->list)
			return false;
	}
	return true;
}

static void show(struct trial *trial)
{
	loop_timer_cancel(trial->timeout);
	loop_timer_cancel(trial->quiet);
	trial->showing = true;
	print_table(trial);
	allocate_next(trial);
}

/*
 * The health that a device had; lists keep their order, so it is nearly always at index.
 */
static const char *health_before(const V1beta1__ListAndWatchResponse *previous,
				 size_t index, const char *id)
{
	if (!previous)
		return "new";
	if (index < previous->n_devices && strcmp(previous->devices[index]->id, id) == 0)
		return previous->devices[index]->health;
	for (size_t i = 0; i < previous->n_devices; i++) {
		if (strcmp(previous->devices[i]->id, id) == 0)
			return previous->devices[i]->health;
	}
	return "new";
}

static void print_changes(const struct standin_resource *resource,
			  const V1beta1__ListAndWatchResponse *previous)
{
	char now[16];
	time_t seconds = time(NULL);
	struct tm local;

	localtime_r(&seconds, &local);
	strftime(now, sizeof(now), "%H:%M:%S", &local);
	for (size_t i = 0; i < resource->list->n_devices; i++) {
		const V1beta1__Device *device = resource->list->devices[i];
		const char *before = health_before(previous, i, device->id);

		if (strcmp(before, device->health) != 0)
			printf("%s  %s  %s: %s, was %s\n", now, resource->name,
			       device->id, device->health, before);
	}
	fflush(stdout);
}

static void on_list(struct standin_resource *resource,
		    const V1beta1__ListAndWatchResponse *previous, void *data)
{
	struct trial *trial = data;

	if (trial->shown)
		print_changes(resource, previous);
	/* Nobody reads any more. */
	if (ferror(stdout))
		stop(trial);
	else if (!trial->showing && !trial->stopping && all_listed(trial))
		loop_timer_set(trial->quiet, QUIET_MS);
}

static const struct standin_callbacks callbacks = {
	.on_list = on_list,
	.on_allocated = on_allocated,
};

static int remove_entry(const char *path, const struct stat *status, int type,
			struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

static void remove_directory(const char *path)
{
	(void)nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void on_timeout(void *data)
{
	struct trial *trial = data;

	if (trial->stopping) {
		/* Calls are still under way, which nothing may be freed under. */
		remove_directory(trial->directory);
		fflush(stdout);
		_exit(trial->status);
	}
	fprintf(stderr, "kudev: not every class has registered within %d s\n",
		REGISTER_TIMEOUT_MS / 1000);
	trial->status = EXIT_FAILED;
	show(trial);
}

static void on_quiet(void *data)
{
	show(data);
}

static int run_both(struct trial *trial, struct error *err)
{
	struct loop_signal *terminate = loop_signal_new(trial->loop, SIGTERM, on_signal,
							trial);
	struct loop_signal *interrupt = loop_signal_new(trial->loop, SIGINT, on_signal,
							trial);
	struct loop_signal *hang_up = loop_signal_new(trial->loop, SIGHUP, on_signal,
						      trial);
	int r = standin_new(trial->loop, trial->directory, &callbacks, trial,
			    &trial->standin, err);

	trial->timeout = loop_timer_new(trial->loop, on_timeout, trial);
	trial->quiet = loop_timer_new(trial->loop, on_quiet, trial);
	if (r == 0)
		r = daemon_new(trial->loop, trial->config, &trial->daemon, err);
	if (r == 0) {
		loop_timer_set(trial->timeout, REGISTER_TIMEOUT_MS);
		loop_run(trial->loop);
		daemon_free(trial->daemon);
		standin_free(trial->standin);
	}
	loop_signal_free(terminate);
	loop_signal_free(interrupt);
	loop_signal_free(hang_up);
	loop_timer_free(trial->timeout);
	loop_timer_free(trial->quiet);
	return r;
}

/* What the log would warn of is shown anyway, so it is brief unless they ask for more. */
static void set_up_log(const struct options *options, const struct config *config)
{
	bool level_given = options->settings.log_level || getenv("KUDEV_LOG_LEVEL");
	bool format_given = options->settings.log_format || getenv("KUDEV_LOG_FORMAT");

	log_setup(level_given ? config->log_level : LOG_LEVEL_WARN,
		  format_given ? config->log_format : LOG_FORMAT_TEXT);
}

static int try_in(const struct options *options, const char *directory)
{
	KUDEV_AUTO(config_free) struct config *config = NULL;
	KUDEV_AUTO(loop_free) struct loop *loop = NULL;
	KUDEV_AUTO_FREE char *simulate = mem_printf("%s/simulate", directory);
	KUDEV_AUTO_FREE char *cdi = mem_printf("%s/cdi", directory);
	KUDEV_AUTO_ERROR struct error err = {0};
	struct settings settings = options->settings;
	struct trial trial = {.directory = directory, .once = options->once};
	int r;

	/* Everything that kudev makes goes below the temporary directory, and with it. */
	settings.plugin_directory = directory;
	/* The kubelet of this machine, if there is one, knows nothing of the trial. */
	settings.pod_resources = "none";
	settings.cdi_directory = cdi;
	settings.simulate_directory = simulate;
	settings.is_trial = true;
	/* What serves this machine may have the address of the configuration. */
	if (!settings.listen)
		settings.listen = "none";
	if (!cli_load_config(&settings, &config, NULL))
		return EXIT_USAGE;
	printf("kubelet stand-in in %s\n\n", directory);
	set_up_log(options, config);
	/* Which the daemon would not do in a pod. */
	(void)directory_create(cdi, 0755, NULL);
	cli_raise_limits();
	r = loop_new(&loop, &err);
	trial.config = config;
	trial.loop = loop;
	if (r == 0)
		r = run_both(&trial, &err);
	if (r < 0) {
		fprintf(stderr, "kudev: %s\n", error_message(&err));
		return EXIT_FAILED;
	}
	return trial.status;
}

int cli_try(const struct options *options)
{
	char directory[] = "/tmp/kudev-try-XXXXXX";
	int status;

	if (!mkdtemp(directory)) {
		fprintf(stderr, "kudev: cannot create a directory in /tmp: %s\n",
			strerror(errno));
		return EXIT_FAILED;
	}
	status = try_in(options, directory);
	remove_directory(directory);
	return status;
}
