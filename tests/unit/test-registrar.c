/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cli/standin.h"
#include "kubelet/registrar.h"
#include "kubelet/socket.h"
#include "test-capture.h"
#include "test-kubelet.h"
#include "test-wait.h"

#define CLASSES                                           \
	"classes:\n- {name: cam, simulate: {count: 2}}\n" \
	"- {name: mic, simulate: {count: 1}, preferred: spread}\n"
#define CAM "kudev.io/cam"
#define MIC "kudev.io/mic"
#define CLASS_COUNT 2

/* A node with kudev's registrar, and the kubelet's side of the directory /plugins. */
struct fixture {
	struct node *node;
	char *directory;
	struct loop *loop;
	struct rpc *rpc;
	struct watcher *watcher;
	struct registrar *registrar;
	struct plugin *plugins[CLASS_COUNT];
	struct wait_count preparations;

	struct standin *standin;
	char *endpoint;	 /* that must be left behind: see has_moved() */
	char *allocated; /* the container path of the last allocation */

	struct rpc_server *refusing;
	const char *refusal;
	struct wait_count refusals;

	unsigned removals;	   /* of the first class */
	size_t sockets_at_removal; /* the last one */
};

static void on_list(struct standin_resource *resource,
		    const V1beta1__ListAndWatchResponse *previous, void *data)
{
	(void)resource;
	(void)previous;
	(void)data;
}

static void on_allocated(struct standin_resource *resource, const char *device_id,
			 const V1beta1__AllocateResponse *response, const char *text,
			 void *data)
{
	struct fixture *fixture = data;

	(void)resource;
	free(fixture->allocated);
	fixture->allocated = mem_printf(
		"%s: %s", device_id,
		response ? response->container_responses[0]->mounts[0]->container_path
			 : text);
}

static const struct standin_callbacks standin_callbacks = {
	.on_list = on_list,
	.on_allocated = on_allocated,
};

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	fixture->node = node_new(CLASSES, (const char *const[]){NULL});
	fixture->directory = tree_path(fixture->node->tree, "/plugins");
	assert_int_equal(loop_new(&fixture->loop, NULL), 0);
	assert_int_equal(rpc_new(fixture->loop, &fixture->rpc, NULL), 0);
	fixture->watcher = watcher_new(fixture->loop);
	for (size_t i = 0; i < CLASS_COUNT; i++)
		fixture->plugins[i] =
			plugin_new(fixture->loop, fixture->node->inventory,
				   inventory_class_at(fixture->node->inventory, i));
	*state = fixture;
	return 0;
}

static void start_registrar(struct fixture *fixture)
{
	fixture->registrar = registrar_new(fixture->loop, fixture->rpc, fixture->watcher,
					   fixture->directory, wait_add,
					   &fixture->preparations);
	for (size_t i = 0; i < CLASS_COUNT; i++)
		registrar_add(fixture->registrar, fixture->plugins[i]);
}

static void start_kubelet(struct fixture *fixture)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	assert_int_equal(standin_new(fixture->loop, fixture->directory,
				     &standin_callbacks, fixture, &fixture->standin,
				     &err),
			 0);
}

/* Its socket stays behind, as the kubelet's does. */
static void stop_kubelet(struct fixture *fixture)
{
	bool stopped = false;

	if (!fixture->standin)
		return;
	standin_stop(fixture->standin, wait_set, &stopped);
	assert_comes(fixture->loop, wait_is_set, &stopped);
	fixture->standin = standin_free(fixture->standin);
}

/* What a kubelet does first: removes all sockets (1.33 and later), then makes its own. */
static void restart_kubelet(struct fixture *fixture)
{
	DIR *entries;
	const struct dirent *entry;

	stop_kubelet(fixture);
	entries = opendir(fixture->directory);
	assert_non_null(entries);
	while ((entry = readdir(entries))) {
		if (strstr(entry->d_name, ".sock"))
			assert_int_equal(unlinkat(dirfd(entries), entry->d_name, 0), 0);
	}
	closedir(entries);
	start_kubelet(fixture);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	bool idle = false;

	if (fixture->registrar)
		registrar_stop(fixture->registrar);
	if (fixture->refusing)
		rpc_server_stop(take_ptr(fixture->refusing), NULL, NULL);
	rpc_when_idle(fixture->rpc, wait_set, &idle);
	assert_comes(fixture->loop, wait_is_set, &idle);
	stop_kubelet(fixture);
	registrar_free(fixture->registrar);
	for (size_t i = 0; i < CLASS_COUNT; i++)
		plugin_free(fixture->plugins[i]);
	watcher_free(fixture->watcher);
	rpc_free(fixture->rpc);
	loop_free(fixture->loop);
	node_free(fixture->node);
	free(fixture->directory);
	free(fixture->endpoint);
	free(fixture->allocated);
	free(fixture);
	return 0;
}

static bool is_listed(const struct fixture *fixture, const char *name, size_t count)
{
	const struct standin_resource *resource = standin_find(fixture->standin, name);

	return resource && resource->connected && resource->list &&
	       resource->list->n_devices == count &&
	       standin_count_healthy(resource->list) == count;
}

static bool all_are_registered(void *data)
{
	const struct fixture *fixture = data;

	return is_listed(fixture, CAM, 2) && is_listed(fixture, MIC, 1);
}

/* The first class is registered, and not at the endpoint that is to be left. */
static bool has_moved(void *data)
{
	const struct fixture *fixture = data;

	return is_listed(fixture, CAM, 2) &&
	       strcmp(standin_find(fixture->standin, CAM)->endpoint, fixture->endpoint) !=
		       0;
}

static bool has_one_healthy(void *data)
{
	const struct fixture *fixture = data;

	return standin_count_healthy(standin_find(fixture->standin, CAM)->list) == 1;
}

static void leave_endpoint(struct fixture *fixture)
{
	free(fixture->endpoint);
	fixture->endpoint = mem_string(standin_find(fixture->standin, CAM)->endpoint);
}

static size_t count_sockets(const struct fixture *fixture)
{
	DIR *entries = opendir(fixture->directory);
	const struct dirent *entry;
	size_t count = 0;

	assert_non_null(entries);
	while ((entry = readdir(entries)))
		count += strstr(entry->d_name, "kudev-") != NULL;
	closedir(entries);
	return count;
}

static bool has_only_second(void *data)
{
	struct fixture *fixture = data;

	return is_listed(fixture, MIC, 1) && !is_listed(fixture, CAM, 2) &&
	       count_sockets(fixture) == 1;
}

static bool has_no_more_sockets_than_classes(void *data)
{
	return count_sockets(data) == CLASS_COUNT;
}

static bool was_allocated(void *data)
{
	return ((const struct fixture *)data)->allocated != NULL;
}

static void every_class_is_registered_and_serves(void **state)
{
	struct fixture *fixture = *state;
	const struct standin_resource *cam;
	const struct standin_resource *mic;

	tree_directory(fixture->node->tree, "/plugins");
	start_kubelet(fixture);
	start_registrar(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
	cam = standin_find(fixture->standin, CAM);
	mic = standin_find(fixture->standin, MIC);
	assert_string_not_equal(cam->endpoint, mic->endpoint);
	assert_false(cam->prefers);
	assert_true(mic->prefers);
	assert_true(standin_allocate(standin_find(fixture->standin, CAM)));
	assert_comes(fixture->loop, was_allocated, fixture);
	assert_string_equal(fixture->allocated, "cam-0: /dev/cam0");
	fixture->allocated = (free(fixture->allocated), NULL);
	assert_true(standin_allocate(standin_find(fixture->standin, MIC)));
	assert_comes(fixture->loop, was_allocated, fixture);
	assert_string_equal(fixture->allocated, "mic-0: /dev/mic0");
}

static void a_kubelet_that_comes_later_is_found(void **state)
{
	struct fixture *fixture = *state;

	/* Not even its directory is there. */
	start_registrar(fixture);
	tree_directory(fixture->node->tree, "/plugins");
	start_kubelet(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
}

static void the_socket_of_a_dead_kubelet_is_not_enough(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->node->tree, "/plugins");
	start_kubelet(fixture);
	stop_kubelet(fixture);
	start_registrar(fixture);
	assert_int_equal(count_sockets(fixture), 0);
	restart_kubelet(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
}

static void no_kubelet_socket_at_all_is_survived(void **state)
{
	struct fixture *fixture = *state;

	tree_file(fixture->node->tree, "/plugins/kubelet.sock", "");
	start_registrar(fixture);
	tree_remove(fixture->node->tree, "/plugins/kubelet.sock");
	tree_link(fixture->node->tree, "/plugins/kubelet.sock", "nowhere");
	restart_kubelet(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
}

static void a_restarted_kubelet_is_registered_with_anew(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->node->tree, "/plugins");
	start_kubelet(fixture);
	start_registrar(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
	leave_endpoint(fixture);
	restart_kubelet(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
	assert_true(has_moved(fixture));
	assert_comes(fixture->loop, has_no_more_sockets_than_classes, fixture);
}

static void a_kubelet_that_restarts_again_and_again_leaves_nothing_behind(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->node->tree, "/plugins");
	start_kubelet(fixture);
	start_registrar(fixture);
	for (unsigned i = 0; i < 20; i++) {
		/* Every third one lives long enough to see everything. */
		if (i % 3 == 0)
			assert_comes(fixture->loop, all_are_registered, fixture);
		restart_kubelet(fixture);
	}
	assert_comes(fixture->loop, all_are_registered, fixture);
	assert_comes(fixture->loop, has_no_more_sockets_than_classes, fixture);
}

static void a_kubelet_socket_put_in_place_by_rename_is_seen(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->node->tree, "/plugins");
	start_kubelet(fixture);
	tree_rename(fixture->node->tree, "/plugins/kubelet.sock", "/kubelet.sock");
	start_registrar(fixture);
	tree_rename(fixture->node->tree, "/kubelet.sock", "/plugins/kubelet.sock");
	assert_comes(fixture->loop, all_are_registered, fixture);
}

static void a_lost_socket_of_our_own_is_replaced(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *path = NULL;

	tree_directory(fixture->node->tree, "/plugins");
	start_kubelet(fixture);
	start_registrar(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
	leave_endpoint(fixture);
	path = mem_printf("/plugins/%s", fixture->endpoint);
	tree_remove(fixture->node->tree, path);
	assert_comes(fixture->loop, has_moved, fixture);
	assert_true(all_are_registered(fixture));
}

static void a_stream_that_the_kubelet_ends_is_a_reason_to_register_anew(void **state)
{
	struct fixture *fixture = *state;
	struct standin_resource *cam;
	KUDEV_AUTO_FREE char *mic_endpoint = NULL;

	tree_directory(fixture->node->tree, "/plugins");
	start_kubelet(fixture);
	start_registrar(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
	mic_endpoint = mem_string(standin_find(fixture->standin, MIC)->endpoint);
	for (unsigned i = 0; i < 2; i++) {
		leave_endpoint(fixture);
		cam = standin_find(fixture->standin, CAM);
		cam->watch = rpc_request_cancel(cam->watch);
		assert_comes(fixture->loop, has_moved, fixture);
	}
	/* The other class never noticed. */
	assert_string_equal(standin_find(fixture->standin, MIC)->endpoint, mic_endpoint);
	assert_true(is_listed(fixture, MIC, 1));
}

static void a_directory_that_is_replaced_is_followed(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->node->tree, "/plugins");
	start_kubelet(fixture);
	start_registrar(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
	stop_kubelet(fixture);
	tree_rename(fixture->node->tree, "/plugins", "/old");
	tree_directory(fixture->node->tree, "/plugins");
	start_kubelet(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
}

static void classes_that_register_together_are_prepared_for_once(void **state)
{
	struct fixture *fixture = *state;

	start_registrar(fixture);
	assert_int_equal(fixture->preparations.count, 0);
	tree_directory(fixture->node->tree, "/plugins");
	start_kubelet(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
	assert_int_equal(fixture->preparations.count, 1);
	leave_endpoint(fixture);
	tree_remove(fixture->node->tree, "/plugins/kubelet.sock");
	stop_kubelet(fixture);
	restart_kubelet(fixture);
	assert_comes(fixture->loop, has_moved, fixture);
	assert_true(fixture->preparations.count >= 2);
}

/* The kubelet can't be found any more, but it has our stream. */
static void an_emptied_directory_is_no_reason_to_leave_a_living_kubelet(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *path = NULL;

	tree_directory(fixture->node->tree, "/plugins");
	start_kubelet(fixture);
	start_registrar(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
	path = mem_printf("/plugins/%s", standin_find(fixture->standin, CAM)->endpoint);
	tree_remove(fixture->node->tree, "/plugins/kubelet.sock");
	tree_remove(fixture->node->tree, path);
	tree_remove(fixture->node->tree, "/run/kudev/simulate/cam/0");
	node_scan(fixture->node);
	assert_comes(fixture->loop, has_one_healthy, fixture);
	assert_true(standin_find(fixture->standin, CAM)->connected);
	tree_file(fixture->node->tree, "/run/kudev/simulate/cam/0", "");
	node_scan(fixture->node);
	restart_kubelet(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
}

static void rename_socket(const struct fixture *fixture, struct plugin_socket *socket,
			  const char *name)
{
	KUDEV_AUTO_FREE char *old = mem_printf("/plugins/%s", socket->name);

	tree_rename(fixture->node->tree, old, name);
	plugin_socket_remove(socket);
}

static void the_end_of_another_kudev_concerns_the_class_that_it_served(void **state)
{
	struct fixture *fixture = *state;
	struct plugin_socket other = {0};
	KUDEV_AUTO_CLOSE int fd = -1;
	KUDEV_AUTO_FREE char *mic_endpoint = NULL;

	tree_directory(fixture->node->tree, "/plugins");
	fd = plugin_socket_open(fixture->directory, CAM, plugin_socket_instance(), &other,
				NULL);
	assert_true(fd >= 0);
	start_kubelet(fixture);
	start_registrar(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
	mic_endpoint = mem_string(standin_find(fixture->standin, MIC)->endpoint);
	leave_endpoint(fixture);
	plugin_socket_remove(&other);
	assert_comes(fixture->loop, has_moved, fixture);
	assert_string_equal(standin_find(fixture->standin, MIC)->endpoint, mic_endpoint);
	assert_true(is_listed(fixture, MIC, 1));
}

static void make_older(const struct plugin_socket *socket)
{
	static const struct timespec long_ago[] = {{.tv_sec = 1}, {.tv_sec = 1}};

	assert_int_equal(utimensat(AT_FDCWD, socket->path, long_ago, 0), 0);
}

/* A kubelet up to 1.36 would have ended our stream, that of 1.37 keeps us. */
static void the_end_of_a_kudev_from_before_us_changes_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct plugin_socket old = {0};
	struct plugin_socket new = {0};
	uint32_t instance = plugin_socket_instance();
	KUDEV_AUTO_CLOSE int old_fd = -1;
	KUDEV_AUTO_CLOSE int new_fd = -1;
	KUDEV_AUTO_FREE char *mic_endpoint = NULL;

	tree_directory(fixture->node->tree, "/plugins");
	old_fd = plugin_socket_open(fixture->directory, MIC, instance, &old, NULL);
	new_fd = plugin_socket_open(fixture->directory, CAM, instance, &new, NULL);
	assert_true(old_fd >= 0 && new_fd >= 0);
	make_older(&old);
	start_kubelet(fixture);
	start_registrar(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
	mic_endpoint = mem_string(standin_find(fixture->standin, MIC)->endpoint);
	leave_endpoint(fixture);
	plugin_socket_remove(&old);
	plugin_socket_remove(&new);
	assert_comes(fixture->loop, has_moved, fixture);
	assert_string_equal(standin_find(fixture->standin, MIC)->endpoint, mic_endpoint);
	assert_true(is_listed(fixture, MIC, 1));
}

static void the_end_of_another_plugin_concerns_all(void **state)
{
	struct fixture *fixture = *state;
	struct plugin_socket other = {0};
	KUDEV_AUTO_CLOSE int fd = -1;
	KUDEV_AUTO_FREE char *mic_endpoint = NULL;

	tree_directory(fixture->node->tree, "/plugins");
	fd = plugin_socket_open(fixture->directory, CAM, plugin_socket_instance(), &other,
				NULL);
	assert_true(fd >= 0);
	rename_socket(fixture, &other, "/plugins/other.sock");
	start_kubelet(fixture);
	start_registrar(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
	mic_endpoint = mem_string(standin_find(fixture->standin, MIC)->endpoint);
	leave_endpoint(fixture);
	tree_remove(fixture->node->tree, "/plugins/other.sock");
	assert_comes(fixture->loop, has_moved, fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
	assert_string_not_equal(standin_find(fixture->standin, MIC)->endpoint,
				mic_endpoint);
}

static void handle_refused(struct rpc_call *call, const void *bytes, size_t size,
			   void *data)
{
	struct fixture *fixture = data;

	(void)bytes;
	(void)size;
	fixture->refusals.count++;
	rpc_call_fail(call, RPC_UNKNOWN, fixture->refusal);
}

static const struct rpc_method refusing_methods[] = {
	{"/v1beta1.Registration/Register", false, handle_refused},
};

static void start_refusing(struct fixture *fixture, const char *refusal)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	KUDEV_AUTO_FREE char *path = tree_path(fixture->node->tree,
					       "/plugins/kubelet.sock");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	tree_directory(fixture->node->tree, "/plugins");
	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 10), 0);
	fixture->refusal = refusal;
	fixture->refusing = rpc_server_new(fixture->rpc, fd, refusing_methods, 1,
					   fixture);
}

static void a_failing_registration_is_tried_again(void **state)
{
	struct fixture *fixture = *state;

	start_refusing(fixture,
		       "failed to dial device plugin: context deadline exceeded");
	start_registrar(fixture);
	fixture->refusals.wanted = 4 * CLASS_COUNT;
	assert_comes(fixture->loop, wait_is_enough, &fixture->refusals);
	/* No attempt leaves its socket behind. */
	assert_true(count_sockets(fixture) <= CLASS_COUNT);
	rpc_server_stop(take_ptr(fixture->refusing), NULL, NULL);
	restart_kubelet(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
}

static bool has_no_socket(void *data)
{
	return count_sockets(data) == 0;
}

static void a_final_refusal_waits_for_another_kubelet(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *lines = NULL;
	struct capture capture = capture_begin();

	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_JSON);
	start_refusing(fixture, "the ResourceName \"kudev.io/cam\" is invalid");
	start_registrar(fixture);
	fixture->refusals.wanted = CLASS_COUNT;
	assert_comes(fixture->loop, wait_is_enough, &fixture->refusals);
	assert_comes(fixture->loop, has_no_socket, fixture);
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	lines = capture_end(&capture);
	assert_int_equal(capture_count(lines, "registration refused by the kubelet"),
			 CLASS_COUNT);
	rpc_server_stop(take_ptr(fixture->refusing), NULL, NULL);
	restart_kubelet(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
	assert_int_equal(fixture->refusals.count, CLASS_COUNT);
}

static void stopping_takes_our_sockets_away_and_no_others(void **state)
{
	struct fixture *fixture = *state;
	bool idle = false;

	/* One of a kudev that was killed, and one that is not ours to take. */
	tree_file(fixture->node->tree, "/plugins/kudev-01234567-89abcd-ef012345.sock",
		  "no socket");
	start_kubelet(fixture);
	start_registrar(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
	assert_int_equal(count_sockets(fixture), CLASS_COUNT + 1);
	registrar_stop(fixture->registrar);
	assert_int_equal(count_sockets(fixture), 1);
	assert_true(tree_exists(fixture->node->tree, "/plugins/kubelet.sock"));
	rpc_when_idle(fixture->rpc, wait_set, &idle);
	assert_comes(fixture->loop, wait_is_set, &idle);
	fixture->registrar = registrar_free(fixture->registrar);
}

static void changes_reach_the_kubelet(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->node->tree, "/plugins");
	start_kubelet(fixture);
	start_registrar(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
	tree_remove(fixture->node->tree, "/run/kudev/simulate/cam/0");
	node_scan(fixture->node);
	assert_comes(fixture->loop, has_one_healthy, fixture);
	assert_int_equal(standin_find(fixture->standin, CAM)->list->n_devices, 2);
	tree_file(fixture->node->tree, "/run/kudev/simulate/cam/0", "");
	node_scan(fixture->node);
	assert_comes(fixture->loop, all_are_registered, fixture);
}

/* The first class was removed; fixture->plugins[0] is gone. */
static void on_removed(struct plugin *plugin, void *data)
{
	struct fixture *fixture = data;

	plugin_free(plugin);
	fixture->removals++;
	fixture->sockets_at_removal = count_sockets(fixture);
}

static bool was_removed(void *data)
{
	return ((const struct fixture *)data)->removals > 0;
}

static void remove_first(struct fixture *fixture)
{
	registrar_remove(fixture->registrar, take_ptr(fixture->plugins[0]), on_removed,
			 fixture);
}

/* The same class once more. */
static void add_first(struct fixture *fixture)
{
	fixture->plugins[0] = plugin_new(fixture->loop, fixture->node->inventory,
					 inventory_class_at(fixture->node->inventory, 0));
	registrar_add(fixture->registrar, fixture->plugins[0]);
}

static void start_all(struct fixture *fixture)
{
	tree_directory(fixture->node->tree, "/plugins");
	start_kubelet(fixture);
	start_registrar(fixture);
	assert_comes(fixture->loop, all_are_registered, fixture);
}

static void a_class_that_is_removed_takes_its_socket_along_and_no_other(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *other = NULL;

	start_all(fixture);
	other = mem_string(standin_find(fixture->standin, MIC)->endpoint);
	remove_first(fixture);
	assert_int_equal(count_sockets(fixture), 1);
	assert_int_equal(fixture->removals, 0);
	assert_comes(fixture->loop, was_removed, fixture);
	assert_false(standin_find(fixture->standin, CAM)->connected);
	assert_true(is_listed(fixture, MIC, 1));
	assert_string_equal(standin_find(fixture->standin, MIC)->endpoint, other);
	restart_kubelet(fixture);
	assert_comes(fixture->loop, has_only_second, fixture);
}

static void a_class_that_was_never_added_is_removed_at_once(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->node->tree, "/plugins");
	fixture->registrar = registrar_new(fixture->loop, fixture->rpc, fixture->watcher,
					   fixture->directory, wait_add,
					   &fixture->preparations);
	remove_first(fixture);
	assert_int_equal(fixture->removals, 1);
}

static void a_class_that_waits_for_a_kubelet_is_removed(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->node->tree, "/plugins");
	start_registrar(fixture);
	remove_first(fixture);
	assert_comes(fixture->loop, was_removed, fixture);
	start_kubelet(fixture);
	assert_comes(fixture->loop, has_only_second, fixture);
}

static void a_class_is_removed_while_it_registers(void **state)
{
	struct fixture *fixture = *state;

	tree_directory(fixture->node->tree, "/plugins");
	start_kubelet(fixture);
	start_registrar(fixture);
	assert_int_equal(count_sockets(fixture), CLASS_COUNT);
	remove_first(fixture);
	assert_comes(fixture->loop, was_removed, fixture);
	assert_comes(fixture->loop, has_only_second, fixture);
}

/* Else the kubelet would take the new one along with the old. */
static void a_class_that_comes_back_waits_for_its_own_end(void **state)
{
	struct fixture *fixture = *state;

	start_all(fixture);
	leave_endpoint(fixture);
	remove_first(fixture);
	add_first(fixture);
	/* Whatever makes it look at the directory. */
	tree_file(fixture->node->tree, "/plugins/any", "");
	assert_comes(fixture->loop, was_removed, fixture);
	assert_int_equal(fixture->sockets_at_removal, 1);
	assert_comes(fixture->loop, has_moved, fixture);
	assert_int_equal(count_sockets(fixture), CLASS_COUNT);
	/* Again and again. */
	for (unsigned i = 0; i < 5; i++) {
		leave_endpoint(fixture);
		remove_first(fixture);
		add_first(fixture);
		remove_first(fixture);
		add_first(fixture);
		assert_comes(fixture->loop, has_moved, fixture);
	}
	assert_int_equal(fixture->removals, 11);
}

static void nothing_is_registered_after_the_stop(void **state)
{
	struct fixture *fixture = *state;
	struct wait_count turns = {.wanted = 1};
	struct loop_timer *timer = loop_timer_new(fixture->loop, wait_add, &turns);

	start_all(fixture);
	remove_first(fixture);
	add_first(fixture);
	registrar_stop(fixture->registrar);
	/* The end of the one that was removed is no beginning. */
	assert_comes(fixture->loop, was_removed, fixture);
	loop_timer_set(timer, 0);
	assert_comes(fixture->loop, wait_is_enough, &turns);
	assert_int_equal(count_sockets(fixture), 0);
	loop_timer_free(timer);
}

static void prepare_nothing(const struct config_class *class,
			    struct preparation *preparation, void *data)
{
	(void)class;
	(void)data;
	preparation->done(preparation, NULL);
}

static void a_class_whose_options_changed_is_registered_anew(void **state)
{
	static const struct preparer preparer = {.prepare = prepare_nothing};
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *other = NULL;

	start_all(fixture);
	other = mem_string(standin_find(fixture->standin, MIC)->endpoint);
	leave_endpoint(fixture);
	/* Nothing is other than it was told. */
	registrar_renew(fixture->registrar);
	assert_int_equal(count_sockets(fixture), CLASS_COUNT);
	for (unsigned i = 0; i < 2; i++) {
		plugin_prepare_with(fixture->plugins[0], i == 0 ? &preparer : NULL);
		registrar_renew(fixture->registrar);
		assert_int_equal(count_sockets(fixture), 1);
		assert_comes(fixture->loop, has_moved, fixture);
		leave_endpoint(fixture);
	}
	assert_string_equal(standin_find(fixture->standin, MIC)->endpoint, other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_class_is_registered_and_serves),
		TEST(a_kubelet_that_comes_later_is_found),
		TEST(the_socket_of_a_dead_kubelet_is_not_enough),
		TEST(no_kubelet_socket_at_all_is_survived),
		TEST(a_restarted_kubelet_is_registered_with_anew),
		TEST(a_kubelet_that_restarts_again_and_again_leaves_nothing_behind),
		TEST(a_kubelet_socket_put_in_place_by_rename_is_seen),
		TEST(a_lost_socket_of_our_own_is_replaced),
		TEST(a_stream_that_the_kubelet_ends_is_a_reason_to_register_anew),
		TEST(a_directory_that_is_replaced_is_followed),
		TEST(classes_that_register_together_are_prepared_for_once),
		TEST(an_emptied_directory_is_no_reason_to_leave_a_living_kubelet),
		TEST(the_end_of_another_kudev_concerns_the_class_that_it_served),
		TEST(the_end_of_a_kudev_from_before_us_changes_nothing),
		TEST(the_end_of_another_plugin_concerns_all),
		TEST(a_failing_registration_is_tried_again),
		TEST(a_final_refusal_waits_for_another_kubelet),
		TEST(stopping_takes_our_sockets_away_and_no_others),
		TEST(changes_reach_the_kubelet),
		TEST(a_class_that_is_removed_takes_its_socket_along_and_no_other),
		TEST(a_class_that_was_never_added_is_removed_at_once),
		TEST(a_class_that_waits_for_a_kubelet_is_removed),
		TEST(a_class_is_removed_while_it_registers),
		TEST(a_class_that_comes_back_waits_for_its_own_end),
		TEST(nothing_is_registered_after_the_stop),
		TEST(a_class_whose_options_changed_is_registered_anew),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
