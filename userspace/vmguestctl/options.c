// SPDX-License-Identifier: GPL-2.0-only
/* The table of options. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "vmguestctl.h"

#define STOPS	(COMMAND_SHUTDOWN | COMMAND_RESTART)
#define REQUESTS (STOPS | COMMAND_LOGOFF)
#define ASKS	(REQUESTS | COMMAND_PING)
#define WAITS	(ASKS | COMMAND_WAIT)
#define OWNED	(COMMAND_REGISTER | COMMAND_RUN | COMMAND_SET)
#define ALL	(~0U)

#define DEFAULT_DELAY_MS 3000

/* Values behind the letters that stand for themselves. */
enum {
	OPTION_JSON = 256,
	OPTION_CID,
	OPTION_NAME,
	OPTION_UID,
	OPTION_GID,
	OPTION_MODE,
	OPTION_PIDFD_OF,
	OPTION_NO_LIFELINE,
	OPTION_PAUSED,
	OPTION_MIGRATING,
	OPTION_ABORT,
	OPTION_DEADLINE,
	OPTION_FORCE,
	OPTION_FORCE_AFTER,
	OPTION_WAIT,
	OPTION_NO_WAIT,
	OPTION_UNTIL,
	OPTION_REASON,
	OPTION_QUEUE,
	OPTION_RESPECT_SESSIONS,
	OPTION_NO_JOIN,
	OPTION_DELAY,
	OPTION_GRACE,
	OPTION_ONLY_UID,
	OPTION_ALL_BUT_UID,
	OPTION_ALL,
	OPTION_ORDER,
	OPTION_PARALLEL,
};

static const struct {
	const char *name;
	int has_value;
	int value;
	unsigned int commands;
} table[] = {
	{ "json", 0, OPTION_JSON, ALL & ~COMMAND_TOP },
	{ "verbose", 0, 'v', ALL },
	{ "help", 0, 'h', ALL },
	{ "cid", 1, OPTION_CID, OWNED },
	{ "name", 1, OPTION_NAME, COMMAND_RUN },
	{ "uid", 1, OPTION_UID, OWNED },
	{ "gid", 1, OPTION_GID, OWNED },
	{ "mode", 1, OPTION_MODE, OWNED },
	{ "pidfd-of", 1, OPTION_PIDFD_OF, COMMAND_REGISTER | COMMAND_SET },
	{ "no-lifeline", 0, OPTION_NO_LIFELINE, COMMAND_SET },
	{ "paused", 1, OPTION_PAUSED, COMMAND_SET },
	{ "migrating", 1, OPTION_MIGRATING, COMMAND_SET },
	{ "abort", 0, OPTION_ABORT, COMMAND_UNREGISTER },
	{ "deadline", 1, OPTION_DEADLINE, ASKS },
	{ "force", 0, OPTION_FORCE, REQUESTS },
	{ "force-after", 1, OPTION_FORCE_AFTER, REQUESTS },
	{ "wait", 1, OPTION_WAIT, WAITS },
	{ "timeout", 1, OPTION_WAIT, WAITS },
	{ "no-wait", 0, OPTION_NO_WAIT, ASKS },
	{ "until", 1, OPTION_UNTIL, REQUESTS },
	{ "reason", 1, OPTION_REASON, ASKS },
	{ "queue", 0, OPTION_QUEUE, ASKS },
	{ "respect-sessions", 0, OPTION_RESPECT_SESSIONS, STOPS },
	{ "no-join", 0, OPTION_NO_JOIN, REQUESTS },
	{ "delay", 1, OPTION_DELAY, REQUESTS },
	{ "grace", 1, OPTION_GRACE, COMMAND_LOGOFF },
	{ "only-uid", 1, OPTION_ONLY_UID, COMMAND_LOGOFF },
	{ "all-but-uid", 1, OPTION_ALL_BUT_UID, COMMAND_LOGOFF },
	{ "all", 0, OPTION_ALL, ASKS },
	{ "order", 1, OPTION_ORDER, REQUESTS },
	{ "parallel", 1, OPTION_PARALLEL, ASKS },
	{ "batch", 0, 'b', COMMAND_TOP },
	{ "iterations", 1, 'n', COMMAND_TOP },
	{ "delay", 1, 'd', COMMAND_TOP },
	{ "sort", 1, 'o', COMMAND_TOP },
};

static int bad_value(const char *name, const char *value, const char *want)
{
	usage_error("--%s: '%s' is not %s", name, value, want);
	return -EXIT_USAGE;
}

static int set_deadline(struct options *options, const char *value)
{
	struct vmguest_options *request = &options->request;

	request->flags &= ~VMGUEST_REQ_NO_DEADLINE;
	request->deadline_ms = 0;
	if (!strcmp(value, "none")) {
		request->flags |= VMGUEST_REQ_NO_DEADLINE;
		return 0;
	}
	if (parse_duration(value, &request->deadline_ms) ||
	    !request->deadline_ms)
		return bad_value("deadline", value,
				 "a time such as 30s, or 'none'");
	return 0;
}

static int set_force_after(struct options *options, const char *value)
{
	if (parse_duration(value, &options->request.force_after_ms) ||
	    !options->request.force_after_ms)
		return bad_value("force-after", value, "a time such as 30s");
	return 0;
}

static int set_time(const char *name, const char *value, uint32_t *ms)
{
	if (parse_duration(value, ms) || !*ms)
		return bad_value(name, value, "a time such as 30s");
	return 0;
}

/* The guest's uid: names are the host's. */
static int set_scope(struct options *options, const char *name,
		     enum vmguest_scope scope, const char *value)
{
	uint64_t uid;

	if (options->request.scope) {
		usage_error("--only-uid and --all-but-uid can be given once");
		return -EXIT_USAGE;
	}
	if (parse_number(value, 0, UINT32_MAX - 1, &uid))
		return bad_value(name, value, "a uid, as a number");
	options->request.scope = scope;
	options->request.scope_uid = uid;
	return 0;
}

static int set_wait(struct options *options, const char *value)
{
	uint32_t ms;

	if (parse_duration(value, &ms))
		return bad_value("wait", value, "a time such as 30s");
	options->wait_ms = ms;
	return 0;
}

static int set_until(struct options *options, const char *value)
{
	uint32_t until;

	for (until = VMGUEST_UNTIL_ACCEPTED; until <= VMGUEST_UNTIL_GONE;
	     until++)
		if (!strcmp(vmguest_until_name(until), value)) {
			options->request.until = until;
			return 0;
		}
	return bad_value("until", value, "accepted, down or gone");
}

static int set_reason(struct options *options, const char *value)
{
	char printable[SAFE_SIZE(VMGUEST_TEXT_SIZE)];

	if (strlen(value) >= VMGUEST_TEXT_SIZE) {
		usage_error("--reason: longer than %d bytes",
			    VMGUEST_TEXT_SIZE - 1);
		return -EXIT_USAGE;
	}
	safe_text(printable, sizeof(printable), value);
	if (strcmp(printable, value))
		return bad_value("reason", printable, "printable text");
	options->request.reason = value;
	return 0;
}

static int set_cid(struct options *options, const char *value)
{
	uint64_t cid;

	if (!strcmp(value, "auto")) {
		options->cid = 0;
		return 0;
	}
	if (parse_number(value, 1, 0xfffffffe, &cid))
		return bad_value("cid", value, "a CID (3 to 4294967294)");
	options->cid = cid;
	return 0;
}

static int set_pid(struct options *options, const char *value)
{
	uint64_t pid;

	if (parse_number(value, 1, INT32_MAX, &pid))
		return bad_value("pidfd-of", value, "a process id");
	options->pidfd_of = pid;
	return 0;
}

static int set_parallel(struct options *options, const char *value)
{
	uint64_t number;

	if (parse_number(value, 1, UINT32_MAX, &number))
		return bad_value("parallel", value, "a number from 1 on");
	options->parallel = number;
	return 0;
}

static int set_mark(struct options *options, const char *name, uint32_t what,
		    uint32_t mark, const char *value)
{
	bool on = !strcmp(value, "yes");

	if (!on && strcmp(value, "no"))
		return bad_value(name, value, "yes or no");
	options->set |= what;
	options->marks = on ? options->marks | mark : options->marks & ~mark;
	return 0;
}

static int set_refresh(struct options *options, const char *value)
{
	if (parse_duration(value, &options->delay_ms) ||
	    options->delay_ms < MIN_DELAY_MS)
		return bad_value("delay", value, "a time from 100ms on");
	return 0;
}

static int set_iterations(struct options *options, const char *value)
{
	uint64_t number;

	if (parse_number(value, 1, UINT32_MAX, &number))
		return bad_value("iterations", value, "a number from 1 on");
	options->iterations = number;
	return 0;
}

static int set_sort(struct options *options, const char *value)
{
	int column = column_of(value);

	if (column < 0)
		return bad_value("sort", value, "a column of top");
	options->sort = column;
	return 0;
}

/* 0, or -EXIT_USAGE. */
static int set_value(struct options *options, int option, const char *value)
{
	switch (option) {
	case OPTION_CID:
		options->set |= VMGUEST_SET_CID;
		return set_cid(options, value);
	case OPTION_NAME:
		options->name = value;
		return 0;
	case OPTION_UID:
		options->set |= VMGUEST_SET_OWNER;
		options->has_uid = true;
		return parse_user(value, &options->uid) ?
			bad_value("uid", value, "a user") : 0;
	case OPTION_GID:
		options->set |= VMGUEST_SET_OWNER;
		options->has_gid = true;
		return parse_group(value, &options->gid) ?
			bad_value("gid", value, "a group") : 0;
	case OPTION_MODE:
		options->set |= VMGUEST_SET_MODE;
		return parse_mode(value, &options->mode) ?
			bad_value("mode", value, "an octal mode up to 777") :
			0;
	case OPTION_PIDFD_OF:
		options->set |= VMGUEST_SET_LIFELINE;
		return set_pid(options, value);
	case OPTION_PAUSED:
		return set_mark(options, "paused", VMGUEST_SET_PAUSED,
				VMGUEST_VM_PAUSED, value);
	case OPTION_MIGRATING:
		return set_mark(options, "migrating", VMGUEST_SET_MIGRATING,
				VMGUEST_VM_MIGRATING, value);
	case OPTION_DEADLINE:
		return set_deadline(options, value);
	case OPTION_FORCE_AFTER:
		return set_force_after(options, value);
	case OPTION_WAIT:
		return set_wait(options, value);
	case OPTION_UNTIL:
		return set_until(options, value);
	case OPTION_REASON:
		return set_reason(options, value);
	case OPTION_DELAY:
		return set_time("delay", value, &options->request.delay_ms);
	case OPTION_GRACE:
		return set_time("grace", value, &options->request.grace_ms);
	case OPTION_ONLY_UID:
		return set_scope(options, "only-uid", VMGUEST_SCOPE_UID,
				 value);
	case OPTION_ALL_BUT_UID:
		return set_scope(options, "all-but-uid",
				 VMGUEST_SCOPE_ALL_BUT_UID, value);
	case OPTION_ORDER:
		options->order = value;
		return 0;
	case OPTION_PARALLEL:
		return set_parallel(options, value);
	case 'd':
		return set_refresh(options, value);
	case 'n':
		return set_iterations(options, value);
	case 'o':
		return set_sort(options, value);
	}
	return -EXIT_USAGE;
}

static void set_flag(struct options *options, int option)
{
	switch (option) {
	case OPTION_JSON:
		options->json = true;
		break;
	case 'v':
		options->verbose = true;
		break;
	case 'h':
		options->help = true;
		break;
	case 'b':
		options->batch = true;
		break;
	case OPTION_ABORT:
		options->abort = true;
		break;
	case OPTION_NO_LIFELINE:
		options->set |= VMGUEST_SET_LIFELINE;
		options->pidfd_of = 0;
		break;
	case OPTION_FORCE:
		options->request.flags |= VMGUEST_REQ_FORCE;
		break;
	case OPTION_NO_WAIT:
		options->no_wait = true;
		break;
	case OPTION_QUEUE:
		options->request.flags |= VMGUEST_REQ_QUEUE;
		break;
	case OPTION_RESPECT_SESSIONS:
		options->request.flags |= VMGUEST_REQ_RESPECT_SESSIONS;
		break;
	case OPTION_ALL:
		options->all = true;
		break;
	case OPTION_NO_JOIN:
		options->request.flags &= ~VMGUEST_REQ_JOIN;
		break;
	}
}

static bool takes_value(int option)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].value == option)
			return table[i].has_value;
	return false;
}

/* getopt's own words would not say for which command. */
static int bad_option(const struct command *command, char **argv, int option)
{
	if (option == ':')
		usage_error("%s: %s needs a value", command->name,
			    argv[optind - 1]);
	else if (optopt > 0 && optopt < 256)
		usage_error("%s: no option -%c", command->name, optopt);
	else
		usage_error("%s: no option %s", command->name,
			    argv[optind - 1]);
	return -EXIT_USAGE;
}

static void options_of(const struct command *command, struct option *options)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].commands & command->bit)
			*options++ = (struct option) {
				.name = table[i].name,
				.has_arg = table[i].has_value,
				.val = table[i].value,
			};
	*options = (struct option) { 0 };
}

static void set_defaults(const struct command *command,
			 struct options *options)
{
	*options = (struct options) {
		.uid = geteuid(),
		.gid = getegid(),
		.mode = VMGUEST_DEFAULT_MODE,
		.request = VMGUEST_OPTIONS,
		.wait_ms = -1,
		.delay_ms = DEFAULT_DELAY_MS,
	};
	if (command->bit & REQUESTS)
		options->request.flags = VMGUEST_REQ_JOIN;
}

static int check_together(const struct command *command,
			  const struct options *options)
{
	const struct vmguest_options *request = &options->request;

	if (options->help)
		return 0;
	if (options->no_wait && options->wait_ms >= 0)
		usage_error("%s: --wait and --no-wait exclude each other",
			    command->name);
	else if (options->all && options->order)
		usage_error("%s: --all and --order exclude each other",
			    command->name);
	else if (options->no_wait && (options->order || options->parallel))
		usage_error("%s: --no-wait excludes --order and --parallel: somebody has to stay",
			    command->name);
	else if ((request->flags & VMGUEST_REQ_FORCE) &&
		 request->force_after_ms)
		usage_error("%s: --force and --force-after exclude each other",
			    command->name);
	else if (request->until > VMGUEST_UNTIL_ACCEPTED &&
		 command->bit != COMMAND_SHUTDOWN)
		usage_error("%s: --until %s is for shutdown only",
			    command->name, vmguest_until_name(request->until));
	else if (command->bit == COMMAND_REGISTER && !options->cid)
		usage_error("register: --cid N is missing");
	else if (command->bit == COMMAND_SET && !options->set)
		usage_error("set: nothing to set");
	else if (command->bit == COMMAND_SET && !options->cid &&
		 (options->set & VMGUEST_SET_CID))
		usage_error("set: --cid auto is for run only");
	else if (command->bit == COMMAND_RUN && !options->name)
		usage_error("run: --name NAME is missing");
	else
		return 0;
	return -EXIT_USAGE;
}

static const char *letters_of(const struct command *command)
{
	switch (command->bit) {
	case COMMAND_RUN:
		/* What follows the VMM is the VMM's. */
		return "+:vh";
	case COMMAND_TOP:
		return ":vhbn:d:o:";
	default:
		return ":vh";
	}
}

/* The index of the first word, or -EXIT_USAGE. */
int parse_options(const struct command *command, int argc, char **argv,
		  struct options *options)
{
	struct option long_options[ARRAY_SIZE(table) + 1];
	const char *letters = letters_of(command);
	int option, ret = 0;

	set_defaults(command, options);
	options_of(command, long_options);
	while (!ret && (option = getopt_long(argc, argv, letters, long_options,
					     NULL)) != -1) {
		if (option == '?' || option == ':')
			ret = bad_option(command, argv, option);
		else if (takes_value(option))
			ret = set_value(options, option, optarg);
		else
			set_flag(options, option);
	}
	if (!ret)
		ret = check_together(command, options);
	return ret ? ret : optind;
}
