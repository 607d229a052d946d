/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_REGISTRAR_H
#define KUDEV_KUBELET_REGISTRAR_H

/*
 * Keeps every class registered with the kubelet, whatever the kubelet does: each on a
 * fresh socket of its own, served before Register is called, and again on a new
 * kubelet.sock, on the loss of its own socket and on the end of its stream. One class's
 * trouble never touches another.
 *
 * The kubelet (1.33 to 1.36 were read) keeps one client a resource and drops whatever is
 * in that slot when any stream of the resource ends, so a registration is never made
 * beside a living one of ours, and a stream that ends is a reason to register anew. So is the
 * end of another plugin that may have had that slot, of which the kubelet does not tell us.
 * Thread: the loop thread.
 */

#include "base/watch.h"
#include "kubelet/plugin.h"

struct registrar;

/*
 * Takes over the directory: sockets that dead kudevs left in it are removed. The plugins
 * must outlive the registrar. before_attempts runs before a class is registered, once for all
 * that are registered in one go.
 */
struct registrar *registrar_new(struct loop *loop, struct rpc *rpc,
				struct watcher *watcher, const char *directory,
				loop_callback before_attempts, void *data);

/* Registers the plugin, now or as soon as there is a kubelet. */
void registrar_add(struct registrar *registrar, struct plugin *plugin);

/*
 * Ends the registration of the plugin, if there is one. on_removed gets data and runs when no
 * call of it is left, which may be now.
 */
void registrar_remove(struct registrar *registrar, struct plugin *plugin,
		      void (*on_removed)(struct plugin *plugin, void *data), void *data);

/* Registers those anew whose options are not those that the kubelet was told. */
void registrar_renew(struct registrar *registrar);

/* Ends all registrations; rpc_when_idle() tells when their calls are over. */
void registrar_stop(struct registrar *registrar);

/* After registrar_stop(), when the RPCs are idle. */
struct registrar *registrar_free(struct registrar *registrar);

#endif
