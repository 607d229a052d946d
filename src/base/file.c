/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"

static int read_all(int fd, char *text, size_t size, size_t *ret_size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t got = read(fd, text + used, size - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		used += (size_t)got;
	}
	*ret_size = used;
	return 0;
}

int file_read(const char *path, size_t max_size, char **ret_text, size_t *ret_size,
	      struct error *err)
{
	KUDEV_AUTO_CLOSE int fd = -1;
	KUDEV_AUTO_FREE char *text = NULL;
	struct stat status;
	size_t size = 0;
	int r;

	/* O_NONBLOCK: a FIFO by this name must not hang us before we can refuse it. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return error_set_errno(err, errno, "cannot open %s", path);
	if (fstat(fd, &status) < 0)
		return error_set_errno(err, errno, "cannot read %s", path);
	if (S_ISDIR(status.st_mode))
		return error_set(err, EISDIR, "cannot read %s: it is a directory", path);
	if (!S_ISREG(status.st_mode))
		return error_set(err, EINVAL, "cannot read %s: it is not a regular file",
				 path);

	/* One byte more than allowed tells a file that is too large, even as it grows. */
	text = mem_alloc(max_size + 1);
	r = read_all(fd, text, max_size + 1, &size);
	if (r < 0)
		return error_set_errno(err, -r, "cannot read %s", path);
	if (size > max_size)
		return error_set(err, EFBIG, "%s is larger than %zu bytes", path,
				 max_size);

	text[size] = '\0';
	*ret_text = take_ptr(text);
	*ret_size = size;
	return 0;
}

static int64_t nanoseconds(const struct timespec *time)
{
	return (int64_t)time->tv_sec * 1000000000 + time->tv_nsec;
}

struct file_stamp file_stamp(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return (struct file_stamp){0};
	return (struct file_stamp){
		.device = status.st_dev,
		.inode = status.st_ino,
		.size = status.st_size,
		.modified_ns = nanoseconds(&status.st_mtim),
		.changed_ns = nanoseconds(&status.st_ctim),
	};
}

bool file_is_same(const struct file_stamp *a, const struct file_stamp *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->modified_ns == b->modified_ns && a->changed_ns == b->changed_ns;
}

static int write_all(int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t written = write(fd, text, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		text += written;
		size -= (size_t)written;
	}
	return 0;
}

int file_replace(const char *path, const char *text, unsigned mode, struct error *err)
{
	KUDEV_AUTO_FREE char *made = mem_printf("%s.XXXXXX", path);
	/* Neither follows a link nor opens what is there. */
	KUDEV_AUTO_CLOSE int fd = mkostemp(made, O_CLOEXEC);
	int r = 0;

	if (fd < 0)
		return error_set_errno(err, errno, "cannot write %s", path);
	r = write_all(fd, text, strlen(text));
	if (r == 0 && (fchmod(fd, mode) < 0 || rename(made, path) < 0))
		r = -errno;
	if (r < 0) {
		(void)unlink(made);
		return error_set_errno(err, -r, "cannot write %s", path);
	}
	return take_fd(&fd);
}

int directory_create(const char *path, unsigned mode, struct error *err)
{
	KUDEV_AUTO_FREE char *prefix = mem_string(path);
	struct stat status;

	for (char *slash = prefix + 1; *slash; slash++) {
		if (*slash != '/')
			continue;
		*slash = '\0';
		if (mkdir(prefix, mode) < 0 && errno != EEXIST)
			return error_set_errno(err, errno, "cannot create directory %s",
					       prefix);
		*slash = '/';
	}
	if (mkdir(prefix, mode) < 0 && errno != EEXIST)
		return error_set_errno(err, errno, "cannot create directory %s", path);
	if (stat(prefix, &status) < 0 || !S_ISDIR(status.st_mode))
		return error_set_errno(err, ENOTDIR, "cannot create directory %s", path);
	return 0;
}
