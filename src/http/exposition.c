/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "base/util.h"
#include "http/exposition.h"

/* Up to here a double knows every integer. */
#define MAX_INTEGER 9007199254740992.0

struct exposition {
	FILE *stream;
	char *text;
	size_t size;
	bool is_openmetrics;
	const struct metric *metric;
};

struct exposition *exposition_new(bool is_openmetrics)
{
	struct exposition *exposition = mem_zero(sizeof(*exposition));

	exposition->is_openmetrics = is_openmetrics;
	exposition->stream = open_memstream(&exposition->text, &exposition->size);
	if (!exposition->stream)
		abort();
	return exposition;
}

static const char *suffix_of(enum metric_type type)
{
	switch (type) {
	case METRIC_COUNTER:
		return "_total";
	case METRIC_INFO:
		return "_info";
	case METRIC_GAUGE:
	case METRIC_HISTOGRAM:
		break;
	}
	return "";
}

/* Prometheus' own format knows no info. */
static const char *word_for(const struct exposition *exposition, enum metric_type type)
{
	switch (type) {
	case METRIC_COUNTER:
		return "counter";
	case METRIC_GAUGE:
		return "gauge";
	case METRIC_HISTOGRAM:
		return "histogram";
	case METRIC_INFO:
		break;
	}
	return exposition->is_openmetrics ? "info" : "gauge";
}

void exposition_begin(struct exposition *exposition, const struct metric *metric)
{
	const char *suffix = exposition->is_openmetrics ? "" : suffix_of(metric->type);

	exposition->metric = metric;
	fprintf(exposition->stream, "# HELP %s%s %s\n# TYPE %s%s %s\n", metric->name,
		suffix, metric->help, metric->name, suffix,
		word_for(exposition, metric->type));
}

/* As nearly all are: nothing in it is to be escaped. */
static bool is_plain(const char *value)
{
	for (; *value; value++) {
		if (*value < ' ' || *value >= 0x7f || *value == '"' || *value == '\\')
			return false;
	}
	return true;
}

static void print_escaped(FILE *stream, const char *value)
{
	KUDEV_AUTO_FREE char *clean = NULL;

	if (is_plain(value)) {
		fputs(value, stream);
		return;
	}
	clean = text_clean(value);
	for (const char *at = clean; *at; at++) {
		if (*at == '\n')
			fputs("\\n", stream);
		else if (*at == '"' || *at == '\\')
			fprintf(stream, "\\%c", *at);
		else
			fputc(*at, stream);
	}
}

/* In so many digits as it takes, and never as an integer where a bound is one. */
static void format_bound(uint64_t bound_us, char *text, size_t size)
{
	snprintf(text, size, "%g%s", (double)bound_us / 1e6,
		 bound_us % 1000000 == 0 ? ".0" : "");
}

/* bound NULL: the sample has none. */
static void print_labels(const struct exposition *exposition, const char *const *values,
			 const char *bound)
{
	const struct metric *metric = exposition->metric;
	FILE *stream = exposition->stream;
	char separator = '{';

	for (size_t i = 0; metric->labels[i]; i++) {
		fprintf(stream, "%c%s=\"", separator, metric->labels[i]);
		print_escaped(stream, values[i]);
		fputc('"', stream);
		separator = ',';
	}
	if (bound)
		fprintf(stream, "%cle=\"%s\"", separator, bound);
	if (bound || metric->labels[0])
		fputc('}', stream);
}

static void print_value(FILE *stream, double value)
{
	if (value >= 0 && value < MAX_INTEGER && value == (double)(uint64_t)value)
		fprintf(stream, " %llu\n", (unsigned long long)value);
	else
		fprintf(stream, " %.16g\n", value);
}

void exposition_add(struct exposition *exposition, double value,
		    const char *const *values)
{
	fprintf(exposition->stream, "%s%s", exposition->metric->name,
		suffix_of(exposition->metric->type));
	print_labels(exposition, values, NULL);
	print_value(exposition->stream, value);
}

static void add_part(struct exposition *exposition, const char *part, double value,
		     const char *const *values, const char *bound)
{
	fprintf(exposition->stream, "%s_%s", exposition->metric->name, part);
	print_labels(exposition, values, bound);
	print_value(exposition->stream, value);
}

void exposition_add_histogram(struct exposition *exposition,
			      const struct histogram *histogram,
			      const char *const *values)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < HISTOGRAM_BOUNDS; i++) {
		char bound[32];

		count += histogram->counts[i];
		format_bound(histogram_bounds_us[i], bound, sizeof(bound));
		add_part(exposition, "bucket", (double)count, values, bound);
	}
	count += histogram->counts[HISTOGRAM_BOUNDS];
	add_part(exposition, "bucket", (double)count, values, "+Inf");
	add_part(exposition, "sum", (double)histogram->sum_us / 1e6, values, NULL);
	add_part(exposition, "count", (double)count, values, NULL);
}

char *exposition_end(struct exposition *exposition, size_t *ret_size)
{
	char *text;

	if (exposition->is_openmetrics)
		fputs("# EOF\n", exposition->stream);
	fclose(exposition->stream);
	text = exposition->text;
	*ret_size = exposition->size;
	free(exposition);
	return text;
}
