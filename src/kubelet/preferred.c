/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "kubelet/preferred.h"

/* What candidates are sorted by, the most important first; smaller is better. */
enum {
	KEY_MUST,
	KEY_FIRST,
	KEY_SECOND,
	KEY_THIRD,
	KEY_FOURTH,
	KEY_INDEX,
	KEY_COUNT,
};

struct candidate {
	const struct device *device;
	bool must;
	size_t copies; /* available ones of the same physical device */
	size_t rank;   /* among them, those that must be included first */
	size_t first;  /* the smallest index among them */
	size_t keys[KEY_COUNT];
};

struct choice {
	struct candidate *candidates;
	size_t count;
	size_t wanted;
};

/* The candidates of one NUMA node. */
struct numa_node {
	int number;
	size_t available;
	size_t must;
};

static int by_device(const void *a, const void *b)
{
	const struct candidate *left = a;
	const struct candidate *right = b;
	size_t i = left->device->index;
	size_t j = right->device->index;

	return (i > j) - (i < j);
}

static int compare_nodes(const struct unit *a, const struct unit *b)
{
	size_t shorter = a->node_count < b->node_count ? a->node_count : b->node_count;

	for (size_t i = 0; i < shorter; i++) {
		int order = strcmp(a->nodes[i].host_path, b->nodes[i].host_path);

		if (order != 0)
			return order;
	}
	return (a->node_count > b->node_count) - (a->node_count < b->node_count);
}

/* Brings the copies of a device together, in the order of their ranks. */
static int by_copy(const void *a, const void *b)
{
	const struct candidate *left = a;
	const struct candidate *right = b;
	int order = compare_nodes(&left->device->unit, &right->device->unit);

	if (order != 0)
		return order;
	if (left->must != right->must)
		return left->must ? -1 : 1;
	return by_device(a, b);
}

static int by_keys(const void *a, const void *b)
{
	const struct candidate *left = a;
	const struct candidate *right = b;

	for (size_t i = 0; i < KEY_COUNT; i++) {
		if (left->keys[i] != right->keys[i])
			return left->keys[i] < right->keys[i] ? -1 : 1;
	}
	return 0;
}

static void sort(struct choice *choice, int (*compare)(const void *, const void *))
{
	if (choice->count > 1)
		qsort(choice->candidates, choice->count, sizeof(*choice->candidates),
		      compare);
}

static struct candidate *find_candidate(const struct choice *choice,
					const struct device *device)
{
	const struct candidate key = {.device = device};

	if (!device || choice->count == 0)
		return NULL;
	return bsearch(&key, choice->candidates, choice->count, sizeof(key), by_device);
}

/* The available devices that the class has, each once. */
static void collect(struct choice *choice, const struct inventory_class *class,
		    const V1beta1__ContainerPreferredAllocationRequest *request)
{
	size_t count = 0;

	choice->candidates =
		mem_zero(request->n_available_deviceids * sizeof(*choice->candidates));
	for (size_t i = 0; i < request->n_available_deviceids; i++) {
		const struct device *device =
			inventory_class_find(class, request->available_deviceids[i]);

		if (device)
			choice->candidates[choice->count++].device = device;
	}
	sort(choice, by_device);
	for (size_t i = 0; i < choice->count; i++) {
		if (count == 0 ||
		    choice->candidates[count - 1].device != choice->candidates[i].device)
			choice->candidates[count++] = choice->candidates[i];
	}
	choice->count = count;
	for (size_t i = 0; i < request->n_must_include_deviceids; i++) {
		struct candidate *candidate = find_candidate(
			choice,
			inventory_class_find(class, request->must_include_deviceids[i]));

		if (candidate)
			candidate->must = true;
	}
}

static void count_copies(struct choice *choice)
{
	size_t start = 0;

	sort(choice, by_copy);
	for (size_t end = 1; end <= choice->count; end++) {
		struct candidate *copies = &choice->candidates[start];
		size_t first = SIZE_MAX;

		if (end < choice->count &&
		    unit_same_nodes(&copies->device->unit,
				    &choice->candidates[end].device->unit))
			continue;
		for (size_t i = 0; i < end - start; i++) {
			if (copies[i].device->index < first)
				first = copies[i].device->index;
		}
		for (size_t i = 0; i < end - start; i++) {
			copies[i].copies = end - start;
			copies[i].rank = i;
			copies[i].first = first;
		}
		start = end;
	}
}

static struct numa_node *find_numa_node(struct numa_node *nodes, size_t count, int number)
{
	for (size_t i = 0; i < count; i++) {
		if (nodes[i].number == number)
			return &nodes[i];
	}
	return NULL;
}

static size_t count_numa_nodes(const struct choice *choice, struct numa_node *nodes)
{
	size_t count = 0;

	for (size_t i = 0; i < choice->count; i++) {
		const struct candidate *candidate = &choice->candidates[i];
		struct numa_node *node =
			find_numa_node(nodes, count, candidate->device->unit.numa_node);

		if (!node) {
			node = &nodes[count++];
			*node = (struct numa_node){
				.number = candidate->device->unit.numa_node,
			};
		}
		node->available++;
		node->must += candidate->must;
	}
	return count;
}

/*
 * How far from the front a NUMA node stands: those of devices that must be included,
 * then those that can give all the rest, the tightest fit first, then the largest.
 */
static size_t numa_cost(const struct numa_node *node, size_t wanted)
{
	if (node->must > 0)
		return 0;
	if (node->number == LIST_NUMA_UNKNOWN)
		return SIZE_MAX;
	return node->available >= wanted ? node->available
					 : SIZE_MAX - 1 - node->available;
}

static void key_by_numa(struct choice *choice)
{
	struct numa_node *nodes = mem_zero((choice->count + 1) * sizeof(*nodes));
	size_t count = count_numa_nodes(choice, nodes);
	size_t wanted = choice->wanted;

	for (size_t i = 0; i < count; i++) {
		if (nodes[i].must > 0)
			wanted -= nodes[i].available < wanted ? nodes[i].available
							      : wanted;
	}
	for (size_t i = 0; i < choice->count; i++) {
		struct candidate *candidate = &choice->candidates[i];
		const struct numa_node *node =
			find_numa_node(nodes, count, candidate->device->unit.numa_node);

		candidate->keys[KEY_FIRST] = numa_cost(node, wanted);
		candidate->keys[KEY_SECOND] = (size_t)(node->number + 1);
		candidate->keys[KEY_THIRD] = candidate->rank;
		candidate->keys[KEY_FOURTH] = SIZE_MAX - candidate->copies;
	}
	free(nodes);
}

static void key_by_copies(struct choice *choice, bool packed)
{
	for (size_t i = 0; i < choice->count; i++) {
		struct candidate *candidate = &choice->candidates[i];

		if (packed) {
			candidate->keys[KEY_FIRST] = candidate->copies;
			candidate->keys[KEY_SECOND] = candidate->first;
		} else {
			candidate->keys[KEY_FIRST] = candidate->rank;
			candidate->keys[KEY_SECOND] = SIZE_MAX - candidate->copies;
		}
	}
}

static void set_keys(struct choice *choice, enum config_preferred policy)
{
	for (size_t i = 0; i < choice->count; i++) {
		struct candidate *candidate = &choice->candidates[i];

		candidate->keys[KEY_MUST] = !candidate->must;
		candidate->keys[KEY_INDEX] = candidate->device->index;
	}
	switch (policy) {
	case CONFIG_PREFERRED_NONE:
		break;
	case CONFIG_PREFERRED_NUMA:
		key_by_numa(choice);
		break;
	case CONFIG_PREFERRED_PACKED:
		key_by_copies(choice, true);
		break;
	case CONFIG_PREFERRED_SPREAD:
		key_by_copies(choice, false);
		break;
	}
}

static V1beta1__ContainerPreferredAllocationResponse *answer_container(
	const struct inventory_class *class,
	const V1beta1__ContainerPreferredAllocationRequest *request)
{
	V1beta1__ContainerPreferredAllocationResponse *response =
		mem_alloc(sizeof(*response));
	struct choice choice = {0};

	if (request->allocation_size > 0)
		choice.wanted = (size_t)request->allocation_size;
	collect(&choice, class, request);
	count_copies(&choice);
	set_keys(&choice, class->config->preferred);
	sort(&choice, by_keys);
	if (choice.wanted > choice.count)
		choice.wanted = choice.count;

	v1beta1__container_preferred_allocation_response__init(response);
	response->deviceids = mem_zero(choice.wanted * sizeof(char *));
	for (size_t i = 0; i < choice.wanted; i++)
		response->deviceids[response->n_deviceids++] =
			mem_string(choice.candidates[i].device->unit.id);
	free(choice.candidates);
	return response;
}

V1beta1__PreferredAllocationResponse *preferred_answer(
	const struct inventory_class *class,
	const V1beta1__PreferredAllocationRequest *request)
{
	V1beta1__PreferredAllocationResponse *response = mem_alloc(sizeof(*response));

	v1beta1__preferred_allocation_response__init(response);
	response->container_responses =
		mem_zero(request->n_container_requests *
			 sizeof(V1beta1__ContainerPreferredAllocationResponse *));
	for (size_t i = 0; i < request->n_container_requests; i++)
		response->container_responses[response->n_container_responses++] =
			answer_container(class, request->container_requests[i]);
	return response;
}
