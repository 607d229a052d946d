#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# machine: cameras
# seconds: 10
# Another configuration makes cameras and removes them, as far as nobody has them.
. /guest/lib.sh

needs_cameras

# reconfigure COUNT [LINE]
reconfigure()
{
	configure <<YAML
classes:
  - name: camera
    v4l2loopback: {count: $1, label: "Cam {index}"}
    ${2:-}
YAML
}

# exist NUMBER...: these cameras, and no other.
exist()
{
	local number numbers=

	for number in 10 11 12 13 14 15; do
		[ ! -e "/sys/class/video4linux/video$number" ] ||
			numbers="$numbers $number"
	done
	equal "$numbers" " $*"
}

# The kubelet writes down what a pod holds.
is_held_by_a_pod()
{
	printf '{"Data":{"PodDeviceEntries":[{"PodUID":"u","ContainerName":"c",%s%s' \
		'"ResourceName":"vm.test/camera","DeviceIDs":{"-1":["video12"]},' \
		'"AllocResp":""}],"RegisteredDevices":{}},"Checksum":0}' \
		>"$plugins/kubelet_internal_checkpoint"
}

# logs TEXT: at least once since kudev was started.
logs()
{
	grep -q "$1" "$state/kudev.log"
}

is_told()
{
	allocate camera video10 && grep -q "^env vm.test/camera NEW=video10$" "$state/answer"
}

reload()
{
	: >"$state/kudev.log"
	serve <<'YAML'
classes:
  - name: camera
    v4l2loopback: {count: 5, label: "Cam {index}"}
YAML
	expect "$version: five are made" has_healthy camera 5 5
	before=$(stat -c %i /dev/video10 /dev/video11)
	is_held_by_a_pod
	hold_camera /dev/video13
	reconfigure 2
	expect "$version: what is free is removed" exist 10 11 12 13
	expect "$version: what is open is not" \
		logs '"camera not removed".*/dev/video13.*is open'
	expect "$version: the list has two that can be had" has_healthy camera 2 5
	release_camera /dev/video13
	reconfigure 6
	expect "$version: what is missing is made" has_healthy camera 6 6
	assert "$version: none was made twice" exist 10 11 12 13 14 15
	assert "$version: those that stay are the same all the time" \
		equal "$(stat -c %i /dev/video10 /dev/video11)" "$before"
	reconfigure 6 'env: {NEW: "{id}"}'
	expect "$version: another variable is in the answer" is_told
	rm "$plugins/kubelet_internal_checkpoint"
	stop_serving
	remove_cameras
}

for version in $(camera_versions); do
	# It makes and removes none once it is loaded.
	case $version in 0.12.*) continue ;; esac
	camera_module "$version"
	reload
done
