/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_PLUGIN_H
#define KUDEV_KUBELET_PLUGIN_H

/*
 * The DevicePlugin service of one class: streams the inventory's list to whoever listens,
 * and answers the kubelet's calls from it. It serves any number of servers at once, since
 * a registration that ends may overlap the next one. Thread: the loop thread.
 */

#include "device/inventory.h"
#include "kubelet/prestart.h"
#include "kubelet/specfile.h"
#include "rpc/rpc.h"

/* A ListAndWatch stream was opened or closed on this server; its address tells it apart. */
typedef void (*plugin_stream_callback)(struct rpc_server *server, const void *stream,
				       bool opened, void *data);

struct plugin;

struct plugin *plugin_new(struct loop *loop, struct inventory *inventory,
			  struct inventory_class *class);

/* Only when the servers that it serves have stopped. */
struct plugin *plugin_free(struct plugin *plugin);

void plugin_observe_streams(struct plugin *plugin, plugin_stream_callback on_stream,
			    void *data);

const struct config_class *plugin_class(const struct plugin *plugin);

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
