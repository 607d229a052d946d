/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_UDEV_H
#define KUDEV_TEST_UDEV_H

/* A source of devices that udev knows, what it finds, and events for it. */

#include "test-bed.h"

/* The clock of the module under test (the linker's --wrap). */
int64_t __wrap_clock_ms(void);
static int64_t now_ms;

int64_t __wrap_clock_ms(void)
{
	return now_ms;
}

struct fixture {
	struct bed *bed;
	struct config *config;
	struct source *source;
};

static inline int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	now_ms = 1000000;
	fixture->bed = bed_new();
	*state = fixture;
	return 0;
}

static inline void stop(struct fixture *fixture)
{
	fixture->source = source_free(fixture->source);
	fixture->config = config_free(fixture->config);
}

static inline int tear_down(void **state)
{
	struct fixture *fixture = *state;

	stop(fixture);
	bed_free(fixture->bed);
	free(fixture);
	return 0;
}

static const struct source_host udev_host = {0};

/* class: its settings. What was there before is as after a restart. */
static inline void start(struct fixture *fixture, const char *class)
{
	KUDEV_AUTO_FREE char *text = mem_printf("classes:\n- {name: c, %s}\n", class);

	stop(fixture);
	fixture->config = parse_good(text);
	assert_int_equal(source_open(&fixture->config->classes[0], fixture->config->root,
				     &udev_host, &fixture->source, NULL),
			 0);
}

#define SERIAL_PORTS "match: [{subsystem: tty, usb: {vendor: '*'}}]"
#define SOUND "match: [{subsystem: sound}]"

/* As scan_text(). */
static inline void expect(struct fixture *fixture, const char *expected)
{
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	KUDEV_AUTO_FREE char *got = NULL;

	assert_int_equal(source_scan(fixture->source, &scan, NULL), 0);
	got = scan_text(&fixture->config->classes[0], &scan, true);
	assert_string_equal(got, expected);
}

static inline void expect_missing(struct fixture *fixture, const char *expected)
{
	KUDEV_AUTO_SCAN struct scan scan = SCAN_INIT;
	KUDEV_AUTO_FREE char *got = NULL;

	assert_int_equal(source_scan(fixture->source, &scan, NULL), 0);
	got = scan_missing(&scan);
	assert_string_equal(got, expected);
	assert_int_equal(scan.units.count, 0);
}

/* Tells the source what happened to a device; returns whether it wants to be asked. */
static inline bool tell(struct fixture *fixture, const char *line, const char *action)
{
	KUDEV_AUTO_FREE char *syspath = bed_syspath(line);
	const char *subsystem = strchr(line, ' ') + 1;
	const char *node = strstr(line, " node=");
	KUDEV_AUTO_FREE char *word = mem_string_n(subsystem, strcspn(subsystem, " /"));
	KUDEV_AUTO_FREE char *path = NULL;
	const struct source_event event = {
		.action = action,
		.syspath = syspath,
		.subsystem = word,
		.node = path = mem_printf("/dev/%.*s",
					  node ? (int)strcspn(node + 6, " ") : 0,
					  node ? node + 6 : ""),
	};

	/* The monitor passes on what has a node. */
	return node && source_take_event(fixture->source, &event);
}

/* Plugs something in, and tells. Returns whether any of it concerns the source. */
static inline bool plug(struct fixture *fixture, const char *const *lines)
{
	bool matters = false;

	bed_add(fixture->bed, lines);
	for (; *lines; lines++)
		matters = tell(fixture, *lines, "add") || matters;
	return matters;
}

static inline bool unplug(struct fixture *fixture, const char *const *lines)
{
	bool matters = false;

	bed_remove(fixture->bed, lines);
	for (; *lines; lines++)
		matters = tell(fixture, *lines, "remove") || matters;
	return matters;
}

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define BED_ADD(fixture, ...) bed_add((fixture)->bed, LINES(__VA_ARGS__))
#define PLUG(fixture, ...) plug(fixture, LINES(__VA_ARGS__))
#define UNPLUG(fixture, ...) unplug(fixture, LINES(__VA_ARGS__))

#define ID_A "0403-6001-a50285bi-if00-ttyusb"
/* Alone, and told apart from another one by the port. */
#define ID_B "0403-6015-0001-if00-ttyusb"

#endif
