// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module for user space where there is none, to be preloaded: its VMs do
 * what their names say, at once.
 *
 *   errno.E[.T]		every call fails with errno E, naming task T
 *   task.R.E.P			a request completes with result R, errno E and
 *				proofs P
 *   running			a request never completes
 *   taken			cannot be registered, and lives
 *   blocked			task 7 runs
 *
 * A request of a group does the same; its task cannot be opened afterwards. One
 * that its name says nothing of never completes.
 *
 * The CIDs 3 and 4 are taken; a VM that is asked for by another one is not there.
 * Task 7 is one that never completes. Tasks that never complete, those that end
 * with EBUSY and those with FORCE have a blocker.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vmguest.h>

#define MAX_FDS		1024
#define MS		1000000ULL
#define GROUP_TOLD							\
	"group of %u parallel %u orders %#x flags %#x deadline %u reason '%s'\n"

static int device = -1;
static struct vmguest_task_get *tasks[MAX_FDS];

static int fail(int error)
{
	errno = error;
	return -1;
}

int open(const char *path, int flags, ...)
{
	int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
	va_list arguments;
	int mode;

	if (strcmp(path, "/dev/vmguest")) {
		va_start(arguments, flags);
		mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
		va_end(arguments);
		return real(path, flags, mode);
	}
	device = eventfd(0, EFD_CLOEXEC);
	return device;
}

static int new_task(uint32_t verb, const char *name)
{
	struct vmguest_task_get *task = calloc(1, sizeof(*task));
	unsigned int result, error, proofs;
	int fd, complete;

	complete = sscanf(name, "task.%u.%u.%i", &result, &error,
			  (int *)&proofs) == 3;
	fd = eventfd(complete, EFD_CLOEXEC);
	if (!task || fd < 0 || fd >= MAX_FDS)
		abort();
	tasks[fd] = task;
	*task = (struct vmguest_task_get) {
		.task_id = complete ? fd : 7, .vm_id = 3, .cid = 5,
		.verb = verb, .stage = VMGUEST_STAGE_ACCEPTED, .percent = 10,
		.task_flags = VMGUEST_TASK_CANCELABLE,
		.until = verb == VMGUEST_VERB_SHUTDOWN ? VMGUEST_UNTIL_GONE : 0,
		.starter = { geteuid(), getpid() }, .start_ns = MS,
		.stage_ns = { MS, 2 * MS, 13 * MS },
		.guest_text = "\033[1mtext", .blockers = !complete,
	};
	snprintf(task->vm_name, sizeof(task->vm_name), "%s", name);
	if (!complete)
		return fd;
	task->task_flags = VMGUEST_TASK_COMPLETE;
	task->result = result;
	task->error = -(int)error;
	task->proofs = proofs;
	task->blockers = error == EBUSY;
	task->end_ns = 1235 * MS;
	return fd;
}

static int request(uint32_t verb, struct vmguest_request *call)
{
	unsigned int error, task = 0;

	if (sscanf(call->name, "errno.%u.%u", &error, &task) >= 1) {
		call->task_id = task;
		return fail(error);
	}
	call->task_fd = new_task(verb, call->name);
	if (call->flags & VMGUEST_REQ_FORCE) {
		tasks[call->task_fd]->task_flags |= VMGUEST_TASK_FORCE;
		tasks[call->task_fd]->blockers = 1;
	}
	call->task_id = tasks[call->task_fd]->task_id;
	return 0;
}

/* Return: whether a member of a group has a record, now. */
static int record_of(const struct vmguest_group_member *member, uint32_t index,
		     struct vmguest_group_record *record)
{
	unsigned int error, result, task = 0;
	int proofs;

	*record = (struct vmguest_group_record) {
		.index = index, .verb = member->verb, .vm_id = 3,
		.until = member->until ? member->until :
			 member->verb == VMGUEST_VERB_SHUTDOWN ?
			 VMGUEST_UNTIL_GONE : 0,
		.start_ns = MS, .end_ns = 1235 * MS,
	};
	if (sscanf(member->name, "errno.%u.%u", &error, &task) >= 1) {
		record->error = -(int)error;
		record->task_id = task;
		record->start_ns = 0;
		return 1;
	}
	record->record_flags = VMGUEST_RECORD_STARTED;
	record->task_id = 100 + index;
	if (!strcmp(member->name, "late")) {
		record->record_flags |= VMGUEST_RECORD_JOINED;
		record->result = VMGUEST_RESULT_TIMEOUT;
		record->error = -ETIMEDOUT;
		return 1;
	}
	record->task_flags = VMGUEST_TASK_COMPLETE;
	if (sscanf(member->name, "task.%u.%u.%i", &result, &error,
		   &proofs) != 3)
		return 0;
	record->result = result;
	record->error = -(int)error;
	record->proofs = proofs;
	return 1;
}

/* A pipe with all the records there will be; its end only if that is all. */
static int start_group(struct vmguest_group_start *call)
{
	const struct vmguest_group_member *members =
		(const void *)(uintptr_t)call->members;
	struct vmguest_group_record record;
	uint32_t i, orders = 0;
	int fds[2], running = 0;

	if (pipe(fds))
		abort();
	for (i = 0; i < call->count; i++) {
		orders |= 1U << members[i].order;
		if (!record_of(&members[i], i, &record))
			running = 1;
		else if (write(fds[1], &record, sizeof(record)) < 0)
			abort();
	}
	if (!running)
		close(fds[1]);
	if (getenv("FAKE_TELLS"))
		fprintf(stderr, GROUP_TOLD, call->count, call->parallel,
			orders, members[0].flags, members[0].deadline_ms,
			call->reason);
	call->group_fd = fds[0];
	return 0;
}

static int get_vm(struct vmguest_vm_get *vm)
{
	unsigned int error;

	if (vm->flags & VMGUEST_VM_GET_NEXT) {
		if (vm->vm_id)
			return fail(ENOENT);
		strcpy(vm->name, "web1");
	}
	if (sscanf(vm->name, "errno.%u", &error) == 1)
		return fail(error);
	if (vm->cid > 4 || !strcmp(vm->name, "vm"))
		return fail(ENOENT);
	vm->vm_id = 3;
	vm->cid = 5;
	vm->task_id = strcmp(vm->name, "blocked") ? 0 : 7;
	vm->uid = 7;
	vm->gid = 8;
	vm->mode = 0750;
	vm->state = VMGUEST_VM_RUNNING;
	vm->vm_flags = VMGUEST_VM_AGENT | VMGUEST_VM_HEARTBEATING;
	vm->heartbeat_ms = 6000;
	vm->heartbeat_percent = 90;
	vm->capabilities = VMGUEST_CAP_SHUTDOWN | VMGUEST_CAP_LAST_BREATH;
	strcpy(vm->os_name, "\033]0;evil\007Debian\xc3");
	return 0;
}

static int register_vm(struct vmguest_vm_register *vm)
{
	unsigned int error;

	if (sscanf(vm->name, "errno.%u", &error) == 1)
		return fail(error);
	if (vm->cid < 5 || !strcmp(vm->name, "taken"))
		return fail(EEXIST);
	vm->vm_id = 3;
	return 0;
}

/* Tells what was asked for. */
static int set_vm(const struct vmguest_vm_set *vm)
{
	unsigned int error;

	if (sscanf(vm->name, "errno.%u", &error) == 1)
		return fail(error);
	fprintf(stderr, "set what %#x owner %u:%u mode %o cid %u lifeline %d flags %#x\n",
		vm->what, vm->uid, vm->gid, vm->mode, vm->new_cid,
		vm->lifeline_fd < 0 ? -1 : vm->lifeline_fd > 0, vm->vm_flags);
	return 0;
}

static int on_device(unsigned long call, void *argument)
{
	struct vmguest_get_api *api = argument;
	struct vmguest_task_open *open_task = argument;

	switch (call) {
	case VMGUEST_GET_API:
		api->version = VMGUEST_API_VERSION;
		api->features = getenv("FAKE_FEATURES") ?
			strtoull(getenv("FAKE_FEATURES"), NULL, 0) : ~0ULL;
		return 0;
	case VMGUEST_VM_REGISTER:
		return register_vm(argument);
	case VMGUEST_VM_UNREGISTER:
		return 0;
	case VMGUEST_VM_SET:
		return set_vm(argument);
	case VMGUEST_VM_GET:
		return get_vm(argument);
	case VMGUEST_SHUTDOWN:
		return request(VMGUEST_VERB_SHUTDOWN, argument);
	case VMGUEST_RESTART:
		return request(VMGUEST_VERB_RESTART, argument);
	case VMGUEST_LOGOFF:
		return request(VMGUEST_VERB_LOGOFF, argument);
	case VMGUEST_PING:
		return request(VMGUEST_VERB_PING, argument);
	case VMGUEST_GROUP_START:
		return start_group(argument);
	case VMGUEST_TASK_OPEN:
		if (open_task->task_id != 7)
			return fail(ENOENT);
		open_task->task_fd = new_task(VMGUEST_VERB_SHUTDOWN, "web1");
		return 0;
	}
	return fail(ENOTTY);
}

static int on_task(int fd, unsigned long call, void *argument)
{
	struct vmguest_task_blocker *blocker = argument;

	if (call == VMGUEST_TASK_CANCEL)
		return fail(EBUSY);
	if (call == VMGUEST_TASK_BLOCKER) {
		if (blocker->index >= tasks[fd]->blockers)
			return fail(ENOENT);
		blocker->kind = VMGUEST_BLOCKER_INHIBITOR;
		blocker->uid = 1000;
		blocker->pid = 42;
		strcpy(blocker->who, "\033[2Japt");
		strcpy(blocker->why, "unfinished");
		return 0;
	}
	if (call != VMGUEST_TASK_GET)
		return fail(ENOTTY);
	memcpy(argument, tasks[fd], sizeof(*tasks[fd]));
	return 0;
}

int ioctl(int fd, unsigned long call, ...)
{
	int (*real)(int, unsigned long, ...) = dlsym(RTLD_NEXT, "ioctl");
	va_list arguments;
	void *argument;

	va_start(arguments, call);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	if (fd >= 0 && fd == device)
		return on_device(call, argument);
	if (fd >= 0 && fd < MAX_FDS && tasks[fd])
		return on_task(fd, call, argument);
	return real(fd, call, argument);
}

/* A number that is used again is another file. */
int close(int fd)
{
	int (*real)(int) = dlsym(RTLD_NEXT, "close");

	if (fd >= 0 && fd < MAX_FDS) {
		free(tasks[fd]);
		tasks[fd] = NULL;
	}
	if (fd == device)
		device = -1;
	return real(fd);
}
