#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The agent's script for OpenRC, in the host VM.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
make -s --no-print-directory -C "$SELFTESTS/../userspace/agent" LOGIND=0 >&2
root=$("$SELFTESTS/vm/fetch" --print root openrc) || exit
with_init -- "$SELFTESTS/agent/openrc" "$root"
