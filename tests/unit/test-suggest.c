/* SPDX-License-Identifier: Apache-2.0 */
#include <json-c/json.h>
#include <libudev.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/suggest.h"
#include "test-bed.h"

/* Texts from hardware in "kudev list": whoever makes a stick writes what he likes. */

static const char *const machine[] = {
	BED_CONTROLLER,
	BED_ADAPTER_A("ttyUSB0", "0"),
	BED_CAMERA,
	NULL,
};

/* Two of a kind; only the serial numbers differ. */
#define STICK(name, port, serial, tty, minor) \
	BED_ADAPTER(BED_USB, name, port, "6015", "serial=" serial, tty, minor)
#define TTY(name, tty) BED_USB "/" name "/" name ":1.0/" tty "/tty/" tty

struct fixture {
	struct bed *bed;
	struct udev *udev;
	struct udev_device *all[64];
	size_t count;
};

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	fixture->bed = bed_new();
	fixture->udev = udev_new();
	bed_add(fixture->bed, machine);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < fixture->count; i++)
		udev_device_unref(fixture->all[i]);
	udev_unref(fixture->udev);
	bed_free(fixture->bed);
	free(fixture);
	return 0;
}

static void read_all(struct fixture *fixture)
{
	struct udev_enumerate *enumerate = udev_enumerate_new(fixture->udev);
	struct udev_list_entry *entry;

	assert_int_equal(udev_enumerate_scan_devices(enumerate), 0);
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(enumerate))
	{
		struct udev_device *device = udev_device_new_from_syspath(
			fixture->udev, udev_list_entry_get_name(entry));

		assert_true(fixture->count < KUDEV_ARRAY_SIZE(fixture->all));
		if (device && udev_device_get_devnode(device))
			fixture->all[fixture->count++] = device;
		else
			udev_device_unref(device);
	}
	udev_enumerate_unref(enumerate);
}

static struct udev_device *device_at(const struct fixture *fixture, const char *path)
{
	KUDEV_AUTO_FREE char *syspath = bed_syspath(path);

	for (size_t i = 0; i < fixture->count; i++) {
		if (strcmp(udev_device_get_syspath(fixture->all[i]), syspath) == 0)
			return fixture->all[i];
	}
	fail_msg("no device %s", path);
	return NULL;
}

/* The conditions that are suggested for a device: they must select it alone. */
static char *suggested(struct fixture *fixture, const char *path)
{
	struct udev_device *device = device_at(fixture, path);
	struct json_object *entry = suggest_match(device, fixture->all, fixture->count);
	char *text =
		mem_string(json_object_to_json_string_ext(entry, JSON_C_TO_STRING_PLAIN));

	assert_int_equal(suggest_count(entry, fixture->all, fixture->count), 1);
	assert_int_equal(suggest_count(entry, &device, 1), 1);
	json_object_put(entry);
	return text;
}

static void a_serial_number_that_no_configuration_can_hold_is_not_suggested(void **state)
{
	static const char *const more[] = {
		STICK("1-4", "4", "A\x7f", "ttyUSB4", "4"),
		STICK("1-5", "5", "B\xff", "ttyUSB5", "5"),
		STICK("1-6", "6", "C\x1b[2J", "ttyUSB6", "6"),
		STICK("1-7", "7", "D\xc2\x9b", "ttyUSB7", "7"),
		STICK("1-8", "8", "E\xef\xbf\xbf", "ttyUSB8", "8"),
		STICK("1-9", "9", "\xc3\x84*", "ttyUSB9", "9"),
		NULL,
	};
	static const struct {
		const char *path;
		const char *conditions;
	} tests[] = {
		{TTY("1-4", "ttyUSB4"), "\"devpath\":\"4\""},
		{TTY("1-5", "ttyUSB5"), "\"devpath\":\"5\""},
		{TTY("1-6", "ttyUSB6"), "\"devpath\":\"6\""},
		{TTY("1-7", "ttyUSB7"), "\"devpath\":\"7\""},
		{TTY("1-8", "ttyUSB8"), "\"devpath\":\"8\""},
		{TTY("1-9", "ttyUSB9"), "\"serial\":\"\xc3\x84\\\\*\""},
	};
	struct fixture *fixture = *state;

	bed_add(fixture->bed, more);
	read_all(fixture);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *text = suggested(fixture, tests[i].path);

		if (!strstr(text, tests[i].conditions))
			fail_msg("%s: %s", tests[i].path, text);
		assert_true(strstr(tests[i].conditions, "serial") ||
			    !strstr(text, "serial"));
	}
}

static void conditions_that_no_configuration_can_hold_select_nothing(void **state)
{
	static const char *const serials[] = {"A\x7f", "\xff", "E\xef\xbf\xbf"};
	struct fixture *fixture = *state;

	read_all(fixture);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(serials); i++) {
		struct json_object *entry = json_object_new_object();

		json_object_object_add(entry, "kernel",
				       json_object_new_string(serials[i]));
		assert_int_equal(suggest_count(entry, fixture->all, fixture->count), 0);
		json_object_put(entry);
	}
}

/* What the command prints. The caller frees it. */
static char *listed(enum output_format output)
{
	const struct options options = {.output = output, .all = true};
	int old = dup(STDOUT_FILENO);
	int file = memfd_create("kudev-test", MFD_CLOEXEC);
	char *text;
	off_t size;

	assert_true(old >= 0 && file >= 0);
	fflush(stdout);
	assert_true(dup2(file, STDOUT_FILENO) >= 0);
	assert_int_equal(cli_list(&options), EXIT_OK);
	fflush(stdout);
	assert_true(dup2(old, STDOUT_FILENO) >= 0);
	size = lseek(file, 0, SEEK_END);
	text = mem_zero((size_t)size + 1);
	assert_int_equal(pread(file, text, (size_t)size, 0), size);
	fd_close(old);
	fd_close(file);
	return text;
}

/* A text as a quoted string has it, where that escapes the backslash. */
static char *escaped(const char *text, bool doubled)
{
	char *end = mem_zero(2 * strlen(text) + 1);
	char *start = end;

	for (; *text; text++) {
		if (doubled && *text == '\\')
			*end++ = '\\';
		*end++ = *text;
	}
	return start;
}

static void nothing_from_hardware_reaches_the_terminal_as_it_is(void **state)
{
	static const char *const more[] = {
		STICK("1-4", "4", "A\x7f", "ttyUSB4", "4"),
		STICK("1-5", "5", "B\xff\xc3", "ttyUSB5", "5"),
		STICK("1-6", "6", "C\x1b]0;x\x07", "ttyUSB6", "6"),
		STICK("1-7", "7",
		      "D\xc2\x9b"
		      "2J",
		      "ttyUSB7", "7"),
		STICK("1-8", "8", "E\xc3\x84", "ttyUSB8", "8"),
		/* Of udev's database. */
		BED_USB
		"/1-8/tty/ttyX tty node=ttyX dev=188:70 E:ID_X=\x1b[2J E:ID_Y=\xff",
		NULL,
	};
	static const enum output_format outputs[] = {OUTPUT_TABLE, OUTPUT_JSON,
						     OUTPUT_YAML};
	static const char *const expected[] = {
		"A\\x7f", "B\\xff\\xc3", "C\\x1b]0;x\\x07", "D\\xc2\\x9b2J", "E\xc3\x84",
	};
	struct fixture *fixture = *state;

	bed_add(fixture->bed, more);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(outputs); i++) {
		KUDEV_AUTO_FREE char *text = listed(outputs[i]);
		bool doubled = outputs[i] != OUTPUT_TABLE;

		assert_true(text_is_utf8(text));
		assert_null(strpbrk(text, "\x1b\x07\x7f"));
		assert_null(strstr(text, "\xc2\x9b"));
		for (size_t j = 0; j < KUDEV_ARRAY_SIZE(expected); j++) {
			KUDEV_AUTO_FREE char *wanted = escaped(expected[j], doubled);

			if (!strstr(text, wanted))
				fail_msg("no %s in %s", wanted, text);
		}
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_serial_number_that_no_configuration_can_hold_is_not_suggested),
		TEST(conditions_that_no_configuration_can_hold_select_nothing),
		TEST(nothing_from_hardware_reaches_the_terminal_as_it_is),
	};

	(void)argc;
	bed_enter(argv);
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
