/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <grpc/support/log.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "rpc/internal.h"

/*
 * The core hands tags from thread to thread in order, but it is not built with
 * ThreadSanitizer, which therefore has to be told.
 */
#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define TSAN_RELEASE(address) __tsan_release(address)
#define TSAN_ACQUIRE(address) __tsan_acquire(address)
#else
#define TSAN_RELEASE(address) ((void)(address))
#define TSAN_ACQUIRE(address) ((void)(address))
#endif

/* How long the end of a unary call may stay unnoticed while nothing else happens. */
#define COLLECT_MS 20

/* The pump only copies an event into an object; measured with room to spare. */
#define PUMP_STACK_SIZE (256U * 1024)

static void finish_op(struct rpc_op *op)
{
	struct rpc *rpc = op->rpc;

	rpc->pending--;
	rpc->pending_replies -= op->is_reply;
	op->done(op, op->ok);
}

static void expect_replies(struct rpc *rpc)
{
	if (rpc->pending_replies > 0 && !loop_timer_is_set(rpc->collect))
		loop_timer_set(rpc->collect, COLLECT_MS);
}

/* Takes what has come of the ends of unary calls, without waiting. */
static void collect_replies(struct rpc *rpc)
{
	while (rpc->pending_replies > 0) {
		grpc_event event = grpc_completion_queue_next(
			rpc->replies, gpr_inf_past(GPR_CLOCK_MONOTONIC), NULL);
		struct rpc_op *op = event.tag;

		if (event.type != GRPC_OP_COMPLETE)
			break;
		op->ok = event.success;
		finish_op(op);
	}
	expect_replies(rpc);
}

static void report_idle(struct rpc *rpc)
{
	loop_callback on_idle = rpc->on_idle;

	if (rpc->pending > 0 || !on_idle)
		return;
	rpc->on_idle = NULL;
	on_idle(rpc->idle_data);
}

static void on_collect(void *data)
{
	struct rpc *rpc = data;

	collect_replies(rpc);
	report_idle(rpc);
}

static void run_op(struct loop_work *work)
{
	struct rpc_op *op = KUDEV_CONTAINER_OF(work, struct rpc_op, work);
	struct rpc *rpc = op->rpc;

	finish_op(op);
	collect_replies(rpc);
	report_idle(rpc);
}

void *rpc_op_start(struct rpc *rpc, struct rpc_op *op,
		   void (*done)(struct rpc_op *, bool))
{
	op->work.run = run_op;
	op->rpc = rpc;
	op->done = done;
	op->is_reply = false;
	rpc->pending++;
	TSAN_RELEASE(op);
	return op;
}

void *rpc_reply_start(struct rpc *rpc, struct rpc_op *op,
		      void (*done)(struct rpc_op *, bool))
{
	rpc_op_start(rpc, op, done);
	op->is_reply = true;
	rpc->pending_replies++;
	expect_replies(rpc);
	return op;
}

void rpc_batch_start(grpc_call *call, const grpc_op *ops, size_t count, void *tag)
{
	grpc_call_error error = grpc_call_start_batch(call, ops, count, tag, NULL);

	assert(error == GRPC_CALL_OK);
	(void)error;
}

static void *run_pump(void *data)
{
	struct rpc *rpc = data;
	grpc_event event;

	pthread_setname_np(pthread_self(), "kudev-rpc");
	do {
		struct rpc_op *op;

		event = grpc_completion_queue_next(
			rpc->completions, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
		switch (event.type) {
		case GRPC_OP_COMPLETE:
			op = event.tag;
			TSAN_ACQUIRE(op);
			op->ok = event.success;
			loop_post(rpc->loop, &op->work);
			break;
		case GRPC_QUEUE_TIMEOUT:
			/*
			 * Could not poll, for want of descriptors: it may be over soon.
			 */
			pause_ms(10);
			break;
		case GRPC_QUEUE_SHUTDOWN:
			break;
		}
	} while (event.type != GRPC_QUEUE_SHUTDOWN);
	return NULL;
}

static void drop_core_log(gpr_log_func_args *args)
{
	(void)args;
}

/*
 * Signals belong to the loop thread: the core's threads inherit this mask, as the pump.
 */
static int start_threads(struct rpc *rpc)
{
	pthread_attr_t attributes;
	sigset_t all;
	sigset_t old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	grpc_init();
	rpc->completions = grpc_completion_queue_create_for_next(NULL);
	rpc->replies = grpc_completion_queue_create_for_next(NULL);
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, PUMP_STACK_SIZE);
	r = pthread_create(&rpc->pump, &attributes, run_pump, rpc);
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

static void shut_core_down(struct rpc *rpc)
{
	grpc_completion_queue_shutdown(rpc->replies);
	(void)grpc_completion_queue_next(rpc->replies,
					 gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
	grpc_completion_queue_shutdown(rpc->completions);
}

static void destroy_core(struct rpc *rpc)
{
	grpc_completion_queue_destroy(rpc->completions);
	grpc_completion_queue_destroy(rpc->replies);
	grpc_shutdown_blocking();
}

int rpc_new(struct loop *loop, struct rpc **ret, struct error *err)
{
	struct rpc *rpc = mem_zero(sizeof(*rpc));
	int r;

	rpc->loop = loop;
	rpc->collect = loop_timer_new(loop, on_collect, rpc);
	/*
	 * The core writes lines of its own shape; its users set this variable to see
	 * them.
	 */
	if (!getenv("GRPC_VERBOSITY"))
		gpr_set_log_function(drop_core_log);
	r = start_threads(rpc);
	if (r != 0) {
		shut_core_down(rpc);
		destroy_core(rpc);
		loop_timer_free(rpc->collect);
		free(rpc);
		return error_set_errno(err, r, "cannot start the RPC thread");
	}
	*ret = rpc;
	return 0;
}

struct rpc *rpc_free(struct rpc *rpc)
{
	if (!rpc)
		return NULL;
	assert(rpc->pending == 0);
	shut_core_down(rpc);
	pthread_join(rpc->pump, NULL);
	destroy_core(rpc);
	loop_timer_free(rpc->collect);
	free(rpc);
	return NULL;
}

void rpc_when_idle(struct rpc *rpc, loop_callback on_idle, void *data)
{
	if (rpc->pending == 0) {
		on_idle(data);
		return;
	}
	rpc->on_idle = on_idle;
	rpc->idle_data = data;
}
