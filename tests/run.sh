#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds kudev and runs all of its tests. Any argument is passed on to configure.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
	echo "run.sh [configure OPTION]...: builds kudev and runs all of its tests"
	exit
fi

tree=$build_root/tests

cat <<END
This installs what kudev and its tests are built from, as far as it is missing (apt-get),
builds in $tree
and runs make check: unit tests, fuzz corpora, and the program against a test kubelet.

END

need_packages "${build_packages[@]}" "${test_packages[@]}"
status=0
if configure_tree "$tree" "$@" && make_tree "$tree" all; then
	run_suite "$tree" || status=1
else
	count 0 1 0 build
	status=1
fi
if ((status)); then
	say "see $tree/build.log, $tree/test-suite.log and the .log beside each test"
fi
count_total
exit "$status"
