// SPDX-License-Identifier: GPL-2.0-only
/*
 * Free CIDs. A CID is taken when the module knows a living VM with it, or when
 * vhost has a guest with it that the module does not know. Neither holds a CID
 * for us until the VM is registered, so a search goes on where it stopped.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vhost.h>

#include "vmguestctl.h"

#define LAST_CID	0xfffffffeU

/* Without vhost (another transport, or no permission) the VMM has to tell. */
int cid_open(struct cid_search *search, int client, uint32_t first)
{
	search->client = client;
	search->vhost = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);
	search->cid = first - 1;
	return 0;
}

void cid_close(struct cid_search *search)
{
	if (search->vhost >= 0)
		close(search->vhost);
	search->vhost = -1;
}

static int is_registered(const struct cid_search *search, uint32_t cid)
{
	struct vmguest_vm_get vm = { .size = sizeof(vm) };
	int ret;

	ret = vmguest_find(search->client,
			   &(struct vmguest_vm_ref) { .cid = cid }, &vm);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	return vm.state != VMGUEST_VM_GONE;
}

/* Setting it holds it, until this fd is closed or given another one. */
static int is_in_vhost(const struct cid_search *search, uint32_t cid)
{
	uint64_t value = cid;

	if (search->vhost < 0 ||
	    !ioctl(search->vhost, VHOST_VSOCK_SET_GUEST_CID, &value))
		return 0;
	return errno == EADDRINUSE ? 1 : -errno;
}

int cid_next(struct cid_search *search)
{
	int ret;

	while (search->cid < LAST_CID) {
		search->cid++;
		ret = is_registered(search, search->cid);
		if (!ret)
			ret = is_in_vhost(search, search->cid);
		if (ret <= 0)
			return ret;
	}
	return -EADDRINUSE;
}
