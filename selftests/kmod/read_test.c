// SPDX-License-Identifier: GPL-2.0-only
/*
 * read() on a task fd: the newest state, once for each that is new.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>

#include "task_fixture.h"

TASK_FIXTURE(read)

static int read_event(int task_fd, struct vmguest_task_event *event)
{
	ssize_t got = read(task_fd, event, sizeof(*event));

	return got < 0 ? -errno : (int)got;
}

#define READ(event)							\
	ASSERT_EQ((int)sizeof(*(event)), read_event(self->task, event))

#define NO_WAIT() ASSERT_EQ(0, fcntl(self->task, F_SETFL, O_NONBLOCK))

TEST_F(read, tells_each_stage_and_the_end)
{
	struct vmguest_task_event event, last;

	CONNECT();
	ASK_PLAIN(VMGUEST_LOGOFF);
	READ(&last);
	EXPECT_EQ(self->id, last.task_id);
	while (last.stage < VMGUEST_STAGE_SENT)
		ASSERT_LT(0, read_event(self->task, &last));
	ASSERT_TRUE(sim_accept(&self->sim, &self->id));
	READ(&event);
	EXPECT_EQ(VMGUEST_STAGE_ACCEPTED, event.stage);
	EXPECT_EQ(VMGUEST_PROOF_ACCEPTED, event.proofs);
	EXPECT_LT(0, (int)(event.changes - last.changes));
	EXPECT_LT(last.time_ns, event.time_ns);
	EXPECT_TRUE(event.task_flags & VMGUEST_TASK_CANCELABLE);
	ASSERT_EQ(0, sim_send_blocked(&self->sim, self->id,
				      VMGUEST_BLOCKER_SESSION, "a", "b"));
	READ(&event);
	EXPECT_EQ(VMGUEST_STAGE_BLOCKED, event.stage);
	EXPECT_EQ(1, event.blockers);
	COMMIT();
	READ(&event);
	EXPECT_EQ(VMGUEST_STAGE_STOPPING, event.stage);
	EXPECT_FALSE(event.task_flags & VMGUEST_TASK_CANCELABLE);
	ASSERT_EQ(0, sim_send_result(&self->sim, self->id, VMGUEST_WIRE_OK, 3,
				     0, ""));
	READ(&event);
	EXPECT_TRUE(event.task_flags & VMGUEST_TASK_COMPLETE);
	EXPECT_EQ(VMGUEST_RESULT_SUCCESS, event.result);
	EXPECT_EQ(0, event.error);
	EXPECT_EQ(100, event.percent);
	EXPECT_EQ(0, read_event(self->task, &event));
	EXPECT_EQ(0, read_event(self->task, &event));
}

TEST_F(read, changes_coalesce_into_the_newest)
{
	struct vmguest_task_event event;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	COMMIT();
	vmg_wait_stage(self->task, VMGUEST_STAGE_STOPPING);
	ASSERT_EQ(0, sim_send_last_breath(&self->sim, self->id,
					  VMGUEST_END_POWEROFF));
	EXPECT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_LAST_BREATH_ACK));
	READ(&event);
	EXPECT_EQ(VMGUEST_STAGE_LAST_BREATH, event.stage);
	NO_WAIT();
	EXPECT_EQ(-EAGAIN, read_event(self->task, &event));
}

TEST_F(read, without_news_is_eagain)
{
	struct vmguest_task_event event;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	NO_WAIT();
	/* vmg_task() has seen it all. */
	EXPECT_EQ(-EAGAIN, read_event(self->task, &event));
	EXPECT_EQ(0, vmg_poll(self->task, POLLPRI, 0));
}

TEST_F(read, takes_back_pri)
{
	struct vmguest_task_event event;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ASSERT_TRUE(sim_accept(&self->sim, &self->id));
	do {
		READ(&event);
	} while (event.stage < VMGUEST_STAGE_ACCEPTED);
	EXPECT_EQ(0, vmg_poll(self->task, POLLPRI, 0));
	COMMIT();
	EXPECT_EQ(POLLPRI, vmg_poll(self->task, POLLPRI, VMG_PATIENCE_MS));
	READ(&event);
	EXPECT_EQ(0, vmg_poll(self->task, POLLPRI, 0));
}

TEST_F(read, each_fd_for_itself)
{
	struct vmguest_task_event event;
	int other;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	other = vmg_task_open(self->fd, self->id);
	ASSERT_LE(0, other);
	EXPECT_EQ((int)sizeof(event), read_event(other, &event));
	EXPECT_EQ(VMGUEST_STAGE_ACCEPTED, event.stage);
	close(other);
}

TEST_F(read, a_failed_copy_keeps_the_news)
{
	struct vmguest_task_event event;
	void *nowhere;

	nowhere = mmap(NULL, sizeof(event), PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, nowhere);
	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	EXPECT_EQ(-EFAULT, read_event(self->task, nowhere));
	READ(&event);
	munmap(nowhere, sizeof(event));
}

TEST_F(read, a_short_buffer_is_einval)
{
	struct vmguest_task_event event;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	EXPECT_EQ(-1, read(self->task, &event, sizeof(event) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, read(self->task, &event, 0));
	EXPECT_EQ(EINVAL, errno);
	READ(&event);
}

TEST_F(read, a_long_buffer_gets_one_record)
{
	struct vmguest_task_event event[2];

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	EXPECT_EQ((ssize_t)sizeof(event[0]),
		  read(self->task, event, sizeof(event)));
}

TEST_F(read, a_signal_ends_the_wait)
{
	struct vmguest_task_event event;
	pid_t sender;

	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	ACCEPT();
	sender = vmg_signals_start();
	ASSERT_LT(0, sender);
	EXPECT_EQ(-EINTR, read_event(self->task, &event));
	vmg_signals_stop(sender);
}

TEST_F(read, writing_is_refused)
{
	CONNECT();
	ASK_PLAIN(VMGUEST_SHUTDOWN);
	EXPECT_EQ(-1, write(self->task, "x", 1));
	EXPECT_EQ(EINVAL, errno);
}

TEST_HARNESS_MAIN
