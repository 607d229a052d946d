/* SPDX-License-Identifier: Apache-2.0 */
#include <json-c/json.h>

#include "kubelet/cdi.h"
#include "test-kubelet.h"

/* The spec of the first class on one line, without spaces; "none" if there is none. */
static char *spec_line(const struct node *node)
{
	size_t count = 0;
	KUDEV_AUTO_FREE char *text = cdi_spec(inventory_class_at(node->inventory, 0),
					      &count);
	struct json_object *object;
	char *line;

	if (!text) {
		assert_int_equal(count, 0);
		return mem_string("none");
	}
	assert_int_equal(text[strlen(text) - 1], '\n');
	object = json_tokener_parse(text);
	assert_non_null(object);
	line = mem_string(json_object_to_json_string_ext(
		object, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
	assert_int_equal(
		json_object_array_length(json_object_object_get(object, "devices")),
		count);
	json_object_put(object);
	return tree_relative(node->tree, line);
}

static void expect_spec(const struct node *node, const char *expected)
{
	KUDEV_AUTO_FREE char *got = spec_line(node);

	assert_string_equal(got, expected);
}

#define HEAD(version, kind) \
	"{\"cdiVersion\":\"" version "\",\"kind\":\"" kind "\",\"devices\":["
#define END "],\"containerEdits\":{}}"
#define DEVICE(name, edits) "{\"name\":\"" name "\",\"containerEdits\":{" edits "}}"
#define MOUNT(host, container, mode)                                \
	"{\"hostPath\":\"" host "\",\"containerPath\":\"" container \
	"\",\"type\":\"bind\",\"options\":[\"rbind\",\"rprivate\",\"" mode "\"]}"

/* Each has files and a configuration; the versions are those of SPEC.md. */
static void a_spec_says_what_allocate_does_in_the_lowest_version(void **state)
{
	static const struct {
		const char *files[4];
		const char *config;
		const char *spec;
	} tests[] = {
		{{"/dev/a0", "/dev/a1"},
		 "- {name: cam, paths: ['/dev/a*']}\n",
		 HEAD("0.3.0", "ex.com/cam") DEVICE(
			 "a0",
			 "\"deviceNodes\":[{\"path\":\"/dev/a0\","
			 "\"permissions\":\"rw\"}]") "," DEVICE("a1",
								"\"deviceNodes\":[{\"path\":\"/dev/a1\","
								"\"permissions\":\"rw\"}]")
			 END},
		{{"/dev/a0"},
		 "- {name: cam, paths: ['/dev/a*'], mountPath: '/dev/{class}{index}', "
		 "permissions: r}\n",
		 HEAD("0.5.0", "ex.com/cam")
			 DEVICE("a0", "\"deviceNodes\":[{\"path\":\"/dev/cam0\","
				      "\"hostPath\":\"/dev/a0\","
				      "\"permissions\":\"r\"}]") END},
		{{"/dev/0a"},
		 "- {name: cam, paths: ['/dev/0*']}\n",
		 HEAD("0.5.0", "ex.com/cam")
			 DEVICE("0a", "\"deviceNodes\":[{\"path\":\"/dev/0a\","
				      "\"permissions\":\"rw\"}]") END},
		{{"/dev/a0"},
		 "- {name: cam.x, paths: ['/dev/a*']}\n",
		 HEAD("0.6.0", "ex.com/cam.x")
			 DEVICE("a0", "\"deviceNodes\":[{\"path\":\"/dev/a0\","
				      "\"permissions\":\"rw\"}]") END},
		{{"/dev/a0", "/etc/a"},
		 "- {name: cam, groups: [{paths: [{path: /dev/a0}, {path: /etc/a, "
		 "type: Mount, readOnly: true, mountPath: /a}]}],\n"
		 "   mounts: [{hostPath: /lib/x, containerPath: /x}], env: {A: '{id}'}, "
		 "annotations: {b: '{id}'}}\n",
		 HEAD("0.4.0", "ex.com/cam")
			 DEVICE("a0-f79d34e95e",
				"\"deviceNodes\":[{\"path\":\"/dev/a0\","
				"\"permissions\":\"rw\"}],\"mounts\":[" MOUNT(
					"/etc/a", "/a",
					"ro") "]") "],\"containerEdits\":"
						   "{\"mounts\":"
						   "[" MOUNT("/lib/x", "/x", "rw") "]}}"},
		/* The first one in a place wins, as in the kubelet. */
		{{"/dev/a0", "/dev/b0"},
		 "- {name: cam, groups: [{paths: [{path: /dev/a0, mountPath: /dev/x}, "
		 "{path: /dev/b0, mountPath: /dev/x}]}]}\n",
		 HEAD("0.5.0", "ex.com/cam")
			 DEVICE("a0-cfebc80f23", "\"deviceNodes\":[{\"path\":\"/dev/x\","
						 "\"hostPath\":\"/dev/a0\","
						 "\"permissions\":\"rw\"}]") END},
		{{NULL}, "- {name: cam, paths: ['/dev/a*']}\n", "none"},
		{{"/dev/a0"},
		 "- {name: cam, paths: ['/dev/a*'],\n   mounts: "
		 "[{hostPath: /x, containerPath: /dev/a0}]}\n",
		 "none"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *text = mem_printf("domain: ex.com\nclasses:\n%s",
							tests[i].config);
		KUDEV_AUTO(node_free)
		struct node *node = node_new(text, tests[i].files);

		expect_spec(node, tests[i].spec);
	}
}

/* pkg/cdi of container-device-interface takes no link for a node. */
static void a_link_is_followed_to_its_node(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	struct unit_node nodes = {
		.type = NODE_DEVICE,
		.host_path = mem_string("/dev/by-id/x"),
		.root = tree->root,
		.permissions = "rw",
	};
	struct device device = {
		.unit = {.id = mem_string("x"), .nodes = &nodes, .node_count = 1},
	};
	struct device *devices[] = {&device};
	struct config_class config = {.name = mem_string("c"),
				      .resource = mem_string("ex.com/c")};
	const struct inventory_class class = {
		.config = &config, .node_name = "", .devices = devices, .count = 1};
	size_t count = 0;
	char *text;

	(void)state;
	tree_file(tree, "/dev/real", "");
	tree_link(tree, "/dev/by-id/x", "../real");
	text = cdi_spec(&class, &count);
	assert_non_null(strstr(text, "\"hostPath\": \"/dev/real\""));
	free(text);
	/* Unplugged: what it led to is not known. */
	tree_remove(tree, "/dev/real");
	text = cdi_spec(&class, &count);
	assert_int_equal(count, 1);
	assert_null(strstr(text, "hostPath"));
	free(text);
	/* Out of the root. */
	tree_remove(tree, "/dev/by-id/x");
	tree_link(tree, "/dev/by-id/x", "/dev/null");
	text = cdi_spec(&class, &count);
	assert_null(strstr(text, "hostPath"));
	free(text);
	/* Where the root is the machine's. */
	nodes.root = "";
	free(nodes.host_path);
	nodes.host_path = tree_path(tree, "/dev/by-id/x");
	text = cdi_spec(&class, &count);
	assert_non_null(strstr(text, "\"hostPath\": \"/dev/null\""));
	free(text);
	free(nodes.host_path);
	free(device.unit.id);
	free(config.name);
	free(config.resource);
}

static void what_a_spec_cannot_say_has_no_name(void **state)
{
	static const struct {
		const char *id, *path, *root;
		uint64_t type;
		const char *obstacle; /* a word of it; NULL: there is none */
	} tests[] = {
		{"a", "/dev/a", "", S_IFCHR, NULL},
		{"0", "/dev/a", "", S_IFBLK, NULL},
		{"a_b.c:d-e", "/dev/a", "", S_IFCHR, NULL},
		{"a", "/dev/a", "", 0, NULL},
		{"a", "/dev/caf\xc3\xa9 \xf0\x9f\x93\xb7", "", S_IFCHR, NULL},
		{"a", "/dev/a", "/root", S_IFREG, NULL},
		{"a", "/dev/a", "", S_IFREG, "file"},
		{"a", "/dev/a", "/root", S_IFDIR, "directory"},
		{"", "/dev/a", "", S_IFCHR, "ID"},
		{"-a", "/dev/a", "", S_IFCHR, "ID"},
		{"a-", "/dev/a", "", S_IFCHR, "ID"},
		{"/dev/a-0", "/dev/a", "", S_IFCHR, "ID"},
		{"a=b", "/dev/a", "", S_IFCHR, "ID"},
		{"a", "/dev/a\nb", "", S_IFCHR, "character"},
		{"a", "/dev/a\x7f", "", S_IFCHR, "character"},
		{"a", "/dev/\xff", "", S_IFCHR, "character"},
		{"a", "/dev/\xc2\x85", "", S_IFCHR, "character"},
		{"a", "/dev/\xe2\x80\xa8", "", S_IFCHR, "character"},
		{"a", "/dev/\xef\xbb\xbf", "", S_IFCHR, "character"},
		{"a", "/dev/\xef\xbf\xbf", "", S_IFCHR, "character"},
	};
	struct config_class config = {0};
	const struct inventory_class class = {.config = &config, .node_name = ""};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *id = mem_string(tests[i].id);
		KUDEV_AUTO_FREE char *path = mem_string(tests[i].path);
		struct unit_node node = {.type = NODE_DEVICE,
					 .host_path = path,
					 .root = tests[i].root,
					 .identity = {.type = tests[i].type}};
		const struct device device = {
			.unit = {.id = id, .nodes = &node, .node_count = 1}};
		const struct device unseen = {.unit = {.id = id}};
		const char *obstacle = cdi_obstacle(&class, &device);

		if (!tests[i].obstacle)
			assert_null(obstacle);
		else
			assert_non_null(strstr(obstacle, tests[i].obstacle));
		assert_non_null(strstr(cdi_obstacle(&class, &unseen), "not seen"));
	}
}

static void a_mount_that_a_spec_cannot_say_costs_the_class_its_names(void **state)
{
	static const char *const files[] = {"/dev/a0", NULL};
	KUDEV_AUTO(node_free)
	struct node *node = node_new("domain: ex.com\nclasses:\n- name: cam\n"
				     "  paths: ['/dev/a*']\n  mounts: [{hostPath: "
				     "\"/\\u2028\", containerPath: /x}]\n",
				     files);
	const struct inventory_class *class = inventory_class_at(node->inventory, 0);

	(void)state;
	expect_spec(node, "none");
	assert_non_null(strstr(cdi_obstacle(class, class->devices[0]), "mount"));
}

/* Health does not change a spec; devices and what their nodes are do. */
static void the_fingerprint_changes_with_the_spec_alone(void **state)
{
	static const char *const files[] = {"/dev/a0", "/dev/a1", NULL};
	KUDEV_AUTO(node_free)
	struct node *node = node_new("domain: ex.com\nclasses:\n"
				     "- {name: cam, paths: ['/dev/a*']}\n",
				     files);
	struct inventory_class *class = inventory_class_at(node->inventory, 0);
	uint64_t both = cdi_fingerprint(class);
	uint64_t three;

	(void)state;
	tree_rename(node->tree, "/dev/a0", "/dev/old");
	node_scan(node);
	assert_false(class->devices[0]->healthy);
	assert_true(cdi_fingerprint(class) == both);
	tree_rename(node->tree, "/dev/old", "/dev/a0");
	node_scan(node);
	assert_true(class->devices[0]->healthy);
	assert_true(cdi_fingerprint(class) == both);
	tree_file(node->tree, "/dev/a2", "");
	node_scan(node);
	three = cdi_fingerprint(class);
	assert_true(three != both);
	tree_rename(node->tree, "/dev/a2", "/dev/old");
	tree_file(node->tree, "/dev/a2", "");
	node_scan(node);
	assert_true(cdi_fingerprint(class) != three);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_spec_says_what_allocate_does_in_the_lowest_version),
		cmocka_unit_test(a_link_is_followed_to_its_node),
		cmocka_unit_test(what_a_spec_cannot_say_has_no_name),
		cmocka_unit_test(
			a_mount_that_a_spec_cannot_say_costs_the_class_its_names),
		cmocka_unit_test(the_fingerprint_changes_with_the_spec_alone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
