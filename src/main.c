/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/util.h"
#include "cli/cli.h"
#include "cli/options.h"

/* What is opened later must not take the place of a standard stream that is closed. */
static void open_standard_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	fd_close(fd);
}

int main(int argc, char **argv)
{
	struct options options = {0};
	int status = EXIT_OK;

	open_standard_streams();
	/* A peer that hangs up is an error of that write, not the end of the program. */
	signal(SIGPIPE, SIG_IGN);
	if (options_parse(argc, argv, &options, &status))
		status = options.command->run(&options);
	options_clear(&options);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fputs("kudev: cannot write the output\n", stderr);
		status = EXIT_FAILED;
	}
	return status;
}
