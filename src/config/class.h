/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_CONFIG_CLASS_H
#define KUDEV_CONFIG_CLASS_H

/*
 * What the front ends do alike with the classes that they read, and what can be checked
 * only of all classes together. Thread: any, one at a time.
 */

#include "config/config.h"
#include "config/document.h"

/* Notes in the class where it stands. */
void class_place(struct config_class *class, const struct document *document,
		 const yaml_node_t *node);

/* An error at the place of the class. */
void class_report(const struct config_class *class, struct diagnostics *diagnostics,
		  const char *message);

/*
 * "3:5", or "KUDEV_DEVICE:3:5" if it is not in the file that is being talked about; the
 * caller frees it.
 */
char *class_describe_place(const struct config_class *class, const char *file);

/*
 * The bytes of the message that lists a class of simulated devices or virtual cameras to
 * the kubelet, at its longest: every device unhealthy.
 */
uint64_t class_list_size(const struct config_class *class);

/*
 * Gives each class its resource, domain/name unless it has one, and reports names and
 * resources that two classes share.
 */
void classes_finish(struct config *config, struct diagnostics *diagnostics);

#endif
