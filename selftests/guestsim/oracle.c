// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sources of events, each with an order of its own: the caller; each connection
 * of the guest; the lifeline; the deadline, the escalation and the sending of
 * each task; and what the guest got, which moves nothing but has to be explained
 * by then. The next event can be the head of any source that may have happened
 * before the others must have.
 *
 * When an event happened for the module:
 *
 *   what the caller did	between the times before and after the call
 *   a frame, an end	from the guest's time on, at most late_ns later, and
 *			not after what follows on the same connection
 *   the lifeline	likewise
 *   a teardown		at most late_ns after what the module ends a connection for
 *   a deadline		from so many milliseconds after the time before the
 *			call to so many after the time after it, and late_ns
 *   the escalation	likewise
 *   sending a request	at most late_ns after it was started, or after the
 *			agent came
 *   seeing a CID leave	at most late_ns and a look's interval after both the
 *			VMM had ended and the task waited for it
 */
#include <errno.h>
#include <string.h>

#include "model.h"
#include "oracle.h"

#define CONNECTION_EVENTS	64
#define OBSERVATIONS		160
#define PERIODS			8

/* How often the module looks whether a CID has left the host. */
#define LOOK_NS			50000000ULL

#define MS			1000000ULL
#define NEVER			UINT64_MAX

/* States that are looked at before an oracle is lost. */
#define VISITS			4096
#define VISITED_SLOTS		(4 * VISITS)

enum event_kind {
	EVENT_HELLO,
	EVENT_FRAME,
	EVENT_MALFORMED,
	EVENT_END,
	EVENT_RESET,
	EVENT_GOT,
	EVENT_CLOSED,
};

/**
 * struct event - What a guest did or saw
 * @when: When the module heard of it; of what it saw: until when.
 * @kind: enum event_kind.
 * @what: Type of the frame.
 * @connection: On which connection.
 * @arg: Boot of a HELLO; as in struct sim_event; how many such it is of a
 *	REQUEST or PING that it got.
 * @flags: Of a REQUEST that it got.
 * @id: The task.
 */
struct event {
	struct model_window when;
	enum event_kind kind;
	uint16_t what;
	uint8_t connection;
	uint32_t arg;
	uint32_t flags;
	uint64_t id;
};

/**
 * struct connection - One connection of the guest
 * @open: It stood.
 * @met: It has said HELLO.
 * @over: Nothing more comes.
 * @port: The guest's port.
 * @count: Number of events.
 * @event: They, in order.
 */
struct connection {
	bool open;
	bool met;
	bool over;
	uint32_t port;
	unsigned int count;
	struct event event[CONNECTION_EVENTS];
};

/**
 * struct story - A history, ordered by source
 * @history: What it was made from.
 * @lost: It cannot be told.
 * @connections: How many there were.
 * @connection: They.
 * @current: The one that the agent uses now, -1 for none.
 * @boots: How often the guest booted.
 * @seen: How much the guest saw.
 * @sight: What.
 * @lifeline: When it fired, hi 0 for never.
 * @absences: How often the CID was absent.
 * @absence: From when to when.
 */
struct story {
	const struct oracle_history *history;
	bool lost;
	int connections;
	struct connection connection[MODEL_CONNECTIONS];
	int current;
	unsigned int boots;
	unsigned int seen;
	struct event sight[OBSERVATIONS];
	struct model_window lifeline;
	unsigned int absences;
	struct model_window absence[PERIODS];
};

/**
 * struct timers - What the module's clock does to a task
 * @deadline: When it expires.
 * @escalation: When it becomes a FORCE, hi 0 for never.
 */
struct timers {
	struct model_window deadline;
	struct model_window escalation;
};

/**
 * struct state - A point in one order of events; compared bytewise
 * @model: The VM.
 * @acted: How much of what the caller did has happened.
 * @seen: How much of what the guest saw is explained.
 * @lifeline: It has fired.
 * @expired: Deadlines that have passed, as bits.
 * @escalated: Escalations that have passed, as bits.
 * @done: How much of each connection has happened.
 * @timers: Of the tasks.
 */
struct state {
	struct model model;
	uint16_t acted;
	uint16_t seen;
	uint16_t lifeline;
	uint16_t expired;
	uint16_t escalated;
	uint8_t done[MODEL_CONNECTIONS];
	struct timers timers[ORACLE_TASKS];
};

enum choice_kind {
	CHOICE_ACT,
	CHOICE_CONNECTION,
	CHOICE_LIFELINE,
	CHOICE_DEADLINE,
	CHOICE_ESCALATION,
	CHOICE_HAND,
	CHOICE_TEARDOWN,
	CHOICE_ABSENCE,
};

/**
 * struct choice - An event that can be the next one
 * @when: Its window.
 * @kind: enum choice_kind.
 * @index: Of the connection or the task.
 */
struct choice {
	struct model_window when;
	enum choice_kind kind;
	int index;
};

#define CHOICES		(MODEL_CONNECTIONS + 3 * ORACLE_TASKS + 4)

struct choices {
	unsigned int count;
	uint64_t hi;
	struct choice choice[CHOICES];
};

/**
 * struct search - A walk through all orders
 * @story: What happened.
 * @prediction: What was found.
 * @visits: States looked at.
 * @visited: Their hashes.
 */
struct search {
	const struct story *story;
	struct oracle_prediction *prediction;
	unsigned int visits;
	uint64_t visited[VISITED_SLOTS];
};

/* The story */

static struct event *story_tell(struct story *story, int c,
				enum event_kind kind, uint64_t ns)
{
	struct connection *conn;
	struct event *ev;

	if (c < 0)
		return NULL;
	conn = &story->connection[c];
	if (conn->over)
		return NULL;
	if (conn->count == CONNECTION_EVENTS) {
		story->lost = true;
		return NULL;
	}
	ev = &conn->event[conn->count++];
	memset(ev, 0, sizeof(*ev));
	ev->kind = kind;
	ev->connection = c;
	ev->when.lo = ns;
	ev->when.hi = ns + story->history->late_ns;
	return ev;
}

static struct event *story_see(struct story *story, enum event_kind kind,
			       const struct sim_event *log)
{
	struct event *ev;

	if (story->seen == OBSERVATIONS) {
		story->lost = true;
		return NULL;
	}
	ev = &story->sight[story->seen++];
	memset(ev, 0, sizeof(*ev));
	ev->kind = kind;
	ev->what = log->what;
	ev->flags = log->arg;
	ev->id = log->task_id;
	ev->connection = story->current < 0 ? 0 : story->current;
	ev->when.hi = log->ns;
	return ev;
}

static void story_end(struct story *story, int c, enum event_kind kind,
		      uint64_t ns)
{
	if (!story_tell(story, c, kind, ns))
		return;
	story->connection[c].over = true;
}

static void story_dial(struct story *story, const struct sim_event *log)
{
	if (story->connections == MODEL_CONNECTIONS) {
		story->lost = true;
		return;
	}
	story->current = story->connections++;
	story->connection[story->current].port = log->arg;
}

/* A guest that booted knows no older connection. */
static void story_refused(struct story *story, const struct sim_event *log)
{
	int c;

	for (c = 0; c < story->connections; c++)
		if (story->connection[c].port == log->arg)
			story_end(story, c, EVENT_END, log->ns);
}

static bool story_is_open(const struct story *story)
{
	return story->current >= 0 && story->connection[story->current].open;
}

static void story_sent(struct story *story, const struct sim_event *log)
{
	struct connection *conn = &story->connection[story->current];
	enum event_kind kind = EVENT_FRAME;
	struct event *ev;

	if (log->what >= VMGUEST_WIRE_WELCOME)
		kind = EVENT_MALFORMED;
	if (log->what == VMGUEST_WIRE_HELLO)
		kind = conn->met ? EVENT_MALFORMED : EVENT_HELLO;
	conn->met |= kind == EVENT_HELLO;
	ev = story_tell(story, story->current, kind, log->ns);
	if (!ev)
		return;
	ev->what = log->what;
	ev->id = log->task_id;
	ev->arg = kind == EVENT_HELLO ? story->boots : log->arg;
	conn->over = log->what == VMGUEST_WIRE_GOODBYE;
}

/* What the module hears of a deed, beyond the frames in the log. */
static void story_deed(struct story *story, const struct sim_event *log)
{
	if (!story_is_open(story))
		return;
	switch (log->what) {
	case SIM_GARBAGE:
	case SIM_OVERSIZED:
		story_tell(story, story->current, EVENT_MALFORMED, log->ns);
		break;
	case SIM_HALF_CLOSE:
	case SIM_CLOSE:
	case SIM_RST:
	case SIM_RECONNECT:
		story_end(story, story->current, EVENT_END, log->ns);
		break;
	}
}

/* An end that the agent began is agreed to by the host's transport alone. */
static void story_closed(struct story *story, const struct sim_event *log)
{
	if (story_is_open(story) && !story->connection[story->current].over)
		story_see(story, EVENT_CLOSED, log);
	if (story->current >= 0)
		story->connection[story->current].over = true;
	story->current = -1;
}

static void story_booted(struct story *story, const struct sim_event *log)
{
	story->boots++;
	story->current = -1;
	if (story->absences &&
	    story->absence[story->absences - 1].hi == NEVER)
		story->absence[story->absences - 1].hi = log->ns;
}

/* The host's ends of all connections are reset, forgotten ones too. */
static void story_died(struct story *story, const struct sim_event *log)
{
	int c;

	for (c = 0; c < story->connections; c++)
		story_end(story, c, EVENT_RESET, log->ns);
	story->current = -1;
	if (log->arg || story->absences == PERIODS) {
		story->lost = true;
		return;
	}
	story->absence[story->absences++] = (struct model_window) {
		log->ns, NEVER
	};
}

static void story_got(struct story *story, const struct sim_event *log)
{
	struct event *ev = story_see(story, EVENT_GOT, log);
	unsigned int i;

	if (!ev)
		return;
	ev->arg = 1;
	for (i = 0; i + 1 < story->seen; i++)
		ev->arg += story->sight[i].kind == EVENT_GOT &&
			   story->sight[i].what == log->what &&
			   story->sight[i].id == log->task_id;
}

static void story_add(struct story *story, const struct sim_event *log)
{
	switch (log->kind) {
	case SIM_EV_BOOT:
		story_booted(story, log);
		break;
	case SIM_EV_DIAL:
		story_dial(story, log);
		break;
	case SIM_EV_OPEN:
		if (story->current >= 0)
			story->connection[story->current].open = true;
		break;
	case SIM_EV_SENT:
		if (story->current >= 0)
			story_sent(story, log);
		break;
	case SIM_EV_GOT:
		story_got(story, log);
		break;
	case SIM_EV_DEED:
		story_deed(story, log);
		break;
	case SIM_EV_CLOSED:
		story_closed(story, log);
		break;
	case SIM_EV_DIED:
		story_died(story, log);
		break;
	case SIM_EV_REFUSED:
		story_refused(story, log);
		break;
	case SIM_EV_LIFELINE:
		story->lifeline.lo = log->ns;
		story->lifeline.hi = log->ns + story->history->late_ns;
		break;
	}
}

/* What comes later on a connection is not heard earlier. */
static void story_tighten(struct connection *conn)
{
	unsigned int i;

	for (i = conn->count; i-- > 1;)
		if (conn->event[i - 1].when.hi > conn->event[i].when.hi)
			conn->event[i - 1].when.hi = conn->event[i].when.hi;
}

static void story_init(struct story *story,
		       const struct oracle_history *history)
{
	size_t i;
	int c;

	memset(story, 0, sizeof(*story));
	story->history = history;
	story->connections = 1;
	story->connection[0].open = true;
	story->connection[0].met = true;
	story->connection[0].port = history->port;
	for (i = 0; i < history->log_count && !story->lost; i++)
		story_add(story, &history->log[i]);
	for (c = 0; c < story->connections; c++)
		story_tighten(&story->connection[c]);
}

static bool story_was_absent(const struct story *story, uint64_t ns)
{
	unsigned int i;

	for (i = 0; i < story->absences; i++)
		if (story->absence[i].lo < ns && ns < story->absence[i].hi)
			return true;
	return false;
}

/* Choices */

static void add_choice(struct choices *choices, enum choice_kind kind,
		       int index, struct model_window when)
{
	choices->choice[choices->count++] = (struct choice) {
		when, kind, index
	};
	if (when.hi < choices->hi)
		choices->hi = when.hi;
}

/* Only while the agent is there a request waits for the module's pace alone. */
static void add_task_choices(const struct story *story,
			     const struct state *s, int i,
			     struct choices *choices)
{
	const struct model_task *task = &s->model.task[i];
	const struct timers *timers = &s->timers[i];
	struct model_window when = task->since;

	if (!task->running)
		return;
	if (!(s->expired & (1 << i)))
		add_choice(choices, CHOICE_DEADLINE, i, timers->deadline);
	if (timers->escalation.hi && !(s->escalated & (1 << i)))
		add_choice(choices, CHOICE_ESCALATION, i, timers->escalation);
	when.hi += story->history->late_ns;
	if (task->waits && model_can_send(&s->model))
		add_choice(choices, CHOICE_HAND, i, when);
}

static void add_teardown(const struct story *story, const struct state *s,
			 struct choices *choices)
{
	struct model_window when = s->model.doomed_since;

	if (s->model.doomed < 0 || s->model.unregistered ||
	    model_is_closed(&s->model, s->model.doomed))
		return;
	when.hi += story->history->late_ns;
	add_choice(choices, CHOICE_TEARDOWN, s->model.doomed, when);
}

/* A look may come too late, when the CID is there again. */
static void add_absence(const struct story *story, const struct state *s,
			struct choices *choices)
{
	struct model_window when = s->model.await;
	unsigned int i;

	if (!model_awaits_absence(&s->model))
		return;
	for (i = 0; i < story->absences; i++) {
		const struct model_window *absence = &story->absence[i];

		if (absence->hi < when.lo)
			continue;
		if (when.lo < absence->lo)
			when.lo = absence->lo;
		if (when.hi < absence->lo)
			when.hi = absence->lo;
		when.hi += LOOK_NS + story->history->late_ns;
		if (when.hi > absence->hi)
			when.hi = NEVER;
		add_choice(choices, CHOICE_ABSENCE, 0, when);
		return;
	}
}

static void find_choices(const struct story *story, const struct state *s,
			 struct choices *choices)
{
	const struct oracle_history *h = story->history;
	int i;

	choices->count = 0;
	choices->hi = NEVER;
	if (s->seen < story->seen)
		choices->hi = story->sight[s->seen].when.hi;
	if (s->acted < h->act_count)
		add_choice(choices, CHOICE_ACT, 0, (struct model_window) {
			h->acts[s->acted].before_ns, h->acts[s->acted].after_ns
		});
	if (story->lifeline.hi && !s->lifeline)
		add_choice(choices, CHOICE_LIFELINE, 0, story->lifeline);
	for (i = 0; i < story->connections; i++)
		if (s->done[i] < story->connection[i].count)
			add_choice(choices, CHOICE_CONNECTION, i,
				   story->connection[i].event[s->done[i]].when);
	for (i = 0; i < s->model.count; i++)
		add_task_choices(story, s, i, choices);
	add_teardown(story, s, choices);
	add_absence(story, s, choices);
}

/* Steps. Each returns false when it contradicts what was told. */

/* Return: whether the model answers as the module did. */
static bool is_answer(struct model *m, const struct oracle_act *act,
		      bool absent)
{
	bool known = model_find(m, act->task_id);
	unsigned int count = m->count;
	uint64_t id;

	if (model_call(m, act, absent, &id) != act->answer)
		return false;
	return id == act->task_id && (act->answer || known == (m->count == count));
}

/*
 * The module looks for a channel, then for the CID, then takes its lock: a
 * channel that ended in between was looked for in vain.
 */
static bool step_call(const struct story *story, struct state *s,
		      const struct oracle_act *act)
{
	uint64_t before_ns = act->before_ns;
	bool absent = story_was_absent(story, before_ns);
	bool was = story_was_absent(story, before_ns - story->history->late_ns);
	struct model before;

	memcpy(&before, &s->model, sizeof(before));
	if (is_answer(&s->model, act, absent))
		return true;
	if (!absent || was)
		return false;
	memcpy(&s->model, &before, sizeof(before));
	return is_answer(&s->model, act, false);
}

static void start_timers(struct state *s, const struct story *story,
			 const struct oracle_act *act)
{
	struct timers *timers = &s->timers[s->model.count - 1];
	uint64_t late = story->history->late_ns;

	timers->deadline.lo = act->before_ns + act->deadline_ms * MS;
	timers->deadline.hi = act->after_ns + act->deadline_ms * MS + late;
	if (!act->force_after_ms || act->force_after_ms >= act->deadline_ms)
		return;
	timers->escalation.lo = act->before_ns + act->force_after_ms * MS;
	timers->escalation.hi = act->after_ns + act->force_after_ms * MS +
				late;
}

static bool step_act(const struct story *story, struct state *s)
{
	const struct oracle_act *act = &story->history->acts[s->acted++];
	unsigned int count = s->model.count;

	switch (act->kind) {
	case ORACLE_CALL:
		if (!step_call(story, s, act))
			return false;
		if (s->model.count > count)
			start_timers(s, story, act);
		return true;
	case ORACLE_CANCEL:
		return model_cancel(&s->model, act->task_id) == act->answer;
	case ORACLE_CLOSE:
		model_close(&s->model, act->task_id);
		return true;
	case ORACLE_UNREGISTER:
		model_unregister(&s->model);
		return act->answer == 0;
	case ORACLE_TOLD:
		return !model_find(&s->model, act->task_id)->running;
	}
	return false;
}

/*
 * The @other way, see is_unsure(): an end that the module hears of when the VMM
 * has ended, too, is a reset; a reset, when there is another VMM with that CID,
 * does not show that the CID had left.
 */
static bool step_connection(const struct story *story, struct state *s, int c,
			    bool other)
{
	const struct event *ev = &story->connection[c].event[s->done[c]++];

	switch (ev->kind) {
	case EVENT_HELLO:
		model_hello(&s->model, c, ev->arg);
		break;
	case EVENT_FRAME:
		model_frame(&s->model, c, ev->what, ev->id, ev->arg);
		break;
	case EVENT_MALFORMED:
		model_malformed(&s->model, c);
		break;
	case EVENT_END:
		model_end(&s->model, c, other, other);
		break;
	case EVENT_RESET:
		model_end(&s->model, c, true, !other);
		break;
	default:
		return false;
	}
	return true;
}

static bool step_to(const struct story *story, struct state *s,
		    const struct choice *choice, bool other)
{
	struct model *m = &s->model;

	switch (choice->kind) {
	case CHOICE_ACT:
		return step_act(story, s);
	case CHOICE_CONNECTION:
		return step_connection(story, s, choice->index, other);
	case CHOICE_LIFELINE:
		s->lifeline = 1;
		model_lifeline(m);
		return true;
	case CHOICE_DEADLINE:
		s->expired |= 1 << choice->index;
		model_deadline(m, &m->task[choice->index]);
		return true;
	case CHOICE_ESCALATION:
		s->escalated |= 1 << choice->index;
		model_escalate(m, &m->task[choice->index]);
		return true;
	case CHOICE_HAND:
		model_hand(m, &m->task[choice->index]);
		return true;
	case CHOICE_TEARDOWN:
		model_end(m, choice->index, false, false);
		return true;
	case CHOICE_ABSENCE:
		model_absent(m);
		return true;
	}
	return false;
}

static bool step(const struct story *story, struct state *s,
		 const struct choice *choice, bool other)
{
	struct model_window *now = &s->model.now;
	bool fits;

	if (now->lo < choice->when.lo)
		now->lo = choice->when.lo;
	now->hi = choice->when.hi == NEVER ? now->lo : choice->when.hi;
	fits = step_to(story, s, choice, other);
	/* The same state by whatever order. */
	now->hi = 0;
	return fits;
}

static bool story_knows(const struct story *story, uint64_t task_id)
{
	size_t i;

	for (i = 0; i < story->history->act_count; i++)
		if (story->history->acts[i].task_id == task_id)
			return true;
	return false;
}

/* Can what the guest got have been sent by now? */
static bool is_explained(const struct story *story, const struct state *s,
			 const struct event *ev)
{
	struct model *m = (struct model *)&s->model;
	const struct model_task *task = model_find(m, ev->id);

	if (m->unregistered)
		return true;
	if (ev->kind == EVENT_CLOSED)
		return model_is_closed(m, ev->connection);
	if (ev->what == VMGUEST_WIRE_WELCOME)
		return m->welcomed & (1 << ev->connection);
	if (!task)
		return !ev->id || !story_knows(story, ev->id);
	switch (ev->what) {
	case VMGUEST_WIRE_REQUEST:
		return task->hands >= ev->arg &&
		       (!(ev->flags & VMGUEST_WIRE_REQ_FORCE) ||
			(task->end.flags & VMGUEST_TASK_FORCE));
	case VMGUEST_WIRE_PING:
		return task->hands >= ev->arg;
	case VMGUEST_WIRE_GO:
		return task->told_go;
	case VMGUEST_WIRE_CANCEL:
		return task->told_cancel;
	case VMGUEST_WIRE_LAST_BREATH_ACK:
		return task->told_ack;
	default:
		return true;
	}
}

/* The walk */

static uint64_t state_hash(const struct state *s)
{
	const uint64_t *words = (const uint64_t *)s;
	uint64_t hash = 14695981039346656037ULL;
	size_t i;

	for (i = 0; i < sizeof(*s) / sizeof(*words); i++)
		hash = (hash ^ words[i]) * 1099511628211ULL;
	return hash | 1;
}

/* Return: false when this state has been looked at before. */
static bool search_is_new(struct search *search, const struct state *s)
{
	uint64_t hash = state_hash(s);
	unsigned int i = (hash >> 20) % VISITED_SLOTS;

	while (search->visited[i]) {
		if (search->visited[i] == hash)
			return false;
		i = (i + 1) % VISITED_SLOTS;
	}
	search->visited[i] = hash;
	return true;
}

/* Return: false when there are too many. */
static bool predict_task(struct oracle_task *task,
			 const struct oracle_outcome *outcome)
{
	unsigned int i;

	for (i = 0; i < task->count; i++)
		if (!memcmp(&task->outcome[i], outcome, sizeof(*outcome)))
			return true;
	if (task->count == ORACLE_OUTCOMES)
		return false;
	task->outcome[task->count++] = *outcome;
	return true;
}

static void search_found(struct search *search, const struct model *m)
{
	struct oracle_prediction *prediction = search->prediction;
	unsigned int i;

	prediction->verdict = ORACLE_KNOWS;
	prediction->count = m->count;
	for (i = 0; i < m->count; i++) {
		prediction->task[i].task_id = m->task[i].id;
		if (!predict_task(&prediction->task[i], &m->task[i].end))
			search->visits = VISITS;
	}
}

static void search_from(struct search *search, struct state *s);

static void search_branch(struct search *search, const struct state *s,
			  const struct choice *choice, bool other)
{
	struct state next;

	memcpy(&next, s, sizeof(next));
	if (step(search->story, &next, choice, other))
		search_from(search, &next);
}

/* Whether an end of a connection can be seen in two ways. */
static bool is_unsure(const struct story *story, const struct choice *choice,
		      const struct state *s)
{
	const struct event *ev;
	unsigned int i;

	if (choice->kind != CHOICE_CONNECTION)
		return false;
	ev = &story->connection[choice->index].event[s->done[choice->index]];
	for (i = 0; i < story->absences; i++) {
		const struct model_window *absence = &story->absence[i];

		if (ev->kind == EVENT_END && ev->when.lo < absence->lo &&
		    absence->lo < ev->when.hi)
			return true;
		if (ev->kind == EVENT_RESET && ev->when.lo == absence->lo)
			return absence->hi < ev->when.hi;
	}
	return false;
}

/* Return: how many can be next; the last of them in @which. */
static unsigned int count_next(const struct choices *choices,
			       unsigned int *which)
{
	unsigned int count = 0;
	unsigned int i;

	for (i = 0; i < choices->count; i++) {
		if (choices->choice[i].when.lo > choices->hi)
			continue;
		*which = i;
		count++;
	}
	return count;
}

static void search_branches(struct search *search, const struct state *s,
			    const struct choices *choices)
{
	unsigned int i;

	for (i = 0; i < choices->count; i++) {
		const struct choice *choice = &choices->choice[i];

		if (choice->when.lo > choices->hi)
			continue;
		search_branch(search, s, choice, false);
		if (is_unsure(search->story, choice, s))
			search_branch(search, s, choice, true);
	}
}

static void search_from(struct search *search, struct state *s)
{
	const struct story *story = search->story;
	struct choices choices;
	unsigned int which = 0;

	for (;;) {
		while (s->seen < story->seen &&
		       is_explained(story, s, &story->sight[s->seen]))
			s->seen++;
		find_choices(story, s, &choices);
		if (!choices.count && s->seen == story->seen) {
			search_found(search, &s->model);
			return;
		}
		if (count_next(&choices, &which) != 1 ||
		    is_unsure(story, &choices.choice[which], s))
			break;
		if (!step(story, s, &choices.choice[which], false))
			return;
	}
	if (search->visits == VISITS || !search_is_new(search, s))
		return;
	search->visits++;
	search_branches(search, s, &choices);
}

void oracle_predict(const struct oracle_history *history,
		    struct oracle_prediction *prediction)
{
	static struct story story;
	static struct search search;
	struct state s;

	memset(prediction, 0, sizeof(*prediction));
	prediction->verdict = ORACLE_BAFFLED;
	story_init(&story, history);
	if (search.visits)
		memset(search.visited, 0, sizeof(search.visited));
	search.visits = 0;
	search.story = &story;
	search.prediction = prediction;
	memset(&s, 0, sizeof(s));
	model_init(&s.model, history->lifeline, history->capabilities);
	if (!story.lost)
		search_from(&search, &s);
	if (story.lost || search.visits == VISITS)
		prediction->verdict = ORACLE_LOST;
}
