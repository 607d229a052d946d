/* SPDX-License-Identifier: Apache-2.0 */
#include "kubelet/renewal.h"
#include "base/util.h"

static const struct renewal_pace {
	const char *reason;
	int64_t delay_ms; /* of the first */
	int64_t min_ms;
	int64_t max_ms;
	int64_t quiet_ms;
} paces[RENEWAL_CAUSE_MAX] = {
	[RENEWAL_KUDEV] = {"another kudev ended", 0, 10, 10000, 60000},
	[RENEWAL_PLUGIN] = {"another plugin ended", 0, 10000, 300000, 600000},
	/* The kubelet may lose us at any time: each is as soon as the first. */
	[RENEWAL_SOCKET] = {"socket removed", 100, 100, 100, 0},
};

int64_t renewal_due(const struct renewal *renewal, enum renewal_cause cause,
		    int64_t now_ms)
{
	if (renewal->last_ms > 0 && now_ms - renewal->last_ms < paces[cause].quiet_ms &&
	    renewal->last_ms + renewal->interval_ms > now_ms)
		return renewal->last_ms + renewal->interval_ms;
	return now_ms + paces[cause].delay_ms;
}

void renewal_count(struct renewal *renewal, enum renewal_cause cause, int64_t now_ms)
{
	const struct renewal_pace *pace = &paces[cause];

	if (now_ms - renewal->last_ms >= pace->quiet_ms)
		renewal->interval_ms = 0;
	(void)backoff_next(&renewal->interval_ms, pace->min_ms, pace->max_ms);
	renewal->last_ms = now_ms;
}

const char *renewal_reason(enum renewal_cause cause)
{
	return paces[cause].reason;
}
