/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery with events: from what the kernel and udev say to the inventory. */
#include "source/discovery.h"
#include "test-bed.h"
#include "test-wait.h"

struct fixture {
	struct bed *bed;
	struct config *config;
	struct loop *loop;
	struct watcher *watcher;
	struct inventory *inventory;
	struct discovery *discovery;
	/* What expect() waits for. */
	size_t class;
	const char *expected;
};

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	fixture->bed = bed_new();
	tree_directory(&fixture->bed->tree, "/dev");
	bed_add(fixture->bed, (const char *const[]){BED_CONTROLLER, NULL});
	assert_int_equal(loop_new(&fixture->loop, NULL), 0);
	fixture->watcher = watcher_new(fixture->loop);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	discovery_free(fixture->discovery);
	inventory_free(fixture->inventory);
	watcher_free(fixture->watcher);
	loop_free(fixture->loop);
	config_free(fixture->config);
	bed_free(fixture->bed);
	free(fixture);
	return 0;
}

/* root: NULL for that of the bed. */
static void start(struct fixture *fixture, const char *text, const char *root)
{
	fixture->config = parse_good(text);
	if (root) {
		free(fixture->config->root);
		fixture->config->root = mem_string(root);
	}
	fixture->inventory = inventory_new(fixture->config);
	fixture->discovery = discovery_new(fixture->loop, fixture->watcher, NULL,
					   fixture->config, fixture->inventory, NULL,
					   NULL);
}

/* "id=/dev/node", "id!" for one that is not healthy. */
static char *devices_text(const struct inventory_class *class)
{
	KUDEV_AUTO_STRINGS struct strings words = {0};

	for (size_t i = 0; i < class->count; i++) {
		const struct device *device = class->devices[i];

		strings_take(&words, device->healthy
					     ? mem_printf("%s=%s", device->unit.id,
							  device->unit.nodes[0].host_path)
					     : mem_printf("%s!", device->unit.id));
	}
	return strings_join(&words, " ");
}

static bool is_as_expected(void *data)
{
	const struct fixture *fixture = data;
	KUDEV_AUTO_FREE char *got =
		devices_text(inventory_class_at(fixture->inventory, fixture->class));

	return strcmp(got, fixture->expected) == 0;
}

static void expect(struct fixture *fixture, size_t class, const char *expected)
{
	KUDEV_AUTO_FREE char *got = NULL;

	fixture->class = class;
	fixture->expected = expected;
	if (wait_for(fixture->loop, is_as_expected, fixture))
		return;
	got = devices_text(inventory_class_at(fixture->inventory, class));
	assert_string_equal(got, expected);
}

#define ADD(fixture, ...) \
	bed_add((fixture)->bed, (const char *const[]){__VA_ARGS__, NULL})
#define REMOVE(fixture, ...) \
	bed_remove((fixture)->bed, (const char *const[]){__VA_ARGS__, NULL})

#define SERIAL_PORTS "{name: serial, match: [{subsystem: tty, usb: {vendor: '0403'}}]}\n"
#define ID_A "0403-6001-a50285bi-if00-ttyusb"
#define ID_B "0403-6015-0001-if00-ttyusb"

static void devices_come_and_go_with_their_events(void **state)
{
	struct fixture *fixture = *state;

	start(fixture, "classes:\n- " SERIAL_PORTS, NULL);
	expect(fixture, 0, "");
	ADD(fixture, BED_ADAPTER_A("ttyUSB0", "0"));
	expect(fixture, 0, ID_A "=/dev/ttyUSB0");
	ADD(fixture, BED_ADAPTER_B("ttyUSB1", "1"));
	expect(fixture, 0, ID_A "=/dev/ttyUSB0 " ID_B "=/dev/ttyUSB1");
	REMOVE(fixture, BED_ADAPTER_A("ttyUSB0", "0"));
	expect(fixture, 0, ID_A "! " ID_B "=/dev/ttyUSB1");
	/* Under another number it is the same device. */
	ADD(fixture, BED_ADAPTER_A("ttyUSB5", "5"));
	expect(fixture, 0, ID_A "=/dev/ttyUSB5 " ID_B "=/dev/ttyUSB1");
}

static void two_that_swap_their_numbers_keep_their_ids(void **state)
{
	struct fixture *fixture = *state;

	ADD(fixture, BED_ADAPTER_A("ttyUSB0", "0"), BED_ADAPTER_B("ttyUSB1", "1"));
	start(fixture, "classes:\n- " SERIAL_PORTS, NULL);
	expect(fixture, 0, ID_A "=/dev/ttyUSB0 " ID_B "=/dev/ttyUSB1");
	REMOVE(fixture, BED_ADAPTER_A("ttyUSB0", "0"));
	expect(fixture, 0, ID_A "! " ID_B "=/dev/ttyUSB1");
	REMOVE(fixture, BED_ADAPTER_B("ttyUSB1", "1"));
	expect(fixture, 0, ID_A "! " ID_B "!");
	ADD(fixture, BED_ADAPTER_B("ttyUSB0", "0"));
	expect(fixture, 0, ID_A "! " ID_B "=/dev/ttyUSB0");
	ADD(fixture, BED_ADAPTER_A("ttyUSB1", "1"));
	expect(fixture, 0, ID_A "=/dev/ttyUSB1 " ID_B "=/dev/ttyUSB0");
}

static void without_events_the_device_tree_is_watched(void **state)
{
	struct fixture *fixture = *state;

	start(fixture,
	      "events: inotify\nclasses:\n- " SERIAL_PORTS
	      "- {name: sound, together: parent, match: [{subsystem: sound}]}\n",
	      NULL);
	expect(fixture, 0, "");
	ADD(fixture, BED_ADAPTER_A("ttyUSB0", "0"));
	expect(fixture, 0, ID_A "=/dev/ttyUSB0");
	/* In a directory that was not there. */
	ADD(fixture, BED_SOUND);
	expect(fixture, 1, "pci-0000-00-1b-0=/dev/snd/controlC0");
	REMOVE(fixture, BED_ADAPTER_A("ttyUSB0", "0"));
	expect(fixture, 0, ID_A "!");
}

static void paths_are_looked_at_as_well(void **state)
{
	struct fixture *fixture = *state;

	start(fixture,
	      "classes:\n- {name: paths, paths: ['/dev/ttyACM*']}\n- " SERIAL_PORTS,
	      NULL);
	ADD(fixture, BED_BOARD);
	expect(fixture, 0, "ttyacm0=/dev/ttyACM0 ttyacm1=/dev/ttyACM1");
	ADD(fixture, BED_ADAPTER_A("ttyUSB0", "0"));
	expect(fixture, 1, ID_A "=/dev/ttyUSB0");
	REMOVE(fixture, BED_BOARD);
	expect(fixture, 0, "ttyacm0! ttyacm1!");
}

static void a_new_device_is_there_when_udev_has_finished_with_it(void **state)
{
	struct fixture *fixture = *state;

	run_udev();
	start(fixture,
	      "classes:\n- {name: c, match: [{properties: {ID_USB_SERIAL: X}}]}\n"
	      "- " SERIAL_PORTS,
	      NULL);
	ADD(fixture, BED_ADAPTER_A("ttyUSB0", "0"), BED_ADAPTER_B("ttyUSB1", "1"));
	/* The second one is ready at once, which tells that the events were read. */
	run_udev_entry("c188:1", "V:1\n");
	expect(fixture, 1, ID_B "=/dev/ttyUSB1");
	expect(fixture, 0, "");
	run_udev_entry("c188:0", "E:ID_USB_SERIAL=X\nV:1\n");
	expect(fixture, 0, ID_A "=/dev/ttyUSB0");
	expect(fixture, 1, ID_B "=/dev/ttyUSB1");
}

static void the_first_class_that_matches_has_the_device(void **state)
{
	struct fixture *fixture = *state;

	start(fixture,
	      "classes:\n- {name: a, match: [{kernel: ttyUSB0}]}\n"
	      "- {name: b, identity: path, match: [{kernel: 'ttyUSB*'}]}\n",
	      NULL);
	ADD(fixture, BED_ADAPTER_A("ttyUSB0", "0"));
	expect(fixture, 0, ID_A "=/dev/ttyUSB0");
	expect(fixture, 1, "");
	ADD(fixture, BED_ADAPTER_B("ttyUSB1", "1"));
	expect(fixture, 1, "ttyusb1=/dev/ttyUSB1");
	expect(fixture, 0, ID_A "=/dev/ttyUSB0");
}

/* What is watched is partly not below the root: udev's database. */
static void events_are_taken_where_the_root_is_another_one(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();

	run_udev();
	tree_directory(tree, "/dev");
	start(fixture,
	      "classes:\n- {name: a, match: [{subsystem: tty, kernel: 'ttyUSB*'}]}\n"
	      "- {name: b, paths: ['/dev/x*']}\n",
	      tree->root);
	/* While it waits, the database is watched, and there are other events. */
	ADD(fixture, BED_ADAPTER_A("ttyUSB0", "0"));
	tree_file(tree, "/dev/x1", "");
	expect(fixture, 1, "x1=/dev/x1");
	ADD(fixture, BED_SOUND);
	tree_file(tree, "/dev/x2", "");
	expect(fixture, 1, "x1=/dev/x1 x2=/dev/x2");
	run_udev_entry("c188:0", "V:1\n");
	expect(fixture, 0, ID_A "=/dev/ttyUSB0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(devices_come_and_go_with_their_events),
		TEST(two_that_swap_their_numbers_keep_their_ids),
		TEST(without_events_the_device_tree_is_watched),
		TEST(paths_are_looked_at_as_well),
		TEST(a_new_device_is_there_when_udev_has_finished_with_it),
		TEST(the_first_class_that_matches_has_the_device),
		TEST(events_are_taken_where_the_root_is_another_one),
	};

	(void)argc;
	bed_enter(argv);
	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
