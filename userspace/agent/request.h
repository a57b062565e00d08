/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The request that the host has made of this guest.
 */
#ifndef _VMGUEST_AGENT_REQUEST_H
#define _VMGUEST_AGENT_REQUEST_H

#include "announcement.h"
#include "blockers.h"
#include "logoff.h"
#include "loop.h"
#include "protocol.h"

struct agent;

/**
 * enum request_state - How far a request is
 * @REQUEST_NONE: There is none.
 * @REQUEST_CHECKING: Until nobody stands in the way, and what was announced is
 *	due.
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
 * @respect: Sessions are in the way.
 * @deadline: Drops it while it has not been granted.
 * @asked: The backend was asked who stands in the way.
 * @outdated: That has changed since.
 * @clear: Nobody stands in the way, or it does not matter.
 * @hurry: How long a force waits to hear whom it overrides.
 * @found: Who stands in the way; after GO the stop jobs that run.
 * @told: What the host knows of @found.
 * @announcement: What users were told.
 * @logoff: The sessions that a LOGOFF ends.
 * @percent: The last progress.
 * @result: How it ended.
 * @result_text: The same for people.
 */
struct request {
	enum request_state state;
	__u64 id;
	unsigned int verb;
	bool force;
	bool respect;
	struct timer deadline;
	bool asked;
	bool outdated;
	bool clear;
	struct timer hurry;
	struct blockers found;
	struct blockers told;
	struct announcement announcement;
	struct logoff logoff;
	unsigned int percent;
	enum vmguest_wire_result_code result;
	char result_text[VMGUEST_TEXT_SIZE];
};

int request_init(struct agent *agent);
void request_received(struct agent *agent, const struct vmguest_frame *frame);
void request_go(struct agent *agent, __u64 id);
void request_cancel(struct agent *agent, __u64 id);
void request_reconnected(struct agent *agent);
void request_drop(struct agent *agent);
void request_blocker(struct agent *agent, const struct blocker *blocker);
void request_checked(struct agent *agent, int err);
void request_blockers_changed(struct agent *agent);
void request_announced(struct agent *agent);
void request_sessions_changed(struct agent *agent);
void request_logged_off(struct agent *agent,
			enum vmguest_wire_result_code code, const char *text);
void request_progress(struct agent *agent, unsigned int percent);
void request_stop_jobs(struct agent *agent, const struct blockers *jobs);
void request_stop_failed(struct agent *agent,
			 enum vmguest_wire_result_code code, const char *why);
void request_overtaken(struct agent *agent);
void request_stays_up(struct agent *agent);

/* How the guest ends by the request that was granted, 0 when it does not. */
enum vmguest_wire_end request_end(const struct request *request);

#endif /* _VMGUEST_AGENT_REQUEST_H */
