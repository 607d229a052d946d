#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# What kudev takes its events from, by the evidence there is, in each set-up of namespaces
# and mounts. The messages of udev's library are silent in the wrong ones, without an error.
. /guest/lib.sh

configure <<'YAML'
classes:
  - name: nothing
    match: [{subsystem: mem, kernel: "null"}]
YAML

# says NAME EVENTS MODE...
says()
{
	local name=$1 events=$2

	shift 2
	(in_pod "$@" kudev check --config "$state/kudev.yaml") >"$state/check" 2>&1
	note "$name: $(grep '^Events' "$state/check")"
	assert "$name: $events" grep -q "^Events of devices: $events (" "$state/check"
	assert "$name: the device is there" grep -q "^  null  *"/dev/null "$state/check"
}

says "the host" udev
says "the host's network, no /run/udev" "kernel, without udev" no-run-udev
says "the host's network, no /run/udev, /dev a tmpfs" "kernel, without udev" \
	no-run-udev dev-tmpfs
says "the host's network, /dev a tmpfs" udev dev-tmpfs
says "own network" "kernel, with udev's database" netns
says "own network, no /run/udev" "kernel, without udev" netns no-run-udev
says "own network, /dev a tmpfs" "kernel, with udev's database" netns dev-tmpfs
says "own users and network" inotify userns netns
says "own users" udev userns
stop_udevd
says "udevd is dead" "kernel, with udev's database"
start_udevd
says "udevd is back" udev
