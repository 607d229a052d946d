/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_HTTP_EXPOSITION_H
#define KUDEV_HTTP_EXPOSITION_H

/*
 * Metrics as text: in Prometheus' own format (version 0.0.4), or in that of OpenMetrics
 * 1.0, which wants the names of families without their suffixes, and an end. Thread: any,
 * one at a time.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/histogram.h"

enum metric_type {
	METRIC_COUNTER, /* _total is added to its name */
	METRIC_GAUGE,
	METRIC_HISTOGRAM, /* of seconds */
	METRIC_INFO,	  /* _info is added; its labels tell, its value is 1 */
};

#define METRIC_MAX_LABELS 6

/* A family: what its samples have in common. */
struct metric {
	const char *name;
	enum metric_type type;
	const char *help; /* one sentence */
	/* Of each sample, in this order. */
	const char *labels[METRIC_MAX_LABELS + 1];
};

struct exposition;

struct exposition *exposition_new(bool is_openmetrics);

/* The samples that follow are the metric's. */
void exposition_begin(struct exposition *exposition, const struct metric *metric);

/* values: of the labels, as many as there are; any bytes. */
void exposition_add(struct exposition *exposition, double value,
		    const char *const *values);
void exposition_add_histogram(struct exposition *exposition,
			      const struct histogram *histogram,
			      const char *const *values);

/* Returns the text, which the caller frees, and frees the exposition. */
char *exposition_end(struct exposition *exposition, size_t *ret_size);

#endif
