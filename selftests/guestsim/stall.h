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

#endif
