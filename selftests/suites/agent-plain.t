#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The agent without systemd, and its script for sysvinit, in the host VM.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
with_init -- "$SELFTESTS/agent/plain"
