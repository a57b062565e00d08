// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest that hangs, reads nothing or floods costs another one: the time
 * from a PING to its answer, beside it and without it, by turns in one run.
 *
 * The hostile guest lives in a process of its own. What its VMM and its vhost
 * worker burn is on the second CPU, what the measured one needs on the first.
 * What is left, and what may cost the neighbour, is the module's work, which
 * runs where there is room. No CPU is ever idle, because waking a virtual one
 * takes longer than what is measured.
 */
#include <dirent.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

#include "test.h"

#define CID		OWN_CID
#define HOSTILE_CID	(OWN_CID + 1)

/* The times of one run: by turns so many rounds of so many PINGs. */
#define ROUNDS		20
#define PINGS		20
#define TIMES		(ROUNDS * PINGS)

#define CPUS		2

/* Not more than so much slower. */
#define RATIO_MAX	1.5

/* As on a host: the other tests have it off. */
#define CONNECT_RATE	"20"

/* What waits for a hostile guest that does not answer. */
#define PILE		300

/* So many frames at once, as long as not so many bytes wait for the host. */
#define FLOOD_FRAMES	512
#define FLOOD_BYTES	16384

/**
 * struct shared - What the processes tell each other
 * @want: The hostile guest shall be there.
 * @is: It is.
 */
struct shared {
	volatile bool want;
	volatile bool is;
};

enum hostility {
	HANGS, READS_NOTHING, FRAMES, LIES, NOTICES, GARBAGE, CONNECTIONS
};

FIXTURE(beside) {
	int fd;
	int task;
	uint64_t vm;
	uint64_t hostile_vm;
	struct sim *sim;
	struct sim_guest *guest;
	struct shared *shared;
	pid_t child;
	pid_t idlers[CPUS];
	int pile[PILE];
	uint64_t without[TIMES];
	uint64_t with[TIMES];
};

FIXTURE_VARIANT(beside) {
	enum hostility how;
};

FIXTURE_VARIANT_ADD(beside, one_that_hangs) { .how = HANGS };
FIXTURE_VARIANT_ADD(beside, one_that_reads_nothing) { .how = READS_NOTHING };
FIXTURE_VARIANT_ADD(beside, one_that_floods) { .how = FRAMES };
FIXTURE_VARIANT_ADD(beside, one_that_floods_with_lies) { .how = LIES };
FIXTURE_VARIANT_ADD(beside, one_that_floods_with_notices) { .how = NOTICES };
FIXTURE_VARIANT_ADD(beside, one_that_floods_with_garbage) { .how = GARBAGE };
FIXTURE_VARIANT_ADD(beside, one_that_floods_with_connections) {
	.how = CONNECTIONS };

static void pin(pid_t pid, int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(pid, sizeof(cpus), &cpus);
}

/*
 * The worker of this process's vhost device; newer kernels make it a thread of
 * the process, which stays where that is.
 */
static void pin_vhost(int cpu)
{
	char want[32], path[300], comm[32];
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	FILE *file;

	snprintf(want, sizeof(want), "vhost-%d\n", getpid());
	while ((entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		file = atoi(entry->d_name) ? fopen(path, "r") : NULL;
		if (!file)
			continue;
		if (fgets(comm, sizeof(comm), file) && !strcmp(comm, want))
			pin(atoi(entry->d_name), cpu);
		fclose(file);
	}
	closedir(dir);
}

static void hostile_start(struct sim *sim, struct sim_guest *guest,
			  enum hostility how)
{
	if (sim_guest_boot(guest))
		_exit(1);
	pin_vhost(1);
	if (!sim_until(sim, sim_guest_is_welcome(guest), PATIENCE_MS))
		_exit(1);
	sim_guest_forget_log(guest);
	if (how == HANGS)
		sim_guest_do(guest, SIM_HANG, 0);
	else if (how == READS_NOTHING)
		sim_guest_do(guest, SIM_STARVE, 0);
}

static void hostile_act(struct sim_guest *guest, enum hostility how)
{
	static const char garbage[64];

	sim_guest_forget_log(guest);
	switch (how) {
	case FRAMES:
		if (sim_guest_backlog(guest) < FLOOD_BYTES)
			sim_guest_do(guest, SIM_FLOOD, FLOOD_FRAMES);
		break;
	case LIES:
		while (sim_guest_backlog(guest) < FLOOD_BYTES)
			sim_guest_do(guest, SIM_LIE, UINT64_MAX);
		break;
	case NOTICES:
		if (sim_guest_backlog(guest) < FLOOD_BYTES)
			sim_guest_do(guest, SIM_NOTICE, FLOOD_FRAMES);
		break;
	case GARBAGE:
		if (sim_hand_is_over(guest))
			sim_hand_dial(guest);
		else if (sim_hand_is_open(guest))
			sim_hand_send(guest, garbage, sizeof(garbage));
		break;
	case CONNECTIONS:
		if (sim_hand_is_open(guest))
			sim_hand_reset(guest);
		if (sim_hand_is_over(guest))
			sim_hand_dial(guest);
		break;
	default:
		break;
	}
}

static void hostile_live(struct shared *shared, uint32_t cid,
			 enum hostility how)
{
	struct sim *sim = sim_create();
	struct sim_guest *guest = sim_guest_add(sim, cid);

	pin(0, 1);
	sim_guest_set_loud(guest, false);
	for (;;) {
		if (shared->want && !shared->is)
			hostile_start(sim, guest, how);
		else if (!shared->want && shared->is)
			sim_guest_do(guest, SIM_DIE, 0);
		shared->is = shared->want;
		if (shared->is)
			hostile_act(guest, how);
		sim_step(sim, sim_now_ns() + 20000000);
	}
}

/* Gives way to everybody else at once. */
static pid_t keep_busy(int cpu)
{
	const struct sched_param param = { };
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(0, cpu);
	sched_setscheduler(0, SCHED_IDLE, &param);
	for (;;)
		;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

FIXTURE_SETUP(beside)
{
	uint32_t cid = HOSTILE_CID;
	int cpu;

	self->task = -1;
	self->fd = vmg_open();
	ASSERT_LE(0, self->fd);
	vmg_unregister_all(self->fd);
	sim_hurry();
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_EQ(0, vmg_set_parameter("connect_rate", CONNECT_RATE));
	ASSERT_EQ(0, vmg_register(self->fd, "hostile", cid, -1,
				  &self->hostile_vm));
	ASSERT_EQ(0, vmg_register(self->fd, "guest", CID, -1, &self->vm));
	self->child = fork();
	if (!self->child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		hostile_live(self->shared, cid, variant->how);
	}
	for (cpu = 0; cpu < CPUS; cpu++)
		self->idlers[cpu] = keep_busy(cpu);
	pin(0, 0);
	self->sim = sim_create();
	self->guest = sim_guest_add(self->sim, CID);
	sim_guest_set_loud(self->guest, false);
	BOOT(self->guest);
	pin_vhost(0);
}

FIXTURE_TEARDOWN(beside)
{
	int cpu;

	end_child(self->child);
	for (cpu = 0; cpu < CPUS; cpu++)
		end_child(self->idlers[cpu]);
	if (self->task >= 0)
		close(self->task);
	sim_destroy(self->sim);
	vmg_set_parameter("connect_rate", "0");
	vmg_unregister_all(self->fd);
	close(self->fd);
}

#define ARGS	struct __test_metadata *_metadata,			\
		FIXTURE_DATA(beside) *self,				\
		const FIXTURE_VARIANT(beside) *variant
#define PASS	_metadata, self, variant

static bool is_silent(enum hostility how)
{
	return how == HANGS || how == READS_NOTHING;
}

static void hostile_comes(ARGS)
{
	struct vmguest_request request;
	int i;

	self->shared->want = true;
	ASSERT_SOON(self->shared->is);
	for (i = 0; i < PILE && is_silent(variant->how); i++) {
		request = vmg_request(self->hostile_vm);
		self->pile[i] = vmg_ask(self->fd, i ? VMGUEST_PING :
					VMGUEST_SHUTDOWN, &request);
		ASSERT_LE(0, self->pile[i]);
	}
}

static void hostile_goes(ARGS)
{
	int i;

	self->shared->want = false;
	ASSERT_SOON(!self->shared->is);
	for (i = 0; i < PILE && is_silent(variant->how); i++) {
		EXPECT_TRUE(sim_task(self->sim, self->pile[i],
				     PATIENCE_MS).task_flags &
			    VMGUEST_TASK_COMPLETE);
		close(self->pile[i]);
	}
}

static void measure(ARGS, uint64_t *times)
{
	uint64_t start;
	int i;

	(void)variant;
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
	bool slow = !access(KMEMLEAK, F_OK);
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
	ASSERT_EQ(0, vmg_get(self->fd, self->hostile_vm, &vm));
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
