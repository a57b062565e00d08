// SPDX-License-Identifier: GPL-2.0-only
/*
 * Groups: one record for each member whatever becomes of it, never more at once
 * than asked for, one order after the other, and what closing leaves behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "task_fixture.h"

/* VMs without an agent: what is queued to them runs until somebody ends it. */
#define QUIET		4

/* A deadline that is waited for. */
#define SHORT_MS	300

#define NOBODY		65534

#define RECORD_SIZE	((ssize_t)sizeof(struct vmguest_group_record))

FIXTURE(group) {
	int fd;
	uint64_t vm;
	struct vmg_vmm vmm;
	struct sim sim;
	int task;
	uint64_t id;
	int group;
	uint64_t quiet[QUIET];
	struct vmg_vmm quiet_vmm[QUIET];
};

FIXTURE_SETUP(group)
{
	char name[16];
	int i;

	self->task = -1;
	self->group = -1;
	self->sim.fd = -1;
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	vmg_unregister_all(self->fd);
	ASSERT_EQ(0, vmg_vmm_start(&self->vmm));
	ASSERT_EQ(0, vmg_register(self->fd, "sim", VMG_CID, self->vmm.pidfd,
				  &self->vm));
	for (i = 0; i < QUIET; i++) {
		snprintf(name, sizeof(name), "quiet%d", i);
		ASSERT_EQ(0, vmg_vmm_start(&self->quiet_vmm[i]));
		ASSERT_EQ(0, vmg_register(self->fd, name, VMG_ABSENT_CID + i,
					  self->quiet_vmm[i].pidfd,
					  &self->quiet[i]));
	}
}

FIXTURE_TEARDOWN(group)
{
	int i;

	if (self->task >= 0)
		close(self->task);
	if (self->group >= 0)
		close(self->group);
	sim_close(&self->sim);
	vmg_unregister_all(self->fd);
	vmg_vmm_kill(&self->vmm);
	for (i = 0; i < QUIET; i++)
		vmg_vmm_kill(&self->quiet_vmm[i]);
	close(self->fd);
}

#define PING()	vmg_member(self->vm, VMGUEST_VERB_PING)

/* Runs until somebody ends it. */
#define QUEUED(i) ({							\
	struct vmguest_group_member queued_ =				\
		vmg_member(self->quiet[i], VMGUEST_VERB_SHUTDOWN);	\
									\
	queued_.flags = VMGUEST_REQ_QUEUE;				\
	queued_;							\
})

#define START(members, parallel) do {					\
	self->group = vmg_group(self->fd, members,			\
				sizeof(members) / sizeof(*(members)),	\
				parallel);				\
	ASSERT_LE(0, self->group);					\
} while (0)

static int read_record(int fd, struct vmguest_group_record *record)
{
	ssize_t got = read(fd, record, sizeof(*record));

	return got < 0 ? -errno : got;
}

#define READ(record) \
	ASSERT_EQ(RECORD_SIZE, read_record(self->group, record))

/* The next record is of member @at, which did not start. */
#define EXPECT_REFUSED(at, error_, other) do {				\
	struct vmguest_group_record refused;				\
									\
	READ(&refused);							\
	EXPECT_EQ(at, refused.index);					\
	EXPECT_EQ(error_, refused.error);				\
	EXPECT_EQ(0, refused.record_flags);				\
	EXPECT_EQ(0, refused.task_flags);				\
	EXPECT_EQ(other, refused.task_id);				\
	EXPECT_EQ(0, refused.start_ns);					\
	EXPECT_NE(0, refused.end_ns);					\
} while (0)

/* The next record is of member @at, whose task ended so. */
#define EXPECT_RECORD(at, result_, error_) do {				\
	struct vmguest_group_record of_task;				\
									\
	READ(&of_task);							\
	EXPECT_EQ(at, of_task.index);					\
	EXPECT_EQ(result_, of_task.result);				\
	EXPECT_EQ(error_, of_task.error);				\
	EXPECT_TRUE(of_task.record_flags & VMGUEST_RECORD_STARTED);	\
	EXPECT_TRUE(of_task.task_flags & VMGUEST_TASK_COMPLETE);	\
	EXPECT_NE(0, of_task.task_id);					\
	EXPECT_NE(0, of_task.start_ns);					\
	EXPECT_LE(of_task.start_ns, of_task.end_ns);			\
} while (0)

#define EXPECT_OVER() do {						\
	struct vmguest_group_record none_;				\
									\
	EXPECT_EQ(POLLHUP, vmg_poll(self->group, POLLIN, 0));		\
	EXPECT_EQ(0, read_record(self->group, &none_));			\
} while (0)

/* The agent hears a PING, and the next one for each time more. */
static bool hears_pings(struct sim *sim, int count, uint64_t *ids)
{
	int i;

	for (i = 0; i < count; i++) {
		if (!sim_expect(sim, VMGUEST_WIRE_PING))
			return false;
		ids[i] = sim->frame.task_id;
	}
	return true;
}

/* It has been sent nothing else: a PING of now is the next thing it hears. */
static bool hears_no_more(int fd, uint64_t vm, struct sim *sim)
{
	struct vmguest_request ping = vmg_request(vm);
	int task = vmg_ask(fd, VMGUEST_PING, &ping);
	bool silent = task >= 0 && sim_expect(sim, VMGUEST_WIRE_PING) &&
		      sim->frame.task_id == ping.task_id &&
		      !sim_send(sim, VMGUEST_WIRE_PONG, ping.task_id) &&
		      vmg_wait(task).result == VMGUEST_RESULT_SUCCESS;

	close(task);
	return silent;
}

#define HEARS(count, ids) ASSERT_TRUE(hears_pings(&self->sim, count, ids))
#define HEARS_NO_MORE() \
	ASSERT_TRUE(hears_no_more(self->fd, self->vm, &self->sim))
#define ANSWER(id) ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_PONG, id))

static uint64_t running_task(int fd, uint64_t vm_id)
{
	struct vmguest_vm_get vm;

	return vmg_get(fd, vm_id, &vm) ? 0 : vm.task_id;
}

#define RUNNING(i)	running_task(self->fd, self->quiet[i])

static bool cancel(int fd, uint64_t vm_id)
{
	int task = vmg_task_open(fd, running_task(fd, vm_id));
	bool cancelled = task >= 0 && !vmg_task_cancel(task);

	close(task);
	return cancelled;
}

#define CANCEL(i) ASSERT_TRUE(cancel(self->fd, self->quiet[i]))

TEST_F(group, each_member_has_one_record_when_it_ends)
{
	struct vmguest_group_member members[] = { PING(), PING(), PING() };
	struct vmguest_group_record record;
	uint64_t ids[3];
	int i;

	CONNECT();
	START(members, 0);
	HEARS(3, ids);
	for (i = 2; i >= 0; i--) {
		EXPECT_EQ(0, vmg_poll(self->group, POLLIN, 0));
		ANSWER(ids[i]);
		EXPECT_EQ(POLLIN, vmg_poll(self->group, POLLIN,
					   VMG_PATIENCE_MS));
		READ(&record);
		EXPECT_EQ(i, record.index);
		EXPECT_EQ(ids[i], record.task_id);
		EXPECT_EQ(self->vm, record.vm_id);
		EXPECT_EQ(VMGUEST_VERB_PING, record.verb);
		EXPECT_EQ(VMGUEST_RECORD_STARTED, record.record_flags);
		EXPECT_EQ(VMGUEST_TASK_COMPLETE, record.task_flags);
		EXPECT_EQ(VMGUEST_RESULT_SUCCESS, record.result);
		EXPECT_EQ(0, record.error);
		EXPECT_EQ(VMGUEST_PROOF_PONG, record.proofs);
		EXPECT_EQ(VMGUEST_STAGE_SENT, record.stage);
		EXPECT_LT(record.start_ns, record.end_ns);
		EXPECT_EQ(0, record.superseded_by);
	}
	EXPECT_OVER();
}

TEST_F(group, a_shutdown_tells_its_proofs)
{
	struct vmguest_group_member members[] = {
		vmg_member(self->vm, VMGUEST_VERB_SHUTDOWN) };
	struct vmguest_group_record record;
	int task;

	CONNECT();
	START(members, 0);
	ASSERT_TRUE(sim_accept(&self->sim, &self->id));
	COMMIT();
	sim_send_last_breath(&self->sim, self->id, VMGUEST_END_POWEROFF);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_LAST_BREATH_ACK));
	sim_close(&self->sim);
	task = vmg_task_open(self->fd, self->id);
	ASSERT_LE(0, task);
	EXPECT_EQ(VMGUEST_STAGE_CHANNEL_DOWN,
		  vmg_wait_stage(task, VMGUEST_STAGE_CHANNEL_DOWN).stage);
	close(task);
	vmg_vmm_kill(&self->vmm);
	READ(&record);
	EXPECT_EQ(self->id, record.task_id);
	EXPECT_EQ(VMGUEST_RESULT_SUCCESS, record.result);
	EXPECT_EQ(VMGUEST_PROOF_ACCEPTED | VMGUEST_PROOF_COMMITTED |
		  VMGUEST_PROOF_LAST_BREATH | VMGUEST_PROOF_CHANNEL_DOWN |
		  VMGUEST_PROOF_VM_GONE, record.proofs);
	EXPECT_EQ(VMGUEST_STAGE_VM_GONE, record.stage);
	EXPECT_EQ(VMGUEST_UNTIL_GONE, record.until);
	EXPECT_OVER();
}

TEST_F(group, a_logoff_counts_sessions)
{
	struct vmguest_group_member members[] = {
		vmg_member(self->vm, VMGUEST_VERB_LOGOFF) };
	struct vmguest_group_record record;

	CONNECT();
	START(members, 0);
	ASSERT_TRUE(sim_accept(&self->sim, &self->id));
	COMMIT();
	sim_send_result(&self->sim, self->id, VMGUEST_WIRE_FAILED, 5, 2, "");
	READ(&record);
	EXPECT_EQ(-EIO, record.error);
	EXPECT_EQ(5, record.targeted);
	EXPECT_EQ(3, record.ended);
	EXPECT_EQ(2, record.left);
}

/* What the group says of a request, the guest and its task are told. */
TEST_F(group, all_of_a_member_arrives)
{
	struct vmguest_group_member members[] = {
		vmg_member(self->vm, VMGUEST_VERB_LOGOFF) };
	struct vmguest_group_start start = {
		.size = sizeof(start),
		.members = (uintptr_t)members,
		.count = 1,
		.member_size = sizeof(members[0]),
		.record_size = RECORD_SIZE,
		.reason = REASON,
	};
	const struct vmguest_frame *frame = &self->sim.frame;
	struct vmguest_task_get task;

	members[0].flags = VMGUEST_REQ_FORCE;
	members[0].until = VMGUEST_UNTIL_ACCEPTED;
	members[0].deadline_ms = 12345;
	members[0].delay_ms = 1000;
	members[0].grace_ms = 2000;
	members[0].scope = VMGUEST_SCOPE_UID;
	members[0].scope_uid = 77;
	CONNECT();
	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_GROUP_START, &start));
	self->group = start.group_fd;
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->group, F_GETFD));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_REQUEST));
	EXPECT_EQ(VMGUEST_VERB_LOGOFF, frame->request.verb);
	EXPECT_EQ(VMGUEST_WIRE_REQ_FORCE, frame->request.flags);
	EXPECT_EQ(VMGUEST_SCOPE_UID, frame->request.scope);
	EXPECT_EQ(77, frame->request.uid);
	EXPECT_EQ(2000, frame->request.grace_ms);
	EXPECT_GE(1000, frame->request.delay_ms);
	EXPECT_EQ(strlen(REASON), frame->text[VMGUEST_REQUEST_REASON].len);
	self->task = vmg_task_open(self->fd, frame->task_id);
	ASSERT_LE(0, self->task);
	task = vmg_task(self->task);
	EXPECT_EQ(VMGUEST_UNTIL_ACCEPTED, task.until);
	EXPECT_EQ(12345, task.deadline_ms);
	EXPECT_EQ(getpid(), task.starter.pid);
	EXPECT_STREQ(REASON, task.reason);
	sim_send(&self->sim, VMGUEST_WIRE_ACCEPTED, frame->task_id);
	EXPECT_RECORD(0, VMGUEST_RESULT_SUCCESS, 0);
}

TEST_F(group, a_vm_can_be_named_in_three_ways)
{
	struct vmguest_group_member members[] = { PING(), PING(), PING() };
	struct vmguest_group_record record;
	uint64_t ids[3];
	int i;

	members[1].vm_id = 0;
	members[1].cid = VMG_CID;
	members[2].vm_id = 0;
	strcpy(members[2].name, "sim");
	CONNECT();
	START(members, 0);
	HEARS(3, ids);
	for (i = 0; i < 3; i++) {
		ANSWER(ids[i]);
		READ(&record);
		EXPECT_EQ(self->vm, record.vm_id);
	}
}

/*
 * Never more at once, and no fewer.
 */
TEST_F(group, the_window_is_kept)
{
	struct vmguest_group_member members[8];
	uint64_t ids[8];
	int i;

	for (i = 0; i < 8; i++)
		members[i] = PING();
	CONNECT();
	START(members, 3);
	HEARS(3, ids);
	for (i = 0; i < 8; i++) {
		HEARS_NO_MORE();
		ANSWER(ids[i]);
		if (i + 3 < 8)
			HEARS(1, &ids[i + 3]);
		EXPECT_RECORD(i, VMGUEST_RESULT_SUCCESS, 0);
	}
	EXPECT_OVER();
}

/* Whoever cannot start takes no place in the window. */
TEST_F(group, the_window_is_for_those_that_run)
{
	struct vmguest_group_member members[] = {
		PING(), PING(), PING(), PING() };
	uint64_t ids[2];

	members[0].vm_id = 4711;
	members[2].vm_id = self->quiet[0];
	CONNECT();
	START(members, 1);
	HEARS(1, &ids[0]);
	HEARS_NO_MORE();
	EXPECT_REFUSED(0, -ENOENT, 0);
	ANSWER(ids[0]);
	EXPECT_RECORD(1, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_REFUSED(2, -EHOSTDOWN, 0);
	HEARS(1, &ids[1]);
	ANSWER(ids[1]);
	EXPECT_RECORD(3, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_OVER();
}

TEST_F(group, one_order_after_the_other)
{
	struct vmguest_group_member members[] = {
		PING(), PING(), PING(), PING() };
	uint64_t ids[3];

	/* The lowest last: 3, then 1 and 2, then 0. */
	members[0].order = UINT32_MAX;
	members[1].order = 5;
	members[2].order = 5;
	members[3].order = 0;
	CONNECT();
	START(members, 0);
	HEARS(1, ids);
	HEARS_NO_MORE();
	ANSWER(ids[0]);
	EXPECT_RECORD(3, VMGUEST_RESULT_SUCCESS, 0);
	HEARS(2, ids);
	HEARS_NO_MORE();
	ANSWER(ids[0]);
	EXPECT_RECORD(1, VMGUEST_RESULT_SUCCESS, 0);
	HEARS_NO_MORE();
	ANSWER(ids[1]);
	EXPECT_RECORD(2, VMGUEST_RESULT_SUCCESS, 0);
	HEARS(1, ids);
	ANSWER(ids[0]);
	EXPECT_RECORD(0, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_OVER();
}

TEST_F(group, a_deadline_lets_the_next_order_start)
{
	struct vmguest_group_member members[] = { QUEUED(0), PING() };
	uint64_t id;

	members[0].deadline_ms = SHORT_MS;
	members[1].order = 1;
	CONNECT();
	START(members, 0);
	HEARS_NO_MORE();
	HEARS(1, &id);
	EXPECT_RECORD(0, VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
	ANSWER(id);
	EXPECT_RECORD(1, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_OVER();
}

TEST_F(group, a_deadline_counts_from_the_start_of_its_member)
{
	struct vmguest_group_member members[] = { QUEUED(0), QUEUED(1) };
	struct vmguest_group_record first, second;

	members[0].deadline_ms = SHORT_MS;
	members[1].deadline_ms = SHORT_MS;
	members[1].order = 1;
	START(members, 0);
	READ(&first);
	READ(&second);
	EXPECT_EQ(1, second.index);
	EXPECT_LE(first.end_ns, second.start_ns);
	EXPECT_LE(SHORT_MS * 1000000ULL, second.end_ns - second.start_ns);
	EXPECT_EQ(-ETIMEDOUT, second.error);
	EXPECT_OVER();
}

/*
 * Joining.
 */
#define ASK_QUIET(i, flags_) do {					\
	struct vmguest_request quiet_ = vmg_request(self->quiet[i]);	\
									\
	quiet_.flags = VMGUEST_REQ_QUEUE | (flags_);			\
	if ((flags_) & VMGUEST_REQ_NO_DEADLINE)				\
		quiet_.deadline_ms = 0;					\
	ASK(VMGUEST_SHUTDOWN, &quiet_);					\
} while (0)

TEST_F(group, a_member_joins)
{
	struct vmguest_group_member members[] = { QUEUED(0) };
	struct vmguest_group_record record;
	struct vmguest_task_get task;

	members[0].flags |= VMGUEST_REQ_JOIN;
	ASK_QUIET(0, 0);
	START(members, 0);
	task = vmg_task(self->task);
	EXPECT_EQ(1, task.joiners);
	EXPECT_EQ(getpid(), task.joiner[0].pid);
	EXPECT_EQ(0, vmg_poll(self->group, POLLIN, 0));
	ASSERT_EQ(0, vmg_task_cancel(self->task));
	READ(&record);
	EXPECT_EQ(self->id, record.task_id);
	EXPECT_EQ(VMGUEST_RECORD_STARTED | VMGUEST_RECORD_JOINED,
		  record.record_flags);
	EXPECT_EQ(VMGUEST_RESULT_CANCELLED, record.result);
	EXPECT_EQ(-ECANCELED, record.error);
	/* Since it joined, not since the task began. */
	EXPECT_LT(task.start_ns, record.start_ns);
	EXPECT_OVER();
}

TEST_F(group, members_join_one_another)
{
	struct vmguest_group_member members[] = { QUEUED(0), QUEUED(0) };
	struct vmguest_group_record records[2];

	members[0].flags |= VMGUEST_REQ_JOIN;
	members[1].flags |= VMGUEST_REQ_JOIN;
	START(members, 0);
	CANCEL(0);
	ASSERT_EQ(2 * RECORD_SIZE, read(self->group, records, sizeof(records)));
	EXPECT_EQ(records[0].task_id, records[1].task_id);
	EXPECT_OVER();
}

/* The task goes on; its group neither waits for it nor has it end. */
TEST_F(group, who_joined_is_given_up_at_its_own_deadline)
{
	struct vmguest_group_member members[] = {
		QUEUED(0), QUEUED(1), PING() };
	struct vmguest_group_record record;
	uint64_t id;

	members[0].flags |= VMGUEST_REQ_JOIN | VMGUEST_REQ_CANCEL_ON_CLOSE;
	members[0].deadline_ms = SHORT_MS;
	members[1].deadline_ms = 2 * SHORT_MS;
	members[2].order = 1;
	CONNECT();
	ASK_QUIET(0, VMGUEST_REQ_NO_DEADLINE);
	START(members, 0);
	READ(&record);
	EXPECT_EQ(0, record.index);
	EXPECT_EQ(self->id, record.task_id);
	EXPECT_EQ(VMGUEST_RESULT_TIMEOUT, record.result);
	EXPECT_EQ(-ETIMEDOUT, record.error);
	EXPECT_FALSE(record.task_flags & VMGUEST_TASK_COMPLETE);
	EXPECT_EQ(VMGUEST_RECORD_STARTED | VMGUEST_RECORD_JOINED,
		  record.record_flags);
	EXPECT_LE(SHORT_MS * 1000000ULL, record.end_ns - record.start_ns);
	EXPECT_RECORD(1, VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
	HEARS(1, &id);
	ANSWER(id);
	EXPECT_RECORD(2, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_OVER();
	EXPECT_EQ(self->id, RUNNING(0));
	/* It still counts as one of those who can cancel. */
	close(self->group);
	self->group = -1;
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_CANCELLED,
		     -ECANCELED);
}

/* One that was given up and not read ends with its task after all. */
TEST_F(group, who_was_given_up_is_told_the_newest)
{
	struct vmguest_group_member members[] = { QUEUED(0) };

	members[0].flags |= VMGUEST_REQ_JOIN;
	members[0].deadline_ms = SHORT_MS;
	ASK_QUIET(0, 0);
	START(members, 0);
	ASSERT_EQ(POLLIN, vmg_poll(self->group, POLLIN, VMG_PATIENCE_MS));
	ASSERT_EQ(0, vmg_task_cancel(self->task));
	EXPECT_RECORD(0, VMGUEST_RESULT_CANCELLED, -ECANCELED);
	EXPECT_OVER();
}

/* A deadline that comes before those of members which joined earlier. */
TEST_F(group, each_who_joined_has_its_own_deadline)
{
	struct vmguest_group_member members[] = {
		QUEUED(0), QUEUED(0), QUEUED(0) };
	struct vmguest_group_record record;
	int i;

	for (i = 0; i < 3; i++)
		members[i].flags |= VMGUEST_REQ_JOIN;
	members[1].deadline_ms = VMG_PATIENCE_MS / 2;
	members[2].deadline_ms = SHORT_MS;
	ASK_QUIET(0, 0);
	START(members, 0);
	READ(&record);
	EXPECT_EQ(2, record.index);
	EXPECT_EQ(-ETIMEDOUT, record.error);
	EXPECT_GT(VMG_PATIENCE_MS / 2 * 1000000ULL,
		  record.end_ns - record.start_ns);
	EXPECT_EQ(0, vmg_poll(self->group, POLLIN, 0));
	ASSERT_EQ(0, vmg_task_cancel(self->task));
	for (i = 0; i < 2; i++) {
		READ(&record);
		EXPECT_EQ(-ECANCELED, record.error);
	}
	EXPECT_OVER();
}

/*
 * Errors of one member are its own.
 */
TEST_F(group, each_error_is_its_members_own)
{
	struct vmguest_group_member members[] = {
		PING(), QUEUED(0), PING(), QUEUED(1), PING(), PING(), PING(),
	};
	struct vmguest_vm_set set = {
		.size = sizeof(set), .vm_id = self->quiet[3],
		.what = VMGUEST_SET_PAUSED, .vm_flags = VMGUEST_VM_PAUSED,
	};
	uint64_t id, busy;
	int task;

	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_VM_SET, &set));
	ASSERT_EQ(0, sim_dial(&self->sim, 0));
	ASSERT_EQ(0, sim_hello(&self->sim, BOOT, 0, VMGUEST_ROLE_AGENT));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_WELCOME));
	ASK_QUIET(0, 0);
	busy = self->id;
	task = self->task;
	ASK_QUIET(1, 0);
	close(task);
	members[0].vm_id = 4711;
	members[3].verb = VMGUEST_VERB_LOGOFF;
	members[4].vm_id = self->quiet[2];
	members[5].verb = VMGUEST_VERB_RESTART;
	members[6].vm_id = self->quiet[3];
	START(members, 0);
	HEARS(1, &id);
	HEARS_NO_MORE();
	EXPECT_REFUSED(0, -ENOENT, 0);
	EXPECT_REFUSED(1, -EINPROGRESS, busy);
	EXPECT_REFUSED(3, -EBUSY, self->id);
	EXPECT_REFUSED(4, -EHOSTDOWN, 0);
	EXPECT_REFUSED(5, -EOPNOTSUPP, 0);
	EXPECT_REFUSED(6, -EAGAIN, 0);
	EXPECT_EQ(0, vmg_poll(self->group, POLLIN, 0));
	ANSWER(id);
	EXPECT_RECORD(2, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_OVER();
}

TEST_F(group, without_an_agent)
{
	struct vmguest_group_member members[] = { PING() };

	START(members, 0);
	EXPECT_REFUSED(0, -ENOTCONN, 0);
	EXPECT_OVER();
}

TEST_F(group, a_stronger_request_takes_over)
{
	struct vmguest_group_member members[] = { QUEUED(0) };
	struct vmguest_group_record record;

	START(members, 0);
	ASK_QUIET(0, VMGUEST_REQ_FORCE);
	READ(&record);
	EXPECT_EQ(VMGUEST_RESULT_CANCELLED, record.result);
	EXPECT_EQ(-ECANCELED, record.error);
	EXPECT_EQ(self->id, record.superseded_by);
	EXPECT_OVER();
}

TEST_F(group, a_vm_is_unregistered)
{
	struct vmguest_group_member members[] = {
		QUEUED(0), QUEUED(1), QUEUED(0) };
	struct vmguest_group_record record;

	members[1].order = 1;
	members[2].order = 1;
	START(members, 0);
	ASSERT_EQ(0, vmg_unregister(self->fd, self->quiet[0]));
	READ(&record);
	EXPECT_EQ(0, record.index);
	EXPECT_EQ(self->quiet[0], record.vm_id);
	EXPECT_EQ(VMGUEST_RESULT_CANCELLED, record.result);
	EXPECT_TRUE(record.task_flags & VMGUEST_TASK_VM_UNREGISTERED);
	EXPECT_REFUSED(2, -ENOENT, 0);
	CANCEL(1);
	EXPECT_RECORD(1, VMGUEST_RESULT_CANCELLED, -ECANCELED);
	EXPECT_OVER();
}

TEST_F(group, a_vm_is_gone)
{
	struct vmguest_group_member members[] = { QUEUED(0), QUEUED(0) };

	members[1].order = 1;
	START(members, 0);
	vmg_vmm_kill(&self->quiet_vmm[0]);
	EXPECT_RECORD(0, VMGUEST_RESULT_UNEXPECTED_ERROR, -ECONNABORTED);
	EXPECT_REFUSED(1, -EHOSTDOWN, 0);
	EXPECT_OVER();
}

/*
 * Permission: that of the caller, and of the time of the call.
 */
struct visit {
	int fd;
	uint64_t vm;
	int to_parent[2];
	int to_child[2];
};

static int set_access(int fd, uint64_t vm, uid_t uid, uint32_t mode)
{
	struct vmguest_vm_set set = {
		.size = sizeof(set), .vm_id = vm,
		.what = VMGUEST_SET_OWNER | VMGUEST_SET_MODE,
		.uid = uid, .gid = uid, .mode = mode,
	};

	return vmg_call(fd, VMGUEST_VM_SET, &set);
}

static bool is_refused(void *data)
{
	struct visit *visit = data;
	struct vmguest_group_member members[] = {
		vmg_member(visit->vm, VMGUEST_VERB_PING),
		vmg_member(4711, VMGUEST_VERB_PING),
	};
	int group = vmg_group(visit->fd, members, 2, 0);
	struct vmguest_group_record records[2];

	return read(group, records, sizeof(records)) == 2 * RECORD_SIZE &&
	       records[0].error == -EACCES && records[1].error == -EACCES &&
	       !records[0].vm_id && !records[0].record_flags;
}

TEST_F(group, a_stranger_may_not)
{
	struct visit visit = { .fd = self->fd, .vm = self->vm };

	CONNECT();
	ASSERT_EQ(0, set_access(self->fd, self->vm, 0, 0754));
	EXPECT_TRUE(vmg_as_user(NOBODY, NOBODY, is_refused, &visit));
	HEARS_NO_MORE();
}

static bool starts_later(void *data)
{
	struct visit *visit = data;
	struct vmguest_group_member members[] = {
		vmg_member(visit->vm, VMGUEST_VERB_PING),
		vmg_member(visit->vm, VMGUEST_VERB_PING),
	};
	int group = vmg_group(visit->fd, members, 2, 1);
	struct vmguest_group_record records[2];
	char go;

	return write(visit->to_parent[1], "", 1) == 1 &&
	       read(visit->to_child[0], &go, 1) == 1 &&
	       vmg_group(visit->fd, members, 2, 1) >= 0 &&
	       read_record(group, &records[0]) == RECORD_SIZE &&
	       read_record(group, &records[1]) == RECORD_SIZE &&
	       !records[0].error && !records[1].error &&
	       records[1].result == VMGUEST_RESULT_SUCCESS;
}

/* Whoever might when the call was made may, though not any more. */
TEST_F(group, what_starts_later_was_allowed_at_the_call)
{
	struct visit visit = { .fd = self->fd, .vm = self->vm };
	uint64_t ids[2];
	char done;
	int status;
	pid_t pid;

	CONNECT();
	ASSERT_EQ(0, set_access(self->fd, self->vm, NOBODY, 0100));
	ASSERT_EQ(0, pipe(visit.to_parent));
	ASSERT_EQ(0, pipe(visit.to_child));
	pid = fork();
	if (!pid)
		_exit(!vmg_as_user(NOBODY, NOBODY, starts_later, &visit));
	ASSERT_EQ(1, read(visit.to_parent[0], &done, 1));
	ASSERT_EQ(0, set_access(self->fd, self->vm, 0, 0));
	ASSERT_EQ(1, write(visit.to_child[1], "", 1));
	HEARS(1, ids);
	ANSWER(ids[0]);
	HEARS(1, &ids[1]);
	ANSWER(ids[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/*
 * Closing.
 */
TEST_F(group, closing_drops_what_has_not_started)
{
	struct vmguest_group_member members[] = {
		QUEUED(0), QUEUED(1), QUEUED(2) };

	members[2].order = 1;
	START(members, 1);
	self->id = RUNNING(0);
	EXPECT_NE(0, self->id);
	close(self->group);
	self->group = -1;
	EXPECT_EQ(self->id, RUNNING(0));
	CANCEL(0);
	EXPECT_EQ(0, RUNNING(1));
	EXPECT_EQ(0, RUNNING(2));
}

TEST_F(group, closing_cancels_on_demand)
{
	struct vmguest_group_member members[] = {
		QUEUED(0), QUEUED(1), QUEUED(2) };

	members[0].flags |= VMGUEST_REQ_CANCEL_ON_CLOSE;
	members[2].flags |= VMGUEST_REQ_CANCEL_ON_CLOSE;
	START(members, 2);
	self->task = vmg_task_open(self->fd, RUNNING(0));
	ASSERT_LE(0, self->task);
	close(self->group);
	self->group = -1;
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_CANCELLED,
		     -ECANCELED);
	EXPECT_NE(0, RUNNING(1));
	EXPECT_EQ(0, RUNNING(2));
}

/* The group is one of those, not the last. */
TEST_F(group, closing_cancels_when_nobody_else_would)
{
	struct vmguest_group_member members[] = { QUEUED(0) };

	members[0].flags |= VMGUEST_REQ_CANCEL_ON_CLOSE;
	START(members, 0);
	ASK_QUIET(0, VMGUEST_REQ_CANCEL_ON_CLOSE | VMGUEST_REQ_JOIN);
	close(self->group);
	self->group = -1;
	EXPECT_EQ(self->id, RUNNING(0));
	close(self->task);
	self->task = -1;
	EXPECT_EQ(0, RUNNING(0));
}

TEST_F(group, it_holds_the_module)
{
	struct vmguest_group_member members[] = { PING() };
	int refs = vmg_module_refs();

	START(members, 0);
	EXPECT_EQ(refs + 1, vmg_module_refs());
	close(self->group);
	self->group = -1;
	EXPECT_EQ(refs, vmg_module_refs());
}

struct killer {
	struct vmg_vmm *vmm;
	pthread_barrier_t *barrier;
};

static void *kill_all(void *data)
{
	struct killer *killer = data;
	int i;

	pthread_barrier_wait(killer->barrier);
	for (i = 0; i < QUIET; i++)
		vmg_vmm_kill(&killer->vmm[i]);
	return NULL;
}

/* Members end, others start, and the fd is closed meanwhile. */
TEST_F_TIMEOUT(group, closing_while_members_end, 120)
{
	struct killer killer = { .vmm = self->quiet_vmm };
	struct vmguest_group_member members[4 * QUIET];
	struct vmguest_group_record record;
	pthread_barrier_t barrier;
	pthread_t thread;
	char name[16];
	int round, i;

	ASSERT_EQ(0, pthread_barrier_init(&barrier, NULL, 2));
	killer.barrier = &barrier;
	for (round = 0; round < 20; round++) {
		for (i = 0; i < 4 * QUIET; i++) {
			members[i] = QUEUED(i % QUIET);
			members[i].flags |= VMGUEST_REQ_JOIN;
			members[i].deadline_ms = round % 4 ? 2 : 1000;
		}
		START(members, round % 5 * QUIET);
		ASSERT_EQ(0, pthread_create(&thread, NULL, kill_all, &killer));
		pthread_barrier_wait(&barrier);
		for (i = 0; i < round % 3; i++)
			READ(&record);
		close(self->group);
		pthread_join(thread, NULL);
		for (i = 0; i < QUIET; i++) {
			snprintf(name, sizeof(name), "quiet%d", i);
			ASSERT_TRUE(vmg_wait_state(self->fd, self->quiet[i],
						   VMGUEST_VM_GONE));
			ASSERT_EQ(0, vmg_vmm_start(&self->quiet_vmm[i]));
			ASSERT_EQ(0, vmg_register(self->fd, name,
						  VMG_ABSENT_CID + i,
						  self->quiet_vmm[i].pidfd,
						  &self->quiet[i]));
		}
	}
	self->group = -1;
	pthread_barrier_destroy(&barrier);
}

/*
 * Reading and polling.
 */
TEST_F(group, a_short_buffer_is_einval)
{
	struct vmguest_group_member members[] = { PING() };
	struct vmguest_group_record record;

	START(members, 0);
	EXPECT_EQ(-1, read(self->group, &record, sizeof(record) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, read(self->group, &record, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_REFUSED(0, -ENOTCONN, 0);
}

/* As many as there are and as fit; what is left over is left alone. */
TEST_F(group, one_read_gives_many)
{
	struct vmguest_group_member members[] = {
		PING(), PING(), PING(), PING(), QUEUED(0) };
	struct vmguest_group_record records[8];

	START(members, 0);
	memset(records, 0x5a, sizeof(records));
	EXPECT_EQ(RECORD_SIZE, read(self->group, records, 2 * RECORD_SIZE - 1));
	EXPECT_EQ(0x5a5a5a5a, records[1].index);
	EXPECT_EQ(3 * RECORD_SIZE, read(self->group, records, sizeof(records)));
	EXPECT_EQ(3, records[2].index);
	EXPECT_EQ(0x5a5a5a5a, records[3].index);
	CANCEL(0);
	EXPECT_EQ(RECORD_SIZE, read(self->group, records, sizeof(records)));
	EXPECT_OVER();
}

TEST_F(group, without_a_record_is_eagain)
{
	struct vmguest_group_member members[] = { QUEUED(0) };
	struct vmguest_group_record record;

	START(members, 0);
	ASSERT_EQ(0, fcntl(self->group, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(-EAGAIN, read_record(self->group, &record));
	EXPECT_EQ(0, vmg_poll(self->group, POLLIN | POLLPRI, 0));
	CANCEL(0);
	EXPECT_EQ(POLLIN, vmg_poll(self->group, POLLIN | POLLPRI, 0));
	READ(&record);
	EXPECT_EQ(POLLHUP, vmg_poll(self->group, POLLIN | POLLPRI, 0));
	EXPECT_EQ(0, read_record(self->group, &record));
}

TEST_F(group, a_failed_copy_keeps_the_record)
{
	struct vmguest_group_member members[] = { PING(), PING() };
	char *memory;

	memory = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, mprotect(memory + 4096, 4096, PROT_NONE));
	START(members, 0);
	EXPECT_EQ(-EFAULT, read_record(self->group, (void *)(memory + 4096)));
	/* The second one does not fit in what can be written. */
	EXPECT_EQ(RECORD_SIZE, read(self->group, memory + 4096 - RECORD_SIZE,
				    2 * RECORD_SIZE));
	EXPECT_REFUSED(1, -ENOTCONN, 0);
	EXPECT_OVER();
	munmap(memory, 2 * 4096);
}

TEST_F(group, a_signal_ends_the_wait)
{
	struct vmguest_group_member members[] = { QUEUED(0) };
	struct vmguest_group_record record;
	pid_t sender;

	START(members, 0);
	sender = vmg_signals_start();
	ASSERT_LT(0, sender);
	EXPECT_EQ(-EINTR, read_record(self->group, &record));
	vmg_signals_stop(sender);
}

#define READERS	4

static void *read_all(void *data)
{
	struct vmguest_group_record record;
	intptr_t count = 0;

	while (read_record(*(int *)data, &record) == RECORD_SIZE)
		count++;
	return (void *)count;
}

/* Each record goes to one of them, and all hear of the end. */
TEST_F(group, many_read)
{
	struct vmguest_group_member members[64];
	pthread_t threads[READERS];
	uint64_t ids[64];
	intptr_t sum = 0;
	void *count;
	int i;

	for (i = 0; i < 64; i++)
		members[i] = PING();
	CONNECT();
	START(members, 8);
	for (i = 0; i < READERS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, read_all,
					    &self->group));
	for (i = 0; i < 64; i++) {
		HEARS(1, &ids[i]);
		ANSWER(ids[i]);
	}
	for (i = 0; i < READERS; i++) {
		pthread_join(threads[i], &count);
		sum += (intptr_t)count;
	}
	EXPECT_EQ(64, sum);
	EXPECT_OVER();
}

TEST_F(group, it_knows_no_call_and_no_write)
{
	struct vmguest_group_member members[] = { QUEUED(0) };
	struct vmguest_task_get task = { .size = sizeof(task) };

	START(members, 0);
	EXPECT_EQ(-ENOTTY, vmg_call(self->group, VMGUEST_TASK_GET, &task));
	EXPECT_EQ(-1, write(self->group, "x", 1));
	EXPECT_EQ(EBADF, errno);
}

TEST_F(group, it_is_no_lifeline)
{
	struct vmguest_group_member members[] = { QUEUED(0) };

	START(members, 0);
	EXPECT_EQ(-ELOOP, vmg_register(self->fd, "loop", 77, self->group,
				       NULL));
}

TEST_F(group, fdinfo_counts)
{
	struct vmguest_group_member members[] = {
		PING(), QUEUED(0), QUEUED(1), QUEUED(2) };
	unsigned int all, waiting, running, unread;
	char path[64], text[256] = "", *counts;
	FILE *file;
	int found;

	START(members, 2);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->group);
	file = fopen(path, "r");
	ASSERT_NE(NULL, file);
	EXPECT_LT(0, fread(text, 1, sizeof(text) - 1, file));
	fclose(file);
	counts = strstr(text, "vmguest-members:");
	ASSERT_NE(NULL, counts);
	found = sscanf(counts, "%*s %u vmguest-waiting: %u %*s %u %*s %u",
		       &all, &waiting, &running, &unread);
	ASSERT_EQ(4, found);
	EXPECT_EQ(4, all);
	EXPECT_EQ(1, waiting);
	EXPECT_EQ(2, running);
	EXPECT_EQ(4, unread);
}

/*
 * As many as may be, all of which fail: each is told.
 */
TEST_F_TIMEOUT(group, as_many_as_may_be, 120)
{
	const uint32_t count = VMGUEST_GROUP_MAX;
	struct vmguest_group_member *members = calloc(count, sizeof(*members));
	struct vmguest_group_record *records = calloc(count, sizeof(*records));
	uint32_t i, got = 0;
	ssize_t n;

	ASSERT_NE(NULL, members);
	ASSERT_NE(NULL, records);
	for (i = 0; i < count; i++) {
		members[i] = vmg_member(i % 2 ? self->vm : 4711,
					VMGUEST_VERB_PING);
		members[i].order = count - i;
	}
	self->group = vmg_group(self->fd, members, count, 7);
	ASSERT_LE(0, self->group);
	while ((n = read(self->group, &records[got],
			 (count - got ?: 1) * sizeof(*records))) > 0)
		got += n / RECORD_SIZE;
	EXPECT_EQ(0, n);
	EXPECT_EQ(count, got);
	/* Those whose VM is not there at once, the others in their order. */
	for (i = 0; i < got; i++) {
		EXPECT_EQ(i < count / 2 ? -ENOENT : -ENOTCONN,
			  records[i].error);
		EXPECT_EQ(count - 1 - (i % (count / 2)) * 2 - (i < count / 2),
			  records[i].index);
		if (!_metadata->passed)
			break;
	}
	free(members);
	free(records);
}

/*
 * What cannot be asked of anybody: the whole call fails, and nobody is asked,
 * though the first member is good.
 */
struct bad_call {
	struct vmguest_group_start start;
	struct {
		struct vmguest_group_member member;
		uint8_t more[2 * 4096];
	} wide[2];
};

FIXTURE(bad) {
	int fd;
	uint64_t vm;
	struct vmg_vmm vmm;
	struct bad_call *call;
};

FIXTURE_VARIANT(bad) {
	void (*spoil)(struct bad_call *call);
	int expect;
};

FIXTURE_SETUP(bad)
{
	int i;

	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	vmg_unregister_all(self->fd);
	ASSERT_EQ(0, vmg_vmm_start(&self->vmm));
	ASSERT_EQ(0, vmg_register(self->fd, "quiet", VMG_ABSENT_CID,
				  self->vmm.pidfd, &self->vm));
	self->call = calloc(1, sizeof(*self->call));
	ASSERT_NE(NULL, self->call);
	self->call->start = (struct vmguest_group_start) {
		.size = sizeof(self->call->start),
		.members = (uintptr_t)self->call->wide,
		.count = 2,
		.member_size = sizeof(self->call->wide[0].member),
		.record_size = RECORD_SIZE,
	};
	for (i = 0; i < 2; i++) {
		self->call->wide[i].member =
			vmg_member(self->vm, VMGUEST_VERB_SHUTDOWN);
		self->call->wide[i].member.flags = VMGUEST_REQ_QUEUE;
	}
	/* They lie as far apart as the size says. */
	((struct vmguest_group_member *)self->call->wide)[1] =
		self->call->wide[0].member;
}

FIXTURE_TEARDOWN(bad)
{
	vmg_unregister_all(self->fd);
	vmg_vmm_kill(&self->vmm);
	free(self->call);
	close(self->fd);
}

#define SECOND(call) (&((struct vmguest_group_member *)(call)->wide)[1])

#define BAD_CALL(name_, expect_, ...)					\
static void spoil_##name_(struct bad_call *call)			\
{									\
	__VA_ARGS__;							\
}									\
FIXTURE_VARIANT_ADD(bad, name_) {					\
	.spoil = spoil_##name_, .expect = expect_,			\
}

#define BAD_MEMBER(name_, ...)						\
	BAD_CALL(name_, -EINVAL, struct vmguest_group_member *m =	\
				 SECOND(call); __VA_ARGS__)

BAD_CALL(flags, -EINVAL, call->start.flags = 1);
BAD_CALL(no_members, -EINVAL, call->start.count = 0);
BAD_CALL(too_many_members, -EINVAL,
	 call->start.count = VMGUEST_GROUP_MAX + 1);
BAD_CALL(fd_is_set, -EINVAL, call->start.group_fd = -1);
BAD_CALL(member_too_short, -EINVAL, call->start.member_size--);
BAD_CALL(member_without_size, -EINVAL, call->start.member_size = 0);
BAD_CALL(member_too_long, -E2BIG, call->start.member_size = 4097);
BAD_CALL(member_with_something, -E2BIG, call->start.member_size += 8);
BAD_CALL(record_too_short, -EINVAL, call->start.record_size--);
BAD_CALL(record_without_size, -EINVAL, call->start.record_size = 0);
BAD_CALL(record_too_long, -E2BIG, call->start.record_size = 4097);
BAD_CALL(reserved_of_the_call, -EINVAL, call->start.reserved = 1);
BAD_CALL(members_nowhere, -EFAULT, call->start.members = 0);
BAD_CALL(members_beyond_memory, -EFAULT, call->start.members = -4096ULL);
BAD_CALL(reason_without_end, -EINVAL,
	 memset(call->start.reason, 'x', sizeof(call->start.reason)));
BAD_CALL(reason_not_clean, -EINVAL, strcpy(call->start.reason, "a\nb"));
BAD_MEMBER(no_vm, m->vm_id = 0);
BAD_MEMBER(two_vms, m->cid = VMG_CID);
BAD_MEMBER(id_and_name, strcpy(m->name, "quiet"));
BAD_MEMBER(name_without_end, m->vm_id = 0;
	   memset(m->name, 'x', sizeof(m->name)));
BAD_MEMBER(bytes_behind_the_name, m->vm_id = 0; strcpy(m->name, "quiet");
	   m->name[100] = 1);
BAD_MEMBER(verb_zero, m->verb = 0);
BAD_MEMBER(verb_unknown, m->verb = VMGUEST_VERB_PING + 1);
BAD_MEMBER(verb_in_high_bits, m->verb |= 0x100);
BAD_MEMBER(flag_unknown, m->flags |= 1U << 31);
BAD_MEMBER(flag_of_another_verb, m->verb = VMGUEST_VERB_PING;
	   m->flags |= VMGUEST_REQ_FORCE);
BAD_MEMBER(until_unknown, m->until = VMGUEST_UNTIL_GONE + 1);
BAD_MEMBER(until_of_another_verb, m->verb = VMGUEST_VERB_RESTART;
	   m->until = VMGUEST_UNTIL_DOWN);
BAD_MEMBER(deadline_and_none, m->flags |= VMGUEST_REQ_NO_DEADLINE);
BAD_MEMBER(force_and_force_after, m->flags |= VMGUEST_REQ_FORCE;
	   m->force_after_ms = 1);
BAD_MEMBER(delay_of_a_ping, m->verb = VMGUEST_VERB_PING; m->delay_ms = 1);
BAD_MEMBER(grace_of_a_shutdown, m->grace_ms = 1);
BAD_MEMBER(scope_unknown, m->verb = VMGUEST_VERB_LOGOFF;
	   m->scope = VMGUEST_SCOPE_ALL_BUT_UID + 1);
BAD_MEMBER(scope_of_a_shutdown, m->scope = VMGUEST_SCOPE_UID);
BAD_MEMBER(uid_without_scope, m->verb = VMGUEST_VERB_LOGOFF;
	   m->scope_uid = 1);
BAD_MEMBER(reserved, m->reserved = 1);

TEST_F(bad, asks_nobody)
{
	struct vmguest_vm_get vm;

	/* What is behind the second one, where the size grows. */
	memset(SECOND(self->call) + 1, 0x11, 64);
	variant->spoil(self->call);
	EXPECT_EQ(variant->expect, vmg_call(self->fd, VMGUEST_GROUP_START,
					    &self->call->start));
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(0, vm.task_id);
	EXPECT_EQ(0, vm.last_task_id);
}

TEST_F(group, a_longer_member_with_zeroes)
{
	struct {
		struct vmguest_group_member member;
		uint64_t later;
	} members[2] = { { PING(), 0 }, { PING(), 0 } };
	struct vmguest_group_start start = {
		.size = sizeof(start),
		.members = (uintptr_t)members,
		.count = 2,
		.member_size = sizeof(members[0]),
		.record_size = RECORD_SIZE,
	};

	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_GROUP_START, &start));
	self->group = start.group_fd;
	EXPECT_REFUSED(0, -ENOTCONN, 0);
	EXPECT_REFUSED(1, -ENOTCONN, 0);
	EXPECT_OVER();
}

/* Of a newer caller: what the kernel does not know is 0. */
TEST_F(group, a_longer_record)
{
	struct vmguest_group_member members[] = { PING(), PING() };
	struct {
		struct vmguest_group_record record;
		uint64_t later;
	} records[3];
	struct vmguest_group_start start = {
		.size = sizeof(start),
		.members = (uintptr_t)members,
		.count = 2,
		.member_size = sizeof(members[0]),
		.record_size = sizeof(records[0]),
	};

	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_GROUP_START, &start));
	self->group = start.group_fd;
	memset(records, 0x55, sizeof(records));
	EXPECT_EQ(-1, read(self->group, records, sizeof(records[0]) - 1));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(2 * sizeof(records[0]),
		  read(self->group, records, sizeof(records)));
	EXPECT_EQ(0, records[0].record.index);
	EXPECT_EQ(0, records[0].later);
	EXPECT_EQ(1, records[1].record.index);
	EXPECT_EQ(-ENOTCONN, records[1].record.error);
	EXPECT_EQ(0, records[1].later);
	EXPECT_EQ(0x5555555555555555, records[2].record.task_id);
	EXPECT_EQ(0, read(self->group, records, sizeof(records)));
}

/* The struct can be read, but not be written. */
TEST_F(group, a_bad_pointer_sends_nothing)
{
	struct vmguest_group_member members[] = { PING(), QUEUED(0) };
	struct vmguest_group_start *start;

	start = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, start);
	*start = (struct vmguest_group_start) {
		.size = sizeof(*start),
		.members = (uintptr_t)members,
		.count = 2,
		.member_size = sizeof(members[0]),
		.record_size = RECORD_SIZE,
	};
	ASSERT_EQ(0, mprotect(start, 4096, PROT_READ));
	CONNECT();
	EXPECT_EQ(-EFAULT, vmg_call(self->fd, VMGUEST_GROUP_START, start));
	HEARS_NO_MORE();
	EXPECT_EQ(0, RUNNING(0));
	munmap(start, 4096);
}

TEST_F(group, without_a_file_descriptor)
{
	struct vmguest_group_member members[] = { QUEUED(0) };
	struct rlimit limit, none;

	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	none = limit;
	none.rlim_cur = 0;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &none));
	self->group = vmg_group(self->fd, members, 1, 0);
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(-EMFILE, self->group);
	EXPECT_EQ(0, RUNNING(0));
}

TEST_HARNESS_MAIN
