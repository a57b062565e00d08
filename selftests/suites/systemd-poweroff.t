#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A VM under systemd is powered off by a shutdown that went through the module.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
if in_vm --init systemd --expect-poweroff -- "$SELFTESTS/systemd/poweroff"; then
	echo "ok 3 the VM powers itself off"
else
	echo "not ok 3 the VM powers itself off"
fi
echo 1..3
