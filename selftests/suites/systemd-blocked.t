#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Inhibitors, announcements and what else keeps a guest under systemd up.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
with_init --init systemd -- "$SELFTESTS/systemd/blocked"
