/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/unix.h"
#include "base/util.h"
#include "http/client.h"

#define MAX_REPLY_SIZE (64U * 1024 * 1024)

/* Returns 0 when it is there, or a negative errno. */
static int await(int fd, short events, int64_t deadline_ms)
{
	struct pollfd poll_fd = {.fd = fd, .events = events};
	int64_t left_ms = deadline_ms - clock_ms();
	int r;

	do {
		r = poll(&poll_fd, 1, left_ms > 0 ? (int)left_ms : 0);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return -errno;
	return r == 0 ? -ETIMEDOUT : 0;
}

/* Returns a connected descriptor or a negative errno. */
static int connect_to(const struct addrinfo *address, int64_t deadline_ms)
{
	KUDEV_AUTO_CLOSE int fd = socket(address->ai_family,
					 SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof(int);
	int code = 0;
	int r;

	if (fd < 0)
		return -errno;
	if (connect(fd, address->ai_addr, address->ai_addrlen) == 0)
		return take_fd(&fd);
	if (errno != EINPROGRESS)
		return -errno;
	r = await(fd, POLLOUT, deadline_ms);
	if (r < 0)
		return r;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0 || code != 0)
		return code ? -code : -errno;
	return take_fd(&fd);
}

/* Every address of a name in turn. */
static int connect_host(const char *host, const char *port, int64_t deadline_ms,
			struct error *err)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *found;
	int fd = -EADDRNOTAVAIL;
	int r = getaddrinfo(host, port, &hints, &found);

	if (r != 0)
		return error_set(err, EHOSTUNREACH, "%s", gai_strerror(r));
	for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next)
		fd = connect_to(at, deadline_ms);
	freeaddrinfo(found);
	return fd < 0 ? error_set_errno(err, -fd, "cannot connect") : fd;
}

/* Where every address of this machine is listened on, this one is as good as any. */
static const char *reachable(const char *host)
{
	if (host[0] == '\0' || strcmp(host, "0.0.0.0") == 0)
		return "127.0.0.1";
	return strcmp(host, "::") == 0 ? "::1" : host;
}

static int connect_address(const char *address, int64_t deadline_ms, struct error *err)
{
	const char *path = unix_path_of(address);
	const char *colon = strrchr(address, ':');
	bool is_bracketed = address[0] == '[';
	KUDEV_AUTO_FREE char *host = NULL;

	if (path)
		return unix_connect(path, err);
	if (!colon || (is_bracketed && (colon == address || colon[-1] != ']')))
		return error_set(err, EINVAL, "it has no port");
	host = mem_string_n(address + is_bracketed,
			    (size_t)(colon - address) - (is_bracketed ? 2 : 0));
	return connect_host(reachable(host), colon + 1, deadline_ms, err);
}

static int send_request(int fd, const char *path, int64_t deadline_ms, struct error *err)
{
	KUDEV_AUTO_FREE char *request = mem_printf(
		"GET %s HTTP/1.0\r\nHost: kudev\r\nAccept: application/json\r\n\r\n",
		path);
	size_t left = strlen(request);
	const char *at = request;

	while (left > 0) {
		int r = await(fd, POLLOUT, deadline_ms);
		ssize_t done = r < 0 ? -1 : send(fd, at, left, MSG_NOSIGNAL);

		if (r < 0 || done < 0)
			return error_set_errno(err, r < 0 ? -r : errno, "cannot ask");
		at += done;
		left -= (size_t)done;
	}
	return 0;
}

/* Up to the end of the connection. */
static int receive(int fd, int64_t deadline_ms, char **ret_text, size_t *ret_size,
		   struct error *err)
{
	char buffer[16384];
	FILE *stream = open_memstream(ret_text, ret_size);
	size_t size = 0;
	ssize_t done;
	int r = 0;

	if (!stream)
		abort();
	do {
		r = await(fd, POLLIN, deadline_ms);
		done = r < 0 ? 0 : recv(fd, buffer, sizeof(buffer), 0);
		if (done < 0)
			r = -errno;
		if (done > 0)
			size += fwrite(buffer, 1, (size_t)done, stream);
		if (size > MAX_REPLY_SIZE)
			r = -EFBIG;
	} while (r == 0 && done > 0);
	fclose(stream);
	return r < 0 ? error_set_errno(err, -r, "no complete answer") : 0;
}

static int parse_reply(const char *text, size_t size, struct http_reply *ret,
		       struct error *err)
{
	const char *body = strstr(text, "\r\n\r\n");
	const char *length = strcasestr(text, "\r\nContent-Length:");
	int status;

	if (!body || sscanf(text, "HTTP/1.%*1u %3d ", &status) != 1)
		return error_set(err, EPROTO, "the answer is not HTTP");
	body += 4;
	size -= (size_t)(body - text);
	if (length && length < body && strtoull(length + 17, NULL, 10) != size)
		return error_set(err, EPROTO, "the answer is not complete");
	*ret = (struct http_reply){
		.status = status,
		.body = mem_string_n(body, size),
		.size = size,
	};
	return 0;
}

static int exchange(int fd, const char *path, int64_t deadline_ms, struct http_reply *ret,
		    struct error *err)
{
	KUDEV_AUTO_FREE char *text = NULL;
	size_t size = 0;
	int r = send_request(fd, path, deadline_ms, err);

	if (r == 0)
		r = receive(fd, deadline_ms, &text, &size, err);
	return r == 0 ? parse_reply(text, size, ret, err) : r;
}

int http_get(const char *address, const char *path, int64_t timeout_ms,
	     struct http_reply *ret, struct error *err)
{
	KUDEV_AUTO_CLOSE int fd = -1;
	KUDEV_AUTO_ERROR struct error cause = {0};
	int64_t deadline_ms = clock_ms() + timeout_ms;
	int r;

	fd = connect_address(address, deadline_ms, &cause);
	r = fd < 0 ? fd : exchange(fd, path, deadline_ms, ret, &cause);
	return r < 0 ? error_set(err, -r, "%s: %s", address, error_message(&cause)) : 0;
}
