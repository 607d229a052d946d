/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_HTTP_METRICS_H
#define KUDEV_HTTP_METRICS_H

/*
 * What is counted, for Prometheus: one table of metrics, each with how it is collected from
 * the parts of the daemon. docs/metrics.md tells what they mean. The series are bounded: by
 * class, by words of fixed lists, and by METRICS_MAX_HOLDERS. Thread: the loop thread.
 */

#include "http/view.h"

/* Of more holders of devices than that only the number is told. */
#define METRICS_MAX_HOLDERS 1000

void metrics_serve(const struct http_view *view, const struct http_server_stats *server,
		   bool is_openmetrics, struct http_answer *ret);

#endif
