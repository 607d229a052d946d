#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# seconds: 8
# What containers see of devices: in each set-up kudev works the same.
. /guest/lib.sh

gadget_acm a "" 1546 01a8 S0001
gadget_serial b "" 1209 0001 F0001

# try_in NAME MODE...
try_in()
{
	local name=$1

	shift
	serve_below in_pod "$@" <<'YAML'
classes:
  - name: path
    paths: ["/dev/ttyACM*"]
  - name: match
    match: [{subsystem: tty, usb: {vendor: "1209"}}]
YAML
	plug a 0
	plug b 1
	expect "$name: a modem comes, by its path" has_healthy path 1 1
	expect "$name: an adapter comes, by its properties" has_healthy match 1 1
	note "$(last_list match)"
	unplug a
	unplug b
	expect "$name: one goes" has_healthy path 0 1
	expect "$name: and the other" is_settled match 0 1
	stop_serving
}

try_in "own network" netns
try_in "own network, no /run/udev" netns no-run-udev
try_in "own network, /dev of its own mount" netns dev-rbind
try_in "no /run/udev" no-run-udev
try_in "own users and network" userns netns
try_in "own users" userns
