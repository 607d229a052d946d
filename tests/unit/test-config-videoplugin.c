/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <unistd.h>

#include "config/cameras.h"
#include "config/videoplugin.h"
#include "test-config.h"

#define NOTE(names)                                                                 \
	CONFIG_FILE ": note: does not exist; the variables of video-device-plugin " \
		    "stand for it: " names "\n"
#define NOTHING                                                                      \
	CONFIG_FILE ": does not exist, and nothing else says which devices to hand " \
		    "out; write it, name another file with --config, or give a --device"
#define HINT "; for the cameras of video-device-plugin set MAX_DEVICES"
#define PLUGINS "/var/lib/kubelet/device-plugins"

/* What lookup() knows: name, value, name, value, NULL. */
static const char *const *variables;

static char *lookup(const char *name)
{
	for (const char *const *pair = variables; *pair; pair += 2)
		if (strcmp(pair[0], name) == 0)
			return (char *)pair[1];
	return NULL;
}

/* What config_load() makes of an environment. NULL if there are errors. */
static struct config *load(const char *const *environment, const struct settings *flags,
			   char **ret_messages)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	struct settings layer = {0};
	struct config *config = NULL;
	const char *device = NULL;

	variables = environment;
	settings_from_environment(lookup, &device, &layer, &diagnostics);
	(void)config_load(flags, &layer, lookup("NODE_NAME"), &config, &diagnostics);
	*ret_messages = diagnostics_text(&diagnostics);
	return config;
}

static struct config *load_good(const char *const *environment, const char *expected)
{
	KUDEV_AUTO_FREE char *messages = NULL;
	struct config *config = load(environment, &(struct settings){0}, &messages);

	assert_string_equal(messages, expected);
	assert_non_null(config);
	return config;
}

static void the_documented_daemonset_gives_the_documented_cameras(void **state)
{
	static const char *const environment[] = {"NODE_NAME", "n",    "MAX_DEVICES", "8",
						  "LOG_LEVEL", "info", NULL};
	KUDEV_AUTO(config_free)
	struct config *config = load_good(environment,
					  NOTE("NODE_NAME, MAX_DEVICES and LOG_LEVEL"));
	const struct config_class *class = &config->classes[0];
	const struct config_v4l2loopback *cameras = &class->v4l2loopback;

	(void)state;
	assert_string_equal(config->plugin_directory, PLUGINS);
	assert_string_equal(config->listen, "none");
	assert_true(config->holder_metrics);
	assert_string_equal(config->node_name, "n");
	assert_int_equal(config->log_level, LOG_LEVEL_INFO);
	assert_int_equal(config->class_count, 1);

	assert_string_equal(class->name, "video-devices");
	assert_string_equal(class->resource, "meeting-baas.io/video-devices");
	assert_string_equal(class->file, "environment");
	assert_string_equal(class->permissions, "rw");
	assert_int_equal(class->source, CONFIG_SOURCE_V4L2LOOPBACK);
	assert_int_equal(class->ids, CONFIG_IDS_READABLE);
	assert_int_equal(class->share, 1);
	assert_null(class->mount_path);
	assert_int_equal(class->env_count, 1);
	assert_string_equal(class->env[0].key, "VIDEO_DEVICE");
	assert_string_equal(template_text(class->env[0].value), "{path}");
	assert_true(class->health.open);
	assert_int_equal(class->health.interval_ms, 30000);
	assert_int_equal(class->health.failure_threshold, 3);

	assert_int_equal(cameras->count, 8);
	assert_int_equal(cameras->first_number, 10);
	assert_string_equal(template_text(cameras->label), "MeetingBot_WebCam");
	assert_true(cameras->exclusive_caps);
	assert_int_equal(cameras->buffers, 2);
	assert_int_equal(cameras->openers, 10);
	assert_int_equal(cameras->max_width, 8192);
	assert_int_equal(cameras->mode, 0666);
	assert_int_equal(cameras->reset, CONFIG_RESET_SOFT);
	assert_int_equal(cameras->fallback, CONFIG_FALLBACK_DUMMY);
	assert_string_equal(cameras->fallback_prefix, "/dev/dummy-video");
	assert_int_equal(cameras->timeout_ms, 60000);
}

static void every_variable_is_kept(void **state)
{
	static const char *const environment[] = {"NODE_NAME",
						  "n",
						  "MAX_DEVICES",
						  "3",
						  "KUBELET_SOCKET",
						  "/k/kubelet.sock",
						  "SOCKET_PATH",
						  "/k/own.sock",
						  "RESOURCE_NAME",
						  "ex.com/cam",
						  "LOG_LEVEL",
						  "warn",
						  "DEBUG",
						  "true",
						  "V4L2_MAX_BUFFERS",
						  "32",
						  "V4L2_EXCLUSIVE_CAPS",
						  "0",
						  "V4L2_CARD_LABEL",
						  "{Cam}",
						  "V4L2_DEVICE_PERM",
						  "0640",
						  "ENABLE_FALLBACK_MODE",
						  "F",
						  "FALLBACK_DEVICE_PREFIX",
						  "/dev/none",
						  "DEVICE_CREATION_TIMEOUT",
						  "5",
						  "HEALTH_CHECK_INTERVAL",
						  "7",
						  "ENABLE_METRICS",
						  "1",
						  "METRICS_PORT",
						  "9090",
						  NULL};
	KUDEV_AUTO(config_free)
	struct config *config = load_good(
		environment,
		NOTE("NODE_NAME, MAX_DEVICES, KUBELET_SOCKET, SOCKET_PATH, RESOURCE_NAME, "
		     "LOG_LEVEL, DEBUG, V4L2_MAX_BUFFERS, V4L2_EXCLUSIVE_CAPS, "
		     "V4L2_CARD_LABEL, V4L2_DEVICE_PERM, ENABLE_FALLBACK_MODE, "
		     "FALLBACK_DEVICE_PREFIX, DEVICE_CREATION_TIMEOUT, "
		     "HEALTH_CHECK_INTERVAL, ENABLE_METRICS and METRICS_PORT"));
	const struct config_class *class = &config->classes[0];
	const struct config_v4l2loopback *cameras = &class->v4l2loopback;
	const char *label = cameras->labels.items[0];

	(void)state;
	assert_string_equal(config->plugin_directory, "/k");
	assert_string_equal(config->listen, ":9090");
	assert_int_equal(config->log_level, LOG_LEVEL_WARN);
	assert_string_equal(class->resource, "ex.com/cam");
	assert_int_equal(class->health.interval_ms, 7000);
	assert_int_equal(cameras->count, 3);
	assert_string_equal(label, "{Cam}");
	assert_false(cameras->exclusive_caps);
	assert_int_equal(cameras->buffers, 32);
	assert_int_equal(cameras->mode, 0640);
	assert_int_equal(cameras->fallback, CONFIG_FALLBACK_NONE);
	assert_string_equal(cameras->fallback_prefix, "/dev/none");
	assert_int_equal(cameras->timeout_ms, 5000);
}

static void permissions_are_read_as_go_does(void **state)
{
	static const char *const texts[] = {"0640", "0o640", "0O640",
					    "416",  "0x1a0", "0b110100000"};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(texts); i++) {
		const char *const environment[] = {"NODE_NAME", "n", "V4L2_DEVICE_PERM",
						   texts[i], NULL};
		KUDEV_AUTO(config_free)
		struct config *config = load_good(environment,
						  NOTE("NODE_NAME and V4L2_DEVICE_PERM"));

		assert_int_equal(config->classes[0].v4l2loopback.mode, 0640);
	}
}

static void debug_is_a_level_unless_there_is_one(void **state)
{
	static const char *const debug[] = {"NODE_NAME", "n",	  "MAX_DEVICES",
					    "1",	 "DEBUG", "TRUE",
					    "LOG_LEVEL", "",	  NULL};
	static const char *const layered[] = {
		"NODE_NAME",	   "n",	   "MAX_DEVICES", "1", "LOG_LEVEL", "error",
		"KUDEV_LOG_LEVEL", "warn", NULL};
	const struct settings flags = {.log_level = "debug"};
	KUDEV_AUTO(config_free)
	struct config *by_debug = load_good(debug,
					    NOTE("NODE_NAME, MAX_DEVICES and DEBUG"));
	KUDEV_AUTO(config_free)
	struct config *by_own = load_good(layered,
					  NOTE("NODE_NAME, MAX_DEVICES and LOG_LEVEL"));
	KUDEV_AUTO_FREE char *messages = NULL;
	KUDEV_AUTO(config_free) struct config *by_flag = load(layered, &flags, &messages);

	(void)state;
	assert_int_equal(by_debug->log_level, LOG_LEVEL_DEBUG);
	assert_int_equal(by_own->log_level, LOG_LEVEL_WARN);
	assert_int_equal(by_flag->log_level, LOG_LEVEL_DEBUG);
}

static void bad_values_name_their_variable(void **state)
{
	static const struct {
		const char *name, *value, *expected;
	} tests[] = {
		{"MAX_DEVICES", "0",
		 "must be 1 to 8, not 0; a kudev.yaml can ask for more than the documented "
		 "8"},
		{"MAX_DEVICES", "9",
		 "must be 1 to 8, not 9; a kudev.yaml can ask for more than the documented "
		 "8"},
		{"KUBELET_SOCKET", "kubelet.sock",
		 "\"kubelet.sock\" is not an absolute path: it must begin with /"},
		{"KUBELET_SOCKET", PLUGINS "/k.sock",
		 "must end in /kubelet.sock, which is what every kubelet calls its socket"},
		{"SOCKET_PATH", "/run/own.sock",
		 "must be in " PLUGINS
		 ", where KUBELET_SOCKET is: the kubelet is told the "
		 "name alone, and looks there"},
		{"SOCKET_PATH", PLUGINS "/kubelet.sock", "is the kubelet's own socket"},
		{"SOCKET_PATH",
		 PLUGINS "/1234567890123456789012345678901234567890"
			 "1234567890123456789012345678901.sock",
		 "has 108 bytes, 107 at most fit unix(7)'s address"},
		{"RESOURCE_NAME", "cameras",
		 "\"cameras\" is no resource name: write domain/name"},
		{"LOG_LEVEL", "INFO",
		 "must be debug, info, warn, error, none or all, not \"INFO\""},
		{"DEBUG", "yes", "expected true or false, got \"yes\""},
		{"V4L2_MAX_BUFFERS", "33", "must be 1 to 32, not 33"},
		{"V4L2_EXCLUSIVE_CAPS", "true", "expected a whole number, got \"true\""},
		{"V4L2_EXCLUSIVE_CAPS", "2", "must be 0 to 1, not 2"},
		{"V4L2_CARD_LABEL", "a name that is too long for the kernel",
		 "\"a name that is too long for the kernel\" has 38 bytes, 31 at most are "
		 "allowed"},
		{"V4L2_DEVICE_PERM", "666",
		 "must be 0600 to 0777, with the zero, not \"666\""},
		{"V4L2_DEVICE_PERM", "0400",
		 "must be 0600 to 0777, with the zero, not \"0400\""},
		{"V4L2_DEVICE_PERM", "0689",
		 "must be 0600 to 0777, with the zero, not \"0689\""},
		{"V4L2_DEVICE_PERM", "99999999999999999999999",
		 "must be 0600 to 0777, with the zero, not \"99999999999999999999999\""},
		{"V4L2_DEVICE_PERM", "0o",
		 "must be 0600 to 0777, with the zero, not \"0o\""},
		{"V4L2_DEVICE_PERM", "-0640",
		 "must be 0600 to 0777, with the zero, not \"-0640\""},
		{"ENABLE_FALLBACK_MODE", "on", "expected true or false, got \"on\""},
		{"FALLBACK_DEVICE_PREFIX", "/tmp/x", "\"/tmp/x\" is not below /dev/"},
		{"DEVICE_CREATION_TIMEOUT", "60s",
		 "expected a whole number, got \"60s\"; in seconds"},
		{"DEVICE_CREATION_TIMEOUT", "0", "must be 1 to 600, not 0; in seconds"},
		{"HEALTH_CHECK_INTERVAL", "0", "must be 1 to 86400, not 0; in seconds"},
		{"ENABLE_METRICS", "2", "expected true or false, got \"2\""},
		{"METRICS_PORT", "65536", "must be 1 to 65535, not 65536"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		const char *const environment[] = {
			"NODE_NAME",	    "n", tests[i].name, tests[i].value,
			"V4L2_MAX_BUFFERS", "3", NULL};
		KUDEV_AUTO_FREE char *messages = NULL;
		KUDEV_AUTO_FREE char *expected = mem_printf("%s: %s\n", tests[i].name,
							    tests[i].expected);
		KUDEV_AUTO(config_free)
		struct config *config = load(environment, &(struct settings){0},
					     &messages);

		assert_null(config);
		/* The first line is the note. */
		assert_string_equal(strchr(messages, '\n') + 1, expected);
	}
}

static void the_name_of_the_node_is_required(void **state)
{
	static const char *const texts[] = {NULL, ""};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(texts); i++) {
		const char *const environment[] = {"MAX_DEVICES", "1",
						   texts[i] ? "NODE_NAME" : NULL,
						   texts[i], NULL};
		KUDEV_AUTO_FREE char *messages = NULL;
		KUDEV_AUTO(config_free)
		struct config *config = load(environment, &(struct settings){0},
					     &messages);

		assert_null(config);
		assert_string_equal(
			messages,
			NOTE("MAX_DEVICES") "NODE_NAME: is not set, but video-device-plugin "
					    "requires it; take it from the pod's "
					    "spec.nodeName\n");
	}
}

static void what_has_no_effect_is_warned_of(void **state)
{
	static const char *const environment[] = {"NODE_NAME",
						  "n",
						  "MAX_DEVICES",
						  "1",
						  "ALLOCATION_TIMEOUT",
						  "30",
						  "SHUTDOWN_TIMEOUT",
						  "x",
						  "CLEANUP_TIMEOUT",
						  "15",
						  "KUBERNETES_NAMESPACE",
						  "kube-system",
						  "SERVICE_ACCOUNT_NAME",
						  "video-device-plugin",
						  "DOCKER_REGISTRY",
						  "r",
						  "DOCKER_USERNAME",
						  "u",
						  "DOCKER_PASSWORD",
						  "p",
						  "KERNEL_VERSION",
						  "6.8.0-90-generic",
						  NULL};
	KUDEV_AUTO(config_free)
	struct config *config = load_good(
		environment,
		NOTE("NODE_NAME and MAX_DEVICES") "ALLOCATION_TIMEOUT: warning: has no effect: kudev answers Allocate at "
						  "once\n"
						  "SHUTDOWN_TIMEOUT: warning: has no effect: kudev stops within a second\n"
						  "CLEANUP_TIMEOUT: warning: has no effect: kudev unloads no module when it "
						  "ends\n"
						  "KUBERNETES_NAMESPACE: warning: has no effect: kudev does not ask the API "
						  "server for anything\n"
						  "SERVICE_ACCOUNT_NAME: warning: has no effect: kudev does not ask the API "
						  "server for anything\n"
						  "DOCKER_REGISTRY: warning: has no effect: it is for building "
						  "video-device-plugin\n"
						  "DOCKER_USERNAME: warning: has no effect: it is for building "
						  "video-device-plugin\n"
						  "DOCKER_PASSWORD: warning: has no effect: it is for building "
						  "video-device-plugin\n"
						  "KERNEL_VERSION: warning: has no effect: it is for building "
						  "video-device-plugin\n");

	(void)state;
	assert_int_equal(config->class_count, 1);
}

/* What others have as well makes no cameras on its own. */
static void generic_variables_alone_only_give_a_hint(void **state)
{
	static const char *const generic[] = {"NODE_NAME",
					      "LOG_LEVEL",
					      "DEBUG",
					      "KUBERNETES_NAMESPACE",
					      "SERVICE_ACCOUNT_NAME",
					      "RESOURCE_NAME",
					      "METRICS_PORT"};
	static const char *const telling[] = {"MAX_DEVICES",
					      "V4L2_MAX_BUFFERS",
					      "V4L2_EXCLUSIVE_CAPS",
					      "V4L2_CARD_LABEL",
					      "V4L2_DEVICE_PERM",
					      "ENABLE_FALLBACK_MODE",
					      "FALLBACK_DEVICE_PREFIX",
					      "DEVICE_CREATION_TIMEOUT"};
	static const char *const nothing[] = {"MAX_DEVICES", "", NULL};
	KUDEV_AUTO_FREE char *unset = NULL;

	(void)state;
	assert_null(load(nothing, &(struct settings){0}, &unset));
	assert_string_equal(unset, NOTHING "\n");
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(generic); i++) {
		const char *const environment[] = {generic[i], "1", NULL};
		KUDEV_AUTO_FREE char *messages = NULL;

		assert_null(load(environment, &(struct settings){0}, &messages));
		assert_string_equal(messages, NOTHING HINT "\n");
	}
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(telling); i++) {
		const char *const environment[] = {telling[i], "1", NULL};

		variables = environment;
		assert_true(videoplugin_is_meant(lookup));
	}
}

static void a_file_or_a_device_goes_before_them(void **state)
{
	static const char *const devices[] = {
		"{name: a, groups: [{paths: [{path: /dev/a}]}]}"};
	static const char *const environment[] = {"MAX_DEVICES", "99", NULL};
	static const char *const named[] = {"MAX_DEVICES", "99", "KUDEV_CONFIG",
					    "/nonexistent", NULL};
	const struct settings flags = {.devices = devices, .device_count = 1};
	KUDEV_AUTO_FREE char *by_device = NULL;
	KUDEV_AUTO_FREE char *by_file = NULL;
	KUDEV_AUTO(config_free)
	struct config *config = load(environment, &flags, &by_device);

	(void)state;
	assert_string_equal(by_device, "");
	assert_string_equal(config->classes[0].name, "a");
	assert_null(load(named, &(struct settings){0}, &by_file));
	assert_string_equal(by_file,
			    "/nonexistent: does not exist; check the path given as "
			    "the configuration\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_documented_daemonset_gives_the_documented_cameras),
		cmocka_unit_test(every_variable_is_kept),
		cmocka_unit_test(permissions_are_read_as_go_does),
		cmocka_unit_test(debug_is_a_level_unless_there_is_one),
		cmocka_unit_test(bad_values_name_their_variable),
		cmocka_unit_test(the_name_of_the_node_is_required),
		cmocka_unit_test(what_has_no_effect_is_warned_of),
		cmocka_unit_test(generic_variables_alone_only_give_a_hint),
		cmocka_unit_test(a_file_or_a_device_goes_before_them),
	};

	if (access(CONFIG_FILE, F_OK) == 0) {
		puts("1..0 # SKIP " CONFIG_FILE " goes before the variables");
		return 0;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
