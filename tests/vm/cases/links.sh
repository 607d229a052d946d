#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# A glob over the links that udev makes: what it means is what the class hands out.
. /guest/lib.sh

serve <<'YAML'
classes:
  - name: serial
    paths: ["/dev/serial/by-id/usb-*"]
YAML
expect "without the directory there is no device" has_healthy serial 0 0
gadget_acm a 0 1546 01a8 S0001
gadget_acm b 1 1546 01a8 S0002
expect "both are there under their serial numbers" has_healthy serial 2 2
id=$(last_list serial | sed -n 's/^\([^=]*s0001[^=]*\)=.*/\1/p')
assert "the ID comes from the link" test -n "$id"
allocate serial "$id"
node=$(readlink -f /dev/serial/by-id/*S0001*)
note "$id is $node: $(grep '^device ' "$state/answer")"
assert "the node that it points to is handed out" grep -qE \
	"^device vm.test/serial (/dev/serial/by-id/[^ ]*S0001[^ ]*|$node) " "$state/answer"
unplug a
expect "one goes, the other stays" has_healthy serial 1 2
assert "it is the right one" is_unhealthy serial "$id"
unplug b
expect "the other goes" has_healthy serial 0 2
plug b 0
plug a 1
expect "plugged in in another order, both come back" has_healthy serial 2 2
expect "the first one too" is_healthy serial "$id"
allocate serial "$id"
node=$(readlink -f /dev/serial/by-id/*S0001*)
note "$id is $node: $(grep '^device ' "$state/answer")"
assert "its ID follows it to its new node" grep -qE \
	"^device vm.test/serial (/dev/serial/by-id/[^ ]*S0001[^ ]*|$node) " "$state/answer"

# udev makes a link under a name like this, and then gives it its own.
hidden=/dev/serial/by-id/.#usb-Kudev_Modem_S0001-if00deadbeef
ln -s ../../ttyACM0 "$hidden"
stop_serving
serve <<'YAML'
classes:
  - name: all
    paths: ["/dev/serial/by-id/*"]
YAML
assert "a temporary name is no device" \
	equal "$(last_list all | grep -c deadbe)" 0
rm "$hidden"
