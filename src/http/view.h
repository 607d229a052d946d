/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_HTTP_VIEW_H
#define KUDEV_HTTP_VIEW_H

/*
 * What the pages look at: the parts of the running daemon, each of which counts for
 * itself. Everything is read when a request comes, since classes come and go. Thread: the loop
 * thread.
 */

#include <time.h>

#include "base/worker.h"
#include "http/server.h"
#include "kubelet/holders.h"
#include "kubelet/plugin.h"
#include "kubelet/registrar.h"
#include "source/discovery.h"

/* How it stands with the configuration. */
struct reload_state {
	uint64_t generation; /* of the one in use; that of the start is 1 */
	bool is_ok;	     /* the last one that was read could be used */
	time_t tried;	     /* when that was */
	time_t succeeded;    /* when the one in use was read */
	char *error;	     /* what is wrong with the last one; NULL: nothing */
};

/* Filled by the daemon anew whenever something of it changes; it owns it all. */
struct http_view {
	const struct config *config;
	struct inventory *inventory;
	struct plugin *const *plugins; /* one a class */
	const struct registrar *registrar;
	const struct discovery *discovery;
	struct holders *holders;
	const struct worker *worker;
	const struct reload_state *reload;
	time_t started;
};

/* One class, as far as all of it goes through a request. */
struct class_view {
	const struct config_class *config;
	const struct inventory_class *devices;
	struct plugin_stats plugin;
	struct registration_status registration;
	struct discovery_status discovery;
	bool is_added; /* to the registrar; else the registration says nothing */
};

size_t view_class_count(const struct http_view *view);
void view_class(const struct http_view *view, size_t index, struct class_view *ret);

/* Why the class is not ready for pods; NULL: it is. The caller frees it. */
char *view_unready(const struct class_view *class);

/* Why the worker does not get on; NULL: it does. The caller frees it. */
char *view_stuck(const struct http_view *view);

/* RFC 3339 in UTC; size at least 32. */
void view_format_time(time_t time, char *text, size_t size);

/* When it was by the wall clock, from clock_ms(). */
time_t view_wall_time(int64_t ms);

#endif
