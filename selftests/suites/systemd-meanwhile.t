#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A login, a force and the end of the agent while sessions are logged off.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
with_init --init systemd -- "$SELFTESTS/systemd/meanwhile"
