// SPDX-License-Identifier: GPL-2.0
/*
 * What the guest does by itself, as the host is told. A host that does not know
 * the frame, or is not there, misses it: nothing is kept for later but whether
 * the guest goes down.
 */
#include "agent.h"

static bool notice_is_taken(const struct agent *agent,
			    enum vmguest_wire_features feature)
{
	return connection_is_open(&agent->conn) &&
	       (agent->conn.features & feature);
}

static void notice_say(struct agent *agent, struct vmguest_frame *frame)
{
	frame->type = VMGUEST_WIRE_NOTICE;
	if (notice_is_taken(agent, VMGUEST_WIRE_FEATURE_NOTICE))
		connection_send(&agent->conn, frame);
}

/*
 * A stop that was granted is the host's doing, also when this process is not the
 * one that began it.
 */
void notice_end(struct agent *agent)
{
	struct vmguest_frame frame = {
		.notice.kind = VMGUEST_NOTICE_STAYS_UP,
	};

	if (!agent->end_known || request_end(&agent->request) ||
	    agent->state.task)
		return;
	if (agent->going_down) {
		frame.notice.kind = VMGUEST_NOTICE_GOING_DOWN;
		frame.notice.how = agent->end;
	}
	notice_say(agent, &frame);
}

static void sessions_count(struct session_counts *counts,
			   const struct session *sessions, int count)
{
	int i;

	memset(counts, 0, sizeof(*counts));
	for (i = 0; i < count; i++) {
		counts->here += !sessions[i].closing;
		counts->locked += !sessions[i].closing && sessions[i].locked;
	}
}

static void sessions_say(struct agent *agent)
{
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_NOTICE,
		.notice = {
			.kind = VMGUEST_NOTICE_SESSIONS,
			.how = agent->counts.locked,
			.left = agent->counts.here,
		},
	};

	if (notice_is_taken(agent, VMGUEST_WIRE_FEATURE_SESSIONS))
		connection_send(&agent->conn, &frame);
}

void notice_sessions(struct agent *agent, const struct session *sessions,
		     int count)
{
	struct session_counts before = agent->counts;

	sessions_count(&agent->counts, sessions, count);
	if (agent->counts.here != before.here ||
	    agent->counts.locked != before.locked)
		sessions_say(agent);
}

void notice_reconnected(struct agent *agent)
{
	static struct session sessions[SESSION_MAX];
	int count;

	notice_end(agent);
	if (!notice_is_taken(agent, VMGUEST_WIRE_FEATURE_SESSIONS))
		return;
	count = agent->backend->sessions(sessions, SESSION_MAX);
	if (count < 0)
		return;
	sessions_count(&agent->counts, sessions, count);
	sessions_say(agent);
}

void notice_logoff(struct agent *agent, const struct session *session,
		   bool forced, unsigned int left)
{
	char who[VMGUEST_TEXT_SIZE];
	struct vmguest_frame frame = {
		.notice = {
			.kind = VMGUEST_NOTICE_LOGOFF,
			.how = forced ? VMGUEST_WIRE_LOGOFF_FORCED :
					VMGUEST_WIRE_LOGOFF_NORMAL,
			.ended = 1,
			.left = left,
		},
	};

	snprintf(who, sizeof(who), "session %.48s of %.48s", session->name,
		 session->user);
	log_info("%s has ended%s", who, forced ? ", by force" : "");
	frame.text[VMGUEST_NOTICE_WHO] = (struct vmguest_text){
		who, strlen(who)
	};
	notice_say(agent, &frame);
}
