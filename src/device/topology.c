/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/util.h"
#include "device/topology.h"

/* A page is all that sysfs gives. */
#define ATTRIBUTE_MAX_SIZE 4096

char *topology_syspath(const char *root, const struct node_identity *node)
{
	KUDEV_AUTO_FREE char *link = NULL;
	char *path;

	if (node->type != S_IFCHR && node->type != S_IFBLK)
		return NULL;
	link = mem_printf("%s/sys/dev/%s/%u:%u", root,
			  node->type == S_IFCHR ? "char" : "block", major(node->device),
			  minor(node->device));
	path = realpath(link, NULL);
	return path;
}

static char *read_attribute(const char *path, int *ret_error)
{
	KUDEV_AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char text[ATTRIBUTE_MAX_SIZE + 1];
	struct stat status;
	ssize_t length;

	*ret_error = 0;
	if (fd < 0 || fstat(fd, &status) < 0) {
		*ret_error = -errno;
		return NULL;
	}
	/* Directories and links have names like attributes. */
	if (!S_ISREG(status.st_mode)) {
		*ret_error = -ENOENT;
		return NULL;
	}
	length = read(fd, text, ATTRIBUTE_MAX_SIZE);
	if (length < 0) {
		*ret_error = -errno;
		return NULL;
	}
	while (length > 0 && strchr("\n \t", text[length - 1]))
		length--;
	text[length] = '\0';
	return mem_string(text);
}

/* Makes the path that of the device above. False: there is none. */
static bool ascend(char *path)
{
	char *slash = strrchr(path, '/');
	size_t length;

	if (!slash)
		return false;
	*slash = '\0';
	length = strlen(path);
	/* The top is no device. */
	return length > 8 && strcmp(path + length - 8, "/devices") != 0;
}

char *topology_attribute(const char *syspath, const char *name, int *ret_error)
{
	KUDEV_AUTO_FREE char *directory = mem_string(syspath);
	int error;

	do {
		KUDEV_AUTO_FREE char *path = mem_printf("%s/%s", directory, name);
		char *text = read_attribute(path, &error);

		if (text)
			return text;
		if (error != -ENOENT && error != -ENOTDIR)
			break;
	} while (ascend(directory));
	if (ret_error)
		*ret_error = error;
	return NULL;
}

int topology_numa_node(const char *syspath)
{
	KUDEV_AUTO_FREE char *directory = mem_string(syspath);

	do {
		KUDEV_AUTO_FREE char *path = mem_printf("%s/numa_node", directory);
		int error;
		KUDEV_AUTO_FREE char *text = read_attribute(path, &error);
		char *end;
		long node;

		if (!text || !*text)
			continue;
		node = strtol(text, &end, 10);
		/* -1: the bus does not know, what is above it may. */
		if (*end == '\0' && node >= 0 && node <= INT_MAX)
			return (int)node;
	} while (ascend(directory));
	return LIST_NUMA_UNKNOWN;
}

int topology_of_unit(const struct unit *unit)
{
	int found = LIST_NUMA_UNKNOWN;

	for (size_t i = 0; i < unit->node_count; i++) {
		const struct unit_node *node = &unit->nodes[i];
		KUDEV_AUTO_FREE char *syspath = topology_syspath(node->root,
								 &node->identity);
		int numa_node = syspath ? topology_numa_node(syspath) : found;

		if (numa_node == LIST_NUMA_UNKNOWN)
			continue;
		if (found != LIST_NUMA_UNKNOWN && found != numa_node)
			return LIST_NUMA_UNKNOWN;
		found = numa_node;
	}
	return found;
}
