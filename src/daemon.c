/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <utlist.h>

#include "base/log.h"
#include "base/watch.h"
#include "base/worker.h"
#include "daemon.h"
#include "device/health.h"
#include "device/inventory.h"
#include "http/site.h"
#include "kubelet/holders.h"
#include "kubelet/plugin.h"
#include "kubelet/registrar.h"
#include "kubelet/specfile.h"
#include "rpc/rpc.h"
#include "source/discovery.h"

/* The plugin of a class that is gone, until its calls are over. */
struct leaver {
	struct plugin *plugin;
	struct leaver *next;
};

struct daemon {
	struct loop *loop;	     /* owned by the caller */
	const struct config *config; /* owned by the caller; another one after a reload */
	struct rpc *rpc;
	struct watcher *watcher;
	struct worker *worker;
	struct inventory *inventory;
	struct discovery *discovery;
	struct health *health;
	struct plugin **plugins;     /* one a class, as in the configuration */
	struct specfile **specfiles; /* likewise; NULL: it has none, or not yet */
	struct leaver *leavers;
	struct registrar *registrar;
	struct holders *holders;
	struct holders_callbacks holders_callbacks;
	struct reload_state reload;
	struct http_view view;
	struct site *site;
};

/* Whether what pods hold makes a difference to what the class has. */
static bool asks_holders(const struct inventory_class *class)
{
	return class->config->source == CONFIG_SOURCE_MATCH ||
	       class->config->source == CONFIG_SOURCE_V4L2LOOPBACK ||
	       class->refused > 0 || class->conflicts->total > 0;
}

static void reconsider(struct daemon *daemon)
{
	for (size_t i = 0; i < daemon->config->class_count; i++) {
		if (!asks_holders(inventory_class_at(daemon->inventory, i)))
			continue;
		discovery_rescan(daemon->discovery);
		return;
	}
}

/* Specs of classes that are gone are of use as long as a pod holds one of their devices. */
static void on_checkpoint(void *data)
{
	const struct daemon *daemon = data;

	specfile_sweep(daemon->config);
}

static void on_release(void *data)
{
	struct daemon *daemon = data;

	discovery_retry(daemon->discovery);
	reconsider(daemon);
}

/* The kubelet writes down all at once, so that the list of any class will do. */
static void on_doubt(void *data)
{
	struct daemon *daemon = data;

	for (size_t i = 0; i < daemon->config->class_count; i++) {
		if (plugin_resend(daemon->plugins[i]))
			return;
	}
}

static void on_prepare(const struct config_class *class, struct preparation *preparation,
		       void *data)
{
	struct daemon *daemon = data;

	discovery_prepare(daemon->discovery, class, preparation);
	holders_refresh(daemon->holders);
}

/* As the class is configured now. */
static void set_up_plugin(struct daemon *daemon, const struct config *config,
			  size_t index)
{
	const struct preparer preparer = {.prepare = on_prepare, .data = daemon};
	struct plugin **plugin = &daemon->plugins[index];

	if (!*plugin)
		*plugin = plugin_new(daemon->loop, daemon->inventory,
				     inventory_class_at(daemon->inventory, index));
	plugin_prepare_with(
		*plugin, discovery_prepares(&config->classes[index]) ? &preparer : NULL);
}

static void start_plugins(struct daemon *daemon)
{
	size_t count = daemon->config->class_count;

	daemon->plugins = mem_zero(count * sizeof(*daemon->plugins));
	daemon->specfiles = mem_zero(count * sizeof(*daemon->specfiles));
	for (size_t i = 0; i < count; i++)
		set_up_plugin(daemon, daemon->config, i);
}

/* Not before its devices are known, or pods that hold some could not start again. */
static void set_up_specfile(struct daemon *daemon, size_t index)
{
	const struct config *config = daemon->config;
	struct specfile **specfile = &daemon->specfiles[index];

	if (*specfile && config->classes[index].cdi.write)
		specfile_refresh(*specfile);
	else if (*specfile)
		*specfile = specfile_free(*specfile);
	else if (config->classes[index].cdi.write &&
		 discovery_knows(daemon->discovery, index))
		*specfile = specfile_new(daemon->loop, daemon->watcher, daemon->inventory,
					 inventory_class_at(daemon->inventory, index),
					 config->cdi_directory);
	plugin_name_with(daemon->plugins[index], *specfile);
}

static void on_known(size_t index, void *data)
{
	struct daemon *daemon = data;

	set_up_specfile(daemon, index);
	registrar_add(daemon->registrar, daemon->plugins[index]);
}

static void start_registrar(struct daemon *daemon)
{
	/* Another kudev may have served since we looked last. */
	daemon->registrar = registrar_new(daemon->loop, daemon->rpc, daemon->watcher,
					  daemon->config->plugin_directory, holders_find,
					  daemon->holders);
	discovery_when_known(daemon->discovery, on_known, daemon);
}

/* What the site is to show from now on. */
static void show_classes(struct daemon *daemon)
{
	daemon->view.config = daemon->config;
	daemon->view.plugins = daemon->plugins;
}

static void start_site(struct daemon *daemon)
{
	time_t now = time(NULL);

	daemon->reload = (struct reload_state){
		.generation = 1,
		.is_ok = true,
		.tried = now,
		.succeeded = now,
	};
	daemon->view = (struct http_view){
		.inventory = daemon->inventory,
		.registrar = daemon->registrar,
		.discovery = daemon->discovery,
		.holders = daemon->holders,
		.worker = daemon->worker,
		.reload = &daemon->reload,
		.started = now,
	};
	show_classes(daemon);
	daemon->site = site_new(daemon->loop, daemon->worker, &daemon->view);
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
	daemon->holders_callbacks = (struct holders_callbacks){
		.on_release = on_release,
		.on_doubt = on_doubt,
		.on_checkpoint = on_checkpoint,
		.data = daemon,
	};
	daemon->holders = holders_new(loop, rpc, daemon->watcher, config,
				      daemon->inventory, &daemon->holders_callbacks);
	daemon->health = health_new(loop, daemon->worker, config, daemon->inventory,
				    holders_find, daemon->holders);
	daemon->discovery = discovery_new(loop, daemon->watcher, daemon->worker, config,
					  daemon->inventory, holders_find,
					  daemon->holders);
	/* After the first scan, so that what is there keeps its place. */
	holders_find(daemon->holders);
	reconsider(daemon);
	start_plugins(daemon);
	health_start(daemon->health);
	start_registrar(daemon);
	start_site(daemon);
	*ret = daemon;
	return 0;
}

static void on_left(struct plugin *plugin, void *data)
{
	struct daemon *daemon = data;
	struct leaver *leaver;

	LL_SEARCH_SCALAR(daemon->leavers, leaver, plugin, plugin);
	LL_DELETE(daemon->leavers, leaver);
	free(leaver);
	plugin_free(plugin);
}

static void remove_plugin(void *item, void *data)
{
	struct daemon *daemon = data;
	struct leaver *leaver = mem_zero(sizeof(*leaver));
	const struct config_class *class = plugin_class(item);

	log_info("class removed", LOG_STR("class", class->name),
		 LOG_STR("resource", class->resource));
	plugin_name_with(item, NULL);
	leaver->plugin = item;
	LL_PREPEND(daemon->leavers, leaver);
	registrar_remove(daemon->registrar, item, on_left, daemon);
}

static void remove_specfile(void *item, void *data)
{
	(void)data;
	specfile_free(item);
}

static void change_plugins(struct daemon *daemon, const struct config_change *change)
{
	daemon->plugins = config_change_apply(change, daemon->plugins, remove_plugin,
					      daemon);
	daemon->specfiles = config_change_apply(change, daemon->specfiles,
						remove_specfile, NULL);
	for (size_t i = 0; i < change->next->class_count; i++) {
		const struct config_class *class = &change->next->classes[i];

		if (change->steps[i].change == CLASS_SAME)
			continue;
		log_info(daemon->plugins[i] ? "class changed" : "class added",
			 LOG_STR("class", class->name),
			 LOG_STR("resource", class->resource));
		set_up_plugin(daemon, change->next, i);
	}
}

static void change_specfiles(struct daemon *daemon, const struct config_change *change)
{
	for (size_t i = 0; i < change->next->class_count; i++) {
		if (change->steps[i].change == CLASS_CHANGED)
			set_up_specfile(daemon, i);
	}
}

/* From the one truth to those who tell of it, as at the start. */
void daemon_change(struct daemon *daemon, const struct config *next)
{
	KUDEV_AUTO_CONFIG_CHANGE struct config_change change = {0};

	holders_find(daemon->holders);
	config_compare(daemon->config, next, &change);
	inventory_change(daemon->inventory, &change);
	health_change(daemon->health, &change);
	change_plugins(daemon, &change);
	daemon->config = next;
	discovery_change(daemon->discovery, &change);
	change_specfiles(daemon, &change);
	registrar_renew(daemon->registrar);
	/* What pods hold of classes that are new. */
	holders_change(daemon->holders, next);
	reconsider(daemon);
	show_classes(daemon);
}

struct reload_state *daemon_reload_state(struct daemon *daemon)
{
	return &daemon->reload;
}

void daemon_stop(struct daemon *daemon, loop_callback on_stopped, void *data)
{
	/* What it looks at ends; and another kudev may wait for the address. */
	daemon->site = site_free(daemon->site);
	registrar_stop(daemon->registrar);
	daemon->discovery = discovery_free(daemon->discovery);
	holders_stop(daemon->holders);
	rpc_when_idle(daemon->rpc, on_stopped, data);
}

struct daemon *daemon_free(struct daemon *daemon)
{
	struct leaver *leaver;
	struct leaver *next;

	if (!daemon)
		return NULL;
	site_free(daemon->site);
	/* Before the worker: what that has to do is known to the sources. */
	discovery_free(daemon->discovery);
	registrar_free(daemon->registrar);
	for (size_t i = 0; i < daemon->config->class_count; i++) {
		plugin_free(daemon->plugins[i]);
		specfile_free(daemon->specfiles[i]);
	}
	free(daemon->plugins);
	free(daemon->specfiles);
	LL_FOREACH_SAFE(daemon->leavers, leaver, next) {
		plugin_free(leaver->plugin);
		free(leaver);
	}
	worker_free(daemon->worker);
	health_free(daemon->health);
	holders_free(daemon->holders);
	free(daemon->reload.error);
	inventory_free(daemon->inventory);
	watcher_free(daemon->watcher);
	rpc_free(daemon->rpc);
	free(daemon);
	return NULL;
}

struct watcher *daemon_watcher(struct daemon *daemon)
{
	return daemon->watcher;
}
