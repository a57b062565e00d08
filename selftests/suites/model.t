#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# On the build machine: the model of tasks and channels, by spin.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
needs_no_vm
exec "$SELFTESTS/model/check"
