/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_BASE_LOG_H
#define KUDEV_BASE_LOG_H

/*
 * Structured log lines on standard error: one JSON object a line (time, level, msg, then
 * the fields in the order given), or the same as text. A message is a constant; what
 * varies is a field, so that lines can be counted and searched.
 *
 *	log_info("registered with the kubelet", LOG_STR("resource", name));
 *
 * Process-wide; set up once at start. Writing is one write(2) a line, so that lines of
 * several processes never mix. Thread: the loop thread alone writes.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum log_level {
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_INFO,
	LOG_LEVEL_WARN,
	LOG_LEVEL_ERROR,
	LOG_LEVEL_NONE,
};

enum log_format {
	LOG_FORMAT_JSON,
	LOG_FORMAT_TEXT,
};

enum log_field_type {
	LOG_FIELD_END,
	LOG_FIELD_STRING,
	LOG_FIELD_INTEGER,
	LOG_FIELD_COUNT, /* an integer that is left out if it is 0 */
};

struct log_field {
	enum log_field_type type;
	const char *key;
	union {
		const char *string; /* NULL: the field is left out */
		int64_t integer;
	} value;
};

#define LOG_STR(name, text)  \
	((struct log_field){ \
		.type = LOG_FIELD_STRING, .key = (name), .value.string = (text)})
#define LOG_INT(name, number)                          \
	((struct log_field){.type = LOG_FIELD_INTEGER, \
			    .key = (name),             \
			    .value.integer = (int64_t)(number)})
#define LOG_COUNT(name, number)                      \
	((struct log_field){.type = LOG_FIELD_COUNT, \
			    .key = (name),           \
			    .value.integer = (int64_t)(number)})

#define log_debug(message, ...) LOG_AT(LOG_LEVEL_DEBUG, message, __VA_ARGS__)
#define log_info(message, ...) LOG_AT(LOG_LEVEL_INFO, message, __VA_ARGS__)
#define log_warn(message, ...) LOG_AT(LOG_LEVEL_WARN, message, __VA_ARGS__)
#define log_error(message, ...) LOG_AT(LOG_LEVEL_ERROR, message, __VA_ARGS__)

#define LOG_AT(level, message, ...)                                              \
	do {                                                                     \
		if (log_enabled(level))                                          \
			log_write(level, message,                                \
				  (const struct log_field[]){__VA_ARGS__, {0}}); \
	} while (0)

/* The least level that is written, and the shape of the lines. Default: info, JSON. */
void log_setup(enum log_level level, enum log_format format);

/* For a daemon: from now on a full pipe on standard error loses lines, and never blocks. */
void log_unblock(void);

/*
 * From now on the last lines at info and above are kept in memory, also those that are not
 * written because of their level.
 */
void log_keep(void);

#define LOG_KEPT_MAX 64

/*
 * The kept lines as JSON objects, the newest first; NULL: there are no more. Borrowed
 * until the next line.
 */
const char *log_kept(size_t index);

bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *message, const struct log_field *fields);

/*
 * For what can repeat for ever: true when a line is due, at most burst times per
 * interval_ms; ret_suppressed then tells how many were not written since the last one.
 * Zero-initialise one limit per fault.
 */
struct log_limit {
	int64_t start_ms; /* of the interval; CLOCK_MONOTONIC; 0: none yet */
	unsigned written; /* in the interval */
	uint64_t suppressed;
};

bool log_limit_burst(struct log_limit *limit, unsigned burst, int64_t interval_ms,
		     uint64_t *ret_suppressed);
/* The same with a burst of one. */
bool log_limit_due(struct log_limit *limit, int64_t interval_ms,
		   uint64_t *ret_suppressed);

/* The names that the configuration uses; -EINVAL for another. "all" is debug. */
int log_level_parse(const char *text, enum log_level *ret);
int log_format_parse(const char *text, enum log_format *ret);

#endif
