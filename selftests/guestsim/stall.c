// SPDX-License-Identifier: GPL-2.0-only
#include <pthread.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include "guestsim.h"
#include "stall.h"

/* How often to look. */
#define LOOK_NS		4000000ULL

/* Those that are remembered. */
#define STALLS		1024

static struct {
	uint64_t from_ns;
	uint64_t to_ns;
} stalls[STALLS];
static unsigned int stall_count;
static uint64_t longest_ns;
static uint64_t grace_ns;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void stall_add(uint64_t from_ns, uint64_t to_ns)
{
	pthread_mutex_lock(&lock);
	stalls[stall_count % STALLS].from_ns = from_ns;
	stalls[stall_count % STALLS].to_ns = to_ns;
	stall_count++;
	if (to_ns - from_ns > longest_ns)
		longest_ns = to_ns - from_ns;
	pthread_mutex_unlock(&lock);
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
	unsigned int i, n;
	uint64_t sum = 0;

	pthread_mutex_lock(&lock);
	for (n = 1; n <= STALLS && n <= stall_count; n++) {
		i = (stall_count - n) % STALLS;
		if (stalls[i].to_ns <= from_ns)
			break;
		if (stalls[i].from_ns < to_ns)
			sum += stalls[i].to_ns - stalls[i].from_ns;
	}
	pthread_mutex_unlock(&lock);
	return sum;
}

uint64_t stall_longest(void)
{
	return longest_ns;
}
