// SPDX-License-Identifier: GPL-2.0
/*
 * Tasks: admission, stages, proofs and the one completion of a request.
 */
#include <linux/cred.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/rbtree.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include <linux/vmguest_netlink.h>

#include "channel.h"
#include "event.h"
#include "group.h"
#include "main.h"
#include "task.h"
#include "vm.h"

/*
 * How often to look whether a VM without a lifeline has left the host after
 * the guest's last breath: then its channel is closed and no event will tell.
 */
#define TASK_PROBE_MS	50

static unsigned int deadline_ms = 180000;
module_param(deadline_ms, uint, 0644);
MODULE_PARM_DESC(deadline_ms, "Deadline of requests that name none, in milliseconds (default 180000)");

static unsigned int task_retain = 16;
module_param(task_retain, uint, 0644);
MODULE_PARM_DESC(task_retain, "Ended requests that each VM keeps, at least 1 (default 16)");

/*
 * Admitted tasks, by id. A task brings its node with it: to be found costs no
 * memory, and an id that is large costs no more than a small one.
 */
static struct rb_root tasks = RB_ROOT;
static DEFINE_SPINLOCK(tasks_lock);	/* protects tasks and the generation */
static atomic64_t task_ids;
/* Counts requests that come and go, never 0. */
static unsigned int tasks_generation = 1;

/* The VM's own part in the percentage; the agent's fills up 10 to 90. */
static const u8 stage_percent[VMGUEST_STAGE_COUNT] = {
	[VMGUEST_STAGE_QUEUED]		= 0,
	[VMGUEST_STAGE_SENT]		= 2,
	[VMGUEST_STAGE_ACCEPTED]	= 5,
	[VMGUEST_STAGE_BLOCKED]		= 5,
	[VMGUEST_STAGE_STOPPING]	= 10,
	[VMGUEST_STAGE_LAST_BREATH]	= 90,
	[VMGUEST_STAGE_CHANNEL_DOWN]	= 95,
	[VMGUEST_STAGE_VM_GONE]		= 99,
};

/* What the guest's verdict means for the task, by enum vmguest_wire_result_code. */
static const struct {
	u8 result;
	int error;
} guest_verdicts[] = {
	[VMGUEST_WIRE_OK]	   = { VMGUEST_RESULT_SUCCESS, 0 },
	[VMGUEST_WIRE_REFUSED]	   = { VMGUEST_RESULT_SHUTDOWN_ABORT, -EACCES },
	[VMGUEST_WIRE_BLOCKED_BY]  = { VMGUEST_RESULT_SHUTDOWN_ABORT, -EBUSY },
	[VMGUEST_WIRE_GOING_DOWN]  = { VMGUEST_RESULT_SHUTDOWN_ABORT, -EINPROGRESS },
	[VMGUEST_WIRE_NOT_READY]   = { VMGUEST_RESULT_SHUTDOWN_ABORT, -EAGAIN },
	[VMGUEST_WIRE_NO_SESSIONS] = { VMGUEST_RESULT_UNEXPECTED_ERROR, -ESRCH },
	[VMGUEST_WIRE_UNSUPPORTED] = { VMGUEST_RESULT_UNEXPECTED_ERROR, -EOPNOTSUPP },
	[VMGUEST_WIRE_INVALID]	   = { VMGUEST_RESULT_ILLEGAL_VALUE, -EINVAL },
	[VMGUEST_WIRE_NO_MEMORY]   = { VMGUEST_RESULT_OUT_OF_MEMORY, -ENOMEM },
	[VMGUEST_WIRE_FAILED]	   = { VMGUEST_RESULT_UNEXPECTED_ERROR, -EIO },
};

static struct kmem_cache *task_cache;

static void vmguest_task_timer(struct work_struct *work);

/* The caller owns a reference to its pid. */
struct vmguest_person vmguest_person_current(void)
{
	return (struct vmguest_person) {
		.uid = current_euid(),
		.pid = get_pid(task_tgid(current)),
	};
}

static struct vmguest_actor person_show(const struct vmguest_person *person)
{
	struct vmguest_actor actor = { };

	if (!person->pid)
		return actor;
	actor.uid = from_kuid_munged(current_user_ns(), person->uid);
	actor.pid = pid_vnr(person->pid);
	return actor;
}

static u64 capability_for(u8 verb)
{
	switch (verb) {
	case VMGUEST_VERB_SHUTDOWN:
		return VMGUEST_CAP_SHUTDOWN;
	case VMGUEST_VERB_RESTART:
		return VMGUEST_CAP_RESTART;
	case VMGUEST_VERB_LOGOFF:
		return VMGUEST_CAP_LOGOFF;
	default:
		return 0;
	}
}

static bool task_agent_can(const struct vmguest_task *task)
{
	u64 needs = capability_for(task->verb);

	if (task->flags & VMGUEST_TASK_FORCE)
		needs |= VMGUEST_CAP_FORCE;
	if (task->respect)
		needs |= VMGUEST_CAP_RESPECT_SESSIONS;
	return (task->vm->capabilities & needs) == needs;
}

/*
 * vmguest_task_create - Make a task that nobody can see yet
 * @vm: Its VM; the task takes its own reference.
 * @verb: enum vmguest_verb.
 * @request: What was asked, checked by the caller.
 *
 * Return: the task with one reference, or an ERR_PTR: -ENOMEM.
 */
struct vmguest_task *vmguest_task_create(struct vmguest_vm *vm, u8 verb,
					 const struct vmguest_request *request)
{
	struct vmguest_task *task;

	task = kmem_cache_zalloc(task_cache, GFP_KERNEL);
	if (!task)
		return ERR_PTR(-ENOMEM);
	if (request->reason[0]) {
		task->reason = kstrdup(request->reason, GFP_KERNEL_ACCOUNT);
		if (!task->reason) {
			kmem_cache_free(task_cache, task);
			return ERR_PTR(-ENOMEM);
		}
	}

	task->id = atomic64_inc_return(&task_ids);
	RB_CLEAR_NODE(&task->id_node);
	kref_init(&task->ref);
	kref_get(&vm->ref);
	task->vm = vm;
	task->verb = verb;
	task->until = request->until;
	if (!task->until && verb == VMGUEST_VERB_SHUTDOWN)
		task->until = VMGUEST_UNTIL_GONE;
	if (!(request->flags & VMGUEST_REQ_NO_DEADLINE))
		task->deadline_ms = request->deadline_ms ?: READ_ONCE(deadline_ms);
	task->force_after_ms = request->force_after_ms;
	task->delay_ms = request->delay_ms;
	task->grace_ms = request->grace_ms;
	task->scope = request->scope;
	task->scope_uid = request->scope_uid;
	task->queue = request->flags & VMGUEST_REQ_QUEUE;
	task->respect = request->flags & VMGUEST_REQ_RESPECT_SESSIONS;
	task->flags = VMGUEST_TASK_CANCELABLE;
	if (request->flags & VMGUEST_REQ_FORCE)
		task->flags |= VMGUEST_TASK_FORCE;
	task->starter = vmguest_person_current();
	INIT_DELAYED_WORK(&task->timer, vmguest_task_timer);
	init_waitqueue_head(&task->wait);
	INIT_LIST_HEAD(&task->node);
	INIT_HLIST_HEAD(&task->members);
	INIT_LIST_HEAD(&task->send_node);
	vmguest_blockers_init(&task->blockers);
	return task;
}

/* PINGs come and go all the time: whoever lists tasks does not mind them. */
static void tasks_changed(const struct vmguest_task *task)
{
	if (task->verb != VMGUEST_VERB_PING && !++tasks_generation)
		tasks_generation++;
}

static struct vmguest_task *task_of(struct rb_node *node)
{
	return rb_entry(node, struct vmguest_task, id_node);
}

static bool task_is_less(struct rb_node *node, const struct rb_node *other)
{
	return task_of(node)->id <
	       rb_entry(other, struct vmguest_task, id_node)->id;
}

static void task_publish(struct vmguest_task *task)
{
	spin_lock(&tasks_lock);
	rb_add(&task->id_node, &tasks, task_is_less);
	tasks_changed(task);
	spin_unlock(&tasks_lock);
}

static void task_unpublish(struct vmguest_task *task)
{
	if (RB_EMPTY_NODE(&task->id_node))
		return;
	spin_lock(&tasks_lock);
	rb_erase(&task->id_node, &tasks);
	tasks_changed(task);
	spin_unlock(&tasks_lock);
}

static void task_release(struct kref *ref)
{
	struct vmguest_task *task = container_of(ref, struct vmguest_task, ref);
	unsigned int i;

	task_unpublish(task);
	put_pid(task->starter.pid);
	put_pid(task->canceller.pid);
	for (i = 0; i < VMGUEST_TASK_JOINERS; i++)
		put_pid(task->joiner[i].pid);
	vmguest_blockers_forget(&task->blockers);
	vmguest_vm_put(task->vm);
	kfree(task->guest_text);
	kfree(task->reason);
	kmem_cache_free(task_cache, task);
}

void vmguest_task_get(struct vmguest_task *task)
{
	kref_get(&task->ref);
}

/* May run under the VM's lock: whoever holds that has a reference to the VM. */
void vmguest_task_put(struct vmguest_task *task)
{
	kref_put(&task->ref, task_release);
}

/* Return: the first whose id is @id or above, or NULL. */
static struct rb_node *tasks_from(u64 id)
{
	struct rb_node *node = tasks.rb_node;
	struct rb_node *first = NULL;

	lockdep_assert_held(&tasks_lock);
	while (node) {
		if (task_of(node)->id < id) {
			node = node->rb_right;
		} else {
			first = node;
			node = node->rb_left;
		}
	}
	return first;
}

/* Return: the admitted task with this id, referenced, or NULL. */
struct vmguest_task *vmguest_task_find(u64 id)
{
	struct vmguest_task *task = NULL;
	struct rb_node *node;

	spin_lock(&tasks_lock);
	node = tasks_from(id);
	if (node && task_of(node)->id == id &&
	    kref_get_unless_zero(&task_of(node)->ref))
		task = task_of(node);
	spin_unlock(&tasks_lock);
	return task;
}

/**
 * vmguest_task_find_next - Find the next task, by ascending id
 * @id: Its id is above this one.
 * @generation: Out, never 0; another one than before when requests have come or
 *	gone meanwhile.
 *
 * Return: the task, referenced, or NULL after the last.
 */
struct vmguest_task *vmguest_task_find_next(u64 id, unsigned int *generation)
{
	struct vmguest_task *task = NULL;
	struct rb_node *node;

	spin_lock(&tasks_lock);
	*generation = tasks_generation;
	node = id < U64_MAX ? tasks_from(id + 1) : NULL;
	while (node && !kref_get_unless_zero(&task_of(node)->ref))
		node = rb_next(node);
	if (node)
		task = task_of(node);
	spin_unlock(&tasks_lock);
	return task;
}

/* Return: enum vmguest_task_flags. */
u32 vmguest_task_flags(const struct vmguest_task *task)
{
	lockdep_assert_held(&task->vm->lock);
	return task->flags |
	       (task->vm->dead ? VMGUEST_TASK_VM_UNREGISTERED : 0);
}

bool vmguest_task_is_running(const struct vmguest_task *task)
{
	lockdep_assert_held(&task->vm->lock);
	return !(task->flags & VMGUEST_TASK_COMPLETE);
}

static void task_changed(struct vmguest_task *task, __poll_t events)
{
	task->changes++;
	wake_up_poll(&task->wait, EPOLLPRI | events);
}

/* Stages only go forward; one that is behind already is no news. */
static void task_advance(struct vmguest_task *task, enum vmguest_stage stage)
{
	if (stage <= task->stage)
		return;
	task->stage = stage;
	task->stage_ns[stage] = ktime_get_ns();
	task->percent = max(task->percent, stage_percent[stage]);
	task_changed(task, 0);
	vmguest_event_task(task, VMGUEST_CMD_TASK_STAGE);
}

static bool task_awaits_absence(const struct vmguest_task *task)
{
	const struct vmguest_vm *vm = task->vm;

	return task == vm->task && !vm->lifeline &&
	       task->verb == VMGUEST_VERB_SHUTDOWN &&
	       (task->proofs & VMGUEST_PROOF_CHANNEL_DOWN) &&
	       list_empty(&vm->channels);
}

static u32 elapsed_ms(u64 since_ns)
{
	return min_t(u64, div_u64(ktime_get_ns() - since_ns, NSEC_PER_MSEC),
		     U32_MAX);
}

static u32 task_elapsed_ms(const struct vmguest_task *task)
{
	return elapsed_ms(task->start_ns);
}

static bool task_force_pending(const struct vmguest_task *task)
{
	return task->force_after_ms &&
	       !(task->flags & (VMGUEST_TASK_FORCE | VMGUEST_TASK_ESCALATED));
}

/* When its timer is to run, in milliseconds from its start, U32_MAX for never. */
static u32 task_next_due(const struct vmguest_task *task)
{
	u32 next = task->deadline_ms ?: U32_MAX;

	if (task_force_pending(task))
		next = min(next, task->force_after_ms);
	return next;
}

/* The pending timer owns a reference. */
static void task_arm_timer(struct vmguest_task *task)
{
	u32 elapsed = task_elapsed_ms(task);
	u32 next = task_next_due(task);
	u32 wait;

	lockdep_assert_held(&task->vm->lock);
	wait = next > elapsed ? next - elapsed : 0;
	if (task_awaits_absence(task))
		wait = min_t(u32, wait, TASK_PROBE_MS);
	else if (next == U32_MAX)
		return;

	kref_get(&task->ref);
	if (mod_delayed_work(vmguest_wq, &task->timer, msecs_to_jiffies(wait)))
		kref_put(&task->ref, task_release);
}

/* Of a task that starts now: nothing is pending, and no proof is there. */
static void task_start_timer(struct vmguest_task *task)
{
	u32 next = task_next_due(task);

	if (next == U32_MAX)
		return;
	kref_get(&task->ref);
	queue_delayed_work(vmguest_wq, &task->timer, msecs_to_jiffies(next));
}

/* Whether there is a lifeline has changed, and with it what is waited for. */
void vmguest_task_rearm(struct vmguest_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	if (vm->task)
		task_arm_timer(vm->task);
}

static void task_disarm_timer(struct vmguest_task *task)
{
	if (cancel_delayed_work(&task->timer))
		vmguest_task_put(task);
}

/* Hands the task from its VM's running ones to its ended ones. */
static void task_retire(struct vmguest_task *task)
{
	struct vmguest_vm *vm = task->vm;
	struct vmguest_task *oldest;

	if (task->verb == VMGUEST_VERB_PING) {
		list_del_init(&task->node);
		vmguest_task_put(task);
		return;
	}
	vm->task = NULL;
	vm->last_task_id = task->id;
	list_add_tail(&task->node, &vm->ended);
	vm->ended_count++;
	while (vm->ended_count > max(READ_ONCE(task_retain), 1U)) {
		oldest = list_first_entry(&vm->ended, struct vmguest_task, node);
		list_del_init(&oldest->node);
		vm->ended_count--;
		vmguest_task_put(oldest);
	}
}

/*
 * The only way for a task to end. A PING is not kept: the caller must not
 * touch one afterwards without a reference of its own.
 */
static void vmguest_task_complete(struct vmguest_task *task,
				  enum vmguest_result result, int error)
{
	struct vmguest_vm *vm = task->vm;

	lockdep_assert_held(&vm->lock);
	if (WARN_ON_ONCE(!vmguest_task_is_running(task)))
		return;

	task->result = result;
	task->error = error;
	task->end_ns = ktime_get_ns();
	task->flags |= VMGUEST_TASK_COMPLETE;
	task->flags &= ~VMGUEST_TASK_CANCELABLE;
	if (result == VMGUEST_RESULT_SUCCESS)
		task->percent = 100;
	list_del_init(&task->send_node);
	task_disarm_timer(task);
	task_changed(task, EPOLLIN | EPOLLRDNORM | EPOLLHUP);
	vmguest_event_task(task, VMGUEST_CMD_TASK_COMPLETED);
	/* Unless it is not the task that brings the guest down. */
	if (vm->state == VMGUEST_VM_STOPPING && vm->channel &&
	    task == vm->task && result != VMGUEST_RESULT_SUCCESS &&
	    !vm->leaving)
		vm->state = VMGUEST_VM_RUNNING;
	vmguest_event_vm_state(vm);
	if (!hlist_empty(&task->members))
		vmguest_group_task_ended(task);
	task_retire(task);
	vmguest_vm_check_reap(vm);
}

/*
 * Tells the agent to forget a task that ends on the host. Only a courtesy: the
 * agent does nothing irreversible before its COMMIT is granted, and that will
 * be refused.
 */
static void task_withdraw(struct vmguest_task *task)
{
	struct vmguest_vm *vm = task->vm;

	if (task->handed && task->verb != VMGUEST_VERB_PING && vm->channel &&
	    !(task->proofs & VMGUEST_PROOF_COMMITTED))
		vmguest_channel_offer_cancel(vm->channel, task->id);
}

/* A VM that is gone, and that cannot be called an orderly end. */
static void task_lost_vm(struct vmguest_task *task)
{
	vmguest_task_complete(task, VMGUEST_RESULT_UNEXPECTED_ERROR,
			      task->vm->migrating ? -EREMCHG : -ECONNABORTED);
}

/* Completes a shutdown as soon as what was seen decides about it. */
static void task_evaluate_shutdown(struct vmguest_task *task)
{
	u32 proofs = task->proofs;
	bool clean = proofs & VMGUEST_PROOF_LAST_BREATH;
	bool excused = (proofs & VMGUEST_PROOF_COMMITTED) &&
		       !task->vm->migrating &&
		       !(task->vm->capabilities & VMGUEST_CAP_LAST_BREATH);
	bool down = proofs & VMGUEST_PROOF_CHANNEL_DOWN;
	bool gone = proofs & VMGUEST_PROOF_VM_GONE;

	if (task->until == VMGUEST_UNTIL_DOWN)
		gone |= down && (clean || excused);
	if (!gone)
		return;
	if (!clean && !excused) {
		task_lost_vm(task);
		return;
	}
	if (!clean)
		task->flags |= VMGUEST_TASK_CLEAN_UNKNOWN;
	vmguest_task_complete(task, VMGUEST_RESULT_SUCCESS, 0);
}

/*
 * A RESTART outlives its VM until the deadline: the same name may come back, but
 * not after a migration.
 */
static void task_evaluate(struct vmguest_task *task)
{
	if (task->verb == VMGUEST_VERB_SHUTDOWN)
		task_evaluate_shutdown(task);
	else if ((task->proofs & VMGUEST_PROOF_VM_GONE) &&
		 (task->verb != VMGUEST_VERB_RESTART || task->vm->migrating))
		task_lost_vm(task);
}

static bool task_is_due(const struct vmguest_task *task)
{
	return task->deadline_ms && task_elapsed_ms(task) >= task->deadline_ms;
}

static void task_expire(struct vmguest_task *task)
{
	task_withdraw(task);
	if (task->verb == VMGUEST_VERB_RESTART &&
	    (task->proofs & VMGUEST_PROOF_VM_GONE))
		task_lost_vm(task);
	else if (task->stage == VMGUEST_STAGE_BLOCKED && task->blockers.count)
		vmguest_task_complete(task, VMGUEST_RESULT_SHUTDOWN_ABORT,
				      -EBUSY);
	else
		vmguest_task_complete(task, VMGUEST_RESULT_TIMEOUT, -ETIMEDOUT);
}

/*
 * The running request. A deadline does not wait for its timer: whatever is
 * learnt after it does not count any more.
 */
static struct vmguest_task *task_current(struct vmguest_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	if (vm->task && task_is_due(vm->task))
		task_expire(vm->task);
	return vm->task;
}

/* For those to whom the request itself does not matter. */
void vmguest_task_check_deadline(struct vmguest_vm *vm)
{
	task_current(vm);
}

/* Has the guest been told to go down for a request that is running? */
bool vmguest_task_takes_down(struct vmguest_vm *vm)
{
	const struct vmguest_task *task = task_current(vm);

	return task && task->verb != VMGUEST_VERB_LOGOFF &&
	       (task->proofs & VMGUEST_PROOF_COMMITTED);
}

static void task_queue_send(struct vmguest_task *task)
{
	struct vmguest_vm *vm = task->vm;

	list_move_tail(&task->send_node, &vm->sends);
	if (vm->channel)
		vmguest_channel_kick(vm->channel);
}

/* An agent that has no FORCE goes on softly; the next one may have it. */
static void task_escalate(struct vmguest_task *task)
{
	struct vmguest_vm *vm = task->vm;

	task->flags |= VMGUEST_TASK_ESCALATED;
	if (!vm->channel || (vm->capabilities & VMGUEST_CAP_FORCE)) {
		task->flags |= VMGUEST_TASK_FORCE;
		task_queue_send(task);
	}
	task_changed(task, 0);
	vmguest_event_task(task, VMGUEST_CMD_TASK_CHANGED);
}

static void vmguest_task_timer(struct work_struct *work)
{
	struct vmguest_task *task = container_of(to_delayed_work(work),
						 struct vmguest_task, timer);
	struct vmguest_vm *vm = task->vm;
	bool absent;

	spin_lock(&vm->lock);
	absent = task_awaits_absence(task);
	spin_unlock(&vm->lock);
	absent = absent && vmguest_cid_is_absent(READ_ONCE(vm->cid)) > 0;

	spin_lock(&vm->lock);
	if (vmguest_task_is_running(task) && absent &&
	    task_awaits_absence(task))
		vmguest_vm_left_host(vm);
	if (vmguest_task_is_running(task)) {
		if (task_is_due(task)) {
			task_expire(task);
		} else {
			if (task_force_pending(task) &&
			    task_elapsed_ms(task) >= task->force_after_ms)
				task_escalate(task);
			task_arm_timer(task);
		}
	}
	spin_unlock(&vm->lock);
	vmguest_task_put(task);
}

static unsigned int task_strength(const struct vmguest_task *task)
{
	unsigned int strength = task->verb == VMGUEST_VERB_LOGOFF ? 0 : 2;

	return strength + !!(task->flags & VMGUEST_TASK_FORCE);
}

/* The sessions of other users are another request. */
static bool task_same_scope(const struct vmguest_task *task,
			    const struct vmguest_task *other)
{
	return task->scope == other->scope &&
	       task->scope_uid == other->scope_uid;
}

/* Return: 0 when @task may supersede @running, else -EINPROGRESS or -EBUSY. */
static int task_compare(const struct vmguest_task *task,
			const struct vmguest_task *running, u32 flags)
{
	unsigned int ours = task_strength(task);
	unsigned int theirs = task_strength(running);

	if (ours > theirs)
		return 0;
	if (task->verb != running->verb || !task_same_scope(task, running))
		return -EBUSY;
	if (ours == theirs || (flags & VMGUEST_REQ_JOIN))
		return -EINPROGRESS;
	return -EBUSY;
}

/* May @task start now? */
static int task_check_vm(const struct vmguest_task *task, bool absent)
{
	const struct vmguest_vm *vm = task->vm;

	if (vm->state == VMGUEST_VM_GONE)
		return -EHOSTDOWN;
	if (vm->paused)
		return -EAGAIN;
	if (vm->channel)
		return task_agent_can(task) ? 0 : -EOPNOTSUPP;
	/* A lifeline that holds proves a VM that has yet to take its CID. */
	if (absent && !(task->queue && vm->lifeline))
		return -EHOSTDOWN;
	return task->queue ? 0 : -ENOTCONN;
}

/* The caller sends it, when it has dropped the VM's lock. */
static void task_start(struct vmguest_task *task)
{
	struct vmguest_vm *vm = task->vm;

	vmguest_task_get(task);
	if (task->verb == VMGUEST_VERB_PING) {
		list_add_tail(&task->node, &vm->pings);
	} else {
		vm->task = task;
		vm->accepted_id = 0;
	}
	task_publish(task);
	vmguest_event_task(task, VMGUEST_CMD_TASK_STARTED);
	task_start_timer(task);
	list_add_tail(&task->send_node, &vm->sends);
}

/*
 * @absent: Without a channel: the VM's CID is not on this host.
 * @channel: Out, the channel to send it on, referenced, or NULL.
 */
static int task_admit(struct vmguest_task *task, u32 flags, bool absent,
		      struct vmguest_task **running,
		      struct vmguest_channel **channel)
{
	struct vmguest_vm *vm = task->vm;
	struct vmguest_task *weaker = NULL;
	int err;

	spin_lock(&vm->lock);
	err = -ENOENT;
	if (vm->dead)
		goto unlock;
	if (task->verb != VMGUEST_VERB_PING && task_current(vm)) {
		err = task_compare(task, vm->task, flags);
		if (err) {
			*running = vm->task;
			vmguest_task_get(*running);
			goto unlock;
		}
		weaker = vm->task;
	}
	err = task_check_vm(task, absent);
	if (err)
		goto unlock;
	if (weaker) {
		weaker->superseded_by = task->id;
		vmguest_event_task(weaker, VMGUEST_CMD_TASK_SUPERSEDED);
		task_withdraw(weaker);
		vmguest_task_complete(weaker, VMGUEST_RESULT_CANCELLED,
				      -ECANCELED);
	}
	task_start(task);
	*channel = vm->channel;
	if (*channel)
		vmguest_channel_get(*channel);
unlock:
	spin_unlock(&vm->lock);
	return err;
}

/**
 * vmguest_task_submit - Start a task, if its VM's rules allow
 * @task: The new task.
 * @flags: enum vmguest_request_flags.
 * @running: Out, with -EINPROGRESS and -EBUSY the task in the way, referenced,
 *	else NULL.
 *
 * Its time counts from here. Cannot fail half-way: after 0 the request is queued
 * to the guest, or sent. Nothing that the caller does afterwards may fail.
 *
 * Return: 0, -ENOENT, -EHOSTDOWN, -EAGAIN, -ENOTCONN, -EOPNOTSUPP, -EINPROGRESS,
 * -EBUSY, -ENOMEM.
 */
int vmguest_task_submit(struct vmguest_task *task, u32 flags,
			struct vmguest_task **running)
{
	struct vmguest_channel *channel = NULL;
	struct vmguest_vm *vm = task->vm;
	int absent, err;

	*running = NULL;
	task->start_ns = ktime_get_ns();
	task->stage_ns[VMGUEST_STAGE_QUEUED] = task->start_ns;
	absent = READ_ONCE(vm->channel) ? 0 :
		 vmguest_cid_is_absent(READ_ONCE(vm->cid));
	if (absent < 0)
		return absent;
	err = task_admit(task, flags, absent, running, &channel);
	if (channel) {
		vmguest_channel_flush(channel);
		vmguest_channel_put(channel);
	}
	return err;
}

/* Names @person among those who joined. */
void vmguest_task_join(struct vmguest_task *task,
		       const struct vmguest_person *person)
{
	spin_lock(&task->vm->lock);
	if (task->joiners < VMGUEST_TASK_JOINERS)
		task->joiner[task->joiners] = (struct vmguest_person) {
			.uid = person->uid,
			.pid = get_pid(person->pid),
		};
	task->joiners++;
	task_changed(task, 0);
	/* It may have ended meanwhile, and that is told last. */
	if (vmguest_task_is_running(task))
		vmguest_event_task(task, VMGUEST_CMD_TASK_CHANGED);
	spin_unlock(&task->vm->lock);
}

/**
 * vmguest_task_cancel - End a task as cancelled by current
 * @task: The task.
 *
 * Return: 0, and the guest will not act; -EBUSY past the commit point;
 * -EALREADY when complete.
 */
int vmguest_task_cancel(struct vmguest_task *task)
{
	struct vmguest_vm *vm = task->vm;
	int err = 0;

	spin_lock(&vm->lock);
	if (!vmguest_task_is_running(task)) {
		err = -EALREADY;
	} else if (!(task->flags & VMGUEST_TASK_CANCELABLE)) {
		err = -EBUSY;
	} else {
		task->canceller = vmguest_person_current();
		task_withdraw(task);
		vmguest_task_complete(task, VMGUEST_RESULT_CANCELLED,
				      -ECANCELED);
	}
	spin_unlock(&vm->lock);
	return err;
}

/* Puts what a task fd shows into @cmd, seen from current's namespaces. */
void vmguest_task_get_info(struct vmguest_task *task,
			   struct vmguest_task_get *cmd)
{
	struct vmguest_vm *vm = task->vm;
	unsigned int i;

	lockdep_assert_held(&vm->lock);
	cmd->task_id = task->id;
	cmd->vm_id = vm->id;
	cmd->cid = vm->cid;
	cmd->verb = task->verb;
	cmd->stage = task->stage;
	cmd->percent = task->percent;
	cmd->task_flags = vmguest_task_flags(task);
	cmd->proofs = task->proofs;
	cmd->until = task->until;
	cmd->result = task->result;
	cmd->error = task->error;
	cmd->deadline_ms = task->deadline_ms;
	cmd->force_after_ms = task->force_after_ms;
	cmd->targeted = task->targeted;
	cmd->ended = task->ended;
	cmd->left = task->left;
	cmd->superseded_by = task->superseded_by;
	cmd->start_ns = task->start_ns;
	for (i = 0; i < VMGUEST_STAGE_COUNT; i++)
		cmd->stage_ns[i] = task->stage_ns[i];
	cmd->end_ns = task->end_ns;
	cmd->starter = person_show(&task->starter);
	cmd->canceller = person_show(&task->canceller);
	for (i = 0; i < VMGUEST_TASK_JOINERS; i++)
		cmd->joiner[i] = person_show(&task->joiner[i]);
	cmd->joiners = task->joiners;
	cmd->blockers = task->blockers.count;
	strscpy(cmd->vm_name, vm->name, sizeof(cmd->vm_name));
	strscpy(cmd->reason, vmguest_task_reason(task), sizeof(cmd->reason));
	strscpy(cmd->guest_text, vmguest_task_text(task),
		sizeof(cmd->guest_text));
}

void vmguest_task_get_event(struct vmguest_task *task,
			    struct vmguest_task_event *event)
{
	lockdep_assert_held(&task->vm->lock);
	*event = (struct vmguest_task_event) {
		.task_id = task->id,
		.time_ns = ktime_get_ns(),
		.changes = task->changes,
		.stage = task->stage,
		.percent = task->percent,
		.task_flags = task->flags,
		.proofs = task->proofs,
		.result = task->result,
		.error = task->error,
		.blockers = task->blockers.count,
	};
}

/* Of its announcement; it began when the request was sent first. */
static u32 task_delay_left(const struct vmguest_task *task)
{
	u64 sent_ns = task->stage_ns[VMGUEST_STAGE_SENT];
	u32 elapsed;

	if (!sent_ns)
		return task->delay_ms;
	elapsed = elapsed_ms(sent_ns);
	return task->delay_ms > elapsed ? task->delay_ms - elapsed : 0;
}

static void task_build_request(struct vmguest_task *task,
			       struct vmguest_frame *frame)
{
	frame->type = VMGUEST_WIRE_REQUEST;
	memset(&frame->request, 0, sizeof(frame->request));
	frame->request.verb = task->verb;
	frame->request.scope = task->scope;
	frame->request.uid = task->scope_uid;
	frame->request.delay_ms = task_delay_left(task);
	frame->request.grace_ms = task->grace_ms;
	if (task->flags & VMGUEST_TASK_FORCE)
		frame->request.flags |= VMGUEST_WIRE_REQ_FORCE;
	if (task->handed)
		frame->request.flags |= VMGUEST_WIRE_REQ_AGAIN;
	if (task->proofs & VMGUEST_PROOF_COMMITTED)
		frame->request.flags |= VMGUEST_WIRE_REQ_COMMITTED;
	if (task->respect)
		frame->request.flags |= VMGUEST_WIRE_REQ_RESPECT_SESSIONS;
	if (task->deadline_ms) {
		u32 elapsed = task_elapsed_ms(task);

		frame->request.deadline_ms = task->deadline_ms > elapsed ?
					     task->deadline_ms - elapsed : 1;
	}
	frame->text[VMGUEST_REQUEST_REASON].data = vmguest_task_reason(task);
	frame->text[VMGUEST_REQUEST_REASON].len =
		strlen(vmguest_task_reason(task));
}

/* Takes @task off its VM's list of sends and writes down what to send. */
void vmguest_task_build_frame(struct vmguest_task *task,
			      struct vmguest_frame *frame)
{
	lockdep_assert_held(&task->vm->lock);
	frame->task_id = task->id;
	if (task->verb == VMGUEST_VERB_PING)
		frame->type = VMGUEST_WIRE_PING;
	else
		task_build_request(task, frame);
	task->handed = true;
	list_del_init(&task->send_node);
}

/* The guest's socket took the last byte of the request. */
void vmguest_task_sent(struct vmguest_task *task)
{
	lockdep_assert_held(&task->vm->lock);
	if (vmguest_task_is_running(task))
		task_advance(task, VMGUEST_STAGE_SENT);
}

static void task_pong(struct vmguest_vm *vm, u64 task_id)
{
	struct vmguest_task *task;

	list_for_each_entry(task, &vm->pings, node) {
		if (task->id != task_id || !task->handed)
			continue;
		if (task_is_due(task)) {
			task_expire(task);
			return;
		}
		task->proofs |= VMGUEST_PROOF_PONG;
		vmguest_task_complete(task, VMGUEST_RESULT_SUCCESS, 0);
		return;
	}
}

static void task_accepted(struct vmguest_task *task)
{
	task->proofs |= VMGUEST_PROOF_ACCEPTED;
	task_advance(task, VMGUEST_STAGE_ACCEPTED);
	if (task->until == VMGUEST_UNTIL_ACCEPTED) {
		task->vm->accepted_id = task->id;
		task->vm->accepted_verb = task->verb;
		vmguest_task_complete(task, VMGUEST_RESULT_SUCCESS, 0);
	}
}

/*
 * Once committed only stop jobs can stand in the way; they do not change the
 * stage. Takes over *@blocker unless there are too many.
 */
static int task_blocked(struct vmguest_task *task,
			const struct vmguest_frame *frame,
			struct vmguest_blocker **blocker)
{
	bool committed = task->proofs & VMGUEST_PROOF_COMMITTED;
	const struct vmguest_blocker *told = *blocker;

	if (!frame->blocked.kind && committed)
		vmguest_blockers_forget_jobs(&task->blockers);
	else if (!frame->blocked.kind)
		vmguest_blockers_forget(&task->blockers);
	else if (committed && frame->blocked.kind != VMGUEST_BLOCKER_STOP_JOB)
		return -EPROTO;
	else if (vmguest_blockers_add(&task->blockers, *blocker))
		*blocker = NULL;
	if (frame->blocked.kind && !committed)
		task_advance(task, VMGUEST_STAGE_BLOCKED);
	task_changed(task, 0);
	vmguest_event_blocked(task, told);
	return 0;
}

/*
 * What a VM said before it was gone is still read afterwards. @task_id is 0 when
 * the guest goes down by itself, @end is 0 when it has not said how.
 */
static void task_vm_stopping(struct vmguest_vm *vm, u64 task_id, u32 end)
{
	if (!task_id)
		vm->leaving = true;
	if (vm->state != VMGUEST_VM_GONE)
		vm->state = VMGUEST_VM_STOPPING;
	vmguest_event_vm_down(vm, task_id, end);
}

/*
 * The commit point. The host decides it, under the lock that a cancel and the
 * deadline take too: whoever comes first wins and the other one is told.
 */
static void task_commit(struct vmguest_vm *vm, struct vmguest_task *task,
			u64 task_id)
{
	u8 verb = task ? task->verb : vm->accepted_verb;

	if (!task && task_id != vm->accepted_id) {
		vmguest_channel_send_cancel(vm->channel, task_id);
		return;
	}
	/* Whoever asks has taken the request; its word may have got lost. */
	if (task && !(task->proofs & VMGUEST_PROOF_ACCEPTED))
		task_accepted(task);
	if (task && vmguest_task_is_running(task)) {
		/* A force has not asked them: they tell whom it overrode. */
		if (!(task->flags & VMGUEST_TASK_FORCE))
			vmguest_blockers_forget(&task->blockers);
		task->proofs |= VMGUEST_PROOF_COMMITTED;
		task->flags &= ~VMGUEST_TASK_CANCELABLE;
		vmguest_event_task(task, VMGUEST_CMD_TASK_NOT_CANCELABLE);
		task_advance(task, VMGUEST_STAGE_STOPPING);
	}
	if (verb != VMGUEST_VERB_LOGOFF)
		task_vm_stopping(vm, task_id, 0);
	vmguest_channel_send_go(vm->channel, task_id);
}

static int task_progress(struct vmguest_task *task,
			 const struct vmguest_frame *frame)
{
	u8 percent = 10 + frame->progress.percent * 80 / 100;

	if (!(task->proofs & VMGUEST_PROOF_COMMITTED))
		return -EPROTO;
	if (percent > task->percent) {
		task->percent = percent;
		task_changed(task, 0);
		vmguest_event_task(task, VMGUEST_CMD_TASK_CHANGED);
	}
	return 0;
}

/* Takes over *@text. */
static int task_verdict(struct vmguest_task *task,
			const struct vmguest_frame *frame, char **text)
{
	u32 code = frame->result.code;
	bool logoff = task->verb == VMGUEST_VERB_LOGOFF;

	if (!logoff && (code == VMGUEST_WIRE_OK ||
			code == VMGUEST_WIRE_NO_SESSIONS))
		return -EPROTO;
	if (code == VMGUEST_WIRE_OK &&
	    (frame->result.left || !(task->proofs & VMGUEST_PROOF_COMMITTED)))
		return -EPROTO;

	task->targeted = frame->result.targeted;
	task->ended = frame->result.ended;
	task->left = frame->result.left;
	task->guest_text = *text;
	*text = NULL;
	if (code == VMGUEST_WIRE_OK)
		task->proofs |= VMGUEST_PROOF_SESSIONS_ENDED;
	if (logoff && task->ended)
		vmguest_event_logoff(task);
	vmguest_task_complete(task, guest_verdicts[code].result,
			      guest_verdicts[code].error);
	return 0;
}

static int task_last_breath(struct vmguest_vm *vm, struct vmguest_task *task,
			    const struct vmguest_frame *frame)
{
	bool rebooting = frame->last_breath.end == VMGUEST_END_REBOOT;
	bool restart;

	task_vm_stopping(vm, frame->task_id, frame->last_breath.end);
	if (!task)
		return 0;
	if (task->verb == VMGUEST_VERB_LOGOFF ||
	    !(task->proofs & VMGUEST_PROOF_COMMITTED))
		return -EPROTO;
	/* Another end than the one asked for proves nothing for this task. */
	restart = task->verb == VMGUEST_VERB_RESTART;
	if (rebooting != restart)
		return 0;
	task->proofs |= VMGUEST_PROOF_LAST_BREATH;
	task_advance(task, VMGUEST_STAGE_LAST_BREATH);
	return 0;
}

/**
 * vmguest_task_handle - Act on what a guest says about a task
 * @vm: The guest's VM, its lock held.
 * @frame: A decoded frame from its agent.
 * @blocker: Of a BLOCKED frame that names one; NULL afterwards if it was taken
 *	over.
 * @text: Of a RESULT frame that has one, cleaned; likewise.
 *
 * Frames about tasks that have ended, or that are not this VM's, change
 * nothing: they can be late.
 *
 * Return: 0, or -EPROTO when the frame is out of place.
 */
int vmguest_task_handle(struct vmguest_vm *vm,
			const struct vmguest_frame *frame,
			struct vmguest_blocker **blocker, char **text)
{
	struct vmguest_task *task;

	lockdep_assert_held(&vm->lock);
	if (frame->type == VMGUEST_WIRE_PONG) {
		task_pong(vm, frame->task_id);
		return 0;
	}
	task = task_current(vm);
	if (task && task->id != frame->task_id)
		task = NULL;
	if (task && !task->handed)
		return -EPROTO;
	if (frame->type == VMGUEST_WIRE_COMMIT) {
		task_commit(vm, task, frame->task_id);
		return 0;
	}
	if (frame->type == VMGUEST_WIRE_LAST_BREATH)
		return task_last_breath(vm, task, frame);
	if (!task)
		return 0;

	switch (frame->type) {
	case VMGUEST_WIRE_ACCEPTED:
		task_accepted(task);
		return 0;
	case VMGUEST_WIRE_BLOCKED:
		return task_blocked(task, frame, blocker);
	case VMGUEST_WIRE_PROGRESS:
		return task_progress(task, frame);
	case VMGUEST_WIRE_RESULT:
		return task_verdict(task, frame, text);
	default:
		return -EPROTO;
	}
}

static void task_new_boot(struct vmguest_task *task)
{
	task->proofs |= VMGUEST_PROOF_NEW_BOOT;
	if (task->proofs & VMGUEST_PROOF_LAST_BREATH) {
		task->proofs |= VMGUEST_PROOF_CHANNEL_DOWN;
		task_advance(task, VMGUEST_STAGE_CHANNEL_DOWN);
	}
	if (task->verb != VMGUEST_VERB_RESTART) {
		vmguest_task_complete(task, VMGUEST_RESULT_UNEXPECTED_ERROR,
				      -ECONNABORTED);
		return;
	}
	if (!(task->proofs & VMGUEST_PROOF_LAST_BREATH))
		task->flags |= VMGUEST_TASK_CLEAN_UNKNOWN;
	vmguest_task_complete(task, VMGUEST_RESULT_SUCCESS, 0);
}

/*
 * vmguest_task_agent_back - The VM has an agent again
 * @vm: The VM, its lock held.
 * @same_boot: The guest has not booted since the agent was heard last.
 */
void vmguest_task_agent_back(struct vmguest_vm *vm, bool same_boot)
{
	struct vmguest_task *task = task_current(vm);

	if (!same_boot)
		vm->accepted_id = 0;
	if (!task)
		return;
	if (task->handed && !same_boot) {
		task_new_boot(task);
		return;
	}
	if ((task->flags & VMGUEST_TASK_ESCALATED) &&
	    !(vm->capabilities & VMGUEST_CAP_FORCE))
		task->flags &= ~VMGUEST_TASK_FORCE;
	if (!task_agent_can(task)) {
		vmguest_task_complete(task, VMGUEST_RESULT_UNEXPECTED_ERROR,
				      -EOPNOTSUPP);
		return;
	}
	if (task->handed) {
		/* The agent tells anew who is in the way. */
		if (task->proofs & VMGUEST_PROOF_COMMITTED)
			vmguest_blockers_forget_jobs(&task->blockers);
		else
			vmguest_blockers_forget(&task->blockers);
		task->flags |= VMGUEST_TASK_RESENT;
		task_changed(task, 0);
		vmguest_event_task(task, VMGUEST_CMD_TASK_CHANGED);
	}
	task_queue_send(task);
}

/*
 * A PING dies with the agent it was sent to; a request waits for it. In a VM
 * that is gone both are told so when the last channel has ended.
 */
void vmguest_task_agent_lost(struct vmguest_vm *vm)
{
	struct vmguest_task *task, *next;

	lockdep_assert_held(&vm->lock);
	if (vm->state == VMGUEST_VM_GONE)
		return;
	list_for_each_entry_safe(task, next, &vm->pings, node)
		if (task->handed || !task->queue)
			vmguest_task_complete(task,
					      VMGUEST_RESULT_UNEXPECTED_ERROR,
					      -ENOTCONN);
}

/*
 * vmguest_task_channel_down - A connection of the guest has ended
 * @vm: The VM, its lock held, the connection off its list.
 * @reset: The host side of the transport went away.
 */
void vmguest_task_channel_down(struct vmguest_vm *vm, bool reset)
{
	struct vmguest_task *task = task_current(vm);
	bool last = list_empty(&vm->channels);

	if (!task)
		return;
	if (reset || (last && (task->proofs & VMGUEST_PROOF_LAST_BREATH))) {
		task->proofs |= VMGUEST_PROOF_CHANNEL_DOWN;
		task_advance(task, VMGUEST_STAGE_CHANNEL_DOWN);
		task_evaluate(task);
	}
	if (vmguest_task_is_running(task))
		task_arm_timer(task);
}

/* The VM is proven to be gone; its lock is held. */
void vmguest_task_vm_gone(struct vmguest_vm *vm)
{
	struct vmguest_task *task, *next;

	lockdep_assert_held(&vm->lock);
	list_for_each_entry_safe(task, next, &vm->pings, node) {
		if (task_is_due(task)) {
			task_expire(task);
			continue;
		}
		task->proofs |= VMGUEST_PROOF_VM_GONE;
		task_lost_vm(task);
	}
	task = task_current(vm);
	if (!task)
		return;
	task->proofs |= VMGUEST_PROOF_VM_GONE;
	if (task->proofs & VMGUEST_PROOF_LAST_BREATH)
		task->proofs |= VMGUEST_PROOF_CHANNEL_DOWN;
	task_advance(task, VMGUEST_STAGE_VM_GONE);
	task_evaluate(task);
}

/* The name of a gone VM is registered again and its guest said HELLO. */
void vmguest_task_vm_returned(struct vmguest_vm *predecessor)
{
	struct vmguest_task *task;

	spin_lock(&predecessor->lock);
	task = task_current(predecessor);
	if (task && task->verb == VMGUEST_VERB_RESTART)
		task_new_boot(task);
	spin_unlock(&predecessor->lock);
}

/* The VM leaves the registry: everything ends now, nothing is kept. */
void vmguest_task_abort_all(struct vmguest_vm *vm)
{
	struct vmguest_task *task, *next;

	lockdep_assert_held(&vm->lock);
	list_for_each_entry_safe(task, next, &vm->pings, node)
		vmguest_task_complete(task, VMGUEST_RESULT_CANCELLED,
				      -ECANCELED);
	task = vm->task;
	if (task) {
		task_withdraw(task);
		if (task->proofs & VMGUEST_PROOF_VM_GONE)
			vmguest_task_complete(task,
					      VMGUEST_RESULT_UNEXPECTED_ERROR,
					      -ECONNABORTED);
		else
			vmguest_task_complete(task, VMGUEST_RESULT_CANCELLED,
					      -ECANCELED);
	}
	list_for_each_entry_safe(task, next, &vm->ended, node) {
		list_del_init(&task->node);
		vm->ended_count--;
		vmguest_task_put(task);
	}
}

int vmguest_task_init(void)
{
	task_cache = KMEM_CACHE(vmguest_task, SLAB_ACCOUNT);
	return task_cache ? 0 : -ENOMEM;
}

/* All tasks are gone: their VMs are, and open task fds pin the module. */
void vmguest_task_uninit(void)
{
	WARN_ON(!RB_EMPTY_ROOT(&tasks));
	kmem_cache_destroy(task_cache);
}
