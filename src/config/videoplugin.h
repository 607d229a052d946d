/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_VIDEOPLUGIN_H
#define KUDEV_CONFIG_VIDEOPLUGIN_H

/*
 * The environment of Meeting-BaaS/video-device-plugin, so that its users can switch: the
 * same variables with the documented defaults make one class of virtual cameras. What
 * that program replaces by a default without a word, a bad value, is an error here; what
 * means nothing to kudev is a warning. Thread: any, one at a time.
 */

#include <stdbool.h>

#include "config/config.h"
#include "config/diagnostics.h"

/* getenv(3) or a test's. */
typedef char *(*videoplugin_lookup)(const char *name);

/*
 * Whether the environment asks for cameras: a variable is set that nobody but that plugin
 * is likely to have. An empty variable counts as unset, here and there.
 */
bool videoplugin_is_meant(videoplugin_lookup lookup);

/* Whether any of its variables is set, be it one that others have as well. */
bool videoplugin_is_hinted(videoplugin_lookup lookup);

/*
 * Adds the class to the configuration, which has its defaults, and sets what else the
 * variables say. A note under the name file says that this was done.
 */
void videoplugin_read(videoplugin_lookup lookup, const char *file, struct config *config,
		      struct diagnostics *diagnostics);

#endif
