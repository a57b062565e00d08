/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Simulated guests in a process of their own, so that what they cost is not
 * taken for the cost of those who ask them:
 *
 *	crowd_start(&crowd, fd, 1000);
 *	crowd_boot(&crowd);
 *	...
 *	crowd_end(&crowd);
 *
 * Each guest has a CID, an agent, a VM of its own that is registered, and a
 * lifeline. What cannot be done ends the program.
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "guestsim.h"

/* Until all of them have done what they were told to. */
#define CROWD_PATIENCE_MS	300000

/**
 * struct crowd - Some guests, as those outside see them
 * @fd: /dev/vmguest.
 * @pid: Their process.
 * @orders: What it is told by.
 * @answers: What it answers by.
 * @count: How many guests.
 * @cid: The first one's; the others' follow.
 * @vms: Their VMs' ids; NULL when nobody registered them.
 */
struct crowd {
	int fd;
	pid_t pid;
	int orders;
	int answers;
	unsigned int count;
	uint32_t cid;
	uint64_t *vms;
};

/**
 * struct crowd_inside - The same, as their own process sees them
 * @sim: Their simulation.
 * @guests: They.
 * @count: How many.
 */
struct crowd_inside {
	struct sim *sim;
	struct sim_guest **guests;
	unsigned int count;
};

/* What guests can be told: done in their process. Return: the answer. */
typedef uint64_t crowd_order_fn(struct crowd_inside *inside, uint64_t arg);

/* @count guests, off, each registered with a lifeline of its own. */
void crowd_start(struct crowd *crowd, int fd, unsigned int count);

/* The same, but nobody has registered them. */
void crowd_start_strangers(struct crowd *crowd, unsigned int count);

/* All are up, and their agents are welcome. */
void crowd_boot(struct crowd *crowd);

/* Do @order with @arg, and wait for its answer. */
uint64_t crowd_ask(const struct crowd *crowd, crowd_order_fn *order,
		   uint64_t arg);

/* The same in two steps. */
void crowd_tell(const struct crowd *crowd, crowd_order_fn *order, uint64_t arg);
uint64_t crowd_hear(const struct crowd *crowd);

/* Kills all VMMs, and nothing of theirs stays registered. */
void crowd_end(struct crowd *crowd);

/* An order: at their end they close, and the lifeline tells; the VMM stays. */
uint64_t crowd_depart_at_last(struct crowd_inside *inside, uint64_t unused);

/* An order: forget the logs, which grow. */
uint64_t crowd_forget_logs(struct crowd_inside *inside, uint64_t unused);

#endif
