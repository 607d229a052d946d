#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is in deploy/, with the tools of those who use it:
#
#   tests/deploy/run.sh [PYTEST-ARGUMENT]...
#
# Builds kudev (or takes KUDEV_BINARY), and below build/deploy kustomize, helm and kubeconform, whose
# modules come through the Go module proxy, like the documents that manifests are validated by.
# Exits with 77, having said why, where this can't be done. KUDEV_CACHE is a directory for the modules
# and all that was compiled, if not Go's own.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"
# shellcheck source=scripts/go.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/go.sh"

here=$source_dir/tests/deploy
nodes=$source_dir/tests/kubelet/node
tree=$build_root/deploy
log=$tree/go.log
tools=(
	github.com/yannh/kubeconform/cmd/kubeconform
	helm.sh/helm/v3/cmd/helm
	sigs.k8s.io/kustomize/kustomize/v5
)
# CustomResourceDefinitions: module, its checksum, files in it.
definitions=(
	"github.com/prometheus-operator/prometheus-operator@v0.85.0
	h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=
	example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml
	example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml
	example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"
	"github.com/argoproj/argo-cd/v3@v3.3.19
	h1:jVmtyRAQo1zBMxIIx+MtI99q1FA53IMtF+yRc78XvoY=
	manifests/crds/application-crd.yaml"
	"github.com/kedacore/keda/v2@v2.17.2
	h1:xlrcK5TKABJF9PebK79sgL07s/csGjL3H4m72OkZXxk=
	config/crd/bases/keda.sh_scaledjobs.yaml"
)

case ${1:-} in
-h | --help)
	sed -n '3,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
	exit
	;;
esac

find_go
mkdir -p "$tree/tools" "$tree/definitions"
need_packages "${build_packages[@]}" "${test_packages[@]}"
if [[ -z ${KUDEV_BINARY:-} ]]; then
	configure_tree "$tree" --disable-tests
	make_tree "$tree" all
	KUDEV_BINARY=$tree/kudev
fi

say "kustomize, helm, kubeconform: the first time they take minutes to fetch and build"
if ! why=$(go_step "$log" -C "$here/tools" build -p 2 "${go_quick[@]}" -o "$tree/tools/" \
	"${tools[@]}"); then
	[[ -n $why ]] || exit 1
	skip "$why"
fi

# download DIRECTORY MODULE OPTION...: go mod download there; prints directory and checksum of the
# module. As go_step returns and ends.
download()
{
	go_step "$log" -C "$1" mod download "${@:3}" "$2" || return
	"$go" -C "$1" mod download "${@:3}" -json "$2" |
		sed -n 's/^\t"\(Dir\|Sum\)": "\(.*\)",\{0,1\}$/\2/p'
}

# The kubelets that tests/kubelet runs first and last in its list, whose modules it has pinned.
mapfile -t minors < <(cd "$nodes" && printf '%s\n' [0-9]*.mod | sed 's/\.mod$//' | sort -V)
openapi=
for minor in "${minors[0]}" "${minors[-1]}"; do
	version=$(sed -n 's/^\tk8s.io\/kubernetes //p; s/^require k8s.io\/kubernetes //p' \
		"$nodes/$minor.mod")
	if ! found=$(download "$nodes" "k8s.io/kubernetes@$version" -modfile="$minor.mod"); then
		[[ -n $found ]] || exit 1
		skip "Kubernetes $version: $found"
	fi
	openapi+="$minor=${found%%$'\n'*}/api/openapi-spec/swagger.json "
done
rm -f "$tree/definitions/"*
for row in "${definitions[@]}"; do
	read -r -d '' -a words <<<"$row" || true
	if ! found=$(download / "${words[0]}"); then
		[[ -n $found ]] || exit 1
		skip "${words[0]}: $found"
	fi
	[[ ${found#*$'\n'} == "${words[1]}" ]] || die "${words[0]} has another checksum: $found"
	for file in "${words[@]:2}"; do
		cp "${found%%$'\n'*}/$file" "$tree/definitions/"
	done
done

export KUDEV_BINARY KUDEV_DEPLOY_OPENAPI=$openapi KUDEV_DEPLOY_TOOLS=$tree/tools
export KUDEV_DEPLOY_DEFINITIONS=$tree/definitions
KUDEV_TEST_SUITE=deploy "$here/report.sh" "$here/test_manifests.py" "$@"
