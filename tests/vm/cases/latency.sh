#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# seconds: 6
# How long the kubelet waits to hear of it.
. /guest/lib.sh

serve <<'YAML'
classes:
  - name: link
    paths: ["/dev/serial/by-id/usb-*"]
YAML
gadget_acm a 0 1546 01a8 S0001
expect "a modem is there" is_settled link 1
interface=$(basename "$(readlink -f /sys/class/tty/ttyACM0/device)")

driver_off()
{
	echo "$interface" >/sys/bus/usb/drivers/cdc_acm/unbind
}

driver_on()
{
	echo "$interface" >/sys/bus/usb/drivers/cdc_acm/bind
}

# promises NAME
promises()
{
	show_latency ttyACM0 link
	assert "$1: a plug is listed within 20 ms of its udev event (p99)" \
		is_within 20 "plug: udev event -> list"
	assert "$1: an unplug is listed within 20 ms of its kernel event (p99)" \
		is_within 20 "unplug: kernel event -> list"
}

# cycle NAME COUNT OFF ON...: what makes it go, and what makes it come.
cycle()
{
	local i=0 name=$1 count=$2 off=$3

	shift 3
	while [ "$i" -lt "$count" ]; do
		"$off" a
		wait_for is_settled link 0 || break
		"$@"
		wait_for is_settled link 1 || break
		i=$((i + 1))
	done
	assert "$name: it comes and goes" equal "$i" "$count"
	promises "$name"
}

cycle driver "$(boot_value vm.cycles 25)" driver_off driver_on
stop_serving
serve <<'YAML'
classes:
  - name: link
    paths: ["/dev/serial/by-id/usb-*"]
YAML
cycle plug "$(boot_value vm.plugs 5)" unplug plug a 0
