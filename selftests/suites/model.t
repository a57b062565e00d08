#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# On the build machine: the model of tasks and channels, by spin.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
[[ $KERNEL == 6.1 ]] || { echo "1..0 # SKIP the same on every kernel"; exit; }
exec "$SELFTESTS/model/check"
