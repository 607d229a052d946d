/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>
#include <utlist.h>

#include "base/log.h"
#include "base/text.h"
#include "device/health.h"
#include "device/topology.h"

/* Who fails again within so many intervals after a recovery is flapping. */
#define FLAP_INTERVALS 10
/* As many times the successThreshold is demanded at most. */
#define MAX_DAMPING 8
#define LOG_INTERVAL_MS 600000

/* What is known of a device, beside what the inventory knows. */
struct device_checks {
	unsigned listing;   /* of the device, that all of this is about */
	unsigned arrival;   /* likewise; damping and recovered_ms last longer */
	bool is_known;	    /* it was looked at since it came */
	bool is_running;    /* a look has not ended yet */
	bool is_late;	    /* and should have */
	unsigned failures;  /* in a row */
	unsigned successes; /* in a row, while it is unhealthy */
	unsigned damping;   /* factor of the successThreshold */
	int64_t recovered_ms;
};

struct class_checks {
	struct health *health;
	struct inventory_class *class;
	struct loop_timer *timer;
	struct device_checks *devices; /* by their index in the class */
	size_t capacity;
	unsigned generation; /* of what is checked */
	size_t looks;	     /* under way */
	bool is_over;	     /* the class is not checked any more */
	struct log_limit denied_limit;
	struct class_checks *next; /* of those that are over */
};

struct health {
	struct loop *loop;     /* owned by the caller */
	struct worker *worker; /* likewise */
	struct inventory *inventory;
	loop_callback find_holders;
	void *data;
	struct class_checks **classes; /* by position; NULL: it has no checks */
	size_t class_count;
	struct class_checks *over; /* but looks of theirs are under way */
	bool is_started;
};

/* One look at one device: what to read, and what was read. */
struct look {
	struct worker_job job;
	struct class_checks *owner; /* for the loop thread alone */
	unsigned device;	    /* its index */
	unsigned listing;	    /* of the device, when it was looked at */
	unsigned arrival;	    /* likewise */
	unsigned generation;	    /* of the checks, likewise */
	bool is_held;		    /* by a pod, at least maybe */
	char *root;
	struct strings open;  /* nodes */
	char *main_node;      /* whose attributes are read */
	struct strings names; /* of attributes */

	char **texts;	   /* by name; NULL: could not be read */
	int *errors;	   /* by name; negative errno */
	char *open_failed; /* the node that could not be opened; NULL: none */
	int open_error;	   /* why; negative errno */
	bool is_denied;	   /* kudev may not open it, which says nothing of the device */
};

static const struct config_health *config_of(const struct class_checks *checks)
{
	return &checks->class->config->health;
}

/* The worker's part. */

/*
 * At the last close of a terminal with HUPCL, the driver drops DTR: a modem would hang
 * up. It was raised by the open, which nothing can avoid.
 */
static void keep_dtr(int fd)
{
	struct termios settings;

	if (tcgetattr(fd, &settings) < 0 || !(settings.c_cflag & HUPCL))
		return;
	settings.c_cflag &= ~(tcflag_t)HUPCL;
	(void)tcsetattr(fd, TCSANOW, &settings);
}

static int try_open(const char *path, bool is_held)
{
	KUDEV_AUTO_CLOSE int fd = open(path,
				       O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	/* With another one open, ours is not the last close; and the settings are his. */
	if (!is_held)
		keep_dtr(fd);
	return 0;
}

static void open_nodes(struct look *look)
{
	for (size_t i = 0; i < look->open.count && !look->open_failed; i++) {
		KUDEV_AUTO_FREE char *path = mem_printf("%s%s", look->root,
							look->open.items[i]);
		int r = try_open(path, look->is_held);

		/* Somebody has it for himself: it works. */
		if (r == 0 || r == -EBUSY)
			continue;
		if (r == -EPERM || r == -EACCES) {
			look->is_denied = true;
			continue;
		}
		look->open_failed = mem_string(look->open.items[i]);
		look->open_error = r;
	}
}

static void read_attributes(struct look *look)
{
	struct node_identity node;
	KUDEV_AUTO_FREE char *syspath = NULL;

	if (look->names.count > 0 &&
	    node_identify(look->root, look->main_node, &node) == 0)
		syspath = topology_syspath(look->root, &node);
	for (size_t i = 0; i < look->names.count; i++) {
		look->errors[i] = -ENODEV;
		if (syspath)
			look->texts[i] = topology_attribute(syspath, look->names.items[i],
							    &look->errors[i]);
	}
}

static void run_look(struct worker_job *job)
{
	struct look *look = KUDEV_CONTAINER_OF(job, struct look, job);

	read_attributes(look);
	open_nodes(look);
}

static void free_look(struct worker_job *job)
{
	struct look *look = KUDEV_CONTAINER_OF(job, struct look, job);

	for (size_t i = 0; i < look->names.count; i++)
		free(look->texts[i]);
	free(look->texts);
	free(look->errors);
	strings_clear(&look->open);
	strings_clear(&look->names);
	free(look->open_failed);
	free(look->main_node);
	free(look->root);
	free(look);
}

/* The loop's part. */

static char *judge_number(const struct config_check *check, const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || isnan(value)) {
		KUDEV_AUTO_FREE char *quoted = text_quote(text);

		return mem_printf("%s is %s, no number", check->attribute, quoted);
	}
	if (check->min.is_set && value < check->min.value)
		return mem_printf("%s is %s, less than %g", check->attribute, text,
				  check->min.value);
	if (check->max.is_set && value > check->max.value)
		return mem_printf("%s is %s, more than %g", check->attribute, text,
				  check->max.value);
	return NULL;
}

char *health_judge_attribute(const struct config_check *check, const char *text,
			     int error)
{
	KUDEV_AUTO_FREE char *quoted = NULL;

	if (!text && error == -ENOENT)
		return mem_printf("it has no attribute %s", check->attribute);
	if (!text)
		return mem_printf("%s cannot be read: %s", check->attribute,
				  strerror(-error));
	quoted = text_quote(text);
	if (check->equals.count > 0 && !strings_contain(&check->equals, text)) {
		KUDEV_AUTO_FREE char *wanted = strings_join(&check->equals, " or ");

		return mem_printf("%s is %s, not %s", check->attribute, quoted, wanted);
	}
	if (strings_contain(&check->not_equals, text))
		return mem_printf("%s is %s", check->attribute, quoted);
	if (check->regex && regexec(&check->regex->compiled, text, 0, NULL, 0) != 0)
		return mem_printf("%s is %s, which the regex does not match",
				  check->attribute, quoted);
	return check->min.is_set || check->max.is_set ? judge_number(check, text) : NULL;
}

static char *judge_look(const struct class_checks *checks, const struct look *look)
{
	if (look->open_failed)
		return mem_printf("%s cannot be opened: %s", look->open_failed,
				  strerror(-look->open_error));
	for (size_t i = 0; i < look->names.count; i++) {
		char *failure = health_judge_attribute(&config_of(checks)->checks[i],
						       look->texts[i], look->errors[i]);

		if (failure)
			return failure;
	}
	return NULL;
}

static void log_denied(struct class_checks *checks)
{
	uint64_t suppressed;

	if (log_limit_due(&checks->denied_limit, LOG_INTERVAL_MS, &suppressed))
		log_warn("cannot check whether devices open",
			 LOG_STR("class", checks->class->config->name),
			 LOG_STR("hint",
				 "kudev has no permission; health with open needs a "
				 "privileged container"),
			 LOG_COUNT("suppressed", suppressed));
}

/* Of a device that was healthy: whether it was so for a short while only. */
static void reckon_damping(const struct class_checks *checks, struct device_checks *state)
{
	int64_t calm_ms = (int64_t)config_of(checks)->interval_ms * FLAP_INTERVALS;

	if (state->recovered_ms == 0 || clock_ms() - state->recovered_ms >= calm_ms)
		state->damping = 1;
	else if (state->damping < MAX_DAMPING)
		state->damping *= 2;
}

static void note_failure(struct class_checks *checks, struct device *device,
			 const char *failure)
{
	struct device_checks *state = &checks->devices[device->index];
	bool is_first = !state->is_known;

	state->is_known = true;
	state->successes = 0;
	state->failures++;
	if (is_first || !device->failure) {
		if (!is_first && state->failures < config_of(checks)->failure_threshold)
			return;
		reckon_damping(checks, state);
	}
	inventory_set_failure(checks->class, device, failure);
}

static void note_success(struct class_checks *checks, struct device *device)
{
	struct device_checks *state = &checks->devices[device->index];
	bool is_first = !state->is_known;

	state->is_known = true;
	state->failures = 0;
	if (!device->failure)
		return;
	state->successes++;
	if (!is_first &&
	    state->successes < config_of(checks)->success_threshold * state->damping)
		return;
	if (!is_first)
		state->recovered_ms = clock_ms();
	inventory_set_failure(checks->class, device, NULL);
}

static struct class_checks *checks_free(struct class_checks *checks)
{
	loop_timer_free(checks->timer);
	free(checks->devices);
	free(checks);
	return NULL;
}

static void free_if_over(struct class_checks *checks)
{
	if (!checks->is_over || checks->looks > 0)
		return;
	LL_DELETE(checks->health->over, checks);
	checks_free(checks);
}

/*
 * The device that was looked at. One that went meanwhile is nobody's business any more,
 * although it may be back, or another one has its index: NULL.
 */
static struct device *find_looked_at(const struct look *look)
{
	const struct class_checks *checks = look->owner;
	struct device *device;

	if (checks->is_over || look->generation != checks->generation)
		return NULL;
	device = inventory_class_indexed(checks->class, look->device);
	return device && !device->absence && device->listing == look->listing &&
			       device->arrivals == look->arrival
		       ? device
		       : NULL;
}

static void on_looked(struct worker_job *job)
{
	struct look *look = KUDEV_CONTAINER_OF(job, struct look, job);
	struct class_checks *checks = look->owner;
	KUDEV_AUTO_FREE char *failure = NULL;
	struct device_checks *state;
	struct device *device;
	bool was_late;

	checks->looks--;
	device = find_looked_at(look);
	if (!device) {
		free_if_over(checks);
		return;
	}
	state = &checks->devices[look->device];
	was_late = state->is_late;
	state->is_running = false;
	state->is_late = false;
	/* What was read so late may be long past. */
	if (was_late)
		return;
	if (look->is_denied)
		log_denied(checks);
	failure = judge_look(checks, look);
	if (failure)
		note_failure(checks, device, failure);
	else
		note_success(checks, device);
}

static void note_late(struct class_checks *checks, struct device *device)
{
	KUDEV_AUTO_FREE char *failure = mem_printf("it does not answer within %u ms",
						   config_of(checks)->timeout_ms);

	note_failure(checks, device, failure);
}

static void on_late(struct worker_job *job)
{
	struct look *look = KUDEV_CONTAINER_OF(job, struct look, job);
	struct device *device = find_looked_at(look);

	if (!device)
		return;
	look->owner->devices[look->device].is_late = true;
	note_late(look->owner, device);
}

static void submit_look(struct class_checks *checks, const struct device *device)
{
	const struct config_health *config = config_of(checks);
	const struct unit_node *main_node = unit_main_node(&device->unit);
	bool is_held = inventory_is_held(checks->health->inventory, device);
	bool may_open = config->open && (!is_held || checks->class->config->share > 1);
	struct look *look = mem_zero(sizeof(*look));

	look->job = (struct worker_job){
		.run = run_look,
		.late = on_late,
		.done = on_looked,
		.free = free_look,
		.timeout_ms = config->timeout_ms,
	};
	look->owner = checks;
	look->device = device->index;
	look->listing = device->listing;
	look->arrival = device->arrivals;
	look->generation = checks->generation;
	look->is_held = is_held;
	look->root = mem_string(main_node->root);
	look->main_node = mem_string(main_node->host_path);
	for (size_t i = 0; may_open && i < device->unit.node_count; i++) {
		const struct unit_node *node = &device->unit.nodes[i];

		if (node->type == NODE_DEVICE || node == main_node)
			strings_add(&look->open, node->host_path);
	}
	for (size_t i = 0; i < config->check_count; i++)
		strings_add(&look->names, config->checks[i].attribute);
	look->texts = mem_zero(config->check_count * sizeof(*look->texts));
	look->errors = mem_zero(config->check_count * sizeof(*look->errors));
	checks->devices[device->index].is_running = true;
	checks->looks++;
	worker_submit(checks->health->worker, &look->job);
}

/*
 * Makes room for what is known of devices that are new in the class; their indexes are below
 * its capacity.
 */
static void follow_class(struct class_checks *checks)
{
	struct device_checks *devices;

	if (checks->class->capacity <= checks->capacity)
		return;
	devices = mem_zero(checks->class->capacity * sizeof(*devices));
	if (checks->capacity > 0)
		memcpy(devices, checks->devices, checks->capacity * sizeof(*devices));
	free(checks->devices);
	checks->devices = devices;
	checks->capacity = checks->class->capacity;
}

/* What was known of a device says nothing of what has come in its place. */
static void follow_device(struct device_checks *state, const struct device *device)
{
	if (state->listing != device->listing)
		*state = (struct device_checks){.listing = device->listing};
	if (state->arrival == device->arrivals)
		return;
	*state = (struct device_checks){
		.listing = device->listing,
		.arrival = device->arrivals,
		.damping = state->damping,
		.recovered_ms = state->recovered_ms,
	};
}

/* Looks at all devices that are there, or at those alone that were not looked at yet. */
static void look_at_devices(struct class_checks *checks, bool only_new)
{
	for (size_t i = 0; i < checks->class->count; i++) {
		struct device *device = checks->class->devices[i];
		struct device_checks *state = &checks->devices[device->index];

		follow_device(state, device);
		if (device->absence)
			continue;
		if (state->is_late && !only_new)
			note_late(checks, device);
		else if (!state->is_running && !(only_new && state->is_known))
			submit_look(checks, device);
	}
}

static void on_class_change(void *data)
{
	struct class_checks *checks = data;

	if (!checks->health->is_started)
		return;
	follow_class(checks);
	look_at_devices(checks, true);
}

static void on_interval(void *data)
{
	struct class_checks *checks = data;

	if (config_of(checks)->open)
		checks->health->find_holders(checks->health->data);
	follow_class(checks);
	look_at_devices(checks, false);
	loop_timer_set(checks->timer, config_of(checks)->interval_ms);
}

static struct class_checks *checks_new(struct health *health,
				       struct inventory_class *class)
{
	struct class_checks *checks = mem_zero(sizeof(*checks));

	checks->health = health;
	checks->class = class;
	checks->timer = loop_timer_new(health->loop, on_interval, checks);
	inventory_class_observe(class, on_class_change, checks);
	return checks;
}

static void prepare_class(struct health *health, size_t index)
{
	struct inventory_class *class = inventory_class_at(health->inventory, index);
	bool is_wanted = config_health_is_wanted(&class->config->health);

	inventory_class_await_checks(class, is_wanted);
	if (is_wanted)
		health->classes[index] = checks_new(health, class);
}

struct health *health_new(struct loop *loop, struct worker *worker,
			  const struct config *config, struct inventory *inventory,
			  loop_callback find_holders, void *data)
{
	struct health *health = mem_zero(sizeof(*health));

	health->loop = loop;
	health->worker = worker;
	health->inventory = inventory;
	health->find_holders = find_holders;
	health->data = data;
	health->class_count = config->class_count;
	health->classes = mem_zero(config->class_count * sizeof(*health->classes));
	for (size_t i = 0; i < config->class_count; i++)
		prepare_class(health, i);
	return health;
}

static void start_checks(struct class_checks *checks)
{
	loop_timer_set(checks->timer, config_of(checks)->interval_ms);
	on_class_change(checks);
}

void health_start(struct health *health)
{
	health->is_started = true;
	for (size_t i = 0; i < health->class_count; i++) {
		if (health->classes[i])
			start_checks(health->classes[i]);
	}
}

/* Looks that are under way find nobody. */
static void end_checks(void *item, void *data)
{
	struct class_checks *checks = item;
	struct health *health = data;

	inventory_class_ignore(checks->class, checks);
	loop_timer_cancel(checks->timer);
	checks->is_over = true;
	LL_PREPEND(health->over, checks);
	free_if_over(checks);
}

static void forget_failures(struct inventory_class *class)
{
	for (size_t i = 0; i < class->count; i++)
		inventory_set_failure(class, class->devices[i], NULL);
}

/* Looks anew at all devices, and decides at once. */
static void renew_checks(struct class_checks *checks)
{
	checks->generation++;
	free(take_ptr(checks->devices));
	checks->capacity = 0;
	start_checks(checks);
}

static void change_class(struct health *health, const struct config_change *change,
			 size_t index)
{
	const struct class_step *step = &change->steps[index];
	struct class_checks **checks = &health->classes[index];
	const struct config_health *next = &change->next->classes[index].health;

	if (step->change == CLASS_SAME ||
	    (step->change == CLASS_CHANGED &&
	     config_health_equal(&change->old->classes[step->from].health, next)))
		return;
	if (*checks && config_health_is_wanted(next)) {
		renew_checks(*checks);
		return;
	}
	if (*checks)
		end_checks(take_ptr(*checks), health);
	prepare_class(health, index);
	if (*checks)
		start_checks(*checks);
	else
		forget_failures(inventory_class_at(health->inventory, index));
}

void health_change(struct health *health, const struct config_change *change)
{
	health->classes = config_change_apply(change, health->classes, end_checks,
					      health);
	health->class_count = change->next->class_count;
	for (size_t i = 0; i < health->class_count; i++)
		change_class(health, change, i);
}

struct health *health_free(struct health *health)
{
	struct class_checks *checks;
	struct class_checks *next;

	if (!health)
		return NULL;
	for (size_t i = 0; i < health->class_count; i++) {
		if (health->classes[i])
			checks_free(health->classes[i]);
	}
	LL_FOREACH_SAFE(health->over, checks, next) {
		checks_free(checks);
	}
	free(health->classes);
	free(health);
	return NULL;
}
