/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A PreferredAllocationRequest of any bytes: decoded or refused, and then always
 * answered, since the kubelet fails the pod on an error.
 */

#include "fuzz-kubelet.h"
#include "kubelet/preferred.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_container(const struct inventory_class *class,
			    const V1beta1__ContainerPreferredAllocationRequest *request,
			    const V1beta1__ContainerPreferredAllocationResponse *response)
{
	char *const *available = request->available_deviceids;
	size_t known = fuzz_count_known(class, available, request->n_available_deviceids);
	size_t wanted = request->allocation_size > 0 ? (size_t)request->allocation_size
						     : 0;
	size_t must = 0;

	CHECK(response->n_deviceids == (wanted < known ? wanted : known));
	for (size_t i = 0; i < response->n_deviceids; i++) {
		CHECK(fuzz_contains(available, request->n_available_deviceids,
				    response->deviceids[i]));
		CHECK(!fuzz_contains(response->deviceids, i, response->deviceids[i]));
	}
	for (size_t i = 0; i < request->n_must_include_deviceids; i++) {
		char *id = request->must_include_deviceids[i];

		must += fuzz_contains(available, request->n_available_deviceids, id) &&
			inventory_class_find(class, id) &&
			!fuzz_contains(request->must_include_deviceids, i, id);
	}
	for (size_t i = 0; must <= wanted && i < request->n_must_include_deviceids; i++) {
		char *id = request->must_include_deviceids[i];

		if (fuzz_contains(available, request->n_available_deviceids, id) &&
		    inventory_class_find(class, id))
			CHECK(fuzz_contains(response->deviceids, response->n_deviceids,
					    id));
	}
}

static void ask(const struct inventory_class *class,
		const V1beta1__PreferredAllocationRequest *request)
{
	V1beta1__PreferredAllocationResponse *response = preferred_answer(class, request);

	CHECK(response->n_container_responses == request->n_container_requests);
	for (size_t i = 0; i < response->n_container_responses; i++)
		check_container(class, request->container_requests[i],
				response->container_responses[i]);
	v1beta1__preferred_allocation_response__free_unpacked(response, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	V1beta1__PreferredAllocationRequest *request;

	fuzz_kubelet_init();
	request = (void *)rpc_message_decode(
		&v1beta1__preferred_allocation_request__descriptor, data, size);
	if (!request)
		return 0;
	for (size_t i = 0; i < fuzz_kubelet.config->class_count; i++)
		ask(inventory_class_at(fuzz_kubelet.inventory, i), request);
	v1beta1__preferred_allocation_request__free_unpacked(request, NULL);
	return 0;
}
