/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * /dev/vmguest: graceful control of guest operating systems.
 *
 * Every call takes one struct whose first member is its size, so that both
 * sides can grow it: a shorter struct than the kernel's is filled up with
 * zeroes, a longer one is accepted while the part that the kernel does not
 * know is zero. Ioctl numbers carry no size and never change.
 *
 * An errno of a call means that the request was not handed over: the guest
 * was sent nothing and no state has changed. What the guest answers is the
 * result of the task, never an errno of the call.
 *
 * Errno vocabulary of all calls:
 *
 *   EFAULT      a pointer is bad (E_POINTER)
 *   EINVAL      an argument is out of range, a reserved field or an unknown
 *               flag is set, or @size is below the struct's first version
 *               (E_INVALIDARG)
 *   E2BIG       bytes that this kernel does not know are not zero
 *   ENOTTY      unknown ioctl number
 *   EOPNOTSUPP  a part of the interface that VMGUEST_GET_API does not
 *               advertise, or a verb that the guest's agent does not offer
 *               (VM_E_ADDITIONS_FEATURE_NOT_AVAIL)
 *   ENOMEM      no memory (VM_E_OUT_OF_RESOURCE)
 *   EMFILE, ENFILE  no file descriptor for the task or group fd
 *   EPERM       the call needs CAP_SYS_ADMIN in the initial user namespace
 *   EACCES      the VM's mode does not grant the access (ERROR_ACCESS_DENIED);
 *               callers without CAP_SYS_ADMIN get it for VMs and tasks that
 *               do not exist, too, so that a name cannot be guessed
 *   ENOENT      no such VM or task (VM_E_VM_UNKNOWN)
 *   EHOSTDOWN   the VM does not run (VM_E_VM_NOT_RUNNING)
 *   EAGAIN      the VM is marked as paused (VM_E_VM_PAUSED)
 *   ENOTCONN    the VM may run, but its agent is not connected
 *               (VM_E_ADDITIONS_NOT_AVAIL)
 *   EINPROGRESS the same verb already runs; its task id is returned
 *   EBUSY       a request that does not give way runs; its id is returned
 *   ESHUTDOWN   the module is going away (VM_E_APP_SHUTTING_DOWN); an open
 *               /dev/vmguest keeps the module, so no call returns it today
 *
 * EHOSTDOWN, EAGAIN, ENOTCONN, EOPNOTSUPP, EINPROGRESS and EBUSY are told at
 * once; no call waits for a guest.
 */
#ifndef _UAPI_LINUX_VMGUEST_H
#define _UAPI_LINUX_VMGUEST_H

#include <linux/const.h>
#include <linux/ioctl.h>
#include <linux/types.h>

#define VMGUEST_API_VERSION	1

/* Sizes of the text members, the terminating NUL included. */
#define VMGUEST_NAME_SIZE	128
#define VMGUEST_TEXT_SIZE	128
#define VMGUEST_INFO_SIZE	64

#define VMGUEST_IOC_MAGIC	0xD7

/**
 * enum vmguest_access - Bits of a VM's mode, per owner, group and other
 * @VMGUEST_MAY_CONTROL: Shut down, restart, log off, ping, cancel.
 * @VMGUEST_MAY_WRITE: Change or end the registration.
 * @VMGUEST_MAY_READ: See the VM and its tasks.
 *
 * The three groups of bits are laid out as in a file's mode, 0777 at most.
 */
enum vmguest_access {
	VMGUEST_MAY_CONTROL	= 1,
	VMGUEST_MAY_WRITE	= 2,
	VMGUEST_MAY_READ	= 4,
};

/**
 * enum vmguest_features - Parts of the interface that this module supports
 * @VMGUEST_FEATURE_FORCE: %VMGUEST_REQ_FORCE.
 * @VMGUEST_FEATURE_JOIN: %VMGUEST_REQ_JOIN.
 * @VMGUEST_FEATURE_QUEUE: %VMGUEST_REQ_QUEUE.
 * @VMGUEST_FEATURE_CANCEL_ON_CLOSE: %VMGUEST_REQ_CANCEL_ON_CLOSE.
 * @VMGUEST_FEATURE_NO_DEADLINE: %VMGUEST_REQ_NO_DEADLINE.
 * @VMGUEST_FEATURE_UNTIL: Another proof than the default in
 *	&vmguest_request.until.
 * @VMGUEST_FEATURE_FORCE_AFTER: &vmguest_request.force_after_ms.
 * @VMGUEST_FEATURE_LIFELINE: &vmguest_vm_register.lifeline_fd.
 * @VMGUEST_FEATURE_SCOPE: Another scope than %VMGUEST_SCOPE_ALL in
 *	&vmguest_request.scope.
 * @VMGUEST_FEATURE_GRACE: &vmguest_request.grace_ms and
 *	&vmguest_request.delay_ms.
 * @VMGUEST_FEATURE_READ: read() on the task fd, else EINVAL.
 * @VMGUEST_FEATURE_BLOCKERS: VMGUEST_TASK_BLOCKER.
 * @VMGUEST_FEATURE_HEARTBEAT: &vmguest_vm_get.heartbeat_ms is not 0 for guests
 *	that are asked for heartbeats.
 * @VMGUEST_FEATURE_SET: VMGUEST_VM_SET.
 * @VMGUEST_FEATURE_RESPECT_SESSIONS: %VMGUEST_REQ_RESPECT_SESSIONS.
 * @VMGUEST_FEATURE_GROUP: VMGUEST_GROUP_START.
 *
 * What is not advertised is refused with EOPNOTSUPP.
 */
enum vmguest_features {
	VMGUEST_FEATURE_FORCE		= 1 << 0,
	VMGUEST_FEATURE_JOIN		= 1 << 1,
	VMGUEST_FEATURE_QUEUE		= 1 << 2,
	VMGUEST_FEATURE_CANCEL_ON_CLOSE	= 1 << 3,
	VMGUEST_FEATURE_NO_DEADLINE	= 1 << 4,
	VMGUEST_FEATURE_UNTIL		= 1 << 5,
	VMGUEST_FEATURE_FORCE_AFTER	= 1 << 6,
	VMGUEST_FEATURE_LIFELINE	= 1 << 7,
	VMGUEST_FEATURE_SCOPE		= 1 << 8,
	VMGUEST_FEATURE_GRACE		= 1 << 9,
	VMGUEST_FEATURE_READ		= 1 << 10,
	VMGUEST_FEATURE_BLOCKERS	= 1 << 11,
	VMGUEST_FEATURE_HEARTBEAT	= 1 << 12,
	VMGUEST_FEATURE_SET		= 1 << 13,
	VMGUEST_FEATURE_RESPECT_SESSIONS = 1 << 14,
	VMGUEST_FEATURE_GROUP		= 1 << 15,
};

/**
 * enum vmguest_capabilities - What a guest's agent offers
 * @VMGUEST_CAP_SHUTDOWN: Power the guest off.
 * @VMGUEST_CAP_RESTART: Reboot the guest.
 * @VMGUEST_CAP_LOGOFF: End the sessions of the guest's users.
 * @VMGUEST_CAP_FORCE: Honours FORCE: a way down that asks nobody.
 * @VMGUEST_CAP_CANCEL: Honours a cancel until it has committed itself.
 * @VMGUEST_CAP_LAST_BREATH: Says so when the guest is about to end. Without
 *	it the way a guest ended cannot be proven, see
 *	%VMGUEST_TASK_CLEAN_UNKNOWN.
 * @VMGUEST_CAP_NOTICE: Says so when the guest goes down, or users are logged
 *	off, by itself.
 * @VMGUEST_CAP_RESPECT_SESSIONS: Honours %VMGUEST_REQ_RESPECT_SESSIONS.
 * @VMGUEST_CAP_SESSIONS: Says so when the number of its users' sessions, or of
 *	those that are locked, changes.
 */
enum vmguest_capabilities {
	VMGUEST_CAP_SHUTDOWN	= 1 << 0,
	VMGUEST_CAP_RESTART	= 1 << 1,
	VMGUEST_CAP_LOGOFF	= 1 << 2,
	VMGUEST_CAP_FORCE	= 1 << 3,
	VMGUEST_CAP_CANCEL	= 1 << 4,
	VMGUEST_CAP_LAST_BREATH	= 1 << 5,
	VMGUEST_CAP_NOTICE	= 1 << 6,
	VMGUEST_CAP_RESPECT_SESSIONS = 1 << 7,
	VMGUEST_CAP_SESSIONS	= 1 << 8,
};

/**
 * struct vmguest_get_api - Argument of VMGUEST_GET_API
 * @size: sizeof(struct vmguest_get_api).
 * @flags: In, must be 0.
 * @version: Out, %VMGUEST_API_VERSION of the module.
 * @vsock_port: Out, the AF_VSOCK port that the module listens on.
 * @features: Out, enum vmguest_features.
 * @instance: Out, random 128-bit id of this load of the module. VM and task
 *	ids have a meaning only together with it.
 *
 * Errnos: those that all calls share.
 */
struct vmguest_get_api {
	__u32 size;
	__u32 flags;
	__u32 version;
	__u32 vsock_port;
	__aligned_u64 features;
	__u8 instance[16];
};

#define VMGUEST_GET_API		_IO(VMGUEST_IOC_MAGIC, 0x00)

/**
 * struct vmguest_vm_register - Argument of VMGUEST_VM_REGISTER
 * @size: sizeof(struct vmguest_vm_register).
 * @flags: In, must be 0.
 * @cid: In, the VM's AF_VSOCK context id, 3 to 0xfffffffe; 1 (loopback) only
 *	when the module parameter allow_loopback is set.
 * @uid: In, the owner, in the caller's user namespace.
 * @gid: In, the owning group, in the caller's user namespace.
 * @mode: In, enum vmguest_access for owner, group and other, at most 0777.
 * @lifeline_fd: In, -1, or a pollable fd that becomes readable or hung up
 *	when the VM is gone: a pidfd of the VMM is the natural one. The kernel
 *	holds the file for as long as it watches it.
 * @reserved: Must be 0.
 * @vm_id: In, must be 0; out, the new VM's id.
 * @name: In, 1 to 127 of [A-Za-z0-9._-], the first a letter or a digit,
 *	NUL-terminated, not starting with "cid-". Bytes after the NUL must be 0.
 *
 * A guest that has dialled in already with this CID is adopted, channel and id
 * included.
 *
 * Errnos: EPERM without CAP_SYS_ADMIN. EINVAL for a bad flag, reserved field,
 * CID, uid, gid, mode or name. EEXIST when the name or the CID is taken by a VM
 * that is not gone. Of the lifeline: EBADF not an open fd; EPERM a file that
 * cannot be polled (as epoll_ctl(2) has it); ELOOP an fd of this module;
 * EMLINK a file that waits on more than one queue, or on none; EHOSTDOWN it
 * has fired already.
 */
struct vmguest_vm_register {
	__u32 size;
	__u32 flags;
	__u32 cid;
	__u32 uid;
	__u32 gid;
	__u32 mode;
	__s32 lifeline_fd;
	__u32 reserved;
	__aligned_u64 vm_id;
	char name[VMGUEST_NAME_SIZE];
};

#define VMGUEST_VM_REGISTER	_IO(VMGUEST_IOC_MAGIC, 0x01)

/**
 * enum vmguest_unregister_flags - Flags of VMGUEST_VM_UNREGISTER
 * @VMGUEST_UNREGISTER_ABORT: A running request does not stand in the way: its
 *	task completes as cancelled.
 */
enum vmguest_unregister_flags {
	VMGUEST_UNREGISTER_ABORT	= 1 << 0,
};

/**
 * struct vmguest_vm_unregister - Argument of VMGUEST_VM_UNREGISTER
 * @size: sizeof(struct vmguest_vm_unregister).
 * @flags: In, enum vmguest_unregister_flags.
 * @vm_id: In, id of the VM, or 0 when another member names it.
 * @cid: In, CID of the VM, or 0.
 * @reserved: Must be 0.
 * @name: In, name of the VM, or empty. A name stands for the VM that has it
 *	now, else for the newest one that had it and is gone.
 *
 * Exactly one of @vm_id, @cid and @name is given.
 *
 * Errnos: ENOENT, EACCES without the write bit, EBUSY while a request runs and
 * %VMGUEST_UNREGISTER_ABORT is not given, EINVAL.
 */
struct vmguest_vm_unregister {
	__u32 size;
	__u32 flags;
	__aligned_u64 vm_id;
	__u32 cid;
	__u32 reserved;
	char name[VMGUEST_NAME_SIZE];
};

#define VMGUEST_VM_UNREGISTER	_IO(VMGUEST_IOC_MAGIC, 0x02)

/**
 * enum vmguest_vm_state - State of a VM
 * @VMGUEST_VM_UNKNOWN: Nothing has been seen of it yet, and it has no lifeline.
 * @VMGUEST_VM_RUNNING: Its lifeline holds, or its agent has been heard.
 * @VMGUEST_VM_STOPPING: A shutdown or restart has passed its commit point, or
 *	the guest goes down by itself.
 * @VMGUEST_VM_DOWN: It has no lifeline and its CID left the host. It can come
 *	back.
 * @VMGUEST_VM_GONE: Its lifeline fired. Its name and its CID are free again;
 *	it stays readable by id until it is unregistered or pushed out.
 */
enum vmguest_vm_state {
	VMGUEST_VM_UNKNOWN,
	VMGUEST_VM_RUNNING,
	VMGUEST_VM_STOPPING,
	VMGUEST_VM_DOWN,
	VMGUEST_VM_GONE,
};

/**
 * enum vmguest_vm_flags - What struct vmguest_vm_get says of a VM
 * @VMGUEST_VM_AGENT: Its agent is connected.
 * @VMGUEST_VM_LIFELINE: It was registered with a lifeline.
 * @VMGUEST_VM_UNREGISTERED: Nobody registered it: the guest dialled in by
 *	itself and vanishes when it leaves.
 * @VMGUEST_VM_HEARTBEATING: A heartbeat came within the last three intervals.
 * @VMGUEST_VM_PAUSED: Set by VMGUEST_VM_SET: it cannot act, so that requests and
 *	PINGs are refused with EAGAIN.
 * @VMGUEST_VM_MIGRATING: Set by VMGUEST_VM_SET: when it is gone, it has migrated
 *	away; tasks end with EREMCHG instead of ECONNABORTED.
 */
enum vmguest_vm_flags {
	VMGUEST_VM_AGENT		= 1 << 0,
	VMGUEST_VM_LIFELINE		= 1 << 1,
	VMGUEST_VM_UNREGISTERED		= 1 << 2,
	VMGUEST_VM_HEARTBEATING		= 1 << 3,
	VMGUEST_VM_PAUSED		= 1 << 4,
	VMGUEST_VM_MIGRATING		= 1 << 5,
};

/**
 * enum vmguest_vm_get_flags - Flags of VMGUEST_VM_GET
 * @VMGUEST_VM_GET_NEXT: The VM with the smallest id above @vm_id that the
 *	caller may read. Start with 0; ENOENT ends the list.
 */
enum vmguest_vm_get_flags {
	VMGUEST_VM_GET_NEXT	= 1 << 0,
};

/**
 * struct vmguest_vm_get - Argument of VMGUEST_VM_GET
 * @size: sizeof(struct vmguest_vm_get).
 * @flags: In, enum vmguest_vm_get_flags.
 * @vm_id: In and out, id of the VM, or 0 when another member names it.
 * @cid: In and out, CID of the VM, or 0.
 * @uid: Out, the owner, in the caller's user namespace.
 * @gid: Out, the owning group, in the caller's user namespace.
 * @mode: Out, enum vmguest_access for owner, group and other.
 * @state: Out, enum vmguest_vm_state.
 * @vm_flags: Out, enum vmguest_vm_flags.
 * @task_id: Out, the running request, or 0.
 * @last_task_id: Out, the request that ended last, or 0.
 * @capabilities: Out, enum vmguest_capabilities of the connected agent, 0
 *	without one.
 * @frames_in: Out, frames received from the guest since it was registered.
 * @frames_out: Out, frames sent to the guest since it was registered.
 * @malformed: Out, frames that closed a channel because they were malformed
 *	or out of place.
 * @refused: Out, connections that were refused while another one lived.
 * @heartbeat_ms: Out, interval at which the agent was asked for heartbeats, 0
 *	for none or without an agent.
 * @heartbeat_percent: Out, heartbeats of the last minute (or since the agent
 *	connected, if that is less) in percent of those expected.
 * @locked: Out, how many of @sessions are locked; 0 when the agent does not
 *	offer %VMGUEST_CAP_SESSIONS.
 * @sessions: Out, user sessions in the guest, without that capability at its
 *	last HELLO.
 * @boot_id: Out, the guest's boot id, zero when never heard.
 * @machine_id: Out, the guest's machine id, zero when never heard.
 * @name: In and out, name of the VM.
 * @hostname: Out, the guest's host name.
 * @os_name: Out, the guest's operating system (os-release NAME).
 * @os_version: Out, its version (os-release VERSION_ID).
 * @kernel: Out, its kernel release.
 * @agent_version: Out, version of its agent.
 *
 * Without %VMGUEST_VM_GET_NEXT exactly one of @vm_id, @cid and @name is given;
 * see struct vmguest_vm_unregister for what a name stands for.
 *
 * From @locked on everything but @name is the guest's own word, not to be
 * trusted: texts are capped and stripped of control characters, nothing else.
 * They are kept when the guest disconnects.
 *
 * Errnos: ENOENT, EACCES without the read bit, EINVAL.
 */
struct vmguest_vm_get {
	__u32 size;
	__u32 flags;
	__aligned_u64 vm_id;
	__u32 cid;
	__u32 uid;
	__u32 gid;
	__u32 mode;
	__u32 state;
	__u32 vm_flags;
	__aligned_u64 task_id;
	__aligned_u64 last_task_id;
	__aligned_u64 capabilities;
	__aligned_u64 frames_in;
	__aligned_u64 frames_out;
	__aligned_u64 malformed;
	__aligned_u64 refused;
	__u32 heartbeat_ms;
	__u32 heartbeat_percent;
	__u32 locked;
	__u32 sessions;
	__u8 boot_id[16];
	__u8 machine_id[16];
	char name[VMGUEST_NAME_SIZE];
	char hostname[VMGUEST_INFO_SIZE];
	char os_name[VMGUEST_INFO_SIZE];
	char os_version[VMGUEST_INFO_SIZE];
	char kernel[VMGUEST_INFO_SIZE];
	char agent_version[VMGUEST_INFO_SIZE];
};

#define VMGUEST_VM_GET		_IO(VMGUEST_IOC_MAGIC, 0x03)

/**
 * enum vmguest_request_flags - Flags of a request
 * @VMGUEST_REQ_FORCE: Ask nobody in the guest: inhibitors and users do not
 *	stand in the way. SHUTDOWN, RESTART and LOGOFF.
 * @VMGUEST_REQ_JOIN: When the same verb already runs, return a new fd of its
 *	task instead of EINPROGRESS. The running task keeps its deadline, its
 *	wanted proof and its reason; they are returned in the struct.
 * @VMGUEST_REQ_QUEUE: When the agent is not connected, wait for it until the
 *	deadline instead of ENOTCONN; while a lifeline holds also instead of
 *	EHOSTDOWN, for a VM that starts and has yet to take its CID.
 * @VMGUEST_REQ_CANCEL_ON_CLOSE: Cancel the task when the last fd with this
 *	flag is closed.
 * @VMGUEST_REQ_NO_DEADLINE: No deadline; @deadline_ms must be 0.
 * @VMGUEST_REQ_RESPECT_SESSIONS: Whoever is logged on in the guest stands in the
 *	way: %VMGUEST_BLOCKER_SESSION, or %VMGUEST_BLOCKER_LOCK while the session
 *	is locked. A FORCE overrides them and tells whom. SHUTDOWN and RESTART;
 *	EOPNOTSUPP when the agent does not offer it.
 */
enum vmguest_request_flags {
	VMGUEST_REQ_FORCE		= 1 << 0,
	VMGUEST_REQ_JOIN		= 1 << 1,
	VMGUEST_REQ_QUEUE		= 1 << 2,
	VMGUEST_REQ_CANCEL_ON_CLOSE	= 1 << 3,
	VMGUEST_REQ_NO_DEADLINE		= 1 << 4,
	VMGUEST_REQ_RESPECT_SESSIONS	= 1 << 5,
};

/**
 * enum vmguest_until - The proof at which a task completes
 * @VMGUEST_UNTIL_DEFAULT: GONE for SHUTDOWN; the verb's own proof for the
 *	others.
 * @VMGUEST_UNTIL_ACCEPTED: The agent's word. SHUTDOWN, RESTART and LOGOFF.
 * @VMGUEST_UNTIL_DOWN: The guest's last breath and the end of its channel.
 *	SHUTDOWN only.
 * @VMGUEST_UNTIL_GONE: The last breath, and the VM is gone: its lifeline fired,
 *	or without one its CID left the host. SHUTDOWN only.
 */
enum vmguest_until {
	VMGUEST_UNTIL_DEFAULT,
	VMGUEST_UNTIL_ACCEPTED,
	VMGUEST_UNTIL_DOWN,
	VMGUEST_UNTIL_GONE,
};

/**
 * enum vmguest_scope - Whose sessions a LOGOFF ends
 * @VMGUEST_SCOPE_ALL: Every session of class user.
 * @VMGUEST_SCOPE_UID: Only those of @scope_uid (the guest's uid).
 * @VMGUEST_SCOPE_ALL_BUT_UID: All but those of @scope_uid.
 */
enum vmguest_scope {
	VMGUEST_SCOPE_ALL,
	VMGUEST_SCOPE_UID,
	VMGUEST_SCOPE_ALL_BUT_UID,
};

/**
 * struct vmguest_request - Argument of SHUTDOWN, RESTART, LOGOFF and PING
 * @size: sizeof(struct vmguest_request).
 * @flags: In, enum vmguest_request_flags; PING takes QUEUE, CANCEL_ON_CLOSE and
 *	NO_DEADLINE.
 * @vm_id: In, id of the VM, or 0 when another member names it.
 * @cid: In, CID of the VM, or 0.
 * @until: In, enum vmguest_until; out, what a joined task waits for.
 * @deadline_ms: In, deadline in milliseconds of CLOCK_MONOTONIC from now (time
 *	that the host sleeps does not count); 0 for the module parameter
 *	deadline_ms. Out, of a joined task.
 * @force_after_ms: In, the kernel turns the request into a FORCE this many
 *	milliseconds from now; 0 never. SHUTDOWN, RESTART and LOGOFF without FORCE.
 * @delay_ms: In, announce the request to the guest's users this long before, from
 *	when it is sent on; the deadline includes it. 0 for PING.
 * @grace_ms: In, time for a session to end before it is killed, and to vanish
 *	then (at least 5000); 0 for the agent's own; 0 for other verbs than LOGOFF.
 * @scope: In, enum vmguest_scope; 0 for other verbs than LOGOFF.
 * @scope_uid: In, uid in the guest that @scope refers to, else 0.
 * @task_fd: In, must be 0; out, the new close-on-exec task fd, -1 when the call
 *	failed.
 * @reserved: Must be 0.
 * @task_id: In, must be 0; out, the task's id. With EINPROGRESS and EBUSY: the
 *	task that stands in the way.
 * @name: In, name of the VM, or empty.
 * @reason: In, why, for the guest's and the host's logs; printable UTF-8 without
 *	control characters, NUL-terminated; out, of a joined task.
 *
 * Exactly one of @vm_id, @cid and @name is given; see struct
 * vmguest_vm_unregister for what a name stands for.
 *
 * The output members are valid when the call returns 0, EINPROGRESS or EBUSY.
 * The struct is written before the request is sent: a call that returns
 * EFAULT has sent nothing.
 *
 * One request runs per VM. A stronger one (LOGOFF < RESTART, SHUTDOWN < either
 * with FORCE) supersedes the running one. The same verb again is EINPROGRESS, or
 * joins; without FORCE while the running one has it, it joins or is EBUSY. Any
 * other is EBUSY, a LOGOFF of other users included. PING stands outside of this.
 *
 * Errnos: EINVAL, EOPNOTSUPP, ENOENT, EACCES without the control bit,
 * EHOSTDOWN, ENOTCONN, EINPROGRESS, EBUSY, EMFILE, ENFILE, ENOMEM, ESHUTDOWN.
 */
struct vmguest_request {
	__u32 size;
	__u32 flags;
	__aligned_u64 vm_id;
	__u32 cid;
	__u32 until;
	__u32 deadline_ms;
	__u32 force_after_ms;
	__u32 delay_ms;
	__u32 grace_ms;
	__u32 scope;
	__u32 scope_uid;
	__s32 task_fd;
	__u32 reserved;
	__aligned_u64 task_id;
	char name[VMGUEST_NAME_SIZE];
	char reason[VMGUEST_TEXT_SIZE];
};

#define VMGUEST_SHUTDOWN	_IO(VMGUEST_IOC_MAGIC, 0x04)
#define VMGUEST_RESTART		_IO(VMGUEST_IOC_MAGIC, 0x05)
#define VMGUEST_LOGOFF		_IO(VMGUEST_IOC_MAGIC, 0x06)
#define VMGUEST_PING		_IO(VMGUEST_IOC_MAGIC, 0x07)

/**
 * struct vmguest_task_open - Argument of VMGUEST_TASK_OPEN
 * @size: sizeof(struct vmguest_task_open).
 * @flags: In, must be 0.
 * @task_id: In, id of the task; ended tasks can be opened for as long as their
 *	VM keeps them.
 * @task_fd: In, must be 0; out, a new close-on-exec fd of the task.
 * @reserved: Must be 0.
 *
 * Errnos: ENOENT, EACCES without the VM's read bit, EINVAL, EMFILE, ENFILE,
 * ENOMEM.
 */
struct vmguest_task_open {
	__u32 size;
	__u32 flags;
	__aligned_u64 task_id;
	__s32 task_fd;
	__u32 reserved;
};

#define VMGUEST_TASK_OPEN	_IO(VMGUEST_IOC_MAGIC, 0x08)

/**
 * enum vmguest_vm_set_what - What VMGUEST_VM_SET changes
 * @VMGUEST_SET_OWNER: &vmguest_vm_set.uid and &vmguest_vm_set.gid.
 * @VMGUEST_SET_MODE: &vmguest_vm_set.mode.
 * @VMGUEST_SET_CID: &vmguest_vm_set.new_cid.
 * @VMGUEST_SET_LIFELINE: &vmguest_vm_set.lifeline_fd.
 * @VMGUEST_SET_PAUSED: %VMGUEST_VM_PAUSED as in &vmguest_vm_set.vm_flags.
 * @VMGUEST_SET_MIGRATING: %VMGUEST_VM_MIGRATING likewise.
 */
enum vmguest_vm_set_what {
	VMGUEST_SET_OWNER	= 1 << 0,
	VMGUEST_SET_MODE	= 1 << 1,
	VMGUEST_SET_CID		= 1 << 2,
	VMGUEST_SET_LIFELINE	= 1 << 3,
	VMGUEST_SET_PAUSED	= 1 << 4,
	VMGUEST_SET_MIGRATING	= 1 << 5,
};

/**
 * struct vmguest_vm_set - Argument of VMGUEST_VM_SET
 * @size: sizeof(struct vmguest_vm_set).
 * @flags: In, must be 0.
 * @vm_id: In, id of the VM, or 0 when another member names it.
 * @cid: In, CID of the VM, or 0.
 * @what: In, enum vmguest_vm_set_what; not 0.
 * @name: In, name of the VM, or empty.
 * @uid: In, the new owner, in the caller's user namespace.
 * @gid: In, the new owning group.
 * @mode: In, enum vmguest_access for owner, group and other, 0 to 0777.
 * @new_cid: In, the new CID, as in &vmguest_vm_register.cid. A guest that has
 *	dialled in with it already and that nobody registered has to do so again.
 * @lifeline_fd: In, the new lifeline, as in &vmguest_vm_register.lifeline_fd, or
 *	-1 for none.
 * @vm_flags: In, those of %VMGUEST_VM_PAUSED and %VMGUEST_VM_MIGRATING that are
 *	to be on.
 *
 * Exactly one of @vm_id, @cid and @name is given; see struct
 * vmguest_vm_unregister for what a name stands for. The members that @what does
 * not name must be 0. All is changed, or nothing.
 *
 * A running task goes on and ends by the new rules.
 *
 * Errnos: ENOENT; EACCES without the write bit; EPERM for anything but
 * %VMGUEST_SET_PAUSED and %VMGUEST_SET_MIGRATING without CAP_SYS_ADMIN; EINVAL,
 * also for a VM that nobody registered; EHOSTDOWN for a VM that is gone; EEXIST
 * when the CID belongs to a registered VM that is not gone; EBUSY for a new CID
 * while a task runs or a connection with the old one stands; of the lifeline as
 * in struct vmguest_vm_register; ENOMEM.
 */
struct vmguest_vm_set {
	__u32 size;
	__u32 flags;
	__aligned_u64 vm_id;
	__u32 cid;
	__u32 what;
	char name[VMGUEST_NAME_SIZE];
	__u32 uid;
	__u32 gid;
	__u32 mode;
	__u32 new_cid;
	__s32 lifeline_fd;
	__u32 vm_flags;
};

#define VMGUEST_VM_SET		_IO(VMGUEST_IOC_MAGIC, 0x09)

/* Requests in one group. */
#define VMGUEST_GROUP_MAX	16384

/**
 * struct vmguest_group_member - One request of a group
 * @vm_id: In, id of the VM, or 0 when another member names it.
 * @cid: In, CID of the VM, or 0.
 * @verb: In, enum vmguest_verb.
 * @flags: In, enum vmguest_request_flags; the group's fd counts as one of the
 *	task's fds with %VMGUEST_REQ_CANCEL_ON_CLOSE.
 * @until: In, as in struct vmguest_request.
 * @deadline_ms: In, likewise, but counted from this member's own start.
 * @force_after_ms: In, likewise.
 * @delay_ms: In, as in struct vmguest_request.
 * @grace_ms: In, as in struct vmguest_request.
 * @scope: In, as in struct vmguest_request.
 * @scope_uid: In, as in struct vmguest_request.
 * @order: In, any number. It starts when no member with a lower one is left: each
 *	has ended, could not be started, or is past its deadline.
 * @reserved: Must be 0.
 * @name: In, name of the VM, or empty.
 *
 * Exactly one of @vm_id, @cid and @name is given.
 */
struct vmguest_group_member {
	__aligned_u64 vm_id;
	__u32 cid;
	__u32 verb;
	__u32 flags;
	__u32 until;
	__u32 deadline_ms;
	__u32 force_after_ms;
	__u32 delay_ms;
	__u32 grace_ms;
	__u32 scope;
	__u32 scope_uid;
	__u32 order;
	__u32 reserved;
	char name[VMGUEST_NAME_SIZE];
};

/**
 * struct vmguest_group_start - Argument of VMGUEST_GROUP_START
 * @size: sizeof(struct vmguest_group_start).
 * @flags: In, must be 0.
 * @members: In, address of an array of struct vmguest_group_member.
 * @count: In, how many there are, 1 to %VMGUEST_GROUP_MAX.
 * @member_size: In, sizeof(struct vmguest_group_member); it grows as @size does.
 * @record_size: In, sizeof(struct vmguest_group_record), how long each record is
 *	that read() returns. What the kernel does not know in it is 0; what it
 *	knows and the caller does not is left out.
 * @parallel: In, how many members may run at once, 0 for any number.
 * @group_fd: In, must be 0; out, a new close-on-exec fd of the group.
 * @reserved: Must be 0.
 * @reason: In, as in struct vmguest_request, for all members.
 *
 * Members start by ascending @order, within one in the order of the array. Each
 * has one record, see struct vmguest_group_record, also when it could not be
 * started: that is never an errno of this call.
 *
 * Whether the caller may control a VM is decided now, with the credentials of
 * this call, also for members that start later. What stands in the way of a
 * request in its VM is decided when it starts.
 *
 * When the group's last fd is closed, members that have not started never will.
 * Those that run go on, but for %VMGUEST_REQ_CANCEL_ON_CLOSE.
 *
 * Errnos: EINVAL for anything out of range in this struct or in any member, and
 * nothing has started; E2BIG; EFAULT; EMFILE, ENFILE, ENOMEM.
 */
struct vmguest_group_start {
	__u32 size;
	__u32 flags;
	__aligned_u64 members;
	__u32 count;
	__u32 member_size;
	__u32 record_size;
	__u32 parallel;
	__s32 group_fd;
	__u32 reserved;
	char reason[VMGUEST_TEXT_SIZE];
};

#define VMGUEST_GROUP_START	_IO(VMGUEST_IOC_MAGIC, 0x0a)

/**
 * enum vmguest_record_flags - What became of a member of a group
 * @VMGUEST_RECORD_STARTED: It was handed over: what the record says is said of its
 *	task. Without this bit nothing was sent to the guest, and
 *	&vmguest_group_record.error is the errno of the call that it would have
 *	been.
 * @VMGUEST_RECORD_JOINED: Its task ran already.
 */
enum vmguest_record_flags {
	VMGUEST_RECORD_STARTED	= 1 << 0,
	VMGUEST_RECORD_JOINED	= 1 << 1,
};

/**
 * struct vmguest_group_record - What read() on a group fd returns
 * @task_id: Id of its task; of one that did not start for EINPROGRESS or EBUSY,
 *	the task in the way; else 0.
 * @vm_id: Id of its VM; 0 when the call found none that the caller may control.
 * @superseded_by: Id of the stronger task, or 0.
 * @start_ns: CLOCK_MONOTONIC at which it started or joined, 0 for neither.
 * @end_ns: CLOCK_MONOTONIC at which it ended.
 * @index: Its place in the array, from 0.
 * @verb: enum vmguest_verb.
 * @record_flags: enum vmguest_record_flags.
 * @task_flags: enum vmguest_task_flags, 0 when it did not start.
 * @stage: enum vmguest_stage.
 * @proofs: enum vmguest_proofs.
 * @result: enum vmguest_result.
 * @error: 0 or the negative errno of the result, or why it did not start.
 * @targeted: Sessions that a LOGOFF was to end.
 * @ended: Those that ended.
 * @left: Those that are left.
 * @until: enum vmguest_until of its task.
 *
 * A member that has joined is given up at its own deadline, while its task goes
 * on: TIMEOUT / ETIMEDOUT without %VMGUEST_TASK_COMPLETE.
 *
 * read() returns as many whole records as there are and as fit, the first that
 * ended first. It waits for one (EAGAIN with O_NONBLOCK), and returns 0 when all
 * have been read. A buffer below &vmguest_group_start.record_size is EINVAL.
 * poll() has POLLIN while a record waits, and POLLHUP when all have been read.
 */
struct vmguest_group_record {
	__aligned_u64 task_id;
	__aligned_u64 vm_id;
	__aligned_u64 superseded_by;
	__aligned_u64 start_ns;
	__aligned_u64 end_ns;
	__u32 index;
	__u32 verb;
	__u32 record_flags;
	__u32 task_flags;
	__u32 stage;
	__u32 proofs;
	__u32 result;
	__s32 error;
	__u32 targeted;
	__u32 ended;
	__u32 left;
	__u32 until;
};

/* 0x0b to 0x0f: later calls on /dev/vmguest. */

/**
 * enum vmguest_verb - What a task asks of the guest
 * @VMGUEST_VERB_SHUTDOWN: Shut down and power off.
 * @VMGUEST_VERB_RESTART: Reboot.
 * @VMGUEST_VERB_LOGOFF: Log users off.
 * @VMGUEST_VERB_PING: Answer.
 */
enum vmguest_verb {
	VMGUEST_VERB_SHUTDOWN	= 1,
	VMGUEST_VERB_RESTART	= 2,
	VMGUEST_VERB_LOGOFF	= 3,
	VMGUEST_VERB_PING	= 4,
};

/**
 * enum vmguest_stage - How far a task has come; it only goes forward
 * @VMGUEST_STAGE_QUEUED: The request waits for the agent or its socket.
 * @VMGUEST_STAGE_SENT: The guest's socket took it.
 * @VMGUEST_STAGE_ACCEPTED: The agent took it.
 * @VMGUEST_STAGE_BLOCKED: Something in the guest stands in the way.
 * @VMGUEST_STAGE_STOPPING: The guest passed its commit point.
 * @VMGUEST_STAGE_LAST_BREATH: The guest said that it is about to end.
 * @VMGUEST_STAGE_CHANNEL_DOWN: Then its channel closed.
 * @VMGUEST_STAGE_VM_GONE: The VM is gone.
 */
enum vmguest_stage {
	VMGUEST_STAGE_QUEUED,
	VMGUEST_STAGE_SENT,
	VMGUEST_STAGE_ACCEPTED,
	VMGUEST_STAGE_BLOCKED,
	VMGUEST_STAGE_STOPPING,
	VMGUEST_STAGE_LAST_BREATH,
	VMGUEST_STAGE_CHANNEL_DOWN,
	VMGUEST_STAGE_VM_GONE,
};

#define VMGUEST_STAGE_COUNT	8

/**
 * enum vmguest_proofs - What was seen while a task ran
 * @VMGUEST_PROOF_ACCEPTED: The agent accepted the request.
 * @VMGUEST_PROOF_COMMITTED: The guest passed its commit point.
 * @VMGUEST_PROOF_LAST_BREATH: The guest's last breath, naming this task.
 * @VMGUEST_PROOF_CHANNEL_DOWN: The channel ended after the last breath, or the
 *	host side of the transport went away.
 * @VMGUEST_PROOF_VM_GONE: The lifeline fired, or without one the CID left the
 *	host.
 * @VMGUEST_PROOF_NEW_BOOT: The VM said HELLO with a new boot id.
 * @VMGUEST_PROOF_SESSIONS_ENDED: The agent saw every targeted session end.
 * @VMGUEST_PROOF_PONG: The agent answered a PING.
 */
enum vmguest_proofs {
	VMGUEST_PROOF_ACCEPTED		= 1 << 0,
	VMGUEST_PROOF_COMMITTED		= 1 << 1,
	VMGUEST_PROOF_LAST_BREATH	= 1 << 2,
	VMGUEST_PROOF_CHANNEL_DOWN	= 1 << 3,
	VMGUEST_PROOF_VM_GONE		= 1 << 4,
	VMGUEST_PROOF_NEW_BOOT		= 1 << 5,
	VMGUEST_PROOF_SESSIONS_ENDED	= 1 << 6,
	VMGUEST_PROOF_PONG		= 1 << 7,
};

/**
 * enum vmguest_result - VMTaskResult, with the numbers of the original
 * @VMGUEST_RESULT_SUCCESS: The wanted proof was seen.
 * @VMGUEST_RESULT_CANCELLED: Cancelled (ECANCELED), or superseded by a stronger
 *	request (ECANCELED and &vmguest_task_get.superseded_by).
 * @VMGUEST_RESULT_UNEXPECTED_ERROR: The error tells: ECONNABORTED the guest came
 *	to another end than the one asked for, the proofs say which; EOPNOTSUPP
 *	the agent does not offer the verb; ESRCH nobody is logged on; EIO the
 *	agent failed; ENOTCONN the agent went away under a PING.
 * @VMGUEST_RESULT_OUT_OF_MEMORY: The guest ran out of memory (ENOMEM).
 * @VMGUEST_RESULT_DISK_RELATED: Never produced here.
 * @VMGUEST_RESULT_INCOMPATIBLE_SAVED_STATE: Never produced here.
 * @VMGUEST_RESULT_TIMEOUT: The deadline passed (ETIMEDOUT); before the commit
 *	point this also means that the guest will not act any more. A task that
 *	is blocked then ends as SHUTDOWN_ABORT with EBUSY.
 * @VMGUEST_RESULT_ILLEGAL_VALUE: The agent could not make sense of the request
 *	(EINVAL).
 * @VMGUEST_RESULT_THREAD_CRASH: Never produced here.
 * @VMGUEST_RESULT_SHUTDOWN_ABORT: The guest refused: EACCES by its own rules,
 *	EBUSY blocked by somebody, EINPROGRESS it was going down already, EAGAIN
 *	it was not ready.
 */
enum vmguest_result {
	VMGUEST_RESULT_SUCCESS			= 0,
	VMGUEST_RESULT_CANCELLED		= 1,
	VMGUEST_RESULT_UNEXPECTED_ERROR		= 2,
	VMGUEST_RESULT_OUT_OF_MEMORY		= 3,
	VMGUEST_RESULT_DISK_RELATED		= 4,
	VMGUEST_RESULT_INCOMPATIBLE_SAVED_STATE	= 5,
	VMGUEST_RESULT_TIMEOUT			= 6,
	VMGUEST_RESULT_ILLEGAL_VALUE		= 7,
	VMGUEST_RESULT_THREAD_CRASH		= 8,
	VMGUEST_RESULT_SHUTDOWN_ABORT		= 9,
};

/**
 * enum vmguest_task_flags - State of a task
 * @VMGUEST_TASK_COMPLETE: It has ended; nothing will change any more.
 * @VMGUEST_TASK_CANCELABLE: It can still be cancelled.
 * @VMGUEST_TASK_FORCE: It runs as a FORCE.
 * @VMGUEST_TASK_ESCALATED: @force_after_ms has passed; it is a FORCE now, if
 *	its agent has one.
 * @VMGUEST_TASK_CLEAN_UNKNOWN: It ended in success, but the agent never offered
 *	a last breath: whether the guest ended cleanly cannot be known.
 * @VMGUEST_TASK_VM_UNREGISTERED: Its VM is no longer registered.
 * @VMGUEST_TASK_RESENT: The agent came back and was told the request again.
 */
enum vmguest_task_flags {
	VMGUEST_TASK_COMPLETE		= 1 << 0,
	VMGUEST_TASK_CANCELABLE		= 1 << 1,
	VMGUEST_TASK_FORCE		= 1 << 2,
	VMGUEST_TASK_ESCALATED		= 1 << 3,
	VMGUEST_TASK_CLEAN_UNKNOWN	= 1 << 4,
	VMGUEST_TASK_VM_UNREGISTERED	= 1 << 5,
	VMGUEST_TASK_RESENT		= 1 << 6,
};

/**
 * struct vmguest_actor - Who did something to a task
 * @uid: Effective uid, in the reader's user namespace.
 * @pid: Thread group id, in the reader's pid namespace, 0 when it has none
 *	there.
 */
struct vmguest_actor {
	__u32 uid;
	__s32 pid;
};

#define VMGUEST_TASK_JOINERS	4

/**
 * struct vmguest_task_get - Argument of VMGUEST_TASK_GET, on a task fd
 * @size: sizeof(struct vmguest_task_get).
 * @flags: In, must be 0.
 * @task_id: Out, id of the task.
 * @vm_id: Out, id of its VM.
 * @cid: Out, CID of its VM.
 * @verb: Out, enum vmguest_verb.
 * @stage: Out, enum vmguest_stage.
 * @percent: Out, 0 to 100, never falling; 100 exactly when the task completed
 *	in success.
 * @task_flags: Out, enum vmguest_task_flags.
 * @proofs: Out, enum vmguest_proofs.
 * @until: Out, enum vmguest_until, never DEFAULT for SHUTDOWN.
 * @result: Out, enum vmguest_result, once complete.
 * @error: Out, 0 or the negative errno of the result, once complete.
 * @deadline_ms: Out, the deadline counted from @start_ns, 0 for none.
 * @force_after_ms: Out, as requested.
 * @targeted: Out, sessions that a LOGOFF was to end.
 * @ended: Out, those that ended.
 * @left: Out, those that are left.
 * @superseded_by: Out, id of the stronger task, or 0.
 * @start_ns: Out, CLOCK_MONOTONIC of the call, in nanoseconds.
 * @stage_ns: Out, for each stage the CLOCK_MONOTONIC at which it was reached, 0
 *	for one that was skipped.
 * @end_ns: Out, CLOCK_MONOTONIC of the completion, 0 before.
 * @starter: Out, who asked.
 * @canceller: Out, who cancelled; pid 0 for nobody.
 * @joiner: Out, the first ones who joined.
 * @joiners: Out, how many joined.
 * @blockers: Out, how many stand in the way, see VMGUEST_TASK_BLOCKER.
 * @vm_name: Out, name of its VM.
 * @reason: Out, the reason given by @starter.
 * @guest_text: Out, what the guest says about the result: its word, not to be
 *	trusted; capped and stripped of control characters.
 *
 * TASK_GET is a look in the sense of poll(): it takes back POLLPRI on this fd.
 *
 * Errnos: EINVAL, E2BIG, EFAULT. An open task fd always answers.
 */
struct vmguest_task_get {
	__u32 size;
	__u32 flags;
	__aligned_u64 task_id;
	__aligned_u64 vm_id;
	__u32 cid;
	__u32 verb;
	__u32 stage;
	__u32 percent;
	__u32 task_flags;
	__u32 proofs;
	__u32 until;
	__u32 result;
	__s32 error;
	__u32 deadline_ms;
	__u32 force_after_ms;
	__u32 targeted;
	__u32 ended;
	__u32 left;
	__aligned_u64 superseded_by;
	__aligned_u64 start_ns;
	__aligned_u64 stage_ns[VMGUEST_STAGE_COUNT];
	__aligned_u64 end_ns;
	struct vmguest_actor starter;
	struct vmguest_actor canceller;
	struct vmguest_actor joiner[VMGUEST_TASK_JOINERS];
	__u32 joiners;
	__u32 blockers;
	char vm_name[VMGUEST_NAME_SIZE];
	char reason[VMGUEST_TEXT_SIZE];
	char guest_text[VMGUEST_TEXT_SIZE];
};

#define VMGUEST_TASK_GET	_IO(VMGUEST_IOC_MAGIC, 0x10)

/**
 * struct vmguest_task_cancel - Argument of VMGUEST_TASK_CANCEL, on a task fd
 * @size: sizeof(struct vmguest_task_cancel).
 * @flags: In, must be 0.
 *
 * 0 means that the task has ended as cancelled and that the guest will not act
 * on it: the commit point is granted by the host.
 *
 * Errnos: EBUSY past the commit point, EALREADY when complete, EACCES without
 * the VM's control bit, EINVAL.
 */
struct vmguest_task_cancel {
	__u32 size;
	__u32 flags;
};

#define VMGUEST_TASK_CANCEL	_IO(VMGUEST_IOC_MAGIC, 0x11)

/* Blockers of one task that are kept; more are left out. */
#define VMGUEST_BLOCKERS_MAX	16

/**
 * enum vmguest_blocker_kind - What stands in a request's way
 * @VMGUEST_BLOCKER_INHIBITOR: An inhibitor lock.
 * @VMGUEST_BLOCKER_SESSION: A user's session.
 * @VMGUEST_BLOCKER_LOCK: A user's session that is locked.
 * @VMGUEST_BLOCKER_STOP_JOB: A service that takes its time to stop.
 */
enum vmguest_blocker_kind {
	VMGUEST_BLOCKER_INHIBITOR	= 1,
	VMGUEST_BLOCKER_SESSION		= 2,
	VMGUEST_BLOCKER_LOCK		= 3,
	VMGUEST_BLOCKER_STOP_JOB	= 4,
};

/**
 * struct vmguest_task_blocker - Argument of VMGUEST_TASK_BLOCKER, on a task fd
 * @size: sizeof(struct vmguest_task_blocker).
 * @flags: In, must be 0.
 * @index: In, which one, from 0 to &vmguest_task_get.blockers - 1.
 * @kind: Out, enum vmguest_blocker_kind.
 * @uid: Out, its uid in the guest.
 * @pid: Out, its pid in the guest, 0 for none.
 * @who: Out, its name.
 * @why: Out, its reason.
 *
 * All of it is the guest's word, not to be trusted; texts are capped and
 * stripped of control characters. Those who blocked a task when it ended stay,
 * and so do those whom a FORCE has overridden.
 *
 * Errnos: ENOENT no such index, EINVAL.
 */
struct vmguest_task_blocker {
	__u32 size;
	__u32 flags;
	__u32 index;
	__u32 kind;
	__u32 uid;
	__u32 pid;
	char who[VMGUEST_TEXT_SIZE];
	char why[VMGUEST_TEXT_SIZE];
};

#define VMGUEST_TASK_BLOCKER	_IO(VMGUEST_IOC_MAGIC, 0x12)

/**
 * struct vmguest_task_event - What read() on a task fd returns
 * @task_id: Id of the task.
 * @time_ns: CLOCK_MONOTONIC of the read.
 * @changes: Grows by one with every visible change of the task.
 * @stage: enum vmguest_stage.
 * @percent: 0 to 100.
 * @task_flags: enum vmguest_task_flags.
 * @proofs: enum vmguest_proofs.
 * @result: enum vmguest_result, once complete.
 * @error: 0 or the negative errno of the result, once complete.
 * @blockers: How many stand in the way.
 *
 * One record per read(), the newest state: changes since the last look are
 * never lost but coalesce. read() waits for the next change (EAGAIN with
 * O_NONBLOCK), and returns 0 when the task is complete and nothing is new.
 * A buffer below the size of the record is EINVAL.
 */
struct vmguest_task_event {
	__aligned_u64 task_id;
	__aligned_u64 time_ns;
	__u32 changes;
	__u32 stage;
	__u32 percent;
	__u32 task_flags;
	__u32 proofs;
	__u32 result;
	__s32 error;
	__u32 blockers;
};

#endif /* _UAPI_LINUX_VMGUEST_H */
