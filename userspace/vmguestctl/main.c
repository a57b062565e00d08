// SPDX-License-Identifier: GPL-2.0-only
/* The table of commands. */
#include <stdarg.h>
#include <string.h>

#include "vmguestctl.h"

static const struct command commands[] = {
	{ "register", COMMAND_REGISTER, "NAME --cid N [--uid U] [--gid G] [--mode M] [--pidfd-of PID]",
	  1, 1, register_command },
	{ "unregister", COMMAND_UNREGISTER, "VM [--abort]",
	  1, 1, unregister_command },
	{ "set", COMMAND_SET, "VM [--uid U] [--gid G] [--mode M] [--cid N] [--pidfd-of PID | --no-lifeline] [--paused yes|no] [--migrating yes|no]",
	  1, 1, set_command },
	{ "list", COMMAND_LIST, "[--json]", 0, 0, list_command },
	{ "status", COMMAND_STATUS, "VM", 1, 1, status_command },
	{ "ping", COMMAND_PING, "VM... | --all", 1, -1, ping_command },
	{ "shutdown", COMMAND_SHUTDOWN, "VM... | --all | --order FILE [OPTION...]",
	  1, -1, shutdown_command },
	{ "restart", COMMAND_RESTART, "VM... | --all | --order FILE [OPTION...]",
	  1, -1, restart_command },
	{ "logoff", COMMAND_LOGOFF, "VM... | --all | --order FILE [OPTION...]",
	  1, -1, logoff_command },
	{ "wait", COMMAND_WAIT, "TASK... [--wait TIME]", 1, -1, wait_command },
	{ "cancel", COMMAND_CANCEL, "TASK...", 1, -1, cancel_command },
	{ "task", COMMAND_TASK, "TASK", 1, 1, task_command },
	{ "tasks", COMMAND_TASKS, "[VM...]", 0, -1, tasks_command },
	{ "blockers", COMMAND_BLOCKERS, "VM", 1, 1, blockers_command },
	{ "monitor", COMMAND_MONITOR, "[VM...]", 0, -1, monitor_command },
	{ "top", COMMAND_TOP, "[VM...] [-b] [-n N] [-d TIME] [-o COLUMN]",
	  0, -1, top_command },
	{ "run", COMMAND_RUN, "--name NAME [--cid auto|N] [--uid U] [--gid G] [--mode M] -- VMM [ARGUMENT...]",
	  1, -1, run_command },
};

static const char options_help[] =
"Requests (shutdown, restart, logoff):\n"
"  --all               every VM that runs, as far as known (ping, too)\n"
"  --order FILE        the VMs of each line together, line after line\n"
"  --parallel N        at most so many at once (ping, too)\n"
"  --deadline TIME     when the request ends if it is not done; or 'none'\n"
"  --force             ask nobody in the guest\n"
"  --force-after TIME  ask first, then force\n"
"  --respect-sessions  shutdown, restart: wait for who is logged on\n"
"  --delay TIME        tell the guest's users first, and act that much later\n"
"  --grace TIME        logoff: what a session has before it is killed\n"
"  --only-uid UID      logoff: the sessions of this user of the guest\n"
"  --all-but-uid UID   logoff: those of all other users\n"
"  --until PROOF       accepted, down or gone (shutdown: gone)\n"
"  --reason TEXT       why, for the logs of host and guest\n"
"  --queue             wait for the agent when it is not there (ping, too)\n"
"  --no-join           do not join the same request when it runs already\n"
"  --wait TIME         how long to wait; the request goes on (also --timeout)\n"
"  --no-wait           do not wait, print the task\n"
"Top:\n"
"  -b, --batch         print pictures instead of drawing them\n"
"  -n, --iterations N  so many, then end\n"
"  -d, --delay TIME    from one to the next (3s)\n"
"  -o, --sort COLUMN   id, name, cid, state, agent, beat, task, verb, stage,\n"
"                      percent or left\n"
"All:\n"
"  --json              one JSON object per result, event or task (not top)\n"
"  -v, --verbose       more\n"
"  -h, --help          this\n"
"  --version           the version\n"
"\n"
"VM is a name, id:12 or cid:7. TIME is 30, 30s, 2m, 1h or 500ms.\n"
"Exit: 0 done, 1 refused, 2 usage, 3 deadline, 4 no such VM, 5 permission,\n"
"6 no agent, 7 cancelled, 8 not clean, 9 no module, 10 blocked,\n"
"130 interrupted.\n";

static void help(void)
{
	size_t i;

	printf("usage: vmguestctl COMMAND ...\n\n");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %s %s\n", commands[i].name, commands[i].synopsis);
	printf("\n%s", options_help);
}

int usage_error(const char *format, ...)
{
	va_list arguments;

	fputs("vmguestctl: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputs(" (see vmguestctl --help)\n", stderr);
	return EXIT_USAGE;
}

static const struct command *find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int check_words(const struct command *command,
		       const struct options *options, int count)
{
	if (options->all || options->order)
		return !count ? 0 : usage_error("%s: --all and --order take no VM",
						command->name);
	if (count < command->min_words)
		return usage_error("%s: too few arguments; usage: vmguestctl %s %s",
				   command->name, command->name,
				   command->synopsis);
	if (command->max_words >= 0 && count > command->max_words)
		return usage_error("%s: too many arguments; usage: vmguestctl %s %s",
				   command->name, command->name,
				   command->synopsis);
	return 0;
}

/* What is lost on its way out must not look like a success. */
static int finish(int ret)
{
	if (fflush(stdout) || ferror(stdout)) {
		complain("cannot write the output: %m");
		return worse(ret, EXIT_REFUSED);
	}
	return ret;
}

static int run(const struct command *command, int argc, char **argv)
{
	struct options options;
	char **words;
	int first, count, ret;

	first = parse_options(command, argc, argv, &options);
	if (first < 0)
		return -first;
	if (options.help) {
		printf("usage: vmguestctl %s %s\n\n%s", command->name,
		       command->synopsis, options_help);
		return EXIT_DONE;
	}
	words = argv + first;
	count = argc - first;
	ret = check_words(command, &options, count);
	if (ret)
		return ret;
	line_init(!options.json);
	return command->run(&options, words, count);
}

/* Options may stand before the command: put it in front of them. */
static void command_first(char **argv)
{
	char **at = argv + 1, *command;

	while (*at && **at == '-')
		at++;
	command = *at;
	if (!command)
		return;
	for (; at > argv + 1; at--)
		*at = at[-1];
	*at = command;
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (argc < 2)
		return usage_error("no command");
	command_first(argv);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    !strcmp(argv[1], "help")) {
		help();
		return finish(EXIT_DONE);
	}
	if (!strcmp(argv[1], "--version")) {
		puts("vmguestctl " VMGUEST_VERSION);
		return finish(EXIT_DONE);
	}
	command = find(argv[1]);
	if (!command)
		return usage_error("no command '%s'", argv[1]);
	return finish(run(command, argc - 1, argv + 1));
}
