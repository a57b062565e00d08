/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the measuring programs share: their options, their clock, arms that take
 * turns, and rows of CSV. Only rows go to stdout, words go to stderr.
 */
#ifndef BENCH_SAMPLE_H
#define BENCH_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct sample_options - What the command line says
 * @rounds: How often each arm has its turn.
 * @quick: As little as proves that the program works.
 */
struct sample_options {
	unsigned int rounds;
	bool quick;
};

/*
 * --rounds N and --quick. @rounds and @quick_rounds are what is done without
 * --rounds. Leaves with status 2 at anything else.
 */
struct sample_options sample_parse(int argc, char **argv, unsigned int rounds,
				   unsigned int quick_rounds);

/* CLOCK_MONOTONIC: with QEMU's instruction counter the count itself. */
uint64_t sample_now_ns(void);

/* Says why on stderr, and leaves with status 1. @err: a negative errno, or 0. */
__attribute__((noreturn, format(printf, 2, 3)))
void sample_die(int err, const char *format, ...);

__attribute__((format(printf, 1, 2)))
void sample_say(const char *format, ...);

/* Whose turn it is, @i-th in @round: each round another arm is the first. */
unsigned int sample_turn(unsigned int round, unsigned int i, unsigned int arms);

/* @n: the number of guests, messages, or whatever the arm has so many of. */
void sample_row(const char *question, const char *arm, unsigned int n,
		unsigned int round, const char *metric, double value,
		const char *unit);

/* Sorts @ns. Return: its quantile @q of 0 to 1. */
double sample_quantile(uint64_t *ns, size_t count, double q);

/* Rows "p10", "p50", "p90" and "p99" of @count times, in us. Sorts @ns. */
void sample_quantiles(const char *question, const char *arm, unsigned int n,
		      unsigned int round, uint64_t *ns, size_t count);

/**
 * struct sample_arm - One of the things that are compared
 * @name: Its name in the rows.
 * @run: Does it once; leaves by sample_die() when that fails.
 * @settle: Called before each run, outside of what is measured; or NULL.
 * @data: For both.
 */
struct sample_arm {
	const char *name;
	void (*run)(void *data);
	void (*settle)(void *data);
	void *data;
};

/**
 * struct sample_plan - How the arms take turns
 * @question: Their question's name in the rows.
 * @rounds: Rounds.
 * @turn: How often an arm runs in its turn.
 * @warm: How often it runs first, not measured, in each turn.
 * @told: So many last rounds have a row for each run: metric "sample".
 */
struct sample_plan {
	const char *question;
	unsigned int rounds;
	unsigned int turn;
	unsigned int warm;
	unsigned int told;
};

/* Rows, in us: each turn's "p10", "p50", "p90" and "p99". */
void sample_arms(const struct sample_plan *plan, const struct sample_arm *arms,
		 unsigned int count);

#endif
