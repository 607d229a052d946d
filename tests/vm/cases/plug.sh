#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
. /guest/lib.sh

serve <<'YAML'
classes:
  - name: modem
    paths: ["/dev/ttyACM*"]
    env: {PORT: "{path}"}
YAML
expect "a class without devices has an empty list" has_healthy modem 0 0
gadget_acm a 0 1546 01a8 S0001
expect "a modem that is plugged in is Healthy" is_healthy modem ttyacm0
settle
allocate modem ttyacm0
assert "the container gets its node" \
	grep -q '^device vm.test/modem /dev/ttyACM0 /dev/ttyACM0 rw$' "$state/answer"
assert "the container gets its variable" \
	grep -q '^env vm.test/modem PORT=/dev/ttyACM0$' "$state/answer"
unplug a
expect "a modem that is unplugged is Unhealthy, under its ID" is_unhealthy modem ttyacm0
allocate modem ttyacm0
assert "it can't be had then" grep -q '^refused vm.test/modem ' "$state/answer"
plug a 0
expect "it is Healthy again" is_healthy modem ttyacm0
plug a 0 2>/dev/null || true
assert "there was never another device" has_healthy modem 1 1
