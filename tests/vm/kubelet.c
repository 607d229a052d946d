/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kubelet of the test machine: the stand-in of "kudev try" with a clock, told by a
 * fifo what to do.
 *
 *	kubelet DIRECTORY STATE
 *
 * Writes a line for each list that comes, with the times of CLOCK_MONOTONIC and
 * CLOCK_REALTIME in microseconds at which it did:
 *
 *	list RESOURCE MONOTONIC REALTIME ID=Healthy ID=Unhealthy@NUMA-NODE …
 *
 * and keeps the last one of DOMAIN/CLASS in STATE/last/CLASS, for a shell to read without
 * another process. Takes "allocate RESOURCE ID…", "prefer RESOURCE COUNT" and "start RESOURCE
 * ID…" from the fifo STATE/commands, one at a time, and answers into the fifo STATE/answers with
 * lines of which the last begins with "allocated", "preferred", "started" or "refused"; the last
 * word of "started" is how many microseconds it took. Thread: the loop's.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/strings.h"
#include "cli/standin.h"

/* What a kubelet gives PreStartContainer; more than enough for the others. */
#define CALL_TIMEOUT_MS 30000

struct kubelet {
	struct loop *loop;
	struct standin *standin;
	const char *state; /* the directory */
	int fifo;
	FILE *answers;
	char line[64 * 1024]; /* what has come from the fifo and has no end yet */
	size_t length;
	struct rpc_request *request; /* that is being answered, for the resource: */
	const char *resource;
	int64_t asked_us;
	struct strings ids; /* that are being allocated */
};

static int64_t clock_of_us(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The first word and the time. */
static void print_head(FILE *file, const char *what, const char *resource)
{
	fprintf(file, "%s %s %" PRId64, what, resource, clock_of_us(CLOCK_MONOTONIC));
}

static void print_end(FILE *file)
{
	fprintf(file, "\n");
	fflush(file);
}

static void print_device(FILE *file, const V1beta1__Device *device)
{
	fprintf(file, " %s=%s", device->id, device->health);
	if (!device->topology)
		return;
	for (size_t i = 0; i < device->topology->n_nodes; i++)
		fprintf(file, "@%" PRId64, (int64_t)device->topology->nodes[i]->id);
}

static void print_list(FILE *file, const struct standin_resource *resource)
{
	print_head(file, "list", resource->name);
	fprintf(file, " %" PRId64, clock_of_us(CLOCK_REALTIME));
	for (size_t i = 0; i < resource->list->n_devices; i++)
		print_device(file, resource->list->devices[i]);
	print_end(file);
}

/* Who reads meanwhile has the one before, whole. */
static void keep_list(const struct kubelet *kubelet,
		      const struct standin_resource *resource)
{
	const char *slash = strchr(resource->name, '/');
	KUDEV_AUTO_FREE char *path = mem_printf("%s/last/%s", kubelet->state,
						slash ? slash + 1 : resource->name);
	KUDEV_AUTO_FREE char *hidden = mem_printf("%s/list", kubelet->state);
	FILE *file = fopen(hidden, "we");

	if (!file)
		return;
	print_list(file, resource);
	fclose(file);
	(void)rename(hidden, path);
}

static void on_list(struct standin_resource *resource,
		    const V1beta1__ListAndWatchResponse *previous, void *data)
{
	(void)previous;
	print_list(stdout, resource);
	keep_list(data, resource);
}

static void on_allocated(struct standin_resource *resource, const char *device_id,
			 const V1beta1__AllocateResponse *response, const char *text,
			 void *data)
{
	/* Never asked for: the stand-in chooses the device itself. */
	(void)resource;
	(void)device_id;
	(void)response;
	(void)text;
	(void)data;
}

static const struct standin_callbacks callbacks = {
	.on_list = on_list,
	.on_allocated = on_allocated,
};

static void print_container(FILE *file, const char *name,
			    const V1beta1__ContainerAllocateResponse *container)
{
	for (size_t i = 0; i < container->n_devices; i++)
		fprintf(file, "device %s %s %s %s\n", name,
			container->devices[i]->host_path,
			container->devices[i]->container_path,
			container->devices[i]->permissions);
	for (size_t i = 0; i < container->n_mounts; i++)
		fprintf(file, "mount %s %s %s %s\n", name,
			container->mounts[i]->host_path,
			container->mounts[i]->container_path,
			container->mounts[i]->read_only ? "ro" : "rw");
	for (size_t i = 0; i < container->n_envs; i++)
		fprintf(file, "env %s %s=%s\n", name, container->envs[i]->key,
			container->envs[i]->value);
	for (size_t i = 0; i < container->n_annotations; i++)
		fprintf(file, "annotation %s %s=%s\n", name,
			container->annotations[i]->key, container->annotations[i]->value);
}

static void on_allocate_answer(const void *bytes, size_t size, void *data)
{
	struct kubelet *kubelet = data;
	KUDEV_AUTO_FREE char *ids = strings_join(&kubelet->ids, " ");
	V1beta1__AllocateResponse *response = (void *)rpc_message_decode(
		&v1beta1__allocate_response__descriptor, bytes, size);

	if (!response)
		return;
	for (size_t i = 0; i < response->n_container_responses; i++)
		print_container(kubelet->answers, kubelet->resource,
				response->container_responses[i]);
	print_head(kubelet->answers, "allocated", kubelet->resource);
	fprintf(kubelet->answers, " %s", ids);
	v1beta1__allocate_response__free_unpacked(response, NULL);
}

static void on_preferred_answer(const void *bytes, size_t size, void *data)
{
	struct kubelet *kubelet = data;
	V1beta1__PreferredAllocationResponse *response = (void *)rpc_message_decode(
		&v1beta1__preferred_allocation_response__descriptor, bytes, size);

	if (!response)
		return;
	print_head(kubelet->answers, "preferred", kubelet->resource);
	for (size_t i = 0; i < response->n_container_responses; i++) {
		for (size_t j = 0; j < response->container_responses[i]->n_deviceids; j++)
			fprintf(kubelet->answers, " %s",
				response->container_responses[i]->deviceids[j]);
	}
	v1beta1__preferred_allocation_response__free_unpacked(response, NULL);
}

static void refuse(struct kubelet *kubelet, const char *resource, const char *text)
{
	print_head(kubelet->answers, "refused", resource);
	fprintf(kubelet->answers, " %s", text);
	print_end(kubelet->answers);
}

/* The answer ends when the next command may come. */
static void on_answered(enum rpc_status status, const char *text, void *data)
{
	struct kubelet *kubelet = data;

	kubelet->request = NULL;
	if (status == RPC_OK)
		print_end(kubelet->answers);
	else
		refuse(kubelet, kubelet->resource, text);
}

static const struct rpc_request_callbacks allocate_callbacks = {
	.on_message = on_allocate_answer,
	.on_done = on_answered,
};

static const struct rpc_request_callbacks preferred_callbacks = {
	.on_message = on_preferred_answer,
	.on_done = on_answered,
};

static void call(struct kubelet *kubelet, struct standin_resource *resource,
		 const char *method, const ProtobufCMessage *content,
		 const struct rpc_request_callbacks *answer)
{
	KUDEV_AUTO(rpc_message_free)
	struct rpc_message *message = rpc_message_new(content);

	kubelet->resource = resource->name;
	kubelet->request = rpc_request_new(resource->connection, method, message,
					   CALL_TIMEOUT_MS, answer, kubelet);
}

static void allocate(struct kubelet *kubelet, struct standin_resource *resource)
{
	V1beta1__AllocateRequest request = V1BETA1__ALLOCATE_REQUEST__INIT;
	V1beta1__ContainerAllocateRequest container =
		V1BETA1__CONTAINER_ALLOCATE_REQUEST__INIT;
	V1beta1__ContainerAllocateRequest *containers[] = {&container};

	container.devices_ids = kubelet->ids.items;
	container.n_devices_ids = kubelet->ids.count;
	request.container_requests = containers;
	request.n_container_requests = 1;
	call(kubelet, resource, "/v1beta1.DevicePlugin/Allocate", &request.base,
	     &allocate_callbacks);
}

/* The words after the resource are one number: how many of the healthy devices. */
static void prefer(struct kubelet *kubelet, struct standin_resource *resource)
{
	const V1beta1__ListAndWatchResponse *list = resource->list;
	V1beta1__PreferredAllocationRequest request =
		V1BETA1__PREFERRED_ALLOCATION_REQUEST__INIT;
	V1beta1__ContainerPreferredAllocationRequest container =
		V1BETA1__CONTAINER_PREFERRED_ALLOCATION_REQUEST__INIT;
	V1beta1__ContainerPreferredAllocationRequest *containers[] = {&container};
	KUDEV_AUTO_FREE char **healthy =
		mem_zero((list->n_devices + 1) * sizeof(*healthy));

	for (size_t i = 0; i < list->n_devices; i++) {
		if (strcmp(list->devices[i]->health, "Healthy") == 0)
			healthy[container.n_available_deviceids++] = list->devices[i]->id;
	}
	container.available_deviceids = healthy;
	container.allocation_size = atoi(kubelet->ids.count ? kubelet->ids.items[0]
							    : "1");
	request.container_requests = containers;
	request.n_container_requests = 1;
	call(kubelet, resource, "/v1beta1.DevicePlugin/GetPreferredAllocation",
	     &request.base, &preferred_callbacks);
}

static void on_start_answer(const void *bytes, size_t size, void *data)
{
	struct kubelet *kubelet = data;

	(void)bytes;
	(void)size;
	print_head(kubelet->answers, "started", kubelet->resource);
	fprintf(kubelet->answers, " %" PRId64,
		clock_of_us(CLOCK_MONOTONIC) - kubelet->asked_us);
}

static const struct rpc_request_callbacks start_callbacks = {
	.on_message = on_start_answer,
	.on_done = on_answered,
};

/* What a kubelet does before each start of a container. */
static void start(struct kubelet *kubelet, struct standin_resource *resource)
{
	V1beta1__PreStartContainerRequest request =
		V1BETA1__PRE_START_CONTAINER_REQUEST__INIT;

	request.devices_ids = kubelet->ids.items;
	request.n_devices_ids = kubelet->ids.count;
	kubelet->asked_us = clock_of_us(CLOCK_MONOTONIC);
	call(kubelet, resource, "/v1beta1.DevicePlugin/PreStartContainer", &request.base,
	     &start_callbacks);
}

static const struct {
	const char *name;
	void (*run)(struct kubelet *kubelet, struct standin_resource *resource);
} commands[] = {
	{"allocate", allocate},
	{"prefer", prefer},
	{"start", start},
};

static void run_command(struct kubelet *kubelet, const char *command, const char *name)
{
	struct standin_resource *resource = name ? standin_find(kubelet->standin, name)
						 : NULL;

	if (!resource || !resource->connected || !resource->list) {
		refuse(kubelet, name ? name : "-", "not served");
		return;
	}
	if (kubelet->request) {
		refuse(kubelet, name, "still busy with the last command");
		return;
	}
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, command) == 0) {
			commands[i].run(kubelet, resource);
			return;
		}
	}
	refuse(kubelet, name, "no such command");
}

static void run_line(struct kubelet *kubelet, char *line)
{
	char *rest = NULL;
	char *command = strtok_r(line, " ", &rest);
	char *name = strtok_r(NULL, " ", &rest);
	char *word;

	if (!command)
		return;
	if (!kubelet->request) {
		strings_clear(&kubelet->ids);
		while ((word = strtok_r(NULL, " ", &rest)))
			strings_add(&kubelet->ids, word);
	}
	run_command(kubelet, command, name);
}

static void run_lines(struct kubelet *kubelet)
{
	char *line = kubelet->line;
	char *end;

	while ((end = strchr(line, '\n'))) {
		*end = '\0';
		run_line(kubelet, line);
		line = end + 1;
	}
	kubelet->length = strlen(line);
	memmove(kubelet->line, line, kubelet->length + 1);
}

static void on_readable(void *data)
{
	struct kubelet *kubelet = data;
	size_t room = sizeof(kubelet->line) - 1 - kubelet->length;
	ssize_t size = read(kubelet->fifo, kubelet->line + kubelet->length, room);

	if (size <= 0)
		return;
	kubelet->length += (size_t)size;
	kubelet->line[kubelet->length] = '\0';
	run_lines(kubelet);
	/* No command is as long as that. */
	if (kubelet->length == sizeof(kubelet->line) - 1)
		kubelet->length = 0;
}

static void on_stopped(void *data)
{
	struct kubelet *kubelet = data;

	loop_stop(kubelet->loop);
}

static void on_signal(int signum, void *data)
{
	struct kubelet *kubelet = data;

	(void)signum;
	kubelet->request = rpc_request_cancel(kubelet->request);
	standin_stop(kubelet->standin, on_stopped, kubelet);
}

static int run(struct kubelet *kubelet, const char *directory, struct error *err)
{
	struct loop_signal *terminate;
	struct loop_watch *watch;
	int r = loop_new(&kubelet->loop, err);

	if (r < 0)
		return r;
	r = standin_new(kubelet->loop, directory, &callbacks, kubelet, &kubelet->standin,
			err);
	if (r == 0) {
		terminate = loop_signal_new(kubelet->loop, SIGTERM, on_signal, kubelet);
		watch = loop_watch_new(kubelet->loop, kubelet->fifo, on_readable,
				       kubelet);
		loop_run(kubelet->loop);
		loop_watch_free(watch);
		loop_signal_free(terminate);
		standin_free(kubelet->standin);
	}
	loop_free(kubelet->loop);
	return r;
}

/* One of the fifos; for reading and writing, so that it never ends and never waits. */
static int open_fifo(const char *state, const char *name, int flags)
{
	KUDEV_AUTO_FREE char *path = mem_printf("%s/%s", state, name);
	int fd = open(path, O_RDWR | O_CLOEXEC | flags);

	if (fd < 0)
		fprintf(stderr, "kubelet: %s: %s\n", path, strerror(errno));
	return fd;
}

int main(int argc, char *argv[])
{
	static struct kubelet kubelet;
	KUDEV_AUTO_ERROR struct error err = {0};
	int answers;
	int r;

	if (argc != 3) {
		fprintf(stderr, "usage: %s DIRECTORY STATE\n", argv[0]);
		return 2;
	}
	kubelet.state = argv[2];
	kubelet.fifo = open_fifo(argv[2], "commands", O_NONBLOCK);
	answers = open_fifo(argv[2], "answers", 0);
	kubelet.answers = answers < 0 ? NULL : fdopen(answers, "w");
	if (kubelet.fifo < 0 || !kubelet.answers)
		return 1;
	r = run(&kubelet, argv[1], &err);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", argv[0], error_message(&err));
	strings_clear(&kubelet.ids);
	fclose(kubelet.answers);
	fd_close(kubelet.fifo);
	return r < 0;
}
