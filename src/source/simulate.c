/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"
#include "device/identity.h"
#include "source/source.h"

/*
 * Devices for trying things out: regular files <directory>/<class>/<index>, mounted into
 * the containers as /dev/<class><index> or what mountPath says. Removing a file unplugs
 * the device, creating it again plugs it in. The files stay when kudev ends, since pods
 * that hold them go on.
 */

struct simulate {
	struct source source;
	char *directory; /* of the class */
};

static struct simulate *simulate_of(struct source *source)
{
	return KUDEV_CONTAINER_OF(source, struct simulate, source);
}

static char *node_path(const struct simulate *simulate, unsigned index)
{
	return mem_printf("%s/%u", simulate->directory, index);
}

/* A link left there by somebody else could stand for any file of the host. */
static int check_node(const char *path, struct error *err)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return error_set_errno(err, errno, "cannot look at %s", path);
	if (!S_ISREG(status.st_mode))
		return error_set(err, EEXIST, "%s is in the way: no regular file", path);
	return 0;
}

static int create_node(const struct simulate *simulate, unsigned index, struct error *err)
{
	KUDEV_AUTO_FREE char *path = node_path(simulate, index);
	KUDEV_AUTO_CLOSE int fd = -1;
	int r;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
	if (fd < 0 && errno == EEXIST)
		return check_node(path, err);
	if (fd < 0)
		return error_set_errno(err, errno, "cannot create simulated device %s",
				       path);
	/* Whatever the umask: containers run as any user. */
	r = fchmod(fd, 0666) < 0 ||
	    dprintf(fd, "kudev simulated device\nclass: %s\nindex: %u\n",
		    simulate->source.class->name, index) < 0;
	if (r == 0)
		return 0;
	r = errno;
	(void)unlink(path);
	return error_set_errno(err, r, "cannot write simulated device %s", path);
}

static int create_nodes(const struct simulate *simulate, struct error *err)
{
	int r = directory_create(simulate->directory, 0755, err);

	for (unsigned i = 0; r == 0 && i < simulate->source.class->simulate.count; i++)
		r = create_node(simulate, i, err);
	return r;
}

static struct source *simulate_free(struct source *source)
{
	struct simulate *simulate = simulate_of(source);

	free(simulate->directory);
	free(simulate);
	return NULL;
}

static int simulate_open(const struct config_class *class, const char *root,
			 const struct source_host *host, struct source **ret,
			 struct error *err)
{
	struct simulate *simulate = mem_zero(sizeof(*simulate));
	KUDEV_AUTO(source_free) struct source *source = &simulate->source;
	int r = 0;

	simulate->source = (struct source){
		.ops = &source_simulate,
		.class = class,
		.root = "", /* made, not looked up */
		.preview = !host,
	};
	(void)root;
	simulate->directory = mem_printf("%s/%s", class->simulate.directory, class->name);
	if (host)
		r = create_nodes(simulate, err);
	if (r < 0)
		return r;
	*ret = take_ptr(source);
	return 0;
}

static bool node_exists(const struct simulate *simulate, const char *path)
{
	struct node_identity identity;

	return simulate->source.preview ||
	       node_identify(simulate->source.root, path, &identity) == 0;
}

/* Also of a node that was removed: it is in the class as long as that asks for it. */
static void add_copies(const struct simulate *simulate, unsigned index, const char *path,
		       bool is_there, struct unit_list *units)
{
	const struct config_class *class = simulate->source.class;

	for (unsigned copy = 0; copy < class->share; copy++) {
		char *id = identity_of_simulated(class->name, index, copy, class->share);
		struct unit *unit = unit_list_add(units, id, 1);

		unit_node_fill(&unit->nodes[0], simulate->source.root, mem_string(path),
			       NODE_MOUNT, class->mount_path);
		unit->nodes[0].read_only = !strchr(class->permissions, 'w');
		if (class->simulate.numa_nodes > 0)
			unit->numa_node = (int)(index % class->simulate.numa_nodes);
		if (!is_there)
			unit->absence = mem_printf("%s is gone", path);
	}
}

static int simulate_scan(struct source *source, struct scan *ret, struct error *err)
{
	const struct simulate *simulate = simulate_of(source);

	(void)err;
	strings_add(&ret->directories, simulate->directory);
	for (unsigned i = 0; i < source->class->simulate.count; i++) {
		KUDEV_AUTO_FREE char *path = node_path(simulate, i);
		bool is_there = node_exists(simulate, path);

		if (!is_there)
			scan_add_missing(ret, path, "the simulated device was removed");
		add_copies(simulate, i, path, is_there, &ret->units);
	}
	return 0;
}

const struct source_ops source_simulate = {
	.name = "simulate",
	.open = simulate_open,
	.scan = simulate_scan,
	.free = simulate_free,
};
