/* SPDX-License-Identifier: Apache-2.0 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "http/status.h"

#define FORMAT (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

void status_add_string(struct json_object *object, const char *key, const char *text)
{
	KUDEV_AUTO_FREE char *clean = text ? text_clean(text) : NULL;

	if (clean)
		json_object_object_add(object, key, json_object_new_string(clean));
}

static void add_number(struct json_object *object, const char *key, uint64_t number)
{
	json_object_object_add(object, key, json_object_new_int64((int64_t)number));
}

static void add_boolean(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

/* 0 adds nothing. */
static void add_time(struct json_object *object, const char *key, time_t time)
{
	char text[32];

	if (time == 0)
		return;
	view_format_time(time, text, sizeof(text));
	status_add_string(object, key, text);
}

void status_answer(struct json_object *object, int status, struct http_answer *ret)
{
	const char *text = json_object_to_json_string_ext(object, FORMAT);

	*ret = (struct http_answer){
		.status = status,
		.type = "application/json",
		.body = mem_printf("%s\n", text),
	};
	ret->size = strlen(ret->body);
	json_object_put(object);
}

static struct json_object *holders_json(const struct device *device)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < device->holder_count; i++) {
		const struct holder *holder = &device->holders[i];
		struct json_object *item = json_object_new_object();

		status_add_string(item, "namespace", holder->pod_namespace);
		status_add_string(item, "pod", holder->pod);
		status_add_string(item, "container", holder->container);
		json_object_array_add(array, item);
	}
	return array;
}

static struct json_object *nodes_json(const struct unit *unit)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < unit->node_count; i++) {
		KUDEV_AUTO_FREE char *clean = text_clean(unit->nodes[i].host_path);

		json_object_array_add(array, json_object_new_string(clean));
	}
	return array;
}

static struct json_object *device_json(const struct device *device)
{
	struct json_object *object = json_object_new_object();

	status_add_string(object, "id", device->unit.id);
	status_add_string(object, "health", device->healthy ? "Healthy" : "Unhealthy");
	if (!device->healthy)
		status_add_string(object, "cause",
				  device_causes[device_cause_of(device)]);
	status_add_string(object, "reason", device->reason);
	json_object_object_add(object, "nodes", nodes_json(&device->unit));
	if (device->unit.numa_node != LIST_NUMA_UNKNOWN)
		json_object_object_add(object, "numaNode",
				       json_object_new_int(device->unit.numa_node));
	json_object_object_add(object, "holders", holders_json(device));
	add_number(object, "resets", device->resets);
	if (device->granted_ms > 0)
		add_time(object, "allocated", view_wall_time(device->granted_ms));
	return object;
}

/* An array that is printed as it is made: json-c takes kilobytes for a device. */
static struct json_object *devices_json(const struct inventory_class *class, size_t count)
{
	struct json_object *array = json_object_new_array();
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		abort();
	fputc('[', stream);
	for (size_t i = 0; i < count; i++) {
		struct json_object *device = device_json(class->devices[i]);

		if (i > 0)
			fputc(',', stream);
		fputs(json_object_to_json_string_ext(device, FORMAT), stream);
		json_object_put(device);
	}
	fputc(']', stream);
	fclose(stream);
	json_object_set_serializer(array, json_object_userdata_to_json_string, text,
				   json_object_free_userdata);
	return array;
}

/* As many as are left; returns how many are left then. */
static size_t add_devices(struct json_object *object, const struct inventory_class *class,
			  size_t left)
{
	size_t count = class->count < left ? class->count : left;

	add_number(object, "deviceCount", class->count);
	add_number(object, "healthyCount", class->healthy);
	add_number(object, "omittedCount", class->count - count);
	json_object_object_add(object, "devices", devices_json(class, count));
	return left - count;
}

static struct json_object *registration_json(const struct class_view *class)
{
	const struct registration_status *registration = &class->registration;
	struct json_object *object = json_object_new_object();
	uint64_t failed = 0;

	for (size_t i = 0; i < REGISTRATION_FAILURE_MAX; i++)
		failed += registration->failures[i];
	add_boolean(object, "registered", registration->is_registered);
	add_boolean(object, "streamed", registration->is_streamed);
	status_add_string(object, "endpoint", registration->endpoint);
	if (registration->is_registered)
		add_time(object, "since", view_wall_time(registration->since_ms));
	status_add_string(object, "error", registration->error);
	add_number(object, "count", registration->registrations);
	add_number(object, "failedCount", failed);
	return object;
}

static struct json_object *conflicts_json(const struct conflict_list *conflicts)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < conflicts->count; i++) {
		struct json_object *item = json_object_new_object();

		status_add_string(item, "path", conflicts->items[i].host_path);
		status_add_string(item, "class", conflicts->items[i].holder);
		json_object_array_add(array, item);
	}
	return array;
}

/* Returns how many devices are left. */
static size_t add_class(struct json_object *classes, const struct class_view *class,
			size_t left)
{
	KUDEV_AUTO_FREE char *reason = view_unready(class);
	struct json_object *object = json_object_new_object();

	status_add_string(object, "name", class->config->name);
	status_add_string(object, "resource", class->config->resource);
	add_boolean(object, "ready", !reason);
	status_add_string(object, "reason", reason);
	status_add_string(object, "degraded", class->discovery.degraded);
	json_object_object_add(object, "registration", registration_json(class));
	json_object_object_add(object, "conflicts",
			       conflicts_json(class->devices->conflicts));
	left = add_devices(object, class->devices, left);
	json_object_array_add(classes, object);
	return left;
}

/* Returns whether all are ready. */
static bool add_classes(struct json_object *object, const struct http_view *view)
{
	struct json_object *classes = json_object_new_array();
	size_t left = STATUS_MAX_DEVICES;
	bool is_ready = true;

	for (size_t i = 0; i < view_class_count(view); i++) {
		KUDEV_AUTO_FREE char *reason = NULL;
		struct class_view class;

		view_class(view, i, &class);
		reason = view_unready(&class);
		is_ready = is_ready && !reason;
		left = add_class(classes, &class, left);
	}
	json_object_object_add(object, "classes", classes);
	return is_ready;
}

static struct json_object *config_json(const struct reload_state *reload)
{
	struct json_object *object = json_object_new_object();

	add_number(object, "generation", reload->generation);
	add_time(object, "loaded", reload->succeeded);
	add_boolean(object, "lastReloadOk", reload->is_ok);
	add_time(object, "lastReload", reload->tried);
	status_add_string(object, "error", reload->error);
	return object;
}

static struct json_object *events_json(const struct monitor *monitor)
{
	struct json_object *object = json_object_new_object();
	struct monitor_state state = monitor_state(monitor);

	status_add_string(object, "from", monitor_mode_describe(state.mode));
	status_add_string(object, "reason", state.reason);
	return object;
}

/* The newest first. */
static struct json_object *log_json(void)
{
	struct json_object *array = json_object_new_array();
	const char *line;

	for (size_t i = 0; (line = log_kept(i)); i++)
		json_object_array_add(array, json_tokener_parse(line));
	return array;
}

void status_serve(const struct http_view *view, struct http_answer *ret)
{
	KUDEV_AUTO_FREE char *stuck = view_stuck(view);
	struct json_object *object = json_object_new_object();
	bool is_ready;

	status_add_string(object, "version", KUDEV_VERSION);
	if (view->config->node_name[0])
		status_add_string(object, "node", view->config->node_name);
	add_time(object, "started", view->started);
	add_time(object, "now", time(NULL));
	is_ready = add_classes(object, view);
	add_boolean(object, "ready", is_ready);
	add_boolean(object, "healthy", !stuck);
	status_add_string(object, "reason", stuck);
	json_object_object_add(object, "config", config_json(view->reload));
	json_object_object_add(object, "events",
			       events_json(discovery_monitor(view->discovery)));
	status_add_string(object, "pluginDirectory", view->config->plugin_directory);
	add_number(object, "kubeletRestarts",
		   registrar_kubelet_restarts(view->registrar));
	json_object_object_add(object, "log", log_json());
	status_answer(object, 200, ret);
}
