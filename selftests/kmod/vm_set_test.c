// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMGUEST_VM_SET: owner, mode, CID, lifeline, and the marks.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "task_fixture.h"

#define FREE_CID	4711
#define OTHER_CID	4712
#define NOBODY		65534

TASK_FIXTURE(vm_set)

static struct vmguest_vm_set change(uint64_t vm_id, uint32_t what)
{
	return (struct vmguest_vm_set) {
		.size = sizeof(struct vmguest_vm_set),
		.vm_id = vm_id,
		.what = what,
	};
}

static int set(int fd, struct vmguest_vm_set *cmd)
{
	return vmg_call(fd, VMGUEST_VM_SET, cmd);
}

static int set_mark(int fd, uint64_t vm_id, uint32_t what, uint32_t flags)
{
	struct vmguest_vm_set cmd = change(vm_id, what);

	cmd.vm_flags = flags;
	return set(fd, &cmd);
}

static int set_cid(int fd, uint64_t vm_id, uint32_t cid)
{
	struct vmguest_vm_set cmd = change(vm_id, VMGUEST_SET_CID);

	cmd.new_cid = cid;
	return set(fd, &cmd);
}

static int set_lifeline(int fd, uint64_t vm_id, int lifeline_fd)
{
	struct vmguest_vm_set cmd = change(vm_id, VMGUEST_SET_LIFELINE);

	cmd.lifeline_fd = lifeline_fd;
	return set(fd, &cmd);
}

static struct vmguest_vm_get get(int fd, uint64_t vm_id)
{
	struct vmguest_vm_get vm = { };

	vmg_get(fd, vm_id, &vm);
	return vm;
}

#define STATE() get(self->fd, self->vm)
#define FLAGS() STATE().vm_flags
#define PAUSE(flags)							\
	ASSERT_EQ(0, set_mark(self->fd, self->vm, VMGUEST_SET_PAUSED, flags))
#define MIGRATE()							\
	ASSERT_EQ(0, set_mark(self->fd, self->vm, VMGUEST_SET_MIGRATING, \
			      VMGUEST_VM_MIGRATING))

TEST_F(vm_set, owner_and_mode)
{
	struct vmguest_vm_set cmd = change(self->vm, VMGUEST_SET_OWNER |
						     VMGUEST_SET_MODE);

	cmd.uid = 1001;
	cmd.gid = 1002;
	cmd.mode = 0510;
	EXPECT_EQ(0, set(self->fd, &cmd));
	EXPECT_EQ(1001, STATE().uid);
	EXPECT_EQ(1002, STATE().gid);
	EXPECT_EQ(0510, STATE().mode);
	cmd = change(self->vm, VMGUEST_SET_MODE);
	cmd.mode = 0777;
	EXPECT_EQ(0, set(self->fd, &cmd));
	EXPECT_EQ(1001, STATE().uid);
	EXPECT_EQ(0777, STATE().mode);
}

TEST_F(vm_set, by_name_and_by_cid)
{
	struct vmguest_vm_set cmd = change(0, VMGUEST_SET_MODE);

	strcpy(cmd.name, "sim");
	cmd.mode = 0100;
	EXPECT_EQ(0, set(self->fd, &cmd));
	EXPECT_EQ(0100, STATE().mode);
	cmd = change(0, VMGUEST_SET_MODE);
	cmd.cid = VMG_CID;
	cmd.mode = 0200;
	EXPECT_EQ(0, set(self->fd, &cmd));
	EXPECT_EQ(0200, STATE().mode);
}

TEST_F(vm_set, a_paused_vm_is_asked_nothing)
{
	struct vmguest_request request = vmg_request(self->vm);

	CONNECT();
	PAUSE(VMGUEST_VM_PAUSED);
	EXPECT_TRUE(FLAGS() & VMGUEST_VM_PAUSED);
	EXPECT_EQ(-EAGAIN, vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request));
	request = vmg_request(self->vm);
	EXPECT_EQ(-EAGAIN, vmg_ask(self->fd, VMGUEST_RESTART, &request));
	request = vmg_request(self->vm);
	EXPECT_EQ(-EAGAIN, vmg_ask(self->fd, VMGUEST_LOGOFF, &request));
	request = vmg_request(self->vm);
	EXPECT_EQ(-EAGAIN, vmg_ask(self->fd, VMGUEST_PING, &request));
	request = vmg_request(self->vm);
	request.flags = VMGUEST_REQ_QUEUE;
	EXPECT_EQ(-EAGAIN, vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request));
	EXPECT_EQ(0, sim_receive(&self->sim, 0));
	PAUSE(0);
	EXPECT_FALSE(FLAGS() & VMGUEST_VM_PAUSED);
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
}

TEST_F(vm_set, pausing_leaves_the_running_task_alone)
{
	struct vmguest_request request = vmg_request(self->vm);
	int joined;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	PAUSE(VMGUEST_VM_PAUSED);
	EXPECT_EQ(-EINPROGRESS, vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request));
	request = vmg_request(self->vm);
	request.flags = VMGUEST_REQ_JOIN;
	joined = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request);
	EXPECT_LE(0, joined);
	close(joined);
	ACCEPT();
	COMMIT();
	request = vmg_request(self->vm);
	request.flags = VMGUEST_REQ_FORCE;
	EXPECT_EQ(-EAGAIN, vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request));
}

TEST_F(vm_set, a_shutdown_that_migrates_is_told_apart)
{
	struct vmguest_task_get info;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	COMMIT();
	MIGRATE();
	EXPECT_TRUE(FLAGS() & VMGUEST_VM_MIGRATING);
	vmg_vmm_kill(&self->vmm);
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_UNEXPECTED_ERROR, -EREMCHG);
	EXPECT_TRUE(info.proofs & VMGUEST_PROOF_VM_GONE);
}

TEST_F(vm_set, a_shutdown_that_was_done_before_is_done)
{
	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	COMMIT();
	MIGRATE();
	ASSERT_EQ(0, sim_send_last_breath(&self->sim, self->id,
					  VMGUEST_END_POWEROFF));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_LAST_BREATH_ACK));
	vmg_vmm_kill(&self->vmm);
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_SUCCESS, 0);
}

/* Without last-breath capability "gone" proves nothing in a migration. */
TEST_F(vm_set, an_agent_without_last_breath_is_not_excused)
{
	ASSERT_EQ(0, sim_dial(&self->sim, 0));
	ASSERT_EQ(0, sim_hello(&self->sim, BOOT,
			       SIM_CAPABILITIES & ~VMGUEST_CAP_LAST_BREATH,
			       VMGUEST_ROLE_AGENT));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_WELCOME));
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	COMMIT();
	MIGRATE();
	vmg_vmm_kill(&self->vmm);
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_UNEXPECTED_ERROR,
		     -EREMCHG);
}

TEST_F(vm_set, a_restart_does_not_wait_for_a_vm_that_migrated)
{
	CONNECT();
	ASK_PLAIN(VMGUEST_RESTART);
	ACCEPT();
	MIGRATE();
	vmg_vmm_kill(&self->vmm);
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_UNEXPECTED_ERROR,
		     -EREMCHG);
}

TEST_F(vm_set, a_ping_and_a_logoff_migrate_too)
{
	struct vmguest_request request = vmg_request(self->vm);
	int ping;

	CONNECT();
	ASK_PLAIN(VMGUEST_LOGOFF);
	ping = vmg_ask(self->fd, VMGUEST_PING, &request);
	ASSERT_LE(0, ping);
	MIGRATE();
	vmg_vmm_kill(&self->vmm);
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_UNEXPECTED_ERROR,
		     -EREMCHG);
	EXPECT_ENDED(vmg_wait(ping), VMGUEST_RESULT_UNEXPECTED_ERROR, -EREMCHG);
	close(ping);
}

TEST_F(vm_set, a_migration_that_was_called_off)
{
	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	MIGRATE();
	ASSERT_EQ(0, set_mark(self->fd, self->vm, VMGUEST_SET_MIGRATING, 0));
	EXPECT_FALSE(FLAGS() & VMGUEST_VM_MIGRATING);
	vmg_vmm_kill(&self->vmm);
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_UNEXPECTED_ERROR,
		     -ECONNABORTED);
}

TEST_F(vm_set, a_new_lifeline_replaces_the_old_one)
{
	const uint64_t one = 1;
	int life = eventfd(0, EFD_CLOEXEC);

	ASSERT_LE(0, life);
	EXPECT_EQ(0, set_lifeline(self->fd, self->vm, life));
	vmg_vmm_kill(&self->vmm);
	EXPECT_EQ(0, vmg_vmm_start(&self->vmm));
	EXPECT_EQ(VMGUEST_VM_RUNNING, STATE().state);
	EXPECT_EQ((ssize_t)sizeof(one), write(life, &one, sizeof(one)));
	EXPECT_TRUE(vmg_wait_state(self->fd, self->vm, VMGUEST_VM_GONE));
	close(life);
}

TEST_F(vm_set, no_lifeline_any_more)
{
	EXPECT_EQ(0, set_lifeline(self->fd, self->vm, -1));
	EXPECT_FALSE(FLAGS() & VMGUEST_VM_LIFELINE);
	vmg_vmm_kill(&self->vmm);
	EXPECT_EQ(0, vmg_vmm_start(&self->vmm));
	EXPECT_EQ(VMGUEST_VM_RUNNING, STATE().state);
	EXPECT_EQ(0, set_lifeline(self->fd, self->vm, self->vmm.pidfd));
	EXPECT_TRUE(FLAGS() & VMGUEST_VM_LIFELINE);
}

/*
 * CID 1 never leaves this host, so only that the task goes on without its
 * lifeline can be seen: the next one ends it.
 */
TEST_F(vm_set, a_task_changes_lifelines)
{
	const uint64_t one = 1;
	int life = eventfd(0, EFD_CLOEXEC);

	ASSERT_LE(0, life);
	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	COMMIT();
	ASSERT_EQ(0, sim_send_last_breath(&self->sim, self->id,
					  VMGUEST_END_POWEROFF));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_LAST_BREATH_ACK));
	sim_close(&self->sim);
	vmg_wait_stage(self->task, VMGUEST_STAGE_CHANNEL_DOWN);
	EXPECT_EQ(0, set_lifeline(self->fd, self->vm, -1));
	EXPECT_EQ(0, set_lifeline(self->fd, self->vm, life));
	EXPECT_EQ((ssize_t)sizeof(one), write(life, &one, sizeof(one)));
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_SUCCESS, 0);
	close(life);
}

TEST_F(vm_set, a_lifeline_that_is_none_changes_nothing)
{
	int fired = eventfd(1, EFD_CLOEXEC);
	int file[2];

	ASSERT_LE(0, fired);
	ASSERT_EQ(0, pipe(file));
	EXPECT_EQ(-EBADF, set_lifeline(self->fd, self->vm, 4711));
	EXPECT_EQ(-EHOSTDOWN, set_lifeline(self->fd, self->vm, fired));
	EXPECT_EQ(-EPERM, set_lifeline(self->fd, self->vm, self->fd));
	EXPECT_EQ(-EINVAL, set_lifeline(self->fd, self->vm, -2));
	EXPECT_TRUE(FLAGS() & VMGUEST_VM_LIFELINE);
	vmg_vmm_kill(&self->vmm);
	EXPECT_TRUE(vmg_wait_state(self->fd, self->vm, VMGUEST_VM_GONE));
	close(fired);
	close(file[0]);
	close(file[1]);
}

TEST_F(vm_set, a_new_cid)
{
	uint64_t other;

	EXPECT_EQ(0, set_cid(self->fd, self->vm, FREE_CID));
	EXPECT_EQ(FREE_CID, STATE().cid);
	/* The old one is free, the new one is not. */
	EXPECT_EQ(-EEXIST, vmg_register(self->fd, "other", FREE_CID, -1,
					&other));
	EXPECT_EQ(0, vmg_register(self->fd, "other", VMG_CID, -1, &other));
	EXPECT_EQ(-EEXIST, set_cid(self->fd, self->vm, VMG_CID));
	EXPECT_EQ(FREE_CID, STATE().cid);
	EXPECT_EQ(0, set_cid(self->fd, self->vm, FREE_CID));
	EXPECT_EQ(0, set_cid(self->fd, other, OTHER_CID));
	EXPECT_EQ(0, set_cid(self->fd, self->vm, VMG_CID));
	CONNECT();
	EXPECT_TRUE(FLAGS() & VMGUEST_VM_AGENT);
}

TEST_F(vm_set, no_new_cid_while_the_old_one_is_in_use)
{
	struct vmguest_request request = vmg_request(self->vm);

	CONNECT();
	EXPECT_EQ(-EBUSY, set_cid(self->fd, self->vm, FREE_CID));
	sim_close(&self->sim);
	while (FLAGS() & VMGUEST_VM_AGENT)
		;
	request.flags = VMGUEST_REQ_QUEUE;
	ASK(VMGUEST_SHUTDOWN, &request);
	EXPECT_EQ(-EBUSY, set_cid(self->fd, self->vm, FREE_CID));
	EXPECT_EQ(0, vmg_task_cancel(self->task));
	EXPECT_EQ(0, set_cid(self->fd, self->vm, FREE_CID));
}

/* A guest that dialled in before its VM was given its CID. */
TEST_F(vm_set, a_guest_that_was_there_first_comes_again)
{
	struct vmguest_vm_get vm = { .size = sizeof(vm), .cid = VMG_CID };

	ASSERT_EQ(0, set_cid(self->fd, self->vm, FREE_CID));
	CONNECT();
	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_VM_GET, &vm));
	EXPECT_STREQ("cid-1", vm.name);
	EXPECT_EQ(0, set_cid(self->fd, self->vm, VMG_CID));
	EXPECT_EQ(-1, sim_receive(&self->sim, VMG_PATIENCE_MS));
	EXPECT_NE(0, vmg_get(self->fd, vm.vm_id, &vm));
	sim_close(&self->sim);
	CONNECT();
	EXPECT_TRUE(FLAGS() & VMGUEST_VM_AGENT);
	EXPECT_EQ(1, vmg_count(self->fd));
}

TEST_F(vm_set, not_of_a_vm_that_is_gone)
{
	vmg_vmm_kill(&self->vmm);
	ASSERT_TRUE(vmg_wait_state(self->fd, self->vm, VMGUEST_VM_GONE));
	EXPECT_EQ(-EHOSTDOWN, set_cid(self->fd, self->vm, FREE_CID));
	EXPECT_EQ(-EHOSTDOWN, set_mark(self->fd, self->vm, VMGUEST_SET_PAUSED,
				       VMGUEST_VM_PAUSED));
	/* The CID was not taken either. */
	EXPECT_EQ(0, vmg_register(self->fd, "other", FREE_CID, -1, NULL));
}

TEST_F(vm_set, not_of_a_guest_that_nobody_registered)
{
	struct vmguest_vm_set cmd = change(0, VMGUEST_SET_MODE);

	vmg_unregister(self->fd, self->vm);
	CONNECT();
	cmd.cid = VMG_CID;
	cmd.mode = 0777;
	EXPECT_EQ(-EINVAL, set(self->fd, &cmd));
}

TEST_F(vm_set, bad_arguments_change_nothing)
{
	const struct {
		struct vmguest_vm_set cmd;
		int error;
	} bad[] = {
		{ { .vm_id = self->vm }, -EINVAL },
		{ { .vm_id = self->vm, .what = 1 << 6 }, -EINVAL },
		{ { .vm_id = self->vm, .what = VMGUEST_SET_MODE, .flags = 1 },
		  -EINVAL },
		{ { .vm_id = self->vm, .what = VMGUEST_SET_MODE,
		    .mode = 01000 }, -EINVAL },
		{ { .vm_id = self->vm, .what = VMGUEST_SET_PAUSED,
		    .mode = 0700 }, -EINVAL },
		{ { .vm_id = self->vm, .what = VMGUEST_SET_MODE, .uid = 1 },
		  -EINVAL },
		{ { .vm_id = self->vm, .what = VMGUEST_SET_MODE, .gid = 1 },
		  -EINVAL },
		{ { .vm_id = self->vm, .what = VMGUEST_SET_OWNER, .uid = -1 },
		  -EINVAL },
		{ { .vm_id = self->vm, .what = VMGUEST_SET_OWNER, .gid = -1 },
		  -EINVAL },
		{ { .vm_id = self->vm, .what = VMGUEST_SET_MODE,
		    .new_cid = FREE_CID }, -EINVAL },
		{ { .vm_id = self->vm, .what = VMGUEST_SET_CID }, -EINVAL },
		{ { .vm_id = self->vm, .what = VMGUEST_SET_CID, .new_cid = 2 },
		  -EINVAL },
		{ { .vm_id = self->vm, .what = VMGUEST_SET_CID, .new_cid = -1 },
		  -EINVAL },
		{ { .vm_id = self->vm, .what = VMGUEST_SET_MODE,
		    .lifeline_fd = 1 }, -EINVAL },
		{ { .vm_id = self->vm, .what = VMGUEST_SET_PAUSED,
		    .vm_flags = VMGUEST_VM_MIGRATING }, -EINVAL },
		{ { .vm_id = self->vm, .what = VMGUEST_SET_PAUSED,
		    .vm_flags = VMGUEST_VM_AGENT }, -EINVAL },
		{ { .vm_id = self->vm, .what = VMGUEST_SET_MODE,
		    .vm_flags = VMGUEST_VM_PAUSED }, -EINVAL },
		{ { .what = VMGUEST_SET_MODE }, -EINVAL },
		{ { .vm_id = self->vm, .cid = VMG_CID,
		    .what = VMGUEST_SET_MODE }, -EINVAL },
		{ { .vm_id = self->vm + 1, .what = VMGUEST_SET_MODE },
		  -ENOENT },
	};
	struct vmguest_vm_get before = STATE(), after;
	struct vmguest_vm_set cmd;
	unsigned int i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cmd = bad[i].cmd;
		cmd.size = sizeof(cmd);
		EXPECT_EQ(bad[i].error, set(self->fd, &cmd))
			TH_LOG("in row %u", i);
	}
	cmd = change(self->vm, VMGUEST_SET_MODE);
	cmd.size--;
	EXPECT_EQ(-EINVAL, set(self->fd, &cmd));
	cmd.size = 4097;
	EXPECT_EQ(-E2BIG, set(self->fd, &cmd));
	EXPECT_EQ(-EFAULT, vmg_call(self->fd, VMGUEST_VM_SET, NULL));
	after = STATE();
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
}

/* What one who is not root asks for. */
struct asked {
	int fd;
	uint64_t vm;
	uint32_t what;
	int want;
};

static bool is_answered(void *data)
{
	struct asked *asked = data;
	struct vmguest_vm_set cmd = change(asked->vm, asked->what);

	cmd.new_cid = asked->what & VMGUEST_SET_CID ? FREE_CID : 0;
	cmd.lifeline_fd = asked->what & VMGUEST_SET_LIFELINE ? -1 : 0;
	return set(asked->fd, &cmd) == asked->want;
}

TEST_F(vm_set, others_may_pause_with_w_and_no_more)
{
	static const struct {
		uint32_t mode;
		uint32_t what;
		int want;
	} rows[] = {
		{ 0752, VMGUEST_SET_PAUSED, 0 },
		{ 0752, VMGUEST_SET_MIGRATING, 0 },
		{ 0755, VMGUEST_SET_PAUSED, -EACCES },
		{ 0755, VMGUEST_SET_MIGRATING, -EACCES },
		{ 0757, VMGUEST_SET_OWNER, -EPERM },
		{ 0757, VMGUEST_SET_MODE, -EPERM },
		{ 0757, VMGUEST_SET_CID, -EPERM },
		{ 0757, VMGUEST_SET_LIFELINE, -EPERM },
		{ 0757, VMGUEST_SET_LIFELINE | VMGUEST_SET_PAUSED, -EPERM },
	};
	struct asked asked = { .fd = self->fd, .vm = self->vm };
	struct vmguest_vm_set cmd;
	unsigned int i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cmd = change(self->vm, VMGUEST_SET_MODE);
		cmd.mode = rows[i].mode;
		ASSERT_EQ(0, set(self->fd, &cmd));
		asked.what = rows[i].what;
		asked.want = rows[i].want;
		EXPECT_TRUE(vmg_as_user(NOBODY, NOBODY, is_answered, &asked))
			TH_LOG("in row %u", i);
	}
	EXPECT_TRUE(FLAGS() & VMGUEST_VM_LIFELINE);
}

TEST_HARNESS_MAIN
