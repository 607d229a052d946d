/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <strings.h>

#include "http/metrics.h"
#include "http/page.h"
#include "http/probes.h"
#include "http/site.h"
#include "http/status.h"

struct site {
	const struct http_view *view; /* owned by the caller */
	struct http_server *server;
};

/* Who holds what: so that the next who asks is told, for this one does not wait. */
static void ask_holders(const struct site *site)
{
	holders_refresh(site->view->holders);
}

static bool wants_json(const struct http_request *request)
{
	KUDEV_AUTO_FREE char *format = http_request_parameter(request, "format");

	if (format)
		return strcasecmp(format, "json") == 0;
	return http_request_prefers(request, HTTP_JSON, HTTP_TEXT) &&
	       http_request_prefers(request, HTTP_JSON, HTTP_HTML);
}

static void serve_alive(const struct site *site, const struct http_request *request,
			struct http_answer *ret)
{
	(void)site;
	(void)request;
	probe_alive(ret);
}

static void serve_health(const struct site *site, const struct http_request *request,
			 struct http_answer *ret)
{
	probe_health(site->view, wants_json(request), ret);
}

static void serve_readiness(const struct site *site, const struct http_request *request,
			    struct http_answer *ret)
{
	probe_readiness(site->view, wants_json(request), ret);
}

static void serve_metrics(const struct site *site, const struct http_request *request,
			  struct http_answer *ret)
{
	ask_holders(site);
	metrics_serve(site->view, http_server_stats(site->server),
		      http_request_prefers(request, HTTP_OPENMETRICS, HTTP_TEXT), ret);
}

static void serve_page(const struct site *site, const struct http_request *request,
		       struct http_answer *ret)
{
	ask_holders(site);
	page_serve(site->view, request, ret);
}

static void serve_style(const struct site *site, const struct http_request *request,
			struct http_answer *ret)
{
	(void)site;
	(void)request;
	page_serve_style(ret);
}

static void serve_script(const struct site *site, const struct http_request *request,
			 struct http_answer *ret)
{
	(void)site;
	(void)request;
	page_serve_script(ret);
}

static void serve_status(const struct site *site, const struct http_request *request,
			 struct http_answer *ret)
{
	(void)request;
	ask_holders(site);
	status_serve(site->view, ret);
}

static const struct site_path {
	const char *path;
	bool is_quick;
	void (*serve)(const struct site *site, const struct http_request *request,
		      struct http_answer *ret);
} paths[] = {
	{"/", false, serve_page},	    {"/health", true, serve_alive},
	{"/healthz", true, serve_health},   {"/metrics", false, serve_metrics},
	{"/page.css", true, serve_style},   {"/page.js", true, serve_script},
	{"/readyz", true, serve_readiness}, {"/status", false, serve_status},
};

static const struct site_path *find_path(const struct http_request *request)
{
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(paths); i++) {
		if (strcmp(paths[i].path, request->path) == 0)
			return &paths[i];
	}
	return NULL;
}

/* What is not there is quick too. */
static bool is_quick(const struct http_request *request, void *data)
{
	const struct site_path *path = find_path(request);

	(void)data;
	return !path || path->is_quick;
}

static void answer(const struct http_request *request, struct http_answer *ret,
		   void *data)
{
	const struct site_path *path = find_path(request);

	if (path) {
		path->serve(data, request, ret);
		return;
	}
	*ret = (struct http_answer){
		.status = 404,
		.type = "text/plain; charset=utf-8",
		.body = mem_string("404 Not Found\n"),
	};
	ret->size = strlen(ret->body);
}

struct site *site_new(struct loop *loop, struct worker *worker,
		      const struct http_view *view)
{
	struct site *site = mem_zero(sizeof(*site));
	const struct http_service service = {
		.is_quick = is_quick,
		.answer = answer,
		.data = site,
	};

	site->view = view;
	site->server = http_server_new(loop, worker, view->config->listen, &service);
	return site;
}

struct site *site_free(struct site *site)
{
	if (!site)
		return NULL;
	http_server_free(site->server);
	free(site);
	return NULL;
}
