/* SPDX-License-Identifier: Apache-2.0 */
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/probes.h"
#include "http/status.h"

static void set_text(struct http_answer *ret, int status, char *body)
{
	*ret = (struct http_answer){
		.status = status,
		.type = "text/plain; charset=utf-8",
		.body = body,
		.size = strlen(body),
	};
}

void probe_alive(struct http_answer *ret)
{
	set_text(ret, 200, mem_string("ok\n"));
}

void probe_health(const struct http_view *view, bool as_json, struct http_answer *ret)
{
	KUDEV_AUTO_FREE char *stuck = view_stuck(view);
	int status = stuck ? 503 : 200;
	struct json_object *object;

	if (!as_json) {
		set_text(ret, status,
			 stuck ? mem_printf("unhealthy: %s\n", stuck)
			       : mem_string("ok\n"));
		return;
	}
	object = json_object_new_object();
	json_object_object_add(object, "healthy", json_object_new_boolean(!stuck));
	status_add_string(object, "reason", stuck);
	status_answer(object, status, ret);
}

static struct json_object *class_json(const struct class_view *class, const char *reason)
{
	struct json_object *object = json_object_new_object();

	status_add_string(object, "name", class->config->name);
	status_add_string(object, "resource", class->config->resource);
	json_object_object_add(object, "ready", json_object_new_boolean(!reason));
	status_add_string(object, "reason", reason);
	return object;
}

/* Returns how many classes are not ready; says of those why, and of all as JSON. */
static size_t describe(const struct http_view *view, FILE *text,
		       struct json_object *classes)
{
	size_t unready = 0;

	for (size_t i = 0; i < view_class_count(view); i++) {
		KUDEV_AUTO_FREE char *reason = NULL;
		struct class_view class;

		view_class(view, i, &class);
		reason = view_unready(&class);
		unready += reason != NULL;
		if (classes)
			json_object_array_add(classes, class_json(&class, reason));
		else if (reason)
			fprintf(text, "%s: %s\n", class.config->resource, reason);
	}
	return unready;
}

static void answer_json(const struct http_view *view, struct http_answer *ret)
{
	struct json_object *object = json_object_new_object();
	struct json_object *classes = json_object_new_array();
	size_t unready = describe(view, NULL, classes);

	json_object_object_add(object, "ready", json_object_new_boolean(unready == 0));
	json_object_object_add(object, "classes", classes);
	status_answer(object, unready > 0 ? 503 : 200, ret);
}

void probe_readiness(const struct http_view *view, bool as_json, struct http_answer *ret)
{
	KUDEV_AUTO_FREE char *reasons = NULL;
	size_t size;
	FILE *text;
	size_t unready;

	if (as_json) {
		answer_json(view, ret);
		return;
	}
	text = open_memstream(&reasons, &size);
	if (!text)
		abort();
	unready = describe(view, text, NULL);
	fclose(text);
	if (unready == 0)
		set_text(ret, 200, mem_string("ready\n"));
	else
		set_text(ret, 503,
			 mem_printf("%zu of %zu resources are not ready\n%s", unready,
				    view_class_count(view), reasons));
}
