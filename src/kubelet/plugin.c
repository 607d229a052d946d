/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <utlist.h>

#include "base/log.h"
#include "base/strings.h"
#include "base/text.h"
#include "device/identity.h"
#include "kubelet/allocate.h"
#include "kubelet/plugin.h"
#include "kubelet/preferred.h"

/*
 * Changes that come this close together make one message: the kubelet syncs a file for
 * each.
 */
#define COALESCE_MS 1
/* After so many in so much time, they are collected for longer. */
#define BURST_MAX 200
#define BURST_MS 10000
#define COALESCE_LONG_MS 200
/* How soon a list that has not changed is sent again after it proved wrong. */
#define REFRESH_MS 20
#define REFUSAL_LOG_BURST 20
#define REFUSAL_LOG_INTERVAL_MS 10000
#define NOTHING_SENT UINT64_MAX
/* In one request; the kubelet sends one. */
#define MAX_CONTAINERS 1024

struct stream {
	struct plugin *plugin;
	struct rpc_server *server;
	struct rpc_call *call;
	uint64_t sent; /* the version of the list that was sent last, or NOTHING_SENT */
	bool sending;
	struct stream *prev;
	struct stream *next;
};

struct plugin {
	struct inventory *inventory;
	struct inventory_class *class;
	struct loop_timer *flush;
	struct loop_timer *refresh;
	int64_t burst_start_ms;
	unsigned burst; /* changes since then */
	struct stream *streams;
	struct rpc_message *list; /* packed; NULL: not yet */
	uint64_t list_version;	  /* of the class when it was packed */
	struct log_limit refusal_limit;
	struct preparer preparer;	 /* prepare NULL: there is none */
	const struct specfile *specfile; /* NULL: the class has no CDI names */
	plugin_stream_callback on_stream;
	void *on_stream_data;
	struct plugin_stats stats;
	uint64_t timed_version; /* the last one of an event whose time was taken */
};

static V1beta1__TopologyInfo *topology_new(int numa_node)
{
	V1beta1__TopologyInfo *topology = mem_alloc(sizeof(*topology));
	V1beta1__NUMANode *node = mem_alloc(sizeof(*node));

	v1beta1__numanode__init(node);
	node->id = numa_node;
	v1beta1__topology_info__init(topology);
	topology->nodes = mem_alloc(sizeof(*topology->nodes));
	topology->nodes[topology->n_nodes++] = node;
	return topology;
}

static V1beta1__Device *device_message(const struct device *device)
{
	V1beta1__Device *message = mem_alloc(sizeof(*message));

	v1beta1__device__init(message);
	message->id = mem_string(device->unit.id);
	message->health = mem_string(device->healthy ? "Healthy" : "Unhealthy");
	if (device->unit.numa_node != LIST_NUMA_UNKNOWN)
		message->topology = topology_new(device->unit.numa_node);
	return message;
}

static struct rpc_message *pack_list(const struct inventory_class *class)
{
	V1beta1__ListAndWatchResponse *response = mem_alloc(sizeof(*response));
	struct rpc_message *message;

	v1beta1__list_and_watch_response__init(response);
	response->devices = mem_zero(class->count * sizeof(*response->devices));
	for (size_t i = 0; i < class->count; i++)
		response->devices[response->n_devices++] =
			device_message(class->devices[i]);
	message = rpc_message_new(&response->base);
	v1beta1__list_and_watch_response__free_unpacked(response, NULL);
	return message;
}

/* All streams share one packed list. */
static struct rpc_message *current_list(struct plugin *plugin)
{
	if (plugin->list && plugin->list_version == plugin->class->version)
		return plugin->list;
	rpc_message_free(plugin->list);
	plugin->list = pack_list(plugin->class);
	plugin->list_version = plugin->class->version;
	return plugin->list;
}

/*
 * A stream has one message under way at most. A reader that stalls costs nothing more,
 * and gets the newest list when it goes on.
 */
static void send_list(struct stream *stream)
{
	struct plugin *plugin = stream->plugin;

	if (stream->sending || stream->sent == plugin->class->version)
		return;
	stream->sending = true;
	stream->sent = plugin->class->version;
	rpc_call_send(stream->call, current_list(plugin));
	plugin->stats.lists_sent++;
	log_debug("list sent", LOG_STR("class", plugin->class->config->name),
		  LOG_STR("resource", plugin->class->config->resource),
		  LOG_INT("device_count", plugin->class->count),
		  LOG_INT("healthy_count", plugin->class->healthy));
}

static void send_lists(struct plugin *plugin)
{
	struct stream *stream;

	DL_FOREACH(plugin->streams, stream) {
		send_list(stream);
	}
}

/* Once for each change, when it goes to whoever listens. */
static void take_time(struct plugin *plugin)
{
	const struct inventory_class *class = plugin->class;

	if (class->event_version <= plugin->timed_version)
		return;
	plugin->timed_version = class->event_version;
	if (plugin->streams)
		histogram_add(&plugin->stats.update_times, clock_us() - class->event_us);
}

static void on_flush(void *data)
{
	struct plugin *plugin = data;

	take_time(plugin);
	send_lists(plugin);
}

/* A class that flaps without end must not keep the kubelet's disk busy. */
static int64_t flush_delay(struct plugin *plugin)
{
	int64_t now = clock_ms();

	if (now - plugin->burst_start_ms >= BURST_MS) {
		plugin->burst_start_ms = now;
		plugin->burst = 0;
	}
	return ++plugin->burst <= BURST_MAX ? COALESCE_MS : COALESCE_LONG_MS;
}

static void on_inventory_change(void *data)
{
	struct plugin *plugin = data;

	if (!loop_timer_is_set(plugin->flush))
		loop_timer_set(plugin->flush, flush_delay(plugin));
}

static void on_refresh(void *data)
{
	struct plugin *plugin = data;
	struct stream *stream;

	DL_FOREACH(plugin->streams, stream) {
		stream->sent = NOTHING_SENT;
	}
	send_lists(plugin);
}

bool plugin_resend(struct plugin *plugin)
{
	if (!loop_timer_is_set(plugin->refresh))
		loop_timer_set(plugin->refresh, REFRESH_MS);
	return plugin->streams != NULL;
}

static void on_stream_sent(void *data)
{
	struct stream *stream = data;

	stream->sending = false;
	send_list(stream);
}

static void on_stream_closed(void *data)
{
	struct stream *stream = data;
	struct plugin *plugin = stream->plugin;

	DL_DELETE(plugin->streams, stream);
	plugin->stats.streams--;
	log_info("stream closed", LOG_STR("class", plugin->class->config->name),
		 LOG_STR("resource", plugin->class->config->resource));
	if (plugin->on_stream)
		plugin->on_stream(stream->server, stream, false, plugin->on_stream_data);
	free(stream);
}

static const struct rpc_stream_callbacks stream_callbacks = {
	.on_sent = on_stream_sent,
	.on_closed = on_stream_closed,
};

static void handle_list_and_watch(struct rpc_call *call, const void *bytes, size_t size,
				  void *data)
{
	struct plugin *plugin = data;
	struct stream *stream = mem_zero(sizeof(*stream));

	(void)bytes; /* Empty, whatever it carries. */
	(void)size;
	stream->plugin = plugin;
	stream->server = rpc_call_server(call);
	stream->call = call;
	stream->sent = NOTHING_SENT;
	DL_APPEND(plugin->streams, stream);
	plugin->stats.streams_opened++;
	plugin->stats.streams++;
	rpc_call_stream(call, &stream_callbacks, stream);
	log_info("stream opened", LOG_STR("class", plugin->class->config->name),
		 LOG_STR("resource", plugin->class->config->resource),
		 LOG_INT("device_count", plugin->class->count),
		 LOG_INT("healthy_count", plugin->class->healthy));
	send_list(stream);
	if (plugin->on_stream)
		plugin->on_stream(stream->server, stream, true, plugin->on_stream_data);
}

bool plugin_prefers(const struct plugin *plugin)
{
	return plugin->class->config->preferred != CONFIG_PREFERRED_NONE;
}

bool plugin_prepares(const struct plugin *plugin)
{
	return plugin->preparer.prepare != NULL;
}

void plugin_prepare_with(struct plugin *plugin, const struct preparer *preparer)
{
	plugin->preparer = preparer ? *preparer : (struct preparer){0};
}

void plugin_name_with(struct plugin *plugin, const struct specfile *specfile)
{
	plugin->specfile = specfile;
}

/* Returns whether the answer went out. */
static bool reply(struct rpc_call *call, const ProtobufCMessage *content)
{
	KUDEV_AUTO(rpc_message_free) struct rpc_message *message = NULL;

	message = rpc_message_new(content);
	if (rpc_message_size(message) > RPC_MAX_MESSAGE_SIZE) {
		rpc_call_fail(call, RPC_RESOURCE_EXHAUSTED,
			      "the answer is larger than the 4 MiB that a kubelet takes");
		return false;
	}
	rpc_call_reply(call, message);
	return true;
}

/* Refuses what no kubelet asks, before it costs anything. */
static bool has_sane_size(struct rpc_call *call, size_t container_count)
{
	if (container_count <= MAX_CONTAINERS)
		return true;
	rpc_call_fail(call, RPC_RESOURCE_EXHAUSTED,
		      "the request is for more containers than a pod can have");
	return false;
}

static void handle_options(struct rpc_call *call, const void *bytes, size_t size,
			   void *data)
{
	const struct plugin *plugin = data;
	V1beta1__DevicePluginOptions options = V1BETA1__DEVICE_PLUGIN_OPTIONS__INIT;

	(void)bytes;
	(void)size;
	options.get_preferred_allocation_available = plugin_prefers(plugin);
	options.pre_start_required = plugin_prepares(plugin);
	reply(call, &options.base);
}

static void fail_broken(struct rpc_call *call)
{
	rpc_call_fail(call, RPC_INVALID_ARGUMENT,
		      "the request is not a well-formed message of this method");
}

static void log_preferred(const struct plugin *plugin,
			  const V1beta1__PreferredAllocationResponse *response)
{
	for (size_t i = 0; i < response->n_container_responses; i++) {
		const V1beta1__ContainerPreferredAllocationResponse *container =
			response->container_responses[i];
		const struct strings ids = {.items = container->deviceids,
					    .count = container->n_deviceids};
		KUDEV_AUTO_FREE char *joined = strings_join(&ids, ",");

		log_debug("devices preferred",
			  LOG_STR("class", plugin->class->config->name),
			  LOG_STR("resource", plugin->class->config->resource),
			  LOG_STR("device_ids", joined));
	}
}

/* Returns whether the answer went out. */
static bool answer_preferred(const struct plugin *plugin, struct rpc_call *call,
			     const V1beta1__PreferredAllocationRequest *request)
{
	V1beta1__PreferredAllocationResponse *response;
	bool is_answered;

	if (!has_sane_size(call, request->n_container_requests))
		return false;
	response = preferred_answer(plugin->class, request);
	if (log_enabled(LOG_LEVEL_DEBUG))
		log_preferred(plugin, response);
	is_answered = reply(call, &response->base);
	v1beta1__preferred_allocation_response__free_unpacked(response, NULL);
	return is_answered;
}

static void handle_preferred(struct rpc_call *call, const void *bytes, size_t size,
			     void *data)
{
	struct plugin *plugin = data;
	V1beta1__PreferredAllocationRequest *request;

	if (!plugin_prefers(plugin)) {
		rpc_call_fail(call, RPC_UNIMPLEMENTED,
			      "this resource has no preferred allocation");
		return;
	}
	request = (void *)rpc_message_decode(
		&v1beta1__preferred_allocation_request__descriptor, bytes, size);
	plugin->stats.preferred++;
	if (!request) {
		plugin->stats.preferred_failed++;
		fail_broken(call);
		return;
	}
	if (!answer_preferred(plugin, call, request))
		plugin->stats.preferred_failed++;
	v1beta1__preferred_allocation_request__free_unpacked(request, NULL);
}

/* The nodes may be gone already although nobody has told us yet. */
static void verify_devices(struct plugin *plugin,
			   const V1beta1__ContainerAllocateRequest *request)
{
	for (size_t i = 0; i < request->n_devices_ids; i++) {
		struct device *device = inventory_class_find(plugin->class,
							     request->devices_ids[i]);

		if (device)
			(void)inventory_verify(plugin->inventory, plugin->class, device);
	}
}

static void note_grants(struct plugin *plugin, const struct allocation *allocation)
{
	plugin->stats.allocated_devices += allocation->grant_count;
	for (size_t i = 0; i < allocation->grant_count; i++) {
		const struct grant *grant = &allocation->grants[i];

		inventory_class_grant(plugin->inventory, plugin->class,
				      grant->device->unit.id);
		log_info("device allocated",
			 LOG_STR("class", plugin->class->config->name),
			 LOG_STR("resource", plugin->class->config->resource),
			 LOG_STR("device_id", grant->device->unit.id),
			 LOG_STR("device_path",
				 unit_main_node(&grant->device->unit)->host_path),
			 LOG_STR("container_path", grant->container_path),
			 LOG_STR("env_var", grant->env_var));
	}
}

static void log_refusal(struct plugin *plugin, const char *device_id,
			const struct error *err)
{
	KUDEV_AUTO_FREE char *quoted = text_quote(device_id);
	uint64_t suppressed;

	if (!log_limit_burst(&plugin->refusal_limit, REFUSAL_LOG_BURST,
			     REFUSAL_LOG_INTERVAL_MS, &suppressed))
		return;
	log_warn("allocation refused", LOG_STR("class", plugin->class->config->name),
		 LOG_STR("resource", plugin->class->config->resource),
		 LOG_STR("device_id",
			 strlen(device_id) <= IDENTITY_MAX_LENGTH ? device_id : quoted),
		 LOG_STR("error", error_message(err)),
		 LOG_COUNT("suppressed", suppressed));
}

static void refuse(struct plugin *plugin, struct rpc_call *call, const char *device_id,
		   const struct error *err)
{
	log_refusal(plugin, device_id, err);
	rpc_call_fail(call, err->code == ENOENT ? RPC_NOT_FOUND : RPC_FAILED_PRECONDITION,
		      error_message(err));
	(void)plugin_resend(plugin);
}

/* Returns why it failed; ALLOCATION_FAILURE_MAX: it did not. */
static enum allocation_failure answer_allocate(struct plugin *plugin,
					       struct rpc_call *call,
					       const V1beta1__AllocateRequest *request)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	KUDEV_AUTO(allocation_free) struct allocation *allocation = NULL;
	const char *refused = NULL;
	bool with_cdi;

	if (!has_sane_size(call, request->n_container_requests))
		return ALLOCATION_MALFORMED;
	for (size_t i = 0; i < request->n_container_requests; i++)
		verify_devices(plugin, request->container_requests[i]);
	with_cdi = plugin->specfile && specfile_is_current(plugin->specfile);
	if (allocate(plugin->class, with_cdi, request, time(NULL), &allocation, &refused,
		     &err) < 0) {
		refuse(plugin, call, refused, &err);
		return err.code == ENOENT ? ALLOCATION_UNKNOWN : ALLOCATION_UNAVAILABLE;
	}
	if (!reply(call, &allocation->response->base))
		return ALLOCATION_TOO_LARGE;
	plugin->stats.allocated_containers += request->n_container_requests;
	note_grants(plugin, allocation);
	return ALLOCATION_FAILURE_MAX;
}

static void count_allocation(struct plugin_stats *stats, enum allocation_failure failure,
			     int64_t start_us)
{
	if (failure == ALLOCATION_FAILURE_MAX)
		stats->allocations++;
	else
		stats->allocations_failed[failure]++;
	histogram_add(&stats->allocation_times, clock_us() - start_us);
}

static void handle_allocate(struct rpc_call *call, const void *bytes, size_t size,
			    void *data)
{
	struct plugin *plugin = data;
	int64_t start_us = clock_us();
	enum allocation_failure failure;
	V1beta1__AllocateRequest *request = (void *)rpc_message_decode(
		&v1beta1__allocate_request__descriptor, bytes, size);

	if (!request) {
		fail_broken(call);
		count_allocation(&plugin->stats, ALLOCATION_MALFORMED, start_us);
		return;
	}
	failure = answer_allocate(plugin, call, request);
	count_allocation(&plugin->stats, failure, start_us);
	v1beta1__allocate_request__free_unpacked(request, NULL);
}

static void handle_pre_start(struct rpc_call *call, const void *bytes, size_t size,
			     void *data)
{
	struct plugin *plugin = data;
	V1beta1__PreStartContainerRequest *request;

	if (!plugin_prepares(plugin)) {
		rpc_call_fail(call, RPC_UNIMPLEMENTED,
			      "this resource needs no preparation before a container "
			      "starts");
		return;
	}
	request = (void *)rpc_message_decode(
		&v1beta1__pre_start_container_request__descriptor, bytes, size);
	if (!request) {
		fail_broken(call);
		return;
	}
	prestart_answer(plugin->class, &plugin->preparer, call, request,
			&plugin->stats.prestart);
	v1beta1__pre_start_container_request__free_unpacked(request, NULL);
}

static const struct rpc_method methods[] = {
	{"/v1beta1.DevicePlugin/GetDevicePluginOptions", false, handle_options},
	{"/v1beta1.DevicePlugin/ListAndWatch", true, handle_list_and_watch},
	{"/v1beta1.DevicePlugin/GetPreferredAllocation", false, handle_preferred},
	{"/v1beta1.DevicePlugin/Allocate", false, handle_allocate},
	{"/v1beta1.DevicePlugin/PreStartContainer", false, handle_pre_start},
};

struct plugin *plugin_new(struct loop *loop, struct inventory *inventory,
			  struct inventory_class *class)
{
	struct plugin *plugin = mem_zero(sizeof(*plugin));

	plugin->inventory = inventory;
	plugin->class = class;
	plugin->flush = loop_timer_new(loop, on_flush, plugin);
	plugin->refresh = loop_timer_new(loop, on_refresh, plugin);
	inventory_class_use(class);
	inventory_class_observe(class, on_inventory_change, plugin);
	return plugin;
}

struct plugin *plugin_free(struct plugin *plugin)
{
	if (!plugin)
		return NULL;
	assert(!plugin->streams);
	loop_timer_free(plugin->flush);
	loop_timer_free(plugin->refresh);
	rpc_message_free(plugin->list);
	inventory_class_ignore(plugin->class, plugin);
	inventory_class_leave(plugin->inventory, plugin->class);
	free(plugin);
	return NULL;
}

void plugin_observe_streams(struct plugin *plugin, plugin_stream_callback on_stream,
			    void *data)
{
	plugin->on_stream = on_stream;
	plugin->on_stream_data = data;
}

const struct config_class *plugin_class(const struct plugin *plugin)
{
	return plugin->class->config;
}

const struct plugin_stats *plugin_stats(const struct plugin *plugin)
{
	return &plugin->stats;
}

struct rpc_server *plugin_serve(struct plugin *plugin, struct rpc *rpc, int listen_fd)
{
	return rpc_server_new(rpc, listen_fd, methods, KUDEV_ARRAY_SIZE(methods), plugin);
}
