// SPDX-License-Identifier: GPL-2.0-only
/*
 * Agents that come, go, come twice, say too much or cannot do everything, and
 * what that means for the task that runs.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "task_fixture.h"

TASK_FIXTURE(agent)

#define CONNECT_WITH(sim, capabilities) do {				\
	ASSERT_EQ(0, sim_dial(sim, 0));					\
	ASSERT_EQ(0, sim_hello(sim, BOOT, capabilities,			\
			       VMGUEST_ROLE_AGENT));			\
} while (0)

#define EXPECT_RUNNING(task) \
	EXPECT_FALSE(vmg_task(task).task_flags & VMGUEST_TASK_COMPLETE)

/* An agent that asks for the commit point has taken the request. */
TEST_F(agent, commit_says_accepted_too)
{
	struct vmguest_request request = vmg_request(self->vm);
	struct vmguest_vm_get vm;

	CONNECT();
	request.until = VMGUEST_UNTIL_ACCEPTED;
	ASK(VMGUEST_SHUTDOWN, &request);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_REQUEST));
	COMMIT();
	EXPECT_ENDED(vmg_task(self->task), VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_TRUE(vmg_task(self->task).proofs & VMGUEST_PROOF_ACCEPTED);
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(VMGUEST_VM_STOPPING, vm.state);
}

TEST_F(agent, a_commit_is_granted_until_the_next_request)
{
	struct vmguest_request request = vmg_request(self->vm);
	int next;

	CONNECT();
	request.until = VMGUEST_UNTIL_ACCEPTED;
	ASK(VMGUEST_SHUTDOWN, &request);
	ASSERT_TRUE(sim_accept(&self->sim, &self->id));
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(-EALREADY, vmg_task_cancel(self->task));
	request = vmg_request(self->vm);
	next = vmg_ask(self->fd, VMGUEST_LOGOFF, &request);
	ASSERT_LE(0, next);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_REQUEST));
	ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_COMMIT, self->id));
	EXPECT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_CANCEL));
	EXPECT_EQ(self->id, self->sim.frame.task_id);
	close(next);
}

/* Restored from a snapshot: the boot is known, what it heard is not ours. */
TEST_F(agent, a_boot_that_heard_another_instance_is_another_boot)
{
	struct vmguest_frame hello = {
		.type = VMGUEST_WIRE_HELLO,
		.hello.capabilities = SIM_CAPABILITIES,
	};

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	COMMIT();
	sim_close(&self->sim);
	ASSERT_EQ(0, sim_dial(&self->sim, 0));
	memset(hello.hello.boot_id, BOOT, sizeof(hello.hello.boot_id));
	memset(hello.hello.instance, 0x77, sizeof(hello.hello.instance));
	ASSERT_EQ(0, sim_send_frame(&self->sim, &hello));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_WELCOME));
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_UNEXPECTED_ERROR,
		     -ECONNABORTED);
	EXPECT_TRUE(vmg_task(self->task).proofs & VMGUEST_PROOF_NEW_BOOT);
	EXPECT_EQ(0, sim_receive(&self->sim, 50));
}

TEST_F(agent, ping_waits_no_longer_than_its_deadline)
{
	struct vmguest_request request = vmg_request(self->vm);

	CONNECT();
	request.deadline_ms = 100;
	ASK(VMGUEST_PING, &request);
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
	/* Too late. */
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_PING));
	ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_PONG, self->id));
	EXPECT_ENDED(vmg_task(self->task), VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
}

TEST_F(agent, ping_waits_for_the_agent)
{
	struct vmguest_request request = vmg_request(self->vm);

	request.flags = VMGUEST_REQ_QUEUE;
	ASK(VMGUEST_PING, &request);
	CONNECT();
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_PING));
	EXPECT_EQ(self->id, self->sim.frame.task_id);
	ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_PONG, self->id));
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_SUCCESS, 0);
	/* A PING is not kept. */
	close(self->task);
	self->task = -1;
	EXPECT_EQ(-ENOENT, vmg_task_open(self->fd, self->id));
}

TEST_F(agent, ping_of_a_vm_that_dies)
{
	CONNECT();
	ASK_PLAIN(VMGUEST_PING);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_PING));
	vmg_vmm_kill(&self->vmm);
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_UNEXPECTED_ERROR,
		     -ECONNABORTED);
}

/* Not even the wall clock moves it. */
TEST_F(agent, the_deadline_is_elapsed_time)
{
	struct vmguest_request request = vmg_request(self->vm);
	struct vmguest_task_get info;
	struct timespec now;

	CONNECT();
	request.deadline_ms = 300;
	ASK(VMGUEST_SHUTDOWN, &request);
	ASSERT_EQ(0, clock_gettime(CLOCK_REALTIME, &now));
	now.tv_sec += 86400;
	ASSERT_EQ(0, clock_settime(CLOCK_REALTIME, &now));
	EXPECT_RUNNING(self->task);
	now.tv_sec -= 2 * 86400;
	ASSERT_EQ(0, clock_settime(CLOCK_REALTIME, &now));
	info = vmg_wait(self->task);
	now.tv_sec += 86400;
	ASSERT_EQ(0, clock_settime(CLOCK_REALTIME, &now));
	EXPECT_ENDED(info, VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
	EXPECT_LE(300000000ULL, info.end_ns - info.start_ns);
	EXPECT_GT(5000000000ULL, info.end_ns - info.start_ns);
}

/* A PING is answered only after what was said before it was heard. */
static bool settle(int fd, uint64_t vm, struct sim *sim)
{
	struct vmguest_request request = vmg_request(vm);
	int ping = vmg_ask(fd, VMGUEST_PING, &request);
	bool good;

	good = ping >= 0 && sim_expect(sim, VMGUEST_WIRE_PING) &&
	       !sim_send(sim, VMGUEST_WIRE_PONG, request.task_id) &&
	       !vmg_wait(ping).error;
	close(ping);
	return good;
}

TEST_F(agent, progress_only_rises)
{
	static const struct {
		uint32_t said, shown;
	} steps[] = { { 0, 10 }, { 50, 50 }, { 20, 50 }, { 99, 89 } };
	struct vmguest_frame frame = { .type = VMGUEST_WIRE_PROGRESS };
	unsigned int i;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	COMMIT();
	frame.task_id = self->id;
	for (i = 0; i < 4; i++) {
		frame.progress.percent = steps[i].said;
		ASSERT_EQ(0, sim_send_frame(&self->sim, &frame));
		ASSERT_TRUE(settle(self->fd, self->vm, &self->sim));
		EXPECT_EQ(steps[i].shown, vmg_task(self->task).percent);
	}
}

TEST_F(agent, without_force_is_not_escalated)
{
	struct vmguest_request request = vmg_request(self->vm);
	struct vmguest_task_get info;

	CONNECT_WITH(&self->sim, SIM_CAPABILITIES & ~VMGUEST_CAP_FORCE);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_WELCOME));
	request.force_after_ms = 50;
	request.deadline_ms = 500;
	ASK(VMGUEST_SHUTDOWN, &request);
	ACCEPT();
	info = vmg_wait(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
	EXPECT_TRUE(info.task_flags & VMGUEST_TASK_ESCALATED);
	EXPECT_FALSE(info.task_flags & VMGUEST_TASK_FORCE);
	EXPECT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_CANCEL));
	EXPECT_EQ(1, self->sim.requests);
}

TEST_F(agent, that_comes_back_without_the_verb)
{
	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	sim_close(&self->sim);
	CONNECT_WITH(&self->sim, VMGUEST_CAP_LOGOFF);
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_UNEXPECTED_ERROR,
		     -EOPNOTSUPP);
}

TEST_F(agent, is_told_of_the_stronger_request)
{
	struct vmguest_request request = vmg_request(self->vm);
	int stronger;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	request.flags = VMGUEST_REQ_FORCE;
	stronger = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request);
	ASSERT_LE(0, stronger);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_CANCEL));
	EXPECT_EQ(self->id, self->sim.frame.task_id);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_REQUEST));
	EXPECT_EQ(request.task_id, self->sim.frame.task_id);
	EXPECT_EQ(VMGUEST_WIRE_REQ_FORCE, self->sim.frame.request.flags);
	/* What it was about to do is not granted any more. */
	ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_COMMIT, self->id));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_CANCEL));
	EXPECT_EQ(self->id, self->sim.frame.task_id);
	EXPECT_TRUE(sim_commit(&self->sim, request.task_id));
	close(stronger);
}

TEST_F(agent, without_force_keeps_its_request)
{
	struct vmguest_request request = vmg_request(self->vm);

	CONNECT_WITH(&self->sim, SIM_CAPABILITIES & ~VMGUEST_CAP_FORCE);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_WELCOME));
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	request.flags = VMGUEST_REQ_FORCE;
	EXPECT_EQ(-EOPNOTSUPP, vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request));
	EXPECT_RUNNING(self->task);
	EXPECT_EQ(0, sim_receive(&self->sim, 50));
}

TEST_F(agent, does_not_see_a_weaker_request_that_joins)
{
	struct vmguest_request request = vmg_request(self->vm);
	int joined;

	CONNECT();
	request.flags = VMGUEST_REQ_FORCE;
	ASK(VMGUEST_SHUTDOWN, &request);
	ACCEPT();
	request = vmg_request(self->vm);
	request.flags = VMGUEST_REQ_JOIN;
	joined = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request);
	ASSERT_LE(0, joined);
	EXPECT_EQ(self->id, request.task_id);
	EXPECT_EQ(0, sim_receive(&self->sim, 50));
	close(joined);
}

TEST_F(agent, leaves_the_first_joiners_named_and_all_counted)
{
	struct vmguest_request request;
	struct vmguest_task_get info;
	int i;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	for (i = 0; i < VMGUEST_TASK_JOINERS + 2; i++) {
		request = vmg_request(self->vm);
		request.flags = VMGUEST_REQ_JOIN;
		ASSERT_LE(0, vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request));
		close(request.task_fd);
	}
	info = vmg_task(self->task);
	EXPECT_EQ(VMGUEST_TASK_JOINERS + 2, info.joiners);
	for (i = 0; i < VMGUEST_TASK_JOINERS; i++)
		EXPECT_EQ(getpid(), info.joiner[i].pid);
}

TEST_F(agent, news_are_news_to_each_fd)
{
	int other;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	other = vmg_task_open(self->fd, self->id);
	ASSERT_LE(0, other);
	vmg_task(self->task);
	vmg_task(other);
	COMMIT();
	EXPECT_EQ(POLLPRI, vmg_poll(other, POLLPRI, VMG_PATIENCE_MS));
	vmg_task(other);
	EXPECT_EQ(0, vmg_poll(other, POLLIN | POLLPRI, 0));
	EXPECT_EQ(POLLPRI, vmg_poll(self->task, POLLIN | POLLPRI, 0));
	close(other);
}

/*
 * Its VM goes while a newcomer waits for what the older connection says: that
 * one must not become the channel of a VM that is gone.
 */
TEST_F(agent, that_waits_for_its_turn_when_the_vm_goes)
{
	struct vmguest_task_get info;
	struct vmguest_vm_get vm;
	struct sim second;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	CONNECT_WITH(&second, SIM_CAPABILITIES);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_PING));
	vmg_vmm_kill(&self->vmm);
	vmg_poll(self->task, POLLIN, 3000);
	info = vmg_task(self->task);
	EXPECT_ENDED(info, VMGUEST_RESULT_UNEXPECTED_ERROR, -ECONNABORTED);
	EXPECT_TRUE(info.proofs & VMGUEST_PROOF_VM_GONE);
	EXPECT_EQ(-1, sim_receive(&second, VMG_PATIENCE_MS));
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(VMGUEST_VM_GONE, vm.state);
	EXPECT_FALSE(vm.vm_flags & VMGUEST_VM_AGENT);
	sim_close(&second);
}

/* The older one goes by itself: then nobody is asked any more. */
TEST_F(agent, that_waits_for_its_turn_takes_it_when_the_first_leaves)
{
	struct sim second;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	CONNECT_WITH(&second, SIM_CAPABILITIES);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_PING));
	sim_close(&self->sim);
	EXPECT_TRUE(sim_expect(&second, VMGUEST_WIRE_WELCOME));
	EXPECT_TRUE(sim_expect(&second, VMGUEST_WIRE_REQUEST));
	EXPECT_EQ(self->id, second.frame.task_id);
	EXPECT_EQ(VMGUEST_WIRE_REQ_AGAIN, second.frame.request.flags);
	sim_close(&second);
}

TEST_F(agent, a_third_one_is_refused_at_once)
{
	struct sim second, third;

	CONNECT();
	CONNECT_WITH(&second, SIM_CAPABILITIES);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_PING));
	CONNECT_WITH(&third, SIM_CAPABILITIES);
	EXPECT_TRUE(sim_expect(&third, VMGUEST_WIRE_REJECT));
	EXPECT_EQ(VMGUEST_REJECT_BUSY, third.frame.reject.code);
	EXPECT_EQ(-1, sim_receive(&third, VMG_PATIENCE_MS));
	sim_close(&third);
	sim_close(&second);
}

TEST_F(agent, is_told_to_respect_sessions)
{
	struct vmguest_request ask = vmg_request(self->vm);

	ask.flags = VMGUEST_REQ_RESPECT_SESSIONS;
	CONNECT();
	ASK(VMGUEST_SHUTDOWN, &ask);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_REQUEST));
	EXPECT_EQ(VMGUEST_WIRE_REQ_RESPECT_SESSIONS,
		  self->sim.frame.request.flags);
	/* And so is the one that takes its place. */
	sim_close(&self->sim);
	CONNECT();
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_REQUEST));
	EXPECT_EQ(VMGUEST_WIRE_REQ_RESPECT_SESSIONS | VMGUEST_WIRE_REQ_AGAIN,
		  self->sim.frame.request.flags);
}

TEST_F(agent, that_does_not_respect_sessions_is_not_asked_to)
{
	struct vmguest_request ask = vmg_request(self->vm);

	ask.flags = VMGUEST_REQ_RESPECT_SESSIONS;
	CONNECT_WITH(&self->sim,
		     SIM_CAPABILITIES & ~VMGUEST_CAP_RESPECT_SESSIONS);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_WELCOME));
	EXPECT_EQ(-EOPNOTSUPP, vmg_ask(self->fd, VMGUEST_RESTART, &ask));
	ASK_PLAIN(VMGUEST_RESTART);
}

/* One that waited for an agent hears it then. */
TEST_F(agent, that_comes_and_does_not_respect_sessions_ends_the_request)
{
	struct vmguest_request ask = vmg_request(self->vm);

	ask.flags = VMGUEST_REQ_RESPECT_SESSIONS | VMGUEST_REQ_QUEUE;
	ASK(VMGUEST_SHUTDOWN, &ask);
	CONNECT_WITH(&self->sim,
		     SIM_CAPABILITIES & ~VMGUEST_CAP_RESPECT_SESSIONS);
	vmg_poll(self->task, POLLIN, VMG_PATIENCE_MS);
	EXPECT_ENDED(vmg_task(self->task), VMGUEST_RESULT_UNEXPECTED_ERROR,
		     -EOPNOTSUPP);
}

/* An older agent would close the connection for a feature. */
TEST_F(agent, is_told_only_of_features_that_it_offered)
{
	CONNECT_WITH(&self->sim, SIM_CAPABILITIES &
		     ~(VMGUEST_CAP_NOTICE | VMGUEST_CAP_SESSIONS));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_WELCOME));
	EXPECT_EQ(0, self->sim.frame.welcome.features);
	sim_close(&self->sim);
	CONNECT_WITH(&self->sim, SIM_CAPABILITIES & ~VMGUEST_CAP_SESSIONS);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_WELCOME));
	EXPECT_EQ(VMGUEST_WIRE_FEATURE_NOTICE,
		  self->sim.frame.welcome.features);
	sim_close(&self->sim);
	CONNECT_WITH(&self->sim, SIM_CAPABILITIES);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_WELCOME));
	EXPECT_EQ(VMGUEST_WIRE_FEATURES, self->sim.frame.welcome.features);
}

/* The module has read everything that came before the PONG. */
#define EXPECT_SESSIONS(locked_, sessions_) do {			\
	struct vmguest_vm_get vm;					\
									\
	ASK_PLAIN(VMGUEST_PING);					\
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_PING));		\
	ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_PONG, self->id));	\
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_SUCCESS, 0);	\
	close(self->task);						\
	self->task = -1;						\
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));			\
	EXPECT_EQ(locked_, vm.locked);					\
	EXPECT_EQ(sessions_, vm.sessions);				\
} while (0)

TEST_F(agent, tells_how_many_sessions_there_are_and_are_locked)
{
	CONNECT();
	EXPECT_SESSIONS(0, 2);
	sim_send_notice(&self->sim, VMGUEST_NOTICE_SESSIONS, 1, 0, 3, "");
	EXPECT_SESSIONS(1, 3);
	sim_send_notice(&self->sim, VMGUEST_NOTICE_SESSIONS, 0, 0, 0, "");
	EXPECT_SESSIONS(0, 0);
	sim_send_notice(&self->sim, VMGUEST_NOTICE_SESSIONS, 4, 0, 4, "");
	EXPECT_SESSIONS(4, 4);
	/* Another agent may not know which are. */
	sim_close(&self->sim);
	CONNECT_WITH(&self->sim, SIM_CAPABILITIES & ~VMGUEST_CAP_SESSIONS);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_WELCOME));
	EXPECT_SESSIONS(0, 2);
}

TEST_F(agent, that_says_goodbye_has_done_nothing_wrong)
{
	struct vmguest_vm_get vm;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_GOODBYE, 0));
	EXPECT_EQ(-1, sim_receive(&self->sim, VMG_PATIENCE_MS));
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(0, vm.malformed);
	EXPECT_RUNNING(self->task);
}

/* What an agent must not say: each ends its channel, and not its task. */
FIXTURE(wrong) {
	int fd;
	uint64_t vm;
	struct sim sim;
	int task;
	uint64_t id;
};

FIXTURE_VARIANT(wrong) {
	unsigned long verb;
	bool commits;
	/* What its HELLO does not offer. */
	uint64_t without;
	/* A header and zeroes, */
	struct vmguest_wire_header header;
	uint8_t zeroes[8];
	/* or a frame about the task; a NOTICE is about none. */
	struct vmguest_frame frame;
};

#define HEADER(...) .header = {						\
	.magic = VMGUEST_WIRE_MAGIC, .version = VMGUEST_WIRE_VERSION,	\
	.type = VMGUEST_WIRE_PONG, __VA_ARGS__ }

/* The last initializer of a member counts. */
#pragma GCC diagnostic ignored "-Woverride-init"
FIXTURE_VARIANT_ADD(wrong, magic) { HEADER(.magic = 1) };
FIXTURE_VARIANT_ADD(wrong, version) { HEADER(.version = 2) };
FIXTURE_VARIANT_ADD(wrong, unknown_type) { HEADER(.type = 0x7f) };
FIXTURE_VARIANT_ADD(wrong, reserved_member) { HEADER(.reserved = 1) };
FIXTURE_VARIANT_ADD(wrong, payload_where_none_belongs) {
	HEADER(.length = 8) };
FIXTURE_VARIANT_ADD(wrong, no_payload_where_one_belongs) {
	HEADER(.type = VMGUEST_WIRE_RESULT, .task_id = 1) };
FIXTURE_VARIANT_ADD(wrong, acceptance_of_nothing) {
	HEADER(.type = VMGUEST_WIRE_ACCEPTED) };
FIXTURE_VARIANT_ADD(wrong, frame_of_the_module) {
	HEADER(.type = VMGUEST_WIRE_PING) };
FIXTURE_VARIANT_ADD(wrong, success_before_commit) {
	.verb = VMGUEST_LOGOFF,
	.frame = { .type = VMGUEST_WIRE_RESULT, .result.code = VMGUEST_WIRE_OK },
};
FIXTURE_VARIANT_ADD(wrong, success_with_sessions_left) {
	.verb = VMGUEST_LOGOFF, .commits = true,
	.frame = { .type = VMGUEST_WIRE_RESULT, .result = {
			.code = VMGUEST_WIRE_OK,
			.targeted = 2, .ended = 1, .left = 1 } },
};
FIXTURE_VARIANT_ADD(wrong, sessions_that_do_not_add_up) {
	.verb = VMGUEST_LOGOFF, .commits = true,
	.frame = { .type = VMGUEST_WIRE_RESULT, .result = {
			.code = VMGUEST_WIRE_OK, .targeted = 2, .ended = 1 } },
};
FIXTURE_VARIANT_ADD(wrong, nobody_to_shut_down) {
	.frame = { .type = VMGUEST_WIRE_RESULT,
		   .result.code = VMGUEST_WIRE_NO_SESSIONS },
};
FIXTURE_VARIANT_ADD(wrong, last_breath_of_a_logoff) {
	.verb = VMGUEST_LOGOFF, .commits = true,
	.frame = { .type = VMGUEST_WIRE_LAST_BREATH,
		   .last_breath.end = VMGUEST_END_POWEROFF },
};
FIXTURE_VARIANT_ADD(wrong, blocked_after_commit) {
	.commits = true,
	.frame = { .type = VMGUEST_WIRE_BLOCKED, .blocked.kind = 1 },
};
FIXTURE_VARIANT_ADD(wrong, end_that_nobody_knows) {
	.commits = true,
	.frame = { .type = VMGUEST_WIRE_LAST_BREATH, .last_breath.end = 4 },
};
FIXTURE_VARIANT_ADD(wrong, percent_beyond_99) {
	.commits = true,
	.frame = { .type = VMGUEST_WIRE_PROGRESS, .progress.percent = 100 },
};

FIXTURE_VARIANT_ADD(wrong, notice_that_was_not_offered) {
	.without = VMGUEST_CAP_NOTICE,
	.frame = { .type = VMGUEST_WIRE_NOTICE,
		   .notice.kind = VMGUEST_NOTICE_STAYS_UP },
};
FIXTURE_VARIANT_ADD(wrong, notice_of_sessions_that_was_not_offered) {
	.without = VMGUEST_CAP_SESSIONS,
	.frame = { .type = VMGUEST_WIRE_NOTICE,
		   .notice.kind = VMGUEST_NOTICE_SESSIONS },
};
FIXTURE_VARIANT_ADD(wrong, notice_of_more_locks_than_sessions) {
	.frame = { .type = VMGUEST_WIRE_NOTICE, .notice = {
			.kind = VMGUEST_NOTICE_SESSIONS, .how = 2, .left = 1 } },
};
FIXTURE_VARIANT_ADD(wrong, notice_about_a_task) {
	HEADER(.type = VMGUEST_WIRE_NOTICE, .task_id = 1) };
FIXTURE_VARIANT_ADD(wrong, notice_of_no_kind) {
	.frame = { .type = VMGUEST_WIRE_NOTICE },
};
FIXTURE_VARIANT_ADD(wrong, notice_of_an_unknown_kind) {
	.frame = { .type = VMGUEST_WIRE_NOTICE, .notice.kind = 5 },
};
FIXTURE_VARIANT_ADD(wrong, notice_of_an_unknown_end) {
	.frame = { .type = VMGUEST_WIRE_NOTICE, .notice = {
			.kind = VMGUEST_NOTICE_GOING_DOWN, .how = 4 } },
};
FIXTURE_VARIANT_ADD(wrong, notice_of_a_logoff_by_the_host) {
	.frame = { .type = VMGUEST_WIRE_NOTICE, .notice = {
			.kind = VMGUEST_NOTICE_LOGOFF, .how = 3, .ended = 1 } },
};
FIXTURE_VARIANT_ADD(wrong, notice_of_a_logoff_of_nobody) {
	.frame = { .type = VMGUEST_WIRE_NOTICE, .notice = {
			.kind = VMGUEST_NOTICE_LOGOFF, .how = 1, .left = 1 } },
};
FIXTURE_VARIANT_ADD(wrong, notice_that_it_stays_up_somehow) {
	.frame = { .type = VMGUEST_WIRE_NOTICE, .notice = {
			.kind = VMGUEST_NOTICE_STAYS_UP, .how = 1 } },
};
FIXTURE_VARIANT_ADD(wrong, notice_of_an_end_with_sessions) {
	.frame = { .type = VMGUEST_WIRE_NOTICE, .notice = {
			.kind = VMGUEST_NOTICE_GOING_DOWN, .left = 1 } },
};

FIXTURE_SETUP(wrong)
{
	struct vmguest_request request;

	self->sim.fd = -1;
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	/* What a test before left when its time was up. */
	vmg_unregister_all(self->fd);
	ASSERT_EQ(0, vmg_register(self->fd, "sim", VMG_CID, -1, &self->vm));
	ASSERT_EQ(0, sim_dial(&self->sim, 0));
	ASSERT_EQ(0, sim_hello(&self->sim, BOOT,
			       SIM_CAPABILITIES & ~variant->without,
			       VMGUEST_ROLE_AGENT));
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_WELCOME));
	request = vmg_request(self->vm);
	self->task = vmg_ask(self->fd, variant->verb ?: VMGUEST_SHUTDOWN,
			     &request);
	ASSERT_LE(0, self->task);
	ASSERT_TRUE(sim_accept(&self->sim, &self->id));
	if (variant->commits)
		ASSERT_TRUE(sim_commit(&self->sim, self->id));
}

FIXTURE_TEARDOWN(wrong)
{
	close(self->task);
	sim_close(&self->sim);
	vmg_unregister_all(self->fd);
	close(self->fd);
}

TEST_F(wrong, closes_the_channel_and_not_the_task)
{
	struct vmguest_frame frame = variant->frame;
	struct vmguest_task_get info;
	struct vmguest_vm_get vm;

	if (frame.type != VMGUEST_WIRE_NOTICE)
		frame.task_id = self->id;
	ASSERT_EQ(0, frame.type ? sim_send_frame(&self->sim, &frame) :
				  sim_send_raw(&self->sim, &variant->header,
					       sizeof(variant->header) +
					       sizeof(variant->zeroes)));
	EXPECT_EQ(-1, sim_receive(&self->sim, VMG_PATIENCE_MS));
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(1, vm.malformed);
	info = vmg_task(self->task);
	EXPECT_FALSE(info.task_flags & VMGUEST_TASK_COMPLETE);
	EXPECT_EQ(VMGUEST_PROOF_ACCEPTED |
		  (variant->commits ? VMGUEST_PROOF_COMMITTED : 0),
		  info.proofs);
	/* The next one is told again. */
	sim_close(&self->sim);
	ASSERT_EQ(0, sim_connect(&self->sim, BOOT));
	EXPECT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_REQUEST));
	EXPECT_EQ(self->id, self->sim.frame.task_id);
}

/* A guest may open BURST connections at once, and then RATE in a second. */
FIXTURE(crowd) {
	int fd;
	struct sim sim;
};

#define RATE	1
#define BURST	16

FIXTURE_SETUP(crowd)
{
	self->sim.fd = -1;
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vmg_set_parameter("connect_rate", "1"));
}

FIXTURE_TEARDOWN(crowd)
{
	sim_close(&self->sim);
	vmg_set_parameter("connect_rate", "0");
	vmg_unregister_all(self->fd);
	close(self->fd);
}

/* Each time the guest has booted anew, so it is not kept waiting for another. */
static bool is_welcome(struct sim *sim, uint8_t boot)
{
	sim_close(sim);
	if (sim_dial(sim, 0))
		return false;
	sim_hello(sim, boot, SIM_CAPABILITIES, VMGUEST_ROLE_AGENT);
	return sim_receive(sim, VMG_PATIENCE_MS) == VMGUEST_WIRE_WELCOME;
}

TEST_F(crowd, is_welcome_at_its_rate)
{
	uint64_t start = vmg_now_ms();
	uint64_t most;
	int i, count = 0;

	for (i = 1; i <= 2 * BURST; i++)
		count += is_welcome(&self->sim, i);
	most = BURST + (vmg_now_ms() - start) * RATE / 1000 + 1;
	EXPECT_LE(BURST, count);
	EXPECT_GE(most, count);
	EXPECT_GT(2 * BURST, count);
	/* Not for long. */
	while (!is_welcome(&self->sim, i) &&
	       vmg_now_ms() - start < VMG_PATIENCE_MS)
		;
	EXPECT_EQ(VMGUEST_WIRE_WELCOME, self->sim.frame.type);
}

/* Longer than a flood of so many frames takes that is not held back. */
#define FLOOD		6400
#define FLOOD_MS	800

static uint64_t frames_from(int fd, uint64_t vm_id)
{
	struct vmguest_vm_get vm = { };

	vmg_get(fd, vm_id, &vm);
	return vm.frames_in;
}

TEST_F_TIMEOUT(agent, a_flood_is_heard_at_its_pace, 120)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	uint64_t start = vmg_now_ms();
	uint64_t before, heard, since;
	int i;

	CONNECT();
	before = frames_from(self->fd, self->vm);
	for (i = 0; i < FLOOD; i++)
		ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_PONG, 0));
	heard = before;
	since = vmg_now_ms();
	/* Nothing can be polled for that. */
	while (heard < before + FLOOD &&
	       vmg_now_ms() - since < VMG_PATIENCE_MS) {
		uint64_t now = frames_from(self->fd, self->vm);

		if (now != heard)
			since = vmg_now_ms();
		heard = now;
		nanosleep(&pause, NULL);
	}
	EXPECT_EQ(before + FLOOD, heard);
	EXPECT_LE(FLOOD_MS, vmg_now_ms() - start);
}

TEST(a_guest_that_nobody_registered_is_told_so)
{
	struct sim sim;
	int fd = vmg_open();
	int answer;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vmg_set_parameter("accept_unregistered", "0"));
	answer = sim_dial(&sim, 0) ?:
		 sim_hello(&sim, BOOT, SIM_CAPABILITIES, VMGUEST_ROLE_AGENT) ?:
		 sim_receive(&sim, VMG_PATIENCE_MS);
	ASSERT_EQ(0, vmg_set_parameter("accept_unregistered", "1"));
	EXPECT_EQ(VMGUEST_WIRE_REJECT, answer);
	EXPECT_EQ(VMGUEST_REJECT_UNREGISTERED, sim.frame.reject.code);
	EXPECT_EQ(-1, sim_receive(&sim, VMG_PATIENCE_MS));
	EXPECT_EQ(0, vmg_count(fd));
	sim_close(&sim);
	close(fd);
}

/*
 * A file that fires just while it becomes a lifeline: refused or gone, and
 * nobody waits for anybody.
 */
TEST(a_lifeline_that_fires_meanwhile)
{
	const uint64_t one = 1;
	volatile int spin;
	uint64_t id;
	int i, err, fd, life, status, told[2];
	pid_t pid;

	fd = vmg_open();
	ASSERT_LE(0, fd);
	for (i = 0; i < 300; i++) {
		life = eventfd(0, EFD_CLOEXEC);
		ASSERT_LE(0, life);
		ASSERT_EQ(0, pipe(told));
		pid = fork();
		if (!pid) {
			if (write(told[1], "", 1) != 1)
				_exit(1);
			/* Each time a bit later. */
			for (spin = 0; spin < i * 20; spin++)
				;
			_exit(write(life, &one, sizeof(one)) != sizeof(one));
		}
		ASSERT_EQ(1, read(told[0], &status, 1));
		err = vmg_register(fd, "one", 100, life, &id);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(0, status);
		close(told[0]);
		close(told[1]);
		close(life);
		if (err) {
			ASSERT_EQ(-EHOSTDOWN, err);
			continue;
		}
		ASSERT_TRUE(vmg_wait_state(fd, id, VMGUEST_VM_GONE));
		ASSERT_EQ(0, vmg_unregister(fd, id));
	}
	close(fd);
}

TEST_HARNESS_MAIN
