#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds kudev and shows, without a cluster, what it would hand out to pods on this machine.
# Any argument is passed on to "kudev try".
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../scripts/lib.sh"

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
	echo "quickstart.sh [kudev try OPTION]...: builds kudev and shows what pods would get here"
	exit
fi

tree=$build_root/quickstart
config=$source_dir/examples/quickstart.yaml

cat <<END
This installs what kudev is built from, as far as it is missing (apt-get), builds kudev in
$tree
and runs "kudev list", which shows the devices of this machine, and "kudev try" on
$config: a stand-in for the kubelet shows each resource, its devices, and what a pod would
get.
Nothing else on this machine is changed.

END

need_packages "${build_packages[@]}"
configure_tree "$tree" --disable-tests
make_tree "$tree" all

say "kudev list: what this machine has"
"$tree/kudev" list

say "kudev try --once --config examples/quickstart.yaml $*"
status=0
"$tree/kudev" try --once --config "$config" "$@" || status=$?

cat <<END

To follow devices come and go, leave out --once (Ctrl-C ends it):
  $tree/kudev try --config $config
END
exit "$status"
