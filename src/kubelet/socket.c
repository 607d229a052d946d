/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/unix.h"
#include "base/util.h"
#include "config/value.h"
#include "kubelet/socket.h"

/*
 * Before a socket listens it has a hidden name, which the kubelet and others pass over.
 */
#define HIDDEN_PREFIX "."
#define HEX4 "[0-9a-f][0-9a-f][0-9a-f][0-9a-f]"
#define HEX6 HEX4 "[0-9a-f][0-9a-f]"
#define NAME_PATTERN "kudev-" HEX4 HEX4 "-" HEX6 "-" HEX4 HEX4 ".sock"
#define NAME_EXAMPLE "kudev-01234567-89abcd-ef012345.sock"
/* Up to and including the -: "kudev-01234567-", "89abcd-". */
#define RESOURCE_LENGTH 15
#define INSTANCE_LENGTH 7
#define INSTANCE_MAX 0xffffffU
/* A socket that is being made is younger than this; dead ones may wait. */
#define HIDDEN_MAX_AGE_S 60

_Static_assert(PLUGIN_DIRECTORY_MAX + sizeof("/" HIDDEN_PREFIX NAME_EXAMPLE) <= 108,
	       "a socket's path must fit into sun_path");

/* FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/), to be told by, not for safety. */
static uint32_t hash_name(const char *text)
{
	uint32_t hash = 2166136261U;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 16777619U;
	return hash;
}

/* Gives a listening socket the name that others look for. */
static int name_socket(const char *hidden, struct plugin_socket *socket,
		       struct error *err)
{
	struct stat status;

	if (stat(hidden, &status) < 0 || rename(hidden, socket->path) < 0)
		return error_set_errno(err, errno, "cannot create socket %s",
				       socket->path);
	socket->device = status.st_dev;
	socket->inode = status.st_ino;
	return 0;
}

int socket_identify(const char *path, struct socket_identity *ret)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return -errno;
	*ret = (struct socket_identity){
		.device = status.st_dev,
		.inode = status.st_ino,
		.bound = status.st_mtim,
	};
	return 0;
}

bool socket_is_same(const struct socket_identity *a, const struct socket_identity *b)
{
	return a->device == b->device && a->inode == b->inode &&
	       a->bound.tv_sec == b->bound.tv_sec && a->bound.tv_nsec == b->bound.tv_nsec;
}

bool socket_is_dead(const char *path)
{
	int fd = unix_connect(path, NULL);

	fd_close(fd);
	return fd == -ECONNREFUSED;
}

uint32_t plugin_socket_instance(void)
{
	return arc4random() & INSTANCE_MAX;
}

int plugin_socket_open(const char *directory, const char *resource, uint32_t instance,
		       struct plugin_socket *ret, struct error *err)
{
	KUDEV_AUTO_FREE char *name = NULL;
	KUDEV_AUTO_FREE char *hidden = NULL;
	KUDEV_AUTO_CLOSE int fd = -1;
	struct plugin_socket made = {0};
	int r;

	name = mem_printf("kudev-%08x-%06x-%08x.sock", hash_name(resource), instance,
			  arc4random());
	hidden = mem_printf("%s/" HIDDEN_PREFIX "%s", directory, name);
	fd = unix_listen(hidden, err);
	if (fd < 0)
		return fd;

	made.path = mem_printf("%s/%s", directory, name);
	r = name_socket(hidden, &made, err);
	if (r < 0) {
		(void)unlink(hidden);
		free(made.path);
		return r;
	}
	made.name = strrchr(made.path, '/') + 1;
	*ret = made;
	return take_fd(&fd);
}

bool plugin_socket_is_there(const struct plugin_socket *socket)
{
	struct stat status;

	return lstat(socket->path, &status) == 0 && status.st_dev == socket->device &&
	       status.st_ino == socket->inode;
}

void plugin_socket_remove(struct plugin_socket *socket)
{
	if (socket->path && plugin_socket_is_there(socket))
		(void)unlink(socket->path);
	free(socket->path);
	*socket = (struct plugin_socket){0};
}

bool plugin_socket_is_kudevs(const char *name)
{
	return fnmatch(NAME_PATTERN, name, 0) == 0;
}

bool plugin_socket_is_of_instance(const char *name, uint32_t instance)
{
	KUDEV_AUTO_FREE char *part = mem_printf("%06x-", instance);

	return plugin_socket_is_kudevs(name) &&
	       strncmp(name + RESOURCE_LENGTH, part, INSTANCE_LENGTH) == 0;
}

bool plugin_socket_is_for(const char *name, const char *resource)
{
	KUDEV_AUTO_FREE char *part = mem_printf("kudev-%08x-", hash_name(resource));

	return plugin_socket_is_kudevs(name) && strncmp(name, part, RESOURCE_LENGTH) == 0;
}

bool plugin_socket_has_same_owner(const char *name, const char *other)
{
	if (plugin_socket_is_kudevs(name) && plugin_socket_is_kudevs(other))
		return strncmp(name, other, RESOURCE_LENGTH + INSTANCE_LENGTH) == 0;
	return strcmp(name, other) == 0;
}

static bool is_ours_to_clean(const char *path, const char *name)
{
	struct stat status;

	if (lstat(path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return false;
	if (plugin_socket_is_kudevs(name))
		return true;
	return fnmatch(HIDDEN_PREFIX NAME_PATTERN, name, 0) == 0 &&
	       time(NULL) - status.st_mtime > HIDDEN_MAX_AGE_S;
}

void plugin_sockets_clean(const char *directory)
{
	DIR *entries = opendir(directory);
	const struct dirent *entry;

	if (!entries)
		return;
	while ((entry = readdir(entries))) {
		KUDEV_AUTO_FREE char *path = mem_printf("%s/%s", directory,
							entry->d_name);

		if (is_ours_to_clean(path, entry->d_name) && socket_is_dead(path) &&
		    unlink(path) == 0)
			log_info("removed the socket of a dead kudev",
				 LOG_STR("path", path));
	}
	closedir(entries);
}
