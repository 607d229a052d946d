/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/util.h"

/* For whoever reads standard error; the kubelet waits for us without a limit. */
#define MAX_WAIT_MS 200
/* Of a kept line; of a longer one only the message is kept. */
#define MAX_KEPT_SIZE 2048

static struct {
	enum log_level level;
	enum log_format format;
	int fd;
} settings = {
	.level = LOG_LEVEL_INFO,
	.format = LOG_FORMAT_JSON,
	.fd = STDERR_FILENO,
};

/* The last lines, in a ring. */
static struct {
	bool is_on;
	char *lines[LOG_KEPT_MAX];
	size_t count; /* of all that ever were */
} kept;

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "DEBUG",
	[LOG_LEVEL_INFO] = "INFO",
	[LOG_LEVEL_WARN] = "WARN",
	[LOG_LEVEL_ERROR] = "ERROR",
};

/*
 * Another process may fill the pipe between our poll and our write, which then would block.
 * Not to block is a flag of the open file, which others share, so we open it for ourselves.
 */
void log_unblock(void)
{
	struct stat status;
	int fd;

	if (settings.fd != STDERR_FILENO || fstat(STDERR_FILENO, &status) < 0 ||
	    !S_ISFIFO(status.st_mode))
		return;
	fd = open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		settings.fd = fd;
}

void log_setup(enum log_level level, enum log_format format)
{
	settings.level = level;
	settings.format = format;
}

void log_keep(void)
{
	kept.is_on = true;
}

const char *log_kept(size_t index)
{
	if (index >= LOG_KEPT_MAX || index >= kept.count)
		return NULL;
	return kept.lines[(kept.count - 1 - index) % LOG_KEPT_MAX];
}

static bool is_kept(enum log_level level)
{
	return kept.is_on && level >= LOG_LEVEL_INFO;
}

static bool is_written(enum log_level level)
{
	return level >= settings.level;
}

bool log_enabled(enum log_level level)
{
	return level < LOG_LEVEL_NONE && (is_written(level) || is_kept(level));
}

/* RFC 3339 in UTC with milliseconds. */
static void format_now(char text[static 32])
{
	struct timespec now;
	struct tm utc;
	size_t length;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	length = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(text + length, 32 - length, ".%03ldZ", now.tv_nsec / 1000000);
}

/* JSON is UTF-8, file names are any bytes. */
static struct json_object *json_string(const char *text)
{
	KUDEV_AUTO_FREE char *clean = text_clean(text);

	return json_object_new_string(clean);
}

static struct json_object *field_value(const struct log_field *field)
{
	switch (field->type) {
	case LOG_FIELD_END:
		break;
	case LOG_FIELD_STRING:
		return json_string(field->value.string);
	case LOG_FIELD_INTEGER:
	case LOG_FIELD_COUNT:
		return json_object_new_int64(field->value.integer);
	}
	return NULL;
}

static bool field_is_unset(const struct log_field *field)
{
	return (field->type == LOG_FIELD_STRING && !field->value.string) ||
	       (field->type == LOG_FIELD_COUNT && field->value.integer == 0);
}

static const char *json_text(struct json_object *value)
{
	return json_object_to_json_string_ext(
		value, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}

/*
 * Waits for a slow reader, but not long: a stuck one must not stop the devices. After one
 * wait in vain nothing is waited for until the reader goes on.
 */
static bool can_write(void)
{
	static bool stuck;
	struct pollfd output = {.fd = settings.fd, .events = POLLOUT};

	stuck = poll(&output, 1, stuck ? 0 : MAX_WAIT_MS) <= 0;
	return !stuck;
}

/* In pieces for each of which a pipe that can be written to has room. */
static void write_line(const char *line)
{
	static bool torn; /* the line before is not complete */
	size_t left = strlen(line);

	if (torn && can_write() && write(settings.fd, "\n", 1) == 1)
		torn = false;
	while (left > 0 && can_write()) {
		size_t piece = left < PIPE_BUF ? left : PIPE_BUF;
		ssize_t done = write(settings.fd, line, piece);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			break;
		torn = true;
		line += done;
		left -= (size_t)done;
	}
	torn = torn && left > 0;
}

/* fields NULL: the message alone. */
static char *make_json(const char *now, enum log_level level, const char *message,
		       const struct log_field *fields)
{
	struct json_object *object = json_object_new_object();
	char *text;

	json_object_object_add(object, "time", json_object_new_string(now));
	json_object_object_add(object, "level",
			       json_object_new_string(level_names[level]));
	json_object_object_add(object, "msg", json_object_new_string(message));
	for (; fields && fields->type != LOG_FIELD_END; fields++) {
		if (!field_is_unset(fields))
			json_object_object_add(object, fields->key, field_value(fields));
	}
	text = mem_string(json_text(object));
	json_object_put(object);
	return text;
}

/* Takes the line over. */
static void keep_line(char *line)
{
	char **place = &kept.lines[kept.count++ % LOG_KEPT_MAX];

	free(*place);
	*place = line;
}

static void write_json(const char *json)
{
	KUDEV_AUTO_FREE char *line = mem_printf("%s\n", json);

	write_line(line);
}

static bool is_plain(const char *text)
{
	for (; *text; text++) {
		if (*text <= ' ' || *text >= 0x7f || *text == '"' || *text == '=' ||
		    *text == '\\')
			return false;
	}
	return true;
}

/* A plain word as it is; all else quoted as JSON does, so that a line stays a line. */
static void print_field(FILE *stream, const struct log_field *field)
{
	struct json_object *value;

	if (field->type == LOG_FIELD_STRING && field->value.string[0] &&
	    is_plain(field->value.string)) {
		fprintf(stream, " %s=%s", field->key, field->value.string);
		return;
	}
	value = field_value(field);
	fprintf(stream, " %s=%s", field->key, json_text(value));
	json_object_put(value);
}

static void write_text(const char *now, enum log_level level, const char *message,
		       const struct log_field *fields)
{
	KUDEV_AUTO_FREE char *line = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&line, &size);

	if (!stream)
		return;
	fprintf(stream, "%s %-5s %s", now, level_names[level], message);
	for (; fields->type != LOG_FIELD_END; fields++) {
		if (!field_is_unset(fields))
			print_field(stream, fields);
	}
	fputc('\n', stream);
	fclose(stream);
	write_line(line);
}

void log_write(enum log_level level, const char *message, const struct log_field *fields)
{
	bool is_json = is_written(level) && settings.format == LOG_FORMAT_JSON;
	KUDEV_AUTO_FREE char *json = NULL;
	char now[32];

	format_now(now);
	if (is_json || is_kept(level))
		json = make_json(now, level, message, fields);
	if (is_json)
		write_json(json);
	else if (is_written(level))
		write_text(now, level, message, fields);
	if (is_kept(level))
		keep_line(strlen(json) <= MAX_KEPT_SIZE
				  ? take_ptr(json)
				  : make_json(now, level, message, NULL));
}

bool log_limit_burst(struct log_limit *limit, unsigned burst, int64_t interval_ms,
		     uint64_t *ret_suppressed)
{
	int64_t now = clock_ms();

	if (!limit->start_ms || now - limit->start_ms >= interval_ms) {
		limit->start_ms = now;
		limit->written = 0;
	}
	if (limit->written >= burst) {
		limit->suppressed++;
		return false;
	}
	limit->written++;
	*ret_suppressed = limit->suppressed;
	limit->suppressed = 0;
	return true;
}

bool log_limit_due(struct log_limit *limit, int64_t interval_ms, uint64_t *ret_suppressed)
{
	return log_limit_burst(limit, 1, interval_ms, ret_suppressed);
}

int log_level_parse(const char *text, enum log_level *ret)
{
	/* all and none are generic-device-plugin's. */
	static const struct {
		const char *name;
		enum log_level level;
	} names[] = {
		{"debug", LOG_LEVEL_DEBUG}, {"info", LOG_LEVEL_INFO},
		{"warn", LOG_LEVEL_WARN},   {"error", LOG_LEVEL_ERROR},
		{"all", LOG_LEVEL_DEBUG},   {"none", LOG_LEVEL_NONE},
	};

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(names); i++) {
		if (strcmp(text, names[i].name) == 0) {
			*ret = names[i].level;
			return 0;
		}
	}
	return -EINVAL;
}

int log_format_parse(const char *text, enum log_format *ret)
{
	if (strcmp(text, "json") == 0)
		*ret = LOG_FORMAT_JSON;
	else if (strcmp(text, "text") == 0)
		*ret = LOG_FORMAT_TEXT;
	else
		return -EINVAL;
	return 0;
}
