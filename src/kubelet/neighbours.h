/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_NEIGHBOURS_H
#define KUDEV_KUBELET_NEIGHBOURS_H

/*
 * The other plugins of the device plugin directory, known by their sockets, and which of
 * them have ended. This matters for one that served a resource of ours and registered it
 * last: when it ends the kubelet stops the resource, and never tells us, whose stream goes
 * on unheeded (pkg/kubelet/cm/devicemanager: one endpoint a resource, up to 1.36).
 *
 * A plugin has ended when its socket is gone, or refuses connections, and it has not made
 * another one for a while: a kudev that registers anew takes a new name each time, others
 * take their old one again. Thread: the loop thread.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/util.h"

struct neighbours;

/* A plugin that has ended. */
struct neighbour_end {
	const char *socket; /* its name; borrowed */
	int64_t made_ms; /* when that was made, as far as the wall clock is to be trusted */
	int64_t ended_ms; /* when it was seen to have ended; both of clock_ms() */
};

typedef void (*neighbour_callback)(const struct neighbour_end *end, void *data);

/* Everybody there is taken as it is. Sockets of the instance are ours, no neighbours. */
struct neighbours *neighbours_new(const char *directory, uint32_t instance);
struct neighbours *neighbours_free(struct neighbours *neighbours);

/* Everybody that is not there now is forgotten: a kubelet that starts removes all sockets. */
void neighbours_reset(struct neighbours *neighbours);

/*
 * Calls back for each that has ended. Without by_connecting only those are found whose
 * socket is gone: one that was killed leaves it behind. Returns in how many milliseconds to
 * look again, -1 for no need.
 */
int64_t neighbours_look(struct neighbours *neighbours, bool by_connecting,
			neighbour_callback on_ended, void *data);

/* Whether there is anybody who can end without a trace in the directory. */
bool neighbours_are_there(const struct neighbours *neighbours);

#endif
