#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# On the build machine: the agent under ASan, UBSan and the leak checker.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
needs_no_vm
readonly SANITIZED=$BUILD/asan
make -s --no-print-directory -C "$SELFTESTS/../userspace/agent" O="$SANITIZED" \
	CFLAGS='-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all' >&2
make -s --no-print-directory -C "$SELFTESTS/agent" all >&2
exec "$BUILD/test-agent" "$SANITIZED/vmguest-agent"
