/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An agent that does only what a test says, over the loopback transport.
 */
#ifndef AGENT_SIM_H
#define AGENT_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

#define SIM_CAPABILITIES						\
	(VMGUEST_CAP_SHUTDOWN | VMGUEST_CAP_RESTART | VMGUEST_CAP_LOGOFF | \
	 VMGUEST_CAP_FORCE | VMGUEST_CAP_CANCEL | VMGUEST_CAP_LAST_BREATH | \
	 VMGUEST_CAP_NOTICE | VMGUEST_CAP_RESPECT_SESSIONS | \
	 VMGUEST_CAP_SESSIONS)

/**
 * struct sim - One connection to the module
 * @fd: The socket, -1 for none.
 * @frame: The frame that sim_receive() got last; its texts point into @taken.
 * @taken: Its bytes.
 * @buf: Bytes received after it.
 * @len: How many.
 * @requests: REQUESTs seen.
 */
struct sim {
	int fd;
	struct vmguest_frame frame;
	uint8_t taken[VMGUEST_FRAME_MAX];
	uint8_t buf[2 * VMGUEST_FRAME_MAX];
	size_t len;
	unsigned int requests;
};

/* Return: 0 or a negative errno. @port 0 for any privileged one. */
int sim_dial(struct sim *sim, unsigned int port);
void sim_close(struct sim *sim);

/* Dial and say HELLO; @boot names the boot. */
int sim_connect(struct sim *sim, uint8_t boot);
int sim_hello(struct sim *sim, uint8_t boot, uint64_t capabilities,
	      uint32_t role);

int sim_send_raw(struct sim *sim, const void *bytes, size_t len);
int sim_send_frame(struct sim *sim, const struct vmguest_frame *frame);

/* A frame of @type about @task_id, the rest zero. */
int sim_send(struct sim *sim, uint16_t type, uint64_t task_id);
int sim_send_result(struct sim *sim, uint64_t task_id, uint32_t code,
		    uint32_t targeted, uint32_t left, const char *text);
int sim_send_last_breath(struct sim *sim, uint64_t task_id, uint32_t end);
/* @who is cut to what a text may have. */
int sim_send_notice(struct sim *sim, uint32_t kind, uint32_t how,
		    uint32_t ended, uint32_t left, const char *who);
/* @kind 0: nobody any more. */
int sim_send_blocked(struct sim *sim, uint64_t task_id, uint32_t kind,
		     const char *who, const char *why);

/* Return: the type of the next frame, 0 after @ms without, -1 at the end. */
int sim_receive(struct sim *sim, int ms);

/* Is the next frame a @type? */
bool sim_expect(struct sim *sim, uint16_t type);

/* Take a REQUEST as far as: accepted, and committed. False if it goes wrong. */
bool sim_accept(struct sim *sim, uint64_t *task_id);
bool sim_commit(struct sim *sim, uint64_t task_id);

#endif
