/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_BASE_UTIL_H
#define KUDEV_BASE_UTIL_H

/*
 * What every other file leans on: cleanup attributes, moving ownership, and memory that
 * is never missing. Thread-safe: nothing here keeps state.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KUDEV_PRINTF(text, first) __attribute__((format(printf, text, first)))
#define KUDEV_CONTAINER_OF(ptr, type, member) \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define KUDEV_ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/*
 * KUDEV_AUTO(thing_free) struct thing *thing = NULL;
 * calls thing_free(thing) when the variable goes out of scope.
 */
#define KUDEV_AUTO(free_function) __attribute__((cleanup(free_function##_cleanup)))
#define KUDEV_DEFINE_CLEANUP(type, free_function)                 \
	static inline void free_function##_cleanup(type *pointer) \
	{                                                         \
		(void)free_function(*pointer);                    \
	}

/* The type that KUDEV_AUTO needs for memory and for file descriptors. */
#define KUDEV_AUTO_FREE __attribute__((cleanup(mem_free_cleanup)))
#define KUDEV_AUTO_CLOSE __attribute__((cleanup(fd_close_cleanup)))

/* Moves ownership out of a variable: evaluates to its value and leaves NULL behind. */
#define take_ptr(pointer) take_ptr_from(&(pointer))

static inline void *take_ptr_from(void *pointer)
{
	void *value;

	memcpy(&value, pointer, sizeof(value));
	memset(pointer, 0, sizeof(value));
	return value;
}

/* The same for a file descriptor: leaves -1 behind. */
static inline int take_fd(int *fd)
{
	int value = *fd;

	*fd = -1;
	return value;
}

/* Allocation that aborts when there is no memory, so that callers have no such branch. */
void *mem_alloc(size_t size);
void *mem_zero(size_t size);
char *mem_string(const char *text);
char *mem_string_n(const char *text, size_t length);
char *mem_printf(const char *format, ...) KUDEV_PRINTF(1, 2);

/* Frees *text and puts a copy of by, which may be NULL or *text itself, in its place. */
void mem_replace(char **text, const char *by);

/*
 * Makes room for one more item in an array of *capacity items of which count are used.
 * Returns the array, which may have moved; growth doubles.
 */
void *mem_grow(void *items, size_t count, size_t *capacity, size_t item_size);

void mem_free_cleanup(void *pointer);
void fd_close_cleanup(int *fd);

/* Closes fd unless it is negative and returns -1, to be stored in its place. */
int fd_close(int fd);

/* Doubles *backoff_ms, but makes it min_ms at least and max_ms at most. Returns it. */
int64_t backoff_next(int64_t *backoff_ms, int64_t min_ms, int64_t max_ms);

/* CLOCK_MONOTONIC in milliseconds, and in microseconds. */
int64_t clock_ms(void);
int64_t clock_us(void);

/* Blocks the thread, so it is not for the loop's. */
void pause_ms(int64_t duration_ms);

#endif
