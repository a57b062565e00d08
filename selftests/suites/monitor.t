#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Watching over netlink: the monitor library, vmguestctl monitor, tasks and top.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
in_vm -- "$SELFTESTS/monitor/run-suite"
