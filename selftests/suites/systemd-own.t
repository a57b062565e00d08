#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A VM under systemd goes down by itself.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
powers_off 11 "$SELFTESTS/systemd/own"
