/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_HTTP_PROBES_H
#define KUDEV_HTTP_PROBES_H

/*
 * The answers to probes: whether kudev works (else it had best be restarted), and whether
 * pods can have its devices. In words, or as JSON if asked for. Thread: the loop thread.
 */

#include "http/view.h"

/* The loop answers, so what is left to say is whether the worker gets on. */
void probe_health(const struct http_view *view, bool as_json, struct http_answer *ret);

/* Ready when the kubelet follows the list of each class. */
void probe_readiness(const struct http_view *view, bool as_json, struct http_answer *ret);

/* Always well: what generic-device-plugin says. */
void probe_alive(struct http_answer *ret);

#endif
