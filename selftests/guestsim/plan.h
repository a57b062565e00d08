/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What shall happen to one guest for a while: drawn from random numbers, before
 * anything of it happens, so that a seed says it all.
 */
#ifndef GUESTSIM_PLAN_H
#define GUESTSIM_PLAN_H

#include "guestsim.h"

#define PLAN_STEPS	12

/**
 * enum plan_step_kind - What to do
 * @PLAN_CALL: A verb.
 * @PLAN_CANCEL: Cancel the task of an earlier call.
 * @PLAN_CLOSE: Close its fd with CANCEL_ON_CLOSE.
 * @PLAN_UNREGISTER: Unregister the VM.
 * @PLAN_DEED: The guest does something by itself.
 * @PLAN_BOOT: If the guest is off, its VMM starts again.
 */
enum plan_step_kind {
	PLAN_CALL,
	PLAN_CANCEL,
	PLAN_CLOSE,
	PLAN_UNREGISTER,
	PLAN_DEED,
	PLAN_BOOT,
};

/**
 * struct plan_step - One thing to do
 * @kind: enum plan_step_kind.
 * @after_us: So long after the step before.
 * @calm: And not before all tasks have ended.
 * @call: Of CANCEL and CLOSE: which call's.
 * @deed: Of DEED.
 * @arg: Of DEED.
 * @verb: Of CALL, as all that follows: as in struct vmguest_request.
 * @flags: See there.
 * @until: See there.
 * @deadline_ms: See there.
 * @force_after_ms: See there.
 */
struct plan_step {
	enum plan_step_kind kind;
	uint32_t after_us;
	bool calm;
	unsigned int call;
	enum sim_deed deed;
	uint64_t arg;
	uint8_t verb;
	uint32_t flags;
	uint32_t until;
	uint32_t deadline_ms;
	uint32_t force_after_ms;
};

/**
 * struct plan - A plan
 * @delay_ms: How long the agent, or a reboot, takes to come back.
 * @steps: Number of steps.
 * @calls: Those that are calls.
 * @step: They.
 */
struct plan {
	unsigned int delay_ms;
	unsigned int steps;
	unsigned int calls;
	struct plan_step step[PLAN_STEPS];
};

/* Numbers from a seed. */
uint64_t plan_random(uint64_t *state);

/*
 * Draws a plan, and tells @guest what to do at which moments. All times are
 * @slow times longer.
 */
void plan_draw(struct plan *plan, uint64_t *random, struct sim_guest *guest,
	       unsigned int slow);

#endif
