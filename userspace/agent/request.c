// SPDX-License-Identifier: GPL-2.0
/*
 * The host's request, step by step:
 *
 *   NONE -> CHECKING -> WAITING -> ACTING -> DONE
 *
 * Up to WAITING nothing has been done that matters, so a cancel, a deadline or
 * a stronger request simply drops it. A lost connection changes nothing: the
 * host tells the request again and hears again where it stands.
 */
#include <errno.h>

#include "agent.h"

/* How long a killed session may take to vanish. */
#define KILL_GRACE_MS	5000

/* Who stands in the way, at most; the host shows only so many. */
#define BLOCKERS_MAX	16

static const char * const verb_names[] = {
	[VMGUEST_VERB_SHUTDOWN] = "shutdown",
	[VMGUEST_VERB_RESTART] = "restart",
	[VMGUEST_VERB_LOGOFF] = "logoff",
};

static const char * const result_names[] = {
	[VMGUEST_WIRE_OK] = "done",
	[VMGUEST_WIRE_REFUSED] = "refused",
	[VMGUEST_WIRE_BLOCKED_BY] = "blocked",
	[VMGUEST_WIRE_GOING_DOWN] = "going down already",
	[VMGUEST_WIRE_NOT_READY] = "not ready",
	[VMGUEST_WIRE_NO_SESSIONS] = "nobody is logged on",
	[VMGUEST_WIRE_UNSUPPORTED] = "not supported",
	[VMGUEST_WIRE_INVALID] = "invalid",
	[VMGUEST_WIRE_NO_MEMORY] = "out of memory",
	[VMGUEST_WIRE_FAILED] = "failed",
};

static enum vmguest_wire_end verb_end(unsigned int verb)
{
	if (verb == VMGUEST_VERB_SHUTDOWN)
		return VMGUEST_END_POWEROFF;
	if (verb == VMGUEST_VERB_RESTART)
		return VMGUEST_END_REBOOT;
	return 0;
}

enum vmguest_wire_end request_end(const struct request *request)
{
	if (request->state != REQUEST_ACTING)
		return 0;
	return verb_end(request->verb);
}

/* A frame without payload. Not connected is fine: the host will ask again. */
static void request_say(struct agent *agent, __u16 type)
{
	struct vmguest_frame frame = {
		.type = type,
		.task_id = agent->request.id,
	};

	connection_send(&agent->conn, &frame);
}

static void request_say_result(struct agent *agent, __u64 id,
			       enum vmguest_wire_result_code code,
			       const char *text)
{
	struct request *request = &agent->request;
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_RESULT,
		.task_id = id,
		.result.code = code,
		.text[VMGUEST_RESULT_TEXT] = { text, strlen(text) },
	};

	if (id == request->id) {
		frame.result.targeted = request->targeted;
		frame.result.ended = request->ended;
		frame.result.left = request->targeted - request->ended;
	}
	connection_send(&agent->conn, &frame);
}

static void request_say_progress(struct agent *agent)
{
	struct request *request = &agent->request;
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_PROGRESS,
		.task_id = request->id,
	};

	if (!request->targeted || request->ended == request->targeted)
		return;
	frame.progress.percent = 100 * request->ended / request->targeted;
	connection_send(&agent->conn, &frame);
}

static void request_forget_sessions(struct agent *agent)
{
	struct request *request = &agent->request;
	unsigned int i;

	for (i = 0; i < request->targeted; i++)
		agent->backend->forget_session(&request->session[i]);
}

/* The task that the last breath will name. */
static void request_set_task(struct agent *agent, __u64 id)
{
	if (agent->state.task == id)
		return;
	agent->state.task = id;
	state_save(&agent->state);
}

static void request_settle(struct agent *agent)
{
	timer_clear(&agent->request.deadline);
	timer_clear(&agent->request.grace);
	request_forget_sessions(agent);
	request_set_task(agent, 0);
}

/* Forget it; nothing of it will happen any more. */
void request_drop(struct agent *agent)
{
	struct request *request = &agent->request;

	if (request->state == REQUEST_NONE)
		return;
	request_settle(agent);
	request->state = REQUEST_NONE;
	request->id = 0;
	request->targeted = 0;
	request->ended = 0;
}

static void request_done(struct agent *agent,
			 enum vmguest_wire_result_code code, const char *text)
{
	struct request *request = &agent->request;

	log_task(LOG_INFO, request->id, "%s: %s%s%s",
		 verb_names[request->verb], result_names[code],
		 *text ? ": " : "", text);
	request_settle(agent);
	request->state = REQUEST_DONE;
	request->result = code;
	snprintf(request->result_text, sizeof(request->result_text), "%s",
		 text);
	request_say_result(agent, request->id, code, request->result_text);
}

/* Turned away at the door: no request of this agent, and not accepted. */
static void request_turn_away(struct agent *agent, __u64 id, unsigned int verb,
			      enum vmguest_wire_result_code code,
			      const char *text)
{
	log_task(LOG_INFO, id, "%s: turned away: %s", verb_names[verb],
		 *text ? text : result_names[code]);
	request_say_result(agent, id, code, text);
}

static void request_ask_to_go(struct agent *agent)
{
	agent->request.state = REQUEST_WAITING;
	log_task(LOG_DEBUG, agent->request.id, "asks the host to commit");
	request_say(agent, VMGUEST_WIRE_COMMIT);
}

static void request_stop(struct agent *agent)
{
	struct request *request = &agent->request;
	enum vmguest_wire_end end = verb_end(request->verb);
	int err;

	request_set_task(agent, request->id);
	log_task(LOG_NOTICE, request->id, "%s%s", end_name(end),
		 request->force ? ", by force" : "");
	err = agent->backend->stop(end, request->force);
	if (err)
		request_done(agent, VMGUEST_WIRE_FAILED, strerror(-err));
}

static void request_end_sessions(struct agent *agent, bool kill)
{
	struct request *request = &agent->request;
	struct session *session;
	unsigned int i;
	int err;

	request->killed = kill;
	timer_set(&request->grace, kill ? KILL_GRACE_MS : request->grace_ms);
	for (i = 0; i < request->targeted; i++) {
		session = &request->session[i];
		if (!agent->backend->session_lives(session))
			continue;
		log_task(LOG_NOTICE, request->id, "%s session %s of %s",
			 kill ? "kills" : "ends", session->name, session->user);
		err = agent->backend->end_session(session, kill);
		if (err)
			log_task(LOG_WARNING, request->id, "session %s: %s",
				 session->name, strerror(-err));
	}
	request_sessions_changed(agent);
}

/*
 * Those who have logged on since the request came are meant as well; if all
 * have left meanwhile, that is what was wanted.
 */
static void request_log_off(struct agent *agent)
{
	struct request *request = &agent->request;
	int count;

	count = agent->backend->sessions(request->session, SESSION_MAX);
	if (count < 0) {
		request_done(agent, VMGUEST_WIRE_FAILED, strerror(-count));
		return;
	}
	if (!count) {
		request->ended = request->targeted;
		request_done(agent, VMGUEST_WIRE_OK, "");
		return;
	}
	request->targeted = count;
	request_end_sessions(agent, request->force);
}

static void request_act(struct agent *agent)
{
	struct request *request = &agent->request;

	request->state = REQUEST_ACTING;
	timer_clear(&request->deadline);
	if (request->verb == VMGUEST_VERB_LOGOFF)
		request_log_off(agent);
	else
		request_stop(agent);
}

/**
 * request_sessions_changed - Count the sessions that have ended
 * @agent: The agent.
 */
void request_sessions_changed(struct agent *agent)
{
	struct request *request = &agent->request;
	unsigned int i, ended = 0;

	if (request->state != REQUEST_ACTING ||
	    request->verb != VMGUEST_VERB_LOGOFF)
		return;
	for (i = 0; i < request->targeted; i++)
		ended += !agent->backend->session_lives(&request->session[i]);
	if (ended <= request->ended && ended < request->targeted)
		return;
	request->ended = ended;
	if (ended == request->targeted)
		request_done(agent, VMGUEST_WIRE_OK, "");
	else
		request_say_progress(agent);
}

static void request_grace_over(struct timer *timer)
{
	struct request *request = container_of(timer, struct request, grace);
	struct agent *agent = container_of(request, struct agent, request);

	if (!request->killed) {
		request_end_sessions(agent, true);
		return;
	}
	request_done(agent, VMGUEST_WIRE_FAILED, "sessions are left");
}

/*
 * Once it waits for GO, only the host's answer counts: it may have granted GO
 * in the very moment in which the deadline passes here. Without a connection no
 * GO is on its way, and one that was granted is told with the request.
 */
static void request_deadline(struct timer *timer)
{
	struct request *request = container_of(timer, struct request, deadline);
	struct agent *agent = container_of(request, struct agent, request);

	if (request->state == REQUEST_ACTING || request->state == REQUEST_DONE)
		return;
	if (request->state == REQUEST_WAITING &&
	    connection_is_open(&agent->conn))
		return;
	log_task(LOG_INFO, request->id, "dropped: its deadline has passed");
	request_drop(agent);
}

/* A check that is not the newest request's any more ends here unheard. */
void request_checked(struct agent *agent, int err)
{
	struct request *request = &agent->request;

	if (request->state != REQUEST_CHECKING)
		return;
	if (err)
		request_done(agent, VMGUEST_WIRE_FAILED, strerror(-err));
	else if (request->blockers)
		request_done(agent, VMGUEST_WIRE_BLOCKED_BY,
			     "inhibitors stand in the way");
	else
		request_ask_to_go(agent);
}

void request_blocker(struct agent *agent, const struct vmguest_frame *blocked)
{
	struct request *request = &agent->request;
	struct vmguest_frame frame = *blocked;

	if (request->state != REQUEST_CHECKING)
		return;
	if (request->blockers++ >= BLOCKERS_MAX)
		return;
	frame.type = VMGUEST_WIRE_BLOCKED;
	frame.task_id = request->id;
	connection_send(&agent->conn, &frame);
}

/* The backend could not bring the guest down after all: it lives on. */
void request_stop_failed(struct agent *agent,
			 enum vmguest_wire_result_code code, const char *why)
{
	if (request_end(&agent->request))
		request_done(agent, code, why);
}

static void request_check(struct agent *agent)
{
	struct request *request = &agent->request;
	int err = 0;

	request->state = REQUEST_CHECKING;
	request->blockers = 0;
	if (agent->backend->check && !request->force &&
	    request->verb != VMGUEST_VERB_LOGOFF)
		err = agent->backend->check();
	if (err != -EINPROGRESS)
		request_checked(agent, err);
}

static void request_set_deadline(struct request *request, __u32 deadline_ms)
{
	if (deadline_ms)
		timer_set(&request->deadline, deadline_ms);
	else
		timer_clear(&request->deadline);
}

static bool request_is_offered(struct agent *agent,
			       const struct vmguest_frame *frame)
{
	static const __u64 capability[] = {
		[VMGUEST_VERB_SHUTDOWN] = VMGUEST_CAP_SHUTDOWN,
		[VMGUEST_VERB_RESTART] = VMGUEST_CAP_RESTART,
		[VMGUEST_VERB_LOGOFF] = VMGUEST_CAP_LOGOFF,
	};

	return (agent->backend->capabilities() &
		capability[frame->request.verb]) &&
	       frame->request.scope == VMGUEST_SCOPE_ALL &&
	       !frame->request.delay_ms;
}

static bool request_is_admitted(struct agent *agent,
				const struct vmguest_frame *frame)
{
	unsigned int verb = frame->request.verb;
	__u64 id = frame->task_id;
	bool urgent = frame->request.flags & (VMGUEST_WIRE_REQ_FORCE |
					      VMGUEST_WIRE_REQ_COMMITTED);

	if (!request_is_offered(agent, frame)) {
		request_turn_away(agent, id, verb, VMGUEST_WIRE_UNSUPPORTED,
				  "");
		return false;
	}
	if ((agent->going_down || request_end(&agent->request)) && !urgent) {
		request_turn_away(agent, id, verb, VMGUEST_WIRE_GOING_DOWN, "");
		return false;
	}
	return true;
}

static void request_log(const struct vmguest_frame *frame)
{
	char reason[VMGUEST_TEXT_SIZE];

	vmguest_text_clean(reason, sizeof(reason),
			   &frame->text[VMGUEST_REQUEST_REASON]);
	log_task(LOG_INFO, frame->task_id, "asked to %s%s%s%s%s",
		 verb_names[frame->request.verb],
		 frame->request.flags & VMGUEST_WIRE_REQ_FORCE ?
		 ", by force" : "",
		 frame->request.flags & VMGUEST_WIRE_REQ_COMMITTED ?
		 ", granted before" : "",
		 *reason ? ": " : "", reason);
}

/* Take over what @frame says. LOGOFF: also who is logged on. */
static int request_begin(struct agent *agent, const struct vmguest_frame *frame)
{
	struct request *request = &agent->request;
	int count = 0;

	if (request->state != REQUEST_NONE && request->state != REQUEST_DONE)
		log_task(LOG_INFO, request->id, "superseded by task %llu",
			 (unsigned long long)frame->task_id);
	request_drop(agent);
	if (agent->state.task != frame->task_id)
		request_set_task(agent, 0);
	if (frame->request.verb == VMGUEST_VERB_LOGOFF)
		count = agent->backend->sessions(request->session, SESSION_MAX);
	if (count < 0)
		return count;

	request->id = frame->task_id;
	request->verb = frame->request.verb;
	request->force = frame->request.flags & VMGUEST_WIRE_REQ_FORCE;
	request->grace_ms = frame->request.grace_ms ?: agent->options.grace_ms;
	request->targeted = count;
	request->ended = 0;
	request->killed = false;
	request_set_deadline(request, frame->request.deadline_ms);
	return 0;
}

static void request_new(struct agent *agent, const struct vmguest_frame *frame)
{
	struct request *request = &agent->request;
	bool granted = frame->request.flags & VMGUEST_WIRE_REQ_COMMITTED;
	int err;

	request_log(frame);
	if (!request_is_admitted(agent, frame))
		return;
	err = request_begin(agent, frame);
	if (err) {
		request_turn_away(agent, frame->task_id, frame->request.verb,
				  VMGUEST_WIRE_FAILED, strerror(-err));
		return;
	}
	if (granted) {
		request_act(agent);
		return;
	}
	if (request->verb == VMGUEST_VERB_LOGOFF && !request->targeted) {
		request_done(agent, VMGUEST_WIRE_NO_SESSIONS, "");
		return;
	}
	request_say(agent, VMGUEST_WIRE_ACCEPTED);
	request_check(agent);
}

/* What was asked softly is to be done by force. */
static void request_enforce(struct agent *agent)
{
	struct request *request = &agent->request;

	log_task(LOG_INFO, request->id, "becomes a force");
	request->force = true;
	if (request->state == REQUEST_CHECKING)
		request_ask_to_go(agent);
	else if (request_end(request))
		request_stop(agent);
	else if (request->state == REQUEST_ACTING && !request->killed)
		request_end_sessions(agent, true);
}

static void request_repeat(struct agent *agent, bool granted)
{
	struct request *request = &agent->request;

	switch (request->state) {
	case REQUEST_DONE:
		request_say_result(agent, request->id, request->result,
				   request->result_text);
		return;
	case REQUEST_ACTING:
		if (request->verb == VMGUEST_VERB_LOGOFF)
			request_say_progress(agent);
		return;
	default:
		break;
	}
	if (granted) {
		request_act(agent);
		return;
	}
	request_say(agent, VMGUEST_WIRE_ACCEPTED);
	if (request->state == REQUEST_WAITING)
		request_say(agent, VMGUEST_WIRE_COMMIT);
}

/* The host tells the same request again: after a reconnect, or as a force. */
static void request_again(struct agent *agent,
			  const struct vmguest_frame *frame)
{
	struct request *request = &agent->request;

	log_task(LOG_DEBUG, request->id, "told again");
	if (request->state < REQUEST_ACTING)
		request_set_deadline(request, frame->request.deadline_ms);
	request_repeat(agent,
		       frame->request.flags & VMGUEST_WIRE_REQ_COMMITTED);
	if ((frame->request.flags & VMGUEST_WIRE_REQ_FORCE) && !request->force)
		request_enforce(agent);
}

void request_received(struct agent *agent, const struct vmguest_frame *frame)
{
	if (agent->request.state != REQUEST_NONE &&
	    agent->request.id == frame->task_id)
		request_again(agent, frame);
	else
		request_new(agent, frame);
}

void request_go(struct agent *agent, __u64 id)
{
	struct request *request = &agent->request;

	if (request->id != id || request->state != REQUEST_WAITING) {
		log_task(LOG_INFO, id, "granted, but not waited for");
		return;
	}
	request_act(agent);
}

/*
 * The host tells its task again, but one that was complete with the agent's
 * word is no task any more: the question may have been lost.
 */
void request_reconnected(struct agent *agent)
{
	if (agent->request.state == REQUEST_WAITING)
		request_say(agent, VMGUEST_WIRE_COMMIT);
}

/* After GO it is too late: what runs, runs. */
void request_cancel(struct agent *agent, __u64 id)
{
	struct request *request = &agent->request;

	if (request->id != id || request->state == REQUEST_NONE)
		return;
	if (request->state == REQUEST_ACTING) {
		log_task(LOG_INFO, id, "cancelled too late");
		return;
	}
	log_task(LOG_INFO, id, "cancelled");
	request_drop(agent);
}

int request_init(struct agent *agent)
{
	struct request *request = &agent->request;
	int err;

	request->state = REQUEST_NONE;
	err = timer_init(&agent->loop, &request->deadline, request_deadline);
	if (err)
		return err;
	return timer_init(&agent->loop, &request->grace, request_grace_over);
}
