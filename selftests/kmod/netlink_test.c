// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic netlink family: what it shows, what it tells, in which order, and
 * to whom.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include <linux/genetlink.h>
#include <linux/vmguest_netlink.h>

#include "nl.h"
#include "task_fixture.h"

#ifndef SOL_NETLINK
#define SOL_NETLINK	270
#endif

#define USER		1234

/* A dump that is worth interrupting, and CIDs that nobody else has here. */
#define MANY		(vmg_kernel_is_slow() ? 1000U : 5000U)
#define MANY_CID	100000
#define CHURN_CID	200000

#define BURST		(vmg_kernel_is_slow() ? 2000U : 10000U)

TASK_FIXTURE(netlink)

/* The next event of a listener is this one, and none is missing before it. */
struct listener {
	struct nl nl;
	struct nl_message event;
	uint64_t seq;
	uint64_t group_seq[2];
	uint64_t time_ns;
	bool holes;
};

static bool is_task_event(uint8_t cmd)
{
	return cmd >= VMGUEST_CMD_TASK_STARTED;
}

static const struct nlattr *attr_of(const struct nl_message *event, int vm_type,
				    int task_type)
{
	return event->attr[is_task_event(event->cmd) ? task_type : vm_type];
}

static uint64_t seq_of(const struct nl_message *event)
{
	return nl_u64(attr_of(event, VMGUEST_A_VM_SEQ, VMGUEST_A_TASK_SEQ));
}

static uint64_t group_seq_of(const struct nl_message *event)
{
	return nl_u64(attr_of(event, VMGUEST_A_VM_GROUP_SEQ,
			      VMGUEST_A_TASK_GROUP_SEQ));
}

static uint64_t time_of(const struct nl_message *event)
{
	return nl_u64(attr_of(event, VMGUEST_A_VM_TIME_NS,
			      VMGUEST_A_TASK_TIME_NS));
}

static int listen_to(struct listener *l, bool vms, bool tasks)
{
	int err;

	memset(l, 0, sizeof(*l));
	err = nl_open(&l->nl);
	if (!err && vms)
		err = nl_join(&l->nl, 0);
	if (!err && tasks)
		err = nl_join(&l->nl, 1);
	return err;
}

/* Return: VMGUEST_CMD_* of the next event, 0 after @ms, or a negative errno. */
static int next_event(struct listener *l, int ms)
{
	uint64_t *group_seq;
	int err;

	err = nl_event(&l->nl, &l->event, ms);
	if (err)
		return err == -EAGAIN ? 0 : err;
	group_seq = &l->group_seq[is_task_event(l->event.cmd)];
	l->holes |= *group_seq && group_seq_of(&l->event) != *group_seq + 1;
	l->holes |= l->seq >= seq_of(&l->event);
	l->holes |= l->time_ns > time_of(&l->event);
	*group_seq = group_seq_of(&l->event);
	l->seq = seq_of(&l->event);
	l->time_ns = time_of(&l->event);
	return l->event.cmd;
}

#define LISTEN(l) ASSERT_EQ(0, listen_to(l, true, true))

#define EXPECT_EVENT(l, cmd) do {					\
	ASSERT_EQ(cmd, next_event(l, VMG_PATIENCE_MS));			\
	ASSERT_FALSE((l)->holes);					\
} while (0)

#define EXPECT_STAGE(l, want) do {					\
	EXPECT_EVENT(l, VMGUEST_CMD_TASK_STAGE);			\
	EXPECT_EQ(want, nl_u32((l)->event.attr[VMGUEST_A_TASK_STAGE]));	\
} while (0)

#define EXPECT_SILENCE(l) EXPECT_EQ(0, next_event(l, 100))

#define VM_U32(l, name) nl_u32((l)->event.attr[VMGUEST_A_VM_##name])
#define TASK_U32(l, name) nl_u32((l)->event.attr[VMGUEST_A_TASK_##name])
#define TASK_U64(l, name) nl_u64((l)->event.attr[VMGUEST_A_TASK_##name])

static struct nl_message cause_of(const struct listener *l)
{
	return nl_nested(l->event.attr[VMGUEST_A_VM_CAUSE]);
}

static uint32_t by_of(const struct listener *l)
{
	return nl_u32(cause_of(l).attr[VMGUEST_A_CAUSE_BY]);
}

static bool is_me(const struct nlattr *actor)
{
	struct nl_message who = nl_nested(actor);

	return who.attr[VMGUEST_A_ACTOR_UID] &&
	       nl_u32(who.attr[VMGUEST_A_ACTOR_UID]) == getuid() &&
	       nl_u32(who.attr[VMGUEST_A_ACTOR_PID]) == (uint32_t)getpid();
}

/* By the task that this process has started for REASON. */
static bool is_by_task(const struct listener *l, uint64_t id)
{
	struct nl_message cause = cause_of(l);

	return by_of(l) == VMGUEST_CAUSE_BY_TASK &&
	       nl_u64(cause.attr[VMGUEST_A_CAUSE_TASK_ID]) == id &&
	       is_me(cause.attr[VMGUEST_A_CAUSE_ACTOR]) &&
	       nl_is(cause.attr[VMGUEST_A_CAUSE_REASON], REASON);
}

/*
 * What the family shows.
 */
struct seen {
	struct nl_message message;
	unsigned int count;
	uint64_t last_id;
	bool unordered;
};

static void see(const struct nl_message *message, void *data)
{
	uint64_t id = nl_u64(message->attr[VMGUEST_A_VM_ID]);
	struct seen *seen = data;

	seen->message = *message;
	seen->count++;
	seen->unordered |= id <= seen->last_id;
	seen->last_id = id;
}

static int ask_for(struct nl *nl, uint8_t cmd, uint64_t id, struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	nl_begin(nl, cmd, 0);
	nl_put_u64(nl, VMGUEST_A_VM_ID, id);
	return nl_call(nl, see, seen);
}

static int dump(struct nl *nl, uint8_t cmd, uint64_t after, struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	nl_begin(nl, cmd, NLM_F_DUMP);
	if (after)
		nl_put_u64(nl, cmd == VMGUEST_CMD_VM_GET ?
			       VMGUEST_A_VM_AFTER : VMGUEST_A_TASK_AFTER,
			   after);
	return nl_call(nl, see, seen);
}

TEST_F(netlink, family_is_as_its_header_says)
{
	struct nl nl;

	ASSERT_EQ(0, nl_open(&nl));
	EXPECT_EQ(VMGUEST_FAMILY_VERSION, nl.version);
	EXPECT_LT(0, nl.groups[0]);
	EXPECT_LT(0, nl.groups[1]);
	EXPECT_EQ(GENL_CMD_CAP_DO | GENL_CMD_CAP_DUMP | GENL_CMD_CAP_HASPOL,
		  nl.ops[VMGUEST_CMD_VM_GET]);
	EXPECT_EQ(GENL_CMD_CAP_DO | GENL_CMD_CAP_DUMP | GENL_CMD_CAP_HASPOL,
		  nl.ops[VMGUEST_CMD_TASK_GET]);
	EXPECT_EQ(GENL_CMD_CAP_DO,
		  nl.ops[VMGUEST_CMD_STATS_GET] & GENL_CMD_CAP_DO);
	EXPECT_EQ(0, nl.ops[VMGUEST_CMD_STATS_GET] & GENL_CMD_CAP_DUMP);
	nl_close(&nl);
}

#define SAME_U32(type, member)						\
	EXPECT_EQ(vm.member, nl_u32(seen.message.attr[VMGUEST_A_VM_##type]))
#define SAME_U64(type, member)						\
	EXPECT_EQ(vm.member, nl_u64(seen.message.attr[VMGUEST_A_VM_##type]))

TEST_F(netlink, vm_get_says_what_the_ioctl_says)
{
	struct nl_message guest;
	struct vmguest_vm_get vm;
	struct seen seen;
	struct nl nl;

	CONNECT();
	/* Heard before the request is accepted. */
	sim_send_notice(&self->sim, VMGUEST_NOTICE_SESSIONS, 1, 0, 3, "");
	ASK_REASON(VMGUEST_SHUTDOWN, 0);
	ACCEPT();
	ASSERT_EQ(0, nl_open(&nl));
	ASSERT_EQ(0, ask_for(&nl, VMGUEST_CMD_VM_GET, self->vm, &seen));
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(1, seen.count);
	SAME_U64(ID, vm_id);
	SAME_U32(CID, cid);
	SAME_U32(UID, uid);
	SAME_U32(GID, gid);
	SAME_U32(MODE, mode);
	SAME_U32(STATE, state);
	SAME_U32(FLAGS, vm_flags);
	SAME_U64(TASK_ID, task_id);
	SAME_U64(CAPABILITIES, capabilities);
	SAME_U64(FRAMES_IN, frames_in);
	SAME_U64(FRAMES_OUT, frames_out);
	SAME_U64(MALFORMED, malformed);
	SAME_U64(REFUSED, refused);
	SAME_U32(HEARTBEAT_MS, heartbeat_ms);
	SAME_U32(HEARTBEAT_PERCENT, heartbeat_percent);
	EXPECT_LT(0, vm.frames_in);
	EXPECT_LT(0, vm.heartbeat_ms);
	EXPECT_STREQ("sim", nl_text(seen.message.attr[VMGUEST_A_VM_NAME]));
	guest = nl_nested(seen.message.attr[VMGUEST_A_VM_GUEST]);
	EXPECT_EQ(3, nl_u32(guest.attr[VMGUEST_A_GUEST_SESSIONS]));
	EXPECT_EQ(1, nl_u32(guest.attr[VMGUEST_A_GUEST_LOCKED]));
	EXPECT_EQ(3, vm.sessions);
	EXPECT_EQ(1, vm.locked);
	ASSERT_NE(NULL, guest.attr[VMGUEST_A_GUEST_BOOT_ID]);
	EXPECT_EQ(0, memcmp(vm.boot_id,
			    nl_text(guest.attr[VMGUEST_A_GUEST_BOOT_ID]),
			    sizeof(vm.boot_id)));
	if (vm.hostname[0])
		EXPECT_TRUE(nl_is(guest.attr[VMGUEST_A_GUEST_HOSTNAME],
				  vm.hostname));

	/* By its CID, and by its name. */
	nl_begin(&nl, VMGUEST_CMD_VM_GET, 0);
	nl_put_u32(&nl, VMGUEST_A_VM_CID, VMG_CID);
	EXPECT_EQ(0, nl_call(&nl, see, &seen));
	EXPECT_EQ(self->vm, nl_u64(seen.message.attr[VMGUEST_A_VM_ID]));
	nl_begin(&nl, VMGUEST_CMD_VM_GET, 0);
	nl_put_string(&nl, VMGUEST_A_VM_NAME, "sim");
	EXPECT_EQ(0, nl_call(&nl, see, &seen));
	EXPECT_EQ(self->vm, nl_u64(seen.message.attr[VMGUEST_A_VM_ID]));
	nl_close(&nl);
}

TEST_F(netlink, task_get_says_what_the_ioctl_says)
{
	struct nl_message *task, blocker;
	struct vmguest_task_get info;
	struct seen seen;
	struct nl nl;

	CONNECT();
	ASK_REASON(VMGUEST_SHUTDOWN, 0);
	ACCEPT();
	ASSERT_EQ(0, sim_send_blocked(&self->sim, self->id,
				      VMGUEST_BLOCKER_SESSION, "alice",
				      "unsaved work"));
	vmg_wait_stage(self->task, VMGUEST_STAGE_BLOCKED);
	ASSERT_EQ(0, nl_open(&nl));
	ASSERT_EQ(0, ask_for(&nl, VMGUEST_CMD_TASK_GET, self->id, &seen));
	info = vmg_task(self->task);
	task = &seen.message;
	EXPECT_EQ(1, seen.count);
	EXPECT_EQ(self->id, nl_u64(task->attr[VMGUEST_A_TASK_ID]));
	EXPECT_EQ(self->vm, nl_u64(task->attr[VMGUEST_A_TASK_VM_ID]));
	EXPECT_STREQ("sim", nl_text(task->attr[VMGUEST_A_TASK_VM_NAME]));
	EXPECT_EQ(info.cid, nl_u32(task->attr[VMGUEST_A_TASK_CID]));
	EXPECT_EQ(info.verb, nl_u32(task->attr[VMGUEST_A_TASK_VERB]));
	EXPECT_EQ(info.stage, nl_u32(task->attr[VMGUEST_A_TASK_STAGE]));
	EXPECT_EQ(info.percent, nl_u32(task->attr[VMGUEST_A_TASK_PERCENT]));
	EXPECT_EQ(info.task_flags, nl_u32(task->attr[VMGUEST_A_TASK_FLAGS]));
	EXPECT_EQ(info.proofs, nl_u32(task->attr[VMGUEST_A_TASK_PROOFS]));
	EXPECT_EQ(info.until, nl_u32(task->attr[VMGUEST_A_TASK_UNTIL]));
	EXPECT_EQ(info.deadline_ms,
		  nl_u32(task->attr[VMGUEST_A_TASK_DEADLINE_MS]));
	EXPECT_EQ(info.start_ns, nl_u64(task->attr[VMGUEST_A_TASK_START_NS]));
	EXPECT_TRUE(is_me(task->attr[VMGUEST_A_TASK_STARTER]));
	EXPECT_TRUE(nl_is(task->attr[VMGUEST_A_TASK_REASON], REASON));
	EXPECT_EQ(NULL, task->attr[VMGUEST_A_TASK_RESULT]);
	EXPECT_EQ(NULL, task->attr[VMGUEST_A_TASK_CANCELLER]);
	/* queued, sent, accepted, blocked */
	EXPECT_EQ(4, task->count[VMGUEST_A_TASK_REACHED]);
	EXPECT_EQ(1, task->count[VMGUEST_A_TASK_BLOCKER]);
	blocker = nl_nested(task->attr[VMGUEST_A_TASK_BLOCKER]);
	EXPECT_EQ(VMGUEST_BLOCKER_SESSION,
		  nl_u32(blocker.attr[VMGUEST_A_BLOCKER_KIND]));
	EXPECT_TRUE(nl_is(blocker.attr[VMGUEST_A_BLOCKER_WHO], "alice"));
	EXPECT_TRUE(nl_is(blocker.attr[VMGUEST_A_BLOCKER_WHY], "unsaved work"));

	EXPECT_EQ(0, vmg_task_cancel(self->task));
	ASSERT_EQ(0, ask_for(&nl, VMGUEST_CMD_TASK_GET, self->id, &seen));
	EXPECT_EQ(VMGUEST_RESULT_CANCELLED,
		  nl_u32(task->attr[VMGUEST_A_TASK_RESULT]));
	EXPECT_EQ(-ECANCELED, (int)nl_u32(task->attr[VMGUEST_A_TASK_ERROR]));
	EXPECT_TRUE(is_me(task->attr[VMGUEST_A_TASK_CANCELLER]));
	nl_close(&nl);
}

/* The longest texts, and as many blockers and joiners as are kept. */
TEST_F(netlink, the_longest_task_fits)
{
	struct vmguest_request request = request_for(self->vm, 0);
	struct nl_message guest_text;
	char text[VMGUEST_TEXT_SIZE];
	struct listener l;
	struct seen seen;
	int i, fd;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	LISTEN(&l);
	CONNECT();
	memcpy(request.reason, text, sizeof(text));
	ASK(VMGUEST_SHUTDOWN, &request);
	ACCEPT();
	for (i = 0; i < 6; i++) {
		request = request_for(self->vm, VMGUEST_REQ_JOIN);
		fd = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request);
		EXPECT_LE(0, fd);
		close(fd);
	}
	for (i = 0; i < VMGUEST_BLOCKERS_MAX + 2; i++)
		ASSERT_EQ(0, sim_send_blocked(&self->sim, self->id,
					      VMGUEST_BLOCKER_STOP_JOB, text,
					      text));
	ASSERT_EQ(0, sim_send_result(&self->sim, self->id,
				     VMGUEST_WIRE_BLOCKED_BY, 0, 0, text));
	EXPECT_ENDED(vmg_wait(self->task), VMGUEST_RESULT_SHUTDOWN_ABORT,
		     -EBUSY);
	ASSERT_EQ(0, dump(&l.nl, VMGUEST_CMD_TASK_GET, self->id - 1, &seen));
	/* Events that were queued came first, and nobody has looked at them. */
	EXPECT_EQ(1, seen.count);
	EXPECT_EQ(VMGUEST_BLOCKERS_MAX,
		  seen.message.count[VMGUEST_A_TASK_BLOCKER]);
	EXPECT_EQ(VMGUEST_TASK_JOINERS,
		  seen.message.count[VMGUEST_A_TASK_JOINER]);
	EXPECT_EQ(6, nl_u32(seen.message.attr[VMGUEST_A_TASK_JOINERS]));
	EXPECT_TRUE(nl_is(seen.message.attr[VMGUEST_A_TASK_REASON], text));
	EXPECT_TRUE(nl_is(seen.message.attr[VMGUEST_A_TASK_GUEST_TEXT], text));
	guest_text = nl_nested(seen.message.attr[VMGUEST_A_TASK_BLOCKER]);
	EXPECT_TRUE(nl_is(guest_text.attr[VMGUEST_A_BLOCKER_WHY], text));
	nl_close(&l.nl);
}

TEST_F(netlink, stats_count)
{
	struct seen before, after;
	struct nl nl;
	int fd;

	CONNECT();
	ASSERT_EQ(0, nl_open(&nl));
	nl_begin(&nl, VMGUEST_CMD_STATS_GET, 0);
	memset(&before, 0, sizeof(before));
	ASSERT_EQ(0, nl_call(&nl, see, &before));
	EXPECT_EQ(1, nl_u32(before.message.attr[VMGUEST_A_STATS_VMS]));
	EXPECT_EQ(1, nl_u32(before.message.attr[VMGUEST_A_STATS_CHANNELS]));
	ASSERT_NE(NULL, before.message.attr[VMGUEST_A_STATS_FRAMES_IN]);

	{
		uint64_t in, out, malformed;

		in = nl_u64(before.message.attr[VMGUEST_A_STATS_FRAMES_IN]);
		out = nl_u64(before.message.attr[VMGUEST_A_STATS_FRAMES_OUT]);
		malformed =
			nl_u64(before.message.attr[VMGUEST_A_STATS_MALFORMED]);
		struct vmguest_request ping = vmg_request(self->vm);

		fd = vmg_ask(self->fd, VMGUEST_PING, &ping);
		ASSERT_LE(0, fd);
		ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_PING));
		ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_PONG,
				      ping.task_id));
		EXPECT_ENDED(vmg_wait(fd), VMGUEST_RESULT_SUCCESS, 0);
		close(fd);
		ASSERT_EQ(0, sim_send_raw(&self->sim, "not a frame, not at all",
					  24));
		while (sim_receive(&self->sim, VMG_PATIENCE_MS) > 0)
			;
		/* What a VM has counted stays when it goes. */
		ASSERT_EQ(0, vmg_unregister(self->fd, self->vm));
		nl_begin(&nl, VMGUEST_CMD_STATS_GET, 0);
		memset(&after, 0, sizeof(after));
		ASSERT_EQ(0, nl_call(&nl, see, &after));
		EXPECT_EQ(0, nl_u32(after.message.attr[VMGUEST_A_STATS_VMS]));
		EXPECT_LE(in + 1,
			  nl_u64(after.message.attr[VMGUEST_A_STATS_FRAMES_IN]));
		EXPECT_EQ(out + 1,
			  nl_u64(after.message.attr[VMGUEST_A_STATS_FRAMES_OUT]));
		EXPECT_EQ(malformed + 1,
			  nl_u64(after.message.attr[VMGUEST_A_STATS_MALFORMED]));
		EXPECT_LE(1, after.message.count[VMGUEST_A_STATS_TASKS]);
	}
	nl_close(&nl);
}

/*
 * Dumps.
 */
TEST_F(netlink, dumps_go_on_after_an_id)
{
	uint64_t first = self->vm, second;
	struct seen seen;
	struct nl nl;

	ASSERT_EQ(0, vmg_register(self->fd, "second", 77, -1, &second));
	ASSERT_EQ(0, nl_open(&nl));
	ASSERT_EQ(0, dump(&nl, VMGUEST_CMD_VM_GET, 0, &seen));
	EXPECT_EQ(2, seen.count);
	EXPECT_EQ(second, seen.last_id);
	EXPECT_FALSE(nl.interrupted);
	ASSERT_EQ(0, dump(&nl, VMGUEST_CMD_VM_GET, first, &seen));
	EXPECT_EQ(1, seen.count);
	EXPECT_EQ(second, seen.last_id);
	ASSERT_EQ(0, dump(&nl, VMGUEST_CMD_VM_GET, second, &seen));
	EXPECT_EQ(0, seen.count);
	ASSERT_EQ(0, dump(&nl, VMGUEST_CMD_VM_GET, UINT64_MAX, &seen));
	EXPECT_EQ(0, seen.count);
	ASSERT_EQ(0, dump(&nl, VMGUEST_CMD_TASK_GET, UINT64_MAX, &seen));
	EXPECT_EQ(0, seen.count);
	nl_close(&nl);
}

TEST_F(netlink, dump_of_the_tasks_of_one_vm)
{
	struct vmguest_request request;
	uint64_t other, id;
	struct seen seen;
	struct nl nl;
	int fd;

	ASSERT_EQ(0, vmg_register(self->fd, "other", 77, self->vmm.pidfd,
				  &other));
	ASK_REASON(VMGUEST_SHUTDOWN, VMGUEST_REQ_QUEUE);
	request = request_for(other, VMGUEST_REQ_QUEUE);
	fd = vmg_ask(self->fd, VMGUEST_RESTART, &request);
	ASSERT_LE(0, fd);
	id = request.task_id;
	ASSERT_EQ(0, nl_open(&nl));
	nl_begin(&nl, VMGUEST_CMD_TASK_GET, NLM_F_DUMP);
	nl_put_u64(&nl, VMGUEST_A_TASK_VM_ID, other);
	memset(&seen, 0, sizeof(seen));
	ASSERT_EQ(0, nl_call(&nl, see, &seen));
	EXPECT_EQ(1, seen.count);
	EXPECT_EQ(id, nl_u64(seen.message.attr[VMGUEST_A_TASK_ID]));
	close(fd);
	nl_close(&nl);
}

/* What a dump of many VMs has shown. */
struct many {
	unsigned int stable;
	unsigned int churning;
	uint32_t churning_cid[4];
	uint64_t last_id;
	bool torn;
	bool unordered;
};

static void see_many(const struct nl_message *message, void *data)
{
	uint32_t cid = nl_u32(message->attr[VMGUEST_A_VM_CID]);
	uint64_t id = nl_u64(message->attr[VMGUEST_A_VM_ID]);
	struct many *many = data;
	char name[32];

	snprintf(name, sizeof(name), "v%u", cid);
	many->torn |= strcmp(name, nl_text(message->attr[VMGUEST_A_VM_NAME])) ||
		      !message->attr[VMGUEST_A_VM_SEQ] ||
		      !message->attr[VMGUEST_A_VM_MODE];
	many->unordered |= id <= many->last_id;
	many->last_id = id;
	if (cid < CHURN_CID)
		many->stable++;
	else if (many->churning++ < 4)
		many->churning_cid[many->churning - 1] = cid;
}

static int register_numbered(int fd, uint32_t cid, uint64_t *id)
{
	char name[32];

	snprintf(name, sizeof(name), "v%u", cid);
	return vmg_register(fd, name, cid, -1, id);
}

/* At every moment there is the newest one, and for a while the one before. */
static void churn(int fd)
{
	uint64_t id, before = 0;
	uint32_t cid = CHURN_CID;

	for (;; before = id) {
		if (register_numbered(fd, cid++, &id))
			_exit(1);
		if (before)
			vmg_unregister(fd, before);
		usleep(rand() % 100000);
	}
}

static int dump_many(struct nl *nl, struct many *many)
{
	memset(many, 0, sizeof(*many));
	nl_begin(nl, VMGUEST_CMD_VM_GET, NLM_F_DUMP);
	return nl_call(nl, see_many, many);
}

TEST_F_TIMEOUT(netlink, dump_of_many_is_consistent_or_says_so, 300)
{
	const unsigned int count = MANY;
	unsigned int i, interrupted = 0, whole = 0;
	struct many many;
	struct nl nl;
	pid_t pid;

	vmg_unregister_all(self->fd);
	for (i = 0; i < count; i++)
		ASSERT_EQ(0, register_numbered(self->fd, MANY_CID + i, NULL));
	ASSERT_EQ(0, nl_open(&nl));
	pid = fork();
	if (!pid)
		churn(self->fd);
	for (i = 0; i < 200 && (i < 20 || !interrupted || !whole); i++) {
		ASSERT_EQ(0, dump_many(&nl, &many));
		EXPECT_EQ(count, many.stable);
		EXPECT_FALSE(many.torn);
		EXPECT_FALSE(many.unordered);
		if (nl.interrupted) {
			interrupted++;
			continue;
		}
		whole++;
		EXPECT_GE(2, many.churning);
		if (many.churning == 2)
			EXPECT_EQ(many.churning_cid[0] + 1,
				  many.churning_cid[1]);
	}
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	TH_LOG("%u dumps interrupted, %u whole", interrupted, whole);
	EXPECT_LT(0, interrupted);
	ASSERT_EQ(0, dump_many(&nl, &many));
	EXPECT_FALSE(nl.interrupted);
	EXPECT_EQ(count, many.stable);
	nl_close(&nl);
}

TEST_F(netlink, a_dump_under_way_pins_the_module_a_listener_does_not)
{
	uint64_t start = vmg_now_ms();
	struct listener l;
	int refs, i;

	for (i = 0; i < 200; i++)
		ASSERT_EQ(0, register_numbered(self->fd, MANY_CID + i, NULL));
	refs = vmg_module_refs();
	LISTEN(&l);
	EXPECT_EQ(refs, vmg_module_refs());
	nl_begin(&l.nl, VMGUEST_CMD_VM_GET, NLM_F_DUMP);
	ASSERT_EQ(0, nl_send(&l.nl));
	EXPECT_EQ(refs + 1, vmg_module_refs());
	nl_close(&l.nl);
	/* The kernel ends a socket later; nothing can be polled for that. */
	while (vmg_module_refs() != refs &&
	       vmg_now_ms() - start < VMG_PATIENCE_MS)
		usleep(1000);
	EXPECT_EQ(refs, vmg_module_refs());
}

/*
 * Refusals: which attribute is wrong, and what about it. What only a dump minds
 * is found late, when it starts: older kernels have no extended acknowledgment
 * for that.
 */
struct refusal {
	const char *what;
	uint8_t cmd;
	uint16_t flags;
	void (*put)(struct nl *nl);
	int error;
	int type;
	int missing;
	bool late;
};

static void put_nothing(struct nl *nl)
{
	(void)nl;
}

static void put_id_0(struct nl *nl)
{
	nl_put_u64(nl, VMGUEST_A_VM_ID, 0);
}

static void put_id_short(struct nl *nl)
{
	nl_put_u32(nl, VMGUEST_A_VM_ID, 1);
}

static void put_id_long(struct nl *nl)
{
	nl_put(nl, VMGUEST_A_VM_ID, "123456789012", 12);
}

static void put_id_absent(struct nl *nl)
{
	nl_put_u64(nl, VMGUEST_A_VM_ID, 1ULL << 40);
}

static void put_id_twice(struct nl *nl)
{
	nl_put_u64(nl, VMGUEST_A_VM_ID, 1ULL << 40);
	nl_put_u64(nl, VMGUEST_A_VM_ID, 1ULL << 40);
}

static void put_id_nested(struct nl *nl)
{
	nl_put_u64(nl, VMGUEST_A_VM_ID | NLA_F_NESTED, 1);
}

static void put_id_in_a_nest(struct nl *nl)
{
	char nest[12] = { 12, 0, VMGUEST_A_VM_ID, 0, 1 };

	nl_put(nl, VMGUEST_A_VM_ID | NLA_F_NESTED, nest, sizeof(nest));
}

static void put_id_and_cid(struct nl *nl)
{
	nl_put_u64(nl, VMGUEST_A_VM_ID, 1);
	nl_put_u32(nl, VMGUEST_A_VM_CID, 1);
}

static void put_id_and_name(struct nl *nl)
{
	nl_put_string(nl, VMGUEST_A_VM_NAME, "sim");
	nl_put_u64(nl, VMGUEST_A_VM_ID, 1);
}

static void put_pad(struct nl *nl)
{
	nl_put(nl, VMGUEST_A_VM_PAD, "", 0);
}

static void put_name_empty(struct nl *nl)
{
	nl_put_string(nl, VMGUEST_A_VM_NAME, "");
}

static void put_name_absent(struct nl *nl)
{
	nl_put_string(nl, VMGUEST_A_VM_NAME, "nobody");
}

static void put_name_unterminated(struct nl *nl)
{
	nl_put(nl, VMGUEST_A_VM_NAME, "sim", 3);
}

static void put_name_long(struct nl *nl)
{
	char name[VMGUEST_NAME_SIZE + 1] = { };

	memset(name, 'x', VMGUEST_NAME_SIZE);
	nl_put_string(nl, VMGUEST_A_VM_NAME, name);
}

static void put_cid_0(struct nl *nl)
{
	nl_put_u32(nl, VMGUEST_A_VM_CID, 0);
}

static void put_cid_long(struct nl *nl)
{
	nl_put_u64(nl, VMGUEST_A_VM_CID, 1);
}

static void put_cid_absent(struct nl *nl)
{
	nl_put_u32(nl, VMGUEST_A_VM_CID, VMG_ABSENT_CID);
}

static void put_after(struct nl *nl)
{
	nl_put_u64(nl, VMGUEST_A_VM_AFTER, 1);
}

static void put_after_short(struct nl *nl)
{
	nl_put_u32(nl, VMGUEST_A_VM_AFTER, 1);
}

static void put_after_twice(struct nl *nl)
{
	nl_put_u64(nl, VMGUEST_A_VM_AFTER, 1);
	nl_put_u64(nl, VMGUEST_A_VM_AFTER, 1);
}

static void put_state(struct nl *nl)
{
	nl_put_u32(nl, VMGUEST_A_VM_STATE, 1);
}

static void put_unknown(struct nl *nl)
{
	nl_put_u32(nl, 1000, 1);
}

static void put_task_after(struct nl *nl)
{
	nl_put_u64(nl, VMGUEST_A_TASK_AFTER, 1);
}

static void put_task_after_short(struct nl *nl)
{
	nl_put_u32(nl, VMGUEST_A_TASK_AFTER, 1);
}

static void put_task_after_twice(struct nl *nl)
{
	nl_put_u64(nl, VMGUEST_A_TASK_AFTER, 1);
	nl_put_u64(nl, VMGUEST_A_TASK_AFTER, 1);
}

static void put_vm_id(struct nl *nl)
{
	nl_put_u64(nl, VMGUEST_A_TASK_VM_ID, 1ULL << 40);
}

static void put_vm_id_0(struct nl *nl)
{
	nl_put_u64(nl, VMGUEST_A_TASK_VM_ID, 0);
}

static void put_vm_id_short(struct nl *nl)
{
	nl_put_u32(nl, VMGUEST_A_TASK_VM_ID, 1);
}

static void put_vm_id_twice(struct nl *nl)
{
	nl_put_u64(nl, VMGUEST_A_TASK_VM_ID, 1ULL << 40);
	nl_put_u64(nl, VMGUEST_A_TASK_VM_ID, 1ULL << 40);
}

static void put_stage(struct nl *nl)
{
	nl_put_u32(nl, VMGUEST_A_TASK_STAGE, 1);
}

/* A VM's id and a task's have the same number. */
#define REFUSED(what, cmd, flags, put, error, type)			\
	{ what, VMGUEST_CMD_##cmd, flags, put, error, type, 0, false }
#define VM(what, put, error, type)					\
	REFUSED("vm-get " what, VM_GET, 0, put, error, VMGUEST_A_VM_##type)
#define VMS(what, put, error, type)					\
	REFUSED("vm-get dump " what, VM_GET, NLM_F_DUMP, put, error,	\
		VMGUEST_A_VM_##type)
#define TASK(what, put, error, type)					\
	REFUSED("task-get " what, TASK_GET, 0, put, error,		\
		VMGUEST_A_TASK_##type)
#define TASKS(what, put, error, type)					\
	REFUSED("task-get dump " what, TASK_GET, NLM_F_DUMP, put, error, \
		VMGUEST_A_TASK_##type)
#define LATE(what, cmd, put, error, type)				\
	{ what, VMGUEST_CMD_##cmd, NLM_F_DUMP, put, error,		\
	  VMGUEST_A_##type, 0, true }

static const struct refusal refusals[] = {
	{ "vm-get nothing", VMGUEST_CMD_VM_GET, 0, put_nothing, -EINVAL, 0,
	  VMGUEST_A_VM_ID, false },
	VM("id 0", put_id_0, -ERANGE, ID),
	VM("id short", put_id_short, -EINVAL, ID),
	VM("id long", put_id_long, -EINVAL, ID),
	VM("id absent", put_id_absent, -ENOENT, ID),
	VM("id twice", put_id_twice, -EINVAL, ID),
	VM("id nested", put_id_nested, -EINVAL, ID),
	VM("id in a nest", put_id_in_a_nest, -EINVAL, ID),
	VM("id and cid", put_id_and_cid, -EINVAL, CID),
	VM("id and name", put_id_and_name, -EINVAL, NAME),
	VM("pad", put_pad, -EINVAL, PAD),
	VM("name empty", put_name_empty, -EINVAL, NAME),
	VM("name absent", put_name_absent, -ENOENT, NAME),
	VM("name unterminated", put_name_unterminated, -EINVAL, NAME),
	VM("name long", put_name_long, -EINVAL, NAME),
	VM("cid 0", put_cid_0, -ERANGE, CID),
	VM("cid long", put_cid_long, -EINVAL, CID),
	VM("cid absent", put_cid_absent, -ENOENT, CID),
	VM("after", put_after, -EINVAL, AFTER),
	VM("state", put_state, -EINVAL, STATE),
	REFUSED("vm-get unknown", VM_GET, 0, put_unknown, -EINVAL, 1000),
	LATE("dump id", VM_GET, put_id_absent, -EINVAL, VM_ID),
	LATE("dump cid", VM_GET, put_cid_absent, -EINVAL, VM_CID),
	LATE("dump name", VM_GET, put_name_absent, -EINVAL, VM_NAME),
	LATE("dump after twice", VM_GET, put_after_twice, -EINVAL, VM_AFTER),
	VMS("after short", put_after_short, -EINVAL, AFTER),
	REFUSED("vm-get dump unknown", VM_GET, NLM_F_DUMP, put_unknown,
		-EINVAL, 1000),
	{ "task-get nothing", VMGUEST_CMD_TASK_GET, 0, put_nothing, -EINVAL, 0,
	  VMGUEST_A_TASK_ID, false },
	TASK("id 0", put_id_0, -ERANGE, ID),
	TASK("id short", put_id_short, -EINVAL, ID),
	TASK("id long", put_id_long, -EINVAL, ID),
	TASK("id absent", put_id_absent, -ENOENT, ID),
	TASK("id twice", put_id_twice, -EINVAL, ID),
	TASK("id nested", put_id_nested, -EINVAL, ID),
	TASK("vm-id", put_vm_id, -EINVAL, VM_ID),
	TASK("after", put_task_after, -EINVAL, AFTER),
	TASK("stage", put_stage, -EINVAL, STAGE),
	LATE("dump id", TASK_GET, put_id_absent, -EINVAL, TASK_ID),
	LATE("dump vm-id absent", TASK_GET, put_vm_id, -ENOENT, TASK_VM_ID),
	LATE("dump vm-id twice", TASK_GET, put_vm_id_twice, -EINVAL,
	     TASK_VM_ID),
	LATE("dump after twice", TASK_GET, put_task_after_twice, -EINVAL,
	     TASK_AFTER),
	TASKS("vm-id 0", put_vm_id_0, -ERANGE, VM_ID),
	TASKS("vm-id short", put_vm_id_short, -EINVAL, VM_ID),
	TASKS("after short", put_task_after_short, -EINVAL, AFTER),
	REFUSED("stats-get id", STATS_GET, 0, put_id_absent, -EINVAL, 1),
};

TEST_F(netlink, refusals_name_the_attribute)
{
	const struct refusal *r;
	unsigned int i, bare = 0, late = 0;
	struct nl nl;

	ASSERT_EQ(0, nl_open(&nl));
	for (i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		r = &refusals[i];
		nl_begin(&nl, r->cmd, r->flags);
		r->put(&nl);
		EXPECT_EQ(r->error, nl_call(&nl, NULL, NULL))
			TH_LOG("%s", r->what);
		if (r->late && !nl.refusal.text[0]) {
			bare++;
			continue;
		}
		late += r->late;
		EXPECT_EQ(r->type, nl.refusal.type)
			TH_LOG("%s", r->what);
		EXPECT_EQ(r->missing, nl.refusal.missing)
			TH_LOG("%s", r->what);
		EXPECT_NE('\0', nl.refusal.text[0])
			TH_LOG("%s", r->what);
	}
	TH_LOG("%u starts of dumps with words, %u without", late, bare);
	EXPECT_TRUE(!late || !bare);
	nl_close(&nl);
}

TEST_F(netlink, what_is_no_command_is_refused)
{
	struct nl nl;
	int cmd;

	ASSERT_EQ(0, nl_open(&nl));
	for (cmd = VMGUEST_CMD_VM_APPEARED; cmd <= VMGUEST_CMD_MAX + 1; cmd++) {
		nl_begin(&nl, cmd, 0);
		EXPECT_EQ(-EOPNOTSUPP, nl_call(&nl, NULL, NULL));
		nl_begin(&nl, cmd, NLM_F_DUMP);
		EXPECT_EQ(-EOPNOTSUPP, nl_call(&nl, NULL, NULL));
	}
	nl_begin(&nl, VMGUEST_CMD_STATS_GET, NLM_F_DUMP);
	EXPECT_EQ(-EOPNOTSUPP, nl_call(&nl, NULL, NULL));
	nl_close(&nl);
}

/*
 * Who may what.
 */
struct visit {
	uint64_t vm;
	uint64_t readable;
	uint64_t task;
	struct nl *nl;
};

static bool sees_only_what_it_may(void *data)
{
	struct visit *visit = data;
	struct seen seen;
	struct nl nl;

	if (nl_open(&nl))
		return false;
	if (dump(&nl, VMGUEST_CMD_VM_GET, 0, &seen) || seen.count != 1 ||
	    seen.last_id != visit->readable)
		return false;
	if (dump(&nl, VMGUEST_CMD_TASK_GET, 0, &seen) || seen.count)
		return false;
	if (ask_for(&nl, VMGUEST_CMD_VM_GET, visit->readable, &seen) ||
	    ask_for(&nl, VMGUEST_CMD_VM_GET, visit->vm, &seen) != -EACCES ||
	    ask_for(&nl, VMGUEST_CMD_VM_GET, 1ULL << 40, &seen) != -EACCES ||
	    ask_for(&nl, VMGUEST_CMD_TASK_GET, visit->task, &seen) != -EACCES ||
	    ask_for(&nl, VMGUEST_CMD_TASK_GET, 1ULL << 40, &seen) != -EACCES)
		return false;
	nl_begin(&nl, VMGUEST_CMD_STATS_GET, 0);
	if (nl_call(&nl, see, &seen) != -EPERM || !nl.refusal.text[0])
		return false;
	return nl_join(&nl, 0) == -EPERM && nl_join(&nl, 1) == -EPERM;
}

static bool speaks_for_its_opener(void *data)
{
	struct visit *visit = data;
	struct seen seen;

	return !dump(visit->nl, VMGUEST_CMD_VM_GET, 0, &seen) &&
	       seen.count == 2;
}

TEST_F(netlink, mode_says_who_sees_what)
{
	struct vmguest_vm_set owner = {
		.size = sizeof(owner),
		.what = VMGUEST_SET_OWNER | VMGUEST_SET_MODE,
		.uid = USER,
		.mode = 0400,
	};
	struct visit visit = { .vm = self->vm };
	struct nl nl;

	ASK_REASON(VMGUEST_SHUTDOWN, VMGUEST_REQ_QUEUE);
	visit.task = self->id;
	ASSERT_EQ(0, vmg_register(self->fd, "mine", 77, -1, &visit.readable));
	owner.vm_id = visit.readable;
	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_VM_SET, &owner));
	EXPECT_TRUE(vmg_as_user(USER, USER, sees_only_what_it_may, &visit));
	/* By the group, and by everybody's bits. */
	owner.uid = 0;
	owner.gid = USER;
	owner.mode = 0040;
	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_VM_SET, &owner));
	EXPECT_TRUE(vmg_as_user(USER, USER, sees_only_what_it_may, &visit));
	owner.gid = 0;
	owner.mode = 0004;
	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_VM_SET, &owner));
	EXPECT_TRUE(vmg_as_user(USER, USER, sees_only_what_it_may, &visit));
	owner.mode = 0770;
	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_VM_SET, &owner));
	EXPECT_FALSE(vmg_as_user(USER, USER, sees_only_what_it_may, &visit));

	ASSERT_EQ(0, nl_open(&nl));
	visit.nl = &nl;
	EXPECT_TRUE(vmg_as_user(USER, USER, speaks_for_its_opener, &visit));
	nl_close(&nl);
}

TEST_F(netlink, other_network_namespaces_have_no_family)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		struct nl nl;

		if (nl_open(&nl) || unshare(CLONE_NEWNET))
			_exit(2);
		_exit(nl_open(&nl) != -ENOENT);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* The number of a group is no secret, and root there may join it. */
static int overhear(struct nl *nl, int ready, int go)
{
	struct nl_message event;
	const int on = 1;
	char c;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) || nl_reopen(nl))
		return 2;
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on,
		   sizeof(on));
	nl_join(nl, 0);
	if (write(ready, "", 1) != 1 || read(go, &c, 1) != 1)
		return 3;
	return nl_event(nl, &event, 200) != -EAGAIN;
}

TEST_F(netlink, other_network_namespaces_hear_nothing)
{
	int ready[2], go[2], status;
	struct nl nl;
	pid_t pid;
	char c;

	ASSERT_EQ(0, nl_open(&nl));
	ASSERT_EQ(0, pipe(ready) + pipe(go));
	pid = fork();
	if (!pid)
		_exit(overhear(&nl, ready[1], go[0]));
	close(ready[1]);
	EXPECT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ(0, vmg_register(self->fd, "heard", 77, -1, NULL));
	EXPECT_EQ(1, write(go[1], "", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	nl_close(&nl);
}

/*
 * Events.
 */
TEST_F(netlink, a_registration_is_told)
{
	struct vmguest_vm_set set = {
		.size = sizeof(set),
		.what = VMGUEST_SET_MODE | VMGUEST_SET_PAUSED,
		.mode = 0700,
		.vm_flags = VMGUEST_VM_PAUSED,
	};
	struct listener l;
	uint64_t id;

	LISTEN(&l);
	ASSERT_EQ(0, vmg_register(self->fd, "told", 77, self->vmm.pidfd, &id));
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_REGISTERED);
	EXPECT_EQ(id, nl_u64(l.event.attr[VMGUEST_A_VM_ID]));
	EXPECT_EQ(77, VM_U32(&l, CID));
	EXPECT_EQ(0750, VM_U32(&l, MODE));
	EXPECT_EQ(VMGUEST_VM_LIFELINE, VM_U32(&l, FLAGS));
	EXPECT_STREQ("told", nl_text(l.event.attr[VMGUEST_A_VM_NAME]));
	EXPECT_EQ(VMGUEST_CAUSE_BY_CALLER, by_of(&l));
	EXPECT_TRUE(is_me(cause_of(&l).attr[VMGUEST_A_CAUSE_ACTOR]));
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_RUNNING);
	EXPECT_EQ(VMGUEST_VM_RUNNING, VM_U32(&l, STATE));
	set.vm_id = id;
	ASSERT_EQ(0, vmg_call(self->fd, VMGUEST_VM_SET, &set));
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_CHANGED);
	EXPECT_EQ(set.what, VM_U32(&l, CHANGED));
	EXPECT_EQ(0700, VM_U32(&l, MODE));
	EXPECT_TRUE(VM_U32(&l, FLAGS) & VMGUEST_VM_PAUSED);
	EXPECT_TRUE(is_me(cause_of(&l).attr[VMGUEST_A_CAUSE_ACTOR]));
	ASSERT_EQ(0, vmg_unregister(self->fd, id));
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_UNREGISTERED);
	EXPECT_TRUE(is_me(cause_of(&l).attr[VMGUEST_A_CAUSE_ACTOR]));
	EXPECT_SILENCE(&l);
	nl_close(&l.nl);
}

/* Requested, going down, and gone are three things. */
TEST_F(netlink, a_shutdown_is_told_step_by_step)
{
	struct listener l;

	LISTEN(&l);
	CONNECT();
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_AGENT_AVAILABLE);
	EXPECT_EQ(VMGUEST_CAUSE_BY_GUEST, by_of(&l));
	EXPECT_EQ(SIM_CAPABILITIES,
		  nl_u64(l.event.attr[VMGUEST_A_VM_CAPABILITIES]));
	EXPECT_NE(NULL, l.event.attr[VMGUEST_A_VM_GUEST]);

	ASK_REASON(VMGUEST_SHUTDOWN, 0);
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_STARTED);
	EXPECT_EQ(self->id, TASK_U64(&l, ID));
	EXPECT_EQ(self->vm, TASK_U64(&l, VM_ID));
	EXPECT_EQ(VMGUEST_VERB_SHUTDOWN, TASK_U32(&l, VERB));
	EXPECT_TRUE(is_me(l.event.attr[VMGUEST_A_TASK_STARTER]));
	EXPECT_TRUE(nl_is(l.event.attr[VMGUEST_A_TASK_REASON], REASON));
	EXPECT_STAGE(&l, VMGUEST_STAGE_SENT);
	ACCEPT();
	EXPECT_STAGE(&l, VMGUEST_STAGE_ACCEPTED);
	EXPECT_TRUE(TASK_U32(&l, FLAGS) & VMGUEST_TASK_CANCELABLE);
	COMMIT();
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_NOT_CANCELABLE);
	EXPECT_FALSE(TASK_U32(&l, FLAGS) & VMGUEST_TASK_CANCELABLE);
	EXPECT_STAGE(&l, VMGUEST_STAGE_STOPPING);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_GOING_DOWN);
	EXPECT_TRUE(is_by_task(&l, self->id));
	EXPECT_EQ(VMGUEST_VM_STOPPING, VM_U32(&l, STATE));
	EXPECT_EQ(NULL, l.event.attr[VMGUEST_A_VM_END]);
	sim_send_last_breath(&self->sim, self->id, VMGUEST_END_POWEROFF);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_GOING_DOWN);
	EXPECT_TRUE(is_by_task(&l, self->id));
	EXPECT_EQ(VMGUEST_END_POWEROFF, VM_U32(&l, END));
	EXPECT_STAGE(&l, VMGUEST_STAGE_LAST_BREATH);
	sim_close(&self->sim);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_AGENT_GONE);
	EXPECT_TRUE(is_by_task(&l, self->id));
	EXPECT_STAGE(&l, VMGUEST_STAGE_CHANNEL_DOWN);
	vmg_vmm_kill(&self->vmm);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_GONE);
	EXPECT_TRUE(is_by_task(&l, self->id));
	EXPECT_EQ(VMGUEST_VM_GONE, VM_U32(&l, STATE));
	EXPECT_STAGE(&l, VMGUEST_STAGE_VM_GONE);
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_COMPLETED);
	EXPECT_EQ(VMGUEST_RESULT_SUCCESS, TASK_U32(&l, RESULT));
	EXPECT_NE(NULL, l.event.attr[VMGUEST_A_TASK_ERROR]);
	EXPECT_EQ(0, TASK_U32(&l, ERROR));
	EXPECT_EQ(VMGUEST_PROOF_ACCEPTED | VMGUEST_PROOF_COMMITTED |
		  VMGUEST_PROOF_LAST_BREATH | VMGUEST_PROOF_CHANNEL_DOWN |
		  VMGUEST_PROOF_VM_GONE, TASK_U32(&l, PROOFS));
	EXPECT_SILENCE(&l);
	nl_close(&l.nl);
}

TEST_F(netlink, a_guest_that_goes_down_by_itself_is_told_so)
{
	struct listener l;

	CONNECT();
	LISTEN(&l);
	sim_send_last_breath(&self->sim, 0, VMGUEST_END_REBOOT);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_GOING_DOWN);
	EXPECT_EQ(VMGUEST_CAUSE_BY_GUEST, by_of(&l));
	EXPECT_EQ(NULL, cause_of(&l).attr[VMGUEST_A_CAUSE_TASK_ID]);
	EXPECT_EQ(VMGUEST_END_REBOOT, VM_U32(&l, END));
	sim_close(&self->sim);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_AGENT_GONE);
	/* It is back, with another boot id. */
	ASSERT_EQ(0, sim_connect(&self->sim, OTHER_BOOT));
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_RUNNING);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_AGENT_AVAILABLE);
	/* This time nobody has said anything. */
	vmg_vmm_kill(&self->vmm);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_AGENT_GONE);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_GONE);
	EXPECT_EQ(VMGUEST_CAUSE_BY_UNKNOWN, by_of(&l));
	nl_close(&l.nl);
}

/* Before its services stop; and its last breath is no news then. */
TEST_F(netlink, a_guest_that_goes_down_by_itself_is_told_early_and_once)
{
	struct vmguest_vm_get vm;
	struct listener l;

	CONNECT();
	LISTEN(&l);
	sim_send_notice(&self->sim, VMGUEST_NOTICE_GOING_DOWN, 0, 0, 0, "");
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_GOING_DOWN);
	EXPECT_EQ(VMGUEST_CAUSE_BY_GUEST, by_of(&l));
	EXPECT_EQ(VMGUEST_VM_STOPPING, VM_U32(&l, STATE));
	EXPECT_EQ(NULL, l.event.attr[VMGUEST_A_VM_END]);
	/* How it ends it may learn later. */
	sim_send_notice(&self->sim, VMGUEST_NOTICE_GOING_DOWN,
			VMGUEST_END_REBOOT, 0, 0, "");
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_GOING_DOWN);
	EXPECT_EQ(VMGUEST_END_REBOOT, VM_U32(&l, END));
	sim_send_notice(&self->sim, VMGUEST_NOTICE_GOING_DOWN, 0, 0, 0, "");
	sim_send_notice(&self->sim, VMGUEST_NOTICE_GOING_DOWN,
			VMGUEST_END_REBOOT, 0, 0, "");
	sim_send_last_breath(&self->sim, 0, VMGUEST_END_REBOOT);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_LAST_BREATH_ACK));
	EXPECT_SILENCE(&l);
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(VMGUEST_VM_STOPPING, vm.state);
	vmg_vmm_kill(&self->vmm);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_AGENT_GONE);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_GONE);
	EXPECT_EQ(VMGUEST_CAUSE_BY_GUEST, by_of(&l));
	nl_close(&l.nl);
}

TEST_F(netlink, a_guest_that_stays_up_after_all_is_told_so)
{
	struct vmguest_vm_get vm;
	struct listener l;

	CONNECT();
	LISTEN(&l);
	sim_send_notice(&self->sim, VMGUEST_NOTICE_STAYS_UP, 0, 0, 0, "");
	EXPECT_SILENCE(&l);
	sim_send_notice(&self->sim, VMGUEST_NOTICE_GOING_DOWN,
			VMGUEST_END_HALT, 0, 0, "");
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_GOING_DOWN);
	sim_send_notice(&self->sim, VMGUEST_NOTICE_STAYS_UP, 0, 0, 0, "");
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_RUNNING);
	EXPECT_EQ(VMGUEST_CAUSE_BY_GUEST, by_of(&l));
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(VMGUEST_VM_RUNNING, vm.state);
	/* The next time is news again. */
	sim_send_notice(&self->sim, VMGUEST_NOTICE_GOING_DOWN,
			VMGUEST_END_HALT, 0, 0, "");
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_GOING_DOWN);
	nl_close(&l.nl);
}

/* Its word that it goes down by itself is late, or a lie. */
TEST_F(netlink, a_notice_changes_nothing_of_a_task)
{
	struct vmguest_task_get before, info;
	struct listener l;

	CONNECT();
	ASK_REASON(VMGUEST_SHUTDOWN, 0);
	ACCEPT();
	COMMIT();
	before = vmg_task(self->task);
	LISTEN(&l);
	sim_send_notice(&self->sim, VMGUEST_NOTICE_GOING_DOWN,
			VMGUEST_END_REBOOT, 0, 0, "");
	sim_send_notice(&self->sim, VMGUEST_NOTICE_STAYS_UP, 0, 0, 0, "");
	EXPECT_SILENCE(&l);
	info = vmg_task(self->task);
	EXPECT_EQ(before.stage, info.stage);
	EXPECT_EQ(before.proofs, info.proofs);
	sim_send_last_breath(&self->sim, self->id, VMGUEST_END_POWEROFF);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_GOING_DOWN);
	EXPECT_TRUE(is_by_task(&l, self->id));
	nl_close(&l.nl);
}

/* A request that is turned away does not stop the end that goes on. */
TEST_F(netlink, a_guest_that_goes_down_does_so_whatever_a_task_says)
{
	struct vmguest_vm_get vm;
	struct listener l;

	CONNECT();
	LISTEN(&l);
	sim_send_notice(&self->sim, VMGUEST_NOTICE_GOING_DOWN,
			VMGUEST_END_POWEROFF, 0, 0, "");
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_GOING_DOWN);
	ASK_REASON(VMGUEST_SHUTDOWN, 0);
	ACCEPT();
	sim_send_result(&self->sim, self->id, VMGUEST_WIRE_GOING_DOWN, 0, 0,
			"");
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_STARTED);
	EXPECT_STAGE(&l, VMGUEST_STAGE_SENT);
	EXPECT_STAGE(&l, VMGUEST_STAGE_ACCEPTED);
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_COMPLETED);
	EXPECT_SILENCE(&l);
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(VMGUEST_VM_STOPPING, vm.state);
	nl_close(&l.nl);
}

/* Nor does one that was granted, and then failed. */
TEST_F(netlink, a_guest_that_goes_down_does_so_whatever_becomes_of_a_task)
{
	struct vmguest_vm_get vm;
	struct listener l;

	CONNECT();
	sim_send_notice(&self->sim, VMGUEST_NOTICE_GOING_DOWN, 0, 0, 0, "");
	ASK_REASON(VMGUEST_SHUTDOWN, VMGUEST_REQ_FORCE);
	ACCEPT();
	COMMIT();
	LISTEN(&l);
	sim_send_result(&self->sim, self->id, VMGUEST_WIRE_FAILED, 0, 0, "");
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_COMPLETED);
	EXPECT_SILENCE(&l);
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(VMGUEST_VM_STOPPING, vm.state);
	sim_send_notice(&self->sim, VMGUEST_NOTICE_STAYS_UP, 0, 0, 0, "");
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_RUNNING);
	nl_close(&l.nl);
}

/* Nobody waits any more for what became of the stop that it was granted. */
TEST_F(netlink, a_guest_that_stays_up_after_its_task_is_told_so)
{
	struct vmguest_request request =
		request_for(self->vm, VMGUEST_REQ_NO_DEADLINE);
	struct vmguest_vm_get vm;
	struct listener l;
	uint64_t told;

	CONNECT();
	request.deadline_ms = 0;
	request.until = VMGUEST_UNTIL_ACCEPTED;
	ASK(VMGUEST_SHUTDOWN, &request);
	ASSERT_TRUE(sim_accept(&self->sim, &told));
	vmg_poll(self->task, POLLIN, VMG_PATIENCE_MS);
	EXPECT_ENDED(vmg_task(self->task), VMGUEST_RESULT_SUCCESS, 0);
	LISTEN(&l);
	COMMIT();
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_GOING_DOWN);
	sim_send_notice(&self->sim, VMGUEST_NOTICE_STAYS_UP, 0, 0, 0, "");
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_RUNNING);
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(VMGUEST_VM_RUNNING, vm.state);
	nl_close(&l.nl);
}

TEST_F(netlink, an_end_is_told_once)
{
	struct listener l;
	int i;

	CONNECT();
	ASK_REASON(VMGUEST_SHUTDOWN, 0);
	ACCEPT();
	COMMIT();
	LISTEN(&l);
	for (i = 0; i < 3; i++)
		sim_send_last_breath(&self->sim, self->id,
				     VMGUEST_END_POWEROFF);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_GOING_DOWN);
	EXPECT_STAGE(&l, VMGUEST_STAGE_LAST_BREATH);
	EXPECT_SILENCE(&l);
	nl_close(&l.nl);
}

/* protocol.rst, "Limits"; for 10 seconds, longer than this takes. */
#define NOTICES_HEEDED	512

/* Until another one comes, or none for @ms. */
static unsigned int count_events(struct listener *l, int cmd, int ms)
{
	unsigned int count = 0;

	while (next_event(l, ms) == cmd)
		count++;
	return count;
}

TEST_F(netlink, a_guest_that_says_too_much_is_not_heeded)
{
	struct vmguest_vm_get vm;
	unsigned int told = 0;
	struct listener l;
	int i;

	CONNECT();
	LISTEN(&l);
	for (i = 0; i < NOTICES_HEEDED + 100; i++) {
		sim_send_notice(&self->sim, VMGUEST_NOTICE_LOGOFF,
				VMGUEST_WIRE_LOGOFF_NORMAL, 1, 0, "");
		told += count_events(&l, VMGUEST_CMD_VM_LOGOFF, 0);
	}
	told += count_events(&l, VMGUEST_CMD_VM_LOGOFF, 1000);
	EXPECT_EQ(NOTICES_HEEDED, told);
	ASSERT_EQ(0, vmg_get(self->fd, self->vm, &vm));
	EXPECT_EQ(0, vm.malformed);
	nl_close(&l.nl);
}

TEST_F(netlink, a_guest_that_goes_down_for_ever_new_tasks_is_not_heeded)
{
	unsigned int told = 0;
	struct listener l;
	int i;

	CONNECT();
	LISTEN(&l);
	for (i = 0; i < NOTICES_HEEDED + 100; i++) {
		sim_send_last_breath(&self->sim, 1000 + i,
				     VMGUEST_END_POWEROFF);
		told += count_events(&l, VMGUEST_CMD_VM_GOING_DOWN, 0);
	}
	told += count_events(&l, VMGUEST_CMD_VM_GOING_DOWN, 1000);
	/* That it goes down at all is news first. */
	EXPECT_EQ(1 + NOTICES_HEEDED, told);
	nl_close(&l.nl);
}

TEST_F(netlink, a_logoff_that_the_guest_does_by_itself_is_told)
{
	struct nl_message logoff, sessions;
	struct listener l;

	CONNECT();
	LISTEN(&l);
	sim_send_notice(&self->sim, VMGUEST_NOTICE_LOGOFF,
			VMGUEST_WIRE_LOGOFF_NORMAL, 1, 2, "al\x1bice");
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_LOGOFF);
	EXPECT_EQ(VMGUEST_CAUSE_BY_GUEST, by_of(&l));
	logoff = nl_nested(l.event.attr[VMGUEST_A_VM_LOGOFF]);
	EXPECT_EQ(VMGUEST_LOGOFF_TYPE_NORMAL,
		  nl_u32(logoff.attr[VMGUEST_A_LOGOFF_TYPE]));
	EXPECT_TRUE(nl_is(logoff.attr[VMGUEST_A_LOGOFF_WHO], "al?ice"));
	sessions = nl_nested(logoff.attr[VMGUEST_A_LOGOFF_SESSIONS]);
	EXPECT_EQ(NULL, sessions.attr[VMGUEST_A_SESSIONS_TARGETED]);
	EXPECT_EQ(1, nl_u32(sessions.attr[VMGUEST_A_SESSIONS_ENDED]));
	EXPECT_EQ(2, nl_u32(sessions.attr[VMGUEST_A_SESSIONS_LEFT]));
	sim_send_notice(&self->sim, VMGUEST_NOTICE_LOGOFF,
			VMGUEST_WIRE_LOGOFF_FORCED, 2, 0, "");
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_LOGOFF);
	logoff = nl_nested(l.event.attr[VMGUEST_A_VM_LOGOFF]);
	EXPECT_EQ(VMGUEST_LOGOFF_TYPE_FORCED,
		  nl_u32(logoff.attr[VMGUEST_A_LOGOFF_TYPE]));
	EXPECT_EQ(NULL, logoff.attr[VMGUEST_A_LOGOFF_WHO]);
	EXPECT_SILENCE(&l);
	nl_close(&l.nl);
}

TEST_F(netlink, a_guest_that_nobody_registered_appears_and_leaves)
{
	struct listener l;

	vmg_unregister_all(self->fd);
	LISTEN(&l);
	CONNECT();
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_APPEARED);
	EXPECT_EQ(VMGUEST_CAUSE_BY_GUEST, by_of(&l));
	EXPECT_STREQ("cid-1", nl_text(l.event.attr[VMGUEST_A_VM_NAME]));
	EXPECT_TRUE(VM_U32(&l, FLAGS) & VMGUEST_VM_UNREGISTERED);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_RUNNING);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_AGENT_AVAILABLE);
	ASSERT_EQ(0, vmg_register(self->fd, "adopted", VMG_CID, -1, NULL));
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_REGISTERED);
	EXPECT_STREQ("adopted", nl_text(l.event.attr[VMGUEST_A_VM_NAME]));
	vmg_unregister_all(self->fd);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_UNREGISTERED);
	sim_close(&self->sim);
	CONNECT();
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_APPEARED);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_RUNNING);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_AGENT_AVAILABLE);
	sim_close(&self->sim);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_AGENT_GONE);
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_UNREGISTERED);
	EXPECT_EQ(VMGUEST_CAUSE_BY_GUEST, by_of(&l));
	nl_close(&l.nl);
}

TEST_F(netlink, who_blocks_is_told)
{
	struct nl_message blocker;
	struct listener l;

	CONNECT();
	ASK_REASON(VMGUEST_SHUTDOWN, 0);
	ACCEPT();
	LISTEN(&l);
	sim_send_blocked(&self->sim, self->id, VMGUEST_BLOCKER_INHIBITOR,
			 "backup", "is under way");
	EXPECT_STAGE(&l, VMGUEST_STAGE_BLOCKED);
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_BLOCKED);
	EXPECT_EQ(1, TASK_U32(&l, BLOCKERS));
	blocker = nl_nested(l.event.attr[VMGUEST_A_TASK_BLOCKER]);
	EXPECT_EQ(VMGUEST_BLOCKER_INHIBITOR,
		  nl_u32(blocker.attr[VMGUEST_A_BLOCKER_KIND]));
	EXPECT_TRUE(nl_is(blocker.attr[VMGUEST_A_BLOCKER_WHO], "backup"));
	EXPECT_TRUE(nl_is(blocker.attr[VMGUEST_A_BLOCKER_WHY], "is under way"));
	sim_send_blocked(&self->sim, self->id, VMGUEST_BLOCKER_SESSION,
			 "alice", "");
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_BLOCKED);
	EXPECT_EQ(2, TASK_U32(&l, BLOCKERS));
	blocker = nl_nested(l.event.attr[VMGUEST_A_TASK_BLOCKER]);
	EXPECT_TRUE(nl_is(blocker.attr[VMGUEST_A_BLOCKER_WHO], "alice"));
	EXPECT_EQ(NULL, blocker.attr[VMGUEST_A_BLOCKER_WHY]);
	sim_send_blocked(&self->sim, self->id, 0, "", "");
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_BLOCKED);
	EXPECT_EQ(0, TASK_U32(&l, BLOCKERS));
	EXPECT_EQ(NULL, l.event.attr[VMGUEST_A_TASK_BLOCKER]);
	nl_close(&l.nl);
}

TEST_F(netlink, a_stronger_request_is_told)
{
	struct vmguest_request request = request_for(self->vm, 0);
	uint64_t weaker;
	struct listener l;
	int fd;

	CONNECT();
	ASK_REASON(VMGUEST_LOGOFF, 0);
	weaker = self->id;
	ACCEPT();
	LISTEN(&l);
	fd = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request);
	ASSERT_LE(0, fd);
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_SUPERSEDED);
	EXPECT_EQ(weaker, TASK_U64(&l, ID));
	EXPECT_EQ(request.task_id, TASK_U64(&l, SUPERSEDED_BY));
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_COMPLETED);
	EXPECT_EQ(weaker, TASK_U64(&l, ID));
	EXPECT_EQ(request.task_id, TASK_U64(&l, SUPERSEDED_BY));
	EXPECT_EQ(VMGUEST_RESULT_CANCELLED, TASK_U32(&l, RESULT));
	EXPECT_EQ(-ECANCELED, (int)TASK_U32(&l, ERROR));
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_STARTED);
	EXPECT_EQ(request.task_id, TASK_U64(&l, ID));
	close(fd);
	nl_close(&l.nl);
}

TEST_F(netlink, a_cancel_and_a_joiner_are_told)
{
	struct vmguest_request request =
		request_for(self->vm, VMGUEST_REQ_JOIN);
	struct listener l;
	int fd;

	CONNECT();
	ASK_REASON(VMGUEST_SHUTDOWN, 0);
	ACCEPT();
	LISTEN(&l);
	fd = vmg_ask(self->fd, VMGUEST_SHUTDOWN, &request);
	ASSERT_LE(0, fd);
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_CHANGED);
	EXPECT_EQ(1, TASK_U32(&l, JOINERS));
	ASSERT_EQ(0, vmg_task_cancel(fd));
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_COMPLETED);
	EXPECT_TRUE(is_me(l.event.attr[VMGUEST_A_TASK_CANCELLER]));
	EXPECT_SILENCE(&l);
	close(fd);
	nl_close(&l.nl);
}

TEST_F(netlink, a_logoff_is_told)
{
	struct nl_message logoff, sessions;
	struct listener l;

	CONNECT();
	ASK_REASON(VMGUEST_LOGOFF, 0);
	ACCEPT();
	LISTEN(&l);
	COMMIT();
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_NOT_CANCELABLE);
	EXPECT_STAGE(&l, VMGUEST_STAGE_STOPPING);
	sim_send_result(&self->sim, self->id, VMGUEST_WIRE_OK, 3, 0, "bye");
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_LOGOFF);
	EXPECT_TRUE(is_by_task(&l, self->id));
	logoff = nl_nested(l.event.attr[VMGUEST_A_VM_LOGOFF]);
	EXPECT_EQ(VMGUEST_LOGOFF_TYPE_EXTERNAL,
		  nl_u32(logoff.attr[VMGUEST_A_LOGOFF_TYPE]));
	sessions = nl_nested(logoff.attr[VMGUEST_A_LOGOFF_SESSIONS]);
	EXPECT_EQ(3, nl_u32(sessions.attr[VMGUEST_A_SESSIONS_TARGETED]));
	EXPECT_EQ(3, nl_u32(sessions.attr[VMGUEST_A_SESSIONS_ENDED]));
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_COMPLETED);
	EXPECT_TRUE(nl_is(l.event.attr[VMGUEST_A_TASK_GUEST_TEXT], "bye"));
	nl_close(&l.nl);
}

/* Of a PING only the end is told. */
TEST_F(netlink, a_ping_is_told_when_it_ends)
{
	struct vmguest_request ping = vmg_request(self->vm);
	struct listener l;

	CONNECT();
	LISTEN(&l);
	ASK(VMGUEST_PING, &ping);
	ASSERT_TRUE(sim_expect(&self->sim, VMGUEST_WIRE_PING));
	EXPECT_SILENCE(&l);
	ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_PONG, self->id));
	EXPECT_EVENT(&l, VMGUEST_CMD_TASK_COMPLETED);
	EXPECT_EQ(VMGUEST_VERB_PING, TASK_U32(&l, VERB));
	EXPECT_EQ(self->id, TASK_U64(&l, ID));
	EXPECT_EQ(VMGUEST_PROOF_PONG, TASK_U32(&l, PROOFS));
	nl_close(&l.nl);
}

static int set_heartbeat(const char *text)
{
	int fd = open("/sys/module/vmguest/parameters/heartbeat_ms", O_WRONLY);
	int err = fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;

	close(fd);
	return err;
}

TEST_F(netlink, heartbeats_that_stop_and_come_back_are_told)
{
	struct listener l;
	uint64_t start;
	int i;

	LISTEN(&l);
	ASSERT_EQ(0, set_heartbeat("200"));
	CONNECT();
	ASSERT_EQ(0, set_heartbeat("6000"));
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_AGENT_AVAILABLE);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, next_event(&l, 100));
		ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_PONG, 0));
	}
	start = vmg_now_ms();
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_HEARTBEAT_STOPPED);
	EXPECT_LE(590, vmg_now_ms() - start);
	EXPECT_FALSE(VM_U32(&l, FLAGS) & VMGUEST_VM_HEARTBEATING);
	EXPECT_TRUE(VM_U32(&l, FLAGS) & VMGUEST_VM_AGENT);
	/* Once. */
	EXPECT_EQ(0, next_event(&l, 1000));
	ASSERT_EQ(0, sim_send(&self->sim, VMGUEST_WIRE_PONG, 0));
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_HEARTBEAT_BACK);
	EXPECT_TRUE(VM_U32(&l, FLAGS) & VMGUEST_VM_HEARTBEATING);
	EXPECT_EQ(VMGUEST_CAUSE_BY_GUEST, by_of(&l));
	EXPECT_EVENT(&l, VMGUEST_CMD_VM_HEARTBEAT_STOPPED);
	nl_close(&l.nl);
}

TEST_F(netlink, three_listeners_hear_the_same_in_the_same_order)
{
	struct listener l[3];
	int i, events, cmd;
	uint64_t seq;

	for (i = 0; i < 3; i++)
		LISTEN(&l[i]);
	SHUT_DOWN();
	for (events = 0;; events++) {
		cmd = next_event(&l[0], 100);
		seq = l[0].seq;
		for (i = 1; i < 3; i++) {
			EXPECT_EQ(cmd, next_event(&l[i], 100));
			EXPECT_EQ(seq, l[i].seq);
		}
		if (!cmd)
			break;
		if (events)
			EXPECT_EQ(seq, l[0].seq);
	}
	EXPECT_LE(14, events);
	for (i = 0; i < 3; i++) {
		EXPECT_FALSE(l[i].holes);
		nl_close(&l[i].nl);
	}
}

/* Who listens to both groups sees every number, who listens to one of its. */
TEST_F(netlink, numbers_have_no_holes)
{
	struct listener both, vms, tasks;
	uint64_t seq = 0;
	int cmd;

	LISTEN(&both);
	ASSERT_EQ(0, listen_to(&vms, true, false));
	ASSERT_EQ(0, listen_to(&tasks, false, true));
	/* A VM of the test before may have gone while the first one listened. */
	while (next_event(&both, 100))
		;
	while (next_event(&vms, 0) || next_event(&tasks, 0))
		;
	SHUT_DOWN();
	while ((cmd = next_event(&both, 100))) {
		struct listener *one = is_task_event(cmd) ? &tasks : &vms;

		if (seq)
			EXPECT_EQ(seq + 1, both.seq);
		seq = both.seq;
		EXPECT_EQ(cmd, next_event(one, 100));
		EXPECT_EQ(seq, one->seq);
	}
	EXPECT_FALSE(both.holes || vms.holes || tasks.holes);
	EXPECT_EQ(0, next_event(&vms, 0));
	EXPECT_EQ(0, next_event(&tasks, 0));
	nl_close(&both.nl);
	nl_close(&vms.nl);
	nl_close(&tasks.nl);
}

static uint64_t burst(int fd, uint64_t vm, struct listener *reader,
		      unsigned int events)
{
	uint64_t start = vmg_now_ms(), id;
	unsigned int i;

	for (i = 0; i < events; i += 2) {
		if (start_and_cancel(fd, vm, &id))
			return 0;
		while (reader && next_event(reader, 0) > 0)
			;
	}
	return vmg_now_ms() - start + 1;
}

struct newest {
	uint64_t id;
	uint32_t flags;
	uint64_t seq;
	unsigned int running;
	unsigned int count;
};

static void see_newest(const struct nl_message *message, void *data)
{
	struct newest *newest = data;

	newest->id = nl_u64(message->attr[VMGUEST_A_TASK_ID]);
	newest->flags = nl_u32(message->attr[VMGUEST_A_TASK_FLAGS]);
	newest->seq = nl_u64(message->attr[VMGUEST_A_TASK_SEQ]);
	newest->running += !(newest->flags & VMGUEST_TASK_COMPLETE);
	newest->count++;
}

/*
 * A listener that sleeps through a burst is told that it has missed something,
 * sees the hole, and one dump has the true state.
 */
TEST_F_TIMEOUT(netlink, who_misses_a_burst_knows_and_dumps_once, 300)
{
	const unsigned int events = BURST;
	uint64_t alone, watched, last = 0, id;
	struct listener reader, sleeper;
	struct newest newest = { };
	unsigned int heard = 0;
	int cmd;

	alone = burst(self->fd, self->vm, NULL, events);
	ASSERT_NE(0, alone);
	LISTEN(&reader);
	LISTEN(&sleeper);
	ASSERT_EQ(0, nl_limit(&sleeper.nl, 4096));
	watched = burst(self->fd, self->vm, &reader, events);
	ASSERT_NE(0, watched);
	TH_LOG("%u events: %llu ms unheard, %llu ms with a reader and a sleeper",
	       events, (unsigned long long)alone, (unsigned long long)watched);
	/* The one who reads has got all of them. */
	EXPECT_FALSE(reader.holes);
	ASK_REASON(VMGUEST_SHUTDOWN, VMGUEST_REQ_QUEUE);
	EXPECT_EVENT(&reader, VMGUEST_CMD_TASK_STARTED);

	EXPECT_EQ(-ENOBUFS, next_event(&sleeper, 0));
	while ((cmd = next_event(&sleeper, 0)) > 0) {
		heard++;
		last = sleeper.group_seq[1];
	}
	EXPECT_EQ(0, cmd);
	EXPECT_GT(events, heard);
	EXPECT_LT(0, heard);
	EXPECT_LT(last, reader.group_seq[1]);

	nl_begin(&sleeper.nl, VMGUEST_CMD_TASK_GET, NLM_F_DUMP);
	ASSERT_EQ(0, nl_call(&sleeper.nl, see_newest, &newest));
	EXPECT_FALSE(sleeper.nl.interrupted);
	EXPECT_EQ(self->id, newest.id);
	EXPECT_EQ(1, newest.running);
	EXPECT_FALSE(newest.flags & VMGUEST_TASK_COMPLETE);
	EXPECT_EQ(reader.seq, newest.seq);
	/* The next event is newer than the dump, and shows the hole. */
	ASSERT_EQ(0, vmg_task_cancel(self->task));
	EXPECT_EQ(VMGUEST_CMD_TASK_COMPLETED,
		  next_event(&sleeper, VMG_PATIENCE_MS));
	EXPECT_TRUE(sleeper.holes);
	EXPECT_EQ(newest.seq + 1, sleeper.seq);
	EXPECT_LT(last + 1, sleeper.group_seq[1]);
	ASSERT_EQ(0, start_and_cancel(self->fd, self->vm, &id));
	nl_close(&reader.nl);
	nl_close(&sleeper.nl);
}

/* A listener that never reads keeps nobody from anything. */
TEST_F_TIMEOUT(netlink, who_does_not_read_delays_nobody, 120)
{
	struct listener sleeper, reader;
	uint64_t id = 0;
	int i;

	LISTEN(&sleeper);
	LISTEN(&reader);
	ASSERT_EQ(0, nl_limit(&sleeper.nl, 1));
	for (i = 0; i < 500; i++) {
		ASSERT_EQ(0, start_and_cancel(self->fd, self->vm, &id));
		EXPECT_EQ(VMGUEST_CMD_TASK_STARTED, next_event(&reader, 0));
		EXPECT_EQ(VMGUEST_CMD_TASK_COMPLETED, next_event(&reader, 0));
		ASSERT_FALSE(reader.holes);
		EXPECT_EQ(id, TASK_U64(&reader, ID));
	}
	SHUT_DOWN();
	EXPECT_EQ(-ENOBUFS, next_event(&sleeper, 0));
	nl_close(&sleeper.nl);
	nl_close(&reader.nl);
}

/* Many tell at the same time; every listener hears them in the same order. */
TEST_F_TIMEOUT(netlink, many_tell_at_once_in_one_order, 120)
{
	struct listener l[2];
	pid_t pid[4];
	uint64_t vm;
	int i, n, left = 4, status;

	for (i = 0; i < 2; i++) {
		LISTEN(&l[i]);
		ASSERT_EQ(0, nl_limit(&l[i].nl, 64 << 20));
	}
	for (i = 0; i < 4; i++) {
		char name[8];

		snprintf(name, sizeof(name), "m%d", i);
		ASSERT_EQ(0, vmg_register(self->fd, name, 70 + i,
					  self->vmm.pidfd, &vm));
		pid[i] = fork();
		if (!pid[i])
			_exit(!burst(self->fd, vm, NULL, 1000));
	}
	for (; left; left--) {
		wait(&status);
		EXPECT_EQ(0, status);
	}
	/* Registered and running, and 1000, of four. */
	for (n = 0; next_event(&l[0], 0) > 0; n++) {
		EXPECT_LT(0, next_event(&l[1], 0));
		ASSERT_EQ(l[0].seq, l[1].seq);
		ASSERT_EQ(l[0].event.cmd, l[1].event.cmd);
	}
	EXPECT_EQ(4 * 1002, n);
	for (i = 0; i < 2; i++) {
		EXPECT_FALSE(l[i].holes);
		nl_close(&l[i].nl);
	}
}

TEST_HARNESS_MAIN
