/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"
#include "source/dummy.h"

#define TARGET "/dev/null"

bool dummy_is_there(const char *path)
{
	char target[sizeof(TARGET)];
	ssize_t length = readlink(path, target, sizeof(target));

	return length == (ssize_t)strlen(TARGET) &&
	       memcmp(target, TARGET, strlen(TARGET)) == 0;
}

int dummy_make(const char *path)
{
	if (dummy_is_there(path))
		return 0;
	return symlink(TARGET, path) < 0 ? -errno : 0;
}

int dummy_preview(const char *path)
{
	KUDEV_AUTO_FREE char *directory =
		mem_string_n(path, (size_t)(strrchr(path, '/') - path));
	struct stat status;

	if (dummy_is_there(path))
		return 0;
	if (lstat(path, &status) == 0)
		return -EEXIST;
	return access(directory, W_OK) < 0 ? -errno : 0;
}

void dummy_remove(const char *path)
{
	if (dummy_is_there(path))
		(void)unlink(path);
}
