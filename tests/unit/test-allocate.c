/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "test-kubelet.h"

/* Sun, 01 Mar 2026 04:05:06 UTC */
#define NOW 1772337906

static V1beta1__AllocateRequest *request_new(const char *text)
{
	V1beta1__AllocateRequest *request = mem_alloc(sizeof(*request));
	KUDEV_AUTO_STRINGS struct strings containers = split(text, "|");

	v1beta1__allocate_request__init(request);
	request->n_container_requests = containers.count;
	request->container_requests = mem_zero(containers.count * sizeof(void *));
	for (size_t i = 0; i < containers.count; i++) {
		V1beta1__ContainerAllocateRequest *container =
			mem_alloc(sizeof(*container));
		struct strings ids = split(containers.items[i], " ");

		v1beta1__container_allocate_request__init(container);
		container->n_devices_ids = ids.count;
		container->devices_ids = ids.items;
		request->container_requests[i] = container;
	}
	return request;
}

/* A line for each thing that a container gets, in the order of the response. */
static void print_container(FILE *stream,
			    const V1beta1__ContainerAllocateResponse *response)
{
	for (size_t i = 0; i < response->n_devices; i++)
		fprintf(stream, "device %s %s %s\n", response->devices[i]->container_path,
			response->devices[i]->host_path,
			response->devices[i]->permissions);
	for (size_t i = 0; i < response->n_mounts; i++)
		fprintf(stream, "mount %s %s%s\n", response->mounts[i]->container_path,
			response->mounts[i]->host_path,
			response->mounts[i]->read_only ? " ro" : "");
	for (size_t i = 0; i < response->n_envs; i++)
		fprintf(stream, "env %s=%s\n", response->envs[i]->key,
			response->envs[i]->value);
	for (size_t i = 0; i < response->n_annotations; i++)
		fprintf(stream, "annotation %s=%s\n", response->annotations[i]->key,
			response->annotations[i]->value);
	for (size_t i = 0; i < response->n_cdi_devices; i++)
		fprintf(stream, "cdi %s\n", response->cdi_devices[i]->name);
}

static char *response_text(const V1beta1__AllocateResponse *response)
{
	char *text = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(stream);
	for (size_t i = 0; i < response->n_container_responses; i++) {
		if (i > 0)
			fputs("--\n", stream);
		print_container(stream, response->container_responses[i]);
	}
	fclose(stream);
	return text;
}

static char *ask(const struct node *node, const char *ids)
{
	KUDEV_AUTO(allocation_free) struct allocation *allocation = NULL;
	KUDEV_AUTO_ERROR struct error err = {0};
	V1beta1__AllocateRequest *request = request_new(ids);
	const char *refused = NULL;
	char *text;
	int r = allocate(inventory_class_at(node->inventory, 0),
			 node->config->classes[0].cdi.write, request, NOW, &allocation,
			 &refused, &err);

	if (r < 0) {
		assert_null(allocation);
		text = mem_printf("%d %s: %s", -r, refused, error_message(&err));
	} else {
		assert_int_equal(allocation->response->n_container_responses,
				 request->n_container_requests);
		text = tree_relative(node->tree, response_text(allocation->response));
	}
	v1beta1__allocate_request__free_unpacked(request, NULL);
	return text;
}

static void expect(const struct node *node, const char *ids, const char *expected)
{
	/* Twice: the same request has the same answer. */
	for (unsigned i = 0; i < 2; i++) {
		KUDEV_AUTO_FREE char *got = ask(node, ids);

		if (strcmp(got, expected) != 0)
			print_message("for: %s\n", ids);
		assert_string_equal(got, expected);
	}
}

static const char *const three_nodes[] = {"/dev/a0", "/dev/a1", "/dev/a2", NULL};

static void every_variable_has_its_value(void **state)
{
	KUDEV_AUTO(node_free)
	struct node *node =
		node_new("domain: ex.com\n"
			 "classes:\n- name: cam\n  paths: ['/dev/a*']\n"
			 "  mountPath: '/in/{class}{index}'\n"
			 "  env:\n"
			 "    ID: '{id}'\n    PATHS_OF: '{paths}'\n    P: '{path}'\n"
			 "    INDEX: '{index}'\n    COUNT: '{count}'\n"
			 "    CLASS: '{class}'\n    RESOURCE: '{resource}'\n"
			 "    NODE: '{node}'\n    IDS: '{ids}'\n    TIME: '{time}'\n"
			 "    BRACES: '{{{id}}}'\n    PLAIN: text\n    EMPTY: ''\n",
			 three_nodes);

	(void)state;
	expect(node, "a1",
	       "device /in/cam1 /dev/a1 rw\n"
	       "env ID=a1\nenv PATHS_OF=/in/cam1\nenv P=/in/cam1\nenv INDEX=1\nenv COUNT=1\n"
	       "env CLASS=cam\nenv RESOURCE=ex.com/cam\nenv NODE=worker-1\nenv IDS=a1\n"
	       "env TIME=2026-03-01T04:05:06Z\nenv BRACES={a1}\nenv PLAIN=text\nenv EMPTY=\n");
}

static void several_devices_have_indexed_variables_in_the_order_of_the_class(void **state)
{
	static const char expected[] =
		"device /dev/a0 /dev/a0 rw\ndevice /dev/a2 /dev/a2 rw\n"
		"env P=/dev/a0\nenv P_0=/dev/a0\nenv P_1=/dev/a2\n"
		"env N=2\nenv ALL=a0,a2\nenv WHERE=/dev/a0,/dev/a2\n";
	KUDEV_AUTO(node_free)
	struct node *node = node_new("classes:\n- name: cam\n  paths: ['/dev/a*']\n"
				     "  env: {P: '{path}', N: '{count}', ALL: '{ids}',"
				     " WHERE: '{paths}'}\n",
				     three_nodes);

	(void)state;
	expect(node, "a0 a2", expected);
	expect(node, "a2 a0", expected);
	expect(node, "a2 a0 a2 a2 a0", expected);
	expect(node, "a1 a1",
	       "device /dev/a1 /dev/a1 rw\n"
	       "env P=/dev/a1\nenv N=1\nenv ALL=a1\nenv WHERE=/dev/a1\n");
}

static void what_is_not_to_be_had_is_refused(void **state)
{
	static const struct {
		const char *ids;
		const char *expected;
	} tests[] = {
		{"a9", "2 a9: kudev.io/cam has no device \"a9\""},
		{"a0 a9 a1", "2 a9: kudev.io/cam has no device \"a9\""},
		{"a1",
		 "19 a1: device \"a1\" of kudev.io/cam is unhealthy: /dev/a1 is gone"},
		{"a0|a0 a1",
		 "19 a1: device \"a1\" of kudev.io/cam is unhealthy: /dev/a1 is gone"},
	};
	KUDEV_AUTO(node_free)
	struct node *node = node_new("classes:\n- name: cam\n  paths: ['/dev/a*']\n",
				     three_nodes);

	(void)state;
	tree_remove(node->tree, "/dev/a1");
	node_scan(node);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++)
		expect(node, tests[i].ids, tests[i].expected);
	expect(node, "a0", "device /dev/a0 /dev/a0 rw\n");
}

static void each_container_has_an_answer_of_its_own(void **state)
{
	KUDEV_AUTO(node_free)
	struct node *node =
		node_new("classes:\n- name: cam\n  paths: ['/dev/a*']\n"
			 "  env: {ID: '{id}', X: y}\n"
			 "  mounts: [{hostPath: /etc/x, containerPath: /y}]\n",
			 three_nodes);

	(void)state;
	expect(node, "", "");
	/* A container that asks for no device gets nothing at all. */
	expect(node, "a2| |a0",
	       "device /dev/a2 /dev/a2 rw\nmount /y /etc/x\nenv ID=a2\nenv X=y\n"
	       "--\n--\n"
	       "device /dev/a0 /dev/a0 rw\nmount /y /etc/x\nenv ID=a0\nenv X=y\n");
}

static void a_path_in_the_container_is_given_once_and_the_first_one_wins(void **state)
{
	KUDEV_AUTO(node_free)
	struct node *fixed =
		node_new("classes:\n- name: cam\n  mountPath: /dev/cam\n"
			 "  paths: ['/dev/a*']\n"
			 "  env: {P: '{path}'}\n"
			 "  mounts: [{hostPath: /etc/x, containerPath: /dev/cam},"
			 " {hostPath: /etc/y, containerPath: /y, readOnly: true}]\n",
			 three_nodes);
	KUDEV_AUTO(node_free)
	struct node *copies = node_new("classes:\n- name: cam\n  share: 3\n"
				       "  paths: ['/dev/a*']\n"
				       "  env: {ID: '{id}'}\n",
				       three_nodes);

	(void)state;
	expect(fixed, "a2 a1",
	       "device /dev/cam /dev/a1 rw\nmount /y /etc/y ro\n"
	       "env P=/dev/cam\nenv P_0=/dev/cam\nenv P_1=/dev/cam\n");
	expect(copies, "a0-2 a0-0",
	       "device /dev/a0 /dev/a0 rw\nenv ID=a0-0\nenv ID_0=a0-0\nenv ID_1=a0-2\n");
}

/* Of what the runtime would put over another device, no name; the nodes come anyway. */
static void names_of_cdi_come_besides_the_nodes(void **state)
{
	KUDEV_AUTO(node_free)
	struct node *node = node_new("domain: ex.com\nclasses:\n- name: cam\n"
				     "  paths: ['/dev/a*']\n  cdi: {write: true}\n",
				     three_nodes);
	KUDEV_AUTO(node_free)
	struct node *fixed = node_new("domain: ex.com\nclasses:\n- name: cam\n"
				      "  paths: ['/dev/a*']\n  cdi: {write: true}\n"
				      "  mountPath: /dev/cam\n",
				      three_nodes);
	KUDEV_AUTO(node_free)
	struct node *copies = node_new("domain: ex.com\nclasses:\n- name: cam\n"
				       "  paths: ['/dev/a*']\n  cdi: {write: true}\n"
				       "  share: 2\n",
				       three_nodes);

	(void)state;
	expect(node, "a2 a0|a1",
	       "device /dev/a0 /dev/a0 rw\ndevice /dev/a2 /dev/a2 rw\n"
	       "cdi ex.com/cam=a0\ncdi ex.com/cam=a2\n--\n"
	       "device /dev/a1 /dev/a1 rw\ncdi ex.com/cam=a1\n");
	expect(fixed, "a2 a1", "device /dev/cam /dev/a1 rw\ncdi ex.com/cam=a1\n");
	expect(copies, "a0-1 a0-0 a1-1",
	       "device /dev/a0 /dev/a0 rw\ndevice /dev/a1 /dev/a1 rw\n"
	       "cdi ex.com/cam=a0-0\ncdi ex.com/cam=a1-1\n");
}

static void groups_give_all_their_nodes(void **state)
{
	static const char *const files[] = {"/dev/snd/controlC0", "/dev/snd/pcmC0D0c",
					    "/etc/asound.conf", NULL};
	KUDEV_AUTO(node_free)
	struct node *node =
		node_new("device:\n- name: snd\n  groups:\n  - count: 2\n    paths:\n"
			 "    - {path: /dev/snd/controlC0, mountPath: /dev/x/}\n"
			 "    - {path: '/dev/snd/pcmC*c', permissions: r}\n"
			 "    - {path: /etc/asound.conf, type: Mount, readOnly: true}\n",
			 files);
	KUDEV_AUTO_FREE char *ids = NULL;
	const struct inventory_class *class = inventory_class_at(node->inventory, 0);

	(void)state;
	assert_int_equal(class->count, 2);
	ids = mem_printf("%s %s", class->devices[1]->unit.id, class->devices[0]->unit.id);
	expect(node, ids,
	       "device /dev/x/controlC0 /dev/snd/controlC0 mrw\n"
	       "device /dev/snd/pcmC0D0c /dev/snd/pcmC0D0c r\n"
	       "mount /etc/asound.conf /etc/asound.conf ro\n");
}

static void the_path_of_a_device_is_that_of_its_first_device_node(void **state)
{
	static const char *const files[] = {"/etc/cam.conf", "/dev/cam", "/dev/aux",
					    NULL};
	KUDEV_AUTO(node_free)
	struct node *node = node_new("classes:\n- name: cam\n  groups:\n  - paths:\n"
				     "    - {path: /etc/cam.conf, type: Mount}\n"
				     "    - {path: /dev/cam, mountPath: /dev/video}\n"
				     "    - {path: /dev/aux}\n"
				     "  env: {CAM: '{path}', ALL: '{paths}'}\n",
				     files);

	(void)state;
	expect(node, inventory_class_at(node->inventory, 0)->devices[0]->unit.id,
	       "device /dev/video /dev/cam rw\ndevice /dev/aux /dev/aux rw\n"
	       "mount /etc/cam.conf /etc/cam.conf\n"
	       "env CAM=/dev/video\nenv ALL=/dev/video\n");
}

static void annotations_and_mounts_are_those_of_the_class(void **state)
{
	KUDEV_AUTO(node_free)
	struct node *node = node_new(
		"classes:\n- name: cam\n  paths: ['/dev/a*']\n"
		"  annotations: {ex.com/ids: '{ids}', ex.com/time: '{time}'}\n"
		"  mounts: [{hostPath: /usr/lib/x, containerPath: /lib/x, readOnly: true}]\n",
		three_nodes);

	(void)state;
	expect(node, "a1 a0",
	       "device /dev/a0 /dev/a0 rw\ndevice /dev/a1 /dev/a1 rw\n"
	       "mount /lib/x /usr/lib/x ro\n"
	       "annotation ex.com/ids=a0,a1\nannotation ex.com/time=2026-03-01T04:05:06Z\n");
}

static void simulated_devices_are_mounts(void **state)
{
	KUDEV_AUTO(node_free)
	struct node *node = node_new("classes:\n- {name: cam, simulate: {count: 2},"
				     " env: {VIDEO: '{path}'}}\n",
				     (const char *const[]){NULL});

	(void)state;
	expect(node, "cam-1 cam-0",
	       "mount /dev/cam0 /run/kudev/simulate/cam/0\n"
	       "mount /dev/cam1 /run/kudev/simulate/cam/1\n"
	       "env VIDEO=/dev/cam0\nenv VIDEO_0=/dev/cam0\nenv VIDEO_1=/dev/cam1\n");
}

static void grants_tell_what_was_given(void **state)
{
	static const struct {
		const char *env;
		const char *ids;
		const char *expected; /* a line a grant */
	} tests[] = {
		{"{X: y, P: '{path}', I: '{id}'}", "a1", "a1 /dev/a1 P=/dev/a1\n"},
		{"{X: y, P: '{path}'}", "a1 a0|a2",
		 "a0 /dev/a0 P_0=/dev/a0\na1 /dev/a1 P_1=/dev/a1\na2 /dev/a2 P=/dev/a2\n"},
		{"{X: '{count}'}", "a0", "a0 /dev/a0 -\n"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *text = mem_printf(
			"classes:\n- name: cam\n  paths: ['/dev/a*']\n  env: %s\n",
			tests[i].env);
		KUDEV_AUTO(node_free) struct node *node = node_new(text, three_nodes);
		KUDEV_AUTO(allocation_free) struct allocation *allocation = NULL;
		V1beta1__AllocateRequest *request = request_new(tests[i].ids);
		KUDEV_AUTO_STRINGS struct strings lines = {0};
		KUDEV_AUTO_FREE char *got = NULL;
		const char *refused = NULL;

		assert_int_equal(allocate(inventory_class_at(node->inventory, 0),
					  node->config->classes[0].cdi.write, request,
					  NOW, &allocation, &refused, NULL),
				 0);
		v1beta1__allocate_request__free_unpacked(request, NULL);
		for (size_t j = 0; j < allocation->grant_count; j++) {
			const struct grant *grant = &allocation->grants[j];

			strings_take(&lines,
				     mem_printf("%s %s %s\n", grant->device->unit.id,
						grant->container_path,
						grant->env_var ? grant->env_var : "-"));
		}
		got = strings_join(&lines, "");
		assert_string_equal(got, tests[i].expected);
	}
}

static void nothing_is_fine_to_free(void **state)
{
	(void)state;
	assert_null(allocation_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_variable_has_its_value),
		cmocka_unit_test(
			several_devices_have_indexed_variables_in_the_order_of_the_class),
		cmocka_unit_test(what_is_not_to_be_had_is_refused),
		cmocka_unit_test(each_container_has_an_answer_of_its_own),
		cmocka_unit_test(
			a_path_in_the_container_is_given_once_and_the_first_one_wins),
		cmocka_unit_test(names_of_cdi_come_besides_the_nodes),
		cmocka_unit_test(groups_give_all_their_nodes),
		cmocka_unit_test(the_path_of_a_device_is_that_of_its_first_device_node),
		cmocka_unit_test(annotations_and_mounts_are_those_of_the_class),
		cmocka_unit_test(simulated_devices_are_mounts),
		cmocka_unit_test(grants_tell_what_was_given),
		cmocka_unit_test(nothing_is_fine_to_free),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
