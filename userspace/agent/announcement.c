// SPDX-License-Identifier: GPL-2.0
/*
 * Telling the guest's users what is about to happen: when it is asked for, five
 * minutes, one minute and ten seconds before, and when it is cancelled.
 *
 * When it is due outlives this process, so that an agent that comes back after a
 * crash does not begin anew.
 */
#include "agent.h"
#include "wall.h"

/* How long a host may take to tell its running task to an agent that came. */
#define ORPHAN_MS	3000

static const char cancelled_text[] =
	"What was announced will NOT happen: the host has cancelled it";

static const unsigned int reminders_ms[] = { 300000, 60000, 10000 };

static void announcement_tell(struct agent *agent, const char *text)
{
	log_task(LOG_INFO, agent->request.id, "tells users: %s", text);
	if (agent->backend->tell_users)
		agent->backend->tell_users(text);
	else
		wall(agent, text);
}

/* "in 2 minutes", "in 90 seconds". */
static void format_left(char *text, size_t size, __u64 ms)
{
	__u64 seconds = (ms + 500) / 1000;

	if (seconds >= 120 && seconds % 60 == 0)
		snprintf(text, size, "in %llu minutes",
			 (unsigned long long)seconds / 60);
	else if (seconds == 1)
		snprintf(text, size, "in 1 second");
	else
		snprintf(text, size, "in %llu seconds",
			 (unsigned long long)seconds);
}

static void announcement_remind(struct agent *agent, __u64 left)
{
	struct announcement *announcement = &agent->request.announcement;
	const char *own = agent->options.message;
	char text[512], when[64];

	format_left(when, sizeof(when), left);
	snprintf(text, sizeof(text), "%s %s, at the host's request%s%s%s%s",
		 announcement->what, when,
		 *announcement->reason ? ": " : "", announcement->reason,
		 *own ? "\n" : "", own);
	announcement_tell(agent, text);
}

static void announcement_arm(struct announcement *announcement, __u64 left)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(reminders_ms); i++) {
		if (left <= reminders_ms[i])
			continue;
		timer_set(&announcement->timer, left - reminders_ms[i]);
		return;
	}
	timer_set(&announcement->timer, left);
}

static void announcement_expired(struct timer *timer)
{
	struct request *request = container_of(timer, struct request,
					       announcement.timer);
	struct agent *agent = container_of(request, struct agent, request);
	__u64 now = now_ms();

	if (request->announcement.orphaned) {
		announcement_take_back(agent);
		return;
	}
	if (now < request->announcement.due) {
		announcement_remind(agent, request->announcement.due - now);
		announcement_arm(&request->announcement,
				 request->announcement.due - now);
		return;
	}
	request->announcement.running = false;
	request_announced(agent);
}

void announcement_start(struct agent *agent, const char *what,
			const char *reason, __u32 delay_ms)
{
	struct announcement *announcement = &agent->request.announcement;
	struct state *state = &agent->state;
	__u64 now = now_ms();

	if (!delay_ms)
		return;
	announcement->running = true;
	announcement->orphaned = false;
	announcement->what = what;
	snprintf(announcement->reason, sizeof(announcement->reason), "%s",
		 reason);
	if (state->announced != agent->request.id) {
		state->announced = agent->request.id;
		state->due = now + delay_ms;
		state_save(state);
		announcement_remind(agent, delay_ms);
	}
	announcement->due = state->due;
	announcement_arm(announcement,
			 state->due > now ? state->due - now : 0);
}

void announcement_end(struct agent *agent)
{
	struct announcement *announcement = &agent->request.announcement;

	timer_clear(&announcement->timer);
	announcement->running = false;
	announcement->orphaned = false;
	if (!agent->state.announced)
		return;
	agent->state.announced = 0;
	state_save(&agent->state);
}

void announcement_cancel(struct agent *agent)
{
	struct announcement *announcement = &agent->request.announcement;
	char text[128];

	if (agent->state.announced == agent->request.id &&
	    agent->request.id) {
		snprintf(text, sizeof(text), "%s NOT: the host has cancelled it",
			 announcement->what);
		announcement_tell(agent, text);
	}
	announcement_end(agent);
}

void announcement_reconnected(struct agent *agent)
{
	struct announcement *announcement = &agent->request.announcement;

	if (!agent->state.announced || announcement->running)
		return;
	announcement->orphaned = true;
	timer_set(&announcement->timer, ORPHAN_MS);
}

void announcement_take_back(struct agent *agent)
{
	if (agent->state.announced)
		announcement_tell(agent, cancelled_text);
	announcement_end(agent);
}

int announcement_init(struct agent *agent)
{
	return timer_init(&agent->loop, &agent->request.announcement.timer,
			  announcement_expired);
}
