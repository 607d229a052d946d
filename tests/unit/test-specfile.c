/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdlib.h>
#include <sys/file.h>
#include <utime.h>

#include "kubelet/specfile.h"
#include "test-kubelet.h"
#include "test-wait.h"

#define SPEC "/run/cdi/kudev-ex.com_cam.json"

struct fixture {
	struct node *node;
	struct loop *loop;
	struct watcher *watcher;
	struct specfile *specfile;
	char *directory;
};

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	assert_int_equal(loop_new(&fixture->loop, NULL), 0);
	fixture->watcher = watcher_new(fixture->loop);
	fixture->node =
		node_new("domain: ex.com\nclasses:\n"
			 "- {name: cam, paths: ['/dev/a*'], cdi: {write: true}}\n",
			 (const char *const[]){"/dev/a0", NULL});
	fixture->directory = tree_path(fixture->node->tree, "/run/cdi");
	mem_replace(&fixture->node->config->cdi_directory, fixture->directory);
	mem_replace(&fixture->node->config->plugin_directory, fixture->node->tree->root);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	specfile_free(fixture->specfile);
	node_free(fixture->node);
	watcher_free(fixture->watcher);
	loop_free(fixture->loop);
	free(fixture->directory);
	free(fixture);
	return 0;
}

static void start(struct fixture *fixture)
{
	fixture->specfile = specfile_new(fixture->loop, fixture->watcher,
					 fixture->node->inventory,
					 inventory_class_at(fixture->node->inventory, 0),
					 fixture->directory);
}

static void plug(const struct fixture *fixture, const char *path)
{
	tree_file(fixture->node->tree, path, "");
	node_scan(fixture->node);
}

static bool spec_has(const struct fixture *fixture, const char *text)
{
	KUDEV_AUTO_FREE char *path = tree_path(fixture->node->tree, SPEC);
	KUDEV_AUTO_FREE char *got = NULL;
	size_t size = 0;

	return file_read(path, 65536, &got, &size, NULL) == 0 && strstr(got, text);
}

static bool is_current(void *data)
{
	const struct fixture *fixture = data;

	return specfile_is_current(fixture->specfile);
}

static size_t count_files(const struct fixture *fixture)
{
	DIR *directory = opendir(fixture->directory);
	size_t count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	(void)closedir(directory);
	return count - 2;
}

static void the_spec_is_there_before_a_device_is_told(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *path = tree_path(fixture->node->tree, SPEC);
	struct stat status;
	mode_t mask = umask(077);

	start(fixture);
	(void)umask(mask);
	assert_true(specfile_is_current(fixture->specfile));
	assert_true(spec_has(fixture, "\"a0\""));
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0644);
	plug(fixture, "/dev/a1");
	/* At once, or after so long as the first one took; without, there are no names. */
	assert_true(spec_has(fixture, "\"a1\"") ||
		    !specfile_is_current(fixture->specfile));
	assert_comes(fixture->loop, is_current, fixture);
	assert_true(spec_has(fixture, "\"a1\"") && spec_has(fixture, "\"a0\""));
	assert_int_equal(count_files(fixture), 1);
}

static void it_is_not_written_without_need(void **state)
{
	struct fixture *fixture = *state;
	KUDEV_AUTO_FREE char *path = tree_path(fixture->node->tree, SPEC);
	struct stat before;
	struct stat after;

	start(fixture);
	assert_int_equal(stat(path, &before), 0);
	tree_rename(fixture->node->tree, "/dev/a0", "/dev/old");
	node_scan(fixture->node);
	tree_rename(fixture->node->tree, "/dev/old", "/dev/a0");
	node_scan(fixture->node);
	assert_true(specfile_is_current(fixture->specfile));
	assert_int_equal(stat(path, &after), 0);
	assert_true(before.st_ino == after.st_ino);
	/* An absent device is in it: a container that holds it may start again. */
	assert_true(spec_has(fixture, "\"a0\""));
}

static void a_lost_file_is_written_again(void **state)
{
	struct fixture *fixture = *state;

	start(fixture);
	tree_remove(fixture->node->tree, SPEC);
	assert_false(specfile_is_current(fixture->specfile));
	assert_comes(fixture->loop, is_current, fixture);
	tree_remove(fixture->node->tree, SPEC);
	tree_remove(fixture->node->tree, "/run/cdi");
	assert_false(specfile_is_current(fixture->specfile));
	assert_comes(fixture->loop, is_current, fixture);
	assert_true(spec_has(fixture, "\"a0\""));
}

static void the_file_of_another_kudev_is_replaced_after_a_while(void **state)
{
	struct fixture *fixture = *state;
	int64_t started_ms;

	start(fixture);
	tree_file(fixture->node->tree, "/run/cdi/other", "{}");
	started_ms = clock_ms();
	tree_rename(fixture->node->tree, "/run/cdi/other", SPEC);
	assert_false(specfile_is_current(fixture->specfile));
	assert_comes(fixture->loop, is_current, fixture);
	assert_true(clock_ms() - started_ms > 500);
	assert_true(spec_has(fixture, "\"a0\""));
}

static void a_link_in_its_place_is_replaced_and_not_followed(void **state)
{
	struct fixture *fixture = *state;

	tree_file(fixture->node->tree, "/precious", "precious");
	tree_link(fixture->node->tree, SPEC, "../../precious");
	start(fixture);
	assert_true(specfile_is_current(fixture->specfile));
	tree_rename(fixture->node->tree, "/precious", SPEC);
	assert_true(spec_has(fixture, "precious"));
}

static void a_class_without_devices_has_no_file(void **state)
{
	struct fixture *fixture = *state;

	node_free(fixture->node);
	fixture->node =
		node_new("domain: ex.com\nclasses:\n"
			 "- {name: cam, paths: ['/dev/a*'], cdi: {write: true}}\n",
			 (const char *const[]){NULL});
	free(fixture->directory);
	fixture->directory = tree_path(fixture->node->tree, "/run/cdi");
	tree_file(fixture->node->tree, SPEC, "of an earlier kudev");
	start(fixture);
	assert_false(tree_exists(fixture->node->tree, SPEC));
	plug(fixture, "/dev/a0");
	assert_comes(fixture->loop, is_current, fixture);
	assert_true(spec_has(fixture, "\"a0\""));
}

static void the_file_outlives_its_keeper(void **state)
{
	struct fixture *fixture = *state;

	start(fixture);
	fixture->specfile = specfile_free(fixture->specfile);
	assert_true(spec_has(fixture, "\"a0\""));
}

/* It would be the container's own directory, which no runtime reads. */
static void in_a_pod_the_directory_is_not_made_but_waited_for(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1), 0);
	start(fixture);
	assert_false(specfile_is_current(fixture->specfile));
	assert_false(tree_exists(fixture->node->tree, "/run/cdi"));
	tree_directory(fixture->node->tree, "/run/cdi");
	assert_comes(fixture->loop, is_current, fixture);
	assert_int_equal(unsetenv("KUBERNETES_SERVICE_HOST"), 0);
	assert_true(spec_has(fixture, "\"a0\""));
}

static void what_cannot_be_written_leaves_nothing_behind(void **state)
{
	struct fixture *fixture = *state;

	/* No file can take the place of a directory. */
	tree_directory(fixture->node->tree, SPEC);
	start(fixture);
	assert_false(specfile_is_current(fixture->specfile));
	assert_int_equal(count_files(fixture), 1);
	tree_remove(fixture->node->tree, SPEC);
	assert_comes(fixture->loop, is_current, fixture);
}

static void make_old(const struct fixture *fixture, const char *path)
{
	KUDEV_AUTO_FREE char *full = tree_path(fixture->node->tree, path);

	tree_file(fixture->node->tree, path, "");
	assert_int_equal(utime(full, &(struct utimbuf){.modtime = 1}), 0);
}

static void a_sweep_removes_what_nobody_needs(void **state)
{
	static const char checkpoint[] =
		"{\"Data\":{\"PodDeviceEntries\":[{\"ResourceName\":\"ex.com/held\","
		"\"DeviceIDs\":{\"-1\":[\"x\"]}}]}}";
	static const struct {
		const char *path;
		bool stays;
	} files[] = {
		{SPEC, true},
		{"/run/cdi/kudev-ex.com_gone.json", false},
		{"/run/cdi/kudev-ex.com_g_1.json", false},
		{"/run/cdi/kudev-ex.com_held.json", true},
		{"/run/cdi/kudev-ex.com_served.json", true},
		{"/run/cdi/kudev-nothing.json", true},
		{"/run/cdi/kudev-ex.com_gone.yaml", true},
		{"/run/cdi/vendor.com-gpu.json", true},
		{"/run/cdi/kudev-ex.com_cam.json.abcdef", false},
	};
	struct fixture *fixture = *state;
	struct tree *tree = fixture->node->tree;
	KUDEV_AUTO_FREE char *served = tree_path(tree,
						 "/run/cdi/kudev-ex.com_served.json");
	int fd;

	tree_file(tree, "/kubelet_internal_checkpoint", checkpoint);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(files); i++)
		make_old(fixture, files[i].path);
	tree_file(tree, "/run/cdi/kudev-ex.com_cam.json.ghijkl", "");
	fd = open(served, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	specfile_sweep(fixture->node->config);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(files); i++)
		assert_true(tree_exists(tree, files[i].path) == files[i].stays);
	/* Somebody may be writing it. */
	assert_true(tree_exists(tree, "/run/cdi/kudev-ex.com_cam.json.ghijkl"));

	/* The other kudev has ended, and the pod. */
	fd_close(fd);
	tree_remove(tree, "/kubelet_internal_checkpoint");
	specfile_sweep(fixture->node->config);
	assert_false(tree_exists(tree, "/run/cdi/kudev-ex.com_served.json"));
	assert_false(tree_exists(tree, "/run/cdi/kudev-ex.com_held.json"));
	assert_true(tree_exists(tree, SPEC));
}

static void a_sweep_without_knowing_what_is_held_removes_nothing(void **state)
{
	struct fixture *fixture = *state;
	struct tree *tree = fixture->node->tree;

	tree_file(tree, "/kubelet_internal_checkpoint", "[]");
	tree_file(tree, "/run/cdi/kudev-ex.com_gone.json", "");
	specfile_sweep(fixture->node->config);
	assert_true(tree_exists(tree, "/run/cdi/kudev-ex.com_gone.json"));
}

/* While a kudev runs, another one must not take its files for left behind. */
static void a_written_file_is_known_to_have_a_keeper(void **state)
{
	struct fixture *fixture = *state;
	struct config_class *class = &fixture->node->config->classes[0];

	start(fixture);
	class->cdi.write = false;
	specfile_sweep(fixture->node->config);
	assert_true(tree_exists(fixture->node->tree, SPEC));
	fixture->specfile = specfile_free(fixture->specfile);
	specfile_sweep(fixture->node->config);
	assert_false(tree_exists(fixture->node->tree, SPEC));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_spec_is_there_before_a_device_is_told),
		TEST(it_is_not_written_without_need),
		TEST(a_lost_file_is_written_again),
		TEST(the_file_of_another_kudev_is_replaced_after_a_while),
		TEST(a_link_in_its_place_is_replaced_and_not_followed),
		TEST(a_class_without_devices_has_no_file),
		TEST(the_file_outlives_its_keeper),
		TEST(in_a_pod_the_directory_is_not_made_but_waited_for),
		TEST(what_cannot_be_written_leaves_nothing_behind),
		TEST(a_sweep_removes_what_nobody_needs),
		TEST(a_sweep_without_knowing_what_is_held_removes_nothing),
		TEST(a_written_file_is_known_to_have_a_keeper),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
