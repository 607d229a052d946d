/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_REFUSAL_H
#define KUDEV_KUBELET_REFUSAL_H

/*
 * What the failure of a registration means, by its words or its errno, and what is said of it.
 * Thread: the loop thread.
 */

#include <stdbool.h>

#include "config/config.h"

/* Whether only another kubelet or configuration can change it. */
bool refusal_is_permanent(const char *text);

struct refusal {
	const char *text; /* the kubelet's words, or ours */
	int code;	  /* errno of a failure on our side; 0: it is the kubelet's */
	unsigned attempts;
	int64_t retry_ms; /* until the next one */
};

/* Logs it, with what an operator can do about it; now and then if it is not permanent. */
void refusal_log(const struct refusal *refusal, const struct config_class *class,
		 struct log_limit *limit);

#endif
