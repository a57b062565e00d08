#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Test that run reports what happened in the VM, above all what went wrong.
#
# usage: selftest.sh [--kernel FLAVOUR]
#
# Output is KTAP; about 80 s under emulation.
set -eu
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"

readonly TESTS=(
	usage_errors command_as_given nothing_reaches_the_machine status_of_command
	panic_is_reported warning_is_reported timeout_is_reported
	unexpected_poweroff_is_reported expected_poweroff reboot_is_no_poweroff
	kill_leaves_nothing logind_has_sessions
)
KERNEL=6.1
DIR=$(mktemp -d)
trap 'rm -rf -- "$DIR"' EXIT

# vm STATUS RUN-ARGUMENT...: output in $DIR/out, messages in $DIR/err
vm() {
	local want=$1 status=0

	shift
	"$VM_DIR/run" --kernel "$KERNEL" --no-module --timeout 100 "$@" \
		>"$DIR/out" 2>"$DIR/err" || status=$?
	[[ $status -eq $want ]] || comment "exit status $status, not $want"
}

comment() {
	echo "# $*"
	return 1
}

# output_is TEXT
output_is() {
	[[ $(<"$DIR/out") == "$1" ]] || comment "unexpected output"
}

# says PATTERN: run's reason
says() {
	grep -q -- "$1" "$DIR/err" || comment "no word of '$1'"
}

usage_errors() {
	vm 2 &&
		vm 2 --kernel none -- true &&
		vm 2 --init none -- true &&
		vm 2 --mem much -- true &&
		vm 2 --timeout
}

command_as_given() {
	# shellcheck disable=SC2016 # not to be expanded is the point
	local words=('' 'two words' '$HOME `id` \n' "it's \"quoted\"" '*' -n -- ü)

	cd -- "$VM_DIR/guest"
	vm 0 -- bash -c 'pwd; id -u; printf "<%s>" "$@"; echo; echo err >&2
		seq 100000; echo again >/dev/stdout' bash "${words[@]}" || return
	output_is "$(
		pwd
		echo 0
		printf '<%s>' "${words[@]}"
		echo
		echo err
		seq 100000
		echo again
	)"
}

nothing_reaches_the_machine() {
	local file=$VM_DIR/guest/.selftest

	vm 0 -- sh -c "echo x >'$file' && echo x >/usr/.selftest &&
		cat '$file' /usr/.selftest" || return
	output_is $'x\nx' || return
	[[ ! -e $file && ! -e /usr/.selftest ]] || comment "it does"
}

# what the command left running does not count, nor keep the VM
status_of_command() {
	vm 3 -- sh -c 'sleep 1000 & exit 3'
}

panic_is_reported() {
	vm 125 -- sh -c 'echo before; echo c >/proc/sysrq-trigger; sleep 60' &&
		output_is before &&
		says 'Kernel panic'
}

# ... even if the command is content
warning_is_reported() {
	vm 125 -- sh -c 'echo "<4>WARNING: possible recursive locking detected" \
			>/dev/kmsg' &&
		output_is '' &&
		says 'possible recursive locking'
}

timeout_is_reported() {
	vm 124 --timeout 3 -- true &&
		says 'not done after 3 s'
}

unexpected_poweroff_is_reported() {
	vm 125 -- sh -c 'busybox poweroff -f; sleep 60' &&
		says 'went away under the command'
}

expected_poweroff() {
	vm 0 --expect-poweroff -- \
		sh -c '(sleep 1; busybox poweroff -f) & echo $?' &&
		output_is 0
}

reboot_is_no_poweroff() {
	vm 125 --expect-poweroff -- busybox reboot -f &&
		says 'another way'
}

# Killed when the command runs; nobody but QEMU could name this test's folder.
kill_leaves_nothing() {
	local pid

	mkdir "$DIR/tmp"
	mkfifo "$DIR/fifo"
	TMPDIR=$DIR/tmp "$VM_DIR/run" --kernel "$KERNEL" --no-module -- \
		sh -c 'echo up; sleep 1000' >"$DIR/fifo" 2>"$DIR/err" &
	pid=$!
	read -r _ <"$DIR/fifo"
	kill "$pid"
	wait "$pid" || :
	[[ ! $(ls -A "$DIR/tmp") ]] || comment "files are left" || return
	! pgrep -f -- "$DIR/tmp" || comment "processes are left"
}

logind_has_sessions() {
	vm 255 --init systemd -- bash -c '
		systemd-run -q -p PAMName=login -p User=nobody \
			-p TTYPath=/dev/tty7 sleep 1000
		until loginctl --no-legend list-sessions | grep nobody; do
			sleep 0.2
		done
		systemctl --failed --no-legend --no-pager
		exit 255' || return
	grep -q '^ *[0-9c]\+ 65534 nobody' "$DIR/out" || comment "no session"
}

run_tests() {
	local test n=0 failed=0

	echo "TAP version 13"
	echo "1..${#TESTS[@]}"
	for test in "${TESTS[@]}"; do
		n=$((n + 1))
		if ("$test"); then
			echo "ok $n $test"
		else
			failed=1
			sed 's/^/# out: /' "$DIR/out" | tail -n 20
			sed 's/^/# err: /' "$DIR/err" | tail -n 40
			echo "not ok $n $test"
		fi
		rm -rf -- "${DIR:?}"/*
	done
	return "$failed"
}

case ${1-} in
'') ;;
-h | --help) usage; exit 0 ;;
--kernel) need_value "$1" $#; KERNEL=$2 ;;
*) die 2 "unknown argument $1 (see --help)" ;;
esac
run_tests
