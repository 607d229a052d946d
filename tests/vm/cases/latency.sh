#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# How long the kubelet waits to hear of it.
. /guest/lib.sh

cycles=$(boot_value vm.cycles 50)
serve <<'YAML'
classes:
  - name: link
    paths: ["/dev/serial/by-id/*"]
YAML
gadget_acm a 0 1546 01a8 S0001
expect "a modem is there" has_healthy link 1 1
settle
interface=$(basename "$(readlink -f /sys/class/tty/ttyACM0/device)")
i=0
while [ "$i" -lt "$cycles" ]; do
	echo "$interface" >/sys/bus/usb/drivers/cdc_acm/unbind
	wait_for has_healthy link 0 || break
	settle
	echo "$interface" >/sys/bus/usb/drivers/cdc_acm/bind
	wait_for has_healthy link 1 || break
	settle
	i=$((i + 1))
done
assert "it has come and gone $cycles times" test "$i" = "$cycles"
note "a class of /dev/serial/by-id/*:"
show_latency ttyACM0 link
