/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What outlives the agent within one boot of the guest.
 */
#ifndef _VMGUEST_AGENT_STATE_H
#define _VMGUEST_AGENT_STATE_H

#include "util.h"

/**
 * struct state - The state file
 * @path: Where it is.
 * @boot_id: The boot that it is about.
 * @instance: Instance of the last WELCOME, or zero.
 * @task: The task that was granted and stops the guest, or 0. The last breath
 *	names it.
 * @announced: The task that users were told of and that waits for its time, or
 *	0.
 * @due: When that is, in now_ms().
 */
struct state {
	const char *path;
	__u8 boot_id[ID_SIZE];
	__u8 instance[ID_SIZE];
	__u64 task;
	__u64 announced;
	__u64 due;
};

void state_load(struct state *state, const char *path, const __u8 *boot_id);
void state_save(const struct state *state);

#endif /* _VMGUEST_AGENT_STATE_H */
