/* SPDX-License-Identifier: GPL-2.0-only */
/* What the library's files share and its users do not see. */
#ifndef LIBVMGUEST_INTERNAL_H
#define LIBVMGUEST_INTERNAL_H

#include "libvmguest.h"

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

/* ioctl(2), with a negative errno. */
int vmguest_ioctl(int fd, unsigned long request, void *argument);

/*
 * Take over a struct that begins with its size from a caller that may know an
 * older or a newer version of it: 0, -EINVAL or -E2BIG.
 */
int vmguest_take(void *to, size_t to_size, const void *from);

/* Put a text into a member of @size bytes: 0, or -EINVAL when it is too long. */
int vmguest_put_text(char *to, size_t size, const char *text);

/* The struct member that names a VM by name: 0 or -EINVAL. */
int vmguest_put_name(char *to, const struct vmguest_vm_ref *vm);

#endif /* LIBVMGUEST_INTERNAL_H */
