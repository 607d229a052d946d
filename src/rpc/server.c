/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "rpc/internal.h"

/*
 * Calls at once on one connection: the kubelet makes a handful, and wants at least 100.
 */
#define MAX_CONCURRENT_STREAMS 256
/* How long accepting pauses when the process is out of descriptors. */
#define ACCEPT_RETRY_MS 100
#define ACCEPT_LOG_INTERVAL_MS 60000
/* For answers to get out, or to be found, when the server stops. */
#define FAREWELL_MS 300

/*
 * An invitation to the core to hand over the next call of one method, or of no known one.
 */
struct slot {
	struct rpc_op op;
	struct rpc_server *server;
	const struct rpc_method *method; /* NULL: what no method is known for */
	void *registration;
	grpc_call *call;
	grpc_byte_buffer *payload;
	grpc_metadata_array metadata;
	grpc_call_details details;
	gpr_timespec deadline;
};

struct rpc_server {
	struct rpc *rpc;
	grpc_server *core;
	int listen_fd;
	struct loop_watch *listener;
	struct loop_timer *accept_retry;
	struct log_limit accept_limit;
	void *data;
	struct rpc_op shutdown_op;
	struct loop_timer *farewell;
	bool stopping;
	size_t users;	/* armed slots, live calls and a shutdown under way */
	size_t answers; /* live calls that are no streams */
	loop_callback on_stopped;
	void *stopped_data;
	size_t slot_count;
	struct slot slots[];
};

struct rpc_call {
	struct rpc_server *server;
	bool is_stream; /* else it is bound to the queue of replies */
	grpc_call *core;
	size_t ops; /* completions that are still to come */
	bool answered;

	struct rpc_op reply_op; /* all of a unary answer, or the start of a stream */
	struct rpc_op close_op;
	struct rpc_op send_op;
	int cancelled;

	const struct rpc_stream_callbacks *stream; /* NULL: unary, or closed */
	void *data;
};

static void release_server(struct rpc_server *server)
{
	loop_callback on_stopped = server->on_stopped;
	void *data = server->stopped_data;

	if (--server->users > 0 || !server->stopping)
		return;
	grpc_server_destroy(server->core);
	loop_timer_free(server->farewell);
	free(server);
	if (on_stopped)
		on_stopped(data);
}

/* Ends what is left of the calls, and all connections. */
static void disconnect(struct rpc_server *server)
{
	loop_timer_cancel(server->farewell);
	grpc_server_cancel_all_calls(server->core);
}

static void release_call(struct rpc_call *call)
{
	struct rpc_server *server = call->server;

	if (call->ops > 0 || !call->answered)
		return;
	grpc_call_unref(call->core);
	if (!call->is_stream && --server->answers == 0 && server->stopping)
		disconnect(server);
	free(call);
	release_server(server);
}

/* A batch of a server's call; its completion keeps the call alive. */
static void start_batch(struct rpc_call *call, const grpc_op *ops, size_t count,
			struct rpc_op *op, void (*done)(struct rpc_op *, bool))
{
	struct rpc *rpc = call->server->rpc;

	call->ops++;
	rpc_batch_start(call->core, ops, count,
			call->is_stream ? rpc_op_start(rpc, op, done)
					: rpc_reply_start(rpc, op, done));
}

static void on_answered(struct rpc_op *op, bool ok)
{
	struct rpc_call *call = KUDEV_CONTAINER_OF(op, struct rpc_call, reply_op);

	(void)ok;
	call->ops--;
	release_call(call);
}

static void finish(struct rpc_call *call, struct rpc_message *message,
		   enum rpc_status status, const char *text)
{
	grpc_slice details = grpc_slice_from_copied_string(text);
	grpc_byte_buffer *buffer = message ? rpc_message_buffer(message) : NULL;
	grpc_op ops[4] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}};
	size_t count = 1;

	if (buffer) {
		ops[count].op = GRPC_OP_SEND_MESSAGE;
		ops[count++].data.send_message.send_message = buffer;
	}
	ops[count].op = GRPC_OP_RECV_CLOSE_ON_SERVER;
	ops[count++].data.recv_close_on_server.cancelled = &call->cancelled;
	ops[count].op = GRPC_OP_SEND_STATUS_FROM_SERVER;
	ops[count].data.send_status_from_server.status = (grpc_status_code)status;
	ops[count++].data.send_status_from_server.status_details = &details;

	call->answered = true;
	start_batch(call, ops, count, &call->reply_op, on_answered);
	if (buffer)
		grpc_byte_buffer_destroy(buffer);
	grpc_slice_unref(details);
}

void rpc_call_reply(struct rpc_call *call, struct rpc_message *message)
{
	finish(call, message, RPC_OK, "");
}

void rpc_call_fail(struct rpc_call *call, enum rpc_status status, const char *text)
{
	finish(call, NULL, status, text);
}

static void on_stream_closed(struct rpc_op *op, bool ok)
{
	struct rpc_call *call = KUDEV_CONTAINER_OF(op, struct rpc_call, close_op);
	const struct rpc_stream_callbacks *stream = call->stream;

	(void)ok;
	call->ops--;
	call->stream = NULL;
	/* Sends that are under way fail by themselves once the call is cancelled. */
	grpc_call_cancel(call->core, NULL);
	stream->on_closed(call->data);
	release_call(call);
}

void rpc_call_stream(struct rpc_call *call, const struct rpc_stream_callbacks *callbacks,
		     void *data)
{
	grpc_op metadata = {.op = GRPC_OP_SEND_INITIAL_METADATA};
	grpc_op closed = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};

	call->answered = true;
	call->stream = callbacks;
	call->data = data;
	closed.data.recv_close_on_server.cancelled = &call->cancelled;
	start_batch(call, &closed, 1, &call->close_op, on_stream_closed);
	start_batch(call, &metadata, 1, &call->reply_op, on_answered);
}

static void on_stream_sent(struct rpc_op *op, bool ok)
{
	struct rpc_call *call = KUDEV_CONTAINER_OF(op, struct rpc_call, send_op);

	call->ops--;
	/* A failed send is followed by the close. */
	if (ok && call->stream)
		call->stream->on_sent(call->data);
	release_call(call);
}

void rpc_call_send(struct rpc_call *call, struct rpc_message *message)
{
	grpc_byte_buffer *buffer = rpc_message_buffer(message);
	grpc_op send = {.op = GRPC_OP_SEND_MESSAGE};

	send.data.send_message.send_message = buffer;
	start_batch(call, &send, 1, &call->send_op, on_stream_sent);
	grpc_byte_buffer_destroy(buffer);
}

struct rpc_server *rpc_call_server(const struct rpc_call *call)
{
	return call->server;
}

static struct rpc_call *call_new(struct rpc_server *server, grpc_call *core,
				 bool is_stream)
{
	struct rpc_call *call = mem_zero(sizeof(*call));

	call->server = server;
	call->core = core;
	call->is_stream = is_stream;
	server->users++;
	if (!is_stream)
		server->answers++;
	return call;
}

static void on_call(struct rpc_op *op, bool ok);

static void arm_slot(struct slot *slot)
{
	struct rpc_server *server = slot->server;
	struct rpc *rpc = server->rpc;
	void *tag = rpc_op_start(rpc, &slot->op, on_call);
	bool is_stream = slot->method && slot->method->is_stream;
	grpc_completion_queue *bound = is_stream ? rpc->completions : rpc->replies;
	grpc_call_error error;

	server->users++;
	if (slot->method)
		error = grpc_server_request_registered_call(
			server->core, slot->registration, &slot->call, &slot->deadline,
			&slot->metadata, &slot->payload, bound, rpc->completions, tag);
	else
		error = grpc_server_request_call(server->core, &slot->call,
						 &slot->details, &slot->metadata, bound,
						 rpc->completions, tag);
	assert(error == GRPC_CALL_OK);
	(void)error;
}

static void clear_slot(struct slot *slot)
{
	if (slot->payload)
		grpc_byte_buffer_destroy(slot->payload);
	slot->payload = NULL;
	slot->call = NULL;
	grpc_metadata_array_destroy(&slot->metadata);
	grpc_call_details_destroy(&slot->details);
	grpc_metadata_array_init(&slot->metadata);
	grpc_call_details_init(&slot->details);
}

static void dispatch(struct rpc_server *server, const struct rpc_method *method,
		     grpc_call *core, grpc_byte_buffer *payload)
{
	struct rpc_call *call = call_new(server, core, method && method->is_stream);
	grpc_slice bytes;

	if (server->stopping) {
		rpc_call_fail(call, RPC_UNAVAILABLE, "this device plugin is stopping");
		return;
	}
	if (!method) {
		rpc_call_fail(call, RPC_UNIMPLEMENTED, "unknown method");
		return;
	}
	if (!payload) {
		rpc_call_fail(call, RPC_INVALID_ARGUMENT, "the call carries no message");
		return;
	}
	bytes = rpc_buffer_slice(payload);
	method->handle(call, GRPC_SLICE_START_PTR(bytes), GRPC_SLICE_LENGTH(bytes),
		       server->data);
	grpc_slice_unref(bytes);
}

static void on_call(struct rpc_op *op, bool ok)
{
	struct slot *slot = KUDEV_CONTAINER_OF(op, struct slot, op);
	struct rpc_server *server = slot->server;
	grpc_byte_buffer *payload = take_ptr(slot->payload);
	grpc_call *core = take_ptr(slot->call);

	clear_slot(slot);
	if (ok) {
		if (!server->stopping)
			arm_slot(slot);
		dispatch(server, slot->method, core, payload);
	}
	if (payload)
		grpc_byte_buffer_destroy(payload);
	release_server(server);
}

static void on_accept_retry(void *data)
{
	struct rpc_server *server = data;

	loop_watch_pause(server->listener, false);
}

/* Out of descriptors or memory: the peer stays in the backlog until some are free. */
static void pause_accepting(struct rpc_server *server, int error)
{
	uint64_t suppressed;

	if (log_limit_due(&server->accept_limit, ACCEPT_LOG_INTERVAL_MS, &suppressed))
		log_error("cannot accept a connection", LOG_STR("error", strerror(error)),
			  LOG_COUNT("suppressed", suppressed));
	loop_watch_pause(server->listener, true);
	loop_timer_set(server->accept_retry, ACCEPT_RETRY_MS);
}

static void on_connection(void *data)
{
	struct rpc_server *server = data;
	grpc_server_credentials *credentials;
	int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
		    errno == ENOMEM)
			pause_accepting(server, errno);
		return;
	}
	credentials = grpc_insecure_server_credentials_create();
	grpc_server_add_channel_from_fd(server->core, fd, credentials);
	grpc_server_credentials_release(credentials);
}

/* Without what a node-local server has no use for; each saves memory per connection. */
static grpc_server *core_new(struct rpc *rpc)
{
	grpc_arg args[] = {
		{.type = GRPC_ARG_INTEGER,
		 .key = (char *)GRPC_ARG_ENABLE_CHANNELZ,
		 .value.integer = 0},
		{.type = GRPC_ARG_INTEGER,
		 .key = (char *)GRPC_ARG_HTTP2_BDP_PROBE,
		 .value.integer = 0},
		{.type = GRPC_ARG_INTEGER,
		 .key = (char *)GRPC_ARG_MAX_CONCURRENT_STREAMS,
		 .value.integer = MAX_CONCURRENT_STREAMS},
		{.type = GRPC_ARG_INTEGER,
		 .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
		 .value.integer = RPC_MAX_MESSAGE_SIZE},
	};
	grpc_channel_args list = {KUDEV_ARRAY_SIZE(args), args};
	grpc_server *core = grpc_server_create(&list, NULL);

	grpc_server_register_completion_queue(core, rpc->completions, NULL);
	return core;
}

static void prepare_slot(struct rpc_server *server, struct slot *slot,
			 const struct rpc_method *method)
{
	slot->server = server;
	slot->method = method;
	grpc_metadata_array_init(&slot->metadata);
	grpc_call_details_init(&slot->details);
	if (method)
		slot->registration = grpc_server_register_method(
			server->core, method->path, NULL,
			GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0);
}

static void on_farewell(void *data)
{
	disconnect(data);
}

struct rpc_server *rpc_server_new(struct rpc *rpc, int listen_fd,
				  const struct rpc_method *methods, size_t method_count,
				  void *data)
{
	struct rpc_server *server =
		mem_zero(sizeof(*server) + (method_count + 1) * sizeof(struct slot));

	server->rpc = rpc;
	server->data = data;
	server->listen_fd = listen_fd;
	server->core = core_new(rpc);
	server->slot_count = method_count + 1;
	for (size_t i = 0; i < method_count; i++)
		prepare_slot(server, &server->slots[i], &methods[i]);
	prepare_slot(server, &server->slots[method_count], NULL);
	grpc_server_start(server->core);
	for (size_t i = 0; i < server->slot_count; i++)
		arm_slot(&server->slots[i]);
	server->listener = loop_watch_new(rpc->loop, listen_fd, on_connection, server);
	server->accept_retry = loop_timer_new(rpc->loop, on_accept_retry, server);
	server->farewell = loop_timer_new(rpc->loop, on_farewell, server);
	return server;
}

static void on_shut_down(struct rpc_op *op, bool ok)
{
	struct rpc_server *server = KUDEV_CONTAINER_OF(op, struct rpc_server,
						       shutdown_op);

	(void)ok;
	release_server(server);
}

void rpc_server_stop(struct rpc_server *server, loop_callback on_stopped, void *data)
{
	assert(!server->stopping);
	server->stopping = true;
	server->on_stopped = on_stopped;
	server->stopped_data = data;
	server->listener = loop_watch_free(server->listener);
	server->accept_retry = loop_timer_free(server->accept_retry);
	server->listen_fd = fd_close(server->listen_fd);

	server->users++;
	grpc_server_shutdown_and_notify(server->core, server->rpc->completions,
					rpc_op_start(server->rpc, &server->shutdown_op,
						     on_shut_down));
	/* An open stream would keep the shutdown from ever completing. */
	if (server->answers == 0)
		disconnect(server);
	else
		loop_timer_set(server->farewell, FAREWELL_MS);
}
