// SPDX-License-Identifier: GPL-2.0
/*
 * The host's request, step by step:
 *
 *   NONE -> CHECKING -> WAITING -> ACTING -> DONE
 *
 * Up to WAITING nothing has been done that matters, so a cancel, a deadline or
 * a stronger request simply drops it; users who were told of it are told that,
 * too. A lost connection changes nothing: the host tells the request again and
 * hears again where it stands.
 */
#include <errno.h>

#include "agent.h"

/* How long a force waits to hear whom it overrides. */
#define HURRY_MS	1000

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
		frame.result.targeted = request->logoff.targeted;
		frame.result.ended = request->logoff.ended;
		frame.result.left = request->logoff.targeted -
				    request->logoff.ended;
	}
	connection_send(&agent->conn, &frame);
}

static void request_say_progress(struct agent *agent)
{
	struct request *request = &agent->request;
	struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_PROGRESS,
		.task_id = request->id,
		.progress.percent = request->percent,
	};

	if (request->percent)
		connection_send(&agent->conn, &frame);
}

/* It never goes back, and 100 is the host's to say. */
void request_progress(struct agent *agent, unsigned int percent)
{
	struct request *request = &agent->request;

	if (request->state != REQUEST_ACTING)
		return;
	if (percent > 99)
		percent = 99;
	if (percent <= request->percent)
		return;
	request->percent = percent;
	request_say_progress(agent);
}

/* The task that the last breath will name. */
static void request_set_task(struct agent *agent, __u64 id)
{
	if (agent->state.task == id)
		return;
	agent->state.task = id;
	state_save(&agent->state);
}

static void request_end_checks(struct agent *agent)
{
	struct request *request = &agent->request;

	timer_clear(&request->hurry);
	request->asked = false;
	if (agent->backend->check_over)
		agent->backend->check_over();
	if (request->respect && agent->backend->watch_sessions)
		agent->backend->watch_sessions(false);
}

static void request_settle(struct agent *agent)
{
	timer_clear(&agent->request.deadline);
	request_end_checks(agent);
	announcement_cancel(agent);
	logoff_stop(agent);
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
	logoff_forget(agent);
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
	request_end_checks(agent);
	agent->request.state = REQUEST_WAITING;
	log_task(LOG_DEBUG, agent->request.id, "asks the host to commit");
	request_say(agent, VMGUEST_WIRE_COMMIT);
}

static void request_proceed(struct agent *agent)
{
	struct request *request = &agent->request;

	if (request->state == REQUEST_CHECKING && request->clear &&
	    !request->asked && !request->announcement.running)
		request_ask_to_go(agent);
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
		request_stop_failed(agent, VMGUEST_WIRE_FAILED, strerror(-err));
}

static void request_act(struct agent *agent)
{
	struct request *request = &agent->request;

	request_end_checks(agent);
	announcement_end(agent);
	timer_clear(&request->deadline);
	request->state = REQUEST_ACTING;
	/* The host has forgotten them, too. */
	request->told.count = 0;
	request->found.count = 0;
	if (request->verb == VMGUEST_VERB_LOGOFF)
		logoff_start(agent);
	else
		request_stop(agent);
}

void request_sessions_changed(struct agent *agent)
{
	struct request *request = &agent->request;

	if (request->state == REQUEST_ACTING &&
	    request->verb == VMGUEST_VERB_LOGOFF)
		logoff_sessions_changed(agent);
	else if (request->respect)
		request_blockers_changed(agent);
}

void request_logged_off(struct agent *agent,
			enum vmguest_wire_result_code code, const char *text)
{
	request_done(agent, code, text);
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

static void request_check(struct agent *agent)
{
	struct request *request = &agent->request;
	int err = 0;

	request->found.count = 0;
	request->outdated = false;
	request->asked = true;
	if (request->force)
		timer_set(&request->hurry, HURRY_MS);
	if (agent->backend->check && request->verb != VMGUEST_VERB_LOGOFF)
		err = agent->backend->check();
	if (err != -EINPROGRESS)
		request_checked(agent, err);
}

/* Tell the host, and whoever reads the log, when it is news. */
static void request_tell_blockers(struct agent *agent)
{
	struct request *request = &agent->request;
	struct blockers told = request->told;

	blockers_tell(&agent->conn, request->id, &request->told,
		      &request->found);
	if (told.count != request->found.count)
		blockers_log(&request->found, request->id,
			     request->force ? "overrides" : "blocked by");
	if (told.count && !request->found.count)
		log_task(LOG_INFO, request->id, "not blocked any more");
}

static void session_blocks(const struct session *session,
			   struct blocker *blocker)
{
	*blocker = (struct blocker){
		.kind = session->locked ? VMGUEST_BLOCKER_LOCK :
					  VMGUEST_BLOCKER_SESSION,
		.uid = session->uid,
		.pid = session->pid,
	};
	snprintf(blocker->who, sizeof(blocker->who), "%s", session->user);
	snprintf(blocker->why, sizeof(blocker->why),
		 "session %.30s%s%.30s%s%.30s%s", session->name,
		 *session->line ? " on " : "", session->line,
		 *session->from ? " from " : "", session->from,
		 session->locked ? ", locked" : "");
}

/* Who has left a session, and what was left behind, is in nobody's way. */
static int request_add_sessions(struct request *request,
				const struct vmguest_backend *backend)
{
	static struct session sessions[SESSION_MAX];
	struct blocker blocker;
	int i, count;

	count = backend->sessions(sessions, SESSION_MAX);
	for (i = 0; i < count; i++) {
		if (sessions[i].closing)
			continue;
		session_blocks(&sessions[i], &blocker);
		blockers_add(&request->found, &blocker);
	}
	return count < 0 ? count : 0;
}

/* An answer that nobody waits for any more ends here unheard. */
void request_checked(struct agent *agent, int err)
{
	struct request *request = &agent->request;

	if (request->state != REQUEST_CHECKING || !request->asked)
		return;
	request->asked = false;
	timer_clear(&request->hurry);
	if (request->outdated && !request->force) {
		request_check(agent);
		return;
	}
	/* What the host has heard before is nearer to the truth than nobody. */
	if (err && request->told.count)
		request->found = request->told;
	else if (request->respect)
		err = request_add_sessions(request, agent->backend) ?: err;
	if (err && !request->force) {
		request_done(agent, VMGUEST_WIRE_FAILED, strerror(-err));
		return;
	}
	if (err)
		log_task(LOG_WARNING, request->id,
			 "whom it overrides is not known: %s", strerror(-err));
	request_tell_blockers(agent);
	request->clear = request->force || !request->found.count;
	request_proceed(agent);
}

void request_blocker(struct agent *agent, const struct blocker *blocker)
{
	struct request *request = &agent->request;

	if (request->state == REQUEST_CHECKING && request->asked)
		blockers_add(&request->found, blocker);
}

void request_blockers_changed(struct agent *agent)
{
	struct request *request = &agent->request;

	if (request->state != REQUEST_CHECKING)
		return;
	if (request->asked)
		request->outdated = true;
	else
		request_check(agent);
}

static void request_hurry(struct timer *timer)
{
	struct request *request = container_of(timer, struct request, hurry);
	struct agent *agent = container_of(request, struct agent, request);

	request_checked(agent, -ETIMEDOUT);
}

void request_announced(struct agent *agent)
{
	request_proceed(agent);
}

/* After GO: what takes its time on the way down. */
void request_stop_jobs(struct agent *agent, const struct blockers *jobs)
{
	struct request *request = &agent->request;

	if (!request_end(request))
		return;
	request->found = *jobs;
	blockers_tell(&agent->conn, request->id, &request->told,
		      &request->found);
}

/*
 * The guest goes down by itself: a soft request that was not granted yet is not
 * what brings it down. The answer to one that waits for GO is on its way.
 */
void request_overtaken(struct agent *agent)
{
	struct request *request = &agent->request;

	if (request->state == REQUEST_CHECKING && !request->force)
		request_done(agent, VMGUEST_WIRE_GOING_DOWN,
			     "the guest goes down by itself");
}

/* A stop that was granted to an agent before this one came to nothing. */
void request_stays_up(struct agent *agent)
{
	if (!request_end(&agent->request))
		request_set_task(agent, 0);
}

/* The backend could not bring the guest down after all: it lives on. */
void request_stop_failed(struct agent *agent,
			 enum vmguest_wire_result_code code, const char *why)
{
	if (!request_end(&agent->request))
		return;
	request_done(agent, code, why);
	notice_end(agent);
}

static void request_set_deadline(struct request *request, __u32 deadline_ms)
{
	if (deadline_ms)
		timer_set(&request->deadline, deadline_ms);
	else
		timer_clear(&request->deadline);
}

/* Return: NULL, or why it is not done here. */
static const char *request_unsupported(struct agent *agent,
				       const struct vmguest_frame *frame)
{
	static const __u64 capability[] = {
		[VMGUEST_VERB_SHUTDOWN] = VMGUEST_CAP_SHUTDOWN,
		[VMGUEST_VERB_RESTART] = VMGUEST_CAP_RESTART,
		[VMGUEST_VERB_LOGOFF] = VMGUEST_CAP_LOGOFF,
	};
	__u64 needs = capability[frame->request.verb];

	if (frame->request.flags & VMGUEST_WIRE_REQ_FORCE)
		needs |= VMGUEST_CAP_FORCE;
	if (frame->request.flags & VMGUEST_WIRE_REQ_RESPECT_SESSIONS)
		needs |= VMGUEST_CAP_RESPECT_SESSIONS;
	if (needs & agent->options.denied)
		return "the guest's owner has turned it off";
	if (needs & ~agent->backend->capabilities())
		return "this guest cannot do it";
	return NULL;
}

static bool request_is_admitted(struct agent *agent,
				const struct vmguest_frame *frame)
{
	unsigned int verb = frame->request.verb;
	__u64 id = frame->task_id;
	bool urgent = frame->request.flags & (VMGUEST_WIRE_REQ_FORCE |
					      VMGUEST_WIRE_REQ_COMMITTED);
	const char *why = request_unsupported(agent, frame);

	if (why) {
		request_turn_away(agent, id, verb, VMGUEST_WIRE_UNSUPPORTED,
				  why);
		return false;
	}
	if ((frame->request.flags & VMGUEST_WIRE_REQ_RESPECT_SESSIONS) &&
	    verb == VMGUEST_VERB_LOGOFF) {
		request_turn_away(agent, id, verb, VMGUEST_WIRE_INVALID,
				  "a logoff is about the sessions");
		return false;
	}
	if (frame->request.scope != VMGUEST_SCOPE_ALL &&
	    verb != VMGUEST_VERB_LOGOFF) {
		request_turn_away(agent, id, verb, VMGUEST_WIRE_INVALID,
				  "only a logoff is about some users");
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

	if (request->state != REQUEST_NONE && request->state != REQUEST_DONE)
		log_task(LOG_INFO, request->id, "superseded by task %llu",
			 (unsigned long long)frame->task_id);
	request_drop(agent);
	if (agent->state.task != frame->task_id)
		request_set_task(agent, 0);

	request->id = frame->task_id;
	request->verb = frame->request.verb;
	request->force = frame->request.flags & VMGUEST_WIRE_REQ_FORCE;
	request->respect = frame->request.flags &
			   VMGUEST_WIRE_REQ_RESPECT_SESSIONS;
	request->clear = false;
	request->percent = 0;
	request->found.count = 0;
	request->told.count = 0;
	request->logoff.scope = frame->request.scope;
	request->logoff.uid = frame->request.uid;
	request->logoff.grace_ms = frame->request.grace_ms ?:
				   agent->options.grace_ms;
	request->state = REQUEST_CHECKING;
	request_set_deadline(request, frame->request.deadline_ms);
	if (request->verb == VMGUEST_VERB_LOGOFF)
		return logoff_list(agent);
	return 0;
}

static void request_announce(struct agent *agent,
			     const struct vmguest_frame *frame)
{
	static const char * const what[] = {
		[VMGUEST_VERB_SHUTDOWN] = "This system will be shut down",
		[VMGUEST_VERB_RESTART] = "This system will be restarted",
		[VMGUEST_VERB_LOGOFF] = "You will be logged off",
	};
	char reason[VMGUEST_TEXT_SIZE];

	vmguest_text_clean(reason, sizeof(reason),
			   &frame->text[VMGUEST_REQUEST_REASON]);
	announcement_start(agent, what[frame->request.verb], reason,
			   frame->request.delay_ms);
}

/* Before they are listed, so that nobody comes or goes unseen. */
static void request_watch_sessions(struct agent *agent)
{
	int err = 0;

	if (agent->request.respect && agent->backend->watch_sessions)
		err = agent->backend->watch_sessions(true);
	if (err)
		log_task(LOG_WARNING, agent->request.id,
			 "sessions are not watched: %s", strerror(-err));
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
		request_done(agent, VMGUEST_WIRE_FAILED, strerror(-err));
		return;
	}
	if (granted) {
		request_act(agent);
		return;
	}
	if (request->verb == VMGUEST_VERB_LOGOFF && !request->logoff.count) {
		request_done(agent, VMGUEST_WIRE_NO_SESSIONS, "");
		return;
	}
	request_say(agent, VMGUEST_WIRE_ACCEPTED);
	request_announce(agent, frame);
	request_watch_sessions(agent);
	request_check(agent);
}

/* What was asked softly is to be done by force. */
static void request_enforce(struct agent *agent)
{
	struct request *request = &agent->request;

	log_task(LOG_INFO, request->id, "becomes a force");
	request->force = true;
	if (request->state == REQUEST_CHECKING && request->asked) {
		timer_set(&request->hurry, HURRY_MS);
	} else if (request->state == REQUEST_CHECKING) {
		blockers_log(&request->found, request->id, "overrides");
		request->clear = true;
		request_proceed(agent);
	} else if (request_end(request)) {
		request_stop(agent);
	} else if (request->state == REQUEST_ACTING) {
		logoff_kill(agent);
	}
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
		request_say_progress(agent);
		blockers_tell(&agent->conn, request->id, &request->told,
			      &request->found);
		return;
	default:
		break;
	}
	if (granted) {
		request_act(agent);
		return;
	}
	request_say(agent, VMGUEST_WIRE_ACCEPTED);
	if (!request->asked)
		blockers_tell(&agent->conn, request->id, &request->told,
			      &request->found);
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
	agent->request.told.count = 0;
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
	err = timer_init(&agent->loop, &request->hurry, request_hurry);
	if (err)
		return err;
	err = announcement_init(agent);
	if (err)
		return err;
	return logoff_init(agent);
}
