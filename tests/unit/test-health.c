/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <termios.h>

#include "device/health.h"
#include "test-capture.h"
#include "test-clock.h"
#include "test-scan.h"
#include "test-threads.h"
#include "test-wait.h"

/*
 * Opening is done through what stands here: no device can be had that hangs, is busy or
 * forbidden when a test wants it (the linker's --wrap).
 */
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);

#define MAX_DOORS 4

/* What happens to those who open a path that ends so. */
struct door {
	const char *suffix; /* NULL: unused */
	int error;	    /* what open() says; 0: it is opened */
	bool is_gated;	    /* the first waits until the gate is opened */
	unsigned opened;    /* by how many */
	unsigned refused;
	int flags; /* of the last */
};

static struct {
	pthread_mutex_t lock; /* guards the doors */
	struct door doors[MAX_DOORS];
	sem_t gate;
	sem_t begun; /* posted by who waits at the gate */
} house = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Locked. */
static struct door *find_door(const char *path)
{
	for (size_t i = 0; i < MAX_DOORS; i++) {
		const char *suffix = house.doors[i].suffix;

		if (suffix && strlen(path) > strlen(suffix) &&
		    strcmp(path + strlen(path) - strlen(suffix), suffix) == 0)
			return &house.doors[i];
	}
	return NULL;
}

/* Returns the error that the path has for who opens it. */
static int knock(const char *path, int flags)
{
	struct door *door;
	bool is_gated;
	int error;

	pthread_mutex_lock(&house.lock);
	door = find_door(path);
	is_gated = door && door->is_gated;
	error = door ? door->error : 0;
	if (is_gated)
		door->is_gated = false;
	pthread_mutex_unlock(&house.lock);
	if (is_gated) {
		sem_post(&house.begun);
		sem_wait(&house.gate);
	}
	pthread_mutex_lock(&house.lock);
	if (door) {
		door->flags = flags;
		door->opened += !error;
		door->refused += error != 0;
	}
	pthread_mutex_unlock(&house.lock);
	return error;
}

int __wrap_open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	int error;

	if (flags & O_CREAT) {
		va_list arguments;

		va_start(arguments, flags);
		mode = va_arg(arguments, mode_t);
		va_end(arguments);
	}
	error = knock(path, flags);
	if (error == 0)
		return __real_open(path, flags, mode);
	errno = error;
	return -1;
}

/* What those who open this path find from now on; error 0: it opens. */
static void set_door(const char *suffix, int error, bool is_gated)
{
	struct door *door = NULL;

	pthread_mutex_lock(&house.lock);
	for (size_t i = 0; !door && i < MAX_DOORS; i++) {
		const char *used = house.doors[i].suffix;

		if (!used || strcmp(used, suffix) == 0)
			door = &house.doors[i];
	}
	*door = (struct door){.suffix = suffix, .error = error, .is_gated = is_gated};
	pthread_mutex_unlock(&house.lock);
}

/* The door as it is now; suffix is that which was set. */
static struct door door_at(const char *suffix)
{
	struct door found = {0};

	pthread_mutex_lock(&house.lock);
	for (size_t i = 0; i < MAX_DOORS; i++) {
		if (house.doors[i].suffix && strcmp(house.doors[i].suffix, suffix) == 0)
			found = house.doors[i];
	}
	pthread_mutex_unlock(&house.lock);
	assert_non_null(found.suffix);
	return found;
}

struct fixture {
	struct tree *tree;
	struct config *config;
	struct loop *loop;
	struct worker *worker;
	struct inventory *inventory;
	struct inventory_class *class;
	struct health *health;
	const char *held;      /* by a pod: its ID; NULL: none is */
	bool is_unreadable;    /* what pods hold */
	unsigned rounds;       /* in which holders were looked for */
	const char *expected;  /* what expect() waits for */
	const char *id;	       /* whose reason expect_reason() waits for */
	const char *watched;   /* the door that on_change() looks at; NULL: none */
	struct door at_change; /* as it was when the class changed last */
	struct wait_count times;
};

static void find_holders(void *data)
{
	struct fixture *fixture = data;

	fixture->rounds++;
	inventory_begin_holders(fixture->inventory, HOLD_CHECKPOINT);
	if (fixture->held)
		inventory_hold(fixture->inventory,
			       inventory_class_at(fixture->inventory, 0), fixture->held,
			       LIST_NUMA_UNKNOWN, NULL);
	if (!fixture->is_unreadable)
		inventory_end_holders(fixture->inventory);
}

static void on_change(void *data)
{
	struct fixture *fixture = data;

	if (fixture->watched)
		fixture->at_change = door_at(fixture->watched);
}

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	memset(house.doors, 0, sizeof(house.doors));
	assert_int_equal(sem_init(&house.gate, 0, 0), 0);
	assert_int_equal(sem_init(&house.begun, 0, 0), 0);
	fixture->tree = tree_new();
	tree_link(fixture->tree, "/dev/a", "/dev/null");
	tree_link(fixture->tree, "/dev/b", "/dev/zero");
	tree_link(fixture->tree, "/sys/dev/char/1:3", "../../devices/pci0/a");
	tree_link(fixture->tree, "/sys/dev/char/1:5", "../../devices/pci0/b");
	tree_directory(fixture->tree, "/sys/devices/pci0/a");
	tree_directory(fixture->tree, "/sys/devices/pci0/b");
	assert_int_equal(loop_new(&fixture->loop, NULL), 0);
	fixture->worker = worker_new(fixture->loop);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	start_clock();
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

/* settings: of the class. interval_ms may be less than a configuration may say. */
static void prepare(struct fixture *fixture, const char *settings, unsigned interval_ms)
{
	KUDEV_AUTO_FREE char *text =
		mem_printf("classes:\n- {name: c, paths: [/x], %s}\n", settings);

	fixture->config = scan_config(fixture->tree, text);
	fixture->config->classes[0].health.interval_ms = interval_ms;
	fixture->inventory = inventory_new(fixture->config);
	fixture->class = inventory_class_at(fixture->inventory, 0);
	fixture->health = health_new(fixture->loop, fixture->worker, fixture->config,
				     fixture->inventory, find_holders, fixture);
	inventory_class_observe(fixture->class, on_change, fixture);
}

/* The same, after the first reckoning of what pods hold, and begins to look. */
static void start(struct fixture *fixture, const char *settings, unsigned interval_ms)
{
	prepare(fixture, settings, interval_ms);
	find_holders(fixture);
	health_start(fixture->health);
}

#define NEVER_MS 3600000
#define OFTEN_MS 10
/* So long it has to stay healthy to count as steady; health.c. */
#define STEADY_MS (10 * OFTEN_MS)

/* "a b-1 ab": units by ID, each letter before a dash being a node. */
static void report(const struct fixture *fixture, const char *ids)
{
	KUDEV_AUTO_FREE char *copy = mem_string(ids);
	KUDEV_AUTO_UNIT_LIST struct unit_list list = {0};
	char *rest;

	for (char *id = strtok_r(copy, " ", &rest); id; id = strtok_r(NULL, " ", &rest)) {
		size_t count = strcspn(id, "-");
		struct unit *unit = unit_list_add(&list, mem_string(id), count);

		for (size_t i = 0; i < count; i++) {
			unit_node_fill(&unit->nodes[i], fixture->config->root,
				       mem_printf("/dev/%c", id[i]), NODE_DEVICE, NULL);
			unit->nodes[i].permissions = "rw";
		}
	}
	inventory_report(fixture->inventory, 0, &list);
}

static char *devices_text(const struct inventory_class *class)
{
	KUDEV_AUTO_STRINGS struct strings words = {0};

	for (size_t i = 0; i < class->count; i++)
		strings_take(&words, mem_printf("%s%s", class->devices[i]->unit.id,
						class->devices[i]->healthy ? "" : "!"));
	return strings_join(&words, " ");
}

static bool is_as_expected(void *data)
{
	const struct fixture *fixture = data;
	KUDEV_AUTO_FREE char *got = devices_text(fixture->class);

	return strcmp(got, fixture->expected) == 0;
}

static void expect(struct fixture *fixture, const char *expected)
{
	KUDEV_AUTO_FREE char *got = NULL;

	fixture->expected = expected;
	if (wait_for(fixture->loop, is_as_expected, fixture))
		return;
	got = devices_text(fixture->class);
	assert_string_equal(got, expected);
}

static const char *reason_of(const struct fixture *fixture, const char *id)
{
	const char *reason = inventory_class_find(fixture->class, id)->reason;

	return reason ? reason : "none";
}

static bool has_reason(void *data)
{
	const struct fixture *fixture = data;

	return strcmp(reason_of(fixture, fixture->id), fixture->expected) == 0;
}

/* A device is unhealthy for this reason: each is so for another one until it is looked at. */
static void expect_reason(struct fixture *fixture, const char *id, const char *expected)
{
	fixture->id = id;
	fixture->expected = expected;
	if (!wait_for(fixture->loop, has_reason, fixture))
		assert_string_equal(reason_of(fixture, id), expected);
}

#define UNCHECKED "it was not checked yet"
#define BROKEN(node) node " cannot be opened: Input/output error"

static bool was_tried_enough(void *data)
{
	const struct fixture *fixture = data;
	struct door door = door_at(fixture->watched);

	return door.opened + door.refused >= fixture->times.wanted;
}

/* Until somebody has knocked so often; looks being one by one, that before was judged. */
static void await_tries(struct fixture *fixture, const char *door, unsigned count)
{
	fixture->watched = door;
	fixture->times.wanted = count;
	assert_comes(fixture->loop, was_tried_enough, fixture);
}

static bool has_had_rounds(void *data)
{
	const struct fixture *fixture = data;

	return fixture->rounds >= fixture->times.wanted;
}

static void await_rounds(struct fixture *fixture, unsigned more)
{
	fixture->times.wanted = fixture->rounds + more;
	assert_comes(fixture->loop, has_had_rounds, fixture);
}

static bool has_begun(void *data)
{
	(void)data;
	return sem_trywait(&house.begun) == 0;
}

static void a_value_is_judged_by_all_conditions(void **state)
{
	static const struct {
		const char *check; /* of the attribute x */
		const char *text;  /* NULL: could not be read */
		int error;
		const char *expected; /* NULL: it is fine */
	} tests[] = {
		{"equals: ok", "ok", 0, NULL},
		{"equals: ok", "OK", 0, "x is \"OK\", not ok"},
		{"equals: ok", "", 0, "x is \"\", not ok"},
		{"equals: [a, b, c]", "c", 0, NULL},
		{"equals: [a, b, c]", "abc", 0, "x is \"abc\", not a or b or c"},
		{"equals: '1'", "1.0", 0, "x is \"1.0\", not 1"},
		{"notEquals: bad", "good", 0, NULL},
		{"notEquals: bad", "bad", 0, "x is \"bad\""},
		{"notEquals: [bad, worse]", "worse", 0, "x is \"worse\""},
		{"notEquals: bad", "", 0, NULL},
		{"min: 10", "10", 0, NULL},
		{"min: 10", "9.9", 0, "x is 9.9, less than 10"},
		{"min: -5", "-6", 0, "x is -6, less than -5"},
		{"max: 10", "10", 0, NULL},
		{"max: 10", "1e3", 0, "x is 1e3, more than 10"},
		{"{min: 0, max: 0}", "0", 0, NULL},
		{"{min: 0, max: 0}", "0x1", 0, "x is 0x1, more than 0"},
		{"min: 0", "", 0, "x is \"\", no number"},
		{"min: 0", "ten", 0, "x is \"ten\", no number"},
		{"min: 0", "10 Mb/s", 0, "x is \"10 Mb/s\", no number"},
		{"{min: 0, max: 10}", "nan", 0, "x is \"nan\", no number"},
		{"regex: '^U[0-9]$'", "U2", 0, NULL},
		{"regex: 'a|b'", "xbx", 0, NULL},
		{"regex: '^U[0-9]$'", "U", 0,
		 "x is \"U\", which the regex does not match"},
		{"{equals: [a, b], notEquals: b}", "b", 0, "x is \"b\""},
		{"{equals: [1, 2], max: 1}", "2", 0, "x is 2, more than 1"},
		{"equals: ok", "a\nb", 0, "x is \"a\\nb\", not ok"},
		{"notEquals: bad", NULL, -ENOENT, "it has no attribute x"},
		{"min: 0", NULL, -EIO, "x cannot be read: Input/output error"},
		{"regex: x", NULL, -ENODEV, "x cannot be read: No such device"},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		bool is_flow = tests[i].check[0] == '{';
		KUDEV_AUTO_FREE char *text = mem_printf(
			"classes:\n- name: c\n  paths: [/x]\n  health: {attributes: {x: "
			"%s%s%s}}\n",
			is_flow ? "" : "{", tests[i].check, is_flow ? "" : "}");
		KUDEV_AUTO(config_free) struct config *config = parse_good(text);
		KUDEV_AUTO_FREE char *got =
			health_judge_attribute(&config->classes[0].health.checks[0],
					       tests[i].text, tests[i].error);

		if (!got != !tests[i].expected)
			print_message("for: %s of %s\n", tests[i].check,
				      tests[i].text ? tests[i].text : "nothing");
		assert_string_equal(got ? got : "fine",
				    tests[i].expected ? tests[i].expected : "fine");
	}
}

static void the_first_look_decides_at_once(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", 0, false);
	set_door("/dev/b", EIO, false);
	start(fixture, "health: {open: true, failureThreshold: 5}", NEVER_MS);
	report(fixture, "a b");
	/* Until something is known, nobody gets it. */
	assert_int_equal(fixture->class->healthy, 0);
	assert_string_equal(reason_of(fixture, "a"), UNCHECKED);
	assert_string_equal(reason_of(fixture, "b"), UNCHECKED);
	expect_reason(fixture, "b", BROKEN("/dev/b"));
	expect(fixture, "a b!");
	assert_int_equal(door_at("/dev/a").opened, 1);
	assert_int_equal(door_at("/dev/b").refused, 1);
}

static void a_class_that_asks_for_nothing_is_not_looked_at(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", EIO, false);
	fixture->config = scan_config(fixture->tree,
				      "classes:\n- {name: c, paths: [/x]}\n"
				      "- {name: d, paths: [/x], health: {open: true}}\n");
	fixture->inventory = inventory_new(fixture->config);
	fixture->class = inventory_class_at(fixture->inventory, 1);
	fixture->health = health_new(fixture->loop, fixture->worker, fixture->config,
				     fixture->inventory, find_holders, fixture);
	health_start(fixture->health);
	report(fixture, "a");
	fixture->class->config = &fixture->config->classes[1];
	assert_int_equal(inventory_class_at(fixture->inventory, 0)->count, 1);
	assert_int_equal(inventory_class_at(fixture->inventory, 0)->healthy, 1);
	assert_null(inventory_class_at(fixture->inventory, 0)->observers);
	assert_non_null(fixture->class->observers);
	assert_int_equal(door_at("/dev/a").refused, 0);
}

/* Not to hang, not to be the terminal of kudev, not to be inherited. */
static void devices_are_opened_gently(void **state)
{
	const int wanted = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	struct fixture *fixture = *state;

	set_door("/dev/a", 0, false);
	start(fixture, "health: {open: true}", NEVER_MS);
	report(fixture, "a");
	await_tries(fixture, "/dev/a", 1);
	assert_int_equal(door_at("/dev/a").flags & wanted, wanted);
	assert_int_equal(door_at("/dev/a").flags & O_ACCMODE, O_RDONLY);
}

static bool keeps_dtr(void *data)
{
	struct termios settings;

	return tcgetattr(*(const int *)data, &settings) == 0 &&
	       !(settings.c_cflag & HUPCL);
}

static void a_terminal_does_not_hang_up_when_it_is_closed(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_CLOSE int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios settings;

	if (terminal < 0 || unlockpt(terminal) < 0 || tcgetattr(terminal, &settings) < 0)
		skip();
	settings.c_cflag |= HUPCL;
	assert_int_equal(tcsetattr(terminal, TCSANOW, &settings), 0);
	assert_false(keeps_dtr(&terminal));
	tree_link(fixture->tree, "/dev/t", ptsname(terminal));
	start(fixture, "health: {open: true}", NEVER_MS);
	report(fixture, "t");
	assert_comes(fixture->loop, keeps_dtr, &terminal);
}

static void later_looks_decide_by_the_thresholds(void **state)
{
	struct fixture *fixture = *state;

	stop_clock();
	set_door("/dev/a", 0, false);
	start(fixture, "health: {open: true, failureThreshold: 3, successThreshold: 2}",
	      OFTEN_MS);
	report(fixture, "a");
	await_tries(fixture, "/dev/a", 2);
	expect(fixture, "a");
	for (unsigned round = 0; round < 2; round++) {
		set_door("/dev/a", ENXIO, false);
		expect(fixture, "a!");
		assert_int_equal(fixture->at_change.refused, 3);
		set_door("/dev/a", 0, false);
		expect(fixture, "a");
		/* It fails again so soon that the second time twice as much is asked. */
		assert_int_equal(fixture->at_change.opened, round == 0 ? 2 : 4);
	}
}

static void failures_have_to_be_in_a_row(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", 0, false);
	start(fixture, "health: {open: true, failureThreshold: 2}", OFTEN_MS);
	report(fixture, "a");
	await_tries(fixture, "/dev/a", 1);
	expect(fixture, "a");
	for (unsigned i = 0; i < 3; i++) {
		/* One look waits at the gate, and fails there alone. */
		set_door("/dev/a", EIO, true);
		assert_comes(fixture->loop, has_begun, NULL);
		set_door("/dev/a", 0, false);
		sem_post(&house.gate);
		await_tries(fixture, "/dev/a", 3);
		assert_int_equal(door_at("/dev/a").refused, 1);
	}
	expect(fixture, "a");
	/* It came, and passed its first look. */
	assert_int_equal(fixture->class->version, 2);
}

static void what_keeps_changing_has_to_pass_ever_more_looks(void **state)
{
	static const unsigned wanted[] = {2, 4, 8, 16, 16};
	struct fixture *fixture = *state;

	stop_clock();
	set_door("/dev/a", 0, false);
	start(fixture, "health: {open: true, failureThreshold: 1, successThreshold: 2}",
	      OFTEN_MS);
	report(fixture, "a");
	await_tries(fixture, "/dev/a", 1);
	expect(fixture, "a");
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(wanted); i++) {
		set_door("/dev/a", EIO, false);
		expect(fixture, "a!");
		set_door("/dev/a", 0, false);
		expect(fixture, "a");
		assert_int_equal(fixture->at_change.opened, wanted[i]);
	}
	/* After a while without a change it counts as steady again, and not a moment before. */
	for (int early_ms = 1; early_ms >= 0; early_ms--) {
		move_clock(STEADY_MS - early_ms);
		set_door("/dev/a", EIO, false);
		expect(fixture, "a!");
		set_door("/dev/a", 0, false);
		expect(fixture, "a");
		assert_int_equal(fixture->at_change.opened, early_ms > 0 ? 16 : 2);
	}
}

static void attributes_are_those_of_the_nearest_device(void **state)
{
	struct fixture *fixture = *state;

	tree_file(fixture->tree, "/sys/devices/pci0/speed", "480\n");
	tree_file(fixture->tree, "/sys/devices/pci0/b/speed", "12\n");
	start(fixture, "health: {attributes: {speed: {min: 480}}, failureThreshold: 1}",
	      OFTEN_MS);
	report(fixture, "a b");
	expect_reason(fixture, "b", "speed is 12, less than 480");
	expect(fixture, "a b!");
	tree_file(fixture->tree, "/sys/devices/pci0/b/speed", "5000\n");
	expect(fixture, "a b");
	tree_remove(fixture->tree, "/sys/devices/pci0/speed");
	expect_reason(fixture, "a", "it has no attribute speed");
	expect(fixture, "a! b");
}

static void a_node_without_a_device_has_no_attributes(void **state)
{
	struct fixture *fixture = *state;

	tree_file(fixture->tree, "/dev/f", "a file");
	start(fixture, "health: {attributes: {speed: {min: 480}}}", NEVER_MS);
	report(fixture, "f");
	expect_reason(fixture, "f", "speed cannot be read: No such device");
	expect(fixture, "f!");
}

static void all_nodes_of_a_device_have_to_open(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/b", ENODEV, false);
	start(fixture, "health: {open: true}", NEVER_MS);
	report(fixture, "ab");
	expect_reason(fixture, "ab", "/dev/b cannot be opened: No such device");
	expect(fixture, "ab!");
}

static void a_device_that_somebody_has_for_himself_works(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", EBUSY, false);
	start(fixture, "health: {open: true, failureThreshold: 1}", OFTEN_MS);
	report(fixture, "a");
	await_tries(fixture, "/dev/a", 3);
	expect(fixture, "a");
	/* It also makes healthy again what was not. */
	set_door("/dev/a", EIO, false);
	expect(fixture, "a!");
	set_door("/dev/a", EBUSY, false);
	expect(fixture, "a");
}

static void what_kudev_may_not_open_is_no_failure_and_is_told_once(void **state)
{
	static const int errors[] = {EACCES, EPERM};
	struct fixture *fixture = *state;
	struct capture capture = capture_begin();
	KUDEV_AUTO_FREE char *lines = NULL;

	log_setup(LOG_LEVEL_WARN, LOG_FORMAT_JSON);
	start(fixture, "health: {open: true, failureThreshold: 1}", OFTEN_MS);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(errors); i++) {
		set_door("/dev/a", errors[i], false);
		report(fixture, "a");
		await_tries(fixture, "/dev/a", 3);
	}
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	lines = capture_end(&capture);
	expect(fixture, "a");
	assert_int_equal(fixture->class->version, 2);
	assert_int_equal(capture_count(lines, "cannot check whether devices open"), 1);
	assert_int_equal(capture_count(lines, "\n"), 1);
}

static void a_denied_node_does_not_hide_that_another_one_fails(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", EACCES, false);
	set_door("/dev/b", EIO, false);
	start(fixture, "health: {open: true}", NEVER_MS);
	report(fixture, "ab");
	expect_reason(fixture, "ab", BROKEN("/dev/b"));
	expect(fixture, "ab!");
}

static void what_a_pod_holds_is_not_opened_but_read(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", 0, false);
	set_door("/speed", 0, false);
	tree_file(fixture->tree, "/sys/devices/pci0/a/speed", "480\n");
	start(fixture,
	      "health: {open: true, attributes: {speed: {min: 480}}, failureThreshold: 1}",
	      OFTEN_MS);
	/* A pod may be there before kudev is. */
	fixture->held = "a";
	find_holders(fixture);
	report(fixture, "a");
	await_rounds(fixture, 5);
	assert_int_equal(door_at("/dev/a").opened, 0);
	await_tries(fixture, "/speed", 3);
	expect(fixture, "a");
	tree_file(fixture->tree, "/sys/devices/pci0/a/speed", "12\n");
	expect(fixture, "a!");
	tree_file(fixture->tree, "/sys/devices/pci0/a/speed", "480\n");
	expect(fixture, "a");
	assert_int_equal(door_at("/dev/a").opened, 0);
	/* The pod has ended. */
	fixture->held = NULL;
	await_tries(fixture, "/dev/a", 1);
}

static void what_pods_share_is_opened_all_the_same(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", 0, false);
	start(fixture, "share: 2, health: {open: true}", OFTEN_MS);
	fixture->held = "a-0";
	find_holders(fixture);
	report(fixture, "a-0 a-1");
	await_rounds(fixture, 3);
	await_tries(fixture, "/dev/a", 4);
}

/* It may be in use: the settings are those of who uses it. */
static void a_terminal_that_a_pod_holds_keeps_its_settings(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_CLOSE int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios settings;

	if (terminal < 0 || unlockpt(terminal) < 0 || tcgetattr(terminal, &settings) < 0)
		skip();
	settings.c_cflag |= HUPCL;
	assert_int_equal(tcsetattr(terminal, TCSANOW, &settings), 0);
	tree_link(fixture->tree, "/dev/t", ptsname(terminal));
	set_door("/dev/t", 0, false);
	fixture->held = "t-0";
	start(fixture, "share: 2, health: {open: true}", OFTEN_MS);
	report(fixture, "t-0");
	await_tries(fixture, "/dev/t", 3);
	assert_false(keeps_dtr(&terminal));
	fixture->held = NULL;
	assert_comes(fixture->loop, keeps_dtr, &terminal);
}

static void before_it_is_known_what_pods_hold_nothing_is_opened(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", EIO, false);
	fixture->is_unreadable = true;
	start(fixture, "health: {open: true}", OFTEN_MS);
	report(fixture, "a");
	await_rounds(fixture, 5);
	expect(fixture, "a");
	assert_int_equal(door_at("/dev/a").refused, 0);
	fixture->is_unreadable = false;
	expect_reason(fixture, "a", BROKEN("/dev/a"));
}

static void nothing_is_looked_at_before_the_start(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", 0, false);
	prepare(fixture, "health: {open: true}", NEVER_MS);
	report(fixture, "a");
	find_holders(fixture);
	report(fixture, "a b");
	assert_string_equal(reason_of(fixture, "a"), UNCHECKED);
	assert_string_equal(reason_of(fixture, "b"), UNCHECKED);
	/* What had been asked of the worker would come first. */
	health_start(fixture->health);
	expect(fixture, "a b");
	assert_int_equal(door_at("/dev/a").opened, 1);
}

static void a_device_that_hangs_fails_and_holds_up_no_other(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", 0, true);
	set_door("/dev/b", EIO, false);
	start(fixture,
	      "health: {open: true, timeout: 30ms, failureThreshold: 1, "
	      "successThreshold: 2}",
	      OFTEN_MS);
	report(fixture, "a b");
	expect_reason(fixture, "a", "it does not answer within 30 ms");
	expect_reason(fixture, "b", BROKEN("/dev/b"));
	expect(fixture, "a! b!");
	set_door("/dev/b", 0, false);
	expect(fixture, "a! b");
	/* Nobody else is sent to where one hangs. */
	await_tries(fixture, "/dev/b", 6);
	assert_int_equal(door_at("/dev/a").opened, 0);
	fixture->config->classes[0].health.timeout_ms = 60000;
	fixture->watched = "/dev/a";
	set_door("/dev/a", 0, false);
	sem_post(&house.gate);
	expect(fixture, "a b");
	/* What came too late says nothing; after it, two looks have to pass. */
	assert_int_equal(fixture->at_change.opened, 3);
}

static void a_late_look_counts_as_one_failure_a_round(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", 0, false);
	start(fixture, "health: {open: true, timeout: 20ms, failureThreshold: 4}",
	      OFTEN_MS);
	report(fixture, "a");
	await_tries(fixture, "/dev/a", 2);
	expect(fixture, "a");
	set_door("/dev/a", 0, true);
	fixture->watched = NULL;
	expect(fixture, "a!");
	assert_string_equal(reason_of(fixture, "a"), "it does not answer within 20 ms");
	set_door("/dev/a", 0, false);
	sem_post(&house.gate);
	fixture->config->classes[0].health.timeout_ms = 60000;
	expect(fixture, "a");
}

static void a_slow_attribute_is_late_too(void **state)
{
	struct fixture *fixture = *state;

	tree_file(fixture->tree, "/sys/devices/pci0/a/speed", "480\n");
	set_door("/speed", 0, true);
	start(fixture, "health: {attributes: {speed: {min: 480}}, timeout: 20ms}",
	      OFTEN_MS);
	report(fixture, "a");
	expect_reason(fixture, "a", "it does not answer within 20 ms");
	expect(fixture, "a!");
	set_door("/speed", 0, false);
	sem_post(&house.gate);
	fixture->config->classes[0].health.timeout_ms = 60000;
	expect(fixture, "a");
}

static void what_was_found_of_a_device_that_has_gone_is_forgotten(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", EIO, true);
	set_door("/dev/b", EIO, false);
	start(fixture, "health: {open: true}", NEVER_MS);
	report(fixture, "a b");
	assert_posted(&house.begun);
	tree_remove(fixture->tree, "/dev/a");
	report(fixture, "b");
	sem_post(&house.gate);
	expect_reason(fixture, "b", BROKEN("/dev/b"));
	expect(fixture, "a! b!");
	assert_string_equal(reason_of(fixture, "a"), "/dev/a is gone");
	assert_string_equal(fixture->class->devices[0]->failure, UNCHECKED);
}

static void a_device_that_comes_back_is_looked_at_anew(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", EIO, false);
	start(fixture, "health: {open: true, failureThreshold: 5}", NEVER_MS);
	report(fixture, "a");
	expect_reason(fixture, "a", BROKEN("/dev/a"));
	report(fixture, "");
	set_door("/dev/a", 0, false);
	report(fixture, "a");
	/* What it failed before does not count. */
	assert_string_equal(reason_of(fixture, "a"), UNCHECKED);
	expect(fixture, "a");
	assert_int_equal(door_at("/dev/a").opened, 1);
	report(fixture, "");
	set_door("/dev/a", EIO, false);
	report(fixture, "a");
	/* Nor that it passed. */
	assert_string_equal(reason_of(fixture, "a"), UNCHECKED);
	expect_reason(fixture, "a", BROKEN("/dev/a"));
	expect(fixture, "a!");
}

/* Another one has its ID, whose node has another number; nobody saw it go. */
static void a_device_that_went_and_came_between_two_reports_is_looked_at_anew(
	void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", EIO, false);
	start(fixture, "health: {open: true, failureThreshold: 5}", NEVER_MS);
	report(fixture, "a");
	expect_reason(fixture, "a", BROKEN("/dev/a"));
	report(fixture, "a");
	assert_string_equal(reason_of(fixture, "a"), BROKEN("/dev/a"));
	tree_remove(fixture->tree, "/dev/a");
	tree_link(fixture->tree, "/dev/a", "/dev/full");
	set_door("/dev/a", 0, false);
	report(fixture, "a");
	assert_string_equal(reason_of(fixture, "a"), UNCHECKED);
	expect(fixture, "a");
	assert_int_equal(door_at("/dev/a").opened, 1);
	/* The other way round: one look decides, whatever the threshold. */
	tree_remove(fixture->tree, "/dev/a");
	tree_link(fixture->tree, "/dev/a", "/dev/null");
	set_door("/dev/a", EIO, false);
	report(fixture, "a");
	assert_string_equal(reason_of(fixture, "a"), UNCHECKED);
	expect_reason(fixture, "a", BROKEN("/dev/a"));
	assert_int_equal(door_at("/dev/a").refused, 1);
}

/* It went and came back while somebody looked at what was there before. */
static void a_look_at_what_was_there_before_says_nothing(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", EIO, true);
	start(fixture, "health: {open: true}", NEVER_MS);
	report(fixture, "a b");
	assert_posted(&house.begun);
	report(fixture, "b");
	report(fixture, "a b");
	set_door("/dev/a", 0, false);
	sem_post(&house.gate);
	/* The new one is looked at by itself, and decides. */
	await_tries(fixture, "/dev/a", 2);
	assert_int_equal(door_at("/dev/a").refused, 1);
	assert_int_equal(door_at("/dev/a").opened, 1);
	expect(fixture, "a b");
	assert_int_equal(fixture->class->version, 4);
}

/* The same of one that was forgotten meanwhile, and whose index another one has. */
static void a_look_at_what_was_forgotten_says_nothing_of_the_next(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", EIO, true);
	start(fixture, "health: {open: true}", NEVER_MS);
	report(fixture, "a b");
	assert_posted(&house.begun);
	report(fixture, "b");
	assert_int_equal(inventory_forget(fixture->inventory, clock_ms() + 1, 0), 1);
	set_door("/dev/a", 0, false);
	report(fixture, "a-1 b");
	assert_string_equal(inventory_class_indexed(fixture->class, 0)->unit.id, "a-1");
	sem_post(&house.gate);
	await_tries(fixture, "/dev/a", 2);
	expect(fixture, "a-1 b");
	assert_int_equal(door_at("/dev/a").refused, 1);
	assert_int_equal(door_at("/dev/a").opened, 1);
}

static void a_device_that_comes_back_is_not_late_because_the_one_before_hangs(
	void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", 0, true);
	start(fixture, "health: {open: true, timeout: 20ms}", NEVER_MS);
	report(fixture, "a");
	expect_reason(fixture, "a", "it does not answer within 20 ms");
	fixture->config->classes[0].health.timeout_ms = 60000;
	report(fixture, "");
	set_door("/dev/a", EIO, false);
	report(fixture, "a");
	expect_reason(fixture, "a", BROKEN("/dev/a"));
	sem_post(&house.gate);
}

static void devices_that_come_later_are_looked_at_when_they_come(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/b", EIO, false);
	start(fixture, "health: {open: true}", NEVER_MS);
	report(fixture, "a");
	expect(fixture, "a");
	report(fixture, "a b");
	expect_reason(fixture, "b", BROKEN("/dev/b"));
	expect(fixture, "a b!");
}

static void checks_end_while_a_device_hangs(void **state)
{
	struct fixture *fixture = *state;

	set_door("/dev/a", 0, true);
	start(fixture, "health: {open: true, timeout: 20ms}", OFTEN_MS);
	report(fixture, "a b");
	expect_reason(fixture, "a", "it does not answer within 20 ms");
	expect(fixture, "a! b");
	fixture->worker = worker_free(fixture->worker);
	fixture->health = health_free(fixture->health);
	fixture->inventory = inventory_free(fixture->inventory);
	sem_post(&house.gate);
	while (door_at("/dev/a").opened == 0)
		sched_yield();
	assert_null(health_free(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_is_judged_by_all_conditions),
		TEST(the_first_look_decides_at_once),
		TEST(a_class_that_asks_for_nothing_is_not_looked_at),
		TEST(devices_are_opened_gently),
		TEST(a_terminal_does_not_hang_up_when_it_is_closed),
		TEST(later_looks_decide_by_the_thresholds),
		TEST(failures_have_to_be_in_a_row),
		TEST(what_keeps_changing_has_to_pass_ever_more_looks),
		TEST(attributes_are_those_of_the_nearest_device),
		TEST(a_node_without_a_device_has_no_attributes),
		TEST(all_nodes_of_a_device_have_to_open),
		TEST(a_device_that_somebody_has_for_himself_works),
		TEST(what_kudev_may_not_open_is_no_failure_and_is_told_once),
		TEST(a_denied_node_does_not_hide_that_another_one_fails),
		TEST(what_a_pod_holds_is_not_opened_but_read),
		TEST(what_pods_share_is_opened_all_the_same),
		TEST(a_terminal_that_a_pod_holds_keeps_its_settings),
		TEST(before_it_is_known_what_pods_hold_nothing_is_opened),
		TEST(nothing_is_looked_at_before_the_start),
		TEST(a_device_that_hangs_fails_and_holds_up_no_other),
		TEST(a_late_look_counts_as_one_failure_a_round),
		TEST(a_slow_attribute_is_late_too),
		TEST(what_was_found_of_a_device_that_has_gone_is_forgotten),
		TEST(a_device_that_comes_back_is_looked_at_anew),
		TEST(a_device_that_went_and_came_between_two_reports_is_looked_at_anew),
		TEST(a_look_at_what_was_there_before_says_nothing),
		TEST(a_look_at_what_was_forgotten_says_nothing_of_the_next),
		TEST(a_device_that_comes_back_is_not_late_because_the_one_before_hangs),
		TEST(devices_that_come_later_are_looked_at_when_they_come),
		TEST(checks_end_while_a_device_hangs),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
