/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_HOLDERS_H
#define KUDEV_KUBELET_HOLDERS_H

/*
 * Finds out which containers hold which devices, and tells the inventory. No RPC tells of a
 * release, so it has to be asked for. There are two sources, and a device is held if either
 * says so (seen with the kubelets of tests/kubelet, 1.33 to 1.37):
 *
 * - The kubelet's checkpoint in the plugin directory has every device that a pod holds, so
 *   that a kubelet which starts goes by it, and may panic if one is not in the list. It is
 *   written at each Allocate and for each list that a plugin sends, but not when a pod
 *   ends, and has no names.
 * - List of PodResources has names, and makes the kubelet free the devices of pods that
 *   have ended, which it does not write down. It leaves out init containers, and while the
 *   kubelet starts any pod.
 *
 * So where List has nobody for a device that the checkpoint has, the list of devices is sent
 * once more: what is in the checkpoint then is held. A device that went is forgotten only by
 * both, and without PodResources never.
 *
 * The kubelet is asked at the start of either side, after an Allocate or the start of a
 * container, when a device is to be forgotten, on request, and every 15 s as long as one of
 * our devices is held: not at all while none is. Thread: the loop thread.
 */

#include "base/watch.h"
#include "device/inventory.h"
#include "rpc/rpc.h"

struct holders;

struct holders_callbacks {
	/* A device was released or forgotten: sources may do something else now. */
	loop_callback on_release;
	/* The kubelet needs a list once more. */
	loop_callback on_doubt;
	/* There is another checkpoint. */
	loop_callback on_checkpoint;
	void *data;
};

/* config and inventory must outlive it; callbacks too. */
struct holders *holders_new(struct loop *loop, struct rpc *rpc, struct watcher *watcher,
			    const struct config *config, struct inventory *inventory,
			    const struct holders_callbacks *callbacks);

/* Goes on with another configuration, of which pods may hold devices of new classes. */
void holders_change(struct holders *holders, const struct config *next);

/* Reads the checkpoint if it has changed, for who has to know now; a loop_callback. */
void holders_find(void *holders);

/* Asks for what is new, soon: for who shows it. Any number of calls make one question. */
void holders_refresh(struct holders *holders);

/* Asks no more; rpc_when_idle() tells when the last question is over. */
void holders_stop(struct holders *holders);

/* After holders_stop(). */
struct holders *holders_free(struct holders *holders);

#endif
