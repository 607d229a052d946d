# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034  # used by those who source this
# What the scripts of this directory have in common: options, kubectl, and telling why something
# does not run. To be sourced with "set -euo pipefail" by bash, 3.2 or newer: no mapfile, and
# arrays that are never empty.

unset CDPATH # with it cd prints where it went
deploy_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
selector=app.kubernetes.io/name=kudev
namespace=kube-system
context=
timeout=300s
# Several words for "k3s kubectl", "k0s kubectl", "microk8s kubectl".
read -r -a kubectl <<<"${KUBECTL:-kubectl}"
[[ -n ${kubectl[*]:-} ]] || kubectl=(kubectl)

say()
{
	printf '== %s\n' "$*"
}

warn()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die()
{
	warn "$*"
	exit 1
}

# Wrong usage.
refuse()
{
	warn "$*; see ${0##*/} --help"
	exit 2
}

# need_value OPTION [VALUE]
need_value()
{
	[[ ${2:-} == [!-]* ]] || refuse "$1 needs a value"
}

# common_option OPTION [VALUE]: those that all scripts have; a value follows each, but with the
# first the script ends. There are no others.
common_option()
{
	case $1 in
	-h | --help)
		usage
		exit
		;;
	-n | --namespace) namespace=${2:-} ;;
	--context) context=${2:-} ;;
	--timeout) timeout=${2:-} ;;
	*) refuse "there is no option $1" ;;
	esac
	need_value "$@"
	# What kubectl has against them it would say too late: after a change, before the wait.
	[[ $timeout =~ ^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$ ]] || refuse "\"$timeout\" is no time such as 90s"
	[[ -z $namespace || $namespace =~ ^[a-z0-9]([-a-z0-9]*[a-z0-9])?$ ]] ||
		refuse "\"$namespace\" is no name of a namespace"
}

common_help()
{
	cat <<END
  -n, --namespace NAME   of kudev (default $namespace)
  --context NAME         of kubectl's configuration
  --timeout TIME         how long to wait for pods (default $timeout)
  -h, --help             this text

The variable KUBECTL is the command to use, "k3s kubectl" for example.
Exit status: 0 done, 1 failed, 2 wrong usage.
END
}

kube()
{
	"${kubectl[@]}" ${context:+--context="$context"} "$@"
}

# The same for what only asks: it must not hang where the cluster does.
ask()
{
	kube --request-timeout=30s "$@"
}

# The last line of what kubectl says is the one that matters.
last_line()
{
	printf '%s\n' "${1##*$'\n'}"
}

need_cluster()
{
	local said

	command -v "${kubectl[0]}" >/dev/null ||
		die "no ${kubectl[0]} here: install kubectl, or say KUBECTL=\"k3s kubectl\""
	said=$(kube --request-timeout=10s version 2>&1) ||
		die "cannot reach the cluster: $(last_line "$said")" \
			"(kubectl config current-context tells which one it is)"
}

need_namespace()
{
	local said

	# Who may not look at namespaces may still be at home in this one.
	said=$(ask get namespace "$namespace" -o name 2>&1) || [[ $said != *NotFound* ]] ||
		die "there is no namespace $namespace; deploy.sh --create-namespace makes one"
}

# need_right VERB RESOURCE: ends if the cluster says no; if it says nothing, so be it.
need_right()
{
	local said

	said=$(ask auth can-i "$1" "$2" -n "$namespace" 2>&1) || [[ $(last_line "$said") != no* ]] ||
		die "you may not $1 $2 in namespace $namespace;" \
			"\"kubectl auth can-i --list -n $namespace\" tells what you may"
}

# Prints kudev's DaemonSets, a line each; kustomize makes one, and Helm one a release.
daemonsets()
{
	ask get daemonsets -n "$namespace" -l "$selector" -o name
}

# Sets found to them; ends if there are none.
need_daemonsets()
{
	found=$(daemonsets) || die "cannot look for kudev in namespace $namespace"
	[[ -n $found ]] || die "there is no kudev in namespace $namespace;" \
		"\"kubectl get daemonsets -A -l $selector\" finds others, deploy.sh makes one"
}

# Ends if Helm has made it: Helm would not know what became of it.
leave_to_helm()
{
	local ours

	ours=$(ask get daemonsets -n "$namespace" -l "$selector,app.kubernetes.io/managed-by=Helm" \
		-o name)
	[[ -z $ours ]] || die "${ours##*/} in namespace $namespace is Helm's: use \"helm $1\""
}

pod_format='{range .items[*]}{.metadata.name}|{.spec.nodeName}|{.status.phase}|'
pod_format+='{.status.containerStatuses[0].ready}|{.status.containerStatuses[0].restartCount}|'
pod_format+='{.status.containerStatuses[0].state.waiting.reason}|'
pod_format+='{.status.containerStatuses[0].state.waiting.message}{"\n"}{end}'

# kudev's pods, a line each: name|node|phase|ready|restarts|waiting for|message
# A message of several lines becomes one.
pods()
{
	ask get pods -n "$namespace" -l "$selector" -o jsonpath="$pod_format" |
		awk -F '|' 'NF < 7 { if (NF) printf " %s", $0; next }
			NR > 1 { print "" } { printf "%s", $0 } END { print "" }'
}

# What to do about a container that waits for this reason.
hint()
{
	case $1 in
	ErrImagePull | ImagePullBackOff | InvalidImageName | ErrImageNeverPull)
		echo "is the image pushed, and may the node pull it? update.sh --image IMAGE" ;;
	CrashLoopBackOff)
		echo "kudev ends soon after its start; its log says why" ;;
	CreateContainerConfigError)
		echo "a ConfigMap or Secret that the pod names is not there" ;;
	ContainerCreating | CreateContainerError | RunContainerError)
		echo "perhaps the node lacks a directory that is mounted; its events tell" ;;
	*)
		echo "its events tell more" ;;
	esac
}

# Tells of one pod that is not as it should be, with the end of its log if it has crashed.
explain_pod()
{
	local name=$1 node=$2 phase=$3 restarts=$4 reason=$5 message=$6

	if [[ -z $reason && -n $node ]]; then
		echo "pod $name on $node: $phase, but not ready: kubectl exec -n $namespace $name -- kudev status"
	elif [[ -z $reason ]]; then
		echo "pod $name: $phase, on no node yet"
	else
		echo "pod $name on $node: $reason${message:+: $message}"
		echo "  $(hint "$reason")"
	fi
	if [[ ${restarts:-0} != 0 ]]; then
		ask logs -n "$namespace" "$name" --previous --tail=10 2>&1 | sed 's/^/  | /' || true
	fi
}

# Tells of all of them, and of pods that can't even be made.
explain()
{
	local name node phase ready restarts reason message

	while IFS='|' read -r name node phase ready restarts reason message; do
		[[ -z $name || $ready == true ]] ||
			explain_pod "$name" "$node" "$phase" "$restarts" "$reason" "$message"
	done <<<"$(pods)"
	ask get events -n "$namespace" --field-selector reason=FailedCreate,involvedObject.kind=DaemonSet \
		-o jsonpath='{range .items[*]}{.involvedObject.name}: {.message}{"\n"}{end}' |
		sort -u | head -n 5
}

# wait_for_rollout DAEMONSET...: until all of their pods are ready; tells why if they are not.
wait_for_rollout()
{
	local each

	for each; do
		if ! kube rollout status "$each" -n "$namespace" --timeout="$timeout"; then
			explain >&2
			die "${each##*/} does not run everywhere; diagnose.sh -n $namespace collects what there is to see"
		fi
	done
}

# node_devices [NODE]: what nodes offer, other plugins' too: node resource allocatable capacity
node_devices()
{
	local format

	# shellcheck disable=SC2016  # those of the template
	format='{{range .items}}{{$node := .metadata.name}}{{$capacity := .status.capacity}}
{{- range $name, $count := .status.allocatable}}
{{- $node}} {{$name}} {{$count}} {{index $capacity $name}}{{"\n"}}{{end}}{{end}}'
	# A list, even of one: a node by its name would come alone.
	ask get nodes ${1:+--field-selector="metadata.name=$1"} -o go-template="$format" |
		awk '$2 ~ "/" && $2 !~ "kubernetes.io/"'
}

# change_option OPTION [VALUE]: of those that change what runs; true if it is one of them.
change_option()
{
	case $1 in
	--image)
		check_image "${2:-}"
		image=$2
		;;
	--config)
		check_config "${2:-}"
		config=$2
		;;
	*) return 1 ;;
	esac
}

# An image must not become more than one word of YAML.
check_image()
{
	[[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9._/:@-]*$ ]] || refuse "\"$1\" is no name of an image"
}

check_config()
{
	[[ -n $1 ]] || refuse "--config needs a value"
	[[ -f $1 && -r $1 ]] || die "there is no file $1 to read"
	! command -v kudev >/dev/null || kudev check --config "$1" >/dev/null ||
		die "$1 has mistakes"
}
