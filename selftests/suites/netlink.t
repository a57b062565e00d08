#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The netlink family and the tracepoints through other people's programs: the ynl
# client of the kernel's tree, libnl's, perf, trace-cmd, bpftrace.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
source=$("$SELFTESTS/vm/fetch" --print source 6.12) ||
	{ echo "1..0 # SKIP the kernel's source cannot be had"; exit; }
in_vm -- "$SELFTESTS/netlink/run-suite" "$source"
