/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/log.h"
#include "source/removal.h"

/* Nobody waits for it. */
#define TIMEOUT_MS 60000

/* How often a class has wanted it after all. */
static atomic_uint calls_back[CONFIG_VIDEO_NUMBER_MAX + 1];

struct removal {
	struct worker_job job;
	struct camera camera;
	char *class;
	unsigned calls_back; /* before it */
	bool is_removed;
	struct error err;
};

static struct removal *removal_of(struct worker_job *job)
{
	return KUDEV_CONTAINER_OF(job, struct removal, job);
}

static int remove_camera(struct removal *removal, struct error *err)
{
	KUDEV_AUTO_LOOPBACK_CONTROL struct loopback_control control =
		LOOPBACK_CONTROL_INIT;
	int r = loopback_control_open(&control, err);

	if (r < 0)
		return r;
	if (atomic_load(&calls_back[removal->camera.number]) != removal->calls_back)
		return error_set(err, ECANCELED, "a class wants it again");
	return camera_remove(&removal->camera, &control, err);
}

static void run(struct worker_job *job)
{
	struct removal *removal = removal_of(job);

	camera_begin(removal->camera.number);
	removal->is_removed = remove_camera(removal, &removal->err) == 0;
	camera_end(removal->camera.number);
}

static void on_done(struct worker_job *job)
{
	const struct removal *removal = removal_of(job);
	KUDEV_AUTO_FREE char *path = camera_path(removal->camera.number);

	if (removal->is_removed)
		log_info("camera removed", LOG_STR("class", removal->class),
			 LOG_STR("device_path", path));
	else
		log_info("camera not removed", LOG_STR("class", removal->class),
			 LOG_STR("device_path", path),
			 LOG_STR("reason", error_message(&removal->err)));
}

static void free_removal(struct worker_job *job)
{
	struct removal *removal = removal_of(job);

	error_clear(&removal->err);
	free(removal->class);
	free(removal);
}

void removal_start(struct worker *worker, const struct camera *camera, const char *class)
{
	struct removal *removal = mem_zero(sizeof(*removal));

	removal->job = (struct worker_job){
		.run = run,
		.done = on_done,
		.free = free_removal,
		.timeout_ms = TIMEOUT_MS,
	};
	removal->camera = *camera;
	removal->calls_back = atomic_load(&calls_back[camera->number]);
	removal->class = mem_string(class);
	worker_submit(worker, &removal->job);
}

void removal_forestall(unsigned number)
{
	atomic_fetch_add(&calls_back[number], 1);
}
