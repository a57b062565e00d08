// SPDX-License-Identifier: GPL-2.0
/*
 * The way to the host: AF_VSOCK from a port that only root can have.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <linux/vm_sockets.h>

#include "dial.h"

#define PORT_FIRST	1023
#define PORT_LAST	512

/*
 * Each dial takes another port than the one before, and each start of the agent
 * begins elsewhere: to a host that has not noticed the end of the last
 * connection yet, the same pair of ports would be that connection.
 */
static int bind_privileged(int fd)
{
	static unsigned int next;
	struct sockaddr_vm local = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
	};
	unsigned int tries;

	if (!next)
		next = PORT_FIRST - random_below(PORT_FIRST - PORT_LAST + 1);
	for (tries = PORT_FIRST - PORT_LAST + 1; tries; tries--) {
		local.svm_port = next;
		next = next == PORT_LAST ? PORT_FIRST : next - 1;
		if (!bind(fd, (struct sockaddr *)&local, sizeof(local)))
			return 0;
		if (errno != EADDRINUSE)
			return -errno;
	}
	return -EADDRINUSE;
}

static int dial_address(int fd, const void *address, socklen_t len)
{
	if (connect(fd, address, len) && errno != EINPROGRESS)
		return -errno;
	return 0;
}

static int dial_vsock(int fd, const struct options *options)
{
	struct sockaddr_vm host = {
		.svm_family = AF_VSOCK,
		.svm_cid = options->cid,
		.svm_port = options->port,
	};
	int err;

	err = bind_privileged(fd);
	if (err)
		return err;
	return dial_address(fd, &host, sizeof(host));
}

static int dial_unix(int fd, const struct options *options)
{
	struct sockaddr_un host = { .sun_family = AF_UNIX };

	if (strlen(options->connect_path) >= sizeof(host.sun_path))
		return -ENAMETOOLONG;
	strcpy(host.sun_path, options->connect_path);
	return dial_address(fd, &host, sizeof(host));
}

int dial(const struct options *options)
{
	int fd, err;

	fd = socket(options->connect_path ? AF_UNIX : AF_VSOCK,
		    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = options->connect_path ? dial_unix(fd, options) :
				      dial_vsock(fd, options);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}
