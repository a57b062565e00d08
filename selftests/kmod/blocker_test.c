// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who stands in the way of a task, as its agent tells.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "task_fixture.h"

TASK_FIXTURE(blocker)

static int get(int task_fd, uint32_t index, struct vmguest_task_blocker *blocker)
{
	*blocker = (struct vmguest_task_blocker) {
		.size = sizeof(*blocker),
		.index = index,
	};
	return vmg_call(task_fd, VMGUEST_TASK_BLOCKER, blocker);
}

static bool wait_count(int task_fd, uint32_t count)
{
	while (vmg_task(task_fd).blockers != count)
		if (!vmg_poll(task_fd, POLLPRI | POLLIN, VMG_PATIENCE_MS))
			return false;
	return true;
}

#define BLOCK(kind, who, why)						\
	ASSERT_EQ(0, sim_send_blocked(&self->sim, self->id, kind, who, why))

#define EXPECT_COUNT(count) EXPECT_TRUE(wait_count(self->task, count))

#define EXPECT_BLOCKER(index, want_kind, want_who, want_why) do {	\
	struct vmguest_task_blocker got;				\
									\
	EXPECT_EQ(0, get(self->task, index, &got));			\
	EXPECT_EQ(want_kind, got.kind);					\
	EXPECT_STREQ(want_who, got.who);				\
	EXPECT_STREQ(want_why, got.why);				\
	EXPECT_EQ(1000, got.uid);					\
	EXPECT_EQ(4711, got.pid);					\
} while (0)

#define EXPECT_NO_BLOCKER(index) do {					\
	struct vmguest_task_blocker got;				\
									\
	EXPECT_EQ(-ENOENT, get(self->task, index, &got));		\
} while (0)

#define ASK_AND_ACCEPT() do {						\
	CONNECT();							\
	ASK_PLAIN(VMGUEST_SHUTDOWN);					\
	ACCEPT();							\
} while (0)

TEST_F(blocker, each_is_told_in_its_order)
{
	ASK_AND_ACCEPT();
	EXPECT_NO_BLOCKER(0);
	BLOCK(VMGUEST_BLOCKER_INHIBITOR, "apt", "unfinished upgrade");
	BLOCK(VMGUEST_BLOCKER_SESSION, "alice on tty1", "");
	BLOCK(VMGUEST_BLOCKER_LOCK, "bob", "locked screen");
	EXPECT_COUNT(3);
	EXPECT_EQ(VMGUEST_STAGE_BLOCKED, vmg_task(self->task).stage);
	EXPECT_BLOCKER(0, VMGUEST_BLOCKER_INHIBITOR, "apt",
		       "unfinished upgrade");
	EXPECT_BLOCKER(1, VMGUEST_BLOCKER_SESSION, "alice on tty1", "");
	EXPECT_BLOCKER(2, VMGUEST_BLOCKER_LOCK, "bob", "locked screen");
	EXPECT_NO_BLOCKER(3);
	EXPECT_NO_BLOCKER(UINT32_MAX);
}

TEST_F(blocker, texts_are_cleaned)
{
	ASK_AND_ACCEPT();
	BLOCK(VMGUEST_BLOCKER_INHIBITOR, "\033[2Jroot\n", "\rwhy\x7f");
	EXPECT_COUNT(1);
	EXPECT_BLOCKER(0, VMGUEST_BLOCKER_INHIBITOR, "?[2Jroot?", "?why?");
}

TEST_F(blocker, no_more_are_kept_than_the_limit)
{
	char who[16];
	int i;

	ASK_AND_ACCEPT();
	for (i = 0; i <= VMGUEST_BLOCKERS_MAX; i++) {
		snprintf(who, sizeof(who), "%d", i);
		BLOCK(VMGUEST_BLOCKER_SESSION, who, "");
	}
	/* It is heard in order, so what came before has been, too. */
	ASSERT_EQ(0, sim_send_result(&self->sim, self->id,
				     VMGUEST_WIRE_BLOCKED_BY, 0, 0, ""));
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_SHUTDOWN_ABORT,
		     -EBUSY);
	EXPECT_EQ(VMGUEST_BLOCKERS_MAX, vmg_task(self->task).blockers);
	EXPECT_BLOCKER(VMGUEST_BLOCKERS_MAX - 1, VMGUEST_BLOCKER_SESSION, "15",
		       "");
	EXPECT_NO_BLOCKER(VMGUEST_BLOCKERS_MAX);
}

TEST_F(blocker, those_of_a_task_that_ended_stay)
{
	struct vmguest_request request = vmg_request(self->vm);

	CONNECT();
	request.deadline_ms = 200;
	ASK(VMGUEST_SHUTDOWN, &request);
	ACCEPT();
	BLOCK(VMGUEST_BLOCKER_INHIBITOR, "apt", "upgrade");
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_SHUTDOWN_ABORT,
		     -EBUSY);
	EXPECT_BLOCKER(0, VMGUEST_BLOCKER_INHIBITOR, "apt", "upgrade");
}

TEST_F(blocker, who_has_left_does_not_block_the_deadline)
{
	struct vmguest_request request = vmg_request(self->vm);

	CONNECT();
	request.deadline_ms = 500;
	ASK(VMGUEST_SHUTDOWN, &request);
	ACCEPT();
	BLOCK(VMGUEST_BLOCKER_INHIBITOR, "apt", "upgrade");
	EXPECT_COUNT(1);
	BLOCK(0, "", "");
	EXPECT_COUNT(0);
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
}

TEST_F(blocker, nobody_is_no_stage)
{
	ASK_AND_ACCEPT();
	BLOCK(0, "", "");
	COMMIT();
	EXPECT_EQ(0, vmg_task(self->task).stage_ns[VMGUEST_STAGE_BLOCKED]);
}

TEST_F(blocker, a_commit_forgets_them)
{
	ASK_AND_ACCEPT();
	BLOCK(VMGUEST_BLOCKER_INHIBITOR, "apt", "upgrade");
	COMMIT();
	EXPECT_EQ(0, vmg_task(self->task).blockers);
	EXPECT_NO_BLOCKER(0);
}

TEST_F(blocker, whom_a_force_overrides_stay)
{
	struct vmguest_request request = vmg_request(self->vm);

	CONNECT();
	request.flags = VMGUEST_REQ_FORCE;
	ASK(VMGUEST_SHUTDOWN, &request);
	ACCEPT();
	BLOCK(VMGUEST_BLOCKER_INHIBITOR, "apt", "upgrade");
	COMMIT();
	EXPECT_COUNT(1);
	BLOCK(VMGUEST_BLOCKER_STOP_JOB, "postgresql.service", "10 s");
	EXPECT_COUNT(2);
	BLOCK(0, "", "");
	EXPECT_COUNT(1);
	EXPECT_BLOCKER(0, VMGUEST_BLOCKER_INHIBITOR, "apt", "upgrade");
	BLOCK(VMGUEST_BLOCKER_STOP_JOB, "postgresql.service", "11 s");
	EXPECT_COUNT(2);
	sim_close(&self->sim);
	CONNECT();
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_REQUEST));
	EXPECT_COUNT(1);
	EXPECT_BLOCKER(0, VMGUEST_BLOCKER_INHIBITOR, "apt", "upgrade");
}

TEST_F(blocker, whom_an_escalation_overrides_stay)
{
	struct vmguest_request request = vmg_request(self->vm);

	CONNECT();
	request.force_after_ms = 100;
	ASK(VMGUEST_SHUTDOWN, &request);
	ACCEPT();
	BLOCK(VMGUEST_BLOCKER_INHIBITOR, "apt", "upgrade");
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_REQUEST));
	COMMIT();
	EXPECT_COUNT(1);
	EXPECT_BLOCKER(0, VMGUEST_BLOCKER_INHIBITOR, "apt", "upgrade");
}

TEST_F(blocker, stop_jobs_come_after_the_commit)
{
	ASK_AND_ACCEPT();
	COMMIT();
	BLOCK(VMGUEST_BLOCKER_STOP_JOB, "postgresql.service", "10 s of 90 s");
	EXPECT_COUNT(1);
	EXPECT_EQ(VMGUEST_STAGE_STOPPING, vmg_task(self->task).stage);
	EXPECT_BLOCKER(0, VMGUEST_BLOCKER_STOP_JOB, "postgresql.service",
		       "10 s of 90 s");
}

TEST_F(blocker, an_inhibitor_after_the_commit_is_out_of_place)
{
	struct vmguest_vm_get vm;

	ASK_AND_ACCEPT();
	COMMIT();
	BLOCK(VMGUEST_BLOCKER_INHIBITOR, "apt", "upgrade");
	EXPECT_EQ(-1, sim_receive(&self->sim, VMG_PATIENCE_MS));
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(1, vm.malformed);
}

TEST_F(blocker, an_agent_that_comes_back_tells_anew)
{
	ASK_AND_ACCEPT();
	BLOCK(VMGUEST_BLOCKER_INHIBITOR, "apt", "upgrade");
	EXPECT_COUNT(1);
	sim_close(&self->sim);
	CONNECT();
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_REQUEST));
	EXPECT_EQ(0, vmg_task(self->task).blockers);
	BLOCK(VMGUEST_BLOCKER_SESSION, "alice", "");
	EXPECT_COUNT(1);
	EXPECT_BLOCKER(0, VMGUEST_BLOCKER_SESSION, "alice", "");
}

TEST_F(blocker, of_another_task_is_not_ours)
{
	ASK_AND_ACCEPT();
	ASSERT_EQ(0, sim_send_blocked(&self->sim, self->id + 1,
				      VMGUEST_BLOCKER_INHIBITOR, "x", "y"));
	COMMIT();
	EXPECT_EQ(0, vmg_task(self->task).stage_ns[VMGUEST_STAGE_BLOCKED]);
}

TEST_F(blocker, an_unknown_kind_closes_the_channel)
{
	struct vmguest_vm_get vm;

	ASK_AND_ACCEPT();
	BLOCK(VMGUEST_BLOCKER_STOP_JOB + 1, "x", "y");
	EXPECT_EQ(-1, sim_receive(&self->sim, VMG_PATIENCE_MS));
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(1, vm.malformed);
	EXPECT_EQ(0, vmg_task(self->task).blockers);
}

TEST_F(blocker, bad_calls)
{
	struct {
		struct vmguest_task_blocker blocker;
		uint32_t more[2];
	} arg = { };

	ASK_AND_ACCEPT();
	BLOCK(VMGUEST_BLOCKER_INHIBITOR, "apt", "upgrade");
	EXPECT_COUNT(1);
	arg.blocker.size = sizeof(arg.blocker) - 1;
	EXPECT_EQ(-EINVAL, vmg_call(self->task, VMGUEST_TASK_BLOCKER, &arg));
	arg.blocker.size = 4097;
	EXPECT_EQ(-E2BIG, vmg_call(self->task, VMGUEST_TASK_BLOCKER, &arg));
	arg.blocker.size = sizeof(arg);
	arg.more[1] = 1;
	EXPECT_EQ(-E2BIG, vmg_call(self->task, VMGUEST_TASK_BLOCKER, &arg));
	arg.more[1] = 0;
	arg.blocker.flags = 1;
	EXPECT_EQ(-EINVAL, vmg_call(self->task, VMGUEST_TASK_BLOCKER, &arg));
	arg.blocker.flags = 0;
	EXPECT_EQ(-EFAULT, vmg_call(self->task, VMGUEST_TASK_BLOCKER, NULL));
	EXPECT_EQ(-ENOTTY, vmg_call(self->fd, VMGUEST_TASK_BLOCKER, &arg));
	EXPECT_EQ(0, vmg_call(self->task, VMGUEST_TASK_BLOCKER, &arg));
	EXPECT_STREQ("apt", arg.blocker.who);
}

TEST_HARNESS_MAIN
