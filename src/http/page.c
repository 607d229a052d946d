/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "http/assets.h"
#include "http/page.h"

/* On the first page, of one class and of all; and on the pages of a class. */
#define CLASS_ROWS 50
#define ALL_ROWS 500
#define PAGE_ROWS 200
/* Of the first page: the rest is in the sums alone. */
#define MAX_CLASSES 200
#define MAX_NODES 8
#define MAX_HOLDERS 8

/* The page as it is made. */
struct page {
	FILE *stream;
	const struct http_view *view;
	size_t rows_left;
	/* Sums of all classes. */
	size_t classes;
	size_t ready;
	size_t devices;
	size_t healthy;
	uint64_t registrations;
	uint64_t resets;
};

static void print_escaped(FILE *stream, const char *text)
{
	KUDEV_AUTO_FREE char *clean = text_clean(text);

	for (const char *at = clean; *at; at++) {
		switch (*at) {
		case '&':
			fputs("&amp;", stream);
			break;
		case '<':
			fputs("&lt;", stream);
			break;
		case '>':
			fputs("&gt;", stream);
			break;
		case '"':
			fputs("&quot;", stream);
			break;
		case '\'':
			fputs("&#39;", stream);
			break;
		default:
			fputc((unsigned char)*at < ' ' || *at == 0x7f ? '?' : *at,
			      stream);
			break;
		}
	}
}

/* Knows %s, which it escapes, and %zu: nothing gets into the page in any other way. */
static void print(const struct page *page, const char *format, ...) KUDEV_PRINTF(2, 3);

static void print(const struct page *page, const char *format, ...)
{
	va_list values;

	va_start(values, format);
	for (; *format; format++) {
		if (*format != '%') {
			fputc(*format, page->stream);
		} else if (*++format == 's') {
			print_escaped(page->stream, va_arg(values, const char *));
		} else {
			format++; /* of zu */
			fprintf(page->stream, "%zu", va_arg(values, size_t));
		}
	}
	va_end(values);
}

/* "3 min", of the largest unit that fits. */
static void print_age(const struct page *page, int64_t seconds)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
	size_t i = 0;

	if (seconds < 0)
		seconds = 0;
	while (i < KUDEV_ARRAY_SIZE(units) - 1 && seconds < units[i].seconds)
		i++;
	print(page, "%zu %s", (size_t)(seconds / units[i].seconds), units[i].name);
}

/* Not by its colour alone. */
static void print_badge(const struct page *page, bool is_ok, const char *ok,
			const char *bad)
{
	print(page, "<span class=\"badge %s\">%s %s</span>", is_ok ? "ok" : "bad",
	      is_ok ? "✓" : "✗", is_ok ? ok : bad);
}

static void print_nodes(const struct page *page, const struct unit *unit)
{
	size_t count = unit->node_count < MAX_NODES ? unit->node_count : MAX_NODES;

	print(page, "<td data-label=\"Node\" class=\"%s\">", count > 0 ? "" : "none");
	for (size_t i = 0; i < count; i++)
		print(page, "%s<code>%s</code>", i > 0 ? " " : "",
		      unit->nodes[i].host_path);
	if (unit->node_count > count)
		print(page, " and %zu more", unit->node_count - count);
	print(page, "</td>");
}

static void print_holders(const struct page *page, const struct device *device)
{
	size_t count = device->holder_count < MAX_HOLDERS ? device->holder_count
							  : MAX_HOLDERS;

	print(page, "<td data-label=\"Holder\" class=\"%s\">", count > 0 ? "" : "none");
	for (size_t i = 0; i < count; i++) {
		const struct holder *holder = &device->holders[i];

		print(page, "%s/%s <small>%s</small> ", holder->pod_namespace,
		      holder->pod, holder->container);
	}
	if (count == 0)
		print(page, "–");
	if (device->holder_count > count)
		print(page, "and %zu more", device->holder_count - count);
	print(page, "</td>");
}

static void print_device(struct page *page, const struct class_view *class,
			 const struct device *device)
{
	print(page, "<tr><th scope=\"row\">%s</th><td data-label=\"Health\">",
	      device->unit.id);
	print_badge(page, device->healthy, "Healthy", "Unhealthy");
	if (device->reason)
		print(page, "<br><small>%s</small>", device->reason);
	print(page, "</td>");
	print_nodes(page, &device->unit);
	print_holders(page, device);
	if (discovery_prepares(class->config))
		print(page, "<td data-label=\"Resets\" class=\"number\">%zu</td>",
		      (size_t)device->resets);
	print(page, "</tr>\n");
	page->rows_left--;
}

static void begin_devices(const struct page *page, const struct class_view *class)
{
	print(page,
	      "<table class=\"devices\"><caption>Devices of %s</caption><thead><tr>"
	      "<th scope=\"col\">Device</th><th scope=\"col\">Health</th>"
	      "<th scope=\"col\">Node</th><th scope=\"col\">Holder</th>",
	      class->config->name);
	if (discovery_prepares(class->config))
		print(page, "<th scope=\"col\">Resets</th>");
	print(page, "</tr></thead><tbody>\n");
}

/* Returns how many were shown. */
static size_t print_some(struct page *page, const struct class_view *class, bool healthy,
			 size_t count)
{
	const struct inventory_class *devices = class->devices;
	size_t shown = 0;

	for (size_t i = 0; i < devices->count && shown < count; i++) {
		if (devices->devices[i]->healthy != healthy)
			continue;
		print_device(page, class, devices->devices[i]);
		shown++;
	}
	return shown;
}

/* On the first page: all, or of many those with trouble, and then some of the others. */
static void print_devices(struct page *page, const struct class_view *class)
{
	const struct inventory_class *devices = class->devices;
	size_t room = page->rows_left < CLASS_ROWS ? page->rows_left : CLASS_ROWS;
	size_t shown = 0;

	if (devices->count == 0)
		return;
	if (room > 0) {
		begin_devices(page, class);
		if (devices->count <= room) {
			for (; shown < devices->count; shown++)
				print_device(page, class, devices->devices[shown]);
		} else {
			shown = print_some(page, class, false, room);
			shown += print_some(page, class, true, room - shown);
		}
		print(page, "</tbody></table>\n");
	}
	if (shown < devices->count)
		print(page,
		      "<p class=\"muted\">%zu of %zu devices are shown, those with trouble "
		      "first. <a href=\"/?class=%s\">All of %s</a></p>\n",
		      shown, devices->count, class->config->name, class->config->name);
}

static void print_link(const struct page *page, const struct class_view *class,
		       size_t from, const char *text)
{
	print(page, "<a href=\"/?class=%s&amp;from=%zu\">%s</a> ", class->config->name,
	      from, text);
}

/* On a page of the class. */
static void print_range(struct page *page, const struct class_view *class, size_t from)
{
	const struct inventory_class *devices = class->devices;
	size_t to;

	if (from >= devices->count)
		from = 0;
	to = devices->count - from > PAGE_ROWS ? from + PAGE_ROWS : devices->count;
	begin_devices(page, class);
	for (size_t i = from; i < to; i++)
		print_device(page, class, devices->devices[i]);
	print(page, "</tbody></table>\n<p class=\"muted\">");
	if (to > from)
		print(page, "%zu to %zu of %zu. ", from + 1, to, devices->count);
	if (from > 0)
		print_link(page, class, from > PAGE_ROWS ? from - PAGE_ROWS : 0,
			   "Before");
	if (to < devices->count)
		print_link(page, class, to, "After");
	print(page, "<a href=\"/\">All classes</a></p>\n");
}

/* " · 3 registrations" */
static void print_count(const struct page *page, uint64_t count, const char *one,
			const char *many)
{
	if (count > 0)
		print(page, " · %zu %s", (size_t)count, count == 1 ? one : many);
}

static void print_registration(const struct page *page, const struct class_view *class)
{
	const struct registration_status *registration = &class->registration;

	print(page, "<p class=\"muted\">");
	if (class->devices->count > 0)
		print(page, "%zu of %zu devices healthy", class->devices->healthy,
		      class->devices->count);
	else
		print(page, "No devices");
	if (registration->is_registered) {
		print(page, " · registered for ");
		print_age(page, (clock_ms() - registration->since_ms) / 1000);
	}
	print_count(page, registration->registrations, "registration", "registrations");
	print_count(page, class->plugin.allocated_devices, "device handed out",
		    "devices handed out");
	print_count(page, class->plugin.prestart.results[PRESTART_DONE], "reset",
		    "resets");
	print(page, "</p>\n");
}

static void print_note(const struct page *page, const char *kind, const char *what,
		       const char *text)
{
	if (text)
		print(page, "<p class=\"note %s\"><strong>%s</strong> %s</p>\n", kind,
		      what, text);
}

static void begin_class(const struct page *page, const struct class_view *class,
			const char *reason)
{
	print(page, "<section><h2>%s <code>%s</code> ", class->config->name,
	      class->config->resource);
	print_badge(page, !reason, "Registered", "Not ready");
	print(page, "</h2>\n");
	print_registration(page, class);
	print_note(page, "bad", "Not ready:", reason);
	print_note(page, "warn", "Degraded:", class->discovery.degraded);
	for (size_t i = 0; i < class->devices->conflicts->count; i++) {
		const struct conflict *conflict = &class->devices->conflicts->items[i];

		print(page,
		      "<p class=\"note warn\"><strong>Conflict:</strong> class %s has "
		      "<code>%s</code></p>\n",
		      conflict->holder, conflict->host_path);
	}
}

static void print_class(struct page *page, const struct class_view *class)
{
	KUDEV_AUTO_FREE char *reason = view_unready(class);

	begin_class(page, class, reason);
	print_devices(page, class);
	print(page, "</section>\n");
}

static void add_sums(struct page *page)
{
	page->classes = view_class_count(page->view);
	for (size_t i = 0; i < page->classes; i++) {
		KUDEV_AUTO_FREE char *reason = NULL;
		struct class_view class;

		view_class(page->view, i, &class);
		reason = view_unready(&class);
		page->ready += !reason;
		page->devices += class.devices->count;
		page->healthy += class.devices->healthy;
		page->registrations += class.registration.registrations;
		page->resets += class.plugin.prestart.results[PRESTART_DONE];
	}
}

static void print_sum(const struct page *page, const char *what, size_t part, size_t all)
{
	print(page, "<div><dt>%s</dt><dd>%zu", what, part);
	if (part != all)
		print(page, " <small>of %zu</small>", all);
	print(page, "</dd></div>");
}

static void print_sums(const struct page *page)
{
	print(page, "<dl class=\"sums\">");
	print_sum(page, "Resources ready", page->ready, page->classes);
	print_sum(page, "Devices healthy", page->healthy, page->devices);
	print_sum(page, "Registrations", (size_t)page->registrations,
		  (size_t)page->registrations);
	print_sum(page, "Kubelet restarts",
		  (size_t)registrar_kubelet_restarts(page->view->registrar),
		  (size_t)registrar_kubelet_restarts(page->view->registrar));
	print_sum(page, "Resets", (size_t)page->resets, (size_t)page->resets);
	print(page, "</dl>\n");
}

static const char *node_of(const struct page *page)
{
	return page->view->config->node_name;
}

static void print_header(const struct page *page)
{
	KUDEV_AUTO_FREE char *stuck = view_stuck(page->view);
	bool is_ready = page->ready == page->classes;

	print(page, "<header><h1 data-title=\"%s kudev%s%s\">kudev <span>%s</span></h1>",
	      is_ready ? "✓" : "✗", node_of(page)[0] ? " on " : "", node_of(page),
	      node_of(page));
	print(page, "<div role=\"status\">");
	print_badge(page, is_ready, "Ready", "Not ready");
	print(page, "</div></header>\n");
	print_note(page, "bad", "Unhealthy:", stuck);
	print_note(
		page, "bad",
		"The changed configuration has an error, and the one before is in use:",
		page->view->reload->error);
}

static const char *text_at(struct json_object *event, const char *key)
{
	return json_object_get_string(json_object_object_get(event, key));
}

/* All but what has a column of its own. */
static void print_fields(const struct page *page, struct json_object *event)
{
	struct json_object_iterator at = json_object_iter_begin(event);
	struct json_object_iterator end = json_object_iter_end(event);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *key = json_object_iter_peek_name(&at);

		if (strcmp(key, "time") != 0 && strcmp(key, "level") != 0 &&
		    strcmp(key, "msg") != 0)
			print(page, "<span class=\"field\">%s <code>%s</code></span> ",
			      key,
			      json_object_get_string(json_object_iter_peek_value(&at)));
	}
}

/* Milliseconds are for the log. */
static void print_time(const struct page *page, const char *time)
{
	KUDEV_AUTO_FREE char *day = mem_string_n(time, strlen("2026-11-21"));
	KUDEV_AUTO_FREE char *hour = mem_string_n(time + strlen("2026-11-21T"),
						  strlen("20:45:18"));

	print(page, "<time datetime=\"%s\">%s %s</time>", time, day, hour);
}

static void print_event(const struct page *page, struct json_object *event)
{
	static const struct {
		const char *level;
		const char *badge;
	} badges[] = {{"INFO", "plain"}, {"WARN", "warn"}, {"ERROR", "bad"}};
	const char *level = text_at(event, "level");
	size_t i = 0;

	while (i < KUDEV_ARRAY_SIZE(badges) - 1 && strcmp(badges[i].level, level) != 0)
		i++;
	print(page, "<tr><td class=\"when\">");
	print_time(page, text_at(event, "time"));
	print(page,
	      "</td><td class=\"level\"><span class=\"badge %s\">%s</span></td><td>%s ",
	      badges[i].badge, level, text_at(event, "msg"));
	print_fields(page, event);
	print(page, "</td></tr>\n");
}

static void print_events(const struct page *page)
{
	const char *line;

	print(page, "<section><h2>Last events</h2>\n"
		    "<table><caption>Last events, the newest first</caption><thead><tr>"
		    "<th scope=\"col\">Time (UTC)</th><th scope=\"col\">Level</th>"
		    "<th scope=\"col\">Event</th></tr></thead><tbody>\n");
	for (size_t i = 0; (line = log_kept(i)); i++) {
		struct json_object *event = json_tokener_parse(line);

		print_event(page, event);
		json_object_put(event);
	}
	print(page, "</tbody></table></section>\n");
}

static void print_footer(const struct page *page)
{
	struct monitor_state events =
		monitor_state(discovery_monitor(page->view->discovery));
	char now[32];

	view_format_time(time(NULL), now, sizeof(now));
	print(page, "<footer><p>kudev %s, up ", KUDEV_VERSION);
	print_age(page, time(NULL) - page->view->started);
	print(page,
	      " · configuration %zu · events from %s (%s) · as of <time>%s</time></p>"
	      "<p><a href=\"/status\">Status as JSON</a> · <a href=\"/metrics\">Metrics</a> "
	      "· <a href=\"/readyz\">Readiness</a> · <a href=\"/healthz\">Liveness</a></p>"
	      "</footer>\n",
	      (size_t)page->view->reload->generation, monitor_mode_describe(events.mode),
	      events.reason, now);
}

/* Without that class: the first page. */
static void print_main(struct page *page, const char *name, size_t from)
{
	size_t shown = page->classes < MAX_CLASSES ? page->classes : MAX_CLASSES;

	print_header(page);
	print_sums(page);
	for (size_t i = 0; name && i < page->classes; i++) {
		KUDEV_AUTO_FREE char *reason = NULL;
		struct class_view class;

		view_class(page->view, i, &class);
		if (strcmp(class.config->name, name) != 0)
			continue;
		reason = view_unready(&class);
		begin_class(page, &class, reason);
		print_range(page, &class, from);
		print(page, "</section>\n");
		print_footer(page);
		return;
	}
	for (size_t i = 0; i < shown; i++) {
		struct class_view class;

		view_class(page->view, i, &class);
		print_class(page, &class);
	}
	if (shown < page->classes)
		print(page, "<p class=\"muted\">and %zu more classes</p>\n",
		      page->classes - shown);
	print_events(page);
	print_footer(page);
}

static void print_head(const struct page *page)
{
	bool is_ready = page->ready == page->classes;

	print(page,
	      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	      "<title>%s kudev%s%s</title>\n"
	      "<link rel=\"icon\" href=\"data:,\">\n"
	      "<link rel=\"stylesheet\" href=\"/page.css\">\n"
	      "<script src=\"/page.js\" defer></script>\n"
	      "<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>\n"
	      "</head><body>\n"
	      "<p id=\"stale\" class=\"bad\" role=\"alert\" hidden>kudev does not answer; "
	      "this is what it said last.</p>\n<main>\n",
	      is_ready ? "✓" : "✗", node_of(page)[0] ? " on " : "", node_of(page));
}

/* What is no number is 0, and so is one past the end. */
static size_t parse_from(const char *text, size_t count)
{
	char *end;
	unsigned long number;

	if (!text || text[0] < '0' || text[0] > '9')
		return 0;
	errno = 0;
	number = strtoul(text, &end, 10);
	return *end == '\0' && errno == 0 && number < count ? number : 0;
}

void page_serve(const struct http_view *view, const struct http_request *request,
		struct http_answer *ret)
{
	KUDEV_AUTO_FREE char *name = http_request_parameter(request, "class");
	KUDEV_AUTO_FREE char *from = http_request_parameter(request, "from");
	KUDEV_AUTO_FREE char *part = http_request_parameter(request, "part");
	struct page page = {.view = view, .rows_left = ALL_ROWS};

	*ret = (struct http_answer){.status = 200, .type = "text/html; charset=utf-8"};
	page.stream = open_memstream(&ret->body, &ret->size);
	if (!page.stream)
		abort();
	add_sums(&page);
	if (!part)
		print_head(&page);
	print_main(&page, name, parse_from(from, page.devices));
	if (!part)
		print(&page, "</main></body></html>\n");
	fclose(page.stream);
}

static void serve_asset(const char *type, const char *text, struct http_answer *ret)
{
	*ret = (struct http_answer){
		.status = 200,
		.type = type,
		.body = mem_string(text),
		.size = strlen(text),
	};
}

void page_serve_style(struct http_answer *ret)
{
	serve_asset("text/css; charset=utf-8", asset_style, ret);
}

void page_serve_script(struct http_answer *ret)
{
	serve_asset("text/javascript; charset=utf-8", asset_script, ret);
}
