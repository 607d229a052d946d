# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash disable=SC2013,SC2034,SC3043,SC3045  # words are meant; not dash
# What the cases are written with. To be sourced by the guest's shell, busybox ash, which
# runs its own applets unless a path is given; hence some paths below.

state=/run/vm
counter=$state/counter
plugins=/var/lib/kubelet/device-plugins
gadgets=/sys/kernel/config/usb_gadget
# How long a condition may take, in seconds. The machine is emulated and may be shared.
patience=15

# The kernel's command line is the runner's way to tell us things.
# boot_value NAME DEFAULT
boot_value()
{
	local word words

	read -r words </proc/cmdline
	for word in $words; do
		case $word in
		"$1="*)
			echo "${word#*=}"
			return
			;;
		esac
	done
	echo "$2"
}

machine=$(boot_value vm.machine default)

# -- results

tap()
{
	printf '%s\n' "$*" >&5
}

note()
{
	tap "# $*"
}

# verdict ok|"not ok" NAME
verdict()
{
	local number

	read -r number <"$counter"
	number=$((number + 1))
	echo "$number" >"$counter"
	tap "$1 $number - ${case_name:-init}: $2"
}

# Shows what was going on, once a case.
explain()
{
	local file

	[ ! -e "$state/explained" ] || return 0
	for file in "$state"/kudev.log "$state"/lists "$state"/events; do
		[ -s "$file" ] || continue
		touch "$state/explained"
		note "the end of $file:"
		tail -n 15 "$file" | cut -c 1-400 | sed 's/^/#   /' >&5
	done
}

# Sets now_ms; a command substitution would be a process of its own.
read_clock()
{
	read -r now_ms _ </proc/uptime
	now_ms=${now_ms%.*}${now_ms#*.}0
}

now_ms()
{
	local now_ms

	read_clock
	echo "$now_ms"
}

# pause SECONDS: no process, as sleep is; nobody ever writes there.
pause()
{
	read -r -t "$1" _ <>"$state/silence"
}

# wait_for COMMAND...: until it succeeds; fails if that takes more than $patience seconds.
# Waiting costs the host nothing, looking does.
wait_for()
{
	local now_ms start_ms pause=0.05

	"$@" && return
	read_clock
	start_ms=$now_ms
	while [ "$now_ms" -lt $((start_ms + patience * 1000)) ]; do
		[ "$now_ms" -lt $((start_ms + 500)) ] || pause=0.3
		pause "$pause"
		"$@" && return
		read_clock
	done
	return 1
}

# expect NAME COMMAND...: the command succeeds sooner or later.
expect()
{
	local name=$1

	shift
	if wait_for "$@"; then
		verdict ok "$name"
	else
		verdict "not ok" "$name"
		note "never true: $*"
		explain
		return 1
	fi
}

# assert NAME COMMAND...: the command succeeds right now.
assert()
{
	patience=0 expect "$@"
}

# attempt NAME COMMAND...: the command succeeds, once, and may take its time.
attempt()
{
	local name=$1

	shift
	if "$@"; then
		verdict ok "$name"
	else
		verdict "not ok" "$name"
		note "failed: $*: ${answer:-}"
		explain
		return 1
	fi
}

skip()
{
	verdict ok "$1 # SKIP $2"
}

# todo NAME WHY COMMAND...: a known fault, for which the test must not fail, but tell.
todo()
{
	local name=$1 why=$2

	shift 2
	if "$@"; then
		verdict ok "$name"
	else
		verdict "not ok" "$name # TODO $why"
	fi
}

equal()
{
	[ "$1" = "$2" ] || {
		wrong="\"$1\" is not \"$2\""
		return 1
	}
}

# fails_with NAME COMMAND...: the command fails, and the last word that it says is the name
# of the error, as of all errors of vm-frames.
fails_with()
{
	local name=$1

	shift
	! "$@" 2>"$state/error" && equal "$(sed -n '$s/.* //p' "$state/error")" "$name"
}

# same NAME VALUE: the runner sees to it that it is the same on the other machine.
same()
{
	tap "same $1 $2"
}

# -- cases

# run_case NAME: in a shell of its own, in bounded time, and cleans up behind it.
run_case()
{
	local status=0 before start

	start=$(now_ms)
	before=$(cat "$counter")
	timeout -s KILL "$(boot_value vm.limit 300)" env case_name="$1" \
		sh "/cases/$1.sh" >"$state/case.log" 2>&1 || status=$?
	case_name=$1
	if [ "$status" != 0 ]; then
		verdict "not ok" "runs to its end (status $status)"
		tail -n 20 "$state/case.log" | sed 's/^/#   /' >&5
		explain
	elif [ "$(cat "$counter")" = "$before" ]; then
		verdict "not ok" "tests something"
	fi
	clean_up >>"$state/case.log" 2>&1
	note "$1 took $(($(now_ms) - start)) ms"
}

# What serve has started. The kubelet stays, for it takes its time to start.
stop_serving()
{
	stop_kudev
	rm -rf "$state"/kudev*
	find "$plugins" -mindepth 1 ! -name kubelet.sock -exec rm -rf {} +
}

# As a case has found the machine.
clean_up()
{
	local name

	stop_serving
	stop_program camera
	remove_cameras
	for name in "$gadgets"/*; do
		[ ! -d "$name" ] || gadget_remove "${name##*/}"
	done
	for name in loop vivid ftdi_sio xhci_pci; do
		[ ! -d "/sys/module/$name" ] || rmmod "$name"
	done
	udevd_is_up || start_udevd
	if [ -e /run/udev/rules.d ]; then
		rm -r /run/udev/rules.d
		udevadm control --reload
	fi
	rm -f "$state/explained"
	settle
}

# -- programs

# start_program NAME COMMAND...: in the background; what it says goes where the caller
# redirects it.
start_program()
{
	local name=$1

	shift
	"$@" &
	echo $! >"$state/$name.pid"
}

program_pid()
{
	cat "$state/$1.pid"
}

is_running()
{
	local pid

	[ -e "$state/$1.pid" ] && read -r pid <"$state/$1.pid" && kill -0 "$pid" 2>/dev/null
}

has_ended()
{
	! is_running "$1"
}

stop_program()
{
	local pid

	[ -e "$state/$1.pid" ] || return 0
	read -r pid <"$state/$1.pid"
	kill "$pid" 2>/dev/null
	kill -CONT "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	if ! (patience=5 wait_for has_ended "$1"); then
		note "$1 had to be killed"
		kill -KILL "$pid"
	fi
	rm -f "$state/$1.pid"
}

# The kubelet: its directory, a line in $state/lists for each list that comes, and the last
# one of each class in $state/last.
start_kubelet()
{
	: >"$state/lists"
	rm -f "$state"/last/*
	! is_running kubelet || return 0
	mkdir -p "$plugins" "$state/last"
	rm -f "$state/commands" "$state/answers"
	mkfifo "$state/commands" "$state/answers"
	start_program kubelet vm-kubelet "$plugins" "$state" >>"$state/lists"
	wait_for test -S "$plugins/kubelet.sock"
}

# Every event of the kernel and of udevd, with times, into $state/events.
start_uevents()
{
	: >"$state/events"
	! is_running uevents || return 0
	start_program uevents vm-uevents >>"$state/events"
	wait_for test -s "$state/events"
}

# start_kudev [COMMAND...]: with the configuration in $state/kudev.yaml; COMMAND is put
# before it (see pod_command).
# shellcheck disable=SC2120
start_kudev()
{
	start_program kudev "$@" kudev run --config "$state/kudev.yaml" \
		--plugin-directory "$plugins" --log-level debug 2>>"$state/kudev.log"
}

stop_kudev()
{
	stop_program kudev
}

# serve <CONFIGURATION: starts all of it, and waits for a list of each class.
serve()
{
	serve_below env
}

# serve_below COMMAND... <CONFIGURATION: the same, with COMMAND before kudev (see below, at
# namespaces).
serve_below()
{
	configure
	start_uevents
	start_kubelet
	start_kudev "$@"
	wait_for is_serving
}

# Sets classes to their names.
configure()
{
	local line

	classes=
	echo "domain: vm.test" >"$state/kudev.yaml"
	while IFS= read -r line; do
		case $line in
		domain:*) continue ;;
		*"- name: "*) classes="$classes ${line##*- name: }" ;;
		esac
		printf '%s\n' "$line"
	done >>"$state/kudev.yaml"
}

is_serving()
{
	local class

	for class in $classes; do
		[ -e "$state/last/$class" ] || return
	done
}

# understands <CONFIGURATION: whether this kudev has all the keys.
understands()
{
	local status=0

	{
		echo "domain: vm.test"
		cat
	} >"$state/feature.yaml"
	kudev check --config "$state/feature.yaml" >"$state/feature.log" 2>&1 || status=$?
	[ "$status" != 2 ]
}

# needs NAME <CONFIGURATION: ends the case, with a skip, if this kudev lacks it.
needs()
{
	understands && return
	skip "$1" "this kudev has no such configuration: $(head -n 1 "$state/feature.log" |
		sed 's/^[^:]*:[0-9:]* //')"
	exit 0
}

# -- what the kubelet has seen

# read_list CLASS: sets list to the last list's devices: "ID=Healthy ID=Unhealthy@0".
read_list()
{
	list=
	[ -e "$state/last/$1" ] && read -r _ _ _ _ list <"$state/last/$1"
}

# last_list CLASS: the same, one a line.
last_list()
{
	local device list

	read_list "$1"
	for device in $list; do
		echo "$device"
	done
}

count_lists()
{
	grep -c "^list vm.test/$1 " "$state/lists"
}

# has_healthy CLASS COUNT [OF]: so many are Healthy (of so many in the list).
has_healthy()
{
	local all=0 device healthy=0 list

	read_list "$1" || return
	for device in $list; do
		all=$((all + 1))
		case $device in
		*=Healthy*) healthy=$((healthy + 1)) ;;
		esac
	done
	[ "$healthy" = "$2" ] && [ "$all" = "${3:-$all}" ]
}

# is_settled CLASS COUNT [OF]: has_healthy, and udevd has nothing to do; cheaper than settle.
is_settled()
{
	[ ! -e /run/udev/queue ] && has_healthy "$@" && [ ! -e /run/udev/queue ]
}

# is CLASS ID HEALTH, in the last list.
is()
{
	local list

	read_list "$1" || return
	case " $list " in
	*" $2=$3 "* | *" $2=$3@"*) ;;
	*) return 1 ;;
	esac
}

# is_healthy CLASS ID
is_healthy()
{
	is "$@" Healthy
}

is_unhealthy()
{
	is "$@" Unhealthy
}

# device_ids CLASS: those that are Healthy.
device_ids()
{
	local device list

	read_list "$1"
	for device in $list; do
		case $device in
		*=Healthy*) echo "${device%%=*}" ;;
		esac
	done
}

# show_latency NODE CLASS: how long lists took after its events, as notes.
show_latency()
{
	awk -f /guest/latency.awk -v "node=$1" -v "resource=vm.test/$2" \
		"$state/events" "$state/lists" >"$state/latency"
	sed 's/^/#   /' "$state/latency" >&5
}

# is_within MS ROW: the p99 of a row of that table, where time is the machine's own and so
# worth anything.
is_within()
{
	[ "$(boot_value vm.clock real)" = virtual ] || return 0
	awk -v limit="$1" -v row="$2" 'index($0, row) == 1 { found = 1; bad = $(NF - 1) > limit }
		END { exit bad || !found }' "$state/latency"
}

# first_list_with CLASS TEXT: the time of the first list that has it (CLOCK_MONOTONIC, us).
first_list_with()
{
	grep "^list vm.test/$1 .* $2" "$state/lists" | head -n 1 | cut -d ' ' -f 3
}

# ask COMMAND CLASS WORD...: sends it to the kubelet. Its answer goes to $state/answer, and
# answer is set to the last line of it: "allocated", "refused" or "preferred" and so on.
ask()
{
	local command=$1 class=$2

	shift 2
	echo "$command vm.test/$class $*" >"$state/commands"
	while read -r -t "$patience" answer; do
		printf '%s\n' "$answer"
		case $answer in
		allocated\ * | refused\ * | preferred\ * | started\ *) return ;;
		esac
	done <"$state/answers" >"$state/answer"
	# Should the answer come after all, it is not the next one's.
	stop_program kubelet
	return 1
}

# allocate CLASS ID...: fails if refused.
allocate()
{
	ask allocate "$@" && [ "${answer%% *}" = allocated ]
}

# start_container CLASS ID...: what comes before the start of a container; fails if refused.
# $started is how long it took, in microseconds.
start_container()
{
	started=
	patience=35 ask start "$@" && [ "${answer%% *}" = started ] && started=${answer##* }
}

# prefer CLASS COUNT: the IDs that kudev prefers of the healthy ones.
prefer()
{
	ask prefer "$@"
	sed -n 's/^preferred [^ ]* [^ ]* //p' "$state/answer"
}

# -- udev

start_udevd()
{
	/usr/lib/systemd/systemd-udevd --daemon
	wait_for udevadm control --ping
}

udevd_is_up()
{
	[ -n "$(pidof systemd-udevd)" ]
}

udevd_is_down()
{
	! udevd_is_up
}

stop_udevd()
{
	udevadm control --exit
	wait_for udevd_is_down
}

settle()
{
	udevadm settle --timeout=10
}

# flood_events COUNT: of no device, to all who listen to udevd, as fast as it goes. Who does
# not read meanwhile loses some: each takes about 800 bytes of a receive buffer.
flood_events()
{
	vm-uevents send "$1"
}

# udev_property NODE NAME
udev_property()
{
	udevadm info --query=property --name="$1" 2>/dev/null | sed -n "s/^$2=//p"
}

# numa_node TTY: what the nearest parent that knows says, -1 if none does.
numa_node()
{
	local path

	path=$(readlink -f "/sys/class/tty/$1")
	while [ "$path" != /sys ]; do
		if [ -e "$path/numa_node" ]; then
			cat "$path/numa_node"
			return
		fi
		path=${path%/*}
	done
	echo -1
}

# udev_has NODE NAME VALUE
udev_has()
{
	[ "$(udev_property "$1" "$2")" = "$3" ]
}

# -- USB gadgets: the guest plugs devices into itself. Each dummy_udc.N is the one port of
# a bus of its own.

# gadget_new NAME VENDOR PRODUCT SERIAL [MODEL]
gadget_new()
{
	local gadget=$gadgets/$1

	mkdir -p "$gadget/strings/0x409" "$gadget/configs/c.1/strings/0x409"
	echo "0x$2" >"$gadget/idVendor"
	echo "0x$3" >"$gadget/idProduct"
	[ -z "$4" ] || echo "$4" >"$gadget/strings/0x409/serialnumber"
	echo Kudev >"$gadget/strings/0x409/manufacturer"
	echo "${5:-Adapter}" >"$gadget/strings/0x409/product"
}

# gadget_function NAME FUNCTION: the composite device gets one more, e.g. acm.a
gadget_function()
{
	mkdir -p "$gadgets/$1/functions/$2"
	ln -s "$gadgets/$1/functions/$2" "$gadgets/$1/configs/c.1/"
}

# gadget_acm NAME UDC VENDOR PRODUCT SERIAL [PORTS]: a modem, /dev/ttyACM*; plugged into
# dummy_udc.UDC unless that is empty. The kernel has eight ports of these in all.
gadget_acm()
{
	local port=0

	gadget_new "$1" "$3" "$4" "$5" Modem
	while [ "$port" -lt "${6:-1}" ]; do
		gadget_function "$1" "acm.$1$port"
		port=$((port + 1))
	done
	[ -z "$2" ] || plug "$1" "$2"
}

# gadget_serial NAME UDC VENDOR PRODUCT SERIAL [PORTS]: an adapter, /dev/ttyUSB*, as many as
# you like: what is written comes back.
gadget_serial()
{
	local port=0

	gadget_new "$1" "$3" "$4" "$5" Adapter
	while [ "$port" -lt "${6:-1}" ]; do
		gadget_function "$1" "Loopback.$1$port"
		port=$((port + 1))
	done
	serial_driver "$3" "$4"
	[ -z "$2" ] || plug "$1" "$2"
}

# serial_driver VENDOR PRODUCT: the kernel's generic driver takes these.
serial_driver()
{
	modprobe usbserial
	grep -qsx "$1 $2" "$state/adapters" && return
	echo "$1 $2" >"/sys/bus/usb-serial/drivers/generic/new_id"
	echo "$1 $2" >>"$state/adapters"
}

# plug NAME UDC, at once; udevd and the drivers need some time.
plug()
{
	echo "dummy_udc.$2" >"$gadgets/$1/UDC"
}

unplug()
{
	echo >"$gadgets/$1/UDC"
}

is_plugged()
{
	local udc

	read -r udc <"$gadgets/$1/UDC"
	[ -n "$udc" ]
}

gadget_remove()
{
	local gadget=$gadgets/$1 file

	! is_plugged "$1" || unplug "$1"
	for file in "$gadget"/configs/c.1/*; do
		[ ! -L "$file" ] || rm "$file"
	done
	for file in "$gadget"/functions/*; do
		[ ! -d "$file" ] || gadget_function_remove "$file"
	done
	rmdir "$gadget/configs/c.1/strings/0x409" "$gadget/configs/c.1" \
		"$gadget/strings/0x409" "$gadget"
}

gadget_function_remove()
{
	case $1 in
	*/uvc.*) camera_function_remove "$1" ;;
	esac
	rmdir "$1"
}

# camera_plug NAME SERIAL: a camera with a microphone, which needs more than dummy_hcd has;
# they come as /dev/video* and a sound card. There is one at a time.
camera_plug()
{
	modprobe usbip-vudc num=1
	modprobe vhci-hcd
	gadget_new "$1" 0525 a4a2 "$2" Camera
	camera_function "$gadgets/$1/functions/uvc.$1"
	ln -s "$gadgets/$1/functions/uvc.$1" "$gadgets/$1/configs/c.1/"
	gadget_function "$1" "uac1.$1"
	echo usbip-vudc.0 >"$gadgets/$1/UDC"
	wait_for has_camera_node
	start_program camera vm-camera "$(camera_node)"
	wait_for vm-vudc 0 0
}

# The bus loses it; what is inside goes on.
camera_unplug()
{
	echo 0 >/sys/devices/platform/vhci_hcd.0/detach
	stop_program camera
	echo >"$gadgets/$1/UDC"
}

# The node through which the inside of the camera is played.
camera_node()
{
	local file

	for file in /sys/class/video4linux/*/function_name; do
		[ ! -e "$file" ] || echo "/dev/$(basename "${file%/*}")"
	done
}

has_camera_node()
{
	[ -c "$(camera_node)" ]
}

# camera_function DIRECTORY: one format, one size.
camera_function()
{
	local size=$1/streaming/uncompressed/u/360p speed

	mkdir -p "$size" "$1/streaming/header/h" "$1/control/header/h"
	echo 640 >"$size/wWidth"
	echo 360 >"$size/wHeight"
	echo 333333 >"$size/dwFrameInterval"
	ln -s "$1/streaming/uncompressed/u" "$1/streaming/header/h/"
	for speed in fs hs ss; do
		ln -s "$1/streaming/header/h" "$1/streaming/class/$speed/"
	done
	for speed in fs ss; do
		ln -s "$1/control/header/h" "$1/control/class/$speed/"
	done
}

camera_function_remove()
{
	rm "$1"/streaming/class/*/h "$1"/control/class/*/h "$1/streaming/header/h/u"
	rmdir "$1/streaming/header/h" "$1/control/header/h" \
		"$1/streaming/uncompressed/u/360p" "$1/streaming/uncompressed/u"
}

# -- virtual cameras: v4l2loopback in several versions, which modules.sh has made. They are
# played with vm-frames (see frames.c), which is a second opinion, too.

loopbacks=/modules/v4l2loopback

# The versions, the oldest first. 0.12 has no control device.
camera_versions()
{
	cat "$loopbacks/versions"
}

# Says which ones the guest lacks, and ends the case if those are all.
needs_cameras()
{
	local suite reason

	if [ -e "$loopbacks/missing" ]; then
		while IFS=: read -r suite reason; do
			skip "v4l2loopback of $suite" "${reason# }"
		done <"$loopbacks/missing"
	fi
	[ -s "$loopbacks/versions" ] || exit 0
}

# camera_module VERSION [xz]: from now on modprobe and libkmod find this one, compressed or
# not; camera_module none: none at all. What is loaded stays. The shell's own depmod makes no
# index for libkmod; and as it takes its time the index is kept for the next time.
camera_module()
{
	local modules index=$state/index-$1${2:+.$2}

	modules=/lib/modules/$(uname -r)
	[ -e "$state/index-none" ] || copy_index "$modules" "$state/index-none"
	rm -rf "$modules/updates"
	if [ "$1" != none ]; then
		mkdir "$modules/updates"
		cp "$loopbacks/$1/v4l2loopback.ko${2:+.$2}" "$modules/updates/" || return
	fi
	if [ -e "$index" ]; then
		copy_index "$index" "$modules"
	else
		/usr/sbin/depmod && copy_index "$modules" "$index"
	fi
}

# copy_index FROM TO: what depmod makes.
copy_index()
{
	mkdir -p "$2"
	cp "$1"/modules.dep* "$1"/modules.alias* "$1"/modules.symbols* "$1"/modules.softdep \
		"$1"/modules.devname "$2/"
}

# camera_add VERSION NUMBER LABEL [OPTION...]: with the module of that version, which is
# loaded unless one is. Options are as for vm-frames. 0.12 has one camera only, made when it
# is loaded, and takes no option but exclusive=1.
camera_add()
{
	local version=$1 number=$2 label=$3

	shift 3
	case $version in
	0.12.*)
		[ ! -d /sys/module/v4l2loopback ] || wait_for rmmod v4l2loopback || return
		/usr/sbin/modprobe v4l2loopback devices=1 video_nr="$number" \
			card_label="$label" exclusive_caps=$#
		;;
	*)
		/usr/sbin/modprobe v4l2loopback devices=0 &&
			equal "$(vm-frames add "$number" "label=$label" "$@")" "$number"
		;;
	esac
}

# hold_camera NODE: somebody has it open, until release_camera NODE.
hold_camera()
{
	start_program "hold-${1##*/}" vm-frames hold "$1" >"$state/hold"
	wait_for grep -qx open "$state/hold"
}

release_camera()
{
	stop_program "hold-${1##*/}"
}

# Ends all who use one, and takes the module away. Unlike taking away a single camera that is
# safe at any time: the module refuses while one is in use.
remove_cameras()
{
	killall -q vm-frames v4l2-ctl
	rm -f "$state"/hold-*.pid /dev/dummy-video*
	if [ -d /sys/module/v4l2loopback ]; then
		settle
		wait_for rmmod v4l2loopback
	fi
	[ ! -e "$state/index-none" ] || camera_module none
}

# usb_device SERIAL: the directory in sysfs.
usb_device()
{
	dirname "$(grep -lx "$1" /sys/bus/usb/devices/*/serial 2>/dev/null | head -n 1)"
}

# -- namespaces, as pods have them

# in_pod MODE... COMMAND...: runs the command, as the process that the shell started, with
# any of
#	netns		a network of its own: no events from udevd
#	userns		users of its own
#	no-run-udev	without /run/udev
#	dev-tmpfs	/dev a tmpfs with a few nodes, as runtimes make it; at /host/dev is the real one
#	dev-rbind	/dev mounted into the container
# start_program in_pod netns kudev … is kudev's own process.
in_pod()
{
	local flags="" setup=:

	while :; do
		case $1 in
		netns) flags="$flags --net" ;;
		userns) flags="$flags --user --map-root-user" ;;
		no-run-udev) setup="$setup; mount -t tmpfs tmpfs /run/udev" ;;
		dev-tmpfs) setup="$setup; mkdir -p /tmp/dev; mount --rbind /dev /tmp/dev
			mount -t tmpfs tmpfs /dev; cp -a /tmp/dev/null /tmp/dev/urandom /dev" ;;
		dev-rbind) setup="$setup; mount --rbind /dev /dev" ;;
		*) break ;;
		esac
		shift
	done
	# shellcheck disable=SC2086,SC2016  # words; for the inner shell
	exec /usr/bin/unshare --mount $flags /bin/sh -c "$setup"'; exec "$@"' in_pod "$@"
}

# in_container [privileged] COMMAND...: the same in a root of its own, with what deploy/base
# mounts there, a network of its own and no capabilities; or with what
# deploy/components/v4l2loopback adds.
in_container()
{
	local modules=: access=ro
	local rights="/usr/bin/setpriv --bounding-set=-all --inh-caps=-all --no-new-privs"

	if [ "$1" = privileged ]; then
		shift
		modules="mount --bind /lib/modules lib/modules"
		access=rw
		rights=
	fi
	# shellcheck disable=SC2086,SC2016  # words; for the inner shell
	exec /usr/bin/unshare --mount --net /bin/sh -ec '
		root=/tmp/container
		mkdir -p $root
		mount -t tmpfs tmpfs $root
		cd $root
		mkdir -p dev lib/modules proc run/udev sys tmp usr .'"$state .$plugins"'
		ln -s usr/bin usr/lib64 .
		mount --bind /usr usr
		mount -o remount,bind,ro usr
		mount --bind /dev dev
		mount -o remount,bind,'$access' dev
		mount -t proc proc proc
		mount -t sysfs -o '$access' sysfs sys
		mount --bind /run/udev run/udev
		mount --bind '"$state .$state"'
		mount --bind '"$plugins .$plugins"'
		'"$modules"'
		mount -o remount,ro .
		exec chroot . '"$rights"' "$@"' in_container "$@"
}
