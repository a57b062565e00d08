// SPDX-License-Identifier: GPL-2.0-only
/* Names of the numbers of events. */
#include "internal.h"

static const char *name_of(const char * const *names, size_t count,
			   uint32_t number, const char *unknown)
{
	return number < count && names[number] ? names[number] : unknown;
}

const char *vmguest_event_name(uint32_t type)
{
	static const char * const names[] = {
		[VMGUEST_EVENT_VM_APPEARED]	= "vm-appeared",
		[VMGUEST_EVENT_VM_REGISTERED]	= "vm-registered",
		[VMGUEST_EVENT_VM_CHANGED]	= "vm-changed",
		[VMGUEST_EVENT_VM_AGENT_AVAILABLE] = "vm-agent-available",
		[VMGUEST_EVENT_VM_AGENT_GONE]	= "vm-agent-gone",
		[VMGUEST_EVENT_VM_HEARTBEAT_STOPPED] = "vm-heartbeat-stopped",
		[VMGUEST_EVENT_VM_HEARTBEAT_BACK] = "vm-heartbeat-back",
		[VMGUEST_EVENT_VM_RUNNING]	= "vm-running",
		[VMGUEST_EVENT_VM_GOING_DOWN]	= "vm-going-down",
		[VMGUEST_EVENT_VM_GONE]		= "vm-gone",
		[VMGUEST_EVENT_VM_LOGOFF]	= "vm-logoff",
		[VMGUEST_EVENT_VM_UNREGISTERED]	= "vm-unregistered",
		[VMGUEST_EVENT_TASK_STARTED]	= "task-started",
		[VMGUEST_EVENT_TASK_STAGE]	= "task-stage",
		[VMGUEST_EVENT_TASK_BLOCKED]	= "task-blocked",
		[VMGUEST_EVENT_TASK_NOT_CANCELABLE] = "task-not-cancelable",
		[VMGUEST_EVENT_TASK_CHANGED]	= "task-changed",
		[VMGUEST_EVENT_TASK_SUPERSEDED]	= "task-superseded",
		[VMGUEST_EVENT_TASK_COMPLETED]	= "task-completed",
		[VMGUEST_EVENT_OVERRUN]		= "overrun",
		[VMGUEST_EVENT_SYNC_BEGIN]	= "sync-begin",
		[VMGUEST_EVENT_VM]		= "vm",
		[VMGUEST_EVENT_TASK]		= "task",
		[VMGUEST_EVENT_SYNC_END]	= "sync-end",
	};

	return name_of(names, ARRAY_SIZE(names), type, "?");
}

const char *vmguest_cause_name(uint32_t by)
{
	static const char * const names[] = {
		[VMGUEST_CAUSE_BY_UNKNOWN]	= "unknown",
		[VMGUEST_CAUSE_BY_TASK]		= "task",
		[VMGUEST_CAUSE_BY_CALLER]	= "caller",
		[VMGUEST_CAUSE_BY_GUEST]	= "guest",
		[VMGUEST_CAUSE_BY_HOST]		= "host",
	};

	return name_of(names, ARRAY_SIZE(names), by, "?");
}

const char *vmguest_end_name(uint32_t end)
{
	static const char * const names[] = {
		[VMGUEST_END_POWEROFF]	= "poweroff",
		[VMGUEST_END_REBOOT]	= "reboot",
		[VMGUEST_END_HALT]	= "halt",
	};

	return name_of(names, ARRAY_SIZE(names), end, "?");
}

const char *vmguest_logoff_name(uint32_t logoff)
{
	static const char * const names[] = {
		[VMGUEST_LOGOFF_TYPE_NORMAL]	= "normal",
		[VMGUEST_LOGOFF_TYPE_FORCED]	= "forced",
		[VMGUEST_LOGOFF_TYPE_EXTERNAL]	= "external",
	};

	return name_of(names, ARRAY_SIZE(names), logoff, "?");
}

const char *vmguest_set_name(unsigned int bit)
{
	static const char * const names[] = {
		"owner", "mode", "cid", "lifeline", "paused", "migrating",
	};

	return name_of(names, ARRAY_SIZE(names), bit, NULL);
}
