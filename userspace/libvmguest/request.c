// SPDX-License-Identifier: GPL-2.0-only
/* The verbs. */
#include <errno.h>

#include "internal.h"

static int ioctl_of(enum vmguest_verb verb, unsigned long *request)
{
	switch (verb) {
	case VMGUEST_VERB_SHUTDOWN:
		*request = VMGUEST_SHUTDOWN;
		return 0;
	case VMGUEST_VERB_RESTART:
		*request = VMGUEST_RESTART;
		return 0;
	case VMGUEST_VERB_LOGOFF:
		*request = VMGUEST_LOGOFF;
		return 0;
	case VMGUEST_VERB_PING:
		*request = VMGUEST_PING;
		return 0;
	}
	return -EINVAL;
}

static int fill(struct vmguest_request *call, const struct vmguest_vm_ref *vm,
		const struct vmguest_options *options)
{
	struct vmguest_options how = VMGUEST_OPTIONS;
	int ret;

	if (options) {
		ret = vmguest_take(&how, sizeof(how), options);
		if (ret)
			return ret;
	}
	call->flags = how.flags;
	call->vm_id = vm->id;
	call->cid = vm->cid;
	call->until = how.until;
	call->deadline_ms = how.deadline_ms;
	call->force_after_ms = how.force_after_ms;
	call->delay_ms = how.delay_ms;
	call->grace_ms = how.grace_ms;
	call->scope = how.scope;
	call->scope_uid = how.scope_uid;
	ret = vmguest_put_name(call->name, vm);
	if (ret)
		return ret;
	return vmguest_put_text(call->reason, sizeof(call->reason),
				how.reason);
}

int vmguest_request(int fd, enum vmguest_verb verb,
		    const struct vmguest_vm_ref *vm,
		    const struct vmguest_options *options, uint64_t *task_id)
{
	struct vmguest_request call = { .size = sizeof(call) };
	unsigned long request;
	int ret;

	if (task_id)
		*task_id = 0;
	ret = ioctl_of(verb, &request);
	if (ret)
		return ret;
	ret = fill(&call, vm, options);
	if (ret)
		return ret;
	ret = vmguest_ioctl(fd, request, &call);
	if (task_id && (!ret || ret == -EINPROGRESS || ret == -EBUSY))
		*task_id = call.task_id;
	return ret ? ret : call.task_fd;
}

int vmguest_shutdown(int fd, const struct vmguest_vm_ref *vm,
		     const struct vmguest_options *options, uint64_t *task_id)
{
	return vmguest_request(fd, VMGUEST_VERB_SHUTDOWN, vm, options,
			       task_id);
}

int vmguest_restart(int fd, const struct vmguest_vm_ref *vm,
		    const struct vmguest_options *options, uint64_t *task_id)
{
	return vmguest_request(fd, VMGUEST_VERB_RESTART, vm, options, task_id);
}

int vmguest_logoff(int fd, const struct vmguest_vm_ref *vm,
		   const struct vmguest_options *options, uint64_t *task_id)
{
	return vmguest_request(fd, VMGUEST_VERB_LOGOFF, vm, options, task_id);
}

int vmguest_ping(int fd, const struct vmguest_vm_ref *vm,
		 const struct vmguest_options *options, uint64_t *task_id)
{
	return vmguest_request(fd, VMGUEST_VERB_PING, vm, options, task_id);
}
