/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "config/names.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

#define SUBDOMAIN_MAX 253
#define NAME_PART_MAX 63

/* Its file is kudev-<kind>.json, and for a moment has seven bytes more: NAME_MAX is 255. */
#define CDI_KIND_MAX 237

/* The kubelet checks "requests." + name, which leaves that much less for the domain. */
#define REQUESTS_PREFIX "requests."
#define RESOURCE_DOMAIN_MAX (SUBDOMAIN_MAX - (sizeof(REQUESTS_PREFIX) - 1))

/* With the lengths of above. */
#define LABEL_REGEX "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
#define ANY_LABEL_REGEX "[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?"
#define NAME_REGEX "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
#define DOMAIN_REGEX                                   \
	"(?!requests\\.)(?![^/]*kubernetes\\.io(/|$))" \
	"(?=[^/]{1,244}(/|$))" LABEL_REGEX "(\\." LABEL_REGEX ")*"

const char resource_name_pattern[] = "^" DOMAIN_REGEX "/" NAME_REGEX "$";
const char domain_name_pattern[] = "^" DOMAIN_REGEX "$";
const char class_name_pattern[] = "^" NAME_REGEX "$";
const char env_name_pattern[] = "^(?![0-9]|\\.$|\\.\\.)[-A-Za-z0-9_.]+$";
const char annotation_key_pattern[] = "^((?=[^/]{1,253}/)" ANY_LABEL_REGEX
				      "(\\." ANY_LABEL_REGEX ")*/)?" NAME_REGEX "$";

static int refuse_length(const char *name, size_t length, size_t max, struct error *err)
{
	KUDEV_AUTO_FREE char *quoted = text_quote(name);

	return error_set(err, EINVAL, "%s has %zu characters, %zu at most are allowed",
			 quoted, length, max);
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool holds_only(const char *text, size_t length, const char *set)
{
	return strspn(text, set) >= length;
}

/* The dot-separated labels of a DNS-1123 subdomain. */
static bool labels_are_sound(const char *text)
{
	for (;;) {
		size_t length = strcspn(text, ".");

		if (length == 0 || text[0] == '-' || text[length - 1] == '-')
			return false;
		if (text[length] == '\0')
			return true;
		text += length + 1;
	}
}

static int check_subdomain(const char *text, size_t max, struct error *err)
{
	size_t length = strlen(text);

	if (length == 0)
		return text_refuse(text, "is no domain: it is empty", err);
	if (length > max)
		return refuse_length(text, length, max, err);
	if (!holds_only(text, length, LOWER DIGITS "-."))
		return text_refuse(
			text,
			"is no domain: it may hold lower-case letters, digits, "
			"- and . only",
			err);
	if (!labels_are_sound(text))
		return text_refuse(
			text,
			"is no domain: each part between dots must begin and end "
			"with a letter or digit",
			err);
	return 0;
}

static int check_name_part(const char *text, struct error *err)
{
	size_t length = strlen(text);

	if (length == 0)
		return text_refuse(text, "is no name: it is empty", err);
	if (length > NAME_PART_MAX)
		return refuse_length(text, length, NAME_PART_MAX, err);
	if (!holds_only(text, length, LOWER UPPER DIGITS "-_."))
		return text_refuse(
			text, "is no name: it may hold letters, digits, -, _ and . only",
			err);
	if (strchr("-_.", text[0]) || strchr("-_.", text[length - 1]))
		return text_refuse(
			text, "is no name: it must begin and end with a letter or digit",
			err);
	return 0;
}

int class_name_check(const char *name, struct error *err)
{
	return check_name_part(name, err);
}

int domain_name_check(const char *name, struct error *err)
{
	static const char reserved[] = "kubernetes.io";
	size_t length = strlen(name);
	size_t tail = sizeof(reserved) - 1;

	if (starts_with(name, REQUESTS_PREFIX))
		return text_refuse(name,
				   "begins with \"requests.\", which Kubernetes reserves",
				   err);
	/* The kubelet looks for "kubernetes.io/" anywhere, even in akubernetes.io/. */
	if (length >= tail && strcmp(name + length - tail, reserved) == 0)
		return text_refuse(
			name, "ends with \"kubernetes.io\", which Kubernetes reserves",
			err);
	return check_subdomain(name, RESOURCE_DOMAIN_MAX, err);
}

int resource_name_check(const char *name, struct error *err)
{
	KUDEV_AUTO_FREE char *domain = NULL;
	const char *slash = strchr(name, '/');
	int r;

	if (!slash)
		return text_refuse(name, "is no resource name: write domain/name", err);
	if (strchr(slash + 1, '/'))
		return text_refuse(name, "is no resource name: it has more than one /",
				   err);

	domain = mem_string_n(name, (size_t)(slash - name));
	r = domain_name_check(domain, err);
	if (r < 0)
		return r;
	return check_name_part(slash + 1, err);
}

int cdi_kind_check(const char *resource, struct error *err)
{
	const char *name = strchr(resource, '/') + 1;

	if (strlen(resource) > CDI_KIND_MAX)
		return refuse_length(resource, strlen(resource), CDI_KIND_MAX, err);
	if (!strchr(LOWER, resource[0]) || strchr(DIGITS, name[0]))
		return text_refuse(resource,
				   "is no kind of CDI devices: it must begin with a "
				   "letter, before the / and behind it",
				   err);
	return 0;
}

int env_name_check(const char *name, struct error *err)
{
	size_t length = strlen(name);

	if (length == 0)
		return text_refuse(name, "is no environment variable: it is empty", err);
	if (!holds_only(name, length, LOWER UPPER DIGITS "-_."))
		return text_refuse(
			name,
			"is no environment variable: it may hold letters, digits, "
			"_, - and . only",
			err);
	if (strchr(DIGITS, name[0]))
		return text_refuse(
			name, "is no environment variable: it begins with a digit", err);
	if (strcmp(name, ".") == 0 || starts_with(name, ".."))
		return text_refuse(
			name,
			"is no environment variable: Kubernetes refuses \".\" and "
			"names that begin with \"..\"",
			err);
	return 0;
}

int annotation_key_check(const char *key, struct error *err)
{
	KUDEV_AUTO_FREE char *lower = mem_string(key);
	char *slash;
	int r;

	for (char *c = lower; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');

	slash = strchr(lower, '/');
	if (!slash)
		return check_name_part(lower, err);
	if (strchr(slash + 1, '/'))
		return text_refuse(key, "is no annotation: it has more than one /", err);
	*slash = '\0';
	r = check_subdomain(lower, SUBDOMAIN_MAX, err);
	if (r < 0)
		return r;
	return check_name_part(slash + 1, err);
}
