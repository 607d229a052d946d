/* SPDX-License-Identifier: Apache-2.0 */

/*
 * An AllocateRequest of any bytes: decoded or refused, then answered or refused; what is
 * answered keeps the rules that the kubelet and the runtime rely on.
 */

#include <errno.h>

#include "fuzz-kubelet.h"
#include "kubelet/allocate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_paths(const V1beta1__ContainerAllocateResponse *response)
{
	KUDEV_AUTO_STRINGS struct strings paths = {0};

	for (size_t i = 0; i < response->n_devices; i++) {
		CHECK(response->devices[i]->container_path[0] == '/');
		CHECK(response->devices[i]->host_path[0] == '/');
		CHECK(!strings_contain(&paths, response->devices[i]->container_path));
		strings_add(&paths, response->devices[i]->container_path);
	}
	for (size_t i = 0; i < response->n_mounts; i++) {
		CHECK(response->mounts[i]->container_path[0] == '/');
		CHECK(response->mounts[i]->host_path[0] == '/');
		CHECK(!strings_contain(&paths, response->mounts[i]->container_path));
		strings_add(&paths, response->mounts[i]->container_path);
	}
}

static void check_keys(const V1beta1__ContainerAllocateResponse *response)
{
	KUDEV_AUTO_STRINGS struct strings keys = {0};

	for (size_t i = 0; i < response->n_envs; i++) {
		CHECK(!strings_contain(&keys, response->envs[i]->key));
		strings_add(&keys, response->envs[i]->key);
	}
	strings_clear(&keys);
	for (size_t i = 0; i < response->n_annotations; i++) {
		CHECK(!strings_contain(&keys, response->annotations[i]->key));
		strings_add(&keys, response->annotations[i]->key);
	}
}

static bool can_be_given(const struct inventory_class *class,
			 const V1beta1__AllocateRequest *request)
{
	for (size_t i = 0; i < request->n_container_requests; i++) {
		const V1beta1__ContainerAllocateRequest *container =
			request->container_requests[i];

		for (size_t j = 0; j < container->n_devices_ids; j++) {
			const struct device *device =
				inventory_class_find(class, container->devices_ids[j]);

			if (!device || !device->healthy)
				return false;
		}
	}
	return true;
}

static void check_answer(const struct inventory_class *class,
			 const V1beta1__AllocateRequest *request,
			 const struct allocation *allocation)
{
	const V1beta1__AllocateResponse *response = allocation->response;
	KUDEV_AUTO(rpc_message_free) struct rpc_message *message = NULL;
	size_t grants = 0;

	CHECK(response->n_container_responses == request->n_container_requests);
	for (size_t i = 0; i < response->n_container_responses; i++) {
		const V1beta1__ContainerAllocateRequest *asked =
			request->container_requests[i];
		const V1beta1__ContainerAllocateResponse *got =
			response->container_responses[i];

		check_paths(got);
		check_keys(got);
		CHECK(got->n_cdi_devices <= asked->n_devices_ids);
		CHECK((got->n_devices + got->n_mounts > 0) == (asked->n_devices_ids > 0));
		grants += fuzz_count_known(class, asked->devices_ids,
					   asked->n_devices_ids);
	}
	CHECK(allocation->grant_count == grants);
	message = rpc_message_new(&response->base);
	CHECK(rpc_message_size(message) ==
	      v1beta1__allocate_response__get_packed_size(response));
}

static void ask(const struct inventory_class *class,
		const V1beta1__AllocateRequest *request)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	KUDEV_AUTO(allocation_free) struct allocation *allocation = NULL;
	const char *refused = NULL;
	int r = allocate(class, true, request, 0, &allocation, &refused, &err);

	CHECK((r == 0) == can_be_given(class, request));
	if (r == 0) {
		check_answer(class, request, allocation);
		return;
	}
	CHECK(r == -ENOENT || r == -ENODEV);
	CHECK(!allocation && refused && err.code == -r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	V1beta1__AllocateRequest *request;

	fuzz_kubelet_init();
	request = (void *)rpc_message_decode(&v1beta1__allocate_request__descriptor, data,
					     size);
	if (!request)
		return 0;
	for (size_t i = 0; i < fuzz_kubelet.config->class_count; i++)
		ask(inventory_class_at(fuzz_kubelet.inventory, i), request);
	v1beta1__allocate_request__free_unpacked(request, NULL);
	return 0;
}
