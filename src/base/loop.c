/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"

#define MIN_DESCRIPTORS 64

struct loop {
	struct event_base *base;
	int wake_fd;
	struct loop_watch *wake;

	/* The one thing that threads share: a list of posted work, oldest first. */
	pthread_mutex_t lock;
	struct loop_work *first;
	struct loop_work **last;
};

struct loop_timer {
	struct event *event;
	loop_callback on_expired;
	void *data;
};

struct loop_watch {
	struct event *event;
	loop_callback on_ready;
	void *data;
};

struct loop_signal {
	int signum;
	int fd; /* signalfd */
	bool was_blocked;
	struct loop_watch *watch;
	loop_signal_callback on_signal;
	void *data;
};

static struct event *event_create(struct loop *loop, evutil_socket_t fd, short what,
				  event_callback_fn callback, void *data)
{
	struct event *event = event_new(loop->base, fd, what, callback, data);

	if (!event)
		abort(); /* out of memory: the arguments are ours */
	return event;
}

static struct loop_work *take_posted(struct loop *loop)
{
	struct loop_work *work;

	pthread_mutex_lock(&loop->lock);
	work = loop->first;
	loop->first = NULL;
	loop->last = &loop->first;
	pthread_mutex_unlock(&loop->lock);
	return work;
}

static void on_wake(void *data)
{
	struct loop *loop = data;
	struct loop_work *work;
	uint64_t count;

	/* Read before the list is taken, so that a later post wakes the loop again. */
	(void)!read(loop->wake_fd, &count, sizeof(count));
	work = take_posted(loop);
	while (work) {
		struct loop_work *next = work->next;

		work->run(work);
		work = next;
	}
}

void loop_post(struct loop *loop, struct loop_work *work)
{
	const uint64_t one = 1;
	bool was_empty;

	work->next = NULL;
	pthread_mutex_lock(&loop->lock);
	was_empty = !loop->first;
	*loop->last = work;
	loop->last = &work->next;
	pthread_mutex_unlock(&loop->lock);
	if (was_empty)
		(void)!write(loop->wake_fd, &one, sizeof(one));
}

/* What it says shows in the results too; lines of its own would break the log's shape. */
static void drop_library_log(int severity, const char *text)
{
	(void)severity;
	(void)text;
}

/* epoll alone: libevent's other back ends cost start-up time and can't be needed here. */
static struct event_base *base_create(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (!config)
		abort();
	event_set_log_callback(drop_library_log);
	event_config_avoid_method(config, "select");
	event_config_avoid_method(config, "poll");
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

/*
 * libevent and the gRPC core end the process when they can't open what they need at
 * start.
 */
static int check_descriptors(struct error *err)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur >= MIN_DESCRIPTORS)
		return 0;
	return error_set(err, EMFILE,
			 "too few open files are allowed, %llu; raise the limit to %d or "
			 "more (ulimit -n, LimitNOFILE=)",
			 (unsigned long long)files.rlim_cur, MIN_DESCRIPTORS);
}

int loop_new(struct loop **ret, struct error *err)
{
	KUDEV_AUTO(loop_free) struct loop *loop = mem_zero(sizeof(*loop));
	int r = check_descriptors(err);

	loop->wake_fd = -1;
	loop->last = &loop->first;
	pthread_mutex_init(&loop->lock, NULL);
	if (r < 0)
		return r;
	loop->base = base_create();
	if (!loop->base)
		return error_set_errno(err, errno ? errno : EMFILE,
				       "cannot create the event loop");
	loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake_fd < 0)
		return error_set_errno(err, errno, "cannot create an eventfd");
	loop->wake = loop_watch_new(loop, loop->wake_fd, on_wake, loop);
	*ret = take_ptr(loop);
	return 0;
}

struct loop *loop_free(struct loop *loop)
{
	if (!loop)
		return NULL;
	loop_watch_free(loop->wake);
	fd_close(loop->wake_fd);
	if (loop->base)
		event_base_free(loop->base);
	pthread_mutex_destroy(&loop->lock);
	free(loop);
	return NULL;
}

void loop_run(struct loop *loop)
{
	event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
}

void loop_stop(struct loop *loop)
{
	event_base_loopbreak(loop->base);
}

static void on_timer_event(evutil_socket_t fd, short what, void *data)
{
	struct loop_timer *timer = data;

	(void)fd;
	(void)what;
	timer->on_expired(timer->data);
}

struct loop_timer *loop_timer_new(struct loop *loop, loop_callback on_expired, void *data)
{
	struct loop_timer *timer = mem_zero(sizeof(*timer));

	timer->on_expired = on_expired;
	timer->data = data;
	timer->event = event_create(loop, -1, 0, on_timer_event, timer);
	return timer;
}

struct loop_timer *loop_timer_free(struct loop_timer *timer)
{
	if (!timer)
		return NULL;
	event_free(timer->event);
	free(timer);
	return NULL;
}

void loop_timer_set(struct loop_timer *timer, int64_t delay_ms)
{
	struct timeval delay = {
		.tv_sec = delay_ms / 1000,
		.tv_usec = (delay_ms % 1000) * 1000,
	};

	event_add(timer->event, &delay);
}

void loop_timer_cancel(struct loop_timer *timer)
{
	event_del(timer->event);
}

bool loop_timer_is_set(const struct loop_timer *timer)
{
	return event_pending(timer->event, EV_TIMEOUT, NULL);
}

static void on_watch_event(evutil_socket_t fd, short what, void *data)
{
	struct loop_watch *watch = data;

	(void)fd;
	(void)what;
	watch->on_ready(watch->data);
}

static struct loop_watch *watch_create(struct loop *loop, int fd, short what,
				       loop_callback on_ready, void *data)
{
	struct loop_watch *watch = mem_zero(sizeof(*watch));

	watch->on_ready = on_ready;
	watch->data = data;
	watch->event = event_create(loop, fd, what | EV_PERSIST, on_watch_event, watch);
	return watch;
}

struct loop_watch *loop_watch_new(struct loop *loop, int fd, loop_callback on_readable,
				  void *data)
{
	struct loop_watch *watch = watch_create(loop, fd, EV_READ, on_readable, data);

	event_add(watch->event, NULL);
	return watch;
}

struct loop_watch *loop_watch_new_output(struct loop *loop, int fd,
					 loop_callback on_writable, void *data)
{
	return watch_create(loop, fd, EV_WRITE, on_writable, data);
}

struct loop_watch *loop_watch_free(struct loop_watch *watch)
{
	if (!watch)
		return NULL;
	event_free(watch->event);
	free(watch);
	return NULL;
}

void loop_watch_pause(struct loop_watch *watch, bool paused)
{
	if (paused)
		event_del(watch->event);
	else
		event_add(watch->event, NULL);
}

static void on_signal_event(void *data)
{
	struct loop_signal *signal = data;
	struct signalfd_siginfo info;

	if (read(signal->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		signal->on_signal(signal->signum, signal->data);
}

/*
 * Not libevent's own: that has a byte in a socket for each, so that a storm of one signal
 * fills it, and another one is lost.
 */
struct loop_signal *loop_signal_new(struct loop *loop, int signum,
				    loop_signal_callback on_signal, void *data)
{
	struct loop_signal *signal = mem_zero(sizeof(*signal));
	sigset_t set;
	sigset_t before;

	sigemptyset(&set);
	sigaddset(&set, signum);
	signal->signum = signum;
	signal->on_signal = on_signal;
	signal->data = data;
	signal->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signal->fd < 0) {
		log_error("a signal has its default action, which may end kudev",
			  LOG_INT("signal", signum), LOG_STR("error", strerror(errno)));
		return signal;
	}
	pthread_sigmask(SIG_BLOCK, &set, &before);
	signal->was_blocked = sigismember(&before, signum) == 1;
	signal->watch = loop_watch_new(loop, signal->fd, on_signal_event, signal);
	return signal;
}

struct loop_signal *loop_signal_free(struct loop_signal *signal)
{
	sigset_t set;

	if (!signal)
		return NULL;
	loop_watch_free(signal->watch);
	sigemptyset(&set);
	sigaddset(&set, signal->signum);
	if (signal->fd >= 0 && !signal->was_blocked)
		pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	fd_close(signal->fd);
	free(signal);
	return NULL;
}
