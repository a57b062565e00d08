// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long after a VMM was killed a caller knows: by its task fd, or by a pidfd
 * of the same process, which is the soonest that anybody can know.
 *
 * A VMM is a child that holds /dev/vhost-vsock with a CID of its own; its guest
 * has said its last breath. Three arms take turns: a task fd is polled; a pidfd
 * is polled of a VMM that the module knows nothing of; and both are polled by
 * two threads at the death of one VMM, the threads started in either order.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crowd.h"
#include "sample.h"
#include "vmg.h"

#define QUESTION	"gone"
#define TURN		10

/* libvirt-guests.sh looks at "virsh list", then sleeps for a second. */
#define LOOP_MS		1000.0

/**
 * struct vmm - A VMM that is to be killed
 * @crowd: The process, with one guest.
 * @fd: /dev/vmguest.
 * @vm: Its VM's id.
 * @pidfd: Its pidfd, which is the lifeline of @vm.
 * @task: The shutdown that waits for its end, -1 for none.
 */
struct vmm {
	struct crowd crowd;
	int fd;
	uint64_t vm;
	int pidfd;
	int task;
};

/* struct waiter - A thread that waits until a fd is readable */
struct waiter {
	int fd;
	pid_t tid;
	pthread_t thread;
	uint64_t ns;
};

/* A guest that has said its last breath, and whose VMM takes its time. */
static uint64_t linger(struct crowd_inside *inside,
		       uint64_t unused __attribute__((unused)))
{
	sim_guest_at(inside->guests[0], SIM_AT_ACK, SIM_HANG);
	return 0;
}

static uint64_t boot_without_agent(struct crowd_inside *inside,
				   uint64_t unused __attribute__((unused)))
{
	int err;

	sim_guest_at(inside->guests[0], SIM_AT_BOOT, SIM_HANG);
	err = sim_guest_boot(inside->guests[0]);
	if (err)
		sample_die(err, "a guest does not boot");
	return 0;
}

static void vmm_start(struct vmm *vmm)
{
	crowd_start_strangers(&vmm->crowd, 1);
	vmm->task = -1;
	vmm->pidfd = syscall(SYS_pidfd_open, vmm->crowd.pid, 0);
	if (vmm->pidfd < 0)
		sample_die(-errno, "pidfd_open");
}

static void vmm_start_unknown(struct vmm *vmm)
{
	vmm_start(vmm);
	crowd_ask(&vmm->crowd, boot_without_agent, 0);
}

/* Up to where nothing is missing but the end of the VMM. */
static void vmm_start_task(struct vmm *vmm)
{
	struct vmguest_request request;
	struct vmguest_task_get task;
	char name[32];
	int err;

	vmm_start(vmm);
	snprintf(name, sizeof(name), "vmm%u", vmm->crowd.cid);
	err = vmg_register(vmm->fd, name, vmm->crowd.cid, vmm->pidfd, &vmm->vm);
	if (err)
		sample_die(err, "register");
	crowd_ask(&vmm->crowd, linger, 0);
	crowd_boot(&vmm->crowd);
	request = vmg_request(vmm->vm);
	vmm->task = vmg_ask(vmm->fd, VMGUEST_SHUTDOWN, &request);
	if (vmm->task < 0)
		sample_die(vmm->task, "shutdown");
	task = vmg_wait_stage(vmm->task, VMGUEST_STAGE_LAST_BREATH);
	if (task.task_flags & VMGUEST_TASK_COMPLETE)
		sample_die(0, "the task ended before the VMM");
}

static void vmm_bury(struct vmm *vmm)
{
	struct vmguest_task_get task;

	if (vmm->task >= 0) {
		task = vmg_wait(vmm->task);
		if (task.error || !(task.proofs & VMGUEST_PROOF_VM_GONE))
			sample_die(task.error, "the VM did not go as asked");
		close(vmm->task);
		vmg_unregister(vmm->fd, vmm->vm);
	}
	crowd_end(&vmm->crowd);
	close(vmm->pidfd);
}

static uint64_t wait_until_readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (poll(&pfd, 1, VMG_PATIENCE_MS) != 1 || !(pfd.revents & POLLIN))
		sample_die(0, "nothing came of the death of a VMM");
	return sample_now_ns();
}

static uint64_t time_death(const struct vmm *vmm, int fd)
{
	uint64_t start = sample_now_ns();

	kill(vmm->crowd.pid, SIGKILL);
	return wait_until_readable(fd) - start;
}

static void *waiter_run(void *data)
{
	struct waiter *waiter = data;

	__atomic_store_n(&waiter->tid, gettid(), __ATOMIC_RELEASE);
	waiter->ns = wait_until_readable(waiter->fd);
	return NULL;
}

static bool waiter_sleeps(const struct waiter *waiter)
{
	pid_t tid = __atomic_load_n(&waiter->tid, __ATOMIC_ACQUIRE);
	char path[64], state = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = tid ? fopen(path, "re") : NULL;
	if (!file)
		return false;
	if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	fclose(file);
	return state == 'S';
}

static void waiter_start(struct waiter *waiter)
{
	waiter->tid = 0;
	if (pthread_create(&waiter->thread, NULL, waiter_run, waiter))
		sample_die(0, "no thread");
	while (!waiter_sleeps(waiter))
		sched_yield();
}

static void time_death_twice(const struct vmm *vmm, bool task_first,
			     uint64_t *task_ns, uint64_t *pidfd_ns)
{
	struct waiter task = { .fd = vmm->task };
	struct waiter pidfd = { .fd = vmm->pidfd };
	uint64_t start;

	waiter_start(task_first ? &task : &pidfd);
	waiter_start(task_first ? &pidfd : &task);
	start = sample_now_ns();
	kill(vmm->crowd.pid, SIGKILL);
	pthread_join(task.thread, NULL);
	pthread_join(pidfd.thread, NULL);
	*task_ns = task.ns - start;
	*pidfd_ns = pidfd.ns - start;
}

static void measure_task(struct vmm *vmm, unsigned int round)
{
	uint64_t ns[TURN];
	int i;

	for (i = 0; i < TURN; i++) {
		vmm_start_task(vmm);
		ns[i] = time_death(vmm, vmm->task);
		vmm_bury(vmm);
	}
	sample_quantiles(QUESTION, "task fd", 1, round, ns, TURN);
}

static void measure_pidfd(struct vmm *vmm, unsigned int round)
{
	uint64_t ns[TURN];
	int i;

	for (i = 0; i < TURN; i++) {
		vmm_start_unknown(vmm);
		ns[i] = time_death(vmm, vmm->pidfd);
		vmm_bury(vmm);
	}
	sample_quantiles(QUESTION, "bare pidfd", 1, round, ns, TURN);
}

/* Negative when the task fd was first. */
static double lateness_us(uint64_t task_ns, uint64_t pidfd_ns)
{
	return ((double)task_ns - (double)pidfd_ns) / 1e3;
}

static void measure_both(struct vmm *vmm, unsigned int round)
{
	uint64_t task[TURN], pidfd[TURN];
	int i;

	for (i = 0; i < TURN; i++) {
		vmm_start_task(vmm);
		time_death_twice(vmm, i % 2, &task[i], &pidfd[i]);
		vmm_bury(vmm);
		sample_row(QUESTION, "same death", 1, round, "lateness",
			   lateness_us(task[i], pidfd[i]), "us");
	}
	sample_quantiles(QUESTION, "same death: task fd", 1, round, task, TURN);
	sample_quantiles(QUESTION, "same death: pidfd", 1, round, pidfd, TURN);
}

/* A death is equally likely at any time between two looks. */
static void compute_loop(void)
{
	sample_say("gone: libvirt-guests.sh looks every %.0f ms: on average it",
		   LOOP_MS);
	sample_say("knows after half of that, computed, and without its looks");
	sample_row(QUESTION, "1 s loop (computed)", 1, 0, "p50",
		   LOOP_MS * 1e3 / 2, "us");
}

int main(int argc, char **argv)
{
	static void (* const arms[])(struct vmm *vmm, unsigned int round) = {
		measure_task, measure_pidfd, measure_both,
	};
	const unsigned int count = sizeof(arms) / sizeof(arms[0]);
	struct sample_options options = sample_parse(argc, argv, 20, 2);
	struct vmm vmm = { .fd = vmg_open() };
	unsigned int round, i;

	if (vmm.fd < 0)
		sample_die(-errno, "/dev/vmguest");
	sim_hurry();
	for (round = 0; round < options.rounds; round++)
		for (i = 0; i < count; i++)
			arms[sample_turn(round, i, count)](&vmm, round);
	compute_loop();
	return 0;
}
