/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/text.h"
#include "config/pattern.h"

/* A character of a set, a set, and what else a glob is made of but for *. */
#define MEMBER_REGEX "(\\\\[\\x01-.0-\\x7f]|\\[(?![:.=])|[\\x01-,.0-Z^-\\x7f])"
#define SET_REGEX "\\[(?!!)(\\^|(?!\\^))(" MEMBER_REGEX "(-" MEMBER_REGEX ")?)+\\]"
#define PIECE_REGEX "\\\\[^/]|" SET_REGEX
#define NO_CONTROL "(?!.*[\\x01-\\x1f\\x7f])"

const char path_pattern[] = "^" PATH_REGEX "$";
const char glob_pattern[] = "^([^\\[\\\\]|" PIECE_REGEX ")+$";
const char attribute_pattern[] = "^(?!/|.*\\.\\.)[^\\x01-\\x1f\\x7f]+$";
const char pattern_pattern[] = "^(?=/)" NO_CONTROL "(?!/+$)"
			       "([^*\\[\\\\]|\\*(?!\\*)|" PIECE_REGEX ")+$";

static int refuse_at(const char *text, size_t position, const char *reason,
		     struct error *err)
{
	KUDEV_AUTO_FREE char *quoted = text_quote(text);

	return error_set(err, EINVAL, "bad pattern %s at character %zu: %s", quoted,
			 position + 1, reason);
}

char *path_clean(const char *path)
{
	char *clean = mem_alloc(strlen(path) + 2);
	size_t used = 0;

	while (*path) {
		size_t length = strcspn(path, "/");

		if (length == 2 && strncmp(path, "..", 2) == 0) {
			while (used > 0 && clean[--used] != '/')
				continue;
		} else if (length > 0 && !(length == 1 && *path == '.')) {
			clean[used++] = '/';
			memcpy(clean + used, path, length);
			used += length;
		}
		path += length + (path[length] == '/');
	}
	if (used == 0)
		clean[used++] = '/';
	clean[used] = '\0';
	return clean;
}

static bool climbs(const char *path)
{
	while (*path) {
		size_t length = strcspn(path, "/");

		if (length == 2 && strncmp(path, "..", 2) == 0)
			return true;
		path += length + (path[length] == '/');
	}
	return false;
}

static int check_text(const char *path, struct error *err)
{
	if (path[0] == '\0')
		return error_set(err, EINVAL, "the path is empty");
	if (path[0] != '/')
		return text_refuse(path, "is not an absolute path: it must begin with /",
				   err);
	if (strlen(path) >= PATH_MAX)
		return error_set(err, EINVAL,
				 "the path has %zu bytes, %d at most are allowed",
				 strlen(path), PATH_MAX - 1);
	for (const char *c = path; *c; c++)
		if (iscntrl((unsigned char)*c))
			return text_refuse(path, "holds a control character", err);
	return 0;
}

int path_check(const char *path, struct error *err)
{
	int r = check_text(path, err);

	if (r < 0)
		return r;
	if (climbs(path))
		return text_refuse(path, "holds \"..\": write the path without it", err);
	return 0;
}

/* The character at *position of a set, perhaps behind a backslash; moves past it. */
static int read_member(const char *text, size_t *position, char *ret, struct error *err)
{
	if (text[*position] == '\\')
		(*position)++;
	else if (text[*position] == '-' || text[*position] == ']')
		return refuse_at(
			text, *position,
			"a set needs a character here; \\ takes - and ] literally", err);
	else if (text[*position] == '[' && text[*position + 1] &&
		 strchr(":.=", text[*position + 1]))
		return refuse_at(
			text, *position,
			"named classes are not supported; list the characters, as "
			"in [a-z]",
			err);

	if (text[*position] == '\0')
		return refuse_at(text, *position, "the set that [ opens is not closed",
				 err);
	if (text[*position] == '/')
		return refuse_at(text, *position, "no set matches a /", err);
	/* Go reads characters; fnmatch(3) may read bytes, as the locale has it. */
	if ((unsigned char)text[*position] >= 0x80)
		return refuse_at(text, *position, "only ASCII may stand in a set", err);

	*ret = text[(*position)++];
	return 0;
}

static int check_range(const char *text, size_t *position, struct error *err)
{
	size_t start = *position;
	char first, last;
	int r;

	r = read_member(text, position, &first, err);
	if (r < 0 || text[*position] != '-')
		return r;
	(*position)++;
	r = read_member(text, position, &last, err);
	if (r < 0)
		return r;
	if (last < first)
		return refuse_at(text, start,
				 "the range runs backwards and matches nothing", err);
	return 0;
}

/* Goes from the [ at *position past its ]. */
static int check_set(const char *text, size_t *position, struct error *err)
{
	(*position)++;
	if (text[*position] == '!')
		return refuse_at(
			text, *position,
			"for the opposite of a set write [^\u2026], for a ! write \\!",
			err);
	if (text[*position] == '^')
		(*position)++;
	do {
		int r = check_range(text, position, err);

		if (r < 0)
			return r;
	} while (text[*position] != ']');
	(*position)++;
	return 0;
}

static int check_escape(const char *text, size_t *position, struct error *err)
{
	char next = text[*position + 1];

	if (next == '\0' || next == '/')
		return refuse_at(text, *position, "nothing follows the backslash", err);
	*position += 2;
	return 0;
}

static int check_pattern(const char *text, unsigned flags, struct error *err)
{
	size_t position = 0;
	int r = 0;

	while (text[position] && r == 0) {
		switch (text[position]) {
		case '[':
			r = check_set(text, &position, err);
			break;
		case '\\':
			r = check_escape(text, &position, err);
			break;
		case '*':
			if (text[position + 1] == '*' && !(flags & PATTERN_DOUBLE_STAR))
				return refuse_at(
					text, position,
					"** is not supported; * matches within one "
					"directory, write /*/ for each level",
					err);
			position++;
			break;
		default:
			position++;
			break;
		}
	}
	return r;
}

int glob_check(const char *text, struct error *err)
{
	return check_pattern(text, PATTERN_DOUBLE_STAR, err);
}

int attribute_check(const char *name, struct error *err)
{
	KUDEV_AUTO_FREE char *absolute = mem_printf("/%s", name);

	if (name[0] == '\0' || name[0] == '/' || strstr(name, ".."))
		return text_refuse(
			name,
			"is no attribute: give its name below the device's directory "
			"in /sys, such as power/control",
			err);
	return path_check(absolute, err);
}

int pattern_parse(const char *text, unsigned flags, char **ret, struct error *err)
{
	KUDEV_AUTO_FREE char *clean = NULL;
	int r;

	r = check_text(text, err);
	if (r < 0)
		return r;
	r = check_pattern(text, flags, err);
	if (r < 0)
		return r;

	clean = path_clean(text);
	if (strcmp(clean, "/") == 0)
		return text_refuse(text, "is the root directory, which is no device",
				   err);
	*ret = take_ptr(clean);
	return 0;
}
