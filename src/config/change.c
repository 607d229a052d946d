/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "config/change.h"

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_template(const struct template *a, const struct template *b)
{
	return same_text(a ? template_text(a) : NULL, b ? template_text(b) : NULL);
}

/* Whether two arrays have equal items; pass the names of both and of their counts. */
#define SAME_ITEMS(a, b, items, count, same_item) \
	((a)->count == (b)->count &&              \
	 same_items((a)->items, (b)->items, (a)->count, sizeof(*(a)->items), same_item))

static bool same_items(const void *a, const void *b, size_t count, size_t size,
		       bool (*same_item)(const void *a, const void *b))
{
	const char *item_a = a;
	const char *item_b = b;

	for (size_t i = 0; i < count; i++) {
		if (!same_item(item_a + i * size, item_b + i * size))
			return false;
	}
	return true;
}

static bool same_path(const void *item_a, const void *item_b)
{
	const struct config_path *a = item_a;
	const struct config_path *b = item_b;

	return same_text(a->pattern, b->pattern) &&
	       same_template(a->mount_path, b->mount_path) &&
	       same_text(a->permissions, b->permissions) && a->type == b->type &&
	       a->read_only == b->read_only && a->optional == b->optional &&
	       a->limit == b->limit;
}

static bool same_usb(const void *item_a, const void *item_b)
{
	const struct config_usb *a = item_a;
	const struct config_usb *b = item_b;

	return a->vendor == b->vendor && a->product == b->product &&
	       same_text(a->serial, b->serial);
}

static bool same_group(const void *item_a, const void *item_b)
{
	const struct config_group *a = item_a;
	const struct config_group *b = item_b;

	return a->count == b->count && SAME_ITEMS(a, b, paths, path_count, same_path) &&
	       SAME_ITEMS(a, b, usb, usb_count, same_usb);
}

static bool same_condition(const void *item_a, const void *item_b)
{
	const struct config_condition *a = item_a;
	const struct config_condition *b = item_b;

	return same_text(a->key, b->key) && strings_equal(&a->globs, &b->globs);
}

static bool same_match(const void *item_a, const void *item_b)
{
	const struct config_match *a = item_a;
	const struct config_match *b = item_b;

	return strings_equal(&a->subsystem, &b->subsystem) &&
	       strings_equal(&a->kernel, &b->kernel) &&
	       strings_equal(&a->driver, &b->driver) &&
	       strings_equal(&a->tags, &b->tags) &&
	       SAME_ITEMS(a, b, properties, property_count, same_condition) &&
	       SAME_ITEMS(a, b, attributes, attribute_count, same_condition) &&
	       strings_equal(&a->usb_vendor, &b->usb_vendor) &&
	       strings_equal(&a->usb_product, &b->usb_product) &&
	       strings_equal(&a->usb_serial, &b->usb_serial) &&
	       SAME_ITEMS(a, b, not, not_count, same_match);
}

static bool same_bound(const struct config_bound *a, const struct config_bound *b)
{
	return a->is_set == b->is_set &&
	       (!a->is_set || !(a->value < b->value || a->value > b->value));
}

static bool same_check(const void *item_a, const void *item_b)
{
	const struct config_check *a = item_a;
	const struct config_check *b = item_b;

	return same_text(a->attribute, b->attribute) &&
	       strings_equal(&a->equals, &b->equals) &&
	       strings_equal(&a->not_equals, &b->not_equals) &&
	       same_bound(&a->min, &b->min) && same_bound(&a->max, &b->max) &&
	       same_text(a->regex ? a->regex->text : NULL,
			 b->regex ? b->regex->text : NULL);
}

bool config_health_equal(const struct config_health *a, const struct config_health *b)
{
	return a->open == b->open && SAME_ITEMS(a, b, checks, check_count, same_check) &&
	       a->interval_ms == b->interval_ms && a->timeout_ms == b->timeout_ms &&
	       a->failure_threshold == b->failure_threshold &&
	       a->success_threshold == b->success_threshold;
}

static bool same_simulate(const struct config_simulate *a,
			  const struct config_simulate *b)
{
	return a->count == b->count && a->numa_nodes == b->numa_nodes &&
	       same_text(a->directory, b->directory);
}

bool config_v4l2loopback_equal(const struct config_v4l2loopback *a,
			       const struct config_v4l2loopback *b)
{
	return a->count == b->count && a->first_number == b->first_number &&
	       strings_equal(&a->labels, &b->labels) &&
	       a->exclusive_caps == b->exclusive_caps && a->buffers == b->buffers &&
	       a->openers == b->openers && a->min_width == b->min_width &&
	       a->min_height == b->min_height && a->max_width == b->max_width &&
	       a->max_height == b->max_height && a->mode == b->mode &&
	       same_text(a->owner, b->owner) && same_text(a->group, b->group) &&
	       a->reset == b->reset && a->fallback == b->fallback &&
	       same_text(a->fallback_prefix, b->fallback_prefix) &&
	       a->timeout_ms == b->timeout_ms;
}

static bool same_pair(const void *item_a, const void *item_b)
{
	const struct config_pair *a = item_a;
	const struct config_pair *b = item_b;

	return same_text(a->key, b->key) && same_template(a->value, b->value);
}

static bool same_mount(const void *item_a, const void *item_b)
{
	const struct config_mount *a = item_a;
	const struct config_mount *b = item_b;

	return same_text(a->host_path, b->host_path) &&
	       same_text(a->container_path, b->container_path) &&
	       a->read_only == b->read_only;
}

/* Where the devices come from and what they are called. */
static bool same_devices(const struct config_class *a, const struct config_class *b)
{
	return a->source == b->source && a->ids == b->ids && a->together == b->together &&
	       a->identity == b->identity && a->share == b->share &&
	       a->shares_nodes == b->shares_nodes &&
	       SAME_ITEMS(a, b, groups, group_count, same_group) &&
	       SAME_ITEMS(a, b, matches, match_count, same_match) &&
	       same_simulate(&a->simulate, &b->simulate) &&
	       config_v4l2loopback_equal(&a->v4l2loopback, &b->v4l2loopback);
}

/* What a container gets. */
static bool same_answers(const struct config_class *a, const struct config_class *b)
{
	return same_template(a->mount_path, b->mount_path) &&
	       same_text(a->permissions, b->permissions) &&
	       SAME_ITEMS(a, b, env, env_count, same_pair) &&
	       SAME_ITEMS(a, b, annotations, annotation_count, same_pair) &&
	       SAME_ITEMS(a, b, mounts, mount_count, same_mount) &&
	       a->preferred == b->preferred && a->cdi.write == b->cdi.write;
}

bool config_class_equal(const struct config_class *a, const struct config_class *b)
{
	return same_text(a->name, b->name) && same_text(a->resource, b->resource) &&
	       same_devices(a, b) && same_answers(a, b) &&
	       config_health_equal(&a->health, &b->health);
}

static struct class_step find_step(const struct config *old,
				   const struct config_class *class)
{
	for (size_t i = 0; i < old->class_count; i++) {
		const struct config_class *before = &old->classes[i];

		if (strcmp(before->resource, class->resource) == 0)
			return (struct class_step){
				.change = config_class_equal(before, class)
						  ? CLASS_SAME
						  : CLASS_CHANGED,
				.from = i,
			};
	}
	return (struct class_step){.change = CLASS_NEW};
}

void config_compare(const struct config *old, const struct config *next,
		    struct config_change *ret)
{
	*ret = (struct config_change){
		.old = old,
		.next = next,
		.steps = mem_zero(next->class_count * sizeof(*ret->steps)),
	};
	for (size_t i = 0; i < next->class_count; i++)
		ret->steps[i] = find_step(old, &next->classes[i]);
}

/* The old one still needs its own until the change is over. */
static void keep_text(const char *old, char **next, const char *key,
		      struct strings *ret_keys)
{
	if (strcmp(old, *next) != 0)
		strings_add(ret_keys, key);
	mem_replace(next, old);
}

void config_keep_start(const struct config *old, struct config *next,
		       struct strings *ret_keys)
{
	keep_text(old->plugin_directory, &next->plugin_directory, "pluginDirectory",
		  ret_keys);
	keep_text(old->pod_resources, &next->pod_resources, "podResources", ret_keys);
	keep_text(old->cdi_directory, &next->cdi_directory, "cdiDirectory", ret_keys);
	keep_text(old->listen, &next->listen, "listen", ret_keys);
	if (old->events != next->events)
		strings_add(ret_keys, "events");
	next->events = old->events;
}

void config_change_clear(struct config_change *change)
{
	free(change->steps);
}

void *config_change_apply(const struct config_change *change, void *items,
			  void (*on_removed)(void *item, void *data), void *data)
{
	const size_t size = sizeof(void *);
	char *old = items;
	char *next = mem_zero(change->next->class_count * size);

	for (size_t i = 0; i < change->next->class_count; i++) {
		char *from = old + change->steps[i].from * size;

		if (change->steps[i].change == CLASS_NEW)
			continue;
		memcpy(next + i * size, from, size);
		memset(from, 0, size);
	}
	for (size_t i = 0; i < change->old->class_count; i++) {
		void *item;

		memcpy(&item, old + i * size, size);
		if (item)
			on_removed(item, data);
	}
	free(items);
	return next;
}
