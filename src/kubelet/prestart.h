/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_PRESTART_H
#define KUDEV_KUBELET_PRESTART_H

/*
 * PreStartContainer: before each start of a container, its devices are made ready, all at
 * the same time, and the answer waits for the last of them. The kubelet gives it 30 s;
 * after a failure it starts the container a little later (kuberuntime_container.go).
 *
 * By then the kubelet has given the devices to that container, and says so to whoever asks
 * who holds them. So being held is no reason here not to reset a device: it is for the one
 * that holds it. What tells that somebody still uses it is the device itself (EBUSY).
 * Thread: the loop thread.
 */

#include "base/histogram.h"
#include "device/inventory.h"
#include "deviceplugin/v1beta1/api.pb-c.h"
#include "rpc/rpc.h"
#include "source/source.h"

/* Who makes devices of a class ready; ends with the preparation's done(). */
struct preparer {
	void (*prepare)(const struct config_class *class, struct preparation *preparation,
			void *data);
	void *data;
};

/* How the preparation of a device ended. */
enum prestart_result {
	PRESTART_DONE,
	PRESTART_SKIPPED, /* there was nothing to do */
	PRESTART_FAILED,
	PRESTART_LATE, /* it took too long */
	PRESTART_RESULT_MAX,
};

/* Of devices, since the start. */
struct prestart_stats {
	uint64_t results[PRESTART_RESULT_MAX];
	struct histogram times; /* of all */
};

/* Answers the call, now or later, and counts; stats must live until then. */
void prestart_answer(const struct inventory_class *class, const struct preparer *preparer,
		     struct rpc_call *call,
		     const V1beta1__PreStartContainerRequest *request,
		     struct prestart_stats *stats);

#endif
