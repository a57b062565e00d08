/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A VM with a lifeline, its agent that a test plays, and one task.
 */
#ifndef TASK_FIXTURE_H
#define TASK_FIXTURE_H

#include <stdio.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "agent_sim.h"
#include "vmg.h"

#define BOOT		1
#define OTHER_BOOT	2

/* A test that ran out of time did not tear down, so that comes first, too. */
#define TASK_FIXTURE(name)						\
FIXTURE(name) {								\
	int fd;								\
	uint64_t vm;							\
	struct vmg_vmm vmm;						\
	struct sim sim;							\
	int task;							\
	uint64_t id;							\
};									\
									\
FIXTURE_SETUP(name)							\
{									\
	self->task = -1;						\
	self->sim.fd = -1;						\
	self->fd = vmg_open();						\
	ASSERT_LE(0, self->fd);						\
	vmg_unregister_all(self->fd);					\
	ASSERT_EQ(0, vmg_vmm_start(&self->vmm));			\
	ASSERT_EQ(0, vmg_register(self->fd, "sim", VMG_CID,		\
				  self->vmm.pidfd, &self->vm));		\
}									\
									\
FIXTURE_TEARDOWN(name)							\
{									\
	if (self->task >= 0)						\
		close(self->task);					\
	sim_close(&self->sim);						\
	vmg_unregister_all(self->fd);					\
	vmg_vmm_kill(&self->vmm);					\
	close(self->fd);						\
}

/* The agent is connected. */
#define CONNECT() ASSERT_EQ(0, sim_connect(&self->sim, BOOT))

/* A request, and the task fd that it gave. */
#define ASK(nr, request) do {						\
	self->task = vmg_ask(self->fd, nr, request);			\
	ASSERT_LE(0, self->task);					\
	self->id = (request)->task_id;					\
} while (0)

#define ASK_PLAIN(nr) do {						\
	struct vmguest_request plain = vmg_request(self->vm);		\
									\
	ASK(nr, &plain);						\
} while (0)

/* The agent has taken the request, and the module has heard so. */
#define ACCEPT() do {							\
	uint64_t told;							\
									\
	ASSERT_TRUE(sim_accept(&self->sim, &told));			\
	ASSERT_EQ(self->id, told);					\
	ASSERT_EQ(VMGUEST_STAGE_ACCEPTED,				\
		  vmg_wait_stage(self->task,				\
				 VMGUEST_STAGE_ACCEPTED).stage);	\
} while (0)

#define COMMIT() ASSERT_TRUE(sim_commit(&self->sim, self->id))

/* With a letter that is not ASCII. */
#define REASON	"sp\303\244te Wartung"

static inline struct vmguest_request request_for(uint64_t vm, uint32_t flags)
{
	struct vmguest_request request = vmg_request(vm);

	request.flags = flags;
	snprintf(request.reason, sizeof(request.reason), REASON);
	return request;
}

#define ASK_REASON(nr, flags) do {					\
	struct vmguest_request request_ = request_for(self->vm, flags);	\
									\
	ASK(nr, &request_);						\
} while (0)

/* A whole shutdown, for a reason; the VMM ends, too. */
#define SHUT_DOWN() do {						\
	CONNECT();							\
	ASK_REASON(VMGUEST_SHUTDOWN, 0);				\
	ACCEPT();							\
	COMMIT();							\
	sim_send_last_breath(&self->sim, self->id,			\
			     VMGUEST_END_POWEROFF);			\
	sim_close(&self->sim);						\
	vmg_vmm_kill(&self->vmm);					\
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_SUCCESS, 0);	\
} while (0)

/* Two events: a request starts, and is cancelled. Return: 0 or -errno. */
static inline int start_and_cancel(int fd, uint64_t vm, uint64_t *id)
{
	struct vmguest_request request = request_for(vm, VMGUEST_REQ_QUEUE);
	int task = vmg_ask(fd, VMGUEST_SHUTDOWN, &request);
	int err;

	if (task < 0)
		return task;
	*id = request.task_id;
	err = vmg_task_cancel(task);
	close(task);
	return err;
}

#define EXPECT_ENDED(info, want_result, want_error) do {		\
	struct vmguest_task_get ended = (info);				\
									\
	EXPECT_TRUE(ended.task_flags & VMGUEST_TASK_COMPLETE);		\
	EXPECT_EQ(want_result, ended.result);				\
	EXPECT_EQ(want_error, ended.error);				\
} while (0)

#endif
