/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_SOCKET_H
#define KUDEV_KUBELET_SOCKET_H

/*
 * kudev's own sockets in the device plugin directory: kudev-<hash>-<random>.sock. The
 * hash is of the resource, so that a socket can be told to belong to it; the random part
 * makes each one new, because the kubelet (up to 1.36) confuses two that have the same
 * name. Short, because a whole path must fit into 107 bytes. Thread: the loop thread.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct plugin_socket {
	char *path;
	const char *name; /* the last component of path */
	dev_t device;
	ino_t inode;
};

/*
 * Makes a listening, non-blocking socket of mode 0600 and gives it its name only then, so
 * that whoever sees the name can connect. Returns its descriptor, which the caller
 * closes; the caller ends with plugin_socket_remove().
 */
int plugin_socket_open(const char *directory, const char *resource,
		       struct plugin_socket *ret, struct error *err);

/* Whether the path still leads to our socket. */
bool plugin_socket_is_there(const struct plugin_socket *socket);

/* Unlinks the path if it is still ours, and frees what the struct owns. */
void plugin_socket_remove(struct plugin_socket *socket);

/*
 * Unlinks the sockets that kudevs left behind when they were killed: named as ours and
 * refusing connections. Those that somebody listens on are another kudev's, and stay.
 */
void plugin_sockets_clean(const char *directory);

#endif
