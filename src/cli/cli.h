/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CLI_CLI_H
#define KUDEV_CLI_CLI_H

/*
 * The subcommands: each is a function from options to an exit status. Thread: the main
 * one.
 */

#include "base/strings.h"
#include "config/load.h"

struct json_object;
struct options;

enum exit_status {
	EXIT_OK = 0,
	EXIT_FAILED = 1,    /* at run time */
	EXIT_USAGE = 2,	    /* bad usage or configuration */
	EXIT_NOT_READY = 3, /* of status: pods can't have all resources */
};

int cli_run(const struct options *options);
int cli_check(const struct options *options);
int cli_list(const struct options *options);
int cli_status(const struct options *options);
int cli_try(const struct options *options);
int cli_schema(const struct options *options);

/*
 * Reads the configuration that the settings and the environment ask for. What is wrong
 * with it goes to standard error, all of it; if it is no more than warnings, to
 * ret_warnings instead, unless that is NULL. The caller owns the result. False if there
 * is an error.
 */
bool cli_load_config(const struct settings *settings, struct config **ret,
		     struct strings *ret_warnings);

/* The same for a daemon that has no one to print to: everything is in the diagnostics. */
bool cli_read_config(const struct settings *settings, struct config **ret,
		     struct diagnostics *diagnostics);

/* To standard output, for programs and for people who read it all the same. */
void cli_print_json(struct json_object *object);

/* Lets this process open as many files as it may. */
void cli_raise_limits(void);

#endif
