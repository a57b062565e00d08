// SPDX-License-Identifier: GPL-2.0
/*
 * Channels: one accepted connection each; bytes in, bytes out, and their end.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/net.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/vm_sockets.h>
#include <linux/wait.h>
#include <net/net_namespace.h>
#include <net/sock.h>

#include "agent.h"
#include "blocker.h"
#include "channel.h"
#include "listener.h"
#include "main.h"
#include "notice.h"
#include "registry.h"
#include "task.h"
#include "vm.h"

/* How long a connection may stay without HELLO. */
#define CHANNEL_HELLO_MS	10000

/*
 * What a guest may say in a turn, in frames; the rest waits in its socket, and
 * when that is full the guest does. A request earns it the answers.
 */
#define CHANNEL_TURN_MS		10
#define CHANNEL_TURN_FRAMES	64
#define CHANNEL_ANSWER_FRAMES	4
#define CHANNEL_FRAMES_MAX	1024

/* Bytes that are still read from a channel that is to be closed. */
#define CHANNEL_DRAIN_BYTES	SZ_1M

enum channel_event {
	CHANNEL_CLOSE,		/* read what is there, then tear down */
	CHANNEL_ENDS,		/* the connection may be over: read until it says so */
	CHANNEL_SENDS,		/* there may be something to send */
	CHANNEL_FULL,		/* the socket had no room */
};

static struct kmem_cache *channel_cache;
static LIST_HEAD(channels);
static DEFINE_MUTEX(channels_lock);	/* protects channels */
static DECLARE_WAIT_QUEUE_HEAD(channels_gone);

static void channel_release(struct kref *ref)
{
	struct vmguest_channel *channel =
		container_of(ref, struct vmguest_channel, ref);

	if (channel->vm)
		vmguest_vm_put(channel->vm);
	kfree(channel->rx_large);
	mutex_destroy(&channel->io_lock);
	kmem_cache_free(channel_cache, channel);
}

void vmguest_channel_get(struct vmguest_channel *channel)
{
	kref_get(&channel->ref);
}

void vmguest_channel_put(struct vmguest_channel *channel)
{
	kref_put(&channel->ref, channel_release);
}

/* While it waits for its turn it is queued already, and not sooner. */
static void channel_kick_after(struct vmguest_channel *channel,
			       unsigned long delay)
{
	vmguest_channel_get(channel);
	if (!queue_delayed_work(vmguest_transport_wq, &channel->work, delay))
		vmguest_channel_put(channel);
}

static void channel_queue(struct vmguest_channel *channel)
{
	channel_kick_after(channel, 0);
}

/*
 * There is something to send. Any context. The caller has a reference, or the
 * lock of the VM that the channel is in.
 */
void vmguest_channel_kick(struct vmguest_channel *channel)
{
	set_bit(CHANNEL_SENDS, &channel->events);
	channel_queue(channel);
}

void vmguest_channel_close(struct vmguest_channel *channel)
{
	set_bit(CHANNEL_CLOSE, &channel->events);
	channel_queue(channel);
}

/* The pending timer owns a reference. */
void vmguest_channel_set_timer(struct vmguest_channel *channel, unsigned int ms)
{
	vmguest_channel_get(channel);
	if (mod_delayed_work(vmguest_wq, &channel->timer, msecs_to_jiffies(ms)))
		vmguest_channel_put(channel);
}

static void channel_stop_timer(struct vmguest_channel *channel)
{
	if (cancel_delayed_work(&channel->timer))
		vmguest_channel_put(channel);
}

static void channel_timer(struct work_struct *work)
{
	struct vmguest_channel *channel =
		container_of(to_delayed_work(work), struct vmguest_channel,
			     timer);

	vmguest_agent_candidate_timeout(channel);
	vmguest_channel_put(channel);
}

static void channel_ends(struct vmguest_channel *channel)
{
	set_bit(CHANNEL_ENDS, &channel->events);
	channel_queue(channel);
}

/* The transport tells of room with each packet, wanted or not. */
static void channel_has_room(struct vmguest_channel *channel)
{
	if (test_bit(CHANNEL_FULL, &channel->events) &&
	    test_and_clear_bit(CHANNEL_FULL, &channel->events))
		channel_queue(channel);
}

/*
 * The socket's callbacks. The transport calls them with its own locks held,
 * some from atomic context: they only set bits and queue the work.
 * sk_callback_lock makes them see either a hooked channel or none.
 */
#define CHANNEL_CALLBACK(event, act)					\
static void channel_on_##event(struct sock *sk)				\
{									\
	struct vmguest_channel *channel;				\
	void (*original)(struct sock *sk) = NULL;			\
									\
	read_lock_bh(&sk->sk_callback_lock);				\
	channel = sk->sk_user_data;					\
	if (channel) {							\
		original = channel->event;				\
		act(channel);						\
	}								\
	read_unlock_bh(&sk->sk_callback_lock);				\
	if (original)							\
		original(sk);						\
}

CHANNEL_CALLBACK(data_ready, channel_queue)
CHANNEL_CALLBACK(state_change, channel_ends)
CHANNEL_CALLBACK(write_space, channel_has_room)
CHANNEL_CALLBACK(error_report, channel_ends)

static void channel_hook(struct vmguest_channel *channel)
{
	struct sock *sk = channel->sock->sk;

	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	channel->data_ready = sk->sk_data_ready;
	channel->state_change = sk->sk_state_change;
	channel->write_space = sk->sk_write_space;
	channel->error_report = sk->sk_error_report;
	sk->sk_user_data = channel;
	sk->sk_data_ready = channel_on_data_ready;
	sk->sk_state_change = channel_on_state_change;
	sk->sk_write_space = channel_on_write_space;
	sk->sk_error_report = channel_on_error_report;
	write_unlock_bh(&sk->sk_callback_lock);
	release_sock(sk);
}

static void channel_unhook(struct vmguest_channel *channel)
{
	struct sock *sk = channel->sock->sk;

	lock_sock(sk);
	write_lock_bh(&sk->sk_callback_lock);
	sk->sk_user_data = NULL;
	sk->sk_data_ready = channel->data_ready;
	sk->sk_state_change = channel->state_change;
	sk->sk_write_space = channel->write_space;
	sk->sk_error_report = channel->error_report;
	write_unlock_bh(&sk->sk_callback_lock);
	release_sock(sk);
}

static void channel_met(struct vmguest_channel *channel)
{
	if (!channel->counted)
		return;
	channel->counted = false;
	vmguest_listener_hello(channel->cid);
}

static int channel_handle_hello(struct vmguest_channel *channel,
				const struct vmguest_frame *frame)
{
	if (frame->type != VMGUEST_WIRE_HELLO)
		return -EPROTO;
	channel_stop_timer(channel);
	channel_met(channel);
	return vmguest_agent_attach(channel, frame);
}

/* Each NOTICE needs the capability that it came with. */
static bool channel_expects_notice(const struct vmguest_channel *channel,
				   const struct vmguest_frame *frame)
{
	if (frame->notice.kind == VMGUEST_NOTICE_SESSIONS)
		return channel->capabilities & VMGUEST_CAP_SESSIONS;
	return channel->capabilities & VMGUEST_CAP_NOTICE;
}

/* What each phase lets a guest say. */
static bool channel_expects(const struct vmguest_channel *channel,
			    const struct vmguest_frame *frame)
{
	switch (channel->phase) {
	case VMGUEST_CHANNEL_ACTIVE:
		if (frame->type == VMGUEST_WIRE_NOTICE)
			return channel_expects_notice(channel, frame);
		return frame->type != VMGUEST_WIRE_HELLO;
	case VMGUEST_CHANNEL_HOOK:
		return frame->type == VMGUEST_WIRE_LAST_BREATH;
	default:
		return false;
	}
}

/* Return: a copy that can be shown, or NULL without memory. */
static char *channel_take_text(const struct vmguest_text *text)
{
	char *copy = kmalloc(text->len + 1, GFP_KERNEL_ACCOUNT);

	if (copy)
		vmguest_text_clean(copy, text->len + 1, text);
	return copy;
}

static int channel_handle_frame(struct vmguest_channel *channel,
				const struct vmguest_frame *frame)
{
	struct vmguest_vm *vm = channel->vm;
	struct vmguest_blocker *blocker = NULL;
	char *text = NULL;
	int err = -EPROTO;

	if (!vm)
		return channel_handle_hello(channel, frame);
	if (frame->type == VMGUEST_WIRE_BLOCKED && frame->blocked.kind) {
		blocker = vmguest_blocker_create(frame);
		if (!blocker)
			return -ENOMEM;
	}
	if (frame->type == VMGUEST_WIRE_RESULT &&
	    frame->text[VMGUEST_RESULT_TEXT].len) {
		text = channel_take_text(&frame->text[VMGUEST_RESULT_TEXT]);
		if (!text)
			return -ENOMEM;
	}

	spin_lock(&vm->lock);
	vm->frames_in++;
	if (!channel_expects(channel, frame))
		goto unlock;
	if (frame->type == VMGUEST_WIRE_GOODBYE) {
		err = -ESHUTDOWN;
		goto unlock;
	}
	if (frame->type == VMGUEST_WIRE_PONG && !frame->task_id) {
		vmguest_agent_alive(vm, channel);
		err = 0;
		goto unlock;
	}
	/* A channel that was replaced has lost its say, and is being closed. */
	if (channel->phase == VMGUEST_CHANNEL_ACTIVE && vm->channel != channel) {
		err = -ESHUTDOWN;
		goto unlock;
	}
	if (frame->type == VMGUEST_WIRE_NOTICE) {
		vmguest_notice_handle(vm, frame);
		err = 0;
		goto unlock;
	}
	err = vmguest_task_handle(vm, frame, &blocker, &text);
	if (!err && frame->type == VMGUEST_WIRE_LAST_BREATH) {
		channel->sends.ack = true;
		channel->sends.ack_id = frame->task_id;
		set_bit(CHANNEL_SENDS, &channel->events);
	}
unlock:
	spin_unlock(&vm->lock);
	kfree(blocker);
	kfree(text);
	return err;
}

static void channel_note_fault(struct vmguest_channel *channel,
			       const struct vmguest_frame *frame,
			       const char *fault)
{
	channel->fault_type = frame->type;
	channel->fault = fault;
}

static u8 *channel_rx(struct vmguest_channel *channel)
{
	return channel->rx_large ?: channel->rx;
}

/*
 * Makes room for the whole of a frame that has begun to arrive. Its header was
 * judged: it is not above VMGUEST_FRAME_MAX.
 */
static int channel_grow_rx(struct vmguest_channel *channel)
{
	size_t size = vmguest_protocol_size(channel_rx(channel));

	if (size <= channel->rx_size)
		return 0;
	channel->rx_large = kmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!channel->rx_large)
		return -ENOMEM;
	memcpy(channel->rx_large, channel->rx, channel->rx_len);
	channel->rx_size = size;
	return 0;
}

/* Room for one frame, and that one is gone. */
static void channel_shrink_rx(struct vmguest_channel *channel)
{
	kfree(channel->rx_large);
	channel->rx_large = NULL;
	channel->rx_size = sizeof(channel->rx);
}

/* Takes @used bytes off what was received; makes room for what is to come. */
static int channel_advance_rx(struct vmguest_channel *channel, u32 used)
{
	u8 *rx = channel_rx(channel);

	channel->rx_len -= used;
	if (channel->rx_len && used)
		memmove(rx, rx + used, channel->rx_len);
	if (channel->rx_large && !channel->rx_len)
		channel_shrink_rx(channel);
	if (channel->rx_len < sizeof(struct vmguest_wire_header))
		return 0;
	return channel_grow_rx(channel);
}

/* Decodes what was received. Return: frames handled, or why the channel ends. */
static int channel_decode(struct vmguest_channel *channel)
{
	const u8 *rx = channel_rx(channel);
	struct vmguest_frame frame;
	u32 used = 0;
	int frames = 0;
	int ret = 0;

	while (channel->rx_len - used >= sizeof(struct vmguest_wire_header)) {
		ret = vmguest_protocol_decode(rx + used, channel->rx_len - used,
					      VMGUEST_FROM_AGENT, &frame);
		if (ret == -EPROTO)
			channel_note_fault(channel, &frame, frame.fault);
		if (ret <= 0)
			break;
		used += ret;
		ret = channel_handle_frame(channel, &frame);
		if (ret == -EPROTO)
			channel_note_fault(channel, &frame, "out of place");
		if (ret)
			break;
		frames++;
		cond_resched();
	}
	if (!ret)
		ret = channel_advance_rx(channel, used);
	return ret ?: frames;
}

static int channel_read(struct vmguest_channel *channel, u32 size)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	struct kvec vec = {
		.iov_base = channel_rx(channel) + channel->rx_len,
		.iov_len = size,
	};

	return kernel_recvmsg(channel->sock, &msg, &vec, 1, size, MSG_DONTWAIT);
}

/* What was read at once and is too much is paid off in later turns. */
static bool channel_has_turn(struct vmguest_channel *channel)
{
	int left = channel->frames_left;

	if (time_after_eq(jiffies, channel->turn_end)) {
		channel->turn_end = jiffies + msecs_to_jiffies(CHANNEL_TURN_MS);
		channel->frames_left = max(left, min(left, 0) +
						 CHANNEL_TURN_FRAMES);
	}
	return channel->frames_left > 0;
}

/*
 * A socket that gives less than what was asked for is empty. What comes later
 * queues the work again, and so does the end of the connection; but that may
 * have been told before this run began, and then is only seen by reading on.
 *
 * Return: 0 when there is no more, -EAGAIN when it is not the guest's turn, else
 * why the channel ends; -ENOLINK is an orderly end, or looks like one, see
 * vmguest_agent_detach().
 */
static int channel_receive(struct vmguest_channel *channel, bool closing)
{
	bool ends = test_and_clear_bit(CHANNEL_ENDS, &channel->events);
	int bytes = 0;
	bool empty;
	int ret;
	u32 size;

	while (closing ? bytes < CHANNEL_DRAIN_BYTES :
			 channel_has_turn(channel)) {
		size = channel->rx_size - channel->rx_len;
		ret = channel_read(channel, size);
		if (ret == -EAGAIN)
			return 0;
		if (!ret)
			return -ENOLINK;
		if (ret < 0)
			return ret;
		empty = ret < size;
		bytes += ret;
		channel->rx_len += ret;
		ret = channel_decode(channel);
		if (ret < 0)
			return ret;
		channel->frames_left -= max(ret, 1);
		if (empty && !ends && !closing)
			return 0;
	}
	/* It is not known any more what was told before. */
	set_bit(CHANNEL_ENDS, &channel->events);
	return -EAGAIN;
}

/* What this agent may send besides what every agent does. */
static u32 channel_features(const struct vmguest_channel *channel)
{
	u32 features = 0;

	if (channel->capabilities & VMGUEST_CAP_NOTICE)
		features |= VMGUEST_WIRE_FEATURE_NOTICE;
	if (channel->capabilities & VMGUEST_CAP_SESSIONS)
		features |= VMGUEST_WIRE_FEATURE_SESSIONS;
	return features;
}

static void channel_build_welcome(const struct vmguest_channel *channel,
				  struct vmguest_frame *frame)
{
	frame->type = VMGUEST_WIRE_WELCOME;
	memset(&frame->welcome, 0, sizeof(frame->welcome));
	memcpy(frame->welcome.instance, vmguest_instance,
	       sizeof(frame->welcome.instance));
	if (channel->phase != VMGUEST_CHANNEL_ACTIVE)
		return;
	frame->welcome.heartbeat_ms = channel->vm->heartbeat.interval_ms;
	frame->welcome.features = channel_features(channel);
}

static void channel_next_task_frame(struct vmguest_channel *channel,
				    struct vmguest_frame *frame)
{
	struct vmguest_vm *vm = channel->vm;
	struct vmguest_task *task;

	if (vm->channel != channel || list_empty(&vm->sends))
		return;
	task = list_first_entry(&vm->sends, struct vmguest_task, send_node);
	vmguest_task_get(task);
	channel->tx_task = task;
	vmguest_task_build_frame(task, frame);
}

/* Leaves frame->type 0 when there is nothing to send. */
static void channel_next_frame(struct vmguest_channel *channel,
			       struct vmguest_frame *frame)
{
	struct vmguest_channel_sends *sends = &channel->sends;

	frame->type = 0;
	frame->task_id = 0;
	if (sends->reject) {
		frame->type = VMGUEST_WIRE_REJECT;
		frame->reject.code = sends->reject;
		channel->tx_last = true;
	} else if (sends->welcome) {
		channel_build_welcome(channel, frame);
		sends->welcome = false;
	} else if (sends->ack) {
		frame->type = VMGUEST_WIRE_LAST_BREATH_ACK;
		frame->task_id = sends->ack_id;
		sends->ack = false;
	} else if (sends->check) {
		frame->type = VMGUEST_WIRE_PING;
		sends->check = false;
	} else if (sends->cancel_id) {
		frame->type = VMGUEST_WIRE_CANCEL;
		frame->task_id = sends->cancel_id;
		sends->cancel_id = 0;
	} else if (sends->go_id) {
		frame->type = VMGUEST_WIRE_GO;
		frame->task_id = sends->go_id;
		sends->go_id = 0;
	} else {
		channel_next_task_frame(channel, frame);
	}
}

/* The socket has the last byte of the frame in @tx. */
static void channel_tx_done(struct vmguest_channel *channel)
{
	lockdep_assert_held(&channel->vm->lock);
	channel->vm->frames_out++;
	if (!channel->tx_task)
		return;
	vmguest_task_sent(channel->tx_task);
	channel->frames_left = min(channel->frames_left + CHANNEL_ANSWER_FRAMES,
				   CHANNEL_FRAMES_MAX);
}

/* Puts down the frame that was sent, if one was, and takes up the next. */
static bool channel_fill_tx(struct vmguest_channel *channel)
{
	struct vmguest_task *sent = channel->tx_task;
	struct vmguest_vm *vm = channel->vm;
	struct vmguest_frame frame;
	int len = 0;

	if (!vm)
		return false;
	spin_lock(&vm->lock);
	if (channel->tx_len)
		channel_tx_done(channel);
	channel->tx_task = NULL;
	frame.type = 0;
	if (!channel->tx_last)
		channel_next_frame(channel, &frame);
	if (frame.type)
		len = vmguest_protocol_encode(&frame, channel->tx,
					      sizeof(channel->tx));
	spin_unlock(&vm->lock);
	if (sent)
		vmguest_task_put(sent);
	if (WARN_ON_ONCE(len < 0))
		len = 0;
	channel->tx_len = len;
	channel->tx_sent = 0;
	return len;
}

static int channel_write(struct vmguest_channel *channel)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL };
	struct kvec vec = {
		.iov_base = channel->tx + channel->tx_sent,
		.iov_len = channel->tx_len - channel->tx_sent,
	};

	return kernel_sendmsg(channel->sock, &msg, &vec, 1, vec.iov_len);
}

/*
 * The transport forgets the CID of a VMM that dies before it resets its
 * connections. A send in between fails with any errno, while the guest's last
 * words may still be on their way: reading tells what the end was.
 */
static bool channel_awaits_reset(struct vmguest_channel *channel, int err)
{
	return err < 0 && vmguest_cid_is_absent(channel->cid) > 0;
}

/*
 * Sends the rest of the frame in @tx, if there is one, and takes up the next.
 *
 * Return: 0; -EAGAIN when the socket is full, of which CHANNEL_FULL is left to
 * tell; another errno of the socket.
 */
static int channel_send_frame(struct vmguest_channel *channel)
{
	int ret;

	while (channel->tx_sent < channel->tx_len) {
		ret = channel_write(channel);
		/* Room that came before the bit was set, nobody has told. */
		if (ret == -EAGAIN &&
		    !test_and_set_bit(CHANNEL_FULL, &channel->events))
			continue;
		if (ret < 0)
			return ret;
		channel->tx_sent += ret;
	}
	channel_fill_tx(channel);
	return 0;
}

/* Return: 0 when all is sent or the socket is full, else why the channel ends. */
static int channel_send(struct vmguest_channel *channel)
{
	int ret = 0;

	if (!test_and_clear_bit(CHANNEL_SENDS, &channel->events) &&
	    !channel->tx_len)
		return 0;
	do
		ret = channel_send_frame(channel);
	while (!ret && channel->tx_len);
	if (ret == -EAGAIN || channel_awaits_reset(channel, ret))
		ret = 0;
	return !ret && channel->tx_last ? -ESHUTDOWN : ret;
}

/* Return: whether something is left for the work. */
static bool channel_try_send(struct vmguest_channel *channel)
{
	if (!channel->sock)
		return false;
	if ((channel->tx_len || channel_fill_tx(channel)) &&
	    channel_send_frame(channel))
		return true;
	return channel->tx_len || channel->tx_last;
}

/**
 * vmguest_channel_flush - Send what there is to send, or see to it
 * @channel: The channel; the caller has a reference.
 *
 * Sends one frame in the caller's context if nobody else does I/O. All else is
 * left to the work: more frames, a socket that is full, and one that fails,
 * whose errno is seen again there. May sleep for memory and for the socket's
 * lock, never for the guest.
 */
void vmguest_channel_flush(struct vmguest_channel *channel)
{
	bool rest = true;

	if (mutex_trylock(&channel->io_lock)) {
		rest = channel_try_send(channel);
		mutex_unlock(&channel->io_lock);
	}
	if (rest)
		vmguest_channel_kick(channel);
}

/*
 * A send that fails can be the first to see that the guest has closed, after
 * words that came since the channel was read.
 *
 * Return: why the channel ends.
 */
static int channel_last_words(struct vmguest_channel *channel, int sent)
{
	int received = 0;

	if (!channel->tx_last)
		received = channel_receive(channel, true);
	return received && received != -EAGAIN ? received : sent;
}

/*
 * A guest that gets no VM is told so. Nothing was sent to it before, so its
 * socket has room.
 */
static void channel_refuse(struct vmguest_channel *channel)
{
	const struct vmguest_frame frame = {
		.type = VMGUEST_WIRE_REJECT,
		.reject.code = VMGUEST_REJECT_UNREGISTERED,
	};

	channel->tx_sent = 0;
	channel->tx_len = vmguest_protocol_encode(&frame, channel->tx,
						  sizeof(channel->tx));
	channel_write(channel);
}

/* Counted and told before the guest can see that its channel ends. */
static void channel_report_fault(struct vmguest_channel *channel)
{
	vmguest_registry_count_malformed(channel);
	net_notice_ratelimited("cid %u: connection closed: frame %#x: %s\n",
			       channel->cid, channel->fault_type,
			       channel->fault);
}

static void channel_set_size(struct vmguest_channel *channel, int option,
			     u64 size)
{
	struct socket *sock = channel->sock;

	sock->ops->setsockopt(sock, AF_VSOCK, option, KERNEL_SOCKPTR(&size),
			      sizeof(size));
}

/*
 * The transport keeps a socket for 8 s that is released with words in it that
 * nobody has read, or that gets some then, if its guest closes at the same time;
 * then it resets whatever connection has the two ports by now. So what is there
 * is read, and for more there is no room, which ends the connection at once. From
 * a buffer of less than 2 bytes nothing could be read.
 */
static void channel_silence(struct vmguest_channel *channel)
{
	struct msghdr msg = { .msg_flags = MSG_DONTWAIT };

	channel_set_size(channel, SO_VM_SOCKETS_BUFFER_MIN_SIZE, 2);
	channel_set_size(channel, SO_VM_SOCKETS_BUFFER_SIZE, 2);
	iov_iter_discard(&msg.msg_iter, ITER_DEST, CHANNEL_DRAIN_BYTES);
	sock_recvmsg(channel->sock, &msg, MSG_DONTWAIT);
}

/*
 * The last run of the work that touches the socket. Its VM knows of the end
 * before the guest can see it.
 */
static void channel_teardown(struct vmguest_channel *channel, int reason)
{
	if (channel->fault)
		channel_report_fault(channel);
	channel_unhook(channel);
	channel_stop_timer(channel);
	channel_met(channel);
	if (channel->tx_task)
		vmguest_task_put(channel->tx_task);
	channel->tx_task = NULL;
	if (channel->vm)
		vmguest_agent_detach(channel, reason);

	/* When the guest closed itself, the transport has answered it already. */
	if (!sock_flag(channel->sock->sk, SOCK_DONE)) {
		/* Nothing is read after a shutdown. */
		channel_silence(channel);
		kernel_sock_shutdown(channel->sock, SHUT_RDWR);
	}
	sock_release(channel->sock);
	channel->sock = NULL;

	mutex_lock(&channels_lock);
	list_del(&channel->node);
	if (list_empty(&channels))
		wake_up(&channels_gone);
	mutex_unlock(&channels_lock);
	vmguest_channel_put(channel);
}

static unsigned long channel_turn_left(const struct vmguest_channel *channel)
{
	long left = channel->turn_end - jiffies;

	return max(left, 0L);
}

/* By the work, so that a teardown, which stops the timer, is never before it. */
static void channel_begin(struct vmguest_channel *channel)
{
	channel->begun = true;
	vmguest_channel_set_timer(channel, CHANNEL_HELLO_MS);
}

static void channel_serve(struct vmguest_channel *channel)
{
	bool closing = test_bit(CHANNEL_CLOSE, &channel->events);
	int received, sent;

	if (!channel->begun)
		channel_begin(channel);

	received = channel_receive(channel, closing);
	if (!received || received == -EAGAIN) {
		sent = channel_send(channel);
		if (sent)
			received = channel_last_words(channel, sent);
	}
	if (received == -ECONNREFUSED && !channel->vm)
		channel_refuse(channel);
	if (closing && (!received || received == -EAGAIN))
		received = -ESHUTDOWN;
	if (received == -EAGAIN)
		channel_kick_after(channel, channel_turn_left(channel));
	else if (received)
		channel_teardown(channel, received);
}

static void channel_work(struct work_struct *work)
{
	struct vmguest_channel *channel =
		container_of(to_delayed_work(work), struct vmguest_channel,
			     work);

	mutex_lock(&channel->io_lock);
	if (channel->sock)
		channel_serve(channel);
	mutex_unlock(&channel->io_lock);
	vmguest_channel_put(channel);
}

/**
 * vmguest_channel_create - Take a connection into service
 * @sock: The connection; the channel's on success, the caller's otherwise.
 * @cid: The peer's CID.
 *
 * Return: 0 or -ENOMEM.
 */
int vmguest_channel_create(struct socket *sock, u32 cid)
{
	struct vmguest_channel *channel;

	channel = kmem_cache_zalloc(channel_cache, GFP_KERNEL);
	if (!channel)
		return -ENOMEM;
	kref_init(&channel->ref);
	INIT_DELAYED_WORK(&channel->work, channel_work);
	INIT_DELAYED_WORK(&channel->timer, channel_timer);
	INIT_LIST_HEAD(&channel->vm_node);
	mutex_init(&channel->io_lock);
	channel->cid = cid;
	channel->sock = sock;
	channel->rx_size = sizeof(channel->rx);
	channel->turn_end = jiffies;
	channel->counted = true;

	mutex_lock(&channels_lock);
	list_add_tail(&channel->node, &channels);
	mutex_unlock(&channels_lock);

	vmguest_channel_get(channel);
	channel_hook(channel);
	/* What came before the hook raised no event. */
	channel_ends(channel);
	vmguest_channel_put(channel);
	return 0;
}

/* Return: how many connections there are. */
u32 vmguest_channel_count(void)
{
	struct vmguest_channel *channel;
	u32 count = 0;

	mutex_lock(&channels_lock);
	list_for_each_entry(channel, &channels, node)
		count++;
	mutex_unlock(&channels_lock);
	return count;
}

void vmguest_channel_send_check(struct vmguest_channel *channel)
{
	lockdep_assert_held(&channel->vm->lock);
	channel->sends.check = true;
	vmguest_channel_kick(channel);
}

void vmguest_channel_send_cancel(struct vmguest_channel *channel, u64 task_id)
{
	lockdep_assert_held(&channel->vm->lock);
	channel->sends.cancel_id = task_id;
	if (channel->sends.go_id == task_id)
		channel->sends.go_id = 0;
	vmguest_channel_kick(channel);
}

/* A courtesy: it does not push out the answer to a COMMIT. */
void vmguest_channel_offer_cancel(struct vmguest_channel *channel, u64 task_id)
{
	lockdep_assert_held(&channel->vm->lock);
	if (!channel->sends.cancel_id)
		vmguest_channel_send_cancel(channel, task_id);
}

void vmguest_channel_send_go(struct vmguest_channel *channel, u64 task_id)
{
	lockdep_assert_held(&channel->vm->lock);
	channel->sends.go_id = task_id;
	vmguest_channel_kick(channel);
}

void vmguest_channel_reject(struct vmguest_channel *channel, u32 code)
{
	lockdep_assert_held(&channel->vm->lock);
	channel->sends.reject = code;
	vmguest_channel_kick(channel);
}

/**
 * vmguest_cid_is_absent - Whether no VM on this host has a CID
 * @cid: The CID.
 *
 * The transport refuses a connection to a CID that it does not know before it
 * waits for anything. May sleep for memory, never for a guest.
 *
 * Return: 1 when the transport says ENODEV, 0 when it does not, -ENOMEM when it
 * could not be asked.
 */
int vmguest_cid_is_absent(u32 cid)
{
	struct sockaddr_vm addr = {
		.svm_family = AF_VSOCK,
		.svm_cid = cid,
		.svm_port = vmguest_listener_port(),
	};
	struct socket *sock;
	int err;

	/* Always there; and what answers is the listener itself. */
	if (cid == VMADDR_CID_LOCAL)
		return 0;
	if (sock_create_kern(&init_net, AF_VSOCK, SOCK_STREAM, 0, &sock))
		return -ENOMEM;
	err = kernel_connect(sock, (void *)&addr, sizeof(addr), O_NONBLOCK);
	sock_release(sock);
	return err == -ENOMEM ? err : err == -ENODEV;
}

int vmguest_channel_init(void)
{
	channel_cache = KMEM_CACHE(vmguest_channel, SLAB_ACCOUNT);
	return channel_cache ? 0 : -ENOMEM;
}

/*
 * No channel is created any more: ends those that are there. Flushing the
 * workqueue would not wait for work that somebody else is about to queue.
 */
void vmguest_channel_stop(void)
{
	struct vmguest_channel *channel;

	mutex_lock(&channels_lock);
	list_for_each_entry(channel, &channels, node)
		vmguest_channel_close(channel);
	mutex_unlock(&channels_lock);
	/* Without the mutex: nothing is added any more, so empty is for good. */
	wait_event(channels_gone, list_empty(&channels));
	/* Callbacks that found their channel before it was unhooked return. */
	synchronize_rcu();
	/* A timer may have run before its channel's end, and ask for it still. */
	flush_workqueue(vmguest_wq);
}

/* No channel is left that could queue work, nor anybody with a reference. */
void vmguest_channel_uninit(void)
{
	kmem_cache_destroy(channel_cache);
}
