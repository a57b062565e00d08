// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest that hangs, reads nothing or floods costs another one: the time
 * from a PING to its answer, beside it and without it, by turns in one run.
 *
 * What the measured one needs is on the first CPU; see hostile.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "hostile.h"
#include "test.h"

#define CID		OWN_CID
#define HOSTILE_CID	(OWN_CID + 1)

/* The times of one run: by turns so many rounds of so many PINGs. */
#define ROUNDS		20
#define PINGS		20
#define TIMES		(ROUNDS * PINGS)

/* Not more than so much slower. */
#define RATIO_MAX	1.5

/* As on a host: the other tests have it off. */
#define CONNECT_RATE	"20"

FIXTURE(beside) {
	int fd;
	int task;
	uint64_t vm;
	struct sim *sim;
	struct sim_guest *guest;
	struct hostile hostile;
	pid_t idlers[HOSTILE_CPUS];
	uint64_t without[TIMES];
	uint64_t with[TIMES];
};

FIXTURE_VARIANT(beside) {
	enum hostility how;
};

FIXTURE_VARIANT_ADD(beside, one_that_hangs) { .how = HOSTILE_HANGS };
FIXTURE_VARIANT_ADD(beside, one_that_stands_still) {
	.how = HOSTILE_STANDS_STILL };
FIXTURE_VARIANT_ADD(beside, one_that_reads_nothing) {
	.how = HOSTILE_READS_NOTHING };
FIXTURE_VARIANT_ADD(beside, one_that_floods) { .how = HOSTILE_FRAMES };
FIXTURE_VARIANT_ADD(beside, one_that_floods_with_lies) { .how = HOSTILE_LIES };
FIXTURE_VARIANT_ADD(beside, one_that_floods_with_notices) {
	.how = HOSTILE_NOTICES };
FIXTURE_VARIANT_ADD(beside, one_that_floods_with_garbage) {
	.how = HOSTILE_GARBAGE };
FIXTURE_VARIANT_ADD(beside, one_that_floods_with_connections) {
	.how = HOSTILE_CONNECTIONS };

FIXTURE_SETUP(beside)
{
	int cpu;

	self->task = -1;
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	vmg_unregister_all(self->fd);
	sim_hurry();
	ASSERT_EQ(0, vmg_set_parameter("connect_rate", CONNECT_RATE));
	ASSERT_EQ(0, vmg_register(self->fd, "guest", CID, -1, &self->vm));
	ASSERT_EQ(0, hostile_start(&self->hostile, self->fd, "hostile",
				   HOSTILE_CID, variant->how));
	for (cpu = 0; cpu < HOSTILE_CPUS; cpu++)
		self->idlers[cpu] = hostile_keep_busy(cpu);
	hostile_pin(0, 0);
	self->sim = sim_create();
	self->guest = sim_guest_add(self->sim, CID);
	sim_guest_set_loud(self->guest, false);
	BOOT(self->guest);
	hostile_pin_vhost(0);
}

FIXTURE_TEARDOWN(beside)
{
	int cpu;

	hostile_end(&self->hostile);
	for (cpu = 0; cpu < HOSTILE_CPUS; cpu++)
		hostile_end_child(self->idlers[cpu]);
	if (self->task >= 0)
		close(self->task);
	sim_destroy(self->sim);
	vmg_set_parameter("connect_rate", "0");
	vmg_unregister_all(self->fd);
	close(self->fd);
}

#define ARGS	struct __test_metadata *_metadata,			\
		FIXTURE_DATA(beside) *self
#define PASS	_metadata, self

static void hostile_comes(ARGS)
{
	hostile_call(&self->hostile);
	ASSERT_SOON(hostile_is_there(&self->hostile));
	ASSERT_EQ(0, hostile_pile(&self->hostile));
}

static void hostile_goes(ARGS)
{
	struct hostile *hostile = &self->hostile;

	hostile_send_away(hostile);
	ASSERT_SOON(!hostile_is_there(hostile));
	for (; hostile->piled; close(hostile->pile[--hostile->piled]))
		EXPECT_TRUE(sim_task(self->sim,
				     hostile->pile[hostile->piled - 1],
				     PATIENCE_MS).task_flags &
			    VMGUEST_TASK_COMPLETE);
}

static void measure(ARGS, uint64_t *times)
{
	uint64_t start;
	int i;

	for (i = 0; i < PINGS; i++) {
		start = sim_now_ns();
		ASK(self->vm, VMGUEST_PING);
		EXPECT_ENDED(TASK(), VMGUEST_RESULT_SUCCESS, 0);
		times[i] = sim_now_ns() - start;
	}
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double median_us(uint64_t *times, int count)
{
	qsort(times, count, sizeof(*times), compare);
	return times[count / 2] / 1000.0;
}

TEST_F_TIMEOUT(beside, ping, 120)
{
	double without, with;
	bool slow = vmg_kernel_is_slow();
	int rounds = slow ? 1 : ROUNDS;
	struct vmguest_vm_get vm;
	int i;

	for (i = 0; i < rounds; i++) {
		measure(PASS, self->without + i * PINGS);
		hostile_comes(PASS);
		measure(PASS, self->with + i * PINGS);
		hostile_goes(PASS);
	}
	without = median_us(self->without, rounds * PINGS);
	with = median_us(self->with, rounds * PINGS);
	ASSERT_EQ(0, vmg_get(self->fd, self->hostile.vm, &vm));
	TH_LOG("ratio %.2f: %.0f us beside it, %.0f us without",
	       with / without, with, without);
	TH_LOG("it sent %llu frames, %llu connections were closed for it",
	       (unsigned long long)vm.frames_in,
	       (unsigned long long)vm.malformed);
	if (slow)
		SKIP(return, "a kernel that looks at each access has other times");
	EXPECT_GE(RATIO_MAX, with / without);
}

TEST_HARNESS_MAIN
