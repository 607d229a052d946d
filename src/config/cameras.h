/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_CAMERAS_H
#define KUDEV_CONFIG_CAMERAS_H

/*
 * The grammar of "v4l2loopback", struct config_v4l2loopback, and what the classes of
 * virtual cameras demand of each other: no number and no path may be that of two of them.
 * Pure.
 */

#include "config/config.h"
#include "config/diagnostics.h"
#include "config/field.h"

extern const struct field cameras_fields[];

void cameras_finish(struct document *document, const yaml_node_t *mapping,
		    const struct field *field, void *target);

/* char *; what a dummy's path is before its number. */
extern const struct field_type camera_prefix;

/* A label that V4L2 and v4l2loopback take: UTF-8 of 1 to CONFIG_LABEL_MAX bytes. */
int camera_label_check(const char *label, struct error *err);

/*
 * Once all classes are there and have their resources, and the node's name is known: makes
 * the labels, and checks these, the numbers and the dummies.
 */
void cameras_complete(struct config *config, struct diagnostics *diagnostics);

/* Whether a class makes the camera of this number. */
bool cameras_have(const struct config *config, unsigned number);

#endif
