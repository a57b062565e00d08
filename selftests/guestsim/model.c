// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each rule is a sentence of ioctl.rst or protocol.rst, in the order in which
 * those say it: who may start, what the guest's frames prove, how tasks end.
 */
#include <errno.h>
#include <string.h>

#include "model.h"

static const struct {
	uint32_t result;
	int32_t error;
} verdicts[] = {
	[VMGUEST_WIRE_OK] = { VMGUEST_RESULT_SUCCESS, 0 },
	[VMGUEST_WIRE_REFUSED] = { VMGUEST_RESULT_SHUTDOWN_ABORT, -EACCES },
	[VMGUEST_WIRE_BLOCKED_BY] = { VMGUEST_RESULT_SHUTDOWN_ABORT, -EBUSY },
	[VMGUEST_WIRE_GOING_DOWN] = {
		VMGUEST_RESULT_SHUTDOWN_ABORT, -EINPROGRESS
	},
	[VMGUEST_WIRE_NOT_READY] = { VMGUEST_RESULT_SHUTDOWN_ABORT, -EAGAIN },
	[VMGUEST_WIRE_NO_SESSIONS] = {
		VMGUEST_RESULT_UNEXPECTED_ERROR, -ESRCH
	},
	[VMGUEST_WIRE_UNSUPPORTED] = {
		VMGUEST_RESULT_UNEXPECTED_ERROR, -EOPNOTSUPP
	},
	[VMGUEST_WIRE_INVALID] = { VMGUEST_RESULT_ILLEGAL_VALUE, -EINVAL },
	[VMGUEST_WIRE_NO_MEMORY] = { VMGUEST_RESULT_OUT_OF_MEMORY, -ENOMEM },
	[VMGUEST_WIRE_FAILED] = { VMGUEST_RESULT_UNEXPECTED_ERROR, -EIO },
};

void model_init(struct model *m, bool lifeline, uint64_t capabilities)
{
	memset(m, 0, sizeof(*m));
	m->lifeline = lifeline;
	m->capabilities = capabilities;
	m->candidate = -1;
	m->request = -1;
	m->accepted = -1;
	m->doomed = -1;
	m->met = 1;
	m->welcomed = 1;
}

struct model_task *model_find(struct model *m, uint64_t id)
{
	unsigned int i;

	for (i = 0; i < m->count; i++)
		if (m->task[i].id == id)
			return &m->task[i];
	return NULL;
}

bool model_is_closed(const struct model *m, int c)
{
	return m->closed & (1 << c);
}

bool model_can_send(const struct model *m)
{
	return m->channel >= 0 && m->channel != m->doomed;
}

static struct model_task *request_of(struct model *m)
{
	return m->request < 0 ? NULL : &m->task[m->request];
}

static bool is_last(const struct model *m)
{
	return !(m->met & ~m->closed);
}

bool model_awaits_absence(const struct model *m)
{
	const struct model_task *task = m->task;

	if (m->request < 0 || m->lifeline || !is_last(m))
		return false;
	task += m->request;
	return task->verb == VMGUEST_VERB_SHUTDOWN &&
	       (task->end.proofs & VMGUEST_PROOF_CHANNEL_DOWN);
}

/* A task ends once. */
static void end_task(struct model *m, struct model_task *task, uint32_t result,
		     int32_t error)
{
	if (!task->running)
		return;
	task->running = false;
	task->waits = false;
	task->end.result = result;
	task->end.error = error;
	if (task == request_of(m))
		m->request = -1;
}

/* The agent of a task that ends on the host is told, unless it has GO. */
static void withdraw(struct model *m, struct model_task *task)
{
	if (task->handed && task->verb != VMGUEST_VERB_PING &&
	    m->channel >= 0 &&
	    !(task->end.proofs & VMGUEST_PROOF_COMMITTED))
		task->told_cancel = true;
}

/* Gone is not clean, but who never offered a last breath is excused. */
static void judge_shutdown(struct model *m, struct model_task *task)
{
	uint32_t proofs = task->end.proofs;
	bool clean = proofs & VMGUEST_PROOF_LAST_BREATH;
	bool excused = (proofs & VMGUEST_PROOF_COMMITTED) &&
		       !(m->capabilities & VMGUEST_CAP_LAST_BREATH);
	bool down = (proofs & VMGUEST_PROOF_CHANNEL_DOWN) &&
		    (clean || excused) && task->until == VMGUEST_UNTIL_DOWN;

	if (!down && !(proofs & VMGUEST_PROOF_VM_GONE))
		return;
	if (!clean && !excused) {
		end_task(m, task, VMGUEST_RESULT_UNEXPECTED_ERROR,
			 -ECONNABORTED);
		return;
	}
	if (!clean)
		task->end.flags |= VMGUEST_TASK_CLEAN_UNKNOWN;
	end_task(m, task, VMGUEST_RESULT_SUCCESS, 0);
}

/* A RESTART waits for its VM to come back. */
static void judge(struct model *m, struct model_task *task)
{
	if (task->verb == VMGUEST_VERB_SHUTDOWN)
		judge_shutdown(m, task);
	else if (task->verb != VMGUEST_VERB_RESTART &&
		 (task->end.proofs & VMGUEST_PROOF_VM_GONE))
		end_task(m, task, VMGUEST_RESULT_UNEXPECTED_ERROR,
			 -ECONNABORTED);
	if (model_awaits_absence(m) && !m->await.hi)
		m->await = m->now;
}

static void vm_gone(struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->count; i++) {
		struct model_task *task = &m->task[i];

		if (!task->running)
			continue;
		task->end.proofs |= VMGUEST_PROOF_VM_GONE;
		if (task->end.proofs & VMGUEST_PROOF_LAST_BREATH)
			task->end.proofs |= VMGUEST_PROOF_CHANNEL_DOWN;
		task->blocked = false;
		judge(m, task);
	}
}

/* A PING dies with the agent that it was sent to, unless the VM is gone. */
static void agent_lost(struct model *m)
{
	unsigned int i;

	m->channel = -1;
	if (m->gone)
		return;
	for (i = 0; i < m->count; i++) {
		struct model_task *task = &m->task[i];

		if (task->verb == VMGUEST_VERB_PING &&
		    (task->handed || !task->queue))
			end_task(m, task, VMGUEST_RESULT_UNEXPECTED_ERROR,
				 -ENOTCONN);
	}
}

static void new_boot(struct model *m, struct model_task *task)
{
	task->end.proofs |= VMGUEST_PROOF_NEW_BOOT;
	if (task->end.proofs & VMGUEST_PROOF_LAST_BREATH)
		task->end.proofs |= VMGUEST_PROOF_CHANNEL_DOWN;
	if (task->verb != VMGUEST_VERB_RESTART) {
		end_task(m, task, VMGUEST_RESULT_UNEXPECTED_ERROR,
			 -ECONNABORTED);
		return;
	}
	if (!(task->end.proofs & VMGUEST_PROOF_LAST_BREATH))
		task->end.flags |= VMGUEST_TASK_CLEAN_UNKNOWN;
	end_task(m, task, VMGUEST_RESULT_SUCCESS, 0);
}

static void want_send(struct model *m, struct model_task *task)
{
	task->waits = true;
	task->since = m->now;
}

static bool agent_can(const struct model *m, uint8_t verb, bool force)
{
	static const uint64_t needs[] = {
		[VMGUEST_VERB_SHUTDOWN] = VMGUEST_CAP_SHUTDOWN,
		[VMGUEST_VERB_RESTART] = VMGUEST_CAP_RESTART,
		[VMGUEST_VERB_LOGOFF] = VMGUEST_CAP_LOGOFF,
		[VMGUEST_VERB_PING] = 0,
	};
	uint64_t all = needs[verb] | (force ? VMGUEST_CAP_FORCE : 0);

	return (m->capabilities & all) == all;
}

/* The same boot resumes a request; another one ends what was sent. */
static void agent_back(struct model *m, bool same_boot)
{
	struct model_task *task = request_of(m);
	unsigned int i;

	for (i = 0; i < m->count; i++)
		if (m->task[i].waits)
			m->task[i].since = m->now;
	if (!same_boot)
		m->accepted = -1;
	if (!task)
		return;
	if (task->handed && !same_boot) {
		new_boot(m, task);
		return;
	}
	if ((task->end.flags & VMGUEST_TASK_ESCALATED) &&
	    !(m->capabilities & VMGUEST_CAP_FORCE))
		task->end.flags &= ~VMGUEST_TASK_FORCE;
	if (agent_can(m, task->verb, task->end.flags & VMGUEST_TASK_FORCE))
		want_send(m, task);
	else
		end_task(m, task, VMGUEST_RESULT_UNEXPECTED_ERROR,
			 -EOPNOTSUPP);
}

static void install(struct model *m, int c, bool same_boot)
{
	if (m->channel >= 0) {
		m->closed |= 1 << m->channel;
		agent_lost(m);
	}
	m->channel = c;
	m->welcomed |= 1 << c;
	m->await.hi = 0;
	agent_back(m, same_boot);
}

/* Another boot replaces a connection at once; the same waits for its end. */
void model_hello(struct model *m, int c, unsigned int boot)
{
	bool same_boot = boot == m->boot;

	if (m->unregistered || model_is_closed(m, c))
		return;
	if (m->gone) {
		m->closed |= 1 << c;
		return;
	}
	m->met |= 1 << c;
	if (m->channel < 0 || !same_boot) {
		m->boot = boot;
		install(m, c, same_boot);
	} else if (m->candidate < 0) {
		m->candidate = c;
	} else {
		m->closed |= 1 << c;
	}
}

void model_end(struct model *m, int c, bool reset, bool absent)
{
	struct model_task *task = request_of(m);
	bool active = m->channel == c;

	if (m->unregistered || model_is_closed(m, c))
		return;
	m->closed |= 1 << c;
	if (!(m->met & (1 << c)))
		return;
	if (m->candidate == c)
		m->candidate = -1;
	if (active)
		agent_lost(m);
	if (active && task &&
	    (reset || (is_last(m) &&
		       (task->end.proofs & VMGUEST_PROOF_LAST_BREATH)))) {
		task->end.proofs |= VMGUEST_PROOF_CHANNEL_DOWN;
		task->blocked = false;
		judge(m, task);
	}
	if (active && m->candidate >= 0 && !m->gone) {
		c = m->candidate;
		m->candidate = -1;
		install(m, c, true);
	}
	if (!is_last(m))
		return;
	if (m->gone || (absent && reset && !m->lifeline))
		vm_gone(m);
}

/* What follows on it is not heard, but it takes a moment to end. */
static void doom(struct model *m, int c)
{
	m->doomed = c;
	m->doomed_since = m->now;
}

void model_malformed(struct model *m, int c)
{
	if (m->channel == c && m->doomed != c)
		doom(m, c);
	else if (m->channel != c)
		model_end(m, c, false, false);
}

/* What was said before is still read: connections end first. */
void model_lifeline(struct model *m)
{
	if (m->unregistered)
		return;
	m->gone = true;
	if (is_last(m))
		vm_gone(m);
}

void model_absent(struct model *m)
{
	if (model_awaits_absence(m))
		vm_gone(m);
}

static void accepted(struct model *m, struct model_task *task)
{
	task->end.proofs |= VMGUEST_PROOF_ACCEPTED;
	if (task->until != VMGUEST_UNTIL_ACCEPTED)
		return;
	m->accepted = task - m->task;
	end_task(m, task, VMGUEST_RESULT_SUCCESS, 0);
}

/* The host grants it to a running task, and to one that it took as accepted. */
static void commit(struct model *m, struct model_task *task, uint64_t id)
{
	struct model_task *any = model_find(m, id);

	if (!any)
		return;
	if (task && !(task->end.proofs & VMGUEST_PROOF_ACCEPTED))
		accepted(m, task);
	if (task && task->running) {
		task->end.proofs |= VMGUEST_PROOF_COMMITTED;
		task->blocked = false;
	}
	if (task || (m->accepted >= 0 && &m->task[m->accepted] == any))
		any->told_go = true;
	else
		any->told_cancel = true;
}

/* Return: false when it is out of place. */
static bool verdict(struct model *m, struct model_task *task, uint32_t code)
{
	bool logoff = task->verb == VMGUEST_VERB_LOGOFF;
	bool committed = task->end.proofs & VMGUEST_PROOF_COMMITTED;

	if (!logoff && (code == VMGUEST_WIRE_OK ||
			code == VMGUEST_WIRE_NO_SESSIONS))
		return false;
	if (code == VMGUEST_WIRE_OK && !committed)
		return false;
	if (code == VMGUEST_WIRE_OK)
		task->end.proofs |= VMGUEST_PROOF_SESSIONS_ENDED;
	end_task(m, task, verdicts[code].result, verdicts[code].error);
	return true;
}

/* Another end than the one asked for proves nothing. */
static bool last_breath(struct model *m, struct model_task *task, uint64_t id,
			uint32_t end)
{
	struct model_task *any = model_find(m, id);
	bool rebooting = end == VMGUEST_END_REBOOT;
	bool restart = task && task->verb == VMGUEST_VERB_RESTART;

	if (task && (task->verb == VMGUEST_VERB_LOGOFF ||
		     !(task->end.proofs & VMGUEST_PROOF_COMMITTED)))
		return false;
	if (any)
		any->told_ack = true;
	if (task && rebooting == restart)
		task->end.proofs |= VMGUEST_PROOF_LAST_BREATH;
	return true;
}

static bool blocked(struct model_task *task)
{
	if (task->end.proofs & VMGUEST_PROOF_COMMITTED)
		return false;
	task->blocked = true;
	return true;
}

static void pong(struct model *m, uint64_t id)
{
	struct model_task *ping = model_find(m, id);

	if (!id && m->candidate >= 0) {
		m->closed |= 1 << m->candidate;
		m->candidate = -1;
	}
	if (!ping || !ping->running || ping->verb != VMGUEST_VERB_PING ||
	    !ping->handed)
		return;
	ping->end.proofs |= VMGUEST_PROOF_PONG;
	end_task(m, ping, VMGUEST_RESULT_SUCCESS, 0);
}

/* Return: false when it is out of place. */
static bool request_frame(struct model *m, struct model_task *task,
			  uint16_t type, uint64_t id, uint32_t arg)
{
	if (task && !task->handed)
		return false;
	if (type == VMGUEST_WIRE_COMMIT) {
		commit(m, task, id);
		return true;
	}
	if (type == VMGUEST_WIRE_LAST_BREATH)
		return last_breath(m, task, id, arg);
	if (!task)
		return true;
	if (type == VMGUEST_WIRE_ACCEPTED)
		accepted(m, task);
	if (type == VMGUEST_WIRE_BLOCKED)
		return blocked(task);
	if (type == VMGUEST_WIRE_RESULT)
		return verdict(m, task, arg);
	return true;
}

/* Frames about tasks that have ended change nothing. */
void model_frame(struct model *m, int c, uint16_t type, uint64_t id,
		 uint32_t arg)
{
	struct model_task *task = request_of(m);

	if (m->unregistered || m->channel != c || m->doomed == c)
		return;
	if (task && task->id != id)
		task = NULL;
	if (type == VMGUEST_WIRE_PONG)
		pong(m, id);
	else if (type == VMGUEST_WIRE_GOODBYE)
		doom(m, c);
	else if (!request_frame(m, task, type, id, arg))
		model_malformed(m, c);
}

static unsigned int strength(uint8_t verb, bool force)
{
	return (verb == VMGUEST_VERB_LOGOFF ? 0 : 2) + force;
}

/* Who may pass by the running request. */
static int compare(const struct oracle_act *act, const struct model_task *rival)
{
	unsigned int ours = strength(act->verb,
				     act->flags & VMGUEST_REQ_FORCE);
	unsigned int theirs = strength(rival->verb, rival->end.flags &
				       VMGUEST_TASK_FORCE);

	if (ours > theirs)
		return 0;
	if (act->verb != rival->verb)
		return -EBUSY;
	return ours == theirs || (act->flags & VMGUEST_REQ_JOIN) ?
	       -EINPROGRESS : -EBUSY;
}

static int check_vm(const struct model *m, const struct oracle_act *act,
		    bool absent)
{
	bool queue = act->flags & VMGUEST_REQ_QUEUE;

	if (m->gone)
		return -EHOSTDOWN;
	if (m->channel >= 0)
		return agent_can(m, act->verb, act->flags & VMGUEST_REQ_FORCE) ?
		       0 : -EOPNOTSUPP;
	if (absent && !(queue && m->lifeline))
		return -EHOSTDOWN;
	return queue ? 0 : -ENOTCONN;
}

static void start(struct model *m, const struct oracle_act *act)
{
	struct model_task *task = &m->task[m->count];

	task->id = act->task_id;
	task->verb = act->verb;
	task->until = act->until;
	if (!task->until && act->verb == VMGUEST_VERB_SHUTDOWN)
		task->until = VMGUEST_UNTIL_GONE;
	task->running = true;
	task->queue = act->flags & VMGUEST_REQ_QUEUE;
	if (act->flags & VMGUEST_REQ_FORCE)
		task->end.flags = VMGUEST_TASK_FORCE;
	task->close_fds = !!(act->flags & VMGUEST_REQ_CANCEL_ON_CLOSE);
	if (act->verb != VMGUEST_VERB_PING) {
		m->request = m->count;
		m->accepted = -1;
	}
	m->count++;
	want_send(m, task);
}

int model_call(struct model *m, const struct oracle_act *act, bool absent,
	       uint64_t *id)
{
	struct model_task *rival = request_of(m);
	int err;

	*id = 0;
	if (m->unregistered)
		return -ENOENT;
	if (act->verb == VMGUEST_VERB_PING)
		rival = NULL;
	err = rival ? compare(act, rival) : 0;
	if (err)
		*id = rival->id;
	if (err == -EINPROGRESS && (act->flags & VMGUEST_REQ_JOIN)) {
		rival->close_fds += !!(act->flags &
				       VMGUEST_REQ_CANCEL_ON_CLOSE);
		return 0;
	}
	err = err ?: check_vm(m, act, absent);
	if (err || m->count == ORACLE_TASKS)
		return err;
	if (rival) {
		withdraw(m, rival);
		rival->end.superseded_by = act->task_id;
		end_task(m, rival, VMGUEST_RESULT_CANCELLED, -ECANCELED);
	}
	start(m, act);
	*id = act->task_id;
	return 0;
}

/* A cancel works until the commit point. */
int model_cancel(struct model *m, uint64_t id)
{
	struct model_task *task = model_find(m, id);

	if (!task || !task->running)
		return -EALREADY;
	if (task->end.proofs & VMGUEST_PROOF_COMMITTED)
		return -EBUSY;
	withdraw(m, task);
	end_task(m, task, VMGUEST_RESULT_CANCELLED, -ECANCELED);
	return 0;
}

void model_close(struct model *m, uint64_t id)
{
	struct model_task *task = model_find(m, id);

	if (task && task->close_fds && !--task->close_fds)
		model_cancel(m, id);
}

/* Everything ends, past the commit point or not. */
void model_unregister(struct model *m)
{
	unsigned int i;

	for (i = 0; i < m->count; i++) {
		struct model_task *task = &m->task[i];

		if (!task->running)
			continue;
		withdraw(m, task);
		if (task->end.proofs & VMGUEST_PROOF_VM_GONE)
			end_task(m, task, VMGUEST_RESULT_UNEXPECTED_ERROR,
				 -ECONNABORTED);
		else
			end_task(m, task, VMGUEST_RESULT_CANCELLED,
				 -ECANCELED);
	}
	m->unregistered = true;
}

void model_deadline(struct model *m, struct model_task *task)
{
	withdraw(m, task);
	if (task->verb == VMGUEST_VERB_RESTART &&
	    (task->end.proofs & VMGUEST_PROOF_VM_GONE))
		end_task(m, task, VMGUEST_RESULT_UNEXPECTED_ERROR,
			 -ECONNABORTED);
	else if (task->blocked)
		end_task(m, task, VMGUEST_RESULT_SHUTDOWN_ABORT, -EBUSY);
	else
		end_task(m, task, VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
}

/* An agent that has no FORCE goes on softly. */
void model_escalate(struct model *m, struct model_task *task)
{
	if (task->end.flags & VMGUEST_TASK_FORCE)
		return;
	task->end.flags |= VMGUEST_TASK_ESCALATED;
	if (m->channel >= 0 && !(m->capabilities & VMGUEST_CAP_FORCE))
		return;
	task->end.flags |= VMGUEST_TASK_FORCE;
	want_send(m, task);
}

void model_hand(struct model *m __attribute__((unused)),
		struct model_task *task)
{
	task->handed = true;
	task->waits = false;
	task->hands++;
}
