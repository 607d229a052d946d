/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <utlist.h>

#include "base/unix.h"
#include "cli/standin.h"

/*
 * As the kubelet allows for the options; it gives Allocate no limit, but we won't hang.
 */
#define CALL_TIMEOUT_MS 10000

struct standin {
	struct rpc *rpc;
	char *directory;
	const struct standin_callbacks *callbacks;
	void *data;
	struct rpc_server *server;
	struct standin_resource *resources;
};

size_t standin_count_healthy(const V1beta1__ListAndWatchResponse *list)
{
	size_t count = 0;

	for (size_t i = 0; i < list->n_devices; i++)
		count += strcmp(list->devices[i]->health, "Healthy") == 0;
	return count;
}

struct standin_resource *standin_find(struct standin *standin, const char *name)
{
	struct standin_resource *resource;

	LL_FOREACH(standin->resources, resource) {
		if (strcmp(resource->name, name) == 0)
			return resource;
	}
	return NULL;
}

static void disconnect(struct standin_resource *resource)
{
	struct rpc_call *registering = take_ptr(resource->registering);

	if (registering)
		rpc_call_fail(registering, RPC_CANCELLED,
			      "superseded by a newer registration, or stopping");
	resource->options = rpc_request_cancel(resource->options);
	resource->watch = rpc_request_cancel(resource->watch);
	resource->allocate = rpc_request_cancel(resource->allocate);
	resource->connection = rpc_connection_free(resource->connection);
	resource->connected = false;
}

static struct rpc_request *call(struct standin_resource *resource, const char *method,
				const ProtobufCMessage *content, int64_t timeout_ms,
				const struct rpc_request_callbacks *callbacks)
{
	KUDEV_AUTO(rpc_message_free) struct rpc_message *message = NULL;

	message = rpc_message_new(content);
	return rpc_request_new(resource->connection, method, message, timeout_ms,
			       callbacks, resource);
}

static void on_list(const void *bytes, size_t size, void *data)
{
	struct standin_resource *resource = data;
	V1beta1__ListAndWatchResponse *previous = resource->list;
	V1beta1__ListAndWatchResponse *list = (void *)rpc_message_decode(
		&v1beta1__list_and_watch_response__descriptor, bytes, size);

	if (!list)
		return;
	resource->list = list;
	resource->standin->callbacks->on_list(resource, previous,
					      resource->standin->data);
	if (previous)
		v1beta1__list_and_watch_response__free_unpacked(previous, NULL);
}

static void on_watch_done(enum rpc_status status, const char *text, void *data)
{
	struct standin_resource *resource = data;

	(void)status;
	(void)text;
	resource->watch = NULL;
	disconnect(resource);
}

static const struct rpc_request_callbacks watch_callbacks = {
	.on_message = on_list,
	.on_done = on_watch_done,
};

static void on_options(const void *bytes, size_t size, void *data)
{
	struct standin_resource *resource = data;
	V1beta1__DevicePluginOptions *options = (void *)rpc_message_decode(
		&v1beta1__device_plugin_options__descriptor, bytes, size);

	if (!options)
		return;
	resource->prefers = options->get_preferred_allocation_available;
	v1beta1__device_plugin_options__free_unpacked(options, NULL);
}

/* The kubelet answers Register once it has the options, and then starts to watch. */
static void on_options_done(enum rpc_status status, const char *text, void *data)
{
	static const V1beta1__Empty empty = V1BETA1__EMPTY__INIT;
	struct standin_resource *resource = data;
	struct rpc_call *registering = take_ptr(resource->registering);
	KUDEV_AUTO(rpc_message_free) struct rpc_message *reply = NULL;

	resource->options = NULL;
	if (status != RPC_OK) {
		rpc_call_fail(registering, RPC_UNKNOWN, text);
		disconnect(resource);
		return;
	}
	reply = rpc_message_new(&empty.base);
	rpc_call_reply(registering, reply);
	resource->connected = true;
	resource->watch = call(resource, "/v1beta1.DevicePlugin/ListAndWatch",
			       &empty.base, 0, &watch_callbacks);
}

static const struct rpc_request_callbacks options_callbacks = {
	.on_message = on_options,
	.on_done = on_options_done,
};

static int connect_resource(struct standin_resource *resource, struct error *err)
{
	static const V1beta1__Empty empty = V1BETA1__EMPTY__INIT;
	KUDEV_AUTO_FREE char *path = mem_printf("%s/%s", resource->standin->directory,
						resource->endpoint);
	int r = rpc_connect(resource->standin->rpc, path, &resource->connection, err);

	if (r < 0)
		return r;
	resource->options = call(resource, "/v1beta1.DevicePlugin/GetDevicePluginOptions",
				 &empty.base, CALL_TIMEOUT_MS, &options_callbacks);
	return 0;
}

static struct standin_resource *get_resource(struct standin *standin, const char *name)
{
	struct standin_resource *resource = standin_find(standin, name);

	if (resource)
		return resource;
	resource = mem_zero(sizeof(*resource));
	resource->standin = standin;
	resource->name = mem_string(name);
	LL_APPEND(standin->resources, resource);
	return resource;
}

static void handle_register(struct rpc_call *registering, const void *bytes, size_t size,
			    void *data)
{
	struct standin *standin = data;
	KUDEV_AUTO_ERROR struct error err = {0};
	struct standin_resource *resource;
	V1beta1__RegisterRequest *request = (void *)rpc_message_decode(
		&v1beta1__register_request__descriptor, bytes, size);

	if (!request) {
		rpc_call_fail(registering, RPC_INTERNAL, "broken message");
		return;
	}
	resource = get_resource(standin, request->resource_name);
	disconnect(resource);
	mem_replace(&resource->endpoint, request->endpoint);
	v1beta1__register_request__free_unpacked(request, NULL);
	if (connect_resource(resource, &err) < 0) {
		rpc_call_fail(registering, RPC_UNKNOWN, error_message(&err));
		return;
	}
	resource->registering = registering;
}

static const struct rpc_method methods[] = {
	{"/v1beta1.Registration/Register", false, handle_register},
};

static void on_allocated(const void *bytes, size_t size, void *data)
{
	struct standin_resource *resource = data;
	struct standin *standin = resource->standin;
	V1beta1__AllocateResponse *response = (void *)rpc_message_decode(
		&v1beta1__allocate_response__descriptor, bytes, size);

	if (!response)
		return;
	standin->callbacks->on_allocated(resource, resource->device_id, response, "",
					 standin->data);
	v1beta1__allocate_response__free_unpacked(response, NULL);
}

static void on_allocate_done(enum rpc_status status, const char *text, void *data)
{
	struct standin_resource *resource = data;
	struct standin *standin = resource->standin;

	resource->allocate = NULL;
	if (status != RPC_OK)
		standin->callbacks->on_allocated(resource, resource->device_id, NULL,
						 text, standin->data);
}

static const struct rpc_request_callbacks allocate_callbacks = {
	.on_message = on_allocated,
	.on_done = on_allocate_done,
};

static void allocate_device(struct standin_resource *resource)
{
	V1beta1__AllocateRequest request = V1BETA1__ALLOCATE_REQUEST__INIT;
	V1beta1__ContainerAllocateRequest container =
		V1BETA1__CONTAINER_ALLOCATE_REQUEST__INIT;
	V1beta1__ContainerAllocateRequest *containers[] = {&container};

	container.devices_ids = &resource->device_id;
	container.n_devices_ids = 1;
	request.container_requests = containers;
	request.n_container_requests = 1;
	resource->allocate = call(resource, "/v1beta1.DevicePlugin/Allocate",
				  &request.base, CALL_TIMEOUT_MS, &allocate_callbacks);
}

static void set_device(struct standin_resource *resource, const char *id)
{
	char *copy = mem_string(id);

	free(resource->device_id);
	resource->device_id = copy;
}

static void on_preferred(const void *bytes, size_t size, void *data)
{
	struct standin_resource *resource = data;
	V1beta1__PreferredAllocationResponse *response = (void *)rpc_message_decode(
		&v1beta1__preferred_allocation_response__descriptor, bytes, size);

	if (response && response->n_container_responses > 0 &&
	    response->container_responses[0]->n_deviceids > 0)
		set_device(resource, response->container_responses[0]->deviceids[0]);
	if (response)
		v1beta1__preferred_allocation_response__free_unpacked(response, NULL);
}

/* Advice only, for the kubelet too; but for it a failure fails the pod. */
static void on_preferred_done(enum rpc_status status, const char *text, void *data)
{
	struct standin_resource *resource = data;

	if (status != RPC_OK)
		on_allocate_done(status, text, data);
	else
		allocate_device(resource);
}

static const struct rpc_request_callbacks preferred_callbacks = {
	.on_message = on_preferred,
	.on_done = on_preferred_done,
};

static void ask_for_preferred(struct standin_resource *resource, char **ids, size_t count)
{
	V1beta1__PreferredAllocationRequest request =
		V1BETA1__PREFERRED_ALLOCATION_REQUEST__INIT;
	V1beta1__ContainerPreferredAllocationRequest container =
		V1BETA1__CONTAINER_PREFERRED_ALLOCATION_REQUEST__INIT;
	V1beta1__ContainerPreferredAllocationRequest *containers[] = {&container};

	container.available_deviceids = ids;
	container.n_available_deviceids = count;
	container.allocation_size = 1;
	request.container_requests = containers;
	request.n_container_requests = 1;
	resource->allocate = call(resource,
				  "/v1beta1.DevicePlugin/GetPreferredAllocation",
				  &request.base, CALL_TIMEOUT_MS, &preferred_callbacks);
}

bool standin_allocate(struct standin_resource *resource)
{
	const V1beta1__ListAndWatchResponse *list = resource->list;
	char **healthy;
	size_t count = 0;

	if (!resource->connected || resource->allocate || !list)
		return false;
	healthy = mem_zero(list->n_devices * sizeof(*healthy));
	for (size_t i = 0; i < list->n_devices; i++) {
		if (strcmp(list->devices[i]->health, "Healthy") == 0)
			healthy[count++] = list->devices[i]->id;
	}
	if (count > 0) {
		set_device(resource, healthy[0]);
		if (resource->prefers)
			ask_for_preferred(resource, healthy, count);
		else
			allocate_device(resource);
	}
	free(healthy);
	return count > 0;
}

int standin_new(struct loop *loop, const char *directory,
		const struct standin_callbacks *callbacks, void *data,
		struct standin **ret, struct error *err)
{
	KUDEV_AUTO_FREE char *path = mem_printf("%s/kubelet.sock", directory);
	struct standin *standin;
	struct rpc *rpc;
	int fd = unix_listen(path, err);
	int r;

	if (fd < 0)
		return fd;
	r = rpc_new(loop, &rpc, err);
	if (r < 0) {
		fd_close(fd);
		return r;
	}
	standin = mem_zero(sizeof(*standin));
	standin->rpc = rpc;
	standin->directory = mem_string(directory);
	standin->callbacks = callbacks;
	standin->data = data;
	standin->server = rpc_server_new(rpc, fd, methods, KUDEV_ARRAY_SIZE(methods),
					 standin);
	*ret = standin;
	return 0;
}

void standin_stop(struct standin *standin, loop_callback on_stopped, void *data)
{
	struct standin_resource *resource;

	LL_FOREACH(standin->resources, resource) {
		disconnect(resource);
	}
	rpc_server_stop(take_ptr(standin->server), NULL, NULL);
	rpc_when_idle(standin->rpc, on_stopped, data);
}

struct standin *standin_free(struct standin *standin)
{
	struct standin_resource *resource;
	struct standin_resource *next;

	if (!standin)
		return NULL;
	LL_FOREACH_SAFE(standin->resources, resource, next) {
		if (resource->list)
			v1beta1__list_and_watch_response__free_unpacked(resource->list,
									NULL);
		free(resource->name);
		free(resource->endpoint);
		free(resource->device_id);
		free(resource);
	}
	rpc_free(standin->rpc);
	free(standin->directory);
	free(standin);
	return NULL;
}
