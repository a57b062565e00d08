// SPDX-License-Identifier: GPL-2.0
/*
 * Notices: what a guest does by itself. They are its word: they change what is
 * shown and told of its VM, and nothing of a task. One that says too much is not
 * heard for a while.
 */
#include <linux/lockdep.h>
#include <linux/ratelimit.h>
#include <linux/vmguest_netlink.h>

#include "event.h"
#include "notice.h"
#include "protocol.h"
#include "task.h"
#include "vm.h"

/* A guest that goes down for a task is on its way already, however it started. */
static void notice_going_down(struct vmguest_vm *vm,
			      const struct vmguest_frame *frame)
{
	vm->leaving = true;
	if (vm->told.going_down && vm->told.down_task_id)
		return;
	if (vm->state != VMGUEST_VM_GONE)
		vm->state = VMGUEST_VM_STOPPING;
	vmguest_event_vm_down(vm, 0, frame->notice.how);
}

static void notice_stays_up(struct vmguest_vm *vm)
{
	vm->leaving = false;
	if (vm->state != VMGUEST_VM_STOPPING || vmguest_task_takes_down(vm))
		return;
	vm->state = VMGUEST_VM_RUNNING;
	vmguest_event_vm_state(vm);
}

/* Nobody is told: it costs no more than to hear it. */
static void notice_sessions(struct vmguest_vm *vm,
			    const struct vmguest_frame *frame)
{
	vm->info.sessions = frame->notice.left;
	vm->info.locked = frame->notice.how;
}

/**
 * vmguest_notice_handle - Act on what a guest says that it does by itself
 * @vm: The guest's VM, its lock held.
 * @frame: A decoded NOTICE from its agent.
 */
void vmguest_notice_handle(struct vmguest_vm *vm,
			   const struct vmguest_frame *frame)
{
	lockdep_assert_held(&vm->lock);
	if (frame->notice.kind == VMGUEST_NOTICE_SESSIONS) {
		notice_sessions(vm, frame);
		return;
	}
	if (!__ratelimit(&vm->notices))
		return;
	switch (frame->notice.kind) {
	case VMGUEST_NOTICE_GOING_DOWN:
		notice_going_down(vm, frame);
		break;
	case VMGUEST_NOTICE_STAYS_UP:
		notice_stays_up(vm);
		break;
	case VMGUEST_NOTICE_LOGOFF:
		vmguest_event_logoff_by_guest(vm, frame);
		break;
	}
}
