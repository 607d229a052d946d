/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <uthash.h>

#include "base/util.h"
#include "device/identity.h"
#include "source/glob.h"
#include "source/settling.h"
#include "source/source.h"
#include "source/usb.h"

/*
 * Groups of paths, as generic-device-plugin defines them (peers: squat, path.go): the
 * matches of each path, repeated `limit` times, are zipped into units, of which each is
 * handed out `count` times. Paths are looked up anew at each scan.
 */

struct groups {
	struct source source;
	struct settling *settling;
};

static struct groups *groups_of(struct source *source)
{
	return KUDEV_CONTAINER_OF(source, struct groups, source);
}

/* What a scan of one group found: matches[k] belongs to paths[k]. */
struct expansion {
	struct strings *matches;
	size_t path_count;
};

static void expansion_clear(struct expansion *expansion)
{
	for (size_t i = 0; i < expansion->path_count; i++)
		strings_clear(&expansion->matches[i]);
	free(expansion->matches);
}

/* A path that is optional and absent takes no part. */
static bool is_skipped(const struct config_path *path, const struct strings *matches)
{
	return path->optional && matches->count == 0;
}

/*
 * As many units as the longest list of matches has items, but not more than the shortest
 * repeated list can fill.
 */
static size_t count_units(const struct config_group *group,
			  const struct expansion *expansion)
{
	size_t longest = 0;
	size_t limit = SIZE_MAX;

	for (size_t i = 0; i < group->path_count; i++) {
		size_t count = expansion->matches[i].count;

		if (is_skipped(&group->paths[i], &expansion->matches[i]))
			continue;
		if (count > longest)
			longest = count;
		if (count * group->paths[i].limit < limit)
			limit = count * group->paths[i].limit;
	}
	return longest < limit ? longest : limit;
}

static void fill_node(struct unit_node *node, const char *root,
		      const struct config_path *path, const char *host_path)
{
	bool is_mount = path->type == CONFIG_PATH_MOUNT;

	unit_node_fill(node, root, mem_string(host_path),
		       is_mount ? NODE_MOUNT : NODE_DEVICE, path->mount_path);
	node->permissions = path->permissions;
	node->read_only = path->read_only;
}

/* The members of one unit: paths[k] took part with host_paths[k]. */
struct members {
	const struct config_path **paths;
	const char **host_paths;
	size_t count;
	size_t handed_out; /* those that are not CONFIG_PATH_IGNORED */
};

static void collect_members(const struct config_group *group,
			    const struct expansion *expansion, size_t index,
			    struct members *members)
{
	members->count = 0;
	members->handed_out = 0;
	for (size_t i = 0; i < group->path_count; i++) {
		const struct strings *matches = &expansion->matches[i];

		if (is_skipped(&group->paths[i], matches))
			continue;
		members->paths[members->count] = &group->paths[i];
		members->host_paths[members->count++] =
			matches->items[index % matches->count];
		if (group->paths[i].type != CONFIG_PATH_IGNORED)
			members->handed_out++;
	}
}

static void add_unit(const struct source *source, const struct members *members,
		     unsigned copy, unsigned copies, struct unit_list *units)
{
	char *id = identity_of_paths(source->class->ids, members->host_paths,
				     members->count, copy, copies);
	struct unit *unit = unit_list_add(units, id, members->handed_out);
	size_t at = 0;

	for (size_t i = 0; i < members->count; i++) {
		if (members->paths[i]->type != CONFIG_PATH_IGNORED)
			fill_node(&unit->nodes[at++], source->root, members->paths[i],
				  members->host_paths[i]);
	}
}

static void add_units(const struct source *source, const struct config_group *group,
		      const struct expansion *expansion, struct unit_list *units)
{
	struct members members = {
		.paths = mem_zero(group->path_count * sizeof(*members.paths)),
		.host_paths = mem_zero(group->path_count * sizeof(*members.host_paths)),
	};
	size_t count = count_units(group, expansion);

	for (size_t i = 0; i < count; i++) {
		collect_members(group, expansion, i, &members);
		for (unsigned copy = 0; members.handed_out && copy < group->count; copy++)
			add_unit(source, &members, copy, group->count, units);
	}
	free(members.paths);
	free(members.host_paths);
}

/* The units are as many as the path with the fewest uses allows; the rest finds no partner. */
static void report_unpaired(const struct config_group *group,
			    const struct expansion *expansion, struct scan *scan)
{
	size_t count = count_units(group, expansion);

	for (size_t i = 0; count > 0 && i < group->path_count; i++) {
		KUDEV_AUTO_FREE char *reason = NULL;

		if (expansion->matches[i].count <= count)
			continue;
		reason =
			mem_printf("only %zu of %zu matches find a partner in the group; "
				   "see limit",
				   count, expansion->matches[i].count);
		scan_add_missing(scan, group->paths[i].pattern, reason);
	}
}

static int scan_paths(const struct source *source, const struct config_group *group,
		      struct scan *scan, struct error *err)
{
	struct expansion expansion = {
		.matches = mem_zero(group->path_count * sizeof(*expansion.matches)),
		.path_count = group->path_count,
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < group->path_count; i++) {
		const struct config_path *path = &group->paths[i];

		r = glob_expand(source->root, path->pattern, &expansion.matches[i],
				&scan->directories, err);
		if (r == 0 && expansion.matches[i].count == 0 && !path->optional)
			scan_add_missing(scan, path->pattern,
					 glob_explain(source->root, path->pattern));
	}
	if (r == 0) {
		add_units(source, group, &expansion, &scan->units);
		report_unpaired(group, &expansion, scan);
	}
	expansion_clear(&expansion);
	return r;
}

static void add_usb_unit(const struct source *source, const struct strings *nodes,
			 unsigned copy, unsigned copies, struct unit_list *units)
{
	const char *const *paths = (const char *const *)nodes->items;
	char *id = identity_of_paths(source->class->ids, paths, nodes->count, copy,
				     copies);
	struct unit *unit = unit_list_add(units, id, nodes->count);

	for (size_t i = 0; i < nodes->count; i++) {
		unit_node_fill(&unit->nodes[i], source->root, mem_string(paths[i]),
			       NODE_DEVICE, NULL);
		unit->nodes[i].permissions = "rw";
	}
}

/* All matches of all specifications make one unit. */
static int scan_usb(const struct source *source, const struct config_group *group,
		    struct scan *scan, struct error *err)
{
	KUDEV_AUTO_STRINGS struct strings nodes = {0};
	int r = usb_find(source->root, group->usb, group->usb_count, &nodes,
			 &scan->directories, err);

	if (r < 0)
		return r;
	for (size_t i = 0; nodes.count == 0 && i < group->usb_count; i++) {
		KUDEV_AUTO_FREE char *name = mem_printf(
			"usb %04x:%04x", group->usb[i].vendor, group->usb[i].product);

		scan_add_missing(scan, name, "no such device is attached");
	}
	for (unsigned copy = 0; nodes.count > 0 && copy < group->count; copy++)
		add_usb_unit(source, &nodes, copy, group->count, &scan->units);
	return 0;
}

/* Whether to wait until udev has given the nodes of a unit their permissions and links. */
static bool is_settling(struct groups *groups, const struct unit *unit, struct scan *scan)
{
	bool wait = false;

	for (size_t i = 0; i < unit->node_count; i++) {
		const struct unit_node *node = &unit->nodes[i];

		if (settling_is_ready(node->host_path, &node->identity))
			continue;
		if (settling_wait(groups->settling, node->host_path))
			wait = true;
		else
			scan_add_note(scan, node->host_path, SETTLING_GIVEN_UP);
	}
	return wait;
}

static void hold_back_unsettled(struct groups *groups, struct scan *scan)
{
	bool is_waiting = false;

	/* Below another root there is no udev; a preview shows what will be. */
	if (*groups->source.root || groups->source.preview || !settling_has_udev())
		return;
	settling_begin(groups->settling);
	for (size_t i = scan->units.count; i-- > 0;) {
		if (!is_settling(groups, &scan->units.items[i], scan))
			continue;
		unit_list_remove(&scan->units, i);
		is_waiting = true;
	}
	if (!is_waiting)
		return;
	strings_add_unique(&scan->directories, SETTLING_DATABASE);
	scan_again_in(scan, settling_left_ms(groups->settling));
}

/* The name under which a device was met first. */
struct alias {
	struct node_identity node;
	char *path;
	UT_hash_handle hh;
};

static struct alias *find_alias(struct alias *aliases, const struct node_identity *node)
{
	struct alias *alias;

	HASH_FIND(hh, aliases, node, sizeof(*node), alias);
	return alias;
}

static void add_alias(struct alias **aliases, const struct unit_node *node)
{
	struct alias *alias = mem_zero(sizeof(*alias));

	alias->node = node->identity;
	alias->path = mem_string(node->host_path);
	HASH_ADD(hh, *aliases, node, sizeof(alias->node), alias);
}

/* A link and its node, or two links, are one device: the first in the list stays. */
static void drop_aliases(struct scan *scan)
{
	struct alias *aliases = NULL;
	struct alias *next;
	struct alias *alias;

	for (size_t i = 0; i < scan->units.count;) {
		const struct unit_node *node = unit_main_node(&scan->units.items[i]);

		alias = find_alias(aliases, &node->identity);
		if (node->type != NODE_DEVICE || node->identity.type == 0) {
			i++;
		} else if (!alias) {
			add_alias(&aliases, node);
			i++;
		} else if (strcmp(alias->path, node->host_path) == 0) {
			i++;
		} else {
			KUDEV_AUTO_FREE char *reason = mem_printf("the same device as %s",
								  alias->path);

			scan_add_note(scan, node->host_path, reason);
			unit_list_remove(&scan->units, i);
		}
	}
	HASH_ITER(hh, aliases, alias, next) {
		HASH_DEL(aliases, alias);
		free(alias->path);
		free(alias);
	}
}

static int groups_scan(struct source *source, struct scan *ret, struct error *err)
{
	for (size_t i = 0; i < source->class->group_count; i++) {
		const struct config_group *group = &source->class->groups[i];
		int r = group->usb_count > 0 ? scan_usb(source, group, ret, err)
					     : scan_paths(source, group, ret, err);

		if (r < 0)
			return r;
	}
	hold_back_unsettled(groups_of(source), ret);
	/* generic-device-plugin offers both, and pods may hold either. */
	if (source->class->ids == CONFIG_IDS_READABLE)
		drop_aliases(ret);
	return 0;
}

static int groups_open(const struct config_class *class, const char *root,
		       const struct source_host *host, struct source **ret,
		       struct error *err)
{
	struct groups *groups = mem_zero(sizeof(*groups));

	(void)err;
	groups->source = (struct source){
		.ops = &source_groups,
		.class = class,
		.root = root,
		.preview = !host,
	};
	groups->settling = settling_new();
	*ret = &groups->source;
	return 0;
}

static struct source *groups_free(struct source *source)
{
	struct groups *groups = groups_of(source);

	settling_free(groups->settling);
	free(groups);
	return NULL;
}

const struct source_ops source_groups = {
	.name = "groups",
	.open = groups_open,
	.scan = groups_scan,
	.free = groups_free,
};
