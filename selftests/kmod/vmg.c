// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vmg.h"

int vmg_open(void)
{
	return open("/dev/vmguest", O_RDWR | O_CLOEXEC);
}

int vmg_call(int fd, unsigned long nr, void *arg)
{
	return ioctl(fd, nr, arg) ? -errno : 0;
}

int vmg_vmm_start(struct vmg_vmm *vmm)
{
	vmm->pid = fork();
	if (!vmm->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	vmm->pidfd = syscall(SYS_pidfd_open, vmm->pid, 0);
	return vmm->pidfd < 0 ? -errno : 0;
}

void vmg_vmm_kill(struct vmg_vmm *vmm)
{
	if (vmm->pid <= 0)
		return;
	kill(vmm->pid, SIGKILL);
	waitpid(vmm->pid, NULL, 0);
	close(vmm->pidfd);
	vmm->pid = 0;
}

int vmg_register(int fd, const char *name, uint32_t cid, int lifeline_fd,
		 uint64_t *vm_id)
{
	struct vmguest_vm_register vm = {
		.size = sizeof(vm),
		.cid = cid,
		.mode = 0750,
		.lifeline_fd = lifeline_fd,
	};
	int err;

	snprintf(vm.name, sizeof(vm.name), "%s", name);
	err = vmg_call(fd, VMGUEST_VM_REGISTER, &vm);
	if (!err && vm_id)
		*vm_id = vm.vm_id;
	return err;
}

int vmg_unregister(int fd, uint64_t vm_id)
{
	struct vmguest_vm_unregister vm = {
		.size = sizeof(vm),
		.flags = VMGUEST_UNREGISTER_ABORT,
		.vm_id = vm_id,
	};

	return vmg_call(fd, VMGUEST_VM_UNREGISTER, &vm);
}

int vmg_get(int fd, uint64_t vm_id, struct vmguest_vm_get *vm)
{
	memset(vm, 0, sizeof(*vm));
	vm->size = sizeof(*vm);
	vm->vm_id = vm_id;
	return vmg_call(fd, VMGUEST_VM_GET, vm);
}

int vmg_get_named(int fd, const char *name, struct vmguest_vm_get *vm)
{
	memset(vm, 0, sizeof(*vm));
	vm->size = sizeof(*vm);
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	return vmg_call(fd, VMGUEST_VM_GET, vm);
}

static uint64_t vmg_next(int fd, uint64_t vm_id)
{
	struct vmguest_vm_get vm = {
		.size = sizeof(vm),
		.flags = VMGUEST_VM_GET_NEXT,
		.vm_id = vm_id,
	};

	return vmg_call(fd, VMGUEST_VM_GET, &vm) ? 0 : vm.vm_id;
}

int vmg_count(int fd)
{
	uint64_t id = 0;
	int count = 0;

	while ((id = vmg_next(fd, id)))
		count++;
	return count;
}

void vmg_unregister_all(int fd)
{
	uint64_t id = 0;

	while ((id = vmg_next(fd, id)))
		vmg_unregister(fd, id);
}

struct vmguest_request vmg_request(uint64_t vm_id)
{
	return (struct vmguest_request) {
		.size = sizeof(struct vmguest_request),
		.vm_id = vm_id,
		.deadline_ms = VMG_PATIENCE_MS,
	};
}

int vmg_ask(int fd, unsigned long nr, struct vmguest_request *request)
{
	int err = vmg_call(fd, nr, request);

	return err ?: request->task_fd;
}

struct vmguest_group_member vmg_member(uint64_t vm_id, uint32_t verb)
{
	return (struct vmguest_group_member) {
		.vm_id = vm_id,
		.verb = verb,
		.deadline_ms = VMG_PATIENCE_MS,
	};
}

int vmg_group(int fd, const struct vmguest_group_member *members,
	      uint32_t count, uint32_t parallel)
{
	struct vmguest_group_start group = {
		.size = sizeof(group),
		.members = (uintptr_t)members,
		.count = count,
		.member_size = sizeof(*members),
		.record_size = sizeof(struct vmguest_group_record),
		.parallel = parallel,
	};
	int err = vmg_call(fd, VMGUEST_GROUP_START, &group);

	return err ?: group.group_fd;
}

struct vmguest_task_get vmg_task(int task_fd)
{
	struct vmguest_task_get task = { .size = sizeof(task) };
	int err = vmg_call(task_fd, VMGUEST_TASK_GET, &task);

	/* No test expects this, so each will see that it is not what it wants. */
	if (err)
		task.error = err;
	return task;
}

int vmg_task_cancel(int task_fd)
{
	struct vmguest_task_cancel cancel = { .size = sizeof(cancel) };

	return vmg_call(task_fd, VMGUEST_TASK_CANCEL, &cancel);
}

int vmg_task_open(int fd, uint64_t task_id)
{
	struct vmguest_task_open task = {
		.size = sizeof(task),
		.task_id = task_id,
	};
	int err = vmg_call(fd, VMGUEST_TASK_OPEN, &task);

	return err ?: task.task_fd;
}

short vmg_poll(int task_fd, short events, int ms)
{
	struct pollfd pfd = { .fd = task_fd, .events = events };

	return poll(&pfd, 1, ms) > 0 ? pfd.revents : 0;
}

struct vmguest_task_get vmg_wait_stage(int task_fd, uint32_t stage)
{
	struct vmguest_task_get task = vmg_task(task_fd);

	while (task.stage < stage &&
	       !(task.task_flags & VMGUEST_TASK_COMPLETE) &&
	       vmg_poll(task_fd, POLLPRI | POLLIN, VMG_PATIENCE_MS))
		task = vmg_task(task_fd);
	return task;
}

struct vmguest_task_get vmg_wait(int task_fd)
{
	vmg_poll(task_fd, POLLIN, 2 * VMG_PATIENCE_MS);
	return vmg_task(task_fd);
}

/* VMs have no events of their own: look often, for long enough. */
static bool vmg_look_again(uint64_t start)
{
	const struct timespec pause = { .tv_nsec = 2000000 };

	nanosleep(&pause, NULL);
	return vmg_now_ms() - start < VMG_PATIENCE_MS;
}

bool vmg_wait_count(int fd, int count)
{
	uint64_t start = vmg_now_ms();

	do {
		if (vmg_count(fd) == count)
			return true;
	} while (vmg_look_again(start));
	return false;
}

bool vmg_wait_state(int fd, uint64_t vm_id, uint32_t state)
{
	uint64_t start = vmg_now_ms();
	struct vmguest_vm_get vm;

	do {
		if (!vmg_get(fd, vm_id, &vm) && vm.state == state)
			return true;
	} while (vmg_look_again(start));
	return false;
}

int vmg_set_parameter(const char *name, const char *value)
{
	char path[96];
	int err = 0;
	int fd;

	snprintf(path, sizeof(path), "/sys/module/vmguest/parameters/%s", name);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int vmg_module_refs(void)
{
	FILE *file = fopen("/sys/module/vmguest/refcnt", "re");
	int refs = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &refs) != 1)
		refs = -1;
	fclose(file);
	return refs;
}

static void vmg_signalled(int number)
{
	(void)number;
}

pid_t vmg_signals_start(void)
{
	struct sigaction action = { .sa_handler = vmg_signalled };
	pid_t reader = getpid(), sender;

	if (sigaction(SIGUSR1, &action, NULL))
		return -1;
	sender = fork();
	if (sender)
		return sender;
	/* The pace of the signals: nothing is waited for. */
	while (!kill(reader, SIGUSR1))
		usleep(10000);
	_exit(0);
}

void vmg_signals_stop(pid_t sender)
{
	kill(sender, SIGKILL);
	/* Its last signal may come now; after this none does. */
	while (waitpid(sender, NULL, 0) < 0 && errno == EINTR)
		;
}

bool vmg_kernel_is_slow(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK);
}

uint64_t vmg_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool vmg_as_user(uid_t uid, gid_t gid, bool (*test)(void *data), void *data)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		if (setgroups(0, NULL) || setresgid(gid, gid, gid) ||
		    setresuid(uid, uid, uid))
			_exit(2);
		_exit(!test(data));
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       !WEXITSTATUS(status);
}
