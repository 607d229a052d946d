/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/log.h"
#include "device/internal.h"

const char *const conflict_causes[CONFLICT_CAUSE_MAX] = {
	[CONFLICT_FIRST] = "first",
	[CONFLICT_HELD] = "held",
	[CONFLICT_ALIKE] = "alike",
};

static const char *const hints[CONFLICT_CAUSE_MAX] = {
	[CONFLICT_FIRST] = "the other class keeps it, unless both say share",
	[CONFLICT_HELD] = "this class gets it when no pod holds it of the other",
	[CONFLICT_ALIKE] = "a device of this class has the same ID",
};

struct conflict_list *conflicts_new(void)
{
	return mem_zero(sizeof(struct conflict_list));
}

struct conflict_list *conflicts_free(struct conflict_list *conflicts)
{
	for (size_t i = 0; i < conflicts->count; i++) {
		free(conflicts->items[i].host_path);
		free(conflicts->items[i].holder);
	}
	free(conflicts);
	return NULL;
}

static bool has_conflict(const struct conflict_list *conflicts, const char *host_path)
{
	for (size_t i = 0; i < conflicts->count; i++) {
		if (strcmp(conflicts->items[i].host_path, host_path) == 0)
			return true;
	}
	return false;
}

void conflicts_add(struct inventory_class *class, const char *host_path,
		   const struct config_class *holder, enum conflict_cause cause)
{
	struct conflict_list *conflicts = class->conflicts;

	if (has_conflict(conflicts, host_path))
		return;
	conflicts->total++;
	conflicts->of_cause[cause]++;
	if (conflicts->count == CONFLICTS_MAX)
		return;
	conflicts->items[conflicts->count++] = (struct conflict){
		.host_path = mem_string(host_path),
		.holder = mem_string(holder->name),
		.cause = cause,
	};
}

void conflicts_log_new(struct inventory_class *class, const struct conflict_list *before)
{
	uint64_t suppressed;

	for (size_t i = 0; i < class->conflicts->count; i++) {
		const struct conflict *conflict = &class->conflicts->items[i];

		if (has_conflict(before, conflict->host_path) ||
		    !log_limit_burst(&class->conflict_limit, LOG_BURST, LOG_INTERVAL_MS,
				     &suppressed))
			continue;
		log_warn("device conflict", LOG_STR("class", class->config->name),
			 LOG_STR("other_class", conflict->holder),
			 LOG_STR("device_path", conflict->host_path),
			 LOG_STR("hint", hints[conflict->cause]));
	}
}
