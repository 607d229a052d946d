/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_HTTP_PROCESS_H
#define KUDEV_HTTP_PROCESS_H

/* What the system knows of this process. Thread: any. */

struct process_stats {
	double cpu_seconds; /* of all threads, user and system */
	double resident_bytes;
	double virtual_bytes;
	double open_files;
	double max_files; /* that it may open */
	double threads;
	double started; /* seconds since the epoch */
};

/* What can't be read is 0. */
void process_describe(struct process_stats *ret);

#endif
