#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Gives a running kudev another image, another configuration, or those that it had before.
set -euo pipefail
# shellcheck source=deploy/scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

image=
config=
is_undo=
is_trial=

usage()
{
	cat <<END
update.sh [OPTION]...: another image or configuration for the kudev of a cluster

  --image IMAGE          the image; one node in ten at a time, as the DaemonSet says
  --config FILE          the kudev.yaml; kudev reads it by itself within some two minutes
  --undo                 back to the image and settings before the last change of them;
                         a restart.sh is one too
  --dry-run              have the cluster check it, change nothing
END
	common_help
}

# The ConfigMap that the DaemonSet mounts.
config_map_of()
{
	ask get "$1" -n "$namespace" \
		-o jsonpath='{.spec.template.spec.volumes[?(@.name=="config")].configMap.name}'
}

# Nothing but the data: labels stay as they are.
update_config()
{
	local name data

	name=$(config_map_of "$1")
	[[ -n $name ]] || die "${1##*/} has no ConfigMap as its volume \"config\""
	data=$(kube create configmap "$name" --from-file=kudev.yaml="$config" --dry-run=client \
		-o jsonpath='{.data}')
	# What is not UTF-8 goes elsewhere.
	[[ $data == "{"* ]] || die "$config is no text"
	kube patch configmap "$name" -n "$namespace" --type=merge -p "{\"data\": $data}" \
		${is_trial:+--dry-run=server}
}

update_image()
{
	kube set image "$1" -n "$namespace" "kudev=$image" ${is_trial:+--dry-run=server}
}

undo()
{
	kube rollout undo "$1" -n "$namespace" ${is_trial:+--dry-run=server}
}

while (($#)); do
	case $1 in
	--dry-run) is_trial=yes ;;
	--undo) is_undo=yes ;;
	*)
		change_option "$@" || common_option "$@"
		shift
		;;
	esac
	shift
done
[[ -n $image$config$is_undo ]] || refuse "say --image, --config or --undo"
[[ -z $is_undo || -z $image ]] || refuse "--undo and --image exclude each other"

need_cluster
need_namespace
need_daemonsets
leave_to_helm upgrade
[[ -z $image$is_undo ]] || need_right patch daemonsets.apps
[[ -z $config ]] || need_right patch configmaps

for each in $found; do
	[[ -z $config ]] || update_config "$each"
	[[ -z $image ]] || update_image "$each"
	[[ -z $is_undo ]] || undo "$each"
done
[[ -z $is_trial ]] || exit 0
# shellcheck disable=SC2086  # a word each
[[ -z $image$is_undo ]] || wait_for_rollout $found
[[ -z $config ]] ||
	say "kudev logs \"configuration reloaded\", or \"configuration not reloaded\" and why, when the kubelets have brought it the file"
say "done"
