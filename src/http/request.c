/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/util.h"
#include "http/request.h"

/* What may stand in a method or the name of a header (RFC 9110, token). */
#define TOKEN                                                                  \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'" \
	"*+-.^_`|~"
#define BLANKS " \t"

/* What the headers said, beside what the request keeps. */
struct headers {
	unsigned hosts;
	bool has_body;
	bool closes;
};

size_t http_head_size(const char *bytes, size_t size)
{
	size_t start = 0;
	const char *end;

	/* Empty lines before a request are passed over. */
	while (start < size && (bytes[start] == '\r' || bytes[start] == '\n'))
		start++;
	for (size_t at = start; (end = memchr(bytes + at, '\n', size - at));) {
		at = (size_t)(end - bytes) + 1;
		if (at < size && bytes[at] == '\n')
			return at + 1;
		if (at + 1 < size && bytes[at] == '\r' && bytes[at + 1] == '\n')
			return at + 2;
	}
	return 0;
}

/* Cuts the next line off, without its end; NULL: the empty one. */
static char *next_line(char **rest)
{
	char *line = *rest;
	char *end = strchr(line, '\n');

	if (!end)
		return NULL;
	*rest = end + 1;
	*end = '\0';
	if (end > line && end[-1] == '\r')
		end[-1] = '\0';
	return line[0] ? line : NULL;
}

/* Cuts the authority off a target that begins with one: "http://node:8080/status". */
static const char *path_of(const char *target)
{
	const char *authority;

	if (strncasecmp(target, "http://", 7) != 0)
		return target;
	authority = target + 7;
	return authority + strcspn(authority, "/") < strchr(authority, '\0')
		       ? authority + strcspn(authority, "/")
		       : "/";
}

static int parse_version(const char *text, struct http_request *ret)
{
	if (strncmp(text, "HTTP/", 5) != 0 || strlen(text) != strlen("HTTP/1.1") ||
	    text[6] != '.')
		return 400;
	if (text[5] != '1')
		return 505;
	/* Whoever speaks 1.0 gets one answer. */
	ret->keeps_alive = text[7] != '0';
	return 0;
}

static int parse_request_line(char *line, struct http_request *ret)
{
	char *target = line + strspn(line, TOKEN);
	char *version;
	char *query;

	if (target == line || *target != ' ')
		return 400;
	*target++ = '\0';
	version = target + strcspn(target, " ");
	if (version == target || *version != ' ')
		return 400;
	*version++ = '\0';
	ret->method = HTTP_OTHER;
	if (strcmp(line, "GET") == 0)
		ret->method = HTTP_GET;
	else if (strcmp(line, "HEAD") == 0)
		ret->method = HTTP_HEAD;
	query = target + strcspn(target, "?");
	ret->query = *query ? query + 1 : query;
	*query = '\0';
	ret->path = path_of(target);
	return parse_version(version, ret);
}

/* The weight of a media range with its parameters: "text/plain;version=1;q=0.5". */
static double parse_weight(const char *parameters)
{
	const char *found = strcasestr(parameters, ";q=");
	char *end;
	double weight;

	if (!found)
		return 1;
	weight = strtod(found + 3, &end);
	return end > found + 3 && weight >= 0 && weight <= 1 ? weight : 0;
}

static void remove_blanks(char *text)
{
	char *end = text;

	for (; *text; text++) {
		if (!strchr(BLANKS, *text))
			*end++ = *text;
	}
	*end = '\0';
}

static void parse_accept(char *value, struct http_request *ret)
{
	static const struct {
		const char *name;
		enum http_content content;
	} types[] = {
		{"*/*", HTTP_ANY},
		{"text/plain", HTTP_TEXT},
		{"text/html", HTTP_HTML},
		{"application/json", HTTP_JSON},
		{"application/openmetrics-text", HTTP_OPENMETRICS},
	};
	char *rest;

	remove_blanks(value);
	for (char *range = strtok_r(value, ",", &rest); range;
	     range = strtok_r(NULL, ",", &rest)) {
		size_t length = strcspn(range, ";");
		double weight = parse_weight(range + length);

		for (size_t i = 0; i < KUDEV_ARRAY_SIZE(types); i++) {
			double *known = &ret->weights[types[i].content];

			if (strlen(types[i].name) == length &&
			    strncasecmp(range, types[i].name, length) == 0 &&
			    weight > *known)
				*known = weight;
		}
	}
}

static void parse_header(const char *name, char *value, struct http_request *request,
			 struct headers *headers)
{
	if (strcasecmp(name, "Accept") == 0)
		parse_accept(value, request);
	else if (strcasecmp(name, "Host") == 0)
		headers->hosts++;
	else if (strcasecmp(name, "Content-Length") == 0)
		headers->has_body |= strcmp(value, "0") != 0;
	else if (strcasecmp(name, "Transfer-Encoding") == 0)
		headers->has_body = true;
	else if (strcasecmp(name, "Connection") == 0)
		headers->closes |= strcasestr(value, "close") != NULL;
}

static int parse_header_line(char *line, struct http_request *request,
			     struct headers *headers)
{
	char *value = line + strspn(line, TOKEN);
	char *end;

	/* Blanks before the colon, and values of several lines, are ways to smuggle. */
	if (value == line || *value != ':')
		return 400;
	*value++ = '\0';
	value += strspn(value, BLANKS);
	end = strchr(value, '\0');
	while (end > value && strchr(BLANKS, end[-1]))
		*--end = '\0';
	parse_header(line, value, request, headers);
	return 0;
}

/* A control character but those that end lines and separate words; and NUL. */
static bool has_control(const char *head, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		unsigned char byte = (unsigned char)head[i];

		if (byte == 0x7f || (byte < ' ' && byte != '\t' && byte != '\n' &&
				     !(byte == '\r' && head[i + 1] == '\n')))
			return true;
	}
	return false;
}

int http_request_parse(char *head, size_t size, struct http_request *ret)
{
	struct http_request request = {.path = "", .query = ""};
	struct headers headers = {0};
	char *line;
	int status;

	*ret = request;
	if (has_control(head, size))
		return 400;
	while (*head == '\r' || *head == '\n')
		head++;
	line = next_line(&head);
	status = line ? parse_request_line(line, &request) : 400;
	while (status == 0 && (line = next_line(&head)))
		status = parse_header_line(line, &request, &headers);
	if (status == 0 &&
	    (headers.hosts > 1 || (headers.hosts == 0 && request.keeps_alive)))
		status = 400;
	/* What comes behind the head can't be told from a body that is not read. */
	if (headers.closes || headers.has_body || status != 0)
		request.keeps_alive = false;
	*ret = request;
	if (status != 0)
		return status;
	return headers.has_body && request.method != HTTP_OTHER ? 413 : 0;
}

bool http_request_prefers(const struct http_request *request, enum http_content content,
			  enum http_content other)
{
	return request->weights[content] > 0 &&
	       request->weights[content] >= request->weights[other];
}

static int hex_digit(char digit)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *found = digit ? strchr(digits, digit) : NULL;

	return found ? (int)(found - digits) % 16 : -1;
}

/* In its place; false: it can't be, or has a NUL in it. */
static bool decode(char *text)
{
	char *end = text;

	for (; *text; text++) {
		int high;
		int low;

		if (*text != '%') {
			*end++ = *text == '+' ? ' ' : *text;
			continue;
		}
		high = hex_digit(text[1]);
		low = high < 0 ? -1 : hex_digit(text[2]);
		if (low < 0 || high + low == 0)
			return false;
		*end++ = (char)(high * 16 + low);
		text += 2;
	}
	*end = '\0';
	return true;
}

char *http_request_parameter(const struct http_request *request, const char *name)
{
	size_t length = strlen(name);
	const char *at = request->query;

	while (*at) {
		size_t size = strcspn(at, "&");

		if (size > length && strncmp(at, name, length) == 0 &&
		    at[length] == '=') {
			KUDEV_AUTO_FREE char *value = mem_string_n(at + length + 1,
								   size - length - 1);

			return decode(value) ? take_ptr(value) : NULL;
		}
		at += size;
		at += *at == '&';
	}
	return NULL;
}
