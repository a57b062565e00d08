// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who dies when: each of agent, VMM and client, at each stage of a shutdown.
 *
 *   agent   it comes back with the same boot and finishes: success; or it is
 *           lost, and the task ends at its deadline
 *   VMM     success only after the last breath: a kill is not a shutdown
 *   client  changes nothing: somebody else sees the task end; but one that
 *           asked for CANCEL_ON_CLOSE cancels, up to the commit point
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "agent_sim.h"
#include "vmg.h"

#define BOOT	1

/* Enough to get to any stage. */
#define LOST_AGENT_DEADLINE_MS	1500

enum victim {
	AGENT,
	LOST_AGENT,
	VMM,
	CLIENT,
	CANCELLING_CLIENT,
};

#define ACCEPTED	VMGUEST_PROOF_ACCEPTED
#define COMMITTED	(ACCEPTED | VMGUEST_PROOF_COMMITTED)
#define BREATHED	(COMMITTED | VMGUEST_PROOF_LAST_BREATH)
#define DOWN		(BREATHED | VMGUEST_PROOF_CHANNEL_DOWN)
#define GONE		VMGUEST_PROOF_VM_GONE
#define ALL		(DOWN | GONE)

FIXTURE(killed) {
	int fd;
	uint64_t vm;
	uint64_t id;
	struct vmg_vmm vmm;
	struct sim sim;
	pid_t client;
	int task;
};

FIXTURE_VARIANT(killed) {
	enum victim victim;
	uint32_t stage;
	uint32_t result;
	int error;
	uint32_t proofs;
};

#define SUCCEEDS	VMGUEST_RESULT_SUCCESS, 0
#define NOT_CLEAN	VMGUEST_RESULT_UNEXPECTED_ERROR, -ECONNABORTED
#define TIMES_OUT	VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT
#define WAS_BLOCKED	VMGUEST_RESULT_SHUTDOWN_ABORT, -EBUSY
#define IS_CANCELLED	VMGUEST_RESULT_CANCELLED, -ECANCELED

#define KILLED(victim, stage, outcome, proofs)				\
FIXTURE_VARIANT_ADD(killed, victim##_at_##stage) {			\
	victim, VMGUEST_STAGE_##stage, outcome, proofs			\
}

KILLED(AGENT, QUEUED, SUCCEEDS, ALL);
KILLED(AGENT, SENT, SUCCEEDS, ALL);
KILLED(AGENT, ACCEPTED, SUCCEEDS, ALL);
KILLED(AGENT, BLOCKED, SUCCEEDS, ALL);
KILLED(AGENT, STOPPING, SUCCEEDS, ALL);
KILLED(AGENT, LAST_BREATH, SUCCEEDS, ALL);
KILLED(AGENT, CHANNEL_DOWN, SUCCEEDS, ALL);
KILLED(LOST_AGENT, QUEUED, TIMES_OUT, 0);
KILLED(LOST_AGENT, SENT, TIMES_OUT, 0);
KILLED(LOST_AGENT, ACCEPTED, TIMES_OUT, ACCEPTED);
KILLED(LOST_AGENT, BLOCKED, WAS_BLOCKED, ACCEPTED);
KILLED(LOST_AGENT, STOPPING, TIMES_OUT, COMMITTED);
KILLED(LOST_AGENT, LAST_BREATH, TIMES_OUT, DOWN);
KILLED(LOST_AGENT, CHANNEL_DOWN, TIMES_OUT, DOWN);
KILLED(VMM, QUEUED, NOT_CLEAN, GONE);
KILLED(VMM, SENT, NOT_CLEAN, GONE);
KILLED(VMM, ACCEPTED, NOT_CLEAN, ACCEPTED | GONE);
KILLED(VMM, BLOCKED, NOT_CLEAN, ACCEPTED | GONE);
KILLED(VMM, STOPPING, NOT_CLEAN, COMMITTED | GONE);
KILLED(VMM, LAST_BREATH, SUCCEEDS, ALL);
KILLED(VMM, CHANNEL_DOWN, SUCCEEDS, ALL);
KILLED(CLIENT, QUEUED, SUCCEEDS, ALL);
KILLED(CLIENT, SENT, SUCCEEDS, ALL);
KILLED(CLIENT, ACCEPTED, SUCCEEDS, ALL);
KILLED(CLIENT, BLOCKED, SUCCEEDS, ALL);
KILLED(CLIENT, STOPPING, SUCCEEDS, ALL);
KILLED(CLIENT, LAST_BREATH, SUCCEEDS, ALL);
KILLED(CLIENT, CHANNEL_DOWN, SUCCEEDS, ALL);

KILLED(CANCELLING_CLIENT, QUEUED, IS_CANCELLED, 0);
KILLED(CANCELLING_CLIENT, SENT, IS_CANCELLED, 0);
KILLED(CANCELLING_CLIENT, ACCEPTED, IS_CANCELLED, ACCEPTED);
KILLED(CANCELLING_CLIENT, BLOCKED, IS_CANCELLED, ACCEPTED);
KILLED(CANCELLING_CLIENT, STOPPING, SUCCEEDS, ALL);
KILLED(CANCELLING_CLIENT, LAST_BREATH, SUCCEEDS, ALL);
KILLED(CANCELLING_CLIENT, CHANNEL_DOWN, SUCCEEDS, ALL);

/* A client that asks, tells the task's id, and holds its fd until it is killed. */
static pid_t start_client(uint64_t vm, enum victim victim, uint64_t *id)
{
	struct vmguest_request request = vmg_request(vm);
	int told[2];
	pid_t pid;

	request.flags = VMGUEST_REQ_QUEUE;
	if (victim == CANCELLING_CLIENT)
		request.flags |= VMGUEST_REQ_CANCEL_ON_CLOSE;
	if (victim == LOST_AGENT)
		request.deadline_ms = LOST_AGENT_DEADLINE_MS;
	if (pipe(told))
		return -1;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (vmg_ask(vmg_open(), VMGUEST_SHUTDOWN, &request) < 0)
			_exit(1);
		id = (uint64_t *)&request.task_id;
		if (write(told[1], id, sizeof(*id)) != sizeof(*id))
			_exit(1);
		for (;;)
			pause();
	}
	close(told[1]);
	if (read(told[0], id, sizeof(*id)) != sizeof(*id))
		pid = -1;
	close(told[0]);
	return pid;
}

static void kill_client(pid_t *client)
{
	if (*client <= 0)
		return;
	kill(*client, SIGKILL);
	waitpid(*client, NULL, 0);
	*client = 0;
}

FIXTURE_SETUP(killed)
{
	self->sim.fd = -1;
	self->task = -1;
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vmg_vmm_start(&self->vmm));
	ASSERT_EQ(0, vmg_register(self->fd, "sim", VMG_CID, self->vmm.pidfd,
				  &self->vm));
	self->client = start_client(self->vm, variant->victim, &self->id);
	ASSERT_LT(0, self->client);
	self->task = vmg_task_open(self->fd, self->id);
	ASSERT_LE(0, self->task);
}

FIXTURE_TEARDOWN(killed)
{
	kill_client(&self->client);
	close(self->task);
	sim_close(&self->sim);
	vmg_unregister_all(self->fd);
	vmg_vmm_kill(&self->vmm);
	close(self->fd);
}

/* Take the guest one step on; each leaves the task at that stage. */
static bool step_to(struct sim *sim, uint64_t id, uint32_t stage)
{
	switch (stage) {
	case VMGUEST_STAGE_QUEUED:
		return true;
	case VMGUEST_STAGE_SENT:
		return (sim->fd >= 0 || !sim_connect(sim, BOOT)) &&
		       sim_expect(sim, VMGUEST_WIRE_REQUEST) &&
		       sim->frame.task_id == id;
	case VMGUEST_STAGE_ACCEPTED:
		return !sim_send(sim, VMGUEST_WIRE_ACCEPTED, id);
	case VMGUEST_STAGE_BLOCKED:
		return !sim_send_blocked(sim, id, 1, "editor", "unsaved");
	case VMGUEST_STAGE_STOPPING:
		return sim_commit(sim, id);
	case VMGUEST_STAGE_LAST_BREATH:
		return !sim_send_last_breath(sim, id, VMGUEST_END_POWEROFF) &&
		       sim_expect(sim, VMGUEST_WIRE_LAST_BREATH_ACK);
	default:
		sim_close(sim);
		return true;
	}
}

static bool walk(struct sim *sim, uint64_t id, uint32_t from, uint32_t to)
{
	uint32_t stage;

	for (stage = from; stage <= to; stage++)
		if (!step_to(sim, id, stage))
			return false;
	return true;
}

/* The agent's next process is told the task again and goes on from there. */
static bool come_back(struct sim *sim, uint64_t id, uint32_t stage)
{
	bool committed = stage >= VMGUEST_STAGE_STOPPING;

	sim_close(sim);
	if (stage >= VMGUEST_STAGE_LAST_BREATH)
		return true;
	if (!walk(sim, id, VMGUEST_STAGE_SENT, VMGUEST_STAGE_SENT))
		return false;
	if (!!(sim->frame.request.flags & VMGUEST_WIRE_REQ_COMMITTED) !=
	    committed)
		return false;
	return walk(sim, id, committed ? VMGUEST_STAGE_LAST_BREATH :
					 VMGUEST_STAGE_ACCEPTED,
		    VMGUEST_STAGE_CHANNEL_DOWN);
}

TEST_F(killed, and_the_task_tells_the_truth)
{
	struct vmguest_task_get info;

	ASSERT_TRUE(walk(&self->sim, self->id, VMGUEST_STAGE_QUEUED,
			 variant->stage));
	info = vmg_wait_stage(self->task, variant->stage);
	ASSERT_EQ(variant->stage, info.stage);
	switch (variant->victim) {
	case AGENT:
		ASSERT_TRUE(come_back(&self->sim, self->id, variant->stage));
		vmg_wait_stage(self->task, VMGUEST_STAGE_CHANNEL_DOWN);
		break;
	case LOST_AGENT:
		sim_close(&self->sim);
		vmg_wait(self->task);
		break;
	case CANCELLING_CLIENT:
		if (variant->stage < VMGUEST_STAGE_STOPPING) {
			kill_client(&self->client);
			vmg_wait(self->task);
			break;
		}
		__attribute__((fallthrough));
	case CLIENT:
		kill_client(&self->client);
		ASSERT_TRUE(walk(&self->sim, self->id, variant->stage + 1,
				 VMGUEST_STAGE_CHANNEL_DOWN));
		vmg_wait_stage(self->task, VMGUEST_STAGE_CHANNEL_DOWN);
		break;
	case VMM:
		break;
	}
	vmg_vmm_kill(&self->vmm);
	info = vmg_wait(self->task);
	TH_LOG("result %u, errno %d, proofs %#x", info.result, -info.error,
	       info.proofs);
	EXPECT_TRUE(info.task_flags & VMGUEST_TASK_COMPLETE);
	EXPECT_EQ(variant->result, info.result);
	EXPECT_EQ(variant->error, info.error);
	EXPECT_EQ(variant->proofs, info.proofs);
}

TEST_HARNESS_MAIN
