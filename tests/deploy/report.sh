#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# report.sh PYTEST-ARGUMENT...: runs tests of run.sh and image.sh, shows the results as TAP, and
# the counts, under the name KUDEV_TEST_SUITE.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

tree=$build_root/${KUDEV_TEST_SUITE:?}
results=$tree/results.tap
export PYTHONPATH=$source_dir/tests/integration PYTHONDONTWRITEBYTECODE=1

mkdir -p "$tree"
status=0
bounded /usr/bin/python3 -m pytest -p tap_report --rootdir "$source_dir/tests/deploy" "$@" \
	3>"$results" >"$tree/pytest.log" 2>&1 || status=$?
cat "$results"
((status == 0)) || tail -n 80 "$tree/pytest.log"
read -r passed failed skipped < <(awk '
	/^not ok/ { failed++; next }
	/^ok .* # SKIP/ { skipped++; next }
	/^ok/ { passed++ }
	END { print passed + 0, failed + 0, skipped + 0 }' "$results")
# One that says nothing, or ends in the middle.
((status == 0 || failed > 0)) || failed=1
count "$passed" "$failed" "$skipped" "$KUDEV_TEST_SUITE"
count_total
((failed == 0))
