/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Telling the guest's users what is about to happen.
 */
#ifndef _VMGUEST_AGENT_ANNOUNCEMENT_H
#define _VMGUEST_AGENT_ANNOUNCEMENT_H

#include <linux/vmguest.h>

#include "loop.h"

struct agent;

/**
 * struct announcement - A request that its users have been told of
 * @timer: The next time to tell them, or the end.
 * @running: It has been told and its time is not over.
 * @orphaned: An agent before this one told it; the host may not know it any more.
 * @due: When it is over, in now_ms().
 * @what: What is about to happen, for people.
 * @reason: Why, cleaned; may be empty.
 */
struct announcement {
	struct timer timer;
	bool running;
	bool orphaned;
	__u64 due;
	const char *what;
	char reason[VMGUEST_TEXT_SIZE];
};

int announcement_init(struct agent *agent);

/* Tell the users, now and again; request_announced() follows after @delay_ms. */
void announcement_start(struct agent *agent, const char *what,
			const char *reason, __u32 delay_ms);

/* Tell them that nothing will happen, if they were told anything. */
void announcement_cancel(struct agent *agent);

/*
 * Connected: what an agent before this one has told is taken back soon, unless
 * the host asks for it again.
 */
void announcement_reconnected(struct agent *agent);

/* What an agent before this one has told is nobody's any more. */
void announcement_take_back(struct agent *agent);

/* It has begun: nothing more is told. */
void announcement_end(struct agent *agent);

#endif /* _VMGUEST_AGENT_ANNOUNCEMENT_H */
