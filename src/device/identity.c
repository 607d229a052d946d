/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
/* libmd's <sha1.h> relies on its users for the fixed-width types. */
#include <stdint.h>
#include <sys/types.h>

#include <sha1.h>

#include "base/util.h"
#include "device/identity.h"

/* Enough to tell the paths of one class apart: 2^40. */
#define SHORT_HASH_LENGTH 10
/* Room for "-<copy>" of up to six digits, and for "-<hash>" before that. */
#define SLUG_MAX_LENGTH (IDENTITY_MAX_LENGTH - 7)
#define HASHED_SLUG_MAX_LENGTH (SLUG_MAX_LENGTH - (1 + SHORT_HASH_LENGTH))

static void hash_paths(const char *first, const char *const *paths, size_t path_count,
		       const char *separator, char hex[static SHA1_DIGEST_STRING_LENGTH])
{
	SHA1_CTX context;

	SHA1Init(&context);
	SHA1Update(&context, (const uint8_t *)first, strlen(first));
	for (size_t i = 0; i < path_count; i++) {
		SHA1Update(&context, (const uint8_t *)paths[i], strlen(paths[i]));
		SHA1Update(&context, (const uint8_t *)separator, strlen(separator));
	}
	SHA1End(&context, hex);
}

static char *squat_id(const char *const *paths, size_t path_count, unsigned copy)
{
	char hex[SHA1_DIGEST_STRING_LENGTH];
	char number[16];

	snprintf(number, sizeof(number), "%u", copy);
	hash_paths(number, paths, path_count, "", hex);
	return mem_string(hex);
}

/*
 * Makes a DNS label of a text: letters and digits in lower case, dashes for the rest.
 * Returns false if another text could well give the same label: one of other characters
 * than separators, of several in a row, or a longer one.
 */
static bool make_slug(const char *text, const char *separators,
		      char slug[static SLUG_MAX_LENGTH + 1])
{
	bool faithful = true;
	size_t length = 0;

	for (; *text && length < SLUG_MAX_LENGTH; text++) {
		unsigned char c = (unsigned char)*text;

		if (isalnum(c)) {
			slug[length++] = (char)tolower(c);
			continue;
		}
		if (!strchr(separators, c))
			faithful = false;
		if (length > 0 && slug[length - 1] != '-')
			slug[length++] = '-';
		else
			faithful = false;
	}
	if (*text)
		faithful = false;
	for (; length > 0 && slug[length - 1] == '-'; length--)
		faithful = false;
	slug[length] = '\0';
	return faithful && length > 0;
}

/* "/dev/snd/pcmC0D0c" is "snd-pcmc0d0c". */
static bool make_path_slug(const char *path, char slug[static SLUG_MAX_LENGTH + 1])
{
	bool is_below_dev = strncmp(path, "/dev/", 5) == 0;

	return make_slug(path + (is_below_dev ? 5 : 1), "/", slug) && is_below_dev;
}

/* hash NULL: the slug says enough. */
static char *join_id(char *slug, const char *hash, unsigned copy, unsigned copies)
{
	char short_hash[SHORT_HASH_LENGTH + 2] = "";
	char suffix[16] = "";
	size_t length = strlen(slug);

	if (hash) {
		length = length < HASHED_SLUG_MAX_LENGTH ? length
							 : HASHED_SLUG_MAX_LENGTH;
		while (length > 0 && slug[length - 1] == '-')
			length--;
		snprintf(short_hash, sizeof(short_hash), "%s%.*s", length > 0 ? "-" : "",
			 SHORT_HASH_LENGTH, hash);
	}
	if (copies > 1)
		snprintf(suffix, sizeof(suffix), "-%u", copy);
	return mem_printf("%.*s%s%s", (int)length, slug, short_hash, suffix);
}

static char *readable_id(const char *const *paths, size_t path_count, unsigned copy,
			 unsigned copies)
{
	char hex[SHA1_DIGEST_STRING_LENGTH];
	char slug[SLUG_MAX_LENGTH + 1];

	if (make_path_slug(paths[0], slug) && path_count == 1)
		return join_id(slug, NULL, copy, copies);
	/* Separated, so that no two lists of paths hash alike. */
	hash_paths("", paths, path_count, "\n", hex);
	return join_id(slug, hex, copy, copies);
}

char *identity_of_paths(enum config_ids ids, const char *const *paths, size_t path_count,
			unsigned copy, unsigned copies)
{
	switch (ids) {
	case CONFIG_IDS_READABLE:
		break;
	case CONFIG_IDS_SQUAT:
		return squat_id(paths, path_count, copy);
	case CONFIG_IDS_SQUAT_LEGACY:
		return mem_printf("%s-%u", paths[0], copy);
	}
	return readable_id(paths, path_count, copy, copies);
}

char *identity_of_text(const char *text, unsigned copy, unsigned copies)
{
	char hex[SHA1_DIGEST_STRING_LENGTH];
	char slug[SLUG_MAX_LENGTH + 1];

	if (make_slug(text, "-._:/ ", slug))
		return join_id(slug, NULL, copy, copies);
	hash_paths(text, NULL, 0, "", hex);
	return join_id(slug, hex, copy, copies);
}

char *identity_of_simulated(const char *class_name, unsigned index, unsigned copy,
			    unsigned copies)
{
	/* Cut to the length allowed: IDs of two classes never meet. */
	if (copies > 1)
		return mem_printf("%.*s-%u-%u", HASHED_SLUG_MAX_LENGTH, class_name, index,
				  copy);
	return mem_printf("%.*s-%u", HASHED_SLUG_MAX_LENGTH, class_name, index);
}
