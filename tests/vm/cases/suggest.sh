#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# seconds: 3
# "kudev list --for" prints conditions for exactly one device.
. /guest/lib.sh

gadget_acm a 0 1546 01a8 L1 2
gadget_acm b 1 1546 01a8 SAME
gadget_acm c 2 1546 01a8 SAME
wait_for test -e /dev/ttyACM3
settle
for node in /dev/ttyACM0 /dev/ttyACM1 /dev/ttyACM2 /dev/ttyACM3 /dev/serial/by-id/*L1-if00; do
	{
		echo "classes:"
		echo "- name: one"
		kudev list --for "$node" | sed 's/^/  /'
	} >"$state/kudev.yaml"
	cat "$state/kudev.yaml"
	kudev check -o json --config "$state/kudev.yaml" >"$state/check.json"
	assert "$node: one device" equal "$(grep -c '"id"' "$state/check.json")" 1
	assert "$node: this one" grep -q "\"hostPath\": *\"$(readlink -f "$node")\"" \
		"$state/check.json"
done
kudev list >"$state/table"
assert "the table shows them with their IDs and ports" \
	grep -q '^/dev/ttyACM[0-3]  *tty  *cdc_acm  *1546:01a8  *L1  *.*dummy_hcd.0' "$state/table"
