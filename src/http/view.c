/* SPDX-License-Identifier: Apache-2.0 */
#include "http/view.h"

/* Work that has not begun for so long has nobody who does it. */
#define STUCK_MS 30000

size_t view_class_count(const struct http_view *view)
{
	return view->config->class_count;
}

void view_class(const struct http_view *view, size_t index, struct class_view *ret)
{
	const struct plugin *plugin = view->plugins[index];

	*ret = (struct class_view){
		.config = &view->config->classes[index],
		.devices = inventory_class_at(view->inventory, index),
		.plugin = *plugin_stats(plugin),
	};
	ret->is_added = registrar_describe(view->registrar, plugin, &ret->registration);
	discovery_describe(view->discovery, index, &ret->discovery);
}

char *view_unready(const struct class_view *class)
{
	const struct registration_status *registration = &class->registration;

	if (!class->discovery.is_known || !class->is_added)
		return mem_string("it is not known yet which devices it has");
	if (!registration->waits_for)
		return NULL;
	if (registration->error)
		return mem_printf("waits for %s; the last one failed: %s",
				  registration->waits_for, registration->error);
	return mem_printf("waits for %s", registration->waits_for);
}

char *view_stuck(const struct http_view *view)
{
	struct worker_stats worker;

	worker_describe(view->worker, &worker);
	if (worker.waiting == 0 || worker.waits_ms < STUCK_MS)
		return NULL;
	return mem_printf("no device can be opened, reset or checked: %zu attempts hang, "
			  "and the next has waited for %lld s",
			  worker.running, (long long)worker.waits_ms / 1000);
}

void view_format_time(time_t time, char *text, size_t size)
{
	struct tm utc;

	gmtime_r(&time, &utc);
	strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

time_t view_wall_time(int64_t ms)
{
	struct timespec now;
	int64_t now_ms;

	clock_gettime(CLOCK_REALTIME, &now);
	now_ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	return (time_t)((now_ms - clock_ms() + ms) / 1000);
}
