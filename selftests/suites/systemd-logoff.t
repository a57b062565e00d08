#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Real logind sessions are logged off and counted.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
with_init --init systemd -- "$SELFTESTS/systemd/logoff"
