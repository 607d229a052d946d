/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <sys/un.h>

#include "deviceplugin/v1beta1/api.pb-c.h"
#include "rpc/rpc.h"
#include "test-tree.h"
#include "test-wait.h"

#define METHOD(name) "/test.Service/" name
#define MANY 64
#define LAST_SIZE ((size_t)3 * 1024 * 1024)

/* It looks through its suppressions for each byte that the core sends: for minutes. */
#ifdef __SANITIZE_THREAD__
#define IS_THREAD_SANITIZED true
#else
#define IS_THREAD_SANITIZED false
#endif

/* A server with its methods, and a connection to it. */
struct fixture {
	struct tree *tree;
	struct loop *loop;
	struct rpc *rpc;
	struct rpc_server *server;
	struct rpc_connection *connection;

	struct rpc_call *kept;	 /* by the method Keep */
	struct rpc_call *stream; /* the last one opened */
	unsigned to_send;
	unsigned sent;
	unsigned streams_opened;
	unsigned streams_closed;
	bool stopped;
	bool idle;
};

/* One request and what came of it. */
struct answer {
	struct rpc_request *request;
	enum rpc_status status;
	char *text;
	char *last; /* message */
	unsigned messages;
	bool done;
};

static void answer_clear(struct answer *answer)
{
	free(answer->text);
	free(answer->last);
}

#define AUTO_ANSWER __attribute__((cleanup(answer_clear)))

/* How many times as long timers take. */
static int64_t patience = 1;

void __real_loop_timer_set(struct loop_timer *timer, int64_t delay_ms);
void __wrap_loop_timer_set(struct loop_timer *timer, int64_t delay_ms);

void __wrap_loop_timer_set(struct loop_timer *timer, int64_t delay_ms)
{
	__real_loop_timer_set(timer, delay_ms * patience);
}

static struct rpc_message *message_of(const char *text)
{
	V1beta1__RegisterRequest content = V1BETA1__REGISTER_REQUEST__INIT;

	content.resource_name = (char *)text;
	return rpc_message_new(&content.base);
}

static char *text_of(const void *bytes, size_t size)
{
	V1beta1__RegisterRequest *content = (void *)rpc_message_decode(
		&v1beta1__register_request__descriptor, bytes, size);
	char *text;

	assert_non_null(content);
	text = mem_string(content->resource_name);
	v1beta1__register_request__free_unpacked(content, NULL);
	return text;
}

static void handle_echo(struct rpc_call *call, const void *bytes, size_t size, void *data)
{
	KUDEV_AUTO_FREE char *text = text_of(bytes, size);
	KUDEV_AUTO(rpc_message_free) struct rpc_message *message = message_of(text);
	const struct fixture *fixture = data;

	assert_ptr_equal(rpc_call_server(call), fixture->server);
	rpc_call_reply(call, message);
}

static void handle_fail(struct rpc_call *call, const void *bytes, size_t size, void *data)
{
	(void)bytes;
	(void)size;
	(void)data;
	rpc_call_fail(call, RPC_FAILED_PRECONDITION, "not now: \xc3\xbc%\n");
}

static void handle_keep(struct rpc_call *call, const void *bytes, size_t size, void *data)
{
	struct fixture *fixture = data;

	(void)bytes;
	(void)size;
	fixture->kept = call;
}

static void handle_double(struct rpc_call *call, const void *bytes, size_t size,
			  void *data)
{
	KUDEV_AUTO_FREE char *text = text_of(bytes, size);
	KUDEV_AUTO_FREE char *twice = mem_printf("%s%s", text, text);
	KUDEV_AUTO(rpc_message_free) struct rpc_message *message = message_of(twice);

	(void)data;
	rpc_call_reply(call, message);
}

static void send_next(struct fixture *fixture)
{
	KUDEV_AUTO_FREE char *text = mem_printf("%u", fixture->sent);
	KUDEV_AUTO(rpc_message_free) struct rpc_message *message = message_of(text);

	if (fixture->sent == fixture->to_send)
		return;
	fixture->sent++;
	rpc_call_send(fixture->stream, message);
}

static void on_stream_sent(void *data)
{
	send_next(data);
}

static void on_stream_closed(void *data)
{
	struct fixture *fixture = data;

	fixture->streams_closed++;
}

static const struct rpc_stream_callbacks stream_callbacks = {
	.on_sent = on_stream_sent,
	.on_closed = on_stream_closed,
};

static void handle_stream(struct rpc_call *call, const void *bytes, size_t size,
			  void *data)
{
	struct fixture *fixture = data;

	(void)bytes;
	(void)size;
	fixture->stream = call;
	fixture->streams_opened++;
	fixture->sent = 0;
	rpc_call_stream(call, &stream_callbacks, fixture);
	send_next(fixture);
}

static char *long_text(size_t length)
{
	char *text = mem_alloc(length + 1);

	memset(text, 'x', length);
	text[length] = '\0';
	return text;
}

/* More than a socket takes at once, and a busy machine soon. */
static void handle_last(struct rpc_call *call, const void *bytes, size_t size, void *data)
{
	struct fixture *fixture = data;
	KUDEV_AUTO_FREE char *text = long_text(LAST_SIZE);
	KUDEV_AUTO(rpc_message_free) struct rpc_message *message = message_of(text);

	(void)bytes;
	(void)size;
	rpc_call_reply(call, message);
	patience = 100;
	rpc_server_stop(take_ptr(fixture->server), wait_set, &fixture->stopped);
	patience = 1;
}

static const struct rpc_method methods[] = {
	{METHOD("Echo"), false, handle_echo},	 {METHOD("Fail"), false, handle_fail},
	{METHOD("Keep"), false, handle_keep},	 {METHOD("Double"), false, handle_double},
	{METHOD("Stream"), true, handle_stream}, {METHOD("Last"), false, handle_last},
};

static void on_message(const void *bytes, size_t size, void *data)
{
	struct answer *answer = data;

	free(answer->last);
	answer->last = text_of(bytes, size);
	answer->messages++;
}

static void on_done(enum rpc_status status, const char *text, void *data)
{
	struct answer *answer = data;

	assert_false(answer->done);
	answer->status = status;
	answer->text = mem_string(text);
	answer->done = true;
}

static const struct rpc_request_callbacks request_callbacks = {
	.on_message = on_message,
	.on_done = on_done,
};

static void ask(struct fixture *fixture, const char *method, const char *text,
		int64_t timeout_ms, struct answer *answer)
{
	KUDEV_AUTO(rpc_message_free) struct rpc_message *message = message_of(text);

	answer->request = rpc_request_new(fixture->connection, method, message,
					  timeout_ms, &request_callbacks, answer);
}

static void expect_done(struct fixture *fixture, struct answer *answer,
			enum rpc_status status)
{
	assert_comes(fixture->loop, wait_is_set, &answer->done);
	if (answer->status != status)
		print_message("%s\n", answer->text);
	assert_int_equal(answer->status, status);
}

static int listen_at(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 10), 0);
	return fd;
}

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));
	KUDEV_AUTO_FREE char *path = NULL;

	fixture->tree = tree_new();
	path = tree_path(fixture->tree, "/socket");
	assert_int_equal(loop_new(&fixture->loop, NULL), 0);
	assert_int_equal(rpc_new(fixture->loop, &fixture->rpc, NULL), 0);
	fixture->server = rpc_server_new(fixture->rpc, listen_at(path), methods,
					 KUDEV_ARRAY_SIZE(methods), fixture);
	assert_int_equal(rpc_connect(fixture->rpc, path, &fixture->connection, NULL), 0);
	*state = fixture;
	return 0;
}

static void stop_server(struct fixture *fixture)
{
	rpc_server_stop(take_ptr(fixture->server), wait_set, &fixture->stopped);
	assert_comes(fixture->loop, wait_is_set, &fixture->stopped);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	if (fixture->server)
		stop_server(fixture);
	rpc_connection_free(fixture->connection);
	rpc_when_idle(fixture->rpc, wait_set, &fixture->idle);
	assert_comes(fixture->loop, wait_is_set, &fixture->idle);
	rpc_free(fixture->rpc);
	loop_free(fixture->loop);
	tree_free(fixture->tree);
	free(fixture);
	return 0;
}

static void a_call_is_answered_with_its_message(void **state)
{
	struct fixture *fixture = *state;
	static const char *const texts[] = {"", "hello", "\xc3\xbc\n"};

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(texts); i++) {
		AUTO_ANSWER struct answer answer = {0};

		ask(fixture, METHOD("Echo"), texts[i], 0, &answer);
		expect_done(fixture, &answer, RPC_OK);
		assert_int_equal(answer.messages, 1);
		assert_string_equal(answer.last, texts[i]);
	}
}

static void a_failure_has_its_status_and_its_text(void **state)
{
	struct fixture *fixture = *state;
	AUTO_ANSWER struct answer answer = {0};

	ask(fixture, METHOD("Fail"), "x", 0, &answer);
	expect_done(fixture, &answer, RPC_FAILED_PRECONDITION);
	assert_string_equal(answer.text, "not now: \xc3\xbc%\n");
	assert_int_equal(answer.messages, 0);
}

static void an_unknown_method_is_unimplemented_at_once(void **state)
{
	static const char *const names[] = {METHOD("Nothing"), METHOD("echo"), "/x", "/",
					    "/v1beta1.DevicePlugin/Allocate"};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(names); i++) {
		AUTO_ANSWER struct answer answer = {0};

		ask(fixture, names[i], "x", 0, &answer);
		expect_done(fixture, &answer, RPC_UNIMPLEMENTED);
	}
}

static bool all_done(void *data)
{
	const struct answer *answers = data;

	for (size_t i = 0; i < MANY; i++) {
		if (!answers[i].done)
			return false;
	}
	return true;
}

static void many_calls_at_once_are_all_answered(void **state)
{
	struct fixture *fixture = *state;
	struct answer answers[MANY] = {{0}};

	fixture->to_send = 0;
	for (size_t i = 0; i < MANY; i++)
		ask(fixture, i % 2 ? METHOD("Echo") : METHOD("Fail"), "x", 0,
		    &answers[i]);
	assert_comes(fixture->loop, all_done, answers);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(answers[i].status,
				 i % 2 ? RPC_OK : RPC_FAILED_PRECONDITION);
		answer_clear(&answers[i]);
	}
}

static void messages_over_4_mib_are_refused_and_the_connection_lives(void **state)
{
	/* The bytes around a text that long: a tag and four of its length. */
	static const size_t longest = RPC_MAX_MESSAGE_SIZE - 5;
	static const struct {
		const char *method;
		size_t length;
		enum rpc_status status;
	} tests[] = {
		{METHOD("Echo"), longest, RPC_OK},
		{METHOD("Echo"), longest + 1, RPC_RESOURCE_EXHAUSTED},
		{METHOD("Double"), longest / 2, RPC_OK},
		{METHOD("Double"), longest / 2 + 2, RPC_RESOURCE_EXHAUSTED},
		{METHOD("Echo"), 1, RPC_OK},
	};
	struct fixture *fixture = *state;

	if (IS_THREAD_SANITIZED)
		skip();
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		AUTO_ANSWER struct answer answer = {0};
		KUDEV_AUTO_FREE char *text = long_text(tests[i].length);

		ask(fixture, tests[i].method, text, 0, &answer);
		expect_done(fixture, &answer, tests[i].status);
	}
}

static bool has_all_messages(void *data)
{
	return ((const struct answer *)data)->messages == 1000;
}

static void a_stream_brings_its_messages_in_order_and_stays_open(void **state)
{
	struct fixture *fixture = *state;
	AUTO_ANSWER struct answer answer = {0};
	AUTO_ANSWER struct answer other = {0};

	fixture->to_send = 1000;
	ask(fixture, METHOD("Stream"), "", 0, &answer);
	assert_comes(fixture->loop, has_all_messages, &answer);
	assert_string_equal(answer.last, "999");
	ask(fixture, METHOD("Echo"), "x", 0, &other);
	expect_done(fixture, &other, RPC_OK);
	assert_false(answer.done);
	assert_int_equal(fixture->streams_closed, 0);
	rpc_request_cancel(answer.request);
}

static bool stream_is_closed(void *data)
{
	return ((const struct fixture *)data)->streams_closed == 1;
}

static bool stream_is_open(void *data)
{
	return ((const struct fixture *)data)->stream != NULL;
}

static void a_client_that_gives_up_closes_the_stream(void **state)
{
	struct fixture *fixture = *state;
	AUTO_ANSWER struct answer answer = {0};

	ask(fixture, METHOD("Stream"), "", 0, &answer);
	assert_comes(fixture->loop, stream_is_open, fixture);
	assert_null(rpc_request_cancel(answer.request));
	assert_comes(fixture->loop, stream_is_closed, fixture);
	/* Given up: nothing is called back. */
	assert_false(answer.done);
	assert_null(rpc_request_cancel(NULL));
}

static bool every_stream_is_closed(void *data)
{
	const struct fixture *fixture = data;

	return fixture->streams_closed == fixture->streams_opened;
}

static void a_stream_ends_with_its_deadline(void **state)
{
	struct fixture *fixture = *state;

	/* On a busy machine the first deadlines pass before the server hears of the call. */
	for (int64_t timeout_ms = 20; !fixture->stream; timeout_ms *= 2) {
		AUTO_ANSWER struct answer answer = {0};

		ask(fixture, METHOD("Stream"), "", timeout_ms, &answer);
		expect_done(fixture, &answer, RPC_DEADLINE_EXCEEDED);
	}
	assert_comes(fixture->loop, every_stream_is_closed, fixture);
}

static void a_stopping_server_ends_its_streams(void **state)
{
	struct fixture *fixture = *state;
	AUTO_ANSWER struct answer answer = {0};

	fixture->to_send = 3;
	ask(fixture, METHOD("Stream"), "", 0, &answer);
	assert_comes(fixture->loop, stream_is_open, fixture);
	stop_server(fixture);
	assert_int_equal(fixture->streams_closed, 1);
	assert_comes(fixture->loop, wait_is_set, &answer.done);
	assert_true(answer.status == RPC_CANCELLED || answer.status == RPC_UNAVAILABLE);
	/* And what comes after is told so. */
	answer_clear(&answer);
	answer = (struct answer){0};
	ask(fixture, METHOD("Echo"), "", 0, &answer);
	expect_done(fixture, &answer, RPC_UNAVAILABLE);
}

static void a_stopping_server_waits_for_the_answer_that_was_promised(void **state)
{
	struct fixture *fixture = *state;
	AUTO_ANSWER struct answer answer = {0};
	AUTO_ANSWER struct answer other = {0};

	ask(fixture, METHOD("Keep"), "", 0, &answer);
	while (!fixture->kept) {
		answer_clear(&other);
		other = (struct answer){0};
		ask(fixture, METHOD("Echo"), "", 0, &other);
		expect_done(fixture, &other, RPC_OK);
	}
	rpc_server_stop(take_ptr(fixture->server), wait_set, &fixture->stopped);
	assert_comes(fixture->loop, wait_is_set, &answer.done);
	assert_false(fixture->stopped);
	rpc_call_fail(fixture->kept, RPC_UNAVAILABLE, "too late");
	assert_comes(fixture->loop, wait_is_set, &fixture->stopped);
}

static void a_stopping_server_gets_its_last_answer_out(void **state)
{
	struct fixture *fixture = *state;
	AUTO_ANSWER struct answer stream = {0};
	AUTO_ANSWER struct answer last = {0};

	if (IS_THREAD_SANITIZED)
		skip();
	ask(fixture, METHOD("Stream"), "", 0, &stream);
	assert_comes(fixture->loop, stream_is_open, fixture);
	ask(fixture, METHOD("Last"), "", 0, &last);
	expect_done(fixture, &last, RPC_OK);
	assert_int_equal(strlen(last.last), LAST_SIZE);
	assert_comes(fixture->loop, wait_is_set, &fixture->stopped);
	assert_int_equal(fixture->streams_closed, 1);
	assert_comes(fixture->loop, wait_is_set, &stream.done);
}

static void an_answer_after_the_deadline_is_lost_quietly(void **state)
{
	struct fixture *fixture = *state;
	AUTO_ANSWER struct answer other = {0};

	/* As above; and the answer to what was asked later shows that it came, or won't. */
	for (int64_t timeout_ms = 20; !fixture->kept; timeout_ms *= 2) {
		AUTO_ANSWER struct answer answer = {0};
		AUTO_ANSWER struct answer later = {0};

		ask(fixture, METHOD("Keep"), "", timeout_ms, &answer);
		expect_done(fixture, &answer, RPC_DEADLINE_EXCEEDED);
		ask(fixture, METHOD("Echo"), "", 0, &later);
		expect_done(fixture, &later, RPC_OK);
	}
	rpc_call_fail(fixture->kept, RPC_INTERNAL, "late");
	ask(fixture, METHOD("Echo"), "x", 0, &other);
	expect_done(fixture, &other, RPC_OK);
}

static void a_request_outlives_its_connection(void **state)
{
	struct fixture *fixture = *state;
	AUTO_ANSWER struct answer answer = {0};

	ask(fixture, METHOD("Echo"), "x", 0, &answer);
	fixture->connection = rpc_connection_free(fixture->connection);
	assert_null(fixture->connection);
	expect_done(fixture, &answer, RPC_OK);
}

static void who_is_not_there_cannot_be_connected_to(void **state)
{
	static const struct {
		const char *path;
		int code;
	} tests[] = {
		{"/gone", ENOENT},
		{"/file", ECONNREFUSED},
		{"/dead", ECONNREFUSED},
		{"/file/x", ENOTDIR},
		{"/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 ENAMETOOLONG},
	};
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *dead = tree_path(fixture->tree, "/dead");

	tree_file(fixture->tree, "/file", "");
	fd_close(listen_at(dead));
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *path = tree_path(fixture->tree, tests[i].path);
		KUDEV_AUTO_ERROR struct error err = {0};
		struct rpc_connection *connection = NULL;

		assert_int_equal(rpc_connect(fixture->rpc, path, &connection, &err),
				 -tests[i].code);
		assert_null(connection);
		assert_non_null(strstr(error_message(&err), path));
	}
}

/* A peer that takes the connection and closes it without a word. */
static void a_peer_that_hangs_up_makes_the_request_fail(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *path = tree_path(fixture->tree, "/rude");
	AUTO_ANSWER struct answer answer = {0};
	int fd = listen_at(path);
	int peer;

	rpc_connection_free(fixture->connection);
	fixture->connection = NULL;
	assert_int_equal(rpc_connect(fixture->rpc, path, &fixture->connection, NULL), 0);
	ask(fixture, METHOD("Echo"), "x", 0, &answer);
	peer = accept(fd, NULL, NULL);
	assert_true(peer >= 0);
	close(peer);
	expect_done(fixture, &answer, RPC_UNAVAILABLE);
	close(fd);
}

/* Bytes that are no HTTP/2 do no harm to the server. */
static void a_client_that_babbles_is_alone_with_its_trouble(void **state)
{
	struct fixture *fixture = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	KUDEV_AUTO_FREE char *path = tree_path(fixture->tree, "/socket");
	AUTO_ANSWER struct answer answer = {0};
	int fds[8];

	strcpy(address.sun_path, path);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(fds); i++) {
		fds[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(fds[i], (const struct sockaddr *)&address,
					 sizeof(address)),
				 0);
		assert_true(send(fds[i], "GET / HTTP/1.0\r\n\r\n", i * 2, MSG_NOSIGNAL) >=
			    0);
	}
	ask(fixture, METHOD("Echo"), "x", 0, &answer);
	expect_done(fixture, &answer, RPC_OK);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(fds); i++)
		close(fds[i]);
}

static void a_message_knows_its_size(void **state)
{
	struct rpc_message *message = message_of("abc");

	(void)state;
	assert_int_equal(rpc_message_size(message), 5);
	assert_null(rpc_message_free(message));
	assert_null(rpc_message_free(NULL));
}

#define BYTES(text) text, sizeof(text) - 1

static void what_is_broken_or_not_utf8_is_not_decoded(void **state)
{
	static const ProtobufCMessageDescriptor *const allocate =
		&v1beta1__allocate_request__descriptor;
	static const ProtobufCMessageDescriptor *const response =
		&v1beta1__container_allocate_response__descriptor;
	static const ProtobufCMessageDescriptor *const registration =
		&v1beta1__register_request__descriptor;
	static const struct {
		const ProtobufCMessageDescriptor *const *type;
		const char *bytes;
		size_t size;
		bool good;
	} tests[] = {
		{&allocate, BYTES(""), true},
		{&allocate, BYTES("\x0a\x00"), true},
		{&allocate,
		 BYTES("\x0a\x04\x0a\x02"
		       "ab"),
		 true},
		/* Fields that nobody knows are passed over. */
		{&allocate,
		 BYTES("\x7a\x03"
		       "\xff\xff\xff"
		       "\x0a\x03\x0a\x01"
		       "a"),
		 true},
		{&allocate,
		 BYTES("\x0a\x04\x0a\x02"
		       "a"),
		 false},
		{&allocate, BYTES("\x0a\xff\xff\xff\xff\x0f"), false},
		{&allocate,
		 BYTES("\x0a\x03\x0a\x02"
		       "a"),
		 false},
		{&allocate, BYTES("\x0a"), false},
		{&allocate, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), false},
		/* UTF-8 of an ID, which is two messages deep. */
		{&allocate, BYTES("\x0a\x04\x0a\x02\xc3\xbc"), true},
		{&allocate,
		 BYTES("\x0a\x04\x0a\x02\xc3"
		       "a"),
		 false},
		{&allocate, BYTES("\x0a\x04\x0a\x02\xc0\x80"), false},
		{&allocate, BYTES("\x0a\x05\x0a\x03\xed\xa0\x80"), false},
		{&allocate,
		 BYTES("\x0a\x07\x0a\x01"
		       "a"
		       "\x0a\x02"
		       "a\xff"),
		 false},
		/* The key and the value of a map. */
		{&response,
		 BYTES("\x0a\x06\x0a\x01"
		       "k"
		       "\x12\x01"
		       "v"),
		 true},
		{&response,
		 BYTES("\x0a\x06\x0a\x01"
		       "\xff"
		       "\x12\x01"
		       "v"),
		 false},
		{&response,
		 BYTES("\x0a\x06\x0a\x01"
		       "k"
		       "\x12\x01"
		       "\xff"),
		 false},
		/* A message that is not repeated, or not there. */
		{&registration,
		 BYTES("\x0a\x01"
		       "v"
		       "\x22\x02\x08\x01"),
		 true},
		{&registration,
		 BYTES("\x1a\x01"
		       "\xff"
		       "\x22\x02\x08\x01"),
		 false},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		ProtobufCMessage *message =
			rpc_message_decode(*tests[i].type, tests[i].bytes, tests[i].size);

		if ((message != NULL) != tests[i].good)
			print_message("case %zu\n", i);
		assert_int_equal(message != NULL, tests[i].good);
		if (message)
			protobuf_c_message_free_unpacked(message, NULL);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_call_is_answered_with_its_message),
		TEST(a_failure_has_its_status_and_its_text),
		TEST(an_unknown_method_is_unimplemented_at_once),
		TEST(many_calls_at_once_are_all_answered),
		TEST(messages_over_4_mib_are_refused_and_the_connection_lives),
		TEST(a_stream_brings_its_messages_in_order_and_stays_open),
		TEST(a_client_that_gives_up_closes_the_stream),
		TEST(a_stream_ends_with_its_deadline),
		TEST(a_stopping_server_ends_its_streams),
		TEST(a_stopping_server_waits_for_the_answer_that_was_promised),
		TEST(a_stopping_server_gets_its_last_answer_out),
		TEST(an_answer_after_the_deadline_is_lost_quietly),
		TEST(a_request_outlives_its_connection),
		TEST(who_is_not_there_cannot_be_connected_to),
		TEST(a_peer_that_hangs_up_makes_the_request_fail),
		TEST(a_client_that_babbles_is_alone_with_its_trouble),
		TEST(a_message_knows_its_size),
		TEST(what_is_broken_or_not_utf8_is_not_decoded),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
