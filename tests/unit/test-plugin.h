/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_PLUGIN_H
#define KUDEV_TEST_PLUGIN_H

/* The plugin of one class on a socket, and the kubelet's side of a connection to it. */

#include "kubelet/plugin.h"
#include "kubelet/socket.h"
#include "test-kubelet.h"
#include "test-wait.h"

#define METHOD(name) "/v1beta1.DevicePlugin/" name
#define CLASSES                                                                          \
	"classes:\n- {name: cam, simulate: {count: 3, numaNodes: 2}, preferred: numa}\n" \
	"- {name: fuse, paths: ['/dev/f*']}\n"
enum { CAM, FUSE };

struct fixture {
	struct node *node;
	struct loop *loop;
	struct rpc *rpc;
	struct plugin *plugin;
	struct rpc_server *server;
	struct rpc_connection *connection;
	struct plugin_socket socket;
	unsigned opened;
	unsigned closed;
};

/* A ListAndWatch stream or a call, as the kubelet sees it. */
struct watcher_side {
	struct rpc_request *request;
	char *list; /* the last one: "id id!" */
	struct wait_count lists;
	enum rpc_status status;
	char *text;
	void *bytes;
	size_t size;
	bool done;
};

static inline void side_clear(struct watcher_side *side)
{
	rpc_request_cancel(side->request);
	free(side->list);
	free(side->text);
	free(side->bytes);
	*side = (struct watcher_side){0};
}

#define AUTO_SIDE __attribute__((cleanup(side_clear)))

static inline void on_stream(struct rpc_server *server, const void *stream, bool opened,
			     void *data)
{
	struct fixture *fixture = data;

	assert_non_null(stream);
	if (server == fixture->server || !fixture->server)
		opened ? fixture->opened++ : fixture->closed++;
}

static inline void start(struct fixture *fixture, size_t class, const char *const *files)
{
	int fd;

	fixture->node = node_new(CLASSES, files);
	fixture->plugin = plugin_new(fixture->loop, fixture->node->inventory,
				     inventory_class_at(fixture->node->inventory, class));
	plugin_observe_streams(fixture->plugin, on_stream, fixture);
	fd = plugin_socket_open(fixture->node->tree->root, "x", 0, &fixture->socket,
				NULL);
	assert_true(fd >= 0);
	fixture->server = plugin_serve(fixture->plugin, fixture->rpc, fd);
	assert_int_equal(rpc_connect(fixture->rpc, fixture->socket.path,
				     &fixture->connection, NULL),
			 0);
}

static inline int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	assert_int_equal(loop_new(&fixture->loop, NULL), 0);
	assert_int_equal(rpc_new(fixture->loop, &fixture->rpc, NULL), 0);
	*state = fixture;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *fixture = *state;
	bool idle = false;

	if (fixture->server)
		rpc_server_stop(take_ptr(fixture->server), NULL, NULL);
	rpc_connection_free(fixture->connection);
	rpc_when_idle(fixture->rpc, wait_set, &idle);
	assert_comes(fixture->loop, wait_is_set, &idle);
	plugin_free(fixture->plugin);
	plugin_socket_remove(&fixture->socket);
	rpc_free(fixture->rpc);
	loop_free(fixture->loop);
	node_free(fixture->node);
	free(fixture);
	return 0;
}

static inline void on_message(const void *bytes, size_t size, void *data)
{
	struct watcher_side *side = data;

	side->bytes = memcpy(mem_alloc(size), bytes, size);
	side->size = size;
}

static inline void on_done(enum rpc_status status, const char *text, void *data)
{
	struct watcher_side *side = data;

	side->request = NULL;
	side->status = status;
	side->text = mem_string(text);
	side->done = true;
}

static const struct rpc_request_callbacks call_callbacks = {
	.on_message = on_message,
	.on_done = on_done,
};

static inline void begin_call(struct fixture *fixture, const char *method,
			      const ProtobufCMessage *content, struct watcher_side *side)
{
	KUDEV_AUTO(rpc_message_free)
	struct rpc_message *message = rpc_message_new(content);

	side->request = rpc_request_new(fixture->connection, method, message, 0,
					&call_callbacks, side);
}

static inline void end_call(struct fixture *fixture, struct watcher_side *side,
			    enum rpc_status expected)
{
	assert_comes(fixture->loop, wait_is_set, &side->done);
	assert_int_equal(side->status, expected);
}

static inline void call(struct fixture *fixture, const char *method,
			const ProtobufCMessage *content, enum rpc_status expected,
			struct watcher_side *side)
{
	begin_call(fixture, method, content, side);
	end_call(fixture, side, expected);
}

#endif
