// SPDX-License-Identifier: GPL-2.0
/*
 * The AF_VSOCK socket that guests dial. It lives in the initial network
 * namespace, which lasts as long as the module.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/net.h>
#include <linux/vm_sockets.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "channel.h"
#include "listener.h"
#include "main.h"

/* Ports below are only for root in the guest. */
#define LISTENER_PRIVILEGED_PORTS	1024

/* Connections of one guest that have not said HELLO. */
#define LISTENER_STRANGERS_MAX		4

/* Until a connection that could not be accepted is tried again. */
#define LISTENER_RETRY_MS		100

static unsigned int port = VMGUEST_WIRE_PORT;
module_param(port, uint, 0444);
MODULE_PARM_DESC(port, "AF_VSOCK port that guests dial (default 7761255)");

static bool allow_loopback;
module_param(allow_loopback, bool, 0444);
MODULE_PARM_DESC(allow_loopback, "Accept CID 1, for tests on one machine (default off)");

static struct socket *listener_sock;
static void (*listener_data_ready)(struct sock *sk);
static void listener_accept(struct work_struct *work);
static DECLARE_DELAYED_WORK(listener_work, listener_accept);

/* Number of connections without HELLO, by CID; protected by its own lock. */
static DEFINE_XARRAY(listener_strangers);
static DEFINE_MUTEX(listener_strangers_lock);

u32 vmguest_listener_port(void)
{
	return port;
}

/* Can a guest have this CID? */
bool vmguest_listener_allows(u32 cid)
{
	if (cid == VMADDR_CID_LOCAL)
		return allow_loopback;
	return cid > VMADDR_CID_HOST && cid != VMADDR_CID_ANY;
}

static int listener_count_stranger(u32 cid, int change)
{
	unsigned long count;
	void *entry;
	int err = 0;

	mutex_lock(&listener_strangers_lock);
	entry = xa_load(&listener_strangers, cid);
	count = (entry ? xa_to_value(entry) : 0) + change;
	if (count > LISTENER_STRANGERS_MAX)
		err = -EBUSY;
	else if (!count)
		xa_erase(&listener_strangers, cid);
	else
		err = xa_err(xa_store(&listener_strangers, cid,
				      xa_mk_value(count), GFP_KERNEL));
	mutex_unlock(&listener_strangers_lock);
	return err;
}

/* A connection of @cid has said HELLO, or ended without. */
void vmguest_listener_hello(u32 cid)
{
	listener_count_stranger(cid, -1);
}

static void listener_welcome(struct socket *sock)
{
	struct sockaddr_vm peer = { };
	u32 cid;

	if (kernel_getpeername(sock, (void *)&peer) < 0)
		goto release;
	cid = peer.svm_cid;
	if (peer.svm_port >= LISTENER_PRIVILEGED_PORTS ||
	    !vmguest_listener_allows(cid))
		goto release;
	if (listener_count_stranger(cid, 1))
		goto release;
	if (vmguest_channel_create(sock, cid))
		goto uncount;
	return;

uncount:
	vmguest_listener_hello(cid);
release:
	sock_release(sock);
}

static void listener_accept(struct work_struct *work)
{
	struct socket *sock;
	int err;

	do {
		err = kernel_accept(listener_sock, &sock, O_NONBLOCK);
		if (!err)
			listener_welcome(sock);
	} while (!err);
	/* No memory: the connection waits, and no event will tell. */
	if (err != -EAGAIN)
		queue_delayed_work(vmguest_wq, &listener_work,
				   msecs_to_jiffies(LISTENER_RETRY_MS));
}

static void listener_on_data_ready(struct sock *sk)
{
	queue_delayed_work(vmguest_wq, &listener_work, 0);
}

static void listener_hook(struct sock *sk)
{
	write_lock_bh(&sk->sk_callback_lock);
	listener_data_ready = sk->sk_data_ready;
	sk->sk_data_ready = listener_on_data_ready;
	write_unlock_bh(&sk->sk_callback_lock);
}

static void listener_unhook(struct sock *sk)
{
	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_data_ready = listener_data_ready;
	write_unlock_bh(&sk->sk_callback_lock);
	release_sock(sk);
}

int vmguest_listener_init(void)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = port,
	};
	int err;

	err = sock_create_kern(&init_net, AF_VSOCK, SOCK_STREAM, 0,
			       &listener_sock);
	if (err)
		return err;
	err = kernel_bind(listener_sock, (void *)&addr, sizeof(addr));
	if (err)
		goto release;
	listener_hook(listener_sock->sk);
	err = kernel_listen(listener_sock, SOMAXCONN);
	if (err)
		goto unhook;
	return 0;

unhook:
	listener_unhook(listener_sock->sk);
release:
	sock_release(listener_sock);
	return err;
}

/* Afterwards no channel is created any more. */
void vmguest_listener_uninit(void)
{
	listener_unhook(listener_sock->sk);
	cancel_delayed_work_sync(&listener_work);
	kernel_sock_shutdown(listener_sock, SHUT_RDWR);
	sock_release(listener_sock);
}
