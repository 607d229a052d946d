/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_TREE_H
#define KUDEV_TEST_TREE_H

/*
 * A temporary directory that stands for the root of a machine, with the few steps that
 * tests need to furnish it. Paths are absolute as the daemon sees them: below the tree.
 */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/util.h"

struct tree {
	char *root;
};

static inline struct tree *tree_new(void)
{
	struct tree *tree = mem_zero(sizeof(*tree));

	tree->root = mem_string("/tmp/kudev-test-XXXXXX");
	assert_non_null(mkdtemp(tree->root));
	return tree;
}

static inline int tree_unlink_entry(const char *path, const struct stat *status, int type,
				    struct FTW *walk)
{
	(void)status;
	(void)walk;
	(void)(type == FTW_DP ? rmdir(path) : unlink(path));
	return 0;
}

static inline struct tree *tree_free(struct tree *tree)
{
	if (!tree)
		return NULL;
	nftw(tree->root, tree_unlink_entry, 16, FTW_DEPTH | FTW_PHYS);
	free(tree->root);
	free(tree);
	return NULL;
}

KUDEV_DEFINE_CLEANUP(struct tree *, tree_free)

/* The path as this machine knows it; the caller frees it. */
static inline char *tree_path(const struct tree *tree, const char *path)
{
	return mem_printf("%s%s", tree->root, path);
}

static inline void tree_directory(const struct tree *tree, const char *path)
{
	KUDEV_AUTO_FREE char *full = tree_path(tree, path);

	assert_int_equal(directory_create(full, 0755, NULL), 0);
}

static inline void tree_parent(const struct tree *tree, const char *path)
{
	KUDEV_AUTO_FREE char *parent = mem_string_n(path, strrchr(path, '/') - path);

	tree_directory(tree, parent);
}

/* A regular file with this text; its directory is made. */
static inline void tree_file(const struct tree *tree, const char *path, const char *text)
{
	KUDEV_AUTO_FREE char *full = tree_path(tree, path);
	FILE *file;

	tree_parent(tree, path);
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static inline void tree_files(const struct tree *tree, const char *const *paths)
{
	for (; *paths; paths++)
		tree_file(tree, *paths, "");
}

static inline void tree_link(const struct tree *tree, const char *path,
			     const char *target)
{
	KUDEV_AUTO_FREE char *full = tree_path(tree, path);

	tree_parent(tree, path);
	assert_int_equal(symlink(target, full), 0);
}

/* A file or an empty directory. */
static inline void tree_remove(const struct tree *tree, const char *path)
{
	KUDEV_AUTO_FREE char *full = tree_path(tree, path);

	assert_int_equal(remove(full), 0);
}

static inline void tree_rename(const struct tree *tree, const char *from, const char *to)
{
	KUDEV_AUTO_FREE char *old_path = tree_path(tree, from);
	KUDEV_AUTO_FREE char *new_path = tree_path(tree, to);

	assert_int_equal(rename(old_path, new_path), 0);
}

/*
 * Takes the root of the tree out of a text, wherever it stands; returns the text. Inlined,
 * gcc 12 takes a stream's buffer for a pointer to a local, and warns.
 */
__attribute__((noinline, unused)) static char *tree_relative(const struct tree *tree,
							     char *text)
{
	size_t length = strlen(tree->root);

	for (char *at = strstr(text, tree->root); at; at = strstr(at, tree->root))
		memmove(at, at + length, strlen(at + length) + 1);
	return text;
}

static inline bool tree_exists(const struct tree *tree, const char *path)
{
	KUDEV_AUTO_FREE char *full = tree_path(tree, path);

	return access(full, F_OK) == 0;
}

#endif
