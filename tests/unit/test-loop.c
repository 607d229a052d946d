/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "test-wait.h"

static struct loop *new_loop(void)
{
	struct loop *loop = NULL;

	assert_int_equal(loop_new(&loop, NULL), 0);
	return loop;
}

/* Timers that note the order in which they expire. */
struct journal {
	char text[32];
	size_t length;
};

struct entry {
	struct journal *journal;
	char letter;
	struct loop_timer *timer;
};

static void on_entry(void *data)
{
	const struct entry *entry = data;

	entry->journal->text[entry->journal->length++] = entry->letter;
}

static bool has_three(void *data)
{
	return ((const struct journal *)data)->length >= 3;
}

/*
 * Delays count from when each timer is set. Set anew until that took less than they differ
 * by: a busy machine may stop us in between.
 */
static int64_t set_together(struct entry *entries, const int64_t *delays_ms, size_t count)
{
	int64_t start;

	do {
		start = clock_ms();
		for (size_t i = 0; i < count; i++)
			loop_timer_set(entries[i].timer, delays_ms[i]);
	} while (clock_ms() - start > 2);
	return start;
}

static void timers_expire_in_the_order_of_their_delays(void **state)
{
	KUDEV_AUTO(loop_free) struct loop *loop = new_loop();
	struct journal journal = {0};
	struct entry entries[] = {
		{&journal, 'c', NULL}, {&journal, 'a', NULL}, {&journal, 'b', NULL}};
	const int64_t delays_ms[] = {20, 0, 5};
	int64_t start;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		entries[i].timer = loop_timer_new(loop, on_entry, &entries[i]);
		assert_false(loop_timer_is_set(entries[i].timer));
	}
	start = set_together(entries, delays_ms, 3);
	for (size_t i = 0; i < 3; i++)
		assert_true(loop_timer_is_set(entries[i].timer));
	assert_comes(loop, has_three, &journal);
	assert_string_equal(journal.text, "abc");
	assert_true(clock_ms() - start >= 19);
	for (size_t i = 0; i < 3; i++) {
		assert_false(loop_timer_is_set(entries[i].timer));
		assert_null(loop_timer_free(entries[i].timer));
	}
	assert_null(loop_timer_free(NULL));
}

static void a_cancelled_timer_is_silent_and_a_reset_one_counts_anew(void **state)
{
	KUDEV_AUTO(loop_free) struct loop *loop = new_loop();
	struct journal journal = {0};
	struct entry cancelled = {&journal, 'x', NULL};
	struct entry entries[] = {
		{&journal, 'r', NULL}, {&journal, '1', NULL}, {&journal, '2', NULL}};
	const int64_t delays_ms[] = {15, 5, 30};

	(void)state;
	cancelled.timer = loop_timer_new(loop, on_entry, &cancelled);
	for (size_t i = 0; i < 3; i++)
		entries[i].timer = loop_timer_new(loop, on_entry, &entries[i]);
	loop_timer_set(cancelled.timer, 0);
	loop_timer_set(entries[0].timer, 0);
	loop_timer_cancel(cancelled.timer);
	assert_false(loop_timer_is_set(cancelled.timer));
	set_together(entries, delays_ms, 3);
	assert_comes(loop, has_three, &journal);
	assert_string_equal(journal.text, "1r2");
	loop_timer_free(cancelled.timer);
	for (size_t i = 0; i < 3; i++)
		loop_timer_free(entries[i].timer);
}

struct suicide {
	struct loop_timer *timer;
	struct loop_watch *watch;
	struct loop_signal *signal;
	struct wait_count count;
};

static void on_timer_free(void *data)
{
	struct suicide *suicide = data;

	suicide->timer = loop_timer_free(suicide->timer);
	suicide->count.count++;
}

static void on_watch_free(void *data)
{
	struct suicide *suicide = data;

	suicide->watch = loop_watch_free(suicide->watch);
	suicide->count.count++;
}

static void on_signal_free(int signum, void *data)
{
	struct suicide *suicide = data;

	assert_int_equal(signum, SIGUSR1);
	suicide->signal = loop_signal_free(suicide->signal);
	suicide->count.count++;
}

static void callbacks_may_free_what_called_them(void **state)
{
	KUDEV_AUTO(loop_free) struct loop *loop = new_loop();
	struct suicide suicide = {.count.wanted = 3};
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	suicide.timer = loop_timer_new(loop, on_timer_free, &suicide);
	loop_timer_set(suicide.timer, 0);
	suicide.watch = loop_watch_new(loop, fds[0], on_watch_free, &suicide);
	suicide.signal = loop_signal_new(loop, SIGUSR1, on_signal_free, &suicide);
	raise(SIGUSR1);
	assert_comes(loop, wait_is_enough, &suicide.count);
	assert_int_equal(suicide.count.count, 3);
	assert_null(suicide.timer);
	assert_null(suicide.watch);
	assert_null(suicide.signal);
	close(fds[0]);
	close(fds[1]);
}

static void a_watch_for_output_is_paused_until_it_is_wanted(void **state)
{
	KUDEV_AUTO(loop_free) struct loop *loop = new_loop();
	struct wait_count writes = {.wanted = 1};
	struct wait_count ticks = {.wanted = 1};
	struct loop_timer *timer = loop_timer_new(loop, wait_add, &ticks);
	struct loop_watch *watch;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	watch = loop_watch_new_output(loop, fds[1], wait_add, &writes);
	loop_timer_set(timer, 5);
	assert_comes(loop, wait_is_enough, &ticks);
	assert_int_equal(writes.count, 0);
	loop_watch_pause(watch, false);
	assert_comes(loop, wait_is_enough, &writes);
	loop_watch_free(watch);
	loop_timer_free(timer);
	close(fds[0]);
	close(fds[1]);
}

static void a_paused_watch_is_silent_until_it_goes_on(void **state)
{
	KUDEV_AUTO(loop_free) struct loop *loop = new_loop();
	struct wait_count reads = {.wanted = 1};
	struct wait_count ticks = {.wanted = 1};
	struct loop_timer *timer = loop_timer_new(loop, wait_add, &ticks);
	struct loop_watch *watch;
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	watch = loop_watch_new(loop, fds[0], wait_add, &reads);
	loop_watch_pause(watch, true);
	assert_int_equal(write(fds[1], "x", 1), 1);
	loop_timer_set(timer, 5);
	assert_comes(loop, wait_is_enough, &ticks);
	assert_int_equal(reads.count, 0);
	loop_watch_pause(watch, false);
	assert_comes(loop, wait_is_enough, &reads);
	assert_null(loop_watch_free(watch));
	assert_null(loop_watch_free(NULL));
	assert_null(loop_signal_free(NULL));
	loop_timer_free(timer);
	close(fds[0]);
	close(fds[1]);
}

static void on_signal(int signum, void *data)
{
	struct wait_count *count = data;

	if (signum == SIGUSR2)
		count->count++;
}

static void signals_come_until_they_are_given_back(void **state)
{
	KUDEV_AUTO(loop_free) struct loop *loop = new_loop();
	struct wait_count count = {.wanted = 1};
	struct loop_signal *loop_signal = loop_signal_new(loop, SIGUSR2, on_signal,
							  &count);
	sigset_t blocked;

	(void)state;
	raise(SIGUSR2);
	assert_comes(loop, wait_is_enough, &count);
	count.wanted = 2;
	raise(SIGUSR2);
	assert_comes(loop, wait_is_enough, &count);
	loop_signal_free(loop_signal);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &blocked), 0);
	assert_int_equal(sigismember(&blocked, SIGUSR2), 0);
}

static void a_signal_that_was_blocked_stays_so(void **state)
{
	KUDEV_AUTO(loop_free) struct loop *loop = new_loop();
	struct wait_count count = {.wanted = 1};
	struct loop_signal *loop_signal;
	sigset_t set;
	sigset_t blocked;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	raise(SIGUSR2);
	loop_signal = loop_signal_new(loop, SIGUSR2, on_signal, &count);
	assert_comes(loop, wait_is_enough, &count);
	loop_signal_free(loop_signal);
	assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &set, &blocked), 0);
	assert_int_equal(sigismember(&blocked, SIGUSR2), 1);
}

static void a_storm_of_one_signal_hides_no_other(void **state)
{
	KUDEV_AUTO(loop_free) struct loop *loop = new_loop();
	struct wait_count storm = {.wanted = 1};
	struct wait_count count = {.wanted = 1};
	struct loop_signal *first = loop_signal_new(loop, SIGUSR1, on_signal, &storm);
	struct loop_signal *second = loop_signal_new(loop, SIGUSR2, on_signal, &count);

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		raise(SIGUSR1);
	raise(SIGUSR2);
	assert_comes(loop, wait_is_enough, &count);
	loop_signal_free(first);
	loop_signal_free(second);
}

#define POSTS 2000
#define POSTERS 4

struct posted {
	struct loop_work work;
	struct poster *poster;
	unsigned number;
};

struct poster {
	struct loop *loop;
	pthread_t thread;
	pthread_t loop_thread;
	unsigned next; /* number expected */
	bool in_order;
	struct posted items[POSTS];
};

static void run_posted(struct loop_work *work)
{
	struct posted *posted = KUDEV_CONTAINER_OF(work, struct posted, work);
	struct poster *poster = posted->poster;

	if (posted->number != poster->next++ ||
	    !pthread_equal(pthread_self(), poster->loop_thread))
		poster->in_order = false;
}

static void *post_all(void *data)
{
	struct poster *poster = data;

	for (unsigned i = 0; i < POSTS; i++) {
		poster->items[i].poster = poster;
		poster->items[i].number = i;
		poster->items[i].work.run = run_posted;
		loop_post(poster->loop, &poster->items[i].work);
	}
	return NULL;
}

static bool all_have_run(void *data)
{
	const struct poster *posters = data;

	for (size_t i = 0; i < POSTERS; i++) {
		if (posters[i].next < POSTS)
			return false;
	}
	return true;
}

static void posted_work_runs_on_the_loop_in_the_order_of_each_thread(void **state)
{
	KUDEV_AUTO(loop_free) struct loop *loop = new_loop();
	struct poster *posters = mem_zero(POSTERS * sizeof(*posters));

	(void)state;
	for (size_t i = 0; i < POSTERS; i++) {
		posters[i].loop = loop;
		posters[i].loop_thread = pthread_self();
		posters[i].in_order = true;
		assert_int_equal(pthread_create(&posters[i].thread, NULL, post_all,
						&posters[i]),
				 0);
	}
	assert_comes(loop, all_have_run, posters);
	for (size_t i = 0; i < POSTERS; i++) {
		pthread_join(posters[i].thread, NULL);
		assert_true(posters[i].in_order);
	}
	free(posters);
}

struct chain {
	struct loop_work work;
	struct loop *loop;
	unsigned left;
	bool done;
};

static void run_chain(struct loop_work *work)
{
	struct chain *chain = KUDEV_CONTAINER_OF(work, struct chain, work);

	if (chain->left-- > 0)
		loop_post(chain->loop, work);
	else
		chain->done = true;
}

static void work_may_post_itself_again(void **state)
{
	KUDEV_AUTO(loop_free) struct loop *loop = new_loop();
	struct chain chain = {.work.run = run_chain, .loop = loop, .left = 100};

	(void)state;
	loop_post(loop, &chain.work);
	assert_comes(loop, wait_is_set, &chain.done);
}

static void posted_work_is_dropped_with_the_loop(void **state)
{
	struct loop *loop = new_loop();
	struct chain chain = {.work.run = run_chain, .loop = loop};

	(void)state;
	loop_post(loop, &chain.work);
	assert_null(loop_free(loop));
	assert_false(chain.done);
	assert_null(loop_free(NULL));
}

static void too_few_descriptors_are_an_error_that_says_so(void **state)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	struct rlimit before;
	struct rlimit low;
	struct loop *loop = NULL;
	int r;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = 20;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	r = loop_new(&loop, &err);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(r, -EMFILE);
	assert_null(loop);
	assert_non_null(strstr(error_message(&err), "raise the limit"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_expire_in_the_order_of_their_delays),
		cmocka_unit_test(a_cancelled_timer_is_silent_and_a_reset_one_counts_anew),
		cmocka_unit_test(callbacks_may_free_what_called_them),
		cmocka_unit_test(a_paused_watch_is_silent_until_it_goes_on),
		cmocka_unit_test(a_watch_for_output_is_paused_until_it_is_wanted),
		cmocka_unit_test(signals_come_until_they_are_given_back),
		cmocka_unit_test(a_signal_that_was_blocked_stays_so),
		cmocka_unit_test(a_storm_of_one_signal_hides_no_other),
		cmocka_unit_test(
			posted_work_runs_on_the_loop_in_the_order_of_each_thread),
		cmocka_unit_test(work_may_post_itself_again),
		cmocka_unit_test(posted_work_is_dropped_with_the_loop),
		cmocka_unit_test(too_few_descriptors_are_an_error_that_says_so),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
