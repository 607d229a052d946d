/* SPDX-License-Identifier: Apache-2.0 */
#include <json-c/json.h>

#include "http/metrics.h"
#include "http/page.h"
#include "http/status.h"
#include "test-capture.h"
#include "test-kubelet.h"
#include "test-wait.h"

/* What is served of devices that containers hold, and of a configuration with an error. */

#define CLASSES "classes:\n- {name: cam, simulate: {count: 3}}\n"
#define HOSTILE "<b>\"x\"\n\\"

struct fixture {
	struct node *node;
	struct loop *loop;
	struct rpc *rpc;
	struct watcher *watcher;
	struct worker *worker;
	struct discovery *discovery;
	struct registrar *registrar;
	struct plugin *plugin;
	struct reload_state reload;
	struct http_view view;
	char *directory;
};

static void ignore(void *data)
{
	(void)data;
}

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));
	struct node *node = node_new(CLASSES, (const char *const[]){NULL});

	fixture->node = node;
	fixture->directory = tree_path(node->tree, "/plugins");
	assert_int_equal(loop_new(&fixture->loop, NULL), 0);
	assert_int_equal(rpc_new(fixture->loop, &fixture->rpc, NULL), 0);
	fixture->watcher = watcher_new(fixture->loop);
	fixture->worker = worker_new(fixture->loop);
	fixture->discovery = discovery_new(fixture->loop, fixture->watcher,
					   fixture->worker, node->config, node->inventory,
					   NULL, NULL);
	fixture->plugin = plugin_new(fixture->loop, node->inventory,
				     inventory_class_at(node->inventory, 0));
	fixture->registrar = registrar_new(fixture->loop, fixture->rpc, fixture->watcher,
					   fixture->directory, ignore, NULL);
	registrar_add(fixture->registrar, fixture->plugin);
	fixture->reload = (struct reload_state){.generation = 7, .is_ok = true};
	fixture->view = (struct http_view){
		.config = node->config,
		.inventory = node->inventory,
		.plugins = &fixture->plugin,
		.registrar = fixture->registrar,
		.discovery = fixture->discovery,
		.worker = fixture->worker,
		.reload = &fixture->reload,
	};
	*state = fixture;
	return 0;
}

static struct device *device_at(const struct fixture *fixture, size_t index)
{
	return inventory_class_at(fixture->node->inventory, 0)->devices[index];
}

/* Until the test is over; the inventory does not know of it. */
static void hold(const struct fixture *fixture, size_t index, struct holder *holders,
		 size_t count)
{
	struct device *device = device_at(fixture, index);

	device->holders = holders;
	device->holder_count = count;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	bool idle = false;

	for (size_t i = 0; i < 3; i++)
		hold(fixture, i, NULL, 0);
	registrar_stop(fixture->registrar);
	rpc_when_idle(fixture->rpc, wait_set, &idle);
	assert_comes(fixture->loop, wait_is_set, &idle);
	registrar_free(fixture->registrar);
	plugin_free(fixture->plugin);
	discovery_free(fixture->discovery);
	worker_free(fixture->worker);
	watcher_free(fixture->watcher);
	rpc_free(fixture->rpc);
	node_free(fixture->node);
	loop_free(fixture->loop);
	free(fixture->directory);
	free(fixture);
	return 0;
}

static char *page_text(const struct fixture *fixture)
{
	const struct http_request request = {.path = "/", .query = ""};
	struct http_answer answer;

	page_serve(&fixture->view, &request, &answer);
	assert_int_equal(answer.status, 200);
	return answer.body;
}

static char *metrics_text(const struct fixture *fixture)
{
	const struct http_server_stats server = {0};
	struct http_answer answer;

	metrics_serve(&fixture->view, &server, false, &answer);
	assert_int_equal(answer.size, strlen(answer.body));
	return answer.body;
}

static struct json_object *status_json(const struct fixture *fixture)
{
	struct http_answer answer;
	struct json_object *object;

	status_serve(&fixture->view, &answer);
	object = json_tokener_parse(answer.body);
	assert_non_null(object);
	free(answer.body);
	return object;
}

static void assert_contains(const char *text, const char *expected)
{
	if (!strstr(text, expected))
		assert_string_equal(text, expected);
}

static struct holder holders[] = {
	{(char *)"default", (char *)"pod-1", (char *)"main"},
	{(char *)"kube-" HOSTILE, (char *)"pod-2", (char *)"sidecar"},
};

static void who_holds_a_device_is_told_everywhere(void **state)
{
	const struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *page = NULL;
	KUDEV_AUTO_FREE char *metrics = NULL;
	struct json_object *status;

	hold(fixture, 1, holders, 2);
	page = page_text(fixture);
	assert_contains(page, "default/pod-1 <small>main</small>");
	assert_contains(page, "kube-&lt;b&gt;&quot;x&quot;?\\/pod-2");
	assert_null(strstr(page, "<b>"));

	metrics = metrics_text(fixture);
	assert_contains(
		metrics,
		"kudev_device_holder_info{class=\"cam\",resource=\"kudev.io/cam\","
		"device=\"cam-1\",namespace=\"default\",pod=\"pod-1\","
		"container=\"main\"} 1\n");
	assert_contains(metrics, "namespace=\"kube-<b>\\\"x\\\"\\n\\\\\",pod=\"pod-2\"");
	assert_contains(metrics, "kudev_device_holders{class=\"cam\",resource=\"kudev.io/"
				 "cam\"} 2\n");

	status = status_json(fixture);
	assert_contains(json_object_to_json_string_ext(status, JSON_C_TO_STRING_PLAIN),
			"\"holders\":[{\"namespace\":\"default\",\"pod\":\"pod-1\","
			"\"container\":\"main\"},");
	json_object_put(status);
}

static void metrics_leave_holders_out_if_told_so(void **state)
{
	const struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *metrics = NULL;

	hold(fixture, 1, holders, 2);
	assert_true(fixture->node->config->holder_metrics);
	fixture->node->config->holder_metrics = false;
	metrics = metrics_text(fixture);
	assert_null(strstr(metrics, "pod-1"));
	assert_contains(metrics, "kudev_device_holders{class=\"cam\",resource=\"kudev.io/"
				 "cam\"} 2\n");
}

static void of_very_many_holders_only_the_number_is_told(void **state)
{
	enum { COUNT = 700 };
	const struct fixture *fixture = *state;
	struct holder *many = mem_zero(COUNT * sizeof(*many));
	KUDEV_AUTO_FREE char *metrics = NULL;
	KUDEV_AUTO_FREE char *page = NULL;

	for (size_t i = 0; i < COUNT; i++)
		many[i] = holders[0];
	hold(fixture, 0, many, COUNT);
	hold(fixture, 2, many, COUNT);
	metrics = metrics_text(fixture);
	page = page_text(fixture);
	free(many);
	assert_int_equal(capture_count(metrics, "kudev_device_holder_info{"),
			 METRICS_MAX_HOLDERS);
	assert_contains(metrics, "kudev_device_holders{class=\"cam\",resource=\"kudev.io/"
				 "cam\"} 1400\n");
	assert_contains(page, "and 692 more");
	assert_int_equal(capture_count(page, "pod-1"), 16);
}

static void a_configuration_with_an_error_shows(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *page = NULL;
	KUDEV_AUTO_FREE char *metrics = NULL;
	struct json_object *status;
	struct json_object *config;

	fixture->reload.is_ok = false;
	fixture->reload.error = (char *)"k.yaml:3:1: <what>?";
	page = page_text(fixture);
	assert_contains(page, "k.yaml:3:1: &lt;what&gt;?");
	metrics = metrics_text(fixture);
	assert_contains(metrics, "kudev_config_last_reload_successful 0\n");
	assert_contains(metrics, "kudev_config_generation 7\n");
	status = status_json(fixture);
	config = json_object_object_get(status, "config");
	assert_string_equal(
		json_object_get_string(json_object_object_get(config, "error")),
		"k.yaml:3:1: <what>?");
	assert_false(
		json_object_get_boolean(json_object_object_get(config, "lastReloadOk")));
	json_object_put(status);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_holds_a_device_is_told_everywhere),
		TEST(metrics_leave_holders_out_if_told_so),
		TEST(of_very_many_holders_only_the_number_is_told),
		TEST(a_configuration_with_an_error_shows),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
