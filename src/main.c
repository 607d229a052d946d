/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdio.h>

#include "cli/cli.h"
#include "cli/options.h"

int main(int argc, char **argv)
{
	struct options options = {0};
	int status = EXIT_OK;

	/* A peer that hangs up is an error of that write, not the end of the program. */
	signal(SIGPIPE, SIG_IGN);
	if (options_parse(argc, argv, &options, &status))
		status = options.command->run(&options);
	options_clear(&options);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("kudev: cannot write the output");
		status = EXIT_FAILED;
	}
	return status;
}
