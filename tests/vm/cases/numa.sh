#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# machine: numa
# seconds: 6
# The kubelet hears which node's bus a device is on.
. /guest/lib.sh

modprobe xhci-pci
wait_for test -e /dev/ttyUSB1
settle
for tty in /sys/class/tty/ttyUSB*; do
	note "${tty##*/}: $(readlink -f "$tty")"
	note "  $(udev_property "/dev/${tty##*/}" ID_SERIAL_SHORT) numa_node $(numa_node "${tty##*/}")"
done
serve <<'YAML'
classes:
  - name: adapter
    paths: ["/dev/serial/by-id/usb-*"]
YAML
expect "both adapters are Healthy" has_healthy adapter 2 2
note "paths: $(last_list adapter | tr '\n' ' ')"
stop_serving
needs "match: the node of a device" <<'YAML'
classes:
  - name: match
    match: [{subsystem: tty, usb: {vendor: "0403", product: "6001"}}]
    identity: serial
YAML
serve <"$state/feature.yaml"
expect "both are matched" has_healthy match 2 2
assert "the one behind the bridge of node 1 has it" \
	grep -qE '=Healthy@1( |$)' "$state/lists"
assert "the other has none" test "$(last_list match | grep -c '=Healthy$')" = 1
