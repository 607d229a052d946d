/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "kubelet/refusal.h"

/* These two texts of the kubelet say that trying again will not help for now. */
bool refusal_is_permanent(const char *text)
{
	return strstr(text, "not supported by kubelet") || strstr(text, "is invalid");
}

const char *refusal_hint(int code)
{
	switch (code) {
	case EACCES:
	case EPERM:
		return "kudev must be root, and the directory must be writable for it";
	case EROFS:
		return "mount the device plugin directory read-write";
	case ECONNREFUSED:
		return "nobody listens on kubelet.sock: is the kubelet running?";
	case EMFILE:
	case ENFILE:
		return "raise the limit of open files";
	case ENOSPC:
	case EDQUOT:
		return "the disk of the device plugin directory is full";
	default:
		return NULL;
	}
}
