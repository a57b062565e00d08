#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# make install and uninstall, and what DKMS builds, in the VM.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
[[ $KERNEL != debug ]] || { echo "1..0 # SKIP no package of it, so no DKMS"; exit; }
exec "$SELFTESTS/install/test" "$KERNEL"
