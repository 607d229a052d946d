/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test-config.h"

#define FUSE "{\"name\":\"fuse\",\"groups\":[{\"paths\":[{\"path\":\"/dev/fuse\"}]}]}"
#define TUN "{name: tun, groups: [{paths: [{path: /dev/net/tun}]}]}"
#define NATIVE "classes: [{name: serial, paths: [/dev/ttyS0]}]\n"

/* The variables that lookup() knows: name, value, name, value, NULL. */
static const char *const *variables;

static char *lookup(const char *name)
{
	for (const char *const *pair = variables; *pair; pair += 2)
		if (strcmp(pair[0], name) == 0)
			return (char *)pair[1];
	return NULL;
}

struct loaded {
	struct config *config;
	char *messages;
	int result;
};

static struct loaded load(const struct settings *flags, const char *const *environment)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	struct settings layer = {0};
	struct loaded loaded = {0};
	const char *device = NULL;

	variables = environment;
	settings_from_environment(lookup, &device, &layer, &diagnostics);
	loaded.result = config_load(flags, &layer, "node-1", &loaded.config,
				    &diagnostics);
	loaded.messages = diagnostics_text(&diagnostics);
	return loaded;
}

static void loaded_clear(struct loaded *loaded)
{
	config_free(loaded->config);
	free(loaded->messages);
}

#define AUTO_LOADED __attribute__((cleanup(loaded_clear)))

/* A file that is there for one test. */
struct file {
	char path[32];
};

static struct file file_make(const char *text)
{
	struct file file = {"/tmp/kudev-test-XXXXXX"};
	int fd = mkstemp(file.path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	(void)close(fd);
	return file;
}

static void file_remove(struct file *file)
{
	(void)unlink(file->path);
}

#define AUTO_FILE __attribute__((cleanup(file_remove)))

static const char *const nothing[] = {NULL};

static void flags_go_before_environment_before_file_before_defaults(void **state)
{
	static const char *const environment[] = {
		"KUDEV_DOMAIN",
		"env.com",
		"KUDEV_LISTEN",
		":2",
		"KUDEV_LOG_LEVEL",
		"warn",
		"KUDEV_ROOT",
		"/env/root/",
		"KUDEV_POD_RESOURCES",
		"/env//kubelet.sock",
		"KUDEV_HOLDER_METRICS",
		"false",
		NULL,
	};
	AUTO_FILE struct file file = file_make(
		"domain: file.com\nlisten: \":1\"\npodResources: none\n"
		"logLevel: debug\nlogFormat: text\n" NATIVE);
	const struct settings flags = {.config = file.path, .domain = "flag.com"};
	AUTO_LOADED struct loaded loaded = load(&flags, environment);

	(void)state;
	assert_string_equal(loaded.messages, "");
	assert_string_equal(loaded.config->domain, "flag.com");
	assert_string_equal(loaded.config->classes[0].resource, "flag.com/serial");
	assert_string_equal(loaded.config->classes[0].file, file.path);
	assert_string_equal(loaded.config->listen, ":2");
	assert_false(loaded.config->holder_metrics);
	assert_int_equal(loaded.config->log_level, LOG_LEVEL_WARN);
	assert_int_equal(loaded.config->log_format, LOG_FORMAT_TEXT);
	assert_string_equal(loaded.config->plugin_directory, CONFIG_PLUGIN_DIRECTORY);
	assert_string_equal(loaded.config->pod_resources, "/env/kubelet.sock");
	assert_string_equal(loaded.config->root, "/env/root");
	assert_string_equal(loaded.config->node_name, "node-1");
}

static void a_domain_does_not_touch_a_full_resource(void **state)
{
	AUTO_FILE struct file file =
		file_make("classes: [{name: a, resource: own.com/b, paths: [/dev/a]}]\n");
	const struct settings flags = {.config = file.path, .domain = "flag.com"};
	AUTO_LOADED struct loaded loaded = load(&flags, nothing);

	(void)state;
	assert_string_equal(loaded.messages, "");
	assert_string_equal(loaded.config->classes[0].resource, "own.com/b");
}

static void the_file_may_come_from_the_environment(void **state)
{
	AUTO_FILE struct file file = file_make(NATIVE);
	const char *const environment[] = {"KUDEV_CONFIG", file.path, "KUDEV_LISTEN", "",
					   NULL};
	AUTO_LOADED struct loaded loaded = load(&(struct settings){0}, environment);

	(void)state;
	assert_string_equal(loaded.messages, "");
	assert_string_equal(loaded.config->classes[0].resource, "kudev.io/serial");
	assert_string_equal(loaded.config->listen, "none");
}

static void devices_of_flags_are_squats(void **state)
{
	static const char *const devices[] = {
		FUSE, TUN,
		"{\"type\":\"video\",\"count\":5,\"paths\":[\"/dev/video0\",\"/dev/v*\"]}"};
	const struct settings flags = {.devices = devices, .device_count = 3};
	AUTO_LOADED struct loaded loaded = load(&flags, nothing);
	const struct config_class *video;

	(void)state;
	assert_string_equal(loaded.messages, "");
	assert_int_equal(loaded.config->class_count, 3);
	assert_string_equal(loaded.config->classes[0].resource, "squat.ai/fuse");
	assert_string_equal(loaded.config->classes[1].resource, "squat.ai/tun");
	assert_string_equal(loaded.config->classes[1].file, "--device #2");

	video = &loaded.config->classes[2];
	assert_string_equal(video->resource, "squat.ai/video");
	assert_int_equal(video->ids, CONFIG_IDS_SQUAT_LEGACY);
	assert_true(video->shares_nodes);
	assert_int_equal(video->share, 1);
	assert_int_equal(video->group_count, 2);
	assert_int_equal(video->groups[1].count, 5);
	assert_string_equal(video->groups[1].paths[0].pattern, "/dev/v*");
	assert_string_equal(video->groups[1].paths[0].permissions, "mrw");
	assert_null(video->groups[1].paths[0].mount_path);
}

static void the_first_grammar_takes_zero_for_one(void **state)
{
	static const char *const devices[] = {"{type: a, count: 0, paths: [/dev/a]}"};
	const struct settings flags = {.devices = devices, .device_count = 1};
	AUTO_LOADED struct loaded loaded = load(&flags, nothing);

	(void)state;
	assert_string_equal(loaded.messages, "");
	assert_int_equal(loaded.config->classes[0].groups[0].count, 1);
}

static void devices_stand_for_the_classes_of_a_file(void **state)
{
	static const char *const devices[] = {FUSE};
	AUTO_FILE struct file file = file_make("listen: \":9\"\n" NATIVE);
	const struct settings flags = {
		.config = file.path, .devices = devices, .device_count = 1};
	AUTO_LOADED struct loaded loaded = load(&flags, nothing);
	KUDEV_AUTO_FREE char *expected = mem_printf(
		"%s: warning: its classes are not used, because --device stands for them\n",
		file.path);

	(void)state;
	assert_string_equal(loaded.messages, expected);
	assert_int_equal(loaded.config->class_count, 1);
	assert_string_equal(loaded.config->classes[0].resource, "squat.ai/fuse");
	assert_string_equal(loaded.config->listen, ":9");
}

static void a_file_without_classes_goes_with_devices(void **state)
{
	static const char *const texts[] = {"", "domain: ex.com\n", "log-level: warn\n"};
	static const char *const devices[] = {FUSE};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(texts); i++) {
		AUTO_FILE struct file file = file_make(texts[i]);
		const struct settings flags = {
			.config = file.path, .devices = devices, .device_count = 1};
		AUTO_LOADED struct loaded loaded = load(&flags, nothing);

		assert_string_equal(loaded.messages, "");
		assert_string_equal(loaded.config->classes[0].resource,
				    i == 1 ? "ex.com/fuse" : "squat.ai/fuse");
	}
}

static void a_variable_holds_one_device_or_a_list(void **state)
{
	static const char *const texts[] = {FUSE, "[" FUSE ", " TUN "]"};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(texts); i++) {
		const char *const environment[] = {"KUDEV_DEVICE", texts[i], NULL};
		AUTO_LOADED struct loaded loaded = load(&(struct settings){0},
							environment);

		assert_string_equal(loaded.messages, "");
		assert_int_equal(loaded.config->class_count, i + 1);
		assert_string_equal(loaded.config->classes[0].file, "KUDEV_DEVICE");
	}
}

static void device_flags_go_before_the_variable(void **state)
{
	static const char *const devices[] = {TUN};
	static const char *const environment[] = {"KUDEV_DEVICE", FUSE, NULL};
	const struct settings flags = {.devices = devices, .device_count = 1};
	AUTO_LOADED struct loaded loaded = load(&flags, environment);

	(void)state;
	assert_string_equal(loaded.messages, "");
	assert_int_equal(loaded.config->class_count, 1);
	assert_string_equal(loaded.config->classes[0].name, "tun");
}

static void bad_devices_are_placed_in_their_text(void **state)
{
	static const struct {
		const char *device, *expected;
	} tests[] = {
		{"",
		 "--device: is empty; give a device, such as {name: fuse, groups: [{paths: "
		 "[{path: /dev/fuse}]}]}\n"},
		{"null",
		 "--device: is empty; give a device, such as {name: fuse, groups: "
		 "[{paths: [{path: /dev/fuse}]}]}\n"},
		{"[" FUSE "]", "--device:1:1: device: expected a mapping, got a list\n"},
		{"fuse", "--device:1:1: device: expected a mapping, got \"fuse\"\n"},
		{"{\"name\": \"a\",\n \"group\": []}",
		 "--device:1:1: warning: the device has no groups, so there is nothing to hand "
		 "out\n"
		 "--device:2:2: unknown key \"group\"; did you mean \"groups\"?\n"},
		{"{\"name\": ",
		 "--device:2:1: not valid YAML: did not find expected node content, "
		 "while parsing a flow node\n"},
		{"{type: a}",
		 "--device:1:1: warning: the device has no paths, so there is nothing "
		 "to hand out\n"},
		{"{type: a, paths: [null, \"b\"]}",
		 "--device:1:19: paths: has no value\n"
		 "--device:1:25: paths: \"b\" is not an absolute path: it must begin with /\n"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		const struct settings flags = {.devices = &tests[i].device,
					       .device_count = 1};
		AUTO_LOADED struct loaded loaded = load(&flags, nothing);

		assert_string_equal(loaded.messages, tests[i].expected);
	}
}

static void two_devices_of_one_name_are_an_error(void **state)
{
	static const char *const devices[] = {FUSE, FUSE};
	const struct settings flags = {.devices = devices, .device_count = 2};
	AUTO_LOADED struct loaded loaded = load(&flags, nothing);

	(void)state;
	assert_int_equal(loaded.result, -EINVAL);
	assert_string_equal(
		loaded.messages,
		"--device #2:1:1: two classes have the name \"fuse\", the first is at "
		"--device #1:1:1\n");
}

static void bad_settings_name_the_flag_or_variable(void **state)
{
	static const char *const devices[] = {FUSE};
	static const char *const environment[] = {
		"KUDEV_DOMAIN",
		"",
		"KUDEV_LOG_LEVEL",
		"loud",
		"KUDEV_LENIENT",
		"yes",
		"KUDEV_LOG_FORMAT",
		"yaml",
		NULL,
	};
	const struct settings flags = {
		.devices = devices,
		.device_count = 1,
		.domain = "Bad",
		.listen = "80",
		.plugin_directory = "x",
		.pod_resources = "y",
		.cdi_directory = "y",
		.log_level = "",
		.root = "rel",
	};
	AUTO_LOADED struct loaded loaded = load(&flags, environment);

	(void)state;
	assert_int_equal(loaded.result, -EINVAL);
	assert_null(loaded.config);
	assert_string_equal(
		loaded.messages,
		"KUDEV_DOMAIN: is empty; unset it or give it a value\n"
		"KUDEV_LENIENT: expected true or false, got \"yes\"; write true\n"
		"KUDEV_LOG_LEVEL: must be debug, info, warn, error, none or all, not \"loud\"\n"
		"KUDEV_LOG_FORMAT: must be json or text, not \"yaml\"\n"
		"--domain: \"Bad\" is no domain: it may hold lower-case letters, digits, - and . "
		"only\n"
		"--plugin-directory: \"x\" is not an absolute path: it must begin with /\n"
		"--pod-resources: \"y\" is not an absolute path: it must begin with /\n"
		"--cdi-directory: \"y\" is not an absolute path: it must begin with /\n"
		"--listen: \"80\" has no port: write host:port, :port or none\n"
		"--log-level: must be debug, info, warn, error, none or all, not \"\"\n"
		"--root: \"rel\" is not an absolute path: it must begin with /\n");
}

static void lenience_comes_from_flag_or_variable(void **state)
{
	static const char *const devices[] = {
		"{name: a, typo: 1, groups: [{paths: [{path: /a}]}]}"};
	static const char *const environment[] = {"KUDEV_LENIENT", "true", NULL};
	struct settings flags = {.devices = devices, .device_count = 1};
	AUTO_LOADED struct loaded strict = load(&flags, nothing);
	AUTO_LOADED struct loaded by_variable = load(&flags, environment);
	AUTO_LOADED struct loaded by_flag = {0};

	(void)state;
	flags.lenient = true;
	by_flag = load(&flags, nothing);
	assert_int_equal(strict.result, -EINVAL);
	assert_int_equal(by_variable.result, 0);
	assert_int_equal(by_flag.result, 0);
	assert_string_equal(by_flag.messages,
			    "--device:1:11: warning: unknown key \"typo\"\n");
}

static void a_file_that_cannot_be_read_says_what_to_do(void **state)
{
	static const struct {
		const char *path, *expected;
	} tests[] = {
		{"/nonexistent/kudev.yaml",
		 "/nonexistent/kudev.yaml: does not exist; check the "
		 "path given as the configuration\n"},
		{"/tmp", "/tmp: is a directory; name the file in it\n"},
		{"", "--config: is empty; give the path of a file\n"},
		{"/dev/null",
		 "/dev/null: cannot read /dev/null: it is not a regular file\n"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		const struct settings flags = {.config = tests[i].path};
		AUTO_LOADED struct loaded loaded = load(&flags, nothing);

		assert_int_equal(loaded.result, -EINVAL);
		assert_string_equal(loaded.messages, tests[i].expected);
	}
}

static void nothing_at_all_says_what_to_give(void **state)
{
	AUTO_LOADED struct loaded loaded = {0};

	(void)state;
	if (access(CONFIG_FILE, F_OK) == 0)
		skip();
	loaded = load(&(struct settings){0}, nothing);
	assert_string_equal(loaded.messages, CONFIG_FILE
			    ": does not exist, and nothing else says which devices "
			    "to hand out; write it, name another file with --config, "
			    "or give a --device\n");
}

static void read_forbidden_file(void)
{
	AUTO_FILE struct file file = file_make(NATIVE);
	const struct settings flags = {.config = file.path};
	AUTO_LOADED struct loaded loaded = {0};

	assert_int_equal(chmod(file.path, 0), 0);
	loaded = load(&flags, nothing);
	assert_non_null(strstr(loaded.messages, "permission denied; check the modes"));
}

static void a_forbidden_file_names_the_permission(void **state)
{
	(void)state;
	if (geteuid() == 0) {
		/* Before anything is made: skipping leaves the function at once. */
		print_message("root may read every file\n");
		skip();
	}
	read_forbidden_file();
}

static void a_root_of_slash_is_the_real_root(void **state)
{
	static const char *const devices[] = {FUSE};
	static const struct {
		const char *root, *expected;
	} tests[] = {{"/", ""}, {"", ""}, {"/a/b//", "/a/b"}};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		const struct settings flags = {
			.devices = devices, .device_count = 1, .root = tests[i].root};
		AUTO_LOADED struct loaded loaded = load(&flags, nothing);

		assert_string_equal(loaded.messages, "");
		assert_string_equal(loaded.config->root, tests[i].expected);
	}
}

static void udev_and_the_kernel_know_no_other_root(void **state)
{
	AUTO_FILE struct file file = file_make(
		"classes:\n- name: a\n  match: [{subsystem: tty}]\n"
		"- name: b\n  v4l2loopback: {}\n");
	const struct settings flags = {.config = file.path, .root = "/a"};
	AUTO_LOADED struct loaded loaded = load(&flags, nothing);
	KUDEV_AUTO_FREE char *expected = mem_printf(
		"%s:2:3: match asks udev, which looks below / alone; it does not go with "
		"--root\n"
		"%s:4:3: v4l2loopback asks the kernel for cameras, which it puts below / "
		"alone; it does not go with --root\n",
		file.path, file.path);

	(void)state;
	assert_string_equal(loaded.messages, expected);
}

static void a_label_may_hold_the_nodes_name(void **state)
{
	static const struct {
		const char *label, *expected; /* behind the file's name */
	} tests[] = {
		{"{node} {index}", ""},
		{"{node}, one of the cameras of it {index}",
		 ":1:11: label of video10: \"node-1, one of the cameras of it 0\" has 34 "
		 "bytes, 31 at most are allowed\n"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *text = mem_printf(
			"classes: [{name: a, v4l2loopback: {label: \"%s\"}}]\n",
			tests[i].label);
		AUTO_FILE struct file file = file_make(text);
		const struct settings flags = {.config = file.path};
		AUTO_LOADED struct loaded loaded = load(&flags, nothing);
		KUDEV_AUTO_FREE char *expected = mem_printf(
			"%s%s", *tests[i].expected ? file.path : "", tests[i].expected);

		assert_string_equal(loaded.messages, expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_go_before_environment_before_file_before_defaults),
		cmocka_unit_test(a_domain_does_not_touch_a_full_resource),
		cmocka_unit_test(the_file_may_come_from_the_environment),
		cmocka_unit_test(devices_of_flags_are_squats),
		cmocka_unit_test(the_first_grammar_takes_zero_for_one),
		cmocka_unit_test(devices_stand_for_the_classes_of_a_file),
		cmocka_unit_test(a_file_without_classes_goes_with_devices),
		cmocka_unit_test(a_variable_holds_one_device_or_a_list),
		cmocka_unit_test(device_flags_go_before_the_variable),
		cmocka_unit_test(bad_devices_are_placed_in_their_text),
		cmocka_unit_test(two_devices_of_one_name_are_an_error),
		cmocka_unit_test(bad_settings_name_the_flag_or_variable),
		cmocka_unit_test(lenience_comes_from_flag_or_variable),
		cmocka_unit_test(a_file_that_cannot_be_read_says_what_to_do),
		cmocka_unit_test(nothing_at_all_says_what_to_give),
		cmocka_unit_test(a_forbidden_file_names_the_permission),
		cmocka_unit_test(a_root_of_slash_is_the_real_root),
		cmocka_unit_test(udev_and_the_kernel_know_no_other_root),
		cmocka_unit_test(a_label_may_hold_the_nodes_name),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
