/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "base/util.h"
#include "source/glob.h"

struct search {
	const char *root;
	const char *pattern;
	struct strings *matches;
	struct strings *directories;
	struct error *err;
};

static bool has_meta(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (strchr("*?[\\", text[i]))
			return true;
	}
	return false;
}

/* There is nothing: an answer, unlike the errors that leave the question open. */
static bool means_absent(int error)
{
	return error == ENOENT || error == ENOTDIR || error == EACCES || error == ELOOP ||
	       error == ENAMETOOLONG;
}

static void add_parent(const struct search *search, const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory = slash == path ? mem_printf("%s/", search->root)
					: mem_printf("%s%.*s", search->root,
						     (int)(slash - path), path);

	strings_add_unique(search->directories, directory);
	free(directory);
}

/* What a link points to can come and go while the link stays. */
static void watch_link_target(const struct search *search, const char *path,
			      const char *full)
{
	char target[PATH_MAX];
	ssize_t length = readlink(full, target, sizeof(target) - 1);
	KUDEV_AUTO_FREE char *absolute = NULL;

	if (length <= 0)
		return;
	target[length] = '\0';
	if (target[0] == '/')
		absolute = mem_string(target);
	else
		absolute = mem_printf("%.*s/%s", (int)(strrchr(path, '/') - path), path,
				      target);
	add_parent(search, absolute);
}

static int take_match(const struct search *search, const char *path)
{
	KUDEV_AUTO_FREE char *full = mem_printf("%s%s", search->root, path);
	struct stat status;

	if (lstat(full, &status) < 0)
		return means_absent(errno) ? 0
					   : error_set_errno(search->err, errno,
							     "cannot look at %s", path);
	if (S_ISLNK(status.st_mode)) {
		watch_link_target(search, path, full);
		if (stat(full, &status) < 0)
			return means_absent(errno)
				       ? 0
				       : error_set_errno(search->err, errno,
							 "cannot look at %s", path);
	}
	if (search->matches->count >= GLOB_MAX_MATCHES)
		return error_set(search->err, E2BIG, "%s matches more than %d paths",
				 search->pattern, GLOB_MAX_MATCHES);
	strings_add(search->matches, path);
	return 0;
}

static int expand_from(const struct search *search, const char *prefix, const char *rest);

/* path is prefix and one more component; tail is what of the pattern comes after it. */
static int descend(const struct search *search, const char *path, const char *tail)
{
	return *tail ? expand_from(search, path, tail) : take_match(search, path);
}

/* Nothing is ever below a device node or a file. */
static bool may_be_directory(const struct dirent *entry)
{
	return entry->d_type == DT_DIR || entry->d_type == DT_LNK ||
	       entry->d_type == DT_UNKNOWN;
}

/* udev makes a link under such a name, and then gives it its own (tempfn_random()). */
static bool is_temporary(const char *name)
{
	return strncmp(name, ".#", 2) == 0;
}

static int read_matching(const struct search *search, const char *prefix,
			 const char *component, bool is_last, struct strings *names)
{
	KUDEV_AUTO_FREE char *full = mem_printf("%s%s/", search->root, prefix);
	DIR *directory = opendir(full);
	const struct dirent *entry;
	int error;

	if (!directory)
		return means_absent(errno)
			       ? 0
			       : error_set_errno(search->err, errno,
						 "cannot read directory %s", full);
	while (errno = 0, (entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
		    is_temporary(entry->d_name))
			continue;
		if (fnmatch(component, entry->d_name, FNM_PATHNAME) == 0 &&
		    text_is_utf8(entry->d_name) && (is_last || may_be_directory(entry)))
			strings_add(names, entry->d_name);
	}
	error = errno;
	closedir(directory);
	if (error)
		return error_set_errno(search->err, error, "cannot read directory %s",
				       full);
	strings_sort(names);
	return 0;
}

static int expand_component(const struct search *search, const char *prefix,
			    const char *component, const char *tail)
{
	KUDEV_AUTO_STRINGS struct strings names = {0};
	KUDEV_AUTO_FREE char *directory = mem_printf("%s%s", search->root,
						     *prefix ? prefix : "/");
	int r;

	strings_add_unique(search->directories, directory);
	r = read_matching(search, prefix, component, !*tail, &names);
	for (size_t i = 0; r == 0 && i < names.count; i++) {
		KUDEV_AUTO_FREE char *path = mem_printf("%s/%s", prefix, names.items[i]);

		r = descend(search, path, tail);
	}
	return r;
}

/* rest begins with the slash that follows prefix. */
static int expand_from(const struct search *search, const char *prefix, const char *rest)
{
	const char *component = rest + 1;
	size_t length = strcspn(component, "/");
	const char *tail = component + length;
	KUDEV_AUTO_FREE char *text = mem_string_n(component, length);
	KUDEV_AUTO_FREE char *path = NULL;

	if (has_meta(component, length))
		return expand_component(search, prefix, text, tail);
	path = mem_printf("%s/%s", prefix, text);
	if (!*tail)
		add_parent(search, path);
	return descend(search, path, tail);
}

int glob_expand(const char *root, const char *pattern, struct strings *matches,
		struct strings *directories, struct error *err)
{
	const struct search search = {
		.root = root,
		.pattern = pattern,
		.matches = matches,
		.directories = directories,
		.err = err,
	};

	return expand_from(&search, "", pattern);
}

const char *glob_explain(const char *root, const char *pattern)
{
	KUDEV_AUTO_FREE char *full = mem_printf("%s%s", root, pattern);
	struct stat status;

	if (has_meta(pattern, strlen(pattern)))
		return "nothing matches";
	if (lstat(full, &status) == 0)
		return S_ISLNK(status.st_mode) ? "a link to nothing" : "nothing matches";
	return errno == EACCES ? "no permission to look" : "no such file";
}
