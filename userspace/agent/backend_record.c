// SPDX-License-Identifier: GPL-2.0
/*
 * A backend for tests: what would be done is written down, a line each.
 *
 * Everything above it is the real agent. The sessions are the lines of
 * FILE.sessions, each a name and a uid, and a line vanishes when its session is
 * ended; one that starts with "stubborn" has to be killed, one that starts with
 * "immortal" stays, as closing. Behind it can be "closing", "locked", or
 * "forced": somebody in the guest has it stopped. The lines of FILE.blockers
 * stand in the way, each a pid and a name; "late" is an answer that does not
 * come. While there is FILE.down the guest goes down by itself, and its line
 * says how; when it is removed that is called off. A stop waits while there is
 * FILE.jobs, a percentage and the names of units. After "poweroff" the agent
 * exits, after "reboot" it comes back as another boot.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "agent.h"
#include "logins.h"

/**
 * struct record - The backend
 * @agent: The agent.
 * @path: FILE.
 * @folder: Where it is.
 * @watch: inotify of @folder.
 * @end: What is waited for with FILE.jobs, or 0.
 */
static struct record {
	struct agent *agent;
	char path[PATH_MAX];
	char folder[PATH_MAX];
	struct source watch;
	enum vmguest_wire_end end;
} record;

/* FILE.sessions and its like; NULL when there is none. */
static FILE *record_open_list(const char *suffix, const char *mode)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s.%s", record.path, suffix);
	return fopen(path, mode);
}

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

/* A line without its newline. */
static bool record_read_line(FILE *file, char *line, size_t size)
{
	if (!fgets(line, size, file))
		return false;
	line[strcspn(line, "\n")] = '\0';
	return true;
}

static void record_tell_jobs(void)
{
	struct blocker job = { .kind = VMGUEST_BLOCKER_STOP_JOB };
	struct blockers jobs = { };
	char line[64];
	FILE *file;

	file = record_open_list("jobs", "re");
	if (!file) {
		agent_last_breath(record.agent, record.end);
		record.end = 0;
		return;
	}
	if (record_read_line(file, line, sizeof(line)))
		agent_progress(record.agent, atoi(line));
	while (record_read_line(file, job.who, sizeof(job.who)))
		blockers_add(&jobs, &job);
	fclose(file);
	agent_stop_jobs(record.agent, &jobs);
}

/* "reboot", or nothing where that is not known. */
static void record_look_down(void)
{
	enum vmguest_wire_end end;
	char line[64] = "";
	FILE *file;

	file = record_open_list("down", "re");
	if (!file) {
		record.end = 0;
		agent_called_off(record.agent);
		return;
	}
	record_read_line(file, line, sizeof(line));
	fclose(file);
	for (end = VMGUEST_END_HALT; end; end--)
		if (!strcmp(line, end_name(end)))
			break;
	agent_going_down(record.agent, end);
}

static void record_look_sessions(void)
{
	char line[SESSION_NAME_SIZE];
	FILE *file;

	file = record_open_list("sessions", "re");
	while (file && record_read_line(file, line, sizeof(line)))
		if (strstr(line, " forced"))
			logins_force(strtok(line, " "));
	if (file)
		fclose(file);
	logins_look(record.agent);
}

static void record_changed(const char *name)
{
	const char *own = strrchr(record.path, '/');
	size_t len;

	own = own ? own + 1 : record.path;
	len = strlen(own);
	if (strncmp(name, own, len) || name[len] != '.')
		return;
	name += len + 1;
	if (!strcmp(name, "sessions")) {
		/* In logind's order: its files, then its signals. */
		agent_sessions_changed(record.agent);
		record_look_sessions();
	} else if (!strcmp(name, "blockers")) {
		agent_blockers_changed(record.agent);
	} else if (!strcmp(name, "jobs") && record.end) {
		record_tell_jobs();
	} else if (!strcmp(name, "down")) {
		record_look_down();
	}
}

static void record_handle(struct source *source, __u32 events)
{
	char buf[4096] __attribute__((aligned(8)));
	const struct inotify_event *event;
	ssize_t at, len;

	(void)events;
	len = read(source->fd, buf, sizeof(buf));
	for (at = 0; at < len; at += sizeof(*event) + event->len) {
		event = (const struct inotify_event *)(buf + at);
		if (event->len)
			record_changed(event->name);
	}
}

static int record_watch(void)
{
	char *slash;

	strcpy(record.folder, record.path);
	slash = strrchr(record.folder, '/');
	if (slash)
		*slash = '\0';
	record.watch.handle = record_handle;
	record.watch.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (record.watch.fd < 0 ||
	    inotify_add_watch(record.watch.fd, slash ? record.folder : ".",
			      IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE) < 0)
		return -errno;
	return source_add(&record.agent->loop, &record.watch, EPOLLIN);
}

static int record_open(struct agent *agent, const char *arg)
{
	if (!arg || !*arg)
		return -EINVAL;
	record.agent = agent;
	if (snprintf(record.path, sizeof(record.path), "%s", arg) >=
	    (int)sizeof(record.path))
		return -ENAMETOOLONG;
	record_look_down();
	logins_look(agent);
	return record_watch();
}

static void record_close(void)
{
	source_close(&record.agent->loop, &record.watch);
}

static __u64 record_capabilities(void)
{
	return CAPABILITIES_BASE | VMGUEST_CAP_LOGOFF |
	       VMGUEST_CAP_LAST_BREATH | VMGUEST_CAP_NOTICE |
	       VMGUEST_CAP_RESPECT_SESSIONS | VMGUEST_CAP_SESSIONS;
}

/* "alice 1000", "alice 1000 closing", "alice 1000 locked" */
static void record_fill_session(struct session *session, const char *line)
{
	memset(session, 0, sizeof(*session));
	session->watch.fd = -1;
	if (sscanf(line, "%63s %u", session->name, &session->uid) < 2)
		session->uid = (uid_t)-1;
	session->closing = strstr(line, " closing");
	session->locked = strstr(line, " locked");
	strcpy(session->user, session->name);
}

static int record_sessions(struct session *sessions, int max)
{
	char line[SESSION_NAME_SIZE];
	int count = 0;
	FILE *file;

	file = record_open_list("sessions", "re");
	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while (count < max && record_read_line(file, line, sizeof(line)))
		if (*line)
			record_fill_session(&sessions[count++], line);
	fclose(file);
	return count;
}

static bool record_session_lives(const struct session *session)
{
	char line[SESSION_NAME_SIZE];
	struct session other;
	bool lives = false;
	FILE *file;

	file = record_open_list("sessions", "re");
	if (!file)
		return false;
	while (!lives && record_read_line(file, line, sizeof(line))) {
		record_fill_session(&other, line);
		lives = !strcmp(other.name, session->name);
	}
	fclose(file);
	return lives;
}

static bool record_resists(const struct session *session, bool kill)
{
	return !strncmp(session->name, "immortal", 8) ||
	       (!kill && !strncmp(session->name, "stubborn", 8));
}

static int record_change_session(const struct session *session, bool remove)
{
	static struct session sessions[SESSION_MAX];
	int count = record_sessions(sessions, SESSION_MAX);
	FILE *file;
	int i;

	if (count < 0)
		return count;
	file = record_open_list("sessions", "we");
	if (!file)
		return -errno;
	for (i = 0; i < count; i++) {
		if (strcmp(sessions[i].name, session->name))
			fprintf(file, "%s %u%s\n", sessions[i].name,
				sessions[i].uid,
				sessions[i].closing ? " closing" : "");
		else if (!remove)
			fprintf(file, "%s %u closing\n", sessions[i].name,
				sessions[i].uid);
	}
	return fclose(file) ? -errno : 0;
}

static int record_end_session(struct session *session, bool kill)
{
	int err;

	err = record_line("%s session %s", kill ? "kill" : "end",
			  session->name);
	if (err)
		return err;
	return record_change_session(session, !record_resists(session, kill));
}

static void record_forget_session(struct session *session)
{
	(void)session;
}

static void record_tell_users(const char *text)
{
	int err = record_line("tell %s", text);

	if (err)
		log_warn("record: %s", strerror(-err));
}

/* "12 apt" */
static int record_check(void)
{
	struct blocker blocker = {
		.kind = VMGUEST_BLOCKER_INHIBITOR,
		.uid = 1000,
		.why = "because",
	};
	char line[64];
	FILE *file;
	int err = 0;

	file = record_open_list("blockers", "re");
	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while (record_read_line(file, line, sizeof(line)))
		if (sscanf(line, "%u %63s", &blocker.pid, blocker.who) == 2)
			agent_blocker(record.agent, &blocker);
		else if (!strcmp(line, "late"))
			err = -EINPROGRESS;
	fclose(file);
	return err;
}

static int record_stop(enum vmguest_wire_end end, bool force)
{
	int err;

	err = record_line("%s%s", end_name(end), force ? " force" : "");
	if (err)
		return err;
	record.end = end;
	record_tell_jobs();
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
	.tell_users = record_tell_users,
	.check = record_check,
	.stop = record_stop,
	.finish = record_finish,
};
