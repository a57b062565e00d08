/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guest does by itself, as the host is told.
 */
#ifndef _VMGUEST_AGENT_NOTICE_H
#define _VMGUEST_AGENT_NOTICE_H

#include <stdbool.h>

struct agent;
struct session;

/**
 * struct session_counts - What the host is told of who is logged on
 * @here: Sessions of users.
 * @locked: Those of them that are locked.
 */
struct session_counts {
	unsigned int here;
	unsigned int locked;
};

/* Whether the guest goes down, and how, as far as it is known now. */
void notice_end(struct agent *agent);

/* Who is logged on now; the host is told when the counts are others. */
void notice_sessions(struct agent *agent, const struct session *sessions,
		     int count);

/* The host knows nothing: the connection is a new one. */
void notice_reconnected(struct agent *agent);

/* A session has ended, and @left are still there. */
void notice_logoff(struct agent *agent, const struct session *session,
		   bool forced, unsigned int left);

#endif /* _VMGUEST_AGENT_NOTICE_H */
