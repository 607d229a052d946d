/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CLI_OPTIONS_H
#define KUDEV_CLI_OPTIONS_H

/* The command line: which subcommand, and what it was told. Thread: the main one. */

#include <stdbool.h>

#include "config/load.h"

struct options;

struct command {
	const char *name;
	const char *summary;
	const char *description;
	int (*run)(const struct options *options);
};

enum output_format {
	OUTPUT_TABLE,
	OUTPUT_JSON,
	OUTPUT_YAML,
};

struct options {
	const struct command *command;
	struct settings settings; /* borrows from argv */
	const char **devices;	  /* owned; settings.devices */
	enum output_format output;
	const char *node; /* of list --for */
	const char *url;  /* of status */
	bool once;
	bool all;
};

/*
 * Returns whether there is a command to run. If not, everything was said already (help,
 * the version, or what is wrong with the usage) and ret_status is the exit status.
 */
bool options_parse(int argc, char **argv, struct options *ret, int *ret_status);
void options_clear(struct options *options);

#endif
