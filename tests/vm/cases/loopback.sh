#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# machine: cameras
# seconds: 30
# kudev makes cameras, hands them out clean, and makes again what others remove.
. /guest/lib.sh

needs_cameras
node=/dev/video10

# mode NODE: and its owner and group.
mode()
{
	stat -c '%a %u:%g' "$1"
}

has_mode()
{
	equal "$(mode "$1")" "$2"
}

# has_label NODE LABEL
has_label()
{
	equal "$(vm-frames info "$1" | sed -n 's/^card //p')" "$2"
}

# sees BYTE READ-COMMAND...: frames of nothing else.
sees()
{
	local byte=$1

	shift
	"$@" >"$state/frames" 2>/dev/null
	[ -s "$state/frames" ] && ! grep -vq " $byte:" "$state/frames"
}

made()
{
	serve <<YAML
classes:
  - name: camera
    v4l2loopback: {count: 4, label: "Cam {index}", mode: "0640", group: 44}
    env: {VIDEO_DEVICE: "{path}"}
YAML
	expect "$version: four are made" has_healthy camera 4 4
	expect "$version: with their mode and group" has_mode "$node" "640 0:44"
	assert "$version: and their labels" has_label /dev/video12 "Cam 2"
}

handed_out()
{
	attempt "$version: a container gets one" allocate camera video10
	assert "$version: it is told where" \
		grep -q "^env vm.test/camera VIDEO_DEVICE=$node$" "$state/answer"
	assert "$version: and may use it" \
		grep -q "^device vm.test/camera $node $node rw$" "$state/answer"
	played "$(sed -n 's/^env [^ ]* VIDEO_DEVICE=//p' "$state/answer")"
	attempt "$version: another container gets two" allocate camera video11 video12
	assert "$version: it is told where both are" grep -q \
		"^env vm.test/camera VIDEO_DEVICE_1=/dev/video12$" "$state/answer"
	attempt "$version: they are clean for it" start_container camera video11 video12
}

# v4l2-ctl, which is not ours, writes frames of 320x256 and reads them.
played()
{
	[ -x /usr/bin/v4l2-ctl ] || {
		skip "$version: v4l2-ctl writes and reads" "the guest has none"
		return
	}
	head -c 163840 /dev/zero | tr '\0' Z >"$state/stream"
	start_program v4l2-ctl v4l2-ctl -d "$1" --stream-from="$state/stream" \
		--set-fmt-video-out=width=320,height=256,pixelformat=YUYV --stream-out-mmap \
		--stream-loop >"$state/writer" 2>&1
	wait_for grep -q ":320x256@" /sys/class/video4linux/video10/format
	expect "$version: what v4l2-ctl writes to $1, v4l2-ctl reads" reads_back "$1"
	stop_program v4l2-ctl
}

reads_back()
{
	timeout 10 v4l2-ctl -d "$1" --stream-mmap --stream-count=3 \
		--stream-to="$state/read" >"$state/reader" 2>&1
	[ "$(wc -c <"$state/read") $(tr -d Z <"$state/read" | wc -c)" = "491520 0" ]
}

# What a user leaves behind, and what the next one finds.
clean()
{
	vm-frames write "$node" 320 240 0xaa 4
	vm-frames set "$node" keep_format 1
	vm-frames set "$node" sustain_framerate 1
	vm-frames set "$node" timeout 3000
	vm-frames write "$node" 320 240 0xaa 4
	echo "@15/1" >"/sys/class/video4linux/video10/format"
	echo 3 >"/sys/class/video4linux/video10/max_openers"
	assert "$version: without a reset the last frame can be read" \
		sees aa vm-frames read "$node" 1 500
	attempt "$version: a reset succeeds" start_container camera video10
	assert "$version: its controls are as at first" equal \
		"$(vm-frames controls "$node" | grep -v image_io | tr '\n' ' ')" \
		"keep_format 0 sustain_framerate 0 timeout 0 "
	assert "$version: as many may open it as at first" \
		equal "$(cat /sys/class/video4linux/video10/max_openers)" 10
	assert "$version: it has no format" \
		test -z "$(cat /sys/class/video4linux/video10/format)"
	assert "$version: the last frame is gone" \
		test -z "$(vm-frames read "$node" 1 300 2>/dev/null)"
	assert "$version: its mode is untouched" has_mode "$node" "640 0:44"
	asked_for_image
	chmod 600 "$node"
	attempt "$version: a reset once more" start_container camera video10
	assert "$version: its mode is as it should be again" has_mode "$node" "640 0:44"
	vm-frames set "$node" timeout 200
	vm-frames write "$node" 320 240 0xbb 2
	assert "$version: nor does it show with a timeout" \
		test -z "$(vm-frames read "$node" 1 500 2>/dev/null | grep aa:)"
}

# A user presses the button that gives the next one the picture for timeouts.
asked_for_image()
{
	case $version in
	0.12.*)
		skip "$version: a reset, the picture for timeouts was asked for" \
			"this module then counts one who has the device open for ever"
		return
		;;
	esac
	vm-frames set "$node" timeout_image_io 1
	attempt "$version: a reset, the picture for timeouts was asked for" \
		start_container camera video10
}

# A user plays, another one sees it.
used()
{
	attempt "$version: again" start_container camera video10
	start_program writer vm-frames write "$node" 320 240 0x55 0
	expect "$version: who reads it sees what is played" \
		sees 55 vm-frames read "$node" 3
	attempt "$version: it is not reset while it is open" \
		equal "$(start_container camera video10 || echo "${answer#*: }")" \
		"/dev/video10 is open: a device in use is not reset"
	stop_program writer
	attempt "$version: but after that" start_container camera video10
}

deleted()
{
	[ -e /dev/v4l2loopback ] || return 0
	settle
	assert "$version: somebody removes one" vm-frames delete 13
	expect "$version: it is Unhealthy" is_unhealthy camera video13
	expect "$version: and made again" is_healthy camera video13
	expect "$version: as it was" has_mode /dev/video13 "640 0:44"
	assert "$version: with its label" has_label /dev/video13 "Cam 3"
}

restarted()
{
	local before

	before=$(stat -c %Z:%i /dev/video10 /dev/video11)
	stop_kudev
	assert "$version: the cameras stay when kudev ends" test -c "$node"
	echo 0 >/sys/class/video4linux/video10/max_openers
	rm -f "$state/last/camera"
	start_kudev
	expect "$version: a new kudev takes them over" has_healthy camera 4 4
	assert "$version: as they are" equal "$(stat -c %Z:%i /dev/video10 /dev/video11)" "$before"
	expect "$version: one whose reset was cut off can be opened again" can_be_opened
}

can_be_opened()
{
	equal "$(cat /sys/class/video4linux/video10/max_openers)" 10
}

unloaded()
{
	settle
	expect "$version: the administrator unloads the module" rmmod v4l2loopback
	expect "$version: the cameras are made again" is_back
}

is_back()
{
	[ -d /sys/module/v4l2loopback ] && has_healthy camera 4 4
}

for version in $(camera_versions); do
	camera_module "$version"
	made
	handed_out
	clean
	used
	deleted
	restarted
	unloaded
	stop_serving
	remove_cameras
done
