#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# seconds: 5
# Devices by what they are: the same one under any name, and told apart from its like.
. /guest/lib.sh

serve <<'YAML'
classes:
  - name: first
    match: [{subsystem: tty, usb: {vendor: "1546", serial: S0001}}]
    mountPath: /dev/first
  - name: second
    match: [{usb: {vendor: "1546", product: "01a*", serial: S0002}, subsystem: tty}]
    identity: serial
  - name: ports
    match: [{subsystem: tty, driver: cdc_acm, attributes: {idProduct: "01b0"}}]
    identity: port
  - name: known
    match: [{subsystem: tty, properties: {ID_VENDOR_ID: "1546", ID_SERIAL_SHORT: "T*"}}]
    identity: path
YAML
expect "classes without devices have empty lists" has_healthy first 0 0
gadget_acm a 0 1546 01a8 S0001
gadget_acm b 1 1546 01a8 S0002
expect "the one with its serial number is there" \
	is_healthy first 1546-01a8-s0001-if00-ttyacm
expect "so is the other" is_healthy second 1546-01a8-s0002-if00-ttyacm
allocate first 1546-01a8-s0001-if00-ttyacm
assert "a container gets it at its fixed place" \
	grep -q '^device vm.test/first /dev/ttyACM0 /dev/first rw$' "$state/answer"

unplug a
unplug b
expect "unplugged, the first is Unhealthy" has_healthy first 0 1
expect "unplugged, the second is Unhealthy" has_healthy second 0 1
plug b 0
expect "plugged in elsewhere it is the same" is_healthy second 1546-01a8-s0002-if00-ttyacm
plug a 1
expect "and the other one too" is_healthy first 1546-01a8-s0001-if00-ttyacm
settle
allocate first 1546-01a8-s0001-if00-ttyacm
assert "they have swapped their nodes, and the container gets the right one" \
	grep -q '^device vm.test/first /dev/ttyACM1 /dev/first rw$' "$state/answer"
assert "it was logged" grep -q '"msg":"device moved"' "$state/kudev.log"
assert "there was never another device in the first class" has_healthy first 1 1
assert "nor in the second" has_healthy second 1 1

gadget_acm c 2 1546 01b0 ""
expect "a device is known by its port" has_healthy ports 1 1
note "its ID is $(device_ids ports)"
assert "the ID tells the port" test -n "$(device_ids ports | grep 'dummy-hcd-2-usb.-1-if00-ttyacm')"
unplug c
expect "without it the port is empty" has_healthy ports 0 1
plug c 3
expect "in another port it is another device" has_healthy ports 1 2
unplug c
plug c 2
expect "and in the first one the first again" has_healthy ports 1 2

gadget_acm d 3 1546 01a9 T1
expect "a class by properties sees it once udev has them" has_healthy known 1 1
assert "by its path" is_healthy known ttyacm3
