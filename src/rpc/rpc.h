/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_RPC_RPC_H
#define KUDEV_RPC_RPC_H

/*
 * gRPC over unix sockets, on the loop: servers, one per socket, and client requests. The
 * gRPC C core is behind it, and no other room includes its headers.
 *
 * Thread: every function is for the loop thread, and every callback runs there. One pump
 * thread waits for the core's completions and posts them to the loop; the core has
 * threads of its own besides. A process may not fork after rpc_new().
 */

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/loop.h"

/* What grpc-go takes by default, so what the kubelet takes (client.go sets no limit). */
#define RPC_MAX_MESSAGE_SIZE (4U * 1024 * 1024)

/* The numbers are gRPC's. */
enum rpc_status {
	RPC_OK = 0,
	RPC_CANCELLED = 1,
	RPC_UNKNOWN = 2,
	RPC_INVALID_ARGUMENT = 3,
	RPC_DEADLINE_EXCEEDED = 4,
	RPC_NOT_FOUND = 5,
	RPC_RESOURCE_EXHAUSTED = 8,
	RPC_FAILED_PRECONDITION = 9,
	RPC_UNIMPLEMENTED = 12,
	RPC_INTERNAL = 13,
	RPC_UNAVAILABLE = 14,
};

struct rpc;
struct rpc_message;
struct rpc_server;
struct rpc_call;
struct rpc_connection;
struct rpc_request;

/* Starts the core and the pump thread. */
int rpc_new(struct loop *loop, struct rpc **ret, struct error *err);

/* Only when no server, call or request is left: see rpc_when_idle(). */
struct rpc *rpc_free(struct rpc *rpc);

/* Calls on_idle once, as soon as the core works on nothing for us any more. */
void rpc_when_idle(struct rpc *rpc, loop_callback on_idle, void *data);

/*
 * An encoded message; it may be sent any number of times, and freed after that at once.
 */
struct rpc_message *rpc_message_new(const ProtobufCMessage *content);
struct rpc_message *rpc_message_free(struct rpc_message *message);
size_t rpc_message_size(const struct rpc_message *message);

/*
 * Decodes; NULL if the bytes are no such message or a string in it is not UTF-8. The
 * caller frees it with the function generated for the type.
 */
ProtobufCMessage *rpc_message_decode(const ProtobufCMessageDescriptor *type,
				     const void *bytes, size_t size);

/*
 * A method, e.g. "/v1beta1.DevicePlugin/Allocate". handle must answer the call, now or
 * later, with exactly one of rpc_call_reply() and rpc_call_fail(), or with
 * rpc_call_stream() if the method is a stream. The bytes are borrowed until it returns.
 */
struct rpc_method {
	const char *path;
	bool is_stream; /* answers with any number of messages */
	void (*handle)(struct rpc_call *call, const void *bytes, size_t size, void *data);
};

/*
 * Serves the methods on a listening non-blocking socket, which the server owns from now
 * on. Other methods are answered UNIMPLEMENTED. methods must outlive the server.
 */
struct rpc_server *rpc_server_new(struct rpc *rpc, int listen_fd,
				  const struct rpc_method *methods, size_t method_count,
				  void *data);

/*
 * Stops listening, ends all calls and closes all connections; the server frees itself. It
 * first gives answers some 300 ms to get to their callers.
 * Handlers and stream callbacks still run until on_stopped (may be NULL) was called.
 */
void rpc_server_stop(struct rpc_server *server, loop_callback on_stopped, void *data);

/* Ends a call; the call is gone for the caller. The message is shared, not taken. */
void rpc_call_reply(struct rpc_call *call, struct rpc_message *message);
void rpc_call_fail(struct rpc_call *call, enum rpc_status status, const char *text);

struct rpc_stream_callbacks {
	/* The message that was sent last has left: the next one may be sent. */
	void (*on_sent)(void *data);
	/* The peer is gone or the call has ended; the call is gone for the caller. */
	void (*on_closed)(void *data);
};

/* Answers with a stream of messages. */
void rpc_call_stream(struct rpc_call *call, const struct rpc_stream_callbacks *callbacks,
		     void *data);

/* Sends one message; not before the last one was sent. */
void rpc_call_send(struct rpc_call *call, struct rpc_message *message);

/* The server that a call came in on. */
struct rpc_server *rpc_call_server(const struct rpc_call *call);

/*
 * Connects to a unix socket. -ENOENT, -ECONNREFUSED and the like say that nobody is there
 * now; what the peer does with the connection shows in requests.
 */
int rpc_connect(struct rpc *rpc, const char *path, struct rpc_connection **ret,
		struct error *err);

/* The same, for messages of up to max_size bytes instead of RPC_MAX_MESSAGE_SIZE. */
int rpc_connect_sized(struct rpc *rpc, const char *path, size_t max_size,
		      struct rpc_connection **ret, struct error *err);

/* Requests that are under way go on. */
struct rpc_connection *rpc_connection_free(struct rpc_connection *connection);

struct rpc_request_callbacks {
	/* One message of the answer; any number of times. bytes are borrowed. */
	void (*on_message)(const void *bytes, size_t size, void *data);
	/* The last callback; the request is gone for the caller. text is borrowed. */
	void (*on_done)(enum rpc_status status, const char *text, void *data);
};

/* Calls a method with one message. timeout_ms 0: without a limit. */
struct rpc_request *rpc_request_new(struct rpc_connection *connection, const char *method,
				    struct rpc_message *message, int64_t timeout_ms,
				    const struct rpc_request_callbacks *callbacks,
				    void *data);

/* Gives the request up: no callback runs any more. NULL is fine. Returns NULL. */
struct rpc_request *rpc_request_cancel(struct rpc_request *request);

KUDEV_DEFINE_CLEANUP(struct rpc_message *, rpc_message_free)
KUDEV_DEFINE_CLEANUP(struct rpc_connection *, rpc_connection_free)

#endif
