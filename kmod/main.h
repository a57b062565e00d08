/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_MAIN_H
#define _VMGUEST_MAIN_H

#include <linux/types.h>

struct workqueue_struct;

/*
 * Runs what lifelines, timers and callers ask for. Nothing on it waits for a
 * guest; only the trimming of the registry waits for other work, that of
 * lifelines.
 */
extern struct workqueue_struct *vmguest_wq;

/*
 * Runs what the transport's callbacks ask for, on the processor that they run
 * on: to wake another one takes longer than to serve a channel, and what a guest
 * makes the host do is done where its own transport works. A run is short, see
 * CHANNEL_TURN_FRAMES and LISTENER_TURN; what takes longer is on vmguest_wq.
 */
extern struct workqueue_struct *vmguest_transport_wq;

/* Random id of this load of the module; constant. */
extern u8 vmguest_instance[16];

#endif /* _VMGUEST_MAIN_H */
