#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bump.sh MINOR VERSION pins the kubelet of one minor, or adds a minor:
#
#   tests/kubelet/bump.sh 1.36 1.36.4
#
# Writes node/MINOR.mod and .sum; the newest minor is also what node/go.mod links to, for
# editors. Then run.sh MINOR tells whether node/adapter_*.go still fits.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/node"

if (($# != 2)) || [[ $2 != "$1".* ]]; then
	sed -n '3,8s/^# \?//p' ../bump.sh >&2
	exit 2
fi
minor=$1 version=$2
export GOFLAGS="${GOFLAGS:-} -mod=mod"

# Kubernetes names its own parts v0.0.0 and replaces them by directories, which holds for
# nobody else: each has to be pinned to the release's own version.
upstream=$(go mod download -json "k8s.io/kubernetes@v$version" |
	sed -n 's/^\t"GoMod": "\(.*\)",\{0,1\}$/\1/p')
{
	printf '// SPDX-License-Identifier: Apache-2.0\n'
	printf '// Written by bump.sh %s %s.\n' "$minor" "$version"
	printf 'module kudev.io/tests/kubelet/node\n\n'
	grep '^go ' "$upstream"
	printf '\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$version"
	sed -n "s|^\t\{0,1\}\(k8s.io/[a-z-]*\) => ./staging/.*|\t\1 => \1 v0.${version#*.}|p" \
		"$upstream"
	printf ')\n'
} >"$minor.mod"
newest=$(printf '%s\n' [0-9]*.mod | sort -V | tail -n 1)
ln -sfn "$newest" go.mod
ln -sfn "${newest%.mod}.sum" go.sum

rm -f "$minor.sum"
go mod tidy -modfile="$minor.mod"
