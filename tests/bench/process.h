/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_PROCESS_H
#define BENCH_PROCESS_H

/*
 * The program that is measured: started, looked at through /proc, ended by its pid.
 * Thread: any; a process may be started while threads run, for nothing is forked.
 */

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* What the threads that a process has now have used since they began. */
struct process_usage {
	int64_t cpu_ns;	 /* schedstat, exact where ticks are not */
	int64_t wakeups; /* voluntary context switches */
	int64_t threads;
	int64_t descriptors;
};

struct process_memory {
	int64_t resident_kb;
	int64_t anonymous_kb;
};

/* Standard output and error go to a new file, input is empty. */
int process_start(char *const argv[], const char *log_path, pid_t *ret,
		  struct error *err);

/* -ECHILD if the process has ended; it must be stopped all the same. */
int process_check(pid_t pid, struct error *err);

/* SIGTERM, SIGKILL after some seconds, and waits for the end. */
void process_stop(pid_t pid);

int process_get_usage(pid_t pid, struct process_usage *ret, struct error *err);
int process_get_memory(pid_t pid, struct process_memory *ret, struct error *err);

#endif
