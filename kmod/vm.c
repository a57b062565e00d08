// SPDX-License-Identifier: GPL-2.0
/*
 * VMs: how each begins, is registered and ends, and who may do what with it.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/ratelimit.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include <linux/vmguest_netlink.h>

#include "agent.h"
#include "channel.h"
#include "event.h"
#include "lifeline.h"
#include "listener.h"
#include "main.h"
#include "registry.h"
#include "task.h"
#include "vm.h"

/* What a guest may have told by its mere word: twice its agent's sessions. */
#define VM_NOTICES_INTERVAL	(10 * HZ)
#define VM_NOTICES		512

static bool accept_unregistered = true;
module_param(accept_unregistered, bool, 0644);
MODULE_PARM_DESC(accept_unregistered, "Let guests that nobody registered appear as cid-N (default on)");

static void vm_reap(struct work_struct *work);

static void vm_release(struct kref *ref)
{
	struct vmguest_vm *vm = container_of(ref, struct vmguest_vm, ref);

	kfree_rcu(vm, rcu);
}

void vmguest_vm_put(struct vmguest_vm *vm)
{
	kref_put(&vm->ref, vm_release);
}

static struct vmguest_vm *vm_create(u32 cid)
{
	struct vmguest_vm *vm;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return NULL;
	kref_init(&vm->ref);
	vm->cid = cid;
	INIT_LIST_HEAD(&vm->gone_node);
	INIT_WORK(&vm->reap, vm_reap);
	INIT_DELAYED_WORK(&vm->watch, vmguest_agent_watch);
	spin_lock_init(&vm->lock);
	ratelimit_state_init(&vm->notices, VM_NOTICES_INTERVAL, VM_NOTICES);
	ratelimit_set_flags(&vm->notices, RATELIMIT_MSG_ON_RELEASE);
	INIT_LIST_HEAD(&vm->channels);
	INIT_LIST_HEAD(&vm->pings);
	INIT_LIST_HEAD(&vm->sends);
	INIT_LIST_HEAD(&vm->ended);
	vm->uid = GLOBAL_ROOT_UID;
	vm->gid = GLOBAL_ROOT_GID;
	vm->mode = 0700;
	snprintf(vm->name, sizeof(vm->name), VMGUEST_UNREGISTERED_PREFIX "%u",
		 cid);
	return vm;
}

/* Ends what a dead VM still has and drops the registry's reference. */
void vmguest_vm_finish(struct vmguest_vm *vm)
{
	struct vmguest_channel *channel;

	if (vm->lifeline)
		vmguest_lifeline_destroy(vm->lifeline);
	if (cancel_delayed_work(&vm->watch))
		vmguest_vm_put(vm);
	spin_lock(&vm->lock);
	vmguest_task_abort_all(vm);
	vmguest_event_vm(vm, VMGUEST_CMD_VM_UNREGISTERED);
	list_for_each_entry(channel, &vm->channels, vm_node)
		vmguest_channel_close(channel);
	spin_unlock(&vm->lock);
	if (vm->predecessor)
		vmguest_vm_put(vm->predecessor);
	vmguest_vm_put(vm);
}

static bool vm_is_idle(const struct vmguest_vm *vm)
{
	return list_empty(&vm->channels) && list_empty(&vm->pings) && !vm->task;
}

/* A VM that nobody registered vanishes when it has nothing left to do. */
void vmguest_vm_check_reap(struct vmguest_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	if (vm->registered || vm->dead || !vm_is_idle(vm))
		return;
	kref_get(&vm->ref);
	if (!queue_work(vmguest_wq, &vm->reap))
		vmguest_vm_put(vm);
}

static void vm_reap(struct work_struct *work)
{
	struct vmguest_vm *vm = container_of(work, struct vmguest_vm, reap);
	bool reap;

	mutex_lock(&vmguest_registry_lock);
	spin_lock(&vm->lock);
	reap = !vm->registered && !vm->dead && vm_is_idle(vm);
	vm->dead |= reap;
	spin_unlock(&vm->lock);
	if (reap)
		vmguest_registry_unlink(vm);
	mutex_unlock(&vmguest_registry_lock);
	if (reap)
		vmguest_vm_finish(vm);
	vmguest_vm_put(vm);
}

/* Return: 0 when @name is text, NUL-terminated and zero behind it. */
static int vm_name_check_form(const char *name)
{
	size_t len = strnlen(name, VMGUEST_NAME_SIZE);

	if (len == VMGUEST_NAME_SIZE ||
	    memchr_inv(name + len, 0, VMGUEST_NAME_SIZE - len))
		return -EINVAL;
	return 0;
}

static int vm_name_check(const char *name)
{
	const char *p;

	if (vm_name_check_form(name) || !isascii(name[0]) || !isalnum(name[0]))
		return -EINVAL;
	for (p = name; *p; p++)
		if (!isascii(*p) || (!isalnum(*p) && !strchr("._-", *p)))
			return -EINVAL;
	if (!strncmp(name, VMGUEST_UNREGISTERED_PREFIX,
		     strlen(VMGUEST_UNREGISTERED_PREFIX)))
		return -EINVAL;
	return 0;
}

/* Return: 0 when exactly one member of @ref names a VM, else -EINVAL. */
int vmguest_vm_ref_check(const struct vmguest_vm_ref *ref)
{
	if (vm_name_check_form(ref->name))
		return -EINVAL;
	return !!ref->id + !!ref->cid + !!ref->name[0] == 1 ? 0 : -EINVAL;
}

static bool vm_has_group(const struct cred *cred, kgid_t gid)
{
	const struct group_info *groups = cred->group_info;
	int i;

	if (gid_eq(cred->fsgid, gid))
		return true;
	for (i = 0; i < groups->ngroups; i++)
		if (gid_eq(groups->gid[i], gid))
			return true;
	return false;
}

/* Does the VM's mode grant @access (enum vmguest_access) to @cred? */
bool vmguest_vm_grants(struct vmguest_vm *vm, const struct cred *cred,
		       unsigned int access)
{
	kuid_t uid;
	kgid_t gid;
	u32 mode;

	spin_lock(&vm->lock);
	uid = vm->uid;
	gid = vm->gid;
	mode = vm->mode;
	spin_unlock(&vm->lock);

	if (uid_eq(cred->fsuid, uid))
		mode >>= 6;
	else if (vm_has_group(cred, gid))
		mode >>= 3;
	return (mode & access) == access;
}

/* Return: 0 when current has @access (enum vmguest_access), else -EACCES. */
int vmguest_vm_permission(struct vmguest_vm *vm, unsigned int access)
{
	if (vmguest_vm_grants(vm, current_cred(), access) ||
	    capable(CAP_SYS_ADMIN))
		return 0;
	return -EACCES;
}

/**
 * vmguest_vm_find - Find a VM that current may access
 * @ref: What names it, checked by vmguest_vm_ref_check().
 * @access: enum vmguest_access.
 *
 * Return: the VM, referenced, or an ERR_PTR: -EACCES; -ENOENT for callers who
 * may see all, others learn nothing.
 */
struct vmguest_vm *vmguest_vm_find(const struct vmguest_vm_ref *ref,
				   unsigned int access)
{
	struct vmguest_vm *vm = vmguest_registry_lookup(ref);
	int err;

	if (!vm)
		return ERR_PTR(capable(CAP_SYS_ADMIN) ? -ENOENT : -EACCES);
	err = vmguest_vm_permission(vm, access);
	if (err) {
		vmguest_vm_put(vm);
		return ERR_PTR(err);
	}
	return vm;
}

static int vm_check_register(const struct vmguest_vm_register *cmd,
			     kuid_t *uid, kgid_t *gid)
{
	if (cmd->flags || cmd->reserved || cmd->mode & ~0777U ||
	    cmd->lifeline_fd < -1 || cmd->vm_id)
		return -EINVAL;
	if (!vmguest_listener_allows(cmd->cid))
		return -EINVAL;
	*uid = make_kuid(current_user_ns(), cmd->uid);
	*gid = make_kgid(current_user_ns(), cmd->gid);
	if (!uid_valid(*uid) || !gid_valid(*gid))
		return -EINVAL;
	return vm_name_check(cmd->name);
}

/* Its guest may have said HELLO already: then the wait is over. */
static void vm_set_predecessor(struct vmguest_vm *vm,
			       struct vmguest_vm *predecessor)
{
	bool returned;

	if (!predecessor)
		return;
	spin_lock(&vm->lock);
	returned = vm->channel;
	if (!returned)
		vm->predecessor = predecessor;
	spin_unlock(&vm->lock);
	if (!returned)
		return;
	vmguest_task_vm_returned(predecessor);
	vmguest_vm_put(predecessor);
}

static void vm_set_registration(struct vmguest_vm *vm, const char *name,
				kuid_t uid, kgid_t gid, u32 mode,
				struct vmguest_lifeline *lifeline)
{
	spin_lock(&vm->lock);
	memcpy(vm->name, name, sizeof(vm->name));
	vm->uid = uid;
	vm->gid = gid;
	vm->mode = mode;
	vm->lifeline = lifeline;
	vm->registered = true;
	if (lifeline && vm->state == VMGUEST_VM_UNKNOWN)
		vm->state = VMGUEST_VM_RUNNING;
	spin_unlock(&vm->lock);
}

static void vm_disown(struct vmguest_vm *vm)
{
	spin_lock(&vm->lock);
	memset(vm->name, 0, sizeof(vm->name));
	snprintf(vm->name, sizeof(vm->name), VMGUEST_UNREGISTERED_PREFIX "%u",
		 vm->cid);
	vm->uid = GLOBAL_ROOT_UID;
	vm->gid = GLOBAL_ROOT_GID;
	vm->mode = 0700;
	vm->lifeline = NULL;
	vm->registered = false;
	vmguest_vm_check_reap(vm);
	spin_unlock(&vm->lock);
}

/*
 * Registers @fresh, or the VM that has dialled in with its CID already.
 * Returns the lifeline to destroy in @orphan when it fails.
 */
static int vm_register_locked(const struct vmguest_vm_register *cmd,
			      kuid_t uid, kgid_t gid,
			      struct vmguest_vm **fresh, u64 *id,
			      struct vmguest_lifeline **orphan)
{
	struct vmguest_lifeline *lifeline = NULL;
	struct vmguest_vm *guest, *vm;
	int err;

	lockdep_assert_held(&vmguest_registry_lock);
	guest = vmguest_registry_cid_holder(cmd->cid);
	if ((guest && guest->registered) ||
	    vmguest_registry_has_name(cmd->name))
		return -EEXIST;

	vm = guest ?: *fresh;
	if (cmd->lifeline_fd >= 0) {
		/* Its work waits for the lock, so it finds all in place. */
		lifeline = vmguest_lifeline_create(cmd->lifeline_fd, vm);
		if (IS_ERR(lifeline))
			return PTR_ERR(lifeline);
	}
	vm_set_registration(vm, cmd->name, uid, gid, cmd->mode, lifeline);
	err = guest ? vmguest_registry_adopt(vm) : vmguest_registry_link(vm);
	if (err) {
		/* Nobody has seen @fresh: it is not reaped. */
		vm->dead = !guest;
		vm_disown(vm);
		*orphan = lifeline;
		return err;
	}
	vmguest_registry_changed();
	spin_lock(&vm->lock);
	vmguest_event_vm(vm, VMGUEST_CMD_VM_REGISTERED);
	vmguest_event_vm_state(vm);
	spin_unlock(&vm->lock);
	vm_set_predecessor(vm, vmguest_registry_find_predecessor(cmd->name));
	*id = vm->id;
	if (!guest)
		*fresh = NULL;
	return 0;
}

/**
 * vmguest_vm_register - Register a VM
 * @cmd: See struct vmguest_vm_register; vm_id is set.
 *
 * Return: 0 or an errno that struct vmguest_vm_register documents.
 */
int vmguest_vm_register(struct vmguest_vm_register *cmd)
{
	struct vmguest_lifeline *orphan = NULL;
	struct vmguest_vm *fresh;
	kuid_t uid;
	kgid_t gid;
	u64 id;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = vm_check_register(cmd, &uid, &gid);
	if (err)
		return err;
	fresh = vm_create(cmd->cid);
	if (!fresh)
		return -ENOMEM;

	mutex_lock(&vmguest_registry_lock);
	err = vm_register_locked(cmd, uid, gid, &fresh, &id, &orphan);
	mutex_unlock(&vmguest_registry_lock);
	if (orphan)
		vmguest_lifeline_destroy(orphan);
	if (fresh)
		vmguest_vm_put(fresh);
	if (!err)
		cmd->vm_id = id;
	return err;
}

int vmguest_vm_unregister(const struct vmguest_vm_unregister *cmd)
{
	const struct vmguest_vm_ref ref = {
		.id = cmd->vm_id, .cid = cmd->cid, .name = cmd->name,
	};
	struct vmguest_vm *vm;
	int err;

	if (cmd->flags & ~VMGUEST_UNREGISTER_ABORT || cmd->reserved)
		return -EINVAL;
	err = vmguest_vm_ref_check(&ref);
	if (err)
		return err;
	vm = vmguest_vm_find(&ref, VMGUEST_MAY_WRITE);
	if (IS_ERR(vm))
		return PTR_ERR(vm);

	mutex_lock(&vmguest_registry_lock);
	spin_lock(&vm->lock);
	if (vm->dead)
		err = -ENOENT;
	else if (vm->task && !(cmd->flags & VMGUEST_UNREGISTER_ABORT))
		err = -EBUSY;
	else
		vm->dead = true;
	spin_unlock(&vm->lock);
	if (!err)
		vmguest_registry_unlink(vm);
	mutex_unlock(&vmguest_registry_lock);
	if (!err)
		vmguest_vm_finish(vm);
	vmguest_vm_put(vm);
	return err;
}

/* What a change of the registration needs a registrar for. */
#define VM_SET_REGISTRATION						\
	(VMGUEST_SET_OWNER | VMGUEST_SET_MODE | VMGUEST_SET_CID |	\
	 VMGUEST_SET_LIFELINE)

#define VM_SET_MARKS							\
	(VMGUEST_SET_PAUSED | VMGUEST_SET_MIGRATING)

/**
 * struct vm_change - A change of a registration under way
 * @cmd: What is asked for.
 * @uid: The new owner.
 * @gid: The new group.
 * @lifeline: First the new lifeline, then the one to destroy.
 * @guest: VM that nobody registered and that has the new CID, or NULL; to be
 *	finished.
 */
struct vm_change {
	const struct vmguest_vm_set *cmd;
	kuid_t uid;
	kgid_t gid;
	struct vmguest_lifeline *lifeline;
	struct vmguest_vm *guest;
};

static int vm_check_marks(const struct vmguest_vm_set *cmd)
{
	u32 marks = 0;

	if (cmd->what & VMGUEST_SET_PAUSED)
		marks |= VMGUEST_VM_PAUSED;
	if (cmd->what & VMGUEST_SET_MIGRATING)
		marks |= VMGUEST_VM_MIGRATING;
	return cmd->vm_flags & ~marks ? -EINVAL : 0;
}

static int vm_check_owner(struct vm_change *change)
{
	const struct vmguest_vm_set *cmd = change->cmd;

	if (!(cmd->what & VMGUEST_SET_OWNER))
		return cmd->uid || cmd->gid ? -EINVAL : 0;
	change->uid = make_kuid(current_user_ns(), cmd->uid);
	change->gid = make_kgid(current_user_ns(), cmd->gid);
	return uid_valid(change->uid) && gid_valid(change->gid) ? 0 : -EINVAL;
}

static int vm_check_set(struct vm_change *change)
{
	const struct vmguest_vm_set *cmd = change->cmd;
	u32 what = cmd->what;

	if (cmd->flags || !what ||
	    what & ~(u32)(VM_SET_REGISTRATION | VM_SET_MARKS))
		return -EINVAL;
	if (cmd->mode & (what & VMGUEST_SET_MODE ? ~0777U : ~0U))
		return -EINVAL;
	if (what & VMGUEST_SET_CID ? !vmguest_listener_allows(cmd->new_cid) :
				     cmd->new_cid != 0)
		return -EINVAL;
	if (what & VMGUEST_SET_LIFELINE ? cmd->lifeline_fd < -1 :
					  cmd->lifeline_fd != 0)
		return -EINVAL;
	return vm_check_marks(cmd) ?: vm_check_owner(change);
}

/* May the change be made now? */
static int vm_may_set(const struct vmguest_vm *vm, u32 what)
{
	lockdep_assert_held(&vm->lock);
	if (vm->dead)
		return -ENOENT;
	if (!vm->registered)
		return -EINVAL;
	if (vm->state == VMGUEST_VM_GONE)
		return -EHOSTDOWN;
	if ((what & VMGUEST_SET_CID) && !vm_is_idle(vm))
		return -EBUSY;
	return 0;
}

/* Everything that can fail was done before. */
static void vm_apply(struct vmguest_vm *vm, struct vm_change *change)
{
	const struct vmguest_vm_set *cmd = change->cmd;

	lockdep_assert_held(&vm->lock);
	if (cmd->what & VMGUEST_SET_OWNER) {
		vm->uid = change->uid;
		vm->gid = change->gid;
	}
	if (cmd->what & VMGUEST_SET_MODE)
		vm->mode = cmd->mode;
	if (cmd->what & VMGUEST_SET_CID)
		WRITE_ONCE(vm->cid, cmd->new_cid);
	if (cmd->what & VMGUEST_SET_LIFELINE) {
		swap(vm->lifeline, change->lifeline);
		if (vm->lifeline && (vm->state == VMGUEST_VM_UNKNOWN ||
				     vm->state == VMGUEST_VM_DOWN))
			vm->state = VMGUEST_VM_RUNNING;
		vmguest_task_rearm(vm);
	}
	if (cmd->what & VMGUEST_SET_PAUSED)
		vm->paused = cmd->vm_flags & VMGUEST_VM_PAUSED;
	if (cmd->what & VMGUEST_SET_MIGRATING)
		vm->migrating = cmd->vm_flags & VMGUEST_VM_MIGRATING;
}

static int vm_set_locked(struct vmguest_vm *vm, struct vm_change *change)
{
	const struct vmguest_vm_set *cmd = change->cmd;
	bool set_cid = cmd->what & VMGUEST_SET_CID;
	u32 old_cid = vm->cid;
	int err;

	lockdep_assert_held(&vmguest_registry_lock);
	err = set_cid ? vmguest_registry_reserve_cid(vm, cmd->new_cid,
						     &change->guest) : 0;
	if (err)
		goto keep_guest;
	if ((cmd->what & VMGUEST_SET_LIFELINE) && cmd->lifeline_fd >= 0) {
		/* Its work waits for the lock, so it finds all in place. */
		change->lifeline = vmguest_lifeline_create(cmd->lifeline_fd, vm);
		if (IS_ERR(change->lifeline)) {
			err = PTR_ERR(change->lifeline);
			change->lifeline = NULL;
			goto release_cid;
		}
	}
	spin_lock(&vm->lock);
	err = vm_may_set(vm, cmd->what);
	if (!err)
		vm_apply(vm, change);
	spin_unlock(&vm->lock);
	if (err)
		goto release_cid;
	if (set_cid)
		vmguest_registry_move_cid(vm, old_cid, change->guest);
	vmguest_registry_changed();
	spin_lock(&vm->lock);
	vmguest_event_vm_changed(vm, cmd->what);
	vmguest_event_vm_state(vm);
	spin_unlock(&vm->lock);
	return 0;

release_cid:
	if (set_cid)
		vmguest_registry_release_cid(cmd->new_cid);
keep_guest:
	change->guest = NULL;
	return err;
}

/**
 * vmguest_vm_set - Change the registration of a VM
 * @cmd: See struct vmguest_vm_set.
 *
 * Return: 0 or an errno that struct vmguest_vm_set documents.
 */
int vmguest_vm_set(const struct vmguest_vm_set *cmd)
{
	const struct vmguest_vm_ref ref = {
		.id = cmd->vm_id, .cid = cmd->cid, .name = cmd->name,
	};
	struct vm_change change = { .cmd = cmd };
	struct vmguest_vm *vm;
	int err;

	err = vmguest_vm_ref_check(&ref) ?: vm_check_set(&change);
	if (err)
		return err;
	if ((cmd->what & VM_SET_REGISTRATION) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	vm = vmguest_vm_find(&ref, VMGUEST_MAY_WRITE);
	if (IS_ERR(vm))
		return PTR_ERR(vm);

	mutex_lock(&vmguest_registry_lock);
	err = vm_set_locked(vm, &change);
	mutex_unlock(&vmguest_registry_lock);
	/* The old one, or the new one of a change that failed. */
	if (change.lifeline)
		vmguest_lifeline_destroy(change.lifeline);
	if (change.guest)
		vmguest_vm_finish(change.guest);
	vmguest_vm_put(vm);
	return err;
}

/* Return: enum vmguest_vm_flags. */
u32 vmguest_vm_flags(const struct vmguest_vm *vm)
{
	u32 flags = 0;

	lockdep_assert_held(&vm->lock);
	if (vm->channel)
		flags |= VMGUEST_VM_AGENT;
	if (vm->lifeline)
		flags |= VMGUEST_VM_LIFELINE;
	if (!vm->registered)
		flags |= VMGUEST_VM_UNREGISTERED;
	if (vm->channel && vmguest_heartbeat_is_alive(&vm->heartbeat))
		flags |= VMGUEST_VM_HEARTBEATING;
	if (vm->paused)
		flags |= VMGUEST_VM_PAUSED;
	if (vm->migrating)
		flags |= VMGUEST_VM_MIGRATING;
	return flags;
}

static void vm_fill_info(struct vmguest_vm *vm, struct vmguest_vm_get *cmd)
{
	const struct vmguest_guest_info *info = &vm->info;

	spin_lock(&vm->lock);
	cmd->vm_id = vm->id;
	cmd->cid = vm->cid;
	cmd->uid = from_kuid_munged(current_user_ns(), vm->uid);
	cmd->gid = from_kgid_munged(current_user_ns(), vm->gid);
	cmd->mode = vm->mode;
	cmd->state = vm->state;
	cmd->vm_flags = vmguest_vm_flags(vm);
	if (vm->channel) {
		cmd->heartbeat_ms = vm->heartbeat.interval_ms;
		cmd->heartbeat_percent =
			vmguest_heartbeat_percent(&vm->heartbeat);
	}
	cmd->task_id = vm->task ? vm->task->id : 0;
	cmd->last_task_id = vm->last_task_id;
	cmd->capabilities = vm->channel ? vm->capabilities : 0;
	cmd->frames_in = vm->frames_in;
	cmd->frames_out = vm->frames_out;
	cmd->malformed = vm->malformed;
	cmd->refused = vm->refused;
	cmd->locked = info->locked;
	cmd->sessions = info->sessions;
	memcpy(cmd->boot_id, info->boot_id, sizeof(cmd->boot_id));
	memcpy(cmd->machine_id, info->machine_id, sizeof(cmd->machine_id));
	memcpy(cmd->name, vm->name, sizeof(cmd->name));
	memcpy(cmd->hostname, info->text[VMGUEST_HELLO_HOSTNAME],
	       sizeof(cmd->hostname));
	memcpy(cmd->os_name, info->text[VMGUEST_HELLO_OS_NAME],
	       sizeof(cmd->os_name));
	memcpy(cmd->os_version, info->text[VMGUEST_HELLO_OS_VERSION],
	       sizeof(cmd->os_version));
	memcpy(cmd->kernel, info->text[VMGUEST_HELLO_KERNEL],
	       sizeof(cmd->kernel));
	memcpy(cmd->agent_version, info->text[VMGUEST_HELLO_AGENT_VERSION],
	       sizeof(cmd->agent_version));
	spin_unlock(&vm->lock);
}

/* Return: 0 or an errno that struct vmguest_vm_get documents. */
int vmguest_vm_get_info(struct vmguest_vm_get *cmd)
{
	const struct vmguest_vm_ref ref = {
		.id = cmd->vm_id, .cid = cmd->cid, .name = cmd->name,
	};
	struct vmguest_vm *vm;
	u32 size = cmd->size;
	int err;

	if (cmd->flags & ~VMGUEST_VM_GET_NEXT)
		return -EINVAL;
	if (cmd->flags & VMGUEST_VM_GET_NEXT) {
		if (cmd->cid || cmd->name[0])
			return -EINVAL;
		vm = vmguest_registry_find_next(cmd->vm_id);
		if (!vm)
			return -ENOENT;
	} else {
		err = vmguest_vm_ref_check(&ref);
		if (err)
			return err;
		vm = vmguest_vm_find(&ref, VMGUEST_MAY_READ);
		if (IS_ERR(vm))
			return PTR_ERR(vm);
	}
	memset(cmd, 0, sizeof(*cmd));
	cmd->size = size;
	vm_fill_info(vm, cmd);
	vmguest_vm_put(vm);
	return 0;
}

/* What its guest said before has been read. */
void vmguest_vm_tell_gone(struct vmguest_vm *vm)
{
	vmguest_event_vm(vm, VMGUEST_CMD_VM_GONE);
	vmguest_task_vm_gone(vm);
}

/* A VM without lifeline is proven to have left the host. It may come back. */
void vmguest_vm_left_host(struct vmguest_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	if (vm->state == VMGUEST_VM_DOWN) {
		vmguest_task_vm_gone(vm);
		return;
	}
	vm->state = VMGUEST_VM_DOWN;
	vmguest_vm_tell_gone(vm);
}

/*
 * The VM's name and CID are free from here on. Its tasks learn it when its
 * channels have been read to their end: a last breath may be in there.
 */
static void vm_set_gone(struct vmguest_vm *vm)
{
	struct vmguest_channel *channel;

	vmguest_registry_set_gone(vm);

	spin_lock(&vm->lock);
	vm->state = VMGUEST_VM_GONE;
	list_for_each_entry(channel, &vm->channels, vm_node)
		vmguest_channel_close(channel);
	if (list_empty(&vm->channels))
		vmguest_vm_tell_gone(vm);
	spin_unlock(&vm->lock);
}

/* Called by the lifeline's work. */
void vmguest_vm_lifeline_fired(struct vmguest_vm *vm,
			       const struct vmguest_lifeline *lifeline)
{
	mutex_lock(&vmguest_registry_lock);
	/* A call that failed takes its lifeline back; another replaces it. */
	if (!vm->dead && vm->lifeline == lifeline && list_empty(&vm->gone_node))
		vm_set_gone(vm);
	mutex_unlock(&vmguest_registry_lock);
	vmguest_registry_trim_later();
}

/* The VM that a connection belongs to, referenced; a new one if need be. */
struct vmguest_vm *vmguest_vm_for_guest(u32 cid)
{
	struct vmguest_vm *vm;
	int err;

	vm = vmguest_registry_find_cid(cid);
	if (vm)
		return vm;
	if (!READ_ONCE(accept_unregistered))
		return ERR_PTR(-ECONNREFUSED);
	vm = vm_create(cid);
	if (!vm)
		return ERR_PTR(-ENOMEM);
	mutex_lock(&vmguest_registry_lock);
	err = vmguest_registry_cid_holder(cid) ? -EEXIST :
						 vmguest_registry_link(vm);
	if (!err) {
		kref_get(&vm->ref);
		spin_lock(&vm->lock);
		vmguest_event_vm(vm, VMGUEST_CMD_VM_APPEARED);
		spin_unlock(&vm->lock);
	}
	mutex_unlock(&vmguest_registry_lock);
	if (!err)
		return vm;
	vmguest_vm_put(vm);
	if (err != -EEXIST)
		return ERR_PTR(err);
	return vmguest_registry_find_cid(cid) ?: ERR_PTR(-EHOSTDOWN);
}
