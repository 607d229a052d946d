#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# seconds: 6
# Two adapters change places.
. /guest/lib.sh

needs "match: identity" <<'YAML'
classes:
  - name: serial
    match: [{subsystem: tty, usb: {vendor: "1209", product: "0001"}}]
    identity: serial
    share: 2
  - name: port
    match: [{subsystem: tty, usb: {vendor: "1209", product: "0001"}}]
    identity: port
    share: 2
YAML

# id_of CLASS NODE: the ID that a container gets this node with.
id_of()
{
	local id

	for id in $(device_ids "$1"); do
		allocate "$1" "$id"
		if grep -q "^device [^ ]* $2 " "$state/answer"; then
			echo "$id"
			return
		fi
	done
}

# look: sets node_0 and node_1 to the nodes of what is plugged in there.
look()
{
	node_0=$(echo /sys/devices/platform/dummy_hcd.0/usb?*/?*-1/?*:1.0/ttyUSB*)
	node_1=$(echo /sys/devices/platform/dummy_hcd.1/usb?*/?*-1/?*:1.0/ttyUSB*)
	node_0=/dev/${node_0##*/}
	node_1=/dev/${node_1##*/}
}

# both_have COUNT: so many devices are Healthy in each class.
both_have()
{
	is_settled port "$1" && has_healthy serial "$1"
}

# swap_with NAME SERIAL SERIAL: sets serial_a, serial_b, port_a and port_b to the IDs before.
swap_with()
{
	serve <"$state/feature.yaml"
	gadget_serial a 0 1209 0001 "$2"
	gadget_serial b 1 1209 0001 "$3"
	expect "$1: both are Healthy" both_have 4
	look
	serial_a=$(id_of serial "$node_0")
	serial_b=$(id_of serial "$node_1")
	port_a=$(id_of port "$node_0")
	port_b=$(id_of port "$node_1")
	note "$1: serial $serial_a $serial_b, port $port_a $port_b"
	unplug a
	unplug b
	expect "$1: both are gone" both_have 0
	plug b 0
	plug a 1
	expect "$1: both are back" both_have 4
	look
	assert "$1: the one in the first port has its ID" \
		equal "$(id_of port "$node_0")" "$port_a"
	assert "$1: the one in the second port has its ID" \
		equal "$(id_of port "$node_1")" "$port_b"
}

swap_with "different serials" F0001 F0002
assert "the first adapter has its ID in the second port" \
	equal "$(id_of serial "$node_1")" "$serial_a"
assert "the second adapter has its ID in the first port" \
	equal "$(id_of serial "$node_0")" "$serial_b"
clean_up
swap_with "equal serials" F0001 F0001
expect "equal serials are still two devices" has_healthy serial 4
clean_up
swap_with "no serials" "" ""
expect "without serials they are two devices" has_healthy serial 4
