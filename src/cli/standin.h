/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CLI_STANDIN_H
#define KUDEV_CLI_STANDIN_H

/*
 * A stand-in for the kubelet: serves Registration on kubelet.sock, and uses each plugin
 * that registers as the kubelet's device manager does: asks for its options while
 * Register is under way, watches its list, and allocates devices. It keeps no pods and no
 * checkpoint. Thread: the loop thread.
 */

#include "deviceplugin/v1beta1/api.pb-c.h"
#include "rpc/rpc.h"

struct standin;

/* One resource that was registered. */
struct standin_resource {
	struct standin *standin;
	char *name;
	char *endpoint;
	bool prefers;			     /* offers GetPreferredAllocation */
	V1beta1__ListAndWatchResponse *list; /* the last one; NULL: none yet */
	bool connected;

	struct rpc_connection *connection;
	struct rpc_request *options;
	struct rpc_request *watch;
	struct rpc_request *allocate;
	struct rpc_call *registering; /* the Register that is being answered */
	char *device_id;	      /* that is being allocated */
	struct standin_resource *next;
};

struct standin_callbacks {
	/* A new list has come; previous is the one before, or NULL. */
	void (*on_list)(struct standin_resource *resource,
			const V1beta1__ListAndWatchResponse *previous, void *data);
	/* The answer to standin_allocate(); response is NULL if it failed. */
	void (*on_allocated)(struct standin_resource *resource, const char *device_id,
			     const V1beta1__AllocateResponse *response, const char *text,
			     void *data);
};

/* Serves in an existing directory, in which the sockets of the plugins are looked for. */
int standin_new(struct loop *loop, const char *directory,
		const struct standin_callbacks *callbacks, void *data,
		struct standin **ret, struct error *err);

/* Ends all calls; on_stopped runs when the last one is over. */
void standin_stop(struct standin *standin, loop_callback on_stopped, void *data);

/* After on_stopped. */
struct standin *standin_free(struct standin *standin);

/* NULL if the resource has not registered. */
struct standin_resource *standin_find(struct standin *standin, const char *name);

/*
 * Allocates one healthy device, the preferred one where the plugin has a preference.
 * Returns false if there is none, and calls back otherwise.
 */
bool standin_allocate(struct standin_resource *resource);

size_t standin_count_healthy(const V1beta1__ListAndWatchResponse *list);

#endif
