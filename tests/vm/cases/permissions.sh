#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# seconds: 3
# A new node belongs to root alone until udevd has been at it.
. /guest/lib.sh

# The rule takes its time, so that there is a moment to look at.
mkdir -p /run/udev/rules.d
echo 'SUBSYSTEM=="tty", KERNEL=="ttyACM*", PROGRAM="/bin/sleep 1"' \
	>/run/udev/rules.d/10-slow.rules
udevadm control --reload

# try_class NAME: sets seen to what the node is like once it is Healthy, and now to what it
# is like in the end.
try_class()
{
	local name=$1

	gadget_acm a 0 1546 01a8 S0001
	expect "$name: it is Healthy" has_healthy "$name" 1 1
	seen=$(stat -c '%a %G' /dev/ttyACM0)
	settle
	now=$(stat -c '%a %G' /dev/ttyACM0)
	gadget_remove a
	expect "$name: it goes" is_settled "$name" 0 1
}

serve <<'YAML'
classes:
  - name: path
    paths: ["/dev/ttyACM*"]
YAML
try_class path
assert "in the end it belongs to dialout" equal "$now" "660 dialout"
note "a class of paths announces a node while it is \"$seen\", udevd makes it \"$now\""
stop_serving
serve <<'YAML'
classes:
  - name: link
    paths: ["/dev/serial/by-id/usb-*"]
YAML
try_class link
assert "a link comes when the node is as it will be" equal "$seen" "$now"
stop_serving
needs "match: a node is Healthy once udevd is done" <<'YAML'
classes:
  - name: match
    match: [{subsystem: tty, usb: {vendor: "1546", product: "01a8"}}]
YAML
serve <"$state/feature.yaml"
try_class match
assert "it is Healthy once udevd is done with it" equal "$seen" "$now"
