/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_VM_H
#define _VMGUEST_VM_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/ratelimit_types.h>
#include <linux/rhashtable-types.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/workqueue.h>

#include "event.h"
#include "heartbeat.h"
#include "protocol.h"

struct cred;
struct vmguest_channel;
struct vmguest_lifeline;
struct vmguest_task;

/* Begins the names of VMs that nobody registered; their CID follows. */
#define VMGUEST_UNREGISTERED_PREFIX	"cid-"

/**
 * struct vmguest_guest_info - What a guest said of itself, in its HELLO above all
 * @heard: There was one.
 * @boot_id: See struct vmguest_wire_hello.
 * @machine_id: See struct vmguest_wire_hello.
 * @sessions: See struct vmguest_wire_hello, and %VMGUEST_NOTICE_SESSIONS.
 * @locked: How many of @sessions are locked, says the latter.
 * @text: Its texts, cleaned.
 */
struct vmguest_guest_info {
	bool heard;
	u8 boot_id[16];
	u8 machine_id[16];
	u32 sessions;
	u32 locked;
	char text[VMGUEST_FRAME_TEXTS][VMGUEST_INFO_SIZE];
};

/**
 * struct vmguest_vm - One VM, registered or dialled in by itself
 *
 * A VM is created by VM_REGISTER or by the HELLO of an unknown CID. The
 * registry holds one reference from then until it is dead; each task,
 * each channel and each pending reap work holds another. Lookups run under RCU
 * and take a reference unless the count is zero, so the memory is freed after
 * a grace period.
 *
 * A VM leaves the registry in two steps. When its lifeline fires it becomes
 * GONE: name and CID are free at once, the id stays. When it is unregistered,
 * pushed out by newer gone VMs, or was never registered and has nothing left to
 * do, it is @dead: nobody finds it any more, no channel and no task joins it.
 *
 * @ref: Reference count.
 * @rcu: Defers the free.
 * @id: Never reused within one load of the module.
 * @cid: AF_VSOCK context id; changed under the registry's lock and @lock while
 *	there is no channel.
 * @name_node: Entry in the table of names; protected by the registry lock.
 * @gone_node: Entry in the list of gone VMs; protected by the registry lock.
 * @lifeline: What tells that the VM is gone, or NULL; set before the VM can be
 *	found, changed under the registry's lock and @lock; freed when it is
 *	replaced, or with the VM's removal.
 * @predecessor: A gone VM of the same name whose RESTART waits for this one, or
 *	NULL; owns a reference; protected by @lock.
 * @reap: Removes an unregistered VM that has nothing left to do.
 * @watch: Finds that heartbeats have stopped; the pending work owns a reference.
 * @lock: Protects everything below and all mutable state of the VM's tasks.
 *	Taken in process context only. A spinlock, so that nothing can wait for a
 *	guest under it.
 * @name: Zero padded; "cid-N" when nobody registered it.
 * @uid: Owner.
 * @gid: Owning group.
 * @mode: enum vmguest_access for owner, group and other.
 * @state: enum vmguest_vm_state.
 * @registered: Somebody registered it.
 * @dead: It left the registry.
 * @paused: Marked so: nothing is asked of it.
 * @migrating: Marked so: when it is gone it has migrated away.
 * @capabilities: Of the agent heard last.
 * @channels: All connections of the guest, each entry without a reference: a
 *	channel takes itself off before it drops its reference to the VM.
 * @channel: The one of @channels that is the agent's, or NULL.
 * @candidate: One of @channels that wants to become it, or NULL.
 * @task: The running request, or NULL; owns a reference.
 * @pings: Running PINGs; each entry owns a reference.
 * @sends: Tasks with something to send. Entries are running tasks, so they own
 *	no reference of their own.
 * @ended: Ended tasks, the oldest first; each entry owns a reference.
 * @ended_count: How many.
 * @accepted_id: Task that completed at the agent's word; its COMMIT is still
 *	granted. 0 for none.
 * @accepted_verb: Its verb.
 * @last_task_id: The request that ended last.
 * @frames_in: Frames received.
 * @frames_out: Frames sent.
 * @malformed: Channels closed for what they sent.
 * @refused: Connections refused.
 * @heartbeat: Signs of life of @channel's agent.
 * @silent: Its heartbeats have stopped.
 * @leaving: Its guest goes down by itself, as the guest says.
 * @notices: Bounds what all who listen are told only because its guest says so.
 * @told: What was told of it.
 * @info: What the guest said of itself; kept when it leaves.
 */
struct vmguest_vm {
	struct kref ref;
	struct rcu_head rcu;
	u64 id;
	u32 cid;
	struct rhash_head name_node;
	struct list_head gone_node;
	struct vmguest_lifeline *lifeline;
	struct vmguest_vm *predecessor;
	struct work_struct reap;
	struct delayed_work watch;

	spinlock_t lock;	/* protects everything below */
	char name[VMGUEST_NAME_SIZE];
	kuid_t uid;
	kgid_t gid;
	u32 mode;
	enum vmguest_vm_state state;
	bool registered;
	bool dead;
	bool paused;
	bool migrating;
	u64 capabilities;
	struct list_head channels;
	struct vmguest_channel *channel;
	struct vmguest_channel *candidate;
	struct vmguest_task *task;
	struct list_head pings;
	struct list_head sends;
	struct list_head ended;
	unsigned int ended_count;
	u64 accepted_id;
	u8 accepted_verb;
	u64 last_task_id;
	u64 frames_in;
	u64 frames_out;
	u64 malformed;
	u64 refused;
	struct vmguest_heartbeat heartbeat;
	bool silent;
	bool leaving;
	struct ratelimit_state notices;
	struct vmguest_told told;
	struct vmguest_guest_info info;
};

/**
 * struct vmguest_vm_ref - How a caller names a VM; exactly one member is set
 * @id: Its id, or 0.
 * @cid: Its CID, or 0.
 * @name: Its name, zero padded, or an empty string.
 */
struct vmguest_vm_ref {
	u64 id;
	u32 cid;
	const char *name;
};

int vmguest_vm_ref_check(const struct vmguest_vm_ref *ref);
int vmguest_vm_register(struct vmguest_vm_register *cmd);
int vmguest_vm_unregister(const struct vmguest_vm_unregister *cmd);
int vmguest_vm_set(const struct vmguest_vm_set *cmd);
int vmguest_vm_get_info(struct vmguest_vm_get *cmd);
u32 vmguest_vm_flags(const struct vmguest_vm *vm);

bool vmguest_vm_grants(struct vmguest_vm *vm, const struct cred *cred,
		       unsigned int access);
struct vmguest_vm *vmguest_vm_find(const struct vmguest_vm_ref *ref,
				   unsigned int access);
int vmguest_vm_permission(struct vmguest_vm *vm, unsigned int access);
void vmguest_vm_put(struct vmguest_vm *vm);

struct vmguest_vm *vmguest_vm_for_guest(u32 cid);
void vmguest_vm_check_reap(struct vmguest_vm *vm);
void vmguest_vm_finish(struct vmguest_vm *vm);
void vmguest_vm_tell_gone(struct vmguest_vm *vm);
void vmguest_vm_left_host(struct vmguest_vm *vm);
void vmguest_vm_lifeline_fired(struct vmguest_vm *vm,
			       const struct vmguest_lifeline *lifeline);

#endif /* _VMGUEST_VM_H */
