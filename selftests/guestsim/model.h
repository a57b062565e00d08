/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The documented rules of one VM and its tasks, as a model that is told events
 * in an order. It knows no clock.
 */
#ifndef GUESTSIM_MODEL_H
#define GUESTSIM_MODEL_H

#include "oracle.h"

#define MODEL_CONNECTIONS	12

/**
 * struct model_window - When something happened
 * @lo: Not before.
 * @hi: Not after.
 */
struct model_window {
	uint64_t lo;
	uint64_t hi;
};

/**
 * struct model_task - A task
 * @id: Its id.
 * @verb: enum vmguest_verb.
 * @until: enum vmguest_until, never DEFAULT for SHUTDOWN.
 * @running: It runs.
 * @queue: It may wait for an agent.
 * @waits: Its request is to be sent.
 * @handed: Its request was sent once.
 * @blocked: Its stage is BLOCKED.
 * @told_go: The guest was sent GO, as all that follows at least once.
 * @told_cancel: CANCEL.
 * @told_ack: LAST_BREATH_ACK.
 * @hands: How often its request was sent.
 * @close_fds: Open fds with CANCEL_ON_CLOSE.
 * @end: What is known of its end; the end itself when it does not run.
 * @since: Since when it @waits for what now only the module's pace delays.
 */
struct model_task {
	uint64_t id;
	uint8_t verb;
	uint8_t until;
	bool running;
	bool queue;
	bool waits;
	bool handed;
	bool blocked;
	bool told_go;
	bool told_cancel;
	bool told_ack;
	uint8_t hands;
	uint8_t close_fds;
	struct oracle_outcome end;
	struct model_window since;
};

/**
 * struct model - A VM; compared bytewise
 * @capabilities: Of its agent.
 * @lifeline: It has one.
 * @gone: That fired.
 * @unregistered: It left the registry.
 * @boot: Of the guest heard last.
 * @channel: Connection of the agent, -1 without.
 * @candidate: Connection that wants to become it, -1 without.
 * @request: Index of the running request, -1 without.
 * @accepted: Index of the task that completed at the agent's word, -1 without.
 * @closed: Connections that have ended for the module, as bits.
 * @met: Those that have said HELLO, as bits.
 * @welcomed: Those that were sent WELCOME, as bits.
 * @doomed: The connection that the module has decided to end, -1 for none.
 * @doomed_since: When it did.
 * @now: When the event happened that the model is being told.
 * @await: Since when it waits for the CID to leave the host.
 * @count: Number of tasks.
 * @task: They.
 */
struct model {
	uint64_t capabilities;
	bool lifeline;
	bool gone;
	bool unregistered;
	uint8_t boot;
	int8_t channel;
	int8_t candidate;
	int8_t request;
	int8_t accepted;
	int8_t doomed;
	uint16_t closed;
	uint16_t met;
	uint16_t welcomed;
	uint16_t count;
	struct model_window doomed_since;
	struct model_window now;
	struct model_window await;
	struct model_task task[ORACLE_TASKS];
};

/* A VM whose agent is connected by connection 0, in boot 0. */
void model_init(struct model *m, bool lifeline, uint64_t capabilities);

/*
 * What the caller does. Return: what it is answered; of a call in @id the task
 * that this is about. @absent: the CID is not on the host.
 */
int model_call(struct model *m, const struct oracle_act *act, bool absent,
	       uint64_t *id);
int model_cancel(struct model *m, uint64_t id);
void model_close(struct model *m, uint64_t id);
void model_unregister(struct model *m);

/* What the guest does on connection @c. */
void model_hello(struct model *m, int c, unsigned int boot);
void model_frame(struct model *m, int c, uint16_t type, uint64_t id,
		 uint32_t arg);
void model_malformed(struct model *m, int c);
void model_end(struct model *m, int c, bool reset, bool absent);

/* What else happens. */
void model_lifeline(struct model *m);
void model_absent(struct model *m);
void model_deadline(struct model *m, struct model_task *task);
void model_escalate(struct model *m, struct model_task *task);
void model_hand(struct model *m, struct model_task *task);

bool model_is_closed(const struct model *m, int c);
bool model_can_send(const struct model *m);
bool model_awaits_absence(const struct model *m);

/* The task with this id, or NULL. */
struct model_task *model_find(struct model *m, uint64_t id);

#endif
