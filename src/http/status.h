/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_HTTP_STATUS_H
#define KUDEV_HTTP_STATUS_H

/*
 * Everything that kudev knows of itself, as JSON; docs/status.schema.json says what there
 * is. Keys may be added, and never change their meaning. Thread: the loop thread.
 */

#include "http/view.h"

struct json_object;

/* Of all classes together; of more devices only the number is told. */
#define STATUS_MAX_DEVICES 10000

void status_serve(const struct http_view *view, struct http_answer *ret);

/* Adds the text, cleaned of what is not UTF-8; NULL adds nothing. */
void status_add_string(struct json_object *object, const char *key, const char *text);

/* Takes the object over. */
void status_answer(struct json_object *object, int status, struct http_answer *ret);

#endif
