/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Sessions that are being ended.
 */
#ifndef _VMGUEST_AGENT_LOGOFF_H
#define _VMGUEST_AGENT_LOGOFF_H

#include <linux/vmguest.h>

#include "loop.h"
#include "session.h"

struct agent;

/**
 * struct logoff - The sessions that a LOGOFF is to end
 * @scope: Whose, enum vmguest_scope.
 * @uid: The uid of @scope.
 * @grace_ms: Time for a session to end before it is killed, and to vanish then.
 * @grace: The end of that time, or of the time after it.
 * @killing: The sessions were, or are from now on, killed.
 * @session: Those that are left.
 * @count: How many.
 * @targeted: How many were to be ended, those in @session included.
 * @ended: How many have ended.
 * @killed: How many of these had to be killed.
 */
struct logoff {
	enum vmguest_scope scope;
	uid_t uid;
	unsigned int grace_ms;
	struct timer grace;
	bool killing;
	struct session session[SESSION_MAX];
	unsigned int count;
	unsigned int targeted;
	unsigned int ended;
	unsigned int killed;
};

int logoff_init(struct agent *agent);

/* See who is logged on. Return: 0 or a negative errno. */
int logoff_list(struct agent *agent);

/* End them all; those whom an agent before this one began with are counted. */
void logoff_start(struct agent *agent);

/* Now by force. */
void logoff_kill(struct agent *agent);

void logoff_sessions_changed(struct agent *agent);

/* Nothing is waited for any more; the counts stay. */
void logoff_stop(struct agent *agent);

/* Count nobody. Who was begun with is remembered for the next logoff. */
void logoff_forget(struct agent *agent);

#endif /* _VMGUEST_AGENT_LOGOFF_H */
