/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_THREADS_H
#define KUDEV_TEST_THREADS_H

/* The worker's threads: what one of them does may outlive the worker, and the test. */

#include <dirent.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>

#include "base/worker.h"
#include "test-wait.h"

/* A sanitizer has threads too. */
static inline bool is_workers(const char *thread)
{
	KUDEV_AUTO_FREE char *path = mem_printf("/proc/self/task/%s/comm", thread);
	FILE *file = fopen(path, "re");
	char name[32] = "";

	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0'; /* it ends just now */
	fclose(file);
	return strcmp(name, WORKER_THREAD_NAME "\n") == 0;
}

static inline unsigned count_threads(void)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *entry;
	unsigned count = 0;

	assert_non_null(tasks);
	while ((entry = readdir(tasks)))
		count += is_workers(entry->d_name);
	closedir(tasks);
	return count;
}

/* Whoever still waits at the gate, a semaphore, goes: the next test has one of its own. */
static inline bool all_have_left(void *gate)
{
	if (count_threads() == 0)
		return true;
	sem_post(gate);
	return false;
}

#endif
