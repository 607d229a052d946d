#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# machine: numa default
# Two adapters with serial numbers have the same IDs on two machines that find them in
# different order, as after a reboot.
. /guest/lib.sh

if [ "$machine" = numa ]; then
	gadget_acm a 0 1546 01a8 S0001
	wait_for test -e /dev/ttyACM0
	gadget_acm b 1 1546 01a8 S0002
else
	gadget_acm b 1 1546 01a8 S0002
	wait_for test -e /dev/ttyACM0
	gadget_acm a 0 1546 01a8 S0001
fi
wait_for test -e /dev/ttyACM1
settle

# try_class NAME: which ID has the one with serial number S0001?
try_class()
{
	local id found=""

	expect "$1: both are Healthy" has_healthy "$1" 2 2
	for id in $(device_ids "$1"); do
		allocate "$1" "$id"
		node=$(awk '$1 == "device" { print $3 }' "$state/answer")
		! udev_has "$node" ID_SERIAL_SHORT S0001 || found=$id
	done
	note "$1: S0001 is $found, $(udev_property /dev/ttyACM0 ID_SERIAL_SHORT) is ttyACM0"
	assert "$1: each can be allocated" test -n "$found"
	same "order:$1" "$found"
}

serve <<'YAML'
classes:
  - name: link
    paths: ["/dev/serial/by-id/usb-Kudev_*"]
YAML
try_class link
stop_serving
needs "match: IDs after a reboot" <<'YAML'
classes:
  - name: match
    match: [{subsystem: tty, usb: {vendor: "1546", product: "01a8"}}]
    identity: serial
YAML
serve <"$state/feature.yaml"
try_class match
