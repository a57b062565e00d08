// SPDX-License-Identifier: GPL-2.0-only
/*
 * Some hundred guests, each with a CID of its own, in one group: a window, two
 * orders, and guests that do not do as they should.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "test.h"

#define GUESTS		300
#define FIRST_ORDER	200	/* of those */
#define PARALLEL	20

/* Of the first order: one that says nothing more, and one that dies. */
#define SILENT		7
#define DYING		50

#define SILENT_MS	2000
#define ALL_MS		60000

FIXTURE(bulk) {
	int fd;
	int task;
	int group;
	struct sim *sim;
	struct sim_guest *guests[GUESTS];
	uint64_t vms[GUESTS];
	struct vmguest_group_record records[GUESTS];
	unsigned int count;
	bool over;
};

FIXTURE_SETUP(bulk)
{
	struct rlimit limit;
	char name[16];
	int i;

	self->task = -1;
	self->group = -1;
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	vmg_unregister_all(self->fd);
	sim_hurry();
	self->sim = sim_create();
	for (i = 0; i < GUESTS; i++) {
		self->guests[i] = sim_guest_add(self->sim, OWN_CID + i);
		snprintf(name, sizeof(name), "guest%d", i);
		ASSERT_EQ(0, vmg_register(self->fd, name, OWN_CID + i,
					  sim_guest_lifeline(self->guests[i]),
					  &self->vms[i]));
		BOOT(self->guests[i]);
	}
}

FIXTURE_TEARDOWN(bulk)
{
	if (self->group >= 0)
		close(self->group);
	sim_destroy(self->sim);
	vmg_unregister_all(self->fd);
	close(self->fd);
}

static void read_records(void *data)
{
	FIXTURE_DATA(bulk) *self = data;
	ssize_t got = read(self->group, &self->records[self->count],
			   (GUESTS - self->count ?: 1) *
			   sizeof(self->records[0]));

	if (got > 0)
		self->count += got / sizeof(self->records[0]);
	self->over = got <= 0;
	if (self->over)
		sim_unwatch(self->sim, self->group);
}

static int compare_times(const void *a, const void *b)
{
	const int64_t one = llabs(*(const int64_t *)a);
	const int64_t other = llabs(*(const int64_t *)b);

	return (one > other) - (one < other);
}

/* How many ran at once at most: a start is a time, an end one below zero. */
static int most_at_once(const struct vmguest_group_record *records, int count)
{
	int64_t *times = calloc(2 * count, sizeof(*times));
	int i, running = 0, most = 0;

	for (i = 0; i < count; i++) {
		times[2 * i] = records[i].start_ns;
		times[2 * i + 1] = -(int64_t)records[i].end_ns;
	}
	qsort(times, 2 * count, sizeof(*times), compare_times);
	for (i = 0; i < 2 * count; i++) {
		running += times[i] > 0 ? 1 : -1;
		most = running > most ? running : most;
	}
	free(times);
	return most;
}

static int error_of(unsigned int index)
{
	switch (index) {
	case SILENT:
		return -ETIMEDOUT;
	case DYING:
		return -ECONNABORTED;
	default:
		return 0;
	}
}

/* All @members' records have been read. */
#define RUN_ALL(members, parallel) do {					\
	self->group = vmg_group(self->fd, members, GUESTS, parallel);	\
	ASSERT_LE(0, self->group);					\
	ASSERT_EQ(0, sim_watch(self->sim, self->group, EPOLLIN,		\
			       read_records, self));			\
	ASSERT_TRUE(sim_until(self->sim, self->over, ALL_MS));		\
	ASSERT_EQ(GUESTS, self->count);					\
} while (0)

TEST_F_TIMEOUT(bulk, guests_go_down_by_and_by, 120)
{
	struct vmguest_group_member members[GUESTS];
	uint64_t first_end = 0, second_start = UINT64_MAX;
	bool seen[GUESTS] = { false };
	int i, failed = 0;

	for (i = 0; i < GUESTS; i++) {
		members[i] = vmg_member(self->vms[i], VMGUEST_VERB_SHUTDOWN);
		members[i].deadline_ms = i == SILENT ? SILENT_MS : ALL_MS;
		members[i].order = i >= FIRST_ORDER;
	}
	sim_guest_at(self->guests[SILENT], SIM_AT_REQUEST, SIM_HANG);
	sim_guest_at(self->guests[DYING], SIM_AT_GO, SIM_DIE);
	RUN_ALL(members, PARALLEL);
	for (i = 0; i < GUESTS; i++) {
		const struct vmguest_group_record *record = &self->records[i];

		ASSERT_GT(GUESTS, record->index);
		EXPECT_FALSE(seen[record->index]);
		seen[record->index] = true;
		EXPECT_EQ(self->vms[record->index], record->vm_id);
		if (record->index < FIRST_ORDER && record->end_ns > first_end)
			first_end = record->end_ns;
		if (record->index >= FIRST_ORDER &&
		    record->start_ns < second_start)
			second_start = record->start_ns;
		EXPECT_EQ(error_of(record->index), record->error);
		if (!record->error)
			EXPECT_EQ(PROOFS_DOWN | VMGUEST_PROOF_VM_GONE,
				  record->proofs);
		failed += record->result != VMGUEST_RESULT_SUCCESS;
	}
	EXPECT_EQ(2, failed);
	EXPECT_LE(first_end, second_start);
	/* Never more, and not one after the other either. */
	EXPECT_EQ(PARALLEL, most_at_once(self->records, GUESTS));
	EXPECT_LE(SILENT_MS * 1000000ULL, first_end - self->records[0].start_ns);
}

/*
 * More than the module keeps are gone at once, and their VMMs live on: each task
 * learns it when its channel has been read to the end, and not another thing.
 */
TEST_F_TIMEOUT(bulk, guests_are_gone_all_at_once, 120)
{
	struct vmguest_group_member members[GUESTS];
	int i;

	for (i = 0; i < GUESTS; i++) {
		members[i] = vmg_member(self->vms[i], VMGUEST_VERB_SHUTDOWN);
		members[i].deadline_ms = ALL_MS;
		sim_guest_at(self->guests[i], SIM_AT_ACK, SIM_DEPART);
	}
	RUN_ALL(members, 0);
	for (i = 0; i < GUESTS; i++) {
		EXPECT_EQ(0, self->records[i].error);
		EXPECT_TRUE(self->records[i].proofs & VMGUEST_PROOF_VM_GONE);
	}
}

/* Guests that are cut off in the middle: nothing starts, nothing is left. */
TEST_F_TIMEOUT(bulk, the_group_is_closed_half_way, 120)
{
	struct vmguest_group_member members[GUESTS];
	struct vmguest_vm_get vm;
	int i, gone = 0, running = 0;

	for (i = 0; i < GUESTS; i++) {
		members[i] = vmg_member(self->vms[i], VMGUEST_VERB_SHUTDOWN);
		members[i].flags = VMGUEST_REQ_CANCEL_ON_CLOSE;
	}
	self->group = vmg_group(self->fd, members, GUESTS, PARALLEL);
	ASSERT_LE(0, self->group);
	ASSERT_EQ(0, sim_watch(self->sim, self->group, EPOLLIN, read_records,
			       self));
	ASSERT_TRUE(sim_until(self->sim, self->count > GUESTS / 2, ALL_MS));
	sim_unwatch(self->sim, self->group);
	close(self->group);
	self->group = -1;
	for (i = 0; i < GUESTS; i++) {
		/* Not all that are gone are kept. */
		if (vmg_get(self->fd, self->vms[i], &vm)) {
			gone++;
			continue;
		}
		gone += vm.last_task_id && !vm.task_id;
		running += vm.task_id != 0;
	}
	/* Those past their commit point cannot be cancelled any more. */
	EXPECT_GE(PARALLEL, running);
	EXPECT_LE((int)self->count, gone);
	EXPECT_GT(GUESTS, gone + running);
}

TEST_HARNESS_MAIN
