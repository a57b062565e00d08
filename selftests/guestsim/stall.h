/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long this machine's processors stood still. On an emulated one that has to
 * share its own machine they do, for longer than anything that is measured here.
 */
#ifndef GUESTSIM_STALL_H
#define GUESTSIM_STALL_H

#include <stdint.h>

/*
 * From now on a thread of the highest priority watches each processor. Less than
 * @grace_ms does not count.
 */
int stall_watch(unsigned int grace_ms);

/* How long any stood still between two times, on CLOCK_MONOTONIC. */
uint64_t stall_between(uint64_t from_ns, uint64_t to_ns);

/* The longest of all. */
uint64_t stall_longest(void);

#endif
