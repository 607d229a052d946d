/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "kubelet/podresources.h"
#include "kubelet/socket.h"

#define LIST_METHOD "/v1.PodResourcesLister/List"
#define LIST_TIMEOUT_MS 10000
#define INTERVAL_MIN_MS 1000
/* After failures: doubled from the first to the last. */
#define BACKOFF_MIN_MS 1000
#define BACKOFF_MAX_MS 60000
#define LOG_BURST 10
#define LOG_INTERVAL_MS 600000

enum podresources_state {
	PODRESOURCES_UNKNOWN, /* not asked yet */
	PODRESOURCES_ABSENT,  /* no socket: its directory tells when there is one */
	PODRESOURCES_FAILING,
	PODRESOURCES_LIVE,
};

struct podresources {
	struct rpc *rpc;
	struct watcher *watcher;
	struct watch *watch;
	char *path;
	struct socket_identity socket; /* that was asked last */
	struct loop_timer *timer;
	int64_t due_ms;			      /* what it is set to */
	struct rpc_request *request;	      /* NULL: none is under way */
	int64_t asked_ms;		      /* when it began, or the last one */
	int64_t again_in_ms;		      /* to be asked after it; -1: no */
	V1__ListPodResourcesResponse *answer; /* to it, so far; NULL: none */
	int64_t backoff_ms;
	int64_t not_before_ms; /* because of failures */
	enum podresources_state state;
	bool is_stopped;
	podresources_callback on_answer;
	void *data;
	struct log_limit limit;
};

static void log_source(struct podresources *podresources, enum log_level level,
		       const char *from, const char *reason)
{
	uint64_t suppressed;

	if (log_limit_burst(&podresources->limit, LOG_BURST, LOG_INTERVAL_MS,
			    &suppressed))
		LOG_AT(level, "holders of devices", LOG_STR("from", from),
		       LOG_STR("socket", podresources->path), LOG_STR("reason", reason),
		       LOG_COUNT("suppressed", suppressed));
}

/* What is no fault: there is no such socket, or the kubelet has just ended. */
static bool is_absence(int code)
{
	return code == ENOENT || code == ENOTDIR || code == ECONNREFUSED;
}

/* code is the errno of a failure on our side; 0: reason is the kubelet's. */
static void fail(struct podresources *podresources, int code, const char *reason)
{
	bool is_absent = code == ENOENT || code == ENOTDIR;
	enum podresources_state state = is_absent ? PODRESOURCES_ABSENT
						  : PODRESOURCES_FAILING;
	bool is_news = podresources->state != state;

	podresources->state = state;
	if (is_news)
		log_source(podresources,
			   is_absence(code) ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
			   "checkpoint", reason);
	podresources->not_before_ms = clock_ms() + backoff_next(&podresources->backoff_ms,
								BACKOFF_MIN_MS,
								BACKOFF_MAX_MS);
	if (is_news)
		podresources->on_answer(NULL, 0, podresources->data);
	podresources_refresh_in(podresources, podresources->backoff_ms);
}

static void free_answer(V1__ListPodResourcesResponse *answer)
{
	if (answer)
		v1__list_pod_resources_response__free_unpacked(answer, NULL);
}

static void on_message(const void *bytes, size_t size, void *data)
{
	struct podresources *podresources = data;

	/* There is one message; what is none shows when the request ends. */
	if (!podresources->answer)
		podresources->answer = (void *)rpc_message_decode(
			&v1__list_pod_resources_response__descriptor, bytes, size);
}

static void succeed(struct podresources *podresources,
		    const V1__ListPodResourcesResponse *answer)
{
	podresources->backoff_ms = 0;
	podresources->not_before_ms = 0;
	if (podresources->state != PODRESOURCES_LIVE)
		log_source(podresources, LOG_LEVEL_INFO, "podresources", NULL);
	podresources->state = PODRESOURCES_LIVE;
	podresources->on_answer(answer, podresources->asked_ms, podresources->data);
}

static void on_done(enum rpc_status status, const char *text, void *data)
{
	struct podresources *podresources = data;
	V1__ListPodResourcesResponse *answer = take_ptr(podresources->answer);
	int64_t again_in_ms = podresources->again_in_ms;

	podresources->request = NULL;
	podresources->again_in_ms = -1;
	if (status == RPC_OK && answer)
		succeed(podresources, answer);
	else
		fail(podresources, 0,
		     status == RPC_OK ? "the answer is not a well-formed message" : text);
	free_answer(answer);
	if (again_in_ms >= 0)
		podresources_refresh_in(podresources, again_in_ms);
}

static const struct rpc_request_callbacks list_callbacks = {
	.on_message = on_message,
	.on_done = on_done,
};

/* A connection for each: it shows at once whether anybody is there, and costs nothing idle. */
static void ask(struct podresources *podresources)
{
	V1__ListPodResourcesRequest content = V1__LIST_POD_RESOURCES_REQUEST__INIT;
	KUDEV_AUTO(rpc_message_free) struct rpc_message *message = NULL;
	KUDEV_AUTO(rpc_connection_free) struct rpc_connection *connection = NULL;
	KUDEV_AUTO_ERROR struct error err = {0};
	int r;

	(void)socket_identify(podresources->path, &podresources->socket);
	podresources->asked_ms = clock_ms();
	r = rpc_connect_sized(podresources->rpc, podresources->path,
			      PODRESOURCES_MAX_SIZE, &connection, &err);
	if (r < 0) {
		fail(podresources, -r, error_message(&err));
		return;
	}
	message = rpc_message_new(&content.base);
	podresources->request = rpc_request_new(connection, LIST_METHOD, message,
						LIST_TIMEOUT_MS, &list_callbacks,
						podresources);
}

static void on_timer(void *data)
{
	ask(data);
}

/* A kubelet that starts makes a new socket. */
static void on_change(void *data)
{
	struct podresources *podresources = data;
	struct socket_identity socket;

	if (socket_identify(podresources->path, &socket) < 0 ||
	    socket_is_same(&socket, &podresources->socket))
		return;
	podresources->socket = socket;
	podresources->backoff_ms = 0;
	podresources->not_before_ms = 0;
	if (podresources->state == PODRESOURCES_ABSENT)
		podresources->state = PODRESOURCES_UNKNOWN;
	podresources_refresh_in(podresources, 0);
}

/* Without a socket there is nothing to retry, as long as the directory tells of one. */
static bool may_ask(const struct podresources *podresources)
{
	return !podresources->is_stopped && (podresources->state != PODRESOURCES_ABSENT ||
					     !watcher_is_live(podresources->watcher));
}

static int64_t earliest_ms(const struct podresources *podresources)
{
	int64_t at_ms = podresources->asked_ms + INTERVAL_MIN_MS;

	if (podresources->asked_ms == 0)
		return 0;
	return at_ms > podresources->not_before_ms ? at_ms : podresources->not_before_ms;
}

void podresources_refresh_in(struct podresources *podresources, int64_t delay_ms)
{
	int64_t now_ms = clock_ms();
	int64_t due_ms = now_ms + delay_ms;
	int64_t earliest = earliest_ms(podresources);

	if (!may_ask(podresources))
		return;
	if (podresources->request) {
		if (podresources->again_in_ms < 0 || delay_ms < podresources->again_in_ms)
			podresources->again_in_ms = delay_ms;
		return;
	}
	if (due_ms < earliest)
		due_ms = earliest;
	if (loop_timer_is_set(podresources->timer) && podresources->due_ms <= due_ms &&
	    podresources->due_ms >= earliest)
		return;
	podresources->due_ms = due_ms;
	loop_timer_set(podresources->timer, due_ms - now_ms);
}

/* Its directory; the caller frees it. */
static char *directory_of(const char *path)
{
	size_t length = (size_t)(strrchr(path, '/') - path);

	return mem_string_n(path, length > 0 ? length : 1);
}

struct podresources *podresources_new(struct loop *loop, struct rpc *rpc,
				      struct watcher *watcher, const char *path,
				      podresources_callback on_answer, void *data)
{
	struct podresources *podresources = mem_zero(sizeof(*podresources));
	KUDEV_AUTO_FREE char *directory = directory_of(path);

	podresources->rpc = rpc;
	podresources->watcher = watcher;
	podresources->path = mem_string(path);
	podresources->again_in_ms = -1;
	podresources->on_answer = on_answer;
	podresources->data = data;
	podresources->timer = loop_timer_new(loop, on_timer, podresources);
	podresources->watch = watch_new(watcher, directory, on_change, podresources);
	podresources_refresh_in(podresources, 0);
	return podresources;
}

void podresources_stop(struct podresources *podresources)
{
	podresources->is_stopped = true;
	podresources->watch = watch_free(podresources->watch);
	loop_timer_cancel(podresources->timer);
	podresources->request = rpc_request_cancel(podresources->request);
	free_answer(take_ptr(podresources->answer));
}

struct podresources *podresources_free(struct podresources *podresources)
{
	if (!podresources)
		return NULL;
	watch_free(podresources->watch);
	loop_timer_free(podresources->timer);
	free(podresources->path);
	free(podresources);
	return NULL;
}
