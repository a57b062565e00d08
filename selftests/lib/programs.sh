# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Kselftest programs in the host VM as one TAP stream, and what each left behind
# in the kernel. Sourced.

COUNT=0 FAILED=0
COMPLAINTS='BUG:|WARNING:|Oops|general protection|circular locking|recursive locking|suspicious RCU|KASAN|UBSAN|INFO: task .* blocked'
KMEMLEAK=/sys/kernel/debug/kmemleak

# result STATUS WORDS
result() {
	COUNT=$((COUNT + 1))
	if [[ $1 -eq 0 ]]; then
		echo "ok $COUNT $2"
	else
		FAILED=$((FAILED + 1))
		echo "not ok $COUNT $2"
	fi
}

end_of_results() {
	echo "1..$COUNT"
	[[ $FAILED -eq 0 ]]
}

# wait_for COMMAND...: until it succeeds, 600 times. It looks at files and at
# other programs' answers, which tell nobody that they have changed.
wait_for() {
	local i

	for ((i = 0; i < 600; i++)); do
		! "$@" || return 0
		sleep 0.1
	done
	return 1
}

# Fails when the kernel complained since the last look.
log_is_clean() {
	local news

	news=$(dmesg | tac | sed '/vmguest-test: read until here/,$d' |
		tac | grep -E "$COMPLAINTS")
	echo 'vmguest-test: read until here' >/dev/kmsg
	[[ ! $news ]] || sed 's/^/# /' <<<"$news"
	[[ ! $news ]]
	result $? "$1: the kernel log is clean"
}

# Only where the kernel looks for leaks. What an RCU callback or another CPU's
# register still holds looks lost to one scan, so a report counts when it is
# still one after a second.
nothing_leaked() {
	local leaks

	[[ -e $KMEMLEAK ]] || return 0
	echo scan >"$KMEMLEAK"
	echo scan >"$KMEMLEAK"
	leaks=$(<"$KMEMLEAK")
	[[ ! $leaks ]] || sed 's/^/# /' <<<"$leaks"
	[[ ! $leaks ]]
	result $? "$1: kmemleak finds nothing"
}

# run_program PATH [ARGUMENT...]
run_program() {
	local name=${1##*/} line ended=

	while IFS= read -r line; do
		case $line in
		'ok '*) line=${line#ok }; result 0 "$name: ${line#* }" ;;
		'not ok '*) line=${line#not ok }; result 1 "$name: ${line#* }" ;;
		'# Totals:'*) ended=1 ;;
		'#  RUN'* | '#'*' OK  '*) ;;
		'#'*) echo "$line" ;;
		esac
	done < <("$@" 2>&1)
	[[ $ended ]]
	result $? "$name: ran to its end"
	[[ $(</sys/module/vmguest/refcnt) -eq 0 ]]
	result $? "$name: nothing holds the module"
	log_is_clean "$name"
}
