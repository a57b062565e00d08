// SPDX-License-Identifier: GPL-2.0
/*
 * Task fds: views of a task that can be polled.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "ioctl.h"
#include "task.h"
#include "task_file.h"
#include "vm.h"

/**
 * struct vmguest_task_file - One task fd
 *
 * Owned by its file.
 *
 * @task: What it shows; owns a reference.
 * @seen: &vmguest_task.changes at the last look; protected by the VM's lock.
 * @cancel_on_close: It counts in &vmguest_task.close_fds.
 */
struct vmguest_task_file {
	struct vmguest_task *task;
	u32 seen;
	bool cancel_on_close;
};

static __poll_t task_file_poll(struct file *file, poll_table *table)
{
	struct vmguest_task_file *view = file->private_data;
	struct vmguest_task *task = view->task;
	__poll_t events = 0;

	/* First onto the queue, then look: a change in between wakes. */
	poll_wait(file, &task->wait, table);
	spin_lock(&task->vm->lock);
	if (task->changes != view->seen)
		events |= EPOLLPRI;
	if (!vmguest_task_is_running(task))
		events |= EPOLLIN | EPOLLRDNORM | EPOLLHUP;
	spin_unlock(&task->vm->lock);
	return events;
}

static int task_file_get(struct vmguest_ioctl *ioctl)
{
	struct vmguest_task_file *view = ioctl->file->private_data;
	struct vmguest_task_get *cmd = &ioctl->arg.task_get;
	struct vmguest_task *task = view->task;
	u32 size = cmd->size;
	u32 changes;
	int err;

	if (cmd->flags)
		return -EINVAL;
	memset(cmd, 0, sizeof(*cmd));
	cmd->size = size;
	spin_lock(&task->vm->lock);
	vmguest_task_get_info(task, cmd);
	changes = task->changes;
	spin_unlock(&task->vm->lock);

	err = vmguest_ioctl_respond(ioctl);
	if (err)
		return err;
	spin_lock(&task->vm->lock);
	view->seen = changes;
	spin_unlock(&task->vm->lock);
	return 0;
}

static int task_file_cancel(struct vmguest_ioctl *ioctl)
{
	struct vmguest_task_file *view = ioctl->file->private_data;
	int err;

	if (ioctl->arg.task_cancel.flags)
		return -EINVAL;
	err = vmguest_vm_permission(view->task->vm, VMGUEST_MAY_CONTROL);
	if (err)
		return err;
	return vmguest_task_cancel(view->task);
}

static int task_file_blocker(struct vmguest_ioctl *ioctl)
{
	struct vmguest_task_file *view = ioctl->file->private_data;
	struct vmguest_task_blocker *cmd = &ioctl->arg.task_blocker;
	int err;

	if (cmd->flags)
		return -EINVAL;
	spin_lock(&view->task->vm->lock);
	err = vmguest_blockers_get(&view->task->blockers, cmd);
	spin_unlock(&view->task->vm->lock);
	return err ?: vmguest_ioctl_respond(ioctl);
}

static const struct vmguest_ioctl_op task_file_ops[] = {
	VMGUEST_IOCTL_OUT_OP(VMGUEST_TASK_GET, vmguest_task_get, flags,
			     guest_text, task_file_get),
	VMGUEST_IOCTL_OP(VMGUEST_TASK_CANCEL, vmguest_task_cancel, flags,
			 task_file_cancel),
	VMGUEST_IOCTL_OP(VMGUEST_TASK_BLOCKER, vmguest_task_blocker, why,
			 task_file_blocker),
};

static long task_file_ioctl(struct file *file, unsigned int cmd,
			    unsigned long arg)
{
	return vmguest_ioctl_serve(file, cmd, arg, task_file_ops,
				   ARRAY_SIZE(task_file_ops));
}

/* Return: whether there is news, or never will be. */
static bool task_file_look(struct vmguest_task_file *view,
			   struct vmguest_task_event *event, bool *news)
{
	struct vmguest_task *task = view->task;
	bool running;

	spin_lock(&task->vm->lock);
	*news = task->changes != view->seen;
	running = vmguest_task_is_running(task);
	vmguest_task_get_event(task, event);
	spin_unlock(&task->vm->lock);
	return *news || !running;
}

static ssize_t task_file_read(struct file *file, char __user *buf, size_t count,
			      loff_t *pos)
{
	struct vmguest_task_file *view = file->private_data;
	struct vmguest_task *task = view->task;
	struct vmguest_task_event event;
	bool news;
	int err;

	if (count < sizeof(event))
		return -EINVAL;
	if (!task_file_look(view, &event, &news)) {
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(task->wait,
					       task_file_look(view, &event,
							      &news));
		if (err)
			return err;
	}
	if (!news)
		return 0;
	if (copy_to_user(buf, &event, sizeof(event)))
		return -EFAULT;
	spin_lock(&task->vm->lock);
	view->seen = event.changes;
	spin_unlock(&task->vm->lock);
	return sizeof(event);
}

static void task_file_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct vmguest_task_file *view = file->private_data;
	struct vmguest_task *task = view->task;
	u32 stage, flags, proofs, result;
	int error;

	spin_lock(&task->vm->lock);
	stage = task->stage;
	flags = task->flags;
	proofs = task->proofs;
	result = task->result;
	error = task->error;
	spin_unlock(&task->vm->lock);

	seq_printf(m, "vmguest-task:\t%llu\n", task->id);
	seq_printf(m, "vmguest-vm:\t%llu\n", task->vm->id);
	seq_printf(m, "vmguest-verb:\t%u\n", task->verb);
	seq_printf(m, "vmguest-stage:\t%u\n", stage);
	seq_printf(m, "vmguest-flags:\t%#x\n", flags);
	seq_printf(m, "vmguest-proofs:\t%#x\n", proofs);
	seq_printf(m, "vmguest-result:\t%u\n", result);
	seq_printf(m, "vmguest-error:\t%d\n", error);
}

static int task_file_release(struct inode *inode, struct file *file)
{
	struct vmguest_task_file *view = file->private_data;
	struct vmguest_task *task = view->task;
	bool cancel = false;

	if (view->cancel_on_close) {
		spin_lock(&task->vm->lock);
		cancel = !--task->close_fds;
		spin_unlock(&task->vm->lock);
	}
	if (cancel)
		vmguest_task_cancel(task);
	vmguest_task_put(task);
	kfree(view);
	return 0;
}

static const struct file_operations vmguest_task_fops = {
	.owner		= THIS_MODULE,
	.read		= task_file_read,
	.poll		= task_file_poll,
	.unlocked_ioctl	= task_file_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.show_fdinfo	= task_file_show_fdinfo,
	.release	= task_file_release,
	.llseek		= noop_llseek,
};

bool vmguest_task_file_is(const struct file *file)
{
	return file->f_op == &vmguest_task_fops;
}

/**
 * vmguest_task_file_create - Make a view of a task
 * @task: The task; the view takes its own reference.
 *
 * Return: the file, which owns the view, or an ERR_PTR.
 */
struct file *vmguest_task_file_create(struct vmguest_task *task)
{
	struct vmguest_task_file *view;
	struct file *file;

	view = kzalloc(sizeof(*view), GFP_KERNEL_ACCOUNT);
	if (!view)
		return ERR_PTR(-ENOMEM);
	view->task = task;
	file = anon_inode_getfile("[vmguest-task]", &vmguest_task_fops, view,
				  O_RDWR | O_CLOEXEC);
	if (IS_ERR(file))
		kfree(view);
	else
		vmguest_task_get(task);
	return file;
}

/* The last view of this kind cancels its task when it is closed. */
void vmguest_task_file_cancel_on_close(struct file *file)
{
	struct vmguest_task_file *view = file->private_data;
	struct vmguest_task *task = view->task;

	spin_lock(&task->vm->lock);
	view->cancel_on_close = true;
	task->close_fds++;
	spin_unlock(&task->vm->lock);
}
