/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_BLOCKER_H
#define _VMGUEST_BLOCKER_H

#include <linux/list.h>
#include <linux/types.h>

#include <linux/vmguest.h>

struct vmguest_frame;

/**
 * struct vmguest_blocker - Somebody in the guest who stands in the way
 *
 * Made from a BLOCKED frame by the channel's work, outside of the VM's lock,
 * then owned by a task's list until that forgets it.
 *
 * @node: Entry in &vmguest_blockers.list.
 * @kind: enum vmguest_blocker_kind.
 * @uid: Its uid in the guest.
 * @pid: Its pid in the guest.
 * @who: Its name, cleaned.
 * @why: Its reason, cleaned.
 */
struct vmguest_blocker {
	struct list_head node;
	u32 kind;
	u32 uid;
	u32 pid;
	char who[VMGUEST_TEXT_SIZE];
	char why[VMGUEST_TEXT_SIZE];
};

/**
 * struct vmguest_blockers - Those of one task
 *
 * Part of its task; under the VM's lock.
 *
 * @list: The first %VMGUEST_BLOCKERS_MAX that the guest told.
 * @count: How many are in @list.
 */
struct vmguest_blockers {
	struct list_head list;
	u32 count;
};

struct vmguest_blocker *vmguest_blocker_create(const struct vmguest_frame *frame);

void vmguest_blockers_init(struct vmguest_blockers *blockers);
void vmguest_blockers_forget(struct vmguest_blockers *blockers);
void vmguest_blockers_forget_jobs(struct vmguest_blockers *blockers);
bool vmguest_blockers_add(struct vmguest_blockers *blockers,
			  struct vmguest_blocker *blocker);
int vmguest_blockers_get(const struct vmguest_blockers *blockers,
			 struct vmguest_task_blocker *cmd);

#endif /* _VMGUEST_BLOCKER_H */
