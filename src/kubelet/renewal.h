/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_RENEWAL_H
#define KUDEV_KUBELET_RENEWAL_H

/*
 * How soon to register anew although the kubelet is the same. Each registration anew takes the
 * devices away for a moment, so that only the first is soon, and the next after an interval,
 * doubled each time until it was quiet for a while. Pure; times are those of clock_ms().
 */

#include <stdint.h>

enum renewal_cause {
	/* Another one with the same resource has ended, as in a rolling update. */
	RENEWAL_KUDEV,
	RENEWAL_PLUGIN, /* one with some resource, likely not ours */
	/* Somebody has removed our socket; a moment later all may be gone that was there. */
	RENEWAL_SOCKET,
	RENEWAL_CAUSE_MAX,
};

/* All zero: there was none yet. */
struct renewal {
	int64_t last_ms;
	int64_t interval_ms;
};

/* When the next one may be. */
int64_t renewal_due(const struct renewal *renewal, enum renewal_cause cause,
		    int64_t now_ms);

/* There is one now. */
void renewal_count(struct renewal *renewal, enum renewal_cause cause, int64_t now_ms);

/* For the log. */
const char *renewal_reason(enum renewal_cause cause);

#endif
