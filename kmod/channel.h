/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_CHANNEL_H
#define _VMGUEST_CHANNEL_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>

#include "protocol.h"

struct sock;
struct socket;
struct vmguest_task;
struct vmguest_vm;

/**
 * enum vmguest_channel_phase - Life of a channel
 * @VMGUEST_CHANNEL_NEW: Its HELLO is awaited.
 * @VMGUEST_CHANNEL_CANDIDATE: The guest's older channel is asked first.
 * @VMGUEST_CHANNEL_ACTIVE: It is the agent's.
 * @VMGUEST_CHANNEL_HOOK: It brings a last breath.
 */
enum vmguest_channel_phase {
	VMGUEST_CHANNEL_NEW,
	VMGUEST_CHANNEL_CANDIDATE,
	VMGUEST_CHANNEL_ACTIVE,
	VMGUEST_CHANNEL_HOOK,
};

/**
 * struct vmguest_channel_sends - Frames of the channel itself to send
 * @welcome: A WELCOME.
 * @check: A PING about no task.
 * @ack: A LAST_BREATH_ACK.
 * @ack_id: Its task.
 * @cancel_id: A CANCEL of this task. One is enough: the guest waits for the
 *	answer to one COMMIT at a time, and a mere courtesy gives way to it.
 * @go_id: A GO for this task.
 * @reject: A REJECT with this code; then the channel closes.
 *
 * Each kind coalesces, so a guest cannot make the host store more than this.
 */
struct vmguest_channel_sends {
	bool welcome;
	bool check;
	bool ack;
	u64 ack_id;
	u64 cancel_id;
	u64 go_id;
	u32 reject;
};

/* A frame that most guests send, and any that the module sends. */
#define VMGUEST_CHANNEL_RX	128
#define VMGUEST_CHANNEL_TX						\
	(sizeof(struct vmguest_wire_header) +				\
	 sizeof(struct vmguest_wire_request) + sizeof(__le16) +		\
	 VMGUEST_WIRE_TEXT_MAX)

/**
 * struct vmguest_channel - One accepted connection
 *
 * Created by the listener. Whoever holds @io_lock does its I/O. That is its work
 * item, which receives, sends, and is the only one to judge errors and to tear
 * the channel down; and, when the lock is free, whoever has something to send,
 * see vmguest_channel_flush(). The socket's callbacks, the VM and the timer only
 * set bits and queue the work; each queued work and the pending timer own a
 * reference, and the hooked socket callbacks own the one that teardown drops.
 * "Closing" a channel is asking its work to tear it down.
 *
 * @ref: Reference count.
 * @cid: The peer's CID, vouched for by the transport; constant.
 * @node: Entry in the list of all channels.
 * @work: Receives, sends, tears down. Delayed while the guest says too much.
 * @timer: Gives up on a HELLO, or on the older channel of a candidate.
 * @events: Bits of enum channel_event.
 * @data_ready: The socket's own callback.
 * @state_change: The socket's own callback.
 * @write_space: The socket's own callback.
 * @error_report: The socket's own callback.
 * @vm: The guest's VM, or NULL before HELLO; owns a reference. Set once by the
 *	work. &vmguest_vm.lock protects what follows.
 * @vm_node: Entry in the VM's list of channels.
 * @capabilities: Of its HELLO.
 * @sessions: Of its HELLO.
 * @phase: enum vmguest_channel_phase.
 * @sends: What to send.
 * @io_lock: Protects everything below. Nobody waits for a guest under it, and
 *	callers only try it.
 * @sock: The connection; NULL after teardown.
 * @tx_task: The task whose frame is in @tx; owns a reference.
 * @rx_large: A frame that does not fit into @rx, while it arrives, or NULL.
 * @fault: What is wrong with the frame that closes the channel, or NULL.
 * @turn_end: Until when what it says is counted.
 * @frames_left: What it may say until then.
 * @rx_size: Room in @rx_large, or in @rx.
 * @rx_len: Bytes there.
 * @tx_len: Bytes in @tx.
 * @tx_sent: Those that were sent.
 * @fault_type: Type of the frame that @fault is about.
 * @tx_last: The channel closes after this frame.
 * @begun: The work has run.
 * @counted: It counts among its CID's connections without a HELLO.
 * @rx: Received, not yet decoded.
 * @tx: The frame being sent.
 */
struct vmguest_channel {
	struct kref ref;
	u32 cid;
	struct list_head node;
	struct delayed_work work;
	struct delayed_work timer;
	unsigned long events;
	void (*data_ready)(struct sock *sk);
	void (*state_change)(struct sock *sk);
	void (*write_space)(struct sock *sk);
	void (*error_report)(struct sock *sk);

	struct vmguest_vm *vm;
	struct list_head vm_node;
	u64 capabilities;
	u32 sessions;
	enum vmguest_channel_phase phase;
	struct vmguest_channel_sends sends;

	struct mutex io_lock;	/* protects everything below */
	struct socket *sock;
	struct vmguest_task *tx_task;
	u8 *rx_large;
	const char *fault;
	unsigned long turn_end;
	int frames_left;
	u32 rx_size;
	u32 rx_len;
	u32 tx_len;
	u32 tx_sent;
	u16 fault_type;
	bool tx_last;
	bool begun;
	bool counted;
	u8 rx[VMGUEST_CHANNEL_RX];
	u8 tx[VMGUEST_CHANNEL_TX];
};

int vmguest_channel_create(struct socket *sock, u32 cid);
void vmguest_channel_get(struct vmguest_channel *channel);
void vmguest_channel_put(struct vmguest_channel *channel);
int vmguest_channel_init(void);
void vmguest_channel_stop(void);
void vmguest_channel_uninit(void);
u32 vmguest_channel_count(void);

void vmguest_channel_kick(struct vmguest_channel *channel);
void vmguest_channel_flush(struct vmguest_channel *channel);
void vmguest_channel_close(struct vmguest_channel *channel);
void vmguest_channel_set_timer(struct vmguest_channel *channel,
			       unsigned int ms);
void vmguest_channel_send_check(struct vmguest_channel *channel);
void vmguest_channel_send_cancel(struct vmguest_channel *channel, u64 task_id);
void vmguest_channel_offer_cancel(struct vmguest_channel *channel,
				  u64 task_id);
void vmguest_channel_send_go(struct vmguest_channel *channel, u64 task_id);
void vmguest_channel_reject(struct vmguest_channel *channel, u32 code);

int vmguest_cid_is_absent(u32 cid);

#endif /* _VMGUEST_CHANNEL_H */
