#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# make install and uninstall; in the VM, DKMS builds and installs the module.
# shellcheck source=../suites/lib.sh
. "$(dirname -- "$0")/../suites/lib.sh"
exec "$SELFTESTS/install/test" "$KERNEL"
