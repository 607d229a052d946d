/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "config/cameras.h"
#include "config/health.h"
#include "config/names.h"
#include "config/native.h"
#include "config/value.h"
#include "config/videoplugin.h"

#define KUBELET_SOCKET_NAME "kubelet.sock"
#define CLASS_NAME "video-devices"
#define DEVICES_MAX 8
#define PERMISSIONS_MIN 0600
#define PERMISSIONS_MAX 0777
#define PORT_MAX 65535
#define INTERVAL_MAX_S (24 * 3600)
#define TIMEOUT_MAX_S 600
#define SOCKET_PATH_MAX 107 /* sun_path of unix(7) without its NUL */

/* What the variables say, in their own terms. */
struct values {
	char *node_name;
	unsigned devices;
	char *kubelet_socket;
	char *socket_path;
	char *resource;
	enum log_level log_level;
	bool debug;
	unsigned buffers;
	unsigned exclusive_caps; /* 0 or 1 */
	char *label;
	unsigned permissions;
	bool fallback;
	char *fallback_prefix;
	unsigned creation_s;
	unsigned interval_s;
	bool metrics;
	unsigned port;
};

/* One run over the variables. */
struct reading {
	videoplugin_lookup lookup;
	struct values values;
	struct config *config;
	struct diagnostics *diagnostics;
};

/* As strconv.ParseBool of Go reads it. */
static int parse_go_boolean(const struct field *field, const char *text, void *target,
			    struct error *err)
{
	static const char *const words[] = {"0", "f", "F", "false", "False", "FALSE",
					    "1", "t", "T", "true",  "True",  "TRUE"};
	KUDEV_AUTO_FREE char *quoted = NULL;

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(words); i++) {
		if (strcmp(text, words[i]) != 0)
			continue;
		*(bool *)field_slot(field, target) = i >= KUDEV_ARRAY_SIZE(words) / 2;
		return 0;
	}
	quoted = text_quote(text);
	return error_set(err, EINVAL, "expected %s, got %s", field->type->wants, quoted);
}

/* The number as strconv.ParseUint of Go reads it with base 0; ULONG_MAX if it can't. */
static unsigned long read_go_number(const char *text)
{
	static const struct {
		const char *prefix, *digits;
		int base;
	} bases[] = {
		{"0x", "0123456789abcdefABCDEF", 16},
		{"0o", "01234567", 8},
		{"0b", "01", 2},
		{"0", "01234567", 8},
		{"", "0123456789", 10},
	};

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(bases); i++) {
		size_t length = strlen(bases[i].prefix);
		const char *digits = text + length;

		if (strncasecmp(text, bases[i].prefix, length) != 0)
			continue;
		if (digits[0] == '\0' || digits[strspn(digits, bases[i].digits)] != '\0')
			break;
		return strtoul(digits, NULL, bases[i].base);
	}
	return (unsigned long)-1;
}

static int parse_permissions(const struct field *field, const char *text, void *target,
			     struct error *err)
{
	unsigned long value = read_go_number(text);
	KUDEV_AUTO_FREE char *quoted = NULL;

	if (value >= field->min && value <= field->max) {
		*(unsigned *)field_slot(field, target) = (unsigned)value;
		return 0;
	}
	quoted = text_quote(text);
	return error_set(err, EINVAL, "must be 0%o to 0%o, with the zero, not %s",
			 field->min, field->max, quoted);
}

static const struct field_type type_go_boolean = {
	.wants = "true or false",
	.schema = "boolean",
	.parse = parse_go_boolean,
};

static const struct field_type type_permissions = {
	.wants = "permission bits in octal",
	.schema = "string",
	.parse = parse_permissions,
};

/* The variables. One without a type means nothing to kudev. */
static const struct variable {
	struct field field; /* its help is why it has no effect, if it has none */
	const char *hint;   /* behind an error */
	bool is_telling;    /* nobody but this plugin is likely to have it */
} variables[] = {
	{
		.field = {.key = "NODE_NAME",
			  .type = &field_string,
			  .offset = offsetof(struct values, node_name)},
	},
	{
		.field = {.key = "MAX_DEVICES",
			  .type = &field_unsigned,
			  .min = 1,
			  .max = DEVICES_MAX,
			  .fallback = "8",
			  .offset = offsetof(struct values, devices)},
		.hint = "a kudev.yaml can ask for more than the documented 8",
		.is_telling = true,
	},
	{
		.field = {.key = "KUBELET_SOCKET",
			  .type = &value_path,
			  .fallback = CONFIG_PLUGIN_DIRECTORY "/" KUBELET_SOCKET_NAME,
			  .offset = offsetof(struct values, kubelet_socket)},
	},
	{
		.field = {.key = "SOCKET_PATH",
			  .type = &value_path,
			  .fallback = CONFIG_PLUGIN_DIRECTORY "/video-device-plugin.sock",
			  .offset = offsetof(struct values, socket_path)},
	},
	{
		.field = {.key = "RESOURCE_NAME",
			  .type = &field_string,
			  .check = resource_name_check,
			  .fallback = "meeting-baas.io/video-devices",
			  .offset = offsetof(struct values, resource)},
	},
	{
		.field = {.key = "LOG_LEVEL",
			  .type = &value_log_level,
			  .choices = value_log_levels,
			  .fallback = "info",
			  .offset = offsetof(struct values, log_level)},
	},
	{
		.field = {.key = "DEBUG",
			  .type = &type_go_boolean,
			  .fallback = "false",
			  .offset = offsetof(struct values, debug)},
	},
	{
		.field = {.key = "V4L2_MAX_BUFFERS",
			  .type = &field_unsigned,
			  .min = 1,
			  .max = CONFIG_BUFFERS_MAX,
			  .fallback = "2",
			  .offset = offsetof(struct values, buffers)},
		.is_telling = true,
	},
	{
		.field = {.key = "V4L2_EXCLUSIVE_CAPS",
			  .type = &field_unsigned,
			  .min = 0,
			  .max = 1,
			  .fallback = "1",
			  .offset = offsetof(struct values, exclusive_caps)},
		.is_telling = true,
	},
	{
		/* The documented default; the program's own is "Default WebCam". */
		.field = {.key = "V4L2_CARD_LABEL",
			  .type = &field_string,
			  .check = camera_label_check,
			  .fallback = "MeetingBot_WebCam",
			  .offset = offsetof(struct values, label)},
		.is_telling = true,
	},
	{
		.field = {.key = "V4L2_DEVICE_PERM",
			  .type = &type_permissions,
			  .min = PERMISSIONS_MIN,
			  .max = PERMISSIONS_MAX,
			  .fallback = "0666",
			  .offset = offsetof(struct values, permissions)},
		.is_telling = true,
	},
	{
		.field = {.key = "ENABLE_FALLBACK_MODE",
			  .type = &type_go_boolean,
			  .fallback = "true",
			  .offset = offsetof(struct values, fallback)},
		.is_telling = true,
	},
	{
		.field = {.key = "FALLBACK_DEVICE_PREFIX",
			  .type = &camera_prefix,
			  .fallback = CONFIG_FALLBACK_PREFIX,
			  .offset = offsetof(struct values, fallback_prefix)},
		.is_telling = true,
	},
	{
		.field = {.key = "DEVICE_CREATION_TIMEOUT",
			  .type = &field_unsigned,
			  .min = 1,
			  .max = TIMEOUT_MAX_S,
			  .fallback = "60",
			  .offset = offsetof(struct values, creation_s)},
		.hint = "in seconds",
		.is_telling = true,
	},
	{
		.field = {.key = "HEALTH_CHECK_INTERVAL",
			  .type = &field_unsigned,
			  .min = 1,
			  .max = INTERVAL_MAX_S,
			  .fallback = "30",
			  .offset = offsetof(struct values, interval_s)},
		.hint = "in seconds",
	},
	{
		.field = {.key = "ENABLE_METRICS",
			  .type = &type_go_boolean,
			  .fallback = "false",
			  .offset = offsetof(struct values, metrics)},
	},
	{
		.field = {.key = "METRICS_PORT",
			  .type = &field_unsigned,
			  .min = 1,
			  .max = PORT_MAX,
			  .fallback = "8080",
			  .offset = offsetof(struct values, port)},
	},
	{
		.field = {.key = "ALLOCATION_TIMEOUT",
			  .help = "kudev answers Allocate at once"},
	},
	{
		.field = {.key = "SHUTDOWN_TIMEOUT",
			  .help = "kudev stops within a second"},
	},
	{
		.field = {.key = "CLEANUP_TIMEOUT",
			  .help = "kudev unloads no module when it ends"},
	},
	{
		.field = {.key = "KUBERNETES_NAMESPACE",
			  .help = "kudev does not ask the API server for anything"},
	},
	{
		.field = {.key = "SERVICE_ACCOUNT_NAME",
			  .help = "kudev does not ask the API server for anything"},
	},
	{
		.field = {.key = "DOCKER_REGISTRY",
			  .help = "it is for building video-device-plugin"},
	},
	{
		.field = {.key = "DOCKER_USERNAME",
			  .help = "it is for building video-device-plugin"},
	},
	{
		.field = {.key = "DOCKER_PASSWORD",
			  .help = "it is for building video-device-plugin"},
	},
	{
		.field = {.key = "KERNEL_VERSION",
			  .help = "it is for building video-device-plugin"},
	},
};

/* The text of a variable, or NULL if it is unset or empty. */
static const char *find_text(videoplugin_lookup lookup, const char *name)
{
	const char *text = lookup(name);

	return text && text[0] != '\0' ? text : NULL;
}

bool videoplugin_is_meant(videoplugin_lookup lookup)
{
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(variables); i++)
		if (variables[i].is_telling && find_text(lookup, variables[i].field.key))
			return true;
	return false;
}

bool videoplugin_is_hinted(videoplugin_lookup lookup)
{
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(variables); i++)
		if (find_text(lookup, variables[i].field.key))
			return true;
	return false;
}

static void refuse(const struct reading *reading, const char *name, const char *message)
{
	diagnostics_add(reading->diagnostics, DIAGNOSTIC_ERROR, name, 0, 0, "%s",
			message);
}

static void read_variable(struct reading *reading, const struct variable *variable)
{
	const struct field *field = &variable->field;
	const char *text = find_text(reading->lookup, field->key);
	KUDEV_AUTO_ERROR struct error err = {0};
	KUDEV_AUTO_FREE char *message = NULL;

	if (!field->type) {
		if (text)
			diagnostics_add(reading->diagnostics, DIAGNOSTIC_WARNING,
					field->key, 0, 0, "has no effect: %s",
					field->help);
		return;
	}
	if (field->fallback)
		(void)field->type->parse(field, field->fallback, &reading->values, NULL);
	if (!text || field->type->parse(field, text, &reading->values, &err) == 0)
		return;
	message = mem_printf("%s%s%s", error_message(&err), variable->hint ? "; " : "",
			     variable->hint ? variable->hint : "");
	refuse(reading, field->key, message);
}

static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == path ? mem_string("/")
			     : mem_string_n(path, (size_t)(slash - path));
}

static const char *name_of(const char *path)
{
	return strrchr(path, '/') + 1;
}

/* Parses text as the value of one of kudev's own keys. */
static void set_key(const struct reading *reading, const char *key, const char *text,
		    const char *variable)
{
	const struct field *field = field_find(native_fields, key);
	KUDEV_AUTO_ERROR struct error err = {0};

	if (field->type->parse(field, text, reading->config, &err) < 0)
		refuse(reading, variable, error_message(&err));
}

/*
 * The name in SOCKET_PATH is not used: kubelets up to 1.36 confuse two registrations with one
 * name, and later ones call it unsupported. Its directory has to be the kubelet's.
 */
static void check_sockets(const struct reading *reading)
{
	const struct values *values = &reading->values;
	KUDEV_AUTO_FREE char *directory = directory_of(values->kubelet_socket);
	KUDEV_AUTO_FREE char *own = directory_of(values->socket_path);
	KUDEV_AUTO_FREE char *message = NULL;

	if (strcmp(name_of(values->kubelet_socket), KUBELET_SOCKET_NAME) != 0)
		refuse(reading, "KUBELET_SOCKET",
		       "must end in /" KUBELET_SOCKET_NAME
		       ", which is what every kubelet calls its socket");
	if (strcmp(own, directory) != 0)
		message = mem_printf("must be in %s, where KUBELET_SOCKET is: the "
				     "kubelet is told the name alone, and looks there",
				     directory);
	else if (strcmp(name_of(values->socket_path), KUBELET_SOCKET_NAME) == 0)
		message = mem_string("is the kubelet's own socket");
	else if (strlen(values->socket_path) > SOCKET_PATH_MAX)
		message = mem_printf("has %zu bytes, %d at most fit unix(7)'s address",
				     strlen(values->socket_path), SOCKET_PATH_MAX);
	if (message)
		refuse(reading, "SOCKET_PATH", message);
	set_key(reading, "pluginDirectory", directory, "KUBELET_SOCKET");
}

static void set_log_level(const struct reading *reading)
{
	reading->config->log_level = reading->values.log_level;
	if (reading->values.debug && !find_text(reading->lookup, "LOG_LEVEL"))
		reading->config->log_level = LOG_LEVEL_DEBUG;
}

static void set_listen(const struct reading *reading)
{
	KUDEV_AUTO_FREE char *listen = reading->values.metrics
					       ? mem_printf(":%u", reading->values.port)
					       : mem_string("none");

	set_key(reading, "listen", listen, "METRICS_PORT");
}

/* The label is no template there. */
static struct template *literal_new(const char *text)
{
	char *escaped = mem_alloc(2 * strlen(text) + 1), *end = escaped;
	struct template *template = NULL;

	for (; *text; text++) {
		if (*text == '{' || *text == '}')
			*end++ = *text;
		*end++ = *text;
	}
	*end = '\0';
	(void)template_new(escaped, config_variables, CONFIG_VARIABLES_MOUNT_PATH,
			   &template, NULL);
	free(escaped);
	return template;
}

static void fill_cameras(struct config_v4l2loopback *cameras, struct values *values)
{
	fields_default(cameras_fields, cameras);
	cameras->count = values->devices;
	template_free(cameras->label);
	cameras->label = literal_new(values->label);
	cameras->exclusive_caps = values->exclusive_caps == 1;
	cameras->buffers = values->buffers;
	cameras->mode = values->permissions;
	cameras->fallback = values->fallback ? CONFIG_FALLBACK_DUMMY
					     : CONFIG_FALLBACK_NONE;
	free(cameras->fallback_prefix);
	cameras->fallback_prefix = take_ptr(values->fallback_prefix);
	cameras->timeout_ms = values->creation_s * 1000;
}

static void add_class(const struct reading *reading, struct values *values)
{
	const struct field *list = field_find(native_fields, "classes");
	struct config_class *class = field_extend(list, reading->config, 1);

	fields_default(list->item->fields, class);
	class->name = mem_string(CLASS_NAME);
	class->file = mem_string("environment");
	class->resource = take_ptr(values->resource);
	class->source = CONFIG_SOURCE_V4L2LOOPBACK;
	fill_cameras(&class->v4l2loopback, values);

	fields_default(health_fields, &class->health);
	class->health.open = true;
	class->health.interval_ms = values->interval_s * 1000;

	class->env = mem_zero(sizeof(*class->env));
	class->env_count = 1;
	class->env->key = mem_string("VIDEO_DEVICE");
	(void)template_new("{path}", config_variables, CONFIG_VARIABLES_ALL,
			   &class->env->value, NULL);
}

static void note_use(const struct reading *reading, const char *file)
{
	const char *names[KUDEV_ARRAY_SIZE(variables) + 1] = {NULL};
	KUDEV_AUTO_FREE char *list = NULL;
	size_t count = 0;

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(variables); i++)
		if (variables[i].field.type &&
		    find_text(reading->lookup, variables[i].field.key))
			names[count++] = variables[i].field.key;
	list = text_join(names, "and");
	diagnostics_add(reading->diagnostics, DIAGNOSTIC_NOTE, file, 0, 0,
			"does not exist; the variables of video-device-plugin stand for "
			"it: %s",
			list);
}

static void values_clear(struct values *values)
{
	free(values->node_name);
	free(values->kubelet_socket);
	free(values->socket_path);
	free(values->resource);
	free(values->label);
	free(values->fallback_prefix);
}

void videoplugin_read(videoplugin_lookup lookup, const char *file, struct config *config,
		      struct diagnostics *diagnostics)
{
	struct reading reading = {
		.lookup = lookup,
		.config = config,
		.diagnostics = diagnostics,
	};

	note_use(&reading, file);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(variables); i++)
		read_variable(&reading, &variables[i]);
	if (!reading.values.node_name)
		refuse(&reading, "NODE_NAME",
		       "is not set, but video-device-plugin requires it; take it from "
		       "the pod's spec.nodeName");
	check_sockets(&reading);
	set_log_level(&reading);
	set_listen(&reading);
	add_class(&reading, &reading.values);
	values_clear(&reading.values);
}
