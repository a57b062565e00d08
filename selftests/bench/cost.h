/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPU time, in nanoseconds of the scheduler's own account, told apart by who
 * used it: this process, another one (simulated guests), the kernel's
 * workers, of which the module's are nearly all, and the rest, which is the
 * threads of vhost, RCU and interrupts.
 */
#ifndef BENCH_COST_H
#define BENCH_COST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Workers at a time. */
#define COST_WORKERS	256

/**
 * struct cost_thread - What the scheduler says of a thread
 * @pid: The thread.
 * @ns: How long it has run.
 * @runs: How often it was given a processor.
 */
struct cost_thread {
	pid_t pid;
	uint64_t ns;
	uint64_t runs;
};

/**
 * struct cost_mark - The account at one moment
 * @wall_ns: When.
 * @all_ns: All processors, but for the time they were idle.
 * @all_runs: How often they began to run a thread.
 * @own_ns: This process.
 * @other: The other process's first thread.
 * @workers: How many workers there are.
 * @worker: They.
 */
struct cost_mark {
	uint64_t wall_ns;
	uint64_t all_ns;
	uint64_t all_runs;
	uint64_t own_ns;
	struct cost_thread other;
	unsigned int workers;
	struct cost_thread worker[COST_WORKERS];
};

/**
 * struct cost - What was used between two moments
 * @wall_ns: Time.
 * @own_ns: By this process.
 * @other_ns: By the other one.
 * @worker_ns: By workers.
 * @rest_ns: By all else.
 * @other_runs: How often the other one was given a processor.
 * @worker_runs: How often workers were.
 * @all_runs: How often any thread was.
 */
struct cost {
	uint64_t wall_ns;
	uint64_t own_ns;
	uint64_t other_ns;
	uint64_t worker_ns;
	uint64_t rest_ns;
	uint64_t other_runs;
	uint64_t worker_runs;
	uint64_t all_runs;
};

/* @other: the other process, or 0. Looking takes longer the more threads. */
void cost_begin(struct cost_mark *mark, pid_t other);
struct cost cost_end(const struct cost_mark *mark);

/* False when it has ended. */
bool cost_read_thread(struct cost_thread *thread, pid_t pid);

#endif
