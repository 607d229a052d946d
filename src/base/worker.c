/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <utlist.h>

#include "base/log.h"
#include "base/worker.h"

/* A job that runs for longer does not hold up the next one. */
#define LONG_MS 50
/* Jobs that are left alone, before the next ones have to wait for one of them. */
#define MAX_LEFT 32

/* What the threads and the worker share; the last of them frees it. */
struct shared {
	pthread_mutex_t lock; /* guards everything below */
	pthread_cond_t changed;
	unsigned references;
	bool stopping;
	struct worker_job *queue;
	struct worker_job *left; /* that run alone */
	struct worker_job *finished;
	int wake; /* eventfd: there are finished jobs */
	struct runner *active;
};

/* One thread. */
struct runner {
	struct shared *shared;
	struct worker_job *job; /* NULL: idle; guarded by the lock */
	pthread_t thread;
};

struct worker {
	struct loop *loop; /* owned by the caller */
	struct shared *shared;
	struct loop_watch *watch;
	struct loop_timer *deadline;
	unsigned left_count;
	uint64_t done_count;
	uint64_t late_count;
};

/* Unlocks. */
static void shared_release(struct shared *shared)
{
	bool is_last = --shared->references == 0;

	pthread_mutex_unlock(&shared->lock);
	if (!is_last)
		return;
	pthread_cond_destroy(&shared->changed);
	pthread_mutex_destroy(&shared->lock);
	fd_close(shared->wake);
	free(shared);
}

static void run_next(struct runner *runner)
{
	struct shared *shared = runner->shared;
	struct worker_job *job = shared->queue;

	DL_DELETE(shared->queue, job);
	job->started_ms = clock_ms();
	runner->job = job;
	pthread_mutex_unlock(&shared->lock);
	job->run(job);
	pthread_mutex_lock(&shared->lock);
	runner->job = NULL;
	if (job->is_left)
		DL_DELETE(shared->left, job);
	if (shared->stopping) {
		job->free(job);
		return;
	}
	DL_APPEND(shared->finished, job);
	(void)eventfd_write(shared->wake, 1);
}

static void *run(void *data)
{
	struct runner *runner = data;
	struct shared *shared = runner->shared;

	pthread_setname_np(pthread_self(), WORKER_THREAD_NAME);
	pthread_mutex_lock(&shared->lock);
	while (!shared->stopping && shared->active == runner) {
		if (shared->queue)
			run_next(runner);
		else
			pthread_cond_wait(&shared->changed, &shared->lock);
	}
	shared_release(shared);
	free(runner);
	return NULL;
}

/* Signals are for the loop thread. */
static int start_thread(struct runner *runner)
{
	sigset_t all;
	sigset_t before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&runner->thread, NULL, run, runner);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* Locked. Without a thread the jobs wait, and are tried again with the next one. */
static void ensure_runner(struct worker *worker)
{
	struct shared *shared = worker->shared;
	struct runner *runner;
	int r;

	if (shared->active || !shared->queue || worker->left_count >= MAX_LEFT)
		return;
	runner = mem_zero(sizeof(*runner));
	runner->shared = shared;
	shared->references++;
	shared->active = runner;
	r = start_thread(runner);
	if (r == 0)
		return;
	shared->references--;
	shared->active = NULL;
	free(runner);
	log_error("cannot start a thread", LOG_STR("error", strerror(r)));
}

static void keep_earlier(int64_t *earliest, int64_t time)
{
	if (time < *earliest)
		*earliest = time;
}

/* When a job becomes late that is not. */
static void reckon_late(const struct worker_job *jobs, int64_t *earliest)
{
	const struct worker_job *job;

	DL_FOREACH(jobs, job) {
		if (!job->is_late)
			keep_earlier(earliest, job->started_ms + job->timeout_ms);
	}
}

/* Locked. When to look at the jobs again; never while there is nothing to do. */
static void watch_deadline(struct worker *worker)
{
	const struct shared *shared = worker->shared;
	int64_t earliest = INT64_MAX;
	int64_t now_ms = clock_ms();

	reckon_late(shared->left, &earliest);
	if (shared->active && shared->active->job)
		keep_earlier(&earliest, shared->active->job->started_ms + LONG_MS);
	else if (shared->active && shared->queue)
		keep_earlier(&earliest, now_ms + LONG_MS);
	else
		reckon_late(shared->queue, &earliest);
	if (earliest == INT64_MAX)
		loop_timer_cancel(worker->deadline);
	else
		loop_timer_set(worker->deadline,
			       earliest > now_ms ? earliest - now_ms : 1);
}

/* Locked. Leaves a job that takes long alone with its thread. */
static void leave_alone(struct worker *worker)
{
	struct shared *shared = worker->shared;
	struct runner *active = shared->active;

	if (!active || !active->job || clock_ms() - active->job->started_ms < LONG_MS)
		return;
	active->job->is_left = true;
	DL_APPEND(shared->left, active->job);
	shared->active = NULL;
	pthread_detach(active->thread);
	worker->left_count++;
	if (worker->left_count == MAX_LEFT)
		log_error("no more work that can block is done",
			  LOG_INT("stuck_count", worker->left_count));
}

/* Locked. The first job whose time is over; NULL: none. */
static struct worker_job *take_late(struct worker_job *jobs)
{
	struct worker_job *job;

	DL_FOREACH(jobs, job) {
		if (!job->is_late && clock_ms() - job->started_ms >= job->timeout_ms) {
			job->is_late = true;
			return job;
		}
	}
	return NULL;
}

static void on_deadline(void *data)
{
	struct worker *worker = data;
	struct shared *shared = worker->shared;
	struct worker_job *late;

	pthread_mutex_lock(&shared->lock);
	leave_alone(worker);
	ensure_runner(worker);
	while ((late = take_late(shared->left)) ||
	       (!shared->active && (late = take_late(shared->queue)))) {
		pthread_mutex_unlock(&shared->lock);
		worker->late_count++;
		if (late->late)
			late->late(late);
		pthread_mutex_lock(&shared->lock);
	}
	watch_deadline(worker);
	pthread_mutex_unlock(&shared->lock);
}

static void on_finished(void *data)
{
	struct worker *worker = data;
	struct worker_job *finished;
	struct worker_job *job;
	struct worker_job *next;
	eventfd_t count;

	(void)eventfd_read(worker->shared->wake, &count);
	pthread_mutex_lock(&worker->shared->lock);
	finished = worker->shared->finished;
	worker->shared->finished = NULL;
	DL_FOREACH(finished, job) {
		if (job->is_left)
			worker->left_count--;
	}
	ensure_runner(worker);
	watch_deadline(worker);
	pthread_mutex_unlock(&worker->shared->lock);
	DL_FOREACH_SAFE(finished, job, next) {
		worker->done_count++;
		job->done(job);
		job->free(job);
	}
}

struct worker *worker_new(struct loop *loop)
{
	struct worker *worker = mem_zero(sizeof(*worker));
	struct shared *shared = mem_zero(sizeof(*shared));

	pthread_mutex_init(&shared->lock, NULL);
	pthread_cond_init(&shared->changed, NULL);
	shared->references = 1;
	shared->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (shared->wake < 0)
		log_error("results of work that can block will not be seen",
			  LOG_STR("error", strerror(errno)));
	worker->loop = loop;
	worker->shared = shared;
	worker->deadline = loop_timer_new(loop, on_deadline, worker);
	if (shared->wake >= 0)
		worker->watch = loop_watch_new(loop, shared->wake, on_finished, worker);
	return worker;
}

void worker_describe(const struct worker *worker, struct worker_stats *ret)
{
	struct shared *shared = worker->shared;
	const struct worker_job *job;

	*ret = (struct worker_stats){
		.done = worker->done_count,
		.late = worker->late_count,
		.hanging = worker->left_count,
	};
	pthread_mutex_lock(&shared->lock);
	DL_FOREACH(shared->queue, job) {
		ret->waiting++;
	}
	DL_FOREACH(shared->left, job) {
		ret->running++;
	}
	if (shared->active && shared->active->job)
		ret->running++;
	if (shared->queue)
		ret->waits_ms = clock_ms() - shared->queue->started_ms;
	pthread_mutex_unlock(&shared->lock);
}

static void free_jobs(struct worker_job *jobs)
{
	struct worker_job *job;
	struct worker_job *next;

	DL_FOREACH_SAFE(jobs, job, next) {
		job->free(job);
	}
}

struct worker *worker_free(struct worker *worker)
{
	struct shared *shared;
	struct runner *active;
	pthread_t idle;
	bool is_idle = false;

	if (!worker)
		return NULL;
	loop_watch_free(worker->watch);
	loop_timer_free(worker->deadline);
	shared = worker->shared;
	free(worker);

	pthread_mutex_lock(&shared->lock);
	shared->stopping = true;
	free_jobs(shared->queue);
	free_jobs(shared->finished);
	active = shared->active;
	if (active) {
		idle = active->thread;
		is_idle = !active->job;
		if (!is_idle)
			pthread_detach(active->thread);
	}
	pthread_cond_broadcast(&shared->changed);
	shared_release(shared);
	if (is_idle)
		pthread_join(idle, NULL);
	return NULL;
}

void worker_submit(struct worker *worker, struct worker_job *job)
{
	struct shared *shared = worker->shared;

	pthread_mutex_lock(&shared->lock);
	job->started_ms = clock_ms();
	DL_APPEND(shared->queue, job);
	ensure_runner(worker);
	if (!loop_timer_is_set(worker->deadline))
		watch_deadline(worker);
	pthread_cond_signal(&shared->changed);
	pthread_mutex_unlock(&shared->lock);
}
