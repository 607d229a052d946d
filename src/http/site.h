/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_HTTP_SITE_H
#define KUDEV_HTTP_SITE_H

/*
 * What kudev serves by HTTP: a table of paths, answered from the view. All of it can be
 * read by whoever reaches the address, nothing can be changed. Thread: the loop thread.
 */

#include "http/view.h"

struct site;

/*
 * Serves on the address that the configuration in the view names, and goes on trying while it
 * can't. view must outlive the site.
 */
struct site *site_new(struct loop *loop, struct worker *worker,
		      const struct http_view *view);
struct site *site_free(struct site *site);

#endif
