/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/log.h"
#include "kubelet/refusal.h"

#define LOG_INTERVAL_MS 60000

/* These two texts of the kubelet say that trying again will not help for now. */
bool refusal_is_permanent(const char *text)
{
	return strstr(text, "not supported by kubelet") || strstr(text, "is invalid");
}

/* What an operator can do about a failure on our side; NULL: nothing that we know of. */
static const char *hint_for(int code)
{
	switch (code) {
	case EACCES:
	case EPERM:
		return "kudev must be root, and the directory must be writable for it";
	case EROFS:
		return "mount the device plugin directory read-write";
	case ECONNREFUSED:
		return "nobody listens on kubelet.sock: is the kubelet running?";
	case EMFILE:
	case ENFILE:
		return "raise the limit of open files";
	case ENOSPC:
	case EDQUOT:
		return "the disk of the device plugin directory is full";
	default:
		return NULL;
	}
}

void refusal_log(const struct refusal *refusal, const struct config_class *class,
		 struct log_limit *limit)
{
	uint64_t suppressed;

	if (refusal_is_permanent(refusal->text))
		log_error("registration refused by the kubelet",
			  LOG_STR("class", class->name),
			  LOG_STR("resource", class->resource),
			  LOG_STR("error", refusal->text),
			  LOG_INT("retry_ms", refusal->retry_ms));
	else if (log_limit_due(limit, LOG_INTERVAL_MS, &suppressed))
		log_warn("registration failed", LOG_STR("class", class->name),
			 LOG_STR("resource", class->resource),
			 LOG_STR("error", refusal->text),
			 LOG_STR("hint", hint_for(refusal->code)),
			 LOG_INT("attempt", refusal->attempts),
			 LOG_INT("retry_ms", refusal->retry_ms),
			 LOG_COUNT("suppressed", suppressed));
}
