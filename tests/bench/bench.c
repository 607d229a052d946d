/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measures one thing of one device plugin, kudev or squat's generic-device-plugin, and
 * prints the figures as one line of JSON. run.sh says what is measured in which order and
 * makes the table; "bench" without arguments lists the measurements.
 *
 * All times are those of a client on the same machine, so they only say something beside
 * those of another program in the same run. CPU time is the program's own.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "deviceplugin/v1beta1/api.pb-c.h"
#include "stage.h"

#define CALL_TIMEOUT_MS 10000
/* generic-device-plugin looks at its socket each second, at devices each 5 s. */
#define CHANGE_TIMEOUT_MS 30000
/* What a program may still have to do after its start. */
#define SETTLE_MS 1000
/* Repetitions before anything is noted: caches, allocator, HPACK tables. */
#define WARM_UP 500
#define WARM_UP_STREAMS 5
#define WARM_UP_CONNECTIONS 50
#define MAX_FIGURES 24

struct bench {
	struct stage *stage;
	unsigned count;	  /* repetitions */
	unsigned seconds; /* of idleness */
	struct figure {
		const char *name;
		double value;
	} figures[MAX_FIGURES];
	size_t figure_count;
};

static void note(struct bench *bench, const char *name, double value)
{
	if (bench->figure_count == MAX_FIGURES)
		abort();
	bench->figures[bench->figure_count++] = (struct figure){name, value};
}

/* Many times of one thing, in nanoseconds. */
struct sample {
	int64_t *items;
	size_t count;
};

static void sample_clear(struct sample *sample)
{
	free(sample->items);
}

#define AUTO_SAMPLE __attribute__((cleanup(sample_clear)))

static struct sample sample_for(size_t count)
{
	return (struct sample){.items = mem_zero(count * sizeof(int64_t))};
}

static int compare_times(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The least time that this share of the sample does not exceed. */
static double percentile_us(const struct sample *sample, unsigned percent)
{
	size_t rank = (sample->count * percent + 99) / 100;

	return (double)sample->items[rank > 0 ? rank - 1 : 0] / 1000;
}

static void note_sample(struct bench *bench, const char *p50, const char *p99,
			struct sample *sample)
{
	qsort(sample->items, sample->count, sizeof(*sample->items), compare_times);
	note(bench, p50, percentile_us(sample, 50));
	note(bench, p99, percentile_us(sample, 99));
}

static struct kubelet_resource *any_resource(const struct bench *bench)
{
	return bench->stage->kubelet->resources;
}

/* The program's use of something since before, shared by count repetitions. */
static int note_usage(struct bench *bench, const struct process_usage *before,
		      unsigned count, struct error *err)
{
	struct process_usage after;
	int r = process_get_usage(bench->stage->pid, &after, err);

	if (r < 0)
		return r;
	note(bench, "cpu_us", (double)(after.cpu_ns - before->cpu_ns) / 1000 / count);
	note(bench, "wakeups", (double)(after.wakeups - before->wakeups) / count);
	note(bench, "threads", (double)after.threads);
	return 0;
}

static int run_start(struct bench *bench, struct error *err)
{
	const struct stage *stage = bench->stage;
	const struct kubelet *kubelet = stage->kubelet;
	struct process_usage usage;
	int r = process_get_usage(stage->pid, &usage, err);

	if (r < 0)
		return r;
	note(bench, "register_ms",
	     (double)(kubelet->first_register_ns - stage->started_ns) / 1e6);
	note(bench, "listed_ms", (double)(kubelet->listed_ns - stage->started_ns) / 1e6);
	note(bench, "cpu_ms", (double)usage.cpu_ns / 1e6);
	return 0;
}

/* One call after the other on one connection, each started by the end of the last. */
struct caller {
	struct bench *bench;
	struct rpc_message *message;
	int64_t started_ns;
	struct sample sample;
	size_t wanted;
	bool failed;
};

static void call_allocate(struct caller *caller);

static void on_allocated(enum rpc_status status, const char *text, void *data)
{
	struct caller *caller = data;
	struct sample *sample = &caller->sample;

	sample->items[sample->count++] = clock_ns() - caller->started_ns;
	if (status != RPC_OK) {
		fprintf(stderr, "Allocate: status %d: %s\n", (int)status, text);
		caller->failed = true;
	}
	if (sample->count < caller->wanted && !caller->failed)
		call_allocate(caller);
	else
		loop_stop(caller->bench->stage->loop);
}

static const struct rpc_request_callbacks allocate_callbacks = {
	.on_done = on_allocated,
};

static void call_allocate(struct caller *caller)
{
	caller->started_ns = clock_ns();
	(void)rpc_request_new(any_resource(caller->bench)->connection,
			      "/v1beta1.DevicePlugin/Allocate", caller->message, 0,
			      &allocate_callbacks, caller);
}

static struct rpc_message *allocate_message(char *device_id)
{
	V1beta1__AllocateRequest request = V1BETA1__ALLOCATE_REQUEST__INIT;
	V1beta1__ContainerAllocateRequest container =
		V1BETA1__CONTAINER_ALLOCATE_REQUEST__INIT;
	V1beta1__ContainerAllocateRequest *containers[] = {&container};

	container.devices_ids = &device_id;
	container.n_devices_ids = 1;
	request.container_requests = containers;
	request.n_container_requests = 1;
	return rpc_message_new(&request.base);
}

static bool has_called(const struct kubelet *kubelet, void *data)
{
	const struct caller *caller = data;

	(void)kubelet;
	return caller->failed || caller->sample.count == caller->wanted;
}

static int allocate_many(struct caller *caller, size_t count, struct error *err)
{
	int r;

	caller->wanted = count;
	caller->sample.count = 0;
	call_allocate(caller);
	r = kubelet_wait(caller->bench->stage->kubelet, has_called, caller,
			 CALL_TIMEOUT_MS + (int64_t)count, "the end of the calls", err);
	if (r == 0 && caller->failed)
		return error_set(err, EIO, "Allocate failed");
	return r;
}

static int run_allocate(struct bench *bench, struct error *err)
{
	KUDEV_AUTO(rpc_message_free)
	struct rpc_message *message = allocate_message(any_resource(bench)->device_id);
	AUTO_SAMPLE struct sample storage = sample_for(bench->count + WARM_UP);
	struct caller caller = {.bench = bench, .message = message, .sample = storage};
	struct process_usage before;
	int r = allocate_many(&caller, WARM_UP, err);

	if (r == 0)
		r = process_get_usage(bench->stage->pid, &before, err);
	if (r == 0)
		r = allocate_many(&caller, bench->count, err);
	if (r < 0)
		return r;
	note_sample(bench, "p50_us", "p99_us", &caller.sample);
	return note_usage(bench, &before, bench->count, err);
}

/* A stream that is opened for its first message. */
struct opener {
	struct loop *loop;
	int64_t first_ns; /* when it had come; 0: not yet */
	bool failed;
};

static void on_first_message(const void *bytes, size_t size, void *data)
{
	struct opener *opener = data;

	(void)bytes;
	(void)size;
	if (opener->first_ns == 0)
		opener->first_ns = clock_ns();
	loop_stop(opener->loop);
}

static void on_stream_ended(enum rpc_status status, const char *text, void *data)
{
	struct opener *opener = data;

	fprintf(stderr, "ListAndWatch: status %d: %s\n", (int)status, text);
	opener->failed = true;
	loop_stop(opener->loop);
}

static const struct rpc_request_callbacks opener_callbacks = {
	.on_message = on_first_message,
	.on_done = on_stream_ended,
};

static bool has_opened(const struct kubelet *kubelet, void *data)
{
	const struct opener *opener = data;

	(void)kubelet;
	return opener->failed || opener->first_ns != 0;
}

/* The time from the call to the whole first message, which is not decoded. */
static int open_stream(struct bench *bench, struct rpc_connection *connection,
		       int64_t *ret_ns, struct error *err)
{
	static const V1beta1__Empty empty = V1BETA1__EMPTY__INIT;
	struct opener opener = {.loop = bench->stage->loop};
	int64_t started_ns = clock_ns();
	struct rpc_request *request =
		kubelet_call(connection, "/v1beta1.DevicePlugin/ListAndWatch",
			     &empty.base, &opener_callbacks, &opener);
	int r = kubelet_wait(bench->stage->kubelet, has_opened, &opener, CALL_TIMEOUT_MS,
			     "the first list", err);

	if (r == 0 && opener.failed)
		return error_set(err, EIO, "ListAndWatch failed");
	rpc_request_cancel(request);
	*ret_ns = opener.first_ns - started_ns;
	return r;
}

static int open_streams(struct bench *bench, unsigned count, struct sample *sample,
			struct error *err)
{
	int r = 0;

	sample->count = 0;
	while (r == 0 && sample->count < count) {
		r = open_stream(bench, any_resource(bench)->connection,
				&sample->items[sample->count++], err);
		/* Apart from each other: the end of one is not part of the next. */
		kubelet_pause(bench->stage->kubelet, 5);
	}
	return r;
}

static int run_list(struct bench *bench, struct error *err)
{
	AUTO_SAMPLE struct sample sample = sample_for(bench->count + WARM_UP_STREAMS);
	struct process_usage before;
	int r = open_streams(bench, WARM_UP_STREAMS, &sample, err);

	if (r == 0)
		r = process_get_usage(bench->stage->pid, &before, err);
	if (r == 0)
		r = open_streams(bench, bench->count, &sample, err);
	if (r < 0)
		return r;
	note_sample(bench, "p50_us", "p99_us", &sample);
	return note_usage(bench, &before, bench->count, err);
}

static int run_memory(struct bench *bench, struct error *err)
{
	struct process_memory memory;
	struct process_usage usage;
	int r;

	kubelet_pause(bench->stage->kubelet, SETTLE_MS);
	r = process_get_memory(bench->stage->pid, &memory, err);
	if (r == 0)
		r = process_get_usage(bench->stage->pid, &usage, err);
	if (r < 0)
		return r;
	note(bench, "resident_kb", (double)memory.resident_kb);
	note(bench, "anonymous_kb", (double)memory.anonymous_kb);
	note(bench, "threads", (double)usage.threads);
	note(bench, "descriptors", (double)usage.descriptors);
	return 0;
}

/* Runs repeat bench->count times and notes by what the program has grown. */
static int note_growth(struct bench *bench, unsigned warm_up,
		       int (*repeat)(struct bench *, unsigned, struct error *),
		       struct error *err)
{
	struct process_memory before;
	struct process_memory after;
	struct process_usage usage_before;
	struct process_usage usage_after;
	int64_t started_ns = 0;
	int r = repeat(bench, warm_up, err);

	kubelet_pause(bench->stage->kubelet, SETTLE_MS);
	if (r == 0)
		r = process_get_memory(bench->stage->pid, &before, err);
	if (r == 0)
		r = process_get_usage(bench->stage->pid, &usage_before, err);
	started_ns = clock_ns();
	if (r == 0)
		r = repeat(bench, bench->count, err);
	note(bench, "took_ms", (double)(clock_ns() - started_ns) / 1e6);
	kubelet_pause(bench->stage->kubelet, SETTLE_MS);
	if (r == 0)
		r = process_get_memory(bench->stage->pid, &after, err);
	if (r == 0)
		r = process_get_usage(bench->stage->pid, &usage_after, err);
	if (r < 0)
		return r;
	note(bench, "growth_kb", (double)(after.resident_kb - before.resident_kb));
	note(bench, "growth_anonymous_kb",
	     (double)(after.anonymous_kb - before.anonymous_kb));
	note(bench, "growth_threads",
	     (double)(usage_after.threads - usage_before.threads));
	note(bench, "growth_descriptors",
	     (double)(usage_after.descriptors - usage_before.descriptors));
	return 0;
}

static int reconnect(struct bench *bench, unsigned count, struct error *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count; i++) {
		KUDEV_AUTO(rpc_connection_free)
		struct rpc_connection *connection = NULL;
		int64_t time_ns;

		r = rpc_connect(bench->stage->kubelet->rpc, any_resource(bench)->path,
				&connection, err);
		if (r == 0)
			r = open_stream(bench, connection, &time_ns, err);
	}
	return r;
}

/* A second client comes and goes; the first one's stream stays open all the time. */
static int run_reconnect(struct bench *bench, struct error *err)
{
	return note_growth(bench, WARM_UP_CONNECTIONS, reconnect, err);
}

/* All classes anew, counted from before the kubelet came back. */
struct comeback {
	size_t registered_count;
	size_t listed_count;
};

static bool has_come_back(const struct kubelet *kubelet, void *data)
{
	const struct comeback *wanted = data;

	return kubelet->registered_count >= wanted->registered_count &&
	       kubelet->listed_count >= wanted->listed_count;
}

/* ret_ns: from the new kubelet.sock to the answer to the last class's Register. */
static int restart_kubelet(struct bench *bench, int64_t down_ms, int64_t *ret_ns,
			   struct error *err)
{
	struct kubelet *kubelet = bench->stage->kubelet;
	struct comeback wanted;
	int64_t started_ns;
	int r;

	kubelet_kill(kubelet);
	if (down_ms > 0)
		kubelet_pause(kubelet, down_ms);
	wanted.registered_count = kubelet->registered_count + bench->stage->classes;
	wanted.listed_count = kubelet->listed_count + bench->stage->classes;
	started_ns = clock_ns();
	r = kubelet_start(kubelet, err);
	if (r == 0)
		r = kubelet_wait(kubelet, has_come_back, &wanted, CHANGE_TIMEOUT_MS,
				 "registered again", err);
	*ret_ns = kubelet->registered_ns - started_ns;
	return r;
}

static int restart_kubelet_often(struct bench *bench, unsigned count, struct error *err)
{
	int64_t time_ns;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < count; i++)
		r = restart_kubelet(bench, 0, &time_ns, err);
	return r;
}

static int run_restarts(struct bench *bench, struct error *err)
{
	return note_growth(bench, WARM_UP_CONNECTIONS, restart_kubelet_often, err);
}

/* Some time between min_ms and max_ms, so that no poll is in step with us. */
static void pause_some_time(const struct bench *bench, int64_t min_ms, int64_t max_ms)
{
	static unsigned seed = 1;
	int64_t range = max_ms - min_ms + 1;

	kubelet_pause(bench->stage->kubelet, min_ms + rand_r(&seed) % range);
}

static int run_restart(struct bench *bench, struct error *err)
{
	AUTO_SAMPLE struct sample sample = sample_for(bench->count);
	int r = 0;

	while (r == 0 && sample.count < bench->count) {
		/* A real kubelet is away for a moment, too. */
		r = restart_kubelet(bench, 300, &sample.items[sample.count++], err);
		pause_some_time(bench, 0, bench->stage->is_squat ? 1000 : 100);
	}
	if (r < 0)
		return r;
	note_sample(bench, "p50_us", "p99_us", &sample);
	return 0;
}

struct expected_health {
	const struct kubelet_resource *resource;
	size_t healthy_count;
};

static bool has_health(const struct kubelet *kubelet, void *data)
{
	const struct expected_health *expected = data;

	(void)kubelet;
	return expected->resource->healthy_count == expected->healthy_count;
}

/* One device more or one less; squat drops it from the list, kudev calls it Unhealthy. */
static int change_node(struct bench *bench, const char *node, bool plug, int64_t *ret_ns,
		       struct error *err)
{
	struct kubelet_resource *resource = any_resource(bench);
	struct expected_health expected = {
		.resource = resource,
		.healthy_count = bench->stage->devices + (plug ? 1 : 0),
	};
	int64_t started_ns = clock_ns();
	int r = plug ? stage_create_node(node, err) : 0;

	if (!plug && unlink(node) < 0)
		r = error_set_errno(err, errno, "cannot remove %s", node);
	if (r == 0)
		r = kubelet_wait(bench->stage->kubelet, has_health, &expected,
				 CHANGE_TIMEOUT_MS, plug ? "plugged" : "unplugged", err);
	*ret_ns = resource->changed_ns - started_ns;
	return r;
}

static int run_plug(struct bench *bench, struct error *err)
{
	KUDEV_AUTO_FREE char *node = stage_node(bench->stage, 0, bench->stage->devices);
	AUTO_SAMPLE struct sample plugged = sample_for(bench->count);
	AUTO_SAMPLE struct sample unplugged = sample_for(bench->count);
	int64_t max_ms = bench->stage->is_squat ? 5000 : 100;
	int r = 0;

	while (r == 0 && unplugged.count < bench->count) {
		pause_some_time(bench, 0, max_ms);
		r = change_node(bench, node, true, &plugged.items[plugged.count++], err);
		pause_some_time(bench, 0, max_ms);
		if (r == 0)
			r = change_node(bench, node, false,
					&unplugged.items[unplugged.count++], err);
	}
	if (r < 0)
		return r;
	note_sample(bench, "plug_p50_us", "plug_p99_us", &plugged);
	note_sample(bench, "unplug_p50_us", "unplug_p99_us", &unplugged);
	return 0;
}

static int run_idle(struct bench *bench, struct error *err)
{
	struct process_usage before;
	int r;

	kubelet_pause(bench->stage->kubelet, 2 * SETTLE_MS);
	r = process_get_usage(bench->stage->pid, &before, err);
	if (r < 0)
		return r;
	kubelet_pause(bench->stage->kubelet, (int64_t)bench->seconds * 1000);
	note(bench, "seconds", bench->seconds);
	return note_usage(bench, &before, 1, err);
}

static const struct row {
	const char *name;
	int (*run)(struct bench *bench, struct error *err);
	const char *help;
} rows[] = {
	{"start", run_start, "exec to the first Register and to a list of each class"},
	{"allocate", run_allocate, "--count calls of Allocate, one at a time"},
	{"list", run_list, "--count times: stream opened to its first message"},
	{"memory", run_memory, "what it takes after the start"},
	{"reconnect", run_reconnect, "growth over --count connections with a stream"},
	{"restarts", run_restarts, "growth over --count restarts of the kubelet"},
	{"restart", run_restart, "--count times: new kubelet.sock to registered again"},
	{"plug", run_plug, "--count times: node made or removed to list"},
	{"idle", run_idle, "CPU and wake-ups over --seconds"},
};

struct choice {
	const struct row *row;
	const char *name;
	const char *binary;
	bool is_squat;
	unsigned classes;
	unsigned devices;
	unsigned count;
	unsigned seconds;
};

static void print_help(void)
{
	printf("Usage: bench --row ROW --program PATH [--squat] [--classes N] "
	       "[--devices N]\n             [--count N] [--seconds N]\n\n"
	       "Prints one line of JSON. ROW is one of:\n");
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(rows); i++)
		printf("  %-10s %s\n", rows[i].name, rows[i].help);
}

static const struct row *find_row(const char *name)
{
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	return NULL;
}

static bool parse_number(const char *text, unsigned *ret)
{
	char *end;
	unsigned long number;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno != 0 || end == text || *end || number < 1 || number > 1000000)
		return false;
	*ret = (unsigned)number;
	return true;
}

static bool take_option(struct choice *choice, int option, const char *text)
{
	switch (option) {
	case 'r':
		choice->row = find_row(text);
		return choice->row;
	case 'p':
		choice->binary = text;
		return true;
	case 'q':
		choice->is_squat = true;
		return true;
	case 'c':
		return parse_number(text, &choice->classes);
	case 'd':
		return parse_number(text, &choice->devices);
	case 'n':
		return parse_number(text, &choice->count);
	case 's':
		return parse_number(text, &choice->seconds);
	}
	return false;
}

static bool parse_options(int argc, char **argv, struct choice *choice)
{
	static const struct option options[] = {
		{"row", required_argument, NULL, 'r'},
		{"program", required_argument, NULL, 'p'},
		{"squat", no_argument, NULL, 'q'},
		{"classes", required_argument, NULL, 'c'},
		{"devices", required_argument, NULL, 'd'},
		{"count", required_argument, NULL, 'n'},
		{"seconds", required_argument, NULL, 's'},
		{0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (!take_option(choice, option, optarg))
			return false;
	}
	return optind == argc && choice->row && choice->binary;
}

static void print_figures(const struct bench *bench, const struct choice *choice)
{
	printf("{\"row\":\"%s\",\"program\":\"%s\",\"classes\":%u,\"devices\":%u,"
	       "\"count\":%u",
	       choice->row->name, choice->is_squat ? "squat" : "kudev", choice->classes,
	       choice->devices, choice->count);
	for (size_t i = 0; i < bench->figure_count; i++)
		printf(",\"%s\":%.3f", bench->figures[i].name, bench->figures[i].value);
	printf("}\n");
}

static int measure(const struct choice *choice, struct error *err)
{
	KUDEV_AUTO(stage_free) struct stage *stage = NULL;
	struct bench bench = {.count = choice->count, .seconds = choice->seconds};
	int r = stage_new(choice->binary, choice->is_squat, choice->classes,
			  choice->devices, &stage, err);

	if (r < 0)
		return r;
	bench.stage = stage;
	r = stage_launch(stage, err);
	if (r == 0)
		r = choice->row->run(&bench, err);
	/* A program that ended early is the better explanation. */
	if (stage->pid > 0 && process_check(stage->pid, err) < 0)
		r = -ECHILD;
	if (r < 0)
		stage_show_log(stage);
	else
		print_figures(&bench, choice);
	return r;
}

int main(int argc, char **argv)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	struct choice choice = {.classes = 1, .devices = 1, .count = 1, .seconds = 60};

	if (!parse_options(argc, argv, &choice)) {
		print_help();
		return 2;
	}
	if (measure(&choice, &err) < 0) {
		fprintf(stderr, "bench: %s\n", error_message(&err));
		return 1;
	}
	return 0;
}
