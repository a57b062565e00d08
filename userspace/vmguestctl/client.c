// SPDX-License-Identifier: GPL-2.0-only
/* The way to the module, or why there is none. */
#include <errno.h>
#include <string.h>

#include "vmguestctl.h"

static const char *why(int error)
{
	switch (-error) {
	case ENOENT:
		return "/dev/vmguest is missing: load the module with 'modprobe vmguest'";
	case ENODEV:
	case ENXIO:
		return "/dev/vmguest has no module behind it: load it with 'modprobe vmguest'";
	case EACCES:
	case EPERM:
		return "/dev/vmguest may not be opened: its mode, this container or this unit forbids it";
	default:
		return "/dev/vmguest cannot be opened";
	}
}

int open_client(const struct options *options)
{
	int fd = vmguest_open();

	if (fd >= 0)
		return fd;
	report_call_error(options, &(struct call_error) {
		.layer = VMGUEST_LAYER_CALL,
		.words = why(fd),
		.error = fd,
		.exit = EXIT_NO_MODULE,
	});
	return -EXIT_NO_MODULE;
}
