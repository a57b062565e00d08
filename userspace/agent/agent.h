/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The agent: what ties connection, request and backend together.
 */
#ifndef _VMGUEST_AGENT_AGENT_H
#define _VMGUEST_AGENT_AGENT_H

#include "backend.h"
#include "connection.h"
#include "info.h"
#include "loop.h"
#include "notice.h"
#include "options.h"
#include "request.h"
#include "state.h"

/**
 * struct agent - The agent
 * @options: Command line.
 * @loop: Event loop.
 * @signals: signalfd.
 * @conn: Connection to the host.
 * @info: What the last HELLO said.
 * @state: What outlives this process.
 * @request: The host's request.
 * @backend: How to act.
 * @going_down: The guest goes down for another cause than @request.
 * @end: How, 0 where nobody said.
 * @end_known: Whether it does is known.
 * @counts: Who is logged on, as far as the host could be told.
 * @breath: The last breath that has to be said, 0 for none.
 * @breath_sent: It was sent over this connection.
 * @breath_timer: No longer than this.
 * @breathed: What comes after it.
 */
struct agent {
	struct options options;
	struct loop loop;
	struct source signals;
	struct connection conn;
	struct info info;
	struct state state;
	struct request request;
	const struct vmguest_backend *backend;
	bool going_down;
	enum vmguest_wire_end end;
	bool end_known;
	struct session_counts counts;
	enum vmguest_wire_end breath;
	bool breath_sent;
	struct timer breath_timer;
	void (*breathed)(struct agent *agent);
};

int agent_run(struct agent *agent);

/* What the guest can do and its owner allows. */
__u64 agent_capabilities(struct agent *agent);

/* What backends tell. */
void agent_blocker(struct agent *agent, const struct blocker *blocker);
void agent_checked(struct agent *agent, int err);
void agent_blockers_changed(struct agent *agent);
void agent_progress(struct agent *agent, unsigned int percent);
void agent_stop_jobs(struct agent *agent, const struct blockers *jobs);
void agent_sessions_changed(struct agent *agent);
void agent_stop_failed(struct agent *agent, int err, const char *why);

/* @end 0: that is not known. May be told again when it is. */
void agent_going_down(struct agent *agent, enum vmguest_wire_end end);
void agent_stays_up(struct agent *agent);

/* Somebody in the guest did, also when the host has asked for its end. */
void agent_called_off(struct agent *agent);

/* Say the last breath, wait for its answer for a moment, and finish(). */
void agent_last_breath(struct agent *agent, enum vmguest_wire_end end);

/* The guest has rebooted under the agent's feet: tests. */
void agent_reborn(struct agent *agent);

/* Only bring the last breath. Always returns 0. */
int last_breath_run(const struct options *options);

#endif /* _VMGUEST_AGENT_AGENT_H */
