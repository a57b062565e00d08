// SPDX-License-Identifier: GPL-2.0-only
/*
 * One guest with a CID of its own, which does its duty.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "test.h"

#define CID		OWN_CID

FIXTURE(basic) {
	int fd;
	uint64_t vm;
	int task;
	struct sim *sim;
	struct sim_guest *guest;
};

FIXTURE_VARIANT(basic) {
	bool lifeline;
};

FIXTURE_VARIANT_ADD(basic, lifeline) {
	.lifeline = true,
};

FIXTURE_VARIANT_ADD(basic, no_lifeline) {
	.lifeline = false,
};

FIXTURE_SETUP(basic)
{
	int lifeline = -1;

	self->task = -1;
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	self->sim = sim_create();
	self->guest = sim_guest_add(self->sim, CID);
	if (variant->lifeline)
		lifeline = sim_guest_lifeline(self->guest);
	ASSERT_EQ(0, vmg_register(self->fd, "guest", CID, lifeline,
				  &self->vm));
}

FIXTURE_TEARDOWN(basic)
{
	if (self->task >= 0)
		close(self->task);
	if (!_metadata->passed)
		sim_guest_print_log(self->guest);
	sim_destroy(self->sim);
	vmg_unregister_all(self->fd);
	close(self->fd);
}

TEST_F(basic, hello_and_ping)
{
	struct vmguest_vm_get vm;
	struct vmguest_task_get task;

	sim_guest_set_sessions(self->guest, 3);
	BOOT(self->guest);
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(VMGUEST_VM_RUNNING, vm.state);
	EXPECT_EQ(CID, vm.cid);
	EXPECT_TRUE(vm.vm_flags & VMGUEST_VM_AGENT);
	EXPECT_EQ(SIM_CAPABILITIES, vm.capabilities);
	EXPECT_EQ(3, vm.sessions);
	EXPECT_EQ(0, memcmp(vm.boot_id, sim_guest_boot_id(self->guest), 16));
	EXPECT_STREQ("guestsim", vm.hostname);

	ASK(self->vm, VMGUEST_PING);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(VMGUEST_PROOF_PONG, task.proofs);
}

TEST_F(basic, shutdown_ends_with_the_vm)
{
	struct vmguest_task_get task;
	struct vmguest_vm_get vm;

	BOOT(self->guest);
	ASK(self->vm, VMGUEST_SHUTDOWN);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(PROOFS_DOWN | VMGUEST_PROOF_VM_GONE, task.proofs);
	EXPECT_EQ(VMGUEST_STAGE_VM_GONE, task.stage);
	EXPECT_FALSE(sim_guest_is_on(self->guest));
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(variant->lifeline ? VMGUEST_VM_GONE : VMGUEST_VM_DOWN,
		  vm.state);
}

TEST_F(basic, shutdown_without_last_breath_is_not_clean)
{
	struct vmguest_task_get task;

	BOOT(self->guest);
	sim_guest_at(self->guest, SIM_AT_GO, SIM_DIE);
	ASK(self->vm, VMGUEST_SHUTDOWN);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_UNEXPECTED_ERROR, -ECONNABORTED);
	EXPECT_TRUE(task.proofs & VMGUEST_PROOF_VM_GONE);
	EXPECT_FALSE(task.proofs & VMGUEST_PROOF_LAST_BREATH);
}

TEST_F(basic, shutdown_of_an_agent_without_last_breath_is_unknown)
{
	struct vmguest_task_get task;

	sim_guest_set_capabilities(self->guest, SIM_CAPABILITIES &
				   ~VMGUEST_CAP_LAST_BREATH);
	BOOT(self->guest);
	ASK(self->vm, VMGUEST_SHUTDOWN);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_TRUE(task.task_flags & VMGUEST_TASK_CLEAN_UNKNOWN);
}

TEST_F(basic, shutdown_by_the_hook)
{
	struct vmguest_task_get task;

	BOOT(self->guest);
	/* The agent ends before its guest does. */
	sim_guest_at(self->guest, SIM_AT_GO, SIM_CLOSE);
	ASK(self->vm, VMGUEST_SHUTDOWN);
	ASSERT_SOON(sim_guest_count(self->guest, SIM_EV_CLOSED, -1));
	task = vmg_task(self->task);
	EXPECT_EQ(VMGUEST_STAGE_STOPPING, task.stage);
	sim_guest_hook(self->guest, task.task_id, VMGUEST_END_POWEROFF);
	ASSERT_SOON(sim_guest_count(self->guest, SIM_EV_CLOSED, -1) == 2);
	/* No channel is left: without a lifeline the kernel looks by itself. */
	sim_guest_do(self->guest, SIM_DIE, 0);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(PROOFS_DOWN | VMGUEST_PROOF_VM_GONE, task.proofs);
}

TEST_F(basic, guest_down_but_vmm_there)
{
	struct vmguest_task_get task;

	BOOT(self->guest);
	sim_guest_at(self->guest, SIM_AT_ACK, SIM_CLOSE);
	ASK(self->vm, VMGUEST_SHUTDOWN, request.deadline_ms = 300);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
	EXPECT_EQ(PROOFS_DOWN, task.proofs);
	EXPECT_EQ(VMGUEST_STAGE_CHANNEL_DOWN, task.stage);
}

TEST_F(basic, until_down_and_until_accepted)
{
	struct vmguest_task_get task;

	BOOT(self->guest);
	ASK(self->vm, VMGUEST_SHUTDOWN, request.until = VMGUEST_UNTIL_ACCEPTED);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(VMGUEST_PROOF_ACCEPTED, task.proofs);
	close(self->task);
	/* Its COMMIT is granted all the same. */
	ASSERT_SOON(!sim_guest_is_on(self->guest));
	if (variant->lifeline)
		return;
	BOOT(self->guest);
	sim_guest_at(self->guest, SIM_AT_ACK, SIM_CLOSE);
	ASK(self->vm, VMGUEST_SHUTDOWN, request.until = VMGUEST_UNTIL_DOWN);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(PROOFS_DOWN, task.proofs);
}

TEST_F(basic, restart_is_a_new_boot)
{
	struct vmguest_task_get task;

	BOOT(self->guest);
	ASK(self->vm, VMGUEST_RESTART);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(PROOFS_DOWN | VMGUEST_PROOF_NEW_BOOT, task.proofs);
	EXPECT_FALSE(task.task_flags & VMGUEST_TASK_CLEAN_UNKNOWN);
	EXPECT_SOON(sim_guest_is_welcome(self->guest));
}

TEST_F(basic, restart_by_a_silent_reboot)
{
	struct vmguest_task_get task;

	BOOT(self->guest);
	sim_guest_at(self->guest, SIM_AT_GO, SIM_REBOOT);
	ASK(self->vm, VMGUEST_RESTART);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_TRUE(task.proofs & VMGUEST_PROOF_NEW_BOOT);
	EXPECT_FALSE(task.proofs & VMGUEST_PROOF_LAST_BREATH);
	EXPECT_TRUE(task.task_flags & VMGUEST_TASK_CLEAN_UNKNOWN);
}

TEST_F(basic, logoff_counts_sessions)
{
	struct vmguest_task_get task;

	sim_guest_set_sessions(self->guest, 2);
	BOOT(self->guest);
	ASK(self->vm, VMGUEST_LOGOFF);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(2, task.targeted);
	EXPECT_EQ(2, task.ended);
	EXPECT_EQ(0, task.left);
	EXPECT_TRUE(task.proofs & VMGUEST_PROOF_SESSIONS_ENDED);
	EXPECT_TRUE(sim_guest_is_welcome(self->guest));
}

TEST_F(basic, every_byte_its_own_packet)
{
	struct vmguest_task_get task;

	sim_guest_set_mtu(self->guest, 1);
	BOOT(self->guest);
	ASK(self->vm, VMGUEST_SHUTDOWN);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
}

/*
 * The transport has answered its end. Only a VM without a lifeline is looked for
 * then, by a connect.
 */
TEST_F(basic, a_guest_that_has_closed_hears_no_more)
{
	BOOT(self->guest);
	sim_guest_do(self->guest, SIM_CLOSE, 0);
	ASSERT_SOON(sim_guest_count(self->guest, SIM_EV_CLOSED, -1));
	/* What is left to do for this connection comes before the next one. */
	sim_guest_hook(self->guest, 0, VMGUEST_END_POWEROFF);
	ASSERT_SOON(sim_guest_count(self->guest, SIM_EV_CLOSED, -1) == 2);
	EXPECT_EQ(!variant->lifeline,
		  !!sim_guest_count(self->guest, SIM_EV_REFUSED, -1));
}

TEST_F(basic, nobody_at_home)
{
	struct vmguest_request request = vmg_request(self->vm);

	/* No VMM: told at once. */
	EXPECT_EQ(-EHOSTDOWN, vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request));
	/* A guest without an agent, without a listener: told apart, at once. */
	sim_guest_at(self->guest, SIM_AT_BOOT, SIM_HANG);
	ASSERT_EQ(0, sim_guest_boot(self->guest));
	request = vmg_request(self->vm);
	EXPECT_EQ(-ENOTCONN, vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request));
	sim_pass(self->sim, 50);
	request = vmg_request(self->vm);
	EXPECT_EQ(-ENOTCONN, vmg_ask(self->fd, VMGUEST_PING, &request));
}

TEST_F(basic, queue_waits_for_the_agent)
{
	struct vmguest_task_get task;

	sim_guest_at(self->guest, SIM_AT_BOOT, SIM_HANG);
	ASSERT_EQ(0, sim_guest_boot(self->guest));
	ASK(self->vm, VMGUEST_SHUTDOWN, request.flags = VMGUEST_REQ_QUEUE);
	sim_pass(self->sim, 50);
	EXPECT_EQ(VMGUEST_STAGE_QUEUED, vmg_task(self->task).stage);
	sim_guest_do(self->guest, SIM_REBOOT, 0);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(PROOFS_DOWN | VMGUEST_PROOF_VM_GONE, task.proofs);
}

TEST_HARNESS_MAIN
