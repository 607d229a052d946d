/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

void *mem_alloc(size_t size)
{
	void *memory = malloc(size ? size : 1);

	if (!memory)
		abort();
	return memory;
}

void *mem_zero(size_t size)
{
	return memset(mem_alloc(size), 0, size);
}

char *mem_string(const char *text)
{
	return text ? mem_string_n(text, strlen(text)) : NULL;
}

char *mem_string_n(const char *text, size_t length)
{
	char *copy = mem_alloc(length + 1);

	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

char *mem_printf(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	return text;
}

void *mem_grow(void *items, size_t count, size_t *capacity, size_t item_size)
{
	size_t wanted = *capacity ? *capacity * 2 : 4;

	if (count < *capacity)
		return items;

	items = reallocarray(items, wanted, item_size);
	if (!items)
		abort();
	*capacity = wanted;
	return items;
}

void mem_free_cleanup(void *pointer)
{
	free(take_ptr_from(pointer));
}

int fd_close(int fd)
{
	/* Not retried on EINTR: on Linux the descriptor is gone by then (close(2)). */
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

void fd_close_cleanup(int *fd)
{
	*fd = fd_close(*fd);
}

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
