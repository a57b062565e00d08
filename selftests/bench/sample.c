// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sample.h"

/* A round of nothing measures nothing, and nobody waits for so many. */
#define ROUNDS_MAX	100000

__attribute__((noreturn))
static void sample_usage(const char *program)
{
	fprintf(stderr, "usage: %s [--rounds N] [--quick]\n", program);
	exit(2);
}

struct sample_options sample_parse(int argc, char **argv, unsigned int rounds,
				   unsigned int quick_rounds)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "quick", no_argument, NULL, 'q' },
		{ 0 },
	};
	struct sample_options said = { 0 };
	unsigned long n;
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 'r':
			n = strtoul(optarg, &end, 10);
			if (*end || !n || n > ROUNDS_MAX)
				sample_usage(argv[0]);
			said.rounds = n;
			break;
		case 'q':
			said.quick = true;
			break;
		default:
			sample_usage(argv[0]);
		}
	}
	if (optind != argc)
		sample_usage(argv[0]);
	if (!said.rounds)
		said.rounds = said.quick ? quick_rounds : rounds;
	return said;
}

uint64_t sample_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void sample_die(int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "%s%s\n", err ? ": " : "", err ? strerror(-err) : "");
	exit(1);
}

void sample_say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

unsigned int sample_turn(unsigned int round, unsigned int i, unsigned int arms)
{
	return (round + i) % arms;
}

void sample_row(const char *question, const char *arm, unsigned int n,
		unsigned int round, const char *metric, double value,
		const char *unit)
{
	printf("%s,%s,%u,%u,%s,%.9g,%s\n", question, arm, n, round, metric,
	       value, unit);
	fflush(stdout);
}

static int sample_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

double sample_quantile(uint64_t *ns, size_t count, double q)
{
	double where = q * (count - 1);
	size_t below = where;
	double part = where - below;

	qsort(ns, count, sizeof(*ns), sample_compare);
	if (below + 1 >= count)
		return ns[count - 1];
	return ns[below] * (1 - part) + ns[below + 1] * part;
}

void sample_quantiles(const char *question, const char *arm, unsigned int n,
		      unsigned int round, uint64_t *ns, size_t count)
{
	static const struct {
		const char *metric;
		double q;
	} quantiles[] = {
		{ "p10", 0.1 }, { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 },
	};
	size_t i;

	for (i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		sample_row(question, arm, n, round, quantiles[i].metric,
			   sample_quantile(ns, count, quantiles[i].q) / 1e3,
			   "us");
}

static void sample_tell(const struct sample_plan *plan, const char *arm,
			unsigned int round, uint64_t *ns)
{
	size_t i;

	if (round + plan->told >= plan->rounds)
		for (i = 0; i < plan->turn; i++)
			sample_row(plan->question, arm, 1, round, "sample",
				   ns[i] / 1e3, "us");
	sample_quantiles(plan->question, arm, 1, round, ns, plan->turn);
}

static void sample_arm_turn(const struct sample_plan *plan,
			    const struct sample_arm *arm, uint64_t *ns)
{
	unsigned int i;
	uint64_t start;

	for (i = 0; i < plan->warm; i++)
		arm->run(arm->data);
	for (i = 0; i < plan->turn; i++) {
		if (arm->settle)
			arm->settle(arm->data);
		start = sample_now_ns();
		arm->run(arm->data);
		ns[i] = sample_now_ns() - start;
	}
}

void sample_arms(const struct sample_plan *plan, const struct sample_arm *arms,
		 unsigned int count)
{
	uint64_t *ns = calloc(plan->turn, sizeof(*ns));
	unsigned int round, i;

	if (!ns)
		sample_die(0, "no memory");
	for (round = 0; round < plan->rounds; round++) {
		for (i = 0; i < count; i++) {
			const struct sample_arm *arm;

			arm = &arms[sample_turn(round, i, count)];
			sample_arm_turn(plan, arm, ns);
			sample_tell(plan, arm->name, round, ns);
		}
	}
	free(ns);
}
