#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# On the build machine: the decoder and the corpus of its fuzzer, and some more.
# shellcheck source=lib.sh
. "$(dirname -- "$0")/lib.sh"
needs_no_vm
readonly RUNS=200000
make -s --no-print-directory -C "$SELFTESTS/fuzz" all >&2
FOUND=$(mktemp -d)
trap 'rm -rf -- "$FOUND"' EXIT

# run WORDS OPTION...
run() {
	local words=$1

	shift
	n=$((n + 1))
	if "$BUILD/fuzz-decoder" -artifact_prefix="$FOUND/" "$@" \
		>"$FOUND/log" 2>&1; then
		echo "ok $n $words"
	else
		failed=1
		sed 's/^/# /' "$FOUND/log"
		echo "not ok $n $words"
	fi
}

n=0 failed=0
mkdir "$FOUND/corpus"
run 'fuzz: every input of the corpus' -runs=0 "$SELFTESTS/fuzz/corpus"
run "fuzz: $RUNS more inputs" -runs="$RUNS" -seed=20261121 -max_len=4096 \
	"$FOUND/corpus" "$SELFTESTS/fuzz/corpus"
echo "1..$n"
[[ $failed -eq 0 ]]
