// SPDX-License-Identifier: GPL-2.0
/*
 * Heartbeats: IsHeartbeating and HeartbeatPercentage of one agent.
 */
#include <linux/ktime.h>
#include <linux/limits.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "heartbeat.h"

#define HEARTBEAT_SLOT_NS	(5ULL * NSEC_PER_SEC)

/* An agent that misses this many heartbeats in a row does not beat. */
#define HEARTBEAT_MISSES	3

/* The agent is asked for a heartbeat every @interval_ms, 0 for none. */
void vmguest_heartbeat_start(struct vmguest_heartbeat *heartbeat,
			     u32 interval_ms)
{
	u64 now = ktime_get_ns();

	memset(heartbeat, 0, sizeof(*heartbeat));
	heartbeat->interval_ms = interval_ms;
	heartbeat->since_ns = now;
	heartbeat->last_ns = now;
	heartbeat->slot = div64_u64(now, HEARTBEAT_SLOT_NS);
}

static u32 heartbeat_index(u64 slot)
{
	u32 index;

	div_u64_rem(slot, VMGUEST_HEARTBEAT_SLOTS, &index);
	return index;
}

void vmguest_heartbeat_beat(struct vmguest_heartbeat *heartbeat)
{
	u64 now = ktime_get_ns();
	u64 slot = div64_u64(now, HEARTBEAT_SLOT_NS);
	u16 *count;

	if (slot - heartbeat->slot >= VMGUEST_HEARTBEAT_SLOTS) {
		memset(heartbeat->count, 0, sizeof(heartbeat->count));
		heartbeat->slot = slot;
	}
	while (heartbeat->slot < slot)
		heartbeat->count[heartbeat_index(++heartbeat->slot)] = 0;
	count = &heartbeat->count[heartbeat_index(slot)];
	if (*count < U16_MAX)
		++*count;
	heartbeat->last_ns = now;
}

/* IsHeartbeating. */
bool vmguest_heartbeat_is_alive(const struct vmguest_heartbeat *heartbeat)
{
	u64 silence = ktime_get_ns() - heartbeat->last_ns;

	return heartbeat->interval_ms &&
	       silence <= (u64)heartbeat->interval_ms * NSEC_PER_MSEC *
			  HEARTBEAT_MISSES;
}

/* How long it may stay silent until it does not beat any more. */
u32 vmguest_heartbeat_left_ms(const struct vmguest_heartbeat *heartbeat)
{
	u64 limit = (u64)heartbeat->interval_ms * HEARTBEAT_MISSES;
	u64 silence = div_u64(ktime_get_ns() - heartbeat->last_ns,
			      NSEC_PER_MSEC);

	return silence < limit ? limit - silence : 0;
}

/* HeartbeatPercentage: 0 to 100. */
u32 vmguest_heartbeat_percent(const struct vmguest_heartbeat *heartbeat)
{
	u64 now = ktime_get_ns();
	u64 newest = div64_u64(now, HEARTBEAT_SLOT_NS);
	u64 oldest = newest - min_t(u64, newest, VMGUEST_HEARTBEAT_SLOTS - 1);
	u64 from = max(heartbeat->since_ns, oldest * HEARTBEAT_SLOT_NS);
	u64 slot, expected, beats = 0;

	if (!heartbeat->interval_ms)
		return 0;
	for (slot = oldest; slot <= min(newest, heartbeat->slot); slot++)
		beats += heartbeat->count[heartbeat_index(slot)];
	expected = div64_u64(now - from,
			     (u64)heartbeat->interval_ms * NSEC_PER_MSEC);
	if (beats >= expected)
		return 100;
	return div64_u64(beats * 100, expected);
}
