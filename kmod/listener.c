// SPDX-License-Identifier: GPL-2.0
/*
 * The AF_VSOCK socket that guests dial. It lives in the initial network
 * namespace, which lasts as long as the module.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/net.h>
#include <linux/slab.h>
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

/* Connections that a guest may open at once, beyond its rate. */
#define LISTENER_BURST			16

/* Connections that are accepted before other work has its turn. */
#define LISTENER_TURN			16

/* How often to forget guests that have been quiet. */
#define LISTENER_FORGET_MS		2000

/* Until a connection that could not be accepted is tried again. */
#define LISTENER_RETRY_MS		100

static unsigned int port = VMGUEST_WIRE_PORT;
module_param(port, uint, 0444);
MODULE_PARM_DESC(port, "AF_VSOCK port that guests dial (default 7761255)");

static bool allow_loopback;
module_param(allow_loopback, bool, 0444);
MODULE_PARM_DESC(allow_loopback, "Accept CID 1, for tests on one machine (default off)");

static unsigned int connect_rate = 20;
module_param(connect_rate, uint, 0644);
MODULE_PARM_DESC(connect_rate, "Connections that a guest may open in a second, 0 for any number (default 20)");

static struct socket *listener_sock;
static void (*listener_data_ready)(struct sock *sk);
static void listener_accept(struct work_struct *work);
static DECLARE_DELAYED_WORK(listener_work, listener_accept);

/**
 * struct listener_guest - What a guest's connections have taken up
 *
 * Made by its first connection, freed by the work that forgets when it has none
 * without a HELLO and may open any number again.
 *
 * @strangers: Its connections that have not said HELLO.
 * @next: When what it has opened is paid off, in jiffies.
 */
struct listener_guest {
	unsigned int strangers;
	unsigned long next;
};

static DEFINE_XARRAY(listener_guests);		/* by CID */
static DEFINE_MUTEX(listener_guests_lock);	/* protects them */
static void listener_forget(struct work_struct *work);
static DECLARE_DELAYED_WORK(listener_forget_work, listener_forget);

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

/*
 * Return: what is known about @cid, which may be nothing: a guest opens few
 * connections, and is forgotten some time after its last one.
 */
static struct listener_guest *listener_find(u32 cid)
{
	struct listener_guest *guest;
	int err;

	lockdep_assert_held(&listener_guests_lock);
	guest = xa_load(&listener_guests, cid);
	if (guest)
		return guest;
	guest = kzalloc(sizeof(*guest), GFP_KERNEL_ACCOUNT);
	if (!guest)
		return ERR_PTR(-ENOMEM);
	guest->next = jiffies;
	err = xa_err(xa_store(&listener_guests, cid, guest,
			      GFP_KERNEL_ACCOUNT));
	if (err) {
		kfree(guest);
		return ERR_PTR(err);
	}
	queue_delayed_work(vmguest_wq, &listener_forget_work,
			   msecs_to_jiffies(LISTENER_FORGET_MS));
	return guest;
}

/* Takes one connection from what @guest may open. */
static bool listener_is_too_fast(struct listener_guest *guest)
{
	unsigned int rate = READ_ONCE(connect_rate);
	unsigned long interval;

	if (!rate)
		return false;
	interval = max(HZ / rate, 1U);
	if (time_before(guest->next, jiffies))
		guest->next = jiffies;
	if (time_after_eq(guest->next, jiffies + LISTENER_BURST * interval))
		return true;
	guest->next += interval;
	return false;
}

/* Return: 0 when @cid may have one more connection. */
static int listener_admit(u32 cid)
{
	struct listener_guest *guest;
	int err = 0;

	mutex_lock(&listener_guests_lock);
	guest = listener_find(cid);
	if (IS_ERR(guest))
		err = PTR_ERR(guest);
	else if (guest->strangers == LISTENER_STRANGERS_MAX ||
		 listener_is_too_fast(guest))
		err = -EBUSY;
	else
		guest->strangers++;
	mutex_unlock(&listener_guests_lock);
	return err;
}

/* A connection of @cid has said HELLO, or ended without. */
void vmguest_listener_hello(u32 cid)
{
	struct listener_guest *guest;

	mutex_lock(&listener_guests_lock);
	guest = xa_load(&listener_guests, cid);
	if (!WARN_ON_ONCE(!guest))
		guest->strangers--;
	mutex_unlock(&listener_guests_lock);
}

static void listener_forget(struct work_struct *work)
{
	struct listener_guest *guest;
	unsigned long cid;

	mutex_lock(&listener_guests_lock);
	xa_for_each(&listener_guests, cid, guest) {
		if (guest->strangers || time_before(jiffies, guest->next))
			continue;
		xa_erase(&listener_guests, cid);
		kfree(guest);
	}
	if (!xa_empty(&listener_guests))
		queue_delayed_work(vmguest_wq, &listener_forget_work,
				   msecs_to_jiffies(LISTENER_FORGET_MS));
	mutex_unlock(&listener_guests_lock);
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
	if (listener_admit(cid)) {
		net_notice_ratelimited("cid %u: connection refused: too many\n",
				       cid);
		goto release;
	}
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
	unsigned int left = LISTENER_TURN;
	unsigned long delay = 0;
	struct socket *sock;
	int err;

	do {
		err = kernel_accept(listener_sock, &sock, O_NONBLOCK);
		if (!err)
			listener_welcome(sock);
	} while (!err && --left);
	if (err == -EAGAIN)
		return;
	/* No memory: the connection waits, and no event will tell. */
	if (err)
		delay = msecs_to_jiffies(LISTENER_RETRY_MS);
	queue_delayed_work(vmguest_transport_wq, &listener_work, delay);
}

static void listener_on_data_ready(struct sock *sk)
{
	queue_delayed_work(vmguest_transport_wq, &listener_work, 0);
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
void vmguest_listener_stop(void)
{
	listener_unhook(listener_sock->sk);
	cancel_delayed_work_sync(&listener_work);
	kernel_sock_shutdown(listener_sock, SHUT_RDWR);
	sock_release(listener_sock);
}

/* No channel is left that could say HELLO. */
void vmguest_listener_uninit(void)
{
	struct listener_guest *guest;
	unsigned long cid;

	cancel_delayed_work_sync(&listener_forget_work);
	xa_for_each(&listener_guests, cid, guest)
		kfree(guest);
	xa_destroy(&listener_guests);
}
