/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUDEV_BASE_TEXT_H
#define KUDEV_BASE_TEXT_H

/*
 * Texts that people wrote, made fit for a message: quoted so that nothing in them can
 * forge a line of a log, joined into a list, and matched with the word that was meant.
 * Thread-safe: nothing here keeps state. Every char * result is the caller's to free.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/util.h"

/*
 * Decodes one character. Returns how many bytes it takes, or 0 if the bytes are not valid
 * UTF-8 (RFC 3629: no surrogates, no overlong forms) or size is 0.
 */
size_t text_decode(const char *bytes, size_t size, uint32_t *ret_rune);

/* Whether the whole text is valid UTF-8. */
bool text_is_utf8(const char *text);

/* A copy in which what is not UTF-8 is U+FFFD. */
char *text_clean(const char *text);

/*
 * For a terminal, which nothing of what others named may steer: control characters and what is
 * not UTF-8 are \xNN, as in udev's properties. The backslash stays as it is, so that these do.
 */
char *text_legible(const char *text);

/*
 * In double quotes, with control characters and bytes that are not UTF-8 escaped, and
 * cut off with an ellipsis after about 80 bytes.
 */
char *text_quote(const char *text);

/* Fails with -EINVAL and a message of the quoted text and what is wrong with it. */
int text_refuse(const char *text, const char *reason, struct error *err);

/* "a", "a or b", "a, b or c"; last is the word before the last one. */
char *text_join(const char *const *words, const char *last);

/*
 * The word of a NULL-terminated array that text is most likely a slip for, whatever the
 * case of its letters; NULL if none is near enough.
 */
const char *text_nearest(const char *text, const char *const *words);

#endif
