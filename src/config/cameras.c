/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/cameras.h"
#include "config/class.h"
#include "config/pattern.h"
#include "config/value.h"

#define VIDEO_PREFIX "/dev/video"
#define COUNT_MAX (CONFIG_VIDEO_NUMBER_MAX + 1)
#define OPENERS_MAX 2147483647 /* v4l2loopback keeps a signed number of 32 bits */
/* Of what v4l2loopback can do; less, it replaces by its defaults without a word. */
#define WIDTH_MIN 2
#define HEIGHT_MIN 1
/* A frame with four bytes for each pixel has then 1 GiB: its size fits 32 bits. */
#define SIZE_MAX_PIXELS 16384
/* It is expanded for every camera, which must not take long whatever it says. */
#define LABEL_TEXT_MAX 255
#define TIMEOUT_MIN_MS 1000
#define TIMEOUT_MAX_MS (10 * 60 * 1000)
#define MODE_DIGITS 3
#define ACCOUNT_MAX_LENGTH 32	   /* as useradd(8) has it */
#define ACCOUNT_ID_MAX 4294967294U /* the next one means "leave it" to chown(2) */
#define NUMBER_DIGITS 3		   /* of CONFIG_VIDEO_NUMBER_MAX */
/* For the schema. */
#define ACCOUNT_REGEX "^(|0|[1-9][0-9]{0,9}|[A-Za-z_.][-A-Za-z0-9_.]{0,31})$"
#define PREFIX_REGEX                 \
	"^(?!/dev/video[0-9]*$)/dev" \
	"(/(?!\\.{1,2}(/|$))[^/\\x01-\\x1f\\x7f]+)+$"

/* Types of this grammar alone. */

static int parse_label(const struct field *field, const char *text, void *target,
		       struct error *err)
{
	struct template **slot = field_slot(field, target);
	struct template *label = NULL;
	int r;

	if (strlen(text) > LABEL_TEXT_MAX)
		return error_set(err, EINVAL, "has %zu bytes, far more than a label can",
				 strlen(text));
	r = template_new(text, config_variables, CONFIG_VARIABLES_MOUNT_PATH, &label,
			 err);
	if (r < 0)
		return r;
	template_free(*slot);
	*slot = label;
	return 0;
}

static const struct field_type type_label = {
	.wants = "a text",
	.schema = "string number boolean",
	.variables = CONFIG_VARIABLES_MOUNT_PATH,
	.parse = parse_label,
};

static int refuse_mode(const char *text, struct error *err)
{
	bool is_go = text[0] == '0' && (text[1] == 'o' || text[1] == 'O');
	const char *digits = is_go ? text + 2 : text;
	size_t length = strspn(digits, "01234567");
	KUDEV_AUTO_FREE char *quoted = text_quote(text);

	if (digits[length] == '\0' && length == MODE_DIGITS)
		return error_set(err, EINVAL, "write \"0%s\", not %s", digits, quoted);
	if (digits[length] == '\0' && length > MODE_DIGITS)
		return text_refuse(text, "is more than permission bits, 0777 at most",
				   err);
	return text_refuse(
		text, "is no mode: write a zero and three octal digits, such as \"0666\"",
		err);
}

/*
 * Read from the text as it was written: for YAML 1.1 a plain 0666 is octal and for YAML
 * 1.2 decimal, and 666 without the zero is most likely meant to be octal.
 */
static int parse_mode(const struct field *field, const char *text, void *target,
		      struct error *err)
{
	if (text[0] != '0' || strlen(text) != 1 + MODE_DIGITS ||
	    strspn(text, "01234567") != 1 + MODE_DIGITS)
		return refuse_mode(text, err);
	*(unsigned *)field_slot(field, target) = (unsigned)strtoul(text, NULL, 8);
	return 0;
}

static const struct field_type type_mode = {
	.wants = "permission bits in octal",
	.schema = "string integer",
	.pattern = "^0[0-7]{3}$",
	.parse = parse_mode,
};

/* A user or group; who that is, the system knows that it is used on. */
static int account_check(const char *text, struct error *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t length = strlen(text);
	size_t digits = strspn(text, "0123456789");

	if (length == 0)
		return 0;
	if (digits == length) {
		if (length > 10 || (text[0] == '0' && length > 1) ||
		    strtoull(text, NULL, 10) > ACCOUNT_ID_MAX)
			return text_refuse(text, "is no user or group ID", err);
		return 0;
	}
	if (digits > 0 || text[0] == '-' || strspn(text, letters) != length)
		return text_refuse(text, "is no name of a user or group", err);
	if (length > ACCOUNT_MAX_LENGTH)
		return error_set(err, EINVAL,
				 "the name has %zu characters, %d at most are allowed",
				 length, ACCOUNT_MAX_LENGTH);
	return 0;
}

static int check_prefix(const char *text, struct error *err)
{
	KUDEV_AUTO_FREE char *clean = NULL;
	int r = path_check(text, err);

	if (r < 0)
		return r;
	if (text[strlen(text) - 1] == '/')
		return text_refuse(
			text,
			"ends with a /: the number of the camera follows, which "
			"alone is no good name",
			err);
	clean = path_clean(text);
	if (strcmp(clean, text) != 0)
		return error_set(err, EINVAL, "write it as %s", clean);
	if (strncmp(text, "/dev/", 5) != 0)
		return text_refuse(text, "is not below /dev/", err);
	/* The dummies would stand where cameras are, or will be. */
	if (strncmp(text, VIDEO_PREFIX, strlen(VIDEO_PREFIX)) == 0 &&
	    text[strlen(VIDEO_PREFIX) +
		 strspn(text + strlen(VIDEO_PREFIX), "0123456789")] == '\0')
		return text_refuse(text, "is the prefix of real cameras", err);
	return 0;
}

static int parse_prefix(const struct field *field, const char *text, void *target,
			struct error *err)
{
	int r = check_prefix(text, err);

	if (r == 0)
		field_store(field, target, mem_string(text));
	return r;
}

const struct field_type camera_prefix = {
	.wants = "the beginning of a path below /dev/",
	.schema = "string",
	.pattern = PREFIX_REGEX,
	.parse = parse_prefix,
};

const struct field cameras_fields[] = {
	{
		.key = "count",
		.help = "How many cameras to make.",
		.type = &field_unsigned,
		.min = 1,
		.max = COUNT_MAX,
		.fallback = "1",
		.offset = offsetof(struct config_v4l2loopback, count),
	},
	{
		.key = "firstNumber",
		.help = "The number of the first one: 10 makes /dev/video10.",
		.type = &field_unsigned,
		.min = 0,
		.max = CONFIG_VIDEO_NUMBER_MAX,
		.fallback = "10",
		.offset = offsetof(struct config_v4l2loopback, first_number),
	},
	{
		.key = "label",
		.help = "The name that programs show for a camera; a template.",
		.type = &type_label,
		.fallback = "{class} {index}",
		.offset = offsetof(struct config_v4l2loopback, label),
	},
	{
		.key = "exclusiveCaps",
		.help = "Whether it looks like a camera only while something is fed to it.",
		.type = &field_boolean,
		.fallback = "true",
		.offset = offsetof(struct config_v4l2loopback, exclusive_caps),
	},
	{
		.key = "buffers",
		.help = "How many frames it holds between writer and readers.",
		.type = &field_unsigned,
		.min = 1,
		.max = CONFIG_BUFFERS_MAX,
		.fallback = "2",
		.offset = offsetof(struct config_v4l2loopback, buffers),
	},
	{
		.key = "openers",
		.help = "How often it may be open at once.",
		.type = &field_unsigned,
		.min = 1,
		.max = OPENERS_MAX,
		.fallback = "10",
		.offset = offsetof(struct config_v4l2loopback, openers),
	},
	{
		.key = "minWidth",
		.help = "The least width of a frame, in pixels.",
		.type = &field_unsigned,
		.min = WIDTH_MIN,
		.max = SIZE_MAX_PIXELS,
		.fallback = "2",
		.offset = offsetof(struct config_v4l2loopback, min_width),
	},
	{
		.key = "minHeight",
		.help = "The least height of a frame, in pixels.",
		.type = &field_unsigned,
		.min = HEIGHT_MIN,
		.max = SIZE_MAX_PIXELS,
		.fallback = "1",
		.offset = offsetof(struct config_v4l2loopback, min_height),
	},
	{
		.key = "maxWidth",
		.help = "The greatest width of a frame, in pixels.",
		.type = &field_unsigned,
		.min = WIDTH_MIN,
		.max = SIZE_MAX_PIXELS,
		.fallback = "8192",
		.offset = offsetof(struct config_v4l2loopback, max_width),
	},
	{
		.key = "maxHeight",
		.help = "The greatest height of a frame, in pixels.",
		.type = &field_unsigned,
		.min = HEIGHT_MIN,
		.max = SIZE_MAX_PIXELS,
		.fallback = "8192",
		.offset = offsetof(struct config_v4l2loopback, max_height),
	},
	{
		.key = "mode",
		.help = "The permission bits of the nodes, in octal.",
		.type = &type_mode,
		.fallback = "0666",
		.offset = offsetof(struct config_v4l2loopback, mode),
	},
	{
		.key = "owner",
		.help = "The user that the nodes belong to, by name or number.",
		.type = &field_string,
		.check = account_check,
		.pattern = ACCOUNT_REGEX,
		.fallback = "",
		.offset = offsetof(struct config_v4l2loopback, owner),
	},
	{
		.key = "group",
		.help = "The group that the nodes belong to, by name or number.",
		.type = &field_string,
		.check = account_check,
		.pattern = ACCOUNT_REGEX,
		.fallback = "",
		.offset = offsetof(struct config_v4l2loopback, group),
	},
	{
		.key = "reset",
		.help = "How a camera is made clean before each container that gets it.",
		.type = &field_choice,
		.choices = config_reset_names,
		.fallback = "soft",
		.offset = offsetof(struct config_v4l2loopback, reset),
	},
	{
		.key = "fallback",
		.help = "What stands for the cameras if the kernel can't make them.",
		.type = &field_choice,
		.choices = config_fallback_names,
		.fallback = "dummy",
		.offset = offsetof(struct config_v4l2loopback, fallback),
	},
	{
		.key = "fallbackPrefix",
		.help = "The paths of the dummies, before the number.",
		.type = &camera_prefix,
		.fallback = CONFIG_FALLBACK_PREFIX,
		.offset = offsetof(struct config_v4l2loopback, fallback_prefix),
	},
	{
		.key = "timeout",
		.help = "For loading the kernel module and making the cameras.",
		.type = &value_duration,
		.min = TIMEOUT_MIN_MS,
		.max = TIMEOUT_MAX_MS,
		.fallback = "60s",
		.offset = offsetof(struct config_v4l2loopback, timeout_ms),
	},
	{0},
};

/* The first of the two keys that is written; one is, where something is wrong. */
static const yaml_node_t *key_of(struct document *document, const yaml_node_t *mapping,
				 const char *first, const char *second)
{
	const yaml_node_t *key = document_key(document, mapping, first);

	return key ? key : document_key(document, mapping, second);
}

static void check_size(struct document *document, const yaml_node_t *mapping,
		       const char *min_key, unsigned min, const char *max_key,
		       unsigned max)
{
	if (min > max)
		document_error(document, key_of(document, mapping, min_key, max_key),
			       "%s %u is greater than %s %u", min_key, min, max_key, max);
}

static unsigned last_number(const struct config_v4l2loopback *cameras)
{
	return cameras->first_number + cameras->count - 1;
}

void cameras_finish(struct document *document, const yaml_node_t *mapping,
		    const struct field *field, void *target)
{
	const struct config_v4l2loopback *cameras = target;

	(void)field;
	check_size(document, mapping, "minWidth", cameras->min_width, "maxWidth",
		   cameras->max_width);
	check_size(document, mapping, "minHeight", cameras->min_height, "maxHeight",
		   cameras->max_height);
	if (last_number(cameras) > CONFIG_VIDEO_NUMBER_MAX)
		document_error(document,
			       key_of(document, mapping, "firstNumber", "count"),
			       "the last of %u cameras from /dev/video%u on would be "
			       "/dev/video%u, but v4l2loopback takes numbers up to %d",
			       cameras->count, cameras->first_number,
			       last_number(cameras), CONFIG_VIDEO_NUMBER_MAX);
}

/* What takes all classes. */

/* V4L2 wants UTF-8 (struct v4l2_capability); udev passes the rest over in silence. */
int camera_label_check(const char *label, struct error *err)
{
	size_t length = strlen(label);

	if (length == 0)
		return error_set(err, EINVAL, "the label is empty");
	for (const char *c = label; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return text_refuse(label, "holds a control character", err);
	if (!text_is_utf8(label))
		return text_refuse(label, "is not valid UTF-8", err);
	if (length > CONFIG_LABEL_MAX) {
		KUDEV_AUTO_FREE char *quoted = text_quote(label);

		return error_set(err, EINVAL, "%s has %zu bytes, %d at most are allowed",
				 quoted, length, CONFIG_LABEL_MAX);
	}
	return 0;
}

static char *make_label(const struct config *config, const struct config_class *class,
			unsigned index)
{
	const struct config_v4l2loopback *cameras = &class->v4l2loopback;
	KUDEV_AUTO_FREE char *id = mem_printf("video%u", cameras->first_number + index);
	KUDEV_AUTO_FREE char *number = mem_printf("%u", index);
	const char *values[CONFIG_VARIABLE_MAX] = {
		[CONFIG_VARIABLE_ID] = id,
		[CONFIG_VARIABLE_INDEX] = number,
		[CONFIG_VARIABLE_CLASS] = class->name,
		[CONFIG_VARIABLE_RESOURCE] = class->resource,
		[CONFIG_VARIABLE_NODE] = config->node_name,
	};

	return template_expand(cameras->label, values);
}

/* The first that is wrong stands for all: the others are most likely wrong like it. */
static void make_labels(const struct config *config, struct config_class *class,
			struct diagnostics *diagnostics)
{
	struct strings *labels = &class->v4l2loopback.labels;

	for (unsigned i = 0; i < class->v4l2loopback.count; i++) {
		KUDEV_AUTO_ERROR struct error err = {0};
		KUDEV_AUTO_FREE char *message = NULL;

		strings_take(labels, make_label(config, class, i));
		if (camera_label_check(labels->items[i], &err) == 0)
			continue;
		message = mem_printf("label of video%u: %s",
				     class->v4l2loopback.first_number + i,
				     error_message(&err));
		class_report(class, diagnostics, message);
		return;
	}
}

static bool have_same_numbers(const struct config_v4l2loopback *a,
			      const struct config_v4l2loopback *b)
{
	return a->first_number <= last_number(b) && b->first_number <= last_number(a);
}

/*
 * Two classes that have no number in common can share a path all the same: /dev/d with
 * 110 and /dev/d1 with 10. Returns the number of outer whose dummy would be inner's, or -1.
 */
static int find_same_dummy(const struct config_v4l2loopback *outer,
			   const struct config_v4l2loopback *inner)
{
	size_t length = strlen(outer->fallback_prefix);
	const char *rest = inner->fallback_prefix + length;

	if (strncmp(inner->fallback_prefix, outer->fallback_prefix, length) != 0 ||
	    strlen(rest) >= NUMBER_DIGITS || rest[0] == '0' ||
	    rest[strspn(rest, "0123456789")] != '\0')
		return -1;
	for (unsigned n = inner->first_number; n <= last_number(inner); n++) {
		char digits[32];
		unsigned long number;

		(void)snprintf(digits, sizeof(digits), "%s%u", rest, n);
		number = strtoul(digits, NULL, 10);
		if (number >= outer->first_number && number <= last_number(outer))
			return (int)number;
	}
	return -1;
}

static void report_double(const struct config_class *first,
			  const struct config_class *second, const char *prefix,
			  unsigned number, const char *key,
			  struct diagnostics *diagnostics)
{
	KUDEV_AUTO_FREE char *place = class_describe_place(first, second->file);
	KUDEV_AUTO_FREE char *message =
		mem_printf("two classes would make %s%u, the first is at %s; give one of "
			   "them another %s",
			   prefix, number, place, key);

	class_report(second, diagnostics, message);
}

/* Returns whether the two get along. */
static bool check_pair(const struct config_class *first,
		       const struct config_class *second, struct diagnostics *diagnostics)
{
	const struct config_v4l2loopback *a = &first->v4l2loopback;
	const struct config_v4l2loopback *b = &second->v4l2loopback;
	const char *prefix = a->fallback_prefix;
	int number;

	if (have_same_numbers(a, b)) {
		report_double(first, second, "/dev/video",
			      a->first_number > b->first_number ? a->first_number
								: b->first_number,
			      "firstNumber", diagnostics);
		return false;
	}
	if (a->fallback == CONFIG_FALLBACK_NONE || b->fallback == CONFIG_FALLBACK_NONE)
		return true;
	number = find_same_dummy(a, b);
	if (number < 0) {
		prefix = b->fallback_prefix;
		number = find_same_dummy(b, a);
	}
	if (number < 0)
		return true;
	report_double(first, second, prefix, (unsigned)number, "fallbackPrefix",
		      diagnostics);
	return false;
}

/* Whether it is a class of cameras that could be read so far that this makes sense. */
static bool is_complete(const struct config_class *class)
{
	return class->source == CONFIG_SOURCE_V4L2LOOPBACK && class->v4l2loopback.label &&
	       class->name && class->resource;
}

void cameras_complete(struct config *config, struct diagnostics *diagnostics)
{
	for (size_t i = 0; i < config->class_count; i++) {
		struct config_class *class = &config->classes[i];

		if (!is_complete(class))
			continue;
		make_labels(config, class, diagnostics);
		for (size_t j = 0; j < i; j++) {
			if (is_complete(&config->classes[j]) &&
			    !check_pair(&config->classes[j], class, diagnostics))
				break;
		}
	}
}

bool cameras_have(const struct config *config, unsigned number)
{
	for (size_t i = 0; i < config->class_count; i++) {
		const struct config_class *class = &config->classes[i];

		if (class->source == CONFIG_SOURCE_V4L2LOOPBACK &&
		    number >= class->v4l2loopback.first_number &&
		    number <= last_number(&class->v4l2loopback))
			return true;
	}
	return false;
}
