/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

#include "base/text.h"
#include "config/config.h"
#include "config/match.h"
#include "config/pattern.h"

#define CONDITIONS_MAX 100
#define USB_ID_DIGITS 4
#define HEX "0123456789abcdefABCDEF"
/* For the schema. */
#define USB_ID_REGEX "^(0[xX])?([0-9a-fA-F]{1,4}|(?=.*[*?\\[])[-0-9a-fA-F*?\\[\\]^]+)$"
#define MATCH_RULES              \
	"{\"minProperties\": 1," \
	" \"not\": {\"required\": [\"not\"], \"maxProperties\": 1}}"

static struct strings *globs_of(const struct field *field, void *target)
{
	return field_slot(field, target);
}

static int add_glob(const struct field *field, const char *text, void *target,
		    struct error *err)
{
	int r;

	if (text[0] == '\0')
		return error_set(err, EINVAL, "is empty: nothing would ever match");
	r = glob_check(text, err);
	if (r == 0)
		strings_add(globs_of(field, target), text);
	return r;
}

static int add_kernel_name(const struct field *field, const char *text, void *target,
			   struct error *err)
{
	if (strncmp(text, "/dev/", 5) == 0)
		return error_set(err, EINVAL,
				 "is the kernel's name for the device, without /dev/");
	return add_glob(field, text, target, err);
}

/*
 * Hexadecimal as lsusb prints it, with or without 0x, or a glob of that; kept in lower
 * case and, if it is no glob, in four digits, as sysfs has it.
 */
static int add_usb_id(const struct field *field, const char *text, void *target,
		      struct error *err)
{
	const char *digits = text;
	bool is_glob = strpbrk(text, "*?[") != NULL;
	size_t length;
	char *glob;

	if (digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'))
		digits += 2;
	length = strspn(digits, is_glob ? HEX "*?[]-^" : HEX);
	if (length == 0 || digits[length] != '\0' ||
	    (!is_glob && length > USB_ID_DIGITS)) {
		KUDEV_AUTO_FREE char *quoted = text_quote(text);

		return error_set(
			err, EINVAL,
			"expected up to four hexadecimal digits, as lsusb prints "
			"them, or a glob, got %s",
			quoted);
	}
	if (glob_check(digits, err) < 0)
		return -EINVAL;
	glob = is_glob ? mem_string(digits)
		       : mem_printf("%0*lx", USB_ID_DIGITS, strtoul(digits, NULL, 16));
	for (char *c = glob; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	strings_take(globs_of(field, target), glob);
	return 0;
}

static const struct field_type type_globs = {
	.wants = "a glob or a list of them",
	.schema = "string number boolean",
	.or_list = true,
	.pattern = glob_pattern,
	.parse = add_glob,
	.read = field_read_texts,
};

static const struct field_type type_kernel_names = {
	.wants = "a glob or a list of them",
	.schema = "string number boolean",
	.or_list = true,
	.pattern = glob_pattern,
	.parse = add_kernel_name,
	.read = field_read_texts,
};

static const struct field_type type_usb_ids = {
	.wants = "a hexadecimal number, a glob or a list of them",
	.schema = "string number",
	.or_list = true,
	.pattern = glob_pattern,
	.parse = add_usb_id,
	.read = field_read_texts,
};

static int property_check(const char *name, struct error *err)
{
	KUDEV_AUTO_FREE char *quoted = text_quote(name);

	if (name[0] == '\0' || strpbrk(name, "= \t\n") != NULL)
		return error_set(err, EINVAL, "%s is no name of a udev property", quoted);
	return 0;
}

static const struct field value_item = {
	.key = "value",
	.type = &type_globs,
	.offset = offsetof(struct config_condition, globs),
};

static const struct field usb_fields[] = {
	{
		.key = "vendor",
		.help = "The vendor ID, hexadecimal.",
		.type = &type_usb_ids,
		.pattern = USB_ID_REGEX,
		.offset = offsetof(struct config_match, usb_vendor),
	},
	{
		.key = "product",
		.help = "The product ID, hexadecimal.",
		.type = &type_usb_ids,
		.pattern = USB_ID_REGEX,
		.offset = offsetof(struct config_match, usb_product),
	},
	{
		.key = "serial",
		.help = "The serial number.",
		.type = &type_globs,
		.offset = offsetof(struct config_match, usb_serial),
	},
	{0},
};

static bool is_empty(const struct config_match *match)
{
	return match->subsystem.count + match->kernel.count + match->driver.count +
		       match->tags.count + match->property_count +
		       match->attribute_count + match->usb_vendor.count +
		       match->usb_product.count + match->usb_serial.count ==
	       0;
}

static void usb_finish(struct document *document, const yaml_node_t *mapping,
		       const struct field *field, void *target)
{
	(void)field;
	(void)target;
	if (mapping->data.mapping.pairs.start == mapping->data.mapping.pairs.top)
		document_error(document, mapping,
			       "usb: give at least one of vendor, product and serial");
}

static void match_finish(struct document *document, const yaml_node_t *mapping,
			 const struct field *field, void *target)
{
	const struct config_match *match = target;

	if (mapping->data.mapping.pairs.start == mapping->data.mapping.pairs.top)
		document_error(document, mapping,
			       "%s: an entry without conditions would match every device",
			       field->key);
	else if (is_empty(match) && match->not_count > 0)
		document_error(
			document, mapping,
			"%s: only \"not\" is given; say as well what it should be, "
			"such as the subsystem",
			field->key);
}

/* One entry or a list of them. */
static void read_not(struct document *document, const yaml_node_t *node,
		     const struct field *field, void *target)
{
	if (node->type == YAML_SEQUENCE_NODE)
		field_list.read(document, node, field, target);
	else
		field_read(document, node, field->item, field_extend(field, target, 1));
}

static const struct field_type type_not = {
	.wants = "a mapping or a list of them",
	.schema = "object",
	.or_list = true,
	.read = read_not,
};

/* Its own conditions can have a "not" again. */
static const struct field match_fields[9];

static const struct field not_item = {
	.key = "not",
	.type = &field_mapping,
	.fields = match_fields,
	.finish = match_finish,
	.rules = MATCH_RULES,
	.definition = "match",
};

static const struct field match_fields[9] = {
	{
		.key = "subsystem",
		.help = "The kernel's subsystem, such as tty.",
		.type = &type_globs,
		.offset = offsetof(struct config_match, subsystem),
	},
	{
		.key = "kernel",
		.help = "The kernel's name of the device, such as ttyUSB*.",
		.type = &type_kernel_names,
		.pattern = "^(?!/dev/)",
		.offset = offsetof(struct config_match, kernel),
	},
	{
		.key = "driver",
		.help = "The driver of the device or of one above it.",
		.type = &type_globs,
		.offset = offsetof(struct config_match, driver),
	},
	{
		.key = "tags",
		.help = "A tag that udev's rules gave it.",
		.type = &type_globs,
		.offset = offsetof(struct config_match, tags),
	},
	{
		.key = "properties",
		.help = "Properties in udev's database, such as ID_MODEL.",
		.type = &field_map,
		.min = 1,
		.max = CONDITIONS_MAX,
		.check = property_check,
		.pattern = "^[^= \\t\\n]+$",
		.item = &value_item,
		.item_size = sizeof(struct config_condition),
		.offset = offsetof(struct config_match, properties),
		.count_offset = offsetof(struct config_match, property_count),
	},
	{
		.key = "attributes",
		.help = "Attributes in sysfs, its own or of the nearest device above it.",
		.type = &field_map,
		.min = 1,
		.max = CONDITIONS_MAX,
		.check = attribute_check,
		.pattern = attribute_pattern,
		.item = &value_item,
		.item_size = sizeof(struct config_condition),
		.offset = offsetof(struct config_match, attributes),
		.count_offset = offsetof(struct config_match, attribute_count),
	},
	{
		.key = "usb",
		.help = "The USB device that it belongs to.",
		.type = &field_mapping,
		.fields = usb_fields,
		.finish = usb_finish,
		.rules = "{\"minProperties\": 1}",
	},
	{
		.key = "not",
		.help = "Conditions that must not hold.",
		.type = &type_not,
		.min = 1,
		.item = &not_item,
		.item_size = sizeof(struct config_match),
		.offset = offsetof(struct config_match, not ),
		.count_offset = offsetof(struct config_match, not_count),
	},
	{0},
};

const struct field match_item = {
	.key = "match",
	.type = &field_mapping,
	.fields = match_fields,
	.finish = match_finish,
	.rules = MATCH_RULES,
	.definition = "match",
};
