/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_RPC_INTERNAL_H
#define KUDEV_RPC_INTERNAL_H

/* What the files of this room share: completions and the encoded message. */

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <pthread.h>

#include "rpc/rpc.h"

struct rpc {
	struct loop *loop;
	grpc_completion_queue *completions; /* for the pump to wait on */
	pthread_t pump;
	size_t pending; /* completions that are still to come, of both queues */

	/*
	 * The ends of unary calls, which nobody is in a hurry to learn of: the loop takes
	 * them when it is awake anyway, and looks once more a little later. Not to wake
	 * the pump and the loop for them saves half of the wake-ups of a call.
	 */
	grpc_completion_queue *replies;
	size_t pending_replies;
	struct loop_timer *collect;

	loop_callback on_idle;
	void *idle_data;
};

/*
 * One thing that the core was asked to do, embedded in the object that asked. Its address
 * is the tag of the completion; done runs on the loop.
 */
struct rpc_op {
	struct loop_work work;
	struct rpc *rpc;
	void (*done)(struct rpc_op *op, bool ok);
	bool ok;
	bool is_reply; /* comes by the queue of replies */
};

struct rpc_message {
	grpc_slice slice; /* counted by the core, which takes part in it while it sends */
};

/* Prepares op for the core call that follows at once; returns the tag to pass to it. */
void *rpc_op_start(struct rpc *rpc, struct rpc_op *op,
		   void (*done)(struct rpc_op *, bool));

/* The same for an operation of a call that is bound to the queue of replies. */
void *rpc_reply_start(struct rpc *rpc, struct rpc_op *op,
		      void (*done)(struct rpc_op *, bool));

/* Starts a batch of a call; failing is a mistake of ours. */
void rpc_batch_start(grpc_call *call, const grpc_op *ops, size_t count, void *tag);

/* The message as the core wants it; the caller destroys the buffer. */
grpc_byte_buffer *rpc_message_buffer(const struct rpc_message *message);

/* The bytes of a received buffer, in one piece; the caller unrefs the slice. */
grpc_slice rpc_buffer_slice(grpc_byte_buffer *buffer);

#endif
