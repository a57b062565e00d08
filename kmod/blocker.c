// SPDX-License-Identifier: GPL-2.0
/*
 * Who stands in the way of a request.
 */
#include <linux/errno.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "blocker.h"
#include "protocol.h"

/* Return: what a BLOCKED frame tells, or NULL without memory. */
struct vmguest_blocker *vmguest_blocker_create(const struct vmguest_frame *frame)
{
	struct vmguest_blocker *blocker;

	blocker = kzalloc(sizeof(*blocker), GFP_KERNEL_ACCOUNT);
	if (!blocker)
		return NULL;
	blocker->kind = frame->blocked.kind;
	blocker->uid = frame->blocked.uid;
	blocker->pid = frame->blocked.pid;
	vmguest_text_clean(blocker->who, sizeof(blocker->who),
			   &frame->text[VMGUEST_BLOCKED_WHO]);
	vmguest_text_clean(blocker->why, sizeof(blocker->why),
			   &frame->text[VMGUEST_BLOCKED_WHY]);
	return blocker;
}

void vmguest_blockers_init(struct vmguest_blockers *blockers)
{
	INIT_LIST_HEAD(&blockers->list);
	blockers->count = 0;
}

void vmguest_blockers_forget(struct vmguest_blockers *blockers)
{
	struct vmguest_blocker *blocker, *next;

	list_for_each_entry_safe(blocker, next, &blockers->list, node)
		kfree(blocker);
	vmguest_blockers_init(blockers);
}

/* Those that were in the way before the commit point stay. */
void vmguest_blockers_forget_jobs(struct vmguest_blockers *blockers)
{
	struct vmguest_blocker *blocker, *next;

	list_for_each_entry_safe(blocker, next, &blockers->list, node) {
		if (blocker->kind != VMGUEST_BLOCKER_STOP_JOB)
			continue;
		list_del(&blocker->node);
		kfree(blocker);
		blockers->count--;
	}
}

/* Return: whether @blocker was taken over; there may be too many. */
bool vmguest_blockers_add(struct vmguest_blockers *blockers,
			  struct vmguest_blocker *blocker)
{
	if (blockers->count == VMGUEST_BLOCKERS_MAX)
		return false;
	list_add_tail(&blocker->node, &blockers->list);
	blockers->count++;
	return true;
}

/* Return: 0, or -ENOENT when there is none of that index. */
int vmguest_blockers_get(const struct vmguest_blockers *blockers,
			 struct vmguest_task_blocker *cmd)
{
	const struct vmguest_blocker *blocker;
	u32 index = cmd->index;

	list_for_each_entry(blocker, &blockers->list, node) {
		if (index--)
			continue;
		cmd->kind = blocker->kind;
		cmd->uid = blocker->uid;
		cmd->pid = blocker->pid;
		memcpy(cmd->who, blocker->who, sizeof(cmd->who));
		memcpy(cmd->why, blocker->why, sizeof(cmd->why));
		return 0;
	}
	return -ENOENT;
}
