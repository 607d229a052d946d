/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/worker.h"
#include "test-clock.h"
#include "test-threads.h"
#include "test-wait.h"

/* After so long a job is left alone with its thread; worker.c. */
#define LONG_MS 50
/* So many threads may hang before the worker waits for them; worker.c. */
#define MAX_LOST 32
/* No job is late by accident, whatever the machine does. */
#define AMPLE_MS 60000

struct fixture {
	struct loop *loop;
	struct worker *worker;
};

/* What outlives the fixture: jobs may end after the worker. */
static struct {
	pthread_mutex_t lock;
	char trace[1024]; /* "run 1", "late 1", "done 1" as "r1 l1 d1" */
	pthread_t runner; /* of the last job */
	sem_t gate;	  /* what some jobs wait for */
	sem_t begun;	  /* posted by each run() */
	atomic_uint freed;
	unsigned done;
	unsigned late;
} seen = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct task {
	struct worker_job job;
	unsigned number;
	bool waits;	       /* for the gate */
	struct worker *worker; /* gets the next task when this one is done; or NULL */
	struct task *next_task;
};

static void note(char what, unsigned number)
{
	size_t length;

	pthread_mutex_lock(&seen.lock);
	length = strlen(seen.trace);
	snprintf(seen.trace + length, sizeof(seen.trace) - length, "%s%c%u",
		 length ? " " : "", what, number);
	pthread_mutex_unlock(&seen.lock);
}

static struct task *task_of(struct worker_job *job)
{
	return KUDEV_CONTAINER_OF(job, struct task, job);
}

static void run_task(struct worker_job *job)
{
	struct task *task = task_of(job);

	note('r', task->number);
	pthread_mutex_lock(&seen.lock);
	seen.runner = pthread_self();
	pthread_mutex_unlock(&seen.lock);
	sem_post(&seen.begun);
	if (task->waits)
		sem_wait(&seen.gate);
}

static void on_task_late(struct worker_job *job)
{
	note('l', task_of(job)->number);
	seen.late++;
}

static void on_task_done(struct worker_job *job)
{
	struct task *task = task_of(job);

	note('d', task->number);
	seen.done++;
	if (task->next_task)
		worker_submit(task->worker, &task->next_task->job);
}

static void free_task(struct worker_job *job)
{
	free(task_of(job));
	atomic_fetch_add(&seen.freed, 1);
}

static struct task *task_new(unsigned number, unsigned timeout_ms, bool waits)
{
	struct task *task = mem_zero(sizeof(*task));

	task->job = (struct worker_job){
		.run = run_task,
		.late = on_task_late,
		.done = on_task_done,
		.free = free_task,
		.timeout_ms = timeout_ms,
	};
	task->number = number;
	task->waits = waits;
	return task;
}

static void submit(struct fixture *fixture, unsigned number, unsigned timeout_ms,
		   bool waits)
{
	worker_submit(fixture->worker, &task_new(number, timeout_ms, waits)->job);
}

static void open_gate(unsigned count)
{
	while (count-- > 0)
		sem_post(&seen.gate);
}

static bool has_done(void *data)
{
	return seen.done >= *(const unsigned *)data;
}

static bool has_been_late(void *data)
{
	return seen.late >= *(const unsigned *)data;
}

static bool has_freed(void *data)
{
	return atomic_load(&seen.freed) >= *(const unsigned *)data;
}

static bool has_threads(void *data)
{
	return count_threads() == *(const unsigned *)data;
}

static void await(struct fixture *fixture, bool (*holds)(void *data), unsigned number)
{
	assert_comes(fixture->loop, holds, &number);
}

/* What the loop thread was told: when jobs begin meanwhile is up to the threads. */
static void expect_told(const char *expected)
{
	char told[sizeof(seen.trace)] = "";

	pthread_mutex_lock(&seen.lock);
	for (const char *word = seen.trace; *word; word += strcspn(word, " ")) {
		word += strspn(word, " ");
		if (*word != 'r')
			snprintf(told + strlen(told), sizeof(told) - strlen(told),
				 "%s%.*s", *told ? " " : "", (int)strcspn(word, " "),
				 word);
	}
	pthread_mutex_unlock(&seen.lock);
	assert_string_equal(told, expected);
}

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	seen.trace[0] = '\0';
	seen.done = seen.late = 0;
	atomic_store(&seen.freed, 0);
	assert_int_equal(sem_init(&seen.gate, 0, 0), 0);
	assert_int_equal(sem_init(&seen.begun, 0, 0), 0);
	assert_int_equal(loop_new(&fixture->loop, NULL), 0);
	/* Those of the test before are in /proc for a moment more. */
	await(fixture, has_threads, 0);
	fixture->worker = worker_new(fixture->loop);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	start_clock();
	worker_free(fixture->worker);
	loop_free(fixture->loop);
	free(fixture);
	sem_destroy(&seen.gate);
	sem_destroy(&seen.begun);
	return 0;
}

static void jobs_run_one_after_the_other_in_their_order(void **state)
{
	struct fixture *fixture = *state;

	stop_clock();
	submit(fixture, 1, AMPLE_MS, true);
	submit(fixture, 2, AMPLE_MS, false);
	submit(fixture, 3, AMPLE_MS, true);
	submit(fixture, 4, AMPLE_MS, false);
	open_gate(2);
	await(fixture, has_done, 4);
	assert_int_equal(atomic_load(&seen.freed), 4);
	assert_int_equal(seen.late, 0);
	/* Without what stands between them, which is up to the threads. */
	for (const char *c = "1234", *run = seen.trace, *done = seen.trace; *c; c++) {
		char wanted[] = {'r', *c, '\0'};

		run = strstr(run, wanted);
		wanted[0] = 'd';
		assert_non_null(run);
		done = strstr(done, wanted);
		assert_non_null(done);
		assert_true(done > run);
	}
}

static void jobs_run_off_the_loop_thread(void **state)
{
	struct fixture *fixture = *state;

	submit(fixture, 1, AMPLE_MS, false);
	await(fixture, has_done, 1);
	assert_false(pthread_equal(seen.runner, pthread_self()));
}

static void there_is_no_thread_before_the_first_job_and_none_after_the_worker(
	void **state)
{
	struct fixture *fixture = *state;

	stop_clock();
	submit(fixture, 1, AMPLE_MS, false);
	await(fixture, has_done, 1);
	assert_int_equal(count_threads(), 1);
	submit(fixture, 2, AMPLE_MS, false);
	await(fixture, has_done, 2);
	assert_int_equal(count_threads(), 1);
	fixture->worker = worker_free(fixture->worker);
	/* A thread that was joined is in /proc for a moment more. */
	await(fixture, has_threads, 0);
}

static void a_worker_without_jobs_starts_no_thread(void **state)
{
	struct fixture *fixture = *state;
	struct worker *idle;

	idle = worker_new(fixture->loop);
	assert_int_equal(count_threads(), 0);
	assert_null(worker_free(idle));
	assert_null(worker_free(NULL));
}

static void a_job_that_takes_too_long_is_left_alone_and_the_next_goes_on(void **state)
{
	struct fixture *fixture = *state;

	submit(fixture, 1, 20, true);
	submit(fixture, 2, AMPLE_MS, false);
	await(fixture, has_done, 1);
	expect_told("l1 d2");
	assert_int_equal(atomic_load(&seen.freed), 1);
	submit(fixture, 3, AMPLE_MS, false);
	await(fixture, has_done, 2);
	open_gate(1);
	await(fixture, has_done, 3);
	expect_told("l1 d2 d3 d1");
	assert_int_equal(atomic_load(&seen.freed), 3);
}

static void a_job_may_leave_it_open_what_happens_when_it_is_late(void **state)
{
	struct fixture *fixture = *state;
	struct task *task = task_new(1, 20, true);

	task->job.late = NULL;
	worker_submit(fixture->worker, &task->job);
	submit(fixture, 2, AMPLE_MS, false);
	await(fixture, has_done, 1);
	open_gate(1);
	await(fixture, has_done, 2);
	expect_told("d2 d1");
}

/* All that the worker wants to see by now is seen. */
static void pass_deadlines(struct fixture *fixture)
{
	struct wait_count count = {.wanted = 1};
	struct loop_timer *timer = loop_timer_new(fixture->loop, wait_add, &count);

	loop_timer_set(timer, LONG_MS + 1);
	assert_comes(fixture->loop, wait_is_enough, &count);
	loop_timer_free(timer);
}

/* The second one waits for longer than it may run. */
static void the_time_of_a_job_begins_when_it_runs(void **state)
{
	const unsigned timeout_ms = LONG_MS - 2;
	struct fixture *fixture = *state;

	stop_clock();
	submit(fixture, 1, AMPLE_MS, true);
	submit(fixture, 2, timeout_ms, true);
	assert_posted(&seen.begun);
	move_clock(timeout_ms + 1);
	open_gate(1);
	assert_posted(&seen.begun);
	move_clock(timeout_ms - 1);
	pass_deadlines(fixture);
	open_gate(1);
	await(fixture, has_done, 2);
	assert_null(strchr(seen.trace, 'l'));
}

static void each_of_several_late_jobs_is_told_once(void **state)
{
	struct fixture *fixture = *state;

	submit(fixture, 1, 20, true);
	submit(fixture, 2, 30, true);
	submit(fixture, 3, 10, true);
	await(fixture, has_been_late, 3);
	expect_told("l1 l2 l3");
	open_gate(3);
	await(fixture, has_done, 3);
	assert_int_equal(seen.late, 3);
}

static void the_next_job_may_come_from_the_end_of_the_last(void **state)
{
	struct fixture *fixture = *state;
	struct task *first = task_new(1, AMPLE_MS, false);

	first->worker = fixture->worker;
	first->next_task = task_new(2, AMPLE_MS, false);
	worker_submit(fixture->worker, &first->job);
	await(fixture, has_done, 2);
	assert_string_equal(seen.trace, "r1 d1 r2 d2");
}

static void expect_stats(const struct fixture *fixture, uint64_t done, size_t waiting,
			 size_t hanging)
{
	struct worker_stats stats;

	worker_describe(fixture->worker, &stats);
	assert_int_equal(stats.done, done);
	assert_int_equal(stats.late, seen.late);
	assert_int_equal(stats.waiting, waiting);
	assert_int_equal(stats.running, hanging);
	assert_int_equal(stats.hanging, hanging);
	assert_true(waiting > 0 || stats.waits_ms == 0);
}

static void jobs_that_hang_take_no_threads_without_end(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < MAX_LOST + 2; i++)
		submit(fixture, i, 1, true);
	await(fixture, has_been_late, MAX_LOST);
	assert_int_equal(count_threads(), MAX_LOST);
	expect_stats(fixture, 0, 2, MAX_LOST);
	/* Once one of them ends, the rest has its turn. */
	open_gate(1);
	await(fixture, has_done, 1);
	open_gate(MAX_LOST + 1);
	await(fixture, has_done, MAX_LOST + 2);
	assert_int_equal(atomic_load(&seen.freed), MAX_LOST + 2);
	submit(fixture, 99, AMPLE_MS, false);
	await(fixture, has_done, MAX_LOST + 3);
	expect_stats(fixture, MAX_LOST + 3, 0, 0);
}

static void a_worker_is_freed_with_jobs_that_wait_run_and_have_ended(void **state)
{
	struct fixture *fixture = *state;

	submit(fixture, 1, AMPLE_MS, false);
	submit(fixture, 2, AMPLE_MS, true);
	submit(fixture, 3, AMPLE_MS, false);
	assert_posted(&seen.begun);
	assert_posted(&seen.begun);
	/* The loop did not run yet: the first has ended, and nobody was told. */
	fixture->worker = worker_free(fixture->worker);
	assert_int_equal(atomic_load(&seen.freed), 2);
	open_gate(1);
	await(fixture, has_freed, 3);
	assert_string_equal(seen.trace, "r1 r2");
}

static void a_worker_is_freed_although_threads_hang(void **state)
{
	struct fixture *fixture = *state;

	submit(fixture, 1, 10, true);
	submit(fixture, 2, 10, true);
	await(fixture, has_been_late, 2);
	submit(fixture, 3, AMPLE_MS, true);
	for (unsigned i = 0; i < 3; i++)
		assert_posted(&seen.begun);
	fixture->worker = worker_free(fixture->worker);
	assert_int_equal(atomic_load(&seen.freed), 0);
	open_gate(3);
	await(fixture, has_freed, 3);
	assert_int_equal(seen.done, 0);
	await(fixture, has_threads, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(jobs_run_one_after_the_other_in_their_order),
		TEST(jobs_run_off_the_loop_thread),
		TEST(there_is_no_thread_before_the_first_job_and_none_after_the_worker),
		TEST(a_worker_without_jobs_starts_no_thread),
		TEST(a_job_that_takes_too_long_is_left_alone_and_the_next_goes_on),
		TEST(a_job_may_leave_it_open_what_happens_when_it_is_late),
		TEST(the_time_of_a_job_begins_when_it_runs),
		TEST(each_of_several_late_jobs_is_told_once),
		TEST(the_next_job_may_come_from_the_end_of_the_last),
		TEST(jobs_that_hang_take_no_threads_without_end),
		TEST(a_worker_is_freed_with_jobs_that_wait_run_and_have_ended),
		TEST(a_worker_is_freed_although_threads_hang),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
