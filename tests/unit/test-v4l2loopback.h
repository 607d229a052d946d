/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_V4L2LOOPBACK_H
#define KUDEV_TEST_V4L2LOOPBACK_H

/* A source of virtual cameras on an emulated kernel, what it finds, and preparations. */

#include <semaphore.h>
#include <stdatomic.h>

#include "source/loopback.h"
#include "source/module.h"
#include "source/settling.h"
#include "source/source.h"
#include "test-loopback.h"
#include "test-wait.h"

/* No look is late by accident, whatever the machine does. */
#define AMPLE_MS 60000
/* As v4l2loopback.c has them. */
#define RETRY_MS 30000
#define RESET_TIMEOUT_MS 25000
#define NO_MODULE "there is no module v4l2loopback"

/* The module as it lies on the disk; what module.h has is answered from here (--wrap). */
struct module {
	char unused;
};

int __wrap_module_find(const char *name, struct module **ret, struct error *err);
struct module *__wrap_module_free(struct module *module);
char *__wrap_module_info(const struct module *module, const char *key);
int __wrap_module_load(struct module *module, const char *parameters, struct error *err);

static struct {
	bool is_installed;
	const char *version; /* NULL: it does not say */
	unsigned number;     /* of that version */
	int error;	     /* of loading it */
	unsigned loaded;
	char parameters[512]; /* that it was loaded with last */
} disk;

int __wrap_module_find(const char *name, struct module **ret, struct error *err)
{
	assert_string_equal(name, "v4l2loopback");
	if (!disk.is_installed)
		return error_set(err, ENOENT, NO_MODULE);
	*ret = mem_zero(sizeof(**ret));
	return 0;
}

struct module *__wrap_module_free(struct module *module)
{
	free(module);
	return NULL;
}

char *__wrap_module_info(const struct module *module, const char *key)
{
	assert_non_null(module);
	assert_string_equal(key, "version");
	return disk.version ? mem_string(disk.version) : NULL;
}

int __wrap_module_load(struct module *module, const char *parameters, struct error *err)
{
	assert_non_null(module);
	if (disk.error)
		return error_set_errno(err, disk.error, "cannot load the module");
	snprintf(disk.parameters, sizeof(disk.parameters), "%s", parameters);
	disk.loaded++;
	kernel_load(disk.number);
	return 0;
}

struct fixture {
	struct loop *loop;
	struct worker *worker;
	struct source_host host;
	struct config_class class;
	struct source *source;
	unsigned changes;
	unsigned wanted_changes;
	bool is_held;	     /* all of them */
	const char *held_id; /* this one is */
};

/* What some calls of the kernel wait for. */
static struct {
	atomic_ulong request; /* that waits */
	sem_t open;
	sem_t begun; /* posted by who waits */
	atomic_uint waiting;
} gate;

static inline void wait_at_gate(unsigned long request, unsigned number)
{
	(void)number;
	if (request != atomic_load(&gate.request))
		return;
	sem_post(&gate.begun);
	atomic_fetch_add(&gate.waiting, 1);
	sem_wait(&gate.open);
	atomic_fetch_sub(&gate.waiting, 1);
}

/* The next one that asks for this waits. */
static inline void close_gate(unsigned long request)
{
	atomic_store(&gate.request, request);
	kernel.on_ioctl = wait_at_gate;
}

static inline void open_gate(void)
{
	atomic_store(&gate.request, 0);
	sem_post(&gate.open);
}

/* Threads of the worker's, of which a job may outlive it. */

struct thread_start {
	void *(*run)(void *data);
	void *data;
};

static atomic_uint thread_count;

static inline void *run_thread(void *data)
{
	struct thread_start start = *(struct thread_start *)data;

	free(data);
	(void)start.run(start.data);
	atomic_fetch_sub(&thread_count, 1);
	return NULL;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*run)(void *), void *data);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*run)(void *), void *data);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*run)(void *), void *data)
{
	struct thread_start *start = mem_zero(sizeof(*start));

	*start = (struct thread_start){.run = run, .data = data};
	atomic_fetch_add(&thread_count, 1);
	return __real_pthread_create(thread, attributes, run_thread, start);
}

static inline bool has_no_threads(void *data)
{
	(void)data;
	return atomic_load(&thread_count) == 0;
}

static inline void on_change(void *data)
{
	struct fixture *fixture = data;

	fixture->changes++;
}

static inline bool answer_is_held(const char *id, void *data)
{
	const struct fixture *fixture = data;

	assert_true(strncmp(id, "video", strlen("video")) == 0);
	return fixture->is_held ||
	       (fixture->held_id && strcmp(fixture->held_id, id) == 0);
}

static inline void fill_class(struct config_class *class)
{
	*class = (struct config_class){
		.name = mem_string("cam"),
		.resource = mem_string("kudev.io/cam"),
		.source = CONFIG_SOURCE_V4L2LOOPBACK,
		.permissions = mem_string("rw"),
		.share = 1,
		.v4l2loopback =
			{
				.count = 2,
				.first_number = 10,
				.exclusive_caps = true,
				.buffers = 2,
				.openers = 10,
				.min_width = 2,
				.min_height = 1,
				.max_width = 8192,
				.max_height = 8192,
				.mode = 0660,
				.owner = mem_string(""),
				.group = mem_string(""),
				.reset = CONFIG_RESET_SOFT,
				.fallback = CONFIG_FALLBACK_DUMMY,
				.fallback_prefix = mem_string("/dev/dummy-video"),
				.timeout_ms = AMPLE_MS,
			},
	};
	strings_add(&class->v4l2loopback.labels, "Camera 0");
	strings_add(&class->v4l2loopback.labels, "Camera 1");
}

static inline void clear_class(struct config_class *class)
{
	free(class->name);
	free(class->resource);
	free(class->permissions);
	strings_clear(&class->v4l2loopback.labels);
	free(class->v4l2loopback.owner);
	free(class->v4l2loopback.group);
	free(class->v4l2loopback.fallback_prefix);
}

static inline int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	kernel_restart();
	memset(&disk, 0, sizeof(disk));
	assert_int_equal(sem_init(&gate.open, 0, 0), 0);
	assert_int_equal(sem_init(&gate.begun, 0, 0), 0);
	assert_int_equal(loop_new(&fixture->loop, NULL), 0);
	fixture->worker = worker_new(fixture->loop);
	fixture->host = (struct source_host){
		.loop = fixture->loop,
		.worker = fixture->worker,
		.on_change = on_change,
		.is_held = answer_is_held,
		.data = fixture,
	};
	fill_class(&fixture->class);
	*state = fixture;
	return 0;
}

static inline int tear_down(void **state)
{
	struct fixture *fixture = *state;

	open_gate();
	source_free(fixture->source);
	worker_free(fixture->worker);
	assert_comes(fixture->loop, has_no_threads, NULL);
	loop_free(fixture->loop);
	clear_class(&fixture->class);
	free(fixture);
	sem_destroy(&gate.open);
	sem_destroy(&gate.begun);
	kernel_restart();
	return 0;
}

static inline void start(struct fixture *fixture)
{
	fixture->source = source_free(fixture->source);
	assert_int_equal(source_open(&fixture->class, "", &fixture->host,
				     &fixture->source, NULL),
			 0);
}

/* Scans: a line for each unit, its ID and node, or why it can't be had. */
static inline char *scan_source(struct fixture *fixture, struct scan *scan)
{
	KUDEV_AUTO_STRINGS struct strings lines = {0};

	assert_int_equal(source_scan(fixture->source, scan, NULL), 0);
	for (size_t i = 0; i < scan->units.count; i++) {
		const struct unit *unit = &scan->units.items[i];

		assert_int_equal(unit->node_count, 1);
		assert_string_equal(unit->nodes[0].permissions, "rw");
		strings_take(&lines,
			     unit->absence
				     ? mem_printf("%s! %s\n", unit->id, unit->absence)
				     : mem_printf("%s %s\n", unit->id,
						  unit->nodes[0].host_path));
	}
	return strings_join(&lines, "");
}

static inline void expect(struct fixture *fixture, const char *expected)
{
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	KUDEV_AUTO_FREE char *got = scan_source(fixture, &scan);

	assert_string_equal(got, expected);
}

static inline void scan_once(struct fixture *fixture)
{
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

	free(scan_source(fixture, &scan));
}

static inline void expect_degraded(struct fixture *fixture, const char *expected)
{
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

	free(scan_source(fixture, &scan));
	if (expected)
		assert_string_equal(scan.degraded, expected);
	else
		assert_null(scan.degraded);
}

static inline int64_t again_ms_of(struct fixture *fixture)
{
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

	free(scan_source(fixture, &scan));
	return scan.again_ms;
}

/* The number of the first camera's node, as it is told. */
static inline uint64_t device_of_first(struct fixture *fixture)
{
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;

	free(scan_source(fixture, &scan));
	return scan.units.items[0].nodes[0].identity.device;
}

static inline bool has_changed(void *data)
{
	const struct fixture *fixture = data;

	return fixture->changes >= fixture->wanted_changes;
}

/* Until the source says that a scan would see something else. */
static inline void await_change(struct fixture *fixture)
{
	fixture->wanted_changes = fixture->changes + 1;
	assert_comes(fixture->loop, has_changed, fixture);
}

/* A scan that begins a look, until that has ended. */
static inline void look(struct fixture *fixture)
{
	scan_once(fixture);
	await_change(fixture);
}

/* Something happened to a device; returns whether that matters. */
static inline bool tell(struct fixture *fixture, const char *node)
{
	const struct source_event event = {
		.action = "change",
		.syspath = "/sys/devices/any",
		.subsystem = "video4linux",
		.node = node,
	};

	return source_take_event(fixture->source, &event);
}

#define BOTH "video10 /dev/video10\nvideo11 /dev/video11\n"
#define BOTH_DUMMIES "video10 /dev/dummy-video10\nvideo11 /dev/dummy-video11\n"

/* As after some time in which all went well. */
static inline void start_with_cameras(struct fixture *fixture)
{
	kernel_load(KERNEL_0_15_4);
	start(fixture);
	look(fixture);
	expect(fixture, BOTH);
}

/* As after some time without a module. */
static inline void start_with_dummies(struct fixture *fixture)
{
	start(fixture);
	look(fixture);
	expect(fixture, BOTH_DUMMIES);
}

/* Nothing happens, until the source looks once more. */
static inline void look_later(struct fixture *fixture)
{
	scan_once(fixture);
	kernel_pass_time(RETRY_MS);
	look(fixture);
}

static inline bool is_dummy(const char *path)
{
	char target[64] = "";

	return readlink(path, target, sizeof(target) - 1) > 0 &&
	       strcmp(target, "/dev/null") == 0;
}

/* Preparations. */

struct prepared {
	struct preparation preparation;
	bool is_done;
	int code;
	char *text;
};

static inline void on_prepared(struct preparation *preparation, const struct error *err)
{
	struct prepared *prepared = KUDEV_CONTAINER_OF(preparation, struct prepared,
						       preparation);

	assert_false(prepared->is_done);
	prepared->is_done = true;
	prepared->code = err ? err->code : 0;
	prepared->text = mem_string(err ? error_message(err) : "no error");
}

static inline void prepared_clear(struct prepared *prepared)
{
	free(prepared->text);
}

#define AUTO_PREPARED __attribute__((cleanup(prepared_clear)))
#define PREPARED(name)                                              \
	{                                                           \
		.preparation = {.id = (name), .done = on_prepared}, \
	}

static inline void prepare(struct fixture *fixture, struct prepared *prepared)
{
	source_prepare(fixture->source, &prepared->preparation);
}

static inline void await_prepared(struct fixture *fixture, struct prepared *prepared)
{
	assert_comes(fixture->loop, wait_is_set, &prepared->is_done);
}

static inline void expect_prepared(const struct prepared *prepared, int code,
				   const char *text)
{
	assert_true(prepared->is_done);
	assert_string_equal(prepared->text, text);
	assert_int_equal(prepared->code, code);
	assert_null(prepared->preparation.skipped);
}

static inline void expect_skipped(const struct prepared *prepared, const char *reason)
{
	assert_true(prepared->is_done);
	assert_string_equal(prepared->text, "no error");
	assert_non_null(prepared->preparation.skipped);
	assert_string_equal(prepared->preparation.skipped, reason);
}

/* A job behind all others. */

struct marker {
	struct worker_job job;
	bool *is_done;
};

static inline void run_marker(struct worker_job *job)
{
	(void)job;
}

static inline void on_marker_done(struct worker_job *job)
{
	*KUDEV_CONTAINER_OF(job, struct marker, job)->is_done = true;
}

static inline void free_marker(struct worker_job *job)
{
	free(KUDEV_CONTAINER_OF(job, struct marker, job));
}

/* Until a new job has had its turn: the worker goes past those that take long. */
static inline void await_turn(struct fixture *fixture)
{
	struct marker *marker = mem_zero(sizeof(*marker));
	bool is_done = false;

	marker->is_done = &is_done;
	marker->job = (struct worker_job){
		.run = run_marker,
		.done = on_marker_done,
		.free = free_marker,
		.timeout_ms = AMPLE_MS,
	};
	worker_submit(fixture->worker, &marker->job);
	assert_comes(fixture->loop, wait_is_set, &is_done);
}

static inline bool has_nothing_to_do(void *data)
{
	const struct fixture *fixture = data;
	struct worker_stats stats;

	worker_describe(fixture->worker, &stats);
	return stats.waiting == 0 && stats.running == atomic_load(&gate.waiting);
}

/* Until the worker has done all that it was given, but for what waits at the gate. */
static inline void await_worker(struct fixture *fixture)
{
	assert_comes(fixture->loop, has_nothing_to_do, fixture);
	await_turn(fixture);
}

static inline void start_late_look(struct fixture *fixture)
{
	fixture->class.v4l2loopback.timeout_ms = 10;
	kernel_load(KERNEL_0_15_4);
	close_gate(KERNEL_QUERY_NEW);
	start(fixture);
	expect(fixture, "");
	assert_posted(&gate.begun);
	await_change(fixture);
}

#define NO_ANSWER "the kernel does not answer for the devices of the class"
#define LATE "the kernel has not loaded the module and made the devices within 0 s"

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* The whole of main(). */
#define RUN_TESTS(tests)                                               \
	(kernel_enter() ? (log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON), \
			   cmocka_set_message_output(CM_OUTPUT_TAP),   \
			   cmocka_run_group_tests(tests, NULL, NULL))  \
			: run_skip_all())

#endif
