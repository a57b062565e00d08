/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What must become of the tasks of one VM, told from what its caller did and
 * from its guest's own log of what that did. Nothing is asked of the module.
 *
 * The times say when something was done, not when the module heard of it: that
 * is at some time in a window. The oracle plays a model of the documented rules
 * through every order that the windows allow, and drops the orders in which the
 * caller or the guest would have been told something else than it was. What is
 * left is what may have become of each task: mostly one outcome, and more than
 * one only where two things raced and nobody was told who won.
 */
#ifndef GUESTSIM_ORACLE_H
#define GUESTSIM_ORACLE_H

#include "guestsim.h"

#define ORACLE_TASKS	12
#define ORACLE_OUTCOMES	16

/**
 * enum oracle_act_kind - What a caller does
 * @ORACLE_CALL: A verb.
 * @ORACLE_CANCEL: TASK_CANCEL.
 * @ORACLE_CLOSE: Closes a fd with CANCEL_ON_CLOSE.
 * @ORACLE_UNREGISTER: VM_UNREGISTER with ABORT.
 * @ORACLE_TOLD: Is told that a task has ended, not how.
 */
enum oracle_act_kind {
	ORACLE_CALL,
	ORACLE_CANCEL,
	ORACLE_CLOSE,
	ORACLE_UNREGISTER,
	ORACLE_TOLD,
};

/**
 * struct oracle_act - One thing that the caller did
 * @kind: enum oracle_act_kind.
 * @before_ns: CLOCK_MONOTONIC before the call.
 * @after_ns: And after it.
 * @answer: 0 or the negative errno.
 * @task_id: The task: of a CALL as answered, also with EINPROGRESS and EBUSY.
 * @verb: enum vmguest_verb, as all that follows of a CALL only.
 * @flags: As in struct vmguest_request.
 * @until: As in struct vmguest_request.
 * @deadline_ms: As in struct vmguest_request, not 0.
 * @force_after_ms: As in struct vmguest_request.
 */
struct oracle_act {
	enum oracle_act_kind kind;
	uint64_t before_ns;
	uint64_t after_ns;
	int answer;
	uint64_t task_id;
	uint8_t verb;
	uint32_t flags;
	uint32_t until;
	uint32_t deadline_ms;
	uint32_t force_after_ms;
};

/**
 * struct oracle_history - All that is known of a VM for a while
 * @acts: What the caller did, in order.
 * @act_count: How much that is.
 * @log: What the guest did.
 * @log_count: How much that is.
 * @lifeline: The VM has a lifeline, which holds in the beginning.
 * @capabilities: What the agent offers.
 * @port: From which it has dialled.
 * @late_ns: How late the module may hear of what was done.
 *
 * It begins with a guest that is connected and has no request to work on.
 */
struct oracle_history {
	const struct oracle_act *acts;
	size_t act_count;
	const struct sim_event *log;
	size_t log_count;
	bool lifeline;
	uint64_t capabilities;
	uint32_t port;
	uint64_t late_ns;
};

/**
 * struct oracle_outcome - How a task ends
 * @result: enum vmguest_result.
 * @error: 0 or the negative errno.
 * @proofs: enum vmguest_proofs.
 * @flags: FORCE, ESCALATED and CLEAN_UNKNOWN of enum vmguest_task_flags.
 * @superseded_by: Id of the stronger task, or 0.
 */
struct oracle_outcome {
	uint32_t result;
	int32_t error;
	uint32_t proofs;
	uint32_t flags;
	uint64_t superseded_by;
};

/**
 * struct oracle_task - How one task may have ended
 * @task_id: The task.
 * @count: In how many ways.
 * @outcome: These.
 */
struct oracle_task {
	uint64_t task_id;
	unsigned int count;
	struct oracle_outcome outcome[ORACLE_OUTCOMES];
};

/**
 * enum oracle_verdict - What the oracle can say
 * @ORACLE_KNOWS: The tasks end as predicted.
 * @ORACLE_BAFFLED: In no order of events can the caller and the guest have been
 *	told what they were told: a rule was broken.
 * @ORACLE_LOST: There are too many orders or outcomes, or packets got lost unseen.
 */
enum oracle_verdict {
	ORACLE_KNOWS,
	ORACLE_BAFFLED,
	ORACLE_LOST,
};

/**
 * struct oracle_prediction - What the oracle says
 * @verdict: enum oracle_verdict.
 * @count: How many tasks were started.
 * @task: They.
 */
struct oracle_prediction {
	enum oracle_verdict verdict;
	unsigned int count;
	struct oracle_task task[ORACLE_TASKS];
};

void oracle_predict(const struct oracle_history *history,
		    struct oracle_prediction *prediction);

#endif
