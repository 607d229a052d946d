#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bump.sh MINOR VERSION pins the kubelet of one minor, or adds a minor:
#
#   tests/kubelet/bump.sh 1.36 1.36.4
#
# Writes node/MINOR.mod and .sum; the newest minor is also what node/go.mod links to, for
# editors. What fails leaves all as it was. Then run.sh MINOR tells whether the newest of
# node/adapter_*.go still fits; where it does not, copy it and part the two by build tags.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/node"

if (($# != 2)) || [[ $2 != "$1".* ]]; then
	sed -n '3,9s/^# \?//p' ../bump.sh >&2
	exit 2
fi
minor=$1 version=$2
export GOFLAGS="${GOFLAGS:-} -mod=mod"
trap 'rm -f new.mod new.sum' EXIT
rm -f new.sum

# Kubernetes names its own parts v0.0.0 and replaces them by directories, which holds for
# nobody else: each has to be pinned to the release's own version.
if ! found=$(go mod download -json "k8s.io/kubernetes@v$version"); then
	printf '%s\n' "$found" >&2
	exit 1
fi
upstream=$(sed -n 's/^\t"GoMod": "\(.*\)",\{0,1\}$/\1/p' <<<"$found")
{
	printf '// SPDX-License-Identifier: Apache-2.0\n'
	printf '// Written by bump.sh %s %s.\n' "$minor" "$version"
	printf 'module kudev.io/tests/kubelet/node\n\n'
	grep '^go ' "$upstream"
	printf '\nrequire k8s.io/kubernetes v%s\n\nreplace (\n' "$version"
	sed -n "s|^\t\{0,1\}\(k8s.io/[a-z-]*\) => ./staging/.*|\t\1 => \1 v0.${version#*.}|p" \
		"$upstream"
	printf ')\n'
} >new.mod
go mod tidy -modfile=new.mod

mv new.mod "$minor.mod"
mv new.sum "$minor.sum"
newest=$(printf '%s\n' [0-9]*.mod | sort -V | tail -n 1)
ln -sfn "$newest" go.mod
ln -sfn "${newest%.mod}.sum" go.sum
