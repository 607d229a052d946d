/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/unix.h"
#include "http/listener.h"

#define BACKLOG 128
/* Doubled from the first to the last. */
#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS 15000
/* After accept(2) failed for want of something. */
#define PAUSE_MS 1000
#define LOOKUP_TIMEOUT_MS 30000
#define LOG_INTERVAL_MS 600000

/* A host's name is looked up by the worker: that may take long. */
struct lookup {
	struct worker_job job;
	struct listener *owner; /* for the loop thread alone; NULL: it is gone */
	char *host;
	char *port;
	struct sockaddr_storage address;
	socklen_t size; /* 0: it was not found */
	int error;	/* of getaddrinfo(3) */
};

struct listener {
	struct loop *loop;     /* owned by the caller */
	struct worker *worker; /* likewise */
	char *text;
	const struct listener_callbacks *callbacks;
	void *data;
	int fd;
	struct loop_watch *watch; /* NULL: it does not listen */
	struct stat file;	  /* of a unix socket that is ours */
	struct lookup *lookup;	  /* under way */
	struct loop_timer *retry;
	int64_t retry_ms;
	bool is_paused;
	bool is_logged; /* that it can't listen */
	struct log_limit accept_limit;
};

static void open_socket(struct listener *listener);

static void fail(struct listener *listener, const char *error, int code)
{
	loop_timer_set(listener->retry,
		       backoff_next(&listener->retry_ms, RETRY_MIN_MS, RETRY_MAX_MS));
	if (listener->is_logged)
		return;
	listener->is_logged = true;
	log_error(
		"cannot listen for HTTP", LOG_STR("address", listener->text),
		LOG_STR("error", error),
		LOG_STR("hint",
			code == EADDRINUSE
				? "another program has it, maybe a kudev that still ends; "
				  "it is tried again, and devices are served meanwhile"
				: "it is tried again, and devices are served meanwhile"));
}

static void watch_input(struct listener *listener, bool on)
{
	if (listener->watch)
		loop_watch_pause(listener->watch, !on);
}

/* Whether accept(2) may be tried again at once. */
static bool is_passing(int code)
{
	return code == EAGAIN || code == EINTR || code == ECONNABORTED || code == EPROTO;
}

static void give_way(struct listener *listener, int code)
{
	uint64_t suppressed;

	watch_input(listener, false);
	loop_timer_set(listener->retry, PAUSE_MS);
	if (log_limit_due(&listener->accept_limit, LOG_INTERVAL_MS, &suppressed))
		log_warn("cannot accept HTTP connections",
			 LOG_STR("error", strerror(code)),
			 LOG_COUNT("suppressed", suppressed));
}

/* One at a time: the others are still there in the loop's next round. */
static void on_input(void *data)
{
	struct listener *listener = data;
	static const int one = 1;
	int fd;

	if (!listener->callbacks->has_room(listener->data))
		return;
	fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0) {
		if (!is_passing(errno))
			give_way(listener, errno);
		return;
	}
	/* Fails on a unix socket. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	listener->callbacks->on_connection(fd, listener->data);
}

static void on_retry(void *data)
{
	struct listener *listener = data;

	if (listener->watch)
		watch_input(listener, !listener->is_paused);
	else
		open_socket(listener);
}

/* Takes fd over. */
static void start(struct listener *listener, int fd)
{
	listener->fd = fd;
	listener->watch = loop_watch_new(listener->loop, fd, on_input, listener);
	watch_input(listener, !listener->is_paused);
	listener->retry_ms = 0;
	listener->is_logged = false;
	log_info("listening for HTTP", LOG_STR("address", listener->text));
}

/* One that nobody serves is left from a kudev that was killed. */
static void remove_dead_socket(const char *path)
{
	struct stat status;
	KUDEV_AUTO_CLOSE int fd = -1;

	if (lstat(path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return;
	fd = unix_connect(path, NULL);
	if (fd == -ECONNREFUSED)
		(void)unlink(path);
}

static void open_unix(struct listener *listener, const char *path)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	int fd;

	remove_dead_socket(path);
	fd = unix_listen(path, &err);
	if (fd < 0) {
		fail(listener, error_message(&err), -fd);
		return;
	}
	if (lstat(path, &listener->file) < 0)
		listener->file = (struct stat){0};
	start(listener, fd);
}

/* Returns the descriptor or a negative errno. */
static int listen_on(const struct sockaddr *address, socklen_t size)
{
	static const int one = 1;
	static const int zero = 0;
	KUDEV_AUTO_CLOSE int fd = socket(address->sa_family,
					 SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Both families, whatever the system's default. */
	(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, address, size) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return take_fd(&fd);
}

static void open_address(struct listener *listener, const struct sockaddr *address,
			 socklen_t size)
{
	int fd = listen_on(address, size);

	if (fd < 0)
		fail(listener, strerror(-fd), -fd);
	else
		start(listener, fd);
}

/* Every address of this machine, of both families if it has both. */
static void open_any(struct listener *listener, const char *port)
{
	uint16_t number = htons((uint16_t)strtoul(port, NULL, 10));
	const struct sockaddr_in6 six = {
		.sin6_family = AF_INET6,
		.sin6_port = number,
		.sin6_addr = IN6ADDR_ANY_INIT,
	};
	const struct sockaddr_in four = {
		.sin_family = AF_INET,
		.sin_port = number,
		.sin_addr = {htonl(INADDR_ANY)},
	};
	int fd = listen_on((const struct sockaddr *)&six, sizeof(six));

	if (fd == -EAFNOSUPPORT || fd == -EADDRNOTAVAIL)
		open_address(listener, (const struct sockaddr *)&four, sizeof(four));
	else if (fd < 0)
		fail(listener, strerror(-fd), -fd);
	else
		start(listener, fd);
}

/* flags: AI_NUMERICHOST or 0. Returns 0 or what gai_strerror(3) describes. */
static int resolve(struct lookup *lookup, int flags)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = flags | AI_NUMERICSERV | AI_PASSIVE,
	};
	struct addrinfo *found;
	int r = getaddrinfo(lookup->host, lookup->port, &hints, &found);

	if (r != 0)
		return r;
	memcpy(&lookup->address, found->ai_addr, found->ai_addrlen);
	lookup->size = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static void run_lookup(struct worker_job *job)
{
	struct lookup *lookup = KUDEV_CONTAINER_OF(job, struct lookup, job);

	lookup->error = resolve(lookup, 0);
}

static void on_lookup_done(struct worker_job *job)
{
	struct lookup *lookup = KUDEV_CONTAINER_OF(job, struct lookup, job);
	struct listener *listener = lookup->owner;

	if (!listener)
		return;
	listener->lookup = NULL;
	if (lookup->size > 0)
		open_address(listener, (const struct sockaddr *)&lookup->address,
			     lookup->size);
	else
		fail(listener, gai_strerror(lookup->error), 0);
}

static void free_lookup(struct worker_job *job)
{
	struct lookup *lookup = KUDEV_CONTAINER_OF(job, struct lookup, job);

	free(lookup->host);
	free(lookup->port);
	free(lookup);
}

static void open_host(struct listener *listener, const char *host, const char *port)
{
	struct lookup *lookup = mem_zero(sizeof(*lookup));

	lookup->host = mem_string(host);
	lookup->port = mem_string(port);
	lookup->job = (struct worker_job){
		.run = run_lookup,
		.done = on_lookup_done,
		.free = free_lookup,
		.timeout_ms = LOOKUP_TIMEOUT_MS,
	};
	if (resolve(lookup, AI_NUMERICHOST) == 0) {
		open_address(listener, (const struct sockaddr *)&lookup->address,
			     lookup->size);
		free_lookup(&lookup->job);
		return;
	}
	lookup->owner = listener;
	listener->lookup = lookup;
	worker_submit(listener->worker, &lookup->job);
}

/* "host:port", ":port" or "[host]:port". */
static void open_tcp(struct listener *listener)
{
	const char *colon = strrchr(listener->text, ':');
	bool is_bracketed = listener->text[0] == '[';
	size_t length = (size_t)(colon - listener->text);
	KUDEV_AUTO_FREE char *host = mem_string_n(listener->text + is_bracketed,
						  length - (is_bracketed ? 2 : 0));

	if (host[0])
		open_host(listener, host, colon + 1);
	else
		open_any(listener, colon + 1);
}

static void open_socket(struct listener *listener)
{
	const char *path = unix_path_of(listener->text);

	if (path)
		open_unix(listener, path);
	else
		open_tcp(listener);
}

struct listener *listener_new(struct loop *loop, struct worker *worker,
			      const char *address,
			      const struct listener_callbacks *callbacks, void *data)
{
	struct listener *listener = mem_zero(sizeof(*listener));

	listener->loop = loop;
	listener->worker = worker;
	listener->text = mem_string(address);
	listener->callbacks = callbacks;
	listener->data = data;
	listener->fd = -1;
	listener->retry = loop_timer_new(loop, on_retry, listener);
	open_socket(listener);
	return listener;
}

/* Another kudev may have put its own in the place of ours. */
static void remove_socket(const struct listener *listener)
{
	const char *path = unix_path_of(listener->text);
	struct stat status;

	if (path && listener->file.st_ino != 0 && lstat(path, &status) == 0 &&
	    status.st_dev == listener->file.st_dev &&
	    status.st_ino == listener->file.st_ino)
		(void)unlink(path);
}

struct listener *listener_free(struct listener *listener)
{
	if (!listener)
		return NULL;
	if (listener->lookup)
		listener->lookup->owner = NULL;
	remove_socket(listener);
	loop_watch_free(listener->watch);
	loop_timer_free(listener->retry);
	fd_close(listener->fd);
	free(listener->text);
	free(listener);
	return NULL;
}

void listener_pause(struct listener *listener, bool paused)
{
	if (listener->is_paused == paused)
		return;
	listener->is_paused = paused;
	watch_input(listener, !paused);
}
