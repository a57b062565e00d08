// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that misbehaves in every way, at every moment of a shutdown, beside a
 * neighbour that must not notice.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "test.h"

#define CID		OWN_CID
#define NEIGHBOUR_CID	(OWN_CID + 1)
#define MANY_CID	(OWN_CID + 2)

#define ACCEPTED	VMGUEST_PROOF_ACCEPTED
#define COMMITTED	(ACCEPTED | VMGUEST_PROOF_COMMITTED)
#define BREATHED	(COMMITTED | VMGUEST_PROOF_LAST_BREATH)
#define CHANNEL_DOWN	VMGUEST_PROOF_CHANNEL_DOWN
#define VM_GONE		VMGUEST_PROOF_VM_GONE
#define NEW_BOOT	VMGUEST_PROOF_NEW_BOOT

/**
 * struct moment - How far a shutdown has come at a moment
 * @at: The moment.
 * @proofs: What the guest has proven by then.
 * @frames_in: Frames that the host has from it.
 * @frames_out: Frames that it has from the host.
 */
struct moment {
	enum sim_moment at;
	uint32_t proofs;
	uint64_t frames_in;
	uint64_t frames_out;
};

static const struct moment moments[] = {
	{ SIM_AT_OPEN,		0,		0, 0 },
	{ SIM_AT_HELLO,		0,		1, 2 },
	{ SIM_AT_WELCOME,	0,		1, 2 },
	{ SIM_AT_REQUEST,	0,		1, 2 },
	{ SIM_AT_ACCEPTED,	ACCEPTED,	2, 2 },
	{ SIM_AT_COMMIT,	COMMITTED,	3, 3 },
	{ SIM_AT_GO,		COMMITTED,	3, 3 },
	{ SIM_AT_LAST_BREATH,	BREATHED,	4, 4 },
	{ SIM_AT_ACK,		BREATHED,	4, 4 },
};

#define MOMENTS	(sizeof(moments) / sizeof(moments[0]))

static struct vmguest_vm_get get_vm(int fd, uint64_t id)
{
	struct vmguest_vm_get vm;

	if (vmg_get(fd, id, &vm))
		vm.state = UINT32_MAX;
	return vm;
}

static int try(int fd, unsigned long nr, uint64_t vm, uint32_t flags)
{
	struct vmguest_request request = vmg_request(vm);

	request.flags = flags;
	return vmg_ask(fd, nr, &request);
}

static int unregister_softly(int fd, uint64_t id)
{
	struct vmguest_vm_unregister cmd = {
		.size = sizeof(cmd),
		.vm_id = id,
	};

	return vmg_call(fd, VMGUEST_VM_UNREGISTER, &cmd);
}

/* The fixtures differ in their variants only. */
#define HOSTILE_FIXTURE(name)						\
FIXTURE(name) {								\
	int fd;								\
	int task;							\
	uint64_t vm;							\
	uint64_t neighbour_vm;						\
	struct sim *sim;						\
	struct sim_guest *guest;					\
	struct sim_guest *neighbour;					\
}

#define HOSTILE_SETUP() do {						\
	self->task = -1;						\
	self->fd = vmg_open();						\
	ASSERT_LE(0, self->fd);						\
	vmg_unregister_all(self->fd);					\
	self->sim = sim_create();					\
	sim_hurry();							\
	self->guest = sim_guest_add(self->sim, CID);			\
	self->neighbour = sim_guest_add(self->sim, NEIGHBOUR_CID);	\
	ASSERT_EQ(0, vmg_register(self->fd, "neighbour", NEIGHBOUR_CID,	\
				  -1, &self->neighbour_vm));		\
	BOOT(self->neighbour);						\
} while (0)

/* The neighbour answers, on the connection that it has had all the time. */
#define EXPECT_NEIGHBOUR() do {						\
	struct vmguest_vm_get vm_ = get_vm(self->fd, self->neighbour_vm); \
	int ping_ = try(self->fd, VMGUEST_PING, self->neighbour_vm, 0);	\
									\
	EXPECT_EQ(0, vm_.malformed);					\
	EXPECT_EQ(0, vm_.refused);					\
	EXPECT_EQ(0, sim_guest_count(self->neighbour, SIM_EV_CLOSED, -1)); \
	EXPECT_LE(0, ping_);						\
	EXPECT_ENDED(sim_task(self->sim, ping_, PATIENCE_MS),		\
		     VMGUEST_RESULT_SUCCESS, 0);			\
	close(ping_);							\
} while (0)

#define HOSTILE_TEARDOWN() do {						\
	if (!_metadata->passed)						\
		sim_guest_print_log(self->guest);			\
	if (self->task >= 0)						\
		close(self->task);					\
	sim_destroy(self->sim);						\
	vmg_unregister_all(self->fd);					\
	close(self->fd);						\
} while (0)

#define VM()		get_vm(self->fd, self->vm)
#define HAS_AGENT()	(VM().vm_flags & VMGUEST_VM_AGENT)
#define PROOFS()	(vmg_task(self->task).proofs)
#define DID(deed)	sim_guest_count(self->guest, SIM_EV_DEED, deed)
#define BOOTS()		sim_guest_count(self->guest, SIM_EV_BOOT, -1)
#define CLOSED()	sim_guest_count(self->guest, SIM_EV_CLOSED, -1)

#define REGISTER(lifeline)						\
	ASSERT_EQ(0, vmg_register(self->fd, "guest", CID, lifeline, &self->vm))

/*
 * The guest boots, and a request without a deadline waits for it before it can
 * say a word: it lives only while the simulation runs.
 */
#define START(nr) do {							\
	ASSERT_EQ(0, sim_guest_boot(self->guest));			\
	ASK(self->vm, nr,						\
	    request.flags = VMGUEST_REQ_QUEUE | VMGUEST_REQ_NO_DEADLINE; \
	    request.deadline_ms = 0);					\
} while (0)

/* Nothing more happens by itself: who asked can cancel up to GO. */
#define EXPECT_STUCK(want) do {						\
	struct vmguest_task_get task_;					\
									\
	EXPECT_SOON(PROOFS() == (want)) {				\
		TH_LOG("proofs %#x, not %#x", PROOFS(), want);		\
	}								\
	task_ = vmg_task(self->task);					\
	EXPECT_FALSE(task_.task_flags & VMGUEST_TASK_COMPLETE);		\
	if ((want) & VMGUEST_PROOF_COMMITTED) {				\
		EXPECT_EQ(-EBUSY, vmg_task_cancel(self->task));		\
	} else {							\
		EXPECT_EQ(0, vmg_task_cancel(self->task));		\
		EXPECT_ENDED(vmg_task(self->task),			\
			     VMGUEST_RESULT_CANCELLED, -ECANCELED);	\
	}								\
} while (0)

/* At each moment of a shutdown: the guest does something else. */
HOSTILE_FIXTURE(at);

FIXTURE_VARIANT(at) {
	unsigned int index;
};

FIXTURE_VARIANT_ADD(at, open) { .index = 0 };
FIXTURE_VARIANT_ADD(at, hello) { .index = 1 };
FIXTURE_VARIANT_ADD(at, welcome) { .index = 2 };
FIXTURE_VARIANT_ADD(at, request) { .index = 3 };
FIXTURE_VARIANT_ADD(at, accepted) { .index = 4 };
FIXTURE_VARIANT_ADD(at, commit) { .index = 5 };
FIXTURE_VARIANT_ADD(at, go) { .index = 6 };
FIXTURE_VARIANT_ADD(at, last_breath) { .index = 7 };
FIXTURE_VARIANT_ADD(at, ack) { .index = 8 };

FIXTURE_SETUP(at)
{
	HOSTILE_SETUP();
}

FIXTURE_TEARDOWN(at)
{
	EXPECT_NEIGHBOUR();
	HOSTILE_TEARDOWN();
}

#define MOMENT	(&moments[variant->index])

/* The last breath and the end of the connection prove that the guest is down. */
#define DOWN	(MOMENT->proofs | (MOMENT->proofs == BREATHED ? CHANNEL_DOWN : 0))

/* The task was with the guest for certain; at HELLO and WELCOME it may be. */
#define HANDED	(MOMENT->at >= SIM_AT_REQUEST)
#define UNHANDED (MOMENT->at == SIM_AT_OPEN)

/*
 * The host has taken all that the guest said, because it answered. Else the
 * guest's next boot may be heard first: nothing orders two connections.
 */
#define ANSWERED (MOMENT->at == SIM_AT_REQUEST || MOMENT->at == SIM_AT_GO || \
		  MOMENT->at == SIM_AT_ACK)

#define EXPECT_NEW_BOOT(proofs_, want) do {				\
	EXPECT_EQ(NEW_BOOT, (proofs_) & ~(want));			\
	if (ANSWERED)							\
		EXPECT_EQ((want) | NEW_BOOT, proofs_);			\
} while (0)

/* Let the guest do @deed in a task that asks for @nr. */
#define REACH(lifeline, nr, deed, arg) do {				\
	REGISTER(lifeline);						\
	sim_guest_at_with(self->guest, MOMENT->at, deed, arg);		\
	START(nr);							\
	ASSERT_SOON(DID(deed));						\
} while (0)

TEST_F(at, hang)
{
	struct vmguest_vm_get vm;

	REACH(-1, VMGUEST_SHUTDOWN, SIM_HANG, 0);
	EXPECT_SOON(VM().frames_in == MOMENT->frames_in);
	EXPECT_SOON(VM().frames_out == MOMENT->frames_out);
	vm = VM();
	EXPECT_EQ(!UNHANDED, !!(vm.vm_flags & VMGUEST_VM_AGENT));
	EXPECT_EQ(0, vm.malformed);
	EXPECT_EQ(0, vm.refused);
	EXPECT_STUCK(MOMENT->proofs);
}

TEST_F(at, freeze)
{
	REACH(-1, VMGUEST_SHUTDOWN, SIM_FREEZE, 0);
	EXPECT_SOON(VM().frames_in == MOMENT->frames_in);
	EXPECT_STUCK(MOMENT->proofs);
	sim_guest_thaw(self->guest);
	EXPECT_EQ(0, VM().malformed);
}

TEST_F(at, starve)
{
	REACH(-1, VMGUEST_SHUTDOWN, SIM_STARVE, 0);
	EXPECT_SOON(VM().frames_in == MOMENT->frames_in);
	EXPECT_STUCK(MOMENT->proofs);
}

/*
 * What ends the connection and not the guest. The module has counted before it
 * closes; behind GOODBYE the guest closes, which the transport answers when the
 * module has read, and not when it has counted.
 */
#define ENDS_CONNECTION(name, deed, arg, want_malformed)		\
TEST_F(at, name)							\
{									\
	REACH(-1, VMGUEST_SHUTDOWN, deed, arg);				\
	ASSERT_SOON(CLOSED() == 1);					\
	ASSERT_SOON(VM().frames_in >= MOMENT->frames_in);		\
	ASSERT_SOON(!HAS_AGENT());					\
	if ((deed) == SIM_GOODBYE)					\
		ASSERT_SOON(VM().malformed == (want_malformed));	\
	EXPECT_EQ(want_malformed, VM().malformed);			\
	EXPECT_EQ(0, VM().refused);					\
	EXPECT_EQ(0, VM().capabilities);				\
	EXPECT_STUCK(DOWN);						\
	EXPECT_EQ(1, sim_guest_count(self->guest, SIM_EV_DIAL, -1));	\
}

ENDS_CONNECTION(rst, SIM_RST, 0, 0)
ENDS_CONNECTION(half_close, SIM_HALF_CLOSE, 0, 0)
ENDS_CONNECTION(close, SIM_CLOSE, 0, 0)
ENDS_CONNECTION(goodbye, SIM_GOODBYE, 0, UNHANDED)
ENDS_CONNECTION(garbage, SIM_GARBAGE, 0, 1)
ENDS_CONNECTION(much_garbage, SIM_GARBAGE, 100000, 1)
ENDS_CONNECTION(oversized, SIM_OVERSIZED, 0, 1)
ENDS_CONNECTION(oversized_by_one, SIM_OVERSIZED, VMGUEST_WIRE_MAX_PAYLOAD + 1, 1)
ENDS_CONNECTION(frame_of_the_module, SIM_MISDIRECTED, 0, 1)

TEST_F(at, second_hello)
{
	REACH(-1, VMGUEST_SHUTDOWN, SIM_SECOND_HELLO, 0);
	if (UNHANDED) {
		/* That was the first. */
		ASSERT_SOON(HAS_AGENT());
		EXPECT_EQ(0, VM().malformed);
		EXPECT_STUCK(0);
		return;
	}
	ASSERT_SOON(CLOSED());
	ASSERT_SOON(!HAS_AGENT());
	EXPECT_EQ(1, VM().malformed);
	EXPECT_STUCK(DOWN);
}

TEST_F(at, silent_reboot)
{
	struct vmguest_task_get task;

	REACH(-1, VMGUEST_SHUTDOWN, SIM_REBOOT, 0);
	task = TASK();
	if (UNHANDED || (!HANDED && !task.error)) {
		EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
		EXPECT_EQ(BREATHED | CHANNEL_DOWN | VM_GONE, task.proofs);
	} else {
		EXPECT_ENDED(task, VMGUEST_RESULT_UNEXPECTED_ERROR,
			     -ECONNABORTED);
		EXPECT_NEW_BOOT(task.proofs, DOWN);
	}
	EXPECT_EQ(2, BOOTS());
	EXPECT_EQ(0, VM().malformed);
	EXPECT_EQ(0, VM().refused);
}

TEST_F(at, silent_reboot_proves_a_restart)
{
	struct vmguest_task_get task;

	REACH(-1, VMGUEST_RESTART, SIM_REBOOT, 0);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_TRUE(task.proofs & NEW_BOOT);
	if (HANDED) {
		EXPECT_NEW_BOOT(task.proofs, DOWN);
		EXPECT_EQ(2, BOOTS());
		EXPECT_EQ(!(task.proofs & VMGUEST_PROOF_LAST_BREATH),
			  !!(task.task_flags & VMGUEST_TASK_CLEAN_UNKNOWN));
	}
	if (UNHANDED)
		EXPECT_EQ(3, BOOTS());
}

/* Nothing tells the host. */
TEST_F(at, silent_reboot_without_an_agent)
{
	struct vmguest_task_get task;

	REACH(sim_guest_lifeline(self->guest), VMGUEST_SHUTDOWN,
	      SIM_REBOOT_MUTE, 0);
	EXPECT_SOON(VM().frames_in == MOMENT->frames_in);
	EXPECT_SOON((PROOFS() & ~CHANNEL_DOWN) == MOMENT->proofs);
	ASK(self->vm, VMGUEST_PING, request.flags = VMGUEST_REQ_QUEUE;
	    request.deadline_ms = 50);
	EXPECT_NE(VMGUEST_RESULT_SUCCESS, TASK().result);
	ASK(self->vm, VMGUEST_SHUTDOWN, request.flags = VMGUEST_REQ_JOIN);
	EXPECT_FALSE(vmg_task(self->task).task_flags & VMGUEST_TASK_COMPLETE);
	/* Only the VMM's end does. */
	sim_guest_do(self->guest, SIM_DIE, 0);
	task = TASK();
	if (MOMENT->proofs == BREATHED)
		EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	else
		EXPECT_ENDED(task, VMGUEST_RESULT_UNEXPECTED_ERROR,
			     -ECONNABORTED);
	EXPECT_EQ(MOMENT->proofs | VM_GONE, task.proofs & ~CHANNEL_DOWN);
}

/* An id that was heard before is no new boot: the real one is. */
TEST_F(at, reboot_with_the_old_boot_id)
{
	struct vmguest_task_get task;

	REACH(-1, VMGUEST_RESTART, SIM_REBOOT_OLD_ID, 0);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(BREATHED | CHANNEL_DOWN | NEW_BOOT, task.proofs);
	if (HANDED)
		EXPECT_TRUE(task.task_flags & VMGUEST_TASK_RESENT);
	EXPECT_EQ(3, BOOTS());
}

TEST_F(at, reconnect_resumes)
{
	struct vmguest_task_get task;

	REACH(-1, VMGUEST_SHUTDOWN, SIM_RECONNECT, 0);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(BREATHED | CHANNEL_DOWN | VM_GONE, task.proofs);
	if (HANDED)
		EXPECT_TRUE(task.task_flags & VMGUEST_TASK_RESENT);
	EXPECT_EQ(1, BOOTS());
	EXPECT_EQ(2, sim_guest_count(self->guest, SIM_EV_DIAL, -1));
	EXPECT_EQ(0, VM().malformed);
	EXPECT_EQ(0, VM().refused);
}

TEST_F(at, vmm_dies)
{
	struct vmguest_task_get task;

	REACH(-1, VMGUEST_SHUTDOWN, SIM_DIE, 0);
	if (UNHANDED) {
		/* Of a guest that was never heard nothing tells. */
		EXPECT_STUCK(0);
		return;
	}
	task = TASK();
	if (MOMENT->proofs == BREATHED)
		EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	else
		EXPECT_ENDED(task, VMGUEST_RESULT_UNEXPECTED_ERROR,
			     -ECONNABORTED);
	EXPECT_EQ(MOMENT->proofs | CHANNEL_DOWN | VM_GONE, task.proofs);
	EXPECT_EQ(VMGUEST_VM_DOWN, VM().state);
}

TEST_F(at, vmm_dies_and_the_lifeline_tells)
{
	struct vmguest_task_get task;

	REACH(sim_guest_lifeline(self->guest), VMGUEST_SHUTDOWN, SIM_DIE, 0);
	task = TASK();
	if (MOMENT->proofs == BREATHED)
		EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	else
		EXPECT_ENDED(task, VMGUEST_RESULT_UNEXPECTED_ERROR,
			     -ECONNABORTED);
	EXPECT_TRUE(task.proofs & VM_GONE);
	EXPECT_EQ(MOMENT->proofs, task.proofs & BREATHED);
	if (HANDED)
		EXPECT_TRUE(task.proofs & CHANNEL_DOWN);
	EXPECT_EQ(VMGUEST_VM_GONE, VM().state);
}

/* The lifeline has the last word, whatever still runs. */
TEST_F(at, lifeline_fires_under_a_living_vmm)
{
	struct vmguest_task_get task;
	uint64_t vm;

	REACH(sim_guest_lifeline(self->guest), VMGUEST_SHUTDOWN, SIM_HANG, 0);
	EXPECT_SOON(VM().frames_in == MOMENT->frames_in);
	EXPECT_SOON(PROOFS() == MOMENT->proofs);
	sim_guest_fire(self->guest);
	task = TASK();
	if (MOMENT->proofs == BREATHED)
		EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	else
		EXPECT_ENDED(task, VMGUEST_RESULT_UNEXPECTED_ERROR,
			     -ECONNABORTED);
	EXPECT_EQ(DOWN | VM_GONE, task.proofs);
	EXPECT_EQ(VMGUEST_VM_GONE, VM().state);
	EXPECT_FALSE(HAS_AGENT());
	/* Name and CID are free at once, and a new VM is not the old one. */
	EXPECT_EQ(0, vmg_register(self->fd, "guest", CID, -1, &vm));
	EXPECT_NE(self->vm, vm);
	EXPECT_FALSE(get_vm(self->fd, vm).vm_flags & VMGUEST_VM_LIFELINE);
	EXPECT_EQ(0, get_vm(self->fd, vm).task_id);
}

/* Its successor is another guest: what was asked of it is not asked again. */
TEST_F(at, another_guest_takes_the_cid)
{
	struct vmguest_task_get task;

	REACH(sim_guest_lifeline(self->guest), VMGUEST_SHUTDOWN, SIM_REBORN, 0);
	if (UNHANDED) {
		/* It was meant for whoever comes. */
		ASSERT_SOON(!sim_guest_is_on(self->guest));
		EXPECT_ENDED(TASK(), VMGUEST_RESULT_SUCCESS, 0);
		EXPECT_EQ(2, BOOTS());
		return;
	}
	task = TASK();
	if (!HANDED && !task.error)
		return;
	EXPECT_ENDED(task, VMGUEST_RESULT_UNEXPECTED_ERROR, -ECONNABORTED);
	EXPECT_NEW_BOOT(task.proofs & ~CHANNEL_DOWN, MOMENT->proofs);
	EXPECT_SOON(HAS_AGENT());
	EXPECT_EQ(0, memcmp(VM().boot_id, sim_guest_boot_id(self->guest), 16));
	EXPECT_TRUE(sim_guest_is_on(self->guest));
	EXPECT_EQ(VMGUEST_VM_RUNNING, VM().state);
}

TEST_F(at, unregistered)
{
	struct vmguest_task_get task;
	struct vmguest_vm_get vm;

	REACH(-1, VMGUEST_SHUTDOWN, SIM_HANG, 0);
	EXPECT_SOON(VM().frames_in == MOMENT->frames_in);
	EXPECT_SOON(PROOFS() == MOMENT->proofs);
	EXPECT_EQ(-EBUSY, unregister_softly(self->fd, self->vm));
	EXPECT_FALSE(vmg_task(self->task).task_flags & VMGUEST_TASK_COMPLETE);
	EXPECT_EQ(0, vmg_unregister(self->fd, self->vm));
	task = vmg_task(self->task);
	EXPECT_ENDED(task, VMGUEST_RESULT_CANCELLED, -ECANCELED);
	EXPECT_EQ(MOMENT->proofs, task.proofs);
	EXPECT_TRUE(task.task_flags & VMGUEST_TASK_VM_UNREGISTERED);
	EXPECT_EQ(POLLIN | POLLHUP,
		  vmg_poll(self->task, POLLIN, 0) & (POLLIN | POLLHUP));
	EXPECT_EQ(-ENOENT, vmg_get(self->fd, self->vm, &vm));
	if (!UNHANDED)
		EXPECT_SOON(CLOSED());
	/* The commit point was the host's to grant: it withdraws in words. */
	if (HANDED && !(MOMENT->proofs & VMGUEST_PROOF_COMMITTED))
		EXPECT_EQ(1, sim_guest_count(self->guest, SIM_EV_GOT,
					     VMGUEST_WIRE_CANCEL));
}

/* Another guest's connection with the very same ports. */
TEST_F(at, forged_cid)
{
	REACH(-1, VMGUEST_SHUTDOWN, SIM_FORGE, NEIGHBOUR_CID);
	EXPECT_ENDED(TASK(), VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(0, VM().malformed);
}

TEST_F(at, lies_about_a_neighbours_task)
{
	struct vmguest_task_get theirs;
	struct sim_guest *victim;
	uint64_t victim_vm;
	int task;

	/* Its task stands before the commit point: any word would move it. */
	victim = sim_guest_add(self->sim, MANY_CID);
	ASSERT_EQ(0, vmg_register(self->fd, "victim", MANY_CID, -1,
				  &victim_vm));
	sim_guest_at(victim, SIM_AT_REQUEST, SIM_HANG);
	BOOT(victim);
	ASK(victim_vm, VMGUEST_SHUTDOWN);
	task = self->task;
	self->task = -1;
	ASSERT_SOON(sim_guest_count(victim, SIM_EV_GOT, VMGUEST_WIRE_REQUEST));

	REACH(-1, VMGUEST_SHUTDOWN, SIM_LIE, vmg_task(task).task_id);
	EXPECT_ENDED(TASK(), VMGUEST_RESULT_SUCCESS, 0);
	/* Before HELLO everything but HELLO breaks the rules. */
	EXPECT_EQ(UNHANDED, VM().malformed);
	theirs = vmg_task(task);
	EXPECT_EQ(0, theirs.proofs);
	EXPECT_EQ(VMGUEST_STAGE_SENT, theirs.stage);
	EXPECT_FALSE(theirs.task_flags & VMGUEST_TASK_COMPLETE);
	EXPECT_EQ(0, sim_guest_count(victim, SIM_EV_CLOSED, -1));
	EXPECT_EQ(0, sim_guest_count(victim, SIM_EV_GOT, VMGUEST_WIRE_GO));
	EXPECT_EQ(0, vmg_task_cancel(task));
	close(task);
}

#define FLOOD	2000

TEST_F(at, flood)
{
	struct vmguest_vm_get vm;

	REACH(-1, VMGUEST_SHUTDOWN, SIM_FLOOD, FLOOD);
	EXPECT_ENDED(TASK(), VMGUEST_RESULT_SUCCESS, 0);
	vm = VM();
	EXPECT_EQ(UNHANDED, vm.malformed);
	/* The connection on which that came first is gone. */
	if (UNHANDED)
		return;
	EXPECT_EQ(FLOOD + 4, vm.frames_in);
	EXPECT_EQ(4, vm.frames_out);
}

TEST_F(at, agent_dials_twice)
{
	REACH(-1, VMGUEST_SHUTDOWN, SIM_REDIAL, 0);
	EXPECT_ENDED(TASK(), VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(0, VM().malformed);
}

/* A VMM that dies within a frame, byte for byte, and right behind it. */
HOSTILE_FIXTURE(dies_in);

FIXTURE_VARIANT(dies_in) {
	bool lifeline;
	enum sim_moment at;
	uint32_t before;
	uint32_t after;
};

#define DIES_IN(name, lifeline_, at_, before_, after_)			\
FIXTURE_VARIANT_ADD(dies_in, name) {					\
	.lifeline = lifeline_, .at = at_, .before = before_,		\
	.after = after_ }

DIES_IN(hello, false, SIM_AT_OPEN, 0, 0);
DIES_IN(accepted, false, SIM_AT_REQUEST, 0, ACCEPTED);
DIES_IN(commit, false, SIM_AT_ACCEPTED, ACCEPTED, COMMITTED);
DIES_IN(last_breath, false, SIM_AT_GO, COMMITTED, BREATHED);
DIES_IN(hello_with_lifeline, true, SIM_AT_OPEN, 0, 0);
DIES_IN(accepted_with_lifeline, true, SIM_AT_REQUEST, 0, ACCEPTED);
DIES_IN(commit_with_lifeline, true, SIM_AT_ACCEPTED, ACCEPTED, COMMITTED);
DIES_IN(last_breath_with_lifeline, true, SIM_AT_GO, COMMITTED, BREATHED);

FIXTURE_SETUP(dies_in)
{
	HOSTILE_SETUP();
}

FIXTURE_TEARDOWN(dies_in)
{
	EXPECT_NEIGHBOUR();
	HOSTILE_TEARDOWN();
}

/* Return: whether all of the frame was sent. */
static bool die_at_byte(struct __test_metadata *_metadata,
			FIXTURE_DATA(dies_in) *self,
			const FIXTURE_VARIANT(dies_in) *variant, size_t byte)
{
	static const uint16_t types[SIM_MOMENTS] = {
		[SIM_AT_OPEN] = VMGUEST_WIRE_HELLO,
		[SIM_AT_REQUEST] = VMGUEST_WIRE_ACCEPTED,
		[SIM_AT_ACCEPTED] = VMGUEST_WIRE_COMMIT,
		[SIM_AT_GO] = VMGUEST_WIRE_LAST_BREATH,
	};
	bool hello = variant->at == SIM_AT_OPEN;
	struct vmguest_task_get task;
	uint32_t proofs;
	bool whole;

	sim_guest_forget_log(self->guest);
	REGISTER(variant->lifeline ? sim_guest_lifeline(self->guest) : -1);
	sim_guest_at_with(self->guest, variant->at, SIM_DIE_AT_BYTE, byte);
	START(VMGUEST_SHUTDOWN);
	ASSERT_SOON(!sim_guest_is_on(self->guest));
	whole = sim_guest_count(self->guest, SIM_EV_SENT, types[variant->at]);
	proofs = whole ? variant->after : variant->before;

	if (hello && !whole && !variant->lifeline) {
		EXPECT_STUCK(0);
	} else {
		task = TASK();
		if (proofs == BREATHED)
			EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
		else
			EXPECT_ENDED(task, VMGUEST_RESULT_UNEXPECTED_ERROR,
				     -ECONNABORTED);
		EXPECT_EQ(proofs | VM_GONE, task.proofs & ~CHANNEL_DOWN);
		if (!hello)
			EXPECT_TRUE(task.proofs & CHANNEL_DOWN);
	}
	EXPECT_EQ(0, VM().malformed);
	EXPECT_TRUE(_metadata->passed)
		TH_LOG("when it died after byte %zu", byte);
	EXPECT_EQ(0, vmg_unregister(self->fd, self->vm));
	return whole;
}

TEST_F_TIMEOUT(dies_in, any_byte, 120)
{
	size_t byte = 0;

	while (_metadata->passed &&
	       !die_at_byte(_metadata, self, variant, byte))
		byte++;
	TH_LOG("%zu bytes", byte);
	EXPECT_LE(sizeof(struct vmguest_wire_header), byte);
}

/* What is no matter of the moment. */
HOSTILE_FIXTURE(guest);

FIXTURE_SETUP(guest)
{
	HOSTILE_SETUP();
}

FIXTURE_TEARDOWN(guest)
{
	EXPECT_NEIGHBOUR();
	HOSTILE_TEARDOWN();
}

TEST_F(guest, never_dials)
{
	struct vmguest_task_get task;

	REGISTER(-1);
	sim_guest_at(self->guest, SIM_AT_BOOT, SIM_HANG);
	ASSERT_EQ(0, sim_guest_boot(self->guest));
	EXPECT_EQ(-ENOTCONN, try(self->fd, VMGUEST_SHUTDOWN, self->vm, 0));
	ASK(self->vm, VMGUEST_SHUTDOWN, request.flags = VMGUEST_REQ_QUEUE;
	    request.deadline_ms = 100);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
	EXPECT_EQ(0, task.proofs);
	EXPECT_EQ(VMGUEST_STAGE_QUEUED, task.stage);
	EXPECT_EQ(0, VM().frames_in);
	EXPECT_EQ(0, VM().frames_out);
	EXPECT_EQ(VMGUEST_VM_UNKNOWN, VM().state);
}

/* All moments at once, because a deadline takes its time. */
TEST_F(guest, hangs_until_the_deadline)
{
	struct vmguest_task_get task;
	uint64_t vms[MOMENTS];
	int tasks[MOMENTS];
	unsigned int i;

	for (i = 0; i < MOMENTS; i++) {
		struct sim_guest *g = sim_guest_add(self->sim, MANY_CID + i);
		char name[16];

		snprintf(name, sizeof(name), "guest%u", i);
		ASSERT_EQ(0, vmg_register(self->fd, name, MANY_CID + i, -1,
					  &vms[i]));
		sim_guest_at(g, moments[i].at, SIM_HANG);
		ASSERT_EQ(0, sim_guest_boot(g));
		ASK(vms[i], VMGUEST_SHUTDOWN,
		    request.flags = VMGUEST_REQ_QUEUE;
		    request.deadline_ms = 2000);
		tasks[i] = self->task;
		self->task = -1;
	}
	for (i = 0; i < MOMENTS; i++) {
		task = sim_task(self->sim, tasks[i], PATIENCE_MS);
		EXPECT_ENDED(task, VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
		EXPECT_EQ(moments[i].proofs, task.proofs);
		EXPECT_LE(2000000000ULL, task.end_ns - task.start_ns);
		close(tasks[i]);
	}
}

TEST_F(guest, dials_from_a_port_of_anybody)
{
	REGISTER(-1);
	sim_guest_set_privileged(self->guest, false);
	sim_guest_at(self->guest, SIM_AT_OPEN, SIM_HANG);
	ASSERT_EQ(0, sim_guest_boot(self->guest));
	ASSERT_SOON(CLOSED());
	EXPECT_EQ(-ENOTCONN, try(self->fd, VMGUEST_PING, self->vm, 0));
	EXPECT_EQ(0, VM().frames_in);
	EXPECT_EQ(VMGUEST_VM_UNKNOWN, VM().state);
}

#define PINGS	400

/* What it does not read waits in the host, bound by who asked. */
TEST_F(guest, reads_nothing)
{
	int tasks[PINGS];
	struct vmguest_task_get task;
	uint64_t sent;
	int i;

	REGISTER(-1);
	sim_guest_at(self->guest, SIM_AT_WELCOME, SIM_STARVE);
	BOOT(self->guest);
	for (i = 0; i < PINGS; i++) {
		ASK(self->vm, VMGUEST_PING);
		tasks[i] = self->task;
		self->task = -1;
	}
	/* The guest's room is 4096 bytes, for 170 frames. */
	ASSERT_SOON(VM().frames_out >= 169);
	ASK(self->vm, VMGUEST_SHUTDOWN);
	sim_pass(self->sim, 50);
	sent = VM().frames_out;
	EXPECT_GE(171, sent);
	EXPECT_EQ(VMGUEST_STAGE_QUEUED, vmg_task(self->task).stage);
	EXPECT_EQ(0, vmg_task_cancel(self->task));
	sim_guest_do(self->guest, SIM_DIE, 0);
	for (i = 0; i < PINGS; i++) {
		task = sim_task(self->sim, tasks[i], PATIENCE_MS);
		EXPECT_TRUE(task.task_flags & VMGUEST_TASK_COMPLETE);
		EXPECT_EQ(VMGUEST_RESULT_UNEXPECTED_ERROR, task.result);
		EXPECT_TRUE(task.error == -ENOTCONN ||
			    task.error == -ECONNABORTED);
		close(tasks[i]);
	}
}

TEST_F(guest, floods_with_connections)
{
	struct vmguest_vm_get vm;
	int i;

	REGISTER(-1);
	BOOT(self->guest);
	for (i = 0; i < 100; i++)
		sim_hand_dial(self->guest);
	/* Four may be silent; the rest is closed at once. */
	EXPECT_SOON(CLOSED() == 96);
	vm = VM();
	EXPECT_TRUE(vm.vm_flags & VMGUEST_VM_AGENT);
	EXPECT_EQ(0, vm.malformed);
	ASK(self->vm, VMGUEST_SHUTDOWN);
	EXPECT_ENDED(TASK(), VMGUEST_RESULT_SUCCESS, 0);
}

TEST_F(guest, lies_about_its_own_task)
{
	struct vmguest_task_get task;

	REGISTER(-1);
	START(VMGUEST_SHUTDOWN);
	sim_guest_at_with(self->guest, SIM_AT_REQUEST, SIM_LIE,
			  vmg_task(self->task).task_id);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_UNEXPECTED_ERROR, -EIO);
	EXPECT_EQ(COMMITTED, task.proofs);
}

static unsigned int answers(struct sim_guest *guest, int type)
{
	return sim_guest_count(guest, SIM_EV_GOT, type);
}

/* Tasks that never were, will be, or have ended. */
TEST_F(guest, lies_about_no_task)
{
	static const uint64_t ids[] = { 1, UINT32_MAX, INT64_MAX, UINT64_MAX };
	unsigned int i;

	REGISTER(-1);
	BOOT(self->guest);
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		sim_guest_do(self->guest, SIM_LIE, ids[i]);
		ASSERT_SOON(answers(self->guest, VMGUEST_WIRE_LAST_BREATH_ACK) ==
			    i + 1);
		ASSERT_SOON(answers(self->guest, VMGUEST_WIRE_CANCEL) == i + 1);
	}
	EXPECT_EQ(0, sim_guest_count(self->guest, SIM_EV_GOT, VMGUEST_WIRE_GO));
	EXPECT_EQ(0, VM().malformed);
	EXPECT_EQ(0, VM().last_task_id);
	ASK(self->vm, VMGUEST_SHUTDOWN);
	EXPECT_ENDED(TASK(), VMGUEST_RESULT_SUCCESS, 0);
}

TEST_F(guest, is_blocked_until_the_deadline)
{
	struct vmguest_task_get task;

	REGISTER(-1);
	BOOT(self->guest);
	sim_guest_at(self->guest, SIM_AT_ACCEPTED, SIM_BLOCKED);
	ASK(self->vm, VMGUEST_SHUTDOWN, request.deadline_ms = 1000);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SHUTDOWN_ABORT, -EBUSY);
	EXPECT_EQ(ACCEPTED, task.proofs);
	EXPECT_EQ(VMGUEST_STAGE_BLOCKED, task.stage);
	EXPECT_EQ(1, task.blockers);
}

TEST_F(guest, says_that_it_is_done_and_is_not)
{
	REGISTER(-1);
	BOOT(self->guest);
	sim_guest_at_with(self->guest, SIM_AT_GO, SIM_RESULT, VMGUEST_WIRE_OK);
	ASK(self->vm, VMGUEST_SHUTDOWN);
	ASSERT_SOON(VM().malformed == 1);
	EXPECT_FALSE(vmg_task(self->task).task_flags & VMGUEST_TASK_COMPLETE);
}

TEST_F(guest, ends_in_another_way_than_asked)
{
	struct vmguest_task_get task;

	REGISTER(-1);
	BOOT(self->guest);
	sim_guest_at(self->guest, SIM_AT_GO, SIM_HALT);
	ASK(self->vm, VMGUEST_SHUTDOWN);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_UNEXPECTED_ERROR, -ECONNABORTED);
	EXPECT_EQ(COMMITTED | CHANNEL_DOWN | VM_GONE, task.proofs);
}

TEST_F(guest, has_two_agents)
{
	REGISTER(-1);
	BOOT(self->guest);
	sim_guest_do(self->guest, SIM_REDIAL, 0);
	ASSERT_SOON(sim_guest_count(self->guest, SIM_EV_GOT,
				    VMGUEST_WIRE_REJECT) == 1);
	EXPECT_EQ(1, VM().refused);
	EXPECT_EQ(0, VM().malformed);
	EXPECT_EQ(1, sim_guest_count(self->guest, SIM_EV_GOT,
				     VMGUEST_WIRE_WELCOME));
	ASK(self->vm, VMGUEST_SHUTDOWN);
	EXPECT_ENDED(TASK(), VMGUEST_RESULT_SUCCESS, 0);
}

TEST_F(guest, has_a_deaf_agent_and_another)
{
	REGISTER(-1);
	BOOT(self->guest);
	sim_guest_do(self->guest, SIM_HANG, 0);
	sim_guest_do(self->guest, SIM_REDIAL, 0);
	ASSERT_SOON(sim_guest_count(self->guest, SIM_EV_GOT,
				    VMGUEST_WIRE_WELCOME) == 2);
	EXPECT_EQ(0, VM().refused);
	ASK(self->vm, VMGUEST_SHUTDOWN);
	EXPECT_ENDED(TASK(), VMGUEST_RESULT_SUCCESS, 0);
}

TEST_F(guest, lifeline_fired_before)
{
	struct vmguest_vm_get vm;
	char name[16];
	int dead = eventfd(1, EFD_CLOEXEC);

	EXPECT_EQ(-EHOSTDOWN, vmg_register(self->fd, "guest", CID, dead, NULL));
	close(dead);
	REGISTER(sim_guest_lifeline(self->guest));
	sim_guest_fire(self->guest);
	ASSERT_SOON(VM().state == VMGUEST_VM_GONE);
	EXPECT_EQ(-EHOSTDOWN, try(self->fd, VMGUEST_SHUTDOWN, self->vm,
				  VMGUEST_REQ_QUEUE));
	/* Whoever comes with its CID is somebody else. */
	BOOT(self->guest);
	EXPECT_EQ(0, VM().frames_in);
	snprintf(name, sizeof(name), "cid-%u", CID);
	ASSERT_EQ(0, vmg_get_named(self->fd, name, &vm));
	EXPECT_TRUE(vm.vm_flags & VMGUEST_VM_UNREGISTERED);
	EXPECT_TRUE(vm.vm_flags & VMGUEST_VM_AGENT);
}

TEST_F(guest, lifeline_fires_after)
{
	struct vmguest_task_get task;

	REGISTER(sim_guest_lifeline(self->guest));
	BOOT(self->guest);
	sim_guest_at(self->guest, SIM_AT_ACK, SIM_CLOSE);
	ASK(self->vm, VMGUEST_SHUTDOWN, request.until = VMGUEST_UNTIL_DOWN);
	EXPECT_ENDED(TASK(), VMGUEST_RESULT_SUCCESS, 0);
	sim_guest_fire(self->guest);
	ASSERT_SOON(VM().state == VMGUEST_VM_GONE);
	/* What has ended stays as it was. */
	task = vmg_task(self->task);
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_EQ(PROOFS_DOWN, task.proofs);
	EXPECT_EQ(VMGUEST_STAGE_CHANNEL_DOWN, task.stage);
}

TEST_F(guest, restart_that_goes_down_and_comes_back)
{
	struct vmguest_task_get task;

	REGISTER(sim_guest_lifeline(self->guest));
	BOOT(self->guest);
	sim_guest_at(self->guest, SIM_AT_ACK, SIM_DIE);
	ASK(self->vm, VMGUEST_RESTART);
	ASSERT_SOON(VM().state == VMGUEST_VM_GONE);
	EXPECT_SOON(PROOFS() == (BREATHED | CHANNEL_DOWN | VM_GONE));
	EXPECT_FALSE(vmg_task(self->task).task_flags & VMGUEST_TASK_COMPLETE);
	REGISTER(sim_guest_lifeline(self->guest));
	BOOT(self->guest);
	task = TASK();
	EXPECT_ENDED(task, VMGUEST_RESULT_SUCCESS, 0);
	EXPECT_TRUE(task.proofs & NEW_BOOT);
}

TEST_HARNESS_MAIN
