#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Collects what there is to see when pods do not get their devices, and says what it makes of it.
set -euo pipefail
# shellcheck source=deploy/scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

node=
is_all=
is_blind=
findings=
resources=
log_lines=100

usage()
{
	cat <<END
diagnose.sh [OPTION]... >REPORT: why do pods not get their devices?

Changes nothing. The report has states, events, and what kudev itself says; no Secrets, no
ConfigMaps, no environments of pods. It looks closer at those pods of kudev that have trouble,
or at one if none has.

  --node NAME            look closer at kudev on this node
  --all                  look closer at all of kudev's pods
END
	common_help
}

# finding TEXT: something that is not as it should be, for the end.
finding()
{
	findings+="  * ${*//$'\n'/$'\n'  }"$'\n'
}

# show TITLE COMMAND...: a part of the report; a command that fails has said why.
show()
{
	printf '\n== %s\n' "$1"
	shift
	"$@" 2>&1 || printf '(exit status %d)\n' "$?"
}

show_daemonsets()
{
	local format name wanted ready

	format='{range .items[*]}{.metadata.name}|{.status.desiredNumberScheduled}|{.status.numberReady}{"\n"}{end}'
	ask get daemonsets -n "$namespace" -l "$selector" -o wide
	while IFS='|' read -r name wanted ready; do
		if [[ -z $name ]]; then
			finding "there is no kudev in namespace $namespace: -n says another," \
				"\"kubectl get daemonsets -A -l $selector\" finds it"
		elif [[ ${wanted:-0} == 0 ]]; then
			finding "DaemonSet $name is for no node: its nodeSelector, or the nodes' taints"
		elif [[ ${ready:-0} != "$wanted" ]]; then
			finding "DaemonSet $name is ready on ${ready:-0} of $wanted nodes"
		fi
	done <<<"$(ask get daemonsets -n "$namespace" -l "$selector" -o jsonpath="$format")"
}

show_pods()
{
	local name on phase ready restarts reason message

	ask get pods -n "$namespace" -l "$selector" -o wide
	while IFS='|' read -r name on phase ready restarts reason message; do
		[[ -n $name ]] || continue
		if [[ $ready != true ]]; then
			finding "$(explain_pod "$name" "$on" "$phase" 0 "$reason" "$message")"
		elif [[ ${restarts:-0} != 0 ]]; then
			finding "pod $name on $on has started $restarts times anew; its last end is in its part of the report"
		fi
	done <<<"$all_pods"
}

show_events()
{
	local format

	format='{range .items[*]}{.lastTimestamp} {.type} {.reason} {.involvedObject.kind}/{.involvedObject.name}: '
	format+='{.message}{"\n"}{end}'
	ask get events -n "$namespace" --sort-by=.lastTimestamp -o jsonpath="$format" | grep kudev | tail -n 30 ||
		echo "none"
}

# Of all plugins; what is made of them is about kudev's, if one of its pods could tell which. A
# node without devices is none to wonder at, but all nodes are.
show_nodes()
{
	local name resource count capacity

	while read -r name resource count capacity; do
		[[ -n $name ]] || continue
		printf '%-30s %-40s %s of %s\n' "$name" "$resource" "$count" "$capacity"
		[[ $'\n'$resources$'\n' == *$'\n'$resource$'\n'* && $count == 0 && $capacity != 0 ]] || continue
		finding "$resource on $name: 0 of $capacity devices are healthy"
	done <<<"$devices"
	for resource in $resources; do
		[[ -z $is_blind ]] || break
		awk -v resource="$resource" '$2 == resource && $4 > 0 { found = 1 } END { exit !found }' <<<"$devices" ||
			finding "there is no device of $resource on ${node:-any node}: what \"kudev check\" misses is in its part of the report"
	done
}

# Those that want devices of kudev, or of any plugin if it is not known which are kudev's.
show_waiting_pods()
{
	local format pod limits message

	format='{range .items[*]}{.metadata.namespace}/{.metadata.name}|{.spec.containers[*].resources.limits}|'
	format+='{.status.conditions[?(@.type=="PodScheduled")].message}{"\n"}{end}'
	while IFS='|' read -r pod limits message; do
		[[ -n $pod ]] || continue
		grep -qF "${resources:-/}" <<<"$limits" || continue
		printf '%s: %s\n' "$pod" "${message:-has a node, and does not run yet}"
		finding "pod $pod waits: ${message:-it has a node, and does not run yet; \"kubectl describe pod\" tells why}"
	done <<<"$(ask get pods -A --field-selector status.phase=Pending -o jsonpath="$format")"
}

# A kubelet refuses pods when a device went away just then, or kudev was not there yet.
show_refused_pods()
{
	local format pod on message

	format='{range .items[?(@.status.reason=="UnexpectedAdmissionError")]}{.metadata.namespace}/{.metadata.name}|'
	format+='{.spec.nodeName}|{.status.message}{"\n"}{end}'
	while IFS='|' read -r pod on message; do
		[[ -n $pod ]] || continue
		printf '%s on %s: %s\n' "$pod" "$on" "$message"
		finding "the kubelet of $on refused pod $pod: $message"
	done <<<"$(ask get pods -A --field-selector status.phase=Failed -o jsonpath="$format")"
}

# The part of one of kudev's pods: its own view, if it runs, and its log.
show_pod()
{
	local name=$1 on=$2 restarts=$3 reason=$4

	if [[ -z $reason ]]; then
		show "$on: kudev status" in_pod "$name" "$on" status
		show "$on: kudev check" in_pod "$name" "$on" check
	fi
	show "$on: warnings and errors in the log" warnings "$name"
	show "$on: the end of the log" ask logs -n "$namespace" "$name" --tail="$log_lines"
	[[ ${restarts:-0} == 0 ]] ||
		show "$on: the log of the kudev before" ask logs -n "$namespace" "$name" --previous --tail="$log_lines"
}

# in_pod POD NODE COMMAND: a command of kudev in its pod.
in_pod()
{
	local said status=0

	said=$(kube exec -n "$namespace" "$1" -- kudev "$3" 2>&1) || status=$?
	printf '%s\n' "$said"
	((status == 0)) || finding "kudev $3 on $2 failed: $(last_line "$said")"
}

warnings()
{
	ask logs -n "$namespace" "$1" --tail=10000 | grep -E '"level": ?"(WARN|ERROR)"|Z (WARN|ERROR) ' |
		tail -n 30 || echo "none"
}

# Sets resources to those that kudev makes, a line each; a pod that runs knows.
learn_resources()
{
	local name on phase ready rest

	while IFS='|' read -r name on phase ready rest; do
		[[ $ready == true ]] || continue
		resources=$(kube exec -n "$namespace" "$name" -- kudev check -o json 2>/dev/null |
			sed -n 's/.*"resource": *"\([^"]*\)".*/\1/p') || true
		[[ -z $resources ]] || return 0
	done <<<"$all_pods"
}

# Those with trouble, or the first; or what the options say.
show_chosen_pods()
{
	local name on phase ready restarts reason rest any=

	while IFS='|' read -r name on phase ready restarts reason rest; do
		[[ -n $name ]] || continue
		if [[ -n $node ]]; then
			[[ $on == "$node" ]] || continue
		elif [[ -z $is_all && $ready == true && ${restarts:-0} == 0 ]]; then
			continue
		fi
		any=yes
		show_pod "$name" "${on:-no node}" "$restarts" "$reason"
	done <<<"$all_pods"
	[[ -z $any ]] || return 0
	if [[ -n $node ]]; then
		finding "there is no pod of kudev on node $node"
	elif [[ -n $all_pods ]]; then
		IFS='|' read -r name on phase ready restarts reason rest <<<"$all_pods"
		show_pod "$name" "$on" "$restarts" "$reason"
	fi
}

while (($#)); do
	case $1 in
	--all) is_all=yes ;;
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
all_pods=$(pods) || die "cannot look for kudev's pods in namespace $namespace"
devices=$(node_devices ${node:+"$node"}) || {
	is_blind=yes
	finding "what nodes offer can't be looked at"
}
learn_resources

show "versions" ask version
show "DaemonSets" show_daemonsets
show "pods of kudev" show_pods
show "events about kudev" show_events
show "devices that nodes offer: allocatable of all" show_nodes
show "pods that wait for devices" show_waiting_pods
show "pods that were refused" show_refused_pods
show_chosen_pods

printf '\n== findings\n'
printf '%s' "${findings:-  none: kudev runs, and nobody waits for its devices
}"
