/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guest does by itself, as the host is told.
 */
#ifndef _VMGUEST_AGENT_NOTICE_H
#define _VMGUEST_AGENT_NOTICE_H

#include <stdbool.h>

struct agent;
struct session;

/* Whether the guest goes down, and how, as far as it is known now. */
void notice_end(struct agent *agent);

/* A session has ended, and @left are still there. */
void notice_logoff(struct agent *agent, const struct session *session,
		   bool forced, unsigned int left);

#endif /* _VMGUEST_AGENT_NOTICE_H */
