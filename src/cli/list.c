/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <json-c/json.h>
#include <libudev.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/suggest.h"
#include "cli/yaml.h"
#include "device/hardware.h"
#include "device/inventory.h"
#include "source/source.h"

/* One device with a node. */
struct item {
	struct udev_device *device;
	struct hardware hardware;
	const struct config_class *class; /* that has it; NULL: none */
};

struct machine {
	struct udev *udev;
	struct item *items;
	size_t count;
	size_t capacity;
};

static int compare_items(const void *a, const void *b)
{
	const struct hardware *first = &((const struct item *)a)->hardware;
	const struct hardware *second = &((const struct item *)b)->hardware;
	int order = strcmp(first->subsystem, second->subsystem);

	return order ? order : strverscmp(first->node, second->node);
}

static void add_item(struct machine *machine, const char *syspath)
{
	struct udev_device *device = udev_device_new_from_syspath(machine->udev, syspath);
	struct item *item;

	if (!device || !udev_device_get_devnode(device)) {
		udev_device_unref(device);
		return;
	}
	machine->items = mem_grow(machine->items, machine->count, &machine->capacity,
				  sizeof(*machine->items));
	item = &machine->items[machine->count++];
	*item = (struct item){.device = device};
	hardware_read(device, &item->hardware);
}

/* What has a number is what may have a node; it is half of all devices, or less. */
static bool read_numbers(struct machine *machine, const char *directory)
{
	DIR *numbers = opendir(directory);
	const struct dirent *entry;

	if (!numbers)
		return false;
	while ((entry = readdir(numbers))) {
		KUDEV_AUTO_FREE char *path = mem_printf("%s/%s", directory,
							entry->d_name);

		if (entry->d_name[0] != '.')
			add_item(machine, path);
	}
	closedir(numbers);
	return true;
}

static bool read_machine(struct machine *machine)
{
	bool has_char;
	bool has_block;

	machine->udev = udev_new();
	if (!machine->udev)
		return false;
	has_char = read_numbers(machine, "/sys/dev/char");
	has_block = read_numbers(machine, "/sys/dev/block");
	if (machine->count > 0)
		qsort(machine->items, machine->count, sizeof(*machine->items),
		      compare_items);
	return has_char || has_block;
}

static void machine_clear(struct machine *machine)
{
	for (size_t i = 0; i < machine->count; i++) {
		udev_device_unref(machine->items[i].device);
		hardware_clear(&machine->items[i].hardware);
	}
	free(machine->items);
	udev_unref(machine->udev);
}

#define AUTO_MACHINE __attribute__((cleanup(machine_clear)))

static struct item *find_node(struct machine *machine, const struct stat *status)
{
	for (size_t i = 0; i < machine->count; i++) {
		struct udev_device *device = machine->items[i].device;
		bool is_block = strcmp(udev_device_get_subsystem(device), "block") == 0;

		if (udev_device_get_devnum(device) == status->st_rdev &&
		    is_block == S_ISBLK(status->st_mode))
			return &machine->items[i];
	}
	return NULL;
}

/* What the configuration does with the devices, if there is one. */

static void note_unit(struct machine *machine, const struct unit *unit,
		      const struct config_class *class)
{
	for (size_t i = 0; i < unit->node_count; i++) {
		struct stat status;
		struct item *item = NULL;

		if (stat(unit->nodes[i].host_path, &status) == 0 &&
		    (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)))
			item = find_node(machine, &status);
		if (item && !item->class)
			item->class = class;
	}
}

static void note_class(struct machine *machine, struct inventory *inventory, size_t index)
{
	KUDEV_AUTO(source_free) struct source *source = NULL;
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	const struct inventory_class *class = inventory_class_at(inventory, index);

	if (source_open(class->config, "", NULL, &source, NULL) < 0 ||
	    source_scan(source, &scan, NULL) < 0)
		return;
	inventory_report(inventory, index, &scan.units);
	for (size_t i = 0; i < class->count; i++)
		note_unit(machine, &class->devices[i]->unit, class->config);
}

static void note_classes(struct machine *machine, const struct config *config)
{
	KUDEV_AUTO(inventory_free) struct inventory *inventory = inventory_new(config);

	for (size_t i = 0; i < config->class_count; i++)
		note_class(machine, inventory, i);
}

/* Output. */

/* What hardly anybody wants to hand out: terminals without hardware, memory, … */
static bool is_dull(const struct item *item)
{
	static const char *const subsystems[] = {"block", "bsg", "cpuid",  "mem",
						 "msr",	  "tty", "usbmon", "vc"};

	if (item->class || item->hardware.port)
		return false;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(subsystems); i++) {
		if (strcmp(item->hardware.subsystem, subsystems[i]) == 0)
			return true;
	}
	return false;
}

static const char *nearest_driver(struct udev_device *device)
{
	const char *driver = NULL;

	for (; device && !driver; device = udev_device_get_parent(device))
		driver = udev_device_get_driver(device);
	return driver;
}

static char *describe_usb(struct udev_device *device)
{
	struct udev_device *usb = hardware_usb_device(device);
	const char *vendor = usb ? udev_device_get_sysattr_value(usb, "idVendor") : NULL;
	const char *product = usb ? udev_device_get_sysattr_value(usb, "idProduct")
				  : NULL;

	return vendor && product ? mem_printf("%s:%s", vendor, product) : mem_string("-");
}

static void print_cell(const char *text, int width)
{
	KUDEV_AUTO_FREE char *clean = text_legible(text && *text ? text : "-");

	printf("%-*s ", width, clean);
}

static void print_line(const struct item *item)
{
	struct udev_device *usb = hardware_usb_device(item->device);
	const char *serial = usb ? udev_device_get_sysattr_value(usb, "serial")
				 : item->hardware.serial;
	KUDEV_AUTO_FREE char *ids = describe_usb(item->device);

	print_cell(item->hardware.node, 22);
	print_cell(item->hardware.subsystem, 12);
	print_cell(nearest_driver(item->device), 14);
	print_cell(ids, 10);
	print_cell(serial, 16);
	print_cell(item->hardware.port, 34);
	printf("%s\n", item->class ? item->class->name : "-");
}

static void print_table(const struct machine *machine, bool all)
{
	size_t hidden = 0;

	printf("%-22s %-12s %-14s %-10s %-16s %-34s %s\n", "NODE", "SUBSYSTEM", "DRIVER",
	       "USB", "SERIAL", "PORT", "CLASS");
	for (size_t i = 0; i < machine->count; i++) {
		if (all || !is_dull(&machine->items[i]))
			print_line(&machine->items[i]);
		else
			hidden++;
	}
	if (hidden > 0)
		printf("and %zu without hardware of their own; --all lists them\n",
		       hidden);
	printf("\n\"kudev list --for NODE\" prints the conditions that select one of "
	       "them.\n");
}

static struct json_object *text_json(const char *text)
{
	KUDEV_AUTO_FREE char *clean = text_legible(text);

	return json_object_new_string(clean);
}

static void add_text(struct json_object *object, const char *key, const char *text)
{
	if (text)
		json_object_object_add(object, key, text_json(text));
}

static struct json_object *usb_json(struct udev_device *usb)
{
	struct json_object *object = json_object_new_object();

	add_text(object, "vendor", udev_device_get_sysattr_value(usb, "idVendor"));
	add_text(object, "product", udev_device_get_sysattr_value(usb, "idProduct"));
	add_text(object, "serial", udev_device_get_sysattr_value(usb, "serial"));
	return object;
}

/* What udev's rules found out; the rest of the properties says how it is managed. */
static struct json_object *properties_json(struct udev_device *device)
{
	struct json_object *object = json_object_new_object();
	struct udev_list_entry *entry;

	udev_list_entry_foreach(entry, udev_device_get_properties_list_entry(device))
	{
		KUDEV_AUTO_FREE char *name =
			text_legible(udev_list_entry_get_name(entry));

		if (strncmp(name, "ID_", 3) == 0)
			add_text(object, name, udev_list_entry_get_value(entry));
	}
	return object;
}

static struct json_object *names_json(struct udev_list_entry *first)
{
	struct json_object *array = json_object_new_array();
	struct udev_list_entry *entry;

	udev_list_entry_foreach(entry, first)
	{
		json_object_array_add(array, text_json(udev_list_entry_get_name(entry)));
	}
	return array;
}

static struct json_object *item_json(const struct item *item)
{
	struct json_object *object = json_object_new_object();
	struct udev_device *usb = hardware_usb_device(item->device);

	add_text(object, "node", item->hardware.node);
	add_text(object, "subsystem", item->hardware.subsystem);
	add_text(object, "kernel", item->hardware.name);
	add_text(object, "driver", nearest_driver(item->device));
	if (usb)
		json_object_object_add(object, "usb", usb_json(usb));
	add_text(object, "serial", item->hardware.serial);
	add_text(object, "port", item->hardware.port);
	json_object_object_add(
		object, "links",
		names_json(udev_device_get_devlinks_list_entry(item->device)));
	json_object_object_add(object, "properties", properties_json(item->device));
	json_object_object_add(object, "tags",
			       names_json(udev_device_get_tags_list_entry(item->device)));
	add_text(object, "class", item->class ? item->class->name : NULL);
	return object;
}

static struct json_object *machine_json(const struct machine *machine)
{
	struct json_object *object = json_object_new_object();
	struct json_object *devices = json_object_new_array();

	for (size_t i = 0; i < machine->count; i++)
		json_object_array_add(devices, item_json(&machine->items[i]));
	json_object_object_add(object, "devices", devices);
	return object;
}

static int refuse_node(const char *node, const char *reason)
{
	KUDEV_AUTO_FREE char *quoted = text_quote(node);

	fprintf(stderr, "kudev: %s: %s\n", quoted, reason);
	return EXIT_FAILED;
}

static int print_suggestion(struct machine *machine, const char *node,
			    enum output_format output)
{
	struct udev_device **all =
		mem_zero(machine->count * sizeof(struct udev_device *));
	struct json_object *object = json_object_new_object();
	struct json_object *list = json_object_new_array();
	const struct item *item;
	struct stat status;
	int error = 0;

	for (size_t i = 0; i < machine->count; i++)
		all[i] = machine->items[i].device;
	if (stat(node, &status) < 0)
		error = refuse_node(node, strerror(errno));
	else if (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode))
		error = refuse_node(node, "is no device node");
	else if (!(item = find_node(machine, &status)))
		error = refuse_node(node, "the kernel knows no device with this number");
	else
		json_object_array_add(list,
				      suggest_match(item->device, all, machine->count));
	json_object_object_add(object, "match", list);
	if (!error && output == OUTPUT_JSON)
		cli_print_json(object);
	else if (!error)
		yaml_print(object, stdout);
	json_object_put(object);
	free(all);
	return error;
}

static int print_machine(const struct machine *machine, const struct options *options)
{
	struct json_object *object;

	if (options->output == OUTPUT_TABLE) {
		print_table(machine, options->all);
		return EXIT_OK;
	}
	object = machine_json(machine);
	if (options->output == OUTPUT_JSON)
		cli_print_json(object);
	else
		yaml_print(object, stdout);
	json_object_put(object);
	return EXIT_OK;
}

/* Whether somebody has said which configuration to take. */
static bool is_config_named(const struct settings *settings)
{
	return settings->config || settings->device_count > 0 || getenv("KUDEV_CONFIG") ||
	       getenv("KUDEV_DEVICE");
}

/*
 * False if there is no use in going on. Who writes the usual file needs the list for it,
 * also while there are mistakes in it.
 */
static bool load_config(const struct settings *settings, struct config **ret)
{
	bool is_named = is_config_named(settings);

	if (!is_named && access(CONFIG_FILE, F_OK) < 0)
		return true;
	if (cli_load_config(settings, ret, NULL))
		return true;
	if (!is_named)
		fprintf(stderr, "kudev: the list is without classes therefore\n");
	return !is_named;
}

int cli_list(const struct options *options)
{
	KUDEV_AUTO(config_free) struct config *config = NULL;
	AUTO_MACHINE struct machine machine = {0};

	if (!load_config(&options->settings, &config))
		return EXIT_USAGE;
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_TEXT);
	if (!read_machine(&machine)) {
		fprintf(stderr, "kudev: cannot read the devices in /sys\n");
		return EXIT_FAILED;
	}
	if (options->node)
		return print_suggestion(&machine, options->node, options->output);
	if (config)
		note_classes(&machine, config);
	return print_machine(&machine, options);
}
