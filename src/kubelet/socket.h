/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_KUBELET_SOCKET_H
#define KUDEV_KUBELET_SOCKET_H

/*
 * The sockets of kudevs in the device plugin directory:
 * kudev-<hash>-<instance>-<random>.sock. The hash is of the resource, so that a socket can
 * be told to belong to it; the instance tells one running kudev from another; the random
 * part makes each one new, because the kubelet (up to 1.36) confuses two that have the same
 * name. Short, because a whole path must fit into 107 bytes. Thread: the loop thread.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/error.h"

/* Tells one socket from the next of its name: inode numbers are used again soon. */
struct socket_identity {
	dev_t device;
	ino_t inode;
	struct timespec bound; /* when it was made: nothing else sets its mtime */
};

/* Returns 0 or a negative errno: it is not there, or can't be seen. */
int socket_identify(const char *path, struct socket_identity *ret);
bool socket_is_same(const struct socket_identity *a, const struct socket_identity *b);

/* Nobody listens; any other answer, also none, may be somebody's. */
bool socket_is_dead(const char *path);

/* For the names of one kudev's sockets. */
uint32_t plugin_socket_instance(void);

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
int plugin_socket_open(const char *directory, const char *resource, uint32_t instance,
		       struct plugin_socket *ret, struct error *err);

/* Whether the path still leads to our socket. */
bool plugin_socket_is_there(const struct plugin_socket *socket);

/* Unlinks the path if it is still ours, and frees what the struct owns. */
void plugin_socket_remove(struct plugin_socket *socket);

/* Whether a name is that of some kudev's socket, of an instance's, or of a resource's. */
bool plugin_socket_is_kudevs(const char *name);
bool plugin_socket_is_of_instance(const char *name, uint32_t instance);
bool plugin_socket_is_for(const char *name, const char *resource);

/*
 * Whether one plugin would serve one resource under both names: an instance of kudev takes a
 * new one each time, others keep theirs.
 */
bool plugin_socket_has_same_owner(const char *name, const char *other);

/*
 * Unlinks the sockets that kudevs left behind when they were killed: named as ours and
 * refusing connections. Those that somebody listens on are another kudev's, and stay.
 */
void plugin_sockets_clean(const char *directory);

#endif
