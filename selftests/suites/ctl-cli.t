#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# On the build machine: vmguestctl as a whole, with a faked module.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
needs_no_vm
make -s --no-print-directory -C "$SELFTESTS/ctl" all >&2
exec "$SELFTESTS/ctl/cli" "$BUILD/vmguestctl" "$BUILD/test-lib-fake.so"
