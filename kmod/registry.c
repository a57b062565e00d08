// SPDX-License-Identifier: GPL-2.0
/*
 * The registry: which VMs there are, by id, CID and name; those that are gone.
 */
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rhashtable.h>
#include <linux/xarray.h>

#include "channel.h"
#include "main.h"
#include "registry.h"
#include "task.h"
#include "vm.h"

static unsigned int vm_retain = 64;
module_param(vm_retain, uint, 0644);
MODULE_PARM_DESC(vm_retain, "VMs that stay readable after they are gone (default 64)");

/*
 * How long those that are too many may stay besides: VMs go by the thousand when
 * their host goes down, and this way one run of the work pushes out many.
 */
#define REGISTRY_TRIM_MS	10

/*
 * Serialises every change of the registry. Outermost: each vm->lock is taken
 * inside. Never held while a lifeline is destroyed, whose work takes it.
 */
DEFINE_MUTEX(vmguest_registry_lock);
static DEFINE_XARRAY(registry_ids);
static DEFINE_XARRAY(registry_cids);	/* VMs that are not gone */
static struct rhashtable registry_names;	/* likewise, if registered */
static LIST_HEAD(registry_gone);	/* the newest first */
static unsigned int registry_gone_count;
static unsigned int registry_generation = 1;	/* counts changes, never 0 */
/* What VMs that have left the registry had counted. */
static struct vmguest_registry_stats registry_past;
static u64 registry_last_id;

static const struct rhashtable_params registry_names_params = {
	.key_len = VMGUEST_NAME_SIZE,
	.key_offset = offsetof(struct vmguest_vm, name),
	.head_offset = offsetof(struct vmguest_vm, name_node),
	.automatic_shrinking = true,
};

void vmguest_registry_changed(void)
{
	lockdep_assert_held(&vmguest_registry_lock);
	if (!++registry_generation)
		registry_generation++;
}

/*
 * Makes @vm visible, by its id, its CID and, if registered, its name. The last
 * step that can fail comes before the first that others can see.
 */
int vmguest_registry_link(struct vmguest_vm *vm)
{
	int err;

	lockdep_assert_held(&vmguest_registry_lock);
	vm->id = registry_last_id + 1;
	err = xa_reserve(&registry_ids, vm->id, GFP_KERNEL_ACCOUNT);
	if (err)
		return err;
	err = xa_reserve(&registry_cids, vm->cid, GFP_KERNEL_ACCOUNT);
	if (err)
		goto release_id;
	if (vm->registered) {
		err = rhashtable_insert_fast(&registry_names, &vm->name_node,
					     registry_names_params);
		if (err)
			goto release_cid;
	}
	registry_last_id = vm->id;
	xa_store(&registry_ids, vm->id, vm, GFP_KERNEL);
	xa_store(&registry_cids, vm->cid, vm, GFP_KERNEL);
	vmguest_registry_changed();
	return 0;

release_cid:
	xa_release(&registry_cids, vm->cid);
release_id:
	xa_release(&registry_ids, vm->id);
	return err;
}

/* Frees the name and the CID of a VM. */
static void registry_unname(struct vmguest_vm *vm)
{
	lockdep_assert_held(&vmguest_registry_lock);
	/* Another VM may have been given the CID of a guest nobody registered. */
	xa_cmpxchg(&registry_cids, vm->cid, vm, NULL, GFP_KERNEL);
	if (vm->registered)
		rhashtable_remove_fast(&registry_names, &vm->name_node,
				       registry_names_params);
}

static void registry_add_stats(struct vmguest_registry_stats *stats,
			       const struct vmguest_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	stats->frames_in += vm->frames_in;
	stats->frames_out += vm->frames_out;
	stats->malformed += vm->malformed;
	stats->refused += vm->refused;
}

/*
 * Takes a VM out of the registry; vmguest_vm_finish() must follow without the
 * lock.
 */
void vmguest_registry_unlink(struct vmguest_vm *vm)
{
	lockdep_assert_held(&vmguest_registry_lock);
	if (list_empty(&vm->gone_node)) {
		registry_unname(vm);
	} else {
		list_del_init(&vm->gone_node);
		registry_gone_count--;
	}
	xa_erase(&registry_ids, vm->id);
	spin_lock(&vm->lock);
	vm->dead = true;
	registry_add_stats(&registry_past, vm);
	spin_unlock(&vm->lock);
	vmguest_registry_changed();
}

/* Takes a reference, or returns NULL for a VM that is being freed. */
static struct vmguest_vm *registry_tryget(struct vmguest_vm *vm)
{
	return vm && kref_get_unless_zero(&vm->ref) ? vm : NULL;
}

struct vmguest_vm *vmguest_registry_find_cid(u32 cid)
{
	struct vmguest_vm *vm;

	rcu_read_lock();
	vm = registry_tryget(xa_load(&registry_cids, cid));
	rcu_read_unlock();
	return vm;
}

static struct vmguest_vm *registry_find_id(u64 id)
{
	struct vmguest_vm *vm;

	if (id > ULONG_MAX)
		return NULL;
	rcu_read_lock();
	vm = registry_tryget(xa_load(&registry_ids, id));
	rcu_read_unlock();
	return vm;
}

/* The newest gone VM of this name. */
static struct vmguest_vm *registry_find_gone(const char *name)
{
	struct vmguest_vm *vm;

	mutex_lock(&vmguest_registry_lock);
	list_for_each_entry(vm, &registry_gone, gone_node) {
		if (!strcmp(vm->name, name)) {
			kref_get(&vm->ref);
			goto unlock;
		}
	}
	vm = NULL;
unlock:
	mutex_unlock(&vmguest_registry_lock);
	return vm;
}

static struct vmguest_vm *registry_find_unregistered(const char *name)
{
	struct vmguest_vm *vm;
	bool registered;
	u32 cid;

	if (kstrtou32(name + strlen(VMGUEST_UNREGISTERED_PREFIX), 10, &cid))
		return NULL;
	vm = vmguest_registry_find_cid(cid);
	if (!vm)
		return NULL;
	spin_lock(&vm->lock);
	registered = vm->registered;
	spin_unlock(&vm->lock);
	if (registered) {
		vmguest_vm_put(vm);
		return NULL;
	}
	return vm;
}

static struct vmguest_vm *registry_find_name(const char *name)
{
	struct vmguest_vm *vm;

	if (!strncmp(name, VMGUEST_UNREGISTERED_PREFIX,
		     strlen(VMGUEST_UNREGISTERED_PREFIX)))
		return registry_find_unregistered(name);
	rcu_read_lock();
	vm = registry_tryget(rhashtable_lookup(&registry_names, name,
					       registry_names_params));
	rcu_read_unlock();
	return vm ?: registry_find_gone(name);
}

/* Return: the VM, referenced, or NULL; whether the caller may access it or not. */
struct vmguest_vm *vmguest_registry_lookup(const struct vmguest_vm_ref *ref)
{
	if (ref->id)
		return registry_find_id(ref->id);
	if (ref->cid)
		return vmguest_registry_find_cid(ref->cid);
	return registry_find_name(ref->name);
}

/* A gone VM of this name whose RESTART waits for it to come back, or NULL. */
struct vmguest_vm *vmguest_registry_find_predecessor(const char *name)
{
	struct vmguest_vm *vm;
	bool waits;

	lockdep_assert_held(&vmguest_registry_lock);
	list_for_each_entry(vm, &registry_gone, gone_node) {
		if (strcmp(vm->name, name))
			continue;
		spin_lock(&vm->lock);
		waits = vm->task && vm->task->verb == VMGUEST_VERB_RESTART;
		spin_unlock(&vm->lock);
		if (waits) {
			kref_get(&vm->ref);
			return vm;
		}
	}
	return NULL;
}

/* The VM that has @cid, without a reference, or NULL. */
struct vmguest_vm *vmguest_registry_cid_holder(u32 cid)
{
	lockdep_assert_held(&vmguest_registry_lock);
	return xa_load(&registry_cids, cid);
}

bool vmguest_registry_has_name(const char *name)
{
	lockdep_assert_held(&vmguest_registry_lock);
	return rhashtable_lookup_fast(&registry_names, name,
				      registry_names_params);
}

/* Gives a VM that dialled in by itself the name it is registered with. */
int vmguest_registry_adopt(struct vmguest_vm *vm)
{
	lockdep_assert_held(&vmguest_registry_lock);
	return rhashtable_insert_fast(&registry_names, &vm->name_node,
				      registry_names_params);
}

/**
 * vmguest_registry_reserve_cid - Make sure that a VM can get another CID
 * @vm: The VM.
 * @cid: Its new CID, which it may have already.
 * @guest: Out, a VM that nobody registered and that has it; else unchanged.
 *
 * Return: 0 with the new CID reserved, or -EEXIST, -ENOMEM.
 */
int vmguest_registry_reserve_cid(struct vmguest_vm *vm, u32 cid,
				 struct vmguest_vm **guest)
{
	struct vmguest_vm *other;

	lockdep_assert_held(&vmguest_registry_lock);
	other = xa_load(&registry_cids, cid);
	if (other == vm)
		return 0;
	if (other && other->registered)
		return -EEXIST;
	*guest = other;
	return xa_reserve(&registry_cids, cid, GFP_KERNEL_ACCOUNT);
}

void vmguest_registry_release_cid(u32 cid)
{
	lockdep_assert_held(&vmguest_registry_lock);
	xa_release(&registry_cids, cid);
}

/* The VM has its new CID; a guest that had it by itself leaves the registry. */
void vmguest_registry_move_cid(struct vmguest_vm *vm, u32 old_cid,
			       struct vmguest_vm *guest)
{
	lockdep_assert_held(&vmguest_registry_lock);
	if (old_cid == vm->cid)
		return;
	/* The slot is there, so this allocates nothing. */
	xa_store(&registry_cids, vm->cid, vm, GFP_KERNEL);
	xa_erase(&registry_cids, old_cid);
	if (guest)
		vmguest_registry_unlink(guest);
}

/* From the tables of names and CIDs to the list of gone VMs. */
void vmguest_registry_set_gone(struct vmguest_vm *vm)
{
	registry_unname(vm);
	list_add(&vm->gone_node, &registry_gone);
	registry_gone_count++;
	vmguest_registry_changed();
}

/* The readable VM with the smallest id above @id, referenced, or NULL. */
struct vmguest_vm *vmguest_registry_find_next(u64 id)
{
	struct vmguest_vm *vm;
	unsigned long index = id;

	if (id >= ULONG_MAX)
		return NULL;
	for (;;) {
		rcu_read_lock();
		vm = xa_find_after(&registry_ids, &index, ULONG_MAX,
				   XA_PRESENT);
		if (!vm) {
			rcu_read_unlock();
			return NULL;
		}
		vm = registry_tryget(vm);
		rcu_read_unlock();
		if (!vm)
			continue;
		if (!vmguest_vm_permission(vm, VMGUEST_MAY_READ))
			return vm;
		vmguest_vm_put(vm);
	}
}

/* VMs that a walk visits before others may change the registry. */
#define REGISTRY_WALK_BATCH	64

/**
 * vmguest_registry_walk - Visit VMs, by ascending id
 * @after: Those with ids above it; out, the last that was visited.
 * @generation: Out, never 0; another one than before when the registry has
 *	changed meanwhile.
 * @visit: Called for each under the registry's lock; what it returns other than
 *	0 ends the walk before that VM.
 * @data: For @visit.
 *
 * Return: 0 after the last VM, or what @visit returned.
 */
int vmguest_registry_walk(u64 *after, unsigned int *generation,
			  vmguest_registry_visit_t visit, void *data)
{
	struct vmguest_vm *vm;
	unsigned int left;
	unsigned long id;
	int err = 0;

	do {
		left = REGISTRY_WALK_BATCH;
		mutex_lock(&vmguest_registry_lock);
		*generation = registry_generation;
		for (; left && *after < ULONG_MAX; left--) {
			id = *after;
			vm = xa_find_after(&registry_ids, &id, ULONG_MAX,
					   XA_PRESENT);
			err = vm ? visit(vm, data) : 0;
			if (!vm || err)
				break;
			*after = id;
		}
		mutex_unlock(&vmguest_registry_lock);
		cond_resched();
	} while (!left);
	return err;
}

static int registry_count(struct vmguest_vm *vm, void *data)
{
	struct vmguest_registry_stats *stats = data;

	spin_lock(&vm->lock);
	stats->count++;
	registry_add_stats(stats, vm);
	spin_unlock(&vm->lock);
	return 0;
}

void vmguest_registry_get_stats(struct vmguest_registry_stats *stats)
{
	unsigned int generation;
	u64 after = 0;

	memset(stats, 0, sizeof(*stats));
	vmguest_registry_walk(&after, &generation, registry_count, stats);
	mutex_lock(&vmguest_registry_lock);
	stats->frames_in += registry_past.frames_in;
	stats->frames_out += registry_past.frames_out;
	stats->malformed += registry_past.malformed;
	stats->refused += registry_past.refused;
	mutex_unlock(&vmguest_registry_lock);
}

/* Before its HELLO a connection counts for the VM that has its CID, if any. */
void vmguest_registry_count_malformed(struct vmguest_channel *channel)
{
	struct vmguest_vm *vm = channel->vm;

	if (vm)
		kref_get(&vm->ref);
	else
		vm = vmguest_registry_find_cid(channel->cid);
	if (!vm) {
		mutex_lock(&vmguest_registry_lock);
		registry_past.malformed++;
		mutex_unlock(&vmguest_registry_lock);
		return;
	}
	spin_lock(&vm->lock);
	vm->malformed++;
	spin_unlock(&vm->lock);
	vmguest_vm_put(vm);
}

/* The oldest gone VM whose tasks have learnt it, or NULL. */
static struct vmguest_vm *registry_oldest_gone(void)
{
	struct vmguest_vm *vm;
	bool told;

	lockdep_assert_held(&vmguest_registry_lock);
	list_for_each_entry_reverse(vm, &registry_gone, gone_node) {
		spin_lock(&vm->lock);
		told = list_empty(&vm->channels);
		spin_unlock(&vm->lock);
		if (told)
			return vm;
	}
	return NULL;
}

/*
 * Pushes out the oldest gone VMs. A work of its own, because it waits for the
 * lifelines' work, which is what finds that there are too many. Queued again when
 * the last channel of a gone VM ends, until when the VM is left alone.
 */
static void registry_trim(struct work_struct *work)
{
	struct vmguest_vm *vm;

	do {
		vm = NULL;
		mutex_lock(&vmguest_registry_lock);
		if (registry_gone_count > READ_ONCE(vm_retain))
			vm = registry_oldest_gone();
		if (vm)
			vmguest_registry_unlink(vm);
		mutex_unlock(&vmguest_registry_lock);
		if (vm)
			vmguest_vm_finish(vm);
	} while (vm);
}

static DECLARE_DELAYED_WORK(registry_trim_work, registry_trim);

void vmguest_registry_trim_later(void)
{
	queue_delayed_work(vmguest_wq, &registry_trim_work,
			   msecs_to_jiffies(REGISTRY_TRIM_MS));
}

int vmguest_registry_init(void)
{
	return rhashtable_init(&registry_names, &registry_names_params);
}

/* Nobody calls and no channel is left. */
void vmguest_registry_uninit(void)
{
	struct vmguest_vm *vm;
	unsigned long id;

	xa_for_each(&registry_ids, id, vm) {
		mutex_lock(&vmguest_registry_lock);
		/* A timer may have ended the last task of an unregistered VM. */
		vm = xa_load(&registry_ids, id);
		if (vm)
			vmguest_registry_unlink(vm);
		mutex_unlock(&vmguest_registry_lock);
		if (vm)
			vmguest_vm_finish(vm);
	}
	cancel_delayed_work_sync(&registry_trim_work);
	rhashtable_destroy(&registry_names);
	xa_destroy(&registry_cids);
	xa_destroy(&registry_ids);
	rcu_barrier();
}
