/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "base/util.h"
#include "source/camera.h"
#include "source/module.h"
#include "source/settling.h"
#include "source/source.h"

/*
 * Virtual cameras that kudev makes. Whatever asks the kernel's module can block, so that
 * the worker does it: one look at a time makes sure that all cameras of the class are as
 * they should be, and says of each why it is not. Looks follow events of these devices.
 * Resets run beside each other, but not beside a look.
 *
 * Nothing is removed but by a reset, and the module is never unloaded: pods go on with
 * their cameras when kudev ends. Where the module can't be used, links to /dev/null stand
 * for the cameras, until it can be used and no pod holds the link.
 */

/* When to look once more for what is missing. */
#define RETRY_MS 30000
/* The kubelet waits 30 s for the whole of it (constants.go). */
#define RESET_TIMEOUT_MS 25000
#define DUMMY_TARGET "/dev/null"
/* As many devices does the module make when it is loaded (MAX_DEVICES). */
#define PARAMETER_DEVICES_MAX 8

/* A camera as one look finds it. */
struct found {
	struct camera camera;
	bool is_busy; /* being reset: left alone */
	bool is_held;
	bool is_ready;
	char *reason; /* why it is not */
};

struct look {
	struct worker_job job;
	struct v4l2loopback *owner; /* NULL: nobody waits for it any more */
	bool is_preview;
	bool may_recreate;
	struct found *items;
	size_t count;
	bool is_usable;	 /* the module is, or will be once it is loaded */
	bool can_create; /* it makes devices, or will once it is loaded */
	char *failure;	 /* why there are no cameras at all; NULL: there are */
	char *note;
};

struct reset {
	struct worker_job job;
	struct slot *slot; /* NULL: nobody waits for it any more */
	struct camera camera;
	bool is_recreation;
	bool has_failed;
	struct error err;
};

/* One camera of the class. */
struct slot {
	struct v4l2loopback *owner;
	struct camera camera;
	char *id; /* as long as the class is not shared */
	char *path;
	char *dummy_path;
	bool is_known; /* a look has ended */
	bool is_ready;
	bool is_dummy;	 /* what is handed out is the dummy */
	char *reason;	 /* why it is not ready */
	uint64_t device; /* the number of its node when it was ready last; 0: never */
	struct reset *reset;
	bool is_passed_over;		 /* a look has left it to the reset */
	struct preparation *preparation; /* that waits for the reset */
};

struct v4l2loopback {
	struct source source;
	const struct source_host *host; /* NULL: in a preview */
	struct slot *slots;
	size_t count;
	struct look *look; /* under way */
	bool is_late;	   /* it takes longer than its time */
	bool is_stale;	   /* something has happened since it began */
	int64_t retry_at_ms;
	char *degraded;
	char *note;
	struct preparation *waiting; /* for the look to end */
};

static struct v4l2loopback *v4l2loopback_of(struct source *source)
{
	return KUDEV_CONTAINER_OF(source, struct v4l2loopback, source);
}

static const struct config_v4l2loopback *config_of(const struct v4l2loopback *source)
{
	return &source->source.class->v4l2loopback;
}

static void replace_text(char **text, const char *by)
{
	char *copy = by ? mem_string(by) : NULL;

	free(*text);
	*text = copy;
}

/* The look: on the worker's thread, or on the loop's in a preview. */

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

/* The kernel takes one pair of quotes away (next_arg() in lib/cmdline.c). */
static char *describe_label(const struct camera *camera)
{
	return mem_string(camera->settings.label);
}

/* What a module that makes devices only when it is loaded has to be told. */
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
	return module_load(module, parameters, err);
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
	look->note = mem_string("a version before 0.13, which makes and removes no "
				"devices once it is loaded: those that exist are used, "
				"and their resets are soft");
	return 0;
}

static void give_reason(struct found *item, const struct error *err)
{
	item->is_ready = false;
	free(item->reason);
	item->reason = mem_string(error_message(err));
}

/* A device that is not there yet, or is, but not as it should be. */
static int repair(const struct look *look, struct found *item, int fault,
		  const struct loopback_control *control, struct error *err)
{
	if (look->is_preview && look->can_create && fault == -ENODEV)
		return 0;
	if (look->is_preview || !control)
		return fault;
	if (fault == -ENODEV)
		return camera_create(&item->camera, control, err);
	if (fault == -ESTALE && look->may_recreate && !item->is_held)
		return camera_recreate(&item->camera, control, err);
	return fault;
}

static void look_at(const struct look *look, struct found *item,
		    const struct loopback_control *control)
{
	KUDEV_AUTO_ERROR struct error err = {0};
	int r = camera_check(&item->camera, control, &err);

	if (r < 0)
		r = repair(look, item, r, control, &err);
	item->is_ready = r == 0;
	if (r < 0)
		give_reason(item, &err);
}

static void adjust(struct found *item, int64_t udev_end_ms)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	if (camera_adjust(&item->camera, udev_end_ms, &err) < 0)
		give_reason(item, &err);
}

static void look_around(struct look *look)
{
	KUDEV_AUTO_LOOPBACK_CONTROL struct loopback_control control =
		LOOPBACK_CONTROL_INIT;
	KUDEV_AUTO_ERROR struct error err = {0};
	const struct loopback_control *known;
	int64_t udev_end_ms;
	size_t ready = 0;

	look->is_usable = reach_module(look, &control, &err) == 0;
	known = control.fd >= 0 ? &control : NULL;
	for (size_t i = 0; i < look->count; i++) {
		if (!look->items[i].is_busy)
			look_at(look, &look->items[i], known);
		ready += look->items[i].is_ready;
	}
	/* After all were made, so that udev is waited for once. */
	udev_end_ms = clock_ms() + SETTLING_MAX_MS;
	for (size_t i = 0; i < look->count && !look->is_preview; i++) {
		if (look->items[i].is_ready && !look->items[i].is_busy)
			adjust(&look->items[i], udev_end_ms);
	}
	if (!look->is_usable && ready == 0)
		look->failure = mem_string(error_message(&err));
	else if (!look->is_usable)
		replace_text(&look->note, error_message(&err));
}

static void run_look(struct worker_job *job)
{
	look_around(KUDEV_CONTAINER_OF(job, struct look, job));
}

static void free_look(struct worker_job *job)
{
	struct look *look = KUDEV_CONTAINER_OF(job, struct look, job);

	for (size_t i = 0; i < look->count; i++)
		free(look->items[i].reason);
	free(look->items);
	free(look->failure);
	free(look->note);
	free(look);
}

/* What is handed out: on the loop's thread. */

/* Of one share of it; the caller frees it. */
static char *share_id(const struct slot *slot, unsigned share)
{
	return slot->owner->source.class->share > 1 ? mem_printf("%s-%u", slot->id, share)
						    : mem_string(slot->id);
}

static bool is_held(const struct slot *slot)
{
	const struct v4l2loopback *owner = slot->owner;

	for (unsigned i = 0; owner->host && i < owner->source.class->share; i++) {
		KUDEV_AUTO_FREE char *id = share_id(slot, i);

		if (owner->host->is_held(id, owner->host->data))
			return true;
	}
	return false;
}

static bool has_dummy(const struct slot *slot)
{
	char target[sizeof(DUMMY_TARGET)];
	ssize_t length = readlink(slot->dummy_path, target, sizeof(target));

	return length == (ssize_t)strlen(DUMMY_TARGET) &&
	       memcmp(target, DUMMY_TARGET, strlen(DUMMY_TARGET)) == 0;
}

static void make_dummy(struct slot *slot)
{
	slot->is_dummy = has_dummy(slot) || symlink(DUMMY_TARGET, slot->dummy_path) == 0;
	if (slot->is_dummy)
		return;
	free(slot->reason);
	slot->reason = mem_printf("neither the camera nor %s can be made: %s",
				  slot->dummy_path, strerror(errno));
}

static void remove_dummy(struct slot *slot)
{
	if (has_dummy(slot))
		(void)unlink(slot->dummy_path);
	slot->is_dummy = false;
}

/* A pod keeps what it has. */
static void choose(struct slot *slot)
{
	const struct v4l2loopback *owner = slot->owner;
	bool may_be_dummy = config_of(owner)->fallback == CONFIG_FALLBACK_DUMMY;
	bool wants_dummy = may_be_dummy && owner->degraded && !slot->is_ready;

	/* Somebody may have removed it. */
	slot->is_dummy = slot->is_dummy && (!owner->host || has_dummy(slot));
	if (wants_dummy == slot->is_dummy)
		return;
	if (!owner->host)
		slot->is_dummy = wants_dummy;
	else if (wants_dummy && !(slot->device != 0 && is_held(slot)))
		make_dummy(slot);
	else if (slot->is_dummy && (slot->is_ready || !may_be_dummy) && !is_held(slot))
		remove_dummy(slot);
}

static void choose_all(struct v4l2loopback *source)
{
	for (size_t i = 0; i < source->count; i++)
		choose(&source->slots[i]);
}

static void take_look(struct v4l2loopback *source, const struct look *look)
{
	for (size_t i = 0; i < source->count; i++) {
		struct slot *slot = &source->slots[i];
		const struct found *item = &look->items[i];

		slot->is_passed_over = item->is_busy;
		if (item->is_busy)
			continue;
		slot->is_known = true;
		slot->is_ready = item->is_ready;
		replace_text(&slot->reason, item->reason);
	}
	replace_text(&source->degraded, look->failure);
	replace_text(&source->note, look->note);
	choose_all(source);
}

/* Resets. */

static void end_preparation(struct preparation *preparation, const char *skipped,
			    const struct error *err)
{
	preparation->skipped = skipped;
	preparation->done(preparation, err);
}

static void fail_preparation(struct preparation *preparation, int code,
			     const char *message)
{
	KUDEV_AUTO_ERROR struct error err = {0};

	error_set(&err, code, "%s", message);
	end_preparation(preparation, NULL, &err);
}

static void run_reset(struct worker_job *job)
{
	struct reset *reset = KUDEV_CONTAINER_OF(job, struct reset, job);
	KUDEV_AUTO_LOOPBACK_CONTROL struct loopback_control control =
		LOOPBACK_CONTROL_INIT;

	int r;

	if (!reset->is_recreation || loopback_version() < LOOPBACK_CONTROL_VERSION) {
		r = camera_reset(&reset->camera, &reset->err);
	} else {
		r = loopback_control_open(&control, &reset->err);
		if (r == 0)
			r = camera_recreate(&reset->camera, &control, &reset->err);
	}
	reset->has_failed = r < 0;
}

static void on_reset_late(struct worker_job *job)
{
	struct slot *slot = KUDEV_CONTAINER_OF(job, struct reset, job)->slot;

	if (slot && slot->preparation)
		fail_preparation(take_ptr(slot->preparation), ETIMEDOUT,
				 "the kernel has not ended the reset in time");
}

static void on_reset_done(struct worker_job *job)
{
	struct reset *reset = KUDEV_CONTAINER_OF(job, struct reset, job);
	struct slot *slot = reset->slot;

	if (!slot)
		return;
	slot->reset = NULL;
	/* It may have another number now. */
	if (reset->is_recreation)
		slot->device = 0;
	/* It may be gone. */
	if (reset->is_recreation || reset->has_failed || slot->is_passed_over) {
		slot->owner->is_stale = true;
		slot->owner->host->on_change(slot->owner->host->data);
	}
	if (slot->preparation)
		end_preparation(take_ptr(slot->preparation), NULL,
				reset->has_failed ? &reset->err : NULL);
}

static void free_reset(struct worker_job *job)
{
	struct reset *reset = KUDEV_CONTAINER_OF(job, struct reset, job);

	error_clear(&reset->err);
	free(reset);
}

static void start_reset(struct slot *slot, struct preparation *preparation)
{
	struct reset *reset = mem_zero(sizeof(*reset));

	reset->job = (struct worker_job){
		.run = run_reset,
		.late = on_reset_late,
		.done = on_reset_done,
		.free = free_reset,
		.timeout_ms = RESET_TIMEOUT_MS,
	};
	reset->slot = slot;
	reset->camera = slot->camera;
	reset->is_recreation = config_of(slot->owner)->reset == CONFIG_RESET_RECREATE;
	slot->reset = reset;
	slot->preparation = preparation;
	worker_submit(slot->owner->host->worker, &reset->job);
}

static struct slot *find_slot(struct v4l2loopback *source, const char *id)
{
	for (size_t i = 0; i < source->count; i++) {
		if (strcmp(source->slots[i].id, id) == 0)
			return &source->slots[i];
	}
	return NULL;
}

static void prepare_slot(struct slot *slot, struct preparation *preparation)
{
	if (slot->is_dummy)
		end_preparation(preparation, "it is a dummy", NULL);
	else if (!slot->is_ready)
		fail_preparation(preparation, ENODEV,
				 slot->reason ? slot->reason : "it is not there");
	else if (slot->reset)
		fail_preparation(preparation, EBUSY, "it is being reset already");
	else
		start_reset(slot, preparation);
}

static void start_waiting(struct v4l2loopback *source)
{
	struct preparation *preparation;
	struct preparation *next;

	DL_FOREACH_SAFE(source->waiting, preparation, next) {
		DL_DELETE(source->waiting, preparation);
		prepare_slot(find_slot(source, preparation->id), preparation);
	}
}

static void fail_waiting(struct v4l2loopback *source, int code, const char *reason)
{
	while (source->waiting) {
		struct preparation *preparation = source->waiting;

		DL_DELETE(source->waiting, preparation);
		fail_preparation(preparation, code, reason);
	}
}

static void v4l2loopback_prepare(struct source *base, struct preparation *preparation)
{
	struct v4l2loopback *source = v4l2loopback_of(base);
	struct slot *slot = find_slot(source, preparation->id);

	if (config_of(source)->reset == CONFIG_RESET_NONE)
		end_preparation(preparation, "the class asks for no reset", NULL);
	else if (!slot)
		fail_preparation(preparation, ENOENT, "the class has no such device");
	else if (slot->is_dummy && source->is_late)
		prepare_slot(slot, preparation);
	else if (source->look && source->is_late)
		fail_preparation(preparation, ETIMEDOUT, source->degraded);
	else if (source->look)
		DL_APPEND(source->waiting, preparation);
	else
		prepare_slot(slot, preparation);
}

static void on_look_late(struct worker_job *job)
{
	struct look *look = KUDEV_CONTAINER_OF(job, struct look, job);
	struct v4l2loopback *source = look->owner;

	if (!source)
		return;
	source->is_late = true;
	free(source->degraded);
	source->degraded =
		mem_printf("the kernel has not loaded the module and made the devices "
			   "within %u s",
			   config_of(source)->timeout_ms / 1000);
	choose_all(source);
	fail_waiting(source, ETIMEDOUT, source->degraded);
	source->host->on_change(source->host->data);
}

static void on_look_done(struct worker_job *job)
{
	struct look *look = KUDEV_CONTAINER_OF(job, struct look, job);
	struct v4l2loopback *source = look->owner;

	if (!source)
		return;
	source->look = NULL;
	source->is_late = false;
	take_look(source, look);
	start_waiting(source);
	source->host->on_change(source->host->data);
}

static struct look *look_new(struct v4l2loopback *source)
{
	struct look *look = mem_zero(sizeof(*look));

	look->owner = source;
	look->job = (struct worker_job){
		.run = run_look,
		.late = on_look_late,
		.done = on_look_done,
		.free = free_look,
		.timeout_ms = config_of(source)->timeout_ms,
	};
	look->is_preview = source->source.preview;
	look->may_recreate = config_of(source)->reset == CONFIG_RESET_RECREATE;
	look->count = source->count;
	look->items = mem_zero(source->count * sizeof(*look->items));
	for (size_t i = 0; i < source->count; i++) {
		look->items[i] = (struct found){
			.camera = source->slots[i].camera,
			.is_busy = source->slots[i].reset != NULL,
			.is_held = is_held(&source->slots[i]),
		};
	}
	return look;
}

static void start_look(struct v4l2loopback *source)
{
	source->is_stale = false;
	source->look = look_new(source);
	worker_submit(source->host->worker, &source->look->job);
}

/* Without anything else to do, all at once. */
static void look_now(struct v4l2loopback *source)
{
	struct look *look = look_new(source);

	look_around(look);
	take_look(source, look);
	free_look(&look->job);
}

/* Scans. */

static void fill_dummy(const struct slot *slot, struct unit_node *node)
{
	/* Without an identity: all dummies are one and the same node. */
	*node = (struct unit_node){
		.type = NODE_DEVICE,
		.host_path = mem_string(slot->dummy_path),
		.root = "",
		.mount_path = slot->owner->source.class->mount_path,
		.permissions = slot->owner->source.class->permissions,
	};
}

static void fill_camera(struct slot *slot, struct unit *unit)
{
	struct unit_node *node = &unit->nodes[0];
	bool is_there;

	unit_node_fill(node, "", mem_string(slot->path), NODE_DEVICE,
		       slot->owner->source.class->mount_path);
	node->permissions = slot->owner->source.class->permissions;
	is_there = node->identity.type == S_IFCHR;
	if (slot->reset && slot->device != 0)
		node->identity = (struct node_identity){
			.type = S_IFCHR,
			.device = slot->device,
		};
	else if (!slot->is_ready)
		replace_text(&unit->absence, slot->reason);
	else if (!is_there && slot->owner->host)
		unit->absence = mem_printf("%s is gone", slot->path);
	else if (slot->device != 0 && slot->device != node->identity.device &&
		 is_held(slot))
		unit->absence = mem_printf("%s was made again with another device number "
					   "than its pod knows",
					   slot->path);
	else
		slot->device = node->identity.device;
}

static void report(struct slot *slot, struct scan *scan)
{
	const struct config_class *class = slot->owner->source.class;

	for (unsigned copy = 0; copy < class->share; copy++) {
		struct unit *unit = unit_list_add(&scan->units, share_id(slot, copy), 1);

		/* The dummy and the camera are two nodes for one ID. */
		unit->is_hardware = true;
		if (slot->is_dummy)
			fill_dummy(slot, &unit->nodes[0]);
		else
			fill_camera(slot, unit);
		if (copy == 0 && unit->absence)
			scan_add_missing(scan, slot->path, unit->absence);
	}
}

/* Whether something should be otherwise than it is. */
static bool is_wanting(const struct slot *slot)
{
	return !slot->is_ready || slot->is_dummy;
}

static void schedule_retry(struct v4l2loopback *source, struct scan *scan)
{
	int64_t now_ms = clock_ms();
	bool is_complete = scan->missing.count == 0;

	for (size_t i = 0; i < source->count; i++)
		is_complete = is_complete && !is_wanting(&source->slots[i]);
	if (is_complete || source->look)
		return;
	if (source->retry_at_ms <= now_ms)
		source->retry_at_ms = now_ms + RETRY_MS;
	scan_again_in(scan, source->retry_at_ms - now_ms);
}

static int v4l2loopback_scan(struct source *base, struct scan *ret, struct error *err)
{
	struct v4l2loopback *source = v4l2loopback_of(base);

	(void)err;
	strings_add(&ret->directories, "/dev");
	if (source->retry_at_ms > 0 && source->retry_at_ms <= clock_ms()) {
		source->retry_at_ms = 0;
		source->is_stale = true;
	}
	if (!source->host)
		look_now(source);
	else if (source->is_stale && !source->look)
		start_look(source);
	for (size_t i = 0; i < source->count; i++) {
		if (source->slots[i].is_known || source->slots[i].is_dummy)
			report(&source->slots[i], ret);
	}
	replace_text(&ret->degraded, source->degraded);
	if (source->note)
		scan_add_note(ret, LOOPBACK_MODULE, source->note);
	schedule_retry(source, ret);
	return 0;
}

/* The control node comes with the module. */
static bool v4l2loopback_take_event(struct source *base, const struct source_event *event)
{
	struct v4l2loopback *source = v4l2loopback_of(base);
	bool is_ours = strcmp(event->node, "/dev/v4l2loopback") == 0;

	for (size_t i = 0; i < source->count; i++)
		is_ours = is_ours || strcmp(event->node, source->slots[i].path) == 0;
	source->is_stale = source->is_stale || is_ours;
	return is_ours;
}

static void v4l2loopback_distrust(struct source *base)
{
	v4l2loopback_of(base)->is_stale = true;
}

/* Beginning and end. */

static int find_owner(const char *name, uid_t *ret, struct error *err)
{
	const struct passwd *entry;

	*ret = CAMERA_KEEP_OWNER;
	if (*name >= '0' && *name <= '9')
		*ret = (uid_t)strtoul(name, NULL, 10);
	else if (*name) {
		entry = getpwnam(name);
		if (!entry)
			return error_set(err, ENOENT,
					 "owner: this system has no user \"%s\"; give "
					 "the number",
					 name);
		*ret = entry->pw_uid;
	}
	return 0;
}

static int find_group(const char *name, gid_t *ret, struct error *err)
{
	const struct group *entry;

	*ret = CAMERA_KEEP_GROUP;
	if (*name >= '0' && *name <= '9')
		*ret = (gid_t)strtoul(name, NULL, 10);
	else if (*name) {
		entry = getgrnam(name);
		if (!entry)
			return error_set(err, ENOENT,
					 "group: this system has no group \"%s\"; give "
					 "the number",
					 name);
		*ret = entry->gr_gid;
	}
	return 0;
}

static struct loopback_settings make_settings(const struct config_v4l2loopback *config,
					      size_t index)
{
	struct loopback_settings settings = {
		.buffers = config->buffers,
		.openers = config->openers,
		.min_width = config->min_width,
		.min_height = config->min_height,
		.max_width = config->max_width,
		.max_height = config->max_height,
		.exclusive_caps = config->exclusive_caps,
	};

	snprintf(settings.label, sizeof(settings.label), "%s",
		 config->labels.items[index]);
	return settings;
}

static int make_slots(struct v4l2loopback *source, struct error *err)
{
	const struct config_v4l2loopback *config = config_of(source);
	uid_t owner = CAMERA_KEEP_OWNER;
	gid_t group = CAMERA_KEEP_GROUP;
	int r = find_owner(config->owner, &owner, err);

	if (r == 0)
		r = find_group(config->group, &group, err);
	if (r < 0)
		return r;
	source->slots = mem_zero(config->count * sizeof(*source->slots));
	for (; source->count < config->count; source->count++) {
		struct slot *slot = &source->slots[source->count];
		unsigned number = config->first_number + (unsigned)source->count;

		slot->owner = source;
		slot->id = mem_printf("video%u", number);
		slot->path = camera_path(number);
		slot->dummy_path = mem_printf("%s%u", config->fallback_prefix, number);
		slot->camera = (struct camera){
			.number = number,
			.settings = make_settings(config, source->count),
			.mode = config->mode,
			.owner = owner,
			.group = group,
		};
		/* Of a kudev before; a pod may hold it. */
		slot->is_dummy = has_dummy(slot);
	}
	return 0;
}

static struct source *v4l2loopback_free(struct source *base)
{
	struct v4l2loopback *source = v4l2loopback_of(base);

	if (source->look)
		source->look->owner = NULL;
	fail_waiting(source, ECANCELED, "kudev ends");
	for (size_t i = 0; i < source->count; i++) {
		struct slot *slot = &source->slots[i];

		if (slot->reset)
			slot->reset->slot = NULL;
		if (slot->preparation)
			fail_preparation(slot->preparation, ECANCELED, "kudev ends");
		if (source->host && slot->is_dummy && !is_held(slot))
			remove_dummy(slot);
		free(slot->id);
		free(slot->path);
		free(slot->dummy_path);
		free(slot->reason);
	}
	free(source->slots);
	free(source->degraded);
	free(source->note);
	free(source);
	return NULL;
}

static int v4l2loopback_open(const struct config_class *class, const char *root,
			     const struct source_host *host, struct source **ret,
			     struct error *err)
{
	struct v4l2loopback *created = mem_zero(sizeof(*created));
	KUDEV_AUTO(source_free) struct source *source = &created->source;
	int r;

	(void)root; /* Does not go with it; see config/load.c. */
	created->source = (struct source){
		.ops = &source_v4l2loopback,
		.class = class,
		.root = "",
		.preview = host == NULL,
	};
	created->host = host;
	created->is_stale = true;
	r = make_slots(created, err);
	if (r < 0)
		return r;
	*ret = take_ptr(source);
	return 0;
}

const struct source_ops source_v4l2loopback = {
	.name = "v4l2loopback",
	.open = v4l2loopback_open,
	.scan = v4l2loopback_scan,
	.take_event = v4l2loopback_take_event,
	.distrust = v4l2loopback_distrust,
	.prepare = v4l2loopback_prepare,
	.free = v4l2loopback_free,
};
