#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# On the build machine: how vmguestctl shows events and VMs.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
needs_no_vm
make -s --no-print-directory -C "$SELFTESTS/ctl" all >&2
exec "$BUILD/test-ctl-view"
