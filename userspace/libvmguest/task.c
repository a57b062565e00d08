// SPDX-License-Identifier: GPL-2.0-only
/* Requests under way. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "internal.h"

int vmguest_open_task(int fd, uint64_t task_id)
{
	struct vmguest_task_open call = {
		.size = sizeof(call),
		.task_id = task_id,
	};
	int ret;

	ret = vmguest_ioctl(fd, VMGUEST_TASK_OPEN, &call);
	return ret ? ret : call.task_fd;
}

int vmguest_look(int task_fd, struct vmguest_task_get *task)
{
	uint32_t size = task->size;

	if (size < sizeof(size))
		return -EINVAL;
	memset(task, 0, size);
	task->size = size;
	return vmguest_ioctl(task_fd, VMGUEST_TASK_GET, task);
}

int vmguest_blocker(int task_fd, uint32_t index,
		    struct vmguest_task_blocker *blocker)
{
	uint32_t size = blocker->size;

	if (size < offsetof(struct vmguest_task_blocker, kind))
		return -EINVAL;
	memset(blocker, 0, size);
	blocker->size = size;
	blocker->index = index;
	return vmguest_ioctl(task_fd, VMGUEST_TASK_BLOCKER, blocker);
}

int vmguest_cancel(int task_fd)
{
	struct vmguest_task_cancel call = { .size = sizeof(call) };

	return vmguest_ioctl(task_fd, VMGUEST_TASK_CANCEL, &call);
}

/* The clock of the module's deadlines. */
static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static int left_ms(int timeout_ms, int64_t end)
{
	int64_t left;

	if (timeout_ms < 0)
		return -1;
	left = end - now_ms();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

int vmguest_wait(int task_fd, int timeout_ms, vmguest_watch_fn *watch,
		 void *context)
{
	struct vmguest_task_get task = { .size = sizeof(task) };
	struct pollfd poll_fd = { .fd = task_fd, .events = POLLIN | POLLPRI };
	int64_t end = now_ms() + timeout_ms;
	int ret;

	for (;;) {
		ret = vmguest_look(task_fd, &task);
		if (!ret && watch)
			ret = watch(&task, context);
		if (ret < 0)
			return ret;
		if (task.task_flags & VMGUEST_TASK_COMPLETE)
			return 1;
		ret = poll(&poll_fd, 1, left_ms(timeout_ms, end));
		if (ret < 0)
			return -errno;
		if (!ret)
			return 0;
	}
}
