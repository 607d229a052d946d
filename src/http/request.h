/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_HTTP_REQUEST_H
#define KUDEV_HTTP_REQUEST_H

/*
 * The head of an HTTP/1.x request (RFC 9112), and what of it matters here: nothing that is
 * asked of kudev has a body. Pure: bytes in, struct out. Thread: any.
 */

#include <stdbool.h>
#include <stddef.h>

/* A longer head is refused. */
#define HTTP_MAX_HEAD 8192

enum http_method {
	HTTP_GET,
	HTTP_HEAD,
	HTTP_OTHER,
};

/* Kinds of content that an answer may have a choice between. */
enum http_content {
	HTTP_ANY, /* the client says nothing, or that it takes all */
	HTTP_TEXT,
	HTTP_HTML,
	HTTP_JSON,
	HTTP_OPENMETRICS,
	HTTP_CONTENT_MAX,
};

/* Strings are borrowed from the head. */
struct http_request {
	enum http_method method;
	const char *path;  /* absolute, as it was sent; it may be no path at all */
	const char *query; /* behind the question mark; "" if there is none */
	bool keeps_alive;  /* the client would send another request */
	double weights[HTTP_CONTENT_MAX]; /* how much each is wanted; 0: not named */
};

/* The size of the head at the beginning of the bytes; 0: it is not complete. */
size_t http_head_size(const char *bytes, size_t size);

/*
 * Takes a complete head apart, in its place; a NUL must follow its bytes, if not at once.
 * Returns 0, or the status to answer with; *ret is then set as far as it is known.
 */
int http_request_parse(char *head, size_t size, struct http_request *ret);

/* Whether the client wants this content rather than the other. */
bool http_request_prefers(const struct http_request *request, enum http_content content,
			  enum http_content other);

/*
 * The value of a parameter of the query, decoded; NULL if it is not there, or nothing that
 * can be decoded. The caller frees it.
 */
char *http_request_parameter(const struct http_request *request, const char *name);

#endif
