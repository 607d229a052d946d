#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Starts kudev anew. Pods keep the devices that they hold.
set -euo pipefail
# shellcheck source=deploy/scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

node=

usage()
{
	cat <<END
restart.sh [OPTION]...: starts kudev anew, and waits until it runs again

Pods keep the devices that they hold. For a changed configuration no restart is needed.

  --node NAME            on this node alone
END
	common_help
}

# The DaemonSet makes another pod at once; until then it has one less than it wants.
restart_node()
{
	local name

	name=$(ask get pods -n "$namespace" -l "$selector" --field-selector "spec.nodeName=$node" -o name)
	[[ -n $name ]] || die "there is no pod of kudev on node $node"
	need_right delete pods
	# shellcheck disable=SC2086  # a word each
	kube delete -n "$namespace" --timeout="$timeout" $name
}

while (($#)); do
	case $1 in
	--node)
		need_value "$@"
		node=$2
		shift
		;;
	*)
		common_option "$@"
		shift
		;;
	esac
	shift
done

need_cluster
need_namespace
need_daemonsets
if [[ -n $node ]]; then
	restart_node
else
	need_right patch daemonsets.apps
	for each in $found; do
		kube rollout restart "$each" -n "$namespace"
	done
fi
# shellcheck disable=SC2086  # a word each
wait_for_rollout $found
say "kudev runs again"
