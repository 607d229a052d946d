/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/watch.h"
#include "base/worker.h"
#include "daemon.h"
#include "device/health.h"
#include "device/inventory.h"
#include "kubelet/checkpoint.h"
#include "kubelet/plugin.h"
#include "kubelet/registrar.h"
#include "rpc/rpc.h"
#include "source/discovery.h"

#define CHECKPOINT_LOG_INTERVAL_MS 600000

struct daemon {
	struct loop *loop;	     /* owned by the caller */
	const struct config *config; /* owned by the caller */
	struct rpc *rpc;
	struct watcher *watcher;
	struct worker *worker;
	struct inventory *inventory;
	struct discovery *discovery;
	struct health *health;
	struct plugin **plugins; /* one a class, as in the configuration */
	struct registrar *registrar;
	struct stat checkpoint; /* the kubelet's file, when it was read last */
	bool checkpoint_is_known;
	struct log_limit checkpoint_limit;
};

static void on_held(const char *resource, const char *id, int numa_node, void *data)
{
	struct daemon *daemon = data;

	for (size_t i = 0; i < daemon->config->class_count; i++) {
		if (strcmp(daemon->config->classes[i].resource, resource) == 0)
			inventory_hold(daemon->inventory, i, id, numa_node);
	}
}

/* Whether the checkpoint is the one that was read last. */
static bool is_known_checkpoint(struct daemon *daemon)
{
	KUDEV_AUTO_FREE char *path = checkpoint_path(daemon->config->plugin_directory);
	struct stat status = {0};
	bool is_known;

	(void)stat(path, &status);
	is_known = daemon->checkpoint_is_known &&
		   status.st_ino == daemon->checkpoint.st_ino &&
		   status.st_mtim.tv_sec == daemon->checkpoint.st_mtim.tv_sec &&
		   status.st_mtim.tv_nsec == daemon->checkpoint.st_mtim.tv_nsec;
	daemon->checkpoint = status;
	return is_known;
}

static void find_holders(void *data)
{
	struct daemon *daemon = data;
	KUDEV_AUTO_ERROR struct error err = {0};
	uint64_t suppressed;

	if (is_known_checkpoint(daemon))
		return;
	inventory_begin_holders(daemon->inventory);
	daemon->checkpoint_is_known = checkpoint_read(daemon->config->plugin_directory,
						      on_held, daemon, &err) == 0;
	if (daemon->checkpoint_is_known)
		inventory_end_holders(daemon->inventory);
	else if (log_limit_due(&daemon->checkpoint_limit, CHECKPOINT_LOG_INTERVAL_MS,
			       &suppressed))
		log_warn("cannot tell which devices pods hold",
			 LOG_STR("error", error_message(&err)),
			 LOG_COUNT("suppressed", suppressed));
}

/* What pods hold makes a difference to which of several matched devices is which. */
static void reconsider_matches(struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->config->class_count; i++) {
		if (daemon->config->classes[i].source != CONFIG_SOURCE_MATCH)
			continue;
		discovery_rescan(daemon->discovery);
		return;
	}
}

static void on_prepare(const struct config_class *class, struct preparation *preparation,
		       void *data)
{
	struct daemon *daemon = data;

	discovery_prepare(daemon->discovery, (size_t)(class - daemon->config->classes),
			  preparation);
}

static void start_plugins(struct daemon *daemon)
{
	const struct preparer preparer = {.prepare = on_prepare, .data = daemon};
	size_t count = daemon->config->class_count;

	daemon->plugins = mem_zero(count * sizeof(*daemon->plugins));
	for (size_t i = 0; i < count; i++) {
		daemon->plugins[i] = plugin_new(daemon->loop, daemon->inventory,
						inventory_class_at(daemon->inventory, i));
		if (discovery_prepares(&daemon->config->classes[i]))
			plugin_prepare_with(daemon->plugins[i], &preparer);
	}
}

static void on_known(size_t index, void *data)
{
	struct daemon *daemon = data;

	registrar_add(daemon->registrar, daemon->plugins[index]);
}

static void start_registrar(struct daemon *daemon)
{
	/* Another kudev may have served since we looked last. */
	daemon->registrar = registrar_new(daemon->loop, daemon->rpc, daemon->watcher,
					  daemon->config->plugin_directory, find_holders,
					  daemon);
	discovery_when_known(daemon->discovery, on_known, daemon);
}

int daemon_new(struct loop *loop, const struct config *config, struct daemon **ret,
	       struct error *err)
{
	struct daemon *daemon;
	struct rpc *rpc;
	int r = rpc_new(loop, &rpc, err);

	if (r < 0)
		return r;
	log_info("kudev starts", LOG_STR("version", KUDEV_VERSION),
		 LOG_INT("class_count", config->class_count),
		 LOG_STR("plugin_directory", config->plugin_directory));
	daemon = mem_zero(sizeof(*daemon));
	daemon->loop = loop;
	daemon->config = config;
	daemon->rpc = rpc;
	daemon->watcher = watcher_new(loop);
	daemon->worker = worker_new(loop);
	daemon->inventory = inventory_new(config);
	daemon->health = health_new(loop, daemon->worker, config, daemon->inventory,
				    find_holders, daemon);
	daemon->discovery = discovery_new(loop, daemon->watcher, daemon->worker, config,
					  daemon->inventory, find_holders, daemon);
	/* After the first scan, so that what is there keeps its place. */
	find_holders(daemon);
	reconsider_matches(daemon);
	start_plugins(daemon);
	health_start(daemon->health);
	start_registrar(daemon);
	*ret = daemon;
	return 0;
}

void daemon_stop(struct daemon *daemon, loop_callback on_stopped, void *data)
{
	registrar_stop(daemon->registrar);
	daemon->discovery = discovery_free(daemon->discovery);
	rpc_when_idle(daemon->rpc, on_stopped, data);
}

struct daemon *daemon_free(struct daemon *daemon)
{
	if (!daemon)
		return NULL;
	/* Before the worker: what that has to do is known to the sources. */
	discovery_free(daemon->discovery);
	registrar_free(daemon->registrar);
	for (size_t i = 0; i < daemon->config->class_count; i++)
		plugin_free(daemon->plugins[i]);
	free(daemon->plugins);
	worker_free(daemon->worker);
	health_free(daemon->health);
	inventory_free(daemon->inventory);
	watcher_free(daemon->watcher);
	rpc_free(daemon->rpc);
	free(daemon);
	return NULL;
}
