/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BENCH_STAGE_H
#define BENCH_STAGE_H

/*
 * Where one program is measured: a temporary directory with device nodes (regular files,
 * which all of the programs take), the kubelet and its plugin directory, and the program
 * with a configuration that hands these nodes out. Thread: the loop's.
 */

#include "kubelet.h"
#include "process.h"

struct stage {
	char *directory;
	const char *binary; /* borrowed */
	bool is_squat;	    /* generic-device-plugin's flags, else kudev's */
	unsigned classes;
	unsigned devices; /* of each class */
	struct loop *loop;
	struct kubelet *kubelet;
	pid_t pid; /* 0: does not run */
	int64_t started_ns;
};

/* Makes everything; the kubelet serves and the program does not run yet. */
int stage_new(const char *binary, bool is_squat, unsigned classes, unsigned devices,
	      struct stage **ret, struct error *err);

/* Ends the program and removes everything. */
struct stage *stage_free(struct stage *stage);

/* Starts the program and waits until the kubelet has a list of each class. */
int stage_launch(struct stage *stage, struct error *err);

/* The path of a device node, which the caller frees. */
char *stage_node(const struct stage *stage, unsigned class, unsigned device);

/* Creates an empty file. */
int stage_create_node(const char *path, struct error *err);

/* Writes the end of what the program said to standard error. */
void stage_show_log(const struct stage *stage);

KUDEV_DEFINE_CLEANUP(struct stage *, stage_free)

#endif
