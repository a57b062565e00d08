/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _VMGUEST_HEARTBEAT_H
#define _VMGUEST_HEARTBEAT_H

#include <linux/types.h>

/* The last minute, in slots of five seconds. */
#define VMGUEST_HEARTBEAT_SLOTS	12

/**
 * struct vmguest_heartbeat - Signs of life of one connected agent
 *
 * Part of its VM; all under the VM's lock. Times are CLOCK_MONOTONIC.
 *
 * @interval_ms: What the agent was asked for, 0 for nothing.
 * @since_ns: When it was asked.
 * @last_ns: The last heartbeat, or @since_ns.
 * @slot: Number of the newest slot.
 * @count: Heartbeats in each of the last slots, by slot number.
 */
struct vmguest_heartbeat {
	u32 interval_ms;
	u64 since_ns;
	u64 last_ns;
	u64 slot;
	u16 count[VMGUEST_HEARTBEAT_SLOTS];
};

void vmguest_heartbeat_start(struct vmguest_heartbeat *heartbeat,
			     u32 interval_ms);
void vmguest_heartbeat_beat(struct vmguest_heartbeat *heartbeat);
bool vmguest_heartbeat_is_alive(const struct vmguest_heartbeat *heartbeat);
u32 vmguest_heartbeat_left_ms(const struct vmguest_heartbeat *heartbeat);
u32 vmguest_heartbeat_percent(const struct vmguest_heartbeat *heartbeat);

#endif /* _VMGUEST_HEARTBEAT_H */
