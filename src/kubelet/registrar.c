/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#include "base/log.h"
#include "deviceplugin/v1beta1/api.pb-c.h"
#include "kubelet/neighbours.h"
#include "kubelet/refusal.h"
#include "kubelet/registrar.h"
#include "kubelet/renewal.h"
#include "kubelet/socket.h"

#define KUBELET_SOCKET "kubelet.sock"
#define REGISTER_METHOD "/v1beta1.Registration/Register"
#define API_VERSION "v1beta1"

/*
 * The kubelet dials back and asks for the options inside Register, for which it gives
 * itself 10 s; from 1.35 on it gives up when our deadline does.
 */
#define REGISTER_TIMEOUT_MS 20000
/* ListAndWatch is called right after; without it a registration is worth nothing. */
#define STREAM_TIMEOUT_MS 10000
/* Between attempts: doubled from the first to the last, give or take a quarter. */
#define BACKOFF_MIN_MS 10
#define BACKOFF_MAX_MS 10000
/* After a refusal that only another kubelet or configuration can change. */
#define REFUSED_MS 60000
/*
 * After the end of a stream, and not before our side of it is over: time for the kubelet
 * to drop the old client, which would otherwise take the new one with it.
 */
#define RELEASE_MS 100
/* A stream that lived this long shows that the registration was sound. */
#define SOUND_MS 5000
/*
 * How often to look without a hint from inotify. That tells nearly all, so that an idle kudev
 * may sleep long. It does not tell of a plugin that was killed, which leaves its socket
 * behind, nor of a mount over the directory in which we wait for a kubelet.
 */
#define POLL_QUIET_MS 300000
#define POLL_MS 30000
#define POLL_BLIND_MS 1000 /* without inotify */

enum registration_state {
	REGISTRATION_WAITING,	  /* for the kubelet, or for the retry timer */
	REGISTRATION_REGISTERING, /* serving; Register is under way */
	REGISTRATION_REGISTERED,  /* serving; the kubelet has accepted */
};

struct registration {
	struct registrar *registrar;
	struct plugin *plugin;
	enum registration_state state;
	struct loop_timer *timer; /* next attempt, or the wait for a stream */

	struct plugin_socket socket; /* valid while there is a server */
	struct rpc_server *server;   /* NULL in REGISTRATION_WAITING */
	struct rpc_request *request; /* REGISTRATION_REGISTERING */
	size_t ending; /* servers whose calls and connections are not over yet */
	bool due;      /* an attempt that only waits for them */
	struct socket_identity kubelet; /* that was tried last */
	const void
		*stream; /* the first on the present server, the kubelet's; NULL: none */
	bool streamed;	 /* there was one */

	struct loop_timer *renewal_timer; /* only while there is a server */
	int64_t renewal_due_ms;
	enum renewal_cause renewal_cause;
	struct renewal renewals[RENEWAL_CAUSE_MAX];

	const char *reason; /* of the attempt to come, for the log */
	unsigned attempts;  /* since the last success */
	int64_t backoff_ms; /* 0: none yet */
	int64_t started_ms; /* the attempt under way */
	int64_t registered_ms;
	struct log_limit failure_limit;
	bool prefers, prepares; /* the options, as the kubelet was told */

	/* Once it was removed. */
	void (*on_removed)(struct plugin *plugin, void *data);
	void *removed_data;

	char *error;			   /* of the last attempt; NULL: it succeeded */
	struct registration_status status; /* what is counted, and of time what is past */

	struct registration *next;
};

struct registrar {
	struct loop *loop;
	struct rpc *rpc;
	struct watcher *watcher;
	struct watch *watch;
	struct loop_timer *poll;
	int64_t poll_ms; /* what it is set to */
	char *directory;
	char *kubelet_path;
	uint32_t instance;
	loop_callback before_attempts;
	void *data;		  /* for it */
	struct loop_timer *batch; /* set: it was called for the attempts of this round */
	struct neighbours *neighbours;
	struct loop_timer *neighbour_timer; /* to look at them again */
	bool neighbours_suspected;	    /* of having been killed */
	int64_t neighbours_tried_ms;	    /* by connecting, in a poll */
	struct socket_identity kubelet;	    /* at the last look at them; 0: none */
	struct socket_identity seen;	    /* the last kubelet; 0: none yet */
	uint64_t kubelet_restarts;
	bool waiting_logged;
	bool is_stopped;
	struct registration *registrations;
	struct registration *removed; /* that have calls left, or had until just now */
};

static const char *resource_of(const struct registration *registration)
{
	return plugin_class(registration->plugin)->resource;
}

static int64_t poll_interval(const struct registrar *registrar)
{
	const struct registration *registration;

	if (!watcher_is_live(registrar->watcher))
		return POLL_BLIND_MS;
	if (neighbours_are_there(registrar->neighbours))
		return POLL_MS;
	LL_FOREACH(registrar->registrations, registration) {
		if (!registration->stream)
			return POLL_MS;
	}
	return POLL_QUIET_MS;
}

/* A longer interval has time until the poll. */
static void shorten_poll(struct registrar *registrar)
{
	int64_t interval_ms = poll_interval(registrar);

	if (interval_ms >= registrar->poll_ms)
		return;
	registrar->poll_ms = interval_ms;
	loop_timer_set(registrar->poll, interval_ms);
}

static void attempt(struct registration *registration);

static void registration_free(struct registration *registration)
{
	loop_timer_free(registration->timer);
	loop_timer_free(registration->renewal_timer);
	free(registration->error);
	free(registration);
}

static struct registration *find_resource(struct registration *list, const char *resource)
{
	struct registration *registration;

	LL_FOREACH(list, registration) {
		if (strcmp(resource_of(registration), resource) == 0)
			return registration;
	}
	return NULL;
}

/* The class may be there again. */
static void end_removed(struct registration *removed)
{
	struct registrar *registrar = removed->registrar;
	struct registration *successor = find_resource(registrar->registrations,
						       resource_of(removed));

	LL_DELETE(registrar->removed, removed);
	removed->on_removed(removed->plugin, removed->removed_data);
	registration_free(removed);
	if (successor && successor->state == REGISTRATION_WAITING)
		attempt(successor);
}

static void on_server_ended(void *data)
{
	struct registration *registration = data;

	if (--registration->ending > 0)
		return;
	if (registration->on_removed) {
		loop_timer_set(registration->timer, RELEASE_MS);
	} else if (registration->due) {
		registration->due = false;
		attempt(registration);
	}
}

/* Stops serving; what is left of the calls ends by itself. */
static void drop_server(struct registration *registration)
{
	registration->due = false;
	registration->request = rpc_request_cancel(registration->request);
	loop_timer_cancel(registration->timer);
	loop_timer_cancel(registration->renewal_timer);
	if (registration->state == REGISTRATION_REGISTERED)
		registration->status.registered_ms += clock_ms() -
						      registration->registered_ms;
	registration->state = REGISTRATION_WAITING;
	registration->stream = NULL;
	registration->streamed = false;
	shorten_poll(registration->registrar);
	if (!registration->server)
		return;
	plugin_socket_remove(&registration->socket);
	registration->status.ended++;
	registration->ending++;
	rpc_server_stop(take_ptr(registration->server), on_server_ended, registration);
}

static int64_t next_backoff(struct registration *registration)
{
	int64_t backoff = backoff_next(&registration->backoff_ms, BACKOFF_MIN_MS,
				       BACKOFF_MAX_MS);

	return backoff * 3 / 4 + arc4random_uniform((uint32_t)(backoff / 2 + 1));
}

static void retry_in(struct registration *registration, int64_t delay_ms)
{
	loop_timer_set(registration->timer, delay_ms);
}

/* code is the errno of a failure on our side; 0: the kubelet's words. */
static void fail_attempt(struct registration *registration,
			 enum registration_failure failure, const char *text, int code)
{
	struct refusal refusal = {
		.text = text,
		.code = code,
		.attempts = registration->attempts,
	};

	registration->status.failures[failure]++;
	mem_replace(&registration->error, text);
	drop_server(registration);
	refusal.retry_ms = refusal_is_permanent(text) ? REFUSED_MS
						      : next_backoff(registration);
	refusal_log(&refusal, plugin_class(registration->plugin),
		    &registration->failure_limit);
	retry_in(registration, refusal.retry_ms);
}

/*
 * The end of another plugin may be why a stream ended, and be unknown because it was killed.
 * Its other resources are then waiting for us.
 */
static void suspect_neighbours(struct registrar *registrar)
{
	if (!neighbours_are_there(registrar->neighbours))
		return;
	registrar->neighbours_suspected = true;
	loop_timer_set(registrar->neighbour_timer, 0);
}

/* The stream of a registered class has ended while the kubelet stays, or so it seems. */
static void lose_stream(struct registration *registration)
{
	bool sound = clock_ms() - registration->registered_ms >= SOUND_MS;

	drop_server(registration);
	registration->reason = "stream ended";
	if (sound)
		registration->backoff_ms = 0;
	retry_in(registration, RELEASE_MS + next_backoff(registration));
	suspect_neighbours(registration->registrar);
}

static void on_register_done(enum rpc_status status, const char *text, void *data)
{
	struct registration *registration = data;

	registration->request = NULL;
	if (status != RPC_OK) {
		fail_attempt(registration, REGISTRATION_REFUSED, text, 0);
		return;
	}
	log_info("registered with the kubelet",
		 LOG_STR("class", plugin_class(registration->plugin)->name),
		 LOG_STR("resource", resource_of(registration)),
		 LOG_STR("endpoint", registration->socket.name),
		 LOG_STR("reason", registration->reason),
		 LOG_INT("duration_ms", clock_ms() - registration->started_ms));
	registration->state = REGISTRATION_REGISTERED;
	registration->registered_ms = clock_ms();
	registration->status.registrations++;
	mem_replace(&registration->error, NULL);
	registration->attempts = 0;
	registration->reason = "retry";
	registration->failure_limit = (struct log_limit){0};
	if (!registration->streamed)
		loop_timer_set(registration->timer, STREAM_TIMEOUT_MS);
	else if (!registration->stream)
		lose_stream(registration);
}

static const struct rpc_request_callbacks register_callbacks = {
	.on_done = on_register_done,
};

static void send_register(struct registration *registration,
			  struct rpc_connection *connection)
{
	V1beta1__DevicePluginOptions options = V1BETA1__DEVICE_PLUGIN_OPTIONS__INIT;
	V1beta1__RegisterRequest content = V1BETA1__REGISTER_REQUEST__INIT;
	KUDEV_AUTO(rpc_message_free) struct rpc_message *message = NULL;

	registration->prefers = plugin_prefers(registration->plugin);
	registration->prepares = plugin_prepares(registration->plugin);
	options.get_preferred_allocation_available = registration->prefers;
	options.pre_start_required = registration->prepares;
	content.version = (char *)API_VERSION;
	content.endpoint = (char *)registration->socket.name;
	content.resource_name = plugin_class(registration->plugin)->resource;
	content.options = &options;
	message = rpc_message_new(&content.base);
	registration->request = rpc_request_new(connection, REGISTER_METHOD, message,
						REGISTER_TIMEOUT_MS, &register_callbacks,
						registration);
}

static int start_serving(struct registration *registration, struct error *err)
{
	struct registrar *registrar = registration->registrar;
	int fd = plugin_socket_open(registrar->directory, resource_of(registration),
				    registrar->instance, &registration->socket, err);

	if (fd < 0)
		return fd;
	registration->server = plugin_serve(registration->plugin, registrar->rpc, fd);
	return 0;
}

/* code tells why kubelet.sock can't be seen. */
static void log_waiting(struct registrar *registrar, int code)
{
	const char *hint = NULL;

	if (registrar->waiting_logged)
		return;
	registrar->waiting_logged = true;
	if (code != ENOENT)
		hint = "kubelet.sock can't be looked at: kudev must be root";
	else if (access(registrar->directory, F_OK) < 0)
		hint = "the device plugin directory does not exist: is it mounted, and is "
		       "pluginDirectory right?";
	log_info("waiting for the kubelet", LOG_STR("socket", registrar->kubelet_path),
		 LOG_STR("error", strerror(code)), LOG_STR("hint", hint));
}

/* Whatever socket appears next is a new one, also if it is the same that was hidden. */
static void forget_kubelet(struct registration *registration)
{
	registration->kubelet = (struct socket_identity){0};
}

static void on_batch_over(void *data)
{
	(void)data;
}

/* Classes that register in the same round of the loop share the call. */
static void prepare_attempts(struct registrar *registrar)
{
	if (loop_timer_is_set(registrar->batch))
		return;
	loop_timer_set(registrar->batch, 0);
	registrar->before_attempts(registrar->data);
}

/*
 * Connects first: while no kubelet answers, nothing is made and nothing has to be undone.
 * Without a kubelet.sock there is nothing to retry either, until one appears.
 */
static void attempt(struct registration *registration)
{
	struct registrar *registrar = registration->registrar;
	KUDEV_AUTO_ERROR struct error err = {0};
	KUDEV_AUTO(rpc_connection_free) struct rpc_connection *connection = NULL;
	enum registration_failure failure = REGISTRATION_UNREACHABLE;
	int r;

	loop_timer_cancel(registration->timer);
	/* A class that was removed a moment ago: not before that has ended. */
	if (registrar->is_stopped ||
	    find_resource(registrar->removed, resource_of(registration)))
		return;
	r = socket_identify(registrar->kubelet_path, &registration->kubelet);
	if (r < 0) {
		forget_kubelet(registration);
		log_waiting(registrar, -r);
		return;
	}
	registration->attempts++;
	registration->started_ms = clock_ms();
	r = rpc_connect(registrar->rpc, registrar->kubelet_path, &connection, &err);
	if (r == 0) {
		prepare_attempts(registrar);
		failure = REGISTRATION_UNSERVED;
		r = start_serving(registration, &err);
	}
	if (r < 0) {
		fail_attempt(registration, failure, error_message(&err), err.code);
		return;
	}
	if (registrar->waiting_logged)
		plugin_sockets_clean(registrar->directory);
	registrar->waiting_logged = false;
	registration->state = REGISTRATION_REGISTERING;
	send_register(registration, connection);
}

static void on_timer(void *data)
{
	struct registration *registration = data;

	switch (registration->state) {
	case REGISTRATION_WAITING:
		if (registration->on_removed)
			end_removed(registration);
		else if (registration->ending > 0)
			registration->due = true;
		else
			attempt(registration);
		break;
	case REGISTRATION_REGISTERING:
		break;
	case REGISTRATION_REGISTERED:
		fail_attempt(registration, REGISTRATION_UNHEARD,
			     "the kubelet accepted, but did not ask for the devices", 0);
		break;
	}
}

static void on_stream(struct rpc_server *server, const void *stream, bool opened,
		      void *data)
{
	struct registration *registration = data;

	/* The server of an earlier registration may still be ending its calls. */
	if (server != registration->server)
		return;
	if (opened && !registration->streamed) {
		registration->stream = stream;
		registration->streamed = true;
		if (registration->state == REGISTRATION_REGISTERED)
			loop_timer_cancel(registration->timer);
	} else if (!opened && stream == registration->stream) {
		/* Others may look on; without this one we are not registered any more. */
		registration->stream = NULL;
		if (registration->state == REGISTRATION_REGISTERED)
			lose_stream(registration);
	}
}

static void attempt_anew(struct registration *registration, const char *reason)
{
	drop_server(registration);
	registration->reason = reason;
	registration->backoff_ms = 0;
	attempt(registration);
}

/* Plans a renewal unless one is due earlier. */
static void plan_renewal(struct registration *registration, enum renewal_cause cause)
{
	int64_t now_ms = clock_ms();
	int64_t due_ms = renewal_due(&registration->renewals[cause], cause, now_ms);

	if (loop_timer_is_set(registration->renewal_timer) &&
	    registration->renewal_due_ms <= due_ms)
		return;
	registration->renewal_due_ms = due_ms;
	registration->renewal_cause = cause;
	loop_timer_set(registration->renewal_timer, due_ms - now_ms);
}

/* Compares what is in the directory with what the registration rests on. */
static void check(struct registration *registration)
{
	struct socket_identity kubelet = {0};
	int r = socket_identify(registration->registrar->kubelet_path, &kubelet);
	bool is_new;

	if (r < 0) {
		/*
		 * A kubelet that starts removes our socket before it makes its own. As long
		 * as there is a stream it is not that: the kubelet lives, in an emptied or
		 * moved directory, and could not be found again.
		 */
		if (registration->server && !registration->stream &&
		    !plugin_socket_is_there(&registration->socket)) {
			drop_server(registration);
			registration->reason = "kubelet restarted";
			log_waiting(registration->registrar, -r);
		}
		if (registration->state == REGISTRATION_WAITING)
			forget_kubelet(registration);
		return;
	}
	is_new = !socket_is_same(&kubelet, &registration->kubelet);
	if (registration->state == REGISTRATION_WAITING) {
		if (is_new)
			attempt_anew(registration, registration->reason);
	} else if (is_new) {
		attempt_anew(registration, "kubelet restarted");
	} else if (!plugin_socket_is_there(&registration->socket)) {
		plan_renewal(registration, RENEWAL_SOCKET);
	}
}

static void on_renewal(void *data)
{
	struct registration *registration = data;
	struct socket_identity kubelet;

	if (registration->state == REGISTRATION_REGISTERING) {
		loop_timer_set(registration->renewal_timer, RELEASE_MS);
		return;
	}
	/* What there is may be all that can be had. */
	if (socket_identify(registration->registrar->kubelet_path, &kubelet) < 0)
		return;
	renewal_count(&registration->renewals[registration->renewal_cause],
		      registration->renewal_cause, clock_ms());
	drop_server(registration);
	registration->reason = renewal_reason(registration->renewal_cause);
	retry_in(registration, RELEASE_MS);
}

/*
 * Whether the plugin may have been the last to register, while we are registered. If it was
 * another kudev before us, whose socket is as new as its registration, we are told: the
 * kubelet up to 1.36 ends our stream, that of 1.37 keeps us.
 */
static bool may_have_taken(const struct registration *registration,
			   const struct neighbour_end *end)
{
	if (registration->state == REGISTRATION_WAITING ||
	    registration->started_ms > end->ended_ms)
		return false;
	if (!plugin_socket_is_kudevs(end->socket))
		return true;
	return plugin_socket_is_for(end->socket, resource_of(registration)) &&
	       end->made_ms + REGISTER_TIMEOUT_MS > registration->started_ms;
}

static void on_neighbour_ended(const struct neighbour_end *end, void *data)
{
	struct registrar *registrar = data;
	struct registration *registration;
	enum renewal_cause cause = plugin_socket_is_kudevs(end->socket) ? RENEWAL_KUDEV
									: RENEWAL_PLUGIN;

	log_debug("another plugin ended", LOG_STR("socket", end->socket));
	LL_FOREACH(registrar->registrations, registration) {
		if (may_have_taken(registration, end))
			plan_renewal(registration, cause);
	}
}

static void count_kubelet(struct registrar *registrar,
			  const struct socket_identity *kubelet)
{
	if (kubelet->inode == 0 || socket_is_same(kubelet, &registrar->seen))
		return;
	if (registrar->seen.inode != 0)
		registrar->kubelet_restarts++;
	registrar->seen = *kubelet;
}

/* A new kubelet has removed all sockets, and asks us all to register. */
static void look_at_neighbours(struct registrar *registrar, bool by_connecting)
{
	struct socket_identity kubelet = {0};
	int64_t again_ms;

	(void)socket_identify(registrar->kubelet_path, &kubelet);
	count_kubelet(registrar, &kubelet);
	if (!socket_is_same(&kubelet, &registrar->kubelet)) {
		registrar->kubelet = kubelet;
		neighbours_reset(registrar->neighbours);
		return;
	}
	again_ms = neighbours_look(registrar->neighbours, by_connecting,
				   on_neighbour_ended, registrar);
	if (again_ms >= 0 && !registrar->neighbours_suspected)
		loop_timer_set(registrar->neighbour_timer, again_ms);
}

static void on_neighbour_timer(void *data)
{
	struct registrar *registrar = data;
	bool by_connecting = registrar->neighbours_suspected;

	registrar->neighbours_suspected = false;
	look_at_neighbours(registrar, by_connecting);
}

/* The neighbours first: what is planned for them is undone by an attempt. */
static void check_all(struct registrar *registrar, bool by_connecting)
{
	struct registration *registration;

	look_at_neighbours(registrar, by_connecting);
	LL_FOREACH(registrar->registrations, registration) {
		check(registration);
	}
}

static void on_change(void *data)
{
	struct registrar *registrar = data;

	check_all(registrar, false);
	shorten_poll(registrar);
}

/* Connects no more often for want of inotify. */
static void on_poll(void *data)
{
	struct registrar *registrar = data;
	int64_t now_ms = clock_ms();
	bool by_connecting = now_ms - registrar->neighbours_tried_ms >
			     POLL_MS - POLL_BLIND_MS;

	if (by_connecting)
		registrar->neighbours_tried_ms = now_ms;
	check_all(registrar, by_connecting);
	registrar->poll_ms = poll_interval(registrar);
	loop_timer_set(registrar->poll, registrar->poll_ms);
}

struct registrar *registrar_new(struct loop *loop, struct rpc *rpc,
				struct watcher *watcher, const char *directory,
				loop_callback before_attempts, void *data)
{
	struct registrar *registrar = mem_zero(sizeof(*registrar));

	registrar->loop = loop;
	registrar->rpc = rpc;
	registrar->watcher = watcher;
	registrar->directory = mem_string(directory);
	registrar->kubelet_path = mem_printf("%s/" KUBELET_SOCKET, directory);
	registrar->instance = plugin_socket_instance();
	registrar->before_attempts = before_attempts;
	registrar->data = data;
	registrar->batch = loop_timer_new(loop, on_batch_over, registrar);
	plugin_sockets_clean(directory);
	registrar->watch = watch_new(watcher, directory, on_change, registrar);
	registrar->neighbours = neighbours_new(directory, registrar->instance);
	registrar->neighbour_timer = loop_timer_new(loop, on_neighbour_timer, registrar);
	registrar->poll = loop_timer_new(loop, on_poll, registrar);
	on_poll(registrar);
	return registrar;
}

void registrar_add(struct registrar *registrar, struct plugin *plugin)
{
	struct registration *registration = mem_zero(sizeof(*registration));

	registration->registrar = registrar;
	registration->plugin = plugin;
	registration->timer = loop_timer_new(registrar->loop, on_timer, registration);
	registration->renewal_timer = loop_timer_new(registrar->loop, on_renewal,
						     registration);
	registration->reason = "start";
	LL_APPEND(registrar->registrations, registration);
	shorten_poll(registrar);
	plugin_observe_streams(plugin, on_stream, registration);
	attempt(registration);
}

void registrar_remove(struct registrar *registrar, struct plugin *plugin,
		      void (*on_removed)(struct plugin *plugin, void *data), void *data)
{
	struct registration *registration;

	LL_SEARCH_SCALAR(registrar->registrations, registration, plugin, plugin);
	if (!registration) {
		on_removed(plugin, data);
		return;
	}
	LL_DELETE(registrar->registrations, registration);
	LL_PREPEND(registrar->removed, registration);
	registration->on_removed = on_removed;
	registration->removed_data = data;
	plugin_observe_streams(plugin, NULL, NULL);
	drop_server(registration);
	if (registration->ending == 0)
		loop_timer_set(registration->timer, RELEASE_MS);
}

void registrar_renew(struct registrar *registrar)
{
	struct registration *registration;

	LL_FOREACH(registrar->registrations, registration) {
		const struct plugin *plugin = registration->plugin;

		if (!registration->server ||
		    (registration->prefers == plugin_prefers(plugin) &&
		     registration->prepares == plugin_prepares(plugin)))
			continue;
		drop_server(registration);
		registration->reason = "options changed";
		retry_in(registration, RELEASE_MS);
	}
}

static const char *describe_wait(const struct registration *registration)
{
	if (registration->state == REGISTRATION_REGISTERED)
		return registration->stream ? NULL : "the kubelet to ask for the devices";
	if (registration->state == REGISTRATION_REGISTERING)
		return "the kubelet's answer to Register";
	return registration->error ? "the next attempt to register" : "the kubelet";
}

bool registrar_describe(const struct registrar *registrar, const struct plugin *plugin,
			struct registration_status *ret)
{
	const struct registration *registration;

	LL_SEARCH_SCALAR(registrar->registrations, registration, plugin, plugin);
	if (!registration)
		return false;
	*ret = registration->status;
	ret->is_registered = registration->state == REGISTRATION_REGISTERED;
	ret->is_streamed = ret->is_registered && registration->stream;
	ret->waits_for = describe_wait(registration);
	ret->error = registration->error;
	ret->endpoint = registration->server ? registration->socket.name : NULL;
	ret->since_ms = registration->registered_ms;
	if (ret->is_registered)
		ret->registered_ms += clock_ms() - registration->registered_ms;
	return true;
}

uint64_t registrar_kubelet_restarts(const struct registrar *registrar)
{
	return registrar->kubelet_restarts;
}

void registrar_stop(struct registrar *registrar)
{
	struct registration *registration;

	registrar->is_stopped = true;
	registrar->watch = watch_free(registrar->watch);
	LL_FOREACH(registrar->registrations, registration) {
		plugin_observe_streams(registration->plugin, NULL, NULL);
		drop_server(registration);
	}
	loop_timer_cancel(registrar->poll);
	loop_timer_cancel(registrar->batch);
	loop_timer_cancel(registrar->neighbour_timer);
}

struct registrar *registrar_free(struct registrar *registrar)
{
	struct registration *registration;
	struct registration *next;

	if (!registrar)
		return NULL;
	LL_FOREACH_SAFE(registrar->registrations, registration, next) {
		registration_free(registration);
	}
	LL_FOREACH_SAFE(registrar->removed, registration, next) {
		registration_free(registration);
	}
	watch_free(registrar->watch);
	loop_timer_free(registrar->poll);
	loop_timer_free(registrar->batch);
	loop_timer_free(registrar->neighbour_timer);
	neighbours_free(registrar->neighbours);
	free(registrar->directory);
	free(registrar->kubelet_path);
	free(registrar);
	return NULL;
}
