#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# That what measures works: each question of "make bench", as short as it gets, in
# the host VM. No figure is judged.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
make -s --no-print-directory -C "$SELFTESTS/bench" >&2
mapfile -t questions < <(basename -s _bench.c -a "$SELFTESTS"/bench/*_bench.c)

# Answered is a question that did not fail and has rows.
judge() {
	awk -v questions="$*" '
		/^= / { question = $2; next }
		/^# [a-z]+ failed$/ { failed[$2] }
		/^#/ { print; next }
		/^[a-z_]+,.*,.*,.*,.*,.*,/ { rows[question]++ }
		END {
			n = split(questions, asked, " ")
			for (i = 1; i <= n; i++) {
				good = rows[asked[i]] && !(asked[i] in failed)
				print (good ? "ok" : "not ok"), i, asked[i]
			}
			print "1.." n
		}'
}

set -o pipefail
in_vm --mem 6144 -- "$SELFTESTS/bench/in-vm" --quick -- "${questions[@]}" |
	judge "${questions[@]}"
