/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <utlist.h>

#include "base/util.h"
#include "config/cameras.h"
#include "config/change.h"
#include "source/camera.h"
#include "source/dummy.h"
#include "source/look.h"
#include "source/removal.h"
#include "source/source.h"

/*
 * Virtual cameras that kudev makes. Whatever asks the kernel's module can block, so that
 * the worker does it: one look at a time makes sure that all cameras of the class are as
 * they should be, and says of each why it is not. Looks follow events of these devices.
 * Resets run beside each other, but not beside a look.
 *
 * Nothing is removed but by a reset, or because no class wants it any more, and the module
 * is never unloaded: pods go on with their cameras when kudev ends. Where it can't be used,
 * links to /dev/null stand for the cameras, until it can be and no pod holds the link.
 */

/* When to look once more for what is missing. */
#define RETRY_MS 30000
/* The kubelet waits 30 s for the whole of it (constants.go). */
#define RESET_TIMEOUT_MS 25000
/* At once: a device that is open keeps a thread of the worker, which others need, too. */
#define RESETS_MAX 16
#define CANCELLED "kudev ends, or has another configuration"
#define LATE "the kernel does not answer for the devices of the class"

/* A look on its way. */
struct look_job {
	struct worker_job job;
	struct v4l2loopback *owner; /* NULL: nobody waits for it any more */
	struct look look;
};

struct reset {
	struct worker_job job;
	struct slot *slot; /* NULL: nobody waits for it any more */
	struct camera camera;
	bool is_recreation;
	atomic_bool is_abandoned; /* it does not begin any more */
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
	bool is_known;	/* a look has ended */
	bool is_listed; /* it was reported: whether a pod holds it can be told */
	bool is_ready;
	bool is_other;	 /* made with other settings; ready if a pod holds it */
	bool is_dummy;	 /* what is handed out is the dummy */
	bool made_dummy; /* by this kudev */
	char *reason;	 /* why it is not ready */
	char *fault;	 /* why its last reset has failed; NULL: it has not */
	uint64_t device; /* the number of its node when it was ready last; 0: never */
	uint64_t seen;	 /* likewise, at the last scan */
	struct reset *reset;
	bool is_passed_over;		 /* a look has left it to the reset */
	struct preparation *preparation; /* that waits for the reset */
};

struct v4l2loopback {
	struct source source;
	const struct source_host *host; /* NULL: in a preview */
	struct slot *slots;
	size_t count;
	struct look_job *look; /* under way */
	bool is_late;	       /* it takes longer than its time */
	bool is_stale;	       /* something has happened since it began */
	bool is_hasty; /* now that a camera is listed, a look can do more for it */
	int64_t retry_at_ms;
	char *degraded;
	char *note;
	unsigned resets;	     /* under way */
	struct preparation *waiting; /* for the look, or for other resets, to end */
	struct loop_timer *patience; /* of those; NULL in a preview */
};

static struct v4l2loopback *v4l2loopback_of(struct source *source)
{
	return KUDEV_CONTAINER_OF(source, struct v4l2loopback, source);
}

static const struct config_v4l2loopback *config_of(const struct v4l2loopback *source)
{
	return &source->source.class->v4l2loopback;
}

static void run_look(struct worker_job *job)
{
	look_around(&KUDEV_CONTAINER_OF(job, struct look_job, job)->look);
}

static void free_look(struct worker_job *job)
{
	struct look_job *look = KUDEV_CONTAINER_OF(job, struct look_job, job);

	look_clear(&look->look);
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

/* 0 or -errno is what came of it. */
static void take_dummy(struct slot *slot, int r)
{
	slot->is_dummy = r == 0;
	if (slot->is_dummy)
		return;
	free(slot->reason);
	slot->reason = mem_printf("neither the camera nor %s can be made: %s",
				  slot->dummy_path, strerror(-r));
}

static void make_dummy(struct slot *slot)
{
	bool was_there = dummy_is_there(slot->dummy_path);

	take_dummy(slot, dummy_make(slot->dummy_path));
	slot->made_dummy = slot->made_dummy || (slot->is_dummy && !was_there);
}

static void remove_dummy(struct slot *slot)
{
	dummy_remove(slot->dummy_path);
	slot->is_dummy = false;
}

/* A pod keeps what it has. */
static void choose(struct slot *slot)
{
	const struct v4l2loopback *owner = slot->owner;
	bool may_be_dummy = config_of(owner)->fallback == CONFIG_FALLBACK_DUMMY;
	bool wants_dummy = may_be_dummy && owner->degraded && !slot->is_ready;

	/* Somebody may have removed it. */
	slot->is_dummy = slot->is_dummy &&
			 (!owner->host || dummy_is_there(slot->dummy_path));
	if (wants_dummy == slot->is_dummy)
		return;
	if (!owner->host && wants_dummy)
		take_dummy(slot, dummy_preview(slot->dummy_path));
	else if (!owner->host)
		slot->is_dummy = false;
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
		slot->is_other = item->is_other;
		if (item->is_new)
			mem_replace(&slot->fault, NULL);
		mem_replace(&slot->reason, item->reason);
	}
	mem_replace(&source->degraded, look->failure);
	mem_replace(&source->note, look->note);
	choose_all(source);
}

/* Resets. */

static void start_waiting(struct v4l2loopback *source);

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

	camera_begin(reset->camera.number);
	if (!atomic_load(&reset->is_abandoned))
		reset->has_failed = camera_clean(&reset->camera, reset->is_recreation,
						 &reset->err) < 0;
	camera_end(reset->camera.number);
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
	slot->owner->resets--;
	/* Whatever number it has now, its next container gets that. */
	if (!reset->has_failed)
		slot->device = 0;
	/* One that is open is not broken. */
	mem_replace(&slot->fault, reset->has_failed && reset->err.code != EBUSY
					  ? error_message(&reset->err)
					  : NULL);
	/* It may be gone. */
	if (reset->is_recreation || reset->has_failed || slot->is_passed_over)
		slot->owner->is_stale = true;
	slot->owner->host->on_change(slot->owner->host->data);
	if (slot->preparation)
		end_preparation(take_ptr(slot->preparation), NULL,
				reset->has_failed ? &reset->err : NULL);
	if (!slot->owner->look)
		start_waiting(slot->owner);
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
	slot->owner->resets++;
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
	else if (slot->reset && !slot->preparation)
		slot->preparation = preparation; /* of ours, or given up by who asked */
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
		if (source->resets >= RESETS_MAX)
			break;
		DL_DELETE(source->waiting, preparation);
		prepare_slot(find_slot(source, preparation->id), preparation);
	}
	if (!source->waiting)
		loop_timer_cancel(source->patience);
}

static void fail_waiting(struct v4l2loopback *source, int code, const char *reason)
{
	while (source->waiting) {
		struct preparation *preparation = source->waiting;

		DL_DELETE(source->waiting, preparation);
		fail_preparation(preparation, code, reason);
	}
}

static void on_impatient(void *data)
{
	fail_waiting(data, ETIMEDOUT, LATE);
}

static void wait_for_turn(struct v4l2loopback *source, struct preparation *preparation)
{
	DL_APPEND(source->waiting, preparation);
	if (!loop_timer_is_set(source->patience))
		loop_timer_set(source->patience, RESET_TIMEOUT_MS);
}

static void v4l2loopback_prepare(struct source *base, struct preparation *preparation)
{
	struct v4l2loopback *source = v4l2loopback_of(base);
	struct slot *slot = find_slot(source, preparation->id);

	if (config_of(source)->reset == CONFIG_RESET_NONE)
		end_preparation(preparation, "the class asks for no reset", NULL);
	else if (!slot)
		fail_preparation(preparation, ENOENT, "the class has no such device");
	else if (slot->is_dummy)
		prepare_slot(slot, preparation);
	else if (source->look && source->is_late)
		fail_preparation(preparation, ETIMEDOUT, LATE);
	else if (source->look || source->resets >= RESETS_MAX)
		wait_for_turn(source, preparation);
	else
		prepare_slot(slot, preparation);
}

static bool has_ready(const struct v4l2loopback *source)
{
	for (size_t i = 0; i < source->count; i++) {
		if (source->slots[i].is_ready)
			return true;
	}
	return false;
}

static void on_look_late(struct worker_job *job)
{
	struct look_job *look = KUDEV_CONTAINER_OF(job, struct look_job, job);
	struct v4l2loopback *source = look->owner;

	if (!source)
		return;
	source->is_late = true;
	if (!has_ready(source)) {
		free(source->degraded);
		source->degraded =
			mem_printf("the kernel has not loaded the module and made the "
				   "devices within %u s",
				   config_of(source)->timeout_ms / 1000);
	}
	choose_all(source);
	fail_waiting(source, ETIMEDOUT, LATE);
	source->host->on_change(source->host->data);
}

static void on_look_done(struct worker_job *job)
{
	struct look_job *look = KUDEV_CONTAINER_OF(job, struct look_job, job);
	struct v4l2loopback *source = look->owner;

	if (!source)
		return;
	source->look = NULL;
	source->is_late = false;
	take_look(source, &look->look);
	start_waiting(source);
	source->host->on_change(source->host->data);
}

static void fill_look(struct v4l2loopback *source, struct look *ret)
{
	*ret = (struct look){
		.is_preview = source->source.preview,
		.is_trial = source->host && source->host->is_trial,
		.may_recreate = config_of(source)->reset == CONFIG_RESET_RECREATE,
		.items = mem_zero(source->count * sizeof(*ret->items)),
		.count = source->count,
	};
	for (size_t i = 0; i < source->count; i++) {
		const struct slot *slot = &source->slots[i];
		bool held = is_held(slot);

		ret->items[i] = (struct found){
			.camera = slot->camera,
			.is_busy = slot->reset != NULL,
			.may_keep = held && slot->is_listed,
			.may_remake = !held,
		};
	}
}

static void start_look(struct v4l2loopback *source)
{
	struct look_job *look = mem_zero(sizeof(*look));

	look->job = (struct worker_job){
		.run = run_look,
		.late = on_look_late,
		.done = on_look_done,
		.free = free_look,
		.timeout_ms = config_of(source)->timeout_ms,
	};
	look->owner = source;
	fill_look(source, &look->look);
	source->look = look;
	source->is_stale = false;
	worker_submit(source->host->worker, &look->job);
}

/* Without anything else to do, all at once. */
static void look_now(struct v4l2loopback *source)
{
	struct look look;

	fill_look(source, &look);
	look_around(&look);
	take_look(source, &look);
	look_clear(&look);
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
	/* It may be something else now. */
	if (slot->seen != 0 && slot->seen != node->identity.device)
		slot->owner->is_stale = true;
	slot->seen = node->identity.device;
	if (slot->reset && slot->device != 0)
		node->identity = (struct node_identity){
			.type = S_IFCHR,
			.device = slot->device,
		};
	else if (!slot->is_ready)
		mem_replace(&unit->absence, slot->reason);
	else if (slot->fault)
		mem_replace(&unit->absence, slot->fault);
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
		slot->owner->is_hasty |= slot->is_other && !slot->is_listed;
		slot->is_listed = true;
		if (copy == 0 && unit->absence)
			scan_add_missing(scan, slot->path, unit->absence);
		else if (copy == 0 && slot->is_other)
			scan_add_note(scan, slot->path, slot->reason);
	}
}

/* Whether something should be otherwise than it is. */
static bool is_wanting(const struct slot *slot)
{
	return !slot->is_ready || slot->is_dummy || slot->is_other || slot->fault;
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
		source->retry_at_ms = now_ms + (source->is_hasty ? 1 : RETRY_MS);
	source->is_hasty = false;
	scan_again_in(scan, source->retry_at_ms - now_ms);
}

/* A camera that could not be reset is in no container until it can. */
static void retry(struct v4l2loopback *source)
{
	source->retry_at_ms = 0;
	source->is_stale = true;
	for (size_t i = 0; i < source->count && !source->look; i++) {
		struct slot *slot = &source->slots[i];

		if (source->resets < RESETS_MAX && slot->fault && slot->is_ready &&
		    !slot->reset && !is_held(slot))
			start_reset(slot, NULL);
	}
}

static int v4l2loopback_scan(struct source *base, struct scan *ret, struct error *err)
{
	struct v4l2loopback *source = v4l2loopback_of(base);

	(void)err;
	strings_add(&ret->directories, "/dev");
	if (source->retry_at_ms > 0 && source->retry_at_ms <= clock_ms())
		retry(source);
	if (!source->host)
		look_now(source);
	else if (source->is_stale && !source->look)
		start_look(source);
	for (size_t i = 0; i < source->count; i++) {
		if (source->slots[i].is_known || source->slots[i].is_dummy)
			report(&source->slots[i], ret);
		ret->is_pending = ret->is_pending || !source->slots[i].is_known;
		ret->stand_ins += source->slots[i].is_dummy;
	}
	if (source->host && source->is_stale && !source->look)
		start_look(source);
	/* What the worker makes is there before it is known to be as it should be. */
	for (size_t i = 0; i < source->count; i++) {
		if (source->look || source->slots[i].reset)
			strings_add(&ret->expected, source->slots[i].path);
	}
	ret->is_pending = ret->is_pending && !source->is_late;
	mem_replace(&ret->degraded, source->degraded);
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

/* Another template or health: a source that began anew would forget its cameras' pasts. */
static bool v4l2loopback_take_class(struct source *base, const struct config_class *class)
{
	if (class->source != CONFIG_SOURCE_V4L2LOOPBACK ||
	    class->share != base->class->share ||
	    !config_v4l2loopback_equal(&class->v4l2loopback, &base->class->v4l2loopback))
		return false;
	base->class = class;
	return true;
}

/* Cameras that pods hold stay, and so does what somebody has open. */
static void v4l2loopback_retire(struct source *base, const struct config *next)
{
	struct v4l2loopback *source = v4l2loopback_of(base);

	for (size_t i = 0; i < source->count; i++) {
		struct slot *slot = &source->slots[i];

		if (slot->is_ready && !slot->is_other && !slot->reset && !is_held(slot) &&
		    !cameras_have(next, slot->camera.number))
			removal_start(source->host->worker, &slot->camera,
				      base->class->name);
	}
}

/* Beginning and end. */

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
	int r = camera_find_owner(config->owner, &owner, err);

	if (r == 0)
		r = camera_find_group(config->group, &group, err);
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
		if (source->host)
			removal_forestall(number);
		/* Of a kudev before; a pod may hold it. */
		slot->is_dummy = dummy_is_there(slot->dummy_path);
	}
	return 0;
}

/* At the end. */
static bool may_remove_dummy(const struct slot *slot)
{
	const struct source_host *host = slot->owner->host;

	if (!host || !slot->is_dummy)
		return false;
	return host->is_trial ? slot->made_dummy : !is_held(slot);
}

static struct source *v4l2loopback_free(struct source *base)
{
	struct v4l2loopback *source = v4l2loopback_of(base);

	if (source->look) {
		source->look->owner = NULL;
		atomic_store(&source->look->look.is_abandoned, true);
	}
	fail_waiting(source, ECANCELED, CANCELLED);
	for (size_t i = 0; i < source->count; i++) {
		struct slot *slot = &source->slots[i];

		if (slot->reset) {
			slot->reset->slot = NULL;
			atomic_store(&slot->reset->is_abandoned, true);
		}
		if (slot->preparation)
			fail_preparation(slot->preparation, ECANCELED, CANCELLED);
		if (may_remove_dummy(slot))
			remove_dummy(slot);
		free(slot->id);
		free(slot->path);
		free(slot->dummy_path);
		free(slot->reason);
		free(slot->fault);
	}
	loop_timer_free(source->patience);
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
	if (host)
		created->patience = loop_timer_new(host->loop, on_impatient, created);
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
	.take_class = v4l2loopback_take_class,
	.retire = v4l2loopback_retire,
	.free = v4l2loopback_free,
};
