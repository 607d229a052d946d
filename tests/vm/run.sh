#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kudev on a real kernel, with real udev and USB devices that come and go, in QEMU:
#
#   tests/vm/run.sh [-list] [-run EXPRESSION]
#
# Builds kudev (or takes KUDEV_BINARY and KUDEV_BUILD_DIR), makes the guest (build.sh), runs
# cases/*.sh in it, those whose name the expression matches, and prints their results as
# TAP. Exits with 77, having said why, where this can't be done.
#
#   KUDEV_VM_JOBS=2      so many machines at the same time; default: one for each processor
#   KUDEV_VM_CPUS=2      processors of a machine, and real time; default: see qemu()
#   KUDEV_VM_SECONDS=600 when a machine is given up
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

here=$source_dir/tests/vm
tree=$build_root/vm
expression=.
list=
while (($#)); do
	case $1 in
	-run)
		expression=${2:?}
		shift
		;;
	-list) list=1 ;;
	*) die "usage: run.sh [-run EXPRESSION] [-list]" ;;
	esac
	shift
done

skip()
{
	say "skipped: $*"
	exit 77
}

# What a case says about the machines that it wants: "# machine: numa second" are two, one
# after the other.
machines_of()
{
	sed -n 's/^# machine: *//p' "$here/cases/$1.sh" | grep . || echo default
}

# The parts of a machine beyond a processor, memory and two serial ports.
machine_options()
{
	case $1 in
	# Node 1 has a PCI bridge of its own, and a USB controller with an adapter behind it.
	numa)
		printf '%s\n' -object memory-backend-ram,id=memory0,size=256M \
			-object memory-backend-ram,id=memory1,size=256M \
			-numa node,nodeid=0,cpus=0,memdev=memory0 \
			-numa node,nodeid=1,memdev=memory1 \
			-device pxb-pcie,id=bridge1,bus_nr=128,bus=pcie.0,numa_node=1 \
			-device pcie-root-port,id=port1,bus=bridge1,chassis=1 \
			-device qemu-xhci,id=usb1,bus=port1 \
			-device qemu-xhci,id=usb0,bus=pcie.0 \
			-chardev null,id=null0 -chardev null,id=null1 \
			-device usb-serial,chardev=null0,bus=usb0.0,port=1,serial=N0,always-plugged=on \
			-device usb-serial,chardev=null1,bus=usb1.0,port=1,serial=N1,always-plugged=on
		;;
	esac
}

# What the kernel of a machine is told beyond that; of two such words the last one counts.
# The memory of cameras' frames is cleared as on any Debian, or shows who leaves that to it.
machine_words()
{
	case $1 in
	cameras) echo init_on_alloc=1 ;;
	leaky) echo init_on_alloc=0 ;;
	esac
}

# The machine's time is the number of its instructions, two nanoseconds each, and it does not
# wait when idle: a busy host makes it no slower, as far as it can tell, so that times are
# those of kudev and no limit is ever missed for another's fault. That takes a single
# processor; KUDEV_VM_CPUS gives it several and real time. Takes the place of the shell.
qemu()
{
	local directory=$1 name=$2 cases=$3 options
	local clock=(-icount "shift=1,sleep=off") clock_name=virtual

	mapfile -t options < <(machine_options "$name")
	if [[ ${KUDEV_VM_CPUS:-} ]]; then
		clock=(-smp "$KUDEV_VM_CPUS")
		clock_name=real
	fi
	# PVH starts the unpacked kernel. No self-tests, and no rep movsb, which is emulated
	# byte by byte.
	exec timeout -k 5 "${KUDEV_VM_SECONDS:-600}" qemu-system-x86_64 -machine q35 -accel tcg \
		-cpu max,-erms,-fsrm "${clock[@]}" -m 512 -nodefaults -no-user-config \
		-display none -no-reboot "${options[@]}" \
		-kernel "$tree/vmlinux" -initrd "$directory/initrd.cpio" \
		-append "console=ttyS0 quiet panic=-1 oops=panic cryptomgr.notests \
mitigations=off nokaslr tsc=reliable audit=0 apparmor=0 rcupdate.rcu_expedited=1 rodata=off \
vm.machine=$name vm.clock=$clock_name vm.cases=$cases $(machine_words "$name")" \
		-serial "file:$directory/console.log" -serial "file:$directory/$name.tap" \
		</dev/null >"$directory/qemu.log" 2>&1
}

# job DIRECTORY MACHINES CASE...: boots the machines one after the other, each with its
# cases and what the ones before have kept.
job()
{
	local directory=$1 machines=$2 name status cases pid

	shift 2
	trap 'kill "$pid"; exit 1' TERM
	: >"$directory/kept"
	for name in $machines; do
		cases=$(for_machine "$name" "$@")
		cat "$tree/initrd.cpio" <(cd "$directory" && printf 'kept\n' |
			cpio -o -H newc -R 0:0 --quiet) >"$directory/initrd.cpio"
		status=0
		qemu "$directory" "$name" "${cases%,}" &
		pid=$!
		wait "$pid" || status=$?
		sed -n 's/^keep //p' "$directory/$name.tap" >>"$directory/kept"
		grep -v '^keep ' "$directory/$name.tap" || true
		grep -q '^1\.\.' "$directory/$name.tap" && continue
		printf 'not ok 0 - %s: the machine ends (QEMU ended with %d)\n' "$name" "$status"
		tail -n 30 "$directory/console.log" "$directory/qemu.log" | cat -v | sed 's/^/#   /'
	done
	rm -f "$directory/initrd.cpio"
}

# for_machine NAME CASE...: those that want it, each with a comma behind it.
for_machine()
{
	local name=$1 case_name

	shift
	for case_name; do
		[[ " $(machines_of "$case_name") " != *" $name "* ]] || printf '%s,' "$case_name"
	done
}

# start_job MACHINES CASE...: in the background, as soon as there is a processor for it.
start_job()
{
	local directory=$tree/jobs/$((++jobs))

	mkdir -p "$directory"
	while ((running >= max_jobs)); do
		wait -n || true
		running=$((running - 1))
	done
	job "$directory" "$@" >"$directory/results" 2>&1 &
	running=$((running + 1))
}

# Numbers all results anew, and plans them.
merge()
{
	awk '/^1\.\./ { next }
		/^(not )?ok [0-9]+/ { sub(/ok [0-9]+/, "ok " ++count) }
		{ print }
		END { print "1.." count + 0 }' "$@"
}

count_tap()
{
	awk '/^ok .*# SKIP/ { skipped++; next }
		/^ok |^not ok .*# TODO/ { passed++ }
		/^not ok / && !/# TODO/ { failed++ }
		END { print passed + 0, failed + 0, skipped + 0 }' "$1"
}

mapfile -t cases < <(cd "$here/cases" && printf '%s\n' *.sh | sed 's/\.sh$//' |
	grep -E -- "$expression")
((${#cases[@]})) || die "no case matches $expression"
if [[ $list ]]; then
	printf '%s\n' "${cases[@]}"
	exit
fi

[[ $(uname -m) == x86_64 ]] || skip "the guest is a PC, this machine is none"
for tool in qemu-system-x86_64 cpio xz apt-get dpkg-deb strip; do
	command -v "$tool" >/dev/null || skip "no $tool (Debian: ${vm_packages[*]})"
done

mkdir -p "$tree"
if [[ -n ${KUDEV_BINARY:-} && -n ${KUDEV_BUILD_DIR:-} ]]; then
	programs=$KUDEV_BUILD_DIR
else
	programs=$tree/tree
	configure_tree "$programs" --disable-tests
	make_tree "$programs" kudev vm-programs
fi
"$here/build.sh" "$programs" "$tree" || skip "the guest can't be made"

# add_case NAME MACHINES: into the job that has these machines, or a new one.
add_case()
{
	local machines

	for machines in "${!groups[@]}"; do
		if [[ " $machines " == *" $2 "* ]]; then
			groups[$machines]+=" $1"
			return
		fi
	done
	groups[$2]=$1
}

# The longest lists of machines first. Of the usual machine there is one for each job.
rm -rf "$tree/jobs"
jobs=0
running=0
max_jobs=${KUDEV_VM_JOBS:-$(nproc)}
declare -A groups=()
turn=0
while read -r machines name; do
	machines=${machines//,/ }
	[[ $machines != default ]] || machines="default $((turn++ % max_jobs))"
	add_case "$name" "$machines"
done < <(for name in "${cases[@]}"; do
	machines=$(machines_of "$name")
	printf '%d %s %s\n' "${#machines}" "${machines// /,}" "$name"
done | sort -k1,1rn -k3 | cut -d ' ' -f 2-)
start=$SECONDS
# shellcheck disable=SC2046  # numbers
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
while read -r machines; do
	read -ra members <<<"${groups[$machines]}"
	start_job "${machines%% [0-9]*}" "${members[@]}"
done < <(printf '%s\n' "${!groups[@]}" | sort)
wait
merge "$tree"/jobs/*/results | tee "$tree/results.tap"
say "ran for $((SECONDS - start)) s"
read -r passed failed skipped < <(count_tap "$tree/results.tap")
count "$passed" "$failed" "$skipped" vm
count_total
((failed == 0))
