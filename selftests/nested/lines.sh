# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# A guest in QEMU, registered as web1, and its serial lines, in the host VM.
# Sourced by who has defined
#
#	PATIENCE           seconds for one event of a guest
#	LINES_OF_GUEST     its serial lines; the first is the console
#	VMM                QEMU's command line but for these; {cid} is its CID
#	fail WORDS         ends the run
#	EACH_LINE          what every line of output starts with (nothing)

EACH_LINE=${EACH_LINE-}
declare -A TO FROM

# Without these an emulated emulator's clocks lead the kernel astray.
readonly GUEST_CMDLINE="console=ttyS0 quiet panic=-1 reboot=t no_timer_check \
nokaslr cryptomgr.notests mitigations=off tsc=reliable tsc_early_khz=2000000 \
lpj=4000000"

# say PROMPT COMMAND...: as it could be typed, broken before options
say() {
	local line=$EACH_LINE$1 word

	shift
	for word; do
		[[ $word =~ ^[][A-Za-z0-9_./=:{},\&-]+$ ]] || word=${word@Q}
		if [[ $((${#line} + ${#word})) -gt 68 && $word == -* ]]; then
			printf '%s \\\n' "$line"
			line="$EACH_LINE   "
		fi
		line+=" $word"
	done
	printf '%s\n' "$line"
}

# show_console: what the guest has said there
show_console() {
	[[ -s console.log ]] || return 0
	printf '%sWhat the guest said on its console:\n' "$EACH_LINE"
	sed "s/^/$EACH_LINE  /" console.log
}

#
# the serial lines: QEMU's pipes, a file descriptor each way
#

open_line() {
	local in out

	rm -f -- "$1.in" "$1.out"
	mkfifo -- "$1.in" "$1.out"
	exec {in}<>"$1.in" {out}<>"$1.out"
	TO[$1]=$in FROM[$1]=$out
}

close_line() {
	local in=${TO[$1]} out=${FROM[$1]}

	exec {in}>&- {out}>&-
}

# await LINE TEXT: read, into $HEARD, until TEXT has come
await() {
	local byte

	HEARD=
	until [[ $HEARD == *"$2" ]]; do
		IFS= read -r -N 1 -t "$PATIENCE" -u "${FROM[$1]}" byte ||
			fail "no '$2' on $1, but: $HEARD"
		HEARD+=$byte
	done
}

type_on() {
	printf '%s\r' "$2" >&"${TO[$1]}"
}

# tell LINE WORDS...: what is on it
tell() {
	local words=${*:2}

	printf '%sweb1 %-7s| %s\n' "$EACH_LINE" "$1" "${words%"${words##*[! ]}"}"
}

# log_in LINE NAME: as a person does, through login, to a live shell
log_in() {
	await "$1" 'login: '
	tell "$1" "${HEARD##*$'\n'}$2"
	type_on "$1" "$2"
	await "$1" 'Password: '
	tell "$1" 'Password:'
	type_on "$1" "$2"
	await "$1" '$ '
	# shellcheck disable=SC2016 # for the guest's shell, whose echo has it so
	type_on "$1" 'echo I am $(id -un) on $(tty)'
	await "$1" $'(tty)\r\n'
	await "$1" $'\r\n'
	tell "$1" "${HEARD%$'\r\n'}"
	[[ $HEARD == "I am $2 on /dev/$1"* ]] || fail "$2 has no shell on $1"
}

# open_shell LINE: root's. From now on it shows nothing but what its commands
# say; the echo of what is typed here is no "ready".
open_shell() {
	await "$1" '# '
	type_on "$1" "stty -echo; PS1=; echo re''ady"
	await "$1" $'ready\r\n'
}

# ask LINE COMMAND: what it says, into $HEARD
ask() {
	local line

	type_on "$1" "$2; echo that is all"
	await "$1" $'that is all\r\n'
	HEARD=${HEARD//$'\r'/}
	HEARD=${HEARD%$'that is all\n'}
	while IFS= read -r line; do
		tell "$1" "$line"
	done <<<"${HEARD%$'\n'}"
}

# In the background until close_console, which comes after the VMM's last byte.
read_console() {
	local line

	while IFS= read -r line <&"${FROM[console]}"; do
		line=${line//$'\r'/}
		[[ $line != $'\4' ]] || break
		[[ $line ]] || continue
		printf '%s\n' "$line" >>console.log
		tell console "$line"
	done
}

close_console() {
	printf '\n\4\n' >&"${FROM[console]}"
	wait "$CONSOLE"
}

#
# the guest
#

# Returns when the VM is registered; QEMU goes on alone.
start_guest() {
	local line command

	command=(vmguestctl -v run --name web1 -- "${VMM[@]}")
	for line in "${LINES_OF_GUEST[@]}"; do
		open_line "$line"
		command+=(-chardev "pipe,id=$line,path=$line" -serial "chardev:$line")
	done
	: >console.log
	say '$' "${command[@]}" '&'
	open_line run
	"${command[@]}" </dev/null >&"${FROM[run]}" 2>&1 &
	RUN=$!
	read_console &
	CONSOLE=$!
	read -r -t "$PATIENCE" -u "${FROM[run]}" line ||
		fail '"vmguestctl run" says nothing'
	printf '%s%s\n' "$EACH_LINE" "$line"
	[[ $line =~ 'web1: id '[0-9]+', cid '[0-9]+', pid '([0-9]+)$ ]] ||
		fail 'the VM is not registered'
	# shellcheck disable=SC2034 # for those who source this
	VMM_PID=${BASH_REMATCH[1]}
}

# end_guest STATUS: how "vmguestctl run" ends
end_guest() {
	local status=0 line

	wait "$RUN" || status=$?
	close_console
	echo "${EACH_LINE}QEMU has ended: \"vmguestctl run\" exits with its status, $status."
	[[ $status == "$1" ]] || fail "QEMU's status is $status, not $1"
	for line in "${LINES_OF_GUEST[@]}" run; do
		close_line "$line"
	done
}

# In a folder of its own, where any user may run vmguestctl.
# enter_folder FILE...: with links to what QEMU is given
enter_folder() {
	local folder

	folder=$(mktemp -d)
	chmod 755 "$folder"
	cd -- "$folder" || return
	mkdir bin
	cp -- "$TOP_DIR/build/user/vmguestctl" bin/
	PATH=$PWD/bin:$PATH
	ln -s -- "$@" .
}
