// SPDX-License-Identifier: GPL-2.0-only
/* The registry of VMs. */
#include <errno.h>
#include <string.h>

#include "internal.h"

int vmguest_put_name(char *to, const struct vmguest_vm_ref *vm)
{
	return vmguest_put_text(to, VMGUEST_NAME_SIZE, vm->name);
}

int vmguest_register(int fd, const struct vmguest_registration *vm,
		     uint64_t *vm_id)
{
	struct vmguest_registration want = { .lifeline_fd = -1 };
	struct vmguest_vm_register call = { .size = sizeof(call) };
	int ret;

	ret = vmguest_take(&want, sizeof(want), vm);
	if (ret)
		return ret;
	ret = vmguest_put_text(call.name, sizeof(call.name), want.name);
	if (ret)
		return ret;
	call.cid = want.cid;
	call.uid = want.uid;
	call.gid = want.gid;
	call.mode = want.mode;
	call.lifeline_fd = want.lifeline_fd;
	ret = vmguest_ioctl(fd, VMGUEST_VM_REGISTER, &call);
	if (!ret && vm_id)
		*vm_id = call.vm_id;
	return ret;
}

int vmguest_unregister(int fd, const struct vmguest_vm_ref *vm, uint32_t flags)
{
	struct vmguest_vm_unregister call = {
		.size = sizeof(call),
		.flags = flags,
		.vm_id = vm->id,
		.cid = vm->cid,
	};
	int ret;

	ret = vmguest_put_name(call.name, vm);
	return ret ? ret : vmguest_ioctl(fd, VMGUEST_VM_UNREGISTER, &call);
}

int vmguest_set(int fd, const struct vmguest_vm_ref *vm,
		const struct vmguest_vm_set *change)
{
	struct vmguest_vm_set call = *change;
	int ret;

	call.size = sizeof(call);
	call.vm_id = vm->id;
	call.cid = vm->cid;
	ret = vmguest_put_name(call.name, vm);
	return ret ? ret : vmguest_ioctl(fd, VMGUEST_VM_SET, &call);
}

static int get(int fd, uint32_t flags, const struct vmguest_vm_ref *vm,
	       struct vmguest_vm_get *info)
{
	uint32_t size = info->size;

	/* Every version of the struct has the name. */
	if (size < offsetof(struct vmguest_vm_get, hostname))
		return -EINVAL;
	memset(info, 0, size);
	info->size = size;
	info->flags = flags;
	info->vm_id = vm->id;
	info->cid = vm->cid;
	if (vmguest_put_name(info->name, vm))
		return -EINVAL;
	return vmguest_ioctl(fd, VMGUEST_VM_GET, info);
}

int vmguest_find(int fd, const struct vmguest_vm_ref *vm,
		 struct vmguest_vm_get *info)
{
	return get(fd, 0, vm, info);
}

int vmguest_next(int fd, struct vmguest_vm_get *info)
{
	const struct vmguest_vm_ref behind = { .id = info->vm_id };
	int ret;

	ret = get(fd, VMGUEST_VM_GET_NEXT, &behind, info);
	if (ret == -ENOENT)
		return 0;
	return ret ? ret : 1;
}
