# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034  # used by those who source this
# What examples/quickstart.sh, tests/run.sh and .ci/run have in common: packages, an
# out-of-tree build, counting results. To be sourced by bash with "set -euo pipefail".

source_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Clones may share a tree; a caller may say where the builds go.
build_root=${KUDEV_BUILD_ROOT:-$source_dir/build}

# Scripts read what programs say.
export LC_ALL=C.UTF-8
unset LANGUAGE

# Debian 12; the same names in Debian 13 and Ubuntu 24.04.
build_packages=(
	autoconf automake build-essential libabsl-dev libc-ares-dev libevent-dev libgrpc-dev
	libjson-c-dev libkmod-dev libmd-dev libprotobuf-c-dev libre2-dev libudev-dev libyaml-dev
	pkg-config protobuf-c-compiler uthash-dev zlib1g-dev
)
test_packages=(
	libcmocka-dev libfaketime libumockdev-dev protobuf-compiler python3 python3-grpcio python3-h2
	python3-hpack python3-jsonschema python3-prometheus-client python3-protobuf python3-pytest
	python3-yaml umockdev
)
# tests/vm, besides those to build with.
vm_packages=(cpio qemu-system-x86 xz-utils)
# tests/deploy/image.sh, besides those to test with.
image_packages=(buildah debootstrap runc)

say()
{
	printf '== %s\n' "$*"
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# skip WORD...: ends a test that can't be run here.
skip()
{
	say "skipped: $*"
	exit 77
}

# missing_packages PACKAGE...: prints those that are not installed.
missing_packages()
{
	local package

	for package; do
		case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
		*" installed") ;;
		*) printf '%s\n' "$package" ;;
		esac
	done
}

# apt_get ARGUMENT...: as root. Another apt may be at it, as is usual on a machine that has just
# started; for update apt has no option to wait for that one's end.
apt_get()
{
	local as_root=() said attempt

	((EUID == 0)) || as_root=(sudo)
	for attempt in {1..60}; do
		said=$("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" 2>&1 |
			tee >(cat >&2)) && return
		[[ $said == *"Could not get lock"* ]] || return 1
		say "waiting for another apt ($attempt)"
		sleep 10
	done
	return 1
}

# need_packages PACKAGE...: installs what is missing, or says what to install and ends.
need_packages()
{
	local missing

	if ! command -v dpkg-query apt-get >/dev/null; then
		say "no apt here; these Debian packages must be there in your system's form: $*"
		return
	fi
	mapfile -t missing < <(missing_packages "$@")
	if ((${#missing[@]} == 0)); then
		say "all packages are there"
		return
	fi
	((EUID == 0)) || command -v sudo >/dev/null || die "neither root nor sudo; please install" \
		"these packages and start again:"$'\n'"  apt-get install ${missing[*]}"
	say "installing ${missing[*]}"
	apt_get update && apt_get install -y --no-install-recommends "${missing[@]}"
}

# What hangs must not hang for ever where nobody is there to press Ctrl-C. In seconds; the
# slowest, the first build of all kubelets, takes a third of that on two processors.
limit_s=3600
limit=()
if [[ ! -t 0 ]]; then
	limit=(timeout --kill-after=30 "$limit_s")
	export KUDEV_TEST_SECONDS=${KUDEV_TEST_SECONDS:-2700}
fi

# bounded COMMAND...: runs the command under the limit, if there is one.
bounded()
{
	local status=0

	"${limit[@]}" "$@" || status=$?
	((status != 124)) ||
		printf '%s: not done within %d s: %s\n' "${0##*/}" "$limit_s" "$*" >&2
	return "$status"
}

# quietly LOG COMMAND...: runs the command, bounded; shows the end of what it said only if it
# fails.
quietly()
{
	local log=$1

	shift
	if ! bounded "$@" >>"$log" 2>&1; then
		tail -n 40 "$log" >&2
		printf '%s: failed: %s (all of it: %s)\n' "${0##*/}" "$*" "$log" >&2
		return 1
	fi
}

stale_configure()
{
	[[ ! -x $source_dir/configure || ! -f $source_dir/Makefile.in ]] && return 0
	[[ -n $(find "$source_dir/configure.ac" "$source_dir/Makefile.am" "$source_dir/m4" \
		-newer "$source_dir/configure" -print -quit) ]]
}

# configure_tree DIRECTORY ARGUMENT...: configures there, unless it was done the same way.
configure_tree()
{
	local tree=$1 log=$1/build.log arguments

	shift
	arguments="${CC:-}|${CFLAGS:-}|$*"
	[[ ! -e $source_dir/config.status ]] ||
		die "the source directory itself is configured; run make distclean there first"
	mkdir -p "$tree"
	: >"$log"
	if stale_configure; then
		say "autoreconf"
		(cd "$source_dir" && quietly "$log" autoreconf -fi) || return 1
	fi
	[[ -f $tree/Makefile && $tree/Makefile -nt $source_dir/configure &&
		$(cat "$tree/arguments" 2>/dev/null) == "$arguments" ]] && return
	say "configure $*"
	(cd "$tree" && quietly "$log" "$source_dir/configure" "$@") || return 1
	printf '%s' "$arguments" >"$tree/arguments"
}

# make_tree DIRECTORY ARGUMENT...: make there, quietly.
make_tree()
{
	local tree=$1

	shift
	say "make $*"
	quietly "$tree/build.log" make -C "$tree" -j"$(nproc)" "$@"
}

# What count_results has added up since the shell started.
total_passed=0
total_failed=0
total_skipped=0

# count PASSED FAILED SKIPPED NAME: one suite's line, added to the total.
count()
{
	total_passed=$((total_passed + $1))
	total_failed=$((total_failed + $2))
	total_skipped=$((total_skipped + $3))
	printf '%-14s %5d passed, %3d failed, %3d skipped\n' "$4" "$1" "$2" "$3"
}

# The sum, alone on its line; always the last thing that a test script says.
count_total()
{
	printf '%d passed, %d failed, %d skipped\n' \
		"$total_passed" "$total_failed" "$total_skipped"
}

# count_results DIRECTORY: a line for each suite of the build tree's last make check. A
# program that ends badly is a failure if none of its own tests has said so already.
count_results()
{
	local tree=$1 suite numbers

	for suite in unit fuzz integration; do
		[[ -d $tree/tests/$suite ]] || continue
		numbers=$(find "$tree/tests/$suite" -maxdepth 1 -name '*.trs' -print0 |
			xargs -0 -r cat | awk '
			function close_program() {
				failed += bad ? bad : errors
				bad = errors = 0
			}
			/^:test-result: X?(PASS|FAIL|SKIP|ERROR)/ {
				if ($2 == "PASS" || $2 == "XFAIL") passed++
				else if ($2 == "SKIP") skipped++
				else if ($2 == "ERROR") errors++
				else bad++
			}
			/^:test-global-result:|^:copy-in-global-log:/ { close_program() }
			END { close_program(); print passed + 0, failed + 0, skipped + 0 }')
		# shellcheck disable=SC2086  # three numbers
		count $numbers "$suite"
	done
}

# run_suite DIRECTORY [COMMAND...]: make check there, each result shown as it comes, then
# the counts. COMMAND is put before make.
run_suite()
{
	local tree=$1 failed_before=$total_failed status=0

	shift
	find "$tree" -name '*.trs' -delete
	say "make check"
	bounded "$@" make -C "$tree" -j"$(nproc)" --no-print-directory check </dev/null || status=$?
	count_results "$tree"
	if ((status && total_failed == failed_before)); then
		count 0 1 0 "make check"
	fi
	return "$status"
}
