/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/text.h"
#include "config/class.h"
#include "config/list.h"
#include "config/names.h"

#define NUMBER_DIGITS 10 /* of an unsigned */

void class_place(struct config_class *class, const struct document *document,
		 const yaml_node_t *node)
{
	class->file = mem_string(document->file);
	class->line = node_line(node);
	class->column = node_column(node);
}

/* How the IDs of a class begin and which numbers follow, which is all that is in them. */
struct id_range {
	size_t stem; /* bytes */
	uint64_t first, count;
};

static struct id_range ids_of(const struct config_class *class)
{
	if (class->source == CONFIG_SOURCE_V4L2LOOPBACK)
		return (struct id_range){
			.stem = strlen("video"),
			.first = class->v4l2loopback.first_number,
			.count = class->v4l2loopback.count,
		};
	return (struct id_range){
		.stem = strlen(class->name) + 1,
		.count = class->simulate.count,
	};
}

/* How many of the numbers from 0 to count - 1 have that many decimal digits. */
static uint64_t numbers_with(unsigned digits, uint64_t count)
{
	uint64_t low = 1, high;

	for (unsigned i = 1; i < digits; i++)
		low *= 10;
	high = low * 10;
	if (digits == 1)
		low = 0;
	if (count <= low)
		return 0;
	return (count < high ? count : high) - low;
}

uint64_t class_list_size(const struct config_class *class)
{
	/* Every NUMA node but 0 takes the same; 0 takes less. */
	int numa_node = class->simulate.numa_nodes > 0 ? 1 : LIST_NUMA_UNKNOWN;
	struct id_range ids = ids_of(class);
	uint64_t total = 0;

	/* An ID is <stem><n> or <stem><n>-<copy>, so that few lengths occur. */
	for (unsigned n = 1; n <= NUMBER_DIGITS; n++) {
		uint64_t count = numbers_with(n, ids.first + ids.count) -
				 numbers_with(n, ids.first);

		for (unsigned copy = 1; copy <= NUMBER_DIGITS; copy++) {
			size_t id = ids.stem + n;

			if (class->share > 1)
				id += 1 + copy;
			total += count * numbers_with(copy, class->share) *
				 list_device_size(id, numa_node);
		}
	}
	return total;
}

void class_report(const struct config_class *class, struct diagnostics *diagnostics,
		  const char *message)
{
	diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, class->file, class->line,
			class->column, "%s", message);
}

static void finish_resource(const struct config *config, struct config_class *class,
			    struct diagnostics *diagnostics)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	if (!class->name || class->resource)
		return;
	class->resource = mem_printf("%s/%s", config->domain, class->name);
	if (resource_name_check(class->resource, &err) < 0)
		class_report(class, diagnostics, error_message(&err));
}

static void check_kind(const struct config_class *class, struct diagnostics *diagnostics)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	KUDEV_AUTO_FREE char *message = NULL;

	if (!class->cdi.write || !class->resource ||
	    resource_name_check(class->resource, NULL) < 0 ||
	    cdi_kind_check(class->resource, &err) == 0)
		return;
	message = mem_printf("cdi: %s", error_message(&err));
	class_report(class, diagnostics, message);
}

static bool is_same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

char *class_describe_place(const struct config_class *class, const char *file)
{
	if (strcmp(class->file, file) == 0)
		return mem_printf("%u:%u", class->line, class->column);
	return mem_printf("%s:%u:%u", class->file, class->line, class->column);
}

static void report_double(const struct config_class *first,
			  const struct config_class *second,
			  struct diagnostics *diagnostics)
{
	KUDEV_AUTO_FREE char *place = class_describe_place(first, second->file);
	bool name = is_same(first->name, second->name);
	KUDEV_AUTO_FREE char *quoted = text_quote(name ? second->name : second->resource);
	KUDEV_AUTO_FREE char *message =
		mem_printf("two classes have the %s %s, the first is at %s",
			   name ? "name" : "resource", quoted, place);

	class_report(second, diagnostics, message);
}

void classes_finish(struct config *config, struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < config->class_count; i++) {
		struct config_class *class = &config->classes[i];

		finish_resource(config, class, diagnostics);
		check_kind(class, diagnostics);
		for (size_t j = 0; j < i; j++) {
			const struct config_class *first = &config->classes[j];

			if (!is_same(first->name, class->name) &&
			    !is_same(first->resource, class->resource))
				continue;
			report_double(first, class, diagnostics);
			break;
		}
	}
}
