/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "config/document.h"
#include "test-config.h"

#define BAD "tests/config/bad"
#define EXAMPLES "examples"

/* A file of the source tree. */
static char *source_path(const char *directory, const char *name)
{
	const char *top = getenv("KUDEV_SOURCE_DIR");

	return mem_printf("%s/%s/%s", top ? top : ".", directory, name);
}

static char *read_source(const char *directory, const char *name, size_t *ret_size)
{
	KUDEV_AUTO_FREE char *path = source_path(directory, name);
	KUDEV_AUTO_ERROR struct error err = {0};
	char *text = NULL;

	if (file_read(path, DOCUMENT_SIZE_MAX, &text, ret_size, &err) < 0)
		fail_msg("%s", error_message(&err));
	return text;
}

static void check_sample(const char *name)
{
	KUDEV_AUTO_DIAGNOSTICS struct diagnostics diagnostics = {0};
	KUDEV_AUTO(config_free) struct config *config = NULL;
	KUDEV_AUTO_FREE char *stem = mem_string_n(name, strlen(name) - strlen(".yaml"));
	KUDEV_AUTO_FREE char *answer = mem_printf("%s.expected", stem);
	size_t size = 0, expected_size = 0;
	KUDEV_AUTO_FREE char *text = read_source(BAD, name, &size);
	KUDEV_AUTO_FREE char *expected = read_source(BAD, answer, &expected_size);
	KUDEV_AUTO_FREE char *got = NULL;

	assert_int_equal(config_parse(text, size, name, false, &config, &diagnostics),
			 -EINVAL);
	got = diagnostics_text(&diagnostics);
	assert_string_equal(got, expected);
}

static void bad_samples_bring_forth_what_stands_beside_them(void **state)
{
	KUDEV_AUTO_FREE char *path = source_path(BAD, "");
	DIR *directory = opendir(path);
	const struct dirent *entry;
	size_t count = 0;

	(void)state;
	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		const char *suffix = strrchr(entry->d_name, '.');

		if (!suffix || strcmp(suffix, ".yaml") != 0)
			continue;
		check_sample(entry->d_name);
		count++;
	}
	(void)closedir(directory);
	assert_true(count > 0);
}

static void the_default_configuration_is_good(void **state)
{
	size_t size = 0;
	KUDEV_AUTO_FREE char *text = read_source("conf", "kudev.yaml", &size);
	KUDEV_AUTO(config_free) struct config *config = parse_good(text);

	(void)state;
	assert_string_equal(config->classes[0].resource, "kudev.io/fuse");
}

/* Objects of Kubernetes stand among them. */
static void every_example_is_good(void **state)
{
	KUDEV_AUTO_FREE char *path = source_path(EXAMPLES, "");
	DIR *directory = opendir(path);
	const struct dirent *entry;
	size_t count = 0;

	(void)state;
	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		const char *suffix = strrchr(entry->d_name, '.');
		KUDEV_AUTO_FREE char *text = NULL;
		size_t size = 0;

		if (!suffix || strcmp(suffix, ".yaml") != 0)
			continue;
		text = read_source(EXAMPLES, entry->d_name, &size);
		if (strstr(text, "apiVersion:"))
			continue;
		config_free(parse_good(text));
		count++;
	}
	(void)closedir(directory);
	assert_true(count > 0);
}

/* The default configuration with a class that is commented out in it. */
static void the_cameras_of_the_default_configuration_have_the_defaults(void **state)
{
	size_t size = 0;
	KUDEV_AUTO_FREE char *text = read_source("conf", "kudev.yaml", &size);
	char *at = strstr(text, "  # - name: virtual-camera");
	KUDEV_AUTO(config_free) struct config *config = NULL;
	const struct config_v4l2loopback *cameras;

	(void)state;
	assert_non_null(at);
	for (; *at != '\n'; at = strchr(at, '\n') + 1) {
		assert_memory_equal(at, "  # ", 4);
		memmove(at + 2, at + 4, strlen(at + 4) + 1);
	}
	config = parse_good(text);
	cameras = &config->classes[config->class_count - 1].v4l2loopback;
	assert_int_equal(cameras->count, 8);
	assert_int_equal(cameras->first_number, 10);
	assert_string_equal(template_text(cameras->label), "{class} {index}");
	assert_true(cameras->exclusive_caps);
	assert_int_equal(cameras->buffers, 2);
	assert_int_equal(cameras->openers, 10);
	assert_int_equal(cameras->min_width, 2);
	assert_int_equal(cameras->min_height, 1);
	assert_int_equal(cameras->max_width, 8192);
	assert_int_equal(cameras->max_height, 8192);
	assert_int_equal(cameras->mode, 0666);
	assert_int_equal(cameras->timeout_ms, 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_samples_bring_forth_what_stands_beside_them),
		cmocka_unit_test(the_default_configuration_is_good),
		cmocka_unit_test(every_example_is_good),
		cmocka_unit_test(
			the_cameras_of_the_default_configuration_have_the_defaults),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
