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
	echo "# ${output//$'\n'/$'\n# '}"
	[[ $output =~ $pattern ]]
	result $? "$words"
}

# eventually COMMAND...: it succeeds within two minutes
eventually() {
	local end=$((SECONDS + 120))

	while [[ $SECONDS -lt $end ]]; do
		! "$@" >/dev/null 2>&1 || return 0
		sleep 0.2
	done
	return 1
}

# start_agent [LINE...]: as it is installed, with that configuration
start_agent() {
	install "$TOP/build/user/vmguest-agent" /usr/sbin/vmguest-agent
	install -D "$TOP/userspace/agent/vmguest-shutdown-hook" \
		/usr/lib/systemd/system-shutdown/vmguest
	install -m 644 "$TOP/userspace/agent/vmguest-agent.service" \
		/etc/systemd/system
	mkdir -p /etc/vmguest
	printf '%s\n' "$@" >/etc/vmguest/agent.conf
	systemctl daemon-reload
	systemctl start vmguest-agent
	vmguestctl register self --cid 1
	vmguestctl ping self --queue --deadline 60s
	result $? 'the agent answers'
}

agent_log() {
	journalctl --no-pager -o cat -u vmguest-agent
}

# agent_has_logged WORDS
agent_has_logged() {
	agent_log | grep -qF -- "$1"
}

# agent_has_logged_line PATTERN
agent_has_logged_line() {
	agent_log | grep -q -- "$1"
}

# host_sees SESSIONS LOCKED: in the guest info
host_sees() {
	[[ $(vmguestctl status self --json) == *"\"sessions\":$1,\"locked\":$2,"* ]]
}

# vm_is STATE: as the host shows it
vm_is() {
	[[ $(vmguestctl status self --json) =~ \"state\":\ *\"$1\" ]]
}

# listen: from now on, for told
listen() {
	exec {EVENTS}< <(exec vmguestctl monitor --json self)
	told '*"listening"*'
}

# told PATTERN: the monitor has an event like that
told() {
	local line

	while IFS= read -r -t 60 -u "$EVENTS" line; do
		# shellcheck disable=SC2053 # a pattern
		[[ $line != $1 ]] || return 0
	done
	return 1
}

sessions() {
	loginctl list-sessions --no-legend
}

# with_new_sessions N COMMAND...: until logind itself has said that it has N more
with_new_sessions() {
	local news monitor line='' n=$1

	shift
	exec {news}< <(exec stdbuf -oL dbus-monitor --system \
		"type='signal',interface='org.freedesktop.login1.Manager',member='SessionNew'" 2>/dev/null)
	monitor=$!
	# the monitor's own name, when it listens
	until [[ $line == *NameAcquired* || $line == *NameLost* ]]; do
		IFS= read -r -t 60 -u "$news" line || break
	done
	"$@"
	for ((; n; n--)); do
		line=
		until [[ $line == *member=SessionNew* ]]; do
			IFS= read -r -t 60 -u "$news" line || break
		done
	done
	exec {news}<&-
	kill "$monitor"
}

# start_on TTY COMMAND...: as a session of nobody
start_on() {
	systemd-run --quiet -p PAMName=login -p User=nobody \
		-p "TTYPath=/dev/tty$1" -p StandardInput=tty "${@:2}"
}

# open_sessions TTY...: one each
open_sessions() {
	local tty

	for tty; do
		with_new_sessions 1 start_on "$tty" sleep infinity
	done
}

# open_stubborn TTY: one that does not care for signals, and has said so
open_stubborn() {
	local ready=/run/stubborn.$1

	mkfifo --mode 666 "$ready"
	# shellcheck disable=SC2016 # what the session's own shell expands
	with_new_sessions 1 start_on "$1" bash -c \
		'trap "" HUP TERM; echo >"$0"; while :; do sleep 1; done' "$ready"
	read -r -t 60 <>"$ready"
	rm -- "$ready"
}

# login_on_pts USER FILE: through login(1); what the terminal shows is in FILE
login_on_pts() {
	with_new_sessions 1 systemd-run --quiet sh -c \
		"sleep infinity | script -qfec 'login -f $1' $2"
}

# inhibit MODE WHO WHY: until INHIBITOR is killed
inhibit() {
	systemd-inhibit --what=shutdown --mode="$1" --who="$2" --why="$3" \
		sleep infinity &
	INHIBITOR=$!
	eventually is_inhibited "$2"
}

is_inhibited() {
	systemd-inhibit --list --no-legend | grep -q "^$1 "
}

# stops_late NAME AFTER COMMAND: a unit that is stopped before this test is, and
# before the units of AFTER are, by that
stops_late() {
	systemd-run --quiet --unit="$1" -p Type=oneshot -p RemainAfterExit=yes \
		-p "After=vmguest-vm.service $2" -p "ExecStop=$3" /bin/true
}

# go_on FIFO: a line for who reads it, when they do
go_on() {
	timeout 120 sh -c 'echo >"$0"' "$1"
}

# hold_the_end: on its way down the guest waits for this test to let_it_end
hold_the_end() {
	mkfifo /run/hold
	stops_late hold '' '/bin/head -n 1 /run/hold'
}

let_it_end() {
	go_on /run/hold
}

# counts TARGETED ENDED LEFT: as a pattern
counts() {
	echo "\"sessions\":\{\"targeted\":$1,\"ended\":$2,\"left\":$3\}"
}

task_json() {
	vmguestctl task "$1" --json
}

# task_has TASK PATTERN
task_has() {
	[[ $(task_json "$1") =~ $2 ]]
}

finish() {
	[[ $FAILED -eq 0 ]] || agent_log | sed 's/^/# agent: /'
	echo "1..$COUNT"
	[[ $FAILED -eq 0 ]]
}
