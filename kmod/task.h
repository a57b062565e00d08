/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_TASK_H
#define _VMGUEST_TASK_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/rbtree_types.h>
#include <linux/types.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "blocker.h"
#include "protocol.h"

struct pid;
struct vmguest_vm;

/**
 * struct vmguest_person - Who did something to a task
 * @uid: Effective uid.
 * @pid: Thread group, referenced, or NULL for nobody.
 */
struct vmguest_person {
	kuid_t uid;
	struct pid *pid;
};

/**
 * struct vmguest_task - One request to one VM
 *
 * Created by a call and invisible until vmguest_task_submit() has put it under
 * its VM's rules. While it runs its VM holds a reference (as the running
 * request or in the list of PINGs), after that the VM's list of ended tasks
 * does, until newer ones push it out or the VM is removed. Each task fd, the
 * pending timer and a channel that is sending its frame hold one more. The
 * table of ids holds none: vmguest_task_find() takes one unless the count is
 * zero, and the last put erases the entry.
 *
 * A task ends exactly once, in vmguest_task_complete(), and is not changed
 * afterwards.
 *
 * @ref: Reference count.
 * @verb: enum vmguest_verb; constant.
 * @until: enum vmguest_until; constant.
 * @id: Never reused within one load of the module.
 * @id_node: Entry in the table of ids.
 * @vm: Its VM; owns a reference; constant. &vmguest_vm.lock protects everything
 *	from @node on.
 * @reason: The starter's reason, or NULL; constant.
 * @deadline_ms: Deadline from @start_ns, 0 for none; constant.
 * @force_after_ms: Becomes a FORCE this long after @start_ns, 0 never; constant.
 * @delay_ms: How long the guest's users are told before; constant.
 * @grace_ms: What a session has before it is killed, 0 for the agent's own;
 *	constant.
 * @scope: enum vmguest_scope; constant.
 * @scope_uid: The guest's uid that @scope is about; constant.
 * @start_ns: CLOCK_MONOTONIC of its submission; constant.
 * @starter: Who asked; constant.
 * @timer: Runs at the deadline, at the escalation and, where no event tells
 *	that a VM without lifeline is gone, to look.
 * @wait: Pollers of the task's fds.
 * @node: Entry in the VM's list of PINGs or of ended tasks.
 * @members: Those of groups that wait for its end; empty once complete.
 * @send_node: Entry in the VM's list of tasks to send.
 * @stage: enum vmguest_stage.
 * @percent: 0 to 100.
 * @flags: enum vmguest_task_flags.
 * @proofs: enum vmguest_proofs.
 * @result: enum vmguest_result.
 * @error: 0 or negative errno.
 * @queue: It may wait for an agent.
 * @respect: Sessions in the guest are in its way; constant.
 * @handed: A channel has taken its request to send it.
 * @changes: Counts visible changes; a task fd remembers what it has seen.
 * @close_fds: Open fds with CANCEL_ON_CLOSE.
 * @targeted: Sessions to end.
 * @ended: Sessions that ended.
 * @left: Sessions left.
 * @joiners: How many joined.
 * @superseded_by: The stronger task.
 * @stage_ns: When each stage was reached.
 * @end_ns: When it ended.
 * @canceller: Who cancelled.
 * @joiner: The first who joined.
 * @blockers: Who stands in the way, or did when it ended.
 * @guest_text: The guest's explanation, cleaned, or NULL.
 */
struct vmguest_task {
	struct kref ref;
	u8 verb;
	u8 until;
	u64 id;
	struct rb_node id_node;
	struct vmguest_vm *vm;
	const char *reason;
	u32 deadline_ms;
	u32 force_after_ms;
	u32 delay_ms;
	u32 grace_ms;
	u32 scope;
	u32 scope_uid;
	u64 start_ns;
	struct vmguest_person starter;
	struct delayed_work timer;
	wait_queue_head_t wait;

	struct list_head node;
	struct hlist_head members;
	struct list_head send_node;
	u8 stage;
	u8 percent;
	u8 result;
	bool queue;
	bool respect;
	bool handed;
	u32 flags;
	u32 proofs;
	int error;
	u32 changes;
	u32 close_fds;
	u32 targeted;
	u32 ended;
	u32 left;
	u32 joiners;
	u64 superseded_by;
	u64 stage_ns[VMGUEST_STAGE_COUNT];
	u64 end_ns;
	struct vmguest_person canceller;
	struct vmguest_person joiner[VMGUEST_TASK_JOINERS];
	struct vmguest_blockers blockers;
	const char *guest_text;
};

/* Texts that there are. */
static inline const char *vmguest_task_reason(const struct vmguest_task *task)
{
	return task->reason ?: "";
}

static inline const char *vmguest_task_text(const struct vmguest_task *task)
{
	return task->guest_text ?: "";
}

int vmguest_task_init(void);
void vmguest_task_uninit(void);

struct vmguest_person vmguest_person_current(void);
struct vmguest_task *vmguest_task_create(struct vmguest_vm *vm, u8 verb,
					 const struct vmguest_request *request);
void vmguest_task_get(struct vmguest_task *task);
void vmguest_task_put(struct vmguest_task *task);
struct vmguest_task *vmguest_task_find(u64 id);
struct vmguest_task *vmguest_task_find_next(u64 id, unsigned int *generation);
u32 vmguest_task_flags(const struct vmguest_task *task);

int vmguest_task_submit(struct vmguest_task *task, u32 flags,
			struct vmguest_task **running);
void vmguest_task_join(struct vmguest_task *task,
		       const struct vmguest_person *person);
int vmguest_task_cancel(struct vmguest_task *task);
void vmguest_task_get_info(struct vmguest_task *task,
			   struct vmguest_task_get *cmd);

bool vmguest_task_is_running(const struct vmguest_task *task);
void vmguest_task_build_frame(struct vmguest_task *task,
			      struct vmguest_frame *frame);
void vmguest_task_sent(struct vmguest_task *task);
int vmguest_task_handle(struct vmguest_vm *vm,
			const struct vmguest_frame *frame,
			struct vmguest_blocker **blocker, char **text);
void vmguest_task_get_event(struct vmguest_task *task,
			    struct vmguest_task_event *event);
void vmguest_task_check_deadline(struct vmguest_vm *vm);
bool vmguest_task_takes_down(struct vmguest_vm *vm);
void vmguest_task_agent_back(struct vmguest_vm *vm, bool same_boot);
void vmguest_task_agent_lost(struct vmguest_vm *vm);
void vmguest_task_rearm(struct vmguest_vm *vm);
void vmguest_task_channel_down(struct vmguest_vm *vm, bool reset);
void vmguest_task_vm_gone(struct vmguest_vm *vm);
void vmguest_task_vm_returned(struct vmguest_vm *predecessor);
void vmguest_task_abort_all(struct vmguest_vm *vm);

#endif /* _VMGUEST_TASK_H */
