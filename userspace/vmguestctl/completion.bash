# SPDX-License-Identifier: GPL-2.0-only
# bash completion for vmguestctl

_vmguestctl_options() {
	local all='--json --verbose --help'
	local wait='--wait --timeout'
	local many='--all --order --parallel'
	local ask="$wait --no-wait --deadline --reason --queue"

	case $1 in
	register) echo "$all --cid --uid --gid --mode --pidfd-of" ;;
	run) echo "$all --name --cid --uid --gid --mode" ;;
	unregister) echo "$all --abort" ;;
	ping) echo "$all $ask --all --parallel" ;;
	shutdown | restart)
		echo "$all $ask $many --force --force-after --until --no-join --delay" \
			"--respect-sessions" ;;
	logoff)
		echo "$all $ask $many --force --force-after --until --no-join --delay" \
			"--grace --only-uid --all-but-uid" ;;
	wait) echo "$all $wait" ;;
	top) echo '--batch --iterations --delay --sort --verbose --help' ;;
	*) echo "$all" ;;
	esac
}

_vmguestctl() {
	local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} words=

	if [[ $COMP_CWORD -eq 1 ]]; then
		words='register unregister set list status ping shutdown restart
			logoff wait cancel task tasks blockers monitor top run
			--help --version'
	elif [[ $last == --until ]]; then
		words='accepted down gone'
	elif [[ $command == top && $last == @(-o|--sort) ]]; then
		words='id name cid state agent beat task verb stage percent left'
	elif [[ $last == --order ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
	elif [[ $last == --uid ]]; then
		words=$(compgen -u)
	elif [[ $last == --gid ]]; then
		words=$(compgen -g)
	elif [[ $word == -* ]]; then
		words=$(_vmguestctl_options "$command")
	else
		case $command in
		unregister | set | status | ping | shutdown | restart | logoff | \
			blockers | tasks | monitor | top)
			words=$(vmguestctl list 2>/dev/null |
				awk 'NR > 1 { print $2 }') ;;
		wait | cancel | task)
			words=$(vmguestctl list 2>/dev/null |
				awk 'NR > 1 && $6 != "-" { print $6 }') ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -o default -F _vmguestctl vmguestctl
