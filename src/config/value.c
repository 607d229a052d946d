/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "base/unix.h"
#include "config/config.h"
#include "config/pattern.h"
#include "config/value.h"

#define PORT_MAX 65535
#define PORT_DIGITS 5
#define USB_ID_DIGITS 4
#define DURATION_DIGITS 9 /* times an hour it still fits */
#define UNIX_PATH_MAX 107 /* sun_path without its NUL */
/* That addresses and ports are sound takes more than that. */
#define LISTEN_REGEX "^(|none|unix:/.*|(\\[[0-9a-fA-F:.]+\\]|[-A-Za-z0-9.]*):[0-9]{1,5})$"

const char *const value_log_levels[] = {"debug", "info", "warn", "error",
					"none",	 "all",	 NULL};
const char *const value_log_formats[] = {"json", "text", NULL};

static int refuse_word(const char *text, const char *const *words, struct error *err)
{
	KUDEV_AUTO_FREE char *list = text_join(words, "or");
	KUDEV_AUTO_FREE char *quoted = text_quote(text);

	return error_set(err, EINVAL, "must be %s, not %s", list, quoted);
}

static int parse_path(const struct field *field, const char *text, void *target,
		      struct error *err)
{
	int r = path_check(text, err);

	if (r < 0)
		return r;
	field_store(field, target, path_clean(text));
	return 0;
}

static int parse_plugin_directory(const struct field *field, const char *text,
				  void *target, struct error *err)
{
	KUDEV_AUTO_FREE char *clean = NULL;
	int r;

	r = path_check(text, err);
	if (r < 0)
		return r;
	clean = path_clean(text);
	if (strlen(clean) > PLUGIN_DIRECTORY_MAX)
		return error_set(
			err, EINVAL,
			"the path has %zu bytes, %d at most are allowed, because the "
			"path of a socket in it must fit the 108 bytes that unix(7) "
			"gives it",
			strlen(clean), PLUGIN_DIRECTORY_MAX);
	field_store(field, target, take_ptr(clean));
	return 0;
}

static int parse_root(const struct field *field, const char *text, void *target,
		      struct error *err)
{
	KUDEV_AUTO_FREE char *clean = NULL;
	int r;

	if (text[0] == '\0') {
		field_store(field, target, mem_string(""));
		return 0;
	}
	r = path_check(text, err);
	if (r < 0)
		return r;
	clean = path_clean(text);
	field_store(field, target,
		    strcmp(clean, "/") == 0 ? mem_string("") : take_ptr(clean));
	return 0;
}

static bool port_is_sound(const char *port)
{
	size_t length = strspn(port, "0123456789");
	unsigned long value;

	if (length == 0 || length > PORT_DIGITS || port[length] != '\0')
		return false;
	value = strtoul(port, NULL, 10);
	return value >= 1 && value <= PORT_MAX;
}

static bool host_is_sound(const char *host)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789.-";
	struct in_addr address;

	if (host[strspn(host, "0123456789.")] == '\0')
		return host[0] == '\0' || inet_pton(AF_INET, host, &address) == 1;
	return host[strspn(host, letters)] == '\0';
}

static int check_bracketed(const char *text, struct error *err)
{
	const char *end = strchr(text, ']');
	KUDEV_AUTO_FREE char *host = NULL;
	struct in6_addr address;

	if (!end)
		return text_refuse(text, "has no ] behind the address", err);
	host = mem_string_n(text + 1, (size_t)(end - text - 1));
	if (inet_pton(AF_INET6, host, &address) != 1)
		return text_refuse(text, "holds no IPv6 address between [ and ]", err);
	if (end[1] != ':')
		return text_refuse(text, "has no port: write [address]:port", err);
	if (!port_is_sound(end + 2))
		return text_refuse(text, "has no port from 1 to 65535", err);
	return 0;
}

static int check_unix(const char *path, struct error *err)
{
	int r = path_check(path, err);

	if (r < 0)
		return r;
	if (strlen(path) > UNIX_PATH_MAX)
		return error_set(err, EINVAL,
				 "the socket's path has %zu bytes, %d at most fit",
				 strlen(path), UNIX_PATH_MAX);
	return 0;
}

static int check_listen(const char *text, struct error *err)
{
	KUDEV_AUTO_FREE char *host = NULL;
	const char *path = unix_path_of(text);
	const char *colon = strrchr(text, ':');

	if (path)
		return check_unix(path, err);
	if (text[0] == '[')
		return check_bracketed(text, err);
	if (!colon)
		return text_refuse(text, "has no port: write host:port, :port or none",
				   err);
	if (strchr(text, ':') != colon)
		return text_refuse(
			text, "has more than one colon: write [address]:port for IPv6",
			err);
	if (!port_is_sound(colon + 1))
		return text_refuse(text, "has no port from 1 to 65535", err);
	host = mem_string_n(text, (size_t)(colon - text));
	if (!host_is_sound(host))
		return text_refuse(
			text, "has no host name or IPv4 address before the colon", err);
	return 0;
}

static int parse_pod_resources(const struct field *field, const char *text, void *target,
			       struct error *err)
{
	KUDEV_AUTO_FREE char *clean = NULL;
	int r;

	if (strcmp(text, "none") == 0) {
		field_store(field, target, mem_string("none"));
		return 0;
	}
	r = path_check(text, err);
	if (r < 0)
		return r;
	clean = path_clean(text);
	r = check_unix(clean, err);
	if (r < 0)
		return r;
	field_store(field, target, take_ptr(clean));
	return 0;
}

static int parse_listen(const struct field *field, const char *text, void *target,
			struct error *err)
{
	bool off = text[0] == '\0' || strcmp(text, "none") == 0;

	if (!off) {
		int r = check_listen(text, err);

		if (r < 0)
			return r;
	}
	field_store(field, target, mem_string(off ? "none" : text));
	return 0;
}

static int parse_log_level(const struct field *field, const char *text, void *target,
			   struct error *err)
{
	if (log_level_parse(text, field_slot(field, target)) < 0)
		return refuse_word(text, field->choices, err);
	return 0;
}

static int parse_log_format(const struct field *field, const char *text, void *target,
			    struct error *err)
{
	if (log_format_parse(text, field_slot(field, target)) < 0)
		return refuse_word(text, field->choices, err);
	return 0;
}

/*
 * Read from the text as it was written: YAML would make 0407 octal and 1e10 a float, but
 * what lsusb prints is hexadecimal in every case.
 */
static int parse_usb_id(const struct field *field, const char *text, void *target,
			struct error *err)
{
	const char *digits = text;
	size_t length;

	if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
		digits += 2;
	length = strspn(digits, "0123456789abcdefABCDEF");
	if (length == 0 || length > USB_ID_DIGITS || digits[length] != '\0') {
		KUDEV_AUTO_FREE char *quoted = text_quote(text);

		return error_set(
			err, EINVAL,
			"expected one to four hexadecimal digits, as lsusb prints "
			"them, got %s",
			quoted);
	}
	*(uint16_t *)field_slot(field, target) = (uint16_t)strtoul(digits, NULL, 16);
	return 0;
}

static const struct {
	const char *name;
	unsigned ms;
} duration_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};

char *duration_text(unsigned ms)
{
	size_t i = KUDEV_ARRAY_SIZE(duration_units) - 1;

	while (ms % duration_units[i].ms > 0)
		i--;
	return mem_printf("%u%s", ms / duration_units[i].ms, duration_units[i].name);
}

/* A number with its unit: without one nobody could tell 30 seconds from 30 minutes. */
static int parse_duration(const struct field *field, const char *text, void *target,
			  struct error *err)
{
	size_t length = strspn(text, "0123456789");

	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(duration_units); i++) {
		unsigned long value;

		if (length == 0 || length > DURATION_DIGITS ||
		    strcmp(text + length, duration_units[i].name) != 0)
			continue;
		value = strtoul(text, NULL, 10) * duration_units[i].ms;
		if (value < field->min || value > field->max)
			return error_set(err, ERANGE, "must be %ums to %us, not %s",
					 field->min, field->max / 1000, text);
		*(unsigned *)field_slot(field, target) = (unsigned)value;
		return 0;
	}
	return text_refuse(
		text, "is no time: write a whole number and ms, s, m or h, as in 30s",
		err);
}

static int parse_bound(const struct field *field, const char *text, void *target,
		       struct error *err)
{
	struct config_bound *bound = field_slot(field, target);
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (text[strspn(text, "+-.0123456789eE")] != '\0' || end == text ||
	    *end != '\0' || errno != 0)
		return text_refuse(text, "is no number", err);
	*bound = (struct config_bound){.is_set = true, .value = value};
	return 0;
}

const char permissions_pattern[] = "^(?!.*(.).*\\1)[mrw]+$";

int permissions_check(const char *text, struct error *err)
{
	for (const char *c = text; *c; c++)
		if (!strchr("rwm", *c) || strchr(c + 1, *c))
			return text_refuse(
				text,
				"is no set of permissions: write some of r, w and "
				"m, each once",
				err);
	if (text[0] == '\0')
		return text_refuse(text, "is no set of permissions: it is empty", err);
	return 0;
}

int mount_path_new(const char *text, struct template **ret, struct error *err)
{
	int r = path_check(text, err);

	if (r < 0)
		return r;
	return template_new(text, config_variables, CONFIG_VARIABLES_MOUNT_PATH, ret,
			    err);
}

const struct field_type value_path = {
	.wants = "an absolute path",
	.schema = "string",
	.pattern = path_pattern,
	.parse = parse_path,
};

const struct field_type value_plugin_directory = {
	.wants = "an absolute path",
	.schema = "string",
	.pattern = path_pattern,
	.parse = parse_plugin_directory,
};

const struct field_type value_pod_resources = {
	.wants = "an absolute path or none",
	.schema = "string",
	.pattern = "^(none|" PATH_REGEX ")$",
	.parse = parse_pod_resources,
};

const struct field_type value_root = {
	.wants = "an absolute path",
	.schema = "string",
	.parse = parse_root,
};

const struct field_type value_listen = {
	.wants = "host:port, :port or none",
	.schema = "string",
	.pattern = LISTEN_REGEX,
	.parse = parse_listen,
};

const struct field_type value_log_level = {
	.wants = "a log level",
	.schema = "string",
	.parse = parse_log_level,
};

const struct field_type value_log_format = {
	.wants = "json or text",
	.schema = "string",
	.parse = parse_log_format,
};

const struct field_type value_duration = {
	.wants = "a time such as 30s",
	.schema = "string",
	.pattern = "^[0-9]{1,9}(ms|s|m|h)$",
	.parse = parse_duration,
};

const struct field_type value_bound = {
	.wants = "a number",
	.schema = "number",
	.unquoted = true,
	.parse = parse_bound,
};

const struct field_type value_usb_id = {
	.wants = "a hexadecimal number",
	.schema = "string number",
	.pattern = "^(0[xX])?[0-9a-fA-F]{1,4}$",
	.parse = parse_usb_id,
};
