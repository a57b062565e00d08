// SPDX-License-Identifier: GPL-2.0
/*
 * What all calls share: tables of ioctls with structs that grow.
 */
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "ioctl.h"

static const struct vmguest_ioctl_op *
ioctl_find(const struct vmguest_ioctl_op *ops, size_t count, unsigned int cmd)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (ops[i].cmd == cmd)
			return &ops[i];
	return NULL;
}

/* What is only written need not be read, but for bytes that nobody knows. */
static int ioctl_copy_in(struct vmguest_ioctl *ioctl)
{
	const struct vmguest_ioctl_op *op = ioctl->op;
	int zero;

	if (!op->in_size)
		return copy_struct_from_user(&ioctl->arg, op->size, ioctl->user,
					     ioctl->user_size);
	if (ioctl->user_size > op->size) {
		zero = check_zeroed_user(ioctl->user + op->size,
					 ioctl->user_size - op->size);
		if (zero <= 0)
			return zero ?: -E2BIG;
	}
	return copy_from_user(&ioctl->arg, ioctl->user, op->in_size) ?
	       -EFAULT : 0;
}

/**
 * vmguest_ioctl_serve - Copy a call's struct in and serve it
 * @file: The fd.
 * @cmd: The ioctl number.
 * @arg: Points to the caller's struct, whose first member is its size.
 * @ops: What this kind of fd serves.
 * @count: Number of @ops.
 *
 * Return: 0, -ENOTTY, -EFAULT, -EINVAL for a struct that is too short, -E2BIG for
 * one with unknown bytes that are not zero, or what the call returns.
 */
long vmguest_ioctl_serve(struct file *file, unsigned int cmd,
			 unsigned long arg,
			 const struct vmguest_ioctl_op *ops, size_t count)
{
	struct vmguest_ioctl ioctl;
	int err;

	ioctl.file = file;
	ioctl.cmd = cmd;
	ioctl.user = (void __user *)arg;
	ioctl.op = ioctl_find(ops, count, cmd);
	if (!ioctl.op)
		return -ENOTTY;
	if (get_user(ioctl.user_size, (u32 __user *)ioctl.user))
		return -EFAULT;
	if (ioctl.user_size < ioctl.op->min_size)
		return -EINVAL;
	if (ioctl.user_size > PAGE_SIZE)
		return -E2BIG;
	err = ioctl_copy_in(&ioctl);
	if (err)
		return err;
	return ioctl.op->serve(&ioctl);
}

/* Copies the struct back, as much of it as the caller knows. */
int vmguest_ioctl_respond(struct vmguest_ioctl *ioctl)
{
	if (copy_to_user(ioctl->user, &ioctl->arg,
			 min(ioctl->user_size, ioctl->op->size)))
		return -EFAULT;
	return 0;
}
