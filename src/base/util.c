/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
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

void mem_replace(char **text, const char *by)
{
	char *copy = by ? mem_string(by) : NULL;

	free(*text);
	*text = copy;
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

int64_t backoff_next(int64_t *backoff_ms, int64_t min_ms, int64_t max_ms)
{
	*backoff_ms *= 2;
	if (*backoff_ms < min_ms)
		*backoff_ms = min_ms;
	if (*backoff_ms > max_ms)
		*backoff_ms = max_ms;
	return *backoff_ms;
}

int64_t clock_ms(void)
{
	return clock_us() / 1000;
}

int64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void pause_ms(int64_t duration_ms)
{
	struct timespec left = {
		.tv_sec = duration_ms / 1000,
		.tv_nsec = duration_ms % 1000 * 1000000,
	};

	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		continue;
}
