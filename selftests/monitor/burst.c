// SPDX-License-Identifier: GPL-2.0-only
/* burst VM COUNT: so many requests, each cancelled at once: two events each. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libvmguest.h"

int main(int argc, char **argv)
{
	struct vmguest_options options = VMGUEST_OPTIONS;
	struct vmguest_vm_ref vm = { 0 };
	uint64_t id = 0;
	int fd, task;
	long count;

	if (argc != 3)
		errx(2, "usage: %s VM COUNT", argv[0]);
	vm.name = argv[1];
	options.flags = VMGUEST_REQ_QUEUE;
	fd = vmguest_open();
	if (fd < 0)
		errx(1, "open: %d", fd);
	for (count = strtol(argv[2], NULL, 10); count > 0; count--) {
		task = vmguest_shutdown(fd, &vm, &options, &id);
		if (task < 0 || vmguest_cancel(task))
			errx(1, "request: %d", task);
		close(task);
	}
	printf("%llu\n", (unsigned long long)id);
	return 0;
}
