#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# seconds: 8
# Fifty devices and more come at once, and go at once.
. /guest/lib.sh

serve <<'YAML'
classes:
  - name: adapter
    paths: ["/dev/ttyUSB*"]
YAML
# An adapter has four ports, for want of endpoints.
rmmod dummy_hcd
modprobe dummy_hcd num=13
adapters=$(seq 0 12)
for i in $adapters; do
	gadget_serial "g$i" "" 1209 0001 "F$i" 4
done
start=$(now_ms)
for i in $adapters; do
	plug "g$i" "$i"
done
expect "52 ports of 13 adapters are Healthy" has_healthy adapter 52 52
note "that took $(($(now_ms) - start)) ms and $(count_lists adapter) lists"
before=$(count_lists adapter)
for i in $adapters; do
	unplug "g$i"
done
expect "all are Unhealthy" has_healthy adapter 0 52
note "that took $(($(count_lists adapter) - before)) lists"
plug g0 0
expect "four of them are back" has_healthy adapter 4 52
