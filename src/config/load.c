/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "config/cameras.h"
#include "config/class.h"
#include "config/load.h"
#include "config/native.h"
#include "config/squat.h"
#include "config/value.h"
#include "config/videoplugin.h"

static const struct field root_fields[] = {
	{
		.key = "root",
		.help = "Where devices and sysfs are looked up instead of /.",
		.type = &value_root,
		.fallback = "",
		.offset = offsetof(struct config, root),
	},
	{0},
};

/* What can be said by a flag and a variable as well. */
static const struct setting {
	const char *flag;
	const char *variable;
	size_t offset;		    /* in struct settings */
	const struct field *fields; /* NULL: not a part of the configuration itself */
	const char *key;
	bool may_be_empty;
} settings_table[] = {
	{"--config", "KUDEV_CONFIG", offsetof(struct settings, config), NULL, NULL,
	 false},
	{"--domain", "KUDEV_DOMAIN", offsetof(struct settings, domain), native_fields,
	 "domain", false},
	{"--plugin-directory", "KUDEV_PLUGIN_DIRECTORY",
	 offsetof(struct settings, plugin_directory), native_fields, "pluginDirectory",
	 false},
	{"--pod-resources", "KUDEV_POD_RESOURCES",
	 offsetof(struct settings, pod_resources), native_fields, "podResources", false},
	{"--cdi-directory", "KUDEV_CDI_DIRECTORY",
	 offsetof(struct settings, cdi_directory), native_fields, "cdiDirectory", false},
	{"--listen", "KUDEV_LISTEN", offsetof(struct settings, listen), native_fields,
	 "listen", true},
	{"--holder-metrics", "KUDEV_HOLDER_METRICS",
	 offsetof(struct settings, holder_metrics), native_fields, "holderMetrics",
	 false},
	{"--events", "KUDEV_EVENTS", offsetof(struct settings, events), native_fields,
	 "events", false},
	{"--log-level", "KUDEV_LOG_LEVEL", offsetof(struct settings, log_level),
	 native_fields, "logLevel", false},
	{"--log-format", "KUDEV_LOG_FORMAT", offsetof(struct settings, log_format),
	 native_fields, "logFormat", false},
	{"--root", "KUDEV_ROOT", offsetof(struct settings, root), root_fields, "root",
	 false},
};

/* One loading, from the first byte to the checked configuration. */
struct load {
	const struct settings *flags;
	const struct settings *environment;
	struct diagnostics *diagnostics;
	struct config *config; /* owned; load_end() takes it */
	bool lenient;
	bool devices_given; /* by flag or variable, instead of the file's classes */
};

static void refuse(struct diagnostics *diagnostics, const char *file, const char *message)
{
	diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, file, 0, 0, "%s", message);
}

static const char **setting_slot(const struct setting *setting, struct settings *settings)
{
	return (const char **)(void *)((char *)settings + setting->offset);
}

static const char *setting_value(const struct setting *setting,
				 const struct settings *settings)
{
	return *(const char *const *)(const void *)((const char *)settings +
						    setting->offset);
}

/* The value of a variable, or NULL if it is unset, or empty where that says nothing. */
static const char *read_variable(char *(*lookup)(const char *name), const char *name,
				 bool may_be_empty, struct diagnostics *diagnostics)
{
	const char *value = lookup(name);

	if (value && value[0] == '\0' && !may_be_empty) {
		refuse(diagnostics, name, "is empty; unset it or give it a value");
		return NULL;
	}
	return value;
}

static bool read_lenient(const char *value, struct diagnostics *diagnostics)
{
	static const struct field field = {.key = "lenient", .type = &field_boolean};
	KUDEV_AUTO_ERROR struct error err = {0};
	bool lenient = false;

	if (value && field.type->parse(&field, value, &lenient, &err) < 0)
		refuse(diagnostics, "KUDEV_LENIENT", error_message(&err));
	return lenient;
}

void settings_from_environment(char *(*lookup)(const char *name),
			       const char **device_slot, struct settings *ret,
			       struct diagnostics *diagnostics)
{
	struct settings settings = {.lookup = lookup};

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(settings_table); i++) {
		const struct setting *setting = &settings_table[i];

		*setting_slot(setting, &settings) = read_variable(
			lookup, setting->variable, setting->may_be_empty, diagnostics);
	}
	*device_slot = read_variable(lookup, "KUDEV_DEVICE", false, diagnostics);
	if (*device_slot) {
		settings.devices = device_slot;
		settings.device_count = 1;
	}
	settings.lenient = read_lenient(
		read_variable(lookup, "KUDEV_LENIENT", false, diagnostics), diagnostics);
	*ret = settings;
}

#define VARIABLES_MAX (KUDEV_ARRAY_SIZE(settings_table) + 3)

static void list_variables(const char *names[static VARIABLES_MAX])
{
	size_t count = 0;

	for (; count < KUDEV_ARRAY_SIZE(settings_table); count++)
		names[count] = settings_table[count].variable;
	names[count++] = "KUDEV_DEVICE";
	names[count++] = "KUDEV_LENIENT";
	names[count] = NULL;
}

static bool is_listed(const char *name, const char *const *names)
{
	for (; *names; names++) {
		if (strcmp(name, *names) == 0)
			return true;
	}
	return false;
}

void settings_check_names(char *const *environment, struct diagnostics *diagnostics)
{
	const char *names[VARIABLES_MAX];

	list_variables(names);
	for (; *environment; environment++) {
		KUDEV_AUTO_FREE char *name = mem_string_n(*environment,
							  strcspn(*environment, "="));
		const char *meant;

		if (strncmp(name, "KUDEV_", 6) != 0 ||
		    strncmp(name, "KUDEV_PORT", 10) == 0 || is_listed(name, names))
			continue;
		meant = text_nearest(name, names);
		if (meant)
			diagnostics_add(diagnostics, DIAGNOSTIC_WARNING, name, 0, 0,
					"is no setting of kudev; did you mean \"%s\"?",
					meant);
	}
}

static void apply_layer(struct load *load, const struct settings *layer, bool is_flags)
{
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(settings_table); i++) {
		const struct setting *setting = &settings_table[i];
		const char *value = setting_value(setting, layer);
		KUDEV_AUTO_ERROR struct error err = {0};
		const struct field *field;

		if (!value || !setting->fields)
			continue;
		field = field_find(setting->fields, setting->key);
		if (field->type->parse(field, value, load->config, &err) < 0)
			refuse(load->diagnostics,
			       is_flags ? setting->flag : setting->variable,
			       error_message(&err));
	}
}

/* Whether the mapping has one of the keys, in any case of letters. */
static bool has_any(struct document *document, const yaml_node_t *root,
		    const char *const *keys)
{
	bool found = false;

	document->fold_keys = true;
	for (; *keys && !found; keys++)
		found = document_key(document, root, *keys) != NULL;
	document->fold_keys = false;
	return found;
}

static void apply_defaults(struct load *load, const struct field *fields)
{
	fields_default(root_fields, load->config);
	fields_default(fields, load->config);
	if (load->devices_given)
		field_store(field_find(squat_fields, "domain"), load->config,
			    mem_string(CONFIG_SQUAT_DOMAIN));
}

static void read_native(struct load *load, struct document *document,
			const yaml_node_t *root)
{
	fields_read(document, root, native_fields, load->config);
	if (!load->devices_given && !document_key(document, root, "classes"))
		document_error(document, root,
			       "no classes: the key \"classes\" is missing");
}

static void read_squat(struct load *load, struct document *document,
		       const yaml_node_t *root)
{
	const yaml_node_t *device, *devices;

	squat_adopt(document, load->lenient);
	apply_defaults(load, squat_fields);
	fields_read(document, root, squat_fields, load->config);

	device = document_key(document, root, "device");
	devices = document_key(document, root, "devices");
	if (device && devices)
		document_error(
			document, devices,
			"both \"device\" (at %u:%u) and \"devices\" are given; keep one",
			node_line(device), node_column(device));
	else if (!load->devices_given &&
		 node_is_nothing(
			 document_value(document, root, device ? "device" : "devices")))
		document_error(document, root, "at least one device must be specified");
}

static void read_root(struct load *load, struct document *document,
		      const yaml_node_t *root)
{
	static const char *const lists[] = {"device", "devices", NULL};
	static const char *const others[] = {"log-level", "plugin-directory", NULL};
	const yaml_node_t *classes;
	bool has_devices;

	if (root->type != YAML_MAPPING_NODE) {
		KUDEV_AUTO_FREE char *got = node_describe(root);

		document_error(document, root, "expected a mapping with classes, got %s",
			       got);
		return;
	}
	classes = document_key(document, root, "classes");
	has_devices = has_any(document, root, lists);
	if (classes && has_devices)
		document_error(
			document, classes,
			"both kudev's classes and generic-device-plugin's devices are "
			"given; keep one");
	else if (has_devices || (!classes && has_any(document, root, others)))
		read_squat(load, document, root);
	else
		read_native(load, document, root);
}

static void read_text(struct load *load, const char *text, size_t size, const char *file)
{
	KUDEV_AUTO_DOCUMENT struct document document = {0};
	yaml_node_t *root;

	if (document_load(&document, text, size, file, load->diagnostics) < 0)
		return;
	root = document_root(&document);
	if (root)
		read_root(load, &document, root);
	else if (!load->devices_given)
		refuse(load->diagnostics, file, "is empty: it declares no classes");
}

/* What to do about a file that cannot be read. */
static const char *explain(const struct error *err)
{
	switch (err->code) {
	case ENOENT:
		return "does not exist; check the path given as the configuration";
	case EISDIR:
		return "is a directory; name the file in it";
	case EACCES:
		return "cannot be read: permission denied; check the modes of the file and of "
		       "the directories above it";
	case EFBIG:
		return "is larger than 1 MiB";
	default:
		return error_message(err);
	}
}

static int read_file(struct load *load, const char *file, struct error *err)
{
	KUDEV_AUTO_FREE char *text = NULL;
	size_t size = 0;
	int r;

	load->config->stamp = file_stamp(file);
	r = file_read(file, DOCUMENT_SIZE_MAX, &text, &size, err);
	if (r < 0)
		return r;
	load->config->file = mem_string(file);
	read_text(load, text, size, file);
	load->config->text = mem_string(text); /* in as much as it takes */
	return 0;
}

static void read_given_file(struct load *load, const char *file)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	if (read_file(load, file, &err) < 0)
		refuse(load->diagnostics, file, explain(&err));
}

static void read_environment(struct load *load)
{
	videoplugin_lookup lookup = load->environment->lookup;

	if (lookup && videoplugin_is_meant(lookup)) {
		videoplugin_read(lookup, CONFIG_FILE, load->config, load->diagnostics);
		return;
	}
	diagnostics_add(
		load->diagnostics, DIAGNOSTIC_ERROR, CONFIG_FILE, 0, 0,
		"does not exist, and nothing else says which devices to hand out; "
		"write it, name another file with --config, or give a --device%s",
		lookup && videoplugin_is_hinted(lookup)
			? "; for the cameras of video-device-plugin set MAX_DEVICES"
			: "");
}

static void read_default_file(struct load *load)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	int r = read_file(load, CONFIG_FILE, &err);

	if (r == -ENOENT)
		read_environment(load);
	else if (r < 0)
		refuse(load->diagnostics, CONFIG_FILE, explain(&err));
}

static void choose_file(struct load *load)
{
	const char *file = load->flags->config;

	if (!file)
		file = load->environment->config;
	if (file && file[0] == '\0')
		refuse(load->diagnostics, "--config",
		       "is empty; give the path of a file");
	else if (file)
		read_given_file(load, file);
	else if (!load->devices_given)
		read_default_file(load);

	if (!load->devices_given || load->config->class_count == 0)
		return;
	diagnostics_add(load->diagnostics, DIAGNOSTIC_WARNING, file, 0, 0,
			"its classes are not used, because %s stands for them",
			load->flags->device_count > 0 ? "--device" : "KUDEV_DEVICE");
	config_drop_classes(load->config);
}

static void read_device(struct load *load, const char *text, const char *name,
			bool several)
{
	KUDEV_AUTO_DOCUMENT struct document document = {0};

	if (document_load(&document, text, strlen(text), name, load->diagnostics) < 0)
		return;
	squat_adopt(&document, load->lenient);
	squat_read_devices(&document, several, load->config);
}

static void read_devices(struct load *load)
{
	const struct settings *layer = load->flags;

	if (layer->device_count == 0) {
		for (size_t i = 0; i < load->environment->device_count; i++)
			read_device(load, load->environment->devices[i], "KUDEV_DEVICE",
				    true);
		return;
	}
	for (size_t i = 0; i < layer->device_count; i++) {
		KUDEV_AUTO_FREE char *name = layer->device_count == 1
						     ? mem_string("--device")
						     : mem_printf("--device #%zu", i + 1);

		read_device(load, layer->devices[i], name, false);
	}
}

static struct load load_begin(const struct settings *flags,
			      const struct settings *environment,
			      struct diagnostics *diagnostics)
{
	struct load load = {
		.flags = flags,
		.environment = environment,
		.diagnostics = diagnostics,
		.config = mem_zero(sizeof(*load.config)),
		.lenient = flags->lenient || environment->lenient,
		.devices_given = flags->device_count > 0 || environment->device_count > 0,
	};

	apply_defaults(&load, native_fields);
	return load;
}

/* Why the source knows no other root than /; NULL: it does. */
static const char *rootless_reason(enum config_source source)
{
	switch (source) {
	case CONFIG_SOURCE_MATCH:
		return "match asks udev, which looks below / alone";
	case CONFIG_SOURCE_V4L2LOOPBACK:
		return "v4l2loopback asks the kernel for cameras, which it puts below / "
		       "alone";
	case CONFIG_SOURCE_GROUPS:
	case CONFIG_SOURCE_SIMULATE:
		break;
	}
	return NULL;
}

static void check_root(const struct config *config, struct diagnostics *diagnostics)
{
	for (size_t i = 0; *config->root && i < config->class_count; i++) {
		const struct config_class *class = &config->classes[i];
		const char *reason = rootless_reason(class->source);

		if (reason)
			diagnostics_add(diagnostics, DIAGNOSTIC_ERROR, class->file,
					class->line, class->column,
					"%s; it does not go with --root", reason);
	}
}

/* directory NULL: each class's own. */
static void complete_simulated(struct config_class *class, const char *directory)
{
	if (class->source != CONFIG_SOURCE_SIMULATE)
		return;
	if (directory)
		mem_replace(&class->simulate.directory, directory);
	if (!class->mount_path)
		(void)mount_path_new("/dev/{class}{index}", &class->mount_path, NULL);
}

/* Everything behind the file; hands the configuration over or frees it. */
static int load_end(struct load *load, const char *node_name, struct config **ret)
{
	KUDEV_AUTO(config_free) struct config *config = load->config;

	apply_layer(load, load->environment, false);
	apply_layer(load, load->flags, true);
	read_devices(load);
	classes_finish(config, load->diagnostics);
	check_root(config, load->diagnostics);
	config->node_name = mem_string(node_name ? node_name : "");
	config->is_trial = load->flags->is_trial;
	for (size_t i = 0; i < config->class_count; i++) {
		config->classes[i].config = config;
		complete_simulated(&config->classes[i], load->flags->simulate_directory);
	}
	cameras_complete(config, load->diagnostics);
	if (load->diagnostics->errors > 0)
		return -EINVAL;
	*ret = take_ptr(config);
	return 0;
}

int config_load(const struct settings *flags, const struct settings *environment,
		const char *node_name, struct config **ret,
		struct diagnostics *diagnostics)
{
	struct load load = load_begin(flags, environment, diagnostics);

	choose_file(&load);
	return load_end(&load, node_name, ret);
}

int config_read_listen(const char *text, char **ret, struct error *err)
{
	const struct field *field = field_find(native_fields, "listen");
	struct config config = {0};
	int r = field->type->parse(field, text, &config, err);

	if (r < 0)
		return r;
	*ret = config.listen;
	return 0;
}

int config_find_listen(const struct settings *flags, const struct settings *environment,
		       char **ret, struct diagnostics *diagnostics)
{
	struct load load = load_begin(flags, environment, diagnostics);
	KUDEV_AUTO(config_free) struct config *config = load.config;
	const char *given = flags->listen ? flags->listen : environment->listen;
	KUDEV_AUTO_ERROR struct error err = {0};
	int r;

	if (!given) {
		choose_file(&load);
		*ret = take_ptr(config->listen);
		return 0;
	}
	r = config_read_listen(given, ret, &err);
	if (r < 0)
		refuse(diagnostics, flags->listen ? "--listen" : "KUDEV_LISTEN",
		       error_message(&err));
	return r;
}

int config_parse(const char *text, size_t size, const char *file, bool lenient,
		 struct config **ret, struct diagnostics *diagnostics)
{
	const struct settings flags = {.lenient = lenient}, none = {0};
	struct load load = load_begin(&flags, &none, diagnostics);

	read_text(&load, text, size, file);
	return load_end(&load, NULL, ret);
}
