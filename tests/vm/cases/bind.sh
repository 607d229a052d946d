#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# The driver lets go of a device that stays where it is, and takes it again.
. /guest/lib.sh

serve <<'YAML'
classes:
  - name: modem
    paths: ["/dev/ttyACM*"]
YAML
gadget_acm a 0 1546 01a8 S0001
expect "a modem is there" has_healthy modem 1 1
interface=$(basename "$(readlink -f /sys/class/tty/ttyACM0/device)")
driver=/sys/bus/usb/drivers/cdc_acm
i=0
while [ "$i" -lt 3 ]; do
	echo "$interface" >"$driver/unbind"
	expect "without its driver it is Unhealthy ($i)" has_healthy modem 0 1
	echo "$interface" >"$driver/bind"
	expect "with its driver it is Healthy ($i)" has_healthy modem 1 1
	i=$((i + 1))
done
device=$(usb_device S0001)
echo 0 >"$device/authorized"
expect "when it may not be used any more it is Unhealthy" has_healthy modem 0 1
echo 1 >"$device/authorized"
expect "when it may it is Healthy" has_healthy modem 1 1
