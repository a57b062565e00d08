// SPDX-License-Identifier: GPL-2.0
/*
 * Events: what happens to VMs and tasks, told by netlink and tracepoints.
 */
#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/percpu.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <net/genetlink.h>

#include <linux/vmguest_netlink.h>

#include "attr.h"
#include "event.h"
#include "netlink.h"
#include "task.h"
#include "vm.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

/*
 * Numbers events and hands them out: whoever gets a number delivers under the
 * same lock, so that all listeners see all events in the order of their numbers.
 * Taken inside a VM's lock, and only when somebody listens.
 */
static DEFINE_SPINLOCK(event_lock);
static bool event_is_open;	/* the family is registered */
static u64 event_seq;
static u64 event_group_seq[VMGUEST_EVENT_GROUPS];
static u64 event_dropped;

static DEFINE_PER_CPU(u64 [VMGUEST_EVENT_RESULTS], event_results);

/**
 * struct event - An event being built
 * @vm: The VM, its lock held.
 * @group: Who is told.
 * @skb: The message, or NULL: there was no memory.
 * @header: Its header.
 * @seq: Where its number goes.
 * @group_seq: Where its number in the group goes.
 * @time: Where its time goes.
 */
struct event {
	struct vmguest_vm *vm;
	enum vmguest_event_group group;
	struct sk_buff *skb;
	void *header;
	struct nlattr *seq;
	struct nlattr *group_seq;
	struct nlattr *time;
};

/**
 * struct event_cause - Who or what made an event happen
 * @by: enum vmguest_cause_by.
 * @task_id: The task, 0 for none.
 * @task: The same, or NULL when it is forgotten.
 */
struct event_cause {
	u8 by;
	u64 task_id;
	const struct vmguest_task *task;
};

/**
 * struct event_details - What only some events of VMs tell
 * @changed: enum vmguest_vm_set_what, 0 for none.
 * @end: enum vmguest_wire_end, 0 for none.
 * @logoff: enum vmguest_logoff_type, 0 for none.
 * @sessions: Of @logoff.
 * @who: Of @logoff, whose sessions, or NULL.
 */
struct event_details {
	u32 changed;
	u32 end;
	u32 logoff;
	struct vmguest_attr_sessions sessions;
	const char *who;
};

/* The family is registered. */
void vmguest_event_open(void)
{
	spin_lock(&event_lock);
	event_is_open = true;
	spin_unlock(&event_lock);
}

/* Afterwards nothing is sent: the groups may belong to somebody else then. */
void vmguest_event_close(void)
{
	spin_lock(&event_lock);
	event_is_open = false;
	spin_unlock(&event_lock);
}

void vmguest_event_get_stats(struct vmguest_event_stats *stats)
{
	unsigned int cpu, i;

	memset(stats, 0, sizeof(*stats));
	spin_lock(&event_lock);
	stats->events = event_seq;
	stats->dropped = event_dropped;
	spin_unlock(&event_lock);
	for_each_possible_cpu(cpu)
		for (i = 0; i < VMGUEST_EVENT_RESULTS; i++)
			stats->tasks[i] += per_cpu(event_results, cpu)[i];
}

/* Does anybody listen? */
static bool event_is_wanted(enum vmguest_event_group group)
{
	/*
	 * The change that is to be told comes before this look, as joining comes
	 * before a dump: so who joins and then dumps hears of it or sees it.
	 */
	smp_mb();
	return READ_ONCE(event_is_open) &&
	       genl_has_listeners(&vmguest_netlink_family, &init_net, group);
}

static void event_give_up(struct event *event)
{
	nlmsg_free(event->skb);
	event->skb = NULL;
}

/* Room for what vmguest_event_send() writes under its lock. */
static void event_start(struct event *event, u8 cmd, size_t size,
			const int attrs[4])
{
	/* Its VM's lock is held. */
	event->skb = genlmsg_new(size, GFP_ATOMIC);
	if (!event->skb)
		return;
	event->header = genlmsg_put(event->skb, 0, 0, &vmguest_netlink_family,
				    0, cmd);
	if (!event->header)
		goto give_up;
	event->seq = nla_reserve_64bit(event->skb, attrs[0], sizeof(u64),
				       attrs[3]);
	event->group_seq = nla_reserve_64bit(event->skb, attrs[1], sizeof(u64),
					     attrs[3]);
	event->time = nla_reserve_64bit(event->skb, attrs[2], sizeof(u64),
					attrs[3]);
	if (event->seq && event->group_seq && event->time)
		return;
give_up:
	event_give_up(event);
}

static void event_write(struct nlattr *attr, u64 value)
{
	memcpy(nla_data(attr), &value, sizeof(value));
}

/*
 * An event that could not be built has a number all the same: the listeners
 * see the hole, and they are told at once.
 */
static void event_send(struct event *event)
{
	struct vmguest_vm *vm = event->vm;

	lockdep_assert_held(&vm->lock);
	if (event->skb)
		genlmsg_end(event->skb, event->header);
	spin_lock(&event_lock);
	if (!event_is_open) {
		nlmsg_free(event->skb);
		goto unlock;
	}
	vm->told.seq[event->group] = ++event_seq;
	event_group_seq[event->group]++;
	if (!event->skb) {
		event_dropped++;
		genl_set_err(&vmguest_netlink_family, &init_net, 0,
			     event->group, -ENOBUFS);
		goto unlock;
	}
	event_write(event->seq, event_seq);
	event_write(event->group_seq, event_group_seq[event->group]);
	event_write(event->time, ktime_get_ns());
	genlmsg_multicast(&vmguest_netlink_family, event->skb, 0, event->group,
			  GFP_ATOMIC);
unlock:
	spin_unlock(&event_lock);
}

static const struct vmguest_task *event_find_task(const struct vmguest_vm *vm,
						  u64 task_id)
{
	const struct vmguest_task *task;

	if (!task_id)
		return NULL;
	if (vm->task && vm->task->id == task_id)
		return vm->task;
	list_for_each_entry(task, &vm->ended, node)
		if (task->id == task_id)
			return task;
	return NULL;
}

/* Work is done for nobody: the call that asked for it has returned. */
static bool event_has_caller(void)
{
	return !(current->flags & PF_KTHREAD);
}

static struct event_cause event_cause_of_end(const struct vmguest_vm *vm)
{
	struct event_cause cause = { };

	if (!vm->told.going_down)
		return cause;
	cause.by = VMGUEST_CAUSE_BY_GUEST;
	cause.task_id = vm->told.down_task_id;
	if (cause.task_id)
		cause.by = VMGUEST_CAUSE_BY_TASK;
	cause.task = event_find_task(vm, cause.task_id);
	return cause;
}

static struct event_cause event_find_cause(const struct vmguest_vm *vm, u8 cmd)
{
	struct event_cause cause = { };

	switch (cmd) {
	case VMGUEST_CMD_VM_REGISTERED:
	case VMGUEST_CMD_VM_CHANGED:
		cause.by = VMGUEST_CAUSE_BY_CALLER;
		break;
	case VMGUEST_CMD_VM_APPEARED:
	case VMGUEST_CMD_VM_AGENT_AVAILABLE:
	case VMGUEST_CMD_VM_HEARTBEAT_BACK:
		cause.by = VMGUEST_CAUSE_BY_GUEST;
		break;
	case VMGUEST_CMD_VM_RUNNING:
		cause.by = event_has_caller() ? VMGUEST_CAUSE_BY_CALLER :
						VMGUEST_CAUSE_BY_GUEST;
		break;
	case VMGUEST_CMD_VM_UNREGISTERED:
		if (event_has_caller())
			cause.by = VMGUEST_CAUSE_BY_CALLER;
		else
			cause.by = vm->registered ? VMGUEST_CAUSE_BY_HOST :
						    VMGUEST_CAUSE_BY_GUEST;
		break;
	case VMGUEST_CMD_VM_AGENT_GONE:
	case VMGUEST_CMD_VM_GOING_DOWN:
	case VMGUEST_CMD_VM_GONE:
		return event_cause_of_end(vm);
	}
	return cause;
}

static int event_put_cause(struct sk_buff *skb, const struct event_cause *cause)
{
	const struct vmguest_person caller = {
		.uid = current_euid(),
		.pid = task_tgid(current),
	};
	const struct vmguest_task *task = cause->task;
	struct nlattr *nest;

	nest = nla_nest_start(skb, VMGUEST_A_VM_CAUSE);
	if (!nest || nla_put_u32(skb, VMGUEST_A_CAUSE_BY, cause->by))
		return -EMSGSIZE;
	if (cause->task_id &&
	    nla_put_u64_64bit(skb, VMGUEST_A_CAUSE_TASK_ID, cause->task_id,
			      VMGUEST_A_CAUSE_PAD))
		return -EMSGSIZE;
	if (task && (nla_put_u32(skb, VMGUEST_A_CAUSE_VERB, task->verb) ||
		     vmguest_attr_put_actor(skb, VMGUEST_A_CAUSE_ACTOR,
					    &task->starter) ||
		     vmguest_attr_put_text(skb, VMGUEST_A_CAUSE_REASON,
					   vmguest_task_reason(task))))
		return -EMSGSIZE;
	if (cause->by == VMGUEST_CAUSE_BY_CALLER &&
	    vmguest_attr_put_actor(skb, VMGUEST_A_CAUSE_ACTOR, &caller))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int event_put_logoff(struct sk_buff *skb,
			    const struct event_details *details)
{
	struct nlattr *nest;

	nest = nla_nest_start(skb, VMGUEST_A_VM_LOGOFF);
	if (!nest || nla_put_u32(skb, VMGUEST_A_LOGOFF_TYPE, details->logoff) ||
	    vmguest_attr_put_sessions(skb, VMGUEST_A_LOGOFF_SESSIONS,
				      &details->sessions) ||
	    (details->who && vmguest_attr_put_text(skb, VMGUEST_A_LOGOFF_WHO,
						   details->who)))
		return -EMSGSIZE;
	nla_nest_end(skb, nest);
	return 0;
}

static int event_put_details(struct sk_buff *skb,
			     const struct event_details *details)
{
	if (details->changed && nla_put_u32(skb, VMGUEST_A_VM_CHANGED,
					    details->changed))
		return -EMSGSIZE;
	if (details->end && nla_put_u32(skb, VMGUEST_A_VM_END, details->end))
		return -EMSGSIZE;
	return details->logoff ? event_put_logoff(skb, details) : 0;
}

static void event_trace_vm(const struct vmguest_vm *vm, u8 cmd,
			   const struct event_cause *cause)
{
	switch (cmd) {
	case VMGUEST_CMD_VM_APPEARED:
		trace_vm_appeared(vm, cause->by, cause->task_id);
		break;
	case VMGUEST_CMD_VM_REGISTERED:
		trace_vm_registered(vm, cause->by, cause->task_id);
		break;
	case VMGUEST_CMD_VM_CHANGED:
		trace_vm_changed(vm, cause->by, cause->task_id);
		break;
	case VMGUEST_CMD_VM_AGENT_AVAILABLE:
		trace_vm_agent_available(vm, cause->by, cause->task_id);
		break;
	case VMGUEST_CMD_VM_AGENT_GONE:
		trace_vm_agent_gone(vm, cause->by, cause->task_id);
		break;
	case VMGUEST_CMD_VM_HEARTBEAT_STOPPED:
		trace_vm_heartbeat_stopped(vm, cause->by, cause->task_id);
		break;
	case VMGUEST_CMD_VM_HEARTBEAT_BACK:
		trace_vm_heartbeat_back(vm, cause->by, cause->task_id);
		break;
	case VMGUEST_CMD_VM_RUNNING:
		trace_vm_running(vm, cause->by, cause->task_id);
		break;
	case VMGUEST_CMD_VM_GOING_DOWN:
		trace_vm_going_down(vm, cause->by, cause->task_id);
		break;
	case VMGUEST_CMD_VM_GONE:
		trace_vm_gone(vm, cause->by, cause->task_id);
		break;
	case VMGUEST_CMD_VM_LOGOFF:
		trace_vm_logoff(vm, cause->by, cause->task_id);
		break;
	case VMGUEST_CMD_VM_UNREGISTERED:
		trace_vm_unregistered(vm, cause->by, cause->task_id);
		break;
	}
}

static void event_raise_vm(struct vmguest_vm *vm, u8 cmd,
			   const struct event_cause *cause,
			   const struct event_details *details)
{
	static const int attrs[] = {
		VMGUEST_A_VM_SEQ, VMGUEST_A_VM_GROUP_SEQ, VMGUEST_A_VM_TIME_NS,
		VMGUEST_A_VM_PAD,
	};
	struct event event = { .vm = vm, .group = VMGUEST_EVENT_VM };

	lockdep_assert_held(&vm->lock);
	if (vm->told.over)
		return;
	event_trace_vm(vm, cmd, cause);
	if (!event_is_wanted(event.group))
		return;
	event_start(&event, cmd, VMGUEST_ATTR_VM_SIZE, attrs);
	if (event.skb &&
	    (vmguest_attr_put_vm(event.skb, vm) ||
	     (cmd == VMGUEST_CMD_VM_AGENT_AVAILABLE &&
	      vmguest_attr_put_agent(event.skb, vm)) ||
	     event_put_cause(event.skb, cause) ||
	     event_put_details(event.skb, details))) {
		WARN_ON_ONCE(1);
		event_give_up(&event);
	}
	event_send(&event);
}

/*
 * vmguest_event_vm - Tell that something happened to a VM
 * @vm: The VM, its lock held.
 * @cmd: VMGUEST_CMD_VM_*, one that tells nothing else.
 */
void vmguest_event_vm(struct vmguest_vm *vm, u8 cmd)
{
	const struct event_cause cause = event_find_cause(vm, cmd);
	const struct event_details details = { };

	event_raise_vm(vm, cmd, &cause, &details);
	if (cmd == VMGUEST_CMD_VM_GONE)
		vm->told.running = false;
	if (cmd == VMGUEST_CMD_VM_UNREGISTERED)
		vm->told.over = true;
}

/* Its registration was changed; @what is enum vmguest_vm_set_what. */
void vmguest_event_vm_changed(struct vmguest_vm *vm, u32 what)
{
	const struct event_cause cause =
		event_find_cause(vm, VMGUEST_CMD_VM_CHANGED);
	const struct event_details details = { .changed = what };

	event_raise_vm(vm, VMGUEST_CMD_VM_CHANGED, &cause, &details);
}

/* Its state may have changed to running. */
void vmguest_event_vm_state(struct vmguest_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	if (vm->state != VMGUEST_VM_RUNNING || vm->told.running)
		return;
	vm->told.running = true;
	vm->told.going_down = false;
	vmguest_event_vm(vm, VMGUEST_CMD_VM_RUNNING);
}

/*
 * vmguest_event_vm_down - Tell that a guest goes down
 * @vm: Its VM, its lock held.
 * @task_id: The task that it does it for, 0 when it does it by itself.
 * @end: enum vmguest_wire_end, 0 when it has not said how yet.
 *
 * A guest may say so more than once, the last time in its last breath: only
 * another end than before, or another task, is news, and one that changes its
 * mind again and again is not heard for a while.
 */
void vmguest_event_vm_down(struct vmguest_vm *vm, u64 task_id, u32 end)
{
	const struct event_details details = { .end = end };
	struct event_cause cause;

	lockdep_assert_held(&vm->lock);
	if (vm->told.going_down && task_id == vm->told.down_task_id &&
	    (!end || end == vm->told.down_end))
		return;
	if (vm->told.going_down && end && !__ratelimit(&vm->notices))
		return;
	vm->told.running = false;
	vm->told.going_down = true;
	vm->told.down_task_id = task_id;
	vm->told.down_end = end;
	cause = event_find_cause(vm, VMGUEST_CMD_VM_GOING_DOWN);
	event_raise_vm(vm, VMGUEST_CMD_VM_GOING_DOWN, &cause, &details);
}

/* Sessions have ended for this LOGOFF. */
void vmguest_event_logoff(struct vmguest_task *task)
{
	const struct event_cause cause = {
		.by = VMGUEST_CAUSE_BY_TASK,
		.task_id = task->id,
		.task = task,
	};
	const struct event_details details = {
		.logoff = VMGUEST_LOGOFF_TYPE_EXTERNAL,
		.sessions = vmguest_attr_task_sessions(task),
	};

	event_raise_vm(task->vm, VMGUEST_CMD_VM_LOGOFF, &cause, &details);
}

/* Sessions have ended for no task, says this NOTICE. */
void vmguest_event_logoff_by_guest(struct vmguest_vm *vm,
				   const struct vmguest_frame *frame)
{
	const struct event_cause cause = { .by = VMGUEST_CAUSE_BY_GUEST };
	char who[VMGUEST_TEXT_SIZE];
	const struct event_details details = {
		.logoff = frame->notice.how == VMGUEST_WIRE_LOGOFF_FORCED ?
			  VMGUEST_LOGOFF_TYPE_FORCED :
			  VMGUEST_LOGOFF_TYPE_NORMAL,
		.sessions = {
			.ended = frame->notice.ended,
			.left = frame->notice.left,
		},
		.who = who,
	};

	vmguest_text_clean(who, sizeof(who), &frame->text[VMGUEST_NOTICE_WHO]);
	event_raise_vm(vm, VMGUEST_CMD_VM_LOGOFF, &cause, &details);
}

static void event_trace_task(const struct vmguest_task *task, u8 cmd)
{
	switch (cmd) {
	case VMGUEST_CMD_TASK_STARTED:
		trace_task_started(task);
		break;
	case VMGUEST_CMD_TASK_STAGE:
		trace_task_stage(task);
		break;
	case VMGUEST_CMD_TASK_BLOCKED:
		trace_task_blocked(task);
		break;
	case VMGUEST_CMD_TASK_NOT_CANCELABLE:
		trace_task_not_cancelable(task);
		break;
	case VMGUEST_CMD_TASK_CHANGED:
		trace_task_changed(task);
		break;
	case VMGUEST_CMD_TASK_SUPERSEDED:
		trace_task_superseded(task);
		break;
	case VMGUEST_CMD_TASK_COMPLETED:
		trace_task_completed(task);
		break;
	}
}

static void event_raise_task(struct vmguest_task *task, u8 cmd,
			     const struct vmguest_blocker *blocker)
{
	static const int attrs[] = {
		VMGUEST_A_TASK_SEQ, VMGUEST_A_TASK_GROUP_SEQ,
		VMGUEST_A_TASK_TIME_NS, VMGUEST_A_TASK_PAD,
	};
	struct event event = { .vm = task->vm, .group = VMGUEST_EVENT_TASK };

	event_trace_task(task, cmd);
	if (!event_is_wanted(event.group))
		return;
	event_start(&event, cmd, VMGUEST_ATTR_TASK_SIZE, attrs);
	if (event.skb &&
	    (vmguest_attr_put_task(event.skb, task) ||
	     (blocker && vmguest_attr_put_blocker(event.skb, blocker)))) {
		WARN_ON_ONCE(1);
		event_give_up(&event);
	}
	event_send(&event);
}

/*
 * vmguest_event_task - Tell that something happened to a task
 * @task: The task, its VM's lock held.
 * @cmd: VMGUEST_CMD_TASK_*, but BLOCKED.
 *
 * Of PINGs only the end is told: that is what whoever checks the health of
 * guests wants to know, and they are many.
 */
void vmguest_event_task(struct vmguest_task *task, u8 cmd)
{
	lockdep_assert_held(&task->vm->lock);
	if (cmd == VMGUEST_CMD_TASK_COMPLETED)
		this_cpu_inc(event_results[task->result]);
	else if (task->verb == VMGUEST_VERB_PING)
		return;
	event_raise_task(task, cmd, NULL);
}

/* Somebody stands in the way, or, without @blocker, nobody does any more. */
void vmguest_event_blocked(struct vmguest_task *task,
			   const struct vmguest_blocker *blocker)
{
	lockdep_assert_held(&task->vm->lock);
	event_raise_task(task, VMGUEST_CMD_TASK_BLOCKED, blocker);
}
