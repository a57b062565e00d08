// SPDX-License-Identifier: GPL-2.0-only
/* What a script is told. */
#include <errno.h>

#include "vmguestctl.h"

int worse(int a, int b)
{
	return a > b ? a : b;
}

int exit_of_call(enum vmguest_verb verb, int error)
{
	switch (-error) {
	case 0:
		return EXIT_DONE;
	case EHOSTDOWN:
		/* What is down cannot be asked, but it need not be shut down. */
		return verb == VMGUEST_VERB_SHUTDOWN ? EXIT_DONE :
			EXIT_NO_AGENT;
	case ENOENT:
		return EXIT_NO_VM;
	case EACCES:
	case EPERM:
		return EXIT_PERMISSION;
	case ENOTCONN:
	case EOPNOTSUPP:
		return EXIT_NO_AGENT;
	case ESHUTDOWN:
	case ENOTTY:
		return EXIT_NO_MODULE;
	default:
		return EXIT_REFUSED;
	}
}

static int exit_of_failure(int error)
{
	switch (-error) {
	case ECONNABORTED:
	case EREMCHG:
		return EXIT_NOT_CLEAN;
	case ESRCH:
		/* Nobody is logged on: there is nothing left to be done. */
		return EXIT_DONE;
	case ENOTCONN:
	case EOPNOTSUPP:
		return EXIT_NO_AGENT;
	default:
		return EXIT_REFUSED;
	}
}

int exit_of_task(const struct vmguest_task_get *task)
{
	switch (task->result) {
	case VMGUEST_RESULT_SUCCESS:
		return EXIT_DONE;
	case VMGUEST_RESULT_CANCELLED:
		return EXIT_CANCELLED;
	case VMGUEST_RESULT_TIMEOUT:
		return EXIT_DEADLINE;
	case VMGUEST_RESULT_SHUTDOWN_ABORT:
		return task->error == -EBUSY ? EXIT_BLOCKED : EXIT_REFUSED;
	default:
		return exit_of_failure(task->error);
	}
}
