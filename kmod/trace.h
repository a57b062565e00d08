/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: the moments of the netlink events, whether somebody listens or
 * not. Texts are arrays, because kernels disagree on how a string is assigned.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vmguest

#if !defined(_VMGUEST_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _VMGUEST_TRACE_H

#include <linux/tracepoint.h>

#include <linux/vmguest.h>
#include <linux/vmguest_netlink.h>

#include "task.h"
#include "vm.h"

TRACE_DEFINE_ENUM(VMGUEST_VM_UNKNOWN);
TRACE_DEFINE_ENUM(VMGUEST_VM_RUNNING);
TRACE_DEFINE_ENUM(VMGUEST_VM_STOPPING);
TRACE_DEFINE_ENUM(VMGUEST_VM_DOWN);
TRACE_DEFINE_ENUM(VMGUEST_VM_GONE);

TRACE_DEFINE_ENUM(VMGUEST_CAUSE_BY_UNKNOWN);
TRACE_DEFINE_ENUM(VMGUEST_CAUSE_BY_TASK);
TRACE_DEFINE_ENUM(VMGUEST_CAUSE_BY_CALLER);
TRACE_DEFINE_ENUM(VMGUEST_CAUSE_BY_GUEST);
TRACE_DEFINE_ENUM(VMGUEST_CAUSE_BY_HOST);

TRACE_DEFINE_ENUM(VMGUEST_VERB_SHUTDOWN);
TRACE_DEFINE_ENUM(VMGUEST_VERB_RESTART);
TRACE_DEFINE_ENUM(VMGUEST_VERB_LOGOFF);
TRACE_DEFINE_ENUM(VMGUEST_VERB_PING);

TRACE_DEFINE_ENUM(VMGUEST_STAGE_QUEUED);
TRACE_DEFINE_ENUM(VMGUEST_STAGE_SENT);
TRACE_DEFINE_ENUM(VMGUEST_STAGE_ACCEPTED);
TRACE_DEFINE_ENUM(VMGUEST_STAGE_BLOCKED);
TRACE_DEFINE_ENUM(VMGUEST_STAGE_STOPPING);
TRACE_DEFINE_ENUM(VMGUEST_STAGE_LAST_BREATH);
TRACE_DEFINE_ENUM(VMGUEST_STAGE_CHANNEL_DOWN);
TRACE_DEFINE_ENUM(VMGUEST_STAGE_VM_GONE);

#define vmguest_show_state(state)					\
	__print_symbolic(state,						\
			 { VMGUEST_VM_UNKNOWN,		"unknown" },	\
			 { VMGUEST_VM_RUNNING,		"running" },	\
			 { VMGUEST_VM_STOPPING,		"stopping" },	\
			 { VMGUEST_VM_DOWN,		"down" },	\
			 { VMGUEST_VM_GONE,		"gone" })

#define vmguest_show_by(by)						\
	__print_symbolic(by,						\
			 { VMGUEST_CAUSE_BY_UNKNOWN,	"unknown" },	\
			 { VMGUEST_CAUSE_BY_TASK,	"task" },	\
			 { VMGUEST_CAUSE_BY_CALLER,	"caller" },	\
			 { VMGUEST_CAUSE_BY_GUEST,	"guest" },	\
			 { VMGUEST_CAUSE_BY_HOST,	"host" })

#define vmguest_show_verb(verb)						\
	__print_symbolic(verb,						\
			 { VMGUEST_VERB_SHUTDOWN,	"shutdown" },	\
			 { VMGUEST_VERB_RESTART,	"restart" },	\
			 { VMGUEST_VERB_LOGOFF,		"logoff" },	\
			 { VMGUEST_VERB_PING,		"ping" })

#define vmguest_show_stage(stage)					\
	__print_symbolic(stage,						\
			 { VMGUEST_STAGE_QUEUED,	"queued" },	\
			 { VMGUEST_STAGE_SENT,		"sent" },	\
			 { VMGUEST_STAGE_ACCEPTED,	"accepted" },	\
			 { VMGUEST_STAGE_BLOCKED,	"blocked" },	\
			 { VMGUEST_STAGE_STOPPING,	"stopping" },	\
			 { VMGUEST_STAGE_LAST_BREATH,	"last-breath" }, \
			 { VMGUEST_STAGE_CHANNEL_DOWN,	"channel-down" }, \
			 { VMGUEST_STAGE_VM_GONE,	"vm-gone" })

/* clang-format off */
DECLARE_EVENT_CLASS(vmguest_vm,
	TP_PROTO(const struct vmguest_vm *vm, u8 by, u64 task_id),
	TP_ARGS(vm, by, task_id),
	TP_STRUCT__entry(
		__field(u64, vm_id)
		__field(u64, task_id)
		__field(u32, cid)
		__field(u32, state)
		__field(u32, by)
		__array(char, name, VMGUEST_NAME_SIZE)
	),
	TP_fast_assign(
		__entry->vm_id = vm->id;
		__entry->task_id = task_id;
		__entry->cid = vm->cid;
		__entry->state = vm->state;
		__entry->by = by;
		memcpy(__entry->name, vm->name, VMGUEST_NAME_SIZE);
	),
	TP_printk("vm=%llu name=%s cid=%u state=%s by=%s task=%llu",
		  __entry->vm_id, __entry->name, __entry->cid,
		  vmguest_show_state(__entry->state),
		  vmguest_show_by(__entry->by), __entry->task_id)
);

#define VMGUEST_VM_EVENT(name)						\
DEFINE_EVENT(vmguest_vm, name,						\
	TP_PROTO(const struct vmguest_vm *vm, u8 by, u64 task_id),	\
	TP_ARGS(vm, by, task_id))

VMGUEST_VM_EVENT(vm_appeared);
VMGUEST_VM_EVENT(vm_registered);
VMGUEST_VM_EVENT(vm_changed);
VMGUEST_VM_EVENT(vm_agent_available);
VMGUEST_VM_EVENT(vm_agent_gone);
VMGUEST_VM_EVENT(vm_heartbeat_stopped);
VMGUEST_VM_EVENT(vm_heartbeat_back);
VMGUEST_VM_EVENT(vm_running);
VMGUEST_VM_EVENT(vm_going_down);
VMGUEST_VM_EVENT(vm_gone);
VMGUEST_VM_EVENT(vm_logoff);
VMGUEST_VM_EVENT(vm_unregistered);

DECLARE_EVENT_CLASS(vmguest_task,
	TP_PROTO(const struct vmguest_task *task),
	TP_ARGS(task),
	TP_STRUCT__entry(
		__field(u64, task_id)
		__field(u64, vm_id)
		__field(u64, superseded_by)
		__field(u32, verb)
		__field(u32, stage)
		__field(u32, percent)
		__field(u32, flags)
		__field(u32, proofs)
		__field(u32, blockers)
		__field(u32, result)
		__field(s32, error)
	),
	TP_fast_assign(
		__entry->task_id = task->id;
		__entry->vm_id = task->vm->id;
		__entry->superseded_by = task->superseded_by;
		__entry->verb = task->verb;
		__entry->stage = task->stage;
		__entry->percent = task->percent;
		__entry->flags = task->flags;
		__entry->proofs = task->proofs;
		__entry->blockers = task->blockers.count;
		__entry->result = task->result;
		__entry->error = task->error;
	),
	TP_printk("task=%llu vm=%llu verb=%s stage=%s percent=%u flags=%#x proofs=%#x blockers=%u result=%u error=%d superseded_by=%llu",
		  __entry->task_id, __entry->vm_id,
		  vmguest_show_verb(__entry->verb),
		  vmguest_show_stage(__entry->stage), __entry->percent,
		  __entry->flags, __entry->proofs, __entry->blockers,
		  __entry->result, __entry->error, __entry->superseded_by)
);

#define VMGUEST_TASK_EVENT(name)					\
DEFINE_EVENT(vmguest_task, name,					\
	TP_PROTO(const struct vmguest_task *task),			\
	TP_ARGS(task))

VMGUEST_TASK_EVENT(task_started);
VMGUEST_TASK_EVENT(task_stage);
VMGUEST_TASK_EVENT(task_blocked);
VMGUEST_TASK_EVENT(task_not_cancelable);
VMGUEST_TASK_EVENT(task_changed);
VMGUEST_TASK_EVENT(task_superseded);
VMGUEST_TASK_EVENT(task_completed);

/* clang-format on */

#endif /* _VMGUEST_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
