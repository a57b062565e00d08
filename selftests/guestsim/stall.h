/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long an ordinary thread had to wait for a processor. On an emulated machine
 * that has to share its own one it does, for longer than what is measured here.
 */
#ifndef GUESTSIM_STALL_H
#define GUESTSIM_STALL_H

#include <stdint.h>

/* From now on a thread watches each processor. Up to @grace_ms do not count. */
int stall_watch(unsigned int grace_ms);

/* Something else that had to wait, or took so long as if. */
void stall_add(uint64_t from_ns, uint64_t to_ns);

/* The sum of all waits between two times, on CLOCK_MONOTONIC. */
uint64_t stall_between(uint64_t from_ns, uint64_t to_ns);

/* The longest of all. */
uint64_t stall_longest(void);

/*
 * What the kernel's threads had to wait that carry bytes between guests and
 * the module, by its scheduler's own account: they work more than those who watch,
 * so they wait longer. -ENODATA from a kernel that keeps none.
 */
int stall_watch_servants(void);

void stall_leave_servants(void);

/* Of these the sum of those longer than 20 ms, and the longest. */
uint64_t stall_servants_between(uint64_t from_ns, uint64_t to_ns);
uint64_t stall_servants_longest(void);

#endif
