/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "http/process.h"

static double seconds_of(const struct timeval *time)
{
	return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static double count_open_files(void)
{
	DIR *directory = opendir("/proc/self/fd");
	double count = 0;

	if (!directory)
		return 0;
	while (readdir(directory))
		count++;
	closedir(directory);
	/* Without . and .. and the directory itself. */
	return count - 3;
}

/*
 * Of /proc/self/stat (proc(5)): the fields from the third on, behind the name, which may
 * hold anything.
 */
static void read_stat(struct process_stats *ret, double *ret_start_ticks)
{
	FILE *file = fopen("/proc/self/stat", "re");
	char text[1024] = "";
	const char *fields;
	long threads = 0;
	unsigned long long start = 0;
	unsigned long size = 0;
	long pages = 0;

	if (!file)
		return;
	if (!fgets(text, sizeof(text), file))
		text[0] = '\0';
	fclose(file);
	fields = strrchr(text, ')');
	if (!fields ||
	    sscanf(fields + 1,
		   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
		   "%*d %ld %*d %llu %lu %ld",
		   &threads, &start, &size, &pages) != 4)
		return;
	ret->threads = (double)threads;
	ret->virtual_bytes = (double)size;
	ret->resident_bytes = (double)pages * (double)sysconf(_SC_PAGESIZE);
	*ret_start_ticks = (double)start;
}

void process_describe(struct process_stats *ret)
{
	struct rusage usage;
	struct rlimit files;
	struct timespec wall;
	struct timespec boot;
	double start_ticks = 0;

	*ret = (struct process_stats){.open_files = count_open_files()};
	if (getrusage(RUSAGE_SELF, &usage) == 0)
		ret->cpu_seconds = seconds_of(&usage.ru_utime) +
				   seconds_of(&usage.ru_stime);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0)
		ret->max_files = (double)files.rlim_cur;
	read_stat(ret, &start_ticks);
	clock_gettime(CLOCK_REALTIME, &wall);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	/* Whole seconds: the two clocks are not read at the same time. */
	ret->started = (double)(wall.tv_sec - boot.tv_sec) +
		       (double)(long)(start_ticks / (double)sysconf(_SC_CLK_TCK));
}
