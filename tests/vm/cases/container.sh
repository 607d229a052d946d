#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# machine: cameras
# seconds: 5
# What deploy/ mounts, and the rights that it gives, are enough.
. /guest/lib.sh

capabilities()
{
	sed -n 's/^CapEff:[[:space:]]*//p' "/proc/$(program_pid kudev)/status"
}

# Where cases have exchanged the index of modules (camera_module), udevd finds none by itself.
modprobe cdc-acm
gadget_acm a "" 1546 01a8 S0001
serve_below in_container <<'YAML'
classes:
  - name: path
    paths: ["/dev/ttyACM*"]
  - name: match
    match: [{subsystem: tty, usb: {vendor: "1209"}}]
YAML
assert "no capability is left" equal "$(capabilities)" 0000000000000000
gadget_serial b "" 1209 0001 F0001
plug a 0
plug b 1
expect "without rights: a modem comes, by its path" has_healthy path 1 1
expect "without rights: an adapter comes, by its properties" has_healthy match 1 1
attempt "without rights: it is handed out" allocate match "$(device_ids match)"
unplug a
expect "without rights: one goes" has_healthy path 0 1
unplug b
stop_serving

needs_cameras
serve_cameras()
{
	serve_below in_container privileged <<'YAML'
classes:
  - name: camera
    v4l2loopback: {count: 2, label: "Cam {index}", mode: "0640", group: "44"}
YAML
}

mode_of_camera()
{
	equal "$(stat -c '%a %g' /dev/video10)" "640 44"
}

camera_module none
serve_cameras
expect "privileged: dummies are made" has_healthy camera 2 2
assert "privileged: on the node" test -L /dev/dummy-video10
stop_serving
version=$(camera_versions | tail -n 1)
camera_module "$version"
serve_cameras
expect "privileged: the module is loaded, and cameras are made" test -c /dev/video11
expect "privileged: they are healthy" has_healthy camera 2 2
expect "privileged: mode and group are set" mode_of_camera
attempt "privileged: one is handed out" allocate camera video10
attempt "privileged: it is reset before a container starts" start_container camera video10
stop_serving
remove_cameras
