#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# vmguestctl, the module and the agent, end to end, in the VM.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
in_vm -- "$SELFTESTS/ctl/module"
