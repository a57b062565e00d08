// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registrations, connections and tasks that come and go: the memory comes back.
 */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "test.h"

/* Registrations, each with a guest that connects; every other with a lifeline. */
#define WARM_VMS	500
#define VMS		1000

/* Those that are there at a time. */
#define BATCH		20

/*
 * What a registration may leave behind: less than the smallest thing that could
 * leak each other time, a struct vmguest_lifeline of some 200 bytes.
 */
#define TOLERANCE	16

/* Memory that is freed by RCU is kept for 5 seconds, to free more at once. */
#define REST_MS		6000
#define LONG_REST_MS	15000

#define SLABS		"/sys/kernel/slab"
#define KMALLOC		"kmalloc-"
#define ACCOUNTED	"kmalloc-cg-"

FIXTURE(churn) {
	int fd;
	int task;
	struct sim *sim;
	uint64_t vms[BATCH];
	struct sim_guest *guests[BATCH];
};

FIXTURE_SETUP(churn)
{
	int i;

	self->task = -1;
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	vmg_unregister_all(self->fd);
	sim_hurry();
	self->sim = sim_create();
	for (i = 0; i < BATCH; i++) {
		struct sim_guest *g = sim_guest_add(self->sim, OWN_CID + i);

		sim_guest_at(g, SIM_AT_BOOT, SIM_HANG);
		ASSERT_EQ(0, sim_guest_boot(g));
		self->guests[i] = g;
	}
}

FIXTURE_TEARDOWN(churn)
{
	sim_destroy(self->sim);
	vmg_unregister_all(self->fd);
	close(self->fd);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	if (file) {
		fputs(text, file);
		fclose(file);
	}
}

static bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

/* What CPUs keep at hand would count as in use. */
static void shrink_slabs(void)
{
	DIR *dir = opendir(SLABS);
	struct dirent *entry;
	char path[300];

	while (dir && (entry = readdir(dir))) {
		if (!starts_with(entry->d_name, KMALLOC))
			continue;
		snprintf(path, sizeof(path), SLABS "/%s/shrink", entry->d_name);
		write_file(path, "1");
	}
	if (dir)
		closedir(dir);
}

/*
 * Bytes that kmalloc() has given out: of what is accounted to somebody, as all
 * of the module's is, where the kernel keeps that apart.
 */
static long kernel_memory(void)
{
	long objects, size, all = 0, accounted = 0;
	char line[256], name[64];
	FILE *file;

	shrink_slabs();
	file = fopen("/proc/slabinfo", "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %ld %*d %ld", name, &objects,
			   &size) != 3 || !starts_with(name, KMALLOC))
			continue;
		all += objects * size;
		if (starts_with(name, ACCOUNTED))
			accounted += objects * size;
	}
	if (file)
		fclose(file);
	return accounted ?: all;
}

/* The least that there is within @ms, or the first that is enough. */
static long resting_memory(unsigned int ms, long enough)
{
	const struct timespec pause = { .tv_nsec = 200000000 };
	uint64_t start = vmg_now_ms();
	long least = kernel_memory();

	while (least > enough && vmg_now_ms() - start < ms) {
		long now;

		nanosleep(&pause, NULL);
		now = kernel_memory();
		if (now < least)
			least = now;
	}
	return least;
}

#define ARGS	struct __test_metadata *_metadata,			\
		FIXTURE_DATA(churn) *self

static void come(ARGS)
{
	char name[16];
	int i;

	for (i = 0; i < BATCH; i++) {
		snprintf(name, sizeof(name), "guest%d", i);
		ASSERT_EQ(0, vmg_register(self->fd, name, OWN_CID + i,
					  i % 2 ?
					  sim_guest_lifeline(self->guests[i]) :
					  -1, &self->vms[i]));
		sim_guest_do(self->guests[i], SIM_REBOOT, 0);
	}
	for (i = 0; i < BATCH; i++) {
		ASSERT_SOON(sim_guest_is_welcome(self->guests[i]));
		ASK(self->vms[i], VMGUEST_LOGOFF);
		EXPECT_ENDED(sim_task(self->sim, self->task, PATIENCE_MS),
			     VMGUEST_RESULT_SUCCESS, 0);
	}
	close(self->task);
	self->task = -1;
}

static void go(ARGS)
{
	int i;

	for (i = 0; i < BATCH; i++) {
		sim_guest_do(self->guests[i], SIM_CLOSE, 0);
		if (i % 2)
			sim_guest_fire(self->guests[i]);
		ASSERT_EQ(0, vmg_unregister(self->fd, self->vms[i]));
	}
	/* A connection that only one side has closed lasts for 8 seconds. */
	for (i = 0; i < BATCH; i++) {
		ASSERT_SOON(sim_guest_count(self->guests[i], SIM_EV_CLOSED,
					    -1));
		sim_guest_forget_log(self->guests[i]);
	}
}

static void churn(ARGS, int vms)
{
	int i;

	for (i = 0; i < vms; i += BATCH) {
		come(_metadata, self);
		go(_metadata, self);
	}
}

TEST_F_TIMEOUT(churn, leaves_nothing_behind, 300)
{
	long before, after;

	churn(_metadata, self, WARM_VMS);
	before = resting_memory(REST_MS, 0);
	ASSERT_LT(0, before);
	churn(_metadata, self, VMS);
	after = resting_memory(LONG_REST_MS,
			       before + VMS * TOLERANCE / 2);
	TH_LOG("%ld bytes before, %ld after %d VMs: %+ld for each", before,
	       after, VMS, (after - before) / VMS);
	/* KASAN keeps what was freed; there kmemleak tells in the end. */
	if (vmg_kernel_is_slow())
		SKIP(return, "kmemleak looks for leaks");
	EXPECT_GE(VMS * TOLERANCE, after - before);
}

TEST_HARNESS_MAIN
