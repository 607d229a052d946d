/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_HTTP_PAGE_H
#define KUDEV_HTTP_PAGE_H

/*
 * The state for people: a page that is complete as it is served, and is kept up to date by
 * a few lines of script where there is one. Of many devices a part is shown, those with
 * trouble first, and each class has pages of its own. Thread: the loop thread.
 */

#include "http/view.h"

/*
 * The query: class=NAME and from=NUMBER, of the devices of one class; part=main, of the
 * page what changes.
 */
void page_serve(const struct http_view *view, const struct http_request *request,
		struct http_answer *ret);

void page_serve_style(struct http_answer *ret);
void page_serve_script(struct http_answer *ret);

#endif
