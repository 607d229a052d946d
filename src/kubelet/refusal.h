/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_REFUSAL_H
#define KUDEV_KUBELET_REFUSAL_H

/* What the failure of a registration means, by its words or its errno. Pure. */

#include <stdbool.h>

/* Whether only another kubelet or configuration can change it. */
bool refusal_is_permanent(const char *text);

/* What an operator can do about a failure on our side; NULL: nothing that we know of. */
const char *refusal_hint(int code);

#endif
