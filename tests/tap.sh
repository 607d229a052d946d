#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a test program for make check. cmocka 1.1.5 calls a skipped test "not ok … # SKIP",
# which TAP has as "ok … # SKIP"; everything else passes through, the exit status too.
exec 4>&1
status=$({
	{
		"$@" 3>&- 4>&-
		echo $? >&3
	} | sed -u 's/^not ok \([0-9]*\) # SKIP/ok \1 # SKIP/' >&4
} 3>&1)
exit "$status"
