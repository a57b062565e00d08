// SPDX-License-Identifier: GPL-2.0-only
/* The way to the module. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "internal.h"

int vmguest_ioctl(int fd, unsigned long request, void *argument)
{
	int ret = ioctl(fd, request, argument);

	return ret < 0 ? -errno : ret;
}

int vmguest_take(void *to, size_t to_size, const void *from)
{
	const unsigned char *bytes = from;
	size_t i, size = *(const uint32_t *)from;

	if (size < sizeof(uint32_t))
		return -EINVAL;
	for (i = to_size; i < size; i++)
		if (bytes[i])
			return -E2BIG;
	memcpy(to, from, size < to_size ? size : to_size);
	return 0;
}

int vmguest_put_text(char *to, size_t size, const char *text)
{
	size_t length = text ? strlen(text) : 0;

	if (length >= size)
		return -EINVAL;
	memset(to, 0, size);
	memcpy(to, text ? text : "", length);
	return 0;
}

int vmguest_open(void)
{
	int fd = open("/dev/vmguest", O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int vmguest_api(int fd, struct vmguest_get_api *api)
{
	uint32_t size = api->size;

	memset(api, 0, size < sizeof(*api) ? size : sizeof(*api));
	api->size = size;
	return vmguest_ioctl(fd, VMGUEST_GET_API, api);
}
