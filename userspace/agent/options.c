// SPDX-License-Identifier: GPL-2.0
/*
 * The command line.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/vm_sockets.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vmguest_protocol.h>
#include "config.h"
#include "options.h"

#define EXIT_USAGE	2

enum {
	OPTION_BACKEND = 256,
	OPTION_BOOT_ID,
	OPTION_CID,
	OPTION_CONFIG,
	OPTION_CONNECT,
	OPTION_GRACE,
	OPTION_INIT_TIMEOUT,
	OPTION_LAST_BREATH,
	OPTION_PORT,
	OPTION_SYSLOG,
	OPTION_TASK,
};

static const struct option long_options[] = {
	{ "backend", required_argument, NULL, OPTION_BACKEND },
	{ "boot-id", required_argument, NULL, OPTION_BOOT_ID },
	{ "cid", required_argument, NULL, OPTION_CID },
	{ "config", required_argument, NULL, OPTION_CONFIG },
	{ "connect", required_argument, NULL, OPTION_CONNECT },
	{ "grace", required_argument, NULL, OPTION_GRACE },
	{ "help", no_argument, NULL, 'h' },
	{ "init-timeout", required_argument, NULL, OPTION_INIT_TIMEOUT },
	{ "last-breath", required_argument, NULL, OPTION_LAST_BREATH },
	{ "port", required_argument, NULL, OPTION_PORT },
	{ "syslog", no_argument, NULL, OPTION_SYSLOG },
	{ "task", required_argument, NULL, OPTION_TASK },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },
	{ }
};

static const char help_text[] =
"usage: vmguest-agent [OPTION...] [-- COMMAND [ARGUMENT...]]\n"
"       vmguest-agent --last-breath poweroff|reboot|halt [OPTION...]\n"
"\n"
"The agent of a guest whose host runs vmguest: it dials the host and ends\n"
"sessions, powers off or reboots when the host asks for it. COMMAND is started\n"
"once, and only when the agent is process 1.\n"
"\n"
"      --backend WHAT       auto (default), logind, plain, or for tests\n"
"                           record:FILE\n"
"      --config FILE        what the guest's owner allows (default\n"
"                           /etc/vmguest/agent.conf)\n"
"      --grace MS           time for a session to end before it is killed,\n"
"                           unless the host says (default 5000)\n"
"      --init-timeout MS    time for init to bring the guest down (default\n"
"                           60000)\n"
"      --last-breath KIND   tell the host that the guest ends now, and exit\n"
"      --task FILE          state kept over restarts (default\n"
"                           /run/vmguest/task)\n"
"      --port PORT          port of the host (default 7761255)\n"
"      --cid CID            context id of the host (default 2)\n"
"      --syslog             say it to syslog(3), not to standard error\n"
"  -v, --verbose            say more\n"
"  -V, --version            print the version\n"
"  -h, --help               print this\n"
"\n"
"For tests only:\n"
"      --boot-id HEX        claim this boot id, 32 hexadecimal digits\n"
"      --connect PATH       dial a Unix socket instead of the host\n";

__attribute__((noreturn, format(printf, 1, 2)))
static void usage_error(const char *fmt, ...)
{
	va_list args;

	fputs("vmguest-agent: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputs("; see vmguest-agent --help\n", stderr);
	exit(EXIT_USAGE);
}

static unsigned int parse_number(const char *option, const char *text)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value > 0xffffffff)
		usage_error("--%s: %s is not a number", option, text);
	return value;
}

static unsigned int parse_end(const char *text)
{
	if (!strcmp(text, "poweroff"))
		return VMGUEST_END_POWEROFF;
	if (!strcmp(text, "reboot"))
		return VMGUEST_END_REBOOT;
	if (!strcmp(text, "halt"))
		return VMGUEST_END_HALT;
	usage_error("--last-breath: %s is not poweroff, reboot or halt", text);
}

static void parse_boot_id(struct options *options, const char *text)
{
	if (!id_parse(text, options->boot_id))
		usage_error("--boot-id: not 32 hexadecimal digits");
	options->has_boot_id = true;
}

static void parse_option(struct options *options, int option)
{
	switch (option) {
	case OPTION_BACKEND:
		options->backend = optarg;
		break;
	case OPTION_BOOT_ID:
		parse_boot_id(options, optarg);
		break;
	case OPTION_CID:
		options->cid = parse_number("cid", optarg);
		break;
	case OPTION_CONFIG:
		/* Read already. */
		break;
	case OPTION_CONNECT:
		options->connect_path = optarg;
		break;
	case OPTION_GRACE:
		options->grace_ms = parse_number("grace", optarg);
		break;
	case OPTION_INIT_TIMEOUT:
		options->init_timeout_ms = parse_number("init-timeout", optarg);
		break;
	case OPTION_LAST_BREATH:
		options->last_breath = parse_end(optarg);
		break;
	case OPTION_PORT:
		options->port = parse_number("port", optarg);
		break;
	case OPTION_SYSLOG:
		options->syslog = true;
		break;
	case OPTION_TASK:
		options->task_file = optarg;
		break;
	case 'v':
		options->verbose = true;
		break;
	case 'V':
		puts("vmguest-agent " VMGUEST_VERSION);
		exit(EXIT_SUCCESS);
	case 'h':
		fputs(help_text, stdout);
		exit(EXIT_SUCCESS);
	default:
		usage_error("wrong usage");
	}
}

/* Before all others, because they count more than what the file says. */
static void parse_config(struct options *options, int argc, char **argv)
{
	const char *path = NULL;
	int option, err;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "+hvV", long_options,
				     NULL)) >= 0)
		if (option == OPTION_CONFIG)
			path = optarg;
		else if (option == OPTION_SYSLOG)
			log_open(false, true);
	optind = 1;
	opterr = 1;
	err = config_load(options, path ? path : CONFIG_PATH);
	if (err && path)
		usage_error("--config: %s: %s", path, strerror(-err));
}

void options_parse(struct options *options, int argc, char **argv)
{
	int option;

	*options = (struct options){
		.cid = VMADDR_CID_HOST,
		.port = VMGUEST_WIRE_PORT,
		.backend = "auto",
		.task_file = "/run/vmguest/task",
		.grace_ms = OPTIONS_GRACE_MS,
		.init_timeout_ms = OPTIONS_INIT_TIMEOUT_MS,
	};
	parse_config(options, argc, argv);
	while ((option = getopt_long(argc, argv, "+hvV", long_options,
				     NULL)) >= 0)
		parse_option(options, option);
	if (optind == argc)
		return;
	if (getpid() != 1)
		usage_error("%s: a command needs an agent that is process 1",
			    argv[optind]);
	options->command = argv + optind;
}
