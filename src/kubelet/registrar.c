/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <utlist.h>

#include "base/log.h"
#include "deviceplugin/v1beta1/api.pb-c.h"
#include "kubelet/registrar.h"
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
/* How often to look without a hint from inotify, with it and without. */
#define POLL_MS 30000
#define POLL_BLIND_MS 1000
#define FAILURE_LOG_INTERVAL_MS 60000

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

	const char *reason; /* of the attempt to come, for the log */
	unsigned attempts;  /* since the last success */
	int64_t backoff_ms; /* 0: none yet */
	int64_t started_ms; /* the attempt under way */
	int64_t registered_ms;
	struct log_limit failure_limit;

	struct registration *next;
};

struct registrar {
	struct loop *loop;
	struct rpc *rpc;
	struct watcher *watcher;
	struct watch *watch;
	struct loop_timer *poll;
	char *directory;
	char *kubelet_path;
	uint32_t instance;
	loop_callback before_attempts;
	void *data;		  /* for it */
	struct loop_timer *batch; /* set: it was called for the attempts of this round */
	bool waiting_logged;
	struct registration *registrations;
};

static const char *resource_of(const struct registration *registration)
{
	return plugin_class(registration->plugin)->resource;
}

static void attempt(struct registration *registration);

static void on_server_ended(void *data)
{
	struct registration *registration = data;

	if (--registration->ending > 0 || !registration->due)
		return;
	registration->due = false;
	attempt(registration);
}

/* Stops serving; what is left of the calls ends by itself. */
static void drop_server(struct registration *registration)
{
	registration->due = false;
	registration->request = rpc_request_cancel(registration->request);
	loop_timer_cancel(registration->timer);
	registration->state = REGISTRATION_WAITING;
	registration->stream = NULL;
	registration->streamed = false;
	if (!registration->server)
		return;
	plugin_socket_remove(&registration->socket);
	registration->ending++;
	rpc_server_stop(take_ptr(registration->server), on_server_ended, registration);
}

static int64_t next_backoff(struct registration *registration)
{
	int64_t backoff = registration->backoff_ms * 2;

	if (backoff < BACKOFF_MIN_MS)
		backoff = BACKOFF_MIN_MS;
	if (backoff > BACKOFF_MAX_MS)
		backoff = BACKOFF_MAX_MS;
	registration->backoff_ms = backoff;
	return backoff * 3 / 4 + arc4random_uniform((uint32_t)(backoff / 2 + 1));
}

static void retry_in(struct registration *registration, int64_t delay_ms)
{
	loop_timer_set(registration->timer, delay_ms);
}

/* These two texts of the kubelet say that trying again will not help for now. */
static bool is_permanent(const char *text)
{
	return strstr(text, "not supported by kubelet") || strstr(text, "is invalid");
}

/* What an operator can do about a failure on our side; NULL: nothing that we know of. */
static const char *hint_for(int code)
{
	switch (code) {
	case EACCES:
	case EPERM:
		return "kudev must be root, and the directory must be writable for it";
	case EROFS:
		return "mount the device plugin directory read-write";
	case ECONNREFUSED:
		return "nobody listens on kubelet.sock: is the kubelet running?";
	case EMFILE:
	case ENFILE:
		return "raise the limit of open files";
	case ENOSPC:
	case EDQUOT:
		return "the disk of the device plugin directory is full";
	default:
		return NULL;
	}
}

static void log_failure(struct registration *registration, const char *text, int code,
			int64_t retry_ms)
{
	uint64_t suppressed;

	if (!log_limit_due(&registration->failure_limit, FAILURE_LOG_INTERVAL_MS,
			   &suppressed))
		return;
	log_warn("registration failed",
		 LOG_STR("class", plugin_class(registration->plugin)->name),
		 LOG_STR("resource", resource_of(registration)), LOG_STR("error", text),
		 LOG_STR("hint", hint_for(code)),
		 LOG_INT("attempt", registration->attempts),
		 LOG_INT("retry_ms", retry_ms), LOG_COUNT("suppressed", suppressed));
}

/* code is the errno of a failure on our side; 0: the kubelet's words. */
static void fail_attempt(struct registration *registration, const char *text, int code)
{
	int64_t retry_ms;

	drop_server(registration);
	if (is_permanent(text)) {
		log_error("registration refused by the kubelet",
			  LOG_STR("class", plugin_class(registration->plugin)->name),
			  LOG_STR("resource", resource_of(registration)),
			  LOG_STR("error", text), LOG_INT("retry_ms", REFUSED_MS));
		retry_in(registration, REFUSED_MS);
		return;
	}
	retry_ms = next_backoff(registration);
	log_failure(registration, text, code, retry_ms);
	retry_in(registration, retry_ms);
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
}

static void on_register_done(enum rpc_status status, const char *text, void *data)
{
	struct registration *registration = data;

	registration->request = NULL;
	if (status != RPC_OK) {
		fail_attempt(registration, text, 0);
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

	options.get_preferred_allocation_available = plugin_prefers(registration->plugin);
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
	int r;

	loop_timer_cancel(registration->timer);
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
		r = start_serving(registration, &err);
	}
	if (r < 0) {
		fail_attempt(registration, error_message(&err), err.code);
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
		if (registration->ending > 0)
			registration->due = true;
		else
			attempt(registration);
		break;
	case REGISTRATION_REGISTERING:
		break;
	case REGISTRATION_REGISTERED:
		fail_attempt(registration,
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
		drop_server(registration);
		registration->reason = "socket removed";
		retry_in(registration, RELEASE_MS);
	}
}

static void check_all(void *data)
{
	struct registrar *registrar = data;
	struct registration *registration;

	LL_FOREACH(registrar->registrations, registration) {
		check(registration);
	}
}

static void on_poll(void *data)
{
	struct registrar *registrar = data;

	check_all(registrar);
	loop_timer_set(registrar->poll,
		       watcher_is_live(registrar->watcher) ? POLL_MS : POLL_BLIND_MS);
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
	registrar->watch = watch_new(watcher, directory, check_all, registrar);
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
	registration->reason = "start";
	LL_APPEND(registrar->registrations, registration);
	plugin_observe_streams(plugin, on_stream, registration);
	attempt(registration);
}

void registrar_stop(struct registrar *registrar)
{
	struct registration *registration;

	registrar->watch = watch_free(registrar->watch);
	loop_timer_cancel(registrar->poll);
	loop_timer_cancel(registrar->batch);
	LL_FOREACH(registrar->registrations, registration) {
		plugin_observe_streams(registration->plugin, NULL, NULL);
		drop_server(registration);
	}
}

struct registrar *registrar_free(struct registrar *registrar)
{
	struct registration *registration;
	struct registration *next;

	if (!registrar)
		return NULL;
	LL_FOREACH_SAFE(registrar->registrations, registration, next) {
		loop_timer_free(registration->timer);
		free(registration);
	}
	watch_free(registrar->watch);
	loop_timer_free(registrar->poll);
	loop_timer_free(registrar->batch);
	free(registrar->directory);
	free(registrar->kubelet_path);
	free(registrar);
	return NULL;
}
