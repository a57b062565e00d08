#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A VM under systemd is powered off by a force that went through the module.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
powers_off 3 "$SELFTESTS/systemd/poweroff"
