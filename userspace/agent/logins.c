// SPDX-License-Identifier: GPL-2.0
/*
 * Who is logged on, so that the end of a session can be told: the backend says
 * when there may be news, and the sessions that it lists then are compared with
 * those that it listed before.
 *
 * What ends while the guest goes down, ends because of that and is not told.
 */
#include "agent.h"
#include "logins.h"

/**
 * struct login - A session that is known
 * @session: The session.
 * @ended: A LOGOFF ends it.
 * @forced: Somebody in the guest has it stopped.
 */
struct login {
	struct session session;
	bool ended;
	bool forced;
};

static struct logins {
	struct login login[SESSION_MAX];
	unsigned int count;
} logins;

static struct login *login_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < logins.count; i++)
		if (!strcmp(logins.login[i].session.name, name))
			return &logins.login[i];
	return NULL;
}

/* NULL when there are too many. */
static struct login *login_add(struct agent *agent,
			       const struct session *session)
{
	struct login *login = login_find(session->name);

	if (login || logins.count == SESSION_MAX)
		return login;
	login = &logins.login[logins.count++];
	*login = (struct login){ .session = *session };
	if (agent->backend->follow_session)
		agent->backend->follow_session(session->name);
	return login;
}

/* The LOGOFF may know of it first. */
void logins_end(struct agent *agent, const struct session *session)
{
	struct login *login = login_add(agent, session);

	if (login)
		login->ended = true;
}

void logins_outlive(const char *name)
{
	struct login *login = login_find(name);

	if (login)
		login->ended = false;
}

void logins_force(const char *name)
{
	struct login *login = login_find(name);

	if (login)
		login->forced = true;
}

static void login_gone(struct agent *agent, const struct login *login,
		       unsigned int left)
{
	if (agent->backend->unfollow_session)
		agent->backend->unfollow_session(login->session.name);
	if (login->ended || agent->going_down ||
	    request_end(&agent->request))
		return;
	notice_logoff(agent, &login->session, login->forced, left);
}

static bool login_is_listed(const struct login *login,
			    const struct session *sessions, int count)
{
	int i;

	for (i = 0; i < count; i++)
		if (!strcmp(sessions[i].name, login->session.name))
			return true;
	return false;
}

/* A full list need not have it. */
static bool login_is_there(const struct agent *agent, const struct login *login,
			   const struct session *sessions, int count)
{
	return login_is_listed(login, sessions, count) ||
	       (count == SESSION_MAX &&
		agent->backend->session_lives(&login->session));
}

static void logins_remove_gone(struct agent *agent,
			       const struct session *sessions, int count)
{
	unsigned int i, left = 0, kept = 0;
	int n;

	for (n = 0; n < count; n++)
		left += !sessions[n].closing;
	for (i = 0; i < logins.count; i++) {
		if (login_is_there(agent, &logins.login[i], sessions, count))
			logins.login[kept++] = logins.login[i];
		else
			login_gone(agent, &logins.login[i], left);
	}
	logins.count = kept;
}

/* First who has gone: there is room for so many only. */
void logins_look(struct agent *agent)
{
	static struct session sessions[SESSION_MAX];
	int i, count;

	count = agent->backend->sessions(sessions, SESSION_MAX);
	if (count < 0)
		return;
	logins_remove_gone(agent, sessions, count);
	for (i = 0; i < count; i++)
		login_add(agent, &sessions[i]);
	notice_sessions(agent, sessions, count);
}
