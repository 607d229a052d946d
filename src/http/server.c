/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "http/listener.h"
#include "http/server.h"

#define MAX_CONNECTIONS 64
/* Of these, with an answer that costs something: the others are for probes. */
#define MAX_COSTLY 32
/* On one connection. */
#define MAX_REQUESTS 1000
/* For a head that has begun, and for one that is to come. */
#define HEAD_MS 5000
#define IDLE_MS 90000
/* For an answer to be read, all of it. */
#define ANSWER_MS 30000
/* A reader that has taken nothing for so long may have to make room. */
#define STALLED_MS 1000
/* Before that, who has not asked yet need not make room if another can. */
#define GRACE_MS 250
/* Of answers that were not read yet; more are not made. */
#define MAX_UNREAD (8U * 1024 * 1024)
#define UNREAD_POLL_MS 100
/*
 * After the last answer, for the client to close: what it still sends would reset the
 * connection, and take the answer from it.
 */
#define LINGER_MS 1000
#define MAX_LINGER (256U * 1024)
/* Of the time, answers take one part in so many and one more. */
#define BUSY_FACTOR 2

enum connection_state {
	CONNECTION_READING,
	CONNECTION_QUEUED, /* its request waits for its turn */
	CONNECTION_WRITING,
	CONNECTION_LINGERING,
};

/* Probes go before what costs something. */
enum urgency {
	URGENCY_QUICK,
	URGENCY_COSTLY,
	URGENCY_MAX,
};

struct connection {
	struct http_server *server;
	int fd;
	enum connection_state state;
	struct loop_watch *input;
	struct loop_watch *output;
	struct loop_timer *deadline;
	int64_t since_ms; /* when it did its part last: asked, or read something */
	char head[HTTP_MAX_HEAD + 1];
	size_t filled; /* bytes of it */
	struct http_request request;
	unsigned served; /* requests */
	char *answer;	 /* NULL: none */
	size_t size;
	size_t sent;
	size_t lingered;      /* bytes that were thrown away */
	enum urgency urgency; /* of its request; CONNECTION_QUEUED: the queue it is in */
	struct connection *prev, *next;
	struct connection *queue_prev, *queue_next;
};

struct http_server {
	struct loop *loop; /* owned by the caller */
	struct http_service service;
	struct listener *listener; /* NULL: it serves nobody */
	struct loop_timer *turn;   /* of the first in the queues */
	struct loop_timer *room;   /* to look anew whether one can make room */
	struct connection *connections;
	struct connection *queues[URGENCY_MAX];
	size_t unread;	 /* bytes */
	int64_t owed_us; /* to the loop, less than what its timers know */
	struct http_server_stats stats;
};

static const struct {
	int status;
	const char *phrase;
} phrases[] = {
	{200, "OK"},
	{400, "Bad Request"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{413, "Content Too Large"},
	{431, "Request Header Fields Too Large"},
	{503, "Service Unavailable"},
	{505, "HTTP Version Not Supported"},
};

static const char *phrase_of(int status)
{
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(phrases); i++) {
		if (phrases[i].status == status)
			return phrases[i].phrase;
	}
	return "";
}

/* There may be room, or one that can make it. */
static void admit(struct http_server *server)
{
	if (server->listener)
		listener_pause(server->listener, false);
}

static void on_room(void *data)
{
	admit(data);
}

static void connection_close(struct connection *connection)
{
	struct http_server *server = connection->server;

	if (connection->state == CONNECTION_QUEUED)
		DL_DELETE2(server->queues[connection->urgency], connection, queue_prev,
			   queue_next);
	server->unread -= connection->size - connection->sent;
	DL_DELETE(server->connections, connection);
	server->stats.connections--;
	loop_watch_free(connection->input);
	loop_watch_free(connection->output);
	loop_timer_free(connection->deadline);
	fd_close(connection->fd);
	free(connection->answer);
	free(connection);
	admit(server);
}

static void on_deadline(void *data)
{
	struct connection *connection = data;

	if (connection->state != CONNECTION_LINGERING)
		connection->server->stats.timed_out++;
	connection_close(connection);
}

/* The answer is out, and was the last. */
static void linger(struct connection *connection)
{
	connection->state = CONNECTION_LINGERING;
	admit(connection->server);
	(void)shutdown(connection->fd, SHUT_WR);
	loop_watch_pause(connection->output, true);
	loop_watch_pause(connection->input, false);
	loop_timer_set(connection->deadline, LINGER_MS);
}

static void await_request(struct connection *connection)
{
	connection->state = CONNECTION_READING;
	admit(connection->server);
	connection->filled = 0;
	connection->since_ms = clock_ms();
	loop_watch_pause(connection->output, true);
	loop_watch_pause(connection->input, false);
	loop_timer_set(connection->deadline, IDLE_MS);
}

static void end_answer(struct connection *connection)
{
	free(take_ptr(connection->answer));
	connection->size = 0;
	connection->sent = 0;
	if (connection->request.keeps_alive)
		await_request(connection);
	else
		linger(connection);
}

/* As much as the client takes now. */
static void on_output(void *data)
{
	struct connection *connection = data;

	while (connection->sent < connection->size) {
		ssize_t done = send(connection->fd, connection->answer + connection->sent,
				    connection->size - connection->sent, MSG_NOSIGNAL);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0 && errno == EAGAIN) {
			loop_watch_pause(connection->output, false);
			return;
		}
		if (done <= 0) {
			connection_close(connection);
			return;
		}
		connection->sent += (size_t)done;
		connection->server->unread -= (size_t)done;
		connection->since_ms = clock_ms();
	}
	end_answer(connection);
}

/*
 * Nothing may be kept, guessed at, framed or loaded from elsewhere; what is loaded from
 * here is the page's own style and script.
 */
static char *make_head(const struct connection *connection,
		       const struct http_answer *answer)
{
	char date[64];
	time_t now = time(NULL);
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &utc);
	return mem_printf(
		"HTTP/1.1 %d %s\r\n"
		"Date: %s\r\n"
		"Content-Type: %s\r\n"
		"Content-Length: %zu\r\n"
		"%s%s"
		"Cache-Control: no-store\r\n"
		"X-Content-Type-Options: nosniff\r\n"
		"Referrer-Policy: no-referrer\r\n"
		"Content-Security-Policy: default-src 'none'; connect-src 'self'; "
		"img-src data:; script-src 'self'; style-src 'self'; "
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"
		"\r\n",
		answer->status, phrase_of(answer->status), date, answer->type,
		answer->size, answer->status == 405 ? "Allow: GET, HEAD\r\n" : "",
		connection->request.keeps_alive ? "" : "Connection: close\r\n");
}

/* Takes the answer's body over. */
static void send_answer(struct connection *connection, struct http_answer *answer)
{
	KUDEV_AUTO_FREE char *head = make_head(connection, answer);
	size_t head_size = strlen(head);
	size_t body_size = connection->request.method == HTTP_HEAD ? 0 : answer->size;

	connection->size = head_size + body_size;
	connection->answer = mem_alloc(connection->size);
	memcpy(connection->answer, head, head_size);
	if (body_size > 0)
		memcpy(connection->answer + head_size, answer->body, body_size);
	free(take_ptr(answer->body));
	connection->server->stats.answers[answer->status / 100]++;
	connection->server->unread += connection->size;
	connection->state = CONNECTION_WRITING;
	connection->since_ms = clock_ms();
	loop_watch_pause(connection->input, true);
	loop_timer_set(connection->deadline, ANSWER_MS);
	on_output(connection);
}

/* The connection ends with it. */
static void refuse(struct connection *connection, int status)
{
	struct http_answer answer = {
		.status = status,
		.type = "text/plain; charset=utf-8",
		.body = mem_printf("%d %s\n", status, phrase_of(status)),
	};

	answer.size = strlen(answer.body);
	connection->urgency = URGENCY_QUICK;
	connection->request.keeps_alive = false;
	send_answer(connection, &answer);
}

static void answer(struct connection *connection)
{
	const struct http_service *service = &connection->server->service;
	struct http_answer answer = {0};

	service->answer(&connection->request, &answer, service->data);
	send_answer(connection, &answer);
}

/* Of those that are answered, or of those that wait for a request or their end. */
static struct connection *find_oldest(const struct http_server *server, bool is_writing)
{
	struct connection *connection;
	struct connection *oldest = NULL;

	DL_FOREACH(server->connections, connection) {
		if (connection->state == CONNECTION_QUEUED ||
		    (connection->state == CONNECTION_WRITING) != is_writing)
			continue;
		if (!oldest || connection->since_ms < oldest->since_ms)
			oldest = connection;
	}
	return oldest;
}

static struct connection *find_stalled(const struct http_server *server)
{
	struct connection *oldest = find_oldest(server, true);

	return oldest && clock_ms() - oldest->since_ms >= STALLED_MS ? oldest : NULL;
}

/* Who can make room: one that has not asked for long, or does not read, or just waits. */
static struct connection *find_victim(const struct http_server *server)
{
	struct connection *waiting = find_oldest(server, false);
	struct connection *stalled = NULL;

	if (!waiting || clock_ms() - waiting->since_ms < GRACE_MS)
		stalled = find_stalled(server);
	return stalled ? stalled : waiting;
}

static bool evict(struct http_server *server, struct connection *victim)
{
	if (!victim)
		return false;
	server->stats.evicted++;
	connection_close(victim);
	return true;
}

/* NULL: nobody waits, or the answers that were made are to be read first. */
static struct connection *find_next(struct http_server *server)
{
	if (server->queues[URGENCY_QUICK])
		return server->queues[URGENCY_QUICK];
	if (!server->queues[URGENCY_COSTLY] || server->unread <= MAX_UNREAD)
		return server->queues[URGENCY_COSTLY];
	evict(server, find_stalled(server));
	loop_timer_set(server->turn, UNREAD_POLL_MS);
	return NULL;
}

/* Answers the first in the queues, and leaves the loop some time before the next. */
static void on_turn(void *data)
{
	struct http_server *server = data;
	struct connection *connection = find_next(server);
	int64_t start_us = clock_us();

	if (!connection)
		return;
	DL_DELETE2(server->queues[connection->urgency], connection, queue_prev,
		   queue_next);
	connection->state = CONNECTION_WRITING;
	answer(connection);
	server->owed_us += (clock_us() - start_us) * BUSY_FACTOR;
	loop_timer_set(server->turn, server->owed_us / 1000);
	server->owed_us %= 1000;
}

/* As many wait for an answer that costs something, or still read one, as may. */
static bool is_busy(const struct http_server *server)
{
	const struct connection *connection;
	size_t costly = 0;

	DL_FOREACH(server->connections, connection) {
		if (connection->urgency == URGENCY_COSTLY &&
		    (connection->state == CONNECTION_QUEUED ||
		     connection->state == CONNECTION_WRITING))
			costly++;
	}
	return costly >= MAX_COSTLY;
}

/* Whether there is, or can be made, a place for one more answer that costs something. */
static bool has_place(struct http_server *server)
{
	while (is_busy(server)) {
		if (!evict(server, find_stalled(server)))
			return false;
	}
	return true;
}

static void queue(struct connection *connection, enum urgency urgency)
{
	struct http_server *server = connection->server;

	connection->urgency = urgency;
	connection->state = CONNECTION_QUEUED;
	connection->since_ms = clock_ms();
	loop_watch_pause(connection->input, true);
	loop_timer_set(connection->deadline, ANSWER_MS);
	DL_APPEND2(server->queues[connection->urgency], connection, queue_prev,
		   queue_next);
	if (!loop_timer_is_set(server->turn))
		loop_timer_set(server->turn, 0);
}

/* Who asks for too much at once is told so, for probes must not wait behind it. */
static void admit_request(struct connection *connection)
{
	struct http_server *server = connection->server;
	const struct http_service *service = &server->service;

	if (service->is_quick(&connection->request, service->data))
		queue(connection, URGENCY_QUICK);
	else if (has_place(server))
		queue(connection, URGENCY_COSTLY);
	else
		refuse(connection, 503);
}

static void take_request(struct connection *connection, size_t head_size)
{
	struct http_request *request = &connection->request;
	int status = http_request_parse(connection->head, head_size, request);

	/* What was sent before the answer to this is not answered. */
	if (connection->filled > head_size || ++connection->served >= MAX_REQUESTS)
		request->keeps_alive = false;
	if (status != 0)
		refuse(connection, status);
	else if (request->method == HTTP_OTHER)
		refuse(connection, 405);
	else
		admit_request(connection);
}

static void take_bytes(struct connection *connection, size_t size)
{
	size_t head_size;

	if (connection->filled == 0) {
		connection->since_ms = clock_ms();
		loop_timer_set(connection->deadline, HEAD_MS);
	}
	connection->filled += size;
	connection->head[connection->filled] = '\0';
	head_size = http_head_size(connection->head, connection->filled);
	if (head_size > 0)
		take_request(connection, head_size);
	else if (connection->filled == HTTP_MAX_HEAD)
		refuse(connection, 431);
}

static void on_input(void *data)
{
	struct connection *connection = data;
	bool is_lingering = connection->state == CONNECTION_LINGERING;
	size_t filled = is_lingering ? 0 : connection->filled;
	ssize_t size = recv(connection->fd, connection->head + filled,
			    HTTP_MAX_HEAD - filled, 0);

	if (size < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (size > 0 && is_lingering)
		connection->lingered += (size_t)size;
	if (size <= 0 || connection->lingered > MAX_LINGER)
		connection_close(connection);
	else if (!is_lingering)
		take_bytes(connection, (size_t)size);
}

/* If all are at work, the next has to wait until one is done, or seen to stall. */
static bool has_room(void *data)
{
	struct http_server *server = data;

	if (server->stats.connections < MAX_CONNECTIONS ||
	    evict(server, find_victim(server)))
		return true;
	listener_pause(server->listener, true);
	loop_timer_set(server->room, STALLED_MS / 4);
	return false;
}

static void on_connection(int fd, void *data)
{
	struct http_server *server = data;
	struct connection *connection = mem_zero(sizeof(*connection));

	connection->server = server;
	connection->fd = fd;
	connection->input = loop_watch_new(server->loop, fd, on_input, connection);
	connection->output = loop_watch_new_output(server->loop, fd, on_output,
						   connection);
	connection->deadline = loop_timer_new(server->loop, on_deadline, connection);
	DL_APPEND(server->connections, connection);
	server->stats.connections++;
	server->stats.accepted++;
	await_request(connection);
}

static const struct listener_callbacks clients = {
	.has_room = has_room,
	.on_connection = on_connection,
};

struct http_server *http_server_new(struct loop *loop, struct worker *worker,
				    const char *address,
				    const struct http_service *service)
{
	struct http_server *server = mem_zero(sizeof(*server));

	server->loop = loop;
	server->service = *service;
	server->turn = loop_timer_new(loop, on_turn, server);
	server->room = loop_timer_new(loop, on_room, server);
	if (strcmp(address, "none") != 0)
		server->listener = listener_new(loop, worker, address, &clients, server);
	return server;
}

struct http_server *http_server_free(struct http_server *server)
{
	if (!server)
		return NULL;
	server->listener = listener_free(server->listener);
	while (server->connections)
		connection_close(server->connections);
	loop_timer_free(server->turn);
	loop_timer_free(server->room);
	free(server);
	return NULL;
}

const struct http_server_stats *http_server_stats(const struct http_server *server)
{
	return &server->stats;
}
