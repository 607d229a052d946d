#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# Two adapters with one serial number.
. /guest/lib.sh

serve <<'YAML'
classes:
  - name: twin
    match: [{subsystem: tty, usb: {vendor: "1546"}}]
YAML
plain=1546-01a8-same-if00-ttyacm
gadget_acm a 0 1546 01a8 SAME
expect "alone, it has the plain name" is_healthy twin "$plain"
gadget_acm b 1 1546 01a8 SAME
expect "its twin is another device" has_healthy twin 2 2
other=$(device_ids twin | grep -v "^$plain$")
note "the twin is $other"
assert "which has its port in its name" test -n "$(echo "$other" | grep dummy-hcd-1)"
assert "the first one has kept its name" is_healthy twin "$plain"
expect "it was noted" grep -q "another device has the same serial number" "$state/kudev.log"
unplug a
expect "without the first, the twin keeps its name" is_unhealthy twin "$plain"
assert "and is there" is_healthy twin "$other"
plug a 0
expect "the first one gets its name again" is_healthy twin "$plain"
unplug b
unplug a
expect "both are gone" has_healthy twin 0 2
plug b 1
expect "the twin comes back first, under its own name" is_healthy twin "$other"
assert "which is not the first one's" is_unhealthy twin "$plain"
plug a 0
expect "and the first one under its own" is_healthy twin "$plain"
assert "there were never more than two" has_healthy twin 2 2
