/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unix.h"
#include "base/util.h"

const char *unix_path_of(const char *address)
{
	static const char prefix[] = "unix:";
	size_t length = strlen(prefix);

	return strncmp(address, prefix, length) == 0 ? address + length : NULL;
}

static int open_socket(const char *path, struct sockaddr_un *address)
{
	int fd;

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address->sun_path))
		return -ENAMETOOLONG;
	strcpy(address->sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return fd < 0 ? -errno : fd;
}

int unix_connect(const char *path, struct error *err)
{
	KUDEV_AUTO_CLOSE int fd = -1;
	struct sockaddr_un address;

	fd = open_socket(path, &address);
	if (fd < 0)
		return error_set_errno(err, -fd, "cannot connect to %s", path);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return error_set_errno(err, errno, "cannot connect to %s", path);
	return take_fd(&fd);
}

int unix_listen(const char *path, struct error *err)
{
	KUDEV_AUTO_CLOSE int fd = -1;
	struct sockaddr_un address;
	mode_t mask;
	int r;

	fd = open_socket(path, &address);
	if (fd < 0)
		return error_set_errno(err, -fd, "cannot create socket %s", path);
	/* bind(2) makes the file with this mask; there is no call to name a mode. */
	mask = umask(0177);
	r = bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
	umask(mask);
	if (r != 0)
		return error_set_errno(err, r, "cannot create socket %s", path);
	if (listen(fd, SOMAXCONN) < 0) {
		r = errno;
		(void)unlink(path);
		return error_set_errno(err, r, "cannot listen on %s", path);
	}
	return take_fd(&fd);
}
