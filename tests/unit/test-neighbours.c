/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/strings.h"
#include "kubelet/neighbours.h"
#include "test-tree.h"

#define INSTANCE 0x0a1b2c
#define OURS "kudev-aa873a57-0a1b2c-00000000.sock"
#define KUDEV "kudev-aa873a57-0a1b2d-00000000.sock"
#define KUDEV_ANEW "kudev-aa873a57-0a1b2d-00000001.sock"
#define KUDEV_OTHER "kudev-ab873bea-0a1b2d-00000000.sock"

/* Nothing more is done with it. */
#define KEPT_OPEN KUDEV_AUTO_CLOSE __attribute__((unused))

struct fixture {
	struct tree *tree;
	struct neighbours *neighbours;
	struct strings ended;
	int64_t age_ms; /* of the socket of the one that ended last */
};

static int set_up(void **state)
{
	struct fixture *fixture = mem_zero(sizeof(*fixture));

	fixture->tree = tree_new();
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	neighbours_free(fixture->neighbours);
	strings_clear(&fixture->ended);
	tree_free(fixture->tree);
	free(fixture);
	return 0;
}

/* Returns the listener, whose end leaves the socket behind. */
static int serve(const struct fixture *fixture, const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	KUDEV_AUTO_FREE char *path = mem_printf("%s/%s", fixture->tree->root, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 100), 0);
	return fd;
}

static void withdraw(const struct fixture *fixture, const char *name)
{
	KUDEV_AUTO_FREE char *path = mem_printf("/%s", name);

	tree_remove(fixture->tree, path);
}

static void meet(struct fixture *fixture)
{
	fixture->neighbours = neighbours_new(fixture->tree->root, INSTANCE);
}

static void on_ended(const struct neighbour_end *end, void *data)
{
	struct fixture *fixture = data;

	assert_true(end->made_ms <= end->ended_ms && end->ended_ms <= clock_ms());
	strings_add(&fixture->ended, end->socket);
	fixture->age_ms = end->ended_ms - end->made_ms;
}

static int64_t look(struct fixture *fixture, bool by_connecting)
{
	return neighbours_look(fixture->neighbours, by_connecting, on_ended, fixture);
}

/* Who has ended after all looks that are asked for; the caller frees it. */
static char *look_to_the_end(struct fixture *fixture, bool by_connecting)
{
	char *names;

	for (int64_t again_ms = look(fixture, by_connecting); again_ms >= 0;
	     again_ms = look(fixture, false)) {
		struct timespec pause = {.tv_nsec = again_ms * 1000000};

		assert_true(again_ms < 1000);
		nanosleep(&pause, NULL);
	}
	strings_sort(&fixture->ended);
	names = strings_join(&fixture->ended, " ");
	strings_clear(&fixture->ended);
	return names;
}

static void expect(struct fixture *fixture, bool by_connecting, const char *ended)
{
	KUDEV_AUTO_FREE char *names = look_to_the_end(fixture, by_connecting);

	assert_string_equal(names, ended);
}

static void who_takes_its_socket_away_has_ended_and_is_told_once(void **state)
{
	struct fixture *fixture = *state;
	KEPT_OPEN int kudev = serve(fixture, KUDEV);
	KUDEV_AUTO_CLOSE int other = -1;

	meet(fixture);
	other = serve(fixture, "other.sock");
	expect(fixture, true, "");
	withdraw(fixture, KUDEV);
	withdraw(fixture, "other.sock");
	assert_true(neighbours_are_there(fixture->neighbours));
	expect(fixture, false, KUDEV " other.sock");
	expect(fixture, true, "");
	assert_false(neighbours_are_there(fixture->neighbours));
}

static void who_was_killed_is_found_by_connecting(void **state)
{
	struct fixture *fixture = *state;
	KEPT_OPEN int kudev = serve(fixture, KUDEV);
	KEPT_OPEN int other = serve(fixture, "other.sock");

	meet(fixture);
	kudev = fd_close(kudev);
	other = fd_close(other);
	expect(fixture, false, "");
	expect(fixture, true, KUDEV " other.sock");
	expect(fixture, true, "");
	/* Nor is there more to tell when the next one cleans up. */
	withdraw(fixture, KUDEV);
	withdraw(fixture, "other.sock");
	expect(fixture, true, "");
}

static void a_kudev_that_takes_a_new_name_has_not_ended(void **state)
{
	struct fixture *fixture = *state;
	KEPT_OPEN int old = serve(fixture, KUDEV);
	KUDEV_AUTO_CLOSE int new = -1;

	meet(fixture);
	withdraw(fixture, KUDEV);
	assert_true(look(fixture, false) > 0);
	new = serve(fixture, KUDEV_ANEW);
	expect(fixture, false, "");
	withdraw(fixture, KUDEV_ANEW);
	expect(fixture, false, KUDEV_ANEW);
}

static void a_plugin_that_takes_its_name_again_has_not_ended(void **state)
{
	struct fixture *fixture = *state;
	KEPT_OPEN int old = serve(fixture, "other.sock");
	KUDEV_AUTO_CLOSE int new = -1;

	meet(fixture);
	withdraw(fixture, "other.sock");
	assert_true(look(fixture, false) > 0);
	new = serve(fixture, "other.sock");
	expect(fixture, true, "");
	new = fd_close(new);
	expect(fixture, true, "other.sock");
}

static void the_other_resources_of_a_kudev_do_not_count(void **state)
{
	struct fixture *fixture = *state;
	KEPT_OPEN int one = serve(fixture, KUDEV);
	KEPT_OPEN int other = serve(fixture, KUDEV_OTHER);

	meet(fixture);
	withdraw(fixture, KUDEV);
	expect(fixture, false, KUDEV);
}

static void who_was_dead_from_the_start_has_not_ended(void **state)
{
	struct fixture *fixture = *state;

	fd_close(serve(fixture, "other.sock"));
	fd_close(serve(fixture, KUDEV));
	meet(fixture);
	assert_false(neighbours_are_there(fixture->neighbours));
	withdraw(fixture, KUDEV);
	expect(fixture, true, "");
}

static void who_went_when_the_kubelet_came_has_not_ended(void **state)
{
	struct fixture *fixture = *state;
	KEPT_OPEN int kudev = serve(fixture, KUDEV);
	KEPT_OPEN int other = serve(fixture, "other.sock");

	meet(fixture);
	withdraw(fixture, KUDEV);
	assert_true(look(fixture, false) > 0);
	withdraw(fixture, "other.sock");
	neighbours_reset(fixture->neighbours);
	expect(fixture, true, "");
}

static void what_is_no_plugins_socket_is_no_neighbour(void **state)
{
	static const char *const names[] = {OURS, "kubelet.sock", ("." KUDEV)};
	struct fixture *fixture = *state;

	meet(fixture);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(names); i++)
		fd_close(serve(fixture, names[i]));
	tree_file(fixture->tree, "/kubelet_internal_checkpoint", "");
	tree_file(fixture->tree, "/file.sock", "");
	tree_link(fixture->tree, "/link.sock", "kubelet.sock");
	expect(fixture, true, "");
	assert_false(neighbours_are_there(fixture->neighbours));
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(names); i++)
		withdraw(fixture, names[i]);
	withdraw(fixture, "file.sock");
	expect(fixture, true, "");
}

static void the_age_of_a_socket_is_known(void **state)
{
	struct fixture *fixture = *state;
	KEPT_OPEN int kudev = serve(fixture, KUDEV);
	KUDEV_AUTO_FREE char *path = tree_path(fixture->tree, "/" KUDEV);
	struct timespec times[2];

	assert_int_equal(clock_gettime(CLOCK_REALTIME, &times[0]), 0);
	times[0].tv_sec -= 1000;
	times[1] = times[0];
	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
	meet(fixture);
	withdraw(fixture, KUDEV);
	expect(fixture, false, KUDEV);
	assert_in_range(fixture->age_ms, 999000, 1100000);
}

static void nobody_has_ended_because_we_are_out_of_descriptors(void **state)
{
	struct fixture *fixture = *state;
	KEPT_OPEN int kudev = serve(fixture, KUDEV);
	struct rlimit limit;
	struct rlimit none;
	int64_t again_ms;

	meet(fixture);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = limit;
	none.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	again_ms = look(fixture, true);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(again_ms, -1);
	assert_true(neighbours_are_there(fixture->neighbours));
	expect(fixture, true, "");
}

static void without_a_directory_there_is_nobody(void **state)
{
	struct fixture *fixture = *state;

	fixture->neighbours = neighbours_new("/nowhere/at/all", INSTANCE);
	expect(fixture, true, "");
	assert_null(neighbours_free(NULL));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_takes_its_socket_away_has_ended_and_is_told_once),
		TEST(who_was_killed_is_found_by_connecting),
		TEST(a_kudev_that_takes_a_new_name_has_not_ended),
		TEST(a_plugin_that_takes_its_name_again_has_not_ended),
		TEST(the_other_resources_of_a_kudev_do_not_count),
		TEST(who_was_dead_from_the_start_has_not_ended),
		TEST(who_went_when_the_kubelet_came_has_not_ended),
		TEST(what_is_no_plugins_socket_is_no_neighbour),
		TEST(the_age_of_a_socket_is_known),
		TEST(nobody_has_ended_because_we_are_out_of_descriptors),
		TEST(without_a_directory_there_is_nobody),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
