#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The real kubelet's device manager, of several minors, against kudev:
#
#   tests/kubelet/run.sh [-run EXPRESSION] [MINOR]...
#
# Builds kudev (or takes KUDEV_BINARY) and below build/kubelet one kubelet for each
# node/MINOR.mod; the modules come through the Go module proxy. Exits with 77, having said
# why, where this can't be done. bump.sh changes the versions.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

here=$source_dir/tests/kubelet
tree=$build_root/kubelet
log=$tree/go.log

skip()
{
	say "skipped: $*"
	exit 77
}

scenarios=()
if [[ ${1:-} == -run ]]; then
	scenarios=(-run "$2")
	shift 2
fi
minors=("$@")
if ((${#minors[@]} == 0)); then
	mapfile -t minors < <(cd "$here/node" && printf '%s\n' [0-9]*.mod |
		sed 's/\.mod$//' | sort -V)
fi

go=${GO:-go}
[[ -n ${GO:-} || ! -x /usr/local/go/bin/go ]] || PATH=$PATH:/usr/local/go/bin
command -v "$go" >/dev/null || skip "no Go"
private=(unshare --mount)
((EUID == 0)) || private=(unshare --map-root-user --mount)
"${private[@]}" mount -t tmpfs none /var/lib 2>/dev/null ||
	skip "no mount namespaces here: neither root nor user namespaces"

mkdir -p "$tree"
: >"$log"
if [[ -z ${KUDEV_BINARY:-} ]]; then
	configure_tree "$tree" --disable-tests && make_tree "$tree" all
	KUDEV_BINARY=$tree/kudev
fi

# Without what only a debugger or a long life pays for, the compiler needs two thirds of the
# time. cgo would need the C compiler as well.
export CGO_ENABLED=0
flags=(-gcflags="all=-dwarf=false -N -l" -ldflags="-s -w")

quietly "$log" "$go" -C "$here" build -o "$tree/kubelet" .

nodes=()
built=$SECONDS
for minor in "${minors[@]}"; do
	start=$SECONDS
	if ! "$go" -C "$here/node" list -modfile="$minor.mod" -tags="kubelet$minor" -deps . \
		>/dev/null 2>"$log.$minor"; then
		say "kubelet $minor skipped, no modules: $(tail -n 1 "$log.$minor")"
		nodes+=("$minor=")
		continue
	fi
	fetched=$SECONDS
	quietly "$log" "$go" -C "$here/node" build "${flags[@]}" -modfile="$minor.mod" \
		-tags="kubelet$minor" -o "$tree/node-$minor" .
	say "kubelet $(sed -n 's/^\tk8s.io\/kubernetes v//p' "$here/node/$minor.mod")" \
		"fetched in $((fetched - start)) s, built in $((SECONDS - fetched)) s"
	nodes+=("$minor=$tree/node-$minor")
done
[[ ${nodes[*]} == *=/* ]] || skip "the modules of no minor are to be had"
say "built in $((SECONDS - built)) s"

"$tree/kubelet" -kudev "$(realpath "$KUDEV_BINARY")" -logs "$tree/logs" \
	"${scenarios[@]}" "${nodes[@]}"
