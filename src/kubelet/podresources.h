/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_PODRESOURCES_H
#define KUDEV_KUBELET_PODRESOURCES_H

/*
 * Asks the kubelet which containers hold which devices: List of PodResources v1, on a
 * socket that need not be there. It is asked when somebody wants to know, once a second at
 * most (the kubelet takes 100 a second from all who ask, ratelimit.go), and again after a
 * failure, ever later. Thread: the loop thread.
 *
 * What an answer says and does not say (server_v1.go, of 1.33 to 1.37):
 * - The kubelet frees the devices of pods that have ended first, so that asking is what
 *   makes it know. It does not write that down: see holders.h.
 * - Init containers are left out, unless they are sidecars.
 * - Until it has heard of its pods from all sources, a kubelet that starts leaves out those
 *   of which it has not, and frees nothing.
 */

#include "base/watch.h"
#include "podresources/v1/api.pb-c.h"
#include "rpc/rpc.h"

/* The kubelet sends what it has; this is what those who ask it usually take. */
#define PODRESOURCES_MAX_SIZE (16U * 1024 * 1024)

struct podresources;

/*
 * An answer to what was asked at asked_ms (CLOCK_MONOTONIC); NULL: the kubelet does not
 * answer, nor can be relied on to have said the last word.
 */
typedef void (*podresources_callback)(const V1__ListPodResourcesResponse *answer,
				      int64_t asked_ms, void *data);

/* Asks once, as soon as there is a socket; and anew when there is a new one. */
struct podresources *podresources_new(struct loop *loop, struct rpc *rpc,
				      struct watcher *watcher, const char *path,
				      podresources_callback on_answer, void *data);

/* Asks after this time, or sooner if that was wanted before; see above. */
void podresources_refresh_in(struct podresources *podresources, int64_t delay_ms);

/* Asks no more; rpc_when_idle() tells when the last question is over. */
void podresources_stop(struct podresources *podresources);

/* After podresources_stop(). */
struct podresources *podresources_free(struct podresources *podresources);

#endif
