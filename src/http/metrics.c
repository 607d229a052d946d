/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "http/exposition.h"
#include "http/metrics.h"
#include "http/process.h"

/* Everything that one scrape is made from. */
struct snapshot {
	const struct http_view *view;
	const struct http_server_stats *server;
	struct class_view *classes;
	size_t class_count;
	struct worker_stats worker;
	struct process_stats process;
};

/* A metric and how to collect it: by one of the others. */
struct collector {
	struct metric metric;
	size_t count; /* offset of a uint64_t in struct class_view; 0: none */
	double (*of_process)(const struct snapshot *snapshot);
	double (*of_class)(const struct class_view *class);
	const struct histogram *(*times_of_class)(const struct class_view *class);
	void (*add)(struct exposition *exposition, const struct snapshot *snapshot);
};

/* The words of labels. */

static const char *const allocation_failures[ALLOCATION_FAILURE_MAX] = {
	[ALLOCATION_UNKNOWN] = "unknown",
	[ALLOCATION_UNAVAILABLE] = "unavailable",
	[ALLOCATION_MALFORMED] = "malformed",
	[ALLOCATION_TOO_LARGE] = "too_large",
};

static const char *const prestart_results[PRESTART_RESULT_MAX] = {
	[PRESTART_DONE] = "done",
	[PRESTART_SKIPPED] = "skipped",
	[PRESTART_FAILED] = "failed",
	[PRESTART_LATE] = "late",
};

static const char *const registration_failures[REGISTRATION_FAILURE_MAX] = {
	[REGISTRATION_UNREACHABLE] = "unreachable",
	[REGISTRATION_REFUSED] = "refused",
	[REGISTRATION_UNHEARD] = "unheard",
	[REGISTRATION_UNSERVED] = "unserved",
};

static const char *const event_sources[] = {
	[MONITOR_UDEV] = "udev",
	[MONITOR_KERNEL] = "kernel",
	[MONITOR_BARE] = "kernel_without_udev",
	[MONITOR_INOTIFY] = "inotify",
};

/* Of a class. */

static double class_ready(const struct class_view *class)
{
	KUDEV_AUTO_FREE char *reason = view_unready(class);

	return !reason;
}

static double class_degraded(const struct class_view *class)
{
	return class->discovery.degraded != NULL;
}

static double class_dummies(const struct class_view *class)
{
	return (double)class->discovery.stand_ins;
}

static double class_refused(const struct class_view *class)
{
	return (double)class->devices->refused;
}

static double class_registered(const struct class_view *class)
{
	return class->registration.is_registered;
}

static double class_registered_seconds(const struct class_view *class)
{
	return (double)class->registration.registered_ms / 1e3;
}

static double class_registered_since(const struct class_view *class)
{
	return class->registration.since_ms > 0
		       ? (double)view_wall_time(class->registration.since_ms)
		       : 0;
}

static double class_streams(const struct class_view *class)
{
	return (double)class->plugin.streams;
}

static double class_holders(const struct class_view *class)
{
	size_t count = 0;

	for (size_t i = 0; i < class->devices->count; i++)
		count += class->devices->devices[i]->holder_count;
	return (double)count;
}

static const struct histogram *class_allocation_times(const struct class_view *class)
{
	return &class->plugin.allocation_times;
}

static const struct histogram *class_update_times(const struct class_view *class)
{
	return &class->plugin.update_times;
}

/* Of a class, by more labels. */

/* Adds a sample for each word: the counts are in the words' order. */
static void add_counts(struct exposition *exposition, const struct class_view *class,
		       const uint64_t *counts, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		exposition_add(exposition, (double)counts[i],
			       (const char *const[]){class->config->name,
						     class->config->resource, words[i]});
}

static void add_devices(struct exposition *exposition, const struct snapshot *snapshot)
{
	static const char *const words[] = {"healthy", "unhealthy"};

	for (size_t i = 0; i < snapshot->class_count; i++) {
		const struct inventory_class *class = snapshot->classes[i].devices;
		const uint64_t counts[] = {class->healthy, class->count - class->healthy};

		add_counts(exposition, &snapshot->classes[i], counts, words,
			   KUDEV_ARRAY_SIZE(words));
	}
}

static void add_state_changes(struct exposition *exposition,
			      const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->class_count; i++) {
		const struct class_view *class = &snapshot->classes[i];
		const struct inventory_stats *stats = &class->devices->stats;

		exposition_add(exposition, (double)stats->recovered,
			       (const char *const[]){class->config->name,
						     class->config->resource, "healthy",
						     "recovered"});
		for (size_t cause = 0; cause < DEVICE_CAUSE_MAX; cause++)
			exposition_add(exposition, (double)stats->failed[cause],
				       (const char *const[]){class->config->name,
							     class->config->resource,
							     "unhealthy",
							     device_causes[cause]});
	}
}

static void add_conflicts(struct exposition *exposition, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->class_count; i++)
		add_counts(exposition, &snapshot->classes[i],
			   snapshot->classes[i].devices->conflicts->of_cause,
			   conflict_causes, CONFLICT_CAUSE_MAX);
}

static void add_registration_failures(struct exposition *exposition,
				      const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->class_count; i++)
		add_counts(exposition, &snapshot->classes[i],
			   snapshot->classes[i].registration.failures,
			   registration_failures, REGISTRATION_FAILURE_MAX);
}

static void add_allocation_failures(struct exposition *exposition,
				    const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->class_count; i++)
		add_counts(exposition, &snapshot->classes[i],
			   snapshot->classes[i].plugin.allocations_failed,
			   allocation_failures, ALLOCATION_FAILURE_MAX);
}

static const char *reset_mode(const struct class_view *class)
{
	return config_reset_names[class->config->v4l2loopback.reset];
}

static void add_resets(struct exposition *exposition, const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->class_count; i++) {
		const struct class_view *class = &snapshot->classes[i];

		if (!discovery_prepares(class->config))
			continue;
		for (size_t result = 0; result < PRESTART_RESULT_MAX; result++)
			exposition_add(exposition,
				       (double)class->plugin.prestart.results[result],
				       (const char *const[]){class->config->name,
							     class->config->resource,
							     reset_mode(class),
							     prestart_results[result]});
	}
}

static void add_reset_times(struct exposition *exposition,
			    const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->class_count; i++) {
		const struct class_view *class = &snapshot->classes[i];

		if (discovery_prepares(class->config))
			exposition_add_histogram(
				exposition, &class->plugin.prestart.times,
				(const char *const[]){class->config->name,
						      class->config->resource,
						      reset_mode(class)});
	}
}

/* Returns how many more may be added. */
static size_t add_holders_of(struct exposition *exposition,
			     const struct class_view *class, const struct device *device,
			     size_t left)
{
	for (size_t i = 0; i < device->holder_count && left > 0; i++, left--) {
		const struct holder *holder = &device->holders[i];

		exposition_add(exposition, 1,
			       (const char *const[]){
				       class->config->name, class->config->resource,
				       device->unit.id, holder->pod_namespace,
				       holder->pod, holder->container});
	}
	return left;
}

static void add_holders(struct exposition *exposition, const struct snapshot *snapshot)
{
	size_t left = METRICS_MAX_HOLDERS;

	if (!snapshot->view->config->holder_metrics)
		return;
	for (size_t i = 0; i < snapshot->class_count; i++) {
		const struct class_view *class = &snapshot->classes[i];

		for (size_t at = 0; at < class->devices->count; at++)
			left = add_holders_of(exposition, class,
					      class->devices->devices[at], left);
	}
}

/* generic-device-plugin's, which knows resources alone. */

static void add_squat_devices(struct exposition *exposition,
			      const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->class_count; i++) {
		const struct inventory_class *class = snapshot->classes[i].devices;
		size_t present = 0;

		for (size_t at = 0; at < class->count; at++)
			present += !class->devices[at]->absence;
		exposition_add(exposition, (double)present,
			       (const char *const[]){class->config->resource});
	}
}

static void add_squat_allocations(struct exposition *exposition,
				  const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->class_count; i++)
		exposition_add(
			exposition,
			(double)snapshot->classes[i].plugin.allocated_containers,
			(const char *const[]){snapshot->classes[i].config->resource});
}

static void add_squat_restarts(struct exposition *exposition,
			       const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->class_count; i++)
		exposition_add(
			exposition, (double)snapshot->classes[i].registration.ended,
			(const char *const[]){snapshot->classes[i].config->resource});
}

/* Of the process. */

static void add_build(struct exposition *exposition, const struct snapshot *snapshot)
{
	(void)snapshot;
	exposition_add(exposition, 1, (const char *const[]){KUDEV_VERSION});
}

static double kubelet_restarts(const struct snapshot *snapshot)
{
	return (double)registrar_kubelet_restarts(snapshot->view->registrar);
}

static const struct monitor *monitor_of(const struct snapshot *snapshot)
{
	return discovery_monitor(snapshot->view->discovery);
}

static void add_event_source(struct exposition *exposition,
			     const struct snapshot *snapshot)
{
	struct monitor_state state = monitor_state(monitor_of(snapshot));

	exposition_add(exposition, 1, (const char *const[]){event_sources[state.mode]});
}

static void add_events(struct exposition *exposition, const struct snapshot *snapshot)
{
	const struct monitor_stats *stats = monitor_stats(monitor_of(snapshot));

	exposition_add(exposition, (double)stats->by_udev, (const char *const[]){"udev"});
	exposition_add(exposition, (double)stats->by_kernel,
		       (const char *const[]){"kernel"});
}

static double event_overruns(const struct snapshot *snapshot)
{
	return (double)monitor_stats(monitor_of(snapshot))->losses;
}

static double rescans(const struct snapshot *snapshot)
{
	return (double)discovery_rescans(snapshot->view->discovery);
}

static double config_generation(const struct snapshot *snapshot)
{
	return (double)snapshot->view->reload->generation;
}

static double reload_is_ok(const struct snapshot *snapshot)
{
	return snapshot->view->reload->is_ok;
}

static double reload_tried(const struct snapshot *snapshot)
{
	return (double)snapshot->view->reload->tried;
}

static double reload_succeeded(const struct snapshot *snapshot)
{
	return (double)snapshot->view->reload->succeeded;
}

static void add_worker_jobs(struct exposition *exposition,
			    const struct snapshot *snapshot)
{
	const struct worker_stats *worker = &snapshot->worker;

	exposition_add(exposition, (double)worker->waiting,
		       (const char *const[]){"waiting"});
	exposition_add(exposition, (double)(worker->running - worker->hanging),
		       (const char *const[]){"running"});
	exposition_add(exposition, (double)worker->hanging,
		       (const char *const[]){"hanging"});
}

static double worker_waits(const struct snapshot *snapshot)
{
	return (double)snapshot->worker.waits_ms / 1e3;
}

static double worker_done(const struct snapshot *snapshot)
{
	return (double)snapshot->worker.done;
}

static double worker_late(const struct snapshot *snapshot)
{
	return (double)snapshot->worker.late;
}

static double http_connections(const struct snapshot *snapshot)
{
	return (double)snapshot->server->connections;
}

static void add_http_closed(struct exposition *exposition,
			    const struct snapshot *snapshot)
{
	exposition_add(exposition, (double)snapshot->server->evicted,
		       (const char *const[]){"evicted"});
	exposition_add(exposition, (double)snapshot->server->timed_out,
		       (const char *const[]){"timeout"});
}

static void add_http_answers(struct exposition *exposition,
			     const struct snapshot *snapshot)
{
	static const char *const words[] = {
		[2] = "2xx",
		[4] = "4xx",
		[5] = "5xx",
	};

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(words); i++) {
		if (words[i])
			exposition_add(exposition, (double)snapshot->server->answers[i],
				       &words[i]);
	}
}

static double process_cpu(const struct snapshot *snapshot)
{
	return snapshot->process.cpu_seconds;
}

static double process_resident(const struct snapshot *snapshot)
{
	return snapshot->process.resident_bytes;
}

static double process_virtual(const struct snapshot *snapshot)
{
	return snapshot->process.virtual_bytes;
}

static double process_open_files(const struct snapshot *snapshot)
{
	return snapshot->process.open_files;
}

static double process_max_files(const struct snapshot *snapshot)
{
	return snapshot->process.max_files;
}

static double process_started(const struct snapshot *snapshot)
{
	return snapshot->process.started;
}

static double process_threads(const struct snapshot *snapshot)
{
	return snapshot->process.threads;
}

#define CLASS "class", "resource"

/* In the order of docs/metrics.md. */
static const struct collector collectors[] = {
	{{"kudev_devices",
	  METRIC_GAUGE,
	  "Devices of the class, by health.",
	  {CLASS, "health"}},
	 .add = add_devices},
	{{"kudev_device_state_changes",
	  METRIC_COUNTER,
	  "Devices that turned healthy or unhealthy, and why.",
	  {CLASS, "to", "reason"}},
	 .add = add_state_changes},
	{{"kudev_devices_refused",
	  METRIC_GAUGE,
	  "Devices that found no room in the list that a kubelet takes.",
	  {CLASS}},
	 .of_class = class_refused},
	{{"kudev_device_conflicts",
	  METRIC_GAUGE,
	  "Nodes that the class could not have, and why.",
	  {CLASS, "reason"}},
	 .add = add_conflicts},
	{{"kudev_device_holders",
	  METRIC_GAUGE,
	  "Containers that hold devices of the class, as far as they are known.",
	  {CLASS}},
	 .of_class = class_holders},
	{{"kudev_device_holder",
	  METRIC_INFO,
	  "A container that holds a device.",
	  {CLASS, "device", "namespace", "pod", "container"}},
	 .add = add_holders},
	{{"kudev_class_ready",
	  METRIC_GAUGE,
	  "Whether the kubelet follows the devices of the class.",
	  {CLASS}},
	 .of_class = class_ready},
	{{"kudev_class_degraded",
	  METRIC_GAUGE,
	  "Whether the class can't have its devices.",
	  {CLASS}},
	 .of_class = class_degraded},
	{{"kudev_dummy_devices",
	  METRIC_GAUGE,
	  "Dummies that stand for devices that can't be had.",
	  {CLASS}},
	 .of_class = class_dummies},
	{{"kudev_allocations",
	  METRIC_COUNTER,
	  "Allocate calls that were answered.",
	  {CLASS}},
	 .count = offsetof(struct class_view, plugin.allocations)},
	{{"kudev_allocated_devices",
	  METRIC_COUNTER,
	  "Devices that were handed out.",
	  {CLASS}},
	 .count = offsetof(struct class_view, plugin.allocated_devices)},
	{{"kudev_allocation_failures",
	  METRIC_COUNTER,
	  "Allocate calls that were refused, and why.",
	  {CLASS, "reason"}},
	 .add = add_allocation_failures},
	{{"kudev_allocation_duration_seconds",
	  METRIC_HISTOGRAM,
	  "Time from an Allocate call to its answer.",
	  {CLASS}},
	 .times_of_class = class_allocation_times},
	{{"kudev_preferred_allocations",
	  METRIC_COUNTER,
	  "GetPreferredAllocation calls.",
	  {CLASS}},
	 .count = offsetof(struct class_view, plugin.preferred)},
	{{"kudev_preferred_allocation_failures",
	  METRIC_COUNTER,
	  "GetPreferredAllocation calls that were refused.",
	  {CLASS}},
	 .count = offsetof(struct class_view, plugin.preferred_failed)},
	{{"kudev_resets",
	  METRIC_COUNTER,
	  "Devices that were to be reset for a container, and how that ended.",
	  {CLASS, "mode", "result"}},
	 .add = add_resets},
	{{"kudev_reset_duration_seconds",
	  METRIC_HISTOGRAM,
	  "Time from the start of a container to the end of a device's reset.",
	  {CLASS, "mode"}},
	 .add = add_reset_times},
	{{"kudev_registered",
	  METRIC_GAUGE,
	  "Whether the class is registered with the kubelet.",
	  {CLASS}},
	 .of_class = class_registered},
	{{"kudev_registered_timestamp_seconds",
	  METRIC_GAUGE,
	  "When the class was registered last; 0: never.",
	  {CLASS}},
	 .of_class = class_registered_since},
	{{"kudev_registered_seconds",
	  METRIC_COUNTER,
	  "How long the class was registered in all.",
	  {CLASS}},
	 .of_class = class_registered_seconds},
	{{"kudev_registrations",
	  METRIC_COUNTER,
	  "Registrations that the kubelet accepted.",
	  {CLASS}},
	 .count = offsetof(struct class_view, registration.registrations)},
	{{"kudev_registration_failures",
	  METRIC_COUNTER,
	  "Registrations that failed, and why.",
	  {CLASS, "reason"}},
	 .add = add_registration_failures},
	{{"kudev_streams", METRIC_GAUGE, "ListAndWatch streams that are open.", {CLASS}},
	 .of_class = class_streams},
	{{"kudev_streams_opened",
	  METRIC_COUNTER,
	  "ListAndWatch streams that were opened.",
	  {CLASS}},
	 .count = offsetof(struct class_view, plugin.streams_opened)},
	{{"kudev_lists_sent",
	  METRIC_COUNTER,
	  "Lists of devices that were sent.",
	  {CLASS}},
	 .count = offsetof(struct class_view, plugin.lists_sent)},
	{{"kudev_update_latency_seconds",
	  METRIC_HISTOGRAM,
	  "Time from an event to the list of devices that tells of it.",
	  {CLASS}},
	 .times_of_class = class_update_times},
	{{"kudev_kubelet_restarts",
	  METRIC_COUNTER,
	  "Times that another kubelet came in the place of one.",
	  {NULL}},
	 .of_process = kubelet_restarts},
	{{"kudev_scans", METRIC_COUNTER, "Looks for the devices of the class.", {CLASS}},
	 .count = offsetof(struct class_view, discovery.scans)},
	{{"kudev_scan_failures",
	  METRIC_COUNTER,
	  "Looks for the devices of the class that failed.",
	  {CLASS}},
	 .count = offsetof(struct class_view, discovery.failed)},
	{{"kudev_event_source",
	  METRIC_INFO,
	  "What tells of devices that come and go.",
	  {"source"}},
	 .add = add_event_source},
	{{"kudev_events",
	  METRIC_COUNTER,
	  "Messages of devices, by who sent them.",
	  {"source"}},
	 .add = add_events},
	{{"kudev_event_overruns",
	  METRIC_COUNTER,
	  "Times that messages of devices were lost.",
	  {NULL}},
	 .of_process = event_overruns},
	{{"kudev_rescans",
	  METRIC_COUNTER,
	  "Looks for all devices in case a change was missed.",
	  {NULL}},
	 .of_process = rescans},
	{{"kudev_config_generation",
	  METRIC_GAUGE,
	  "The configuration in use, counted from 1 at the start.",
	  {NULL}},
	 .of_process = config_generation},
	{{"kudev_config_last_reload_successful",
	  METRIC_GAUGE,
	  "Whether the configuration that was read last could be used.",
	  {NULL}},
	 .of_process = reload_is_ok},
	{{"kudev_config_last_reload_timestamp_seconds",
	  METRIC_GAUGE,
	  "When a configuration was read last.",
	  {NULL}},
	 .of_process = reload_tried},
	{{"kudev_config_last_reload_success_timestamp_seconds",
	  METRIC_GAUGE,
	  "When the configuration in use was read.",
	  {NULL}},
	 .of_process = reload_succeeded},
	{{"kudev_worker_jobs",
	  METRIC_GAUGE,
	  "Attempts to open, check or reset devices, by state.",
	  {"state"}},
	 .add = add_worker_jobs},
	{{"kudev_worker_wait_seconds",
	  METRIC_GAUGE,
	  "How long the first attempt that waits has waited.",
	  {NULL}},
	 .of_process = worker_waits},
	{{"kudev_worker_jobs_done",
	  METRIC_COUNTER,
	  "Attempts to open, check or reset devices that have ended.",
	  {NULL}},
	 .of_process = worker_done},
	{{"kudev_worker_jobs_late",
	  METRIC_COUNTER,
	  "Attempts to open, check or reset devices that took too long.",
	  {NULL}},
	 .of_process = worker_late},
	{{"kudev_http_connections",
	  METRIC_GAUGE,
	  "HTTP connections that are open.",
	  {NULL}},
	 .of_process = http_connections},
	{{"kudev_http_connections_closed",
	  METRIC_COUNTER,
	  "HTTP connections that kudev gave up, and why.",
	  {"reason"}},
	 .add = add_http_closed},
	{{"kudev_http_answers",
	  METRIC_COUNTER,
	  "Answers to HTTP requests, by status.",
	  {"status"}},
	 .add = add_http_answers},
	{{"kudev_build", METRIC_INFO, "The version of kudev.", {"version"}},
	 .add = add_build},
	{{"generic_device_plugin_devices",
	  METRIC_GAUGE,
	  "As generic-device-plugin has it: devices that are there.",
	  {"resource"}},
	 .add = add_squat_devices},
	{{"generic_device_plugin_allocations",
	  METRIC_COUNTER,
	  "As generic-device-plugin has it: containers that were given devices.",
	  {"resource"}},
	 .add = add_squat_allocations},
	{{"generic_device_plugin_restarts",
	  METRIC_COUNTER,
	  "As generic-device-plugin has it: times that the resource was served anew.",
	  {"resource"}},
	 .add = add_squat_restarts},
	{{"process_cpu_seconds",
	  METRIC_COUNTER,
	  "Processor time of all threads, user and system.",
	  {NULL}},
	 .of_process = process_cpu},
	{{"process_resident_memory_bytes", METRIC_GAUGE, "Resident memory.", {NULL}},
	 .of_process = process_resident},
	{{"process_virtual_memory_bytes", METRIC_GAUGE, "Virtual memory.", {NULL}},
	 .of_process = process_virtual},
	{{"process_open_fds", METRIC_GAUGE, "Open file descriptors.", {NULL}},
	 .of_process = process_open_files},
	{{"process_max_fds", METRIC_GAUGE, "File descriptors that may be open.", {NULL}},
	 .of_process = process_max_files},
	{{"process_start_time_seconds",
	  METRIC_GAUGE,
	  "When the process was started.",
	  {NULL}},
	 .of_process = process_started},
	{{"process_threads", METRIC_GAUGE, "Threads.", {NULL}},
	 .of_process = process_threads},
};

static double count_at(const struct class_view *class, size_t offset)
{
	return (double)*(const uint64_t *)(const void *)((const char *)class + offset);
}

static void collect_classes(struct exposition *exposition,
			    const struct collector *collector,
			    const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->class_count; i++) {
		const struct class_view *class = &snapshot->classes[i];
		const char *const values[] = {class->config->name,
					      class->config->resource};

		if (collector->count > 0)
			exposition_add(exposition, count_at(class, collector->count),
				       values);
		else if (collector->of_class)
			exposition_add(exposition, collector->of_class(class), values);
		else
			exposition_add_histogram(
				exposition, collector->times_of_class(class), values);
	}
}

static void collect(struct exposition *exposition, const struct collector *collector,
		    const struct snapshot *snapshot)
{
	exposition_begin(exposition, &collector->metric);
	if (collector->add)
		collector->add(exposition, snapshot);
	else if (collector->of_process)
		exposition_add(exposition, collector->of_process(snapshot), NULL);
	else
		collect_classes(exposition, collector, snapshot);
}

static void take_snapshot(struct snapshot *snapshot)
{
	size_t count = view_class_count(snapshot->view);

	snapshot->classes = mem_zero(count * sizeof(*snapshot->classes));
	snapshot->class_count = count;
	for (size_t i = 0; i < count; i++)
		view_class(snapshot->view, i, &snapshot->classes[i]);
	worker_describe(snapshot->view->worker, &snapshot->worker);
	process_describe(&snapshot->process);
}

void metrics_serve(const struct http_view *view, const struct http_server_stats *server,
		   bool is_openmetrics, struct http_answer *ret)
{
	struct snapshot snapshot = {.view = view, .server = server};
	struct exposition *exposition = exposition_new(is_openmetrics);

	take_snapshot(&snapshot);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(collectors); i++)
		collect(exposition, &collectors[i], &snapshot);
	free(snapshot.classes);
	*ret = (struct http_answer){
		.status = 200,
		.type = is_openmetrics ? "application/openmetrics-text; version=1.0.0; "
					 "charset=utf-8"
				       : "text/plain; version=0.0.4; charset=utf-8",
	};
	ret->body = exposition_end(exposition, &ret->size);
}
