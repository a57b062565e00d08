/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The same request to all guests of a crowd, all at once, from one process with
 * one epoll.
 */
#ifndef BENCH_ASK_H
#define BENCH_ASK_H

#include <stdint.h>

#include "crowd.h"

/* Each task's, which is not what ends one here. */
#define ASK_DEADLINE_MS	1800000

/**
 * struct ask - What became of the requests
 * @issued_ns: From the first call to the return of the last.
 * @collected_ns: From the first call until all have ended and are closed.
 * @succeeded: How many did what they were asked for.
 * @lost: How many did not end, or were never told.
 * @fds: Descriptors that were open for them at once.
 */
struct ask {
	uint64_t issued_ns;
	uint64_t collected_ns;
	unsigned int succeeded;
	unsigned int lost;
	unsigned int fds;
};

/* One call each. @nr: VMGUEST_SHUTDOWN, VMGUEST_PING, ... */
struct ask ask_singly(const struct crowd *crowd, unsigned long nr);

/* One call for all. @verb: enum vmguest_verb. */
struct ask ask_group(const struct crowd *crowd, uint32_t verb);

/* A line to each of some fds, and a line back, as qemu-ga has it. */
struct ask ask_lines(const int *fds, unsigned int count, const char *line);

#endif
