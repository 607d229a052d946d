#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kudev on a real kernel, with real udev and USB devices that come and go, in QEMU:
#
#   tests/vm/run.sh [-list] [-run EXPRESSION] [-skip EXPRESSION]
#
# Builds kudev (or takes KUDEV_BINARY and KUDEV_BUILD_DIR), makes the guest (build.sh), runs
# cases/*.sh in it, those whose name the first expression matches and the second does not, and
# prints their results as TAP. Exits with 77, having said why, where this can't be done.
#
#   KUDEV_VM_JOBS=2      so many machines at the same time; default: one for each processor
#   KUDEV_VM_CPUS=2      processors of a machine, and real time; default: see qemu()
#   KUDEV_VM_SECONDS=600 of a processor's time, after which a machine is given up
set -euo pipefail
# shellcheck source=scripts/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../scripts/lib.sh"

here=$source_dir/tests/vm
tree=$build_root/vm
expression=.
unwanted='^$'
list=
while (($#)); do
	case $1 in
	-run)
		expression=${2:?}
		shift
		;;
	-skip)
		unwanted=${2:?}
		shift
		;;
	-list) list=1 ;;
	*) die "usage: run.sh [-list] [-run EXPRESSION] [-skip EXPRESSION]" ;;
	esac
	shift
done

# What a case says about the machines that it wants: "# machine: numa default" are both of
# these. Nothing: any one will do.
machines_of()
{
	sed -n 's/^# machine: *//p' "$here/cases/$1.sh"
}

# How long a case takes, by what it says ("# seconds: 8"), for an even distribution.
seconds_of()
{
	sed -n 's/^# seconds: *//p' "$here/cases/$1.sh" | grep . || echo 2
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

# kernel_words MACHINE CLOCK: the kernel's command line. The last of two that contradict each
# other counts.
kernel_words()
{
	# Who looks at the guest's console sees what there is to see.
	echo console=ttyS0 quiet panic=-1 oops=panic
	# Emulation makes dear what a real processor has for nothing, or nearly: protection
	# that no case is about, in each system call, each page and each process.
	echo mitigations=off rodata=off nokaslr no5lvl nosmap nosmep init_on_alloc=0 \
		cgroup_disable=memory audit=0 lsm=none
	# Code at the same address in each process is translated once.
	echo norandmaps
	# No self-tests, and no lock prefixes taken out of the code.
	echo cryptomgr.notests rcupdate.rcu_expedited=1 noreplace-smp tsc=reliable
	# The counter goes by the virtual clock, whose unit is a nanosecond. Without the APIC's
	# timer the HPET is taken, of which the kernel need not count how fast it goes.
	[[ $2 != virtual ]] || echo tsc_early_khz=1000000 nolapic_timer
	# As on any Debian, for what kernels do about the memory of frames.
	[[ $1 != cameras ]] || echo init_on_alloc=1
	echo "vm.machine=$1" "vm.clock=$2"
}

# The machine's time is the number of its instructions, two nanoseconds each, and it does not
# wait when idle: a busy host makes it no slower, as far as it can tell, so that times are
# those of kudev and no limit is ever missed for another's fault. That takes a single
# processor; KUDEV_VM_CPUS gives it several and real time. Takes the place of the shell.
qemu()
{
	local directory=$1 name=$2 cases=$3 options words
	local clock=(-icount "shift=1,sleep=off") clock_name=virtual

	mapfile -t options < <(machine_options "$name")
	if [[ ${KUDEV_VM_CPUS:-} ]]; then
		clock=(-smp "$KUDEV_VM_CPUS")
		clock_name=real
	fi
	mapfile -t words < <(kernel_words "$name" "$clock_name")
	# Its clock does not wait, so that one that hangs is busy; a busy host is no hang.
	ulimit -t "${KUDEV_VM_SECONDS:-600}"
	# PVH starts the unpacked kernel. No rep movsb, which is emulated byte by byte.
	exec timeout -k 5 "$limit_s" qemu-system-x86_64 -machine q35 -accel tcg \
		-cpu max,-erms,-fsrm "${clock[@]}" -m 512 -nodefaults -no-user-config \
		-display none -no-reboot "${options[@]}" \
		-kernel "$tree/vmlinux" -initrd "$tree/initrd.cpio" \
		-append "${words[*]} vm.cases=$cases" \
		-serial "file:$directory/console.log" -serial "file:$directory/tap" \
		</dev/null >"$directory/qemu.log" 2>&1
}

# job DIRECTORY MACHINE CASES: boots the machine with these cases, and prints its results.
job()
{
	local directory=$1 name=$2 status=0 pid

	trap 'kill "$pid"; exit 1' TERM
	qemu "$directory" "$name" "$3" &
	pid=$!
	wait "$pid" || status=$?
	cat "$directory/tap" || true
	if ! grep -q '^1\.\.' "$directory/tap"; then
		printf 'not ok 0 - %s: the machine ends (QEMU ended with %d)\n' "$name" "$status"
		tail -n 30 "$directory/console.log" "$directory/qemu.log" | cat -v | sed 's/^/#   /'
	fi
}

# start_job MACHINE CASES: in the background, as soon as there is a processor for it.
start_job()
{
	local directory=$tree/jobs/$1

	mkdir -p "$directory"
	while ((running >= max_jobs)); do
		wait -n || true
		running=$((running - 1))
	done
	job "$directory" "$@" >"$directory/results" 2>&1 &
	running=$((running + 1))
}

# Numbers all results anew, and plans them. What two machines found by themselves, and is to be
# the same ("same NAME VALUE"), is a result as well.
merge()
{
	awk '/^1\.\./ { next }
		/^same / { values[$2] = values[$2] " " $3; machines[$2, $3]++; next }
		/^(not )?ok [0-9]+/ { sub(/ok [0-9]+/, "ok " ++count) }
		{ print }
		END {
			for (name in values) {
				split(values[name], value, " ")
				print (machines[name, value[1]] == 2 ? "" : "not ") "ok " ++count,
					"- " name " is the same on both machines"
				print "#  " values[name]
			}
			print "1.." count + 0
		}' "$@"
}

count_tap()
{
	awk '/^ok .*# SKIP/ { skipped++; next }
		/^ok |^not ok .*# TODO/ { passed++ }
		/^not ok / && !/# TODO/ { failed++ }
		END { print passed + 0, failed + 0, skipped + 0 }' "$1"
}

mapfile -t cases < <(cd "$here/cases" && printf '%s\n' *.sh | sed 's/\.sh$//' |
	grep -E -- "$expression" | grep -vE -- "$unwanted")
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
	make_tree "$programs" vm-programs
	make_tree "$programs" kudev
fi
"$here/build.sh" "$programs" "$tree" || skip "the guest can't be made"

# add_case NAME MACHINE
add_case()
{
	members[$2]+=",$1"
	load[$2]=$((load[$2] + $(seconds_of "$1")))
}

# Prints the machine that has the least to do.
idlest()
{
	local machine

	for machine in "${machines[@]}"; do
		echo "${load[$machine]} $machine"
	done | sort -n | head -n 1 | cut -d ' ' -f 2
}

# Those machines that cases ask for, and usual ones, until each job has one.
rm -rf "$tree/jobs"
running=0
max_jobs=${KUDEV_VM_JOBS:-$(nproc)}
mapfile -t machines < <(for name in "${cases[@]}"; do
	machines_of "$name"
done | tr ' ' '\n' | sort -ur)
number=0
while ((${#machines[@]} < max_jobs && ${#machines[@]} < ${#cases[@]})); do
	machines+=("default$((++number))")
done
declare -A members=() load=()
for machine in "${machines[@]}"; do
	load[$machine]=0
	members[$machine]=
done

# The longest cases first.
mapfile -t cases < <(for name in "${cases[@]}"; do
	echo "$(seconds_of "$name") $name"
done | sort -k1,1rn -k2 | cut -d ' ' -f 2)
for name in "${cases[@]}"; do
	for machine in $(machines_of "$name"); do
		add_case "$name" "$machine"
	done
done
for name in "${cases[@]}"; do
	[[ $(machines_of "$name") ]] || add_case "$name" "$(idlest)"
done

start=$SECONDS
# shellcheck disable=SC2046  # numbers
trap 'kill $(jobs -p) 2>/dev/null || true' EXIT
for machine in "${machines[@]}"; do
	[[ -z ${members[$machine]:-} ]] || start_job "$machine" "${members[$machine]#,}"
done
wait
merge "$tree"/jobs/*/results | tee "$tree/results.tap"
say "ran for $((SECONDS - start)) s"
read -r passed failed skipped < <(count_tap "$tree/results.tap")
count "$passed" "$failed" "$skipped" vm
count_total
((failed == 0))
