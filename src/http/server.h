/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_HTTP_SERVER_H
#define KUDEV_HTTP_SERVER_H

/*
 * An HTTP/1.1 server for a few clients, and against any: whoever connects may stall, lie
 * and come in hordes, and must not keep the loop from the kubelet. Therefore everything has
 * a limit: connections, the head of a request, the time for it and for its answer, the
 * bytes of answers that are not read. When all connections are taken, the one that has
 * kept its place for longest without asking for anything makes room; half of them at most
 * have answers that cost something, others are told to come again. Answers are made one at
 * a time, quick ones first, and take at most a third of the loop's time.
 *
 * libevent's evhttp (2.1.12) has no limit for connections, nor one for the time of a whole
 * request, and none can be added: of the end of a connection it tells only if that has asked
 * for something. What a client sends while it is answered it buffers without end, unless its
 * bufferevents are given a watermark. Thread: the loop thread.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/worker.h"
#include "http/request.h"

struct http_answer {
	int status;
	const char *type; /* constant; of the content */
	char *body;	  /* owned; taken over by the server */
	size_t size;
};

/* What is served. */
struct http_service {
	/* Whether the answer costs next to nothing, so that it may go before others. */
	bool (*is_quick)(const struct http_request *request, void *data);
	/* Sets all of the answer; for GET and HEAD alone. */
	void (*answer)(const struct http_request *request, struct http_answer *ret,
		       void *data);
	void *data;
};

/* Since the start. */
struct http_server_stats {
	size_t connections; /* that are open now */
	uint64_t accepted;
	uint64_t evicted;    /* that made room for others */
	uint64_t timed_out;  /* that were closed because their time was over */
	uint64_t answers[6]; /* by the first digit of the status */
};

struct http_server;

/* Listens on the address, which is as in the configuration; "none" serves nobody. */
struct http_server *http_server_new(struct loop *loop, struct worker *worker,
				    const char *address,
				    const struct http_service *service);

/* Closes all connections. */
struct http_server *http_server_free(struct http_server *server);

const struct http_server_stats *http_server_stats(const struct http_server *server);

#endif
