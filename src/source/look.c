/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/strings.h"
#include "base/util.h"
#include "source/look.h"
#include "source/module.h"
#include "source/settling.h"

/* As many devices does the module make when it is loaded (MAX_DEVICES). */
#define PARAMETER_DEVICES_MAX 8
#define UNLOAD_MAX_MS 3000
#define UNLOAD_STEP_MS 50
#define TOO_OLD \
	"a version before 0.13, which makes and removes no devices once it is loaded"

/* Joins what describe() says of each of the first count devices. */
static char *join_devices(const struct look *look, size_t count,
			  char *(*describe)(const struct camera *camera))
{
	struct strings words = {0};
	char *text;

	for (size_t i = 0; i < count; i++)
		strings_take(&words, describe(&look->items[i].camera));
	text = strings_join(&words, ",");
	strings_clear(&words);
	return text;
}

static char *describe_number(const struct camera *camera)
{
	return mem_printf("%u", camera->number);
}

static char *describe_caps(const struct camera *camera)
{
	return mem_string(camera->settings.exclusive_caps ? "1" : "0");
}

/* There is no way to say these two. */
static char *describe_label(const struct camera *camera)
{
	char *label = mem_string(camera->settings.label);

	for (char *at = label; (at = strpbrk(at, ",\"")); at++)
		*at = ' ';
	return label;
}

/*
 * What a module that makes devices only when it is loaded has to be told. The kernel takes
 * one pair of quotes away (next_arg() in lib/cmdline.c).
 */
static char *describe_devices(const struct look *look)
{
	const struct loopback_settings *settings = &look->items[0].camera.settings;
	size_t count = look->count < PARAMETER_DEVICES_MAX ? look->count
							   : PARAMETER_DEVICES_MAX;
	KUDEV_AUTO_FREE char *numbers = join_devices(look, count, describe_number);
	KUDEV_AUTO_FREE char *caps = join_devices(look, count, describe_caps);
	KUDEV_AUTO_FREE char *labels = join_devices(look, count, describe_label);

	return mem_printf("devices=%zu video_nr=%s exclusive_caps=%s "
			  "\"card_label=%s\" max_buffers=%u max_openers=%u "
			  "max_width=%u max_height=%u",
			  count, numbers, caps, labels, settings->buffers,
			  settings->openers, settings->max_width, settings->max_height);
}

/* One that somebody is just unloading can be loaded a moment later. */
static int load_patiently(struct module *module, const char *parameters,
			  struct error *err)
{
	int64_t end_ms = clock_ms() + UNLOAD_MAX_MS;
	int r;

	while ((r = module_load(module, parameters, err)) == -EBUSY &&
	       clock_ms() < end_ms)
		pause_ms(UNLOAD_STEP_MS);
	return r;
}

static int load_module(struct look *look, struct error *err)
{
	KUDEV_AUTO(module_free) struct module *module = NULL;
	KUDEV_AUTO_FREE char *version = NULL;
	KUDEV_AUTO_FREE char *parameters = NULL;
	int r = module_find(LOOPBACK_MODULE, &module, err);

	if (r < 0)
		return r;
	if (look->is_preview) {
		look->can_create = true;
		look->note = mem_string("the module " LOOPBACK_MODULE
					" is not loaded yet; kudev run loads it");
		return 0;
	}
	version = module_info(module, "version");
	parameters = loopback_parse_version(version) >= LOOPBACK_CONTROL_VERSION
			     ? mem_string("devices=0")
			     : describe_devices(look);
	return load_patiently(module, parameters, err);
}

/* control stays unset if the module has none. */
static int reach_module(struct look *look, struct loopback_control *control,
			struct error *err)
{
	bool is_loaded = loopback_is_loaded();
	int r = is_loaded ? 0 : load_module(look, err);
	unsigned version = loopback_version();

	if (r < 0 || (look->is_preview && !is_loaded))
		return r;
	if (version >= LOOPBACK_CONTROL_VERSION) {
		look->note = mem_printf("version %u.%u.%u", version >> 16,
					version >> 8 & 0xff, version & 0xff);
		r = loopback_control_open(control, err);
		look->can_create = r == 0;
		return r;
	}
	look->note = mem_string(TOO_OLD
				": those that exist are used, and their resets are "
				"soft");
	return 0;
}

static void give_reason(struct found *item, const struct error *err)
{
	item->is_ready = false;
	mem_replace(&item->reason, error_message(err));
}

/* A device that is not there yet, or is, but not as it should be. */
static int repair(const struct look *look, struct found *item, int fault,
		  const struct loopback_control *control, struct error *err)
{
	if (look->is_preview && look->can_create && fault == -ENODEV)
		return 0;
	if (look->is_preview || !control)
		return fault;
	if (fault == -ENODEV) {
		item->is_new = true;
		return camera_create(&item->camera, control, err);
	}
	if (fault != -ESTALE || look->is_trial || !look->may_recreate ||
	    !item->may_remake)
		return fault;
	/* Not now if it is open: other cameras and their resets would have to wait. */
	return camera_recreate(&item->camera, control, 0, err);
}

static void check_and_repair(const struct look *look, struct found *item,
			     const struct loopback_control *control)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	int r = camera_check(&item->camera, control, &err);

	if (r < 0)
		r = repair(look, item, r, control, &err);
	if (r < 0)
		give_reason(item, &err);
	item->is_other = r == -ESTALE;
	item->is_ready = r == 0 || (item->is_other && item->may_keep);
}

static void look_at(struct look *look, struct found *item,
		    const struct loopback_control *control)
{
	camera_begin(item->camera.number);
	if (!atomic_load(&look->is_abandoned))
		check_and_repair(look, item, control);
	camera_end(item->camera.number);
}

static void adjust(struct look *look, struct found *item, int64_t udev_end_ms)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	camera_begin(item->camera.number);
	if (!atomic_load(&look->is_abandoned) &&
	    camera_adjust(&item->camera, udev_end_ms, &err) < 0)
		give_reason(item, &err);
	camera_end(item->camera.number);
}

/* Whether it may get its mode and the like. */
static bool may_adjust(const struct look *look, const struct found *item)
{
	return !look->is_preview && !item->is_busy && (item->is_new || !look->is_trial);
}

static bool has_busy(const struct look *look)
{
	for (size_t i = 0; i < look->count; i++) {
		if (look->items[i].is_busy)
			return true;
	}
	return false;
}

void look_around(struct look *look)
{
	KUDEV_AUTO_LOOPBACK_CONTROL struct loopback_control control =
		LOOPBACK_CONTROL_INIT;
	KUDEV_AUTO_ERROR struct error err = {0};
	const struct loopback_control *known;
	int64_t udev_end_ms;
	size_t ready = 0;
	bool is_usable = reach_module(look, &control, &err) == 0;

	known = control.fd >= 0 ? &control : NULL;
	for (size_t i = 0; i < look->count; i++) {
		if (!look->items[i].is_busy)
			look_at(look, &look->items[i], known);
		ready += look->items[i].is_ready;
	}
	/* After all were made, so that udev is waited for once. */
	udev_end_ms = clock_ms() + SETTLING_MAX_MS;
	for (size_t i = 0; i < look->count; i++) {
		if (look->items[i].is_ready && may_adjust(look, &look->items[i]))
			adjust(look, &look->items[i], udev_end_ms);
	}
	if (is_usable && look->can_create)
		return;
	if (ready == 0 && !has_busy(look))
		look->failure = mem_string(is_usable ? TOO_OLD : error_message(&err));
	else if (!is_usable)
		mem_replace(&look->note, error_message(&err));
}

void look_clear(struct look *look)
{
	for (size_t i = 0; i < look->count; i++)
		free(look->items[i].reason);
	free(look->items);
	free(look->failure);
	free(look->note);
}
