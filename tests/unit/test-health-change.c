/* SPDX-License-Identifier: Apache-2.0 */
/* Health checks, of another configuration. */
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>

#include "device/health.h"
#include "test-scan.h"
#include "test-threads.h"
#include "test-wait.h"

/* Who opens an attribute of this name waits at the gate (the linker's --wrap). */
#define SLOW "/slow"

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

static struct {
	sem_t gate;
	sem_t begun; /* posted by who waits */
	atomic_uint passed;
} house;

int __wrap_open(const char *path, int flags, ...)
{
	size_t length = strlen(path);
	mode_t mode = 0;

	if (flags & O_CREAT) {
		va_list arguments;

		va_start(arguments, flags);
		mode = va_arg(arguments, mode_t);
		va_end(arguments);
	} else if (length > strlen(SLOW) &&
		   strcmp(path + length - strlen(SLOW), SLOW) == 0) {
		sem_post(&house.begun);
		sem_wait(&house.gate);
		atomic_fetch_add(&house.passed, 1);
	}
	return __real_open(path, flags, mode);
}

struct fixture {
	struct tree *tree;
	struct config *config;
	struct loop *loop;
	struct worker *worker;
	struct inventory *inventory;
	struct health *health;
	const char *expected; /* what expect() waits for */
};

static void find_holders(void *data)
{
	struct fixture *fixture = data;

	inventory_begin_holders(fixture->inventory, HOLD_CHECKPOINT);
	inventory_end_holders(fixture->inventory);
}

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	assert_int_equal(sem_init(&house.gate, 0, 0), 0);
	assert_int_equal(sem_init(&house.begun, 0, 0), 0);
	atomic_store(&house.passed, 0);
	fixture->tree = tree_new();
	tree_link(fixture->tree, "/dev/a", "/dev/null");
	tree_link(fixture->tree, "/sys/dev/char/1:3", "../../devices/pci0/a");
	tree_file(fixture->tree, "/sys/devices/pci0/a/good", "1\n");
	tree_file(fixture->tree, "/sys/devices/pci0/a/bad", "0\n");
	tree_file(fixture->tree, "/sys/devices/pci0/a/slow", "0\n");
	assert_int_equal(loop_new(&fixture->loop, NULL), 0);
	fixture->worker = worker_new(fixture->loop);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	worker_free(fixture->worker);
	health_free(fixture->health);
	inventory_free(fixture->inventory);
	assert_comes(fixture->loop, all_have_left, &house.gate);
	loop_free(fixture->loop);
	config_free(fixture->config);
	tree_free(fixture->tree);
	free(fixture);
	return 0;
}

/* The class of the device a, which must have a 1 in this attribute; NULL: no checks. */
static struct config *make_config(const struct fixture *fixture, const char *attribute,
				  const char *more)
{
	KUDEV_AUTO_FREE char *health =
		attribute ? mem_printf(", health: {attributes: {%s: {equals: '1'}}, "
				       "interval: 1h, timeout: 1m, failureThreshold: 1}",
				       attribute)
			  : mem_string("");
	KUDEV_AUTO_FREE char *text =
		mem_printf("classes:\n- {name: c, paths: [/x]%s}\n%s", health, more);

	return scan_config(fixture->tree, text);
}

static struct inventory_class *class_of(const struct fixture *fixture)
{
	return inventory_find_class(fixture->inventory, "kudev.io/c");
}

static void report(const struct fixture *fixture)
{
	KUDEV_AUTO_UNIT_LIST struct unit_list list = {0};
	struct unit *unit = unit_list_add(&list, mem_string("a"), 1);

	unit_node_fill(&unit->nodes[0], fixture->config->root, mem_string("/dev/a"),
		       NODE_DEVICE, NULL);
	unit->nodes[0].permissions = "rw";
	inventory_report(fixture->inventory, 0, &list);
}

static void start(struct fixture *fixture, const char *attribute)
{
	fixture->config = make_config(fixture, attribute, "");
	fixture->inventory = inventory_new(fixture->config);
	fixture->health = health_new(fixture->loop, fixture->worker, fixture->config,
				     fixture->inventory, find_holders, fixture);
	find_holders(fixture);
	health_start(fixture->health);
	report(fixture);
}

static void change_to(struct fixture *fixture, struct config *next)
{
	KUDEV_AUTO_CONFIG_CHANGE struct config_change change = {0};

	config_compare(fixture->config, next, &change);
	inventory_change(fixture->inventory, &change);
	health_change(fixture->health, &change);
	config_free(fixture->config);
	fixture->config = next;
}

static void change(struct fixture *fixture, const char *attribute)
{
	change_to(fixture, make_config(fixture, attribute, ""));
	report(fixture);
}

/* As the plugin's end lets it be: used by nobody. */
static void remove_class(struct fixture *fixture)
{
	struct inventory_class *class = class_of(fixture);

	inventory_class_use(class);
	change_to(fixture,
		  scan_config(fixture->tree, "classes:\n- {name: other, paths: [/x]}\n"));
	inventory_class_leave(fixture->inventory, class);
	assert_null(class_of(fixture));
}

struct turn {
	struct worker_job job;
	bool *is_over;
};

static void run_turn(struct worker_job *job)
{
	(void)job;
}

static void on_turned(struct worker_job *job)
{
	*KUDEV_CONTAINER_OF(job, struct turn, job)->is_over = true;
}

static void free_turn(struct worker_job *job)
{
	free(KUDEV_CONTAINER_OF(job, struct turn, job));
}

static void turn(struct fixture *fixture)
{
	struct turn *turn = mem_zero(sizeof(*turn));
	bool is_over = false;

	turn->job = (struct worker_job){
		.run = run_turn,
		.done = on_turned,
		.free = free_turn,
		.timeout_ms = 60000,
	};
	turn->is_over = &is_over;
	worker_submit(fixture->worker, &turn->job);
	assert_comes(fixture->loop, wait_is_set, &is_over);
}

static bool has_nothing_to_do(void *data)
{
	const struct fixture *fixture = data;
	struct worker_stats stats;

	worker_describe(fixture->worker, &stats);
	return stats.running + stats.waiting == 0;
}

/* The look that waits goes on, and what it has found is told. */
static void end_slow_look(struct fixture *fixture)
{
	sem_post(&house.gate);
	assert_comes(fixture->loop, has_nothing_to_do, fixture);
	turn(fixture);
}

#define BAD "bad is \"0\", not 1"
#define UNCHECKED "it was not checked yet"

static const char *reason_of(const struct fixture *fixture)
{
	const char *reason = class_of(fixture)->devices[0]->reason;

	return reason ? reason : "";
}

static bool has_reason(void *data)
{
	const struct fixture *fixture = data;

	return strcmp(reason_of(fixture), fixture->expected) == 0;
}

/* The device is unhealthy for this reason; "": it is healthy. */
static void expect(struct fixture *fixture, const char *reason)
{
	fixture->expected = reason;
	if (!wait_for(fixture->loop, has_reason, fixture))
		assert_string_equal(reason_of(fixture), reason);
}

static void a_class_that_is_checked_no_more_has_healthy_devices(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, "bad");
	expect(fixture, BAD);
	change(fixture, NULL);
	assert_string_equal(reason_of(fixture), "");
	assert_int_equal(class_of(fixture)->healthy, 1);
	/* Nor is one that comes. */
	tree_remove(fixture->tree, "/dev/a");
	inventory_report(fixture->inventory, 0, &(struct unit_list){0});
	tree_link(fixture->tree, "/dev/a", "/dev/null");
	report(fixture);
	assert_string_equal(reason_of(fixture), "");
}

static void what_was_not_checked_yet_is_healthy_without_checks(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, "slow");
	assert_posted(&house.begun);
	assert_string_equal(reason_of(fixture), UNCHECKED);
	change(fixture, NULL);
	assert_string_equal(reason_of(fixture), "");
	sem_post(&house.gate);
}

/* A change must not take all devices away until they were looked at. */
static void devices_keep_their_health_until_the_first_look_of_a_new_kind(void **state)
{
	static const struct {
		const char *before;
		const char *reason;
	} tests[] = {{NULL, ""}, {"good", ""}, {"bad", BAD}};
	struct fixture *fixture = *state;

	start(fixture, NULL);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		change(fixture, tests[i].before);
		expect(fixture, tests[i].reason);
		change(fixture, "slow");
		assert_posted(&house.begun);
		assert_string_equal(reason_of(fixture), tests[i].reason);
		sem_post(&house.gate);
		expect(fixture, "slow is \"0\", not 1");
	}
}

static void the_first_look_of_a_new_kind_decides_at_once(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, "good");
	expect(fixture, "");
	change(fixture, "bad");
	expect(fixture, BAD);
	change(fixture, "good");
	expect(fixture, "");
}

static void a_look_of_the_old_kind_that_ends_says_nothing(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, "slow");
	assert_posted(&house.begun);
	change(fixture, "good");
	expect(fixture, "");
	end_slow_look(fixture);
	assert_string_equal(reason_of(fixture), "");
}

static void the_same_checks_go_on(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, "slow");
	assert_posted(&house.begun);
	/* The class is another one, and there is another one, but its checks are the same. */
	change_to(fixture,
		  make_config(fixture, "slow", "- {name: new, paths: [/y], share: 2}\n"));
	report(fixture);
	assert_int_equal(sem_trywait(&house.begun), -1);
	sem_post(&house.gate);
	expect(fixture, "slow is \"0\", not 1");
}

static void a_class_may_go_while_it_is_looked_at(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, "slow");
	assert_posted(&house.begun);
	remove_class(fixture);
	end_slow_look(fixture);
	change(fixture, "bad");
	expect(fixture, BAD);
}

static void a_class_that_comes_back_is_looked_at_although_an_old_look_hangs(void **state)
{
	struct fixture *fixture = *state;
	struct inventory_class *class;

	start(fixture, "slow");
	class = class_of(fixture);
	assert_posted(&house.begun);
	inventory_class_use(class);
	change_to(fixture,
		  scan_config(fixture->tree, "classes:\n- {name: other, paths: [/x]}\n"));
	change(fixture, "good");
	assert_ptr_equal(class_of(fixture), class);
	expect(fixture, "");
	end_slow_look(fixture);
	assert_string_equal(reason_of(fixture), "");
}

static void all_may_end_while_a_class_that_is_gone_is_looked_at(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, "slow");
	assert_posted(&house.begun);
	remove_class(fixture);
	fixture->worker = worker_free(fixture->worker);
	fixture->health = health_free(fixture->health);
	fixture->inventory = inventory_free(fixture->inventory);
	sem_post(&house.gate);
	while (atomic_load(&house.passed) == 0)
		sched_yield();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_class_that_is_checked_no_more_has_healthy_devices),
		TEST(what_was_not_checked_yet_is_healthy_without_checks),
		TEST(devices_keep_their_health_until_the_first_look_of_a_new_kind),
		TEST(the_first_look_of_a_new_kind_decides_at_once),
		TEST(a_look_of_the_old_kind_that_ends_says_nothing),
		TEST(the_same_checks_go_on),
		TEST(a_class_may_go_while_it_is_looked_at),
		TEST(a_class_that_comes_back_is_looked_at_although_an_old_look_hangs),
		TEST(all_may_end_while_a_class_that_is_gone_is_looked_at),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
