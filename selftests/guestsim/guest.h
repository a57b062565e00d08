/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One simulated guest: its VMM's device, its streams, its timer, its log.
 */
#ifndef GUESTSIM_GUEST_H
#define GUESTSIM_GUEST_H

#include "device.h"
#include "guestsim.h"
#include "stream.h"

/**
 * struct guest_order - What to do at a moment
 * @deed: enum sim_deed.
 * @arg: Its argument.
 */
struct guest_order {
	enum sim_deed deed;
	uint64_t arg;
};

/**
 * struct sim_guest - A guest
 * @sim: The simulation.
 * @next: The next guest.
 * @device: Its device.
 * @streams: Its connections.
 * @channel: The one that is the agent's, or NULL.
 * @hand: The one that is used by hand, or NULL.
 * @host_port: The module's port.
 * @port: Port dialled from last.
 * @unprivileged: It dials from ports that anybody in it has.
 * @room: Receive buffer of its streams.
 * @mtu: Largest payload of its packets.
 * @lifeline: Eventfd, -1 for none.
 * @boots: How often it booted.
 * @boot_id: Of this boot.
 * @instance: Of the last WELCOME in this boot.
 * @capabilities: What its agent offers.
 * @sessions: User sessions.
 * @delay_ms: Until a reboot, or an agent, is back.
 * @loud: PINGs and PONGs are logged.
 * @undecided: It accepts requests and goes no further.
 * @orders: By moment.
 * @doom: Deed that must wait until the stack has unwound, or SIM_CARRY_ON.
 * @welcome: WELCOME came.
 * @mute: The agent does nothing, on no connection.
 * @frozen: Its queues stand still.
 * @stays_away: The agent does not dial again.
 * @cut: The next frame is cut to @cut_at bytes and the VMM dies.
 * @cut_at: See @cut.
 * @task_id: The request that it works on, 0 for none.
 * @verb: Its verb.
 * @breathed: It has said its last breath.
 * @due_ns: When @wake is called, 0 for never.
 * @wake: What then.
 * @events: Its log.
 * @event_count: How long it is.
 * @event_room: How much fits.
 */
struct sim_guest {
	struct sim *sim;
	struct sim_guest *next;
	struct device device;
	struct stream *streams;
	struct stream *channel;
	struct stream *hand;
	uint32_t host_port;
	uint32_t port;
	bool unprivileged;
	uint32_t room;
	size_t mtu;
	int lifeline;
	unsigned int boots;
	uint8_t boot_id[16];
	uint8_t instance[16];
	uint64_t capabilities;
	uint32_t sessions;
	unsigned int delay_ms;
	bool loud;
	bool undecided;
	struct guest_order orders[SIM_MOMENTS];
	enum sim_deed doom;
	bool welcome;
	bool mute;
	bool frozen;
	bool stays_away;
	bool cut;
	size_t cut_at;
	uint64_t task_id;
	uint16_t verb;
	bool breathed;
	uint64_t due_ns;
	void (*wake)(struct sim_guest *guest);
	struct sim_event *events;
	size_t event_count;
	size_t event_room;
};

uint32_t guest_next_port(struct sim_guest *guest);
void guest_log(struct sim_guest *guest, enum sim_event_kind kind, uint16_t what,
	       uint64_t task_id, uint32_t arg);

/* Handles what the host has sent; called when the call eventfd says so. */
void guest_poll(struct sim_guest *guest);

/* What must wait until no stream's function is on the stack. */
void guest_settle(struct sim_guest *guest);

void guest_wake_in(struct sim_guest *guest, unsigned int ms,
		   void (*wake)(struct sim_guest *guest));
void guest_reboot(struct sim_guest *guest, enum sim_deed how);
void guest_die(struct sim_guest *guest, bool tell);
void guest_free(struct sim_guest *guest);

#endif
