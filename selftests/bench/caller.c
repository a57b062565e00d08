// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "caller.h"
#include "sample.h"
#include "vmg.h"

/* As that of a far end. */
#define CALLER_PATIENCE_MS	3600000

int caller_ask(const struct caller *caller, unsigned long nr, uint32_t flags)
{
	struct vmguest_request request = {
		.size = sizeof(request),
		.vm_id = caller->vm,
		.flags = flags,
		.deadline_ms = CALLER_PATIENCE_MS,
	};

	if (nr == VMGUEST_SHUTDOWN)
		request.until = VMGUEST_UNTIL_ACCEPTED;
	if (ioctl(caller->fd, nr, &request))
		sample_die(-errno, "request");
	return request.task_fd;
}

static void __attribute__((noreturn)) caller_give_up(int task)
{
	struct vmguest_task_get info = { .size = sizeof(info) };

	if (ioctl(task, VMGUEST_TASK_GET, &info))
		sample_die(-errno, "result");
	sample_die(0, "task %llu of %s, verb %u, is still at stage %u",
		   (unsigned long long)info.task_id, info.vm_name, info.verb,
		   info.stage);
}

void caller_wait(int task)
{
	struct pollfd pfd = { .fd = task, .events = POLLIN };

	if (poll(&pfd, 1, CALLER_PATIENCE_MS) <= 0)
		caller_give_up(task);
}

void caller_get(int task, struct vmguest_task_get *info)
{
	memset(info, 0, sizeof(*info));
	info->size = sizeof(*info);
	if (ioctl(task, VMGUEST_TASK_GET, info))
		sample_die(-errno, "result");
	if (!(info->task_flags & VMGUEST_TASK_COMPLETE) || info->result)
		sample_die(info->error, "the task failed");
}

void caller_cycle(const struct caller *caller, unsigned long nr)
{
	struct vmguest_task_get info;
	int task = caller_ask(caller, nr, 0);

	caller_wait(task);
	caller_get(task, &info);
	close(task);
}

void caller_meet(const struct caller *caller)
{
	struct vmguest_task_get info;
	int task = caller_ask(caller, VMGUEST_PING, VMGUEST_REQ_QUEUE);

	caller_wait(task);
	caller_get(task, &info);
	close(task);
}

struct caller caller_make(int fd, const char *name, uint32_t cid)
{
	struct caller caller = { .fd = fd };
	int err = vmg_register(fd, name, cid, -1, &caller.vm);

	if (err)
		sample_die(err, "register");
	return caller;
}
