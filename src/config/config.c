/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "config/config.h"

const char *const config_variables[CONFIG_VARIABLE_MAX + 1] = {
	[CONFIG_VARIABLE_ID] = "id",	   [CONFIG_VARIABLE_PATH] = "path",
	[CONFIG_VARIABLE_INDEX] = "index", [CONFIG_VARIABLE_COUNT] = "count",
	[CONFIG_VARIABLE_CLASS] = "class", [CONFIG_VARIABLE_RESOURCE] = "resource",
	[CONFIG_VARIABLE_NODE] = "node",   [CONFIG_VARIABLE_IDS] = "ids",
	[CONFIG_VARIABLE_PATHS] = "paths", [CONFIG_VARIABLE_TIME] = "time",
	[CONFIG_VARIABLE_MAX] = NULL,
};

const char *const config_preferred_names[] = {
	[CONFIG_PREFERRED_NONE] = "none",
	[CONFIG_PREFERRED_NUMA] = "numa",
	[CONFIG_PREFERRED_PACKED] = "packed",
	[CONFIG_PREFERRED_SPREAD] = "spread",
	NULL,
};

const char *const config_identity_names[] = {
	[CONFIG_IDENTITY_AUTO] = "auto",
	[CONFIG_IDENTITY_SERIAL] = "serial",
	[CONFIG_IDENTITY_PORT] = "port",
	[CONFIG_IDENTITY_PATH] = "path",
	NULL,
};

const char *const config_together_names[] = {
	[CONFIG_TOGETHER_NONE] = "none",
	[CONFIG_TOGETHER_PARENT] = "parent",
	NULL,
};

const char *const config_events_names[] = {
	[CONFIG_EVENTS_AUTO] = "auto",
	[CONFIG_EVENTS_UDEV] = "udev",
	[CONFIG_EVENTS_KERNEL] = "kernel",
	[CONFIG_EVENTS_INOTIFY] = "inotify",
	NULL,
};

const char *const config_reset_names[] = {
	[CONFIG_RESET_SOFT] = "soft",
	[CONFIG_RESET_RECREATE] = "recreate",
	[CONFIG_RESET_NONE] = "none",
	NULL,
};

const char *const config_fallback_names[] = {
	[CONFIG_FALLBACK_DUMMY] = "dummy",
	[CONFIG_FALLBACK_NONE] = "none",
	NULL,
};

bool config_health_is_wanted(const struct config_health *health)
{
	return health->open || health->check_count > 0;
}

static void clear_group(struct config_group *group)
{
	for (size_t i = 0; i < group->path_count; i++) {
		free(group->paths[i].pattern);
		free(group->paths[i].permissions);
		template_free(group->paths[i].mount_path);
	}
	for (size_t i = 0; i < group->usb_count; i++)
		free(group->usb[i].serial);
	free(group->paths);
	free(group->usb);
}

static void free_pairs(struct config_pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(pairs[i].key);
		template_free(pairs[i].value);
	}
	free(pairs);
}

static void free_mounts(struct config_mount *mounts, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(mounts[i].host_path);
		free(mounts[i].container_path);
	}
	free(mounts);
}

static void free_conditions(struct config_condition *conditions, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(conditions[i].key);
		strings_clear(&conditions[i].globs);
	}
	free(conditions);
}

static void free_matches(struct config_match *matches, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct config_match *match = &matches[i];

		strings_clear(&match->subsystem);
		strings_clear(&match->kernel);
		strings_clear(&match->driver);
		strings_clear(&match->tags);
		free_conditions(match->properties, match->property_count);
		free_conditions(match->attributes, match->attribute_count);
		strings_clear(&match->usb_vendor);
		strings_clear(&match->usb_product);
		strings_clear(&match->usb_serial);
		free_matches(match->not, match->not_count);
	}
	free(matches);
}

struct config_regex *config_regex_free(struct config_regex *regex)
{
	if (!regex)
		return NULL;
	regfree(&regex->compiled);
	free(regex->text);
	free(regex);
	return NULL;
}

static void free_checks(struct config_check *checks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(checks[i].attribute);
		strings_clear(&checks[i].equals);
		strings_clear(&checks[i].not_equals);
		config_regex_free(checks[i].regex);
	}
	free(checks);
}

static void clear_class(struct config_class *class)
{
	for (size_t i = 0; i < class->group_count; i++)
		clear_group(&class->groups[i]);
	free(class->groups);
	free(class->simulate.directory);
	template_free(class->v4l2loopback.label);
	strings_clear(&class->v4l2loopback.labels);
	free(class->v4l2loopback.owner);
	free(class->v4l2loopback.group);
	free(class->v4l2loopback.fallback_prefix);
	free_matches(class->matches, class->match_count);
	free_checks(class->health.checks, class->health.check_count);
	template_free(class->mount_path);
	free(class->permissions);
	free_pairs(class->env, class->env_count);
	free_pairs(class->annotations, class->annotation_count);
	free_mounts(class->mounts, class->mount_count);
	free(class->name);
	free(class->resource);
	free(class->file);
}

void config_drop_classes(struct config *config)
{
	for (size_t i = 0; i < config->class_count; i++)
		clear_class(&config->classes[i]);
	free(config->classes);
	config->classes = NULL;
	config->class_count = 0;
}

struct config *config_free(struct config *config)
{
	if (!config || config->holds-- > 0)
		return NULL;
	config_drop_classes(config);
	free(config->domain);
	free(config->plugin_directory);
	free(config->pod_resources);
	free(config->cdi_directory);
	free(config->listen);
	free(config->root);
	free(config->node_name);
	free(config->file);
	free(config->text);
	free(config);
	return NULL;
}

const struct config_class *config_class_hold(const struct config_class *class)
{
	if (class->config)
		class->config->holds++;
	return class;
}

void config_class_drop(const struct config_class *class)
{
	config_free(class->config);
}
