/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/strings.h"
#include "config/change.h"
#include "config/field.h"
#include "config/native.h"
#include "test-config.h"

/* Of keys within keys. */
#define DEPTH_MAX 6

/* For each key of a class, two classes that differ in it alone. */
static const struct {
	const char *key;
	const char *before;
	const char *after;
} differences[] = {
	{"name", "name: a, resource: x.y/z, paths: [/d]",
	 "name: b, resource: x.y/z, paths: [/d]"},
	{"paths", "paths: [/dev/a]", "paths: [/dev/a, /dev/b]"},
	{"paths", "paths: [/dev/a]", "paths: [/dev/b]"},
	{"groups.paths.path", "groups: [{paths: [{path: /a}]}]",
	 "groups: [{paths: [{path: /b}]}]"},
	{"groups.paths.type", "groups: [{paths: [{path: /a}]}]",
	 "groups: [{paths: [{path: /a, type: Mount}]}]"},
	{"groups.paths.mountPath", "groups: [{paths: [{path: /a}]}]",
	 "groups: [{paths: [{path: /a, mountPath: /b}]}]"},
	{"groups.paths.permissions", "groups: [{paths: [{path: /a}]}]",
	 "groups: [{paths: [{path: /a, permissions: r}]}]"},
	{"groups.paths.readOnly", "groups: [{paths: [{path: /a, type: Mount}]}]",
	 "groups: [{paths: [{path: /a, type: Mount, readOnly: true}]}]"},
	{"groups.paths.optional", "groups: [{paths: [{path: /a}, {path: /b}]}]",
	 "groups: [{paths: [{path: /a}, {path: /b, optional: true}]}]"},
	{"groups.paths.limit", "groups: [{paths: [{path: /a}]}]",
	 "groups: [{paths: [{path: /a, limit: 2}]}]"},
	{"groups.usb.vendor", "groups: [{usb: [{vendor: '1', product: '1'}]}]",
	 "groups: [{usb: [{vendor: '2', product: '1'}]}]"},
	{"groups.usb.product", "groups: [{usb: [{vendor: '1', product: '1'}]}]",
	 "groups: [{usb: [{vendor: '1', product: '2'}]}]"},
	{"groups.usb.serial", "groups: [{usb: [{vendor: '1', product: '1'}]}]",
	 "groups: [{usb: [{vendor: '1', product: '1', serial: s}]}]"},
	{"groups.count", "groups: [{paths: [{path: /a}]}]",
	 "groups: [{paths: [{path: /a}], count: 2}]"},
	{"match.subsystem", "match: [{subsystem: tty}]",
	 "match: [{subsystem: [tty, a]}]"},
	{"match.kernel", "match: [{kernel: a}]", "match: [{kernel: b}]"},
	{"match.driver", "match: [{driver: a}]", "match: [{driver: b}]"},
	{"match.tags", "match: [{tags: a}]", "match: [{tags: b}]"},
	{"match.properties", "match: [{properties: {A: a}}]",
	 "match: [{properties: {A: b}}]"},
	{"match.properties", "match: [{properties: {A: a}}]",
	 "match: [{properties: {B: a}}]"},
	{"match.attributes", "match: [{attributes: {a: a}}]",
	 "match: [{attributes: {a: b}}]"},
	{"match.usb.vendor", "match: [{usb: {vendor: 'a'}}]",
	 "match: [{usb: {vendor: 'b'}}]"},
	{"match.usb.product", "match: [{usb: {product: 'a'}}]",
	 "match: [{usb: {product: 'b'}}]"},
	{"match.usb.serial", "match: [{usb: {serial: 'a'}}]",
	 "match: [{usb: {serial: 'b'}}]"},
	{"match.not", "match: [{subsystem: tty}]",
	 "match: [{subsystem: tty, not: [{driver: a}]}]"},
	{"together", "match: [{driver: a}]", "match: [{driver: a}], together: parent"},
	{"identity", "match: [{driver: a}]", "match: [{driver: a}], identity: port"},
	{"simulate.count", "simulate: {count: 1}", "simulate: {count: 2}"},
	{"simulate.numaNodes", "simulate: {count: 2}",
	 "simulate: {count: 2, numaNodes: 2}"},
	{"simulate.directory", "simulate: {count: 1}",
	 "simulate: {count: 1, directory: /x}"},
	{"v4l2loopback.count", "v4l2loopback: {}", "v4l2loopback: {count: 2}"},
	{"v4l2loopback.firstNumber", "v4l2loopback: {}",
	 "v4l2loopback: {firstNumber: 9}"},
	{"v4l2loopback.label", "v4l2loopback: {}", "v4l2loopback: {label: x}"},
	{"v4l2loopback.exclusiveCaps", "v4l2loopback: {}",
	 "v4l2loopback: {exclusiveCaps: false}"},
	{"v4l2loopback.buffers", "v4l2loopback: {}", "v4l2loopback: {buffers: 3}"},
	{"v4l2loopback.openers", "v4l2loopback: {}", "v4l2loopback: {openers: 3}"},
	{"v4l2loopback.minWidth", "v4l2loopback: {}", "v4l2loopback: {minWidth: 64}"},
	{"v4l2loopback.minHeight", "v4l2loopback: {}", "v4l2loopback: {minHeight: 64}"},
	{"v4l2loopback.maxWidth", "v4l2loopback: {}", "v4l2loopback: {maxWidth: 640}"},
	{"v4l2loopback.maxHeight", "v4l2loopback: {}", "v4l2loopback: {maxHeight: 640}"},
	{"v4l2loopback.mode", "v4l2loopback: {}", "v4l2loopback: {mode: '0600'}"},
	{"v4l2loopback.owner", "v4l2loopback: {}", "v4l2loopback: {owner: '7'}"},
	{"v4l2loopback.group", "v4l2loopback: {}", "v4l2loopback: {group: '7'}"},
	{"v4l2loopback.reset", "v4l2loopback: {}", "v4l2loopback: {reset: none}"},
	{"v4l2loopback.fallback", "v4l2loopback: {}", "v4l2loopback: {fallback: none}"},
	{"v4l2loopback.fallbackPrefix", "v4l2loopback: {}",
	 "v4l2loopback: {fallbackPrefix: /dev/x}"},
	{"v4l2loopback.timeout", "v4l2loopback: {}", "v4l2loopback: {timeout: 9s}"},
	{"share", "paths: [/d]", "paths: [/d], share: 2"},
	{"mountPath", "paths: [/d]", "paths: [/d], mountPath: /x"},
	{"permissions", "match: [{driver: a}]", "match: [{driver: a}], permissions: r"},
	{"env", "paths: [/d], env: {A: a}", "paths: [/d], env: {A: b}"},
	{"env", "paths: [/d], env: {A: a}", "paths: [/d], env: {B: a}"},
	{"annotations", "paths: [/d]", "paths: [/d], annotations: {a: b}"},
	{"mounts.hostPath", "paths: [/d], mounts: [{hostPath: /a, containerPath: /c}]",
	 "paths: [/d], mounts: [{hostPath: /b, containerPath: /c}]"},
	{"mounts.containerPath",
	 "paths: [/d], mounts: [{hostPath: /a, containerPath: /c}]",
	 "paths: [/d], mounts: [{hostPath: /a, containerPath: /d}]"},
	{"mounts.readOnly", "paths: [/d], mounts: [{hostPath: /a, containerPath: /c}]",
	 "paths: [/d], mounts: [{hostPath: /a, containerPath: /c, readOnly: true}]"},
	{"preferred", "paths: [/d]", "paths: [/d], preferred: packed"},
	{"cdi.write", "paths: [/d], cdi: {write: false}",
	 "paths: [/d], cdi: {write: true}"},
	{"health.open", "paths: [/d], health: {open: true}", "paths: [/d]"},
	{"health.attributes.equals",
	 "paths: [/d], health: {attributes: {a: {equals: x}}}",
	 "paths: [/d], health: {attributes: {a: {equals: y}}}"},
	{"health.attributes.equals",
	 "paths: [/d], health: {attributes: {a: {equals: x}}}",
	 "paths: [/d], health: {attributes: {b: {equals: x}}}"},
	{"health.attributes.notEquals",
	 "paths: [/d], health: {attributes: {a: {notEquals: x}}}",
	 "paths: [/d], health: {attributes: {a: {notEquals: [x, y]}}}"},
	{"health.attributes.min", "paths: [/d], health: {attributes: {a: {max: 3}}}",
	 "paths: [/d], health: {attributes: {a: {max: 3, min: 1}}}"},
	{"health.attributes.max", "paths: [/d], health: {attributes: {a: {max: 3}}}",
	 "paths: [/d], health: {attributes: {a: {max: 4}}}"},
	{"health.attributes.regex", "paths: [/d], health: {attributes: {a: {regex: x}}}",
	 "paths: [/d], health: {attributes: {a: {regex: y}}}"},
	{"health.interval", "paths: [/d], health: {open: true}",
	 "paths: [/d], health: {open: true, interval: 9s}"},
	{"health.timeout", "paths: [/d], health: {open: true}",
	 "paths: [/d], health: {open: true, timeout: 9s}"},
	{"health.failureThreshold", "paths: [/d], health: {open: true}",
	 "paths: [/d], health: {open: true, failureThreshold: 9}"},
	{"health.successThreshold", "paths: [/d], health: {open: true}",
	 "paths: [/d], health: {open: true, successThreshold: 9}"},
};

/* Keys that say which class it is, not how it is. */
static bool is_identity(const char *key)
{
	return strcmp(key, "resource") == 0;
}

static struct config *parse_class(const char *class)
{
	KUDEV_AUTO_FREE char *text = mem_printf(
		"classes: [{%s%s}]", strstr(class, "name:") ? "" : "name: n, ", class);

	return parse_good(text);
}

static bool are_equal(const char *one, const char *other)
{
	KUDEV_AUTO(config_free) struct config *a = parse_class(one);
	KUDEV_AUTO(config_free) struct config *b = parse_class(other);

	return config_class_equal(&a->classes[0], &b->classes[0]);
}

static void each_difference_counts(void **state)
{
	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(differences); i++) {
		if (are_equal(differences[i].before, differences[i].after))
			fail_msg("%s makes no difference", differences[i].key);
		assert_true(are_equal(differences[i].before, differences[i].before));
		assert_true(are_equal(differences[i].after, differences[i].after));
	}
}

/* Adds the keys below the field, or its own. */
static void collect(const struct field *field, const char *prefix, unsigned depth,
		    struct strings *ret)
{
	const struct field *fields = field->item ? field->item->fields : field->fields;
	KUDEV_AUTO_FREE char *name = mem_printf("%s%s%s", prefix, *prefix ? "." : "",
						field->key);

	if (is_identity(name))
		return;
	if (!fields || strcmp(field->key, "not") == 0) {
		strings_add(ret, name);
		return;
	}
	assert_true(depth < DEPTH_MAX);
	for (; fields->key; fields++)
		collect(fields, name, depth + 1, ret);
}

static void every_key_of_a_class_is_compared(void **state)
{
	KUDEV_AUTO_STRINGS struct strings keys = {0};
	KUDEV_AUTO_STRINGS struct strings tested = {0};
	const struct field *classes = field_find(native_fields, "classes");

	(void)state;
	for (const struct field *field = classes->item->fields; field->key; field++)
		collect(field, "", 0, &keys);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(differences); i++)
		strings_add_unique(&tested, differences[i].key);
	for (size_t i = 0; i < keys.count; i++) {
		if (!strings_contain(&tested, keys.items[i]))
			fail_msg("no two classes here differ in %s", keys.items[i]);
	}
	assert_int_equal(keys.count, tested.count);
}

static void classes_are_told_apart_by_their_resources(void **state)
{
	KUDEV_AUTO(config_free)
	struct config *old = parse_good(
		"classes: [{name: a, paths: [/a]}, {name: b, paths: [/b]},\n"
		"{name: c, paths: [/c]}]");
	KUDEV_AUTO(config_free)
	struct config *next = parse_good(
		"classes: [{name: d, paths: [/d]}, {name: c, paths: [/x]},\n"
		"{name: a, paths: [/a]}]");
	KUDEV_AUTO_CONFIG_CHANGE struct config_change change = {0};

	(void)state;
	config_compare(old, next, &change);
	assert_int_equal(change.steps[0].change, CLASS_NEW);
	assert_int_equal(change.steps[1].change, CLASS_CHANGED);
	assert_int_equal(change.steps[1].from, 2);
	assert_int_equal(change.steps[2].change, CLASS_SAME);
	assert_int_equal(change.steps[2].from, 0);
}

static void note_removed(void *item, void *data)
{
	strings_add(data, item);
}

static void what_belongs_to_classes_is_ordered_like_them(void **state)
{
	KUDEV_AUTO(config_free)
	struct config *old = parse_good(
		"classes: [{name: a, paths: [/a]}, {name: b, paths: [/b]},\n"
		"{name: c, paths: [/c]}]");
	KUDEV_AUTO(config_free)
	struct config *next =
		parse_good("classes: [{name: c, paths: [/c]}, {name: d, paths: [/d]}]");
	KUDEV_AUTO_CONFIG_CHANGE struct config_change change = {0};
	KUDEV_AUTO_STRINGS struct strings removed = {0};
	KUDEV_AUTO_FREE char **items = mem_zero(3 * sizeof(*items));

	(void)state;
	items[0] = (char *)"of a";
	items[2] = (char *)"of c";
	config_compare(old, next, &change);
	items = config_change_apply(&change, items, note_removed, &removed);
	assert_string_equal(items[0], "of c");
	assert_null(items[1]);
	/* b had nothing. */
	assert_int_equal(removed.count, 1);
	assert_string_equal(removed.items[0], "of a");
}

static void settings_of_the_start_stay(void **state)
{
	static const char *const classes = "classes: [{name: a, paths: [/a]}]";
	KUDEV_AUTO_FREE char *text =
		mem_printf("pluginDirectory: /x\ncdiDirectory: /y\nevents: inotify\n"
			   "podResources: none\n"
			   "logLevel: debug\n%s",
			   classes);
	KUDEV_AUTO(config_free) struct config *old = parse_good(classes);
	KUDEV_AUTO(config_free) struct config *next = parse_good(text);
	KUDEV_AUTO_STRINGS struct strings keys = {0};
	KUDEV_AUTO_FREE char *joined = NULL;
	KUDEV_AUTO_FREE char *directory = mem_string(old->plugin_directory);

	(void)state;
	config_keep_start(old, next, &keys);
	joined = strings_join(&keys, " ");
	assert_string_equal(joined, "pluginDirectory podResources cdiDirectory events");
	assert_string_equal(next->plugin_directory, directory);
	/* It is what kudev runs with until the change is over. */
	assert_string_equal(old->plugin_directory, directory);
	assert_int_equal(next->events, CONFIG_EVENTS_AUTO);
	assert_int_equal(next->log_level, LOG_LEVEL_DEBUG);
}

static void a_class_that_is_held_outlives_its_owner(void **state)
{
	struct config *config = parse_good("classes: [{name: a, paths: [/a]}]");
	const struct config_class *first = config_class_hold(&config->classes[0]);
	const struct config_class *second = config_class_hold(&config->classes[0]);

	(void)state;
	assert_null(config_free(config));
	assert_string_equal(first->name, "a");
	config_class_drop(first);
	assert_string_equal(second->name, "a");
	config_class_drop(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_difference_counts),
		cmocka_unit_test(every_key_of_a_class_is_compared),
		cmocka_unit_test(classes_are_told_apart_by_their_resources),
		cmocka_unit_test(what_belongs_to_classes_is_ordered_like_them),
		cmocka_unit_test(settings_of_the_start_stay),
		cmocka_unit_test(a_class_that_is_held_outlives_its_owner),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
