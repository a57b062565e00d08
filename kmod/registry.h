/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_REGISTRY_H
#define _VMGUEST_REGISTRY_H

#include <linux/mutex.h>
#include <linux/types.h>

struct vmguest_channel;
struct vmguest_vm;
struct vmguest_vm_ref;

/**
 * struct vmguest_registry_stats - Counters of all VMs since module load
 * @count: VMs that there are.
 * @frames_in: Frames received.
 * @frames_out: Frames sent.
 * @malformed: Channels closed for what they sent.
 * @refused: Connections refused.
 */
struct vmguest_registry_stats {
	u32 count;
	u64 frames_in;
	u64 frames_out;
	u64 malformed;
	u64 refused;
};

/* Called for one VM of many; another value than 0 ends the walk before it. */
typedef int (*vmguest_registry_visit_t)(struct vmguest_vm *vm, void *data);

int vmguest_registry_init(void);
void vmguest_registry_uninit(void);

/* Need no lock, or take it themselves. VMs that are found are referenced. */
struct vmguest_vm *
vmguest_registry_lookup(const struct vmguest_vm_ref *ref);
struct vmguest_vm *vmguest_registry_find_cid(u32 cid);
struct vmguest_vm *vmguest_registry_find_next(u64 id);
int vmguest_registry_walk(u64 *after, unsigned int *generation,
			  vmguest_registry_visit_t visit, void *data);
void vmguest_registry_get_stats(struct vmguest_registry_stats *stats);
void vmguest_registry_count_malformed(struct vmguest_channel *channel);
void vmguest_registry_trim_later(void);

/*
 * To register, change or remove a VM takes several of the steps below, with
 * steps of the VM's own in between, as one. So who takes them holds the lock;
 * each asserts it.
 */
extern struct mutex vmguest_registry_lock;

struct vmguest_vm *vmguest_registry_cid_holder(u32 cid);
bool vmguest_registry_has_name(const char *name);
struct vmguest_vm *vmguest_registry_find_predecessor(const char *name);
int vmguest_registry_link(struct vmguest_vm *vm);
void vmguest_registry_unlink(struct vmguest_vm *vm);
int vmguest_registry_adopt(struct vmguest_vm *vm);
int vmguest_registry_reserve_cid(struct vmguest_vm *vm, u32 cid,
				 struct vmguest_vm **guest);
void vmguest_registry_release_cid(u32 cid);
void vmguest_registry_move_cid(struct vmguest_vm *vm, u32 old_cid,
			       struct vmguest_vm *guest);
void vmguest_registry_set_gone(struct vmguest_vm *vm);
void vmguest_registry_changed(void);

#endif /* _VMGUEST_REGISTRY_H */
