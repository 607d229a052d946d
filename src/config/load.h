/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_LOAD_H
#define KUDEV_CONFIG_LOAD_H

/*
 * From settings (what the command line and the environment said) to a configuration:
 * finds the file, chooses the grammar, applies the precedence
 * defaults < file < environment < flags, and checks the whole.
 */

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "config/diagnostics.h"

/* One layer of settings; NULL and 0 mean unset. Strings are borrowed. */
struct settings {
	const char *config;
	const char *const *devices; /* --device texts, each YAML or JSON */
	size_t device_count;
	const char *domain;
	const char *plugin_directory;
	const char *pod_resources;
	const char *cdi_directory;
	const char *listen;
	const char *holder_metrics;
	const char *events;
	const char *log_level;
	const char *log_format;
	const char *root;
	const char *simulate_directory; /* instead of each class's own */
	/*
	 * Finds the variables of video-device-plugin, which are read if nothing else says
	 * which devices there are; NULL: they are not.
	 */
	char *(*lookup)(const char *name);
	bool lenient;
	bool is_trial; /* see struct config */
};

/*
 * Fills the layer that the KUDEV_* variables make. lookup is getenv(3) or a test's. The
 * result borrows from the environment, except for devices: the texts of KUDEV_DEVICE are
 * one and the same string, so *device_slot holds the one-element array.
 */
void settings_from_environment(char *(*lookup)(const char *name),
			       const char **device_slot, struct settings *ret,
			       struct diagnostics *diagnostics);

/*
 * Warns of KUDEV_* variables that are no setting but look like a slip for one.
 * environment is as environ(7); the variables that Kubernetes makes for a service named
 * kudev pass.
 */
void settings_check_names(char *const *environment, struct diagnostics *diagnostics);

/*
 * Reads and checks the configuration. Returns 0 and *ret (with warnings, if any, in
 * diagnostics), or -EINVAL with at least one error in diagnostics. node_name may be NULL.
 */
int config_load(const struct settings *flags, const struct settings *environment,
		const char *node_name, struct config **ret,
		struct diagnostics *diagnostics);

/*
 * Where HTTP listens, whatever else is wrong: from the flag, or the variable, or the file as
 * far as that can be read, or the default. Returns 0, with what is wrong with the file in
 * diagnostics, or -EINVAL with an error there if the flag or the variable is no address.
 */
int config_find_listen(const struct settings *flags, const struct settings *environment,
		       char **ret, struct diagnostics *diagnostics);

/* The same of one text: an address, or "none". */
int config_read_listen(const char *text, char **ret, struct error *err);

/*
 * The same as config_load() for a text that is already in memory, under the name file: a kudev.yaml or a
 * squat file, with no flags and no environment. What the tests and the fuzzers call.
 */
int config_parse(const char *text, size_t size, const char *file, bool lenient,
		 struct config **ret, struct diagnostics *diagnostics);

#endif
