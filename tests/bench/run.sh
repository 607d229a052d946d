#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Measures kudev and, where it can be had, squat's generic-device-plugin beside it, and
# prints the table of speed and size. Exits 0 also when a target is missed, and says so.
#
#   BENCH_ROWS="start allocate"   only these (below: all_rows)
#   BENCH_QUICK=1                 few repetitions: shows that it works, proves nothing
#   BENCH_IDLE_SECONDS=60         how long to watch idle programs
#   SQUAT_BINARY=FILE             the peer, instead of building it with Go
#
# Each figure is the median of several runs of each program, which take turns; behind it
# stand the least and the greatest of them, the noise of this machine. A ratio is the
# median of those of the pairs.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

bench_dir=$source_dir/tests/bench
all_rows="start allocate list memory reconnect restarts restart plug idle"
rows=${BENCH_ROWS:-$all_rows}
quick=${BENCH_QUICK:-}
idle_seconds=${BENCH_IDLE_SECONDS:-${quick:+3}}
idle_seconds=${idle_seconds:-60}
squat_module=github.com/squat/generic-device-plugin
squat_version=179b1fe
failures=0

# In memory if possible: a disk's file system takes its own time to make a socket, the
# more so after many files were removed from it.
if [[ -z ${TMPDIR:-} && -d /dev/shm && -w /dev/shm ]]; then
	export TMPDIR=/dev/shm
fi

# What stands in the table: see table.awk for the fields. Of two targets both must be met.
table_rows()
{
	cat <<'END'
exec -> Register received, 1 class|start|1|1|register_ms|1|ms|0.6|
exec -> all of 50 classes listed|start|50|1|listed_ms|1|ms|0.5|
CPU until all of 50 classes are listed|start|50|1|cpu_ms|1|ms||
Allocate p50, one at a time|allocate|1|10|p50_us|1|us|0.85|
Allocate p99, one at a time|allocate|1|10|p99_us|1|us||
server CPU per Allocate|allocate|1|10|cpu_us|1|us|0.65|
wake-ups per Allocate|allocate|1|10|wakeups|1|||
first list of 10 devices, p50|list|1|10|p50_us|1|us||
first list of 1,000 devices, p50|list|1|1000|p50_us|1|us|0.4|
first list of 10,000 devices, p50|list|1|10000|p50_us|1|us|0.3|
resident memory, 1 class|memory|1|1|resident_kb|1|kB|0.55|8000
resident memory, 50 classes|memory|50|1|resident_kb|1|kB|0.45|
anonymous memory, 1 class|memory|1|1|anonymous_kb|1|kB||
anonymous memory, 50 classes|memory|50|1|anonymous_kb|1|kB||
threads, 1 class|memory|1|1|threads|1|||
growth over 1,000 reconnects|reconnect|1|1|growth_kb|1|kB||256
growth over 1,000 kubelet restarts|restarts|1|1|growth_kb|1|kB||256
node created -> list update, p50|plug|1|1|plug_p50_us|1000|ms||
node created -> list update, p99|plug|1|1|plug_p99_us|1000|ms||20
node removed -> Unhealthy, p50|plug|1|1|unplug_p50_us|1000|ms||
node removed -> Unhealthy, p99|plug|1|1|unplug_p99_us|1000|ms||20
new kubelet.sock -> registered, p50|restart|1|1|p50_us|1000|ms||
new kubelet.sock -> registered, p99|restart|1|1|p99_us|1000|ms||50
idle CPU, 1 class|idle|1|1|cpu_us|1000|ms|0.5|
idle CPU, 50 classes|idle|50|1|cpu_us|1000|ms|0.2|
idle wake-ups, 1 class|idle|1|1|wakeups|1|||
idle wake-ups, 50 classes|idle|50|1|wakeups|1|||
END
}

wants()
{
	[[ " $rows " == *" $1 "* ]]
}

# few FULL QUICK: the one that this run is for.
few()
{
	if [[ $quick ]]; then
		printf '%s' "$2"
	else
		printf '%s' "$1"
	fi
}

build_kudev()
{
	if [[ ${KUDEV_BINARY:-} && ${KUDEV_BUILD_DIR:-} ]]; then
		kudev=$KUDEV_BINARY
		tree=$KUDEV_BUILD_DIR
	else
		tree=$build_root/bench
		configure_tree "$tree" --disable-tests CFLAGS='-g -O2'
		make_tree "$tree" kudev tests/bench/bench
		kudev=$tree/kudev
	fi
	bench=$tree/tests/bench/bench
	[[ -x $kudev && -x $bench ]] || die "$kudev or $bench is missing"
}

# The words of the proxy without its address.
last_words()
{
	tail -n 2 "$1" | sed -E 's#https?://[^[:space:]]*#(module proxy)#g' | tr -s '\n\t ' ' '
}

# Sets squat, or why_no_squat.
find_squat()
{
	local log=$tree/squat.log

	squat=
	why_no_squat=
	if [[ ${SQUAT_BINARY:-} ]]; then
		[[ -x $SQUAT_BINARY ]] || die "SQUAT_BINARY=$SQUAT_BINARY cannot be executed"
		squat=$SQUAT_BINARY
	elif [[ -x $tree/generic-device-plugin ]]; then
		squat=$tree/generic-device-plugin
	elif ! command -v go >/dev/null; then
		why_no_squat="there is no go to build it with"
	elif GOBIN=$tree CGO_ENABLED=0 go install -trimpath -ldflags '-s -w' \
		"$squat_module@$squat_version" >"$log" 2>&1; then
		squat=$tree/generic-device-plugin
	else
		why_no_squat="$squat_module@$squat_version cannot be built: $(last_words "$log")"
	fi
}

# measure kudev|squat ARGUMENT...: one run, one line of figures.
measure()
{
	local program=$1 arguments=()

	shift
	if [[ $program == squat ]]; then
		arguments=(--squat --program "$squat")
	else
		arguments=(--program "$kudev")
	fi
	if ! "$bench" "${arguments[@]}" "$@" >>"$figures"; then
		printf 'run.sh: failed: %s %s\n' "$program" "$*" >&2
		return 1
	fi
}

failed()
{
	((++failures))
}

# pairs COUNT ARGUMENT...: the programs take turns.
pairs()
{
	local count=$1 i

	shift
	for ((i = 0; i < count; i++)); do
		measure kudev "$@" || failed
		[[ -z $squat ]] || measure squat "$@" || failed
	done
}

# each KUDEV_COUNT SQUAT_COUNT ARGUMENT...: one run each; the peer may be much slower.
each()
{
	local kudev_count=$1 squat_count=$2

	shift 2
	measure kudev --count "$kudev_count" "$@" || failed
	[[ -z $squat || $squat_count == 0 ]] ||
		measure squat --count "$squat_count" "$@" || failed
}

# alone COUNT ARGUMENT...: kudev twice more, so that one bad moment of the machine does
# not make its p99; one run of a slow peer is long enough for that.
alone()
{
	local count=$1 i

	shift
	for ((i = 0; count && i < 2; i++)); do
		measure kudev --count "$count" "$@" || failed
	done
}

run_start()
{
	pairs "$(few 21 3)" --row start
	pairs "$(few 11 2)" --row start --classes 50
}

run_allocate()
{
	pairs "$(few 11 2)" --row allocate --devices 10 --count "$(few 5000 1000)"
}

run_list()
{
	local devices

	for devices in 10 1000 10000; do
		pairs "$(few 5 1)" --row list --devices "$devices" --count "$(few 40 10)"
	done
}

run_memory()
{
	pairs "$(few 3 1)" --row memory
	pairs "$(few 3 1)" --row memory --classes 50
}

run_reconnect()
{
	pairs "$(few 3 1)" --row reconnect --count 1000
}

# The peer takes seconds to notice: not a thousand times.
run_restarts()
{
	local i

	for ((i = 0; i < $(few 3 1); i++)); do
		each 1000 0 --row restarts
	done
}

run_restart()
{
	each "$(few 40 10)" "$(few 10 1)" --row restart
	alone "$(few 40 0)" --row restart
}

run_plug()
{
	each "$(few 100 10)" "$(few 10 1)" --row plug
	alone "$(few 100 0)" --row plug
}

# All at the same time: they hardly ever run.
run_idle()
{
	local classes jobs=() job

	for classes in 1 50; do
		measure kudev --row idle --classes "$classes" --seconds "$idle_seconds" &
		jobs+=($!)
		[[ -n $squat ]] || continue
		measure squat --row idle --classes "$classes" --seconds "$idle_seconds" &
		jobs+=($!)
	done
	for job in "${jobs[@]}"; do
		wait "$job" || failed
	done
}

for row in $rows; do
	[[ " $all_rows " == *" $row "* ]] || die "BENCH_ROWS: $row is none of $all_rows"
done
build_kudev
find_squat
figures=$tree/bench.jsonl
: >"$figures"

say "kudev: $("$kudev" --version | head -n 1), $(wc -c <"$kudev") bytes with symbols"
if [[ $squat ]]; then
	say "squat: $squat"
else
	say "no squat to compare with: $why_no_squat"
fi
say "$(nproc) processors, $(uname -sr), load $(cut -d ' ' -f 1-3 /proc/loadavg)"
say "both log at info, their default, to a file; the kubelet is tests/bench/kubelet.c"
say "sockets, devices and logs below ${TMPDIR:-/tmp}"
[[ ! $quick ]] || say "BENCH_QUICK: few repetitions, so the figures say little"
for row in $all_rows; do
	wants "$row" || continue
	start=$SECONDS
	"run_$row"
	say "$row: $((SECONDS - start)) s"
done
printf '\n'
if wants idle; then
	printf 'idle figures are for %d s\n\n' "$idle_seconds"
fi
awk -f "$bench_dir/table.awk" <(table_rows) "$figures"
if ((failures)); then
	printf '%d measurements FAILED, see above\n' "$failures"
	exit 1
fi
