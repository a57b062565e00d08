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
 * @listed: It is in the newest list.
 */
struct login {
	struct session session;
	bool ended;
	bool forced;
	bool listed;
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

void logins_end(const char *name)
{
	struct login *login = login_find(name);

	if (login)
		login->ended = true;
}

void logins_force(const char *name)
{
	struct login *login = login_find(name);

	if (login)
		login->forced = true;
}

static void login_seen(struct agent *agent, const struct session *session)
{
	struct login *login = login_find(session->name);

	if (!login && logins.count < SESSION_MAX) {
		login = &logins.login[logins.count++];
		*login = (struct login){ .session = *session };
		if (agent->backend->follow_session)
			agent->backend->follow_session(session->name);
	}
	if (login)
		login->listed = true;
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

void logins_look(struct agent *agent)
{
	static struct session sessions[SESSION_MAX];
	unsigned int i, left = 0, kept = 0;
	int n, count;

	count = agent->backend->sessions(sessions, SESSION_MAX);
	if (count < 0)
		return;
	for (i = 0; i < logins.count; i++)
		logins.login[i].listed = false;
	for (n = 0; n < count; n++) {
		left += !sessions[n].closing;
		login_seen(agent, &sessions[n]);
	}
	for (i = 0; i < logins.count; i++) {
		if (logins.login[i].listed)
			logins.login[kept++] = logins.login[i];
		else
			login_gone(agent, &logins.login[i], left);
	}
	logins.count = kept;
}
