// SPDX-License-Identifier: GPL-2.0
/*
 * Agents: which of a guest's connections is its agent's, and whether it lives.
 */
#include <linux/module.h>

#include <linux/vmguest_netlink.h>

#include "agent.h"
#include "channel.h"
#include "event.h"
#include "main.h"
#include "registry.h"
#include "task.h"
#include "vm.h"

/* How long an older channel may take to show that it lives. */
#define AGENT_CANDIDATE_MS	2000

/* Connections of one guest that bring a last breath. */
#define AGENT_HOOKS_MAX	2

/* Slower says nothing, faster only floods. */
#define HEARTBEAT_MIN_MS	100
#define HEARTBEAT_MAX_MS	(3600 * 1000)

static int heartbeat_set(const char *text, const struct kernel_param *param)
{
	unsigned int ms;
	int err;

	err = kstrtouint(text, 0, &ms);
	if (err)
		return err;
	if (ms && (ms < HEARTBEAT_MIN_MS || ms > HEARTBEAT_MAX_MS))
		return -EINVAL;
	return param_set_uint(text, param);
}

static const struct kernel_param_ops heartbeat_ops = {
	.set = heartbeat_set,
	.get = param_get_uint,
};

static unsigned int heartbeat_ms = 6000;
module_param_cb(heartbeat_ms, &heartbeat_ops, &heartbeat_ms, 0644);
__MODULE_PARM_TYPE(heartbeat_ms, "uint");
MODULE_PARM_DESC(heartbeat_ms, "Interval at which agents that connect are asked for heartbeats, 100 to 3600000 ms, 0 for never (default 6000)");

static void agent_learn(struct vmguest_vm *vm,
			const struct vmguest_frame *hello)
{
	struct vmguest_guest_info *info = &vm->info;
	unsigned int i;

	info->heard = true;
	memcpy(info->boot_id, hello->hello.boot_id, sizeof(info->boot_id));
	memcpy(info->machine_id, hello->hello.machine_id,
	       sizeof(info->machine_id));
	for (i = 0; i < VMGUEST_FRAME_TEXTS; i++)
		vmguest_text_clean(info->text[i], sizeof(info->text[i]),
				   &hello->text[i]);
}

/*
 * A guest that heard another instance of the module in this boot was restored
 * from a snapshot: what this instance told that boot, it has forgotten.
 */
static bool agent_is_same_boot(const struct vmguest_vm *vm,
			       const struct vmguest_frame *hello)
{
	static const u8 none[16];

	if (!vm->info.heard ||
	    memcmp(vm->info.boot_id, hello->hello.boot_id, sizeof(none)))
		return false;
	return !memcmp(hello->hello.instance, none, sizeof(none)) ||
	       !memcmp(hello->hello.instance, vmguest_instance, sizeof(none));
}

/* Looks again when an agent that stays silent has missed too much. */
static void agent_watch_later(struct vmguest_vm *vm)
{
	u32 wait = vmguest_heartbeat_left_ms(&vm->heartbeat);

	lockdep_assert_held(&vm->lock);
	if (!vm->heartbeat.interval_ms || vm->dead)
		return;
	kref_get(&vm->ref);
	if (mod_delayed_work(vmguest_wq, &vm->watch,
			     msecs_to_jiffies(wait) + 1))
		vmguest_vm_put(vm);
}

void vmguest_agent_watch(struct work_struct *work)
{
	struct vmguest_vm *vm = container_of(to_delayed_work(work),
					     struct vmguest_vm, watch);

	spin_lock(&vm->lock);
	if (!vm->channel || vm->silent || vm->dead) {
		/* The next agent, or its next heartbeat, is watched anew. */
	} else if (vmguest_heartbeat_is_alive(&vm->heartbeat)) {
		agent_watch_later(vm);
	} else {
		vm->silent = true;
		vmguest_event_vm(vm, VMGUEST_CMD_VM_HEARTBEAT_STOPPED);
	}
	spin_unlock(&vm->lock);
	vmguest_vm_put(vm);
}

static void agent_lose(struct vmguest_vm *vm)
{
	vm->channel = NULL;
	vmguest_event_vm(vm, VMGUEST_CMD_VM_AGENT_GONE);
	vmguest_task_agent_lost(vm);
}

static void agent_install(struct vmguest_vm *vm,
			  struct vmguest_channel *channel, bool same_boot)
{
	/* A request past its deadline is none of this agent's business. */
	vmguest_task_check_deadline(vm);
	if (vm->channel) {
		vmguest_channel_close(vm->channel);
		agent_lose(vm);
	}
	/* Of the boot that is no more. */
	if (vm->candidate) {
		vmguest_channel_close(vm->candidate);
		vm->candidate = NULL;
	}
	vm->channel = channel;
	vm->capabilities = channel->capabilities;
	/* A candidate's HELLO was too early to count. */
	vm->info.sessions = channel->sessions;
	vm->info.locked = 0;
	if (vm->state != VMGUEST_VM_STOPPING || !same_boot)
		vm->state = VMGUEST_VM_RUNNING;
	if (!same_boot)
		vm->leaving = false;
	channel->phase = VMGUEST_CHANNEL_ACTIVE;
	vmguest_heartbeat_start(&vm->heartbeat, READ_ONCE(heartbeat_ms));
	vm->silent = false;
	agent_watch_later(vm);
	vmguest_event_vm_state(vm);
	vmguest_event_vm(vm, VMGUEST_CMD_VM_AGENT_AVAILABLE);
	channel->sends.welcome = true;
	vmguest_channel_kick(channel);
	vmguest_task_agent_back(vm, same_boot);
}

static void agent_refuse(struct vmguest_vm *vm,
			 struct vmguest_channel *channel, u32 code)
{
	vm->refused++;
	vmguest_channel_reject(channel, code);
}

static void agent_attach_agent(struct vmguest_vm *vm,
			       struct vmguest_channel *channel,
			       const struct vmguest_frame *hello)
{
	bool same_boot = agent_is_same_boot(vm, hello);

	channel->capabilities = hello->hello.capabilities;
	channel->sessions = hello->hello.sessions;
	if (!vm->channel || !same_boot) {
		agent_learn(vm, hello);
		agent_install(vm, channel, same_boot);
	} else if (vm->candidate) {
		agent_refuse(vm, channel, VMGUEST_REJECT_BUSY);
	} else {
		vm->candidate = channel;
		channel->phase = VMGUEST_CHANNEL_CANDIDATE;
		vmguest_channel_set_timer(channel, AGENT_CANDIDATE_MS);
		vmguest_channel_send_check(vm->channel);
	}
}

static void agent_attach_hook(struct vmguest_vm *vm,
			      struct vmguest_channel *channel,
			      const struct vmguest_frame *hello)
{
	struct vmguest_channel *other;
	unsigned int hooks = 0;

	list_for_each_entry(other, &vm->channels, vm_node)
		hooks += other->phase == VMGUEST_CHANNEL_HOOK;
	if (hooks >= AGENT_HOOKS_MAX || !agent_is_same_boot(vm, hello)) {
		agent_refuse(vm, channel, VMGUEST_REJECT_BUSY);
		return;
	}
	channel->phase = VMGUEST_CHANNEL_HOOK;
	channel->sends.welcome = true;
	vmguest_channel_kick(channel);
}

/**
 * vmguest_agent_attach - A connection has said HELLO
 * @channel: The connection; belongs to its VM afterwards.
 * @hello: The frame.
 *
 * Called by the channel's work.
 *
 * Return: 0, also when the VM refuses the connection; -ECONNREFUSED when nobody
 * registered the guest and such are not heard; -EHOSTDOWN, -ENOMEM to close it.
 */
int vmguest_agent_attach(struct vmguest_channel *channel,
			 const struct vmguest_frame *hello)
{
	struct vmguest_vm *predecessor = NULL;
	struct vmguest_vm *vm;

	vm = vmguest_vm_for_guest(channel->cid);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	spin_lock(&vm->lock);
	if (vm->dead || vm->state == VMGUEST_VM_GONE ||
	    vm->cid != channel->cid) {
		spin_unlock(&vm->lock);
		vmguest_vm_put(vm);
		return -EHOSTDOWN;
	}
	vm->frames_in++;
	/* Pairs with vmguest_agent_candidate_timeout(). */
	smp_store_release(&channel->vm, vm);
	list_add_tail(&channel->vm_node, &vm->channels);
	if (hello->hello.role == VMGUEST_ROLE_LAST_BREATH) {
		agent_attach_hook(vm, channel, hello);
	} else {
		agent_attach_agent(vm, channel, hello);
		predecessor = vm->predecessor;
		vm->predecessor = NULL;
	}
	spin_unlock(&vm->lock);

	if (predecessor) {
		vmguest_task_vm_returned(predecessor);
		vmguest_vm_put(predecessor);
	}
	return 0;
}

/* Not in a VM that is gone: its channels are being read to their end. */
static void agent_promote_candidate(struct vmguest_vm *vm)
{
	struct vmguest_channel *candidate = vm->candidate;

	vm->candidate = NULL;
	if (!vm->dead && vm->state != VMGUEST_VM_GONE)
		agent_install(vm, candidate, true);
}

/*
 * Whether it may make a difference why a connection has ended, which is still on
 * the list. A lifeline tells by itself that the VM is gone, and behind a last
 * breath any end of the last connection is as good.
 */
static bool agent_minds_end(const struct vmguest_vm *vm)
{
	const struct vmguest_task *task = vm->task;

	lockdep_assert_held(&vm->lock);
	if (!vm->lifeline)
		return true;
	return task && (!(task->proofs & VMGUEST_PROOF_LAST_BREATH) ||
			!list_is_singular(&vm->channels));
}

/**
 * vmguest_agent_detach - A connection has ended
 * @channel: The connection; it hears nothing any more.
 * @reason: Why: -ECONNRESET the host side of the transport went away, -ENOLINK
 *	the guest has closed it, or that is what it looks like: the transport
 *	marks the connections of a VMM that dies as shut down before it gives
 *	them their error. Its CID it has forgotten even earlier, and is asked for
 *	it, which is dear, only where that matters. Other errnos: an orderly end.
 *
 * Called by the channel's work.
 */
void vmguest_agent_detach(struct vmguest_channel *channel, int reason)
{
	struct vmguest_vm *vm = channel->vm;
	bool reset = reason == -ECONNRESET;
	bool absent = false;
	bool active, counts;

	spin_lock(&vm->lock);
	if ((reset && !vm->lifeline) ||
	    (reason == -ENOLINK && agent_minds_end(vm))) {
		spin_unlock(&vm->lock);
		absent = vmguest_cid_is_absent(channel->cid) > 0;
		spin_lock(&vm->lock);
	}
	reset |= absent;
	list_del_init(&channel->vm_node);
	if (vm->candidate == channel)
		vm->candidate = NULL;
	active = vm->channel == channel;
	if (active)
		agent_lose(vm);
	counts = active || channel->phase == VMGUEST_CHANNEL_HOOK;
	if (counts || list_empty(&vm->channels))
		vmguest_task_channel_down(vm, counts && reset);
	if (active && vm->candidate)
		agent_promote_candidate(vm);
	if (list_empty(&vm->channels)) {
		if (vm->state == VMGUEST_VM_GONE) {
			vmguest_vm_tell_gone(vm);
			vmguest_registry_trim_later();
		} else if (absent && !vm->lifeline) {
			vmguest_vm_left_host(vm);
		}
	}
	vmguest_vm_check_reap(vm);
	spin_unlock(&vm->lock);
}

/* A PONG about no task: a heartbeat, or the answer to a check. */
void vmguest_agent_alive(struct vmguest_vm *vm, struct vmguest_channel *channel)
{
	lockdep_assert_held(&vm->lock);
	if (vm->channel != channel)
		return;
	vmguest_heartbeat_beat(&vm->heartbeat);
	if (vm->silent) {
		vm->silent = false;
		agent_watch_later(vm);
		vmguest_event_vm(vm, VMGUEST_CMD_VM_HEARTBEAT_BACK);
	}
	if (!vm->candidate)
		return;
	agent_refuse(vm, vm->candidate, VMGUEST_REJECT_DUPLICATE);
	vm->candidate = NULL;
}

/* The timer of a connection without HELLO, or of a candidate. */
void vmguest_agent_candidate_timeout(struct vmguest_channel *channel)
{
	/* Pairs with vmguest_agent_attach(). */
	struct vmguest_vm *vm = smp_load_acquire(&channel->vm);

	if (!vm) {
		vmguest_channel_close(channel);
		return;
	}
	spin_lock(&vm->lock);
	if (vm->candidate == channel)
		agent_promote_candidate(vm);
	spin_unlock(&vm->lock);
}
