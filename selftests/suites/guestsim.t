#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The module against guests without QEMU, on the host's real vsock transport.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
in_vm -- "$SELFTESTS/guestsim/run-suite"
