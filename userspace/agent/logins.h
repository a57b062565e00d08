/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Who is logged on, so that the end of a session can be told.
 */
#ifndef _VMGUEST_AGENT_LOGINS_H
#define _VMGUEST_AGENT_LOGINS_H

struct agent;
struct session;

/* See who has come and who has gone. The first time all have come. */
void logins_look(struct agent *agent);

/* A LOGOFF ends this session: its end is part of the LOGOFF's result. */
void logins_end(struct agent *agent, const struct session *session);

/* The LOGOFF is over, and the session is not. */
void logins_outlive(const char *name);

/* Somebody in the guest has this session stopped. */
void logins_force(const char *name);

#endif /* _VMGUEST_AGENT_LOGINS_H */
