// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/vmguest and its calls.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/uaccess.h>

#include "device.h"
#include "group.h"
#include "ioctl.h"
#include "listener.h"
#include "main.h"
#include "task.h"
#include "task_file.h"
#include "vm.h"

#define DEVICE_FEATURES							\
	(VMGUEST_FEATURE_FORCE | VMGUEST_FEATURE_JOIN |			\
	 VMGUEST_FEATURE_QUEUE | VMGUEST_FEATURE_CANCEL_ON_CLOSE |	\
	 VMGUEST_FEATURE_NO_DEADLINE | VMGUEST_FEATURE_UNTIL |		\
	 VMGUEST_FEATURE_FORCE_AFTER | VMGUEST_FEATURE_LIFELINE |	\
	 VMGUEST_FEATURE_SCOPE | VMGUEST_FEATURE_GRACE |		\
	 VMGUEST_FEATURE_READ | VMGUEST_FEATURE_BLOCKERS |		\
	 VMGUEST_FEATURE_HEARTBEAT | VMGUEST_FEATURE_SET |		\
	 VMGUEST_FEATURE_RESPECT_SESSIONS | VMGUEST_FEATURE_GROUP)

#define REQUEST_FLAGS							\
	(VMGUEST_REQ_FORCE | VMGUEST_REQ_JOIN | VMGUEST_REQ_QUEUE |	\
	 VMGUEST_REQ_CANCEL_ON_CLOSE | VMGUEST_REQ_NO_DEADLINE |	\
	 VMGUEST_REQ_RESPECT_SESSIONS)

#define PING_FLAGS							\
	(VMGUEST_REQ_QUEUE | VMGUEST_REQ_CANCEL_ON_CLOSE |		\
	 VMGUEST_REQ_NO_DEADLINE)

static int device_get_api(struct vmguest_ioctl *ioctl)
{
	struct vmguest_get_api *cmd = &ioctl->arg.get_api;
	u32 size = cmd->size;

	if (cmd->flags)
		return -EINVAL;
	memset(cmd, 0, sizeof(*cmd));
	cmd->size = size;
	cmd->version = VMGUEST_API_VERSION;
	cmd->vsock_port = vmguest_listener_port();
	cmd->features = DEVICE_FEATURES;
	memcpy(cmd->instance, vmguest_instance, sizeof(cmd->instance));
	return vmguest_ioctl_respond(ioctl);
}

/*
 * The id is known only afterwards, so that the struct can be written is tried
 * first: a caller with a bad pointer has registered nothing.
 */
static int device_vm_register(struct vmguest_ioctl *ioctl)
{
	int err;

	err = vmguest_ioctl_respond(ioctl);
	if (err)
		return err;
	err = vmguest_vm_register(&ioctl->arg.vm_register);
	if (err)
		return err;
	return vmguest_ioctl_respond(ioctl);
}

static int device_vm_unregister(struct vmguest_ioctl *ioctl)
{
	return vmguest_vm_unregister(&ioctl->arg.vm_unregister);
}

static int device_vm_get(struct vmguest_ioctl *ioctl)
{
	int err;

	err = vmguest_vm_get_info(&ioctl->arg.vm_get);
	if (err)
		return err;
	return vmguest_ioctl_respond(ioctl);
}

static int device_vm_set(struct vmguest_ioctl *ioctl)
{
	return vmguest_vm_set(&ioctl->arg.vm_set);
}

static u8 request_verb(unsigned int cmd)
{
	switch (cmd) {
	case VMGUEST_SHUTDOWN:
		return VMGUEST_VERB_SHUTDOWN;
	case VMGUEST_RESTART:
		return VMGUEST_VERB_RESTART;
	case VMGUEST_LOGOFF:
		return VMGUEST_VERB_LOGOFF;
	default:
		return VMGUEST_VERB_PING;
	}
}

static int request_check_until(const struct vmguest_request *cmd, u8 verb)
{
	switch (cmd->until) {
	case VMGUEST_UNTIL_DEFAULT:
		return 0;
	case VMGUEST_UNTIL_ACCEPTED:
		return verb == VMGUEST_VERB_PING ? -EINVAL : 0;
	case VMGUEST_UNTIL_DOWN:
	case VMGUEST_UNTIL_GONE:
		return verb == VMGUEST_VERB_SHUTDOWN ? 0 : -EINVAL;
	default:
		return -EINVAL;
	}
}

static int request_check_flags(const struct vmguest_request *cmd, u8 verb)
{
	u32 allowed = verb == VMGUEST_VERB_PING ? PING_FLAGS : REQUEST_FLAGS;

	if (cmd->flags & ~allowed)
		return -EINVAL;
	if ((cmd->flags & VMGUEST_REQ_NO_DEADLINE) && cmd->deadline_ms)
		return -EINVAL;
	/* A LOGOFF ends them. */
	if ((cmd->flags & VMGUEST_REQ_RESPECT_SESSIONS) &&
	    verb == VMGUEST_VERB_LOGOFF)
		return -EINVAL;
	if (cmd->force_after_ms && ((cmd->flags & VMGUEST_REQ_FORCE) ||
				    verb == VMGUEST_VERB_PING))
		return -EINVAL;
	return 0;
}

static int request_check_scope(const struct vmguest_request *cmd, u8 verb)
{
	if (cmd->scope > VMGUEST_SCOPE_ALL_BUT_UID)
		return -EINVAL;
	if (cmd->scope && verb != VMGUEST_VERB_LOGOFF)
		return -EINVAL;
	if (cmd->scope_uid && !cmd->scope)
		return -EINVAL;
	return 0;
}

/* A PING bothers nobody, and only a LOGOFF is about sessions. */
static int request_check_times(const struct vmguest_request *cmd, u8 verb)
{
	if (cmd->delay_ms && verb == VMGUEST_VERB_PING)
		return -EINVAL;
	if (cmd->grace_ms && verb != VMGUEST_VERB_LOGOFF)
		return -EINVAL;
	return 0;
}

static int request_check_reason(const struct vmguest_request *cmd)
{
	size_t len = strnlen(cmd->reason, sizeof(cmd->reason));

	if (len == sizeof(cmd->reason) || !vmguest_text_is_clean(cmd->reason, len))
		return -EINVAL;
	return 0;
}

/* Return: 0 or -EINVAL. */
int vmguest_request_check(const struct vmguest_request *cmd, u8 verb)
{
	const struct vmguest_vm_ref ref = {
		.id = cmd->vm_id, .cid = cmd->cid, .name = cmd->name,
	};

	if (cmd->reserved || cmd->task_fd || cmd->task_id)
		return -EINVAL;
	return vmguest_vm_ref_check(&ref) ?:
	       request_check_flags(cmd, verb) ?:
	       request_check_until(cmd, verb) ?:
	       request_check_scope(cmd, verb) ?:
	       request_check_times(cmd, verb) ?:
	       request_check_reason(cmd);
}

/**
 * struct request_fd - A task fd that is not installed yet
 * @fd: Its number.
 * @file: What will be there.
 */
struct request_fd {
	int fd;
	struct file *file;
};

static int request_fd_prepare(struct request_fd *handle,
			      struct vmguest_task *task)
{
	handle->fd = get_unused_fd_flags(O_CLOEXEC);
	if (handle->fd < 0)
		return handle->fd;
	handle->file = vmguest_task_file_create(task);
	if (IS_ERR(handle->file)) {
		put_unused_fd(handle->fd);
		return PTR_ERR(handle->file);
	}
	return 0;
}

static void request_fd_drop(const struct request_fd *handle)
{
	put_unused_fd(handle->fd);
	fput(handle->file);
}

/* Cannot fail; afterwards the fd is the caller's and may be closed any time. */
static void request_fd_install(const struct request_fd *handle, u32 flags)
{
	if (flags & VMGUEST_REQ_CANCEL_ON_CLOSE)
		vmguest_task_file_cancel_on_close(handle->file);
	fd_install(handle->fd, handle->file);
}

/* The rest of the struct is as the caller gave it. */
static int request_respond(struct vmguest_ioctl *ioctl, int fd, u64 task_id)
{
	struct vmguest_request __user *user = ioctl->user;

	if (put_user(fd, &user->task_fd) || put_user(task_id, &user->task_id))
		return -EFAULT;
	return 0;
}

/* Hands out a new fd of a task that runs already, with what it waits for. */
static int request_join(struct vmguest_ioctl *ioctl, struct vmguest_task *task)
{
	struct vmguest_request *cmd = &ioctl->arg.request;
	struct vmguest_person person;
	struct request_fd handle;
	int err;

	err = request_fd_prepare(&handle, task);
	if (err)
		return err;
	cmd->until = task->until;
	cmd->deadline_ms = task->deadline_ms;
	cmd->force_after_ms = task->force_after_ms;
	strscpy_pad(cmd->reason, vmguest_task_reason(task), sizeof(cmd->reason));
	cmd->task_fd = handle.fd;
	cmd->task_id = task->id;
	err = vmguest_ioctl_respond(ioctl);
	if (err) {
		request_fd_drop(&handle);
		return err;
	}
	person = vmguest_person_current();
	vmguest_task_join(task, &person);
	put_pid(person.pid);
	request_fd_install(&handle, cmd->flags);
	return 0;
}

/*
 * Everything that can fail, the copy to user space included, comes before
 * vmguest_task_submit(). After that the request cannot be taken back.
 */
static int request_submit(struct vmguest_ioctl *ioctl, struct vmguest_vm *vm,
			  u8 verb)
{
	struct vmguest_request *cmd = &ioctl->arg.request;
	struct vmguest_task *task, *running = NULL;
	struct request_fd handle;
	int err;

	task = vmguest_task_create(vm, verb, cmd);
	if (IS_ERR(task))
		return PTR_ERR(task);
	err = request_fd_prepare(&handle, task);
	if (err)
		goto put_task;
	err = request_respond(ioctl, handle.fd, task->id);
	if (err)
		goto drop_fd;
	err = vmguest_task_submit(task, cmd->flags, &running);
	if (err)
		goto drop_fd;
	request_fd_install(&handle, cmd->flags);
	vmguest_task_put(task);
	return 0;

drop_fd:
	request_fd_drop(&handle);
put_task:
	vmguest_task_put(task);
	if (err == -EFAULT)
		return err;
	if (err == -EINPROGRESS && (cmd->flags & VMGUEST_REQ_JOIN))
		err = request_join(ioctl, running);
	if (err && err != -EFAULT &&
	    request_respond(ioctl, -1, running ? running->id : 0))
		err = -EFAULT;
	if (running)
		vmguest_task_put(running);
	return err;
}

static int device_request(struct vmguest_ioctl *ioctl)
{
	const struct vmguest_request *cmd = &ioctl->arg.request;
	const struct vmguest_vm_ref ref = {
		.id = cmd->vm_id, .cid = cmd->cid, .name = cmd->name,
	};
	u8 verb = request_verb(ioctl->cmd);
	struct vmguest_vm *vm;
	int err;

	err = vmguest_request_check(cmd, verb);
	if (err)
		return err;
	vm = vmguest_vm_find(&ref, VMGUEST_MAY_CONTROL);
	if (IS_ERR(vm))
		return PTR_ERR(vm);
	err = request_submit(ioctl, vm, verb);
	vmguest_vm_put(vm);
	return err;
}

static int device_task_open(struct vmguest_ioctl *ioctl)
{
	struct vmguest_task_open *cmd = &ioctl->arg.task_open;
	struct vmguest_task *task;
	struct request_fd handle;
	int err;

	if (cmd->flags || cmd->reserved || cmd->task_fd)
		return -EINVAL;
	task = vmguest_task_find(cmd->task_id);
	if (!task)
		return capable(CAP_SYS_ADMIN) ? -ENOENT : -EACCES;
	err = vmguest_vm_permission(task->vm, VMGUEST_MAY_READ);
	if (err)
		goto put_task;
	err = request_fd_prepare(&handle, task);
	if (err)
		goto put_task;
	cmd->task_fd = handle.fd;
	err = vmguest_ioctl_respond(ioctl);
	if (err)
		request_fd_drop(&handle);
	else
		request_fd_install(&handle, 0);
put_task:
	vmguest_task_put(task);
	return err;
}

static const struct vmguest_ioctl_op device_ops[] = {
	VMGUEST_IOCTL_OP(VMGUEST_GET_API, vmguest_get_api, instance,
			 device_get_api),
	VMGUEST_IOCTL_OP(VMGUEST_VM_REGISTER, vmguest_vm_register, name,
			 device_vm_register),
	VMGUEST_IOCTL_OP(VMGUEST_VM_UNREGISTER, vmguest_vm_unregister, name,
			 device_vm_unregister),
	VMGUEST_IOCTL_OP(VMGUEST_VM_GET, vmguest_vm_get, agent_version,
			 device_vm_get),
	VMGUEST_IOCTL_OP(VMGUEST_VM_SET, vmguest_vm_set, vm_flags,
			 device_vm_set),
	VMGUEST_IOCTL_OP(VMGUEST_SHUTDOWN, vmguest_request, reason,
			 device_request),
	VMGUEST_IOCTL_OP(VMGUEST_RESTART, vmguest_request, reason,
			 device_request),
	VMGUEST_IOCTL_OP(VMGUEST_LOGOFF, vmguest_request, reason,
			 device_request),
	VMGUEST_IOCTL_OP(VMGUEST_PING, vmguest_request, reason,
			 device_request),
	VMGUEST_IOCTL_OP(VMGUEST_TASK_OPEN, vmguest_task_open, reserved,
			 device_task_open),
	VMGUEST_IOCTL_OP(VMGUEST_GROUP_START, vmguest_group_start, reason,
			 vmguest_group_serve),
};

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return vmguest_ioctl_serve(file, cmd, arg, device_ops,
				   ARRAY_SIZE(device_ops));
}

static const struct file_operations device_fops = {
	.owner		= THIS_MODULE,
	.open		= nonseekable_open,
	.unlocked_ioctl	= device_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice device_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "vmguest",
	.fops	= &device_fops,
	.mode	= 0666,
};

int vmguest_device_init(void)
{
	return misc_register(&device_misc);
}

/* Open files pin the module, so no call is under way. */
void vmguest_device_uninit(void)
{
	misc_deregister(&device_misc);
}
