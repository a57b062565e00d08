// SPDX-License-Identifier: GPL-2.0
/*
 * Sessions that are being ended: first asked to, and killed when their time is
 * over.
 *
 * Who logs on meanwhile is logged off, too, and counted: it is over at a moment
 * at which no session that is meant is there. Where somebody comes back again
 * and again, the end of the time is the end of it.
 *
 * What runs on in a session whose user has left it was left there on purpose:
 * only a force, or the logoff after one that was not done in time, ends that.
 *
 * A list of them outlives this process, so that an agent that goes on after a
 * crash counts the same.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent.h"
#include "logins.h"

/* How long killed sessions may take to vanish, at least. */
#define KILL_GRACE_MS	5000

static bool logoff_has(const struct logoff *logoff,
		       const struct session *session)
{
	unsigned int i;

	for (i = 0; i < logoff->count; i++)
		if (logoff->session[i].pid == session->pid &&
		    !strcmp(logoff->session[i].name, session->name))
			return true;
	return false;
}

static bool logoff_means(const struct logoff *logoff,
			 const struct session *session)
{
	switch (logoff->scope) {
	case VMGUEST_SCOPE_UID:
		return session->uid == logoff->uid;
	case VMGUEST_SCOPE_ALL_BUT_UID:
		return session->uid != logoff->uid;
	default:
		return true;
	}
}

/* Those who are meant and not known yet. Return: how many, or an errno. */
static int logoff_add_sessions(struct agent *agent)
{
	static struct session sessions[SESSION_MAX];
	struct logoff *logoff = &agent->request.logoff;
	int i, count, added = 0;

	count = agent->backend->sessions(sessions, SESSION_MAX);
	for (i = 0; i < count && logoff->count < SESSION_MAX; i++) {
		if (!logoff_means(logoff, &sessions[i]) ||
		    logoff_has(logoff, &sessions[i]) ||
		    (sessions[i].closing && !agent->request.force))
			continue;
		logoff->session[logoff->count++] = sessions[i];
		logoff->targeted++;
		added++;
	}
	return count < 0 ? count : added;
}

/* Those whom an earlier logoff has begun to end. */
static unsigned int logoff_keep_begun(struct agent *agent)
{
	struct logoff *logoff = &agent->request.logoff;
	unsigned int i, kept = 0;

	for (i = 0; i < logoff->count; i++)
		if (logoff->session[i].closing &&
		    logoff_means(logoff, &logoff->session[i]) &&
		    agent->backend->session_lives(&logoff->session[i]))
			logoff->session[kept++] = logoff->session[i];
	return kept;
}

int logoff_list(struct agent *agent)
{
	struct logoff *logoff = &agent->request.logoff;
	int err;

	logoff->count = logoff_keep_begun(agent);
	logoff->targeted = logoff->count;
	logoff->ended = 0;
	logoff->killed = 0;
	logoff->killing = false;
	err = logoff_add_sessions(agent);
	return err < 0 ? err : 0;
}

static void logoff_path(const struct agent *agent, char *path, size_t size)
{
	snprintf(path, size, "%s.logoff", agent->state.path);
}

/* What follows is about this task of this host in this boot. */
static void logoff_format_key(const struct agent *agent, char *key,
			      size_t size)
{
	char boot[ID_HEX_SIZE], instance[ID_HEX_SIZE];

	id_format(agent->state.boot_id, boot);
	id_format(agent->state.instance, instance);
	snprintf(key, size, "%s %s %llu", boot, instance,
		 (unsigned long long)agent->request.id);
}

static void logoff_save(struct agent *agent)
{
	const struct logoff *logoff = &agent->request.logoff;
	const struct session *session;
	char path[PATH_MAX], key[128];
	char *text = NULL;
	size_t size = 0;
	unsigned int i;
	FILE *file;
	int err;

	file = open_memstream(&text, &size);
	if (!file)
		return;
	logoff_format_key(agent, key, sizeof(key));
	fprintf(file, "%s\n%u %u %u %d\n", key, logoff->targeted,
		logoff->ended, logoff->killed, logoff->killing);
	for (i = 0; i < logoff->count; i++) {
		session = &logoff->session[i];
		fprintf(file, "%d %llu %u %d %s\n", (int)session->pid,
			(unsigned long long)session->tty, session->uid,
			session->killed, session->name);
	}
	fclose(file);
	logoff_path(agent, path, sizeof(path));
	err = write_file(path, text);
	if (err)
		log_task(LOG_WARNING, agent->request.id, "%s: %s", path,
			 strerror(-err));
	free(text);
}

static bool logoff_load_session(struct session *session, const char *line)
{
	unsigned long long tty;
	int pid, killed;

	memset(session, 0, sizeof(*session));
	session->watch.fd = -1;
	if (sscanf(line, "%d %llu %u %d %63[^\n]", &pid, &tty, &session->uid,
		   &killed, session->name) != 5)
		return false;
	session->pid = pid;
	session->tty = tty;
	session->killed = killed;
	snprintf(session->user, sizeof(session->user), "uid %u", session->uid);
	return true;
}

static bool logoff_load_counts(struct logoff *logoff, const char *line)
{
	int killing;

	if (sscanf(line, "%u %u %u %d", &logoff->targeted, &logoff->ended,
		   &logoff->killed, &killing) != 4)
		return false;
	logoff->killing = killing;
	return true;
}

/* Whom an agent before this one began with, if it was about this task. */
static void logoff_load(struct agent *agent)
{
	struct logoff *logoff = &agent->request.logoff;
	char path[PATH_MAX], line[256], key[128];
	struct logoff *old;
	FILE *file;

	logoff_path(agent, path, sizeof(path));
	file = fopen(path, "re");
	if (!file)
		return;
	logoff_format_key(agent, key, sizeof(key));
	old = calloc(1, sizeof(*old));
	if (old && fgets(line, sizeof(line), file) &&
	    !strncmp(line, key, strlen(key)) && line[strlen(key)] == '\n' &&
	    fgets(line, sizeof(line), file) && logoff_load_counts(old, line)) {
		while (old->count < SESSION_MAX &&
		       fgets(line, sizeof(line), file) &&
		       logoff_load_session(&old->session[old->count], line))
			old->count++;
		memcpy(logoff->session, old->session, sizeof(old->session));
		logoff->count = old->count;
		logoff->targeted = old->targeted;
		logoff->ended = old->ended;
		logoff->killed = old->killed;
		logoff->killing = old->killing;
		log_task(LOG_NOTICE, agent->request.id,
			 "goes on: %u of %u sessions have ended",
			 logoff->ended, logoff->targeted);
	}
	free(old);
	fclose(file);
}

static void logoff_end_session(struct agent *agent, struct session *session)
{
	struct logoff *logoff = &agent->request.logoff;
	int err;

	log_task(LOG_NOTICE, agent->request.id, "%s session %s of %s",
		 logoff->killing ? "kills" : "ends", session->name,
		 session->user);
	session->closing = true;
	session->killed = logoff->killing;
	logins_end(agent, session);
	err = agent->backend->end_session(session, logoff->killing);
	if (err)
		log_task(LOG_WARNING, agent->request.id, "session %s: %s",
			 session->name, strerror(-err));
}

/* Takes those who have gone off the list. Return: how many. */
static unsigned int logoff_reap(struct agent *agent)
{
	struct logoff *logoff = &agent->request.logoff;
	unsigned int i = 0, gone = 0;

	while (i < logoff->count) {
		if (agent->backend->session_lives(&logoff->session[i])) {
			i++;
			continue;
		}
		logoff->killed += logoff->session[i].killed;
		logoff->ended++;
		gone++;
		agent->backend->forget_session(&logoff->session[i]);
		logoff->count--;
		memmove(&logoff->session[i], &logoff->session[i + 1],
			(logoff->count - i) * sizeof(logoff->session[0]));
	}
	return gone;
}

/* "left: c2 of uid 1000, 4 of uid 1001": as many as the host keeps. */
static void logoff_name_left(const struct logoff *logoff, char *text,
			     size_t size)
{
	size_t used = 0;
	unsigned int i;

	for (i = 0; i < logoff->count && used < size; i++)
		used += snprintf(text + used, size - used, "%s%s of %s",
				 i ? ", " : "left: ", logoff->session[i].name,
				 logoff->session[i].user);
}

static void logoff_done(struct agent *agent)
{
	struct logoff *logoff = &agent->request.logoff;
	char text[VMGUEST_TEXT_SIZE] = "";

	if (logoff->count) {
		logoff_name_left(logoff, text, sizeof(text));
		request_logged_off(agent, VMGUEST_WIRE_FAILED, text);
		return;
	}
	if (logoff->killed)
		snprintf(text, sizeof(text), "%u of %u had to be killed",
			 logoff->killed, logoff->targeted);
	request_logged_off(agent, VMGUEST_WIRE_OK, text);
}

/* Newcomers are ended at once; nobody is awaited twice. */
void logoff_sessions_changed(struct agent *agent)
{
	struct logoff *logoff = &agent->request.logoff;
	unsigned int gone, known;
	bool news = false;
	int added;

	do {
		gone = logoff_reap(agent);
		known = logoff->count;
		added = logoff_add_sessions(agent);
		for (; known < logoff->count; known++)
			logoff_end_session(agent, &logoff->session[known]);
		news |= gone || added > 0;
	} while (added > 0);
	if (news)
		logoff_save(agent);
	if (!logoff->count)
		logoff_done(agent);
	else if (gone || news)
		request_progress(agent,
				 100 * logoff->ended / logoff->targeted);
}

/* Where ending takes long, so does vanishing. */
static unsigned int logoff_time(const struct logoff *logoff)
{
	if (logoff->killing && logoff->grace_ms < KILL_GRACE_MS)
		return KILL_GRACE_MS;
	return logoff->grace_ms;
}

static void logoff_end_all(struct agent *agent)
{
	struct logoff *logoff = &agent->request.logoff;
	unsigned int i;

	timer_set(&logoff->grace, logoff_time(logoff));
	logoff_save(agent);
	for (i = 0; i < logoff->count; i++)
		if (agent->backend->session_lives(&logoff->session[i]))
			logoff_end_session(agent, &logoff->session[i]);
	logoff_sessions_changed(agent);
}

void logoff_kill(struct agent *agent)
{
	if (agent->request.logoff.killing)
		return;
	agent->request.logoff.killing = true;
	logoff_end_all(agent);
}

static void logoff_grace_over(struct timer *timer)
{
	struct request *request = container_of(timer, struct request,
					       logoff.grace);
	struct agent *agent = container_of(request, struct agent, request);

	if (request->logoff.killing)
		logoff_done(agent);
	else
		logoff_kill(agent);
}

void logoff_start(struct agent *agent)
{
	struct logoff *logoff = &agent->request.logoff;
	int err;

	if (agent->backend->watch_sessions) {
		err = agent->backend->watch_sessions(true);
		if (err)
			log_task(LOG_WARNING, agent->request.id,
				 "sessions are not watched: %s",
				 strerror(-err));
	}
	logoff_load(agent);
	if (agent->request.force)
		logoff->killing = true;
	logoff_end_all(agent);
}

void logoff_stop(struct agent *agent)
{
	struct logoff *logoff = &agent->request.logoff;
	unsigned int i;

	timer_clear(&logoff->grace);
	for (i = 0; i < logoff->count; i++) {
		agent->backend->forget_session(&logoff->session[i]);
		logins_outlive(logoff->session[i].name);
	}
	if (agent->backend->watch_sessions)
		agent->backend->watch_sessions(false);
}

void logoff_forget(struct agent *agent)
{
	struct logoff *logoff = &agent->request.logoff;

	logoff->targeted = 0;
	logoff->ended = 0;
	logoff->killed = 0;
}

int logoff_init(struct agent *agent)
{
	return timer_init(&agent->loop, &agent->request.logoff.grace,
			  logoff_grace_over);
}
