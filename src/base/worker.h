/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_BASE_WORKER_H
#define KUDEV_BASE_WORKER_H

/*
 * Work that can block, such as opening a device, on a thread of its own: one job after
 * the other. A job that takes long is left alone with its thread, and a new thread goes on
 * with the next one, so that a device that hangs holds up nothing else; up to 32 of them.
 * The thread is started with the first job and sleeps when there is none.
 *
 * Thread: all functions are for the loop thread; run() runs on the worker's, and touches
 * nothing but its job and what is const.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"

/* As in /proc/PID/task/TID/comm. */
#define WORKER_THREAD_NAME "kudev-worker"

struct worker;

/* Embedded in what the work needs: copies, since it may outlive everything else. */
struct worker_job {
	void (*run)(struct worker_job *job);
	/*
	 * The time is over and the job still runs, so that run() may be writing, or waits
	 * because too many others hang. NULL is fine. done() is called as well, if it ever
	 * ends.
	 */
	void (*late)(struct worker_job *job);
	/* It has ended. */
	void (*done)(struct worker_job *job);
	/* After done(), or alone if the worker is freed first; then on any thread. */
	void (*free)(struct worker_job *job);
	unsigned timeout_ms;

	/* The worker's. */
	int64_t started_ms; /* or submitted, if it waits */
	bool is_left;	    /* alone with its thread */
	bool is_late;
	struct worker_job *prev, *next;
};

struct worker *worker_new(struct loop *loop);

/* Jobs that have not begun are dropped; one that runs is left to itself. */
struct worker *worker_free(struct worker *worker);

/* How it stands with the jobs. */
struct worker_stats {
	uint64_t done;	/* since the start */
	uint64_t late;	/* of which the time was over before they had ended */
	size_t waiting; /* that have not begun */
	size_t running;
	size_t hanging;	  /* of those that run: left alone with their threads */
	int64_t waits_ms; /* how long the first of the waiting does */
};

void worker_describe(const struct worker *worker, struct worker_stats *ret);

/* Takes the job over. */
void worker_submit(struct worker *worker, struct worker_job *job);

#endif
