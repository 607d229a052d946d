/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/util.h"

/* Of the kernel's clock for files: 1/CONFIG_HZ, with some to spare. */
#define TICK_MS 20
/* Links and ".." on the way; of links, the kernel follows 40 (MAXSYMLINKS). */
#define STEPS_MAX 256

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
	struct timespec now;
	struct stat status;

	if (stat(path, &status) < 0)
		return (struct file_stamp){0};
	clock_gettime(CLOCK_REALTIME, &now);
	return (struct file_stamp){
		.device = status.st_dev,
		.inode = status.st_ino,
		.size = status.st_size,
		.modified_ns = nanoseconds(&status.st_mtim),
		.changed_ns = nanoseconds(&status.st_ctim),
		.age_ms = (nanoseconds(&now) - nanoseconds(&status.st_ctim)) / 1000000,
	};
}

/* A clock that was set back says nothing. */
static bool is_sure(const struct file_stamp *stamp)
{
	return stamp->inode == 0 || stamp->age_ms < 0 || stamp->age_ms >= TICK_MS;
}

bool file_is_same(const struct file_stamp *before, const struct file_stamp *now)
{
	return before->device == now->device && before->inode == now->inode &&
	       before->size == now->size && before->modified_ns == now->modified_ns &&
	       before->changed_ns == now->changed_ns && is_sure(before);
}

static void add_parent(const char *path, struct strings *ret)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash == path ? 1 : (size_t)(slash - path);
	KUDEV_AUTO_FREE char *parent = mem_string_n(path, length);

	strings_add_unique(ret, parent);
}

/* Where the link leads with the rest of a path behind it; NULL: it is none. */
static char *read_link(const char *link, const char *rest)
{
	char target[PATH_MAX];
	ssize_t length = readlink(link, target, sizeof(target));

	if (length < 0)
		return NULL;
	if (*target == '/')
		return mem_printf("%.*s%s", (int)length, target, rest);
	return mem_printf("%.*s/%.*s%s", (int)(strrchr(link, '/') - link), link,
			  (int)length, target, rest);
}

/* "/a" and "/b" of "/a/x/../b", where there is no link in "/a/x". */
static char *go_up(const char *path, const char *up, const char *rest)
{
	while (up > path && *--up == '/')
		;
	while (up > path && *up != '/')
		up--;
	return mem_printf("%.*s%s", (int)(up - path), path, *rest ? rest : "/");
}

/* The path with its first link or ".." followed; NULL: it has none. */
static char *follow_first(const char *path, struct strings *ret)
{
	for (const char *end = path; *end;) {
		const char *start = end;
		KUDEV_AUTO_FREE char *link = NULL;
		char *next;

		end += 1 + strcspn(end + 1, "/");
		if (end - start == 3 && memcmp(start, "/..", 3) == 0)
			return go_up(path, start, end);
		link = mem_string_n(path, (size_t)(end - path));
		next = read_link(link, end);
		if (!next)
			continue;
		add_parent(link, ret);
		return next;
	}
	return NULL;
}

static char *make_absolute(const char *path)
{
	KUDEV_AUTO_FREE char *here = *path == '/' ? NULL : realpath(".", NULL);

	if (*path == '/')
		return mem_string(path);
	return here ? mem_printf("%s/%s", here, path) : NULL;
}

void file_directories(const char *path, struct strings *ret)
{
	char *now = make_absolute(path);

	for (unsigned steps = 0; now && steps < STEPS_MAX; steps++) {
		char *next = follow_first(now, ret);

		if (!next)
			add_parent(now, ret);
		free(now);
		now = next;
	}
	free(now);
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
