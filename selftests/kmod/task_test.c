// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a task promises, with an agent that does what the test says.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>
#include <linux/vmguest_netlink.h>

#include "nl.h"
#include "task_fixture.h"

TASK_FIXTURE(task)

TEST_F(task, shutdown_proves_every_stage)
{
	const uint32_t proofs = VMGUEST_PROOF_ACCEPTED |
		VMGUEST_PROOF_COMMITTED | VMGUEST_PROOF_LAST_BREATH |
		VMGUEST_PROOF_CHANNEL_DOWN | VMGUEST_PROOF_VM_GONE;
	struct vmguest_task_get info;
	int i, stages = 0;
	uint64_t last = 0;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	EXPECT_EQ(VMGUEST_STAGE_ACCEPTED,
		  vmg_wait_stage(self->task, VMGUEST_STAGE_ACCEPTED).stage);
	COMMIT();
	info = vmg_wait_stage(self->task, VMGUEST_STAGE_STOPPING);
	EXPECT_EQ(VMGUEST_STAGE_STOPPING, info.stage);
	EXPECT_FALSE(info.task_flags & VMGUEST_TASK_CANCELABLE);
	ASSERT_EQ(0, sim_send_last_breath(&self->sim, self->id,
					  VMGUEST_END_POWEROFF));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_LAST_BREATH_ACK));
	info = vmg_wait_stage(self->task, VMGUEST_STAGE_LAST_BREATH);
	EXPECT_EQ(VMGUEST_STAGE_LAST_BREATH, info.stage);
	EXPECT_FALSE(info.proofs & VMGUEST_PROOF_CHANNEL_DOWN);
	sim_close(&self->sim);
	info = vmg_wait_stage(self->task, VMGUEST_STAGE_CHANNEL_DOWN);
	EXPECT_EQ(VMGUEST_STAGE_CHANNEL_DOWN, info.stage);
	EXPECT_FALSE(info.task_flags & VMGUEST_TASK_COMPLETE);
	EXPECT_GT(100, info.percent);
	vmg_vmm_kill(&self->vmm);
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(proofs, info.proofs);
	EXPECT_EQ(100, info.percent);
	for (i = 0; i < VMGUEST_STAGE_COUNT; i++) {
		if (!info.stage_ns[i])
			continue;
		EXPECT_LE(last, info.stage_ns[i]);
		last = info.stage_ns[i];
		stages++;
	}
	/* All but BLOCKED. */
	EXPECT_EQ(VMGUEST_STAGE_COUNT - 1, stages);
	EXPECT_LE(last, info.end_ns);
}

TEST_F(task, gone_without_last_breath_is_not_success)
{
	struct vmguest_task_get info;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	COMMIT();
	vmg_vmm_kill(&self->vmm);
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_UNEXPECTED_ERROR, -ECONNABORTED);
	EXPECT_TRUE(info.proofs & VMGUEST_PROOF_VM_GONE);
	EXPECT_FALSE(info.proofs & VMGUEST_PROOF_LAST_BREATH);
}

/*
 * Once it was heard: the loopback transport may still have it under way when the
 * lifeline fires. guestsim's VMMs end right behind it.
 */
TEST_F(task, last_breath_before_the_end_counts)
{
	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	COMMIT();
	ASSERT_EQ(0, sim_send_last_breath(&self->sim, self->id,
					  VMGUEST_END_POWEROFF));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_LAST_BREATH_ACK));
	vmg_vmm_kill(&self->vmm);
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_SUCCESS, 0);
}

TEST_F(task, last_breath_of_another_end_does_not_count)
{
	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	COMMIT();
	ASSERT_EQ(0, sim_send_last_breath(&self->sim, self->id,
					  VMGUEST_END_REBOOT));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_LAST_BREATH_ACK));
	vmg_vmm_kill(&self->vmm);
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_UNEXPECTED_ERROR,
		     -ECONNABORTED);
}

TEST_F(task, last_breath_of_no_task_does_not_count)
{
	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	COMMIT();
	ASSERT_EQ(0, sim_send_last_breath(&self->sim, 0, VMGUEST_END_POWEROFF));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_LAST_BREATH_ACK));
	vmg_vmm_kill(&self->vmm);
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_UNEXPECTED_ERROR,
		     -ECONNABORTED);
}

TEST_F(task, clean_unknown_without_the_capability)
{
	struct vmguest_task_get info;

	ASSERT_EQ(0, sim_dial(&self->sim, 0));
	ASSERT_EQ(0, sim_hello(&self->sim, BOOT,
			       SIM_CAPABILITIES & ~VMGUEST_CAP_LAST_BREATH,
			       VMGUEST_ROLE_AGENT));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_WELCOME));
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	COMMIT();
	vmg_vmm_kill(&self->vmm);
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_TRUE(info.task_flags & VMGUEST_TASK_CLEAN_UNKNOWN);
}

TEST_F(task, until_accepted_ends_early_and_still_commits)
{
	struct vmguest_request request = vmg_request(self->vm);
	struct vmguest_task_get info;

	CONNECT();
	request.until = VMGUEST_UNTIL_ACCEPTED;
	ASK(VMGUEST_SHUTDOWN, &request);
	ACCEPT();
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(VMGUEST_PROOF_ACCEPTED, info.proofs);
	COMMIT();
}

TEST_F(task, until_down_does_not_wait_for_the_vmm)
{
	struct vmguest_request request = vmg_request(self->vm);
	struct vmguest_task_get info;

	CONNECT();
	request.until = VMGUEST_UNTIL_DOWN;
	ASK(VMGUEST_SHUTDOWN, &request);
	ACCEPT();
	COMMIT();
	ASSERT_EQ(0, sim_send_last_breath(&self->sim, self->id,
					  VMGUEST_END_POWEROFF));
	sim_close(&self->sim);
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_FALSE(info.proofs & VMGUEST_PROOF_VM_GONE);
}

TEST_F(task, guest_down_but_vmm_there_at_the_deadline)
{
	struct vmguest_request request = vmg_request(self->vm);
	struct vmguest_task_get info;

	CONNECT();
	request.deadline_ms = 300;
	ASK(VMGUEST_SHUTDOWN, &request);
	ACCEPT();
	COMMIT();
	ASSERT_EQ(0, sim_send_last_breath(&self->sim, self->id,
					  VMGUEST_END_POWEROFF));
	sim_close(&self->sim);
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
	EXPECT_TRUE(info.proofs & VMGUEST_PROOF_CHANNEL_DOWN);
	EXPECT_FALSE(info.proofs & VMGUEST_PROOF_VM_GONE);
}

TEST_F(task, restart_ends_with_a_new_boot)
{
	struct vmguest_task_get info;

	CONNECT();
	ASK_PLAIN(VMGUEST_RESTART);
	ACCEPT();
	COMMIT();
	ASSERT_EQ(0, sim_send_last_breath(&self->sim, self->id,
					  VMGUEST_END_REBOOT));
	sim_close(&self->sim);
	EXPECT_FALSE(vmg_wait_stage(self->task, VMGUEST_STAGE_CHANNEL_DOWN)
		     .task_flags & VMGUEST_TASK_COMPLETE);
	ASSERT_EQ(0, sim_connect(&self->sim, OTHER_BOOT));
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_TRUE(info.proofs & VMGUEST_PROOF_NEW_BOOT);
	EXPECT_FALSE(info.task_flags & VMGUEST_TASK_CLEAN_UNKNOWN);
}

/* A guest that resets without a word: the old connection never ends. */
TEST_F(task, restart_by_a_silent_reboot)
{
	struct vmguest_task_get info;
	struct sim old;

	CONNECT();
	ASK_PLAIN(VMGUEST_RESTART);
	ACCEPT();
	COMMIT();
	old = self->sim;
	ASSERT_EQ(0, sim_connect(&self->sim, OTHER_BOOT));
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_TRUE(info.task_flags & VMGUEST_TASK_CLEAN_UNKNOWN);
	EXPECT_EQ(-1, sim_receive(&old, VMG_PATIENCE_MS));
	sim_close(&old);
}

TEST_F(task, restart_of_a_vm_that_goes_down)
{
	struct vmguest_request request = vmg_request(self->vm);
	struct vmguest_task_get info;

	CONNECT();
	request.deadline_ms = 300;
	ASK(VMGUEST_RESTART, &request);
	ACCEPT();
	COMMIT();
	vmg_vmm_kill(&self->vmm);
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_UNEXPECTED_ERROR, -ECONNABORTED);
	EXPECT_TRUE(info.proofs & VMGUEST_PROOF_VM_GONE);
	EXPECT_LE(300000000ULL, info.end_ns - info.start_ns);
}

TEST_F(task, restart_of_a_vm_that_comes_back_under_its_name)
{
	struct vmguest_task_get info;

	CONNECT();
	ASK_PLAIN(VMGUEST_RESTART);
	ACCEPT();
	COMMIT();
	vmg_vmm_kill(&self->vmm);
	ASSERT_TRUE(vmg_wait_state(self->fd, self->vm, VMGUEST_VM_GONE));
	sim_close(&self->sim);
	ASSERT_EQ(0, vmg_vmm_start(&self->vmm));
	ASSERT_EQ(0, vmg_register(self->fd, "sim", VMG_CID, self->vmm.pidfd,
				  NULL));
	ASSERT_EQ(0, sim_connect(&self->sim, OTHER_BOOT));
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_TRUE(info.proofs & VMGUEST_PROOF_NEW_BOOT);
}

TEST_F(task, shutdown_of_a_guest_that_reboots)
{
	struct vmguest_task_get info;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	COMMIT();
	sim_close(&self->sim);
	ASSERT_EQ(0, sim_connect(&self->sim, OTHER_BOOT));
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_UNEXPECTED_ERROR, -ECONNABORTED);
	EXPECT_TRUE(info.proofs & VMGUEST_PROOF_NEW_BOOT);
	EXPECT_EQ(0, sim_receive(&self->sim, 50));
}

TEST_F(task, logoff_counts_sessions)
{
	struct vmguest_task_get info;

	CONNECT();
	ASK_PLAIN(VMGUEST_LOGOFF);
	ACCEPT();
	COMMIT();
	ASSERT_EQ(0, sim_send_result(&self->sim, self->id, VMGUEST_WIRE_OK, 3,
				     0, ""));
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(3, info.targeted);
	EXPECT_EQ(3, info.ended);
	EXPECT_EQ(0, info.left);
	EXPECT_TRUE(info.proofs & VMGUEST_PROOF_SESSIONS_ENDED);
}

TEST_F(task, logoff_with_sessions_left)
{
	struct vmguest_task_get info;

	CONNECT();
	ASK_PLAIN(VMGUEST_LOGOFF);
	ACCEPT();
	COMMIT();
	ASSERT_EQ(0, sim_send_result(&self->sim, self->id, VMGUEST_WIRE_FAILED,
				     3, 1, "one\x07 is left\xff"));
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_UNEXPECTED_ERROR, -EIO);
	EXPECT_EQ(1, info.left);
	EXPECT_STREQ("one? is left?", info.guest_text);
}

TEST_F(task, ping_is_answered_beside_a_request)
{
	struct vmguest_request ping = vmg_request(self->vm);
	struct vmguest_task_get info;
	int task;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	task = vmg_ask(self->fd, VMGUEST_PING, &ping);
	ASSERT_LE(0, task);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_PING));
	ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_PONG, ping.task_id));
	info = vmg_wait(task);
	EXPECT_ENDED(info, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(VMGUEST_PROOF_PONG, info.proofs);
	close(task);
}

TEST_F(task, ping_dies_with_the_agent)
{
	CONNECT();
	ASK_PLAIN(VMGUEST_PING);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_PING));
	sim_close(&self->sim);
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_UNEXPECTED_ERROR,
		     -ENOTCONN);
}

/* The host decides: what was cancelled is never granted. */
TEST_F(task, cancel_before_the_commit_point)
{
	struct vmguest_task_get info;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	vmg_wait_stage(self->task, VMGUEST_STAGE_ACCEPTED);
	EXPECT_EQ(0, vmg_task_cancel(self->task));
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_CANCELLED, -ECANCELED);
	EXPECT_EQ(getpid(), info.canceller.pid);
	EXPECT_EQ(-EALREADY, vmg_task_cancel(self->task));
	EXPECT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_CANCEL));
	ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_COMMIT, self->id));
	EXPECT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_CANCEL));
}

TEST_F(task, cancel_after_the_commit_point)
{
	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	COMMIT();
	EXPECT_EQ(-EBUSY, vmg_task_cancel(self->task));
	EXPECT_FALSE(vmg_task(self->task).task_flags & VMGUEST_TASK_COMPLETE);
}

TEST_F(task, the_deadline_is_kept_and_final)
{
	struct vmguest_request request = vmg_request(self->vm);
	struct vmguest_task_get info;
	uint64_t took;

	CONNECT();
	request.deadline_ms = 200;
	ASK(VMGUEST_SHUTDOWN, &request);
	ACCEPT();
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
	took = (info.end_ns - info.start_ns) / 1000000;
	EXPECT_LE(200, took);
	EXPECT_GT(1200, took);
	EXPECT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_CANCEL));
	ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_COMMIT, self->id));
	EXPECT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_CANCEL));
}

static void wait_until(uint64_t ns)
{
	const struct timespec time = { ns / 1000000000, ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) ==
	       EINTR)
		;
}

/* The module's timer has a grain: most of these are heard before it fires. */
#define LATE_ANSWERS	10

TEST_F(task, a_pong_after_the_deadline_does_not_count)
{
	struct vmguest_task_get info;
	int i;

	CONNECT();
	for (i = 0; i < LATE_ANSWERS; i++) {
		struct vmguest_request request = vmg_request(self->vm);

		request.deadline_ms = 50;
		ASK(VMGUEST_PING, &request);
		ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_PING));
		wait_until(vmg_task(self->task).start_ns + 50 * 1000000);
		ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_PONG, self->id));
		info = vmg_wait(self->task);
		EXPECT_ENDED(info, VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
		EXPECT_EQ(0, info.proofs);
		close(self->task);
	}
	self->task = -1;
}

TEST_F(task, an_answer_after_the_deadline_does_not_count)
{
	struct vmguest_task_get info;
	int i;

	CONNECT();
	for (i = 0; i < LATE_ANSWERS; i++) {
		struct vmguest_request request = vmg_request(self->vm);

		request.deadline_ms = 50;
		request.until = VMGUEST_UNTIL_ACCEPTED;
		ASK(VMGUEST_SHUTDOWN, &request);
		ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_REQUEST));
		wait_until(vmg_task(self->task).start_ns + 50 * 1000000);
		ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_ACCEPTED,
				      self->id));
		info = vmg_wait(self->task);
		EXPECT_ENDED(info, VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
		EXPECT_EQ(0, info.proofs);
		EXPECT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_CANCEL));
		close(self->task);
	}
	self->task = -1;
}

TEST_F(task, blocked_until_the_deadline_is_machine_locked)
{
	struct vmguest_request request = vmg_request(self->vm);
	struct vmguest_task_get info;

	CONNECT();
	request.deadline_ms = 200;
	ASK(VMGUEST_SHUTDOWN, &request);
	ACCEPT();
	ASSERT_EQ(0, sim_send_blocked(&self->sim, self->id, 1, "editor",
				      "unsaved"));
	info = vmg_wait_stage(self->task, VMGUEST_STAGE_BLOCKED);
	EXPECT_EQ(VMGUEST_STAGE_BLOCKED, info.stage);
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_SHUTDOWN_ABORT, -EBUSY);
}

TEST_F(task, force_after_turns_the_same_task_into_a_force)
{
	struct vmguest_request request = vmg_request(self->vm);

	CONNECT();
	request.force_after_ms = 100;
	ASK(VMGUEST_SHUTDOWN, &request);
	ACCEPT();
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_REQUEST));
	EXPECT_EQ(self->id, self->sim.frame.task_id);
	EXPECT_EQ(VMGUEST_WIRE_REQ_FORCE | VMGUEST_WIRE_REQ_AGAIN,
		  self->sim.frame.request.flags);
	EXPECT_EQ(VMGUEST_TASK_FORCE | VMGUEST_TASK_ESCALATED,
		  vmg_task(self->task).task_flags &
		  (VMGUEST_TASK_FORCE | VMGUEST_TASK_ESCALATED));
}

TEST_F(task, scope_and_times_reach_the_agent)
{
	struct vmguest_request request = vmg_request(self->vm);

	CONNECT();
	request.scope = VMGUEST_SCOPE_ALL_BUT_UID;
	request.scope_uid = 1000;
	request.delay_ms = 30000;
	request.grace_ms = 2000;
	ASK(VMGUEST_LOGOFF, &request);
	ACCEPT();
	EXPECT_EQ(VMGUEST_SCOPE_ALL_BUT_UID, self->sim.frame.request.scope);
	EXPECT_EQ(1000, self->sim.frame.request.uid);
	EXPECT_EQ(30000, self->sim.frame.request.delay_ms);
	EXPECT_EQ(2000, self->sim.frame.request.grace_ms);
}

/* The request is sent again so many milliseconds after its delay began. */
#define SEND_AGAIN(delay, after) do {					\
	struct vmguest_request request = vmg_request(self->vm);		\
									\
	CONNECT();							\
	request.delay_ms = delay;					\
	ASK(VMGUEST_SHUTDOWN, &request);				\
	ACCEPT();							\
	wait_until(vmg_task(self->task).stage_ns[VMGUEST_STAGE_SENT] +	\
		   (after) * 1000000);					\
	sim_close(&self->sim);						\
	CONNECT();							\
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_REQUEST));	\
} while (0)

TEST_F(task, a_delay_that_has_begun_goes_on)
{
	SEND_AGAIN(30000, 50);
	EXPECT_LT(0, self->sim.frame.request.delay_ms);
	EXPECT_GE(30000 - 50, self->sim.frame.request.delay_ms);
}

TEST_F(task, a_delay_that_is_over_is_none)
{
	SEND_AGAIN(1, 5);
	EXPECT_EQ(0, self->sim.frame.request.delay_ms);
}

TEST_F(task, a_logoff_of_others_does_not_join)
{
	struct vmguest_request request = vmg_request(self->vm);

	CONNECT();
	request.scope = VMGUEST_SCOPE_UID;
	request.scope_uid = 1000;
	ASK(VMGUEST_LOGOFF, &request);
	ACCEPT();

	request = vmg_request(self->vm);
	request.flags = VMGUEST_REQ_JOIN;
	request.scope = VMGUEST_SCOPE_UID;
	request.scope_uid = 1001;
	EXPECT_EQ(-EBUSY, vmg_ask(self->fd, VMGUEST_LOGOFF, &request));
	EXPECT_EQ(self->id, request.task_id);

	request = vmg_request(self->vm);
	request.flags = VMGUEST_REQ_JOIN;
	EXPECT_EQ(-EBUSY, vmg_ask(self->fd, VMGUEST_LOGOFF, &request));
	EXPECT_EQ(self->id, request.task_id);

	request = vmg_request(self->vm);
	request.scope = VMGUEST_SCOPE_UID;
	request.scope_uid = 1000;
	EXPECT_EQ(-EINPROGRESS, vmg_ask(self->fd, VMGUEST_LOGOFF, &request));
}

TEST_F(task, queue_waits_for_the_agent)
{
	struct vmguest_request request = vmg_request(self->vm);

	request.flags = VMGUEST_REQ_QUEUE;
	snprintf(request.reason, sizeof(request.reason), "early bird");
	ASK(VMGUEST_SHUTDOWN, &request);
	EXPECT_EQ(VMGUEST_STAGE_QUEUED, vmg_task(self->task).stage);
	CONNECT();
	ACCEPT();
	EXPECT_EQ(10, self->sim.frame.text[VMGUEST_REQUEST_REASON].len);
	EXPECT_FALSE(self->sim.frame.request.flags & VMGUEST_WIRE_REQ_AGAIN);
	EXPECT_LT(0, self->sim.frame.request.deadline_ms);
}

TEST_F(task, no_agent_is_known_at_once)
{
	struct vmguest_request request = vmg_request(self->vm);
	uint64_t start = vmg_now_ms();

	EXPECT_EQ(-ENOTCONN, vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request));
	EXPECT_GT(50, vmg_now_ms() - start);
	EXPECT_EQ(-1, request.task_fd);
	EXPECT_EQ(0, request.task_id);
}

TEST_F(task, a_gone_vm_is_known_at_once)
{
	struct vmguest_request request = vmg_request(self->vm);
	uint64_t start;

	CONNECT();
	vmg_vmm_kill(&self->vmm);
	ASSERT_TRUE(vmg_wait_state(self->fd, self->vm, VMGUEST_VM_GONE));
	start = vmg_now_ms();
	EXPECT_EQ(-EHOSTDOWN, vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request));
	EXPECT_GT(50, vmg_now_ms() - start);
}

TEST_F(task, a_verb_that_the_agent_lacks)
{
	struct vmguest_request request = vmg_request(self->vm);

	ASSERT_EQ(0, sim_dial(&self->sim, 0));
	ASSERT_EQ(0, sim_hello(&self->sim, BOOT, VMGUEST_CAP_SHUTDOWN,
			       VMGUEST_ROLE_AGENT));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_WELCOME));
	EXPECT_EQ(-EOPNOTSUPP, vmg_ask(self->fd, VMGUEST_LOGOFF, &request));
	request = vmg_request(self->vm);
	request.flags = VMGUEST_REQ_FORCE;
	EXPECT_EQ(-EOPNOTSUPP, vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request));
	EXPECT_EQ(0, sim_receive(&self->sim, 50));
	EXPECT_EQ(0, self->sim.requests);
}

/* An errno means that nothing was sent. */
TEST_F(task, a_bad_pointer_sends_nothing)
{
	struct vmguest_request request = vmg_request(self->vm);
	long page = sysconf(_SC_PAGESIZE);
	struct vmguest_vm_get vm;
	void *memory;

	CONNECT();
	EXPECT_EQ(-EFAULT, vmg_call(self->fd, VMGUEST_SHUTDOWN, NULL));
	memory = mmap(NULL, page, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, memory);
	memcpy(memory, &request, sizeof(request));
	ASSERT_EQ(0, mprotect(memory, page, PROT_READ));
	EXPECT_EQ(-EFAULT, vmg_call(self->fd, VMGUEST_SHUTDOWN, memory));
	EXPECT_EQ(0, sim_receive(&self->sim, 100));
	EXPECT_EQ(0, self->sim.requests);
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	/* The WELCOME, counted only after the agent got it. */
	EXPECT_EQ(1, vm.frames_out);
	EXPECT_EQ(0, vm.task_id);
	munmap(memory, page);
}

TEST_F(task, the_same_verb_is_in_progress_or_joins)
{
	struct vmguest_request request = vmg_request(self->vm);
	struct vmguest_task_get info;
	int joined;

	CONNECT();
	request.deadline_ms = 12345;
	snprintf(request.reason, sizeof(request.reason), "first");
	ASK(VMGUEST_SHUTDOWN, &request);
	ACCEPT();

	request = vmg_request(self->vm);
	EXPECT_EQ(-EINPROGRESS, vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request));
	EXPECT_EQ(self->id, request.task_id);
	EXPECT_EQ(-1, request.task_fd);

	request = vmg_request(self->vm);
	request.flags = VMGUEST_REQ_JOIN;
	request.until = VMGUEST_UNTIL_ACCEPTED;
	snprintf(request.reason, sizeof(request.reason), "second");
	joined = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request);
	ASSERT_LE(0, joined);
	EXPECT_EQ(self->id, request.task_id);
	EXPECT_EQ(12345, request.deadline_ms);
	EXPECT_EQ(VMGUEST_UNTIL_GONE, request.until);
	EXPECT_STREQ("first", request.reason);
	info = vmg_task(joined);
	EXPECT_EQ(1, info.joiners);
	EXPECT_EQ(getpid(), info.joiner[0].pid);
	EXPECT_EQ(0, sim_receive(&self->sim, 50));
	close(joined);
}

FIXTURE(rank) {
	int fd;
	uint64_t vm;
	struct sim sim;
};

FIXTURE_VARIANT(rank) {
	unsigned long first, second;
	uint32_t first_flags, second_flags;
	int expect;
};

#define RANK(name, verb1, force1, verb2, force2, outcome)		\
FIXTURE_VARIANT_ADD(rank, name) {					\
	.first = VMGUEST_##verb1, .second = VMGUEST_##verb2,		\
	.first_flags = (force1) ? VMGUEST_REQ_FORCE : 0,		\
	.second_flags = (force2) ? VMGUEST_REQ_FORCE : 0,		\
	.expect = outcome,						\
}

RANK(logoff_gives_way_to_shutdown, LOGOFF, 0, SHUTDOWN, 0, 0);
RANK(logoff_gives_way_to_restart, LOGOFF, 0, RESTART, 0, 0);
RANK(logoff_gives_way_to_forced_logoff, LOGOFF, 0, LOGOFF, 1, 0);
RANK(shutdown_keeps_out_logoff, SHUTDOWN, 0, LOGOFF, 0, -EBUSY);
RANK(shutdown_keeps_out_forced_logoff, SHUTDOWN, 0, LOGOFF, 1, -EBUSY);
RANK(shutdown_keeps_out_restart, SHUTDOWN, 0, RESTART, 0, -EBUSY);
RANK(restart_keeps_out_shutdown, RESTART, 0, SHUTDOWN, 0, -EBUSY);
RANK(shutdown_gives_way_to_forced_shutdown, SHUTDOWN, 0, SHUTDOWN, 1, 0);
RANK(shutdown_gives_way_to_forced_restart, SHUTDOWN, 0, RESTART, 1, 0);
RANK(restart_gives_way_to_forced_shutdown, RESTART, 0, SHUTDOWN, 1, 0);
RANK(forced_shutdown_keeps_out_shutdown, SHUTDOWN, 1, SHUTDOWN, 0, -EBUSY);
RANK(forced_shutdown_keeps_out_forced_restart, SHUTDOWN, 1, RESTART, 1, -EBUSY);
RANK(forced_shutdown_is_in_progress, SHUTDOWN, 1, SHUTDOWN, 1, -EINPROGRESS);
RANK(logoff_is_in_progress, LOGOFF, 0, LOGOFF, 0, -EINPROGRESS);

FIXTURE_SETUP(rank)
{
	self->sim.fd = -1;
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vmg_register(self->fd, "sim", VMG_CID, -1, &self->vm));
	ASSERT_EQ(0, sim_connect(&self->sim, BOOT));
}

FIXTURE_TEARDOWN(rank)
{
	sim_close(&self->sim);
	vmg_unregister_all(self->fd);
	close(self->fd);
}

TEST_F(rank, between_two)
{
	struct vmguest_request first = vmg_request(self->vm);
	struct vmguest_request second = vmg_request(self->vm);
	struct vmguest_task_get info;
	int running, ret;

	first.flags = variant->first_flags;
	second.flags = variant->second_flags;
	running = vmg_ask(self->fd, variant->first, &first);
	ASSERT_LE(0, running);
	ret = vmg_ask(self->fd, variant->second, &second);
	info = vmg_task(running);
	if (variant->expect) {
		EXPECT_EQ(variant->expect, ret);
		EXPECT_EQ(first.task_id, second.task_id);
		EXPECT_FALSE(info.task_flags & VMGUEST_TASK_COMPLETE);
	} else {
		EXPECT_LE(0, ret);
		EXPECT_ENDED(info, VMGUEST_RESULT_CANCELLED, -ECANCELED);
		EXPECT_EQ(second.task_id, info.superseded_by);
		close(ret);
	}
	close(running);
}

TEST_F(task, cancel_on_close_is_for_the_last_such_fd)
{
	struct vmguest_request request = vmg_request(self->vm);
	int joined, watcher;

	CONNECT();
	request.flags = VMGUEST_REQ_CANCEL_ON_CLOSE;
	ASK(VMGUEST_SHUTDOWN, &request);
	request = vmg_request(self->vm);
	request.flags = VMGUEST_REQ_CANCEL_ON_CLOSE | VMGUEST_REQ_JOIN;
	joined = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request);
	ASSERT_LE(0, joined);
	watcher = vmg_task_open(self->fd, self->id);
	ASSERT_LE(0, watcher);
	close(self->task);
	self->task = -1;
	EXPECT_FALSE(vmg_task(watcher).task_flags & VMGUEST_TASK_COMPLETE);
	close(joined);
	EXPECT_ENDED(vmg_wait(watcher), VMGUEST_RESULT_CANCELLED, -ECANCELED);
	close(watcher);
}

TEST_F(task, closing_the_fd_does_not_cancel)
{
	int watcher;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	close(self->task);
	self->task = -1;
	watcher = vmg_task_open(self->fd, self->id);
	ASSERT_LE(0, watcher);
	EXPECT_FALSE(vmg_task(watcher).task_flags & VMGUEST_TASK_COMPLETE);
	close(watcher);
}

TEST_F(task, poll_tells_changes_and_the_end)
{
	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	vmg_wait_stage(self->task, VMGUEST_STAGE_ACCEPTED);
	EXPECT_EQ(0, vmg_poll(self->task, POLLIN | POLLPRI, 0));
	COMMIT();
	EXPECT_EQ(POLLPRI, vmg_poll(self->task, POLLIN | POLLPRI,
				    VMG_PATIENCE_MS));
	EXPECT_EQ(POLLPRI, vmg_poll(self->task, POLLIN | POLLPRI, 0));
	vmg_task(self->task);
	EXPECT_EQ(0, vmg_poll(self->task, POLLIN | POLLPRI, 0));
	vmg_vmm_kill(&self->vmm);
	EXPECT_EQ(POLLIN | POLLHUP,
		  vmg_poll(self->task, POLLIN, VMG_PATIENCE_MS));
	vmg_task(self->task);
	EXPECT_EQ(POLLIN | POLLHUP, vmg_poll(self->task, POLLIN | POLLPRI, 0));
}

TEST_F(task, ended_tasks_are_kept_up_to_a_number)
{
	uint64_t first = 0;
	int i, task;

	CONNECT();
	for (i = 0; i < 17; i++) {
		ASK_PLAIN(VMGUEST_SHUTDOWN);
		first = first ?: self->id;
		EXPECT_EQ(0, vmg_task_cancel(self->task));
		close(self->task);
		self->task = -1;
	}
	task = vmg_task_open(self->fd, self->id);
	ASSERT_LE(0, task);
	EXPECT_ENDED(vmg_task(task), VMGUEST_RESULT_CANCELLED, -ECANCELED);
	close(task);
	EXPECT_EQ(-ENOENT, vmg_task_open(self->fd, first));
}

TEST_F(task, unregister_with_a_running_task)
{
	struct vmguest_vm_unregister cmd = { .size = sizeof(cmd) };
	struct vmguest_task_get info;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	cmd.vm_id = self->vm;
	EXPECT_EQ(-EBUSY, vmg_call(self->fd, VMGUEST_VM_UNREGISTER, &cmd));
	cmd.flags = VMGUEST_UNREGISTER_ABORT;
	EXPECT_EQ(0, vmg_call(self->fd, VMGUEST_VM_UNREGISTER, &cmd));
	EXPECT_TRUE(vmg_poll(self->task, POLLIN, 0) & POLLHUP);
	info = vmg_task(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_CANCELLED, -ECANCELED);
	EXPECT_TRUE(info.task_flags & VMGUEST_TASK_VM_UNREGISTERED);
}

/* An agent that restarts is told its task again, and whether it may act. */
TEST_F(task, the_same_boot_resumes)
{
	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	sim_close(&self->sim);
	ASSERT_EQ(0, sim_connect(&self->sim, BOOT));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_REQUEST));
	EXPECT_EQ(self->id, self->sim.frame.task_id);
	EXPECT_EQ(VMGUEST_WIRE_REQ_AGAIN, self->sim.frame.request.flags);
	COMMIT();
	sim_close(&self->sim);
	ASSERT_EQ(0, sim_connect(&self->sim, BOOT));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_REQUEST));
	EXPECT_EQ(VMGUEST_WIRE_REQ_AGAIN | VMGUEST_WIRE_REQ_COMMITTED,
		  self->sim.frame.request.flags);
	EXPECT_TRUE(vmg_task(self->task).task_flags & VMGUEST_TASK_RESENT);
}

TEST_F(task, the_hook_brings_the_last_breath)
{
	struct vmguest_task_get info;
	struct sim hook;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	COMMIT();
	sim_close(&self->sim);
	ASSERT_EQ(0, sim_dial(&hook, 0));
	ASSERT_EQ(0, sim_hello(&hook, BOOT, 0, VMGUEST_ROLE_LAST_BREATH));
	ASSERT_TRUE(sim_expect(&hook, VMGUEST_WIRE_WELCOME));
	info = vmg_task(self->task);
	EXPECT_EQ(VMGUEST_STAGE_STOPPING, info.stage);
	ASSERT_EQ(0, sim_send_last_breath(&hook, self->id,
					  VMGUEST_END_POWEROFF));
	ASSERT_TRUE(sim_expect(&hook, VMGUEST_WIRE_LAST_BREATH_ACK));
	info = vmg_task(self->task);
	EXPECT_EQ(VMGUEST_STAGE_LAST_BREATH, info.stage);
	sim_close(&hook);
	info = vmg_wait_stage(self->task, VMGUEST_STAGE_CHANNEL_DOWN);
	EXPECT_EQ(VMGUEST_STAGE_CHANNEL_DOWN, info.stage);
	vmg_vmm_kill(&self->vmm);
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_SUCCESS, 0);
}

TEST_F(task, a_hook_of_another_boot_is_refused)
{
	struct sim hook;

	CONNECT();
	ASSERT_EQ(0, sim_dial(&hook, 0));
	ASSERT_EQ(0, sim_hello(&hook, OTHER_BOOT, 0, VMGUEST_ROLE_LAST_BREATH));
	EXPECT_TRUE(sim_expect(&hook, VMGUEST_WIRE_REJECT));
	EXPECT_EQ(-1, sim_receive(&hook, VMG_PATIENCE_MS));
	sim_close(&hook);
}

TEST_F(task, a_second_agent_is_refused_while_the_first_lives)
{
	struct vmguest_vm_get vm;
	struct sim second;

	CONNECT();
	ASSERT_EQ(0, sim_dial(&second, 0));
	ASSERT_EQ(0, sim_hello(&second, BOOT, SIM_CAPABILITIES,
			       VMGUEST_ROLE_AGENT));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_PING));
	EXPECT_EQ(0, self->sim.frame.task_id);
	ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_PONG, 0));
	ASSERT_TRUE(sim_expect(&second, VMGUEST_WIRE_REJECT));
	EXPECT_EQ(VMGUEST_REJECT_DUPLICATE, second.frame.reject.code);
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(1, vm.refused);
	sim_close(&second);
}

TEST_F(task, a_second_agent_replaces_a_dead_first)
{
	uint64_t start = vmg_now_ms();
	struct sim second;

	CONNECT();
	ASSERT_EQ(0, sim_dial(&second, 0));
	ASSERT_EQ(0, sim_hello(&second, BOOT, SIM_CAPABILITIES,
			       VMGUEST_ROLE_AGENT));
	ASSERT_TRUE(sim_expect(&second, VMGUEST_WIRE_WELCOME));
	EXPECT_LE(1900, vmg_now_ms() - start);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_PING));
	EXPECT_EQ(-1, sim_receive(&self->sim, VMG_PATIENCE_MS));
	sim_close(&second);
}

TEST_F(task, late_and_foreign_frames_change_nothing)
{
	struct vmguest_task_get info;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	vmg_wait_stage(self->task, VMGUEST_STAGE_ACCEPTED);
	ASSERT_EQ(0, sim_send_last_breath(&self->sim, self->id + 1000,
					  VMGUEST_END_POWEROFF));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_LAST_BREATH_ACK));
	ASSERT_EQ(0, sim_send_result(&self->sim, self->id + 1000,
				     VMGUEST_WIRE_FAILED, 0, 0, ""));
	ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_COMMIT,
			      self->id + 1000));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_CANCEL));
	EXPECT_EQ(self->id + 1000, self->sim.frame.task_id);
	info = vmg_task(self->task);
	EXPECT_EQ(VMGUEST_STAGE_ACCEPTED, info.stage);
	EXPECT_EQ(VMGUEST_PROOF_ACCEPTED, info.proofs);
}

/* Every verdict of a guest, and what it is for the caller. */
FIXTURE(verdict) {
	int fd;
	uint64_t vm;
	struct sim sim;
};

FIXTURE_VARIANT(verdict) {
	unsigned long verb;
	uint32_t code;
	uint32_t result;
	int error;
};

#define VERDICT(name, verb_, code_, result_, error_)			\
FIXTURE_VARIANT_ADD(verdict, name) {					\
	.verb = VMGUEST_##verb_, .code = VMGUEST_WIRE_##code_,		\
	.result = VMGUEST_RESULT_##result_, .error = error_,		\
}

VERDICT(refused, SHUTDOWN, REFUSED, SHUTDOWN_ABORT, -EACCES);
VERDICT(blocked, SHUTDOWN, BLOCKED_BY, SHUTDOWN_ABORT, -EBUSY);
VERDICT(going_down, RESTART, GOING_DOWN, SHUTDOWN_ABORT, -EINPROGRESS);
VERDICT(not_ready, SHUTDOWN, NOT_READY, SHUTDOWN_ABORT, -EAGAIN);
VERDICT(no_sessions, LOGOFF, NO_SESSIONS, UNEXPECTED_ERROR, -ESRCH);
VERDICT(unsupported, LOGOFF, UNSUPPORTED, UNEXPECTED_ERROR, -EOPNOTSUPP);
VERDICT(invalid, LOGOFF, INVALID, ILLEGAL_VALUE, -EINVAL);
VERDICT(no_memory, SHUTDOWN, NO_MEMORY, OUT_OF_MEMORY, -ENOMEM);
VERDICT(failed, SHUTDOWN, FAILED, UNEXPECTED_ERROR, -EIO);

FIXTURE_SETUP(verdict)
{
	self->sim.fd = -1;
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vmg_register(self->fd, "sim", VMG_CID, -1, &self->vm));
	ASSERT_EQ(0, sim_connect(&self->sim, BOOT));
}

FIXTURE_TEARDOWN(verdict)
{
	sim_close(&self->sim);
	vmg_unregister_all(self->fd);
	close(self->fd);
}

TEST_F(verdict, becomes_the_result)
{
	struct vmguest_request request = vmg_request(self->vm);
	struct vmguest_task_get info;
	uint64_t id;
	int task;

	task = vmg_ask(self->fd, variant->verb, &request);
	ASSERT_LE(0, task);
	ASSERT_TRUE(sim_accept(&self->sim, &id));
	ASSERT_EQ(0, sim_send_result(&self->sim, id, variant->code, 0, 0,
				     "because"));
	info = vmg_wait(task);
	EXPECT_ENDED(info, variant->result, variant->error);
	EXPECT_STREQ("because", info.guest_text);
	close(task);
}

/* What an agent must not say: its channel ends, its task goes on. */
FIXTURE(rude) {
	int fd;
	uint64_t vm;
	struct sim sim;
	int task;
	uint64_t id;
};

FIXTURE_SETUP(rude)
{
	struct vmguest_request request;

	self->sim.fd = -1;
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vmg_register(self->fd, "sim", VMG_CID, -1, &self->vm));
	ASSERT_EQ(0, sim_connect(&self->sim, BOOT));
	request = vmg_request(self->vm);
	self->task = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request);
	ASSERT_LE(0, self->task);
	ASSERT_TRUE(sim_accept(&self->sim, &self->id));
}

FIXTURE_TEARDOWN(rude)
{
	struct vmguest_task_get info = vmg_task(self->task);
	struct vmguest_vm_get vm;

	EXPECT_EQ(-1, sim_receive(&self->sim, VMG_PATIENCE_MS));
	EXPECT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(1, vm.malformed);
	EXPECT_FALSE(info.task_flags & VMGUEST_TASK_COMPLETE);
	EXPECT_GE(VMGUEST_STAGE_ACCEPTED, info.stage);
	close(self->task);
	sim_close(&self->sim);
	vmg_unregister_all(self->fd);
	close(self->fd);
}

TEST_F(rude, garbage)
{
	char garbage[64];

	memset(garbage, 0x55, sizeof(garbage));
	ASSERT_EQ(0, sim_send_raw(&self->sim, garbage, sizeof(garbage)));
}

TEST_F(rude, a_length_beyond_the_limit)
{
	const struct vmguest_wire_header header = {
		.magic = VMGUEST_WIRE_MAGIC,
		.version = VMGUEST_WIRE_VERSION,
		.type = VMGUEST_WIRE_PONG,
		.length = VMGUEST_WIRE_MAX_PAYLOAD + 1,
	};

	ASSERT_EQ(0, sim_send_raw(&self->sim, &header, sizeof(header)));
}

TEST_F(rude, a_frame_of_the_module)
{
	ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_GO, self->id));
}

TEST_F(rude, a_second_hello)
{
	ASSERT_EQ(0, sim_hello(&self->sim, BOOT, SIM_CAPABILITIES,
			       VMGUEST_ROLE_AGENT));
}

TEST_F(rude, progress_before_commit)
{
	ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_PROGRESS, self->id));
}

TEST_F(rude, last_breath_before_commit)
{
	ASSERT_EQ(0, sim_send_last_breath(&self->sim, self->id,
					  VMGUEST_END_POWEROFF));
}

TEST_F(rude, success_of_a_shutdown)
{
	ASSERT_EQ(0, sim_send_result(&self->sim, self->id, VMGUEST_WIRE_OK, 0,
				     0, ""));
}

/* Connections before HELLO. */
FIXTURE(stranger) {
	int fd;
	struct sim sim;
};

FIXTURE_SETUP(stranger)
{
	self->sim.fd = -1;
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(stranger)
{
	sim_close(&self->sim);
	vmg_unregister_all(self->fd);
	close(self->fd);
}

TEST_F(stranger, from_an_unprivileged_port_is_not_heard)
{
	ASSERT_EQ(0, sim_dial(&self->sim, 2000));
	sim_hello(&self->sim, BOOT, SIM_CAPABILITIES, VMGUEST_ROLE_AGENT);
	EXPECT_EQ(-1, sim_receive(&self->sim, VMG_PATIENCE_MS));
	EXPECT_EQ(0, vmg_count(self->fd));
}

TEST_F(stranger, that_does_not_say_hello_is_not_heard)
{
	ASSERT_EQ(0, sim_dial(&self->sim, 0));
	sim_send(&self->sim, VMGUEST_WIRE_PONG, 0);
	EXPECT_EQ(-1, sim_receive(&self->sim, VMG_PATIENCE_MS));
}

/*
 * From a port that no other test takes: what a connection before has left behind
 * in the transport can end one with the same two ports for 8 s.
 */
TEST_F(stranger, that_says_nothing_is_closed)
{
	uint64_t start = vmg_now_ms();

	ASSERT_EQ(0, sim_dial(&self->sim, 77));
	EXPECT_EQ(-1, sim_receive(&self->sim, VMG_PATIENCE_MS));
	EXPECT_LE(9900, vmg_now_ms() - start);
}

static void take_channels(const struct nl_message *message, void *data)
{
	uint32_t *channels = data;

	*channels = nl_u32(message->attr[VMGUEST_A_STATS_CHANNELS]);
}

/* Wait until the module has released all of its connections. */
static bool wait_no_channels(void)
{
	uint64_t start = vmg_now_ms();
	uint32_t channels = 1;
	struct nl nl;

	if (nl_open(&nl))
		return false;
	while (channels && vmg_now_ms() - start < VMG_PATIENCE_MS) {
		nl_begin(&nl, VMGUEST_CMD_STATS_GET, 0);
		if (nl_call(&nl, take_channels, &channels))
			break;
		poll(NULL, 0, 2);
	}
	nl_close(&nl);
	return !channels;
}

/*
 * Both close at once, the module with words in its socket that it has not read:
 * its transport must not keep the pair of ports, and reset who has it next. The
 * WELCOME that is not read keeps the transport of this side from answering.
 */
TEST_F(stranger, is_not_reset_for_who_had_its_ports)
{
	struct sockaddr_vm addr = { };
	socklen_t len = sizeof(addr);
	static const char garbage[8192];
	struct pollfd pfd = { .events = POLLIN };
	uint64_t start;
	int err;

	ASSERT_EQ(0, sim_dial(&self->sim, 0));
	ASSERT_EQ(0, getsockname(self->sim.fd, (void *)&addr, &len));
	sim_hello(&self->sim, BOOT, SIM_CAPABILITIES, VMGUEST_ROLE_AGENT);
	pfd.fd = self->sim.fd;
	ASSERT_EQ(1, poll(&pfd, 1, VMG_PATIENCE_MS));
	ASSERT_EQ(0, sim_send_raw(&self->sim, garbage, sizeof(garbage)));
	ASSERT_TRUE(wait_no_channels());
	ASSERT_EQ(0, shutdown(self->sim.fd, SHUT_RDWR));
	sim_close(&self->sim);

	/* The answer to that shutdown may still be under way, and meet this. */
	start = vmg_now_ms();
	do
		err = sim_dial(&self->sim, addr.svm_port);
	while (err == -ECONNRESET && vmg_now_ms() - start < VMG_PATIENCE_MS);
	ASSERT_EQ(0, err);
	start = vmg_now_ms();
	EXPECT_EQ(-1, sim_receive(&self->sim, VMG_PATIENCE_MS));
	EXPECT_LE(9900, vmg_now_ms() - start);
}

TEST_F(stranger, more_than_four_at_a_time_are_closed)
{
	struct sim other[4];
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, sim_dial(&other[i], 0));
	ASSERT_EQ(0, sim_dial(&self->sim, 0));
	EXPECT_EQ(-1, sim_receive(&self->sim, 5000));
	for (i = 0; i < 4; i++)
		sim_close(&other[i]);
}

/* A guest that nobody registered appears, is adopted, or vanishes. */
TEST_F(stranger, appears_and_vanishes)
{
	struct vmguest_vm_get vm;

	ASSERT_EQ(0, sim_connect(&self->sim, BOOT));
	ASSERT_EQ(0, vmg_get_named(self->fd, "cid-1", &vm));
	EXPECT_TRUE(vm.vm_flags & VMGUEST_VM_UNREGISTERED);
	EXPECT_EQ(0700, vm.mode);
	EXPECT_STREQ("Simulated?[31m", vm.os_name);
	sim_close(&self->sim);
	EXPECT_TRUE(vmg_wait_count(self->fd, 0));
}

TEST_F(stranger, is_adopted_with_its_channel_and_id)
{
	struct vmguest_vm_get vm;
	uint64_t id;

	ASSERT_EQ(0, sim_connect(&self->sim, BOOT));
	ASSERT_EQ(0, vmg_get_named(self->fd, "cid-1", &vm));
	ASSERT_EQ(0, vmg_register(self->fd, "adopted", VMG_CID, -1, &id));
	EXPECT_EQ(id, vm.vm_id);
	ASSERT_EQ(0, vmg_get_named(self->fd, "adopted", &vm));
	EXPECT_TRUE(vm.vm_flags & VMGUEST_VM_AGENT);
	EXPECT_FALSE(vm.vm_flags & VMGUEST_VM_UNREGISTERED);
	EXPECT_EQ(0750, vm.mode);
	EXPECT_EQ(-ENOENT, vmg_get_named(self->fd, "cid-1", &vm));
}

TEST_HARNESS_MAIN
