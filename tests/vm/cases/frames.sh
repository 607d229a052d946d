#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# machine: cameras leaky
# What the versions of v4l2loopback do with frames and users; of kudev there is nothing here.
. /guest/lib.sh

needs_cameras
[ -x /usr/bin/v4l2-ctl ] || skip "v4l2-ctl sees the same" "the guest has none"
node=/dev/video10
sysfs=/sys/class/video4linux/video10

# frames_are BYTE COMMAND...: it shows frames of 320x256, which are 40 pages, with nothing else
# in them.
frames_are()
{
	local byte=$1

	shift
	"$@" >"$state/frames" 2>"$state/error" || return
	[ -s "$state/frames" ] && ! grep -vqx "163840 $byte:163840" "$state/frames"
}

# shows BYTE: the next reader sees it.
shows()
{
	frames_are "$1" vm-frames read "$node" 1 1000
}

# has_size NAME: the writer has set it. A reader that was there first would have kept another.
has_size()
{
	grep -q ":320x256@" "/sys/class/video4linux/$1/format"
}

# plays BYTE: a writer goes on with it.
plays()
{
	start_program writer vm-frames write "$node" 320 256 "0x$1" 0
	wait_for has_size video10
	expect "$version: read() gives what a writer writes" \
		frames_are "$1" vm-frames read "$node" 3
	expect "$version: mapped buffers have what a writer writes" \
		frames_are "$1" vm-frames stream "$node" 3
}

# v4l2-ctl is the judge of the writer of 0x55 ("U").
judge_reads()
{
	timeout 10 v4l2-ctl -d "$node" --stream-mmap --stream-count=3 \
		--stream-to="$state/stream" >"$state/judge" 2>&1
	assert "$version: v4l2-ctl sees it" \
		equal "$(wc -c <"$state/stream") $(tr -d U <"$state/stream" | wc -c)" "491520 0"
}

has_judge()
{
	[ -x /usr/bin/v4l2-ctl ]
}

# It writes "Z" itself. It takes what can capture for no camera to write to, so that it needs
# an exclusive one.
judge_writes()
{
	assert "$version: a camera with exclusive capabilities" \
		camera_add "$version" 11 Exclusive exclusive=1
	settle
	assert "$version: without a writer it has no capture" \
		equal "$(vm-frames info /dev/video11 | grep ^cap)" "capabilities output"
	dd if=/dev/zero bs=163840 count=1 2>/dev/null | tr '\0' Z >"$state/stream"
	start_program v4l2-ctl v4l2-ctl -d /dev/video11 --stream-from="$state/stream" \
		--set-fmt-video-out=width=320,height=256,pixelformat=YUYV --stream-out-mmap \
		--stream-loop >"$state/judge" 2>&1
	wait_for has_size video11
	expect "$version: what v4l2-ctl writes is read" \
		frames_are 5a vm-frames stream /dev/video11 2 1000
	assert "$version: with a writer it has no output" \
		equal "$(vm-frames info /dev/video11 | grep ^cap)" "capabilities capture"
	stop_program v4l2-ctl
}

# Who may delete it, and when.
delete()
{
	hold_camera "$node"
	if [ ! -e /dev/v4l2loopback ]; then
		assert "$version: the module stays while it is open" \
			fails_with unavailable rmmod v4l2loopback
		release_camera "$node"
		return
	fi
	assert "$version: it can't be deleted while it is open" \
		fails_with EBUSY vm-frames delete 10
	assert "$version: it can't be made twice" fails_with EEXIST vm-frames add 10
	release_camera "$node"
	settle
	assert "$version: it can be deleted" vm-frames delete 10
	assert "$version: it is gone" test ! -e "$node"
	assert "$version: it can't be deleted twice" fails_with ENODEV vm-frames delete 10
	assert "$version: it can be made again" camera_add "$version" 10 "Again"
	settle
}

# Whether anybody gets in.
fence()
{
	local before

	before=$(cat "$sysfs/max_openers")
	echo 0 >"$sysfs/max_openers"
	assert "$version: with no openers allowed it can't be opened" \
		equal "$(vm-frames hammer 5 0 "$node")" "opened 0 refused 5"
	echo "$before" >"$sysfs/max_openers"
	assert "$version: with openers allowed it can" \
		equal "$(vm-frames hammer 5 0 "$node")" "opened 5 refused 0"
}

# What a user leaves to the next if nobody does anything about it: the last frame, and the
# size, whatever the next one wants.
soft_reset()
{
	vm-frames write "$node" 320 256 0xaa 2
	vm-frames set "$node" keep_format 1
	vm-frames write "$node" 320 256 0xaa 2
	assert "$version: with keep_format the next reader reads the last frame" shows aa
	note "$version: then another size gives: $(
		vm-frames write "$node" 640 480 0xbb 2 2>&1)"
	note "$version: $(cat "$sysfs/format") $(vm-frames controls "$node" | tr '\n' ' ')"
	vm-frames set "$node" keep_format 0
	assert "$version: without it there is nothing to read" \
		test -z "$(vm-frames read "$node" 1 200)"
	note "$version: then a read gives: $(vm-frames read "$node" 1 200 2>&1)"
	note "$version: then the format is: $(vm-frames format "$node" | tr '\n' ' ')"
}

# Whether a writer finds the frames of the one before it in its buffers.
leak()
{
	vm-frames write "$node" 320 240 0xaa 4
	note "$version: the next writer finds, the size being the same:"
	vm-frames mapped "$node" 320 240 2>&1 | sed 's/^/#   /' >&5
	vm-frames write "$node" 640 480 0xbb 4
	note "$version: the next writer finds, the size being less:"
	vm-frames mapped "$node" 320 240 2>&1 | sed 's/^/#   /' >&5
}

for version in $(camera_versions); do
	start=$(now_ms)
	camera_module "$version"
	assert "$version: the module is loaded" camera_add "$version" 10 "Camera-$version"
	settle
	if [ "$machine" = leaky ]; then
		leak
		wait_for rmmod v4l2loopback
		continue
	fi
	assert "$version: it has the label" \
		equal "$(vm-frames info "$node" | sed -n 's/^card //p')" "Camera-$version"
	if [ -e /dev/v4l2loopback ]; then
		assert "$version: the control device knows it" \
			equal "$(vm-frames query 10 | sed -n 's/^label //p')" "Camera-$version"
		note "$version: $(vm-frames query 10 | tr '\n' ' ')"
		note "$version: the control device says it is $(vm-frames version 2>&1)"
	fi
	plays 55
	! has_judge || judge_reads
	stop_program writer
	start_program writer vm-frames write "$node" 320 256 0x66 2 hold
	expect "$version: who comes later reads the last frame of a writer that stays" shows 66
	stop_program writer
	leak
	soft_reset
	fence
	delete
	! has_judge || judge_writes
	remove_cameras
	note "$version took $(($(now_ms) - start)) ms"
done
[ "$machine" != leaky ] || exit 0
assert "the module is gone" test ! -d /sys/module/v4l2loopback
camera_module "$version" xz
assert "$version: modprobe unpacks it" camera_add "$version" 10 Packed
assert "libkmod is where dlopen looks, with all it needs" \
	test -z "$(LD_PRELOAD=libkmod.so.2 /usr/bin/kmod --version 2>&1 >/dev/null)"
remove_cameras
assert "modprobe finds none any more" test -z "$(/usr/sbin/modinfo -n v4l2loopback)"
