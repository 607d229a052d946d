# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034  # used by those who source this
# What the tests in Go and those with tools in Go have in common. To be sourced after lib.sh.

# find_go: sets go, and Go's environment, or skips.
find_go()
{
	local version

	go=${GO:-go}
	[[ -n ${GO:-} || ! -x /usr/local/go/bin/go ]] || PATH=$PATH:/usr/local/go/bin
	command -v "$go" >/dev/null || skip "no Go"
	# Nothing before that knows of newer Gos, or of patch releases in go.mod.
	version=$(cd / && "$go" env GOVERSION) || skip "$go does not work"
	[[ $version =~ go1\.([0-9]+) && ${BASH_REMATCH[1]} -ge 21 ]] ||
		skip "$version is too old: go1.21 is needed, which fetches the rest"
	# cgo would need the C compiler as well.
	export CGO_ENABLED=0
	[[ -z ${KUDEV_CACHE:-} ]] ||
		export GOCACHE=$KUDEV_CACHE/go-build GOMODCACHE=$KUDEV_CACHE/go-mod
	export GOFLAGS="${GOFLAGS:-} -buildvcs=false"
}

# Without what only a debugger or a long life pays for, the compiler needs two thirds of the
# time.
go_quick=(-gcflags="all=-dwarf=false -N -l" -ldflags="-s -w")

# A proxy that is there, or a way to it, fails now and then.
go_passing='i/o timeout|TLS handshake timeout|Client\.Timeout|deadline exceeded|stream error'
go_passing+='|connection reset|unexpected EOF|server misbehaving|: (429|5[0-9][0-9]) [A-Z]'

# unreachable LOG: prints why modules or a newer Go are not to be had here, if that is all that
# is wrong.
unreachable()
{
	! grep -qE 'checksum mismatch|SECURITY ERROR|go\.sum|go mod tidy|inconsistent' "$1" &&
		grep -m 1 -E -e "$go_passing" \
			-e 'dial (tcp|udp)|no such host|connection refused|: (403|404|407|410) [A-Z]' \
			-e 'module lookup disabled|toolchain not available|GOTOOLCHAIN=local' "$1"
}

# go_again LOG ARGUMENT...: go, with its complaints in that log; once more, and again, if that may
# help.
go_again()
{
	local log=$1 pause_s

	shift
	for pause_s in 5 30 0; do
		bounded "$go" "$@" 2>"$log" && return
		((pause_s)) && unreachable "$log" | grep -qE "$go_passing" || return 1
		printf '== again in %d s: %s\n' "$pause_s" "$(unreachable "$log")" >&2
		sleep "$pause_s"
	done
}

# go_step LOG ARGUMENT...: go, with its complaints in that log; returns 77, having printed why, if
# something was not to be had, and ends this if anything else is wrong.
go_step()
{
	local log=$1

	shift
	go_again "$log" "$@" >/dev/null && return
	unreachable "$log" && return 77
	tail -n 40 "$log" >&2
	die "failed: go $* (all of it: $log)"
}
