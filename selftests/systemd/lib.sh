# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the tests under systemd share. Sourced; TOP is set.

export PATH=$TOP/build/user:$PATH
COUNT=0 FAILED=0

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

# check WORDS PATTERN COMMAND...: its output matches the regular expression
check() {
	local words=$1 pattern=$2 output

	shift 2
	output=$("$@" 2>&1)
	[[ $output =~ $pattern ]]
	result $? "$words"
	echo "# ${output//$'\n'/$'\n# '}"
}

# The agent is a service, so that it is not part of any session.
start_agent() {
	systemd-run --quiet --unit=test-agent \
		"$(command -v vmguest-agent)" --backend logind
	vmguestctl register self --cid 1
	vmguestctl ping self --queue
	result $? 'the agent answers'
}

sessions() {
	loginctl list-sessions --no-legend
}

# open_sessions TTY...: one each; logind itself says when it has them
open_sessions() {
	local news tty line

	exec {news}< <(exec stdbuf -oL dbus-monitor --system \
		"type='signal',interface='org.freedesktop.login1.Manager',member='SessionNew'")
	# the monitor's own name, when it listens
	until [[ ${line-} == *NameAcquired* || ${line-} == *NameLost* ]]; do
		IFS= read -r -t 60 -u "$news" line || break
	done
	for tty; do
		systemd-run --quiet -p PAMName=login -p User=nobody \
			-p "TTYPath=/dev/tty$tty" -p StandardInput=tty \
			sleep infinity
		until [[ $line == *member=SessionNew* ]]; do
			IFS= read -r -t 60 -u "$news" line || break
		done
		line=
	done
	exec {news}<&-
}

finish() {
	echo "1..$COUNT"
	[[ $FAILED -eq 0 ]]
}
