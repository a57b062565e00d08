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

int open_vm(const struct options *options, const char *word,
	    struct vmguest_vm_ref *vm)
{
	int ret = parse_vm(word, vm);

	return ret ? -ret : open_client(options);
}

int call_failed(const struct options *options, enum vmguest_layer layer,
		const char *subject, const char *what, int error)
{
	struct call_error call = {
		.subject = subject, .layer = layer, .what = what,
		.error = error, .exit = exit_of_call(0, error),
	};

	report_call_error(options, &call);
	return call.exit;
}
