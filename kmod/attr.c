// SPDX-License-Identifier: GPL-2.0
/*
 * VMs and tasks as netlink attributes. Uids and pids are those of the initial
 * namespaces: an event is the same bytes for every listener.
 */
#include <linux/cred.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/user_namespace.h>
#include <net/netlink.h>

#include <linux/vmguest_netlink.h>

#include "attr.h"
#include "blocker.h"
#include "task.h"
#include "vm.h"

/* Not as a string: it may be more than ASCII. An empty one is left out. */
int vmguest_attr_put_text(struct sk_buff *skb, int type, const char *text)
{
	size_t len = strlen(text);

	return len ? nla_put(skb, type, len, text) : 0;
}

int vmguest_attr_put_actor(struct sk_buff *skb, int type,
			   const struct vmguest_person *person)
{
	struct nlattr *nest;

	if (!person->pid)
		return 0;
	nest = nla_nest_start(skb, type);
	if (!nest)
		return -EMSGSIZE;
	if (nla_put_u32(skb, VMGUEST_A_ACTOR_UID,
			from_kuid_munged(&init_user_ns, person->uid)) ||
	    nla_put_u32(skb, VMGUEST_A_ACTOR_PID, pid_nr(person->pid)))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

struct vmguest_attr_sessions
vmguest_attr_task_sessions(const struct vmguest_task *task)
{
	return (struct vmguest_attr_sessions) {
		.targeted = task->targeted,
		.ended = task->ended,
		.left = task->left,
	};
}

int vmguest_attr_put_sessions(struct sk_buff *skb, int type,
			      const struct vmguest_attr_sessions *sessions)
{
	struct nlattr *nest;

	nest = nla_nest_start(skb, type);
	if (!nest)
		return -EMSGSIZE;
	if (sessions->targeted && nla_put_u32(skb, VMGUEST_A_SESSIONS_TARGETED,
					      sessions->targeted))
		return -EMSGSIZE;
	if (nla_put_u32(skb, VMGUEST_A_SESSIONS_ENDED, sessions->ended) ||
	    nla_put_u32(skb, VMGUEST_A_SESSIONS_LEFT, sessions->left))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

int vmguest_attr_put_blocker(struct sk_buff *skb,
			     const struct vmguest_blocker *blocker)
{
	struct nlattr *nest;

	nest = nla_nest_start(skb, VMGUEST_A_TASK_BLOCKER);
	if (!nest)
		return -EMSGSIZE;
	if (nla_put_u32(skb, VMGUEST_A_BLOCKER_KIND, blocker->kind) ||
	    nla_put_u32(skb, VMGUEST_A_BLOCKER_UID, blocker->uid) ||
	    nla_put_u32(skb, VMGUEST_A_BLOCKER_PID, blocker->pid) ||
	    vmguest_attr_put_text(skb, VMGUEST_A_BLOCKER_WHO, blocker->who) ||
	    vmguest_attr_put_text(skb, VMGUEST_A_BLOCKER_WHY, blocker->why))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int attr_put_vm_u64(struct sk_buff *skb, int type, u64 value)
{
	return nla_put_u64_64bit(skb, type, value, VMGUEST_A_VM_PAD);
}

static int attr_put_task_u64(struct sk_buff *skb, int type, u64 value)
{
	return nla_put_u64_64bit(skb, type, value, VMGUEST_A_TASK_PAD);
}

/* What events and replies tell of every VM. */
int vmguest_attr_put_vm(struct sk_buff *skb, const struct vmguest_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	if (attr_put_vm_u64(skb, VMGUEST_A_VM_ID, vm->id) ||
	    nla_put_string(skb, VMGUEST_A_VM_NAME, vm->name) ||
	    nla_put_u32(skb, VMGUEST_A_VM_CID, vm->cid) ||
	    nla_put_u32(skb, VMGUEST_A_VM_UID,
			from_kuid_munged(&init_user_ns, vm->uid)) ||
	    nla_put_u32(skb, VMGUEST_A_VM_GID,
			from_kgid_munged(&init_user_ns, vm->gid)) ||
	    nla_put_u32(skb, VMGUEST_A_VM_MODE, vm->mode) ||
	    nla_put_u32(skb, VMGUEST_A_VM_STATE, vm->state) ||
	    nla_put_u32(skb, VMGUEST_A_VM_FLAGS, vmguest_vm_flags(vm)))
		return -EMSGSIZE;
	if (vm->task &&
	    attr_put_vm_u64(skb, VMGUEST_A_VM_TASK_ID, vm->task->id))
		return -EMSGSIZE;
	return 0;
}

static int attr_put_guest(struct sk_buff *skb,
			  const struct vmguest_guest_info *info)
{
	static const u8 texts[VMGUEST_FRAME_TEXTS] = {
		[VMGUEST_HELLO_HOSTNAME]	= VMGUEST_A_GUEST_HOSTNAME,
		[VMGUEST_HELLO_OS_NAME]		= VMGUEST_A_GUEST_OS_NAME,
		[VMGUEST_HELLO_OS_VERSION]	= VMGUEST_A_GUEST_OS_VERSION,
		[VMGUEST_HELLO_KERNEL]		= VMGUEST_A_GUEST_KERNEL,
		[VMGUEST_HELLO_AGENT_VERSION]	= VMGUEST_A_GUEST_AGENT_VERSION,
	};
	struct nlattr *nest;
	unsigned int i;

	nest = nla_nest_start(skb, VMGUEST_A_VM_GUEST);
	if (!nest)
		return -EMSGSIZE;
	if (nla_put_u32(skb, VMGUEST_A_GUEST_SESSIONS, info->sessions) ||
	    nla_put_u32(skb, VMGUEST_A_GUEST_LOCKED, info->locked) ||
	    nla_put(skb, VMGUEST_A_GUEST_BOOT_ID, sizeof(info->boot_id),
		    info->boot_id) ||
	    nla_put(skb, VMGUEST_A_GUEST_MACHINE_ID, sizeof(info->machine_id),
		    info->machine_id))
		return -EMSGSIZE;
	for (i = 0; i < VMGUEST_FRAME_TEXTS; i++)
		if (vmguest_attr_put_text(skb, texts[i], info->text[i]))
			return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

/* What the agent and its guest have said of themselves. */
int vmguest_attr_put_agent(struct sk_buff *skb, const struct vmguest_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	if (vm->channel && attr_put_vm_u64(skb, VMGUEST_A_VM_CAPABILITIES,
					   vm->capabilities))
		return -EMSGSIZE;
	return vm->info.heard ? attr_put_guest(skb, &vm->info) : 0;
}

int vmguest_attr_put_vm_reply(struct sk_buff *skb, const struct vmguest_vm *vm)
{
	const struct vmguest_heartbeat *heartbeat = &vm->heartbeat;

	if (vmguest_attr_put_vm(skb, vm) || vmguest_attr_put_agent(skb, vm))
		return -EMSGSIZE;
	if (vm->last_task_id && attr_put_vm_u64(skb, VMGUEST_A_VM_LAST_TASK_ID,
						vm->last_task_id))
		return -EMSGSIZE;
	if (attr_put_vm_u64(skb, VMGUEST_A_VM_FRAMES_IN, vm->frames_in) ||
	    attr_put_vm_u64(skb, VMGUEST_A_VM_FRAMES_OUT, vm->frames_out) ||
	    attr_put_vm_u64(skb, VMGUEST_A_VM_MALFORMED, vm->malformed) ||
	    attr_put_vm_u64(skb, VMGUEST_A_VM_REFUSED, vm->refused) ||
	    attr_put_vm_u64(skb, VMGUEST_A_VM_SEQ,
			    vm->told.seq[VMGUEST_EVENT_VM]))
		return -EMSGSIZE;
	if (!vm->channel || !heartbeat->interval_ms)
		return 0;
	if (nla_put_u32(skb, VMGUEST_A_VM_HEARTBEAT_MS,
			heartbeat->interval_ms) ||
	    nla_put_u32(skb, VMGUEST_A_VM_HEARTBEAT_PERCENT,
			vmguest_heartbeat_percent(heartbeat)))
		return -EMSGSIZE;
	return 0;
}

static int attr_put_outcome(struct sk_buff *skb,
			    const struct vmguest_task *task)
{
	const struct vmguest_attr_sessions sessions =
		vmguest_attr_task_sessions(task);

	if (nla_put_u32(skb, VMGUEST_A_TASK_RESULT, task->result) ||
	    nla_put_s32(skb, VMGUEST_A_TASK_ERROR, task->error) ||
	    attr_put_task_u64(skb, VMGUEST_A_TASK_END_NS, task->end_ns) ||
	    vmguest_attr_put_text(skb, VMGUEST_A_TASK_GUEST_TEXT,
				  vmguest_task_text(task)))
		return -EMSGSIZE;
	if (task->superseded_by &&
	    attr_put_task_u64(skb, VMGUEST_A_TASK_SUPERSEDED_BY,
			      task->superseded_by))
		return -EMSGSIZE;
	/* Counted by the guest's answer: 0 of 0 without one. */
	if (task->targeted &&
	    vmguest_attr_put_sessions(skb, VMGUEST_A_TASK_SESSIONS, &sessions))
		return -EMSGSIZE;
	return vmguest_attr_put_actor(skb, VMGUEST_A_TASK_CANCELLER,
				      &task->canceller);
}

static int attr_put_request(struct sk_buff *skb,
			    const struct vmguest_task *task)
{
	if (nla_put_u32(skb, VMGUEST_A_TASK_VERB, task->verb) ||
	    nla_put_u32(skb, VMGUEST_A_TASK_UNTIL, task->until) ||
	    attr_put_task_u64(skb, VMGUEST_A_TASK_START_NS, task->start_ns) ||
	    vmguest_attr_put_actor(skb, VMGUEST_A_TASK_STARTER,
				   &task->starter) ||
	    vmguest_attr_put_text(skb, VMGUEST_A_TASK_REASON,
				  vmguest_task_reason(task)))
		return -EMSGSIZE;
	if (task->deadline_ms && nla_put_u32(skb, VMGUEST_A_TASK_DEADLINE_MS,
					     task->deadline_ms))
		return -EMSGSIZE;
	if (task->force_after_ms &&
	    nla_put_u32(skb, VMGUEST_A_TASK_FORCE_AFTER_MS,
			task->force_after_ms))
		return -EMSGSIZE;
	return 0;
}

/* What events and replies tell of every task. */
int vmguest_attr_put_task(struct sk_buff *skb, const struct vmguest_task *task)
{
	const struct vmguest_vm *vm = task->vm;

	lockdep_assert_held(&vm->lock);
	if (attr_put_task_u64(skb, VMGUEST_A_TASK_ID, task->id) ||
	    attr_put_task_u64(skb, VMGUEST_A_TASK_VM_ID, vm->id) ||
	    nla_put_string(skb, VMGUEST_A_TASK_VM_NAME, vm->name) ||
	    nla_put_u32(skb, VMGUEST_A_TASK_CID, vm->cid) ||
	    attr_put_request(skb, task) ||
	    nla_put_u32(skb, VMGUEST_A_TASK_STAGE, task->stage) ||
	    nla_put_u32(skb, VMGUEST_A_TASK_PERCENT, task->percent) ||
	    nla_put_u32(skb, VMGUEST_A_TASK_FLAGS, vmguest_task_flags(task)) ||
	    nla_put_u32(skb, VMGUEST_A_TASK_PROOFS, task->proofs) ||
	    nla_put_u32(skb, VMGUEST_A_TASK_JOINERS, task->joiners) ||
	    nla_put_u32(skb, VMGUEST_A_TASK_BLOCKERS, task->blockers.count))
		return -EMSGSIZE;
	if (!(task->flags & VMGUEST_TASK_COMPLETE))
		return task->superseded_by ?
		       attr_put_task_u64(skb, VMGUEST_A_TASK_SUPERSEDED_BY,
					 task->superseded_by) : 0;
	return attr_put_outcome(skb, task);
}

static int attr_put_reached(struct sk_buff *skb,
			    const struct vmguest_task *task, u32 stage)
{
	struct nlattr *nest;

	nest = nla_nest_start(skb, VMGUEST_A_TASK_REACHED);
	if (!nest)
		return -EMSGSIZE;
	if (nla_put_u32(skb, VMGUEST_A_REACHED_STAGE, stage) ||
	    nla_put_u64_64bit(skb, VMGUEST_A_REACHED_TIME_NS,
			      task->stage_ns[stage], VMGUEST_A_REACHED_PAD))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

int vmguest_attr_put_task_reply(struct sk_buff *skb,
				const struct vmguest_task *task)
{
	const struct vmguest_blocker *blocker;
	unsigned int i;

	if (vmguest_attr_put_task(skb, task) ||
	    attr_put_task_u64(skb, VMGUEST_A_TASK_SEQ,
			      task->vm->told.seq[VMGUEST_EVENT_TASK]))
		return -EMSGSIZE;
	for (i = 0; i < VMGUEST_STAGE_COUNT; i++)
		if (task->stage_ns[i] && attr_put_reached(skb, task, i))
			return -EMSGSIZE;
	for (i = 0; i < VMGUEST_TASK_JOINERS; i++)
		if (vmguest_attr_put_actor(skb, VMGUEST_A_TASK_JOINER,
					   &task->joiner[i]))
			return -EMSGSIZE;
	list_for_each_entry(blocker, &task->blockers.list, node)
		if (vmguest_attr_put_blocker(skb, blocker))
			return -EMSGSIZE;
	return 0;
}
