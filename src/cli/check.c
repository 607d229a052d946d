/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "device/inventory.h"
#include "kubelet/allocate.h"
#include "kubelet/cdi.h"
#include "source/monitor.h"
#include "source/source.h"

/* Of the devices of one class, for people. */
#define MAX_LINES 50

/* What was found for one class. */
struct finding {
	const struct inventory_class *class;
	const char *root;      /* owned by the configuration */
	struct source *source; /* the devices refer to it */
	struct scan scan;
	struct error error; /* why the class could not be looked for; unset: it was */
};

static void look(struct finding *finding, struct inventory *inventory, size_t index,
		 const char *root)
{
	finding->class = inventory_class_at(inventory, index);
	finding->root = root;
	if (source_open(finding->class->config, root, NULL, &finding->source,
			&finding->error) < 0)
		return;
	if (source_scan(finding->source, &finding->scan, &finding->error) < 0)
		return;
	inventory_report(inventory, index, &finding->scan.units);
}

/* With a fixed path, a container that asks for two devices would see one of them. */
static bool shares_container_path(const struct inventory_class *class)
{
	KUDEV_AUTO_FREE char *first = NULL;
	KUDEV_AUTO_FREE char *second = NULL;
	const struct device *other = NULL;

	for (size_t i = 1; i < class->count && !other; i++) {
		if (!unit_same_nodes(&class->devices[0]->unit, &class->devices[i]->unit))
			other = class->devices[i];
	}
	if (!other)
		return false;
	first = allocate_container_path(class, class->devices[0],
					&class->devices[0]->unit.nodes[0]);
	second = allocate_container_path(class, other, &other->unit.nodes[0]);
	return strcmp(first, second) == 0;
}

/* A runtime makes device nodes of these, which it can't of a file. */
static const char *find_file(const struct inventory_class *class)
{
	for (size_t i = 0; i < class->count; i++) {
		const struct unit *unit = &class->devices[i]->unit;

		for (size_t at = 0; at < unit->node_count; at++) {
			if (unit->nodes[at].type == NODE_DEVICE &&
			    unit->nodes[at].identity.type == S_IFREG)
				return unit->nodes[at].host_path;
		}
	}
	return NULL;
}

static void collect_mount_warnings(const struct finding *finding, struct strings *ret)
{
	const struct config_class *class = finding->class->config;

	for (size_t i = 0; i < class->mount_count; i++) {
		struct node_identity identity;

		if (node_identify(finding->root, class->mounts[i].host_path, &identity) <
		    0)
			strings_take(ret,
				     mem_printf("warning: class %s: %s, which is to be "
						"mounted, does not exist here",
						class->name, class->mounts[i].host_path));
	}
}

/* The first device tells for those that are like it. */
static void collect_cdi_warning(const struct inventory_class *class, struct strings *ret)
{
	const char *obstacle = NULL;

	if (!class->config->cdi.write)
		return;
	for (size_t i = 0; i < class->count && !obstacle; i++) {
		obstacle = cdi_obstacle(class, class->devices[i]);
		if (obstacle)
			strings_take(ret,
				     mem_printf("warning: class %s: %s has no CDI name, "
						"because it %s",
						class->config->name,
						class->devices[i]->unit.id, obstacle));
	}
}

/* Whether nobody can make this directory, or write to it; who may not is no matter here. */
static bool is_read_only(const char *directory)
{
	KUDEV_AUTO_FREE char *prefix = mem_string(directory);
	int r = access(prefix, W_OK);

	while (r < 0 && errno == ENOENT) {
		char *slash = strrchr(prefix, '/');

		if (!slash || slash == prefix)
			return false;
		*slash = '\0';
		r = access(prefix, W_OK);
	}
	return r < 0 && errno == EROFS;
}

/* What "run" writes besides its sockets: in a pod that lacks the mount it can't. */
static void collect_read_only_warnings(const struct config *config,
				       const struct config_class *class,
				       struct strings *ret)
{
	const char *directories[] = {
		class->source == CONFIG_SOURCE_SIMULATE ? class->simulate.directory
							: NULL,
		class->cdi.write ? config->cdi_directory : NULL,
	};

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(directories); i++) {
		if (directories[i] && is_read_only(directories[i]))
			strings_take(ret, mem_printf("warning: class %s: %s is on a "
						     "read-only file system; in a pod "
						     "it has to be a hostPath",
						     class->name, directories[i]));
	}
}

static void collect_warnings(const struct finding *finding, struct strings *ret)
{
	const struct inventory_class *class = finding->class;
	const char *name = class->config->name;
	/* Below another root, files stand for nodes. */
	const char *file = *finding->root ? NULL : find_file(class);

	if (finding->error.code)
		strings_take(ret, mem_printf("warning: class %s: %s", name,
					     error_message(&finding->error)));
	if (file)
		strings_take(ret,
			     mem_printf("warning: class %s: %s is a file, no device: a "
					"container that asks for it would not start (in "
					"groups, say type: Mount)",
					name, file));
	if (class->refused > 0)
		strings_take(
			ret,
			mem_printf(
				"warning: class %s: %zu devices more than a list of 4 MiB "
				"holds; the kubelet takes no larger one",
				name, class->refused));
	collect_mount_warnings(finding, ret);
	collect_cdi_warning(class, ret);
	if (shares_container_path(class))
		strings_take(
			ret,
			mem_printf(
				"warning: class %s: all devices have the same path in the "
				"container; one that asks for two would see only "
				"the first (use {index}, or end mountPath with /)",
				name));
}

static void print_nodes(const struct inventory_class *class, const struct device *device)
{
	for (size_t i = 0; i < device->unit.node_count; i++) {
		const struct unit_node *node = &device->unit.nodes[i];
		KUDEV_AUTO_FREE char *path = allocate_container_path(class, device, node);
		const char *access = node->read_only ? "read-only mount" : "mount";

		if (node->type == NODE_DEVICE)
			access = node->permissions;
		printf("%s%s", i > 0 ? ", " : "", node->host_path);
		if (strcmp(path, node->host_path) != 0)
			printf(" as %s", path);
		printf(" (%s%s)", access,
		       node->type == NODE_DEVICE && node->identity.type == S_IFDIR
			       ? ", every node in this directory"
			       : "");
	}
}

static bool has_cdi_name(const struct inventory_class *class, const struct device *device)
{
	return class->config->cdi.write && !cdi_obstacle(class, device);
}

static void print_cdi_name(const struct inventory_class *class,
			   const struct device *device)
{
	KUDEV_AUTO_FREE char *name = cdi_name(class, device);

	if (has_cdi_name(class, device))
		printf("  CDI name %s", name);
}

/* How many devices from this one on are copies of it, itself included. */
static size_t count_copies(const struct inventory_class *class, size_t index)
{
	size_t end = index + 1;

	while (end < class->count &&
	       unit_same_nodes(&class->devices[index]->unit, &class->devices[end]->unit))
		end++;
	return end - index;
}

static void print_devices(const struct inventory_class *class)
{
	size_t lines = 0;
	size_t copies;
	size_t i;

	for (i = 0; i < class->count && lines < MAX_LINES; i += copies, lines++) {
		const struct device *device = class->devices[i];

		copies = count_copies(class, i);
		/* It is among those that are missing. */
		if (!device->healthy)
			continue;
		printf("  %-24s ", device->unit.id);
		print_nodes(class, device);
		if (device->unit.numa_node != LIST_NUMA_UNKNOWN)
			printf("  NUMA node %d", device->unit.numa_node);
		print_cdi_name(class, device);
		if (copies > 1)
			printf("  and %zu more, to %s", copies - 1,
			       class->devices[i + copies - 1]->unit.id);
		printf("\n");
	}
	if (i < class->count)
		printf("  and %zu devices more; -o json lists them all\n",
		       class->count - i);
}

static void print_finding(const struct finding *finding)
{
	const struct inventory_class *class = finding->class;

	printf("%s: %zu device%s  (class %s, %s", class->config->resource, class->healthy,
	       class->healthy == 1 ? "" : "s", class->config->name, class->config->file);
	if (class->config->line)
		printf(":%u", class->config->line);
	printf(")\n");
	print_devices(class);
	if (finding->scan.degraded)
		printf("  degraded  %s\n", finding->scan.degraded);
	for (size_t i = 0; i < finding->scan.missing.count; i++)
		printf("  missing   %s: %s\n", finding->scan.missing.items[i].path,
		       finding->scan.missing.items[i].reason);
	for (size_t i = 0; i < finding->scan.notes.count; i++)
		printf("  note      %s: %s\n", finding->scan.notes.items[i].path,
		       finding->scan.notes.items[i].reason);
	for (size_t i = 0; i < class->conflicts->count; i++)
		printf("  conflict  %s: class %s has it\n",
		       class->conflicts->items[i].host_path,
		       class->conflicts->items[i].holder);
	if (class->conflicts->total > class->conflicts->count)
		printf("  conflict  and %zu more\n",
		       class->conflicts->total - class->conflicts->count);
	printf("\n");
}

static void print_findings(const struct finding *findings, size_t count,
			   const struct strings *warnings, struct monitor_state events)
{
	size_t devices = 0;

	for (size_t i = 0; i < count; i++) {
		print_finding(&findings[i]);
		devices += findings[i].class->healthy;
	}
	for (size_t i = 0; i < warnings->count; i++)
		printf("%s\n", warnings->items[i]);
	printf("Events of devices: %s (%s).\n", monitor_mode_describe(events.mode),
	       events.reason);
	printf("The configuration is valid: %zu class%s, %zu device%s here now.\n", count,
	       count == 1 ? "" : "es", devices, devices == 1 ? "" : "s");
}

static void add_string(struct json_object *object, const char *key, const char *text)
{
	json_object_object_add(object, key, json_object_new_string(text));
}

static struct json_object *node_json(const struct inventory_class *class,
				     const struct device *device,
				     const struct unit_node *node)
{
	struct json_object *object = json_object_new_object();
	KUDEV_AUTO_FREE char *path = allocate_container_path(class, device, node);

	add_string(object, "type", node->type == NODE_DEVICE ? "device" : "mount");
	add_string(object, "hostPath", node->host_path);
	add_string(object, "containerPath", path);
	if (node->type == NODE_DEVICE)
		add_string(object, "permissions", node->permissions);
	else
		json_object_object_add(object, "readOnly",
				       json_object_new_boolean(node->read_only));
	return object;
}

static struct json_object *device_json(const struct inventory_class *class,
				       const struct device *device)
{
	struct json_object *object = json_object_new_object();
	struct json_object *nodes = json_object_new_array();

	add_string(object, "id", device->unit.id);
	if (has_cdi_name(class, device)) {
		KUDEV_AUTO_FREE char *name = cdi_name(class, device);

		add_string(object, "cdiName", name);
	}
	add_string(object, "health", device->healthy ? "Healthy" : "Unhealthy");
	if (device->reason)
		add_string(object, "reason", device->reason);
	if (device->unit.numa_node != LIST_NUMA_UNKNOWN)
		json_object_object_add(object, "numaNode",
				       json_object_new_int(device->unit.numa_node));
	for (size_t i = 0; i < device->unit.node_count; i++)
		json_object_array_add(nodes,
				      node_json(class, device, &device->unit.nodes[i]));
	json_object_object_add(object, "nodes", nodes);
	return object;
}

static struct json_object *remarks_json(const struct remark_list *remarks)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; i < remarks->count; i++) {
		struct json_object *item = json_object_new_object();

		add_string(item, "path", remarks->items[i].path);
		add_string(item, "reason", remarks->items[i].reason);
		json_object_array_add(array, item);
	}
	return array;
}

static struct json_object *finding_json(const struct finding *finding)
{
	const struct inventory_class *class = finding->class;
	struct json_object *object = json_object_new_object();
	struct json_object *devices = json_object_new_array();
	struct json_object *conflicts = json_object_new_array();

	add_string(object, "name", class->config->name);
	add_string(object, "resource", class->config->resource);
	for (size_t i = 0; i < class->count; i++)
		json_object_array_add(devices, device_json(class, class->devices[i]));
	for (size_t i = 0; i < class->conflicts->count; i++) {
		struct json_object *item = json_object_new_object();

		add_string(item, "path", class->conflicts->items[i].host_path);
		add_string(item, "class", class->conflicts->items[i].holder);
		json_object_array_add(conflicts, item);
	}
	json_object_object_add(object, "devices", devices);
	json_object_object_add(object, "missing", remarks_json(&finding->scan.missing));
	json_object_object_add(object, "notes", remarks_json(&finding->scan.notes));
	if (finding->scan.degraded)
		add_string(object, "degraded", finding->scan.degraded);
	json_object_object_add(object, "conflicts", conflicts);
	return object;
}

static struct json_object *events_json(struct monitor_state events)
{
	struct json_object *object = json_object_new_object();

	add_string(object, "from", monitor_mode_describe(events.mode));
	add_string(object, "reason", events.reason);
	return object;
}

static void print_json(const struct finding *findings, size_t count,
		       const struct strings *warnings, struct monitor_state events)
{
	struct json_object *object = json_object_new_object();
	struct json_object *classes = json_object_new_array();
	struct json_object *texts = json_object_new_array();

	for (size_t i = 0; i < count; i++)
		json_object_array_add(classes, finding_json(&findings[i]));
	for (size_t i = 0; i < warnings->count; i++)
		json_object_array_add(texts, json_object_new_string(warnings->items[i]));
	json_object_object_add(object, "classes", classes);
	json_object_object_add(object, "warnings", texts);
	json_object_object_add(object, "events", events_json(events));
	cli_print_json(object);
	json_object_put(object);
}

static int print(const struct options *options, const struct config *config,
		 const struct finding *findings, struct strings *warnings)
{
	struct monitor_state events = monitor_probe(config->events);
	size_t count = config->class_count;
	int status = EXIT_OK;

	for (size_t i = 0; i < count; i++) {
		collect_warnings(&findings[i], warnings);
		collect_read_only_warnings(config, &config->classes[i], warnings);
		if (findings[i].error.code || findings[i].class->refused > 0)
			status = EXIT_FAILED;
	}
	switch (options->output) {
	case OUTPUT_TABLE:
		print_findings(findings, count, warnings, events);
		break;
	case OUTPUT_JSON:
	case OUTPUT_YAML: /* of list alone */
		print_json(findings, count, warnings, events);
		break;
	}
	return status;
}

int cli_check(const struct options *options)
{
	KUDEV_AUTO(config_free) struct config *config = NULL;
	KUDEV_AUTO(inventory_free) struct inventory *inventory = NULL;
	KUDEV_AUTO_STRINGS struct strings warnings = {0};
	struct finding *findings;
	int status;

	if (!cli_load_config(&options->settings, &config, &warnings))
		return EXIT_USAGE;
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
	inventory = inventory_new(config);
	findings = mem_zero(config->class_count * sizeof(*findings));
	for (size_t i = 0; i < config->class_count; i++)
		look(&findings[i], inventory, i, config->root);
	status = print(options, config, findings, &warnings);
	for (size_t i = 0; i < config->class_count; i++) {
		scan_clear(&findings[i].scan);
		source_free(findings[i].source);
		error_clear(&findings[i].error);
	}
	free(findings);
	return status;
}
