#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Everything that can be said about the sources without compiling them: format, shell
# scripts, and that Makefile.am knows every file. "lint.sh --fix" formats in place.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

status=0
complain()
{
	printf 'lint: %s\n' "$*" >&2
	status=1
}

mapfile -t sources < <(find src tests -name '*.[ch]' | sort)
mapfile -t scripts < <(
	find . -name '*.sh' -not -path './build*' -not -path './.git/*' -not -path './kudev-*'
	printf '%s\n' ./.ci/run ./conf/completion/kudev ./tests/integration/run ./tests/vm/guest/init
)

# Another version formats differently, so only this one is asked.
format=
for name in clang-format-14 clang-format; do
	if [[ $("$name" --version 2>/dev/null) == *"version 14."* ]]; then
		format=$name
		break
	fi
done
if [[ -z $format ]]; then
	complain "clang-format 14 is missing (Debian: clang-format-14)"
elif [[ ${1:-} == --fix ]]; then
	"$format" -i "${sources[@]}"
else
	"$format" --dry-run -Werror "${sources[@]}" || complain "format: scripts/lint.sh --fix"
fi

# Go is there for tests alone, and not everywhere.
if command -v gofmt >/dev/null && [[ -n $(gofmt -l tests/kubelet) ]]; then
	complain "format: gofmt -w tests/kubelet"
fi

if command -v shellcheck >/dev/null; then
	for script in "${scripts[@]}"; do
		[[ ! -e $script ]] || shellcheck -x "$script" || complain "$script: shellcheck"
	done
else
	complain "shellcheck is missing (Debian: shellcheck)"
fi

for file in "${sources[@]}"; do
	case $file in
	tests/unit/test-*.c | tests/fuzz/fuzz-*.c) word=${file%.c} ;;
	*) word=$file ;;
	esac
	grep -qE "(^|[[:space:]])${word//./\\.}([[:space:]]|\$)" Makefile.am ||
		complain "$file: not in Makefile.am"
	[[ $(head -n 1 "$file") == *"SPDX-License-Identifier: Apache-2.0"* ]] ||
		complain "$file: the first line is not the licence"
done
for file in "${scripts[@]}"; do
	[[ ! -e $file || -x $file || $file == */lib.sh || $file == */go.sh || $file == */completion/* ]] || complain "$file: not executable"
done
exit "$status"
