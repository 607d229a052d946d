#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Removes from a cluster what deploy.sh put there.
set -euo pipefail
# shellcheck source=deploy/scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

is_trial=
is_sure=

usage()
{
	cat <<END
clean-up.sh [OPTION]...: removes kudev from a cluster

All that has the label $selector in the namespace goes; the namespace stays.
Pods that hold devices go on with them, but get none when they start again.

  --yes                  do not ask
  --dry-run              show what would go, remove nothing
END
	common_help
}

# Monitoring has kinds that a cluster may not know.
kinds()
{
	local more status=0

	more=$(ask api-resources --api-group=monitoring.coreos.com --namespaced -o name 2>/dev/null) ||
		status=$?
	more=$(grep -E '^(podmonitors|prometheusrules|servicemonitors)\.' <<<"$more" | tr '\n' ',') || true
	# It fails for any group of the cluster that does not answer, too.
	((status == 0)) || [[ -n $more ]] ||
		warn "the cluster does not say if it has PodMonitors: one of kudev's would stay"
	printf '%sdaemonsets.apps,configmaps,serviceaccounts,services,networkpolicies.networking.k8s.io' "$more"
}

confirm()
{
	local answer

	[[ -z $is_sure ]] || return 0
	[[ -t 0 ]] || die "nobody is there to ask: say --yes"
	printf 'Remove these from namespace %s? [y/N] ' "$namespace"
	read -r answer || true
	[[ $answer == [yY]* ]] || die "nothing was removed"
}

pods_left()
{
	ask get pods -n "$namespace" -l "$selector" -o name
}

while (($#)); do
	case $1 in
	--yes) is_sure=yes ;;
	--dry-run) is_trial=yes ;;
	*)
		common_option "$@"
		shift
		;;
	esac
	shift
done

need_cluster
need_namespace
leave_to_helm uninstall
all=$(kinds)
ours=$(ask get "$all" -n "$namespace" -l "$selector" -o name) ||
	die "cannot look for what belongs to kudev in namespace $namespace"
if [[ -z $ours ]]; then
	say "there is nothing of kudev in namespace $namespace"
	exit
fi
printf '%s\n' "$ours"
[[ -z $is_trial ]] || exit 0
need_right delete daemonsets.apps
confirm
kube delete "$all" -n "$namespace" -l "$selector" --ignore-not-found --timeout="$timeout"
# The DaemonSet is gone before its pods are; they may all be gone when the wait for them begins, and
# kubectl then finds fault with that.
left=$(pods_left)
if [[ -n $left ]] && ! said=$(kube wait pods -n "$namespace" -l "$selector" --for=delete \
	--timeout="$timeout" 2>&1); then
	left=$(pods_left)
	[[ -z $left ]] || die "these do not end: ${left//$'\n'/ } ($(last_line "$said"))"
fi
cat <<'END'
== kudev is gone. What stays on the nodes, until they start anew or somebody removes it:
   the resources, with 0 devices        when the kubelet starts the next time
   virtual cameras, and their module    modprobe -r v4l2loopback, when nobody uses them
   CDI names                            /var/run/cdi/kudev-*.json
   simulated devices                    /run/kudev
END
