/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_PLUGIN_H
#define KUDEV_KUBELET_PLUGIN_H

/*
 * The DevicePlugin service of one class: streams the inventory's list to whoever listens,
 * and answers the kubelet's calls from it. It serves any number of servers at once, since
 * a registration that ends may overlap the next one. Thread: the loop thread.
 */

#include "base/histogram.h"
#include "device/inventory.h"
#include "kubelet/prestart.h"
#include "kubelet/specfile.h"
#include "rpc/rpc.h"

/* A ListAndWatch stream was opened or closed on this server; its address tells it apart. */
typedef void (*plugin_stream_callback)(struct rpc_server *server, const void *stream,
				       bool opened, void *data);

/* Why Allocate failed. */
enum allocation_failure {
	ALLOCATION_UNKNOWN,	/* the class has no such device */
	ALLOCATION_UNAVAILABLE, /* the device can't be had */
	ALLOCATION_MALFORMED,	/* the request is none that a kubelet makes */
	ALLOCATION_TOO_LARGE,	/* the answer is more than a kubelet takes */
	ALLOCATION_FAILURE_MAX,
};

/* Since the start. */
struct plugin_stats {
	uint64_t allocations;	       /* that succeeded */
	uint64_t allocated_containers; /* in them */
	uint64_t allocated_devices;    /* likewise */
	uint64_t allocations_failed[ALLOCATION_FAILURE_MAX];
	struct histogram allocation_times; /* of all */
	uint64_t preferred;		   /* preferred allocations that were asked for */
	uint64_t preferred_failed;	   /* of these */
	uint64_t streams_opened;
	size_t streams; /* that are open now */
	uint64_t lists_sent;
	struct histogram update_times; /* from an event to the list that tells of it */
	struct prestart_stats prestart;
};

struct plugin;

struct plugin *plugin_new(struct loop *loop, struct inventory *inventory,
			  struct inventory_class *class);

/* Only when the servers that it serves have stopped. */
struct plugin *plugin_free(struct plugin *plugin);

void plugin_observe_streams(struct plugin *plugin, plugin_stream_callback on_stream,
			    void *data);

const struct config_class *plugin_class(const struct plugin *plugin);

const struct plugin_stats *plugin_stats(const struct plugin *plugin);

/* Serves the class on a listening socket, which the server owns from now on. */
struct rpc_server *plugin_serve(struct plugin *plugin, struct rpc *rpc, int listen_fd);

/*
 * Sends the list soon, although it has not changed: to a kubelet that seems not to know it,
 * or to have it write down what pods hold, which it does with each list. Returns whether
 * anybody listens.
 */
bool plugin_resend(struct plugin *plugin);

/* From then on devices are made ready before each start of a container; NULL: no more. */
void plugin_prepare_with(struct plugin *plugin, const struct preparer *preparer);

/* From then on devices are handed out by CDI names too, while their spec is in its place. */
void plugin_name_with(struct plugin *plugin, const struct specfile *specfile);

/* What GetDevicePluginOptions says. */
bool plugin_prefers(const struct plugin *plugin);
bool plugin_prepares(const struct plugin *plugin);

#endif
