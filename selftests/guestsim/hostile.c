// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "guestsim.h"
#include "hostile.h"
#include "test.h"

/* So many frames at once, as long as not so many bytes wait for the host. */
#define FLOOD_FRAMES	512
#define FLOOD_BYTES	16384

#define TURN_NS		20000000

void hostile_pin(pid_t pid, int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	sched_setaffinity(pid, sizeof(cpus), &cpus);
}

/* Newer kernels make them threads of the process, which stay where that is. */
void hostile_pin_vhost(int cpu)
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
			hostile_pin(atoi(entry->d_name), cpu);
		fclose(file);
	}
	closedir(dir);
}

static void hostile_boot(struct sim *sim, struct sim_guest *guest,
			 enum hostility how)
{
	if (sim_guest_boot(guest))
		_exit(1);
	hostile_pin_vhost(HOSTILE_CPU);
	if (!sim_until(sim, sim_guest_is_welcome(guest), PATIENCE_MS))
		_exit(1);
	sim_guest_forget_log(guest);
	if (how == HOSTILE_HANGS)
		sim_guest_do(guest, SIM_HANG, 0);
	else if (how == HOSTILE_STANDS_STILL)
		sim_guest_do(guest, SIM_FREEZE, 0);
	else if (how == HOSTILE_READS_NOTHING)
		sim_guest_do(guest, SIM_STARVE, 0);
}

static void hostile_act(struct sim_guest *guest, enum hostility how)
{
	static const char garbage[64];

	sim_guest_forget_log(guest);
	switch (how) {
	case HOSTILE_FRAMES:
		if (sim_guest_backlog(guest) < FLOOD_BYTES)
			sim_guest_do(guest, SIM_FLOOD, FLOOD_FRAMES);
		break;
	case HOSTILE_LIES:
		while (sim_guest_backlog(guest) < FLOOD_BYTES)
			sim_guest_do(guest, SIM_LIE, UINT64_MAX);
		break;
	case HOSTILE_NOTICES:
		if (sim_guest_backlog(guest) < FLOOD_BYTES)
			sim_guest_do(guest, SIM_NOTICE, FLOOD_FRAMES);
		break;
	case HOSTILE_GARBAGE:
		if (sim_hand_is_over(guest))
			sim_hand_dial(guest);
		else if (sim_hand_is_open(guest))
			sim_hand_send(guest, garbage, sizeof(garbage));
		break;
	case HOSTILE_CONNECTIONS:
		if (sim_hand_is_open(guest))
			sim_hand_reset(guest);
		if (sim_hand_is_over(guest))
			sim_hand_dial(guest);
		break;
	default:
		break;
	}
}

__attribute__((noreturn))
static void hostile_live(struct hostile_shared *shared, uint32_t cid,
			 enum hostility how)
{
	struct sim *sim = sim_create();
	struct sim_guest *guest = sim_guest_add(sim, cid);

	hostile_pin(0, HOSTILE_CPU);
	sim_guest_set_loud(guest, false);
	for (;;) {
		if (shared->want && !shared->is)
			hostile_boot(sim, guest, how);
		else if (!shared->want && shared->is)
			sim_guest_do(guest, SIM_DIE, 0);
		shared->is = shared->want;
		if (shared->is)
			hostile_act(guest, how);
		sim_step(sim, sim_now_ns() + TURN_NS);
	}
}

pid_t hostile_keep_busy(int cpu)
{
	const struct sched_param param = { };
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	hostile_pin(0, cpu);
	sched_setscheduler(0, SCHED_IDLE, &param);
	for (;;)
		;
}

void hostile_end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int hostile_start(struct hostile *hostile, int fd, const char *name,
		  uint32_t cid, enum hostility how)
{
	int err;

	memset(hostile, 0, sizeof(*hostile));
	hostile->fd = fd;
	hostile->how = how;
	hostile->shared = mmap(NULL, sizeof(*hostile->shared),
			       PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (hostile->shared == MAP_FAILED)
		return -errno;
	err = vmg_register(fd, name, cid, -1, &hostile->vm);
	if (err)
		return err;
	hostile->child = fork();
	if (hostile->child < 0)
		return -errno;
	if (!hostile->child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		hostile_live(hostile->shared, cid, how);
	}
	return 0;
}

static bool hostile_is_silent(const struct hostile *hostile)
{
	return hostile->how == HOSTILE_HANGS ||
	       hostile->how == HOSTILE_STANDS_STILL ||
	       hostile->how == HOSTILE_READS_NOTHING;
}

void hostile_call(struct hostile *hostile)
{
	hostile->shared->want = true;
}

void hostile_send_away(struct hostile *hostile)
{
	hostile->shared->want = false;
}

bool hostile_is_there(const struct hostile *hostile)
{
	return hostile->shared->is;
}

int hostile_pile(struct hostile *hostile)
{
	struct vmguest_request request;
	int task;

	while (hostile_is_silent(hostile) && hostile->piled < HOSTILE_PILE) {
		request = vmg_request(hostile->vm);
		task = vmg_ask(hostile->fd, hostile->piled ? VMGUEST_PING :
			       VMGUEST_SHUTDOWN, &request);
		if (task < 0)
			return task;
		hostile->pile[hostile->piled++] = task;
	}
	return 0;
}

void hostile_end(struct hostile *hostile)
{
	if (hostile->child > 0)
		hostile_end_child(hostile->child);
	while (hostile->piled)
		close(hostile->pile[--hostile->piled]);
	munmap(hostile->shared, sizeof(*hostile->shared));
}
