#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# machine: cameras
# seconds: 8
# Cameras where other drivers and other people have made some already.
. /guest/lib.sh

needs_cameras

# says TEXT: in the log.
says()
{
	grep -qF "$1" "$state/kudev.log"
}

# check_says TEXT: kudev check, here and now.
check_says()
{
	kudev check --config "$state/kudev.yaml" >"$state/check" 2>&1
	grep -qF "$1" "$state/check"
}

has_driver()
{
	[ "$(vm-frames info "$1" | sed -n 's/^driver //p')" = "$2" ]
}

# vivid has one number of the class: no camera takes it, and none is made in its place. A class
# behind it that takes whatever there is gets that one alone.
other_driver()
{
	/usr/sbin/modprobe vivid n_devs=1 node_types=0x1 vid_cap_nr=11
	wait_for test -c /dev/video11
	serve <<'YAML'
classes:
  - name: camera
    v4l2loopback: {count: 3, label: "Cam {index}"}
  - name: other
    paths: [/dev/video*]
YAML
	expect "$version: the others are made" has_healthy camera 2 3
	expect "$version: the next class gets what is not ours" has_healthy other 1 1
	assert "$version: and no camera in the making" is_healthy other video11
	assert "$version: the one that vivid has is Unhealthy" is_unhealthy camera video11
	assert "$version: nothing is made besides" test ! -e /dev/video13
	assert "$version: check tells who has it" \
		check_says "/dev/video11 belongs to vivid"
	stop_serving
	remove_cameras
	wait_for rmmod vivid
}

# Somebody has made some, one of which is as it should be.
other_people()
{
	camera_module "$version"
	/usr/sbin/modprobe v4l2loopback devices=0
	vm-frames add 10 "label=Cam 0" buffers=2 openers=10 exclusive=1 >/dev/null
	vm-frames add 11 "label=Theirs" buffers=2 openers=10 exclusive=1 >/dev/null
	vm-frames add 12 "label=Cam 2" buffers=4 openers=10 exclusive=1 >/dev/null
	settle
	before=$(stat -c %i:%Z /dev/video10 /dev/video11 /dev/video12)
	serve <<'YAML'
classes:
  - name: camera
    v4l2loopback: {count: 4, label: "Cam {index}", mode: "0660"}
YAML
	expect "$version: what fits is used, what is missing is made" has_healthy camera 2 4
	assert "$version: what fits" is_healthy camera video10
	assert "$version: what is missing" is_healthy camera video13
	assert "$version: check tells of another label" \
		check_says 'with the label "Theirs" instead of "Cam 1"'
	assert "$version: and of other buffers" check_says "with 4 buffers instead of 2"
	assert "$version: no device was removed" \
		equal "$(stat -c %i /dev/video10 /dev/video11 /dev/video12 | tr '\n' ' ')" \
		"$(echo "$before" | sed 's/:.*//' | tr '\n' ' ')"
	stop_serving
	hold_camera /dev/video12
	serve <<'YAML'
classes:
  - name: camera
    v4l2loopback: {count: 4, label: "Cam {index}", reset: recreate, timeout: 30s}
YAML
	patience=60 expect "$version: what does not fit is made anew, if it may be" \
		is_healthy camera video11
	assert "$version: but not what is open" is_unhealthy camera video12
	release_camera /dev/video12
	patience=60 expect "$version: until it is closed" has_healthy camera 4 4
	stop_serving
	remove_cameras
}

for version in $(camera_versions); do
	case $version in 0.12.*) continue ;; esac
	camera_module "$version"
	other_driver
	other_people
done
