/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_CHANNEL_H
#define _VMGUEST_CHANNEL_H

#include <linux/kref.h>
#include <linux/list.h>
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

/**
 * struct vmguest_channel - One accepted connection
 *
 * Created by the listener. All I/O is done by its work item, which never runs
 * twice at a time and therefore owns the socket and both buffers without a
 * lock. The socket's callbacks, the VM and the timer only set bits and queue
 * the work; each queued work and the pending timer own a reference, and the
 * hooked socket callbacks own the one that teardown drops. Only the work tears a
 * channel down, so "closing" one is asking its work to do so.
 *
 * @ref: Reference count.
 * @node: Entry in the list of all channels.
 * @work: Receives, sends, tears down. Delayed while the guest says too much.
 * @timer: Gives up on a HELLO, or on the older channel of a candidate.
 * @events: Bits of enum channel_event.
 * @cid: The peer's CID, vouched for by the transport; constant.
 * @sock: The connection; NULL after teardown. Work only.
 * @data_ready: The socket's own callback.
 * @state_change: The socket's own callback.
 * @write_space: The socket's own callback.
 * @error_report: The socket's own callback.
 * @vm: The guest's VM, or NULL before HELLO; owns a reference. Set once by the
 *	work. &vmguest_vm.lock protects what follows.
 * @vm_node: Entry in the VM's list of channels.
 * @phase: enum vmguest_channel_phase.
 * @capabilities: Of its HELLO.
 * @sessions: Of its HELLO.
 * @sends: What to send.
 * @tx_task: The task whose frame is in @tx; owns a reference. Work only, as all
 *	that follows.
 * @begun: The work has run.
 * @turn_end: Until when what it says is counted.
 * @frames_left: What it may say until then.
 * @counted: It counts among its CID's connections without a HELLO.
 * @rx_len: Bytes in @rx.
 * @tx_len: Bytes in @tx.
 * @tx_sent: Those that were sent.
 * @tx_last: The channel closes after this frame.
 * @fault_type: Type of the frame that closes the channel, 0 for none.
 * @fault: What is wrong with it.
 * @rx: Received, not yet decoded.
 * @tx: The frame being sent.
 */
struct vmguest_channel {
	struct kref ref;
	struct list_head node;
	struct delayed_work work;
	struct delayed_work timer;
	unsigned long events;
	u32 cid;
	struct socket *sock;
	void (*data_ready)(struct sock *sk);
	void (*state_change)(struct sock *sk);
	void (*write_space)(struct sock *sk);
	void (*error_report)(struct sock *sk);

	struct vmguest_vm *vm;
	struct list_head vm_node;
	enum vmguest_channel_phase phase;
	u64 capabilities;
	u32 sessions;
	struct vmguest_channel_sends sends;

	struct vmguest_task *tx_task;
	bool begun;
	unsigned long turn_end;
	int frames_left;
	bool counted;
	bool tx_last;
	u16 fault_type;
	const char *fault;
	u32 rx_len;
	u32 tx_len;
	u32 tx_sent;
	u8 rx[VMGUEST_FRAME_MAX];
	u8 tx[512];
};

int vmguest_channel_create(struct socket *sock, u32 cid);
void vmguest_channel_get(struct vmguest_channel *channel);
void vmguest_channel_put(struct vmguest_channel *channel);
void vmguest_channel_uninit(void);
u32 vmguest_channel_count(void);

void vmguest_channel_kick(struct vmguest_channel *channel);
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
