#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# A device is as healthy as its attributes say: its own (dev_debug of a video node) and those
# of the USB device that it is part of (avoid_reset_quirk), which anyone may write here.
. /guest/lib.sh

needs "health: attributes" <<'YAML'
classes:
  - name: adapter
    match: [{subsystem: tty, usb: {vendor: "1209", product: "0001"}}]
    health:
      attributes:
        avoid_reset_quirk: {equals: "0"}
      interval: 200ms
YAML
serve <"$state/feature.yaml"
gadget_serial a 0 1209 0001 F0001
expect "it is Healthy" has_healthy adapter 1 1
device=$(usb_device F0001)
echo 1 >"$device/avoid_reset_quirk"
expect "with a bad value of its parent it is Unhealthy" has_healthy adapter 0 1
assert "the log has a reason" grep -q '"reason":"[^"]*avoid_reset_quirk' "$state/kudev.log"
echo 0 >"$device/avoid_reset_quirk"
expect "with a good one it is Healthy" has_healthy adapter 1 1
stop_serving
modprobe vivid n_devs=1 node_types=0x1
serve <<'YAML'
classes:
  - name: video
    match: [{subsystem: video4linux, attributes: {name: "vivid*"}}]
    health:
      attributes:
        dev_debug: {min: 0, max: 7}
      interval: 200ms
YAML
expect "a video node is Healthy" has_healthy video 1 1
echo 8 >/sys/class/video4linux/video0/dev_debug
expect "with too great a value it is Unhealthy" has_healthy video 0 1
echo 7 >/sys/class/video4linux/video0/dev_debug
expect "with the greatest it is Healthy" has_healthy video 1 1
