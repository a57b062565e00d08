#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# On the build machine: the library's table of codes.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
needs_no_vm
make -s --no-print-directory -C "$SELFTESTS/lib" all >&2
exec "$BUILD/test-lib-errors"
