/* SPDX-License-Identifier: Apache-2.0 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "cli/cli.h"
#include "cli/options.h"

static const struct command commands[] = {
	{
		.name = "run",
		.summary = "serve the devices to the kubelet (the default)",
		.description =
			"Registers each device class of the configuration with the kubelet and "
			"keeps it\nregistered, until SIGTERM or SIGINT.",
		.run = cli_run,
	},
	{
		.name = "check",
		.summary = "validate, and show what would be handed out here and now",
		.description =
			"Reports every mistake in the configuration with its place; if there "
			"is none,\nshows each resource with the devices that this machine has "
			"for it. Changes\nnothing.",
		.run = cli_check,
	},
	{
		.name = "list",
		.summary = "show the devices of this machine and what to match on",
		.description =
			"Shows the devices of this machine that a class could match, and "
			"which class of\nthe configuration, if there is one, has them. "
			"--for prints the conditions that\nselect one of them, to be "
			"pasted into a class. Changes nothing.",
		.run = cli_list,
	},
	{
		.name = "status",
		.summary = "show what the running kudev serves, and who holds it",
		.description =
			"Asks the kudev that runs here, where its configuration says that it "
			"listens, and\nshows each class and device. Exit status: 0 ready, 3 "
			"not ready, 1 not to be reached.",
		.run = cli_status,
	},
	{
		.name = "try",
		.summary = "run against a built-in kubelet stand-in",
		.description =
			"Runs kudev against a stand-in for the kubelet in a temporary "
			"directory: shows\nthe resources, takes one device of each and shows "
			"what a container would get,\nthen follows changes until Ctrl-C.",
		.run = cli_try,
	},
	{
		.name = "schema",
		.summary = "print the JSON Schema of the configuration, for editors",
		.description =
			"Prints the JSON Schema of kudev.yaml. An editor that is given it says "
			"what a key\nmeans, completes it and marks mistakes.",
		.run = cli_schema,
	},
};

/* In which commands an option may stand. */
enum {
	IN_RUN = 1 << 0,
	IN_CHECK = 1 << 1,
	IN_LIST = 1 << 2,
	IN_STATUS = 1 << 3,
	IN_TRY = 1 << 4,
	IN_SCHEMA = 1 << 5,
	IN_ALL = IN_RUN | IN_CHECK | IN_LIST | IN_STATUS | IN_TRY,
	IN_LOCAL = IN_RUN | IN_CHECK | IN_LIST | IN_TRY,
	IN_MOST = IN_RUN | IN_CHECK | IN_TRY,
};

enum option_id {
	OPTION_CONFIG = 256,
	OPTION_DEVICE,
	OPTION_DOMAIN,
	OPTION_PLUGIN_DIRECTORY,
	OPTION_POD_RESOURCES,
	OPTION_CDI_DIRECTORY,
	OPTION_LISTEN,
	OPTION_HOLDER_METRICS,
	OPTION_EVENTS,
	OPTION_LOG_LEVEL,
	OPTION_LOG_FORMAT,
	OPTION_ROOT,
	OPTION_LENIENT,
	OPTION_ONCE,
	OPTION_FOR,
	OPTION_URL,
	OPTION_ALL,
	OPTION_VERSION,
	OPTION_OUTPUT = 'o',
	OPTION_HELP = 'h',
};

static const struct option_help {
	const char *name;
	enum option_id id;
	unsigned commands;
	const char *argument; /* NULL: takes none */
	const char *help;
} option_table[] = {
	{"config", OPTION_CONFIG, IN_ALL, "FILE", "configuration (" CONFIG_FILE ")"},
	{"device", OPTION_DEVICE, IN_LOCAL, "YAML",
	 "a device as generic-device-plugin has it; repeatable"},
	{"domain", OPTION_DOMAIN, IN_LOCAL, "DOMAIN",
	 "prefix of names (" CONFIG_DOMAIN ", or " CONFIG_SQUAT_DOMAIN ")"},
	{"plugin-directory", OPTION_PLUGIN_DIRECTORY, IN_RUN | IN_CHECK, "DIR",
	 "(" CONFIG_PLUGIN_DIRECTORY ")"},
	{"pod-resources", OPTION_POD_RESOURCES, IN_RUN | IN_CHECK, "SOCKET",
	 "who holds what (" CONFIG_POD_RESOURCES "), or none"},
	{"cdi-directory", OPTION_CDI_DIRECTORY, IN_RUN | IN_CHECK, "DIR",
	 "for CDI specs (" CONFIG_CDI_DIRECTORY ")"},
	{"listen", OPTION_LISTEN, IN_MOST | IN_STATUS, "ADDRESS",
	 "of HTTP: [HOST]:PORT, unix:PATH, none"},
	{"holder-metrics", OPTION_HOLDER_METRICS, IN_RUN | IN_CHECK, "BOOL",
	 "true or false: metrics name who holds devices"},
	{"root", OPTION_ROOT, IN_MOST, "DIR", "look for devices and sysfs below DIR"},
	{"lenient", OPTION_LENIENT, IN_LOCAL, NULL,
	 "only warn of what generic-device-plugin ignores"},
	{"events", OPTION_EVENTS, IN_MOST, "KIND", "auto, udev, kernel or inotify"},
	{"log-level", OPTION_LOG_LEVEL, IN_RUN | IN_TRY, "LEVEL",
	 "debug, info, warn or error"},
	{"log-format", OPTION_LOG_FORMAT, IN_RUN | IN_TRY, "FORMAT", "json or text"},
	{"url", OPTION_URL, IN_STATUS, "URL",
	 "http://HOST:PORT or unix:PATH of the kudev to ask"},
	{"output", OPTION_OUTPUT, IN_CHECK | IN_LIST | IN_STATUS, "FORMAT",
	 "table, json or (list) yaml; also -o"},
	{"for", OPTION_FOR, IN_LIST, "NODE", "the conditions that select this device"},
	{"all", OPTION_ALL, IN_LIST, NULL, "also devices without hardware of their own"},
	{"once", OPTION_ONCE, IN_TRY, NULL, "stop after showing everything once"},
	{"help", OPTION_HELP, IN_ALL | IN_SCHEMA, NULL, "show this; also -h"},
	{"version", OPTION_VERSION, IN_ALL | IN_SCHEMA, NULL, "show the version"},
};

static unsigned command_bit(const struct command *command)
{
	return 1U << (command - commands);
}

static void print_command_help(const struct command *command)
{
	printf("Usage: kudev %s [OPTION]...\n\n%s\n\nOptions:\n", command->name,
	       command->description);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(option_table); i++) {
		const struct option_help *option = &option_table[i];
		KUDEV_AUTO_FREE char *name = NULL;

		if (!(option->commands & command_bit(command)))
			continue;
		name = mem_printf("--%s%s%s", option->name, option->argument ? " " : "",
				  option->argument ? option->argument : "");
		printf("  %-24s %s\n", name, option->help);
	}
	if (command_bit(command) & IN_ALL)
		printf("\nMost options are variables too: KUDEV_LOG_LEVEL for --log-level. Flags go "
		       "before\nvariables, variables before the file.\n");
}

static void print_help(void)
{
	printf("Usage: kudev [COMMAND] [OPTION]...\n\n"
	       "Turns the devices of this machine into Kubernetes resources, from one YAML "
	       "file.\n\nCommands:\n");
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(commands); i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].summary);
	printf("\nkudev COMMAND --help tells the options of a command.\n"
	       "Exit status: 0 all is well, 1 failed at run time, 2 wrong usage or "
	       "configuration,\n3 (status) not ready.\n");
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static bool usage_error(const struct command *command, const char *text)
{
	fprintf(stderr, "kudev: %s\nkudev: see \"kudev%s%s --help\"\n", text,
		command ? " " : "", command ? command->name : "");
	return false;
}

static const struct option_help *find_option(int id)
{
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(option_table); i++) {
		if ((int)option_table[i].id == id)
			return &option_table[i];
	}
	return NULL;
}

static void add_device(struct options *options, const char *text)
{
	struct settings *settings = &options->settings;
	size_t capacity = settings->device_count;

	/* Grown by one each time: nobody types so many. */
	options->devices = mem_grow(options->devices, settings->device_count, &capacity,
				    sizeof(*options->devices));
	options->devices[settings->device_count++] = text;
	settings->devices = options->devices;
}

static bool take_output(struct options *options, const char *text)
{
	if (strcmp(text, "table") == 0)
		options->output = OUTPUT_TABLE;
	else if (strcmp(text, "json") == 0)
		options->output = OUTPUT_JSON;
	else if (strcmp(text, "yaml") == 0 && options->command->run == cli_list)
		options->output = OUTPUT_YAML;
	else if (options->command->run == cli_list)
		return usage_error(options->command, "--output is table, json or yaml");
	else
		return usage_error(options->command, "--output is either table or json");
	return true;
}

static bool take_option(struct options *options, enum option_id id, const char *argument)
{
	struct settings *settings = &options->settings;

	switch (id) {
	case OPTION_CONFIG:
		settings->config = argument;
		break;
	case OPTION_DEVICE:
		add_device(options, argument);
		break;
	case OPTION_DOMAIN:
		settings->domain = argument;
		break;
	case OPTION_PLUGIN_DIRECTORY:
		settings->plugin_directory = argument;
		break;
	case OPTION_POD_RESOURCES:
		settings->pod_resources = argument;
		break;
	case OPTION_CDI_DIRECTORY:
		settings->cdi_directory = argument;
		break;
	case OPTION_LISTEN:
		settings->listen = argument;
		break;
	case OPTION_HOLDER_METRICS:
		settings->holder_metrics = argument;
		break;
	case OPTION_EVENTS:
		settings->events = argument;
		break;
	case OPTION_LOG_LEVEL:
		settings->log_level = argument;
		break;
	case OPTION_LOG_FORMAT:
		settings->log_format = argument;
		break;
	case OPTION_ROOT:
		settings->root = argument;
		break;
	case OPTION_LENIENT:
		settings->lenient = true;
		break;
	case OPTION_ONCE:
		options->once = true;
		break;
	case OPTION_FOR:
		options->node = argument;
		break;
	case OPTION_URL:
		options->url = argument;
		break;
	case OPTION_ALL:
		options->all = true;
		break;
	case OPTION_OUTPUT:
		return take_output(options, argument);
	case OPTION_HELP:
	case OPTION_VERSION:
		break;
	}
	return true;
}

/* What getopt_long() returned for something that it does not know. */
static bool refuse_option(const struct options *options, int result, char *const *argv)
{
	KUDEV_AUTO_FREE char *quoted = text_quote(argv[optind - 1]);
	KUDEV_AUTO_FREE char *text = mem_printf(
		result == ':' ? "%s needs an argument" : "unknown option %s", quoted);

	return usage_error(options->command, text);
}

static bool refuse_here(const struct options *options, const struct option_help *option)
{
	KUDEV_AUTO_FREE char *text = mem_printf("--%s means nothing to \"kudev %s\"",
						option->name, options->command->name);

	return usage_error(options->command, text);
}

static void fill_long_options(struct option *list)
{
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(option_table); i++)
		list[i] = (struct option){
			.name = option_table[i].name,
			.has_arg = option_table[i].argument ? required_argument
							    : no_argument,
			.val = (int)option_table[i].id,
		};
}

/* Returns whether to go on; help and version end it with success. */
static bool parse_options(struct options *options, int argc, char **argv, int *ret_status)
{
	struct option long_options[KUDEV_ARRAY_SIZE(option_table) + 1] = {{0}};
	int result;

	fill_long_options(long_options);
	opterr = 0;
	optind = 1;
	*ret_status = EXIT_USAGE;
	while ((result = getopt_long(argc, argv, ":ho:", long_options, NULL)) != -1) {
		const struct option_help *option = find_option(result);

		if (!option)
			return refuse_option(options, result, argv);
		if (!(option->commands & command_bit(options->command)))
			return refuse_here(options, option);
		if (option->id == OPTION_HELP) {
			print_command_help(options->command);
			*ret_status = EXIT_OK;
			return false;
		}
		if (option->id == OPTION_VERSION) {
			printf("kudev %s\n", KUDEV_VERSION);
			*ret_status = EXIT_OK;
			return false;
		}
		if (!take_option(options, option->id, optarg))
			return false;
	}
	return true;
}

static bool refuse_argument(const struct options *options, const char *argument)
{
	const char *names[KUDEV_ARRAY_SIZE(commands) + 1] = {0};
	KUDEV_AUTO_FREE char *quoted = text_quote(argument);
	KUDEV_AUTO_FREE char *text = NULL;
	const char *nearest;

	if (options->command && find_command(argument)) {
		text = mem_printf("the command goes first: kudev %s ...", argument);
		return usage_error(options->command, text);
	}
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(commands); i++)
		names[i] = commands[i].name;
	nearest = text_nearest(argument, names);
	text = nearest ? mem_printf("unknown argument %s; did you mean \"%s\"?", quoted,
				    nearest)
		       : mem_printf("unknown argument %s", quoted);
	return usage_error(options->command, text);
}

bool options_parse(int argc, char **argv, struct options *ret, int *ret_status)
{
	bool named = argc > 1 && argv[1][0] != '-';
	const struct command *command = named ? find_command(argv[1]) : &commands[0];

	*ret = (struct options){.command = command};
	*ret_status = EXIT_USAGE;
	if (!command)
		return refuse_argument(ret, argv[1]);
	if (!named && argc == 2 &&
	    (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		print_help();
		*ret_status = EXIT_OK;
		return false;
	}
	if (!parse_options(ret, argc - named, argv + named, ret_status))
		return false;
	if (optind < argc - named)
		return refuse_argument(ret, argv[named + optind]);
	return true;
}

void options_clear(struct options *options)
{
	free(options->devices);
	options->devices = NULL;
}
