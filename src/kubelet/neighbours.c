/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <utlist.h>

#include "kubelet/neighbours.h"
#include "kubelet/socket.h"

/*
 * Who comes back within this time has only registered anew, which takes a kudev little more
 * than 100 ms. Two that took that of each other for an end would go on renewing for ever.
 */
#define GRACE_MS 300

struct neighbour {
	char *name;
	struct socket_identity socket;
	int64_t made_ms;  /* the socket */
	bool is_there;	  /* seen by the look under way */
	bool refuses;	  /* as it did when it was tried last */
	bool is_told;	  /* there is nothing more to tell of its end */
	int64_t ended_ms; /* since when it has been; 0: it lives */
	struct neighbour *next;
};

struct neighbours {
	char *directory;
	uint32_t instance;
	struct neighbour *list;
};

static void forget(struct neighbours *neighbours, struct neighbour *neighbour)
{
	LL_DELETE(neighbours->list, neighbour);
	free(neighbour->name);
	free(neighbour);
}

static struct neighbour *find(const struct neighbours *neighbours, const char *name)
{
	struct neighbour *neighbour;

	LL_FOREACH(neighbours->list, neighbour) {
		if (strcmp(neighbour->name, name) == 0)
			return neighbour;
	}
	return NULL;
}

/* Hidden ones are not finished, and nobody registers the kubelet's. */
static bool is_neighbour(const struct neighbours *neighbours, const char *name,
			 const char *path)
{
	struct stat status;

	return name[0] != '.' && strcmp(name, "kubelet.sock") != 0 &&
	       !plugin_socket_is_of_instance(name, neighbours->instance) &&
	       lstat(path, &status) == 0 && S_ISSOCK(status.st_mode);
}

/* Sockets bear the wall clock's time, which may have jumped since. */
static int64_t when_made(const struct socket_identity *socket)
{
	int64_t age_s = time(NULL) - socket->bound.tv_sec;

	return age_s > 0 ? clock_ms() - age_s * 1000 : clock_ms();
}

static void meet(struct neighbours *neighbours, const char *name, const char *path)
{
	struct socket_identity socket;
	struct neighbour *neighbour = find(neighbours, name);

	if (socket_identify(path, &socket) < 0)
		return;
	if (!neighbour) {
		neighbour = mem_zero(sizeof(*neighbour));
		neighbour->name = mem_string(name);
		LL_PREPEND(neighbours->list, neighbour);
	}
	if (!socket_is_same(&neighbour->socket, &socket)) {
		neighbour->socket = socket;
		neighbour->made_ms = when_made(&socket);
		neighbour->refuses = false;
	}
	neighbour->is_there = true;
}

/* Returns false if it can't be said who is there, for want of descriptors for one. */
static bool meet_all(struct neighbours *neighbours)
{
	DIR *entries = opendir(neighbours->directory);
	struct neighbour *neighbour;
	const struct dirent *entry;

	if (!entries && errno != ENOENT && errno != ENOTDIR)
		return false;
	LL_FOREACH(neighbours->list, neighbour) {
		neighbour->is_there = false;
	}
	while (entries && (entry = readdir(entries))) {
		KUDEV_AUTO_FREE char *path = mem_printf("%s/%s", neighbours->directory,
							entry->d_name);

		if (is_neighbour(neighbours, entry->d_name, path))
			meet(neighbours, entry->d_name, path);
	}
	if (entries)
		closedir(entries);
	return true;
}

/* Finds out who lives. */
static void take_stock(struct neighbours *neighbours, bool by_connecting)
{
	struct neighbour *neighbour;

	if (!meet_all(neighbours))
		return;
	LL_FOREACH(neighbours->list, neighbour) {
		KUDEV_AUTO_FREE char *path = mem_printf("%s/%s", neighbours->directory,
							neighbour->name);

		if (neighbour->is_there && by_connecting)
			neighbour->refuses = socket_is_dead(path);
		if (neighbour->is_there && !neighbour->refuses) {
			neighbour->ended_ms = 0;
			neighbour->is_told = false;
		} else if (neighbour->ended_ms == 0) {
			neighbour->ended_ms = clock_ms();
		}
	}
}

static bool has_come_back(const struct neighbours *neighbours,
			  const struct neighbour *ended)
{
	const struct neighbour *neighbour;

	LL_FOREACH(neighbours->list, neighbour) {
		if (neighbour->ended_ms == 0 &&
		    plugin_socket_has_same_owner(neighbour->name, ended->name))
			return true;
	}
	return false;
}

struct neighbours *neighbours_new(const char *directory, uint32_t instance)
{
	struct neighbours *neighbours = mem_zero(sizeof(*neighbours));

	neighbours->directory = mem_string(directory);
	neighbours->instance = instance;
	neighbours_reset(neighbours);
	return neighbours;
}

struct neighbours *neighbours_free(struct neighbours *neighbours)
{
	struct neighbour *neighbour;
	struct neighbour *next;

	if (!neighbours)
		return NULL;
	LL_FOREACH_SAFE(neighbours->list, neighbour, next) {
		forget(neighbours, neighbour);
	}
	free(neighbours->directory);
	free(neighbours);
	return NULL;
}

void neighbours_reset(struct neighbours *neighbours)
{
	struct neighbour *neighbour;
	struct neighbour *next;

	take_stock(neighbours, true);
	LL_FOREACH_SAFE(neighbours->list, neighbour, next) {
		neighbour->is_told = neighbour->ended_ms != 0;
		if (!neighbour->is_there)
			forget(neighbours, neighbour);
	}
}

static void tell(const struct neighbour *neighbour, neighbour_callback on_ended,
		 void *data)
{
	const struct neighbour_end end = {
		.socket = neighbour->name,
		.made_ms = neighbour->made_ms,
		.ended_ms = neighbour->ended_ms,
	};

	on_ended(&end, data);
}

int64_t neighbours_look(struct neighbours *neighbours, bool by_connecting,
			neighbour_callback on_ended, void *data)
{
	struct neighbour *neighbour;
	struct neighbour *next;
	int64_t again_ms = -1;

	take_stock(neighbours, by_connecting);
	LL_FOREACH_SAFE(neighbours->list, neighbour, next) {
		int64_t left_ms = neighbour->ended_ms + GRACE_MS - clock_ms();

		if (neighbour->ended_ms == 0)
			continue;
		if (!neighbour->is_told && !has_come_back(neighbours, neighbour)) {
			if (left_ms > 0) {
				again_ms = again_ms < 0 || left_ms < again_ms ? left_ms
									      : again_ms;
				continue;
			}
			tell(neighbour, on_ended, data);
		}
		neighbour->is_told = true;
		if (!neighbour->is_there)
			forget(neighbours, neighbour);
	}
	return again_ms;
}

bool neighbours_are_there(const struct neighbours *neighbours)
{
	const struct neighbour *neighbour;

	LL_FOREACH(neighbours->list, neighbour) {
		if (neighbour->ended_ms == 0)
			return true;
	}
	return false;
}
