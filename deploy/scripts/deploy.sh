#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Puts kudev into a cluster and waits until it runs on every node that it is for.
set -euo pipefail
# shellcheck source=deploy/scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

image=
config=
target=
is_trial=
new_namespace=
namespace=

usage()
{
	cat <<END
deploy.sh [OPTION]... [WHAT]: puts kudev into a cluster, or brings it up to date

WHAT is the name of an overlay, a directory with a kustomization, or a file of manifests;
without it, it is deploy/base. The overlays are
  $(overlays | tr '\n' ' ')

  --image IMAGE          of kudev
  --config FILE          the kudev.yaml to use instead of that in WHAT
  --create-namespace     make the namespace if there is none
  --dry-run              have the cluster check everything, change nothing
END
	common_help | sed 's/(default )/(default: as WHAT says)/'
}

overlays()
{
	local each

	for each in "$deploy_dir"/overlays/*/kustomization.yaml; do
		[[ ! -e $each ]] || basename "${each%/*}"
	done
}

# Sets target to an absolute path.
find_target()
{
	local name=$1

	# Neither "." nor ".." is one.
	if [[ -n $name && $name != */* && -e $deploy_dir/overlays/$name/kustomization.yaml ]]; then
		name=$deploy_dir/overlays/$name
	fi
	[[ -e $name ]] ||
		refuse "there is neither an overlay nor a directory or file \"$1\""
	if [[ -d $name ]]; then
		target=$(cd "$name" && pwd -P)
	else
		target=$(cd "$(dirname "$name")" && pwd -P)/$(basename "$name")
	fi
}

# Kustomize wants the way from one directory to another without a leading slash.
way_up()
{
	pwd -P | sed 's:/[^/]*:../:g'
}

# Writes a kustomization around the target into the current directory.
write_kustomization()
{
	local resource=target.yaml

	if [[ -d $target ]]; then
		resource=$(way_up)${target#/}
	else
		cp "$target" target.yaml
	fi
	printf '%s\n' "apiVersion: kustomize.config.k8s.io/v1beta1" "kind: Kustomization" \
		"resources: [\"$resource\"]" ${namespace:+"namespace: \"$namespace\""}
	[[ -n $image$config ]] || return 0
	printf 'patches:\n'
	[[ -z $image ]] || printf '%s\n' "  - target: {kind: DaemonSet, labelSelector: $selector}" \
		"    patch: |-" "      apiVersion: apps/v1" "      kind: DaemonSet" "      metadata: {name: any}" \
		"      spec: {template: {spec: {containers: [{name: kudev, image: \"$image\"}]}}}"
	[[ -z $config ]] || printf '%s\n' "  - target: {kind: ConfigMap, name: kudev}" \
		"    path: config.yaml"
}

# Makes one file of all that is to be applied.
render()
{
	local said

	if [[ -n $config ]]; then
		kube create configmap kudev --from-file=kudev.yaml="$config" --dry-run=client -o yaml >"$work/config.yaml"
	fi
	(cd "$work" && write_kustomization >kustomization.yaml)
	said=$(kube kustomize "$work" 2>&1 >"$work/all.yaml") ||
		die "cannot make manifests of $target: $said"
}

# value_of_daemonset KEY: of what was rendered; its keys come in the order of the alphabet.
value_of_daemonset()
{
	awk -v key="$1:" '/^---/ { kind = "" } /^kind: / { kind = $2 }
		kind == "DaemonSet" && ($1 == key || $2 == key) {
			gsub(/"/, "", $NF); print $NF; exit
		}' "$work/all.yaml"
}

has_config_map()
{
	awk '/^---/ { kind = "" } /^kind: / { kind = $2 }
		kind == "ConfigMap" && $0 == "  name: kudev" { found = 1 }
		END { exit !found }' "$work/all.yaml"
}

check_rendered()
{
	[[ -z $config ]] || has_config_map || die "$target has no ConfigMap \"kudev\" for $config"
	[[ $(value_of_daemonset kind) == DaemonSet ]] || die "$target has no DaemonSet"
	case $(value_of_daemonset image) in
	registry.example.com/*) die "which image? $target names none that there is: say --image IMAGE" ;;
	esac
	namespace=$(value_of_daemonset namespace)
	[[ -n $namespace ]] || die "$target does not say which namespace: say --namespace NAME"
}

# A dry run can't use a namespace that it has not made.
provide_namespace()
{
	if [[ -z $new_namespace ]]; then
		need_namespace
	elif ! ask get namespace "$namespace" -o name >/dev/null 2>&1; then
		kube create namespace "$namespace" ${is_trial:+--dry-run=server}
		if [[ -n $is_trial ]]; then
			say "the rest can be tried when there is a namespace $namespace"
			exit
		fi
	fi
}

while (($#)); do
	case $1 in
	--dry-run) is_trial=yes ;;
	--create-namespace) new_namespace=yes ;;
	-*)
		change_option "$@" || common_option "$@"
		shift
		;;
	*)
		[[ -z $target ]] || refuse "one WHAT at a time, not $1 too"
		find_target "$1"
		;;
	esac
	shift
done
[[ -n $target ]] || target=$deploy_dir/base

need_cluster
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
render
check_rendered
need_right create daemonsets.apps
leave_to_helm upgrade
provide_namespace

if [[ -n $is_trial ]]; then
	say "a trial; nothing is changed"
	kube apply --dry-run=server -f "$work/all.yaml"
	exit
fi
say "deploying $target to namespace $namespace"
kube apply -f "$work/all.yaml"
need_daemonsets
# shellcheck disable=SC2086  # a word each
wait_for_rollout $found
say "kudev runs; \"kubectl describe node NODE\" shows a node's devices within some seconds"
