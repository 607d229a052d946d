#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# machine: cameras
# seconds: 6
# Where there is no module, dummies stand for the cameras until there is one.
. /guest/lib.sh

needs_cameras

serve_cameras()
{
	serve <<YAML
classes:
  - name: camera
    v4l2loopback: {count: 3, label: "Cam {index}", fallback: $1}
    env: {VIDEO_DEVICE: "{path}"}
YAML
}

count_said()
{
	grep -c "\"msg\":\"$1\"" "$state/kudev.log"
}

# gives PATH: allocated for video10.
gives()
{
	grep -q "^env vm.test/camera VIDEO_DEVICE=$1$" "$state/answer"
}

# hold [ID]: what the kubelet writes down of its pods.
hold()
{
	local entry=

	[ -z "${1:-}" ] || entry="{\"PodUID\":\"p\",\"ContainerName\":\"c\",\
\"ResourceName\":\"vm.test/camera\",\"DeviceIDs\":{\"-1\":[\"$1\"]},\"AllocResp\":\"\"}"
	printf '{"Data":{"PodDeviceEntries":[%s],"RegisteredDevices":{}},"Checksum":0}' \
		"$entry" >"$plugins/checkpoint"
	mv "$plugins/checkpoint" "$plugins/kubelet_internal_checkpoint"
}

camera_module none
mkdir -p "$plugins"
hold
serve_cameras dummy
expect "without the module dummies are there" has_healthy camera 3 3
attempt "a container gets one" allocate camera video10
assert "as a path that it can tell" gives /dev/dummy-video10
assert "which leads to /dev/null" equal "$(readlink /dev/dummy-video10)" /dev/null
hold video10
attempt "and starts" start_container camera video10
assert "the reason was logged once" equal "$(count_said "class is degraded")" 1
assert "it says what to do" grep -q "v4l2loopback-dkms" "$state/kudev.log"
version=$(camera_versions | tail -n 1)
camera_module "$version" xz
patience=90 expect "the module appears, compressed: the others are cameras" \
	test -c /dev/video12
expect "their dummies are gone" test ! -e /dev/dummy-video12
assert "the one that a container holds is not" test -L /dev/dummy-video10
hold
patience=120 expect "until it is given back" test ! -e /dev/dummy-video10
expect "all are Healthy" has_healthy camera 3 3
attempt "the next container gets it" allocate camera video10
assert "as a camera" gives /dev/video10
attempt "and starts, too" start_container camera video10
assert "it was logged" equal "$(count_said "class is no longer degraded")" 1
assert "nobody was told that anything was away" \
	equal "$(count_said "device health changed")" 0
stop_serving
remove_cameras

serve_cameras none
expect "without a fallback there are none" has_healthy camera 0 3
assert "which was logged" equal "$(count_said "class is degraded")" 1
camera_module "$version"
patience=90 expect "the module appears: there are cameras" has_healthy camera 3 3
stop_serving
remove_cameras

for reason in "user may not load modules" "a name with nothing behind it"; do
	camera_module "$version"
	case $reason in
	user*) set -- /usr/bin/setpriv --bounding-set=-sys_module --inh-caps=-sys_module ;;
	*)
		set -- env
		# Of another kernel, as far as the loader can tell.
		echo nothing >"/lib/modules/$(uname -r)/updates/v4l2loopback.ko"
		;;
	esac
	configure <<'YAML'
classes:
  - name: camera
    v4l2loopback: {count: 3, label: "Cam {index}"}
YAML
	start_uevents
	start_kubelet
	start_kudev "$@"
	expect "$reason: there are dummies" has_healthy camera 3 3
	note "$reason: $(sed -n 's/.*"class is degraded".*"reason":"\([^"]*\)".*/\1/p' \
		"$state/kudev.log")"
	stop_serving
	remove_cameras
done
