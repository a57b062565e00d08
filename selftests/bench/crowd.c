// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crowd.h"
#include "sample.h"
#include "vmg.h"

/*
 * The host remembers a connection that its guest did not close for 8 seconds,
 * so no CID is used again.
 */
#define CROWD_FIRST_CID	100000

/* So many guests dial at once: the host's listener has a short queue. */
#define CROWD_AT_ONCE	32

#define CROWD_TURN_NS	1000000000ULL

/* struct crowd_order - What goes to the guests' process, which is a fork */
struct crowd_order {
	crowd_order_fn *run;
	uint64_t arg;
};

struct crowd_life {
	struct crowd_inside inside;
	int orders;
	int answers;
};

static void crowd_obey(void *data)
{
	struct crowd_life *life = data;
	struct crowd_order order;
	uint64_t answer;

	if (read(life->orders, &order, sizeof(order)) != sizeof(order))
		_exit(0);
	answer = order.run(&life->inside, order.arg);
	if (write(life->answers, &answer, sizeof(answer)) != sizeof(answer))
		_exit(1);
}

__attribute__((noreturn))
static void crowd_live(struct crowd_life *life)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "guests");
	sim_watch(life->inside.sim, life->orders, EPOLLIN, crowd_obey, life);
	for (;;)
		sim_step(life->inside.sim, sim_now_ns() + CROWD_TURN_NS);
}

static uint64_t crowd_boot_all(struct crowd_inside *inside,
			       uint64_t unused __attribute__((unused)))
{
	unsigned int i, k;
	int err;

	for (i = 0; i < inside->count; i = k) {
		for (k = i; k < inside->count && k < i + CROWD_AT_ONCE; k++) {
			err = sim_guest_boot(inside->guests[k]);
			if (err)
				sample_die(err, "guest %u does not boot", k);
		}
		for (; i < k; i++)
			if (!sim_until(inside->sim,
				       sim_guest_is_welcome(inside->guests[i]),
				       CROWD_PATIENCE_MS))
				sample_die(0, "guest %u is not welcome", i);
	}
	return 0;
}

uint64_t crowd_depart_at_last(struct crowd_inside *inside,
			      uint64_t unused __attribute__((unused)))
{
	unsigned int i;

	for (i = 0; i < inside->count; i++)
		sim_guest_at(inside->guests[i], SIM_AT_ACK, SIM_DEPART);
	return 0;
}

uint64_t crowd_forget_logs(struct crowd_inside *inside,
			   uint64_t unused __attribute__((unused)))
{
	unsigned int i;

	for (i = 0; i < inside->count; i++)
		sim_guest_forget_log(inside->guests[i]);
	return 0;
}

static void crowd_make(struct crowd *crowd, struct crowd_inside *inside,
		       unsigned int count)
{
	static uint32_t next_cid = CROWD_FIRST_CID;
	unsigned int i;

	crowd->count = count;
	crowd->cid = next_cid;
	next_cid += count;
	crowd->vms = NULL;
	inside->sim = sim_create();
	inside->count = count;
	inside->guests = calloc(count, sizeof(*inside->guests));
	for (i = 0; i < count; i++) {
		inside->guests[i] = sim_guest_add(inside->sim, crowd->cid + i);
		sim_guest_set_loud(inside->guests[i], false);
	}
}

static void crowd_register(struct crowd *crowd, struct crowd_inside *inside)
{
	unsigned int i;
	char name[32];
	int err;

	crowd->vms = calloc(crowd->count, sizeof(*crowd->vms));
	for (i = 0; i < crowd->count; i++) {
		snprintf(name, sizeof(name), "guest%u", crowd->cid + i);
		err = vmg_register(crowd->fd, name, crowd->cid + i,
				   sim_guest_lifeline(inside->guests[i]),
				   &crowd->vms[i]);
		if (err)
			sample_die(err, "register guest %u", i);
	}
}

static void crowd_fork(struct crowd *crowd, struct crowd_inside *inside)
{
	struct crowd_life life = { .inside = *inside };
	int orders[2], answers[2];

	if (pipe2(orders, O_CLOEXEC) || pipe2(answers, O_CLOEXEC))
		sample_die(-errno, "pipe");
	crowd->pid = fork();
	if (crowd->pid < 0)
		sample_die(-errno, "fork");
	if (!crowd->pid) {
		close(orders[1]);
		close(answers[0]);
		life.orders = orders[0];
		life.answers = answers[1];
		crowd_live(&life);
	}
	close(orders[0]);
	close(answers[1]);
	crowd->orders = orders[1];
	crowd->answers = answers[0];
	/* The guests' process has its own copies. */
	sim_destroy(inside->sim);
	free(inside->guests);
}

void crowd_start(struct crowd *crowd, int fd, unsigned int count)
{
	struct crowd_inside inside;

	crowd_make(crowd, &inside, count);
	crowd->fd = fd;
	crowd_register(crowd, &inside);
	crowd_fork(crowd, &inside);
}

void crowd_start_strangers(struct crowd *crowd, unsigned int count)
{
	struct crowd_inside inside;

	crowd_make(crowd, &inside, count);
	crowd_fork(crowd, &inside);
}

void crowd_tell(const struct crowd *crowd, crowd_order_fn *order, uint64_t arg)
{
	const struct crowd_order told = { .run = order, .arg = arg };

	if (write(crowd->orders, &told, sizeof(told)) != sizeof(told))
		sample_die(-errno, "the guests' process");
}

uint64_t crowd_hear(const struct crowd *crowd)
{
	uint64_t answer;

	if (read(crowd->answers, &answer, sizeof(answer)) != sizeof(answer))
		sample_die(0, "the guests' process has ended");
	return answer;
}

uint64_t crowd_ask(const struct crowd *crowd, crowd_order_fn *order,
		   uint64_t arg)
{
	crowd_tell(crowd, order, arg);
	return crowd_hear(crowd);
}

void crowd_boot(struct crowd *crowd)
{
	crowd_ask(crowd, crowd_boot_all, 0);
}

void crowd_end(struct crowd *crowd)
{
	unsigned int i;

	kill(crowd->pid, SIGKILL);
	waitpid(crowd->pid, NULL, 0);
	close(crowd->orders);
	close(crowd->answers);
	/* Of those that are gone not all are kept. */
	for (i = 0; crowd->vms && i < crowd->count; i++)
		vmg_unregister(crowd->fd, crowd->vms[i]);
	free(crowd->vms);
	crowd->vms = NULL;
}
