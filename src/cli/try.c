/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/standin.h"
#include "daemon.h"

/* All classes register within milliseconds; one that has not by then never will. */
#define REGISTER_TIMEOUT_MS 10000
/* A stop takes milliseconds; after this the temporary directory is removed regardless. */
#define STOP_TIMEOUT_MS 800

struct
try {
	const struct config *config;
	bool once;
	struct loop *loop;
	struct daemon *daemon;
	struct standin *standin;
	struct loop_timer *timeout;
	size_t allocating; /* answers that are still to come */
	bool shown;	   /* the table and the allocations */
	bool stopping;
	int status;
};

static void on_standin_stopped(void *data)
{
	struct try *try = data;

	loop_stop(try->loop);
}

static void on_daemon_stopped(void *data)
{
	struct try *try = data;

	standin_stop(try->standin, on_standin_stopped, try);
}

static void stop(struct try *try)
{
	if (try->stopping)
		return;
	try->stopping = true;
	loop_timer_set(try->timeout, STOP_TIMEOUT_MS);
	daemon_stop(try->daemon, on_daemon_stopped, try);
}

static void on_signal(int signum, void *data)
{
	(void)signum;
	stop(data);
}

static void print_table(const struct try *try)
{
	printf("%-44s %8s %11s  %s\n", "RESOURCE", "CAPACITY", "ALLOCATABLE", "SOCKET");
	for (size_t i = 0; i < try->config->class_count; i++) {
		const char *name = try->config->classes[i].resource;
		const struct standin_resource *resource = standin_find(try->standin,
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
	for (size_t i = 0; i < response->n_envs; i++)
		printf("  variable    %s=%s\n", response->envs[i]->key,
		       response->envs[i]->value);
	for (size_t i = 0; i < response->n_annotations; i++)
		printf("  annotation  %s: %s\n", response->annotations[i]->key,
		       response->annotations[i]->value);
}

static void finish_showing(struct try *try)
{
	try->shown = true;
	if (try->once) {
		stop(try);
		return;
	}
	printf("\nPlug and unplug devices to see changes here; Ctrl-C ends this.\n");
	fflush(stdout);
}

static void on_allocated(struct standin_resource *resource, const char *device_id,
			 const V1beta1__AllocateResponse *response, const char *text,
			 void *data)
{
	struct try *try = data;

	if (response && response->n_container_responses == 1) {
		printf("\nA container that asks for %s: 1 gets device %s:\n",
		       resource->name, device_id);
		print_response(response->container_responses[0]);
	} else {
		printf("\nA container that asks for %s: 1 fails: %s\n", resource->name,
		       text);
		try->status = EXIT_FAILED;
	}
	if (--try->allocating == 0)
		finish_showing(try);
}

static void allocate_each(struct try *try)
{
	/* One more, so that no answer that comes early ends it. */
	try->allocating = 1;
	for (size_t i = 0; i < try->config->class_count; i++) {
		const char *name = try->config->classes[i].resource;
		struct standin_resource *resource = standin_find(try->standin, name);

		if (resource && standin_allocate(resource))
			try->allocating++;
		else
			printf("\nA pod that asks for %s: 1 stays pending: no device here.\n",
			       name);
	}
	if (--try->allocating == 0)
		finish_showing(try);
}

static bool all_listed(const struct try *try)
{
	for (size_t i = 0; i < try->config->class_count; i++) {
		const struct standin_resource *resource =
			standin_find(try->standin, try->config->classes[i].resource);

		if (!resource || !resource->list)
			return false;
	}
	return true;
}

static void show(struct try *try)
{
	loop_timer_cancel(try->timeout);
	print_table(try);
	allocate_each(try);
}

/* The health that a device had; lists keep their order, so it is nearly always at index. */
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
	struct try *try = data;

	if (try->shown)
		print_changes(resource, previous);
	else if (try->allocating == 0 && all_listed(try))
		show(try);
}

static const struct standin_callbacks callbacks = {
	.on_list = on_list,
	.on_allocated = on_allocated,
};

static void on_timeout(void *data)
{
	struct try *try = data;

	if (try->stopping) {
		loop_stop(try->loop);
		return;
	}
	fprintf(stderr, "kudev: not every class has registered within %d s\n",
		REGISTER_TIMEOUT_MS / 1000);
	try->status = EXIT_FAILED;
	show(try);
}

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

static int run_both(struct try *try, const char *directory, struct error *err)
{
	struct loop_signal *terminate = loop_signal_new(try->loop, SIGTERM, on_signal,
							try);
	struct loop_signal *interrupt = loop_signal_new(try->loop, SIGINT, on_signal,
							try);
	int r = standin_new(try->loop, directory, &callbacks, try, &try->standin, err);

	try->timeout = loop_timer_new(try->loop, on_timeout, try);
	if (r == 0)
		r = daemon_new(try->loop, try->config, &try->daemon, err);
	if (r == 0) {
		loop_timer_set(try->timeout, REGISTER_TIMEOUT_MS);
		loop_run(try->loop);
		daemon_free(try->daemon);
		standin_free(try->standin);
	}
	loop_signal_free(terminate);
	loop_signal_free(interrupt);
	loop_timer_free(try->timeout);
	return r;
}

/* Everything that kudev makes goes below the temporary directory, and goes with it. */
static void redirect(struct config *config, const char *directory)
{
	free(config->plugin_directory);
	config->plugin_directory = mem_string(directory);
	for (size_t i = 0; i < config->class_count; i++) {
		if (config->classes[i].source != CONFIG_SOURCE_SIMULATE)
			continue;
		free(config->classes[i].simulate.directory);
		config->classes[i].simulate.directory = mem_printf("%s/simulate",
								   directory);
	}
}

/* People read this, so the log is brief and plain unless they ask for more. */
static void set_up_log(const struct options *options, const struct config *config)
{
	bool level_given = options->settings.log_level || getenv("KUDEV_LOG_LEVEL");
	bool format_given = options->settings.log_format || getenv("KUDEV_LOG_FORMAT");

	log_setup(level_given ? config->log_level : LOG_LEVEL_WARN,
		  format_given ? config->log_format : LOG_FORMAT_TEXT);
}

static int try_in(const struct options *options, struct config *config,
		  const char *directory)
{
	KUDEV_AUTO(loop_free) struct loop *loop = NULL;
	KUDEV_AUTO_ERROR struct error err = {0};
	struct try try = {.config = config, .once = options->once};
	int r;

	redirect(config, directory);
	set_up_log(options, config);
	r = loop_new(&loop, &err);
	try.loop = loop;
	if (r == 0)
		r = run_both(&try, directory, &err);
	if (r < 0) {
		fprintf(stderr, "kudev: %s\n", error_message(&err));
		return EXIT_FAILED;
	}
	return try.status;
}

int cli_try(const struct options *options)
{
	KUDEV_AUTO(config_free) struct config *config = NULL;
	char directory[] = "/tmp/kudev-try-XXXXXX";
	int status;

	if (!cli_load_config(options, &config, NULL))
		return EXIT_USAGE;
	if (!mkdtemp(directory)) {
		fprintf(stderr, "kudev: cannot create a directory in /tmp: %s\n",
			strerror(errno));
		return EXIT_FAILED;
	}
	cli_raise_limits();
	printf("kubelet stand-in in %s\n\n", directory);
	status = try_in(options, config, directory);
	remove_directory(directory);
	return status;
}
