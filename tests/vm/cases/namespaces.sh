#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# What containers see of devices: in each set-up a class of paths works the same.
. /guest/lib.sh

# try_in NAME MODE...
try_in()
{
	local name=$1

	shift
	serve_below in_pod "$@" <<'YAML'
classes:
  - name: modem
    paths: ["/dev/ttyACM*"]
YAML
	gadget_acm a 0 1546 01a8 S0001
	expect "$name: a modem comes" has_healthy modem 1 1
	unplug a
	expect "$name: and goes" has_healthy modem 0 1
	clean_up
}

try_in "own network" netns
try_in "own network, no /run/udev" netns no-run-udev
try_in "own network, /dev of its own mount" netns dev-rbind
try_in "no /run/udev" no-run-udev
try_in "own users and network" userns netns
try_in "own users" userns
