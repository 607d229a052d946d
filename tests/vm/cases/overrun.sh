#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# So many events that a listener loses some: what it has missed it finds out.
. /guest/lib.sh

# at_least NUMBER METRIC: by what kudev serves.
at_least()
{
	local value

	value=$(wget -q -O - http://127.0.0.1:8080/metrics | sed -n "s/^$2 //p")
	[ "${value:-0}" -ge "$1" ]
}

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
flood_events 40000
unplug a
settle
kill -CONT "$(program_pid kudev)"
expect "one that went in the flood is Unhealthy" has_healthy modem 1 2
kill -STOP "$(program_pid kudev)"
flood_events 40000
unplug b
plug a 0
wait_for test -e /dev/ttyACM0
settle
kill -CONT "$(program_pid kudev)"
expect "one that came back in it is Healthy" is_healthy modem "$first"
expect "and the other is not" has_healthy modem 1 2
expect "the losses are counted" at_least 1 kudev_event_overruns_total
expect "and the messages that came" at_least 1000 'kudev_events_total{source="udev"}'
stop_serving

# Before it has read all that it missed nothing of, it misses more, which the kernel does not say.
unplug a
settle
serve <<'YAML'
events: udev
classes:
  - name: modem
    match: [{subsystem: tty, driver: cdc_acm}]
YAML
plug a 0
expect "a modem is there, as udev says" has_healthy modem 1 1
settle
stop_program uevents
kill -STOP "$(program_pid kudev)"
flood_events 40000
kill -CONT "$(program_pid kudev)"
expect "it has heard of its loss" at_least 1 kudev_event_overruns_total
flood_events 40000
unplug a
expect "what it has missed after that it finds out as well" has_healthy modem 0 1
