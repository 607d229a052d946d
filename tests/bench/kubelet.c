/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "deviceplugin/v1beta1/api.pb-c.h"
#include "kubelet.h"

static const V1beta1__Empty empty = V1BETA1__EMPTY__INIT;

int64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void disconnect(struct kubelet_resource *resource)
{
	struct rpc_call *registering = take_ptr(resource->registering);

	if (registering)
		rpc_call_fail(registering, RPC_UNAVAILABLE, "superseded");
	resource->options = rpc_request_cancel(resource->options);
	resource->watch = rpc_request_cancel(resource->watch);
	resource->connection = rpc_connection_free(resource->connection);
	resource->lists = 0;
}

struct rpc_request *kubelet_call(struct rpc_connection *connection, const char *method,
				 const ProtobufCMessage *content,
				 const struct rpc_request_callbacks *callbacks,
				 void *data)
{
	KUDEV_AUTO(rpc_message_free)
	struct rpc_message *message = rpc_message_new(content);

	return rpc_request_new(connection, method, message, 0, callbacks, data);
}

static void take_list(struct kubelet_resource *resource,
		      const V1beta1__ListAndWatchResponse *list)
{
	resource->device_count = list->n_devices;
	resource->healthy_count = 0;
	for (size_t i = 0; i < list->n_devices; i++)
		resource->healthy_count += strcmp(list->devices[i]->health, "Healthy") ==
					   0;
	free(resource->device_id);
	resource->device_id = mem_string(list->n_devices ? list->devices[0]->id : "");
}

static void on_list(const void *bytes, size_t size, void *data)
{
	struct kubelet_resource *resource = data;
	struct kubelet *kubelet = resource->kubelet;
	int64_t now_ns = clock_ns();
	V1beta1__ListAndWatchResponse *list = (void *)rpc_message_decode(
		&v1beta1__list_and_watch_response__descriptor, bytes, size);

	if (!list)
		return;
	take_list(resource, list);
	resource->changed_ns = now_ns;
	if (resource->lists++ == 0) {
		kubelet->listed_count++;
		kubelet->listed_ns = now_ns;
	}
	v1beta1__list_and_watch_response__free_unpacked(list, NULL);
	loop_stop(kubelet->loop);
}

static void on_watch_done(enum rpc_status status, const char *text, void *data)
{
	struct kubelet_resource *resource = data;

	(void)status;
	(void)text;
	resource->watch = NULL;
	disconnect(resource);
}

static const struct rpc_request_callbacks watch_callbacks = {
	.on_message = on_list,
	.on_done = on_watch_done,
};

/* The kubelet answers Register once it has the options, and then starts to watch. */
static void on_options_done(enum rpc_status status, const char *text, void *data)
{
	struct kubelet_resource *resource = data;
	struct kubelet *kubelet = resource->kubelet;
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
	kubelet->registered_count++;
	kubelet->registered_ns = clock_ns();
	resource->watch = kubelet_call(resource->connection,
				       "/v1beta1.DevicePlugin/ListAndWatch", &empty.base,
				       &watch_callbacks, resource);
	loop_stop(kubelet->loop);
}

static const struct rpc_request_callbacks options_callbacks = {
	.on_done = on_options_done,
};

static struct kubelet_resource *get_resource(struct kubelet *kubelet, const char *name)
{
	struct kubelet_resource *resource;

	LL_FOREACH(kubelet->resources, resource) {
		if (strcmp(resource->name, name) == 0)
			return resource;
	}
	resource = mem_zero(sizeof(*resource));
	resource->kubelet = kubelet;
	resource->name = mem_string(name);
	LL_PREPEND(kubelet->resources, resource);
	return resource;
}

static int take_registration(struct kubelet *kubelet, struct rpc_call *call,
			     const V1beta1__RegisterRequest *request, struct error *err)
{
	struct kubelet_resource *resource = get_resource(kubelet, request->resource_name);
	int r;

	disconnect(resource);
	free(resource->path);
	resource->path = mem_printf("%s/%s", kubelet->directory, request->endpoint);
	r = rpc_connect(kubelet->rpc, resource->path, &resource->connection, err);
	if (r < 0)
		return r;
	resource->registering = call;
	resource->options = kubelet_call(resource->connection,
					 "/v1beta1.DevicePlugin/GetDevicePluginOptions",
					 &empty.base, &options_callbacks, resource);
	return 0;
}

static void handle_register(struct rpc_call *call, const void *bytes, size_t size,
			    void *data)
{
	struct kubelet *kubelet = data;
	KUDEV_AUTO_ERROR struct error err = {0};
	V1beta1__RegisterRequest *request;

	if (kubelet->register_count++ == 0)
		kubelet->first_register_ns = clock_ns();
	request = (void *)rpc_message_decode(&v1beta1__register_request__descriptor,
					     bytes, size);
	if (!request) {
		rpc_call_fail(call, RPC_INTERNAL, "broken message");
		return;
	}
	if (take_registration(kubelet, call, request, &err) < 0)
		rpc_call_fail(call, RPC_UNKNOWN, error_message(&err));
	v1beta1__register_request__free_unpacked(request, NULL);
}

static const struct rpc_method methods[] = {
	{"/v1beta1.Registration/Register", false, handle_register},
};

/* A kubelet that starts removes the sockets of all plugins, too. */
static int remove_sockets(const char *directory, struct error *err)
{
	DIR *entries = opendir(directory);
	const struct dirent *entry;

	if (!entries)
		return error_set_errno(err, errno, "cannot read %s", directory);
	while ((entry = readdir(entries))) {
		KUDEV_AUTO_FREE char *path = mem_printf("%s/%s", directory,
							entry->d_name);

		if (entry->d_type == DT_SOCK)
			(void)unlink(path);
	}
	closedir(entries);
	return 0;
}

static int listen_at(const char *path, struct error *err)
{
	KUDEV_AUTO_CLOSE int fd = -1;
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path))
		return error_set_errno(err, ENAMETOOLONG, "cannot listen on %s", path);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, SOMAXCONN) < 0)
		return error_set_errno(err, errno, "cannot listen on %s", path);
	return take_fd(&fd);
}

int kubelet_start(struct kubelet *kubelet, struct error *err)
{
	KUDEV_AUTO_FREE char *path = mem_printf("%s/kubelet.sock", kubelet->directory);
	int fd;
	int r = remove_sockets(kubelet->directory, err);

	if (r < 0)
		return r;
	fd = listen_at(path, err);
	if (fd < 0)
		return fd;
	kubelet->server = rpc_server_new(kubelet->rpc, fd, methods,
					 KUDEV_ARRAY_SIZE(methods), kubelet);
	return 0;
}

void kubelet_kill(struct kubelet *kubelet)
{
	struct kubelet_resource *resource;

	LL_FOREACH(kubelet->resources, resource) {
		disconnect(resource);
	}
	if (kubelet->server)
		rpc_server_stop(take_ptr(kubelet->server), NULL, NULL);
}

static void on_expired(void *data)
{
	struct kubelet *kubelet = data;

	kubelet->expired = true;
	loop_stop(kubelet->loop);
}

int kubelet_wait(struct kubelet *kubelet, kubelet_condition is_met, void *data,
		 int64_t timeout_ms, const char *what, struct error *err)
{
	kubelet->expired = false;
	loop_timer_set(kubelet->timer, timeout_ms);
	while (!kubelet->expired && !is_met(kubelet, data))
		loop_run(kubelet->loop);
	loop_timer_cancel(kubelet->timer);
	if (kubelet->expired)
		return error_set(err, ETIMEDOUT, "%s: not within %lld ms", what,
				 (long long)timeout_ms);
	return 0;
}

static bool is_never_met(const struct kubelet *kubelet, void *data)
{
	(void)kubelet;
	(void)data;
	return false;
}

void kubelet_pause(struct kubelet *kubelet, int64_t time_ms)
{
	(void)kubelet_wait(kubelet, is_never_met, NULL, time_ms, "", NULL);
}

int kubelet_new(struct loop *loop, const char *directory, struct kubelet **ret,
		struct error *err)
{
	struct rpc *rpc;
	struct kubelet *kubelet;
	int r = rpc_new(loop, &rpc, err);

	if (r < 0)
		return r;
	kubelet = mem_zero(sizeof(*kubelet));
	kubelet->loop = loop;
	kubelet->rpc = rpc;
	kubelet->timer = loop_timer_new(loop, on_expired, kubelet);
	kubelet->directory = mem_string(directory);
	*ret = kubelet;
	return 0;
}

static void on_idle(void *data)
{
	struct kubelet *kubelet = data;

	kubelet->expired = true;
	loop_stop(kubelet->loop);
}

struct kubelet *kubelet_free(struct kubelet *kubelet)
{
	struct kubelet_resource *resource;
	struct kubelet_resource *next;

	if (!kubelet)
		return NULL;
	kubelet_kill(kubelet);
	kubelet->expired = false;
	rpc_when_idle(kubelet->rpc, on_idle, kubelet);
	while (!kubelet->expired)
		loop_run(kubelet->loop);
	LL_FOREACH_SAFE(kubelet->resources, resource, next) {
		free(resource->name);
		free(resource->path);
		free(resource->device_id);
		free(resource);
	}
	rpc_free(kubelet->rpc);
	loop_timer_free(kubelet->timer);
	free(kubelet->directory);
	free(kubelet);
	return NULL;
}
