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

/* Why a registration failed. */
enum registration_failure {
	REGISTRATION_UNREACHABLE, /* nobody answers at kubelet.sock */
	REGISTRATION_REFUSED,	  /* by the kubelet, or the call broke off */
	REGISTRATION_UNHEARD,	  /* the kubelet accepted, but asked for no devices */
	REGISTRATION_UNSERVED,	  /* our own socket could not be made */
	REGISTRATION_FAILURE_MAX,
};

/* How it stands with the registration of a class; strings are borrowed. */
struct registration_status {
	bool is_registered;	/* the kubelet has accepted, and it still holds */
	bool is_streamed;	/* the kubelet follows the list of devices */
	const char *waits_for;	/* what has to happen; NULL: both of the above */
	const char *error;	/* of the last attempt; NULL: it succeeded */
	const char *endpoint;	/* the name of our socket; NULL: there is none */
	int64_t since_ms;	/* when it was registered last, by clock_ms(); 0: never */
	uint64_t registrations; /* that succeeded, since the start */
	uint64_t ended;		/* of these, or served in vain */
	uint64_t failures[REGISTRATION_FAILURE_MAX];
	int64_t registered_ms; /* how long it was in all */
};

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
 * Ends the registration of the plugin. on_removed gets data and runs when no call of it is left
 * and the kubelet knows, until when no other plugin of the resource is registered; at once if
 * it was not added.
 */
void registrar_remove(struct registrar *registrar, struct plugin *plugin,
		      void (*on_removed)(struct plugin *plugin, void *data), void *data);

/* Registers those anew whose options are not those that the kubelet was told. */
void registrar_renew(struct registrar *registrar);
/* False: the plugin was not added yet. */
bool registrar_describe(const struct registrar *registrar, const struct plugin *plugin,
			struct registration_status *ret);

/* How often another kubelet came in the place of one. */
uint64_t registrar_kubelet_restarts(const struct registrar *registrar);

/* Ends all registrations; rpc_when_idle() tells when their calls are over. */
void registrar_stop(struct registrar *registrar);

/* After registrar_stop(), when the RPCs are idle. */
struct registrar *registrar_free(struct registrar *registrar);

#endif
