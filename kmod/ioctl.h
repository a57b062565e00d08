/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_IOCTL_H
#define _VMGUEST_IOCTL_H

#include <linux/stddef.h>
#include <linux/types.h>
#include <linux/vmguest.h>

struct file;

/**
 * struct vmguest_ioctl - One call being served
 * @file: The fd that it was made on.
 * @cmd: The ioctl number.
 * @user: The caller's struct.
 * @user_size: Its size.
 * @op: What serves it.
 * @arg: The struct as this kernel knows it.
 */
struct vmguest_ioctl {
	struct file *file;
	unsigned int cmd;
	void __user *user;
	u32 user_size;
	const struct vmguest_ioctl_op *op;
	union {
		struct vmguest_get_api get_api;
		struct vmguest_vm_register vm_register;
		struct vmguest_vm_unregister vm_unregister;
		struct vmguest_vm_get vm_get;
		struct vmguest_vm_set vm_set;
		struct vmguest_request request;
		struct vmguest_task_open task_open;
		struct vmguest_group_start group_start;
		struct vmguest_task_get task_get;
		struct vmguest_task_cancel task_cancel;
		struct vmguest_task_blocker task_blocker;
	} arg;
};

/**
 * struct vmguest_ioctl_op - How a call is served
 * @cmd: Its number.
 * @size: Of its struct, as this kernel knows it.
 * @min_size: Of its struct's first version; never changes.
 * @in_size: Of its first members, if only they are read, else 0: then @serve sets
 *	all others.
 * @serve: Serves it.
 */
struct vmguest_ioctl_op {
	unsigned int cmd;
	u32 size;
	u32 min_size;
	u32 in_size;
	int (*serve)(struct vmguest_ioctl *ioctl);
};

/* @last is the last member of the struct's first version. */
#define VMGUEST_IOCTL_OP(_cmd, _struct, _last, _serve)			\
	{								\
		.cmd = _cmd,						\
		.size = sizeof(struct _struct),				\
		.min_size = offsetofend(struct _struct, _last),		\
		.serve = _serve,					\
	}

/* For a call that reads nothing behind @_in. */
#define VMGUEST_IOCTL_OUT_OP(_cmd, _struct, _in, _last, _serve)		\
	{								\
		.cmd = _cmd,						\
		.size = sizeof(struct _struct),				\
		.min_size = offsetofend(struct _struct, _last),		\
		.in_size = offsetofend(struct _struct, _in),		\
		.serve = _serve,					\
	}

long vmguest_ioctl_serve(struct file *file, unsigned int cmd,
			 unsigned long arg,
			 const struct vmguest_ioctl_op *ops, size_t count);
int vmguest_ioctl_respond(struct vmguest_ioctl *ioctl);

#endif /* _VMGUEST_IOCTL_H */
