#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash source=tests/vm/guest/lib.sh
# machine: cameras leaky
# seconds: 10
# Whether a user finds the frames of the one before, also where the kernel does not clear
# memory.
. /guest/lib.sh

needs_cameras
node=/dev/video10

# finds BYTE WIDTH HEIGHT: a writer's buffers have any of it; all is in $found.
finds()
{
	found=$(vm-frames mapped "$node" "$2" "$3" 2>&1 | tr '\n' ' ')
	case $found in
	*" $1:"*) return 0 ;;
	esac
	return 1
}

finds_none()
{
	! finds "$@" || {
		note "found: $found"
		return 1
	}
}

# clean NAME BYTE WIDTH HEIGHT
clean()
{
	local name=$1

	shift
	case $machine-$version in
	leaky-0.1[23].*)
		skip "$version: $name" "before 0.15 that is the kernel's to do"
		;;
	leaky-*)
		todo "$version: $name" "the kernel may give the module other memory" \
			finds_none "$@"
		;;
	*) assert "$version: $name" finds_none "$@" ;;
	esac
}

for version in $(camera_versions); do
	camera_module "$version"
	serve <<YAML
classes:
  - name: camera
    v4l2loopback: {count: 1, label: Leak}
YAML
	expect "$version: a camera is made" has_healthy camera 1 1
	i=0
	while [ "$i" -lt 5 ]; do
		i=$((i + 1))
		vm-frames write "$node" 320 256 0xaa 4
		attempt "$version: a reset ($i)" start_container camera video10
		clean "the next user finds none of its frames ($i)" aa 320 256
	done
	vm-frames write "$node" 320 256 0xaa 4
	vm-frames set "$node" keep_format 1
	vm-frames write "$node" 320 256 0xaa 4
	attempt "$version: a reset, the format was kept" start_container camera video10
	clean "nor of those that were kept" aa 320 256
	vm-frames write "$node" 640 480 0xbb 4
	attempt "$version: a reset, the frames were larger" start_container camera video10
	clean "nor of larger ones" bb 320 256
	stop_serving
	remove_cameras
done
