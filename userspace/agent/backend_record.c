// SPDX-License-Identifier: GPL-2.0
/*
 * A backend for tests: what would be done is written down, a line each.
 *
 * Everything above it is the real agent. The sessions are the lines of
 * FILE.sessions, and a line vanishes when its session is ended; one that starts
 * with "stubborn" has to be killed, one that starts with "immortal" stays. After
 * "poweroff" the agent exits, after "reboot" it comes back as another boot.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent.h"

static struct record {
	struct agent *agent;
	char path[PATH_MAX];
	char sessions_path[PATH_MAX];
} record;

__attribute__((format(printf, 1, 2)))
static int record_line(const char *fmt, ...)
{
	va_list args;
	FILE *file;

	file = fopen(record.path, "ae");
	if (!file)
		return -errno;
	va_start(args, fmt);
	vfprintf(file, fmt, args);
	va_end(args);
	fputc('\n', file);
	return fclose(file) ? -errno : 0;
}

static int record_open(struct agent *agent, const char *arg)
{
	if (!arg || !*arg)
		return -EINVAL;
	record.agent = agent;
	if (snprintf(record.path, sizeof(record.path), "%s", arg) >=
	    (int)sizeof(record.path) ||
	    snprintf(record.sessions_path, sizeof(record.sessions_path),
		     "%s.sessions", arg) >= (int)sizeof(record.sessions_path))
		return -ENAMETOOLONG;
	return 0;
}

static void record_close(void)
{
}

static __u64 record_capabilities(void)
{
	return CAPABILITIES_BASE | VMGUEST_CAP_LOGOFF | VMGUEST_CAP_LAST_BREATH;
}

static int record_sessions(struct session *sessions, int max)
{
	char line[SESSION_NAME_SIZE];
	int count = 0;
	FILE *file;

	file = fopen(record.sessions_path, "re");
	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while (count < max && fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = '\0';
		if (!*line)
			continue;
		memset(&sessions[count], 0, sizeof(sessions[count]));
		strcpy(sessions[count].name, line);
		strcpy(sessions[count].user, line);
		sessions[count++].watch.fd = -1;
	}
	fclose(file);
	return count;
}

static bool record_session_lives(const struct session *session)
{
	static struct session sessions[SESSION_MAX];
	int count = record_sessions(sessions, SESSION_MAX);
	int i;

	for (i = 0; i < count; i++)
		if (!strcmp(sessions[i].name, session->name))
			return true;
	return false;
}

static int record_remove_session(const struct session *session)
{
	static struct session sessions[SESSION_MAX];
	int count = record_sessions(sessions, SESSION_MAX);
	FILE *file;
	int i;

	if (count < 0)
		return count;
	file = fopen(record.sessions_path, "we");
	if (!file)
		return -errno;
	for (i = 0; i < count; i++)
		if (strcmp(sessions[i].name, session->name))
			fprintf(file, "%s\n", sessions[i].name);
	return fclose(file) ? -errno : 0;
}

static int record_end_session(struct session *session, bool kill)
{
	int err;

	err = record_line("%s session %s", kill ? "kill" : "end",
			  session->name);
	if (err)
		return err;
	if (!strncmp(session->name, "immortal", 8) ||
	    (!kill && !strncmp(session->name, "stubborn", 8)))
		return 0;
	return record_remove_session(session);
}

static void record_forget_session(struct session *session)
{
	(void)session;
}

static int record_stop(enum vmguest_wire_end end, bool force)
{
	int err;

	err = record_line("%s%s", end_name(end), force ? " force" : "");
	if (err)
		return err;
	agent_last_breath(record.agent, end);
	return 0;
}

static void record_finish(enum vmguest_wire_end end)
{
	if (end == VMGUEST_END_REBOOT)
		agent_reborn(record.agent);
	else
		loop_stop(&record.agent->loop, EXIT_SUCCESS);
}

const struct vmguest_backend backend_record = {
	.name = "record",
	.breath_at_end = true,
	.open = record_open,
	.close = record_close,
	.capabilities = record_capabilities,
	.sessions = record_sessions,
	.end_session = record_end_session,
	.session_lives = record_session_lives,
	.forget_session = record_forget_session,
	.stop = record_stop,
	.finish = record_finish,
};
