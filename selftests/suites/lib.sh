# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the suites that need a VM share. Sourced.

SELFTESTS=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # for those who source this
BUILD=$(dirname -- "$SELFTESTS")/build/user
KERNEL=${KERNEL:-6.1}

# What needs no VM is the same on every kernel: it runs with 6.1.
needs_no_vm() {
	[[ $KERNEL == 6.1 ]] || { echo "1..0 # SKIP needs no kernel"; exit; }
}

# in_vm RUN-OPTION... -- COMMAND...: a VM that does not do what it should is a
# line of its own; exit statuses above 100 are the runner's.
in_vm() {
	"$SELFTESTS/vm/run" --kernel "$KERNEL" --timeout 1800 "$@"
}

# with_init RUN-OPTION... -- COMMAND...: what is about the agent and its init. One
# processor: on two, without KVM, kernels have died in QEMU 7.2 of the int3 that is
# in their code for a moment while they patch it.
with_init() {
	in_vm --cpus 1 "$@"
}

# powers_off N COMMAND: it prints N results, and its VM powers itself off
powers_off() {
	local words='the VM powers itself off'

	if with_init --init systemd --expect-poweroff -- "$2"; then
		echo "ok $(($1 + 1)) $words"
	else
		echo "not ok $(($1 + 1)) $words"
	fi
	echo "1..$(($1 + 1))"
}
