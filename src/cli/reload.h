/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CLI_RELOAD_H
#define KUDEV_CLI_RELOAD_H

/*
 * Reads the configuration again when its file changes or SIGHUP comes, and has the daemon go
 * on with it if it is sound. One that is not changes nothing, and is logged with all that is
 * wrong with it.
 *
 * A file changes in many ways: it is written in place, another one is renamed to its name, or
 * a link on the way to it is pointed elsewhere, as Kubernetes does with the ..data of a
 * ConfigMap. So the directories of the file and of all links on the way are watched, and what
 * counts is whether another file, or another state of it, is found. Without inotify that is
 * looked at now and then. Thread: the loop thread.
 */

#include "base/loop.h"
#include "config/load.h"
#include "daemon.h"

struct reload;

/* Takes the configuration over, with which the daemon runs. settings are borrowed. */
struct reload *reload_new(struct loop *loop, struct daemon *daemon, struct config *config,
			  const struct settings *settings);

/* After the daemon. */
struct reload *reload_free(struct reload *reload);

/* No more, before the daemon stops; SIGHUP is ignored from then on. */
void reload_stop(struct reload *reload);

#endif
