/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "http/probes.h"
#include "test-wait.h"

/* The worker leaves so many jobs alone, and two more have to wait. */
#define MAX_LEFT 32
#define JOBS (MAX_LEFT + 2)

/* The clock of the modules under test (the linker's --wrap): the real one, and later. */
int64_t __real_clock_ms(void);
int64_t __wrap_clock_ms(void);
static int64_t later_ms;

int64_t __wrap_clock_ms(void)
{
	return __real_clock_ms() + later_ms;
}

static sem_t gate;

static void run_job(struct worker_job *job)
{
	(void)job;
	sem_wait(&gate);
}

static void end_job(struct worker_job *job)
{
	(void)job;
}

static void free_job(struct worker_job *job)
{
	free(job);
}

struct fixture {
	struct loop *loop;
	struct worker *worker;
	struct http_view view;
};

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	later_ms = 0;
	assert_int_equal(sem_init(&gate, 0, 0), 0);
	assert_int_equal(loop_new(&fixture->loop, NULL), 0);
	fixture->worker = worker_new(fixture->loop);
	fixture->view.worker = fixture->worker;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	worker_free(fixture->worker);
	loop_free(fixture->loop);
	free(fixture);
	sem_destroy(&gate);
	return 0;
}

static void submit(struct fixture *fixture)
{
	struct worker_job *job = mem_zero(sizeof(*job));

	*job = (struct worker_job){
		.run = run_job,
		.done = end_job,
		.free = free_job,
		.timeout_ms = 1,
	};
	worker_submit(fixture->worker, job);
}

static bool all_hang(void *data)
{
	const struct fixture *fixture = data;
	struct worker_stats stats;

	worker_describe(fixture->worker, &stats);
	return stats.hanging == MAX_LEFT;
}

static bool all_are_done(void *data)
{
	const struct fixture *fixture = data;
	struct worker_stats stats;

	worker_describe(fixture->worker, &stats);
	return stats.done == JOBS;
}

static void assert_begins(const char *text, const char *expected)
{
	KUDEV_AUTO_FREE char *beginning = mem_string_n(text,
						       strnlen(text, strlen(expected)));

	assert_string_equal(beginning, expected);
}

static void expect_health(const struct fixture *fixture, int status, const char *text,
			  const char *json)
{
	struct http_answer answer;

	probe_health(&fixture->view, false, &answer);
	assert_int_equal(answer.status, status);
	assert_int_equal(answer.size, strlen(answer.body));
	assert_begins(answer.body, text);
	free(answer.body);
	probe_health(&fixture->view, true, &answer);
	assert_int_equal(answer.status, status);
	assert_string_equal(answer.type, "application/json");
	assert_begins(answer.body, json);
	free(answer.body);
}

static void an_idle_worker_is_healthy(void **state)
{
	later_ms = 1000000;
	expect_health(*state, 200, "ok\n", "{\"healthy\":true}\n");
}

/* Some devices that hang are no reason to start anew; if nothing is done any more, it is. */
static void work_that_nobody_does_is_unhealthy(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned i = 0; i < JOBS; i++)
		submit(fixture);
	assert_comes(fixture->loop, all_hang, fixture);
	expect_health(fixture, 200, "ok\n", "{\"healthy\":true}\n");
	later_ms = 100000;
	expect_health(fixture, 503,
		      "unhealthy: no device can be opened, reset or checked: 32 attempts "
		      "hang, and the next has waited for 10",
		      "{\"healthy\":false,\"reason\":\"no device can be opened, reset or "
		      "checked: 32 attempts hang, and the next has waited for 10");
	for (unsigned i = 0; i < JOBS; i++)
		sem_post(&gate);
	assert_comes(fixture->loop, all_are_done, fixture);
	expect_health(fixture, 200, "ok\n", "{\"healthy\":true}\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_idle_worker_is_healthy),
		TEST(work_that_nobody_does_is_unhealthy),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
