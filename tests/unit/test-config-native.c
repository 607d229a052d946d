/* SPDX-License-Identifier: Apache-2.0 */
#include "config/class.h"
#include "config/native.h"
#include "test-config.h"

/* A sound class, to which the text of a case is added, and its parts. */
#define CLASS "classes:\n- name: a\n  paths: [/dev/a]\n"
#define GROUP(paths) "classes:\n- name: a\n  groups:\n  - paths:\n    - " paths "\n"
#define BARE "classes:\n- name: a\n"

static void top_level_keys_are_strict(void **state)
{
	static const struct parse_case tests[] = {
		{CLASS, NULL},
		{"domain: ex.com\nlisten: none\nlogLevel: all\nlogFormat: text\n" CLASS,
		 NULL},
		{"domian: ex.com\n" CLASS,
		 "t:1:1: unknown key \"domian\"; did you mean \"domain\"?\n"},
		{"xyz: 1\n" CLASS, "t:1:1: unknown key \"xyz\"\n"},
		{"domain: a.b\ndomain: c.d\n" CLASS,
		 "t:2:1: duplicate key \"domain\", first at 1:1\n"},
		{"domain: Ex.com\n" CLASS,
		 "t:1:9: domain: \"Ex.com\" is no domain: it may hold lower-case letters, digits, "
		 "- and . only\n"},
		{"domain: x.kubernetes.io\n" CLASS,
		 "t:1:9: domain: \"x.kubernetes.io\" ends with \"kubernetes.io\", which "
		 "Kubernetes reserves\n"},
		{"domain:\n" CLASS, "t:1:8: domain: has no value\n"},
		{"domain: ~\n" CLASS, "t:1:9: domain: has no value\n"},
		{"domain: \"\"\n" CLASS,
		 "t:1:9: domain: \"\" is no domain: it is empty\n"},
		{"domain: [a]\n" CLASS, "t:1:9: domain: expected a text, got a list\n"},
		{"domain: {a: b}\n" CLASS,
		 "t:1:9: domain: expected a text, got a mapping\n"},
		{"holderMetrics: false\n" CLASS, NULL},
		{"holderMetrics: \"false\"\n" CLASS,
		 "t:1:16: holderMetrics: expected true or false, got the text \"false\"; "
		 "remove the quotes\n"},
		{"logLevel: loud\n" CLASS,
		 "t:1:11: logLevel: must be debug, info, warn, error, "
		 "none or all, not \"loud\"\n"},
		{"logFormat: xml\n" CLASS,
		 "t:1:12: logFormat: must be json or text, not \"xml\"\n"},
		{"pluginDirectory: run/x\n" CLASS,
		 "t:1:18: pluginDirectory: \"run/x\" is not an absolute path: it must begin "
		 "with /\n"},
		{"pluginDirectory: "
		 "/12345678901234567890123456789012345678901234567890123456789012345678901\n" CLASS,
		 "t:1:18: pluginDirectory: the path has 72 bytes, 70 at most are allowed, because "
		 "the path of a socket in it must fit the 108 bytes that unix(7) gives it\n"},
		{"podResources: run/x\n" CLASS,
		 "t:1:15: podResources: \"run/x\" is not an absolute path: it must begin with "
		 "/\n"},
		{"podResources: \"\"\n" CLASS,
		 "t:1:15: podResources: the path is empty\n"},
		{"forgetAfter: 10\n" CLASS,
		 "t:1:14: forgetAfter: \"10\" is no time: write a whole number and ms, s, m or "
		 "h, as in 30s\n"},
		{"forgetAfter: 500ms\n" CLASS,
		 "t:1:14: forgetAfter: must be 1000ms to 604800s, not 500ms\n"},
		{"cdiDirectory: run/cdi\n" CLASS,
		 "t:1:15: cdiDirectory: \"run/cdi\" is not an absolute path: it must begin "
		 "with /\n"},
		{"classes: {}\n", "t:1:10: classes: expected a list, got a mapping\n"},
		{"classes: [a]\n", "t:1:11: classes: expected a mapping, got \"a\"\n"},
		{"domian: a\n",
		 "t:1:1: unknown key \"domian\"; did you mean \"domain\"?\n"
		 "t:1:1: no classes: the key \"classes\" is missing\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
	/* Lenience is for squat's grammar alone. */
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), true);
}

static void listen_is_an_address_or_nothing(void **state)
{
	static const struct {
		const char *text, *expected; /* the error if it does not begin with '=' */
	} tests[] = {
		{"\":8080\"", "=:8080"},
		{"127.0.0.1:80", "=127.0.0.1:80"},
		{"localhost:1", "=localhost:1"},
		{"\"[::1]:65535\"", "=[::1]:65535"},
		{"\"\"", "=none"},
		{"none", "=none"},
		{"unix:/run/kudev.sock", "=unix:/run/kudev.sock"},
		{"8080",
		 "t:1:9: listen: \"8080\" has no port: write host:port, :port or none\n"},
		{"a:0", "t:1:9: listen: \"a:0\" has no port from 1 to 65535\n"},
		{"a:65536", "t:1:9: listen: \"a:65536\" has no port from 1 to 65535\n"},
		{"a:8o", "t:1:9: listen: \"a:8o\" has no port from 1 to 65535\n"},
		{"\"a:\"", "t:1:9: listen: \"a:\" has no port from 1 to 65535\n"},
		{"1.2.3:80",
		 "t:1:9: listen: \"1.2.3:80\" has no host name or IPv4 address before "
		 "the colon\n"},
		{"a_b:80",
		 "t:1:9: listen: \"a_b:80\" has no host name or IPv4 address before the colon\n"},
		{"::1:80", "t:1:9: listen: \"::1:80\" has more than one colon: write "
			   "[address]:port for IPv6\n"},
		{"\"[::1\"", "t:1:9: listen: \"[::1\" has no ] behind the address\n"},
		{"\"[::x]:1\"",
		 "t:1:9: listen: \"[::x]:1\" holds no IPv6 address between [ and ]\n"},
		{"\"[::1]\"",
		 "t:1:9: listen: \"[::1]\" has no port: write [address]:port\n"},
		{"\"[::1]:x\"",
		 "t:1:9: listen: \"[::1]:x\" has no port from 1 to 65535\n"},
		{"unix:x",
		 "t:1:9: listen: \"x\" is not an absolute path: it must begin with /\n"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *text = mem_printf("listen: %s\n" CLASS,
							tests[i].text);
		KUDEV_AUTO(config_free) struct config *config = NULL;

		if (tests[i].expected[0] != '=') {
			check_parse(&(struct parse_case){text, tests[i].expected}, false);
			continue;
		}
		config = parse_good(text);
		assert_string_equal(config->listen, tests[i].expected + 1);
	}
}

static void numbers_and_booleans_are_strict(void **state)
{
	static const struct parse_case tests[] = {
		{CLASS "  share: 1000\n", NULL},
		{CLASS "  share: two\n",
		 "t:4:10: share: expected a whole number, got \"two\"\n"},
		{CLASS "  share: 0x10\n",
		 "t:4:10: share: expected a whole number, got \"0x10\"; "
		 "write it in decimal\n"},
		{CLASS "  share: 0o7\n",
		 "t:4:10: share: expected a whole number, got \"0o7\"; "
		 "write it in decimal\n"},
		{CLASS "  share: 010\n",
		 "t:4:10: share: expected a whole number, got \"010\"; "
		 "write it without a leading zero\n"},
		{CLASS "  share: \"3\"\n",
		 "t:4:10: share: expected a whole number, got the text "
		 "\"3\"; remove the quotes\n"},
		{CLASS "  share: 2.5\n",
		 "t:4:10: share: expected a whole number, got \"2.5\"\n"},
		{CLASS "  share: 1e3\n",
		 "t:4:10: share: expected a whole number, got \"1e3\"\n"},
		{CLASS "  share: 1_0\n",
		 "t:4:10: share: expected a whole number, got \"1_0\"\n"},
		{CLASS "  share: +5\n",
		 "t:4:10: share: expected a whole number, got \"+5\"\n"},
		{CLASS "  share: 5 x\n",
		 "t:4:10: share: expected a whole number, got \"5 x\"\n"},
		{CLASS "  share: 0\n", "t:4:10: share: must be 1 to 1000, not 0\n"},
		{CLASS "  share: -1\n", "t:4:10: share: must be 1 to 1000, not -1\n"},
		{CLASS "  share: 1001\n", "t:4:10: share: must be 1 to 1000, not 1001\n"},
		{CLASS "  share: 18446744073709551617\n",
		 "t:4:10: share: must be 1 to 1000, not 18446744073709551617\n"},
		{CLASS "  share: [1]\n",
		 "t:4:10: share: expected a whole number, got a list\n"},
		{GROUP("{path: /dev/a, optional: true}"), NULL},
		{GROUP("{path: /dev/a, optional: yes}"),
		 "t:5:32: optional: expected true or false, got \"yes\"; write true\n"},
		{GROUP("{path: /dev/a, optional: True}"),
		 "t:5:32: optional: expected true or false, got \"True\"; write true\n"},
		{GROUP("{path: /dev/a, optional: off}"),
		 "t:5:32: optional: expected true or false, got \"off\"; write false\n"},
		{GROUP("{path: /dev/a, optional: maybe}"),
		 "t:5:32: optional: expected true or false, got \"maybe\"\n"},
		{GROUP("{path: /dev/a, optional: \"true\"}"),
		 "t:5:32: optional: expected true or false, got the text \"true\"; remove the "
		 "quotes\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

static void a_class_has_one_source(void **state)
{
	static const struct parse_case tests[] = {
		{BARE,
		 "t:2:3: the class has no devices: give paths, groups, match, simulate or "
		 "v4l2loopback\n"},
		{BARE "  paths: [/dev/a]\n  simulate: {count: 1}\n",
		 "t:4:3: a class has one source, but both \"paths\" (at 3:3) and \"simulate\" "
		 "(at 4:3) are given\n"},
		{BARE "  paths: []\n", "t:3:10: paths: the list is empty\n"},
		{BARE "  paths: /dev/a\n",
		 "t:3:10: paths: expected a list, got \"/dev/a\"\n"},
		{BARE "  groups: []\n", "t:3:11: groups: the list is empty\n"},
		{BARE "  match: [{subsystem: tty}]\n", NULL},
		{BARE "  v4l2loopback: {count: 8}\n", NULL},
		{BARE "  v4l2loopback: {}\n  match: [{subsystem: tty}]\n",
		 "t:3:3: a class has one source, but both \"match\" (at 4:3) and "
		 "\"v4l2loopback\" (at 3:3) are given\n"},
		{CLASS "  cdi: {write: true}\n", NULL},
		{CLASS "  cdi: {write: false}\n  resource: 3com.com/3\n", NULL},
		{CLASS "  cdi: {write: yes}\n",
		 "t:4:16: write: expected true or false, got \"yes\"; write true\n"},
		{CLASS "  cdi: true\n", "t:4:8: cdi: expected a mapping, got \"true\"\n"},
		{CLASS "  cdi: {}\n", "t:4:8: the key \"write\" is missing\n"},
		{CLASS "  cdi: {writes: true}\n",
		 "t:4:8: the key \"write\" is missing\n"
		 "t:4:9: unknown key \"writes\"; did you mean \"write\"?\n"},
		{CLASS "  cdi: {write: true}\n  resource: a.b/3d\n",
		 "t:2:3: cdi: \"a.b/3d\" is no kind of CDI devices: it must begin with a "
		 "letter, before the / and behind it\n"},
		{CLASS "  identity: serial\n  together: parent\n",
		 "t:4:3: identity: is for classes with match; the devices of this one are "
		 "known by their paths\n"
		 "t:5:3: together: is for classes with match; the devices of this one are "
		 "known by their paths\n"},
		{"classes:\n- paths: [/dev/a]\n", "t:2:3: the key \"name\" is missing\n"},
		{"classes:\n- name: a/b\n  paths: [/dev/a]\n",
		 "t:2:9: name: \"a/b\" is no name: it may hold letters, digits, -, _ and . only\n"},
		{CLASS "  resource: foo\n",
		 "t:4:13: resource: \"foo\" is no resource name: write domain/name\n"},
		{CLASS "- name: a\n  paths: [/dev/b]\n",
		 "t:4:3: two classes have the name \"a\", the first is at 2:3\n"},
		{CLASS "- name: b\n  resource: kudev.io/a\n  paths: [/dev/b]\n",
		 "t:4:3: two classes have the resource \"kudev.io/a\", the first is at 2:3\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

static void groups_are_checked(void **state)
{
	static const struct parse_case tests[] = {
		{GROUP("{path: dev/a}"),
		 "t:5:14: path: \"dev/a\" is not an absolute path: it must begin with /\n"},
		{GROUP("{path: \"/dev/[a\"}"),
		 "t:5:14: path: bad pattern \"/dev/[a\" at character 8: the set that [ opens is "
		 "not closed\n"},
		{GROUP("{}"), "t:5:7: the key \"path\" is missing\n"},
		{GROUP("/dev/a"), "t:5:7: paths: expected a mapping, got \"/dev/a\"\n"},
		{GROUP("{path: /dev/a, type: device}"),
		 "t:5:28: type: must be Device or Mount, not \"device\"\n"},
		{GROUP("{path: /dev/a, permissions: rwx}"),
		 "t:5:35: permissions: \"rwx\" is no set of permissions: write some of r, w and m, "
		 "each once\n"},
		{GROUP("{path: /dev/a, permissions: rr}"),
		 "t:5:35: permissions: \"rr\" is no set of permissions: write some of r, w and m, "
		 "each once\n"},
		{GROUP("{path: /dev/a, permissions: \"\"}"),
		 "t:5:35: permissions: \"\" is no set of permissions: it is empty\n"},
		{GROUP("{path: /dev/a, type: Mount, permissions: r}"),
		 "t:5:35: permissions: is for type Device; a Mount has readOnly\n"},
		{GROUP("{path: /dev/a, readOnly: true}"),
		 "t:5:22: readOnly: is for type Mount; a Device has permissions\n"},
		{GROUP("{path: /dev/a, limit: 0}"),
		 "t:5:29: limit: must be 1 to 1000000, not 0\n"},
		{GROUP("{path: /dev/a, mountPath: x}"),
		 "t:5:33: mountPath: \"x\" is not an absolute path: it must begin with /\n"},
		{GROUP("{path: /dev/a, mountPath: /x/../y}"),
		 "t:5:33: mountPath: \"/x/../y\" holds \"..\": write the path without it\n"},
		{GROUP("{path: /dev/a, mountPath: \"/x/{path}\"}"),
		 "t:5:33: mountPath: variable {path} at character 4 cannot be used here; "
		 "available: id, index, class, resource and node\n"},
		{GROUP("{path: /dev/a, limitt: 1}"),
		 "t:5:22: unknown key \"limitt\"; did you mean \"limit\"?\n"},
		{BARE "  groups: [{}]\n",
		 "t:3:12: the group has no devices: give paths or usb\n"},
		{BARE
		 "  groups:\n  - usb: [{vendor: 1, product: 2}]\n    paths: [{path: /a}]\n",
		 "t:5:5: a group has paths or usb, not both: make two groups\n"},
		{BARE "  groups: [{usb: [{vendor: 1}]}]\n",
		 "t:3:19: the key \"product\" is missing\n"},
		{BARE "  groups: [{count: 1001, usb: [{vendor: 1, product: 2}]}]\n",
		 "t:3:20: count: must be 1 to 1000, not 1001\n"},
		{GROUP("{path: /dev/a}") "  mountPath: /dev/x\n",
		 "t:6:3: mountPath: belongs to each path of the groups\n"},
		{GROUP("{path: /dev/a}") "    count: 2\n  share: 3\n",
		 "t:7:3: share: a group of this class has a count; say either share or count\n"},
		{GROUP("{path: /dev/a}") "    count: 1\n  share: 3\n", NULL},
		{GROUP("{path: /dev/a}") "    count: 2\n  share: 1\n", NULL},
		{BARE "  paths: [\"/dev/**\"]\n",
		 "t:3:11: paths: bad pattern \"/dev/**\" at character 6: ** is not supported; * "
		 "matches within one directory, write /*/ for each level\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

static void env_annotations_and_mounts_are_checked(void **state)
{
	static const struct parse_case tests[] = {
		{CLASS
		 "  env: {A: \"{id}\", B_0: x, A_x: y, A_: z, C: \"{ids}\", C_0: c}\n",
		 NULL},
		{CLASS "  env: {}\n  annotations: {}\n  mounts: []\n", NULL},
		{CLASS "  env: {E: \"\"}\n", NULL},
		{CLASS "  env: [a]\n", "t:4:8: env: expected a mapping, got a list\n"},
		{CLASS "  env: {1A: x}\n",
		 "t:4:9: env: \"1A\" is no environment variable: it begins with a digit\n"},
		{CLASS "  env: {A: }\n", "t:4:12: A: has no value\n"},
		{CLASS "  env: {A: [x]}\n", "t:4:12: A: expected a text, got a list\n"},
		{CLASS "  env: {[a]: x}\n", "t:4:9: env: a key must be a text\n"},
		{CLASS "  env: {A: x, A: y}\n",
		 "t:4:15: duplicate key \"A\", first at 4:9\n"},
		{CLASS "  env: {A: \"{idd}\"}\n",
		 "t:4:12: A: unknown variable \"idd\" at character 1 (did you mean {id}?); "
		 "available here: id, path, index, count, class, resource, node, ids, paths and "
		 "time\n"},
		{CLASS "  env: {A: \"{path}\", A_0: x, A_12: y}\n",
		 "t:4:22: A_0: kudev sets this one itself, because A differs between devices\n"
		 "t:4:30: A_12: kudev sets this one itself, because A differs between devices\n"},
		{CLASS "  annotations: {Ex.com/A: \"{time}\"}\n", NULL},
		{CLASS "  annotations: {a/b/c: x}\n",
		 "t:4:17: annotations: \"a/b/c\" is no annotation: it has more than one /\n"},
		{CLASS "  annotations: {e.x/a: \"{index}\", e.x/a_1: x}\n", NULL},
		{CLASS "  mounts: [{hostPath: lib, containerPath: /lib/../x}]\n",
		 "t:4:23: hostPath: \"lib\" is not an absolute path: it must begin with /\n"
		 "t:4:43: containerPath: \"/lib/../x\" holds \"..\": write the path without it\n"},
		{CLASS "  mounts: [{hostPath: /a}]\n",
		 "t:4:12: the key \"containerPath\" is missing\n"},
		{CLASS "  mounts:\n  - {hostPath: /a, containerPath: /x}\n"
		       "  - {hostPath: /b, containerPath: /x/}\n",
		 "t:6:5: two mounts have the containerPath /x, the first is at 5:5\n"},
		{CLASS "  preferred: Numa\n",
		 "t:4:14: preferred: must be none, numa, packed or spread, not \"Numa\"\n"},
		{CLASS "  permissions: rwm\n", NULL},
		{CLASS "  permissions: 666\n",
		 "t:4:16: permissions: \"666\" is no set of permissions: write some of r, w and m, "
		 "each once\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

static void simulate_is_bounded(void **state)
{
	static const struct parse_case tests[] = {
		{BARE "  simulate: {count: 100000}\n", NULL},
		{BARE "  simulate: {count: 0}\n",
		 "t:3:21: count: must be 1 to 100000, not 0\n"},
		{BARE "  simulate: {count: 100001}\n",
		 "t:3:21: count: must be 1 to 100000, not 100001\n"},
		{BARE "  simulate: {}\n", "t:3:13: the key \"count\" is missing\n"},
		{BARE "  simulate: 4\n",
		 "t:3:13: simulate: expected a mapping, got \"4\"\n"},
		{BARE "  simulate: {count: 1, numaNodes: 65}\n",
		 "t:3:35: numaNodes: must be 0 to 64, not 65\n"},
		{BARE "  simulate: {count: 1, directory: x}\n",
		 "t:3:35: directory: \"x\" is not an absolute path: it must begin with /\n"},
		{BARE "  simulate: {count: 100000}\n  share: 1000\n",
		 "t:3:3: simulate: a list of 100000 devices for 1000 containers each would not "
		 "fit the 4 MiB of a gRPC message; lower count or share\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

/* Against sizes counted by hand: {1: "a-0", 2: "Unhealthy", 3: {1: {1: 1}}}. */
static void the_size_of_a_list_is_that_of_its_message(void **state)
{
	static const struct {
		unsigned count, share, numa_nodes;
		uint64_t size;
	} tests[] = {
		{1, 1, 0, 2 + (2 + 3) + 11},
		{1, 1, 1, 2 + (2 + 3) + 11 + 6},
		{10, 1, 0, 10 * (2 + 5 + 11)},
		{12, 1, 0, 10 * (2 + 5 + 11) + 2 * (2 + 6 + 11)},
		{1, 2, 0, 2 * (2 + (2 + 5) + 11)},
		{11, 11, 0,
		 100 * (2 + 7 + 11) + 10 * (2 + 8 + 11) + 10 * (2 + 8 + 11) +
			 (2 + 9 + 11)},
	};
	char name[] = "a";

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		const struct config_class class = {
			.name = name,
			.share = tests[i].share,
			.simulate = {.count = tests[i].count,
				     .numa_nodes = tests[i].numa_nodes},
		};

		assert_int_equal(class_list_size(&class), tests[i].size);
	}
}

static void defaults_are_those_of_the_manual(void **state)
{
	KUDEV_AUTO(config_free) struct config *config = parse_good(CLASS);
	const struct config_class *class = &config->classes[0];
	const struct config_path *path = &class->groups[0].paths[0];

	(void)state;
	assert_string_equal(config->domain, "kudev.io");
	assert_string_equal(config->plugin_directory, CONFIG_PLUGIN_DIRECTORY);
	assert_string_equal(config->pod_resources, CONFIG_POD_RESOURCES);
	assert_int_equal(config->forget_after_ms, 600000);
	assert_string_equal(config->cdi_directory, CONFIG_CDI_DIRECTORY);
	assert_false(config->classes[0].cdi.write);
	assert_string_equal(config->listen, ":8080");
	assert_true(config->holder_metrics);
	assert_int_equal(config->log_level, LOG_LEVEL_INFO);
	assert_int_equal(config->log_format, LOG_FORMAT_JSON);
	assert_string_equal(config->root, "");
	assert_string_equal(config->node_name, "");
	assert_int_equal(config->class_count, 1);

	assert_string_equal(class->name, "a");
	assert_string_equal(class->resource, "kudev.io/a");
	assert_int_equal(class->source, CONFIG_SOURCE_GROUPS);
	assert_int_equal(class->ids, CONFIG_IDS_READABLE);
	assert_int_equal(class->share, 1);
	assert_false(class->shares_nodes);
	assert_int_equal(class->preferred, CONFIG_PREFERRED_NONE);
	assert_string_equal(class->file, TEST_FILE);
	assert_int_equal(class->line, 2);
	assert_int_equal(class->column, 3);

	assert_string_equal(path->pattern, "/dev/a");
	assert_string_equal(path->permissions, "rw");
	assert_int_equal(path->type, CONFIG_PATH_DEVICE);
	assert_int_equal(path->limit, 1);
	assert_null(path->mount_path);
}

static void paths_are_groups_of_one(void **state)
{
	KUDEV_AUTO(config_free)
	struct config *config = parse_good(
		BARE "  paths: [\"/dev/ttyUSB*\", /dev//x/]\n"
		     "  share: 4\n  mountPath: \"/dev/{class}/\"\n  permissions: rwm\n");
	const struct config_class *class = &config->classes[0];

	(void)state;
	assert_int_equal(class->group_count, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct config_group *group = &class->groups[i];

		assert_int_equal(group->path_count, 1);
		assert_int_equal(group->count, 4);
		assert_string_equal(group->paths[0].permissions, "rwm");
		assert_string_equal(template_text(group->paths[0].mount_path),
				    "/dev/{class}/");
	}
	assert_string_equal(class->groups[1].paths[0].pattern, "/dev/x");
	assert_int_equal(class->share, 4);
	assert_true(class->shares_nodes);
}

static void groups_keep_what_their_paths_say(void **state)
{
	KUDEV_AUTO(config_free)
	struct config *config = parse_good(
		BARE "  permissions: r\n"
		     "  groups:\n"
		     "  - count: 3\n"
		     "    paths:\n"
		     "    - {path: /dev/a}\n"
		     "    - {path: /dev/b, permissions: wm, limit: 10, optional: true}\n"
		     "    - {path: /etc/c, type: Mount, readOnly: true, mountPath: /x/}\n"
		     "  - usb: [{vendor: 0407, product: \"0x1A86\", serial: 51}]\n");
	const struct config_class *class = &config->classes[0];
	const struct config_path *paths = class->groups[0].paths;
	const struct config_usb *usb = class->groups[1].usb;

	(void)state;
	assert_int_equal(class->group_count, 2);
	assert_int_equal(class->groups[0].count, 3);
	assert_string_equal(paths[0].permissions, "r");
	assert_string_equal(paths[1].permissions, "wm");
	assert_int_equal(paths[1].limit, 10);
	assert_true(paths[1].optional);
	assert_int_equal(paths[2].type, CONFIG_PATH_MOUNT);
	assert_true(paths[2].read_only);
	assert_string_equal(template_text(paths[2].mount_path), "/x/");
	assert_int_equal(usb->vendor, 0x0407);
	assert_int_equal(usb->product, 0x1a86);
	assert_string_equal(usb->serial, "51");
}

static void a_simulated_class_is_complete(void **state)
{
	KUDEV_AUTO(config_free)
	struct config *config = parse_good(
		"domain: ex.com\n" BARE "  resource: hashfoundry.com/custom\n"
		"  simulate: {count: 4, numaNodes: 2}\n"
		"  share: 2\n"
		"  mountPath: \"/dev/acc{index}\"\n"
		"  env: {ID: \"{id}\"}\n"
		"  annotations: {hashfoundry.com/ids: \"{ids}\"}\n"
		"  mounts: [{hostPath: /usr//lib, containerPath: /lib/, readOnly: true}]\n"
		"  preferred: numa\n");
	const struct config_class *class = &config->classes[0];

	(void)state;
	assert_int_equal(class->source, CONFIG_SOURCE_SIMULATE);
	assert_string_equal(class->resource, "hashfoundry.com/custom");
	assert_int_equal(class->simulate.count, 4);
	assert_int_equal(class->simulate.numa_nodes, 2);
	assert_string_equal(class->simulate.directory, CONFIG_SIMULATE_DIRECTORY);
	assert_int_equal(class->share, 2);
	assert_string_equal(class->permissions, "rw");
	assert_string_equal(template_text(class->mount_path), "/dev/acc{index}");
	assert_string_equal(class->env[0].key, "ID");
	assert_string_equal(template_text(class->env[0].value), "{id}");
	assert_string_equal(class->annotations[0].key, "hashfoundry.com/ids");
	assert_string_equal(class->mounts[0].host_path, "/usr/lib");
	assert_string_equal(class->mounts[0].container_path, "/lib");
	assert_true(class->mounts[0].read_only);
	assert_int_equal(class->preferred, CONFIG_PREFERRED_NUMA);
}

static void check_table(const struct field *fields)
{
	size_t count = 0;

	for (; fields && fields->key; fields++, count++) {
		assert_non_null(fields->type);
		assert_non_null(fields->help);
		check_table(fields->fields);
		/* A "not" has the conditions of what it is in. */
		if (fields->item && strcmp(fields->key, "not") != 0)
			check_table(fields->item->fields);
	}
	assert_true(count <= FIELDS_MAX);
}

/* Each condition alone, as one entry of a class. */
#define MATCH(conditions) BARE "  match:\n  - " conditions "\n"

static void conditions_are_strict(void **state)
{
	static const struct parse_case tests[] = {
		{MATCH("{subsystem: [tty, video4linux], driver: cdc_*, tags: [systemd]}"),
		 NULL},
		{MATCH("{usb: {vendor: 0x10C4, product: ea60, serial: '*'}}"), NULL},
		{MATCH("{subsystem: tty, not: {kernel: ttyS*}}"), NULL},
		{MATCH("{subsystem: tty, not: [{kernel: ttyS*}, {driver: x, not: {tags: "
		       "t}}]}"),
		 NULL},
		{MATCH("{properties: {ID_MODEL: [a*, 1]}, attributes: {power/control: on}}"),
		 NULL},
		{BARE "  match: []\n", "t:3:10: match: the list is empty\n"},
		{MATCH("{}"),
		 "t:4:5: match: an entry without conditions would match every "
		 "device\n"},
		{MATCH("{not: {kernel: a}}"),
		 "t:4:5: match: only \"not\" is given; say as well what it should be, such "
		 "as the subsystem\n"},
		{MATCH("{subsystem: tty, not: {}}"),
		 "t:4:27: not: an entry without conditions would match every device\n"},
		{MATCH("{subsystem: tty, not: []}"), "t:4:27: not: the list is empty\n"},
		{MATCH("&e {subsystem: tty, not: *e}"),
		 "t:4:5: not: is nested too deeply\n"
		 "t:4:20: subsystem: is nested too deeply\n"},
		{MATCH("{subsytem: tty}"),
		 "t:4:6: unknown key \"subsytem\"; did you mean \"subsystem\"?\n"},
		{MATCH("{subsystem: }"), "t:4:17: subsystem: has no value\n"},
		{MATCH("{subsystem: []}"),
		 "t:4:17: subsystem: a list has 1 to 250 items, not 0\n"},
		{MATCH("{subsystem: [{a: b}]}"),
		 "t:4:18: subsystem: expected a glob or a list of them, got a mapping\n"},
		{MATCH("{kernel: 'tty[S'}"),
		 "t:4:14: kernel: bad pattern \"tty[S\" at character 6: the set that [ opens is not "
		 "closed\n"},
		{MATCH("{kernel: /dev/ttyS0}"),
		 "t:4:14: kernel: is the kernel's name for the device, without /dev/\n"},
		{MATCH("{kernel: ''}"),
		 "t:4:14: kernel: is empty: nothing would ever match\n"},
		{MATCH("{usb: {}}"),
		 "t:4:11: usb: give at least one of vendor, product and serial\n"},
		{MATCH("{usb: {vendor: 12345}}"),
		 "t:4:20: vendor: expected up to four hexadecimal digits, as lsusb prints "
		 "them, or a glob, got \"12345\"\n"},
		{MATCH("{usb: {vendor: -1}}"),
		 "t:4:20: vendor: expected up to four hexadecimal digits, as lsusb prints "
		 "them, or a glob, got \"-1\"\n"},
		{MATCH("{properties: {}}"), "t:4:18: properties: has no keys\n"},
		{MATCH("{subsystem: tty, attributes: {}}"),
		 "t:4:34: attributes: has no keys\n"},
		{MATCH("{usb: {vendor: FTDI}}"),
		 "t:4:20: vendor: expected up to four hexadecimal digits, as lsusb prints "
		 "them, or a glob, got \"FTDI\"\n"},
		{MATCH("{properties: {'A=b': c}}"),
		 "t:4:19: properties: \"A=b\" is no name of a udev property\n"},
		{MATCH("{attributes: {../x: c}}"),
		 "t:4:19: attributes: \"../x\" is no attribute: give its name below the "
		 "device's directory in /sys, such as power/control\n"},
		{MATCH("{attributes: {/sys/x: c}}"),
		 "t:4:19: attributes: \"/sys/x\" is no attribute: give its name below the "
		 "device's directory in /sys, such as power/control\n"},
		{BARE
		 "  match: [{subsystem: tty}]\n  together: parent\n  mountPath: /dev/x\n",
		 "t:5:3: mountPath: several nodes are handed out together; name a directory, "
		 "with a / at the end\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

static void conditions_are_kept_as_sysfs_has_them(void **state)
{
	KUDEV_AUTO(config_free)
	struct config *config = parse_good(
		MATCH("{usb: {vendor: [0x10C4, 42], product: EA*}, not: {driver: "
		      "a}}") "  identity: port\n  together: parent\n");
	const struct config_class *class = &config->classes[0];
	const struct config_match *match = &class->matches[0];

	(void)state;
	assert_int_equal(class->source, CONFIG_SOURCE_MATCH);
	assert_int_equal(class->identity, CONFIG_IDENTITY_PORT);
	assert_int_equal(class->together, CONFIG_TOGETHER_PARENT);
	assert_int_equal(match->usb_vendor.count, 2);
	assert_string_equal(match->usb_vendor.items[0], "10c4");
	assert_string_equal(match->usb_vendor.items[1], "0042");
	assert_string_equal(match->usb_product.items[0], "ea*");
	assert_int_equal(match->not_count, 1);
	assert_string_equal(match->not [0].driver.items[0], "a");
}

static void health_is_strict(void **state)
{
	static const struct parse_case tests[] = {
		{CLASS "  health: {open: true}\n", NULL},
		{CLASS
		 "  health: {attributes: {a: {equals: [x, y], notEquals: z, min: -2.5, "
		 "max: 1e3, regex: '^[0-9]+$'}}}\n",
		 NULL},
		{CLASS "  health: {}\n",
		 "t:4:11: health: checks nothing; give open: true or attributes\n"},
		{CLASS "  health: {attributes: {}}\n",
		 "t:4:11: health: checks nothing; give open: true or attributes\n"},
		{CLASS "  health: {attributes: {a: {regex: '(a)\\1'}}}\n",
		 "t:4:36: regex: back-references are not allowed\n"},
		{CLASS "  health: {attributes: {a: {regex: '(a{1,255}){1,255}'}}}\n",
		 "t:4:36: regex: has more than one {}\n"},
		{CLASS "  health: {open: false}\n",
		 "t:4:11: health: checks nothing; give open: true or attributes\n"},
		{CLASS "  health: {open: true, interval: 30}\n",
		 "t:4:34: interval: \"30\" is no time: write a whole number and ms, s, m or "
		 "h, as in 30s\n"},
		{CLASS "  health: {open: true, interval: 1ms}\n",
		 "t:4:34: interval: must be 100ms to 86400s, not 1ms\n"},
		{CLASS "  health: {open: true, timeout: 2h}\n",
		 "t:4:33: timeout: must be 10ms to 60s, not 2h\n"},
		{CLASS "  health: {open: true, failureThreshold: 0}\n",
		 "t:4:42: failureThreshold: must be 1 to 100, not 0\n"},
		{CLASS "  health: {attributes: {a: {}}}\n",
		 "t:4:28: a: says nothing; give equals, notEquals, min, max or regex\n"},
		{CLASS "  health: {attributes: {a: online}}\n",
		 "t:4:28: a: expected a mapping, got \"online\"\n"},
		{CLASS "  health: {attributes: {a: {min: 3, max: 2}}}\n",
		 "t:4:29: min: is greater than max\n"},
		{CLASS "  health: {attributes: {a: {min: '3'}}}\n",
		 "t:4:34: min: expected a number, got the text \"3\"; remove the quotes\n"},
		{CLASS "  health: {attributes: {a: {min: nan}}}\n",
		 "t:4:34: min: \"nan\" is no number\n"},
		{CLASS "  health: {attributes: {a: {regex: '('}}}\n",
		 "t:4:36: regex: is no extended regular expression: Unmatched ( or \\(\n"},
	};

	(void)state;
	check_parses(tests, KUDEV_ARRAY_SIZE(tests), false);
}

static void every_key_has_a_type_and_a_line_of_help(void **state)
{
	(void)state;
	check_table(native_fields);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(top_level_keys_are_strict),
		cmocka_unit_test(listen_is_an_address_or_nothing),
		cmocka_unit_test(numbers_and_booleans_are_strict),
		cmocka_unit_test(a_class_has_one_source),
		cmocka_unit_test(groups_are_checked),
		cmocka_unit_test(env_annotations_and_mounts_are_checked),
		cmocka_unit_test(simulate_is_bounded),
		cmocka_unit_test(the_size_of_a_list_is_that_of_its_message),
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(paths_are_groups_of_one),
		cmocka_unit_test(groups_keep_what_their_paths_say),
		cmocka_unit_test(a_simulated_class_is_complete),
		cmocka_unit_test(conditions_are_strict),
		cmocka_unit_test(conditions_are_kept_as_sysfs_has_them),
		cmocka_unit_test(health_is_strict),
		cmocka_unit_test(every_key_has_a_type_and_a_line_of_help),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
