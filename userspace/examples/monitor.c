// SPDX-License-Identifier: GPL-2.0-only
/* Know at any time which requests run, whatever is missed: libvmguest-monitor. */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "libvmguest-monitor.h"

struct watch {
	unsigned int running;
	bool lost;
};

static bool is_running(const struct vmguest_task_get *task)
{
	return task->verb != VMGUEST_VERB_PING && !(task->task_flags & VMGUEST_TASK_COMPLETE);
}

static int tell(const struct vmguest_event *event, void *context)
{
	const struct vmguest_task_get *task = event->task;
	struct watch *watch = context;

	switch (event->type) {
	case VMGUEST_EVENT_OVERRUN:
		watch->lost = true;
		break;
	case VMGUEST_EVENT_SYNC_BEGIN:
		watch->running = 0;
		break;
	case VMGUEST_EVENT_SYNC_END:
		printf("%u running\n", watch->running);
		break;
	case VMGUEST_EVENT_TASK:
		watch->running += is_running(task);
		break;
	case VMGUEST_EVENT_TASK_STARTED:
		watch->running++;
		break;
	case VMGUEST_EVENT_TASK_COMPLETED:
		watch->running -= task->verb != VMGUEST_VERB_PING;
		break;
	}
	if (task)
		printf("%s %s: task %llu, %s %s, %u running\n", task->vm_name,
		       vmguest_event_name(event->type), (unsigned long long)task->task_id,
		       vmguest_verb_name(task->verb), vmguest_stage_name(task->stage),
		       watch->running);
	fflush(stdout);
	return 0;
}

/* -EAGAIN: more happens than a dump can keep up with; there is another chance. */
static void resync(struct vmguest_monitor *monitor, struct watch *watch)
{
	int error = vmguest_monitor_resync(monitor, tell, watch);

	watch->lost = error;
	if (error && error != -EAGAIN)
		errx(1, "cannot know what runs: errno %d", -error);
}

int main(int argc, char **argv)
{
	struct watch watch = { 0 };
	struct vmguest_monitor *monitor;
	struct pollfd ready = { .events = POLLIN };
	int error;

	error = vmguest_monitor_open(VMGUEST_MONITOR_TASK, &monitor);
	if (!error && argc > 1)
		error = vmguest_monitor_set_buffer(monitor, strtoul(argv[1], NULL, 10));
	if (error)
		errx(1, "cannot listen: errno %d", -error);
	ready.fd = vmguest_monitor_fd(monitor);
	for (resync(monitor, &watch);; ) {
		if (poll(&ready, 1, watch.lost ? 100 : -1) < 0)
			err(1, "poll");
		error = vmguest_monitor_dispatch(monitor, tell, &watch);
		if (error < 0)
			errx(1, "dispatch: errno %d", -error);
		if (watch.lost) {
			printf("events were lost\n");
			resync(monitor, &watch);
		}
	}
}
