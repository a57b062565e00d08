// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "guestsim.h"
#include "stall.h"

/* How often to look. */
#define LOOK_NS		4000000ULL

/* Those that are remembered. */
#define STALLS		1024

/* What the kernel itself has measured of the threads that serve vsock. */
#define INSTANCE	"/sys/kernel/tracing/instances/guestsim"
#define SERVANTS	"comm ~ \"vhost-*\" || comm ~ \"kworker/*\""
#define SERVANT_WAIT_NS	20000000ULL

/**
 * struct stalls - The last waits of some threads
 * @count: How many there ever were.
 * @longest_ns: The longest of all.
 * @stall: They, as a ring.
 */
struct stalls {
	unsigned int count;
	uint64_t longest_ns;
	struct {
		uint64_t from_ns;
		uint64_t to_ns;
	} stall[STALLS];
};

static struct stalls watchers;
static pthread_mutex_t watchers_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t grace_ns;
static struct stalls servants;
static FILE *servants_pipe;

static void stalls_add(struct stalls *stalls, uint64_t from_ns, uint64_t to_ns)
{
	unsigned int i = stalls->count++ % STALLS;

	stalls->stall[i].from_ns = from_ns;
	stalls->stall[i].to_ns = to_ns;
	if (to_ns - from_ns > stalls->longest_ns)
		stalls->longest_ns = to_ns - from_ns;
}

static uint64_t stalls_between(const struct stalls *stalls, uint64_t from_ns,
			       uint64_t to_ns)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < STALLS && i < stalls->count; i++)
		if (stalls->stall[i].from_ns < to_ns &&
		    stalls->stall[i].to_ns > from_ns)
			sum += stalls->stall[i].to_ns - stalls->stall[i].from_ns;
	return sum;
}

void stall_add(uint64_t from_ns, uint64_t to_ns)
{
	pthread_mutex_lock(&watchers_lock);
	stalls_add(&watchers, from_ns, to_ns);
	pthread_mutex_unlock(&watchers_lock);
}

static void *stall_look(void *data __attribute__((unused)))
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };

	for (;;) {
		uint64_t before = sim_now_ns();
		uint64_t now;

		nanosleep(&pause, NULL);
		now = sim_now_ns();
		if (now - before > LOOK_NS + grace_ns)
			stall_add(before + LOOK_NS, now);
	}
	return NULL;
}

static int stall_watch_cpu(int cpu)
{
	pthread_attr_t attr;
	pthread_t thread;
	cpu_set_t set;
	int err;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = pthread_create(&thread, &attr, stall_look, NULL);
	pthread_attr_destroy(&attr);
	return -err;
}

static bool stall_set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool done = fd >= 0 && write(fd, value, strlen(value)) > 0;

	if (fd >= 0)
		close(fd);
	return done;
}

int stall_watch_servants(void)
{
	char filter[128];
	int fd;

	snprintf(filter, sizeof(filter), "(" SERVANTS ") && delay > %llu",
		 SERVANT_WAIT_NS);
	if ((mkdir(INSTANCE, 0700) && errno != EEXIST) ||
	    !stall_set("/proc/sys/kernel/sched_schedstats", "1") ||
	    !stall_set(INSTANCE "/trace_clock", "mono") ||
	    !stall_set(INSTANCE "/events/sched/sched_stat_wait/filter",
		       filter) ||
	    !stall_set(INSTANCE "/events/sched/sched_stat_wait/enable", "1"))
		return -ENODATA;
	fd = open(INSTANCE "/trace_pipe", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	servants_pipe = fdopen(fd, "r");
	return 0;
}

/* Its waits so far: "vhost-9-10 [001] d.. 2.718281: ...: comm=... delay=42 [ns]" */
static void stall_collect(void)
{
	unsigned long long s, us, delay;
	const char *at;
	char line[512];

	if (!servants_pipe)
		return;
	clearerr(servants_pipe);
	while (fgets(line, sizeof(line), servants_pipe)) {
		at = strstr(line, "] ");
		if (!at || sscanf(at, "] %*s %llu.%llu:", &s, &us) != 2)
			continue;
		at = strstr(at, " delay=");
		if (!at || sscanf(at, " delay=%llu", &delay) != 1)
			continue;
		us += s * 1000000;
		stalls_add(&servants, us * 1000 - delay, us * 1000);
	}
}

void stall_leave_servants(void)
{
	if (!servants_pipe)
		return;
	stall_set(INSTANCE "/events/sched/sched_stat_wait/enable", "0");
	fclose(servants_pipe);
	servants_pipe = NULL;
	rmdir(INSTANCE);
}

int stall_watch(unsigned int grace_ms)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	int err = 0;
	long cpu;

	grace_ns = grace_ms * 1000000ULL;
	for (cpu = 0; cpu < cpus && !err; cpu++)
		err = stall_watch_cpu(cpu);
	return err;
}

uint64_t stall_between(uint64_t from_ns, uint64_t to_ns)
{
	uint64_t sum;

	pthread_mutex_lock(&watchers_lock);
	sum = stalls_between(&watchers, from_ns, to_ns);
	pthread_mutex_unlock(&watchers_lock);
	return sum;
}

uint64_t stall_servants_between(uint64_t from_ns, uint64_t to_ns)
{
	stall_collect();
	return stalls_between(&servants, from_ns, to_ns);
}

uint64_t stall_longest(void)
{
	return watchers.longest_ns;
}

uint64_t stall_servants_longest(void)
{
	return servants.longest_ns;
}
