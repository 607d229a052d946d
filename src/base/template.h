/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_BASE_TEMPLATE_H
#define KUDEV_BASE_TEMPLATE_H

/*
 * Texts with {variables}: checked once when the configuration is read, expanded for every
 * container. "{{" and "}}" stand for the braces themselves. The set of variables belongs
 * to the caller: an array of names, and at expansion an array of values in the same
 * order. Thread: any; a template is immutable.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/util.h"

struct template;

/*
 * Parses text. names is a NULL-terminated array that must outlive the template; allowed
 * is a bit per name. The error tells an unknown variable from one that is not available
 * here, and lists those that are.
 */
int template_new(const char *text, const char *const *names, unsigned allowed,
		 struct template **ret, struct error *err);
struct template *template_free(struct template *template);

/* The bits of the variables that the text uses. */
unsigned template_uses(const struct template *template);

/* The text as it was written. */
const char *template_text(const struct template *template);

/* A new string; a NULL value expands to nothing. The caller frees it. */
char *template_expand(const struct template *template, const char *const *values);

KUDEV_DEFINE_CLEANUP(struct template *, template_free)

#endif
