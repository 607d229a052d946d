/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/strings.h"
#include "base/text.h"
#include "kubelet/allocate.h"
#include "kubelet/cdi.h"

/*
 * Where something was put in the container: the kubelet drops a second one for the path.
 */
struct taken_path {
	const char *container_path; /* owned by the response */
	UT_hash_handle hh;
};

/* The response for one container, while it is being made. */
struct container {
	const struct inventory_class *class;
	struct allocation *allocation;
	V1beta1__ContainerAllocateResponse *response;
	size_t env_capacity;
	size_t mount_capacity;
	size_t device_capacity;
	size_t annotation_capacity;
	size_t cdi_capacity;
	bool with_cdi;
	struct taken_path *taken;

	struct device **devices; /* each once, by index */
	size_t device_count;
	struct strings paths; /* of each device's main node, in the container */

	/* What the templates see, besides the device at hand. */
	const char *values[CONFIG_VARIABLE_MAX];
	char count[16];
	char time[32];
	char *all_ids;
	char *all_paths;
};

char *allocate_container_path(const struct inventory_class *class,
			      const struct device *device, const struct unit_node *node)
{
	KUDEV_AUTO_FREE char *path = NULL;
	char index[16];
	const char *values[CONFIG_VARIABLE_MAX] = {
		[CONFIG_VARIABLE_ID] = device->unit.id,
		[CONFIG_VARIABLE_INDEX] = index,
		[CONFIG_VARIABLE_CLASS] = class->config->name,
		[CONFIG_VARIABLE_RESOURCE] = class->config->resource,
		[CONFIG_VARIABLE_NODE] = class->node_name,
	};

	if (!node->mount_path)
		return mem_string(node->host_path);
	snprintf(index, sizeof(index), "%u", device->index);
	path = template_expand(node->mount_path, values);
	if (*path && path[strlen(path) - 1] == '/')
		return mem_printf("%s%s", path, strrchr(node->host_path, '/') + 1);
	return take_ptr(path);
}

/* Remembers a path; false if the container has something there already. */
static bool take_path(struct container *container, const char *container_path)
{
	struct taken_path *taken;

	HASH_FIND_STR(container->taken, container_path, taken);
	if (taken)
		return false;
	taken = mem_zero(sizeof(*taken));
	taken->container_path = container_path;
	HASH_ADD_KEYPTR(hh, container->taken, container_path, strlen(container_path),
			taken);
	return true;
}

/* Takes container_path over; false if the container has something there already. */
static bool add_mount(struct container *container, char *container_path,
		      const char *host_path, bool read_only)
{
	V1beta1__ContainerAllocateResponse *response = container->response;
	V1beta1__Mount *mount;

	if (!take_path(container, container_path)) {
		free(container_path);
		return false;
	}
	mount = mem_alloc(sizeof(*mount));
	v1beta1__mount__init(mount);
	mount->container_path = container_path;
	mount->host_path = mem_string(host_path);
	mount->read_only = read_only;
	response->mounts = mem_grow(response->mounts, response->n_mounts,
				    &container->mount_capacity, sizeof(mount));
	response->mounts[response->n_mounts++] = mount;
	return true;
}

/* The same for a node. */
static bool add_device_spec(struct container *container, char *container_path,
			    const struct unit_node *node)
{
	V1beta1__ContainerAllocateResponse *response = container->response;
	V1beta1__DeviceSpec *spec;

	if (!take_path(container, container_path)) {
		free(container_path);
		return false;
	}
	spec = mem_alloc(sizeof(*spec));
	v1beta1__device_spec__init(spec);
	spec->container_path = container_path;
	spec->host_path = mem_string(node->host_path);
	spec->permissions = mem_string(node->permissions);
	response->devices = mem_grow(response->devices, response->n_devices,
				     &container->device_capacity, sizeof(spec));
	response->devices[response->n_devices++] = spec;
	return true;
}

static void add_cdi_device(struct container *container, const struct device *device)
{
	V1beta1__ContainerAllocateResponse *response = container->response;
	V1beta1__CDIDevice *named = mem_alloc(sizeof(*named));

	v1beta1__cdidevice__init(named);
	named->name = cdi_name(container->class, device);
	response->cdi_devices = mem_grow(response->cdi_devices, response->n_cdi_devices,
					 &container->cdi_capacity, sizeof(named));
	response->cdi_devices[response->n_cdi_devices++] = named;
}

static void add_nodes(struct container *container, const struct device *device)
{
	bool has_place = true;

	for (size_t i = 0; i < device->unit.node_count; i++) {
		const struct unit_node *node = &device->unit.nodes[i];
		char *path = allocate_container_path(container->class, device, node);

		if (node == unit_main_node(&device->unit))
			strings_add(&container->paths, path);
		switch (node->type) {
		case NODE_DEVICE:
			has_place &= add_device_spec(container, path, node);
			break;
		case NODE_MOUNT:
			has_place &= add_mount(container, path, node->host_path,
					       node->read_only);
			break;
		}
	}
	/* By its name, a runtime would put it in the place of the one that came first. */
	if (container->with_cdi && has_place && !cdi_obstacle(container->class, device))
		add_cdi_device(container, device);
}

static void add_env(struct container *container, char *key, char *value)
{
	V1beta1__ContainerAllocateResponse *response = container->response;
	V1beta1__ContainerAllocateResponse__EnvsEntry *entry = mem_alloc(sizeof(*entry));

	v1beta1__container_allocate_response__envs_entry__init(entry);
	entry->key = key;
	entry->value = value;
	response->envs = mem_grow(response->envs, response->n_envs,
				  &container->env_capacity, sizeof(entry));
	response->envs[response->n_envs++] = entry;
}

static void add_annotation(struct container *container, char *key, char *value)
{
	V1beta1__ContainerAllocateResponse *response = container->response;
	V1beta1__ContainerAllocateResponse__AnnotationsEntry *entry =
		mem_alloc(sizeof(*entry));

	v1beta1__container_allocate_response__annotations_entry__init(entry);
	entry->key = key;
	entry->value = value;
	response->annotations = mem_grow(response->annotations, response->n_annotations,
					 &container->annotation_capacity, sizeof(entry));
	response->annotations[response->n_annotations++] = entry;
}

/* The value of a template as the device at this position of the container sees it. */
static char *expand(struct container *container, const struct template *template,
		    size_t position)
{
	const struct device *device = container->devices[position];
	char index[16];

	snprintf(index, sizeof(index), "%u", device->index);
	container->values[CONFIG_VARIABLE_ID] = device->unit.id;
	container->values[CONFIG_VARIABLE_INDEX] = index;
	container->values[CONFIG_VARIABLE_PATH] = container->paths.items[position];
	return template_expand(template, container->values);
}

static bool is_per_device(const struct template *template)
{
	return template_uses(template) & CONFIG_VARIABLES_PER_DEVICE;
}

/* NAME for the first device; NAME_0, NAME_1 … for each, if there are several. */
static void add_env_of_class(struct container *container)
{
	const struct config_class *class = container->class->config;

	for (size_t i = 0; i < class->env_count; i++) {
		const struct config_pair *pair = &class->env[i];

		add_env(container, mem_string(pair->key),
			expand(container, pair->value, 0));
		if (container->device_count == 1 || !is_per_device(pair->value))
			continue;
		for (size_t at = 0; at < container->device_count; at++)
			add_env(container, mem_printf("%s_%zu", pair->key, at),
				expand(container, pair->value, at));
	}
}

static void add_rest_of_class(struct container *container)
{
	const struct config_class *class = container->class->config;

	for (size_t i = 0; i < class->annotation_count; i++)
		add_annotation(container, mem_string(class->annotations[i].key),
			       expand(container, class->annotations[i].value, 0));
	for (size_t i = 0; i < class->mount_count; i++)
		(void)add_mount(container, mem_string(class->mounts[i].container_path),
				class->mounts[i].host_path, class->mounts[i].read_only);
}

static int by_index(const void *a, const void *b)
{
	const struct device *const *left = a;
	const struct device *const *right = b;

	return ((*left)->index > (*right)->index) - ((*left)->index < (*right)->index);
}

/*
 * The ID is a peer's: quoted, it can forge neither a line of the log nor a status text.
 */
static int refuse_device(const char *id, const struct device *device,
			 const struct config_class *class, struct error *err)
{
	KUDEV_AUTO_FREE char *quoted = text_quote(id);

	if (!device)
		return error_set(err, ENOENT, "%s has no device %s", class->resource,
				 quoted);
	return error_set(err, ENODEV, "device %s of %s is unhealthy: %s", quoted,
			 class->resource, device->reason);
}

/* Finds the devices of a request, sorts them and drops repetitions. */
static int find_devices(struct container *container,
			const V1beta1__ContainerAllocateRequest *request,
			const char **ret_refused, struct error *err)
{
	struct device **devices = container->devices;
	size_t count = 0;

	for (size_t i = 0; i < request->n_devices_ids; i++) {
		const char *id = request->devices_ids[i];

		devices[i] = inventory_class_find(container->class, id);
		if (devices[i] && devices[i]->healthy)
			continue;
		*ret_refused = id;
		return refuse_device(id, devices[i], container->class->config, err);
	}
	if (request->n_devices_ids > 1)
		qsort(devices, request->n_devices_ids, sizeof(*devices), by_index);
	for (size_t i = 0; i < request->n_devices_ids; i++) {
		if (count == 0 || devices[count - 1] != devices[i])
			devices[count++] = devices[i];
	}
	container->device_count = count;
	return 0;
}

static void set_values(struct container *container, time_t now)
{
	const struct config_class *class = container->class->config;
	struct strings ids = {0};
	struct tm utc;

	for (size_t i = 0; i < container->device_count; i++)
		strings_add(&ids, container->devices[i]->unit.id);
	container->all_ids = strings_join(&ids, ",");
	strings_clear(&ids);
	container->all_paths = strings_join(&container->paths, ",");
	snprintf(container->count, sizeof(container->count), "%zu",
		 container->device_count);
	gmtime_r(&now, &utc);
	strftime(container->time, sizeof(container->time), "%Y-%m-%dT%H:%M:%SZ", &utc);

	container->values[CONFIG_VARIABLE_COUNT] = container->count;
	container->values[CONFIG_VARIABLE_CLASS] = class->name;
	container->values[CONFIG_VARIABLE_RESOURCE] = class->resource;
	container->values[CONFIG_VARIABLE_NODE] = container->class->node_name;
	container->values[CONFIG_VARIABLE_IDS] = container->all_ids;
	container->values[CONFIG_VARIABLE_PATHS] = container->all_paths;
	container->values[CONFIG_VARIABLE_TIME] = container->time;
}

/* The first variable that differs between devices is the one that names them. */
static char *describe_env(struct container *container, size_t position)
{
	const struct config_class *class = container->class->config;

	for (size_t i = 0; i < class->env_count; i++) {
		KUDEV_AUTO_FREE char *value = NULL;

		if (!is_per_device(class->env[i].value))
			continue;
		value = expand(container, class->env[i].value, position);
		if (container->device_count == 1)
			return mem_printf("%s=%s", class->env[i].key, value);
		return mem_printf("%s_%zu=%s", class->env[i].key, position, value);
	}
	return NULL;
}

static void add_grants(struct container *container)
{
	struct allocation *allocation = container->allocation;

	for (size_t i = 0; i < container->device_count; i++) {
		allocation->grants = mem_grow(allocation->grants, allocation->grant_count,
					      &allocation->grant_capacity,
					      sizeof(struct grant));
		allocation->grants[allocation->grant_count++] = (struct grant){
			.device = container->devices[i],
			.container_path = mem_string(container->paths.items[i]),
			.env_var = describe_env(container, i),
		};
	}
}

static void container_clear(struct container *container)
{
	struct taken_path *taken;
	struct taken_path *next;

	HASH_ITER(hh, container->taken, taken, next) {
		HASH_DEL(container->taken, taken);
		free(taken);
	}
	strings_clear(&container->paths);
	free(container->devices);
	free(container->all_ids);
	free(container->all_paths);
}

static int fill_container(struct container *container,
			  const V1beta1__ContainerAllocateRequest *request, time_t now,
			  const char **ret_refused, struct error *err)
{
	int r = find_devices(container, request, ret_refused, err);

	if (r < 0 || container->device_count == 0)
		return r;
	for (size_t i = 0; i < container->device_count; i++)
		add_nodes(container, container->devices[i]);
	set_values(container, now);
	add_env_of_class(container);
	add_rest_of_class(container);
	add_grants(container);
	return 0;
}

static int answer_container(const struct inventory_class *class, bool with_cdi,
			    const V1beta1__ContainerAllocateRequest *request, time_t now,
			    struct allocation *allocation, const char **ret_refused,
			    struct error *err)
{
	V1beta1__AllocateResponse *response = allocation->response;
	struct container container = {
		.class = class,
		.with_cdi = with_cdi,
		.allocation = allocation,
		.response = mem_alloc(sizeof(*container.response)),
		.devices = mem_zero(request->n_devices_ids * sizeof(struct device *)),
	};
	int r;

	v1beta1__container_allocate_response__init(container.response);
	response->container_responses[response->n_container_responses++] =
		container.response;
	r = fill_container(&container, request, now, ret_refused, err);
	container_clear(&container);
	return r;
}

int allocate(const struct inventory_class *class, bool with_cdi,
	     const V1beta1__AllocateRequest *request, time_t now, struct allocation **ret,
	     const char **ret_refused, struct error *err)
{
	KUDEV_AUTO(allocation_free) struct allocation *allocation = NULL;
	int r = 0;

	allocation = mem_zero(sizeof(*allocation));
	allocation->response = mem_alloc(sizeof(*allocation->response));
	v1beta1__allocate_response__init(allocation->response);
	allocation->response->container_responses =
		mem_zero(request->n_container_requests *
			 sizeof(V1beta1__ContainerAllocateResponse *));
	for (size_t i = 0; r == 0 && i < request->n_container_requests; i++)
		r = answer_container(class, with_cdi, request->container_requests[i], now,
				     allocation, ret_refused, err);
	if (r < 0)
		return r;
	*ret = take_ptr(allocation);
	return 0;
}

struct allocation *allocation_free(struct allocation *allocation)
{
	if (!allocation)
		return NULL;
	for (size_t i = 0; i < allocation->grant_count; i++) {
		free(allocation->grants[i].container_path);
		free(allocation->grants[i].env_var);
	}
	free(allocation->grants);
	if (allocation->response)
		v1beta1__allocate_response__free_unpacked(allocation->response, NULL);
	free(allocation);
	return NULL;
}
