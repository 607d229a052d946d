/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_TEST_CAPTURE_H
#define KUDEV_TEST_CAPTURE_H

/* What is written to standard error between capture_begin() and capture_end(). */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"

struct capture {
	int file;
	int old;
};

static inline struct capture capture_begin(void)
{
	struct capture capture = {
		.file = memfd_create("kudev-test", MFD_CLOEXEC),
		.old = dup(STDERR_FILENO),
	};

	assert_true(capture.file >= 0 && capture.old >= 0);
	assert_true(dup2(capture.file, STDERR_FILENO) >= 0);
	return capture;
}

/* The caller frees the text. */
static inline char *capture_end(struct capture *capture)
{
	off_t size = lseek(capture->file, 0, SEEK_END);
	char *text = mem_zero((size_t)size + 1);

	assert_int_equal(pread(capture->file, text, (size_t)size, 0), size);
	assert_true(dup2(capture->old, STDERR_FILENO) >= 0);
	capture->old = fd_close(capture->old);
	capture->file = fd_close(capture->file);
	return text;
}

static inline unsigned capture_count(const char *text, const char *what)
{
	unsigned count = 0;

	while ((text = strstr(text, what))) {
		count++;
		text += strlen(what);
	}
	return count;
}

#endif
