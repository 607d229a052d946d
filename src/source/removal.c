/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/log.h"
#include "source/removal.h"

/* Nobody waits for it. */
#define TIMEOUT_MS 60000

struct removal {
	struct worker_job job;
	struct camera camera;
	char *class;
	bool is_removed;
	struct error err;
};

static struct removal *removal_of(struct worker_job *job)
{
	return KUDEV_CONTAINER_OF(job, struct removal, job);
}

static void run(struct worker_job *job)
{
	KUDEV_AUTO_LOOPBACK_CONTROL struct loopback_control control =
		LOOPBACK_CONTROL_INIT;
	struct removal *removal = removal_of(job);

	if (loopback_control_open(&control, &removal->err) < 0)
		return;
	removal->is_removed = camera_remove(&removal->camera, &control, &removal->err) ==
			      0;
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
	removal->class = mem_string(class);
	worker_submit(worker, &removal->job);
}
