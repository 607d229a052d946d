/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fnmatch.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/log.h"
#include "base/strings.h"
#include "kubelet/socket.h"
#include "test-tree.h"

#define HEX8 "[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]"
#define PATTERN "kudev-" HEX8 "-0a1b2c-" HEX8 ".sock"
#define INSTANCE 0x0a1b2c

static bool is_served(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	KUDEV_AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

/* All names in the root of the tree, sorted; the caller frees it. */
static char *list(const struct tree *tree)
{
	KUDEV_AUTO_STRINGS struct strings names = {0};
	DIR *directory = opendir(tree->root);
	const struct dirent *entry;

	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			strings_add(&names, entry->d_name);
	}
	closedir(directory);
	strings_sort(&names);
	return strings_join(&names, " ");
}

/* A socket by this name; with a listener if asked, which the caller closes. */
static int bind_at(const struct tree *tree, const char *name, bool listening)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	KUDEV_AUTO_FREE char *path = tree_path(tree, name);
	KUDEV_AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
	if (!listening)
		return -1;
	assert_int_equal(listen(fd, 5), 0);
	return take_fd(&fd);
}

static void a_socket_is_private_under_any_umask(void **state)
{
	static const mode_t masks[] = {0, 0022, 0077, 0777};
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(masks); i++) {
		struct plugin_socket socket = {0};
		mode_t old = umask(masks[i]);
		int fd = plugin_socket_open(tree->root, "ex.com/a", INSTANCE, &socket,
					    NULL);
		struct stat status;

		assert_int_equal(umask(old), masks[i]);
		assert_true(fd >= 0);
		assert_int_equal(stat(socket.path, &status), 0);
		assert_true(S_ISSOCK(status.st_mode));
		assert_int_equal(status.st_mode & 07777, 0600);
		assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
		assert_true(is_served(socket.path));
		plugin_socket_remove(&socket);
		assert_null(socket.path);
		fd_close(fd);
	}
}

static void names_tell_the_resource_and_are_new_each_time(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	struct plugin_socket sockets[3] = {{0}};
	static const char *const resources[] = {"ex.com/a", "ex.com/a", "ex.com/b"};
	/* FNV-1a, computed elsewhere. */
	static const char *const prefixes[] = {"kudev-aa873a57-", "kudev-aa873a57-",
					       "kudev-ab873bea-"};
	KUDEV_AUTO_FREE char *left = NULL;
	int fds[3];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		fds[i] = plugin_socket_open(tree->root, resources[i], INSTANCE,
					    &sockets[i], NULL);
		assert_true(fds[i] >= 0);
		assert_int_equal(fnmatch(PATTERN, sockets[i].name, 0), 0);
		assert_int_equal(strlen(sockets[i].name), 35);
		assert_memory_equal(sockets[i].name, prefixes[i], strlen(prefixes[i]));
		assert_string_equal(strrchr(sockets[i].path, '/') + 1, sockets[i].name);
	}
	assert_string_not_equal(sockets[0].name, sockets[1].name);
	for (size_t i = 0; i < 3; i++) {
		plugin_socket_remove(&sockets[i]);
		fd_close(fds[i]);
	}
	left = list(tree);
	assert_string_equal(left, "");
}

static void a_path_that_is_too_long_is_an_error(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO_FREE char *fits = mem_printf("%s/", tree->root);
	KUDEV_AUTO_FREE char *exact = NULL;
	KUDEV_AUTO_FREE char *longer = NULL;
	KUDEV_AUTO_ERROR struct error err = {0};
	struct plugin_socket socket = {0};
	/* 107 bytes less "/" and the name with the dot that it has at first. */
	int longest = 107 - 1 - 36;
	int fd;

	(void)state;
	exact = mem_printf("%s%0*d", fits, longest - (int)strlen(fits), 0);
	longer = mem_printf("%s0", exact);
	assert_int_equal(mkdir(exact, 0700), 0);
	assert_int_equal(mkdir(longer, 0700), 0);
	fd = plugin_socket_open(exact, "ex.com/a", INSTANCE, &socket, &err);
	assert_true(fd >= 0);
	assert_true(plugin_socket_is_there(&socket));
	plugin_socket_remove(&socket);
	fd_close(fd);
	assert_int_equal(plugin_socket_open(longer, "ex.com/a", INSTANCE, &socket, &err),
			 -ENAMETOOLONG);
	assert_null(socket.path);
	assert_int_equal(rmdir(longer), 0);
}

static void a_missing_directory_is_an_error(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO_FREE char *gone = tree_path(tree, "/gone");
	KUDEV_AUTO_ERROR struct error err = {0};
	struct plugin_socket socket = {0};

	(void)state;
	assert_int_equal(plugin_socket_open(gone, "ex.com/a", INSTANCE, &socket, &err),
			 -ENOENT);
	assert_non_null(strstr(error_message(&err), gone));
}

static void only_our_own_socket_is_removed(void **state)
{
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	KUDEV_AUTO_FREE char *name = NULL;
	struct plugin_socket socket = {0};
	int fd = plugin_socket_open(tree->root, "ex.com/a", INSTANCE, &socket, NULL);
	int other;

	(void)state;
	assert_true(plugin_socket_is_there(&socket));
	/* Another one takes the name while ours is kept alive, so that inodes differ. */
	name = mem_printf("/%s", socket.name);
	tree_rename(tree, name, "/moved");
	assert_false(plugin_socket_is_there(&socket));
	other = bind_at(tree, name, true);
	assert_false(plugin_socket_is_there(&socket));
	plugin_socket_remove(&socket);
	assert_true(tree_exists(tree, name));
	fd_close(fd);
	fd_close(other);
	/* And twice, or without one, is fine. */
	plugin_socket_remove(&socket);
}

static void sockets_of_the_dead_are_cleaned_and_those_of_the_living_stay(void **state)
{
	static const struct {
		const char *name;
		bool listening;
		bool old;
		bool stays;
	} tests[] = {
		{"kudev-01234567-0a1b2c-89abcdef.sock", false, false, false},
		{"kudev-01234567-0a1b2c-00000000.sock", true, false, true},
		{".kudev-01234567-0a1b2c-00000001.sock", false, false, true},
		{".kudev-01234567-0a1b2c-00000002.sock", false, true, false},
		{"kubelet.sock", false, false, true},
		{"kudev.sock", false, false, true},
		{"kudev-01234567-89abcdef.sock", false, false, true},
		{"kudev-0123456-0a1b2c-89abcdef.sock", false, false, true},
		{"kudev-01234567-0a1b2c-89ABCDEF.sock", false, false, true},
		{"kudev-01234567-0a1b2c-89abcdef.sock.bak", false, false, true},
		{"xkudev-01234567-0a1b2c-89abcdef.sock", false, false, true},
	};
	static const struct timespec long_ago[] = {{.tv_sec = 1}, {.tv_sec = 1}};
	KUDEV_AUTO(tree_free) struct tree *tree = tree_new();
	int fds[KUDEV_ARRAY_SIZE(tests)];

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *name = mem_printf("/%s", tests[i].name);
		KUDEV_AUTO_FREE char *path = tree_path(tree, name);

		fds[i] = bind_at(tree, name, tests[i].listening);
		if (tests[i].old)
			assert_int_equal(utimensat(AT_FDCWD, path, long_ago,
						   AT_SYMLINK_NOFOLLOW),
					 0);
	}
	/* What is no socket, whatever its name. */
	tree_file(tree, "/kudev-01234567-0a1b2c-11111111.sock", "");
	tree_link(tree, "/kudev-01234567-0a1b2c-22222222.sock", "kudev.sock");
	tree_directory(tree, "/kudev-01234567-0a1b2c-33333333.sock");
	plugin_sockets_clean(tree->root);
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		KUDEV_AUTO_FREE char *name = mem_printf("/%s", tests[i].name);
		KUDEV_AUTO_FREE char *path = tree_path(tree, name);
		struct stat status;

		if ((lstat(path, &status) == 0) != tests[i].stays)
			print_message("%s\n", tests[i].name);
		assert_int_equal(lstat(path, &status) == 0, tests[i].stays);
		fd_close(fds[i]);
	}
	assert_true(tree_exists(tree, "/kudev-01234567-0a1b2c-11111111.sock"));
	assert_true(tree_exists(tree, "/kudev-01234567-0a1b2c-22222222.sock"));
	assert_true(tree_exists(tree, "/kudev-01234567-0a1b2c-33333333.sock"));
	plugin_sockets_clean("/nowhere/at/all");
}

static void names_tell_whose_they_are(void **state)
{
	static const struct {
		const char *name;
		bool kudevs;
		bool of_instance;
		bool for_resource;
		bool same_owner; /* as the first */
	} tests[] = {
		{"kudev-aa873a57-0a1b2c-89abcdef.sock", true, true, true, true},
		{"kudev-aa873a57-0a1b2c-00000000.sock", true, true, true, true},
		{"kudev-aa873a57-0a1b2d-89abcdef.sock", true, false, true, false},
		{"kudev-ab873bea-0a1b2c-89abcdef.sock", true, true, false, false},
		{"kudev-aa873a57-89abcdef.sock", false, false, false, false},
		{"kudev-aa873a57-0a1b2c-", false, false, false, false},
		{"kudev-", false, false, false, false},
		{"other.sock", false, false, false, false},
		{"", false, false, false, false},
	};

	(void)state;
	for (size_t i = 0; i < KUDEV_ARRAY_SIZE(tests); i++) {
		const char *name = tests[i].name;

		assert_int_equal(plugin_socket_is_kudevs(name), tests[i].kudevs);
		assert_int_equal(plugin_socket_is_of_instance(name, INSTANCE),
				 tests[i].of_instance);
		assert_int_equal(plugin_socket_is_for(name, "ex.com/a"),
				 tests[i].for_resource);
		assert_int_equal(plugin_socket_has_same_owner(name, tests[0].name),
				 tests[i].same_owner);
		assert_true(plugin_socket_has_same_owner(name, name));
	}
	assert_true(plugin_socket_instance() <= 0xffffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_socket_is_private_under_any_umask),
		cmocka_unit_test(names_tell_whose_they_are),
		cmocka_unit_test(names_tell_the_resource_and_are_new_each_time),
		cmocka_unit_test(a_path_that_is_too_long_is_an_error),
		cmocka_unit_test(a_missing_directory_is_an_error),
		cmocka_unit_test(only_our_own_socket_is_removed),
		cmocka_unit_test(
			sockets_of_the_dead_are_cleaned_and_those_of_the_living_stay),
	};

	log_setup(LOG_LEVEL_NONE, LOG_FORMAT_JSON);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
