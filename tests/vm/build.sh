#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes what the test machine boots from: vmlinux and base.cpio, a root of Debian's own
# packages, kept in KUDEV_VM_CACHE (~/.cache/kudev-vm) until a package or this file changes;
# cameras.cpio, see modules.sh; and initrd.cpio, which is both with the programs under test,
# the guest's scripts and the cases on top.
#
#   build.sh TREE OUTPUT
#
# TREE is a build tree with kudev and the programs of tests/vm in it. Prints what it made.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

here=$source_dir/tests/vm
cache=${KUDEV_VM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/kudev-vm}
triplet=$(gcc -dumpmachine 2>/dev/null || echo x86_64-linux-gnu)

# From these comes the guest, besides the kernel that linux-image-amd64 depends on.
guest_packages=(busybox-static kmod libkmod2 udev util-linux)

# With all that they depend on.
guest_modules=(
	cdc-acm dummy_hcd ftdi_sio libcomposite loop snd-usb-audio usb_f_acm usb_f_ss_lb
	usb_f_uac1 usb_f_uvc usbip-vudc usbserial uvcvideo vhci-hcd vivid xhci-pci
)

# What of the packages goes into the guest; the libraries that these need come along. kudev
# opens libkmod when it needs it.
guest_programs=(
	usr/bin/kmod usr/bin/nsenter usr/bin/setpriv usr/bin/udevadm usr/bin/unshare
	usr/lib/udev/ata_id usr/lib/udev/cdrom_id usr/lib/udev/dmi_memory_id
	usr/lib/udev/fido_id usr/lib/udev/mtd_probe usr/lib/udev/scsi_id usr/lib/udev/v4l_id
	"usr/lib/$triplet/libkmod.so.2"
)

kernel_package()
{
	apt-cache depends linux-image-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p'
}

# unpack ROOT DEB...: /bin and the like are one with those below /usr.
unpack()
{
	local root=$1 deb

	shift
	mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
	for deb in bin sbin lib lib64; do
		[[ -e $root/$deb ]] || ln -s "usr/$deb" "$root/$deb"
	done
	for deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink -C "$root"
	done
}

# copy_libraries ROOT FILE...: into the root what the programs need, from the packages in
# $unpacked where they have it, and from this system, which they are built for, otherwise.
copy_libraries()
{
	local root=$1 path
	local search=$unpacked/usr/lib/$triplet

	shift
	LD_LIBRARY_PATH=$search ldd "$@" 2>/dev/null | awk '
		/not found/ { print "missing " $1; next }
		$2 == "=>" { print $3 }
		$1 ~ "^/" && $2 ~ "^\\(" { print $1 }' | sort -u |
		while read -r path file; do
			[[ $path != missing ]] || die "the guest lacks $file"
			case $path in
			*/ld-linux*) cp -L "$path" "$root/usr/lib64/" ;;
			*) cp -L "$path" "$root/usr/lib/$triplet/" ;;
			esac
		done
}

# extract_vmlinux BZIMAGE OUTPUT: the header says where the compressed kernel is (see the
# kernel's Documentation/x86/boot.rst). The guest would need seconds to unpack it.
extract_vmlinux()
{
	local image=$1 sectors offset length magic

	sectors=$(od -An -tu1 -j $((0x1f1)) -N 1 "$image")
	offset=$(od -An -tu4 -j $((0x248)) -N 4 "$image")
	length=$(od -An -tu4 -j $((0x24c)) -N 4 "$image")
	offset=$(((sectors + 1) * 512 + offset))
	magic=$(od -An -tx1 -j "$offset" -N 4 "$image" | tr -d ' ')
	case $magic in
	fd377a58) set -- "$2" xz ;;
	28b52ffd) set -- "$2" zstd ;;
	1f8b*) set -- "$2" gzip ;;
	*) die "$image: unknown compression $magic" ;;
	esac
	# Behind it stand four bytes of length.
	head -c $((offset + length - 4)) "$image" | tail -c +$((offset + 1)) | "$2" -dc >"$1"
}

# copy_modules ROOT RELEASE: those of guest_modules and what they need, without what takes the
# kernel time to check: signatures, and types for BPF.
copy_modules()
{
	local root=$1 release=$2 module path tools=$work/tools

	mkdir -p "$tools"
	ln -sf "$unpacked/usr/bin/kmod" "$tools/depmod"
	ln -sf "$unpacked/usr/bin/kmod" "$tools/modprobe"
	export LD_LIBRARY_PATH=$unpacked/usr/lib/$triplet
	"$tools/depmod" -b "$unpacked" "$release"
	for module in "${guest_modules[@]}"; do
		"$tools/modprobe" -d "$unpacked" -S "$release" -D "$module"
	done | awk '$1 == "insmod" { print $2 }' | sort -u | while read -r path; do
		path=$(realpath --relative-to="$unpacked" "$path")
		mkdir -p "$root/${path%/*}"
		LD_LIBRARY_PATH='' strip -g -R .BTF -o "$root/$path" "$unpacked/$path"
	done
	cp "$unpacked/usr/lib/modules/$release"/modules.{builtin,builtin.modinfo,order} \
		"$root/usr/lib/modules/$release/"
	"$tools/depmod" -b "$root" "$release"
	unset LD_LIBRARY_PATH
}

# pack ROOT OUTPUT: as the kernel wants it.
pack()
{
	(cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) >"$2"
}

make_root()
{
	local root=$1 program applet

	unpack "$root"
	mkdir -p "$root"/{dev,etc,proc,run,sys,tmp,usr/lib/"$triplet"} "$root/var/lib/kubelet"
	for program in "${guest_programs[@]}"; do
		[[ -e $unpacked/$program ]] || continue
		mkdir -p "$root/${program%/*}"
		cp "$unpacked/$program" "$root/$program"
	done
	cp -a "$unpacked/usr/lib/udev/rules.d" "$root/usr/lib/udev/"
	mkdir -p "$root/usr/lib/systemd"
	ln -s ../../bin/udevadm "$root/usr/lib/systemd/systemd-udevd"
	cp "$unpacked/usr/bin/busybox" "$root/usr/bin/"
	"$unpacked/usr/bin/busybox" --list | while read -r applet; do
		[[ -e $root/usr/bin/$applet ]] || ln -s busybox "$root/usr/bin/$applet"
	done
	for applet in depmod insmod lsmod modinfo modprobe rmmod; do
		rm -f "$root/usr/bin/$applet"
		ln -s ../bin/kmod "$root/usr/sbin/$applet"
	done
	copy_libraries "$root" "${guest_programs[@]/#/$root/}"
	cp "$here"/guest/{passwd,group} "$root/etc/"
	ln -s guest/init "$root/init"
}

# Everything below $1, complete or not at all.
make_base()
{
	local base=$1 release image=()

	# Another may be at it as well, or have been interrupted.
	find "$cache" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} + || true
	work=$(mktemp -d "$cache/$key.XXXXXX")
	unpacked=$work/unpacked
	mkdir "$work/debs"
	(cd "$work/debs" && apt-get -q "${apt_options[@]}" download "${packages[@]}") \
		>"$work/log" 2>&1 || { tail -n 5 "$work/log" >&2; return 1; }
	unpack "$unpacked" "$work"/debs/*.deb
	image=("$unpacked"/boot/vmlinuz-*)
	release=${image[0]#*/vmlinuz-}
	extract_vmlinux "${image[0]}" "$work/vmlinux"
	make_root "$work/root"
	copy_modules "$work/root" "$release"
	pack "$work/root" "$work/base.cpio"
	printf '%s\n' "$work"/debs/*.deb | sed 's/.*\///' >"$work/packages"
	rm -rf "$unpacked" "$work/root" "$work/debs" "$work/tools"
	chmod 755 "$work"
	mv -T "$work" "$base" 2>/dev/null || rm -rf "$work"
}

# The part that changes from run to run.
make_overlay()
{
	local output=$1 root program

	root=$(mktemp -d "$output/overlay.XXXXXX")
	unpacked=$root
	mkdir -p "$root"/{guest,cases} "$root"/usr/{bin,lib64,lib/"$triplet"}
	for program in camera frames kubelet uevents vudc; do
		[[ ! -x $tree/tests/vm/$program ]] ||
			strip -o "$root/usr/bin/vm-$program" "$tree/tests/vm/$program"
	done
	strip -o "$root/usr/bin/kudev" "$kudev"
	copy_libraries "$root" "$root"/usr/bin/*
	cp "$here"/guest/* "$root/guest/"
	cp "$here"/cases/*.sh "$root/cases/"
	chmod +x "$root/guest/init"
	pack "$root" "$output/overlay.cpio"
	rm -rf "$root"
}

tree=$(realpath "$1")
output=$2
kudev=${KUDEV_BINARY:-$tree/kudev}
mkdir -p "$output" "$cache"

apt_options=()
((EUID != 0)) || apt_options=(-o APT::Sandbox::User=root)
kernel=$(kernel_package)
[[ $kernel ]] || die "apt knows no linux-image-amd64; apt-get update?"
packages=("${guest_packages[@]}" "$kernel")
key=$({
	cat "${BASH_SOURCE[0]}" "$here"/guest/{passwd,group}
	apt-get -q --print-uris download "${packages[@]}" | cut -d ' ' -f 2-
} | sha256sum | cut -c 1-16)
base=$cache/$key
if [[ ! -e $base/base.cpio ]]; then
	say "making the guest's root from ${packages[*]}"
	make_base "$base"
fi
# It is in use, however old.
touch -c "$base" || true
"$here/modules.sh" "$(grep linux-image "$base/packages")" "$output/cameras.cpio"
make_overlay "$output"
cat "$base/base.cpio" "$output/cameras.cpio" "$output/overlay.cpio" >"$output/initrd.cpio"
ln -sf "$base/vmlinux" "$output/vmlinux"
say "guest: $(grep -h linux-image "$base/packages" | cut -d _ -f 1,2)," \
	"$(grep -h '^udev_' "$base/packages" | cut -d _ -f 1,2)"
