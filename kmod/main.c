// SPDX-License-Identifier: GPL-2.0
/*
 * Graceful control of guest operating systems: module init and exit.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/random.h>
#include <linux/workqueue.h>

#include "channel.h"
#include "compat.h"
#include "device.h"
#include "listener.h"
#include "main.h"
#include "netlink.h"
#include "registry.h"
#include "task.h"

struct workqueue_struct *vmguest_wq;
struct workqueue_struct *vmguest_transport_wq;
u8 vmguest_instance[16];

static int __init vmguest_init(void)
{
	int err;

	get_random_bytes(vmguest_instance, sizeof(vmguest_instance));
	err = vmguest_task_init();
	if (err)
		return err;
	err = vmguest_channel_init();
	if (err)
		goto uninit_task;
	err = -ENOMEM;
	vmguest_transport_wq = alloc_workqueue("vmguest-transport", WQ_PERCPU,
					       0);
	if (!vmguest_transport_wq)
		goto uninit_channel;
	vmguest_wq = alloc_workqueue("vmguest", WQ_UNBOUND, 0);
	if (!vmguest_wq)
		goto destroy_transport_wq;
	err = vmguest_registry_init();
	if (err)
		goto destroy_wq;
	err = vmguest_listener_init();
	if (err) {
		pr_err("cannot listen on AF_VSOCK: %d\n", err);
		goto uninit_registry;
	}
	err = vmguest_netlink_init();
	if (err)
		goto stop_listener;
	err = vmguest_device_init();
	if (err)
		goto uninit_netlink;
	return 0;

uninit_netlink:
	vmguest_netlink_uninit();
stop_listener:
	vmguest_listener_stop();
	vmguest_channel_stop();
	vmguest_listener_uninit();
uninit_registry:
	vmguest_registry_uninit();
destroy_wq:
	destroy_workqueue(vmguest_wq);
destroy_transport_wq:
	destroy_workqueue(vmguest_transport_wq);
uninit_channel:
	vmguest_channel_uninit();
uninit_task:
	vmguest_task_uninit();
	return err;
}

/*
 * Open files pin the module, so no call and no task fd is left. First nothing new
 * can come in, then channels and VMs end, then the work that they queued.
 */
static void __exit vmguest_exit(void)
{
	vmguest_device_uninit();
	vmguest_netlink_uninit();
	vmguest_listener_stop();
	vmguest_channel_stop();
	vmguest_listener_uninit();
	vmguest_registry_uninit();
	destroy_workqueue(vmguest_wq);
	destroy_workqueue(vmguest_transport_wq);
	vmguest_channel_uninit();
	vmguest_task_uninit();
}

module_init(vmguest_init);
module_exit(vmguest_exit);

MODULE_DESCRIPTION("Graceful control of guest operating systems");
MODULE_AUTHOR("The vmguest maintainers");
MODULE_LICENSE("GPL");
/* Loads the core and, on hosts, lets guests find a listener at once. */
MODULE_SOFTDEP("pre: vsock vhost_vsock");
