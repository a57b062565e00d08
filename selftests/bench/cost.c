// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cost.h"
#include "sample.h"

#define WORKER		"kworker/"

/* A thread's time is added to its processor's when it stops running. */
#define SETTLE_NS	2000000

static bool cost_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	if (len < 0)
		return false;
	text[len] = '\0';
	return true;
}

bool cost_read_thread(struct cost_thread *thread, pid_t pid)
{
	unsigned long long ns, runs;
	char path[64], text[128];

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	if (!cost_read(path, text, sizeof(text)) ||
	    sscanf(text, "%llu %*u %llu", &ns, &runs) != 2)
		return false;
	*thread = (struct cost_thread) { .pid = pid, .ns = ns, .runs = runs };
	return true;
}

static bool cost_is_worker(const char *pid)
{
	char path[300], text[64];

	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	return cost_read(path, text, sizeof(text)) &&
	       !strncmp(text, WORKER, strlen(WORKER));
}

static void cost_read_workers(struct cost_mark *mark)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	pid_t pid;

	mark->workers = 0;
	while ((entry = readdir(dir))) {
		pid = atoi(entry->d_name);
		if (!pid || !cost_is_worker(entry->d_name))
			continue;
		if (mark->workers == COST_WORKERS)
			sample_die(0, "more than %d workers",
				   COST_WORKERS);
		if (cost_read_thread(&mark->worker[mark->workers], pid))
			mark->workers++;
	}
	closedir(dir);
}

/* "cpu0 yields 0 switches idle wakeups local run-ns wait-ns slices" */
static void cost_read_processors(struct cost_mark *mark)
{
	unsigned long long ns, runs;
	FILE *file = fopen("/proc/schedstat", "re");
	char line[512];

	if (!file)
		sample_die(0, "the kernel has no /proc/schedstat");
	mark->all_ns = 0;
	mark->all_runs = 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "cpu%*u %*u %*u %*u %*u %*u %*u %llu %*u %llu",
			   &ns, &runs) != 2)
			continue;
		mark->all_ns += ns;
		mark->all_runs += runs;
	}
	fclose(file);
}

static uint64_t cost_read_own(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

static void cost_settle(void)
{
	const struct timespec pause = { .tv_nsec = SETTLE_NS };

	nanosleep(&pause, NULL);
}

/* What is read last here is read first at the end: looking is not counted. */
void cost_begin(struct cost_mark *mark, pid_t other)
{
	memset(mark, 0, sizeof(*mark));
	cost_read_workers(mark);
	if (other && !cost_read_thread(&mark->other, other))
		sample_die(0, "process %d is gone", other);
	cost_settle();
	mark->own_ns = cost_read_own();
	cost_read_processors(mark);
	mark->wall_ns = sample_now_ns();
}

static void cost_add_workers(struct cost *cost, const struct cost_mark *begin,
			     const struct cost_mark *end)
{
	unsigned int i, k;

	for (i = 0; i < end->workers; i++) {
		const struct cost_thread *worker = &end->worker[i];

		cost->worker_ns += worker->ns;
		cost->worker_runs += worker->runs;
		for (k = 0; k < begin->workers; k++) {
			if (begin->worker[k].pid != worker->pid)
				continue;
			cost->worker_ns -= begin->worker[k].ns;
			cost->worker_runs -= begin->worker[k].runs;
		}
	}
}

struct cost cost_end(const struct cost_mark *begin)
{
	struct cost cost = { .wall_ns = sample_now_ns() - begin->wall_ns };
	static struct cost_mark end;
	uint64_t all, known;

	cost.own_ns = cost_read_own() - begin->own_ns;
	cost_settle();
	cost_read_processors(&end);
	if (begin->other.pid) {
		if (!cost_read_thread(&end.other, begin->other.pid))
			sample_die(0, "process %d is gone", begin->other.pid);
		cost.other_ns = end.other.ns - begin->other.ns;
		cost.other_runs = end.other.runs - begin->other.runs;
	}
	cost_read_workers(&end);
	cost_add_workers(&cost, begin, &end);
	cost.all_runs = end.all_runs - begin->all_runs;
	all = end.all_ns - begin->all_ns;
	known = cost.own_ns + cost.other_ns + cost.worker_ns;
	cost.rest_ns = all > known ? all - known : 0;
	return cost;
}
