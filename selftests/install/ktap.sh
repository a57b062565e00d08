# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2034
#
# Tests that are shell functions. Sourced; the caller has set -eu and DIR.

N=0
FAILED=0

plan() {
	echo "TAP version 13"
	echo "1..$1"
}

# run_tests FUNCTION...: what one of them says is shown if it fails
run_tests() {
	local test status start

	for test; do
		N=$((N + 1))
		start=$SECONDS
		# not in a condition, where "set -e" would not hold
		set +e
		(set -e; "$test") >"$DIR/said" 2>&1
		status=$?
		set -e
		if [[ $status -eq 0 ]]; then
			echo "ok $N $test # $((SECONDS - start)) s"
		else
			FAILED=1
			sed 's/^/# /' "$DIR/said"
			echo "not ok $N $test"
		fi
	done
}
