/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_SOURCE_MODULE_H
#define KUDEV_SOURCE_MODULE_H

/*
 * Kernel modules, as modprobe(8) finds and loads them: below /lib/modules/<release>, with
 * what they depend on, compressed or not, as modprobe.d(5) says but for commands, which
 * are not run. libkmod does it, and is only loaded for it. Thread: any; it may block as
 * long as the module's start takes.
 */

#include "base/error.h"

struct module;

/*
 * -ENOENT: the running kernel has no such module; -ENOSYS: there is no libkmod.
 */
int module_find(const char *name, struct module **ret, struct error *err);
struct module *module_free(struct module *module);

/* What modinfo(8) says of it; NULL: nothing. The caller frees it. */
char *module_info(const struct module *module, const char *key);

/* Loads it with these parameters, unless it is there already. The error says what to do. */
int module_load(struct module *module, const char *parameters, struct error *err);

KUDEV_DEFINE_CLEANUP(struct module *, module_free)

#endif
