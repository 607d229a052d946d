/* SPDX-License-Identifier: Apache-2.0 */
#include <limits.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/log.h"
#include "kubelet/checkpoint.h"
#include "kubelet/holders.h"
#include "kubelet/podresources.h"

/* While devices are held; a release is seen that late at most. */
#define HELD_MS 15000
/* After an Allocate: the kubelet has its answer by then. */
#define GRANTED_MS 300
/* Those of many pods, and what goes at once, are looked at together. */
#define STIR_MS 200
/* The checkpoint changes with every Allocate of every plugin. */
#define REREAD_MS 1000
/* How often to look whether a pod has ended that has what another class waits for. */
#define RECHECK_MS 10000
/*
 * A kubelet that starts frees nothing yet, so that the checkpoint may be written too soon;
 * and what only an init container holds is in doubt as long as its pod lives.
 */
#define DOUBT_AGAIN_MS 600000
#define CHECKPOINT_LOG_INTERVAL_MS 600000

struct holders {
	struct inventory *inventory; /* owned by the caller */
	const struct holders_callbacks *callbacks;
	const struct config *config; /* owned by the caller; another one after a reload */
	struct podresources *podresources; /* NULL: off */
	struct watch *watch;		   /* of the plugin directory */
	struct loop_timer *reread;
	struct loop_timer *recheck;
	uint64_t releases;	   /* of nodes, when they were seen last */
	struct loop_timer *review; /* of what there is to wait for */
	struct loop_timer *release;
	struct file_stamp checkpoint; /* when it was read last */
	bool checkpoint_is_known;
	struct log_limit checkpoint_limit;
	int64_t asked_ms; /* the last List that was answered; 0: it counts no more */
	int64_t doubted_ms;
	bool is_stopped;
};

static void add_holder(struct holders *holders, const char *resource, const char *id,
		       int numa_node, const struct holder *holder)
{
	struct inventory_class *class = inventory_find_class(holders->inventory,
							     resource);

	if (class)
		inventory_hold(holders->inventory, class, id, numa_node, holder);
}

/* After each reckoning. */
static void settle(struct holders *holders, bool is_news)
{
	uint64_t releases = inventory_releases(holders->inventory);

	if (holders->is_stopped)
		return;
	if (releases != holders->releases)
		is_news = true;
	holders->releases = releases;
	if (holders->asked_ms > 0 && holders->checkpoint_is_known &&
	    inventory_forget(holders->inventory, holders->asked_ms,
			     holders->config->forget_after_ms) > 0)
		is_news = true;
	/* Not now: it may be a source that has asked. */
	if (is_news)
		loop_timer_set(holders->release, 0);
	loop_timer_set(holders->review, 0);
}

/* Without inotify, nothing else tells. */
static void await_releases(struct holders *holders)
{
	if (!holders->is_stopped && inventory_awaits_release(holders->inventory) &&
	    !loop_timer_is_set(holders->recheck))
		loop_timer_set(holders->recheck, RECHECK_MS);
}

/* The checkpoint. */

static void on_held(const char *resource, const char *id, int numa_node, void *data)
{
	add_holder(data, resource, id, numa_node, NULL);
}

/* Whether the checkpoint is the one that was read last. */
static bool is_known_checkpoint(struct holders *holders)
{
	KUDEV_AUTO_FREE char *path = checkpoint_path(holders->config->plugin_directory);
	struct file_stamp stamp = file_stamp(path);
	bool is_known = holders->checkpoint_is_known &&
			file_is_same(&holders->checkpoint, &stamp);

	holders->checkpoint = stamp;
	return is_known;
}

static void read_checkpoint(struct holders *holders)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	uint64_t suppressed;

	inventory_begin_holders(holders->inventory, HOLD_CHECKPOINT);
	holders->checkpoint_is_known = checkpoint_read(holders->config->plugin_directory,
						       on_held, holders, &err) == 0;
	if (holders->checkpoint_is_known) {
		settle(holders, inventory_end_holders(holders->inventory));
		holders->callbacks->on_checkpoint(holders->callbacks->data);
	} else if (log_limit_due(&holders->checkpoint_limit, CHECKPOINT_LOG_INTERVAL_MS,
				 &suppressed)) {
		log_warn("cannot tell which devices pods hold",
			 LOG_STR("error", error_message(&err)),
			 LOG_COUNT("suppressed", suppressed));
	}
}

void holders_find(void *data)
{
	struct holders *holders = data;

	if (!is_known_checkpoint(holders))
		read_checkpoint(holders);
	await_releases(holders);
}

static void on_directory_change(void *data)
{
	struct holders *holders = data;

	if (!loop_timer_is_set(holders->reread))
		loop_timer_set(holders->reread, REREAD_MS);
}

/* PodResources. */

/* LIST_NUMA_UNKNOWN if it has none. */
static int numa_node_of(const V1__ContainerDevices *devices)
{
	const V1__TopologyInfo *topology = devices->topology;

	if (!topology || topology->n_nodes == 0 || topology->nodes[0]->id < 0 ||
	    topology->nodes[0]->id > INT_MAX)
		return LIST_NUMA_UNKNOWN;
	return (int)topology->nodes[0]->id;
}

static void add_container(struct holders *holders, const V1__PodResources *pod,
			  const V1__ContainerResources *container)
{
	const struct holder holder = {
		.pod_namespace = pod->namespace_,
		.pod = pod->name,
		.container = container->name,
	};

	for (size_t i = 0; i < container->n_devices; i++) {
		const V1__ContainerDevices *devices = container->devices[i];

		for (size_t j = 0; j < devices->n_device_ids; j++) {
			if (devices->device_ids[j][0] != '\0')
				add_holder(holders, devices->resource_name,
					   devices->device_ids[j], numa_node_of(devices),
					   &holder);
		}
	}
}

static void on_answer(const V1__ListPodResourcesResponse *answer, int64_t asked_ms,
		      void *data)
{
	struct holders *holders = data;

	if (!answer) {
		holders->asked_ms = 0;
		settle(holders, inventory_drop_holders(holders->inventory, HOLD_LIST));
		return;
	}
	/* First, as both are to count that are newer than the device's end. */
	holders_find(holders);
	inventory_begin_holders(holders->inventory, HOLD_LIST);
	for (size_t i = 0; i < answer->n_pod_resources; i++) {
		const V1__PodResources *pod = answer->pod_resources[i];

		for (size_t j = 0; j < pod->n_containers; j++)
			add_container(holders, pod, pod->containers[j]);
	}
	holders->asked_ms = asked_ms;
	settle(holders, inventory_end_holders(holders->inventory));
}

/* What to do next. */

static void resolve_doubts(struct holders *holders)
{
	bool again = clock_ms() - holders->doubted_ms >= DOUBT_AGAIN_MS;

	if (!inventory_find_doubt(holders->inventory, again))
		return;
	holders->doubted_ms = clock_ms();
	holders->callbacks->on_doubt(holders->callbacks->data);
}

static void on_review(void *data)
{
	struct holders *holders = data;
	struct hold_review review;

	if (!holders->podresources)
		return;
	resolve_doubts(holders);
	inventory_review_holds(holders->inventory, holders->config->forget_after_ms,
			       &review);
	if (review.granted_ms > holders->asked_ms)
		podresources_refresh_in(holders->podresources, GRANTED_MS);
	if (review.is_any_held)
		podresources_refresh_in(holders->podresources, HELD_MS);
	if (review.forget_in_ms >= 0)
		podresources_refresh_in(holders->podresources, review.forget_in_ms + 1);
}

static void on_stir(void *data)
{
	struct holders *holders = data;

	if (holders->podresources && !loop_timer_is_set(holders->review))
		loop_timer_set(holders->review, STIR_MS);
}

static void on_release(void *data)
{
	struct holders *holders = data;

	holders->callbacks->on_release(holders->callbacks->data);
}

void holders_change(struct holders *holders, const struct config *next)
{
	holders->config = next;
	holders->checkpoint_is_known = false;
	holders_find(holders);
	holders_refresh(holders);
}

void holders_refresh(struct holders *holders)
{
	if (holders->podresources)
		podresources_refresh_in(holders->podresources, 0);
}

struct holders *holders_new(struct loop *loop, struct rpc *rpc, struct watcher *watcher,
			    const struct config *config, struct inventory *inventory,
			    const struct holders_callbacks *callbacks)
{
	struct holders *holders = mem_zero(sizeof(*holders));

	holders->config = config;
	holders->inventory = inventory;
	holders->callbacks = callbacks;
	holders->reread = loop_timer_new(loop, holders_find, holders);
	holders->recheck = loop_timer_new(loop, holders_find, holders);
	holders->review = loop_timer_new(loop, on_review, holders);
	holders->release = loop_timer_new(loop, on_release, holders);
	holders->watch = watch_new(watcher, config->plugin_directory, on_directory_change,
				   holders);
	inventory_observe_holds(inventory, on_stir, holders);
	if (strcmp(config->pod_resources, "none") == 0)
		return holders;
	inventory_expect_holders(inventory, HOLD_LIST);
	holders->podresources = podresources_new(
		loop, rpc, watcher, config->pod_resources, on_answer, holders);
	return holders;
}

void holders_stop(struct holders *holders)
{
	holders->is_stopped = true;
	inventory_observe_holds(holders->inventory, NULL, NULL);
	holders->watch = watch_free(holders->watch);
	loop_timer_cancel(holders->reread);
	loop_timer_cancel(holders->recheck);
	loop_timer_cancel(holders->review);
	loop_timer_cancel(holders->release);
	if (holders->podresources)
		podresources_stop(holders->podresources);
}

struct holders *holders_free(struct holders *holders)
{
	if (!holders)
		return NULL;
	podresources_free(holders->podresources);
	watch_free(holders->watch);
	loop_timer_free(holders->reread);
	loop_timer_free(holders->recheck);
	loop_timer_free(holders->review);
	loop_timer_free(holders->release);
	free(holders);
	return NULL;
}
