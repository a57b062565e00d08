#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The module, in the VM: every call, every promise of a task, who dies when.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
in_vm -- "$SELFTESTS/kmod/run-suite"
