/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/unix.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "http/client.h"

#define TIMEOUT_MS 5000
#define COLUMNS 7

struct row {
	char *cells[COLUMNS];
};

/* Widths are known when all rows are. */
struct table {
	struct row *rows;
	size_t count;
	size_t capacity;
};

static char *shown(const char *text)
{
	return text_legible(text && *text ? text : "-");
}

static const char *text_at(struct json_object *object, const char *key)
{
	return json_object_get_string(json_object_object_get(object, key));
}

static bool is_true(struct json_object *object, const char *key)
{
	return json_object_get_boolean(json_object_object_get(object, key));
}

static int64_t number_at(struct json_object *object, const char *key)
{
	return json_object_get_int64(json_object_object_get(object, key));
}

static size_t length_at(struct json_object *object, const char *key)
{
	struct json_object *array = json_object_object_get(object, key);

	return json_object_is_type(array, json_type_array)
		       ? json_object_array_length(array)
		       : 0;
}

static struct json_object *item_at(struct json_object *object, const char *key, size_t i)
{
	return json_object_array_get_idx(json_object_object_get(object, key), i);
}

static void add_row(struct table *table, const char *const *cells)
{
	struct row *row;

	table->rows = mem_grow(table->rows, table->count, &table->capacity,
			       sizeof(*table->rows));
	row = &table->rows[table->count++];
	for (size_t i = 0; i < COLUMNS; i++)
		row->cells[i] = shown(cells[i]);
}

static void print_table(struct table *table)
{
	int widths[COLUMNS] = {0};

	for (size_t i = 0; i < table->count; i++) {
		for (size_t at = 0; at < COLUMNS; at++) {
			int width = (int)strlen(table->rows[i].cells[at]);

			if (width > widths[at])
				widths[at] = width;
		}
	}
	for (size_t i = 0; i < table->count; i++) {
		for (size_t at = 0; at < COLUMNS; at++) {
			bool is_last = at == COLUMNS - 1;

			printf("%-*s%s", is_last ? 0 : widths[at],
			       table->rows[i].cells[at], is_last ? "\n" : "  ");
			free(table->rows[i].cells[at]);
		}
	}
	free(table->rows);
}

/* "default/pod/container", of all who share the device. */
static char *describe_holders(struct json_object *device)
{
	struct strings holders = {0};
	char *joined;

	for (size_t i = 0; i < length_at(device, "holders"); i++) {
		struct json_object *holder = item_at(device, "holders", i);

		strings_take(&holders,
			     mem_printf("%s/%s/%s", text_at(holder, "namespace"),
					text_at(holder, "pod"),
					text_at(holder, "container")));
	}
	joined = strings_join(&holders, ", ");
	strings_clear(&holders);
	return joined;
}

static void add_devices(struct table *table, struct json_object *class)
{
	const char *name = text_at(class, "name");
	const char *resource = text_at(class, "resource");
	const char *ready = is_true(class, "ready") ? "yes" : "no";
	size_t count = length_at(class, "devices");

	for (size_t i = 0; i < count; i++) {
		struct json_object *device = item_at(class, "devices", i);
		KUDEV_AUTO_FREE char *holders = describe_holders(device);

		add_row(table, (const char *const[]){name, resource, ready,
						     text_at(device, "id"),
						     text_at(device, "health"), holders,
						     text_at(device, "reason")});
	}
	if (count == 0)
		add_row(table, (const char *const[]){name, resource, ready, NULL, NULL,
						     NULL, "no devices"});
}

static void print_problem(const char *what, const char *which, const char *text)
{
	KUDEV_AUTO_FREE char *clean = shown(text);
	KUDEV_AUTO_FREE char *subject = shown(which);

	if (text)
		printf("%s%s%s: %s\n", what, which ? " " : "", which ? subject : "",
		       clean);
}

/* What a person should see before any device. */
static void print_problems(struct json_object *status)
{
	struct json_object *config = json_object_object_get(status, "config");

	print_problem("unhealthy", NULL, text_at(status, "reason"));
	print_problem("the changed configuration is not used", NULL,
		      text_at(config, "error"));
	for (size_t i = 0; i < length_at(status, "classes"); i++) {
		struct json_object *class = item_at(status, "classes", i);
		const char *resource = text_at(class, "resource");

		print_problem("not ready:", resource, text_at(class, "reason"));
		print_problem("degraded:", resource, text_at(class, "degraded"));
		if (number_at(class, "omittedCount") > 0)
			printf("not shown: %lld more devices of %s\n",
			       (long long)number_at(class, "omittedCount"), resource);
	}
}

static void print_status(struct json_object *status)
{
	struct table table = {0};
	KUDEV_AUTO_FREE char *version = shown(text_at(status, "version"));
	KUDEV_AUTO_FREE char *node = shown(text_at(status, "node"));
	bool has_node = text_at(status, "node") != NULL;
	KUDEV_AUTO_FREE char *started = shown(text_at(status, "started"));

	printf("kudev %s%s%s, %s, since %s, configuration %lld\n", version,
	       has_node ? " on " : "", has_node ? node : "",
	       is_true(status, "ready") ? "ready" : "NOT READY", started,
	       (long long)number_at(json_object_object_get(status, "config"),
				    "generation"));
	print_problems(status);
	add_row(&table, (const char *const[]){"CLASS", "RESOURCE", "REGISTERED", "DEVICE",
					      "HEALTH", "HOLDER", "REASON"});
	for (size_t i = 0; i < length_at(status, "classes"); i++)
		add_devices(&table, item_at(status, "classes", i));
	printf("\n");
	print_table(&table);
}

/* "http://node:8080/" is what listens on node:8080. */
static char *address_of_url(const char *url)
{
	static const char scheme[] = "http://";
	const char *bracket;
	size_t length;

	if (strncmp(url, scheme, strlen(scheme)) != 0)
		return mem_string(url);
	url += strlen(scheme);
	length = strcspn(url, "/?#");
	bracket = memchr(url, ']', length);
	return memchr(bracket ? bracket : url, ':',
		      bracket ? length - (size_t)(bracket - url) : length)
		       ? mem_string_n(url, length)
		       : mem_printf("%.*s:80", (int)length, url);
}

/* A path may be relative here, as in every command. */
static int read_url(const char *url, char **ret, struct error *err)
{
	KUDEV_AUTO_FREE char *address = address_of_url(url);

	if (strstr(address, "://"))
		return error_set(err, EINVAL,
				 "\"%s\" is neither http://HOST:PORT nor unix:PATH", url);
	if (unix_path_of(address)) {
		*ret = take_ptr(address);
		return 0;
	}
	return config_read_listen(address, ret, err);
}

static int find_by_url(const char *url, char **ret)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	int r = read_url(url, ret, &err);

	if (r < 0)
		fprintf(stderr, "kudev: --url: %s\n", error_message(&err));
	return r;
}

/*
 * Where the running kudev listens, by what it was started with as far as we see that: the
 * file may have an error now that it did not have then, which *ret_is_sure tells.
 */
static int find_by_settings(const struct settings *settings, char **ret,
			    bool *ret_is_sure)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics others = {0};
	struct settings environment = {0};
	const char *device_slot = NULL;
	int r;

	settings_from_environment(getenv, &device_slot, &environment, &others);
	r = config_find_listen(settings, &environment, ret, &diagnostics);
	*ret_is_sure = diagnostics.errors == 0;
	if (r < 0) {
		KUDEV_AUTO_FREE char *text = diagnostics_text(&diagnostics);

		fputs(text, stderr);
	}
	return r;
}

static int fail(const char *text, const char *hint)
{
	fprintf(stderr, "kudev: %s\nkudev: %s\n", text, hint);
	return EXIT_FAILED;
}

static int show(const struct options *options, const struct http_reply *reply)
{
	struct json_object *status = reply->status == 200
					     ? json_tokener_parse(reply->body)
					     : NULL;
	int result;

	if (!json_object_object_get_ex(status, "classes", NULL)) {
		json_object_put(status);
		return fail("what answers there is no kudev",
			    "say where it listens with --url");
	}
	switch (options->output) {
	case OUTPUT_TABLE:
		print_status(status);
		break;
	case OUTPUT_JSON:
	case OUTPUT_YAML: /* of list alone */
		cli_print_json(status);
		break;
	}
	result = is_true(status, "ready") ? EXIT_OK : EXIT_NOT_READY;
	json_object_put(status);
	return result;
}

/* What to do where nobody answers. */
static const char *advise(bool is_sure)
{
	return is_sure ? "is kudev running there? --url or --listen says where else to ask"
		       : "the configuration has an error, see \"kudev check\"; --url or "
			 "--listen says where to ask";
}

int cli_status(const struct options *options)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	KUDEV_AUTO_FREE char *address = NULL;
	struct http_reply reply = {0};
	bool is_sure = true;
	int status = options->url
			     ? find_by_url(options->url, &address)
			     : find_by_settings(&options->settings, &address, &is_sure);

	if (status < 0)
		return EXIT_USAGE;
	if (strcmp(address, "none") == 0)
		return fail(
			"HTTP is off (listen is none), so a running kudev can't be asked",
			"give it an address, which may be a unix socket, or say "
			"where it listens with --url");
	if (http_get(address, "/status", TIMEOUT_MS, &reply, &err) < 0)
		return fail(error_message(&err), advise(is_sure));
	status = show(options, &reply);
	free(reply.body);
	return status;
}
