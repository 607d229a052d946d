#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Makes what virtual cameras need in the guest: v4l2loopback as Debian has it in several
# suites, built for the guest's kernel, and v4l2-ctl, as a second opinion.
#
#	modules.sh IMAGE OUTPUT
#
# IMAGE is the file name of the package that the guest's kernel comes from, OUTPUT is a cpio
# to put behind the guest's root. Each part is kept in KUDEV_VM_CACHE for a month, or until
# the kernel or this file changes. What can't be had is named in the guest's
# /modules/v4l2loopback/missing, with the reason, and tried again an hour later.
#
# The kernel's headers are unpacked here rather than installed: they must be those of the
# kernel that the guest boots, which this system's own need not be; and so it takes no root.
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

cache=${KUDEV_VM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/kudev-vm}
triplet=$(gcc -dumpmachine 2>/dev/null || echo x86_64-linux-gnu)
apt_options=(-q -o Acquire::Retries=1 -o Acquire::http::Timeout=20)
((EUID != 0)) || apt_options+=(-o APT::Sandbox::User=root)

# In bookworm it has no control device, in its backports it has the old one, and sid has
# whatever is the newest.
suites=(bookworm bookworm-backports trixie sid)

# A line for each of this system's sources of Debian's own packages: file, number of the
# entry in it, and URI.
debian_sources()
{
	# shellcheck disable=SC2016  # for apt
	apt-get indextargets --format '$(SOURCESENTRY) $(REPO_URI)' 'Created-By: Packages' \
		'Label: Debian' 'Component: main' 2>/dev/null | sed 's/:\([0-9]*\) /|\1|/'
}

# keyring FILE ENTRY: what the entry is signed by, if it says so with a path.
keyring()
{
	case $1 in
	*.sources) awk -v entry="$2" 'BEGIN { RS = "" } NR == entry' "$1" ;;
	*) sed -n "$2p" "$1" ;;
	esac | grep -ioE 'signed-by[:=] */[^], ]+' | grep -o '/.*'
}

# write_sources SUITE...: where this system gets its packages from, but for the suites.
write_sources()
{
	local file entry uri options="arch=amd64 lang=none target=Packages" signed_by suite

	IFS='|' read -r file entry uri < <(debian_sources) || return
	if signed_by=$(keyring "$file" "$entry"); then
		options+=" signed-by=$signed_by"
	fi
	for suite; do
		printf 'deb [%s] %s %s main\n' "$options" "$uri" "$suite"
	done >"$work/sources.list"
}

# apt with a state of its own, of those suites.
suites_apt()
{
	timeout 300 apt-get "${apt_options[@]}" -o Dir::Etc::sourcelist="$work/sources.list" \
		-o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$work/lists" \
		-o Dir::State::status=/dev/null -o Dir::Cache="$work/cache" "$@"
}

# update_suites SUITE...: one that isn't there is no reason to do without the others.
update_suites()
{
	write_sources "$@" || {
		echo "E: no source of Debian's packages in apt's configuration"
		return
	}
	mkdir -p "$work"/{lists,cache/archives}/partial
	suites_apt update || true
}

# download DIRECTORY COMMAND... PACKAGE...: unpacks them in the directory as well.
download()
{
	local directory=$1 deb

	shift
	mkdir -p "$directory"
	(cd "$directory" && "$@") || return
	for deb in "$directory"/*.deb; do
		dpkg-deb -x "$deb" "$directory" || return
	done
}

own_apt()
{
	timeout 300 apt-get "${apt_options[@]}" "$@"
}

# The part that depends on the compiler, and what it is said to depend on but the compiler.
fetch_headers()
{
	local root=$work/headers package=linux-headers-$release packages

	mapfile -t packages < <(apt-cache depends "$package" |
		sed -n 's/^ *Depends: \(linux-\(headers\|kbuild\)-.*\)/\1/p')
	download "$root" own_apt download "$package=$version" "${packages[@]}" || return
	sed -i "s|/usr/src/|$root&|" "$root/usr/src/$package/Makefile"
}

# build_module SUITE OUTPUT: a directory with the module, once more compressed, and its version.
build_module()
{
	local root=$work/$1 output=$2 package

	download "$root" suites_apt download "v4l2loopback-source/$1" || return
	package=$(basename "$root"/v4l2loopback-source_*.deb)
	package=${package#*_}
	mkdir -p "$output"
	echo "${package%%-*}" >"$output/version"
	tar -xf "$root/usr/src/v4l2loopback.tar.bz2" -C "$root" || return
	root=$root/modules/v4l2loopback
	make -C "$work/headers/usr/src/linux-headers-$release" M="$root" modules || return
	strip -g -o "$output/v4l2loopback.ko" "$root/v4l2loopback.ko" || return
	xz -k "$output/v4l2loopback.ko"
}

# build_tools OUTPUT: a directory to go below the guest's /usr. What v4l2-ctl needs and this
# system has comes from here.
build_tools()
{
	local root=$work/tools output=$1 packages library

	mapfile -t packages < <(own_apt -s install --no-install-recommends v4l-utils |
		awk '$1 == "Inst" && $2 != "v4l-utils" { print $2 }')
	download "$root" own_apt download v4l-utils "${packages[@]}" || return
	mkdir -p "$output/bin" "$output/lib/$triplet"
	cp "$root/usr/bin/v4l2-ctl" "$output/bin/" || return
	LD_LIBRARY_PATH=$root/usr/lib/$triplet ldd "$output/bin/v4l2-ctl" >"$root/libraries"
	! grep 'not found' "$root/libraries" || return
	# libc is there already.
	awk '$2 == "=>" && $1 !~ "^libc\\." { print $3 }' "$root/libraries" |
		while read -r library; do
			cp -L "$library" "$output/lib/$triplet/"
		done
}

# why PART: what was said about it, preferably by apt.
why()
{
	local logs=("$work/$1.log")

	[[ $1 == tools ]] || logs=("$work/headers.log" "${logs[@]}")
	{
		grep -h "^[EW]: .*/$1/" "$work/update.log" || grep -h '^E: ' "${logs[@]}" ||
			tail -n 1 "$work/$1.log"
	} 2>/dev/null | head -n 1 | sed 's/^[EW]: //' | cut -c 1-300
}

# make_part PART COMMAND...: with the place for it as the last argument.
make_part()
{
	local part=$1

	shift
	if "$@" "$work/parts/$part" >"$work/$part.log" 2>&1; then
		rm -rf "${kept:?}/$part" "$kept/$part.failed"
		mv -T "$work/parts/$part" "$kept/$part" 2>/dev/null || true
	else
		why "$part" >"$kept/$part.failed" || true
	fi
}

# Those that there are not, or are a month old, unless they could not be had an hour ago.
parts_to_make()
{
	local part

	for part in "${suites[@]}" tools; do
		[[ -z $(find "$kept/$part" -maxdepth 0 -mtime -30 2>/dev/null) ]] || continue
		[[ -z $(find "$kept/$part.failed" -mmin -60 2>/dev/null) ]] || continue
		echo "$part"
	done
}

make_parts()
{
	local part updater

	work=$(mktemp -d "$cache/cameras.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	mkdir "$work/parts"
	if [[ $* != tools ]]; then
		# shellcheck disable=SC2046  # words
		update_suites $(printf '%s\n' "$@" | grep -vx tools) >"$work/update.log" 2>&1 &
		updater=$!
		fetch_headers >"$work/headers.log" 2>&1 || true
		wait "$updater"
	fi
	for part; do
		case $part in
		tools) make_part tools build_tools & ;;
		*) make_part "$part" build_module "$part" & ;;
		esac
	done
	wait
}

# All that there is, as the guest will see it.
pack_parts()
{
	local root part version versions modules

	root=$(mktemp -d "$output.XXXXXX")
	modules=$root/modules/v4l2loopback
	mkdir -p "$modules" "$root/usr"
	for part in "${suites[@]}"; do
		if [[ -e $kept/$part/version ]]; then
			version=$(cat "$kept/$part/version")
			mkdir -p "$modules/$version"
			cp "$kept/$part"/v4l2loopback.ko* "$modules/$version/"
		else
			echo "$part: $(cat "$kept/$part.failed")" >>"$modules/missing"
		fi
	done
	cat "$kept"/*/version 2>/dev/null | sort -Vu >"$modules/versions" || true
	[[ ! -e $kept/tools ]] || cp -r "$kept/tools/." "$root/usr/"
	(cd "$root" && find . -mindepth 1 | LC_ALL=C sort |
		cpio -o -H newc -R 0:0 --quiet) >"$output"
	versions=$(paste -sd ' ' "$modules/versions")
	say "virtual cameras: v4l2loopback ${versions:-in no version}"
	[[ ! -e $modules/missing ]] || sed 's/^/   without that of /' "$modules/missing"
	[[ -e $kept/tools ]] || printf '   without v4l2-ctl: %s\n' "$(cat "$kept/tools.failed")"
	rm -rf "$root"
}

image=$1
output=$2
# linux-image-RELEASE_VERSION_ARCHITECTURE.deb, a colon escaped
IFS=_ read -r release version _ <<<"${image#linux-image-}"
version=${version/\%3a/:}
key=$({
	cat "${BASH_SOURCE[0]}"
	echo "$image"
} | sha256sum | cut -c 1-16)
kept=$cache/cameras-$key
mkdir -p "$kept"
mapfile -t parts < <(parts_to_make)
if ((${#parts[@]})); then
	say "making for the cameras: ${parts[*]}"
	make_parts "${parts[@]}"
fi
pack_parts
