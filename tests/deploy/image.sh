#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The image of deploy/Dockerfile, built with Buildah and started with runc as the DaemonSet says:
#
#   tests/deploy/image.sh [PYTEST-ARGUMENT]...
#
# No registry is needed: what it is built on is a Debian 12 that debootstrap makes below
# build/image, and that stays there for the next time. Exits with 77, having said why, where this
# can't be done.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

here=$source_dir/tests/deploy
tree=$build_root/image
log=$tree/build.log
base=localhost/kudev-test/debian:12
image=localhost/kudev-test/kudev

case ${1:-} in
-h | --help)
	sed -n '3,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
	exit
	;;
esac

((EUID == 0)) || skip "debootstrap and a container of root's need root"
command -v dpkg-query >/dev/null || skip "no Debian"
need_packages "${test_packages[@]}" "${image_packages[@]}"
mkdir -p "$tree"
: >"$log"
own=(--root "$tree/storage" --runroot "$tree/run")
for driver in overlay vfs; do
	buildah "${own[@]}" --storage-driver "$driver" images >/dev/null 2>"$log" && break
done
own+=(--storage-driver "$driver")
# A container that can't be had here (no mount namespaces, no overlay) is no fault of ours.
why=$(unshare --mount true 2>&1) || skip "no mount namespace: $why"
container=$(buildah "${own[@]}" from scratch 2>"$log") || skip "Buildah: $(tail -n 1 "$log")"
buildah "${own[@]}" rm "$container" >/dev/null

start=$SECONDS
if ! buildah "${own[@]}" inspect --type image "$base" >/dev/null 2>&1; then
	say "debootstrap"
	rm -rf "$tree/root"
	quietly "$log" debootstrap --variant=minbase bookworm "$tree/root" ||
		skip "no Debian to build on: $(tail -n 1 "$log")"
	container=$(buildah "${own[@]}" from scratch)
	quietly "$log" buildah "${own[@]}" add "$container" "$tree/root" /
	quietly "$log" buildah "${own[@]}" commit --rm "$container" "$base"
	rm -rf "$tree/root"
fi
say "base in $((SECONDS - start)) s"

start=$SECONDS
quietly "$log" buildah "${own[@]}" build --isolation chroot --format docker \
	--build-arg BASE="$base" --build-arg REVISION=test \
	--ignorefile "$source_dir/deploy/Dockerfile.dockerignore" \
	-f "$source_dir/deploy/Dockerfile" -t "$image" "$source_dir"
say "image in $((SECONDS - start)) s"

buildah "${own[@]}" inspect --type image "$image" >"$tree/image.json"
container=$(buildah "${own[@]}" from --pull-never "$image")
mounted=$(buildah "${own[@]}" mount "$container")
end()
{
	buildah "${own[@]}" umount "$container" >/dev/null
	buildah "${own[@]}" rm "$container" >/dev/null
	# Of builds before this one.
	buildah "${own[@]}" rmi --prune >/dev/null 2>&1 || true
}
trap end EXIT

say "image of $(du -sh --apparent-size "$mounted" | cut -f 1), built on one of" \
	"$(buildah "${own[@]}" images --format '{{.Size}}' "$base")"

export KUDEV_IMAGE=$tree/image.json KUDEV_IMAGE_ROOT=$mounted
KUDEV_TEST_SUITE=image "$here/report.sh" "$here/test_image.py" "$@"
