/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_KUBELET_H
#define BENCH_KUBELET_H

/*
 * A kubelet as far as a device plugin can tell, with a clock: it notes when each thing
 * happened and does nothing that the measurements do not ask for. Each program is
 * measured with the same one, so its own share of a time is in both figures. It can die
 * and come back, and it waits: the measurements are written from top to bottom. Thread:
 * the loop's.
 */

#include "rpc/rpc.h"

/* One resource that a plugin has registered. Pointers to it stay good. */
struct kubelet_resource {
	struct kubelet *kubelet;
	char *name;
	char *path; /* of the plugin's socket */
	struct rpc_connection *connection;
	struct rpc_request *options;
	struct rpc_request *watch;
	struct rpc_call *registering;
	size_t lists; /* that have come since it registered */
	size_t device_count;
	size_t healthy_count;
	char *device_id;    /* the first of the last list */
	int64_t changed_ns; /* when the last list had come */
	struct kubelet_resource *next;
};

struct kubelet {
	struct loop *loop;
	struct rpc *rpc;
	struct loop_timer *timer;
	bool expired;
	char *directory;
	struct rpc_server *server; /* NULL: dead */
	struct kubelet_resource *resources;

	size_t register_count;	   /* Registers that came */
	size_t registered_count;   /* that were answered with success */
	size_t listed_count;	   /* that led to a list */
	int64_t first_register_ns; /* when the first Register came */
	int64_t registered_ns;	   /* when the last answer was given */
	int64_t listed_ns;	   /* when the last first list had come */
};

/* CLOCK_MONOTONIC in nanoseconds. */
int64_t clock_ns(void);

/* Dead at first. */
int kubelet_new(struct loop *loop, const char *directory, struct kubelet **ret,
		struct error *err);
struct kubelet *kubelet_free(struct kubelet *kubelet);

/* Makes kubelet.sock and serves Registration, after removing all other sockets. */
int kubelet_start(struct kubelet *kubelet, struct error *err);

/* Ends all calls and connections, as when the process dies; kubelet.sock stays. */
void kubelet_kill(struct kubelet *kubelet);

typedef bool (*kubelet_condition)(const struct kubelet *kubelet, void *data);

/* Lets things happen until the condition holds; -ETIMEDOUT if it does not in time. */
int kubelet_wait(struct kubelet *kubelet, kubelet_condition is_met, void *data,
		 int64_t timeout_ms, const char *what, struct error *err);

/* Lets things happen for some time. */
void kubelet_pause(struct kubelet *kubelet, int64_t time_ms);

/*
 * Calls a method of a plugin; the callbacks of the request should end with loop_stop().
 */
struct rpc_request *kubelet_call(struct rpc_connection *connection, const char *method,
				 const ProtobufCMessage *content,
				 const struct rpc_request_callbacks *callbacks,
				 void *data);

KUDEV_DEFINE_CLEANUP(struct kubelet *, kubelet_free)

#endif
