/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/text.h"
#include "kubelet/prestart.h"

struct prestart;

struct prepared {
	struct preparation preparation;
	char *id;
	struct prestart *prestart;
};

/* One call, until the last of its devices is ready or has failed. */
struct prestart {
	const struct inventory_class *class;
	struct rpc_call *call;
	struct prepared *devices;
	size_t count;
	size_t pending;
	int64_t start_ms;
	struct error err; /* the first */
	int64_t start_us;
	struct prestart_stats *stats; /* owned by the caller */
};

static void prestart_free(struct prestart *prestart)
{
	for (size_t i = 0; i < prestart->count; i++)
		free(prestart->devices[i].id);
	free(prestart->devices);
	error_clear(&prestart->err);
	free(prestart);
}

static void succeed(struct rpc_call *call)
{
	V1beta1__PreStartContainerResponse response =
		V1BETA1__PRE_START_CONTAINER_RESPONSE__INIT;
	struct rpc_message *message = rpc_message_new(&response.base);

	rpc_call_reply(call, message);
	rpc_message_free(message);
}

static void end_one(struct prestart *prestart)
{
	if (--prestart->pending > 0)
		return;
	if (prestart->err.code)
		rpc_call_fail(prestart->call,
			      prestart->err.code == ETIMEDOUT ? RPC_DEADLINE_EXCEEDED
							      : RPC_FAILED_PRECONDITION,
			      error_message(&prestart->err));
	else
		succeed(prestart->call);
	prestart_free(prestart);
}

static const char *mode_of(const struct config_class *class)
{
	return config_reset_names[class->v4l2loopback.reset];
}

static const char *path_of(const struct device *device)
{
	return device && device->unit.node_count > 0
		       ? unit_main_node(&device->unit)->host_path
		       : NULL;
}

static void log_result(const struct prestart *prestart, const char *id,
		       const char *skipped, const struct error *err)
{
	const struct config_class *class = prestart->class->config;
	/* It may be forgotten by now, if nobody holds it after all. */
	struct device *device = inventory_class_find(prestart->class, id);
	const char *path = path_of(device);
	int64_t duration_ms = clock_ms() - prestart->start_ms;

	if (device && !err && !skipped)
		device->resets++;
	if (err)
		log_error("device reset failed", LOG_STR("class", class->name),
			  LOG_STR("resource", class->resource), LOG_STR("device_id", id),
			  LOG_STR("device_path", path), LOG_STR("mode", mode_of(class)),
			  LOG_INT("duration_ms", duration_ms),
			  LOG_STR("error", error_message(err)));
	else if (skipped)
		log_debug("device not reset", LOG_STR("class", class->name),
			  LOG_STR("resource", class->resource), LOG_STR("device_id", id),
			  LOG_STR("reason", skipped));
	else
		log_info("device reset", LOG_STR("class", class->name),
			 LOG_STR("resource", class->resource), LOG_STR("device_id", id),
			 LOG_STR("device_path", path), LOG_STR("mode", mode_of(class)),
			 LOG_INT("duration_ms", duration_ms),
			 LOG_COUNT("reset_count", device ? device->resets : 0));
}

static void count_result(const struct prestart *prestart, const char *skipped,
			 const struct error *err)
{
	enum prestart_result result = PRESTART_DONE;

	if (err)
		result = err->code == ETIMEDOUT ? PRESTART_LATE : PRESTART_FAILED;
	else if (skipped)
		result = PRESTART_SKIPPED;
	prestart->stats->results[result]++;
	histogram_add(&prestart->stats->times, clock_us() - prestart->start_us);
}

static void on_prepared(struct preparation *preparation, const struct error *err)
{
	struct prepared *device = KUDEV_CONTAINER_OF(preparation, struct prepared,
						     preparation);
	struct prestart *prestart = device->prestart;

	log_result(prestart, preparation->id, preparation->skipped, err);
	count_result(prestart, preparation->skipped, err);
	if (err && !prestart->err.code)
		error_set(&prestart->err, err->code, "device %s of %s can't be reset: %s",
			  preparation->id, prestart->class->config->resource,
			  error_message(err));
	end_one(prestart);
}

/* Borrowed from the request; NULL: the class has them all. */
static const char *find_unknown(const struct inventory_class *class,
				const V1beta1__PreStartContainerRequest *request)
{
	for (size_t i = 0; i < request->n_devices_ids; i++) {
		if (!inventory_class_find(class, request->devices_ids[i]))
			return request->devices_ids[i];
	}
	return NULL;
}

static void refuse_unknown(const struct inventory_class *class, struct rpc_call *call,
			   const char *id)
{
	KUDEV_AUTO_FREE char *quoted = text_quote(id);
	KUDEV_AUTO_FREE char *text = mem_printf("%s has no device %s",
						class->config->resource, quoted);

	rpc_call_fail(call, RPC_NOT_FOUND, text);
}

/* Each device once. */
static void add(struct prestart *prestart, const char *id)
{
	struct prepared *device = &prestart->devices[prestart->count];

	for (size_t i = 0; i < prestart->count; i++) {
		if (strcmp(prestart->devices[i].id, id) == 0)
			return;
	}
	device->prestart = prestart;
	device->id = mem_string(id);
	device->preparation.id = device->id;
	device->preparation.done = on_prepared;
	prestart->count++;
}

static struct prestart *prestart_new(const struct inventory_class *class,
				     struct rpc_call *call,
				     const V1beta1__PreStartContainerRequest *request)
{
	struct prestart *prestart = mem_zero(sizeof(*prestart));

	prestart->class = class;
	prestart->call = call;
	prestart->start_ms = clock_ms();
	prestart->start_us = clock_us();
	prestart->devices = mem_zero(request->n_devices_ids * sizeof(*prestart->devices));
	for (size_t i = 0; i < request->n_devices_ids; i++)
		add(prestart, request->devices_ids[i]);
	return prestart;
}

static void log_start(const struct prestart *prestart)
{
	struct strings ids = {0};
	KUDEV_AUTO_FREE char *joined = NULL;

	for (size_t i = 0; i < prestart->count; i++)
		strings_add(&ids, prestart->devices[i].id);
	joined = strings_join(&ids, ",");
	strings_clear(&ids);
	log_info("container starts", LOG_STR("class", prestart->class->config->name),
		 LOG_STR("resource", prestart->class->config->resource),
		 LOG_STR("device_ids", joined));
}

void prestart_answer(const struct inventory_class *class, const struct preparer *preparer,
		     struct rpc_call *call,
		     const V1beta1__PreStartContainerRequest *request,
		     struct prestart_stats *stats)
{
	const char *unknown = find_unknown(class, request);
	struct prestart *prestart;
	size_t count;

	if (unknown) {
		refuse_unknown(class, call, unknown);
		return;
	}
	prestart = prestart_new(class, call, request);
	prestart->stats = stats;
	log_start(prestart);
	/* One for ourselves, so that it is there until all were asked for. */
	count = prestart->count;
	prestart->pending = count + 1;
	for (size_t i = 0; i < count; i++)
		preparer->prepare(class->config, &prestart->devices[i].preparation,
				  preparer->data);
	end_one(prestart);
}
