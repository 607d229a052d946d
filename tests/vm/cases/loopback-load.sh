#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# machine: cameras
# seconds: 60
# Resets while others open and close the cameras, and those that remove them.
. /guest/lib.sh

needs_cameras

# serve_cameras RESET
serve_cameras()
{
	camera_module "$version"
	serve <<YAML
classes:
  - name: camera
    v4l2loopback: {count: 2, label: "Cam {index}", reset: $1}
YAML
	expect "$version: two are made ($1)" has_healthy camera 2 2
}

# reset_often COUNT: how often they fail is in $failures, how long they take in the file.
reset_often()
{
	local i=0

	failures=0
	: >"$state/times"
	while [ "$i" -lt "$1" ]; do
		i=$((i + 1))
		start_container camera "video1$((i % 2))" || {
			failures=$((failures + 1))
			note "reset $i: $answer"
		}
		echo "$started" >>"$state/times"
	done
}

# show_times WHAT
show_times()
{
	note "$version: $1: $(sort -n "$state/times" | awk '{ times[NR] = $1 / 1000 }
		END { printf "n=%d p50=%.1f ms p99=%.1f ms max=%.1f ms", NR,
			times[int((NR + 1) / 2)], times[int(NR * 0.99 + 0.99)], times[NR] }')"
}

# udev opens a device whenever it hears of it.
trigger_often()
{
	while :; do
		udevadm trigger --action=change /dev/video10 /dev/video11
		sleep 0.1
	done
}

is_untouched()
{
	[ "$(stat -c %t:%T:%a /dev/video10 /dev/video11)" = "$before" ]
}

soft()
{
	serve_cameras soft
	before=$(stat -c %t:%T:%a /dev/video10 /dev/video11)
	reset_often 50
	assert "$version: 50 soft resets, nobody else there" equal "$failures" 0
	show_times "soft reset, alone"
	start_program hammer vm-frames hammer 0 10000 /dev/video10 /dev/video11 \
		>"$state/hammer"
	start_program trigger trigger_often
	reset_often "$(boot_value vm.resets 500)"
	stop_program trigger
	stop_program hammer
	assert "$version: soft resets while readers and udev open and close" equal "$failures" 0
	show_times "soft reset, under load"
	assert "$version: the devices are the same, with their modes" is_untouched
	assert "$version: and Healthy all the time" has_healthy camera 2 2
	stop_serving
	remove_cameras
}

recreate()
{
	case $version in 0.12.*) return ;; esac
	serve_cameras recreate
	reset_often "$(boot_value vm.recreations 200)"
	assert "$version: devices made anew" equal "$failures" 0
	show_times "made anew"
	expect "$version: they are there, and Healthy" has_healthy camera 2 2
	assert "$version: with their numbers and mode" \
		equal "$(stat -c %n:%a /dev/video1? | tr '\n' ' ')" \
		"/dev/video10:666 /dev/video11:666 "
	assert "$version: nobody was told that they were away" equal \
		"$(grep -c '"msg":"device health changed"' "$state/kudev.log")" 0
	stop_serving
	remove_cameras
}

# Killed at any moment, kudev finds its way.
killed()
{
	local i=0 mode=$1

	serve_cameras "$mode"
	while [ "$i" -lt 10 ]; do
		i=$((i + 1))
		echo "start vm.test/camera video10" >"$state/commands"
		sleep "0.00$i"
		kill -KILL "$(program_pid kudev)"
		wait_for has_ended kudev
		read -r answer <"$state/answers"
		rm -f "$state/last/camera"
		start_kudev
		wait_for is_back || break
	done
	assert "$version: killed in the middle of a reset, it is soon back ($mode)" equal "$i" 10
	expect "$version: the camera can be opened ($mode)" can_be_opened
	attempt "$version: and reset ($mode)" start_container camera video10
	stop_serving
	remove_cameras
}

is_back()
{
	is_serving && has_healthy camera 2 2 && can_be_opened
}

can_be_opened()
{
	[ "$(cat /sys/class/video4linux/video10/max_openers)" = 10 ]
}

for version in $(camera_versions); do
	soft
	recreate
	killed soft
	killed recreate
done
