/* SPDX-License-Identifier: Apache-2.0 */
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>
#include <grpc/support/alloc.h>
#include <stdlib.h>

#include "base/unix.h"
#include "rpc/internal.h"

struct rpc_connection {
	struct rpc *rpc;
	grpc_channel *channel; /* destroying it would end the calls on it */
	unsigned refs;	       /* of the owner and of each request */
};

struct rpc_request {
	struct rpc_connection *connection;
	grpc_call *core;
	size_t ops; /* completions that are still to come */
	const struct rpc_request_callbacks *callbacks; /* NULL: given up */
	void *data;

	struct rpc_op send_op;
	struct rpc_op receive_op;
	struct rpc_op status_op;
	grpc_metadata_array initial_metadata;
	grpc_metadata_array trailing_metadata;
	grpc_byte_buffer *received;
	grpc_status_code status;
	grpc_slice details;
};

int rpc_connect(struct rpc *rpc, const char *path, struct rpc_connection **ret,
		struct error *err)
{
	return rpc_connect_sized(rpc, path, RPC_MAX_MESSAGE_SIZE, ret, err);
}

int rpc_connect_sized(struct rpc *rpc, const char *path, size_t max_size,
		      struct rpc_connection **ret, struct error *err)
{
	/*
	 * As the kubelet does; for a connected descriptor the core has no name of its
	 * own.
	 */
	grpc_arg args[] = {
		{.type = GRPC_ARG_STRING,
		 .key = (char *)GRPC_ARG_DEFAULT_AUTHORITY,
		 .value.string = (char *)"localhost"},
		{.type = GRPC_ARG_INTEGER,
		 .key = (char *)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
		 .value.integer = (int)max_size},
		{.type = GRPC_ARG_INTEGER,
		 .key = (char *)GRPC_ARG_ENABLE_CHANNELZ,
		 .value.integer = 0},
		{.type = GRPC_ARG_INTEGER,
		 .key = (char *)GRPC_ARG_HTTP2_BDP_PROBE,
		 .value.integer = 0},
	};
	grpc_channel_args list = {KUDEV_ARRAY_SIZE(args), args};
	grpc_channel_credentials *credentials;
	struct rpc_connection *connection;
	int fd = unix_connect(path, err);

	if (fd < 0)
		return fd;
	connection = mem_zero(sizeof(*connection));
	connection->rpc = rpc;
	connection->refs = 1;
	credentials = grpc_insecure_credentials_create();
	connection->channel = grpc_channel_create_from_fd("localhost", fd, credentials,
							  &list);
	grpc_channel_credentials_release(credentials);
	*ret = connection;
	return 0;
}

struct rpc_connection *rpc_connection_free(struct rpc_connection *connection)
{
	if (!connection || --connection->refs > 0)
		return NULL;
	grpc_channel_destroy(connection->channel);
	free(connection);
	return NULL;
}

/* The last completion of a request brings the end of it to its owner. */
static void release_request(struct rpc_request *request)
{
	char *text;

	if (--request->ops > 0)
		return;
	text = grpc_slice_to_c_string(request->details);
	if (request->callbacks)
		request->callbacks->on_done((enum rpc_status)request->status, text,
					    request->data);
	gpr_free(text);
	grpc_slice_unref(request->details);
	grpc_metadata_array_destroy(&request->initial_metadata);
	grpc_metadata_array_destroy(&request->trailing_metadata);
	grpc_call_unref(request->core);
	rpc_connection_free(request->connection);
	free(request);
}

static void start_batch(struct rpc_request *request, const grpc_op *ops, size_t count,
			struct rpc_op *op, void (*done)(struct rpc_op *, bool))
{
	request->ops++;
	rpc_batch_start(request->core, ops, count,
			rpc_op_start(request->connection->rpc, op, done));
}

static void on_request_sent(struct rpc_op *op, bool ok)
{
	(void)ok;
	release_request(KUDEV_CONTAINER_OF(op, struct rpc_request, send_op));
}

static void on_status(struct rpc_op *op, bool ok)
{
	(void)ok;
	release_request(KUDEV_CONTAINER_OF(op, struct rpc_request, status_op));
}

static void on_received(struct rpc_op *op, bool ok);

static void receive(struct rpc_request *request)
{
	grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};

	op.data.recv_message.recv_message = &request->received;
	start_batch(request, &op, 1, &request->receive_op, on_received);
}

static void on_received(struct rpc_op *op, bool ok)
{
	struct rpc_request *request = KUDEV_CONTAINER_OF(op, struct rpc_request,
							 receive_op);
	grpc_byte_buffer *buffer = take_ptr(request->received);

	if (ok && buffer) {
		grpc_slice bytes = rpc_buffer_slice(buffer);

		/* No message: the answer has ended, and the status follows. */
		receive(request);
		if (request->callbacks && request->callbacks->on_message)
			request->callbacks->on_message(GRPC_SLICE_START_PTR(bytes),
						       GRPC_SLICE_LENGTH(bytes),
						       request->data);
		grpc_slice_unref(bytes);
	}
	if (buffer)
		grpc_byte_buffer_destroy(buffer);
	release_request(request);
}

static gpr_timespec deadline_in(int64_t timeout_ms)
{
	if (timeout_ms == 0)
		return gpr_inf_future(GPR_CLOCK_MONOTONIC);
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
			    gpr_time_from_millis(timeout_ms, GPR_TIMESPAN));
}

static void start_request(struct rpc_request *request, struct rpc_message *message)
{
	grpc_byte_buffer *buffer = rpc_message_buffer(message);
	grpc_op status = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
	grpc_op ops[] = {
		{.op = GRPC_OP_SEND_INITIAL_METADATA},
		{.op = GRPC_OP_SEND_MESSAGE},
		{.op = GRPC_OP_SEND_CLOSE_FROM_CLIENT},
		{.op = GRPC_OP_RECV_INITIAL_METADATA},
	};

	ops[1].data.send_message.send_message = buffer;
	ops[3].data.recv_initial_metadata.recv_initial_metadata =
		&request->initial_metadata;
	status.data.recv_status_on_client.trailing_metadata = &request->trailing_metadata;
	status.data.recv_status_on_client.status = &request->status;
	status.data.recv_status_on_client.status_details = &request->details;

	start_batch(request, &status, 1, &request->status_op, on_status);
	start_batch(request, ops, KUDEV_ARRAY_SIZE(ops), &request->send_op,
		    on_request_sent);
	receive(request);
	grpc_byte_buffer_destroy(buffer);
}

struct rpc_request *rpc_request_new(struct rpc_connection *connection, const char *method,
				    struct rpc_message *message, int64_t timeout_ms,
				    const struct rpc_request_callbacks *callbacks,
				    void *data)
{
	struct rpc_request *request = mem_zero(sizeof(*request));
	grpc_slice path = grpc_slice_from_copied_string(method);

	request->connection = connection;
	connection->refs++;
	request->callbacks = callbacks;
	request->data = data;
	request->details = grpc_empty_slice();
	grpc_metadata_array_init(&request->initial_metadata);
	grpc_metadata_array_init(&request->trailing_metadata);
	request->core = grpc_channel_create_call(connection->channel, NULL,
						 GRPC_PROPAGATE_DEFAULTS,
						 connection->rpc->completions, path, NULL,
						 deadline_in(timeout_ms), NULL);
	grpc_slice_unref(path);
	start_request(request, message);
	return request;
}

struct rpc_request *rpc_request_cancel(struct rpc_request *request)
{
	if (!request)
		return NULL;
	request->callbacks = NULL;
	grpc_call_cancel(request->core, NULL);
	return NULL;
}
