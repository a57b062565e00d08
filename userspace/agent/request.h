/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The request that the host has made of this guest.
 */
#ifndef _VMGUEST_AGENT_REQUEST_H
#define _VMGUEST_AGENT_REQUEST_H

#include "loop.h"
#include "protocol.h"
#include "session.h"

struct agent;

/**
 * enum request_state - How far a request is
 * @REQUEST_NONE: There is none.
 * @REQUEST_CHECKING: Who stands in the way is being found out.
 * @REQUEST_WAITING: Waits for GO; what comes next cannot be undone.
 * @REQUEST_ACTING: GO was granted.
 * @REQUEST_DONE: The result is known, and told again when asked again.
 */
enum request_state {
	REQUEST_NONE,
	REQUEST_CHECKING,
	REQUEST_WAITING,
	REQUEST_ACTING,
	REQUEST_DONE,
};

/**
 * struct request - A request of the host
 * @state: How far it is.
 * @id: The task's id.
 * @verb: enum vmguest_verb.
 * @force: Ask nobody.
 * @grace_ms: Time for a session to end before it is killed.
 * @deadline: Drops it while it has not been granted.
 * @grace: End of the sessions' time.
 * @killed: The sessions have been killed.
 * @blockers: Who stood in the way, so far.
 * @session: The sessions that a LOGOFF ends.
 * @targeted: How many there are.
 * @ended: How many of them have ended.
 * @result: How it ended.
 * @result_text: The same for people.
 */
struct request {
	enum request_state state;
	__u64 id;
	unsigned int verb;
	bool force;
	unsigned int grace_ms;
	struct timer deadline;
	struct timer grace;
	bool killed;
	unsigned int blockers;
	struct session session[SESSION_MAX];
	unsigned int targeted;
	unsigned int ended;
	enum vmguest_wire_result_code result;
	char result_text[VMGUEST_WIRE_TEXT_MAX + 1];
};

int request_init(struct agent *agent);
void request_received(struct agent *agent, const struct vmguest_frame *frame);
void request_go(struct agent *agent, __u64 id);
void request_cancel(struct agent *agent, __u64 id);
void request_reconnected(struct agent *agent);
void request_drop(struct agent *agent);
void request_blocker(struct agent *agent, const struct vmguest_frame *blocked);
void request_checked(struct agent *agent, int err);
void request_sessions_changed(struct agent *agent);
void request_stop_failed(struct agent *agent,
			 enum vmguest_wire_result_code code, const char *why);

/* How the guest ends by the request that was granted, 0 when it does not. */
enum vmguest_wire_end request_end(const struct request *request);

#endif /* _VMGUEST_AGENT_REQUEST_H */
