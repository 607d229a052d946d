/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stage.h"

#define DOMAIN "bench.example"
#define LAUNCH_TIMEOUT_MS 30000
/* How often a start looks whether the program still runs. */
#define LAUNCH_CHECK_MS 200
#define LOG_TAIL_SIZE 4000
/* Before the flags of the classes, and after them. */
#define MAX_FIXED_ARGUMENTS 16

char *stage_node(const struct stage *stage, unsigned class, unsigned device)
{
	/* Of one length, so that all programs sort and pack the same. */
	return mem_printf("%s/dev/class%02u/node%05u", stage->directory, class, device);
}

int stage_create_node(const char *path, struct error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_set_errno(err, errno, "cannot create %s", path);
	fd_close(fd);
	return 0;
}

static int make_class(const struct stage *stage, unsigned class, struct error *err)
{
	KUDEV_AUTO_FREE char *directory = mem_printf("%s/dev/class%02u", stage->directory,
						     class);
	int r = directory_create(directory, 0700, err);

	for (unsigned i = 0; r == 0 && i < stage->devices; i++) {
		KUDEV_AUTO_FREE char *node = stage_node(stage, class, i);

		r = stage_create_node(node, err);
	}
	return r;
}

static int write_config(const struct stage *stage, struct error *err)
{
	KUDEV_AUTO_FREE char *path = mem_printf("%s/kudev.yaml", stage->directory);
	FILE *file = fopen(path, "we");

	if (!file)
		return error_set_errno(err, errno, "cannot create %s", path);
	fprintf(file, "domain: %s\nclasses:\n", DOMAIN);
	for (unsigned i = 0; i < stage->classes; i++)
		fprintf(file, "  - {name: class%02u, paths: [\"%s/dev/class%02u/*\"]}\n",
			i, stage->directory, i);
	if (fclose(file) != 0)
		return error_set_errno(err, errno, "cannot write %s", path);
	return 0;
}

static int make_directories(struct stage *stage, struct error *err)
{
	const char *parent = getenv("TMPDIR");
	KUDEV_AUTO_FREE char *plugins = NULL;
	KUDEV_AUTO_FREE char *template = mem_printf("%s/kudev-bench-XXXXXX",
						    parent ? parent : "/tmp");

	if (!mkdtemp(template))
		return error_set_errno(err, errno, "cannot create %s", template);
	stage->directory = take_ptr(template);
	plugins = mem_printf("%s/plugins", stage->directory);
	return directory_create(plugins, 0700, err);
}

static int set_up(struct stage *stage, struct error *err)
{
	KUDEV_AUTO_FREE char *plugins = NULL;
	int r = make_directories(stage, err);

	for (unsigned i = 0; r == 0 && i < stage->classes; i++)
		r = make_class(stage, i, err);
	if (r == 0)
		r = write_config(stage, err);
	if (r == 0)
		r = loop_new(&stage->loop, err);
	if (r < 0)
		return r;
	plugins = mem_printf("%s/plugins", stage->directory);
	r = kubelet_new(stage->loop, plugins, &stage->kubelet, err);
	if (r < 0)
		return r;
	return kubelet_start(stage->kubelet, err);
}

int stage_new(const char *binary, bool is_squat, unsigned classes, unsigned devices,
	      struct stage **ret, struct error *err)
{
	KUDEV_AUTO(stage_free) struct stage *stage = mem_zero(sizeof(*stage));
	int r;

	stage->binary = binary;
	stage->is_squat = is_squat;
	stage->classes = classes;
	stage->devices = devices;
	r = set_up(stage, err);
	if (r == 0)
		*ret = take_ptr(stage);
	return r;
}

static int remove_entry(const char *path, const struct stat *status, int type,
			struct FTW *walk)
{
	(void)status;
	(void)type;
	(void)walk;
	return remove(path);
}

struct stage *stage_free(struct stage *stage)
{
	if (!stage)
		return NULL;
	if (stage->pid > 0)
		process_stop(stage->pid);
	kubelet_free(stage->kubelet);
	loop_free(stage->loop);
	if (stage->directory)
		(void)nftw(stage->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(stage->directory);
	free(stage);
	return NULL;
}

/* The arguments of the program, all owned. */
struct arguments {
	char **items;
	size_t count;
};

static void add_argument(struct arguments *arguments, char *argument)
{
	arguments->items[arguments->count++] = argument;
}

static void arguments_clear(struct arguments *arguments)
{
	for (size_t i = 0; i < arguments->count; i++)
		free(arguments->items[i]);
	free(arguments->items);
}

static void add_devices(const struct stage *stage, struct arguments *arguments)
{
	add_argument(arguments, mem_string("--domain=" DOMAIN));
	for (unsigned i = 0; i < stage->classes; i++)
		add_argument(arguments,
			     mem_printf("--device={\"name\":\"class%02u\",\"groups\":"
					"[{\"paths\":[{\"path\":\"%s/dev/class%02u/*\"}]}"
					"]}",
					i, stage->directory, i));
}

/* Both log at their default, which is info for both, into a file. */
static int start_program(struct stage *stage, struct error *err)
{
	KUDEV_AUTO_FREE char *log = mem_printf("%s/log", stage->directory);
	__attribute__((cleanup(arguments_clear))) struct arguments arguments = {
		.items = mem_zero((MAX_FIXED_ARGUMENTS + stage->classes) *
				  sizeof(*arguments.items)),
	};

	add_argument(&arguments, mem_string(stage->binary));
	add_argument(&arguments,
		     mem_printf("--plugin-directory=%s/plugins", stage->directory));
	if (stage->is_squat) {
		add_argument(&arguments, mem_string("--listen=127.0.0.1:0"));
		add_devices(stage, &arguments);
	} else {
		add_argument(&arguments, mem_string("--listen=none"));
		add_argument(&arguments,
			     mem_printf("--config=%s/kudev.yaml", stage->directory));
	}
	stage->started_ns = clock_ns();
	return process_start(arguments.items, log, &stage->pid, err);
}

static bool all_listed(const struct kubelet *kubelet, void *data)
{
	const struct stage *stage = data;

	return kubelet->listed_count >= stage->classes;
}

int stage_launch(struct stage *stage, struct error *err)
{
	int r = start_program(stage, err);
	int64_t waited_ms = 0;

	if (r < 0)
		return r;
	do {
		r = kubelet_wait(stage->kubelet, all_listed, stage, LAUNCH_CHECK_MS,
				 "a list of each class", err);
		waited_ms += LAUNCH_CHECK_MS;
	} while (r == -ETIMEDOUT && waited_ms < LAUNCH_TIMEOUT_MS &&
		 process_check(stage->pid, NULL) == 0);
	return r;
}

void stage_show_log(const struct stage *stage)
{
	KUDEV_AUTO_FREE char *path = mem_printf("%s/log", stage->directory);
	FILE *file = fopen(path, "re");
	char tail[LOG_TAIL_SIZE];
	size_t size;

	if (!file)
		return;
	if (fseek(file, -(long)sizeof(tail), SEEK_END) < 0)
		rewind(file);
	size = fread(tail, 1, sizeof(tail), file);
	fclose(file);
	fprintf(stderr, "the program's last words:\n%.*s\n", (int)size, tail);
}
