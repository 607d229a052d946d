/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/reload.h"
#include "daemon.h"

/* A peer that hangs must not keep the process: the kubelet waits for the pod's end. */
#define STOP_TIMEOUT_MS 800

struct run {
	struct loop *loop;
	struct daemon *daemon;
	struct reload *reload;
	struct loop_timer *stop_timeout;
	bool stopping;
};

static void on_stopped(void *data)
{
	struct run *run = data;

	loop_stop(run->loop);
}

static void on_stop_timeout(void *data)
{
	(void)data;
	log_warn("stopped without waiting for a peer that hangs",
		 LOG_INT("timeout_ms", STOP_TIMEOUT_MS));
	_exit(EXIT_OK);
}

static void on_signal(int signum, void *data)
{
	struct run *run = data;

	if (run->stopping)
		return;
	run->stopping = true;
	log_info("stopping", LOG_STR("signal", sigabbrev_np(signum)));
	loop_timer_set(run->stop_timeout, STOP_TIMEOUT_MS);
	reload_stop(run->reload);
	daemon_stop(run->daemon, on_stopped, run);
}

/* Until they are taken over, they wait; after that it is too late for them. */
static void block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
}

/* Takes the configuration over. */
static int run_daemon(struct loop *loop, struct config *config,
		      const struct settings *settings)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	struct run run = {.loop = loop};
	struct loop_signal *terminate = loop_signal_new(loop, SIGTERM, on_signal, &run);
	struct loop_signal *interrupt = loop_signal_new(loop, SIGINT, on_signal, &run);
	int status = EXIT_OK;

	run.stop_timeout = loop_timer_new(loop, on_stop_timeout, &run);
	if (daemon_new(loop, config, &run.daemon, &err) == 0) {
		run.reload = reload_new(loop, run.daemon, config, settings);
		loop_run(loop);
		log_info("stopped", LOG_STR("version", KUDEV_VERSION));
		daemon_free(run.daemon);
		reload_free(run.reload);
	} else {
		log_error("cannot start", LOG_STR("error", error_message(&err)));
		config_free(config);
		status = EXIT_FAILED;
	}
	loop_timer_free(run.stop_timeout);
	loop_signal_free(terminate);
	loop_signal_free(interrupt);
	return status;
}

int cli_run(const struct options *options)
{
	KUDEV_AUTO(config_free) struct config *config = NULL;
	KUDEV_AUTO(loop_free) struct loop *loop = NULL;
	KUDEV_AUTO_ERROR struct error err = {0};

	block_signals();
	if (!cli_load_config(&options->settings, &config, NULL))
		return EXIT_USAGE;
	log_unblock();
	log_setup(config->log_level, config->log_format);
	log_keep();
	cli_raise_limits();
	if (loop_new(&loop, &err) < 0) {
		log_error("cannot start", LOG_STR("error", error_message(&err)));
		return EXIT_FAILED;
	}
	return run_daemon(loop, take_ptr(config), &options->settings);
}
