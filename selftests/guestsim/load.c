// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load for a module that is to be unloaded:
 *
 *	load guests	guests that connect, answer, flood and come back, with no
 *			file of the module's open
 *	load clients	registers them and asks them for everything
 *
 * Both say "busy" when they are, and go on until they are killed.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "guestsim.h"
#include "vmg.h"

#define GUESTS		4
#define FIRST_CID	100
#define REDIAL_MS	2

/* So many frames each REDIAL_MS: not so many that answers wait behind them. */
#define FLOOD_FRAMES	8
#define FLOOD_BYTES	4096

/* The host may know a port for 8 s after its connection: so all last longer. */
#define GARBAGE_MS	10

/* Task fds that are open at a time, until the first is closed. */
#define TASKS		64

static void die(const char *what, int err)
{
	fprintf(stderr, "# load: %s: %s\n", what, strerror(-err));
	exit(1);
}

static void tell_busy(void)
{
	puts("busy");
	fflush(stdout);
}

/* Breaks the rules all the time. */
static void guest_be_rude(struct sim_guest *guest)
{
	static const char garbage[64];

	if (sim_hand_is_over(guest))
		sim_hand_dial(guest);
	else if (sim_hand_is_open(guest))
		sim_hand_send(guest, garbage, sizeof(garbage));
}

static void guest_live(struct sim_guest *guest, bool flood)
{
	int err = sim_guest_is_on(guest) ? 0 : sim_guest_boot(guest);

	if (err)
		die("boot", err);
	/* One that was told that it is not wanted tries again. */
	if (!sim_guest_is_welcome(guest) && !sim_guest_is_dialling(guest))
		sim_guest_do(guest, SIM_REBOOT, 0);
	sim_guest_forget_log(guest);
	if (flood && sim_guest_is_welcome(guest) &&
	    sim_guest_backlog(guest) < FLOOD_BYTES)
		sim_guest_do(guest, SIM_FLOOD, FLOOD_FRAMES);
}

/* Is it time again? */
static bool is_due(uint64_t *due_ns, unsigned int interval_ms)
{
	uint64_t now = sim_now_ns();

	if (now < *due_ns)
		return false;
	*due_ns = now + interval_ms * 1000000ULL;
	return true;
}

static void guests_live(void)
{
	struct sim *sim = sim_create();
	struct sim_guest *guests[GUESTS];
	uint64_t flood_ns = 0, garbage_ns = 0;
	unsigned long round;
	unsigned int i;
	bool flood;

	sim_hurry();
	for (i = 0; i < GUESTS; i++) {
		guests[i] = sim_guest_add(sim, FIRST_CID + i);
		sim_guest_set_delay(guests[i], REDIAL_MS);
		sim_guest_set_loud(guests[i], false);
	}
	for (round = 0;; round++) {
		flood = is_due(&flood_ns, REDIAL_MS);
		for (i = 0; i < GUESTS; i++)
			guest_live(guests[i], flood);
		if (is_due(&garbage_ns, GARBAGE_MS))
			guest_be_rude(guests[0]);
		if (!round)
			tell_busy();
		sim_step(sim, sim_now_ns() + REDIAL_MS * 1000000ULL);
	}
}

static uint64_t client_register(int fd, unsigned int i)
{
	int lifeline = i % 2 ? eventfd(0, EFD_CLOEXEC) : -1;
	uint64_t vm;
	char name[16];
	int err;

	snprintf(name, sizeof(name), "guest%u", i);
	err = vmg_register(fd, name, FIRST_CID + i, lifeline, &vm);
	if (err)
		die("register", err);
	return vm;
}

/* A guest that answers is connected. */
static void client_meet(int fd, uint64_t vm)
{
	struct vmguest_request request = vmg_request(vm);
	int task, err;

	request.flags = VMGUEST_REQ_QUEUE;
	task = vmg_ask(fd, VMGUEST_PING, &request);
	if (task < 0)
		die("ping", task);
	err = vmg_wait(task).error;
	if (err)
		die("pong", err);
	close(task);
}

static void clients_live(void)
{
	static const unsigned long verbs[] = {
		VMGUEST_PING, VMGUEST_LOGOFF, VMGUEST_PING, VMGUEST_PING,
		VMGUEST_RESTART,
	};
	struct vmguest_request request;
	uint64_t vms[GUESTS];
	int tasks[TASKS];
	unsigned long n;
	int fd = vmg_open();

	memset(tasks, -1, sizeof(tasks));
	for (n = 0; n < GUESTS; n++)
		vms[n] = client_register(fd, n);
	for (n = 0; n < GUESTS; n++)
		client_meet(fd, vms[n]);
	for (n = 0;; n++) {
		int *task = &tasks[n % TASKS];

		if (*task >= 0)
			close(*task);
		request = vmg_request(vms[n % GUESTS]);
		request.flags = VMGUEST_REQ_QUEUE;
		*task = vmg_ask(fd, verbs[n / GUESTS %
				(sizeof(verbs) / sizeof(verbs[0]))], &request);
		if (n == TASKS)
			tell_busy();
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "guests"))
		guests_live();
	else if (argc == 2 && !strcmp(argv[1], "clients"))
		clients_live();
	fprintf(stderr, "usage: load guests|clients\n");
	return 2;
}
