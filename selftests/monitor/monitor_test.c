// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvmguest-monitor: that it tells what happens, all of it and once, and how it
 * finds back when it has missed something.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <linux/netlink.h>

#include "libvmguest-monitor.h"
#include "nl.h"
#include "task_fixture.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK	270
#endif

#define USER		1234
#define BURST		10000

/* A dump that is worth interrupting, of CIDs that nobody else has here. */
#define MANY		5000
#define MANY_CID	100000

#define HEARD_MAX	256

TASK_FIXTURE(monitor)

/* What was told; the newest event with what it points at. */
struct heard {
	unsigned int count;
	uint32_t type[HEARD_MAX];
	uint64_t seq[HEARD_MAX];
	uint64_t group_seq[HEARD_MAX];
	struct vmguest_event event;
	struct vmguest_vm_get vm;
	struct vmguest_task_get task;
	struct vmguest_task_blocker blocker[VMGUEST_BLOCKERS_MAX];
	unsigned int overruns;
	uint64_t lost;
	uint32_t until;
};

static int hear(const struct vmguest_event *event, void *context)
{
	struct heard *heard = context;
	unsigned int i = heard->count++ % HEARD_MAX;

	heard->type[i] = event->type;
	heard->seq[i] = event->seq;
	heard->group_seq[i] = event->group_seq;
	heard->event = *event;
	if (event->vm)
		heard->vm = *event->vm;
	if (event->task)
		heard->task = *event->task;
	if (event->blocker)
		memcpy(heard->blocker, event->blocker,
		       event->blockers * sizeof(*event->blocker));
	if (event->type == VMGUEST_EVENT_OVERRUN) {
		heard->overruns++;
		heard->lost += event->lost;
	}
	return event->type == heard->until ? -ECANCELED : 0;
}

/* Everything, until there is nothing for @ms. Return: 0 or a negative errno. */
static int hear_all(struct vmguest_monitor *monitor, struct heard *heard,
		    int ms)
{
	struct pollfd ready = {
		.fd = vmguest_monitor_fd(monitor),
		.events = POLLIN,
	};
	int ret = 0;

	while (ret >= 0 && poll(&ready, 1, ms) > 0)
		ret = vmguest_monitor_dispatch(monitor, hear, heard);
	return ret < 0 ? ret : 0;
}

TEST_F(monitor, a_shutdown_is_heard_as_by_another_listener)
{
	static const uint32_t want[] = {
		VMGUEST_EVENT_VM_AGENT_AVAILABLE, VMGUEST_EVENT_TASK_STARTED,
		VMGUEST_EVENT_TASK_STAGE, VMGUEST_EVENT_TASK_STAGE,
		VMGUEST_EVENT_TASK_NOT_CANCELABLE, VMGUEST_EVENT_TASK_STAGE,
		VMGUEST_EVENT_VM_GOING_DOWN, VMGUEST_EVENT_VM_GOING_DOWN,
		VMGUEST_EVENT_TASK_STAGE, VMGUEST_EVENT_VM_AGENT_GONE,
		VMGUEST_EVENT_TASK_STAGE, VMGUEST_EVENT_VM_GONE,
		VMGUEST_EVENT_TASK_STAGE, VMGUEST_EVENT_TASK_COMPLETED,
	};
	struct vmguest_monitor *monitor;
	struct heard heard = { };
	struct nl_message event;
	unsigned int i = 0;
	struct nl nl;

	ASSERT_EQ(0, nl_open(&nl));
	ASSERT_EQ(0, vmguest_monitor_open(VMGUEST_MONITOR_ALL, &monitor));
	ASSERT_EQ(0, nl_join(&nl, 0));
	ASSERT_EQ(0, nl_join(&nl, 1));
	/* A VM of the test before may be on its way out. */
	while (!nl_event(&nl, &event, 200))
		;
	ASSERT_EQ(0, hear_all(monitor, &heard, 0));
	heard.count = 0;
	SHUT_DOWN();
	ASSERT_EQ(0, hear_all(monitor, &heard, 200));
	while (!nl_event(&nl, &event, 200) && i < HEARD_MAX) {
		bool task = event.cmd >= VMGUEST_CMD_TASK_STARTED;

		EXPECT_EQ(event.cmd, heard.type[i]);
		EXPECT_EQ(nl_u64(event.attr[task ? VMGUEST_A_TASK_SEQ :
					    VMGUEST_A_VM_SEQ]), heard.seq[i]);
		EXPECT_EQ(nl_u64(event.attr[task ? VMGUEST_A_TASK_GROUP_SEQ :
					    VMGUEST_A_VM_GROUP_SEQ]),
			  heard.group_seq[i]);
		i++;
	}
	EXPECT_EQ(i, heard.count);
	ASSERT_EQ(sizeof(want) / sizeof(*want), heard.count);
	for (i = 0; i < heard.count; i++)
		EXPECT_EQ(want[i], heard.type[i]);
	EXPECT_EQ(0, heard.overruns);
	vmguest_monitor_close(monitor);
	nl_close(&nl);
}

/* Hear on until this has come; false if it does not. */
static bool hear_until(struct vmguest_monitor *monitor, struct heard *heard,
		       uint32_t type)
{
	int ret;

	heard->until = type;
	ret = hear_all(monitor, heard, VMG_PATIENCE_MS);
	heard->until = 0;
	return ret == -ECANCELED;
}

static bool is_me(const struct vmguest_actor *actor)
{
	return actor->uid == getuid() && actor->pid == getpid();
}

TEST_F(monitor, events_are_told_in_full)
{
	struct vmguest_monitor *monitor;
	struct heard heard = { };

	ASSERT_EQ(0, vmguest_monitor_open(VMGUEST_MONITOR_ALL, &monitor));
	CONNECT();
	ASSERT_TRUE(hear_until(monitor, &heard,
			       VMGUEST_EVENT_VM_AGENT_AVAILABLE));
	EXPECT_EQ(self->vm, heard.vm.vm_id);
	EXPECT_STREQ("sim", heard.vm.name);
	EXPECT_EQ(VMG_CID, heard.vm.cid);
	EXPECT_EQ(SIM_CAPABILITIES, heard.vm.capabilities);
	EXPECT_EQ(VMGUEST_CAUSE_BY_GUEST, heard.event.cause.by);
	EXPECT_EQ(NULL, heard.event.task);

	ASK_REASON(VMGUEST_SHUTDOWN, 0);
	ACCEPT();
	ASSERT_EQ(0, sim_send_blocked(&self->sim, self->id,
				      VMGUEST_BLOCKER_SESSION, "alice",
				      "unsaved work"));
	ASSERT_TRUE(hear_until(monitor, &heard, VMGUEST_EVENT_TASK_BLOCKED));
	EXPECT_EQ(NULL, heard.event.vm);
	EXPECT_EQ(self->id, heard.task.task_id);
	EXPECT_EQ(self->vm, heard.task.vm_id);
	EXPECT_STREQ("sim", heard.task.vm_name);
	EXPECT_EQ(VMGUEST_VERB_SHUTDOWN, heard.task.verb);
	EXPECT_STREQ(REASON, heard.task.reason);
	EXPECT_TRUE(is_me(&heard.task.starter));
	ASSERT_EQ(1, heard.event.blockers);
	EXPECT_EQ(VMGUEST_BLOCKER_SESSION, heard.blocker[0].kind);
	EXPECT_STREQ("alice", heard.blocker[0].who);
	EXPECT_STREQ("unsaved work", heard.blocker[0].why);

	ASSERT_EQ(0, sim_send_blocked(&self->sim, self->id, 0, "", ""));
	COMMIT();
	sim_send_last_breath(&self->sim, self->id, VMGUEST_END_POWEROFF);
	ASSERT_TRUE(hear_until(monitor, &heard, VMGUEST_EVENT_VM_GOING_DOWN));
	EXPECT_EQ(0, heard.event.end);
	ASSERT_TRUE(hear_until(monitor, &heard, VMGUEST_EVENT_VM_GOING_DOWN));
	EXPECT_EQ(VMGUEST_END_POWEROFF, heard.event.end);
	sim_close(&self->sim);
	vmg_vmm_kill(&self->vmm);
	ASSERT_TRUE(hear_until(monitor, &heard, VMGUEST_EVENT_TASK_COMPLETED));
	EXPECT_TRUE(heard.task.task_flags & VMGUEST_TASK_COMPLETE);
	EXPECT_EQ(VMGUEST_RESULT_SUCCESS, heard.task.result);
	EXPECT_NE(0, heard.task.end_ns);
	EXPECT_EQ(VMGUEST_VM_GONE, heard.vm.state);
	vmguest_monitor_close(monitor);
}

TEST_F(monitor, causes_and_details_are_told)
{
	struct vmguest_vm_set change = {
		.size = sizeof(change),
		.what = VMGUEST_SET_MODE,
		.mode = 0700,
	};
	struct vmguest_monitor *monitor;
	struct heard heard = { };

	ASSERT_EQ(0, vmguest_monitor_open(VMGUEST_MONITOR_VM, &monitor));
	change.vm_id = self->vm;
	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_VM_SET, &change));
	ASSERT_TRUE(hear_until(monitor, &heard, VMGUEST_EVENT_VM_CHANGED));
	EXPECT_EQ(VMGUEST_SET_MODE, heard.event.changed);
	EXPECT_EQ(0700, heard.vm.mode);
	EXPECT_EQ(VMGUEST_CAUSE_BY_CALLER, heard.event.cause.by);
	EXPECT_TRUE(is_me(&heard.event.cause.actor));

	CONNECT();
	ASK_REASON(VMGUEST_LOGOFF, 0);
	ACCEPT();
	COMMIT();
	ASSERT_EQ(0, sim_send_result(&self->sim, self->id, VMGUEST_WIRE_OK, 3,
				     0, ""));
	ASSERT_TRUE(hear_until(monitor, &heard, VMGUEST_EVENT_VM_LOGOFF));
	EXPECT_EQ(VMGUEST_LOGOFF_TYPE_EXTERNAL, heard.event.logoff);
	EXPECT_EQ(3, heard.event.targeted);
	EXPECT_EQ(3, heard.event.ended);
	EXPECT_EQ(0, heard.event.left);
	EXPECT_EQ(VMGUEST_CAUSE_BY_TASK, heard.event.cause.by);
	EXPECT_EQ(self->id, heard.event.cause.task_id);
	EXPECT_EQ(VMGUEST_VERB_LOGOFF, heard.event.cause.verb);
	EXPECT_STREQ(REASON, heard.event.cause.reason);
	EXPECT_STREQ("", heard.event.who);

	sim_send_notice(&self->sim, VMGUEST_NOTICE_LOGOFF,
			VMGUEST_WIRE_LOGOFF_FORCED, 1, 2, "al\x1bice");
	ASSERT_TRUE(hear_until(monitor, &heard, VMGUEST_EVENT_VM_LOGOFF));
	EXPECT_EQ(VMGUEST_LOGOFF_TYPE_FORCED, heard.event.logoff);
	EXPECT_EQ(0, heard.event.targeted);
	EXPECT_EQ(1, heard.event.ended);
	EXPECT_EQ(2, heard.event.left);
	EXPECT_STREQ("al?ice", heard.event.who);
	EXPECT_EQ(VMGUEST_CAUSE_BY_GUEST, heard.event.cause.by);
	vmguest_monitor_close(monitor);
}

/* Entries of dumps are the structs that the calls return, but for uids. */
TEST_F(monitor, dumps_say_what_the_ioctls_say)
{
	struct vmguest_monitor *monitor;
	struct vmguest_task_get task;
	struct heard heard = { };
	struct vmguest_vm_get vm;
	int fd;

	CONNECT();
	ASK_REASON(VMGUEST_SHUTDOWN, 0);
	ACCEPT();
	ASSERT_EQ(0, sim_send_blocked(&self->sim, self->id,
				      VMGUEST_BLOCKER_SESSION, "alice", ""));
	ASSERT_EQ(0, sim_send_blocked(&self->sim, self->id,
				      VMGUEST_BLOCKER_INHIBITOR, "apt", "no"));
	vmg_wait_stage(self->task, VMGUEST_STAGE_BLOCKED);
	{
		struct vmguest_request join =
			request_for(self->vm, VMGUEST_REQ_JOIN);

		fd = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &join);
		ASSERT_LE(0, fd);
	}
	while (vmg_task(self->task).blockers < 2)
		ASSERT_TRUE(vmg_poll(self->task, POLLPRI, VMG_PATIENCE_MS));
	ASSERT_EQ(0, vmguest_monitor_open(0, &monitor));
	ASSERT_EQ(0, vmguest_monitor_dump(monitor, VMGUEST_MONITOR_ALL, hear,
					  &heard));
	ASSERT_EQ(2, heard.count);
	EXPECT_EQ(VMGUEST_EVENT_VM, heard.type[0]);
	EXPECT_EQ(VMGUEST_EVENT_TASK, heard.type[1]);
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(0, memcmp(&vm, &heard.vm, sizeof(vm)));
	task = vmg_task(self->task);
	EXPECT_EQ(0, memcmp(&task, &heard.task, sizeof(task)));
	EXPECT_EQ(1, heard.task.joiners);
	EXPECT_TRUE(is_me(&heard.task.joiner[0]));
	ASSERT_EQ(2, heard.event.blockers);
	EXPECT_STREQ("alice", heard.blocker[0].who);
	EXPECT_STREQ("apt", heard.blocker[1].who);
	EXPECT_STREQ("no", heard.blocker[1].why);
	close(fd);
	vmguest_monitor_close(monitor);
}

TEST_F(monitor, a_filter_tells_only_of_its_vms)
{
	const struct vmguest_vm_ref wrong = { .id = 1, .name = "sim" };
	const struct vmguest_vm_ref later = { .name = "later" };
	const struct vmguest_vm_ref cid = { .cid = VMG_CID };
	struct vmguest_monitor *monitor;
	struct heard heard = { };
	uint64_t other, id;

	ASSERT_EQ(0, vmguest_monitor_open(VMGUEST_MONITOR_ALL, &monitor));
	EXPECT_EQ(-EINVAL, vmguest_monitor_filter(monitor, &wrong));
	ASSERT_EQ(0, vmguest_monitor_filter(monitor, &later));
	ASSERT_EQ(0, vmg_register(self->fd, "other", 77, -1, &other));
	ASSERT_EQ(0, hear_all(monitor, &heard, 100));
	EXPECT_EQ(0, heard.count);
	ASSERT_EQ(0, vmg_register(self->fd, "later", 78, -1, &id));
	ASSERT_TRUE(hear_until(monitor, &heard, VMGUEST_EVENT_VM_REGISTERED));
	EXPECT_EQ(id, heard.vm.vm_id);
	ASSERT_EQ(0, vmguest_monitor_filter(monitor, &cid));
	ASK_REASON(VMGUEST_SHUTDOWN, VMGUEST_REQ_QUEUE);
	ASSERT_TRUE(hear_until(monitor, &heard, VMGUEST_EVENT_TASK_STARTED));
	heard.count = 0;
	ASSERT_EQ(0, vmguest_monitor_dump(monitor, VMGUEST_MONITOR_ALL, hear,
					  &heard));
	EXPECT_EQ(3, heard.count);
	heard.count = 0;
	ASSERT_EQ(0, vmg_unregister(self->fd, other));
	ASSERT_EQ(0, hear_all(monitor, &heard, 100));
	EXPECT_EQ(0, heard.count);
	EXPECT_EQ(0, heard.overruns);
	vmguest_monitor_close(monitor);
}

TEST_F(monitor, one_group_is_only_that_one)
{
	struct vmguest_monitor *monitor;
	struct heard heard = { };
	uint64_t vm;

	EXPECT_EQ(-EINVAL, vmguest_monitor_open(1 << 2, &monitor));
	EXPECT_EQ(NULL, monitor);
	ASSERT_EQ(0, vmguest_monitor_open(VMGUEST_MONITOR_TASK, &monitor));
	ASSERT_EQ(0, vmg_register(self->fd, "other", 77, -1, &vm));
	ASSERT_EQ(0, vmg_unregister(self->fd, vm));
	ASSERT_EQ(0, hear_all(monitor, &heard, 100));
	EXPECT_EQ(0, heard.count);
	ASSERT_EQ(0, vmguest_monitor_resync(monitor, hear, &heard));
	EXPECT_EQ(2, heard.count);
	EXPECT_EQ(VMGUEST_EVENT_SYNC_BEGIN, heard.type[0]);
	EXPECT_EQ(VMGUEST_EVENT_SYNC_END, heard.type[1]);
	vmguest_monitor_close(monitor);
}

static int stop_at_once(const struct vmguest_event *event, void *context)
{
	(void)event;
	(void)context;
	return -EXDEV;
}

TEST_F(monitor, a_callback_can_stop_it)
{
	struct vmguest_monitor *monitor;
	struct heard heard = { };

	ASSERT_EQ(0, vmguest_monitor_open(VMGUEST_MONITOR_TASK, &monitor));
	ASK_REASON(VMGUEST_SHUTDOWN, VMGUEST_REQ_QUEUE);
	ASSERT_EQ(0, vmg_task_cancel(self->task));
	EXPECT_EQ(-EXDEV, vmguest_monitor_dump(monitor, VMGUEST_MONITOR_ALL,
					       stop_at_once, NULL));
	EXPECT_EQ(-EXDEV, vmguest_monitor_dispatch(monitor, stop_at_once,
						   NULL));
	/* It has taken one of both. */
	EXPECT_EQ(1, vmguest_monitor_dispatch(monitor, hear, &heard));
	EXPECT_EQ(VMGUEST_EVENT_TASK_COMPLETED, heard.type[0]);
	EXPECT_EQ(0, vmguest_monitor_dispatch(monitor, hear, &heard));
	vmguest_monitor_close(monitor);
}

TEST_F(monitor, stats_are_read)
{
	struct vmguest_stats stats = { .size = sizeof(stats) };
	struct vmguest_monitor *monitor;
	uint64_t cancelled;

	ASSERT_EQ(0, vmguest_monitor_open(VMGUEST_MONITOR_TASK, &monitor));
	CONNECT();
	ASSERT_EQ(0, vmguest_monitor_stats(monitor, &stats));
	EXPECT_EQ(sizeof(stats), stats.size);
	EXPECT_EQ(1, stats.vms);
	EXPECT_EQ(1, stats.channels);
	EXPECT_LT(0, stats.frames_in);
	EXPECT_LT(0, stats.frames_out);
	cancelled = stats.tasks[VMGUEST_RESULT_CANCELLED];
	ASK_REASON(VMGUEST_SHUTDOWN, 0);
	ASSERT_EQ(0, vmg_task_cancel(self->task));
	ASSERT_EQ(0, vmguest_monitor_stats(monitor, &stats));
	EXPECT_EQ(cancelled + 1, stats.tasks[VMGUEST_RESULT_CANCELLED]);
	EXPECT_LT(0, stats.events);
	stats.size = 2;
	EXPECT_EQ(-EINVAL, vmguest_monitor_stats(monitor, &stats));
	vmguest_monitor_close(monitor);
}

/*
 * Who may.
 */
static bool may_only_dump(void *data)
{
	struct vmguest_stats stats = { .size = sizeof(stats) };
	struct vmguest_monitor *monitor;
	struct heard heard = { };

	(void)data;
	if (vmguest_monitor_open(VMGUEST_MONITOR_VM, &monitor) != -EPERM ||
	    monitor || vmguest_monitor_open(0, &monitor))
		return false;
	return !vmguest_monitor_dump(monitor, VMGUEST_MONITOR_ALL, hear,
				     &heard) && !heard.count &&
	       vmguest_monitor_stats(monitor, &stats) == -EPERM &&
	       vmguest_monitor_resync(monitor, hear, &heard) == -EINVAL;
}

static bool finds_no_family(void *data)
{
	struct vmguest_monitor *monitor;

	(void)data;
	return vmguest_monitor_open(0, &monitor) == -ENOENT && !monitor;
}

TEST_F(monitor, what_is_not_allowed_or_not_there_is_said)
{
	int status = -1;
	pid_t pid;

	EXPECT_TRUE(vmg_as_user(USER, USER, may_only_dump, NULL));
	pid = fork();
	if (!pid)
		_exit(unshare(CLONE_NEWNET) || !finds_no_family(NULL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/*
 * Losses.
 */
static int burst(int fd, uint64_t vm, unsigned int events)
{
	unsigned int i;
	uint64_t id;
	int err = 0;

	for (i = 0; i < events && !err; i += 2)
		err = start_and_cancel(fd, vm, &id);
	return err;
}

/* What a listener knows, and when it had to ask. */
struct knowledge {
	struct vmguest_monitor *monitor;
	unsigned int overruns;
	unsigned int resyncs;
	unsigned int running;
	uint64_t newest;
	bool lost;
	bool doubled;
	bool missed;
	unsigned int events;
};

/* Of requests whose ids grow by one; the first of all may be any. */
static int learn(const struct vmguest_event *event, void *context)
{
	const struct vmguest_task_get *task = event->task;
	struct knowledge *known = context;

	switch (event->type) {
	case VMGUEST_EVENT_OVERRUN:
		known->overruns++;
		known->lost = true;
		return 0;
	case VMGUEST_EVENT_SYNC_BEGIN:
		known->running = 0;
		known->newest = 0;
		return 0;
	case VMGUEST_EVENT_SYNC_END:
		known->resyncs++;
		known->lost = false;
		return 0;
	case VMGUEST_EVENT_TASK:
		known->newest = task->task_id;
		known->running += !(task->task_flags & VMGUEST_TASK_COMPLETE);
		return 0;
	case VMGUEST_EVENT_TASK_STARTED:
		known->events++;
		known->doubled |= task->task_id <= known->newest;
		known->missed |= (known->newest &&
				  task->task_id > known->newest + 1) ||
				 known->running;
		known->newest = task->task_id;
		known->running++;
		return 0;
	case VMGUEST_EVENT_TASK_COMPLETED:
		known->events++;
		known->doubled |= !known->running ||
				  task->task_id < known->newest;
		known->missed |= task->task_id > known->newest;
		known->running--;
		return 0;
	}
	return 0;
}

TEST_F_TIMEOUT(monitor, a_burst_is_noticed_and_one_resync_has_the_truth, 300)
{
	struct knowledge known = { };

	ASSERT_EQ(0, vmguest_monitor_open(VMGUEST_MONITOR_TASK,
					  &known.monitor));
	ASSERT_EQ(0, vmguest_monitor_set_buffer(known.monitor, 4096));
	ASSERT_EQ(0, vmguest_monitor_resync(known.monitor, learn, &known));
	/* The hole that follows is behind something. */
	ASSERT_EQ(0, burst(self->fd, self->vm, 2));
	ASSERT_EQ(2, vmguest_monitor_dispatch(known.monitor, learn, &known));
	known.events = 0;
	ASSERT_EQ(0, burst(self->fd, self->vm, BURST));
	ASK_REASON(VMGUEST_SHUTDOWN, VMGUEST_REQ_QUEUE);

	ASSERT_EQ(1, vmguest_monitor_dispatch(known.monitor, learn, &known));
	EXPECT_EQ(1, known.overruns);
	EXPECT_TRUE(known.lost);
	ASSERT_EQ(0, vmguest_monitor_resync(known.monitor, learn, &known));
	EXPECT_EQ(2, known.resyncs);
	EXPECT_EQ(self->id, known.newest);
	EXPECT_EQ(1, known.running);
	/* Nothing of before, and what comes is no loss. */
	EXPECT_EQ(0, vmguest_monitor_dispatch(known.monitor, learn, &known));
	ASSERT_EQ(0, vmg_task_cancel(self->task));
	EXPECT_EQ(1, vmguest_monitor_dispatch(known.monitor, learn, &known));
	EXPECT_EQ(0, known.running);
	EXPECT_EQ(1, known.events);
	EXPECT_EQ(1, known.overruns);
	EXPECT_FALSE(known.doubled || known.missed);
	vmguest_monitor_close(known.monitor);
}

/* Who does not resync is told of the hole, too, and how large it is. */
TEST_F_TIMEOUT(monitor, the_hole_is_told_with_its_size, 300)
{
	struct vmguest_monitor *monitor;
	struct heard heard = { };

	ASSERT_EQ(0, vmguest_monitor_open(VMGUEST_MONITOR_TASK, &monitor));
	ASSERT_EQ(0, vmguest_monitor_set_buffer(monitor, 4096));
	ASSERT_EQ(0, burst(self->fd, self->vm, BURST));
	ASSERT_EQ(0, hear_all(monitor, &heard, 0));
	EXPECT_EQ(1, heard.overruns);
	EXPECT_EQ(0, heard.lost);
	ASSERT_EQ(0, burst(self->fd, self->vm, 2));
	ASSERT_EQ(0, hear_all(monitor, &heard, 0));
	EXPECT_EQ(2, heard.overruns);
	EXPECT_EQ(BURST + 2, heard.count - heard.overruns + heard.lost);
	TH_LOG("%u told, %llu lost", heard.count - heard.overruns,
	       (unsigned long long)heard.lost);
	vmguest_monitor_close(monitor);
}

/* Without the kernel's notice the numbers alone tell. */
TEST_F_TIMEOUT(monitor, the_hole_is_seen_without_a_notice, 300)
{
	struct vmguest_monitor *monitor;
	struct heard heard = { };
	const int on = 1;

	ASSERT_EQ(0, vmguest_monitor_open(VMGUEST_MONITOR_TASK, &monitor));
	ASSERT_EQ(0, vmguest_monitor_set_buffer(monitor, 4096));
	ASSERT_EQ(0, setsockopt(vmguest_monitor_fd(monitor), SOL_NETLINK,
				NETLINK_NO_ENOBUFS, &on, sizeof(on)));
	ASSERT_EQ(0, burst(self->fd, self->vm, 100));
	ASSERT_EQ(0, hear_all(monitor, &heard, 0));
	/* A newer kernel has room for a small event behind a large one's hole. */
	EXPECT_EQ(!heard.lost, !heard.overruns);
	ASSERT_EQ(0, burst(self->fd, self->vm, 2));
	ASSERT_EQ(0, hear_all(monitor, &heard, 0));
	EXPECT_LE(1, heard.overruns);
	EXPECT_EQ(102, heard.count - heard.overruns + heard.lost);
	vmguest_monitor_close(monitor);
}

/* Resync from within the callback that tells of the loss, too. */
static int learn_and_resync(const struct vmguest_event *event, void *context)
{
	struct knowledge *known = context;

	learn(event, context);
	if (event->type != VMGUEST_EVENT_OVERRUN)
		return 0;
	vmguest_monitor_resync(known->monitor, learn, known);
	return 0;
}

/* Make requests and cancel them at any time, for ever. */
static void keep_asking(int fd, uint64_t vm)
{
	struct vmguest_request request;
	int task;

	do {
		usleep(rand() % 3000);
		request = request_for(vm, VMGUEST_REQ_QUEUE);
		task = vmg_ask(fd, VMGUEST_SHUTDOWN, &request);
		usleep(rand() % 3000);
	} while (task >= 0 && !vmg_task_cancel(task) && !close(task));
	_exit(1);
}

static void follow(struct knowledge *known, vmguest_event_fn *tell, int ms)
{
	struct pollfd ready = {
		.fd = vmguest_monitor_fd(known->monitor),
		.events = POLLIN,
	};
	uint64_t end = vmg_now_ms() + ms;

	while (vmg_now_ms() < end)
		if (poll(&ready, 1, 10) > 0 &&
		    vmguest_monitor_dispatch(known->monitor, tell, known) < 0)
			break;
}

/* The kernel has no room for an event, and says so. */
static bool has_overrun(struct vmguest_monitor *monitor)
{
	struct pollfd error = { .fd = vmguest_monitor_fd(monitor) };

	return poll(&error, 1, VMG_PATIENCE_MS) > 0;
}

TEST_F_TIMEOUT(monitor, resyncs_neither_lose_nor_double, 300)
{
	struct knowledge known = { }, small = { };
	unsigned int i, busy = 0;
	pid_t pid;
	int ret;

	ASSERT_EQ(0, vmguest_monitor_open(VMGUEST_MONITOR_TASK,
					  &known.monitor));
	ASSERT_EQ(0, vmguest_monitor_open(VMGUEST_MONITOR_TASK,
					  &small.monitor));
	ASSERT_EQ(0, vmguest_monitor_set_buffer(small.monitor, 4096));
	pid = fork();
	if (!pid)
		keep_asking(self->fd, self->vm);
	for (i = 0; i < 300; i++) {
		ret = vmguest_monitor_resync(known.monitor, learn, &known);
		if (ret == -EAGAIN) {
			busy++;
			continue;
		}
		ASSERT_EQ(0, ret);
		follow(&known, learn, rand() % 20);
		EXPECT_EQ(0, known.overruns);
		EXPECT_FALSE(known.doubled);
		EXPECT_FALSE(known.missed);
		if (known.doubled || known.missed)
			break;
	}
	/* One that overruns again and again. */
	ASSERT_EQ(0, vmguest_monitor_resync(small.monitor, learn, &small));
	for (i = 0; i < 20; i++) {
		ASSERT_TRUE(has_overrun(small.monitor));
		follow(&small, learn_and_resync, 20);
		/* Where even the resync failed there is another one to come. */
		if (small.lost && vmguest_monitor_resync(small.monitor, learn,
							 &small))
			busy++;
		EXPECT_FALSE(small.doubled);
		EXPECT_FALSE(small.missed);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	TH_LOG("%u resyncs, %u given up, %u events; %u overruns, %u resyncs, %u events",
	       known.resyncs, busy, known.events, small.overruns,
	       small.resyncs, small.events);
	EXPECT_LT(50, known.resyncs);
	EXPECT_LT(100, known.events);
	EXPECT_LE(20, small.overruns);
	vmguest_monitor_close(known.monitor);
	vmguest_monitor_close(small.monitor);
}

/* What a resync forgets is not told of afterwards: @tell gets no end of it. */
TEST_F(monitor, what_was_gone_before_a_resync_is_not_told)
{
	struct vmguest_monitor *monitor;
	struct heard heard = { };
	uint64_t vm;

	ASSERT_EQ(0, vmg_register(self->fd, "other", 77, -1, &vm));
	ASSERT_EQ(0, vmguest_monitor_open(VMGUEST_MONITOR_ALL, &monitor));
	ASSERT_EQ(0, vmg_unregister(self->fd, vm));
	ASSERT_EQ(0, vmguest_monitor_resync(monitor, hear, &heard));
	heard.count = 0;
	ASSERT_EQ(0, hear_all(monitor, &heard, 100));
	EXPECT_EQ(0, heard.count);
	ASSERT_EQ(0, vmg_register(self->fd, "other", 77, -1, &vm));
	ASSERT_TRUE(hear_until(monitor, &heard, VMGUEST_EVENT_VM_REGISTERED));
	ASSERT_EQ(0, vmg_unregister(self->fd, vm));
	ASSERT_TRUE(hear_until(monitor, &heard,
			       VMGUEST_EVENT_VM_UNREGISTERED));
	vmguest_monitor_close(monitor);
}

/*
 * Dumps.
 */
struct many {
	unsigned int count;
	uint8_t times[MANY];	/* that a CID was told of */
	uint64_t last_id;
	bool doubled;
	bool unordered;
};

static int see_many(const struct vmguest_event *event, void *context)
{
	const struct vmguest_vm_get *vm = event->vm;
	struct many *many = context;

	many->unordered |= vm->vm_id <= many->last_id;
	many->last_id = vm->vm_id;
	if (vm->cid < MANY_CID || vm->cid >= MANY_CID + MANY)
		return 0;
	many->count++;
	many->doubled |= many->times[vm->cid - MANY_CID]++;
	return 0;
}

static int register_numbered(int fd, uint32_t cid, uint64_t *id)
{
	char name[32];

	snprintf(name, sizeof(name), "v%u", cid);
	return vmg_register(fd, name, cid, -1, id);
}

/*
 * One after the other goes and comes back, with the highest id: a dump that does
 * not see that would have it twice. All but one are there at any moment.
 */
static void churn(int fd, const uint64_t *ids, unsigned int pause_ms)
{
	unsigned int i;
	uint64_t id;

	for (i = 0; i < MANY; i++) {
		if (vmg_unregister(fd, ids[i]) ||
		    register_numbered(fd, MANY_CID + i, &id))
			_exit(1);
		usleep(rand() % (pause_ms * 1000));
	}
	_exit(1);
}

TEST_F_TIMEOUT(monitor, a_dump_of_many_is_whole, 900)
{
	unsigned int i, busy = 0, whole = 0;
	struct vmguest_monitor *monitor;
	static uint64_t ids[MANY];
	static struct many many;
	uint64_t start, took;
	pid_t pid;
	int ret;

	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0, register_numbered(self->fd, MANY_CID + i,
					       &ids[i]));
	ASSERT_EQ(0, vmguest_monitor_open(0, &monitor));
	start = vmg_now_ms();
	ASSERT_EQ(0, vmguest_monitor_dump(monitor, VMGUEST_MONITOR_VM,
					  see_many, &many));
	ASSERT_EQ(MANY, many.count);
	took = vmg_now_ms() - start + 1;
	start = vmg_now_ms();
	pid = fork();
	if (!pid)
		churn(self->fd, ids, 3 * took);
	/* A slow machine is left with fewer. */
	for (i = 0; i < 50 && (i < 5 || vmg_now_ms() - start < 120000); i++) {
		memset(&many, 0, sizeof(many));
		ret = vmguest_monitor_dump(monitor, VMGUEST_MONITOR_VM,
					   see_many, &many);
		if (ret == -EAGAIN) {
			EXPECT_EQ(0, many.count);
			busy++;
			continue;
		}
		ASSERT_EQ(0, ret);
		whole++;
		EXPECT_LE(MANY - 1, many.count);
		EXPECT_GE(MANY, many.count);
		EXPECT_FALSE(many.doubled);
		EXPECT_FALSE(many.unordered);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	TH_LOG("%u whole, %u given up; %u ms for one alone", whole, busy,
	       (unsigned int)took);
	EXPECT_LT(0, whole);
	vmguest_monitor_close(monitor);
}

TEST_HARNESS_MAIN
