#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The real kubelet's device manager, of several minors, against kudev:
#
#   tests/kubelet/run.sh [-run EXPRESSION] [MINOR]...
#
# Builds kudev (or takes KUDEV_BINARY) and below build/kubelet one kubelet for each
# node/MINOR.mod; the modules come through the Go module proxy. Exits with 77, having said
# why, where this can't be done. A minor whose modules are not to be had is left out, which is
# a failure with KUDEV_KUBELETS=all. KUDEV_CACHE is a directory for the modules and all that was
# compiled, if not Go's own: keep it, and the next build is short. bump.sh changes the versions.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=scripts/go.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/go.sh"

here=$source_dir/tests/kubelet
tree=$build_root/kubelet
log=$tree/go.log

usage()
{
	printf 'run.sh: %s; see run.sh --help\n' "$*" >&2
	exit 2
}

mapfile -t known < <(cd "$here/node" && printf '%s\n' [0-9]*.mod | sed 's/\.mod$//' | sort -V)
scenarios=()
minors=()
while (($#)); do
	case $1 in
	-h | --help)
		sed -n '3,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
		exit
		;;
	-run)
		(($# > 1)) || usage "-run needs an expression"
		printf '' | grep -E -- "$2" >/dev/null || (($? == 1)) || usage "bad expression $2"
		scenarios=(-run "$2")
		shift
		;;
	-*) usage "unknown option $1" ;;
	*)
		[[ -e $here/node/$1.mod ]] || usage "no kubelet $1; there are ${known[*]}"
		minors+=("$1")
		;;
	esac
	shift
done
((${#minors[@]})) || minors=("${known[@]}")

find_go
private=(unshare --mount)
((EUID == 0)) || private=(unshare --map-root-user --mount)
why=$("${private[@]}" mount -t tmpfs none /var/lib 2>&1) ||
	skip "no mount namespace: $why (as root in a chroot, / has to be a mount point:" \
		"mount --rbind ROOT ROOT; else user namespaces are needed)"

mkdir -p "$tree"
: >"$log"
if [[ -z ${KUDEV_BINARY:-} ]]; then
	need_packages "${build_packages[@]}"
	# One by one: an error in the first of a list would not end this.
	configure_tree "$tree" --disable-tests
	make_tree "$tree" all
	KUDEV_BINARY=$tree/kudev
fi

if ! why=$(go_step "$log" -C "$here" build -o "$tree/kubelet" .); then
	[[ -n $why ]] || exit 1
	skip "$why"
fi

say "kubelets ${minors[*]}: the first time each takes minutes to fetch and build, and all of" \
	"them some 3 GB in Go's caches"
nodes=()
absent=()
started=$SECONDS
for minor in "${minors[@]}"; do
	start=$SECONDS
	modules=(-modfile="$minor.mod" -tags="kubelet$minor")
	if ! why=$(go_step "$log.$minor" -C "$here/node" list "${modules[@]}" -deps .); then
		[[ -n $why ]] || exit 1
		say "kubelet $minor NOT BUILT, no modules: $why"
		nodes+=("$minor=")
		absent+=("$minor")
		continue
	fi
	fetched=$SECONDS
	# It names each package that it has to compile, hence had not in its cache.
	quietly "$log.$minor" "$go" -C "$here/node" build -v "${go_quick[@]}" "${modules[@]}" \
		-o "$tree/node-$minor" .
	compiled=$(grep -cv '^go: ' "$log.$minor") || true
	say "kubelet $(sed -n 's/^\tk8s.io\/kubernetes v//p' "$here/node/$minor.mod")" \
		"fetched in $((fetched - start)) s, built in $((SECONDS - fetched)) s:" \
		"$( ((compiled > 100)) && echo cold || echo warm), $compiled packages compiled"
	nodes+=("$minor=$tree/node-$minor")
done
# What container runtimes read specs with, in versions that they have.
programs=
for modules in "$here"/cdi/[0-9]*.mod; do
	version=$(basename "$modules" .mod)
	flags=(-modfile="$version.mod" -tags="cdi$version")
	if ! why=$(go_step "$log.cdi" -C "$here/cdi" build -o "$tree/cdi-$version" \
		"${flags[@]}" .); then
		[[ -n $why ]] || exit 1
		say "CDI's library $version NOT BUILT, no modules: $why"
		absent_cdi=$version
		continue
	fi
	programs+=${programs:+,}$tree/cdi-$version
done
((${#absent[@]} < ${#minors[@]})) || skip "the modules of no minor are to be had"
say "built in $((SECONDS - started)) s, with the caches $("$go" env GOCACHE) and" \
	"$("$go" env GOMODCACHE)"

status=0
if ((${#absent[@]} > 0)) && [[ ${KUDEV_KUBELETS:-} == all ]]; then
	say "this counts as a failure: ${absent[*]} not built"
	status=1
fi
if [[ -n ${absent_cdi:-} && ${KUDEV_KUBELETS:-} == all ]]; then
	say "this counts as a failure: CDI's library $absent_cdi not built"
	status=1
fi
"$tree/kubelet" -cdi "$programs" -kudev "$(realpath "$KUDEV_BINARY")" -logs "$tree/logs" \
	"${scenarios[@]}" "${nodes[@]}" || status=1
exit "$status"
