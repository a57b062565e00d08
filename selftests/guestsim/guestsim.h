/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests without QEMU. Each has a CID on the host's vhost-vsock transport and an
 * agent that does as the protocol says, or as a test says:
 *
 *	struct sim *sim = sim_create();
 *	struct sim_guest *g = sim_guest_add(sim, 42);
 *
 *	sim_guest_at(g, SIM_AT_ACCEPTED, SIM_HANG);
 *	sim_guest_boot(g);
 *	sim_until(sim, sim_guest_is_welcome(g), 5000);
 *
 * Nothing happens in the background: guests live only while sim_step() runs, in
 * one loop with the caller's own fds. A guest's log says what it did.
 */
#ifndef GUESTSIM_H
#define GUESTSIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vmguest.h>
#include <linux/vmguest_protocol.h>

struct sim;
struct sim_guest;

#define SIM_CAPABILITIES						\
	(VMGUEST_CAP_SHUTDOWN | VMGUEST_CAP_RESTART | VMGUEST_CAP_LOGOFF | \
	 VMGUEST_CAP_FORCE | VMGUEST_CAP_CANCEL | VMGUEST_CAP_LAST_BREATH | \
	 VMGUEST_CAP_NOTICE)

/**
 * enum sim_moment - When a guest can be told to do something else
 * @SIM_AT_BOOT: The guest is up; its agent would dial.
 * @SIM_AT_OPEN: The connection stands; it would say HELLO.
 * @SIM_AT_HELLO: It has said HELLO.
 * @SIM_AT_WELCOME: WELCOME came.
 * @SIM_AT_REQUEST: A REQUEST came; it would say ACCEPTED.
 * @SIM_AT_ACCEPTED: It has said so; it would say COMMIT.
 * @SIM_AT_COMMIT: It has said so.
 * @SIM_AT_GO: GO came; it would act.
 * @SIM_AT_LAST_BREATH: It has said its last breath.
 * @SIM_AT_ACK: That was heard; the guest would end.
 * @SIM_AT_PING: A PING came.
 * @SIM_AT_CANCEL: A CANCEL came.
 */
enum sim_moment {
	SIM_AT_BOOT,
	SIM_AT_OPEN,
	SIM_AT_HELLO,
	SIM_AT_WELCOME,
	SIM_AT_REQUEST,
	SIM_AT_ACCEPTED,
	SIM_AT_COMMIT,
	SIM_AT_GO,
	SIM_AT_LAST_BREATH,
	SIM_AT_ACK,
	SIM_AT_PING,
	SIM_AT_CANCEL,
	SIM_MOMENTS,
};

/**
 * enum sim_deed - What a guest can do instead of, or besides, its duty
 * @SIM_CARRY_ON: Its duty.
 * @SIM_HANG: The agent reads and says nothing more on this connection; without
 *	one, in this boot.
 * @SIM_FREEZE: The whole guest stands still: its queues, too.
 * @SIM_STARVE: The agent reads nothing more: the host gets no credit back.
 * @SIM_RST: Resets the connection. Dials no more.
 * @SIM_HALF_CLOSE: Sends no more, still reads. Duty ends.
 * @SIM_CLOSE: Closes the connection in order. Dials no more.
 * @SIM_GOODBYE: Says so and closes. Dials no more.
 * @SIM_RECONNECT: The agent crashes and comes back in the same boot.
 * @SIM_REDIAL: Dials once more, the old connection stays.
 * @SIM_REBOOT: Silent reboot: device stop and start, a new boot id, dials.
 * @SIM_REBOOT_MUTE: The same, and no agent comes back.
 * @SIM_REBOOT_OLD_ID: The same as SIM_REBOOT, but the agent claims the boot id
 *	that it had before.
 * @SIM_DIE: The VMM dies, then the lifeline tells.
 * @SIM_DIE_QUIETLY: The VMM dies and the lifeline does not tell.
 * @SIM_DIE_AT_BYTE: The VMM dies after @arg bytes of the next frame.
 * @SIM_DEPART: The agent closes, then the lifeline tells, and the VMM lives on.
 * @SIM_REBORN: The VMM dies and its successor boots another guest with the same
 *	CID at once; the lifeline does not tell.
 * @SIM_GARBAGE: Sends @arg bytes (0: 64) that are no frame.
 * @SIM_OVERSIZED: Sends the header of a frame of @arg bytes (0: 2^32 - 1).
 * @SIM_MISDIRECTED: Sends a frame that only the module may send.
 * @SIM_SECOND_HELLO: Says HELLO once more on the same connection.
 * @SIM_FORGE: Sends a RST with @arg as source CID, then carries on.
 * @SIM_LIE: Says ACCEPTED, COMMIT, RESULT and LAST_BREATH of task @arg, carries
 *	on.
 * @SIM_FLOOD: Sends @arg PONGs about no task, then carries on.
 * @SIM_NOTICE: Sends @arg NOTICEs of a session that has ended, carries on.
 * @SIM_BLOCKED: Says BLOCKED, then hangs.
 * @SIM_RESULT: Says RESULT with code @arg.
 * @SIM_HALT: Ends in another way than asked: LAST_BREATH of the other kind.
 *
 * The last three say nothing when there is no request to speak about.
 */
enum sim_deed {
	SIM_CARRY_ON,
	SIM_HANG,
	SIM_FREEZE,
	SIM_STARVE,
	SIM_RST,
	SIM_HALF_CLOSE,
	SIM_CLOSE,
	SIM_GOODBYE,
	SIM_RECONNECT,
	SIM_REDIAL,
	SIM_REBOOT,
	SIM_REBOOT_MUTE,
	SIM_REBOOT_OLD_ID,
	SIM_DIE,
	SIM_DIE_QUIETLY,
	SIM_DIE_AT_BYTE,
	SIM_DEPART,
	SIM_REBORN,
	SIM_GARBAGE,
	SIM_OVERSIZED,
	SIM_MISDIRECTED,
	SIM_SECOND_HELLO,
	SIM_FORGE,
	SIM_LIE,
	SIM_FLOOD,
	SIM_NOTICE,
	SIM_BLOCKED,
	SIM_RESULT,
	SIM_HALT,
	SIM_DEEDS,
};

/**
 * enum sim_event_kind - What a guest's log tells
 * @SIM_EV_BOOT: It booted; @arg counts its boots.
 * @SIM_EV_DIAL: The agent dialled; @arg: from which port.
 * @SIM_EV_OPEN: The connection stands.
 * @SIM_EV_SENT: The agent sent a frame of type @what; @arg: the code of a
 *	RESULT or the end of a LAST_BREATH.
 * @SIM_EV_GOT: The agent got a frame of type @what; @arg: the flags of a REQUEST
 *	or the code of a REJECT.
 * @SIM_EV_DEED: It did @what (enum sim_deed).
 * @SIM_EV_CLOSED: A connection ended.
 * @SIM_EV_ENDED: It ended itself: @what (enum vmguest_wire_end).
 * @SIM_EV_DIED: Its VMM ended; @arg is set when the host had not taken all that
 *	was sent.
 * @SIM_EV_LIFELINE: Its lifeline fired.
 * @SIM_EV_REFUSED: The host spoke of a connection that it does not have, which it
 *	reset; @arg: its port here.
 */
enum sim_event_kind {
	SIM_EV_BOOT,
	SIM_EV_DIAL,
	SIM_EV_OPEN,
	SIM_EV_SENT,
	SIM_EV_GOT,
	SIM_EV_DEED,
	SIM_EV_CLOSED,
	SIM_EV_ENDED,
	SIM_EV_DIED,
	SIM_EV_LIFELINE,
	SIM_EV_REFUSED,
};

/**
 * struct sim_event - One line of a guest's log
 * @ns: CLOCK_MONOTONIC.
 * @kind: enum sim_event_kind.
 * @what: See there.
 * @arg: See there.
 * @task_id: The task of a frame.
 */
struct sim_event {
	uint64_t ns;
	uint16_t kind;
	uint16_t what;
	uint32_t arg;
	uint64_t task_id;
};

uint64_t sim_now_ns(void);

struct sim *sim_create(void);
void sim_destroy(struct sim *sim);

/*
 * Each VMM's end waits for an RCU grace period. Where thousands end that is
 * most of the time: let the machine hurry.
 */
void sim_hurry(void);

/* One round of the loop, not beyond @end_ns. False when that has passed. */
bool sim_step(struct sim *sim, uint64_t end_ns);

/* Let guests live until @condition, which is looked at after every round. */
#define sim_until(sim, condition, ms) ({				\
	uint64_t end_ns_ = sim_now_ns() + (ms) * 1000000ULL;		\
	bool is_;							\
									\
	while (!(is_ = (condition)) && sim_step(sim, end_ns_))		\
		;							\
	is_;								\
})

/* Let guests live for so long. */
void sim_pass(struct sim *sim, unsigned int ms);

/* The caller's own fd in the loop: @ready wakes sim_step() and calls back. */
int sim_watch(struct sim *sim, int fd, uint32_t events,
	      void (*ready)(void *data), void *data);
void sim_unwatch(struct sim *sim, int fd);

/* Let guests live until the task ends, or @ms. */
struct vmguest_task_get sim_task(struct sim *sim, int task_fd, unsigned int ms);

/* A guest that is off. */
struct sim_guest *sim_guest_add(struct sim *sim, uint32_t cid);

/* What it has to be before it boots. */
void sim_guest_set_capabilities(struct sim_guest *g, uint64_t capabilities);
void sim_guest_set_room(struct sim_guest *g, uint32_t bytes);
void sim_guest_set_mtu(struct sim_guest *g, size_t bytes);
void sim_guest_set_sessions(struct sim_guest *g, uint32_t sessions);
void sim_guest_set_loud(struct sim_guest *g, bool log_pings);
/* From which ports it dials. */
void sim_guest_set_privileged(struct sim_guest *g, bool privileged);
/* It accepts requests and never asks to commit: each may follow another. */
void sim_guest_set_undecided(struct sim_guest *g, bool undecided);
/* How long its agent takes to come back, and a reboot. */
void sim_guest_set_delay(struct sim_guest *g, unsigned int ms);

/*
 * The lifeline of its VMM's next life: an eventfd of the guest's, which it
 * signals when it dies. The fd to register.
 */
int sim_guest_lifeline(struct sim_guest *g);
void sim_guest_fire(struct sim_guest *g);

/* At the next @moment: @deed, once. Told again for the same moment: instead. */
void sim_guest_at(struct sim_guest *g, enum sim_moment moment,
		  enum sim_deed deed);
void sim_guest_at_with(struct sim_guest *g, enum sim_moment moment,
		       enum sim_deed deed, uint64_t arg);
/* Forget what was told. */
void sim_guest_obey(struct sim_guest *g);

/* @deed now. */
void sim_guest_do(struct sim_guest *g, enum sim_deed deed, uint64_t arg);

/* Its VMM starts. Return: 0 or a negative errno. */
int sim_guest_boot(struct sim_guest *g);

/* Dials the last-breath hook's own connection and says the last breath. */
void sim_guest_hook(struct sim_guest *g, uint64_t task_id, uint32_t end);

/*
 * A connection by hand, besides those of the agent, which keeps off it. A new
 * one takes the place of an older one, which stays open. In the log its OPEN and
 * CLOSED have @what SIM_BY_HAND.
 */
#define SIM_BY_HAND	0xff

void sim_hand_dial(struct sim_guest *g);
/* The same to somebody who is not the module. */
void sim_hand_dial_to(struct sim_guest *g, uint32_t host_port);
void sim_hand_send(struct sim_guest *g, const void *bytes, size_t len);
bool sim_hand_is_open(const struct sim_guest *g);
bool sim_hand_is_over(const struct sim_guest *g);
void sim_hand_reset(struct sim_guest *g);

/* Bytes that the agent has said and the host has not taken. */
size_t sim_guest_backlog(const struct sim_guest *g);

/* Undo SIM_FREEZE. */
void sim_guest_thaw(struct sim_guest *g);

bool sim_guest_is_on(const struct sim_guest *g);
bool sim_guest_is_welcome(const struct sim_guest *g);
bool sim_guest_is_dialling(const struct sim_guest *g);
/* Packets wait until the host has room for them, and the loop's next round. */
bool sim_guest_is_clogged(const struct sim_guest *g);
uint32_t sim_guest_cid(const struct sim_guest *g);
/* From which it dialled last. */
uint32_t sim_guest_port(const struct sim_guest *g);
const uint8_t *sim_guest_boot_id(const struct sim_guest *g);

/* Its log, and how often something is in there; @what -1 for any. */
const struct sim_event *sim_guest_log(const struct sim_guest *g, size_t *count);
unsigned int sim_guest_count(const struct sim_guest *g,
			     enum sim_event_kind kind, int what);
void sim_guest_forget_log(struct sim_guest *g);
void sim_guest_print_log(const struct sim_guest *g);

#endif
