#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# seconds: 8
# A bad contact: what counts is what is there in the end.
. /guest/lib.sh

serve <<'YAML'
classes:
  - name: link
    paths: ["/dev/serial/by-id/usb-*"]
YAML
gadget_acm a 0 1546 01a8 S0001
expect "a modem is there" has_healthy link 1 1
i=0
while [ "$i" -lt 100 ]; do
	unplug a
	plug a 0
	i=$((i + 1))
done
expect "after 100 quick cycles it is Healthy" is_settled link 1
note "$(count_lists link) lists until then"
interface=$(basename "$(readlink -f /sys/class/tty/ttyACM0/device)")
i=0
while [ "$i" -lt 30 ]; do
	echo "$interface" >/sys/bus/usb/drivers/cdc_acm/unbind
	echo "$interface" >/sys/bus/usb/drivers/cdc_acm/bind
	i=$((i + 1))
done
expect "after 30 cycles of its driver it is Healthy" is_settled link 1
note "$(count_lists link) lists until then"
unplug a
expect "and once gone, it is gone" is_settled link 0
assert "kudev has lived through it" is_running kudev
