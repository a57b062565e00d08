/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libvmguest-monitor: watching VMs and tasks over generic netlink, from C.
 *
 * A library of its own because it needs libnl, which those who only make
 * requests need not have. Documentation/netlink.rst says what the module
 * promises; here is what the library adds: events as structs, whole dumps, and
 * a way back to the truth after events were lost.
 *
 * Functions return 0 or a positive answer, or a negative errno. A monitor has
 * no lock and starts no threads: one thread uses it at a time.
 *
 * Times are CLOCK_MONOTONIC in nanoseconds. Uids and pids are those of the
 * host's initial namespaces. Structs that callbacks get may grow at the end;
 * they and what they point at live until the callback returns.
 */
#ifndef LIBVMGUEST_MONITOR_H
#define LIBVMGUEST_MONITOR_H

#include <stdint.h>

#include <linux/vmguest_netlink.h>

#include "libvmguest.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A listener: made by vmguest_monitor_open(), ended by vmguest_monitor_close(). */
struct vmguest_monitor;

/**
 * enum vmguest_monitor_groups - What to listen to, or to dump
 * @VMGUEST_MONITOR_VM: VMs and what happens to them.
 * @VMGUEST_MONITOR_TASK: Tasks and what happens to them.
 * @VMGUEST_MONITOR_ALL: Both.
 */
enum vmguest_monitor_groups {
	VMGUEST_MONITOR_VM	= 1 << 0,
	VMGUEST_MONITOR_TASK	= 1 << 1,
	VMGUEST_MONITOR_ALL	= VMGUEST_MONITOR_VM | VMGUEST_MONITOR_TASK,
};

/**
 * enum vmguest_event_type - What is told
 * @VMGUEST_EVENT_VM_APPEARED: A guest that nobody registered has dialled in.
 * @VMGUEST_EVENT_VM_REGISTERED: Somebody registered the VM; it may have
 *	appeared before.
 * @VMGUEST_EVENT_VM_CHANGED: Its registration was changed;
 *	&vmguest_event.changed.
 * @VMGUEST_EVENT_VM_AGENT_AVAILABLE: Its agent is connected; the only event
 *	with its capabilities and with what the guest says of itself.
 * @VMGUEST_EVENT_VM_AGENT_GONE: Its agent is not connected any more.
 * @VMGUEST_EVENT_VM_HEARTBEAT_STOPPED: The agent has missed three heartbeats.
 * @VMGUEST_EVENT_VM_HEARTBEAT_BACK: It is heard again.
 * @VMGUEST_EVENT_VM_RUNNING: It runs, and did not or was not known to.
 * @VMGUEST_EVENT_VM_GOING_DOWN: The guest has passed its commit point; or, with
 *	&vmguest_event.end, it says that it ends.
 * @VMGUEST_EVENT_VM_GONE: The VM is gone, or down.
 * @VMGUEST_EVENT_VM_LOGOFF: Sessions have ended; &vmguest_event.logoff and
 *	the counts of sessions.
 * @VMGUEST_EVENT_VM_UNREGISTERED: It is not there any more; the last event of
 *	its id.
 * @VMGUEST_EVENT_TASK_STARTED: A request was made. Not told of PINGs, like all
 *	events of tasks but the last.
 * @VMGUEST_EVENT_TASK_STAGE: It has reached another stage.
 * @VMGUEST_EVENT_TASK_BLOCKED: Somebody in the guest is in its way:
 *	&vmguest_event.blocker; or, without one, nobody any more.
 * @VMGUEST_EVENT_TASK_NOT_CANCELABLE: It has passed the commit point.
 * @VMGUEST_EVENT_TASK_CHANGED: Its percentage, a joiner, a FORCE, told again.
 * @VMGUEST_EVENT_TASK_SUPERSEDED: A stronger request takes its place.
 * @VMGUEST_EVENT_TASK_COMPLETED: It has ended; the last event of its id.
 * @VMGUEST_EVENT_OVERRUN: The library's: events were lost, &vmguest_event.lost;
 *	what the listener knows may be wrong until vmguest_monitor_resync().
 * @VMGUEST_EVENT_SYNC_BEGIN: The library's: forget what was known, everything
 *	follows.
 * @VMGUEST_EVENT_VM: The library's: a VM as a dump has it.
 * @VMGUEST_EVENT_TASK: The library's: a task as a dump has it.
 * @VMGUEST_EVENT_SYNC_END: The library's: that was everything.
 *
 * The module's have the numbers of its netlink commands.
 */
enum vmguest_event_type {
	VMGUEST_EVENT_VM_APPEARED	= VMGUEST_CMD_VM_APPEARED,
	VMGUEST_EVENT_VM_REGISTERED	= VMGUEST_CMD_VM_REGISTERED,
	VMGUEST_EVENT_VM_CHANGED	= VMGUEST_CMD_VM_CHANGED,
	VMGUEST_EVENT_VM_AGENT_AVAILABLE = VMGUEST_CMD_VM_AGENT_AVAILABLE,
	VMGUEST_EVENT_VM_AGENT_GONE	= VMGUEST_CMD_VM_AGENT_GONE,
	VMGUEST_EVENT_VM_HEARTBEAT_STOPPED = VMGUEST_CMD_VM_HEARTBEAT_STOPPED,
	VMGUEST_EVENT_VM_HEARTBEAT_BACK	= VMGUEST_CMD_VM_HEARTBEAT_BACK,
	VMGUEST_EVENT_VM_RUNNING	= VMGUEST_CMD_VM_RUNNING,
	VMGUEST_EVENT_VM_GOING_DOWN	= VMGUEST_CMD_VM_GOING_DOWN,
	VMGUEST_EVENT_VM_GONE		= VMGUEST_CMD_VM_GONE,
	VMGUEST_EVENT_VM_LOGOFF		= VMGUEST_CMD_VM_LOGOFF,
	VMGUEST_EVENT_VM_UNREGISTERED	= VMGUEST_CMD_VM_UNREGISTERED,
	VMGUEST_EVENT_TASK_STARTED	= VMGUEST_CMD_TASK_STARTED,
	VMGUEST_EVENT_TASK_STAGE	= VMGUEST_CMD_TASK_STAGE,
	VMGUEST_EVENT_TASK_BLOCKED	= VMGUEST_CMD_TASK_BLOCKED,
	VMGUEST_EVENT_TASK_NOT_CANCELABLE = VMGUEST_CMD_TASK_NOT_CANCELABLE,
	VMGUEST_EVENT_TASK_CHANGED	= VMGUEST_CMD_TASK_CHANGED,
	VMGUEST_EVENT_TASK_SUPERSEDED	= VMGUEST_CMD_TASK_SUPERSEDED,
	VMGUEST_EVENT_TASK_COMPLETED	= VMGUEST_CMD_TASK_COMPLETED,

	VMGUEST_EVENT_OVERRUN		= 256,
	VMGUEST_EVENT_SYNC_BEGIN	= 257,
	VMGUEST_EVENT_VM		= 258,
	VMGUEST_EVENT_TASK		= 259,
	VMGUEST_EVENT_SYNC_END		= 260,
};

/**
 * struct vmguest_cause - Who or what made a VM's event happen
 * @by: enum vmguest_cause_by; what the other members depend on.
 * @verb: enum vmguest_verb of the task, 0 when it is not known.
 * @task_id: The task, 0 for none.
 * @actor: Who started the task, or made the call; a pid of 0 for nobody.
 * @reason: The reason that was given for the task, empty for none.
 */
struct vmguest_cause {
	uint32_t by;
	uint32_t verb;
	uint64_t task_id;
	struct vmguest_actor actor;
	char reason[VMGUEST_TEXT_SIZE];
};

/**
 * struct vmguest_event - Something that happened, or an entry of a dump
 * @type: enum vmguest_event_type.
 * @blockers: How many @blocker points at, 0 to 16.
 * @seq: Number of the event among all of the family; of an entry of a dump, the
 *	number of the newest event that is in it, 0 for none.
 * @group_seq: Number of the event in its group; 0 in a dump.
 * @time_ns: When; 0 in a dump.
 * @lost: Of an overrun, how many events of a group are missing; 0 when the
 *	kernel has only said that some are.
 * @vm: The VM; NULL in events of tasks. Members that the message does not have
 *	are 0: only dumps have frames, heartbeats and the last task.
 * @task: The task; NULL in events of VMs. Only dumps have the times of stages
 *	and the joiners by name.
 * @blocker: Those in the way, the guest's word: of a dump all, of a
 *	TASK_BLOCKED the new one; NULL for nobody.
 * @cause: Who or what did it; events of VMs only.
 * @changed: Of VM_CHANGED, enum vmguest_vm_set_what; 0 when a guest that had
 *	appeared was registered.
 * @end: Of VM_GOING_DOWN, how the guest says that it ends: 1 poweroff, 2
 *	reboot, 3 halt, 0 not said yet.
 * @logoff: Of VM_LOGOFF, enum vmguest_logoff_type.
 * @targeted: Of VM_LOGOFF, sessions that were to end; 0 when the guest's users
 *	did it by themselves.
 * @ended: Of VM_LOGOFF, sessions that ended.
 * @left: Of VM_LOGOFF, sessions that are left.
 * @who: Of VM_LOGOFF, whose sessions; the guest's word, empty when not said.
 *
 * The library's own events have only those members that are named there.
 */
struct vmguest_event {
	uint32_t type;
	uint32_t blockers;
	uint64_t seq;
	uint64_t group_seq;
	uint64_t time_ns;
	uint64_t lost;
	const struct vmguest_vm_get *vm;
	const struct vmguest_task_get *task;
	const struct vmguest_task_blocker *blocker;
	struct vmguest_cause cause;
	uint32_t changed;
	uint32_t end;
	uint32_t logoff;
	uint32_t targeted;
	uint32_t ended;
	uint32_t left;
	char who[VMGUEST_TEXT_SIZE];
};

/**
 * vmguest_event_fn - What is called for each event
 * @event: The event.
 * @context: As given with the function.
 *
 * It may call any function with this monitor but vmguest_monitor_close() and
 * vmguest_monitor_dispatch().
 *
 * Return: 0 to go on, a negative value to stop with it.
 */
typedef int vmguest_event_fn(const struct vmguest_event *event, void *context);

/* monitor.c: listening */

/**
 * vmguest_monitor_open() - Begin to listen
 * @groups: enum vmguest_monitor_groups. 0 to listen to nothing: for dumps
 *	and counters.
 * @monitor: Out, the monitor; NULL when it fails.
 *
 * Events from now on are kept for vmguest_monitor_dispatch(), as many as fit
 * into the socket's buffer.
 *
 * Return: 0 or a negative errno: -ENOENT there is no such family, because the
 * module is not loaded or this is not the initial network namespace, -EPERM
 * @groups is not 0 and CAP_SYS_ADMIN is missing, -EINVAL, -ENOMEM, -EMFILE,
 * -ENFILE.
 */
int vmguest_monitor_open(unsigned int groups, struct vmguest_monitor **monitor);

/**
 * vmguest_monitor_close() - Stop listening
 * @monitor: The monitor, or NULL.
 */
void vmguest_monitor_close(struct vmguest_monitor *monitor);

/**
 * vmguest_monitor_fd() - The fd to poll
 * @monitor: The monitor.
 *
 * With POLLIN or POLLERR there is something for vmguest_monitor_dispatch(). It
 * stays the monitor's.
 *
 * Return: an fd.
 */
int vmguest_monitor_fd(const struct vmguest_monitor *monitor);

/**
 * vmguest_monitor_set_buffer() - Say how many events may wait
 * @monitor: The monitor.
 * @bytes: Size of the socket's buffer, at least 2048; the kernel doubles it. An
 *	event takes about 2500. Without CAP_NET_ADMIN net.core.rmem_max is the
 *	limit.
 *
 * Without this call it is 4 MiB.
 *
 * Return: 0 or a negative errno.
 */
int vmguest_monitor_set_buffer(struct vmguest_monitor *monitor,
			       unsigned int bytes);

/**
 * vmguest_monitor_filter() - Tell only of some VMs
 * @monitor: The monitor.
 * @vm: One that is wanted, and its tasks; it need not exist yet. A name stands
 *	for every VM that has it, a CID likewise.
 *
 * With each call there is one more; without any all VMs are told of. Holds for
 * events and dumps.
 *
 * Return: 0 or a negative errno: -EINVAL when not exactly one member of @vm is
 * given, -ENOMEM.
 */
int vmguest_monitor_filter(struct vmguest_monitor *monitor,
			   const struct vmguest_vm_ref *vm);

/**
 * vmguest_monitor_dispatch() - Take what has happened, without waiting
 * @monitor: The monitor.
 * @tell: Called for each event, in the order in which they happened.
 * @context: For @tell.
 *
 * Some hundred events at a time: while there is more the fd stays readable.
 *
 * A loss is told as %VMGUEST_EVENT_OVERRUN where it is noticed: when the kernel
 * says so (ENOBUFS), before the events that were still kept; and when a number
 * of a group is missing. Who resyncs at the first is not told of the second.
 *
 * Return: the number of events taken, what @tell stopped it with, or a
 * negative errno.
 */
int vmguest_monitor_dispatch(struct vmguest_monitor *monitor,
			     vmguest_event_fn *tell, void *context);

/* dump.c: what there is */

/**
 * vmguest_monitor_dump() - Tell what there is now
 * @monitor: The monitor.
 * @groups: enum vmguest_monitor_groups: %VMGUEST_EVENT_VM for each VM by
 *	ascending id, then %VMGUEST_EVENT_TASK for each task that runs or is
 *	kept, likewise. What the caller may not read is left out.
 * @tell: Called for each.
 * @context: For @tell.
 *
 * A dump during which VMs or tasks came or went is not told but done again, up
 * to 32 times: what is told was there at one moment.
 *
 * Return: 0, what @tell stopped it with, or a negative errno and nothing was
 * told: -EAGAIN interrupted each time, -ENOENT the module is not loaded,
 * -EINVAL, -ENOMEM.
 */
int vmguest_monitor_dump(struct vmguest_monitor *monitor, unsigned int groups,
			 vmguest_event_fn *tell, void *context);

/**
 * vmguest_monitor_resync() - Know everything, at the start or after a loss
 * @monitor: The monitor, which listens.
 * @tell: Called with %VMGUEST_EVENT_SYNC_BEGIN, the entries of one dump of each
 *	group that it listens to, and %VMGUEST_EVENT_SYNC_END.
 * @context: For @tell.
 *
 * From then on vmguest_monitor_dispatch() tells exactly those events that are
 * not in the entries, and none of what was gone before. Those that were waiting
 * are dropped: the dumps are newer.
 *
 * Return: 0, what @tell stopped it with, or a negative errno and nothing was
 * told: as vmguest_monitor_dump(), -EAGAIN also when events come faster than
 * they can be dropped, -EINVAL when it listens to nothing. Events may have been
 * dropped then: try again.
 */
int vmguest_monitor_resync(struct vmguest_monitor *monitor,
			   vmguest_event_fn *tell, void *context);

#define VMGUEST_STATS_RESULTS	16

/**
 * struct vmguest_stats - Counters of the whole host since the module was loaded
 * @size: sizeof(struct vmguest_stats), set by the caller.
 * @vms: VMs that there are, those that are gone but readable included.
 * @channels: Connections that there are.
 * @reserved: 0.
 * @frames_in: Frames received from guests.
 * @frames_out: Frames sent to guests.
 * @malformed: Connections that were closed for what they sent.
 * @refused: Connections that were refused.
 * @events: Number of the newest event; events nobody listens to have none.
 * @events_dropped: Events that were lost for want of memory.
 * @tasks: Tasks that ended, PINGs included, by enum vmguest_result.
 */
struct vmguest_stats {
	uint32_t size;
	uint32_t vms;
	uint32_t channels;
	uint32_t reserved;
	uint64_t frames_in;
	uint64_t frames_out;
	uint64_t malformed;
	uint64_t refused;
	uint64_t events;
	uint64_t events_dropped;
	uint64_t tasks[VMGUEST_STATS_RESULTS];
};

/**
 * vmguest_monitor_stats() - Read the counters
 * @monitor: The monitor.
 * @stats: Out; its size is set by the caller.
 *
 * Return: 0 or a negative errno: -EPERM without CAP_SYS_ADMIN, -ENOENT the
 * module is not loaded, -EINVAL, -ENOMEM.
 */
int vmguest_monitor_stats(struct vmguest_monitor *monitor,
			  struct vmguest_stats *stats);

/* names.c: words */

/**
 * vmguest_event_name() - Name an event
 * @type: enum vmguest_event_type.
 *
 * Return: a word such as "task-started", "?" for an unknown number; so do the
 * following.
 */
const char *vmguest_event_name(uint32_t type);

/**
 * vmguest_cause_name() - Name a kind of cause
 * @by: enum vmguest_cause_by.
 *
 * Return: a word such as "guest".
 */
const char *vmguest_cause_name(uint32_t by);

/**
 * vmguest_end_name() - Name the way in which a guest ends
 * @end: As in &vmguest_event.end.
 *
 * Return: "poweroff", "reboot" or "halt".
 */
const char *vmguest_end_name(uint32_t end);

/**
 * vmguest_logoff_name() - Name a type of logoff
 * @logoff: enum vmguest_logoff_type.
 *
 * Return: "normal", "forced" or "external".
 */
const char *vmguest_logoff_name(uint32_t logoff);

/**
 * vmguest_set_name() - Name a bit of enum vmguest_vm_set_what
 * @bit: Number of the bit, 0 and up.
 *
 * Return: a word such as "mode", NULL for an unknown bit.
 */
const char *vmguest_set_name(unsigned int bit);

#ifdef __cplusplus
}
#endif

#endif /* LIBVMGUEST_MONITOR_H */
