#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# seconds: 5
# A camera with a microphone: one device of several drivers and many nodes.
. /guest/lib.sh

serve <<'YAML'
classes:
  - name: video
    paths: ["/dev/v4l/by-id/usb-*Camera*"]
  - name: sound
    paths: ["/dev/snd/by-id/usb-*Camera*"]
YAML
camera_plug c C0001
expect "its two video nodes come" has_healthy video 2 2
expect "its sound card comes" has_healthy sound 1 1
settle
for node in /dev/video* /dev/snd/*; do
	note "$node: $(udevadm info --query=property --name="$node" 2>/dev/null | grep -E \
		'^(SUBSYSTEM|ID_SERIAL|ID_PATH|ID_USB_INTERFACE_NUM|ID_V4L_CAPABILITIES|ID_USB_DRIVER)=' |
		tr '\n' ' ')"
done
camera_unplug c
expect "the video nodes go" has_healthy video 0 2
expect "the sound card goes" has_healthy sound 0 1
stop_serving
needs "match: one unit of several nodes" <<'YAML'
classes:
  - name: camera
    match:
      - {subsystem: video4linux, usb: {vendor: "0525", product: "a4a2"}}
      - {subsystem: sound, usb: {vendor: "0525", product: "a4a2"}}
    identity: serial
    together: parent
YAML
serve <"$state/feature.yaml"
gadget_remove c
camera_plug c C0001
expect "all nodes are one device" is_settled camera 1 1
allocate camera "$(device_ids camera)"
assert "the container gets every node" \
	test "$(grep -c '^device ' "$state/answer")" -ge 4
camera_unplug c
expect "it goes as a whole" has_healthy camera 0 1
