#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# seconds: 3
# An adapter with several ports: each is a device of its own, or all are one.
. /guest/lib.sh

serve <<'YAML'
classes:
  - name: link
    paths: ["/dev/serial/by-id/usb-*"]
YAML
gadget_serial a 0 1209 0002 F0001 2
expect "each port has a link" has_healthy link 2 2
unplug a
expect "both go" has_healthy link 0 2
plug a 1
expect "both are back, in another port" has_healthy link 2 2
gadget_remove a
stop_serving
needs "match: several ports" <<'YAML'
classes:
  - name: each
    match: [{subsystem: tty, usb: {vendor: "1209", product: "0002"}}]
    identity: serial
    share: 2
  - name: all
    match: [{subsystem: tty, usb: {vendor: "1209", product: "0002"}}]
    identity: serial
    together: parent
    share: 2
YAML
serve <"$state/feature.yaml"
gadget_serial a 0 1209 0002 F0001 2
expect "each port is a device" is_settled each 4 4
expect "both are one device" is_settled all 2 2
for id in $(device_ids all); do
	allocate all "$id"
	assert "a container gets both ($id)" \
		test "$(grep -c '^device ' "$state/answer")" = 2
done
ids=$(device_ids each)
unplug a
expect "both go" has_healthy each 0 4
plug a 1
expect "both are back, in another port" is_settled each 4 4
assert "with the same IDs" equal "$(device_ids each)" "$ids"
