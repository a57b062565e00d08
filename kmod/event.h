/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_EVENT_H
#define _VMGUEST_EVENT_H

#include <linux/types.h>

#include <linux/vmguest.h>

struct vmguest_blocker;
struct vmguest_frame;
struct vmguest_task;
struct vmguest_vm;

/**
 * enum vmguest_event_group - Multicast groups, by their index in the family
 * @VMGUEST_EVENT_VM: %VMGUEST_MCGRP_VM.
 * @VMGUEST_EVENT_TASK: %VMGUEST_MCGRP_TASK.
 * @VMGUEST_EVENT_GROUPS: How many there are.
 */
enum vmguest_event_group {
	VMGUEST_EVENT_VM,
	VMGUEST_EVENT_TASK,
	VMGUEST_EVENT_GROUPS,
};

/**
 * struct vmguest_told - What was told of one VM
 *
 * Part of its VM; all under the VM's lock.
 *
 * @seq: Number of its newest event in each group, 0 for none.
 * @running: That it runs.
 * @going_down: That its guest goes down, and not since then that it runs.
 * @over: That it is unregistered; nothing is told of it any more.
 * @down_task_id: The task that it goes down for, 0 for none.
 * @down_end: How, enum vmguest_wire_end, 0 when that was not told.
 */
struct vmguest_told {
	u64 seq[VMGUEST_EVENT_GROUPS];
	bool running;
	bool going_down;
	bool over;
	u64 down_task_id;
	u32 down_end;
};

#define VMGUEST_EVENT_RESULTS	(VMGUEST_RESULT_SHUTDOWN_ABORT + 1)

/**
 * struct vmguest_event_stats - Counters since the module was loaded
 * @events: Number of the newest event.
 * @dropped: Events lost for want of memory.
 * @tasks: Tasks that ended, by enum vmguest_result.
 */
struct vmguest_event_stats {
	u64 events;
	u64 dropped;
	u64 tasks[VMGUEST_EVENT_RESULTS];
};

void vmguest_event_open(void);
void vmguest_event_close(void);
void vmguest_event_get_stats(struct vmguest_event_stats *stats);

void vmguest_event_vm(struct vmguest_vm *vm, u8 cmd);
void vmguest_event_vm_changed(struct vmguest_vm *vm, u32 what);
void vmguest_event_vm_state(struct vmguest_vm *vm);
void vmguest_event_vm_down(struct vmguest_vm *vm, u64 task_id, u32 end);
void vmguest_event_logoff(struct vmguest_task *task);
void vmguest_event_logoff_by_guest(struct vmguest_vm *vm,
				   const struct vmguest_frame *frame);

void vmguest_event_task(struct vmguest_task *task, u8 cmd);
void vmguest_event_blocked(struct vmguest_task *task,
			   const struct vmguest_blocker *blocker);

#endif /* _VMGUEST_EVENT_H */
