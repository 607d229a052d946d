/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "process.h"

#define STOP_STEPS 1000
#define STOP_STEP_US 5000

int process_start(char *const argv[], const char *log_path, pid_t *ret, struct error *err)
{
	posix_spawn_file_actions_t actions;
	int r;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY,
					 0);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log_path,
					 O_WRONLY | O_CREAT | O_APPEND, 0644);
	posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
	r = posix_spawn(ret, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (r != 0)
		return error_set_errno(err, r, "cannot start %s", argv[0]);
	return 0;
}

int process_check(pid_t pid, struct error *err)
{
	siginfo_t info = {0};

	if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    info.si_pid == 0)
		return 0;
	return error_set(err, ECHILD, "the program has ended, with status or signal %d",
			 info.si_status);
}

void process_stop(pid_t pid)
{
	(void)kill(pid, SIGTERM);
	for (int i = 0; i < STOP_STEPS; i++) {
		if (waitpid(pid, NULL, WNOHANG) != 0)
			return;
		usleep(STOP_STEP_US);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

/* The number after "key" at the start of a line; -1 if there is none. */
static int64_t find_number(const char *path, const char *key)
{
	FILE *file = fopen(path, "re");
	char line[256];
	int64_t number = -1;

	if (!file)
		return -1;
	while (number < 0 && fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, strlen(key)) == 0)
			number = strtoll(line + strlen(key), NULL, 10);
	}
	fclose(file);
	return number;
}

/* A thread that ends in between counts for nothing. */
static void add_thread(pid_t pid, const char *thread, struct process_usage *usage)
{
	KUDEV_AUTO_FREE char *times = mem_printf("/proc/%d/task/%s/schedstat", (int)pid,
						 thread);
	KUDEV_AUTO_FREE char *status = mem_printf("/proc/%d/task/%s/status", (int)pid,
						  thread);
	int64_t cpu_ns = find_number(times, "");
	int64_t wakeups = find_number(status, "voluntary_ctxt_switches:");

	if (cpu_ns < 0 || wakeups < 0)
		return;
	usage->cpu_ns += cpu_ns;
	usage->wakeups += wakeups;
	usage->threads++;
}

static int64_t count_entries(const char *path)
{
	DIR *entries = opendir(path);
	const struct dirent *entry;
	int64_t count = 0;

	if (!entries)
		return -1;
	while ((entry = readdir(entries)))
		count += entry->d_name[0] != '.';
	closedir(entries);
	return count;
}

int process_get_usage(pid_t pid, struct process_usage *ret, struct error *err)
{
	KUDEV_AUTO_FREE char *tasks = mem_printf("/proc/%d/task", (int)pid);
	KUDEV_AUTO_FREE char *descriptors = mem_printf("/proc/%d/fd", (int)pid);
	struct process_usage usage = {0};
	const struct dirent *entry;
	DIR *entries = opendir(tasks);

	if (!entries)
		return error_set_errno(err, errno, "cannot read %s", tasks);
	while ((entry = readdir(entries))) {
		if (entry->d_name[0] != '.')
			add_thread(pid, entry->d_name, &usage);
	}
	closedir(entries);
	if (usage.threads == 0)
		return error_set(err, ENODATA, "%s has no schedstat", tasks);
	usage.descriptors = count_entries(descriptors);
	*ret = usage;
	return 0;
}

int process_get_memory(pid_t pid, struct process_memory *ret, struct error *err)
{
	KUDEV_AUTO_FREE char *path = mem_printf("/proc/%d/smaps_rollup", (int)pid);
	struct process_memory memory = {
		.resident_kb = find_number(path, "Rss:"),
		.anonymous_kb = find_number(path, "Anonymous:"),
	};

	if (memory.resident_kb < 0 || memory.anonymous_kb < 0)
		return error_set(err, ENODATA, "cannot read %s", path);
	*ret = memory;
	return 0;
}
