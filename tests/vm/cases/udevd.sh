#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# seconds: 3
# udevd dies, things happen, and it comes back.
. /guest/lib.sh

serve <<'YAML'
classes:
  - name: adapter
    paths: ["/dev/ttyUSB*"]
  - name: modem
    paths: ["/dev/serial/by-id/usb-*Modem*"]
YAML
gadget_serial a 0 0403 6001 F0001
gadget_acm b 1 1546 01a8 S0001
expect "an adapter is there" has_healthy adapter 1 1
expect "a modem is there" has_healthy modem 1 1
settle
stop_udevd
unplug a
expect "without udevd an adapter goes" has_healthy adapter 0 1
plug a 0
expect "and comes" has_healthy adapter 1 1
gadget_acm c 2 1546 01a8 S0002
expect "a modem comes, without a link" test -e /dev/ttyACM1
assert "which this class needs" has_healthy modem 1 1
unplug b
expect "a modem goes, its link leads nowhere" has_healthy modem 0 1
start_udevd
udevadm trigger --action=add --subsystem-match=tty
settle
expect "udevd catches up" has_healthy modem 1
unplug c
expect "and works as before" has_healthy modem 0
