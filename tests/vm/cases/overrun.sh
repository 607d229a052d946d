#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# So many events that a listener loses some: what it has missed it finds out.
. /guest/lib.sh

serve <<'YAML'
classes:
  - name: modem
    match: [{subsystem: tty, driver: cdc_acm}]
YAML
gadget_acm a 0 1546 01a8 S0001
gadget_acm b 1 1546 01a8 S0002
expect "two modems are there" has_healthy modem 2 2
settle
first=$(device_ids modem | grep s0001)
stop_program uevents
kill -STOP "$(program_pid kudev)"
flood_events 20000
unplug a
settle
kill -CONT "$(program_pid kudev)"
expect "one that went in the flood is Unhealthy" has_healthy modem 1 2
kill -STOP "$(program_pid kudev)"
flood_events 20000
unplug b
plug a 0
wait_for test -e /dev/ttyACM0
settle
kill -CONT "$(program_pid kudev)"
expect "one that came back in it is Healthy" is_healthy modem "$first"
expect "and the other is not" has_healthy modem 1 2
