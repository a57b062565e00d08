/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs share. Fixtures have the members fd (/dev/vmguest), sim
 * and task (a task fd or -1).
 */
#ifndef GUESTSIM_TEST_H
#define GUESTSIM_TEST_H

#include <unistd.h>

#include "guestsim.h"
#include "vmg.h"

/* Longest wait for what must happen, in milliseconds. */
#define PATIENCE_MS	10000

/*
 * A CID of this test's alone, the first of many. The host remembers a connection
 * that the guest did not close with it for 8 seconds: to a guest that dials from
 * the same port meanwhile it would be that connection.
 */
#define OWN_CID		(1000U + getpid() * 1000U)

#define PROOFS_DOWN							\
	(VMGUEST_PROOF_ACCEPTED | VMGUEST_PROOF_COMMITTED |		\
	 VMGUEST_PROOF_LAST_BREATH | VMGUEST_PROOF_CHANNEL_DOWN)

#define EXPECT_ENDED(info, want_result, want_error) do {		\
	EXPECT_TRUE((info).task_flags & VMGUEST_TASK_COMPLETE);		\
	EXPECT_EQ(want_result, (info).result);				\
	EXPECT_EQ(want_error, (info).error);				\
} while (0)

#define ASSERT_SOON(condition)						\
	ASSERT_TRUE(sim_until(self->sim, condition, PATIENCE_MS))

#define EXPECT_SOON(condition)						\
	EXPECT_TRUE(sim_until(self->sim, condition, PATIENCE_MS))

/* @guest's VMM starts, and its agent is welcome. */
#define BOOT(guest) do {						\
	ASSERT_EQ(0, sim_guest_boot(guest));				\
	ASSERT_SOON(sim_guest_is_welcome(guest));			\
} while (0)

/* A request to VM @id, with what the rest sets in it. */
#define ASK(id, nr, ...) do {						\
	struct vmguest_request request = vmg_request(id);		\
									\
	__VA_ARGS__;							\
	if (self->task >= 0)						\
		close(self->task);					\
	self->task = vmg_ask(self->fd, nr, &request);			\
	ASSERT_LE(0, self->task);					\
} while (0)

#define TASK() sim_task(self->sim, self->task, PATIENCE_MS)

/* A condition for SOON. */
static inline bool task_is_at(int task_fd, uint32_t stage)
{
	return vmg_task(task_fd).stage >= stage;
}

#endif
