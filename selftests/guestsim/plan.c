// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "plan.h"

#define AT(moment)	(1 << SIM_AT_##moment)

/* While it has a request, and any time on a connection. */
#define AT_REQUEST_ONLY	(AT(REQUEST) | AT(ACCEPTED) | AT(GO))
#define AT_ASKED	(AT(REQUEST) | AT(ACCEPTED) | AT(COMMIT) | AT(GO))
#define AT_WORK		(AT_ASKED | AT(LAST_BREATH) | AT(ACK) | AT(PING))
#define AT_ANY		(AT_WORK | AT(HELLO) | AT(WELCOME) | AT(CANCEL))

/*
 * What a guest may do wrong, where, and how often. After what hangs a task
 * waits in vain, so its deadline is short.
 */
static const struct order {
	enum sim_deed deed;
	unsigned int moments;
	unsigned int weight;
	bool hangs;
} orders[] = {
	{ SIM_BLOCKED, AT(REQUEST) | AT(ACCEPTED), 10, true },
	{ SIM_HANG, AT_WORK, 8, true },
	{ SIM_HANG, AT(BOOT), 1, true },
	{ SIM_FREEZE, AT_WORK, 4, true },
	{ SIM_STARVE, AT_WORK, 2, true },
	{ SIM_RST, AT_ANY | AT(OPEN), 5, true },
	{ SIM_HALF_CLOSE, AT_WORK, 2, true },
	{ SIM_CLOSE, AT_ANY, 3, true },
	{ SIM_GOODBYE, AT_WORK, 5, true },
	{ SIM_RECONNECT, AT_ANY, 5, false },
	{ SIM_REBOOT, AT_WORK | AT(WELCOME), 9, false },
	{ SIM_REBOOT_MUTE, AT_WORK, 2, true },
	{ SIM_DIE, AT_ANY, 12, false },
	{ SIM_DIE_QUIETLY, AT_WORK, 4, true },
	{ SIM_DIE_AT_BYTE, AT_WORK, 3, false },
	{ SIM_REBORN, AT_WORK, 1, false },
	{ SIM_GARBAGE, AT_WORK | AT(OPEN), 2, true },
	{ SIM_OVERSIZED, AT_WORK, 1, true },
	{ SIM_MISDIRECTED, AT_WORK, 1, true },
	{ SIM_SECOND_HELLO, AT_WORK, 1, true },
	{ SIM_FORGE, AT_WORK, 1, false },
	{ SIM_LIE, AT_WORK, 1, false },
	{ SIM_FLOOD, AT_WORK, 1, false },
	{ SIM_HALT, AT(ACCEPTED) | AT(GO), 4, false },
};

#define ORDERS (sizeof(orders) / sizeof(orders[0]))

static const unsigned int verb_weights[] = {
	[VMGUEST_VERB_SHUTDOWN] = 35,
	[VMGUEST_VERB_RESTART] = 25,
	[VMGUEST_VERB_LOGOFF] = 31,
	[VMGUEST_VERB_PING] = 9,
};

/* splitmix64 */
uint64_t plan_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static unsigned int below(uint64_t *random, unsigned int end)
{
	return plan_random(random) % end;
}

static bool chance(uint64_t *random, unsigned int percent)
{
	return below(random, 100) < percent;
}

static const struct order *draw_order(uint64_t *random)
{
	unsigned int all = 0;
	unsigned int n;
	size_t i;

	for (i = 0; i < ORDERS; i++)
		all += orders[i].weight;
	n = below(random, all);
	for (i = 0; n >= orders[i].weight; i++)
		n -= orders[i].weight;
	return &orders[i];
}

static enum sim_moment draw_moment(uint64_t *random, unsigned int moments)
{
	enum sim_moment moment;

	do
		moment = below(random, SIM_MOMENTS);
	while (!(moments & (1 << moment)));
	return moment;
}

static uint64_t draw_arg(uint64_t *random, enum sim_deed deed)
{
	switch (deed) {
	case SIM_DIE_AT_BYTE:
		return below(random, 48);
	case SIM_FLOOD:
		return 100;
	case SIM_LIE:
		return 1;
	case SIM_FORGE:
		return 3 + below(random, 200);
	default:
		return 0;
	}
}

/* Return: whether it makes tasks wait in vain. */
static bool give_order(uint64_t *random, struct sim_guest *guest)
{
	const struct order *order = draw_order(random);
	enum sim_moment moment = draw_moment(random, order->moments);

	sim_guest_at_with(guest, moment, order->deed,
			  draw_arg(random, order->deed));
	return order->hangs;
}

/* NO_SESSIONS is for LOGOFF only. */
static void give_result(uint64_t *random, struct sim_guest *guest, uint8_t verb)
{
	uint32_t code = 1 + below(random, VMGUEST_WIRE_FAILED);

	if (verb == VMGUEST_VERB_LOGOFF && chance(random, 22))
		code = VMGUEST_WIRE_NO_SESSIONS;
	sim_guest_at_with(guest, draw_moment(random, AT_REQUEST_ONLY),
			  SIM_RESULT, code);
}

static uint8_t draw_verb(uint64_t *random)
{
	unsigned int n = below(random, 100);
	uint8_t verb;

	for (verb = VMGUEST_VERB_SHUTDOWN; n >= verb_weights[verb]; verb++)
		n -= verb_weights[verb];
	return verb;
}

static uint32_t draw_deadline(uint64_t *random, bool hangs)
{
	if (chance(random, 3))
		return 20 + below(random, 60);
	return hangs ? 90 + below(random, 80) : 250 + below(random, 250);
}

static uint32_t draw_flags(uint64_t *random, uint8_t verb)
{
	uint32_t flags = 0;

	if (chance(random, 15))
		flags |= VMGUEST_REQ_QUEUE;
	if (chance(random, 6))
		flags |= VMGUEST_REQ_CANCEL_ON_CLOSE;
	if (verb == VMGUEST_VERB_PING)
		return flags;
	if (chance(random, 15))
		flags |= VMGUEST_REQ_FORCE;
	if (chance(random, 50))
		flags |= VMGUEST_REQ_JOIN;
	return flags;
}

static uint32_t draw_until(uint64_t *random, uint8_t verb)
{
	unsigned int n = below(random, 100);

	if (verb == VMGUEST_VERB_PING)
		return VMGUEST_UNTIL_DEFAULT;
	if (n < 12)
		return VMGUEST_UNTIL_ACCEPTED;
	if (verb == VMGUEST_VERB_SHUTDOWN && n < 45)
		return VMGUEST_UNTIL_DOWN;
	return VMGUEST_UNTIL_DEFAULT;
}

/* Mostly at once, or while the guest is at work, or when it is long done. */
static uint32_t draw_pause(uint64_t *random)
{
	unsigned int n = below(random, 10);

	if (n < 4)
		return 0;
	if (n < 8)
		return below(random, 6000);
	return below(random, 60000);
}

static struct plan_step *add_step(struct plan *plan, uint64_t *random,
				  enum plan_step_kind kind)
{
	static struct plan_step none;
	struct plan_step *step;

	if (plan->steps == PLAN_STEPS)
		return &none;
	step = &plan->step[plan->steps++];
	step->kind = kind;
	step->after_us = plan->steps > 1 ? draw_pause(random) : 0;
	return step;
}

static struct plan_step *add_call(struct plan *plan, uint64_t *random,
				  uint8_t verb, bool hangs)
{
	struct plan_step *step = add_step(plan, random, PLAN_CALL);

	if (step->kind == PLAN_CALL)
		plan->calls++;
	step->verb = verb;
	step->flags = draw_flags(random, verb);
	step->until = draw_until(random, verb);
	step->deadline_ms = draw_deadline(random, hangs);
	if (verb != VMGUEST_VERB_PING && !(step->flags & VMGUEST_REQ_FORCE) &&
	    chance(random, 10))
		step->force_after_ms = 1 + below(random, step->deadline_ms);
	return step;
}

static void add_deed(struct plan *plan, uint64_t *random)
{
	struct plan_step *step = add_step(plan, random, PLAN_DEED);

	do
		step->deed = draw_order(random)->deed;
	while (step->deed == SIM_BLOCKED || step->deed == SIM_HALT);
	step->arg = draw_arg(random, step->deed);
}

/* A rival of the request, which has started just now. */
static void add_rival(struct plan *plan, uint64_t *random, bool hangs)
{
	struct plan_step *first = &plan->step[0];
	struct plan_step *step;
	uint8_t verb = draw_verb(random);

	if (chance(random, 35))
		verb = first->verb;
	step = add_call(plan, random, verb, hangs);
	if (chance(random, 60))
		step->after_us = 0;
	if (verb != VMGUEST_VERB_PING && chance(random, 30)) {
		step->flags |= VMGUEST_REQ_FORCE;
		step->force_after_ms = 0;
	}
}

static void add_interference(struct plan *plan, uint64_t *random, bool hangs)
{
	if (chance(random, 36))
		add_rival(plan, random, hangs);
	if (chance(random, 14))
		add_call(plan, random, VMGUEST_VERB_PING, hangs);
	if (chance(random, 10))
		add_step(plan, random, PLAN_CANCEL)->call =
			below(random, plan->calls);
	if (plan->step[0].flags & VMGUEST_REQ_CANCEL_ON_CLOSE &&
	    chance(random, 70))
		add_step(plan, random, PLAN_CLOSE)->call = 0;
	if (chance(random, 15))
		add_deed(plan, random);
	if (chance(random, 5))
		add_step(plan, random, PLAN_BOOT);
	if (chance(random, 1))
		add_step(plan, random, PLAN_UNREGISTER);
}

/* Whatever the guest has come to by then. */
static void add_aftermath(struct plan *plan, uint64_t *random)
{
	unsigned int n = 1 + below(random, 2);

	while (n--)
		add_call(plan, random, draw_verb(random), true)->calm = true;
}

static void slow_down(struct plan *plan, unsigned int slow)
{
	unsigned int i;

	plan->delay_ms *= slow;
	for (i = 0; i < plan->steps; i++) {
		plan->step[i].after_us *= slow;
		plan->step[i].deadline_ms *= slow;
		plan->step[i].force_after_ms *= slow;
	}
}

void plan_draw(struct plan *plan, uint64_t *random, struct sim_guest *guest,
	       unsigned int slow)
{
	uint8_t verb = draw_verb(random);
	bool hangs = false;

	memset(plan, 0, sizeof(*plan));
	plan->delay_ms = below(random, 12);
	if (chance(random, 45))
		hangs |= give_order(random, guest);
	if (chance(random, 8))
		hangs |= give_order(random, guest);
	if (verb != VMGUEST_VERB_PING && chance(random, 68))
		give_result(random, guest, verb);
	add_call(plan, random, verb, hangs);
	add_interference(plan, random, hangs);
	if (chance(random, 25))
		add_aftermath(plan, random);
	slow_down(plan, slow);
}
