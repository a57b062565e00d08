// SPDX-License-Identifier: GPL-2.0-only
/* Register a VM, shut it down and wait until it is gone: no library needed. */
#include <err.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/vmguest.h>

int main(int argc, char **argv)
{
	struct vmguest_vm_register vm = { .size = sizeof(vm), .mode = 0750, .lifeline_fd = -1 };
	struct vmguest_request request = { .size = sizeof(request), .deadline_ms = 60000 };
	struct vmguest_task_get task = { .size = sizeof(task) };
	struct pollfd changed = { .events = POLLIN | POLLPRI };
	int device;

	if (argc < 3)
		errx(2, "usage: %s NAME CID [PID of the VMM]", argv[0]);
	vm.cid = strtoul(argv[2], NULL, 10);
	snprintf(vm.name, sizeof(vm.name), "%s", argv[1]);
	if (argc > 3) {
		vm.lifeline_fd = syscall(SYS_pidfd_open, atoi(argv[3]), 0);
		if (vm.lifeline_fd < 0)
			err(1, "process %s", argv[3]);
	}
	device = open("/dev/vmguest", O_RDWR | O_CLOEXEC);
	if (device < 0 || ioctl(device, VMGUEST_VM_REGISTER, &vm))
		err(1, "%s", device < 0 ? "/dev/vmguest" : "register");
	request.vm_id = vm.vm_id;
	if (ioctl(device, VMGUEST_SHUTDOWN, &request))
		err(1, "shutdown");
	for (changed.fd = request.task_fd; !(task.task_flags & VMGUEST_TASK_COMPLETE); ) {
		if (poll(&changed, 1, -1) < 0 || ioctl(changed.fd, VMGUEST_TASK_GET, &task))
			err(1, "task %llu", (unsigned long long)request.task_id);
		printf("stage %u, %u %%\n", task.stage, task.percent);
	}
	printf("result %u, error %d, proofs %#x\n", task.result, task.error, task.proofs);
	return task.result != VMGUEST_RESULT_SUCCESS;
}
